//! Messages put together again from their records.
