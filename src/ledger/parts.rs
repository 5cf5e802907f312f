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

use super::batch::Batch;
use super::fading::Fading;
use super::group::{Group, Key};
use super::record::{PartRecord, Taken};
use super::reserve::{Claim, Reservation};

/// Octets that one account's messages in parts may count for. Beyond three
/// quarters of it no further message is begun, so that those begun can end.
const WEIGHT_MAX: usize = 32 * 1024 * 1024;
/// Messages that one look forgets for one account; the next look forgets more.
const FORGOTTEN_AT_ONCE: usize = 10_000;
/// How long the reference of a message that was never whole stays closed: parts of it may still lie on
/// the handset. A restart reads the files of as many days.
const CLOSED_MS: i64 = 2 * 86_400_000;

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

impl PartOf {
    /// A part of a message that another store keeps under this serial.
    pub(super) const fn new(serial: u64, account: u16, index: u8) -> Self {
        Self { serial, account, index }
    }

    /// Its message and its number.
    pub(super) const fn place(self) -> (u64, u8) {
        (self.serial, self.index)
    }
}

/// One account's messages.
#[derive(Debug, Default)]
struct Groups {
    current: HashMap<Key, u64, foldhash::fast::RandomState>,
    /// By serial, so the oldest come first.
    all: BTreeMap<u64, Group>,
    /// Those whose assembly time ended before they were whole.
    closed: Fading<Key>,
    /// Serials of messages that were given back and then taken again, because the SMSC had a part of them.
    again: Fading<u64>,
    weight: usize,
}

/// What has come of a message before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Nothing.
    Nothing,
    /// The parts of this serial.
    Living(u64),
    /// Parts of one that was never whole.
    Closed,
}

