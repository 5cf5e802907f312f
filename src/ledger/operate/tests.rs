//! What operators ask, of a ledger of two days.

use super::super::damage::DamageKind;
use super::super::model::{How, Step, World, msisdn};
use super::*;

/// Yesterday subscriber 1; today 2 accepted, 3 refused, 4 unknown, 5 under way, and 6 scheduled for tomorrow.
fn two_days() -> World {
    let mut world = World::new(1, false);
    let reserve = |to, tomorrow| Step::Reserve { account: 0, to, tomorrow };
    world.step(reserve(1, false));
    world.step(Step::Settle { which: 0, how: How::Accepted });
    world.step(Step::NextDay);
    for (to, how) in [(2, How::Accepted), (3, How::Rejected), (4, How::Unknown)] {
        world.step(reserve(to, false));
        world.step(Step::Settle { which: 0, how });
    }
    world.step(reserve(5, false));
    world.step(reserve(6, true)); // and with it all that was noted before
    world.ledger().keep(); // yesterday's file is closed
    world
}

fn today(world: &World) -> Day {
    Day::from_number(world.today())
}

fn yesterday(world: &World) -> Day {
    Day::from_number(world.today() - 1)
}

#[test]
fn a_lookup_finds_the_messages_of_a_day_and_what_became_of_them() {
    let world = two_days();
    let ledger = world.ledger();
    let states = |to, day| {
        let found = ledger.lookup(msisdn(to), day).expect("read");
        found
            .iter()
            .map(|entry| (entry.recipient == Some(msisdn(to)) && entry.day == day, entry.state))
            .collect::<Vec<_>>()
    };
    let of_today = [
        (1, None),
        (2, Some(EntryState::Used)),
        (3, Some(EntryState::Free(0x45))),
        (4, Some(EntryState::Unknown)),
        (5, Some(EntryState::Reserved)),
        (6, None),
    ];
    for (to, state) in of_today {
        assert_eq!(states(to, today(&world)), state.map(|state| (true, state)).into_iter().collect::<Vec<_>>(), "{to}");
    }
    assert_eq!(states(1, yesterday(&world)), [(true, EntryState::Used)]);
    assert_eq!(states(6, today(&world).next()), [(true, EntryState::Reserved)]);
    assert_eq!(states(2, today(&world).next()), []);
}

#[test]
fn unknown_outcomes_are_listed_in_order_and_released_once() {
    let mut world = two_days();
    world.step(Step::Settle { which: 0, how: How::Unknown });
    let ledger = world.ledger();
    let listed = ledger.own_unknown_outcomes();
    assert_eq!(listed.iter().map(|one| one.recipient).collect::<Vec<_>>(), [Some(msisdn(4)), Some(msisdn(5))]);
    assert!(listed[0].id < listed[1].id && listed.iter().all(|one| one.state == EntryState::Unknown));
    assert_eq!(ledger.unknown(), 2);
    world.step(Step::Release { which: 0 });
    assert_eq!(ledger.own_unknown_outcomes(), listed[1..]);
    assert_eq!(ledger.unknown(), 1);
    world.compare();
}

#[test]
fn what_was_under_way_at_the_end_is_unknown_since_it_was_submitted() {
    let mut world = World::new(1, false);
    world.step(Step::Reserve { account: 0, to: 1, tomorrow: false });
    let submitted = world.now();
    world.pass(90_000);
    world.step(Step::Restart { clean: false });
    let listed = world.ledger().own_unknown_outcomes();
    assert_eq!(listed.iter().map(|one| one.at).collect::<Vec<_>>(), [submitted]);
}

#[test]
fn a_check_counts_what_is_there_and_names_what_is_wrong() {
    let mut world = two_days();
    let mut told = 0;
    let whole = world.ledger().verify(|rows| told = rows).expect("read");
    assert_eq!((whole.days, whole.rows, whole.reservations, &whole.problems), (2, 7, 6, &Vec::new()));
    let file = rusqlite::Connection::open(VolumeId::first(yesterday(&world)).path(world.folder())).expect("closed");
    file.execute_batch("UPDATE batch SET at_ms = at_ms + 1").expect("damaged");
    drop(file);
    let found = world.ledger().verify(|_| ()).expect("read");
    assert_eq!((found.days, found.problems.len()), (2, 1), "{found:?}");
    assert!(found.problems[0].contains(&yesterday(&world).to_string()), "{found:?}");
    world.end();
}

