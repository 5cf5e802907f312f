//! Holds of one gateway.

use super::*;
use crate::domain::AccountClass;

const T0: Moment = Moment::from_ms(1_795_000_000_000);

fn new(scope: &str, owner: &str) -> NewHold {
    NewHold {
        scope: scope.parse().expect("a scope"),
        owner: owner.to_owned(),
        role: "network".to_owned(),
        reason: "SMSC queue 90 %".to_owned(),
        until: None,
    }
}

fn party() -> Party<'static> {
    let class = AccountClass::ExemptPlatform;
    Party { account: "market", class, unit: "province", city: None, smsc: "192.0.2.1:2775" }
}

fn after(ms: i64) -> Moment {
    Moment::from_ms(T0.ms() + ms)
}

#[test]
fn a_scope_is_open_when_no_hold_is_left_on_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let holds = Holds::open(folder.path(), T0).expect("opens");
    assert!(!holds.cover(party));
    let first = holds.place(new("all", "li"), T0).expect("placed");
    let second = holds.place(new("all", "wang"), T0).expect("placed");
    let third = holds.place(new("account:market", "li"), T0).expect("placed");
    assert_eq!((first.id(), second.id(), third.id()), ("h_01".into(), "h_02".into(), "h_03".into()));

    let all = Which::On(Scope::All);
    assert_eq!(holds.end(&all, "li", "over", false, T0).expect("own").len(), 1);
    assert!(holds.cover(party));
    let others = holds.end(&Which::Number(2), "li", "over", false, T0);
    assert_eq!(others, Err(HoldError::NotYours { owner: "wang".to_owned() }));
    assert_eq!(holds.end(&all, "li", "over", true, T0).expect("all holders'").len(), 1);
    assert!(holds.cover(party), "a hold on the account is left");
    holds.end(&Which::parse("h_03").expect("an id"), "li", "over", false, T0).expect("own");
    assert!(!holds.cover(party));
    assert_eq!(holds.end(&all, "li", "over", true, T0), Err(HoldError::NotFound));
    assert_eq!(holds.past().iter().map(|past| past.hold.number).collect::<Vec<_>>(), [3, 2, 1]);
}

#[test]
fn what_is_saved_is_in_force_after_a_restart_and_what_has_ended_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let holds = Holds::open(folder.path(), T0).expect("opens");
    holds.place(new("class:exempt_platform", "li"), T0).expect("placed");
    holds.place(NewHold { until: Some(after(1000)), ..new("all", "li") }, T0).expect("placed");
    let gone = holds.place(new("city:wuhu", "li"), T0).expect("placed");
    assert!(!holds.is_saved() && !holds.in_force()[0].persisted);
    holds.save().expect("written");
    assert!(holds.is_saved() && holds.in_force()[0].persisted);
    holds.end(&Which::Number(gone.number), "li", "over", false, T0).expect("ended");
    holds.save().expect("written");
    let before = (holds.in_force(), holds.past());
    drop(holds);

    let holds = Holds::open(folder.path(), T0).expect("opens");
    assert_eq!((holds.in_force(), holds.past()), before);
    assert!(holds.cover(party));
    drop(holds);
    let holds = Holds::open(folder.path(), after(1000)).expect("opens");
    assert_eq!(holds.in_force().len(), 1, "the other's time was over");
    assert_eq!(holds.past()[0].by, "clock");
    assert_eq!(holds.place(new("all", "li"), T0).expect("placed").number, 4, "numbers are not used again");
}

#[test]
fn a_hold_says_who_and_why_and_ends_ahead() {
    let folder = tempfile::tempdir().expect("a folder");
    let holds = Holds::open(folder.path(), T0).expect("opens");
    let wrong = [
        NewHold { owner: " ".to_owned(), ..new("all", "li") },
        NewHold { reason: String::new(), ..new("all", "li") },
        NewHold { reason: "a\nb".to_owned(), ..new("all", "li") },
        NewHold { role: "x".repeat(TEXT_MAX + 1), ..new("all", "li") },
        NewHold { until: Some(T0), ..new("all", "li") },
    ];
    for new in wrong {
        assert!(holds.place(new, T0).is_err());
    }
    assert!(holds.in_force().is_empty() && !holds.cover(party));
}

#[test]
fn holds_in_force_and_past_are_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let holds = Holds::open(folder.path(), T0).expect("opens");
    for _ in 0..HOLDS_MAX {
        holds.place(new("all", "li"), T0).expect("placed");
    }
    assert_eq!(holds.place(new("all", "li"), T0), Err(HoldError::TooMany));
    holds.end(&Which::On(Scope::All), "li", "over", false, T0).expect("ended");
    holds.save().expect("written");
    for _ in 0..10 {
        holds.place(new("all", "li"), T0).expect("placed");
    }
    holds.end(&Which::On(Scope::All), "li", "over", false, T0).expect("ended");
    holds.save().expect("written");
    assert_eq!(holds.past().len(), PAST_MAX);
    drop(holds);
    assert_eq!(Holds::open(folder.path(), T0).expect("opens").past().len(), PAST_MAX);
}
