//! The journal's records, packed: what a group commit writes as one row.
//!
//! A reservation has no id of its own on disk; its id is its row's `first_id`
//! plus its position among the row's reservations. Everything that happens to
//! it later names that id.

use crate::domain::{Day, Msisdn};
use crate::policy::joined::{Piece, Recipient};
use crate::policy::switches::{Switches, UnknownOutcome};
use crate::smpp::udh::{Part, PartKind};

use super::waiting::Scheduled;

pub(super) use self::scheduled::{Cancelled, write_cancelled, write_scheduled};

mod scheduled;

/// A message's hold on slots and counters.
///
/// Real effects are on disk before the message is written to the SMSC; effects
/// for observed rules are in memory only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// The subscriber; `None` when the message touches no slot.
    pub recipient: Option<Msisdn>,
    /// The local day of the effective delivery time.
    pub day: Day,
    /// Which effects there are.
    pub effects: Effects,
    /// The ledger's name of the account.
    pub account: u16,
    /// The scope of 7.1a; 0 for all senders together.
    pub slot_scope: u16,
    /// The scope of 7.1b.
    pub quota_scope: u16,
    /// When its place in the segment's window was taken, steady milliseconds.
    pub spread_at_ms: i64,
    /// The terms it was taken under; memory only.
    pub terms: Terms,
}

/// What the switches said when something was taken. It is settled by these, whatever a reload has changed since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// Leading digits that make a segment (7.7).
    pub spread_digits: u8,
    /// Whether an unknown outcome gives everything back.
    pub unknown_releases: bool,
}

/// What a message took, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effects(u8);

impl Effects {
    /// A slot of the subscriber (7.1a).
    pub(super) const SLOT: Self = Self(1);
    /// One of the quota (7.1b).
    pub(super) const QUOTA: Self = Self(2);
    /// The subscriber's entry among the counted ones.
    pub(super) const USER: Self = Self(4);
    /// One of the account's own daily limit.
    pub(super) const OWN_QUOTA: Self = Self(8);
    /// A place in the segment's window (7.7).
    pub(super) const SPREAD: Self = Self(16);
    /// A slot of an observed rule.
    pub(super) const OBSERVED_SLOT: Self = Self(32);
    /// A counter of an observed rule.
    pub(super) const OBSERVED_QUOTA: Self = Self(64);
    /// A place in the observed window.
    pub(super) const OBSERVED_SPREAD: Self = Self(128);

    /// What has to be on disk.
    const DURABLE: u8 = 1 | 2 | 4 | 8 | 16;

    /// One bit each, as other stores keep them.
    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    /// What another store kept.
    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Adds effects.
    pub(super) const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Removes effects.
    pub(super) const fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// Whether it holds all of the other's effects.
    pub(super) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any effect has to be on disk.
    pub(super) const fn are_durable(self) -> bool {
        self.0 & Self::DURABLE != 0
    }
}

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

/// One part of a message and what that message took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PartRecord {
    /// What the message took; the same for each of its parts.
    pub taken: Taken,
    /// Which message.
    pub serial: u64,
    /// The part.
    pub piece: Piece,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Something was taken.
    Reserved(Taken),
    /// A part of a message; it has an id like a reservation.
    Part(Box<PartRecord>),
    /// What had been given back was sent after all.
    TakenAgain(Taken),
    /// An accepted message has moved to another day.
    GivenUp(Taken),
    /// A reservation was settled.
    Settled(u64, Settled),
    /// An accepted message waits inside the SMSC for its time.
    Scheduled(Box<Scheduled>),
    /// The SMSC has cancelled one.
    Cancelled(Box<Cancelled>),
}

/// Why a row cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {0} of the row is not one this version writes")]
pub(super) struct RecordError(pub usize);

const RESERVED: u8 = 1;
const ACCEPTED: u8 = 2;
const REJECTED: u8 = 3;
const UNKNOWN: u8 = 4;
const PART: u8 = 6;
const TAKEN_AGAIN: u8 = 9;
const GIVEN_UP: u8 = 10;
const SCHEDULED: u8 = 11;
const CANCELLED: u8 = 12;

/// Octets of a reservation.
pub(super) const RESERVED_SIZE: usize = 15;
/// Octets of a part behind what its message took and before its text.
const PART_SIZE: usize = 24;

impl Terms {
    /// What the switches say now.
    pub(super) fn of(switches: &Switches) -> Self {
        Self {
            spread_digits: switches.spread.digits as u8, // 3 to 11
            unknown_releases: switches.dedup.unknown_outcome == UnknownOutcome::Release,
        }
    }
}

