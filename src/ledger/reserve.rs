//! Taking and giving back: every rule that consumes state, in one place.
//!
//! Under the lock of the subscriber's slot the rules are asked in the order of
//! the policy reference (7.7, 7.1a, 7.1b, rate); what was taken before one of
//! them refuses is given back before the lock is. So two submissions for one
//! subscriber meet as if one came after the other, and a refusal costs nothing
//! (P2, P6).

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU32, Ordering};

use crate::domain::{Day, Msisdn, Tick};
use crate::policy::switches::{Avoid, DedupScope, DedupSwitches, QuotaScope, Switches};
use crate::policy::{Account, Mode, Permit, Reason, Reasons, Refusal, Rule, Ruleset};
use crate::traffic::spread::SpreadPlace;
use crate::traffic::{Spread, Throttle};

use super::batch::About;
use super::book::{Book, Side};
use super::parts::PartOf;
use super::record::{Effects, Taken, Terms};
use super::slot::{SlotKey, Space};

/// The ledger's numbers of an account and its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scopes {
    /// The account's number.
    pub account: u16,
    /// Its unit's number.
    pub unit: u16,
}

/// On whose behalf something is taken.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The account.
    pub account: &'a Account,
    /// Its numbers in the ledger.
    pub scopes: Scopes,
    /// Its rate.
    pub throttle: &'a Throttle,
    /// The rules in force.
    pub rules: &'a Ruleset,
    /// The instant of the batch.
    pub tick: Tick,
    /// Tokens of the rate that several messages together are asked for when all else is taken, because a token
    /// cannot be given back; `None` if each is asked by itself.
    pub owed: Option<&'a AtomicU32>,
    /// What the records say of the message.
    pub about: About<'a>,
}

/// The windows of clause 7.7.
#[derive(Debug, Default)]
pub(super) struct Spreads {
    pub(super) real: Spread,
    pub(super) observed: Spread,
}

/// A slot taken for a day, on disk before its message is forwarded. Lost in a
/// crash, it stays taken.
#[derive(Clone, Copy, Debug)]
#[must_use = "settle it, or the slot stays taken all day"]
pub struct Reservation {
    pub(super) taken: Taken,
    pub(super) id: u64,
    /// Which part of which message it is for; what was taken is that message's.
    pub(super) part: Option<PartOf>,
    /// Whether a shared ledger is asked for it.
    pub(super) asked: bool,
    /// Rules that would have refused, had they been enforced.
    pub observed: Reasons,
}

impl Reservation {
    /// One that has taken nothing of the book.
    pub(super) fn unasked(permit: &Permit, claim: &Claim<'_>, observed: Reasons) -> Self {
        let taken = Taken {
            recipient: permit.recipient(),
            day: permit.day(),
            effects: Effects::default(),
            account: claim.scopes.account,
            slot_scope: 0,
            quota_scope: 0,
            spread_at_ms: 0,
            terms: Terms::of(&claim.rules.switches),
        };
        Self { taken, id: 0, part: None, asked: false, observed }
    }

    /// Whether anything of it has to be durable before the message leaves.
    pub const fn is_durable(&self) -> bool {
        self.taken.effects.are_durable()
    }

    /// The day whose slot it is.
    pub const fn day(&self) -> Day {
        self.taken.day
    }

    /// The subscriber; `None` where none is named or none has to be.
    pub const fn recipient(&self) -> Option<Msisdn> {
        self.taken.recipient
    }

    /// Whether it is for a part of a message.
    pub const fn is_part(&self) -> bool {
        self.part.is_some()
    }
}

