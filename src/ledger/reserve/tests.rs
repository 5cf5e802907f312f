//! Each rule that consumes, alone and beside the others; what it refuses leaves nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use super::*;
use crate::domain::{AccountClass, Clock, Ticker};
use crate::policy::ruleset::Rate;
use crate::policy::testing::{Frame, WEEKDAY, account, at, with_switches};
use crate::policy::{Modes, Scratch, decide};
use crate::smpp::Submission;

const SCOPES: Scopes = Scopes { account: 3, unit: 4 };

/// An account for which one rule is enforced, and nothing has been taken.
struct World {
    rules: Ruleset,
    account: Account,
    throttle: Throttle,
    book: Book,
    spreads: Spreads,
    owed: Option<AtomicU32>,
}

impl World {
    fn new(rule: Rule, mode: Mode, change: impl FnOnce(&mut Switches)) -> Self {
        let mut switches = Switches::default();
        change(&mut switches);
        let mut modes = Modes::all(Mode::Off);
        modes.set(rule, mode);
        let clock = Clock::Manual(Arc::new(AtomicI64::new(at(WEEKDAY).ms())));
        Self {
            rules: with_switches(switches),
            account: Account { modes, ..account(AccountClass::CityMoa) },
            throttle: Throttle::new(Rate { per_second: 1, burst: 1 }, Ticker::new(clock)),
            book: Book::default(),
            spreads: Spreads::default(),
            owed: None,
        }
    }

    fn and(mut self, rule: Rule, mode: Mode) -> Self {
        self.account.modes.set(rule, mode);
        self
    }

    fn reserve(&self, to: u8, steady_ms: i64) -> Result<Reservation, Refusal> {
        let mut frame = Frame::new("6202", "移动");
        frame.destination.2 = format!("86138560000{to:02}");
        let octets = frame.octets();
        let submission = Submission::read(&octets).expect("sound");
        let permit =
            decide(&self.rules, &self.account, &submission, at(WEEKDAY), &mut Scratch::default()).expect("permitted");
        let tick = Tick { wall: at(WEEKDAY), steady_ms, steady_ns: 0 };
        let (account, throttle, rules) = (&self.account, &self.throttle, &self.rules);
        let (owed, about) = (self.owed.as_ref(), About::default());
        let claim = Claim { account, scopes: SCOPES, throttle, rules, tick, owed, about };
        take(&self.book, &self.spreads, &claim, &permit)
    }

    /// The reason of a refusal, or what was noted of one that passes.
    fn told(&self, to: u8, steady_ms: i64) -> Result<Vec<Reason>, Reason> {
        let taken = self.reserve(to, steady_ms).map_err(|refusal| refusal.reason)?;
        Ok(taken.observed.iter().collect())
    }

    fn give_back(&self, reservation: &Reservation) {
        give_back(&self.book, &self.spreads, &reservation.taken);
    }
}

#[test]
fn a_full_window_is_told_before_a_duplicate() {
    let new = |limit, mode, action| {
        let world = World::new(Rule::Once, Mode::Enforce, |switches| {
            (switches.spread.limit, switches.spread.window_seconds, switches.spread.action) = (limit, 10, action);
        });
        let world = world.and(Rule::Spread, mode);
        assert!(world.told(1, 0).is_ok() && world.told(2, 1).is_ok());
        world
    };
    let refuses = Switches::default().spread.action;
    assert_ne!(refuses, Avoid::Warn);
    let full = new(2, Mode::Enforce, refuses);
    assert_eq!((full.told(1, 9_999), full.told(3, 9_999)), (Err(Reason::Spread), Err(Reason::Spread)));
    assert_eq!((full.told(1, 10_001), full.told(3, 10_001)), (Err(Reason::Duplicate), Ok(vec![])));
    assert_eq!(new(3, Mode::Enforce, refuses).told(1, 2), Err(Reason::Duplicate), "there is room");
    assert_eq!(new(2, Mode::Observe, refuses).told(1, 2), Err(Reason::Duplicate), "it is not enforced");
    assert_eq!(new(2, Mode::Enforce, Avoid::Warn).told(1, 2), Err(Reason::Duplicate), "it only warns");
}

#[test]
fn a_window_that_only_warns_lets_pass_and_notes_it() {
    let world = World::new(Rule::Spread, Mode::Enforce, |switches| {
        (switches.spread.limit, switches.spread.action) = (1, Avoid::Warn);
    });
    assert_eq!((world.told(1, 0), world.told(2, 1)), (Ok(vec![]), Ok(vec![Reason::Spread])));
    let world = World::new(Rule::Spread, Mode::Observe, |switches| switches.spread.limit = 1);
    assert_eq!((world.told(1, 0), world.told(2, 1)), (Ok(vec![]), Ok(vec![Reason::Spread])));
}

#[test]
fn a_place_in_a_window_is_free_when_it_is_given_back_or_over() {
    let world = World::new(Rule::Spread, Mode::Enforce, |switches| {
        (switches.spread.limit, switches.spread.window_seconds) = (1, 7);
    });
    let first = world.reserve(1, 0).expect("room");
    assert_eq!(world.told(2, 1), Err(Reason::Spread));
    world.give_back(&first);
    assert_eq!(world.told(2, 2), Ok(vec![]));
    assert_eq!((world.told(3, 7_001), world.told(3, 9_003)), (Err(Reason::Spread), Ok(vec![])));
}

