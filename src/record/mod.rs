//! Floor 2: what is kept of what happened: counters, the latest refusals and faults, operators' acts, the log.

pub mod acts;
pub mod admin;
pub mod clock;
pub mod faults;
pub mod legs;
pub mod log_writer;
pub mod logs;
pub mod metrics;
pub mod pauses;
pub mod process;
pub mod reference;
pub mod refusals;
pub mod registry;
pub mod sender;
pub mod shared;

pub use acts::{Act, Acts};
pub use faults::{Fault, Faults};
pub use logs::Logs;
pub use metrics::Metrics;
pub use refusals::{Refusals, Refused};
pub use sender::{SenderMetrics, Tally, Totals, Verb};
