use super::*;

fn switches() -> OverloadSwitches {
    OverloadSwitches::default()
}

/// A second with so many answers a second, so many of them busy.
fn second(taken: u64, busy: u64) -> Seen {
    Seen { answers: taken + busy, taken, busy, ..Seen::default() }
}

/// Steps through one second after another, from a number on.
struct Run {
    state: State,
    now_ms: i64,
    held: bool,
}

impl Run {
    fn new() -> Self {
        Self { state: State::default(), now_ms: 0, held: false }
    }

    fn see(&mut self, switches: &OverloadSwitches, seen: Seen, waiting: Waiting) -> Vec<Step> {
        self.now_ms += 1000;
        let steps = self.state.step(switches, seen, waiting, self.held, self.now_ms);
        for step in &steps {
            match step {
                Step::Hold(_) => self.held = true,
                Step::End => self.held = false,
                _ => {}
            }
        }
        steps
    }
}

#[test]
fn the_rate_falls_below_what_was_taken_grows_evenly_and_is_lifted_when_nobody_meets_it() {
    let (switches, mut run) = (switches(), Run::new());
    assert_eq!(run.see(&switches, second(1000, 40), Waiting::default()), [], "a few are no overload");
    assert_eq!(run.see(&switches, second(1000, 60), Waiting::default()), [Step::Lower(900.0, Cause::Busy)]);
    let met = Seen { refused: 500, ..second(900, 0) };
    assert_eq!(run.see(&switches, met, Waiting::default()), [Step::Raise(920.0)]);
    assert_eq!(run.see(&switches, met, Waiting::default()), [Step::Raise(940.0)]);
    assert_eq!(run.see(&switches, second(500, 500), Waiting::default()), [Step::Lower(450.0, Cause::Busy)]);
    for _ in 1..60 {
        assert_eq!(run.see(&switches, second(400, 0), Waiting::default()), []);
    }
    assert_eq!(run.see(&switches, second(400, 0), Waiting::default()), [Step::Lift]);
}

#[test]
fn every_sign_of_overload_lowers() {
    let switches = switches();
    let slow = Seen { slow: 6, ..second(100, 0) };
    let stuck = Waiting { all: 30, slow: 25, late: 0 };
    let congested = Seen { congestion: 80, ..second(1, 0) };
    let many = Waiting { all: 10_000, ..Waiting::default() };
    for (seen, waiting, cause) in [
        (second(90, 10), Waiting::default(), Cause::Busy),
        (slow, Waiting::default(), Cause::Response),
        (Seen::default(), stuck, Cause::Response),
        (congested, Waiting::default(), Cause::Congestion),
        (second(1, 0), many, Cause::InFlight),
    ] {
        let steps = Run::new().see(&switches, seen, waiting);
        assert!(matches!(steps[..], [Step::Lower(limit, found)] if found == cause && limit >= 10.0), "{steps:?}");
    }
    assert_eq!(Run::new().see(&switches, second(5, 5), Waiting::default()), [], "ten answers say nothing");
}

#[test]
fn a_hold_comes_when_lowering_did_not_help_for_a_window_and_ends_after_a_quiet_time() {
    let (switches, mut run) = (switches(), Run::new());
    let mut seconds = 0;
    while !run.held {
        run.see(&switches, second(50, 50), Waiting::default());
        seconds += 1;
        assert!(seconds < 100);
    }
    assert_eq!(seconds, 31, "the window of 30 s begins with the first lowering");
    for _ in 0..29 {
        assert_eq!(run.see(&switches, Seen::default(), Waiting::default()), [], "the window still shows overload");
    }
    let quiet = (0..100).take_while(|_| run.see(&switches, Seen::default(), Waiting::default()) != [Step::End]).count();
    assert!((58..=60).contains(&quiet), "{quiet}");
    assert!(!run.held);
    assert!(run.state.limit.is_some_and(|limit| limit < 50.0), "it begins again below what was taken");
}

#[test]
fn congestion_holds_at_once_and_time_alone_does_not() {
    let switches = switches();
    let full = Seen { congestion: 100, ..second(1, 0) };
    assert!(Run::new().see(&switches, full, Waiting::default()).contains(&Step::Hold(Cause::Congestion)));
    let late = Seen { slow: 50, late: 50, ..second(50, 0) };
    let mut run = Run::new();
    let held = (1..100).find(|_| run.see(&switches, late, Waiting::default()).contains(&Step::Hold(Cause::Response)));
    assert_eq!(held, Some(31));
}

#[test]
fn frozen_it_changes_nothing_and_off_it_lets_go() {
    let (on, mut run) = (switches(), Run::new());
    run.see(&on, second(50, 50), Waiting::default());
    run.see(&on, Seen { congestion: 100, ..second(50, 50) }, Waiting::default());
    assert!(run.held);
    let frozen = OverloadSwitches { freeze: true, ..switches() };
    for _ in 0..100 {
        assert_eq!(run.see(&frozen, Seen::default(), Waiting::default()), []);
    }
    let lower = OverloadSwitches { mode: OverloadMode::Lower, ..switches() };
    let full = Seen { congestion: 100, ..second(50, 0) };
    assert!(!Run::new().see(&lower, full, Waiting::default()).contains(&Step::Hold(Cause::Congestion)));
    let off = OverloadSwitches { mode: OverloadMode::Off, ..switches() };
    assert_eq!(run.see(&off, second(0, 100), Waiting::default()), [Step::End]);
    assert_eq!(run.state.limit, None);
}

#[test]
fn what_somebody_else_ended_is_not_held_again_for_what_was_seen_before() {
    let (switches, mut run) = (switches(), Run::new());
    while !run.held {
        run.see(&switches, second(50, 50), Waiting::default());
    }
    run.held = false;
    for _ in 0..60 {
        assert!(!run.see(&switches, second(40, 0), Waiting::default()).contains(&Step::Hold(Cause::Busy)));
    }
}

#[test]
fn answers_that_follow_each_other_are_followed_over_batches() {
    let governor = Governor::default();
    let add = |states: &[u8]| {
        let mut tally = governor.tally();
        for state in states {
            tally.answer(0, 1, 1, Some(*state));
        }
        governor.add(&tally);
        governor.seen.congested.load(Ordering::Relaxed)
    };
    assert!(!add(&[90, 95]));
    assert!(!add(&[90, 95, 10, 95, 95]));
    assert!(!add(&[95, 95]));
    assert!(add(&[90]), "the fifth in a row");
}

#[test]
fn the_limit_is_what_passes() {
    let governor = Governor::default();
    assert_eq!(governor.take(1, 0), Some(Taken::NOTHING));
    let mut tally = governor.tally();
    for answer in 0..100 {
        tally.answer(if answer % 2 == 0 { 0 } else { status::ESME_RTHROTTLED }, 1, 1, None);
    }
    governor.add(&tally);
    let steps = governor.step(&switches(), Waiting::default(), false, 1000);
    assert_eq!((steps, governor.limit()), (vec![Step::Lower(45.0, Cause::Busy)], Some(45.0)));
    assert!(!governor.is_due(1999) && governor.is_due(2000));
    let passed = (0..1000_u64).filter(|ms| governor.take(1, ms * 1_000_000).is_some()).count();
    assert!((45..=51).contains(&passed), "{passed}");
    let steps = governor.step(&switches(), Waiting::default(), false, 2000);
    assert!(matches!(steps[..], [Step::Raise(limit)] if limit > 45.0), "{steps:?}: it was met");
}
