//! Messages in several parts: one slot, one of the quota, one place in the
//! segment's window and one token of the rate for all parts of a message, in
//! whatever order and over whichever of the account's sessions they come.
//!
//! The first part takes for all. What was taken is free again when every part
//! that left has been refused and none is under way. Taking and giving back
//! happen under the lock of the account's messages, so two parts meet as if one
//! came after the other.
//!
//! Each part's record in the journal carries what its message took, because a
//! later part may be durable, and leave, before the first one is.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;

use crate::policy::case::Author;
use crate::policy::joined::{self, Joined, Piece};
use crate::policy::{Permit, Reason, Reasons, Refusal};

use super::group::{Group, Key};
use super::record::{PartRecord, Taken};
use super::reserve::{Claim, Reservation};

/// Octets that one account's messages in parts may count for. Beyond three
/// quarters of it no further message is begun, so that those begun can end.
const WEIGHT_MAX: usize = 32 * 1024 * 1024;
/// Messages that one look forgets for one account; the next look forgets more.
const FORGOTTEN_AT_ONCE: usize = 10_000;

/// The messages in parts of all accounts.
#[derive(Debug, Default)]
pub(super) struct Parts {
    accounts: DashMap<u16, Groups, foldhash::fast::RandomState>,
    next: AtomicU64,
}

/// Which part of which message a reservation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartOf {
    serial: u64,
    account: u16,
    index: u8,
}

/// One account's messages.
#[derive(Debug, Default)]
struct Groups {
    current: HashMap<Key, u64, foldhash::fast::RandomState>,
    /// By serial, so the oldest come first.
    all: BTreeMap<u64, Group>,
    weight: usize,
}

impl Parts {
    /// Takes what a part needs: its number in its message, and all else if it is the first. `take` takes the rest.
    pub(super) fn reserve(
        &self,
        claim: &Claim<'_>,
        permit: &Permit,
        piece: &Piece,
        take: impl FnOnce() -> Result<Reservation, Refusal>,
        records: &mut Vec<u8>,
    ) -> Result<Reservation, Refusal> {
        let mut groups = self.accounts.entry(claim.scopes.account).or_default();
        let serial = groups.living(&Key::of(piece), claim.tick.steady_ms);
        let joined = groups.judge(claim, permit, piece, serial)?;
        if !joined.belongs || !groups.has_room(claim, permit, piece, serial)? {
            let own = take()?;
            own.write(records);
            return Ok(Reservation { observed: own.observed.union(joined.observed), ..own });
        }
        let (serial, taken, observed) = match serial.and_then(|serial| Some((serial, groups.all.get(&serial)?.taken))) {
            Some((serial, taken)) => (serial, taken, permit.observed()),
            None => {
                let first = take()?;
                let assembly_ms = i64::from(claim.rules.switches.length.assembly_minutes) * 60_000;
                let group = Group::new(piece, first.taken, claim.tick.steady_ms + assembly_ms);
                (groups.begin(self.next.fetch_add(1, Ordering::Relaxed), group), first.taken, first.observed)
            }
        };
        let index = piece.part.index;
        let text = if joined.keep_text { piece.text.clone() } else { Box::default() };
        if taken.effects.are_durable() {
            let piece = Piece { text: text.clone(), ..piece.clone() };
            PartRecord { taken, serial, piece }.write(records);
        }
        groups.change(serial, |group| group.hold(index, text));
        let part = Some(PartOf { serial, account: claim.scopes.account, index });
        Ok(Reservation { taken, id: 0, observed: observed.union(joined.observed), part })
    }

    /// The SMSC has the part, or may have it.
    pub(super) fn sent(&self, part: PartOf) {
        let Some(mut groups) = self.accounts.get_mut(&part.account) else { return };
        let done = groups.change(part.serial, |group| group.sent(part.index) && !group.taken.effects.are_durable());
        if done == Some(true) {
            groups.remove(part.serial); // it holds nothing that a repeated part could take a second time
        }
    }

