//! What the journal tells of messages: every one that was sent to the gateway, what it decided, what the SMSC
//! answered, what a receipt said.
//!
//! A message's records lie in several rows, sometimes of several days: its decision, its answer, its receipt.
//! Here they are put together again. All of it reads the journal beside the path of the messages, and takes its time
//! on the calling thread.

mod about;
pub(in crate::ledger) mod index;
mod join;
mod names;
mod rows;
#[cfg(test)]
mod tests;
mod trace;

use std::sync::Arc;

use crate::domain::{AccountClass, Day, Moment, Msisdn};
use crate::policy::Reason;
use crate::smpp::command;
use crate::smpp::receipt::State;

use super::record::{PolicyName, TextDigest};

pub use self::join::{REACH_DAYS, Span};
pub use self::names::is_same_message;
pub use self::rows::Archive;
pub(in crate::ledger) use self::rows::Rows;

/// What messages of one batch with one text have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// When the batch was read.
    pub received: Moment,
    /// Effective delivery time: the schedule, otherwise when it was received.
    pub edt: Moment,
    /// `system_id` of the account.
    pub account: Arc<str>,
    /// Its class, as it was then.
    pub class: AccountClass,
    /// Its unit, as it was then.
    pub unit: Arc<str>,
    /// The operation, by its command_id; 0 where nothing is recorded of it.
    pub command_id: u32,
    /// source_addr as it was shown: type, plan, digits.
    pub source: (u8, u8, Box<str>),
    /// The registered campaign that the text belongs to.
    pub campaign: Option<u32>,
    /// Of the text.
    pub digest: Option<TextDigest>,
    /// The text, where `audit.text` keeps it.
    pub text: Option<Box<str>>,
    /// What it was judged by.
    pub policy: PolicyName,
}

/// Whom a message was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// A subscriber.
    Subscriber(Msisdn),
    /// An address that is no subscriber's number: type, plan, digits.
    Address(u8, u8, Box<str>),
    /// Nobody whom the record names.
    Unnamed,
}

/// What the gateway decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It went on to the SMSC.
    Forwarded,
    /// It was refused.
    Refused {
        /// The first reason in order of precedence.
        reason: Reason,
        /// The command_status of the answer; 0 where the record does not tell.
        status: u32,
    },
}

/// What became of a message that went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing is known yet.
    Pending,
    /// The SMSC took it.
    Accepted,
    /// The SMSC refused it with this status.
    Rejected(u32),
    /// Nobody answered; it counts as sent (P9).
    Unknown,
    /// Nobody answered, and it was released: by an operator, or because `dedup.unknown_outcome` says so.
    Released,
}

/// The SMSC's answer to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What became of it.
    pub fate: Fate,
    /// When that was known; `None` while it is pending.
    pub at: Option<Moment>,
    /// The SMSC's name for it, any octets up to 64; empty where it gave none.
    pub message_id: Box<[u8]>,
}

/// The latest receipt of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The state it tells of. One that is final is not followed by another.
    pub state: State,
    /// Its error code; 0 for none.
    pub error: u32,
    /// When it passed the gateway.
    pub at: Moment,
}

/// One message to one recipient, or several refusals of which only the number is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The journal's day in which its record stands.
    pub day: Day,
    /// The row of the journal in which its decision stands.
    pub row: i64,
    /// The reservation's id; `None` of what was refused.
    pub id: Option<u64>,
    /// What it has in common with others.
    pub about: Arc<About>,
    /// Whom it was for.
    pub to: To,
    /// How many messages this stands for: 1, or more where refusals were only counted.
    pub count: u32,
    /// Which part of a message, and of how many.
    pub part: Option<(u8, u8)>,
    /// What the gateway decided.
    pub verdict: Verdict,
    /// The SMSC's answer; `None` of what was refused.
    pub outcome: Option<Outcome>,
    /// The latest receipt.
    pub receipt: Option<Receipt>,
}

impl About {
    /// The operation's name in SMPP.
    pub const fn command(&self) -> &'static str {
        command::name(self.command_id)
    }
}

impl Attempt {
    /// What became of it at the SMSC; `None` of what was refused here.
    pub fn fate(&self) -> Option<Fate> {
        self.outcome.as_ref().map(|outcome| outcome.fate)
    }

    /// Whether the SMSC took it.
    pub fn is_accepted(&self) -> bool {
        self.fate() == Some(Fate::Accepted)
    }

    /// Whether the handset has it, by the SMSC's word.
    pub fn is_delivered(&self) -> bool {
        self.receipt.as_ref().is_some_and(|receipt| receipt.state == State::Delivered)
    }

    /// Whether the SMSC says that the handset will not get it.
    pub fn has_failed(&self) -> bool {
        let failed = |state: State| state.is_final() && !matches!(state, State::Delivered | State::Accepted);
        self.receipt.as_ref().is_some_and(|receipt| failed(receipt.state))
    }
}