#[test]
fn an_observed_slot_is_counted_beside_the_real_ones() {
    for limit in [1, 2] {
        let world = World::new(Rule::Once, Mode::Observe, |switches| switches.dedup.limit = limit);
        for message in 1..=limit + 1 {
            let noted = if message > limit { vec![Reason::Duplicate] } else { vec![] };
            assert_eq!(world.told(1, 0), Ok(noted), "message {message} of {limit}");
        }
        assert_eq!(world.book.rows(), u64::from(limit) + 1);
        let enforced = world.and(Rule::Once, Mode::Enforce);
        assert_eq!(enforced.told(1, 0), Ok(vec![]), "nothing real was taken");
    }
}

#[test]
fn the_rate_is_asked_last_and_its_refusal_leaves_nothing() {
    let world = World::new(Rule::Rate, Mode::Enforce, |switches| switches.spread.limit = 2);
    let world = world.and(Rule::Once, Mode::Enforce).and(Rule::Quota, Mode::Enforce).and(Rule::Spread, Mode::Enforce);
    assert_eq!(world.told(1, 0), Ok(vec![]));
    assert_eq!(world.told(1, 0), Err(Reason::Duplicate));
    assert_eq!((world.told(2, 0), world.told(3, 0)), (Err(Reason::Rate), Err(Reason::Rate)), "no place is taken");
    assert_eq!((world.book.rows(), world.book.counted(Side::Real, SCOPES.unit)), (1, 1));
    let observed = world.and(Rule::Rate, Mode::Observe);
    assert_eq!(observed.told(2, 0), Ok(vec![Reason::Rate]));
    let off = World::new(Rule::Rate, Mode::Off, |_| {});
    assert_eq!([off.told(1, 0), off.told(2, 0)], [Ok(vec![]), Ok(vec![])]);
    assert!(off.throttle.take(), "its token is there still");
}

#[test]
fn tokens_that_are_owed_are_counted_and_not_taken() {
    let mut world = World::new(Rule::Rate, Mode::Enforce, |_| {});
    world.owed = Some(AtomicU32::new(0));
    assert!(world.told(1, 0).is_ok() && world.told(2, 0).is_ok());
    assert_eq!(world.owed.take().map(AtomicU32::into_inner), Some(2));
    assert_eq!((world.told(3, 0), world.told(4, 0)), (Ok(vec![]), Err(Reason::Rate)));
    let mut off = World::new(Rule::Rate, Mode::Observe, |_| {});
    off.owed = Some(AtomicU32::new(0));
    assert_eq!((off.told(1, 0), off.told(2, 0)), (Ok(vec![]), Ok(vec![Reason::Rate])), "it is not enforced");
}

#[test]
fn a_subscriber_of_two_messages_counts_once_until_both_are_given_back() {
    let world = World::new(Rule::Once, Mode::Enforce, |switches| {
        (switches.dedup.limit, switches.quota.users) = (2, 1);
    });
    let world = world.and(Rule::Quota, Mode::Enforce);
    let taken = [world.reserve(1, 0).expect("room"), world.reserve(1, 0).expect("the second of two")];
    assert_eq!((world.told(1, 0), world.told(2, 0)), (Err(Reason::Duplicate), Err(Reason::Quota)));
    for (reservation, left) in taken.iter().zip([1, 0]) {
        world.give_back(reservation);
        assert_eq!(world.book.counted(Side::Real, SCOPES.unit), left);
    }
    assert_eq!((world.told(2, 0), world.book.rows()), (Ok(vec![]), 1));
}

#[test]
fn an_account_s_own_limit_is_kept_beside_its_unit_s() {
    let mut world = World::new(Rule::Quota, Mode::Enforce, |switches| switches.quota.users = 3);
    world.account.daily_users = Some(1);
    let first = world.reserve(1, 0).expect("room");
    assert_eq!(world.told(2, 0), Err(Reason::Quota));
    let counted = |scope| world.book.counted(Side::Real, scope);
    assert_eq!((counted(SCOPES.unit), counted(SCOPES.account)), (1, 1), "the refused one counts nowhere");
    world.give_back(&first);
    assert_eq!((counted(SCOPES.unit), counted(SCOPES.account)), (0, 0));
    let mut alone = World::new(Rule::Quota, Mode::Enforce, |switches| switches.quota.scope = QuotaScope::Account);
    alone.account.daily_users = Some(1);
    assert!(alone.told(1, 0).is_ok() && alone.told(2, 0).is_ok(), "the scope is the account itself");
    let mut observed = World::new(Rule::Quota, Mode::Observe, |switches| switches.quota.users = 1);
    observed.account.daily_users = Some(1);
    assert_eq!((observed.told(1, 0), observed.told(2, 0)), (Ok(vec![]), Ok(vec![Reason::Quota])));
    assert_eq!(observed.book.counted(Side::Real, SCOPES.unit), 0);
}

#[test]
fn a_slot_shows_a_new_subscriber_only_where_both_count_alike() {
    for (slot, quota, implies) in [
        (DedupScope::Global, QuotaScope::Unit, true),
        (DedupScope::Global, QuotaScope::Account, true),
        (DedupScope::Unit, QuotaScope::Unit, true),
        (DedupScope::Unit, QuotaScope::Account, false),
        (DedupScope::Account, QuotaScope::Unit, false),
        (DedupScope::Account, QuotaScope::Account, true),
    ] {
        let mut switches = Switches::default();
        (switches.dedup.scope, switches.quota.scope) = (slot, quota);
        assert_eq!(slot_implies_user(&switches), implies, "{slot:?} {quota:?}");
        switches.dedup.limit = 2;
        assert!(!slot_implies_user(&switches));
        let expected = match slot {
            DedupScope::Global => 0,
            DedupScope::Unit => SCOPES.unit,
            DedupScope::Account => SCOPES.account,
        };
        assert_eq!(slot_scope(&switches.dedup, SCOPES), expected);
    }
}