impl Taken {
    /// Appends the reservation.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut record = [0; RESERVED_SIZE];
        record[0] = RESERVED;
        record[1] = self.effects.0 & Effects::DURABLE;
        record[2..4].copy_from_slice(&self.account.to_le_bytes());
        record[4..6].copy_from_slice(&self.slot_scope.to_le_bytes());
        record[6..8].copy_from_slice(&self.quota_scope.to_le_bytes());
        record[8..10].copy_from_slice(&self.day.number().to_le_bytes());
        let number = self.recipient.map_or(0, Msisdn::get).to_le_bytes();
        record[10..15].copy_from_slice(&number[..5]);
        out.extend_from_slice(&record);
    }

    /// Appends that what had been given back was sent after all.
    pub(super) fn write_again(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.write(out);
        out[start] = TAKEN_AGAIN;
    }

    /// Appends that an accepted message holds it no more.
    pub(super) fn write_given_up(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.write(out);
        out[start] = GIVEN_UP;
    }

    fn read(record: &[u8; RESERVED_SIZE]) -> Option<Self> {
        let pair = |at: usize| u16::from_le_bytes([record[at], record[at + 1]]);
        let number = u64::from_le_bytes([record[10], record[11], record[12], record[13], record[14], 0, 0, 0]);
        Some(Self {
            recipient: if number == 0 { None } else { Some(Msisdn::from_number(number)?) },
            day: Day::from_number(pair(8)),
            effects: Effects(record[1] & Effects::DURABLE),
            account: pair(2),
            slot_scope: pair(4),
            quota_scope: pair(6),
            spread_at_ms: 0,
            terms: Terms::default(),
        })
    }
}

impl PartRecord {
    /// Appends the part.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Piece { part, data_coding, text, from, .. } = &self.piece;
        let start = out.len();
        self.taken.write(out);
        out[start] = PART;
        let kind = match part.kind {
            PartKind::Udh8 => 0,
            PartKind::Udh16 => 1,
            PartKind::Sar => 2,
        };
        out.extend(self.serial.to_le_bytes());
        out.extend(from.to_le_bytes());
        out.extend([kind, part.total, part.index, *data_coding]);
        out.extend(part.reference.to_le_bytes());
        out.extend((text.len() as u16).to_le_bytes()); // TEXT_MAX characters are 16 000 octets at most
        out.extend(text.as_bytes());
    }

    fn read(octets: &[u8]) -> Option<(Self, &[u8])> {
        let (taken, rest) = octets.split_first_chunk::<RESERVED_SIZE>()?;
        let taken = Taken::read(taken)?;
        let (serial, rest) = rest.split_first_chunk()?;
        let (from, rest) = rest.split_first_chunk()?;
        let (&[kind, total, index, data_coding, low, high, short, long], rest) =
            rest.split_first_chunk::<{ PART_SIZE - 16 }>()?;
        let kind = match kind {
            0 => PartKind::Udh8,
            1 => PartKind::Udh16,
            2 => PartKind::Sar,
            _ => return None,
        };
        let part = Part { kind, reference: u16::from_le_bytes([low, high]), total, index };
        let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([short, long])))?;
        let text = std::str::from_utf8(text).ok()?.into();
        let to = Recipient::Subscriber(taken.recipient?);
        let piece = Piece { part, to, from: u64::from_le_bytes(*from), data_coding, text };
        Some((Self { taken, serial: u64::from_le_bytes(*serial), piece }, rest))
    }
}

/// Appends what became of a reservation.
pub(super) fn write_settled(id: u64, settled: Settled, out: &mut Vec<u8>) {
    let tag = match settled {
        Settled::Accepted => ACCEPTED,
        Settled::Rejected(_) => REJECTED,
        Settled::Unknown => UNKNOWN,
    };
    out.push(tag);
    out.extend_from_slice(&id.to_le_bytes());
    if let Settled::Rejected(status) = settled {
        out.extend_from_slice(&status.to_le_bytes());
    }
}

/// The records of a row, in order.
pub(super) fn read_row(row: &[u8]) -> impl Iterator<Item = Result<Record, RecordError>> {
    let (mut rest, mut index) = (row, 0);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let read = read_one(rest);
        index += 1;
        let Some((record, after)) = read else {
            rest = &[];
            return Some(Err(RecordError(index)));
        };
        rest = after;
        Some(Ok(record))
    })
}

/// The settlements among packed records, packed: what must not be lost with a commit that failed.
pub(super) fn settlements(records: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in read_row(records).map_while(Result::ok) {
        match record {
            Record::Reserved(_) | Record::Part(_) => {} // its sender was refused
            Record::TakenAgain(taken) => taken.write_again(&mut out),
            Record::GivenUp(taken) => taken.write_given_up(&mut out),
            Record::Settled(id, settled) => write_settled(id, settled, &mut out),
            Record::Scheduled(scheduled) => write_scheduled(&scheduled, &mut out),
            Record::Cancelled(cancelled) => write_cancelled(&cancelled, &mut out),
        }
    }
    out
}

