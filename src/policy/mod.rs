//! Floor 1: the rules. `decide` is a pure function of ruleset, submission and
//! instant; it has no socket, clock, ledger or lock.

pub mod calendar;
pub mod case;
pub mod content;
pub mod decide;
pub mod explain;
pub mod joined;
#[cfg(test)]
mod labelled;
pub mod matching;
pub mod mode;
pub mod numbers;
pub mod opted_out;
mod passed;
pub mod phrases;
pub mod quirks;
pub mod reason;
pub mod reference;
pub mod regions;
pub mod report;
pub mod rules;
pub mod ruleset;
#[cfg(test)]
mod scenarios;
pub mod status_reference;
pub mod switches;
#[cfg(test)]
pub(crate) mod testing;

pub use decide::{Permit, Refusal, Scratch, decide};
pub use explain::{Explanation, explain, explain_replacement};
pub use mode::{Mode, Modes, Rule};
pub use quirks::{Quirk, Quirks};
pub use reason::{Reason, Reasons};
pub use ruleset::{Account, Ruleset, UnitId};
