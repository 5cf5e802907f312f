//! What was answered: by the SMSC to what it was sent, by the gateway to what it refused; and what the SMSC says
//! later of a delivery.

use crate::domain::{Moment, Msisdn};
use crate::policy::Reason;
use crate::smpp::receipt::State;

use super::scheduled::{read_short, write_short};
use super::taken::{number_octets, read_number};
use super::{ACCEPTED, ACCEPTED_AS, OVERFLOW, RECEIPT, REFUSED, REJECTED, TIME, UNKNOWN, UNREADABLE, VOID};

/// What became of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The SMSC took it: status 0.
    Accepted,
    /// The SMSC refused it with this status; everything taken is free again.
    Rejected(u32),
    /// No answer came: it counts as sent (P9).
    Unknown,
}

/// How a reservation was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settlement<'a> {
    /// Its id.
    pub(crate) id: u64,
    /// What became of it.
    pub(crate) settled: Settled,
    /// The SMSC's name for the message, if it gave one.
    pub(crate) message_id: &'a [u8],
    /// It never left, and its refusal stands in a record of its own.
    pub(crate) void: bool,
}

/// Whom a refused message was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusedTo<'a> {
    /// One subscriber, or several, five octets each.
    Numbers(&'a [[u8; 5]]),
    /// An address that is no subscriber's: type, plan, digits.
    Unreadable(u8, u8, &'a [u8]),
    /// So many that the record does not name.
    Uncounted(u32),
}

/// Messages that the gateway refused for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused<'a> {
    /// Why.
    pub(crate) reason: Reason,
    /// The command_status of the answer; 0 where the record does not name it.
    pub(crate) status: u32,
    /// Whom they were for.
    pub(crate) to: RefusedTo<'a>,
}

/// What the SMSC says of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReceiptRecord<'a> {
    /// The ledger's number of the account that it was for.
    pub(crate) account: u16,
    /// The subscriber, where the receipt names one.
    pub(crate) recipient: Option<Msisdn>,
    /// The message's state.
    pub(crate) state: State,
    /// Its error code; 0 for none.
    pub(crate) error: u32,
    /// The message's name, as the receipt writes it.
    pub(crate) message_id: &'a [u8],
}

/// Octets of a refusal's record before its numbers.
const REFUSED_HEAD: usize = 8;

/// Appends when the settlements and receipts behind it came.
pub(crate) fn write_time(at: Moment, out: &mut Vec<u8>) {
    out.push(TIME);
    out.extend(at.ms().to_le_bytes());
}

pub(super) fn read_time(octets: &[u8]) -> Option<(Moment, &[u8])> {
    let (at, rest) = octets.split_first_chunk()?;
    Some((Moment::from_ms(i64::from_le_bytes(*at)), rest))
}

impl<'a> Settlement<'a> {
    /// Appends it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let tag = match self.settled {
            _ if self.void => VOID,
            Settled::Accepted if !self.message_id.is_empty() => ACCEPTED_AS,
            Settled::Accepted => ACCEPTED,
            Settled::Rejected(_) => REJECTED,
            Settled::Unknown => UNKNOWN,
        };
        out.push(tag);
        out.extend_from_slice(&self.id.to_le_bytes());
        match self.settled {
            Settled::Rejected(status) if tag == REJECTED => out.extend_from_slice(&status.to_le_bytes()),
            _ if tag == ACCEPTED_AS => write_short(self.message_id, out),
            _ => {}
        }
    }

    pub(super) fn read(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, rest) = octets.split_first_chunk::<9>()?;
        let id = u64::from_le_bytes(*head[1..].first_chunk()?);
        let plain = |settled| Self { id, settled, message_id: &[], void: false };
        Some(match head[0] {
            ACCEPTED => (plain(Settled::Accepted), rest),
            UNKNOWN => (plain(Settled::Unknown), rest),
            VOID => (Self { void: true, ..plain(Settled::Rejected(0)) }, rest),
            REJECTED => {
                let (status, rest) = rest.split_first_chunk::<4>()?;
                (plain(Settled::Rejected(u32::from_le_bytes(*status))), rest)
            }
            ACCEPTED_AS => {
                let (message_id, rest) = read_short(rest)?;
                (Self { message_id, ..plain(Settled::Accepted) }, rest)
            }
            _ => return None,
        })
    }
}