fn read_one(octets: &[u8]) -> Option<(Record, &[u8])> {
    if *octets.first()? == RESERVED {
        let (record, after) = octets.split_first_chunk::<RESERVED_SIZE>()?;
        return Some((Record::Reserved(Taken::read(record)?), after));
    }
    if octets[0] == PART {
        let (part, after) = PartRecord::read(octets)?;
        return Some((Record::Part(Box::new(part)), after));
    }
    if matches!(octets[0], TAKEN_AGAIN | GIVEN_UP) {
        let (record, after) = octets.split_first_chunk::<RESERVED_SIZE>()?;
        let record = if record[0] == TAKEN_AGAIN { Record::TakenAgain } else { Record::GivenUp }(Taken::read(record)?);
        return Some((record, after));
    }
    if octets[0] == SCHEDULED {
        let (scheduled, after) = scheduled::read_scheduled(&octets[1..])?;
        return Some((Record::Scheduled(Box::new(scheduled)), after));
    }
    if octets[0] == CANCELLED {
        let (cancelled, after) = scheduled::read_cancelled(&octets[1..])?;
        return Some((Record::Cancelled(Box::new(cancelled)), after));
    }
    let (head, after) = octets.split_first_chunk::<9>()?;
    let id = u64::from_le_bytes(*head[1..].first_chunk()?);
    match head[0] {
        ACCEPTED => Some((Record::Settled(id, Settled::Accepted), after)),
        UNKNOWN => Some((Record::Settled(id, Settled::Unknown), after)),
        REJECTED => {
            let (status, after) = after.split_first_chunk::<4>()?;
            Some((Record::Settled(id, Settled::Rejected(u32::from_le_bytes(*status))), after))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(taken: Taken) -> PartRecord {
        let part = Part { kind: PartKind::Sar, reference: 0x1234, total: 255, index: 3 };
        let to = Recipient::Subscriber(taken.recipient.expect("a subscriber"));
        PartRecord {
            taken,
            serial: 1 << 40,
            piece: Piece { part, to, from: 1 << 50, data_coding: 8, text: "移动".into() },
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut effects = Effects::SLOT;
        effects.insert(Effects::QUOTA);
        let taken = Taken {
            recipient: Msisdn::from_number(19_999_999_999),
            day: Day::parse("2026-11-24").expect("valid"),
            effects,
            account: 513,
            slot_scope: 0,
            quota_scope: 2,
            spread_at_ms: 0,
            terms: Terms::default(),
        };
        let mut row = Vec::new();
        taken.write(&mut row);
        write_settled(7, Settled::Rejected(0x45), &mut row);
        write_settled(u64::MAX, Settled::Accepted, &mut row);
        write_settled(9, Settled::Unknown, &mut row);
        let part = part(taken);
        part.write(&mut row);
        taken.write_again(&mut row);
        taken.write_given_up(&mut row);
        let scheduled = Scheduled {
            account: 513,
            smsc: "192.0.2.1:2775".into(),
            message_id: b"7f"[..].into(),
            due: crate::domain::Moment::from_ms(1 << 41),
            source: (5, 0, b"62021"[..].into()),
            recipient: taken.recipient,
            recipients: 1,
        };
        write_scheduled(&scheduled, &mut row);
        let cancelled = Cancelled { account: 513, by_gateway: true, smsc: "x".into(), message_id: b"7f"[..].into() };
        write_cancelled(&cancelled, &mut row);
        let records: Result<Vec<_>, _> = read_row(&row).collect();
        let expected = vec![
            Record::Reserved(taken),
            Record::Settled(7, Settled::Rejected(0x45)),
            Record::Settled(u64::MAX, Settled::Accepted),
            Record::Settled(9, Settled::Unknown),
            Record::Part(Box::new(part)),
            Record::TakenAgain(taken),
            Record::GivenUp(taken),
            Record::Scheduled(Box::new(scheduled)),
            Record::Cancelled(Box::new(cancelled)),
        ];
        assert_eq!(records, Ok(expected));
        let again: Vec<_> = read_row(&settlements(&row)).map_while(Result::ok).collect();
        assert_eq!(again.len(), 7, "all but what was taken, whose senders were refused");
        row.pop();
        assert_eq!(read_row(&row).last(), Some(Err(RecordError(9))));
        assert_eq!(read_row(&[99]).last(), Some(Err(RecordError(1))));
    }
}
