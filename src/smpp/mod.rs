//! Floor 1: the protocol. Frames are cut by length and travel as octets;
//! only submissions are parsed, one isolated frame at a time and strictly.

pub mod answer;
pub mod bind;
pub mod coding;
pub mod command;
pub mod deliver;
pub mod frame;
pub mod manage;
pub mod multi;
pub mod receipt;
pub mod replace;
pub mod rewrite;
pub mod submission;
pub mod time;
pub mod tlv;
pub mod udh;

pub use frame::{Cut, Header};
pub use submission::{Address, Malformed, Operation, Submission};