#[test]
fn the_figures_are_those_of_the_books_and_files() {
    let world = two_days();
    let stats = world.ledger().stats().expect("read");
    assert_eq!((stats.today, stats.slots, stats.scheduled), (today(&world), 3, 1));
    assert_eq!((stats.reserved, stats.unknown), (2, 1));
    assert_eq!(stats.days.iter().map(|(day, _)| *day).collect::<Vec<_>>(), [yesterday(&world), today(&world)]);
    let all: u64 = stats.days.iter().map(|(_, octets)| octets).sum();
    assert!(stats.days.iter().all(|(_, octets)| *octets >= 2048) && all < world.ledger().size(), "{stats:?}");
}

#[test]
fn a_copy_knows_what_the_ledger_knew() {
    let mut world = two_days();
    let copy = world.folder().join("copy");
    assert_eq!(world.ledger().backup(&copy).expect("copied"), 7);
    assert!(world.ledger().backup(&copy).is_err() && copy.exists(), "a copy is never written over");
    world.end();
    world.move_in(&copy);
    let code = {
        let ledger = world.open();
        let damage = ledger.damage().expect("a copy");
        assert_eq!(damage.kind, DamageKind::Copied);
        ledger.accept(&damage.code()).expect("accepted");
        damage.code()
    };
    let (ledger, recovered) = world.open_with_summary();
    assert_eq!(recovered.accepted.map(|damage| damage.code()), Some(code));
    assert_eq!((recovered.reservations, recovered.interrupted), (6, 2));
    assert_eq!(world.taken(&ledger), [0, 1, 0, 1]);
}

#[test]
fn old_days_go_and_none_that_a_start_would_read() {
    let mut world = two_days();
    assert_eq!(world.ledger().prune(today(&world).next()).expect("looked"), []);
    for _ in 0..2 {
        world.step(Step::NextDay);
    }
    let own = |back| Day::from_number(world.today() - back);
    assert_eq!(world.ledger().prune(own(3)).expect("looked"), [], "days before that one");
    assert_eq!(world.ledger().prune(own(2)).expect("removed"), [own(3)]);
    assert!(!VolumeId::first(own(3)).path(world.folder()).exists());
    assert_eq!(world.ledger().prune(own(0).next()).expect("looked"), [], "within reach");
    assert!(world.ledger().journal.guard().is_ok());
}

#[test]
fn an_unknown_outcome_is_counted_until_it_is_released_known_or_too_old() {
    let taken = |day| Taken {
        recipient: None,
        day: Day::from_number(day),
        effects: super::super::record::Effects::default(),
        account: 1,
        slot_scope: 0,
        quota_scope: 1,
        spread_at_ms: 0,
        terms: super::super::record::Terms::default(),
    };
    let mut unknown = Unknown::default();
    for (id, day) in [(1, 7), (2, 8), (3, 8), (4, 9)] {
        unknown.insert(id, Unanswered::new(taken(day), None, Moment::from_ms(0)));
    }
    unknown.insert(5, Unanswered::new(taken(9), Some(PartOf::new(3, 1, 2)), Moment::from_ms(0)));
    assert!(unknown.release(2).is_ok_and(|one| one.is_released()));
    assert_eq!(unknown.release(2).map(|_| ()), Err(ReleaseError::NotUnknown));
    assert_eq!(unknown.release(5).map(|_| ()), Err(ReleaseError::Part));
    assert_eq!((unknown.len(), unknown.listed().len()), (4, 4));
    assert!(unknown.remove(2).is_some_and(|one| one.is_released()), "it was sent after all");
    assert!(unknown.remove(2).is_none());
    assert_eq!(unknown.len(), 4);
    assert!(unknown.release(3).is_ok());
    unknown.forget_before(Day::from_number(8));
    assert_eq!((unknown.all.len(), unknown.len()), (3, 2), "that of the eighth day is released");
    unknown.forget_before(Day::from_number(9));
    assert_eq!((unknown.all.len(), unknown.len()), (2, 2));
    assert_eq!(PartOf::new(3, 1, 2).place(), (3, 2));
}

#[test]
fn the_figures_add_up_both_volumes_of_a_day() {
    let world = two_days();
    let ledger = world.ledger();
    let folder = ledger.journal.shelf().folder.clone();
    let before = ledger.stats().expect("read");
    let second = VolumeId::first(today(&world)).other().path(&folder);
    std::fs::write(&second, [0; 100]).expect("written");
    let after = ledger.stats().expect("read");
    assert_eq!(after.days.len(), before.days.len());
    for ((day, octets), (same, more)) in before.days.iter().zip(&after.days) {
        assert_eq!((day, octets + if *day == today(&world) { 100 } else { 0 }), (same, *more));
    }
    std::fs::remove_file(second).expect("removed");
}
