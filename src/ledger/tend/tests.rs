//! What the keeper does at which time of the day.

use super::super::model::{How, Step, World};
use crate::domain::Day;

/// Seconds from the world's begin, ten in the morning, to a time of that day or the next.
const fn until(hour: i64, minute: i64, second: i64) -> i64 {
    ((hour - 10) * 3600 + minute * 60 + second) * 1000
}

fn kept_at(at_ms: &[i64], world: &World) {
    let mut passed = 0;
    for at in at_ms {
        world.pass(at - passed);
        passed = *at;
        world.ledger().keep();
    }
}

#[test]
fn tomorrows_book_stands_ready_ten_minutes_before_midnight() {
    let world = World::new(1, false);
    let tomorrow = Day::from_number(world.today() + 1);
    kept_at(&[until(23, 50, 0)], &world);
    assert!(world.ledger().book(tomorrow).is_none());
    world.pass(1000);
    world.ledger().keep();
    assert!(world.ledger().book(tomorrow).is_some());
}

#[test]
fn yesterdays_book_and_its_unknown_outcomes_go_in_their_time() {
    let mut world = World::new(1, false);
    let yesterday = Day::from_number(world.today());
    world.step(Step::Reserve { account: 0, to: 1, tomorrow: false });
    world.step(Step::Settle { which: 0, how: How::Unknown });
    kept_at(&[until(23, 59, 59), until(24, 30, 0), until(24, 59, 59)], &world);
    assert!(world.ledger().book(yesterday).is_some(), "an hour for what was under way at midnight");
    assert_eq!(world.ledger().unknown(), 1);
    world.pass(1000);
    world.ledger().keep();
    assert!(world.ledger().book(yesterday).is_none());
    assert!(world.ledger().book(yesterday.next()).is_some());
    assert_eq!(world.ledger().unknown(), 1, "as long as a start would list it");
    let reach = i64::from(world.ledger().reach());
    for _ in 0..=reach {
        world.pass(86_400_000);
        world.ledger().keep();
    }
    assert_eq!(world.ledger().unknown(), 0);
}
