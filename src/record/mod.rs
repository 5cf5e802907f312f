//! Floor 2: what is kept of what happened. For now the counters.

pub mod legs;
pub mod metrics;
pub mod process;
pub mod reference;
pub mod sender;

pub use metrics::Metrics;
pub use sender::{SenderMetrics, Tally, Verb};