/// Takes all that a permitted message needs, or nothing.
pub(super) fn take(book: &Book, spreads: &Spreads, claim: &Claim<'_>, permit: &Permit) -> Result<Reservation, Refusal> {
    let mut attempt = Attempt {
        book,
        spreads,
        claim,
        taken: Taken {
            recipient: permit.recipient(),
            day: permit.day(),
            effects: Effects::default(),
            account: claim.scopes.account,
            slot_scope: slot_scope(&claim.rules.switches.dedup, claim.scopes),
            quota_scope: quota_scope(claim.rules.switches.quota.scope, claim.scopes),
            spread_at_ms: claim.tick.steady_ms,
            terms: Terms::of(&claim.rules.switches),
        },
        observed: permit.observed(),
    };
    let outcome = match permit.recipient() {
        Some(recipient) => attempt.take_for(recipient, permit.counts()),
        None => attempt.rate(),
    };
    match outcome {
        Ok(()) => Ok(Reservation { taken: attempt.taken, id: 0, part: None, asked: false, observed: attempt.observed }),
        Err(reason) => Err(Refusal {
            reason,
            status: claim.account.status(reason),
            also: Reasons::NONE,
            observed: attempt.observed,
        }),
    }
}

/// The refusal of a message for a day whose slots are no longer known.
pub(super) fn forgotten(claim: &Claim<'_>) -> Refusal {
    let reason = Reason::LedgerUnavailable;
    Refusal { reason, status: claim.account.status(reason), also: Reasons::NONE, observed: Reasons::NONE }
}

/// Takes what the journal says was taken, without asking: counts in the book, the slot by `slot`. The windows of 7.7
/// are left alone.
pub(super) fn take_again(book: &Book, taken: &Taken, slot: impl FnOnce(SlotKey)) {
    let Some(recipient) = taken.recipient else { return };
    if taken.effects.contains(Effects::SLOT) {
        slot(SlotKey::new(recipient, taken.slot_scope, Space::Messages));
    }
    if taken.effects.contains(Effects::QUOTA) {
        let user = taken.effects.contains(Effects::USER);
        let user = user.then(|| SlotKey::new(recipient, taken.quota_scope, Space::Users));
        book.restore_user(taken.quota_scope, user);
    }
    if taken.effects.contains(Effects::OWN_QUOTA) {
        book.count_up(Side::Real, taken.account, u32::MAX);
    }
}

/// Gives back all that was taken.
pub(super) fn give_back(book: &Book, spreads: &Spreads, taken: &Taken) {
    let Some(recipient) = taken.recipient else { return };
    let effects = taken.effects;
    // The counts first: who takes the slot next finds room in the quota.
    give_back_counts(book, spreads, taken, recipient);
    if effects.contains(Effects::SLOT) {
        book.release(SlotKey::new(recipient, taken.slot_scope, Space::Messages));
    }
    if effects.contains(Effects::OBSERVED_SLOT) {
        book.release(SlotKey::new(recipient, taken.slot_scope, Space::ObservedMessages));
    }
}

fn give_back_counts(book: &Book, spreads: &Spreads, taken: &Taken, recipient: Msisdn) {
    let effects = taken.effects;
    let user = |space| effects.contains(Effects::USER).then(|| SlotKey::new(recipient, taken.quota_scope, space));
    if effects.contains(Effects::QUOTA) {
        book.release_user(Side::Real, taken.quota_scope, user(Space::Users));
    }
    if effects.contains(Effects::OBSERVED_QUOTA) {
        book.count_down(Side::Observed, taken.quota_scope);
    }
    if effects.contains(Effects::OWN_QUOTA) {
        book.count_down(Side::Real, taken.account);
    }
    let place = SpreadPlace::new(recipient.prefix(u32::from(taken.terms.spread_digits)), taken.spread_at_ms);
    if effects.contains(Effects::SPREAD) {
        spreads.real.release(place);
    }
    if effects.contains(Effects::OBSERVED_SPREAD) {
        spreads.observed.release(place);
    }
}

/// The scope of 7.1a.
pub(super) const fn slot_scope(dedup: &DedupSwitches, scopes: Scopes) -> u16 {
    match dedup.scope {
        DedupScope::Global => 0,
        DedupScope::Unit => scopes.unit,
        DedupScope::Account => scopes.account,
    }
}