impl Parts {
    /// Takes what a part needs: its number in its message, and all else if it is the first. `take` takes the rest.
    pub(super) fn reserve(
        &self,
        claim: &Claim<'_>,
        permit: &Permit,
        piece: &Piece,
        take: impl FnOnce() -> Result<Reservation, Refusal>,
        batch: &mut Batch,
    ) -> Result<Reservation, Refusal> {
        let mut groups = self.accounts.entry(claim.scopes.account).or_default();
        let known = groups.known(&Key::of(piece), claim.tick.steady_ms);
        let joined = groups.judge(claim, permit, piece, known)?;
        let serial = known.serial();
        if !joined.belongs || !groups.has_room(claim, permit, piece, serial)? {
            let mut own = take()?;
            batch.reserve(claim, permit, &mut own);
            return Ok(Reservation { observed: own.observed.union(joined.observed), ..own });
        }
        let begun = serial.and_then(|serial| Some((serial, groups.all.get(&serial)?.taken)));
        let (serial, mut shared) = if let Some((serial, taken)) = begun {
            (serial, Reservation { taken, id: 0, part: None, asked: false, observed: permit.observed() })
        } else {
            let first = take()?;
            let assembly_ms = i64::from(claim.rules.switches.length.assembly_minutes) * 60_000;
            let group = Group::new(piece, first.taken, claim.tick.steady_ms + assembly_ms);
            (groups.begin(self.next.fetch_add(1, Ordering::Relaxed), group), first)
        };
        let text = if joined.keep_text { piece.text.clone() } else { Box::default() };
        if shared.is_durable() {
            let piece = Piece { text: text.clone(), ..piece.clone() };
            batch.reserve_part(claim, permit, &PartRecord { taken: shared.taken, serial, piece }, &mut shared);
        } else {
            batch.reserve(claim, permit, &mut shared);
        }
        let index = piece.part.index;
        groups.change(serial, |group| group.hold(index, text));
        let part = Some(PartOf { serial, account: claim.scopes.account, index });
        Ok(Reservation { part, observed: shared.observed.union(joined.observed), ..shared })
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

    /// The SMSC has a part that was given back. Tells whether its message has to be taken again.
    pub(super) fn sent_late(&self, part: PartOf, now_ms: i64) -> bool {
        let mut groups = self.accounts.entry(part.account).or_default();
        // Its other parts hold what the message took. Its text is gone, so nobody can judge the whole any more.
        groups.change(part.serial, Group::end).is_none() && groups.take_again(part.serial, now_ms)
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

    /// Forgets messages whose assembly time is over, unless a part of theirs is under way. Tells how many.
    pub(super) fn sweep(&self, now_ms: i64) -> usize {
        let mut forgotten = 0;
        for mut groups in self.accounts.iter_mut() {
            let over = groups.all.iter().take_while(|(_, group)| group.deadline_ms <= now_ms);
            let over = over.filter(|(_, group)| !group.is_pending()).map(|(serial, _)| *serial);
            for serial in over.take(FORGOTTEN_AT_ONCE).collect::<Vec<_>>() {
                groups.over(serial);
                forgotten += 1;
            }
            forgotten += groups.reopen(now_ms);
        }
        forgotten
    }
}

impl Known {
    const fn serial(self) -> Option<u64> {
        match self {
            Self::Living(serial) => Some(serial),
            Self::Nothing | Self::Closed => None,
        }
    }
}

impl Groups {
    /// The message of a key. When its assembly time is over the reference is free for another, if it was whole.
    fn known(&mut self, key: &Key, now_ms: i64) -> Known {
        if let Some(serial) = self.current.get(key).copied() {
            match self.all.get(&serial) {
                Some(group) if group.deadline_ms > now_ms => return Known::Living(serial),
                Some(group) if !group.is_done() => return Known::Closed,
                _ => drop(self.current.remove(key)),
            }
        }
        if self.closed.holds(key, now_ms) { Known::Closed } else { Known::Nothing }
    }

    fn judge(&self, claim: &Claim<'_>, permit: &Permit, piece: &Piece, known: Known) -> Result<Joined, Refusal> {
        let author = Author::new(claim.rules, claim.account);
        let earlier = match known {
            Known::Nothing => None,
            Known::Living(serial) => self.all.get(&serial).map(Group::earlier),
            Known::Closed => Some(Group::ended(permit.day())),
        };
        joined::join(author, piece, permit.edt(), earlier.as_ref())
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

    /// A message's assembly time is over.
    fn over(&mut self, serial: u64) {
        let Some(group) = self.remove(serial) else { return };
        if !group.is_done() {
            self.closed.insert(group.key, group.deadline_ms.saturating_add(CLOSED_MS));
            self.weight += Group::CLOSED_WEIGHT;
        }
    }

    /// Notes that a message is taken again; `false` if it was noted before.
    fn take_again(&mut self, serial: u64, now_ms: i64) -> bool {
        self.weight += Group::CLOSED_WEIGHT;
        self.again.insert(serial, now_ms.saturating_add(CLOSED_MS))
    }

    /// Opens references whose time is over.
    fn reopen(&mut self, now_ms: i64) -> usize {
        let gone = self.closed.sweep(now_ms, FORGOTTEN_AT_ONCE) + self.again.sweep(now_ms, FORGOTTEN_AT_ONCE);
        self.weight -= gone * Group::CLOSED_WEIGHT;
        gone
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{AccountClass, Clock, Tick, Ticker};
    use crate::ledger::batch::About;
    use crate::ledger::record::{Effects, Terms};
    use crate::ledger::reserve::Scopes;
    use crate::policy::joined::{Recipient, source_key};
    use crate::policy::ruleset::Rate;
    use crate::policy::switches::{Multipart, Switches};
    use crate::policy::testing::{Frame, WEEKDAY, account, at, ucs2, with_switches};
    use crate::policy::{Account, Mode, Modes, Ruleset, Scratch, decide};
    use crate::smpp::udh::{Part, PartKind};
    use crate::smpp::{Address, Submission};
    use crate::traffic::Throttle;

    /// One account under `length.multipart = "group"`, and what its messages have taken.
    struct World {
        rules: Ruleset,
        account: Account,
        throttle: Throttle,
        parts: Parts,
        taken: Cell<i32>,
    }

    impl World {
        fn new(class: AccountClass) -> Self {
            let mut switches = Switches::default();
            switches.length.multipart = Multipart::Group;
            Self {
                rules: with_switches(switches),
                account: account(class),
                throttle: Throttle::new(Rate { per_second: 1, burst: 1 }, Ticker::new(Clock::System)),
                parts: Parts::default(),
                taken: Cell::new(0),
            }
        }

        fn reserve(&self, now_ms: i64, [reference, total, index]: [u8; 3]) -> Result<Reservation, Refusal> {
            let mut frame = Frame::new("6202", "");
            frame.esm_class = 0x40;
            frame.short_message = [&[5, 0, 3, reference, total, index][..], &ucs2("【移动】")].concat();
            let octets = frame.octets();
            let submission = Submission::read(&octets).unwrap();
            let permit = decide(&self.rules, &self.account, &submission, at(WEEKDAY), &mut Scratch::default())?;
            let (rules, account, throttle) = (&self.rules, &self.account, &self.throttle);
            let tick = Tick { wall: at(WEEKDAY), steady_ms: now_ms, steady_ns: 0 };
            let claim = Claim {
                account,
                scopes: Scopes { account: 1, unit: 1 },
                throttle,
                rules,
                tick,
                owed: None,
                about: About::default(),
            };
            let mut effects = Effects::default();
            effects.insert(Effects::SLOT);
            let taken = Taken {
                recipient: permit.recipient(),
                day: permit.day(),
                effects,
                account: 1,
                slot_scope: 0,
                quota_scope: 1,
                spread_at_ms: now_ms,
                terms: Terms::default(),
            };
            let take = || {
                self.taken.set(self.taken.get() + 1);
                Ok(Reservation { taken, id: 0, part: None, asked: false, observed: Reasons::NONE })
            };
            self.parts.reserve(&claim, &permit, permit.piece().unwrap(), take, &mut Batch::default())
        }

        fn gone(&self, part: PartOf) {
            self.parts.gone(part, |_| self.taken.set(self.taken.get() - 1));
        }

        fn weight(&self) -> (usize, usize) {
            self.parts.accounts.get(&1).map_or((0, 0), |groups| (groups.weight, groups.all.len()))
        }
    }

    #[test]
    fn beyond_its_bound_an_account_waits_and_can_still_end_what_it_has_begun() {
        let world = World::new(AccountClass::CityMoa);
        assert!(world.reserve(0, [1, 2, 1]).is_ok());
        world.parts.accounts.get_mut(&1).unwrap().weight += WEIGHT_MAX / 4 * 3;
        assert_eq!(world.reserve(0, [2, 2, 1]).unwrap_err().reason, Reason::Rate);
        assert!(world.reserve(0, [1, 2, 2]).is_ok());
        let unbound = Account { modes: Modes::all(Mode::Off), ..account(AccountClass::ExemptPlatform) };
        let exempt = World { account: unbound, ..world };
        assert_eq!(exempt.reserve(0, [3, 2, 1]).unwrap().part, None, "a message of its own");
    }

    #[test]
    fn a_reference_is_free_again_when_nothing_of_its_message_is_left() {
        let world = World::new(AccountClass::CityMoa);
        let old = world.reserve(0, [1, 2, 1]).unwrap().part.unwrap();
        assert_eq!(world.reserve(600_000, [1, 2, 1]).unwrap_err().reason, Reason::OperationDenied);
        world.parts.sweep(600_000);
        assert_eq!(world.weight().1, 1, "a part of it is under way");
        world.gone(old);
        assert_eq!((world.taken.get(), world.weight().1), (0, 0));
        let new = world.reserve(600_000, [1, 2, 1]).unwrap().part.unwrap();
        assert_eq!(world.reserve(600_001, [1, 2, 1]).unwrap_err().reason, Reason::Duplicate);
        world.gone(new);
        assert_eq!((world.taken.get(), world.weight()), (0, (0, 0)));
    }

    #[test]
    fn what_a_message_took_is_restored_once_whichever_part_the_journal_has_first() {
        let world = World::new(AccountClass::CityMoa);
        let parts = [[1, 2, 2], [1, 2, 1]];
        let records = parts.map(|[reference, total, index]| {
            let taken = world.reserve(0, [reference, total, index]).unwrap().taken;
            let part = Part { kind: PartKind::Udh8, reference: u16::from(reference), total, index };
            let to = Recipient::Subscriber(taken.recipient.unwrap());
            let from = source_key(Address { ton: 0, npi: 1, digits: b"6202" });
            PartRecord { taken, serial: 9, piece: Piece { part, to, from, data_coding: 8, text: "移动".into() } }
        });
        let restored = Parts::default();
        let found = records.map(|record| restored.restore(record, 600_000));
        assert_eq!(found.map(|(_, first)| first), [true, false]);
        for (part, _) in found {
            restored.sent(part);
        }
        let world = World { parts: restored, ..world };
        assert_eq!(world.reserve(599_999, [1, 2, 1]).unwrap_err().reason, Reason::Duplicate);
        let next = world.reserve(600_000, [1, 2, 1]).unwrap().part.unwrap();
        assert_eq!(next.serial, 10);
    }

    #[test]
    fn a_message_that_was_never_whole_keeps_its_reference_closed() {
        let world = World::new(AccountClass::CityMoa);
        let part = world.reserve(0, [1, 2, 1]).unwrap().part.unwrap();
        world.parts.sent(part);
        for now in [600_000, 600_000 + CLOSED_MS - 1] {
            world.parts.sweep(now);
            for piece in [[1, 2, 2], [1, 2, 1], [1, 3, 2]] {
                assert_eq!(world.reserve(now, piece).unwrap_err().reason, Reason::OperationDenied);
            }
        }
        assert_eq!(world.weight(), (Group::CLOSED_WEIGHT, 0));
        assert!(world.reserve(600_000 + CLOSED_MS, [1, 2, 2]).is_ok());
    }

    #[test]
    fn late_answers_to_the_parts_of_a_message_take_it_again_once() {
        let world = World::new(AccountClass::CityMoa);
        let parts = [[1, 3, 1], [1, 3, 2]].map(|piece| world.reserve(0, piece).unwrap().part.unwrap());
        for part in parts {
            world.gone(part);
        }
        assert_eq!(world.taken.get(), 0);
        assert_eq!(parts.map(|part| world.parts.sent_late(part, 0)), [true, false]);
        let [one, two] = [[2, 3, 1], [2, 3, 2]].map(|piece| world.reserve(0, piece).unwrap().part.unwrap());
        world.gone(one);
        assert!(!world.parts.sent_late(one, 0), "the other part holds what the message took");
        world.gone(two);
        assert_eq!(world.taken.get(), 1, "it is not given back");
        assert_eq!(world.reserve(0, [2, 3, 3]).unwrap_err().reason, Reason::Duplicate);
    }

    proptest! {
        #[test]
        fn what_is_taken_is_given_back_exactly_when_no_part_arrived(
            steps in proptest::collection::vec((0..4_u8, 0..3_u8, 1..4_u8), 0..60),
        ) {
            let world = World::new(AccountClass::CityMoa);
            let (mut now, mut pending, mut arrived) = (0, Vec::new(), HashSet::new());
            for (action, reference, index) in steps {
                match action {
                    0 | 1 => {
                        let found = world.reserve(now, [reference, 3, index]);
                        pending.extend(found.ok().and_then(|reservation| reservation.part));
                    }
                    _ if pending.is_empty() => now += 200_000,
                    2 => {
                        let part: PartOf = pending.swap_remove(usize::from(index) % pending.len());
                        arrived.insert(part.serial);
                        world.parts.sent(part);
                    }
                    _ => world.gone(pending.swap_remove(usize::from(index) % pending.len())),
                }
                world.parts.sweep(now);
                let groups = world.parts.accounts.get(&1);
                let sum: usize = groups.iter().flat_map(|groups| groups.all.values()).map(Group::weight).sum();
                let closed = groups.map_or(0, |groups| groups.closed.len());
                prop_assert_eq!(sum + closed * Group::CLOSED_WEIGHT, world.weight().0);
            }
            for part in pending {
                world.gone(part);
            }
            prop_assert_eq!(world.taken.get(), arrived.len() as i32);
            world.parts.sweep(now + 600_000);
            world.parts.sweep(now + 600_000 + CLOSED_MS);
            prop_assert_eq!(world.weight(), (0, 0));
        }
    }
}
