//! The journal's records, packed: what a group commit writes as one row.
//!
//! A reservation has no id of its own on disk; its id is its row's `first_id`
//! plus its position among the row's reservations. Everything that happens to
//! it later names that id. What several reservations have in common is written
//! once before them ([`standing`]); what was refused or answered, and what
//! receipts say, are records too ([`answer`]), so that the journal tells of every
//! message what became of it.

mod answer;
mod scheduled;
mod standing;
mod taken;
#[cfg(test)]
mod tests;

use crate::domain::Moment;

use super::waiting::Scheduled;

pub use self::answer::Settled;
pub(crate) use self::answer::{ReceiptRecord, Refused, RefusedTo, Settlement, number_of, write_time};
pub(super) use self::scheduled::{Cancelled, write_cancelled, write_scheduled};
use self::standing::Standing;
pub(crate) use self::standing::{Context, Matter};
pub use self::standing::{PolicyName, TextDigest};
pub(super) use self::taken::{Effects, PartRecord, Taken, Terms, number_octets};

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// What the messages behind it have in common.
    Context(Context),
    /// What those to several subscribers have in common.
    Matter(Matter<'a>),
    /// When the settlements and receipts behind it came.
    Time(Moment),
    /// Something was taken.
    Reserved(Taken),
    /// A message goes on that takes nothing; it has an id like a reservation.
    Passed(Taken),
    /// A part of a message; it has an id like a reservation.
    Part(Box<PartRecord>),
    /// What had been given back was sent after all.
    TakenAgain(Taken),
    /// An accepted message has moved to another day.
    GivenUp(Taken),
    /// A reservation was settled.
    Settled(Settlement<'a>),
    /// Messages were refused here.
    Refused(Refused<'a>),
    /// The SMSC says what became of a delivery.
    Receipt(ReceiptRecord<'a>),
    /// An accepted message waits inside the SMSC for its time.
    Scheduled(Box<Scheduled>),
    /// The SMSC has cancelled one.
    Cancelled(Box<Cancelled>),
}

impl Record<'_> {
    /// Whether it is counted for the ids of the row's reservations.
    pub(crate) const fn has_an_id(&self) -> bool {
        matches!(self, Self::Reserved(_) | Self::Passed(_) | Self::Part(_))
    }
}

/// Why a row cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {0} of the row is not one this version writes")]
pub(crate) struct RecordError(pub usize);

const RESERVED: u8 = 1;
const ACCEPTED: u8 = 2;
const REJECTED: u8 = 3;
const UNKNOWN: u8 = 4;
const PASSED: u8 = 5;
const PART: u8 = 6;
const TAKEN_AGAIN: u8 = 9;
const GIVEN_UP: u8 = 10;
const SCHEDULED: u8 = 11;
const CANCELLED: u8 = 12;
const CONTEXT: u8 = 20;
const MATTER: u8 = 21;
const TIME: u8 = 22;
const ACCEPTED_AS: u8 = 23;
const VOID: u8 = 24;
const REFUSED: u8 = 25;
const UNREADABLE: u8 = 26;
const OVERFLOW: u8 = 27;
const RECEIPT: u8 = 28;

/// The records of a row, in order.
#[derive(Clone, Debug)]
pub(crate) struct Records<'a> {
    rest: &'a [u8],
    read: usize,
    standing: Standing,
}

/// The records of a row, in order.
pub(crate) const fn read_row(row: &[u8]) -> Records<'_> {
    Records { rest: row, read: 0, standing: Standing::NONE }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        self.read += 1;
        let Some((record, after)) = read_one(self.rest, &self.standing) else {
            self.rest = &[];
            return Some(Err(RecordError(self.read)));
        };
        self.rest = after;
        match &record {
            Record::Context(context) => self.standing = Standing { context: Some(*context), day: None },
            Record::Matter(matter) => self.standing.day = Some(matter.day),
            _ => {}
        }
        Some(Ok(record))
    }
}

/// What of packed records must not be lost with a commit that failed: settlements, refusals and receipts, with
/// what they stand under. A reservation may go: its sender was refused.
pub(super) fn settlements(records: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut all = read_row(records);
    loop {
        let before = all.rest;
        let Some(Ok(record)) = all.next() else { return out };
        if !record.has_an_id() {
            out.extend_from_slice(&before[..before.len() - all.rest.len()]);
        }
    }
}

fn read_one<'a>(octets: &'a [u8], standing: &Standing) -> Option<(Record<'a>, &'a [u8])> {
    let (tag, behind) = octets.split_first()?;
    Some(match *tag {
        RESERVED => {
            let (taken, rest) = Taken::read(octets, standing)?;
            (Record::Reserved(taken), rest)
        }
        PASSED => {
            let (taken, rest) = Taken::read(octets, standing)?;
            (Record::Passed(taken), rest)
        }
        CONTEXT => {
            let (context, rest) = Context::read(behind)?;
            (Record::Context(context), rest)
        }
        MATTER => {
            let (matter, rest) = Matter::read(behind)?;
            (Record::Matter(matter), rest)
        }
        TIME => {
            let (at, rest) = answer::read_time(behind)?;
            (Record::Time(at), rest)
        }
        PART => {
            let (part, rest) = PartRecord::read(octets, standing)?;
            (Record::Part(Box::new(part)), rest)
        }
        TAKEN_AGAIN | GIVEN_UP => {
            let (taken, rest) = Taken::read_whole(octets)?;
            (if *tag == TAKEN_AGAIN { Record::TakenAgain(taken) } else { Record::GivenUp(taken) }, rest)
        }
        REFUSED | UNREADABLE | OVERFLOW => {
            let (refused, rest) = Refused::read(octets)?;
            (Record::Refused(refused), rest)
        }
        RECEIPT => {
            let (receipt, rest) = ReceiptRecord::read(behind)?;
            (Record::Receipt(receipt), rest)
        }
        SCHEDULED => {
            let (scheduled, rest) = scheduled::read_scheduled(behind)?;
            (Record::Scheduled(Box::new(scheduled)), rest)
        }
        CANCELLED => {
            let (cancelled, rest) = scheduled::read_cancelled(behind)?;
            (Record::Cancelled(Box::new(cancelled)), rest)
        }
        _ => {
            let (settlement, rest) = Settlement::read(octets)?;
            (Record::Settled(settlement), rest)
        }
    })
}