/// The scope of 7.1b.
pub const fn quota_scope(scope: QuotaScope, scopes: Scopes) -> u16 {
    match scope {
        QuotaScope::Unit => scopes.unit,
        QuotaScope::Account => scopes.account,
    }
}

/// Whether a taken slot shows that the subscriber is new to the quota's scope,
/// so that messages and subscribers are equal (policy 3.4).
pub(super) const fn slot_implies_user(switches: &Switches) -> bool {
    switches.dedup.limit == 1
        && switches.dedup.categories.is_all()
        && matches!(
            (switches.dedup.scope, switches.quota.scope),
            (DedupScope::Global, _) | (DedupScope::Unit, QuotaScope::Unit) | (DedupScope::Account, QuotaScope::Account)
        )
}

/// One message on its way through the rules that consume.
struct Attempt<'a> {
    book: &'a Book,
    spreads: &'a Spreads,
    claim: &'a Claim<'a>,
    taken: Taken,
    observed: Reasons,
}

impl Attempt<'_> {
    /// What does not count for 7.1a neither takes a slot nor needs a free one.
    fn take_for(&mut self, recipient: Msisdn, counts: bool) -> Result<(), Reason> {
        match self.claim.account.modes.get(Rule::Once) {
            _ if !counts => self.take_counts(recipient),
            Mode::Off => self.take_counts(recipient),
            Mode::Observe => self.observe_slot(recipient),
            Mode::Enforce => self.take_slot(recipient),
        }
    }

    /// The slot and, under its lock, everything else.
    fn take_slot(&mut self, recipient: Msisdn) -> Result<(), Reason> {
        let key = SlotKey::new(recipient, self.taken.slot_scope, Space::Messages);
        let limit = self.claim.rules.switches.dedup.limit;
        let slot = self.book.slots.slot(key);
        if slot.count() >= limit {
            return Err(self.spread_or_duplicate(recipient));
        }
        self.taken.effects.insert(Effects::SLOT);
        self.take_counts(recipient)?;
        slot.add();
        self.book.note_row();
        Ok(())
    }

    /// 7.7 is asked before 7.1a; a duplicate takes no place in the window.
    fn spread_or_duplicate(&self, recipient: Msisdn) -> Reason {
        let spread = &self.claim.rules.switches.spread;
        let count = self.spreads.real.count(
            recipient.prefix(spread.digits),
            self.claim.tick.steady_ms,
            i64::from(spread.window_seconds) * 1000,
        );
        let enforced = self.claim.account.modes.get(Rule::Spread) == Mode::Enforce && spread.action != Avoid::Warn;
        let full = enforced && count >= spread.limit as usize;
        if full { Reason::Spread } else { Reason::Duplicate }
    }

    /// The observed rule keeps its own slots and looks at the real ones.
    fn observe_slot(&mut self, recipient: Msisdn) -> Result<(), Reason> {
        let scope = self.taken.slot_scope;
        let real = self.book.messages(SlotKey::new(recipient, scope, Space::Messages));
        self.take_counts(recipient)?;
        let key = SlotKey::new(recipient, scope, Space::ObservedMessages);
        let mine = self.book.slots.one_more(key);
        self.book.note_row();
        self.taken.effects.insert(Effects::OBSERVED_SLOT);
        if real.saturating_add(mine) > self.claim.rules.switches.dedup.limit {
            self.observed.insert(Reason::Duplicate);
        }
        Ok(())
    }

    /// Spread, quota and rate; gives back on refusal.
    fn take_counts(&mut self, recipient: Msisdn) -> Result<(), Reason> {
        let taken = self
            .spread(recipient)
            .and_then(|()| self.quota(recipient))
            .and_then(|()| self.own_quota())
            .and_then(|()| self.rate());
        if taken.is_err() {
            self.taken.effects.remove(Effects::SLOT);
            give_back_counts(self.book, self.spreads, &self.taken, recipient);
        }
        taken
    }

    fn spread(&mut self, recipient: Msisdn) -> Result<(), Reason> {
        let switches = &self.claim.rules.switches.spread;
        let mode = match self.claim.account.modes.get(Rule::Spread) {
            Mode::Off => return Ok(()),
            Mode::Enforce if switches.action == Avoid::Warn => Mode::Observe,
            mode => mode,
        };
        let segment = recipient.prefix(switches.digits);
        let (now, window) = (self.claim.tick.steady_ms, i64::from(switches.window_seconds) * 1000);
        let limit = switches.limit as usize;
        let (windows, left, effect) = if mode == Mode::Enforce {
            (&self.spreads.real, limit, Effects::SPREAD)
        } else {
            let real = self.spreads.real.count(segment, now, window);
            (&self.spreads.observed, limit.saturating_sub(real), Effects::OBSERVED_SPREAD)
        };
        if windows.take(segment, now, window, left).is_some() {
            self.taken.effects.insert(effect);
            return Ok(());
        }
        self.refuse(mode, Reason::Spread)
    }

    fn quota(&mut self, recipient: Msisdn) -> Result<(), Reason> {
        let mode = self.claim.account.modes.get(Rule::Quota);
        let (scope, limit) = (self.taken.quota_scope, self.claim.rules.switches.quota.users);
        match mode {
            Mode::Off => Ok(()),
            Mode::Observe => {
                let real = self.book.counted(Side::Real, scope);
                if self.book.count_up(Side::Observed, scope, limit.saturating_sub(real)) {
                    self.taken.effects.insert(Effects::OBSERVED_QUOTA);
                    return Ok(());
                }
                self.refuse(mode, Reason::Quota)
            }
            Mode::Enforce => {
                if self.count_user(recipient, scope, limit) {
                    self.taken.effects.insert(Effects::QUOTA);
                    return Ok(());
                }
                Err(Reason::Quota)
            }
        }
    }

    /// Counts the subscriber unless the scope has counted them today.
    fn count_user(&mut self, recipient: Msisdn, scope: u16, limit: u32) -> bool {
        if self.taken.effects.contains(Effects::SLOT) && slot_implies_user(&self.claim.rules.switches) {
            return self.book.count_up(Side::Real, scope, limit);
        }
        let key = SlotKey::new(recipient, scope, Space::Users);
        let user = self.book.users.slot(key);
        let counted = user.count() > 0 || self.book.count_up(Side::Real, scope, limit);
        if counted {
            user.add();
            self.taken.effects.insert(Effects::USER);
        }
        counted
    }

    /// The account's own, lower limit, where it has one.
    fn own_quota(&mut self) -> Result<(), Reason> {
        let Some(limit) = self.claim.account.daily_users else { return Ok(()) };
        if self.claim.account.modes.get(Rule::Quota) != Mode::Enforce || self.taken.quota_scope == self.taken.account {
            return Ok(());
        }
        if self.book.count_up(Side::Real, self.taken.account, limit) {
            self.taken.effects.insert(Effects::OWN_QUOTA);
            return Ok(());
        }
        Err(Reason::Quota)
    }

    fn rate(&mut self) -> Result<(), Reason> {
        let mode = self.claim.account.modes.get(Rule::Rate);
        if let Some(owed) = self.claim.owed.filter(|_| mode == Mode::Enforce) {
            owed.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        if mode == Mode::Off || self.claim.throttle.take() {
            return Ok(());
        }
        self.refuse(mode, Reason::Rate)
    }

    /// Enforced: the refusal. Observed: a note.
    fn refuse(&mut self, mode: Mode, reason: Reason) -> Result<(), Reason> {
        if mode == Mode::Enforce {
            return Err(reason);
        }
        self.observed.insert(reason);
        Ok(())
    }
}