impl<'a> Refused<'a> {
    /// Appends it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self.to {
            RefusedTo::Numbers(numbers) => {
                self.write_head(REFUSED, out);
                out.extend((numbers.len() as u16).to_le_bytes()); // a batch has fewer
                out.extend_from_slice(numbers.as_flattened());
            }
            RefusedTo::Unreadable(ton, npi, digits) => {
                self.write_head(UNREADABLE, out);
                out.extend([ton, npi]);
                write_short(digits, out);
            }
            RefusedTo::Uncounted(count) => {
                self.write_head(OVERFLOW, out);
                out.extend(count.to_le_bytes());
            }
        }
    }

    fn write_head(&self, tag: u8, out: &mut Vec<u8>) {
        out.extend([tag, reason_number(self.reason)]);
        out.extend(self.status.to_le_bytes());
    }

    /// Adds a subscriber to the record that begins at `at` and ends `out`; `false` if it is none of this reason
    /// and status, or full.
    pub(crate) fn join(reason: Reason, status: u32, number: Option<Msisdn>, at: usize, out: &mut Vec<u8>) -> bool {
        let length = out.len();
        let Some(head) = out.get_mut(at..).and_then(|record| record.first_chunk_mut::<REFUSED_HEAD>()) else {
            return false;
        };
        let [tag, own, first, second, third, fourth, low, high] = *head;
        let count = u16::from_le_bytes([low, high]);
        let ends = at + REFUSED_HEAD + 5 * usize::from(count) == length;
        let same = [own, first, second, third, fourth] == {
            let [first, second, third, fourth] = status.to_le_bytes();
            [reason_number(reason), first, second, third, fourth]
        };
        if tag != REFUSED || !ends || !same || count == u16::MAX {
            return false;
        }
        head[REFUSED_HEAD - 2..].copy_from_slice(&(count + 1).to_le_bytes());
        out.extend(number_octets(number));
        true
    }

    pub(super) fn read(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[tag, reason, first, second, third, fourth], rest) = octets.split_first_chunk()?;
        let (reason, status) = (reason_of(reason)?, u32::from_le_bytes([first, second, third, fourth]));
        let (to, rest) = match tag {
            REFUSED => {
                let (count, rest) = rest.split_first_chunk()?;
                let (numbers, rest) = rest.split_at_checked(5 * usize::from(u16::from_le_bytes(*count)))?;
                let (numbers, _) = numbers.as_chunks();
                if !numbers.iter().all(|number| read_number(*number).is_some()) {
                    return None;
                }
                (RefusedTo::Numbers(numbers), rest)
            }
            UNREADABLE => {
                let (&[ton, npi], rest) = rest.split_first_chunk()?;
                let (digits, rest) = read_short(rest)?;
                (RefusedTo::Unreadable(ton, npi, digits), rest)
            }
            OVERFLOW => {
                let (count, rest) = rest.split_first_chunk()?;
                (RefusedTo::Uncounted(u32::from_le_bytes(*count)), rest)
            }
            _ => return None,
        };
        Some((Self { reason, status, to }, rest))
    }
}

impl<'a> ReceiptRecord<'a> {
    /// Appends it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(RECEIPT);
        out.extend(self.account.to_le_bytes());
        out.extend(number_octets(self.recipient));
        out.push(self.state.octet());
        out.extend(self.error.to_le_bytes());
        write_short(self.message_id, out);
    }

    /// Reads what stands behind the tag.
    pub(super) fn read(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (account, rest) = octets.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (state, rest) = rest.split_first()?;
        let (error, rest) = rest.split_first_chunk()?;
        let (message_id, rest) = read_short(rest)?;
        let receipt = Self {
            account: u16::from_le_bytes(*account),
            recipient: read_number(*number)?,
            state: State::from_octet(*state),
            error: u32::from_le_bytes(*error),
            message_id,
        };
        Some((receipt, rest))
    }
}

/// A reason's number in records. A number is never given to another reason: records are read for years.
pub(crate) const fn reason_number(reason: Reason) -> u8 {
    match reason {
        Reason::AccountUnknown => 1,
        Reason::DecodeFailed => 2,
        Reason::SourceNotAllowed => 3,
        Reason::OperationDenied => 4,
        Reason::ScheduleInvalid => 5,
        Reason::ScheduleTooFar => 6,
        Reason::BadDestination => 7,
        Reason::OtherCity => 8,
        Reason::UnknownSegment => 9,
        Reason::OtherProvince => 10,
        Reason::NotOwnCustomer => 11,
        Reason::TooLong => 12,
        Reason::Multipart => 13,
        Reason::NoName => 14,
        Reason::NoConsult => 15,
        Reason::NoSignature => 16,
        Reason::ForeignConsult => 17,
        Reason::NoContact => 18,
        Reason::CalendarMissing => 19,
        Reason::Holiday => 20,
        Reason::Night => 21,
        Reason::Busy => 22,
        Reason::Paused => 23,
        Reason::Spread => 24,
        Reason::Duplicate => 25,
        Reason::Quota => 26,
        Reason::Rate => 27,
        Reason::UpstreamDown => 28,
        Reason::LedgerUnavailable => 29,
        Reason::ClockUntrusted => 30,
        Reason::OptedOut => 31,
        Reason::CategoryDenied => 32,
        Reason::NotApproved => 33,
        Reason::CampaignTime => 34,
        Reason::NotRegistered => 35,
    }
}

/// The reason of a number.
fn reason_of(number: u8) -> Option<Reason> {
    Reason::ALL.into_iter().find(|reason| reason_number(*reason) == number)
}

/// The subscriber in five octets of a refusal that was read.
pub(crate) fn number_of(octets: [u8; 5]) -> Option<Msisdn> {
    read_number(octets).flatten()
}
