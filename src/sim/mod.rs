//! Floor 3: peers. A simulated SMSC, a simulated ESME and a load driver, for
//! the demonstration, the tests and the measurements. Everything they do by
//! chance comes from a seed, so a run can be repeated.
//!
//! They read and build PDUs with their own few lines and not with the parser
//! of the gateway: what judges the gateway must not share its mistakes.

pub mod esme;
pub mod histogram;
pub mod journal;
pub mod load;
pub mod pdu;
pub mod random;
pub mod recipients;
pub mod smsc;
pub mod submit;

pub use esme::{Answer, Esme};
pub use load::{LoadReport, LoadSettings, run_load};
pub use smsc::{Behaviour, Smsc, SmscSettings};
pub use submit::SubmitSpec;

#[cfg(test)]
mod tests;
