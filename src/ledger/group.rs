//! One message in several parts, from its first part to the end of its assembly time.

use crate::domain::Day;
use crate::policy::joined::{Earlier, Passed, Piece, Recipient};
use crate::smpp::udh::PartKind;

use super::record::Taken;

/// What the parts of one message have in common, beside their account and their total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    to: Recipient,
    from: u64,
    kind: PartKind,
    reference: u16,
}

/// A message: what it took, and which of its parts are under way or taken.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) key: Key,
    /// Taken by its first part, for all of them.
    pub(super) taken: Taken,
    /// Where its assembly time ends, steady milliseconds.
    pub(super) deadline_ms: i64,
    total: u8,
    data_coding: u8,
    parts: Vec<Held>, // INVARIANT: in the order of the numbers, none twice
    /// Every part is with the SMSC for good; nothing more is kept of them.
    done: bool,
}

/// A part under way or taken. One that was refused is not held.
struct Held {
    index: u8,
    pending: bool,
    text: Box<str>,
}

impl Key {
    /// The key of a part's message.
    pub(super) const fn of(piece: &Piece) -> Self {
        Self { to: piece.to, from: piece.from, kind: piece.part.kind, reference: piece.part.reference }
    }
}

impl Group {
    /// Octets a group counts for, beside its parts.
    pub(super) const WEIGHT: usize = 256;
    /// Octets one counts for of which only the reference is kept.
    pub(super) const CLOSED_WEIGHT: usize = 128;
    /// Octets a part counts for, beside its text.
    pub(super) const PART_WEIGHT: usize = 64;

    /// A message none of whose parts is held yet.
    pub(super) const fn new(piece: &Piece, taken: Taken, deadline_ms: i64) -> Self {
        let (total, data_coding) = (piece.part.total, piece.data_coding);
        Self { key: Key::of(piece), taken, deadline_ms, total, data_coding, parts: Vec::new(), done: false }
    }

    /// What the policy wants to know of it.
    pub(super) fn earlier(&self) -> Earlier<'_> {
        let texts = || self.parts.iter().map(|part| (part.index, &*part.text)).collect();
        let passed = if self.done { Passed::All } else { Passed::Some(texts()) };
        Earlier { total: self.total, data_coding: self.data_coding, day: self.taken.day, passed, over: false }
    }

    /// The same of a message whose assembly time ended before it was whole; of its parts nothing is kept.
    pub(super) const fn ended(day: Day) -> Earlier<'static> {
        Earlier { total: 0, data_coding: 0, day, passed: Passed::Some(Vec::new()), over: true }
    }

    /// Whether all parts of it are with the SMSC for good.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    /// A part is with the SMSC after all, of which nothing was kept: no further one is taken.
    pub(super) fn end(&mut self) {
        self.done = true;
        self.parts = Vec::new();
    }

    /// Holds a part that is about to leave.
    pub(super) fn hold(&mut self, index: u8, text: Box<str>) {
        let held = Held { index, pending: true, text };
        match self.parts.binary_search_by_key(&index, |part| part.index) {
            Ok(place) => self.parts[place] = held,
            Err(place) => self.parts.insert(place, held),
        }
    }

    /// The SMSC has a part, or may have it. Tells whether it now has them all.
    pub(super) fn sent(&mut self, index: u8) -> bool {
        if let Ok(place) = self.parts.binary_search_by_key(&index, |part| part.index) {
            self.parts[place].pending = false;
        }
        if self.parts.len() == usize::from(self.total) && !self.is_pending() {
            self.done = true;
            self.parts = Vec::new();
        }
        self.done
    }

    /// A part was refused or never left: its number is free. Tells whether it was the last one held.
    pub(super) fn gone(&mut self, index: u8) -> bool {
        self.parts.retain(|part| part.index != index);
        self.parts.is_empty() && !self.done
    }

    /// Whether a part's outcome is open.
    pub(super) fn is_pending(&self) -> bool {
        self.parts.iter().any(|part| part.pending)
    }

    /// Octets it counts for.
    pub(super) fn weight(&self) -> usize {
        let parts: usize = self.parts.iter().map(|part| Self::PART_WEIGHT + part.text.len()).sum();
        Self::WEIGHT + parts
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the text (P14).
        write!(f, "{}{}", self.index, if self.pending { " pending" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Effects, Terms};
    use super::*;
    use crate::smpp::udh::Part;

    fn group(total: u8) -> Group {
        let part = Part { kind: PartKind::Udh8, reference: 7, total, index: 1 };
        let piece = Piece { part, to: Recipient::Other(1), from: 2, data_coding: 8, text: "".into() };
        let taken = Taken {
            recipient: None,
            day: Day::from_number(9),
            effects: Effects::default(),
            account: 1,
            slot_scope: 0,
            quota_scope: 1,
            spread_at_ms: 0,
            terms: Terms::default(),
        };
        Group::new(&piece, taken, 600_000)
    }

    fn texts(group: &Group) -> Option<Vec<(u8, String)>> {
        match group.earlier().passed {
            Passed::All => None,
            Passed::Some(parts) => Some(parts.iter().map(|(index, text)| (*index, (*text).to_owned())).collect()),
        }
    }

    #[test]
    fn a_message_is_done_when_the_smsc_has_every_part_of_it() {
        let mut group = group(3);
        group.hold(3, "c".into());
        group.hold(1, "a".into());
        assert_eq!(texts(&group), Some(vec![(1, "a".to_owned()), (3, "c".to_owned())]), "in their order");
        assert!(!group.sent(1), "two are missing");
        group.hold(2, "b".into());
        assert!(!group.sent(2) && group.is_pending(), "one is under way");
        assert!(group.sent(3) && group.is_done());
        assert_eq!((texts(&group), group.is_pending(), group.weight()), (None, false, Group::WEIGHT));
        assert!(group.sent(3), "and it stays so");
    }

    #[test]
    fn a_part_that_was_refused_is_held_no_more() {
        let mut group = group(2);
        group.hold(1, "a".into());
        group.hold(2, "b".into());
        assert!(!group.gone(1), "the other one is held");
        assert!(!group.sent(2), "and alone it is no whole message");
        assert!(!group.is_pending());
        group.hold(1, "again".into());
        assert_eq!(group.weight(), Group::WEIGHT + 2 * Group::PART_WEIGHT + "again".len() + "b".len());
        assert!(!group.gone(1) && group.gone(2), "nothing is left of it");
        group.end();
        assert!(group.is_done() && !group.gone(2), "what has ended holds what it took");
    }

    #[test]
    fn a_part_that_comes_again_takes_the_place_of_the_first() {
        let mut group = group(2);
        group.hold(1, "a".into());
        assert!(!group.sent(1) && !group.is_pending());
        group.hold(1, "b".into());
        assert!(group.is_pending());
        assert_eq!(texts(&group), Some(vec![(1, "b".to_owned())]));
        let earlier = group.earlier();
        assert_eq!((earlier.total, earlier.data_coding, earlier.day, earlier.over), (2, 8, Day::from_number(9), false));
        assert!(Group::ended(earlier.day).over);
    }
}
