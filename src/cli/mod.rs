//! Floor 5: one subcommand a file.

pub mod check;
