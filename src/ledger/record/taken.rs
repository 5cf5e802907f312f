//! What a message takes: its hold on slots and counters, and the part that it may be.
//!
//! A reservation is written without what all of its batch have in common; that stands in the records of
//! [`super::standing`] before it. What is taken again, or given up, stands for itself.

use crate::domain::{Day, Msisdn};
use crate::policy::joined::{Piece, Recipient};
use crate::policy::switches::{Switches, UnknownOutcome};
use crate::smpp::udh::{Part, PartKind};

use super::standing::Standing;
use super::{GIVEN_UP, PART, PASSED, RESERVED, TAKEN_AGAIN};

/// Octets of a reservation.
const RESERVED_SIZE: usize = 7;
/// Octets of a part behind what its message took and before its text.
const PART_SIZE: usize = 24;

/// A message's hold on slots and counters.
///
/// Real effects are on disk before the message is written to the SMSC; effects
/// for observed rules are in memory only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
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
pub(crate) struct Terms {
    /// Leading digits that make a segment (7.7).
    pub spread_digits: u8,
    /// Whether an unknown outcome gives everything back.
    pub unknown_releases: bool,
}

/// What a message took, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects(u8);

impl Effects {
    /// A slot of the subscriber (7.1a).
    pub(crate) const SLOT: Self = Self(1);
    /// One of the quota (7.1b).
    pub(crate) const QUOTA: Self = Self(2);
    /// The subscriber's entry among the counted ones.
    pub(crate) const USER: Self = Self(4);
    /// One of the account's own daily limit.
    pub(crate) const OWN_QUOTA: Self = Self(8);
    /// A place in the segment's window (7.7).
    pub(crate) const SPREAD: Self = Self(16);
    /// A slot of an observed rule.
    pub(crate) const OBSERVED_SLOT: Self = Self(32);
    /// A counter of an observed rule.
    pub(crate) const OBSERVED_QUOTA: Self = Self(64);
    /// A place in the observed window.
    pub(crate) const OBSERVED_SPREAD: Self = Self(128);

    /// What has to be on disk.
    const DURABLE: u8 = 1 | 2 | 4 | 8 | 16;

    /// One bit each, as other stores keep them.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// What another store kept.
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Adds effects.
    pub(crate) const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Removes effects.
    pub(crate) const fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// Whether it holds all of the other's effects.
    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any effect has to be on disk.
    pub(crate) const fn are_durable(self) -> bool {
        self.0 & Self::DURABLE != 0
    }
}

/// One part of a message and what that message took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartRecord {
    /// What the message took; the same for each of its parts.
    pub taken: Taken,
    /// Which message.
    pub serial: u64,
    /// The part.
    pub piece: Piece,
}

impl Terms {
    /// What the switches say now.
    pub(crate) fn of(switches: &Switches) -> Self {
        Self {
            spread_digits: switches.spread.digits as u8, // 3 to 11
            unknown_releases: switches.dedup.unknown_outcome == UnknownOutcome::Release,
        }
    }
}

impl Taken {
    /// Appends the reservation; what it stands under is written before it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.write_as(RESERVED, out);
    }

    /// Appends that a message goes on which takes nothing.
    pub(crate) fn write_passed(&self, out: &mut Vec<u8>) {
        self.write_as(PASSED, out);
    }

    fn write_as(&self, tag: u8, out: &mut Vec<u8>) {
        let mut record = [0; RESERVED_SIZE];
        record[0] = tag;
        record[1] = self.effects.0 & Effects::DURABLE;
        record[2..].copy_from_slice(&number_octets(self.recipient));
        out.extend_from_slice(&record);
    }

    /// Appends that what had been given back was sent after all.
    pub(crate) fn write_again(&self, out: &mut Vec<u8>) {
        self.write_whole(TAKEN_AGAIN, out);
    }

    /// Appends that an accepted message holds it no more.
    pub(crate) fn write_given_up(&self, out: &mut Vec<u8>) {
        self.write_whole(GIVEN_UP, out);
    }

    fn write_whole(&self, tag: u8, out: &mut Vec<u8>) {
        self.write_as(tag, out);
        for pair in [self.account, self.slot_scope, self.quota_scope, self.day.number()] {
            out.extend(pair.to_le_bytes());
        }
    }

    /// Reads a reservation with what it stands under.
    pub(super) fn read<'a>(octets: &'a [u8], standing: &Standing) -> Option<(Self, &'a [u8])> {
        let (record, rest) = octets.split_first_chunk::<RESERVED_SIZE>()?;
        let recipient = read_number(*record.last_chunk()?)?;
        let context = standing.context?;
        let taken = Self {
            recipient,
            day: standing.day?,
            effects: Effects(record[1] & Effects::DURABLE),
            account: context.account,
            slot_scope: context.slot_scope,
            quota_scope: context.quota_scope,
            spread_at_ms: 0,
            terms: Terms::default(),
        };
        Some((taken, rest))
    }

    /// Reads one that stands for itself.
    pub(super) fn read_whole(octets: &[u8]) -> Option<(Self, &[u8])> {
        let (record, rest) = octets.split_first_chunk::<{ RESERVED_SIZE + 8 }>()?;
        let pair = |at: usize| u16::from_le_bytes([record[RESERVED_SIZE + at], record[RESERVED_SIZE + at + 1]]);
        let taken = Self {
            recipient: read_number(*record[2..].first_chunk()?)?,
            day: Day::from_number(pair(6)),
            effects: Effects(record[1] & Effects::DURABLE),
            account: pair(0),
            slot_scope: pair(2),
            quota_scope: pair(4),
            spread_at_ms: 0,
            terms: Terms::default(),
        };
        Some((taken, rest))
    }
}

/// A subscriber's number as five octets; 0 for none.
pub(crate) fn number_octets(number: Option<Msisdn>) -> [u8; 5] {
    let [first, second, third, fourth, fifth, ..] = number.map_or(0, Msisdn::get).to_le_bytes();
    [first, second, third, fourth, fifth]
}

/// The number in five octets; the outer `None` if it is none that there can be.
#[expect(clippy::option_option, reason = "no number is a number's absence, and not the same as a wrong one")]
pub(super) fn read_number(octets: [u8; 5]) -> Option<Option<Msisdn>> {
    let [first, second, third, fourth, fifth] = octets;
    let number = u64::from_le_bytes([first, second, third, fourth, fifth, 0, 0, 0]);
    if number == 0 { Some(None) } else { Msisdn::from_number(number).map(Some) }
}

impl PartRecord {
    /// Appends the part.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let Piece { part, data_coding, text, from, .. } = &self.piece;
        self.taken.write_as(PART, out);
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

    pub(super) fn read<'a>(octets: &'a [u8], standing: &Standing) -> Option<(Self, &'a [u8])> {
        let (taken, rest) = Taken::read(octets, standing)?;
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
