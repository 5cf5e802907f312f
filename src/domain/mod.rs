//! Floor 0: the words everything else is written in. Nothing here knows a
//! socket, a file, a rule or a protocol unit.

pub mod account;
pub mod clock;
pub mod day;
mod hex;
pub mod invariant;
pub mod mask;
pub mod msisdn;
pub mod source;
pub mod tick;
pub mod watch;
mod words;

pub use account::{AccountClass, AccountId};
pub use clock::{Clock, Moment};
pub use day::{Day, LocalTime};
pub use hex::hex;
pub use invariant::Invariant;
pub use msisdn::{Msisdn, Segment};
pub use source::SourcePattern;
pub use tick::{Tick, Ticker};
pub use watch::{ClockWatch, Doubt};
pub(crate) use words::words;