    /// The part was refused, or never left. If none of its message is left, `give_back` gets what that took.
    pub(super) fn gone(&self, part: PartOf, give_back: impl FnOnce(&Taken)) {
        let Some(mut groups) = self.accounts.get_mut(&part.account) else { return };
        if groups.change(part.serial, |group| group.gone(part.index)) == Some(true)
            && let Some(group) = groups.remove(part.serial)
        {
            give_back(&group.taken);
        }
    }

    /// Enters a part as the journal has it; `true` if it is its message's first there.
    pub(super) fn restore(&self, record: PartRecord, assembly_ms: i64) -> (PartOf, bool) {
        let PartRecord { taken, serial, piece } = record;
        self.next.fetch_max(serial + 1, Ordering::Relaxed);
        let mut groups = self.accounts.entry(taken.account).or_default();
        let first = !groups.all.contains_key(&serial);
        if first {
            groups.begin(serial, Group::new(&piece, taken, taken.spread_at_ms + assembly_ms));
        }
        groups.change(serial, |group| group.hold(piece.part.index, piece.text));
        (PartOf { serial, account: taken.account, index: piece.part.index }, first)
    }

    /// Forgets messages whose assembly time is over, unless a part of theirs is under way.
    pub(super) fn sweep(&self, now_ms: i64) {
        for mut groups in self.accounts.iter_mut() {
            let over = groups.all.iter().take_while(|(_, group)| group.deadline_ms <= now_ms);
            let over = over.filter(|(_, group)| !group.is_pending()).map(|(serial, _)| *serial);
            for serial in over.take(FORGOTTEN_AT_ONCE).collect::<Vec<_>>() {
                groups.remove(serial);
            }
        }
    }
}

impl Groups {
    /// The message of a key, unless its assembly time is over: then the reference is free for another.
    fn living(&mut self, key: &Key, now_ms: i64) -> Option<u64> {
        let serial = *self.current.get(key)?;
        if self.all.get(&serial).is_some_and(|group| group.deadline_ms > now_ms) {
            return Some(serial);
        }
        self.current.remove(key);
        None
    }

    fn judge(&self, claim: &Claim<'_>, permit: &Permit, piece: &Piece, serial: Option<u64>) -> Result<Joined, Refusal> {
        let author = Author { rules: claim.rules, account: claim.account };
        let earlier = serial.and_then(|serial| self.all.get(&serial)).map(Group::earlier);
        joined::join(author, piece, permit.day(), earlier.as_ref())
            .map_err(|refusal| Refusal { observed: refusal.observed.union(permit.observed()), ..refusal })
    }

    /// Whether the part can be held. If not, it is a message of its own where no rule
    /// that wants to see the whole is enforced, and refused for now where one is.
    fn has_room(
        &self,
        claim: &Claim<'_>,
        permit: &Permit,
        piece: &Piece,
        serial: Option<u64>,
    ) -> Result<bool, Refusal> {
        let limit = if serial.is_some() { WEIGHT_MAX } else { WEIGHT_MAX / 4 * 3 };
        if self.weight + Group::WEIGHT + Group::PART_WEIGHT + piece.text.len() <= limit {
            return Ok(true);
        }
        if !joined::binds(claim.account) {
            return Ok(false);
        }
        let status = claim.account.status(Reason::Rate);
        Err(Refusal { reason: Reason::Rate, status, also: Reasons::NONE, observed: permit.observed() })
    }

    fn begin(&mut self, serial: u64, group: Group) -> u64 {
        self.weight += group.weight();
        self.current.insert(group.key, serial);
        self.all.insert(serial, group);
        serial
    }

    fn change<T>(&mut self, serial: u64, change: impl FnOnce(&mut Group) -> T) -> Option<T> {
        let group = self.all.get_mut(&serial)?;
        let before = group.weight();
        let out = change(group);
        self.weight = self.weight - before + group.weight();
        Some(out)
    }

    fn remove(&mut self, serial: u64) -> Option<Group> {
        let group = self.all.remove(&serial)?;
        self.weight -= group.weight();
        if self.current.get(&group.key) == Some(&serial) {
            self.current.remove(&group.key);
        }
        Some(group)
    }
}
