//! The checker finds what is planted: a sound history passes, and each promise
//! broken in it is reported as that promise.

use smsluice::domain::Day;
use smsluice::sim::journal::{Direction, Entry};
use smsluice::sim::submit::SubmitSpec;

use super::checker::check;
use super::{Act, DUPLICATE, History, LEDGER_UNAVAILABLE, NO_SIGNATURE, QUOTA, SIGNATURE, Terms};
use crate::stand::hefei;

/// Makes histories, one message at a time.
pub(super) struct Maker {
    pub(super) history: History,
    pub(super) sequence: u32,
    day: Day,
}

impl Maker {
    pub(super) fn new(quota: u64) -> Self {
        let history = History { terms: Terms::new(quota), acts: Vec::new(), smsc: Vec::new() };
        let mut maker = Self { history, sequence: 100, day: Day::parse("2026-11-24").expect("valid") };
        maker.history.acts.push(Act::Bound { session: 1, account: "hefei" });
        maker
    }

    pub(super) fn asked(&mut self, subscriber: u64) -> Vec<u8> {
        let spec = SubmitSpec::new("62021", &hefei(subscriber), SIGNATURE);
        self.asks(|sequence| spec.submit_sm(sequence))
    }

    pub(super) fn asks(&mut self, octets: impl FnOnce(u32) -> Vec<u8>) -> Vec<u8> {
        self.sequence += 1;
        let octets = octets(self.sequence);
        self.history.acts.push(Act::Asked { session: 1, day: self.day, octets: octets.clone() });
        octets
    }

    pub(super) fn smsc(&mut self, direction: Direction, octets: &[u8]) {
        self.history.smsc.push(Entry { at_ms: 0, connection: 1, direction, octets: octets.to_vec() });
    }

    pub(super) fn answer(&mut self, octets: &[u8]) {
        self.history.acts.push(Act::Received { session: 1, day: self.day, octets: octets.to_vec() });
    }

    pub(super) fn resp(&self, status: u32) -> Vec<u8> {
        let mut octets = vec![0, 0, 0, 16, 0x80, 0, 0, 4];
        octets.extend(status.to_be_bytes());
        octets.extend(self.sequence.to_be_bytes());
        octets
    }

    /// A message that reaches the SMSC and is answered by it.
    pub(super) fn forwarded(&mut self, subscriber: u64, status: u32) {
        let octets = self.asked(subscriber);
        self.smsc(Direction::In, &octets);
        let resp = self.resp(status);
        self.smsc(Direction::Out, &resp);
        self.answer(&resp);
    }

    /// A message that the gateway refuses.
    pub(super) fn refused(&mut self, subscriber: u64, status: u32) {
        self.asked(subscriber);
        self.answer(&self.resp(status));
    }

    /// A message that the SMSC has and nobody answers.
    fn unanswered(&mut self, subscriber: u64) {
        let octets = self.asked(subscriber);
        self.smsc(Direction::In, &octets);
    }

    pub(super) fn closed(mut self, orderly: bool) -> History {
        self.history.acts.push(Act::Closed { session: 1, orderly });
        self.history
    }
}

/// Two taken, one refused by the SMSC and sent again, duplicates and one over the quota refused.
fn sound() -> Maker {
    let mut maker = Maker::new(3);
    maker.forwarded(1, 0);
    maker.forwarded(2, 0x14);
    maker.refused(1, DUPLICATE);
    maker.forwarded(2, 0);
    maker.refused(4, NO_SIGNATURE);
    maker.forwarded(3, 0);
    maker.refused(4, QUOTA);
    maker
}

pub(super) fn promises(history: &History) -> Vec<&'static str> {
    let mut found: Vec<_> = check(history).into_iter().map(|violation| violation.promise).collect();
    found.dedup();
    found
}

#[track_caller]
fn finds(promise: &str, plant: impl FnOnce(&mut Maker)) {
    let mut maker = sound();
    plant(&mut maker);
    let found = promises(&maker.closed(true));
    assert_eq!(found, [promise]);
}

#[test]
fn a_sound_history_has_no_violation() {
    assert_eq!(check(&sound().closed(true)), []);
    let mut cut = sound();
    cut.unanswered(5); // the link is cut before the answer
    cut.history.terms.quota = 4;
    cut.history.acts.retain(|act| !matches!(act, Act::Received { octets, .. } if octets[11] == QUOTA as u8));
    assert_eq!(check(&cut.closed(false)), []);
}

#[test]
fn a_second_message_of_the_day_is_found() {
    finds("P1", |maker| {
        maker.history.terms.quota = 3;
        maker.forwarded(1, 0);
    });
    // On the next day it is right.
    let mut maker = sound();
    maker.day = maker.day.next();
    maker.forwarded(1, 0);
    assert_eq!(check(&maker.closed(true)), []);
}

#[test]
fn one_over_the_quota_and_one_short_of_it_are_found() {
    finds("P2", |maker| maker.forwarded(4, 0));
    let mut maker = Maker::new(3);
    maker.forwarded(1, 0);
    maker.refused(2, QUOTA);
    assert_eq!(promises(&maker.closed(true)), ["P2"]);
    let mut maker = Maker::new(2);
    maker.forwarded(1, 0);
    maker.forwarded(2, 0x14);
    maker.refused(3, QUOTA); // the refused one counts no more
    assert_eq!(promises(&maker.closed(true)), ["P2"]);
}

#[test]
fn what_left_without_a_ledger_is_found() {
    finds("P3", |maker| {
        let octets = maker.asked(1);
        maker.answer(&maker.resp(LEDGER_UNAVAILABLE));
        maker.history.smsc.insert(0, Entry { at_ms: 0, connection: 2, direction: Direction::In, octets });
        maker
            .history
            .smsc
            .insert(1, Entry { at_ms: 0, connection: 2, direction: Direction::Out, octets: maker.resp(1) });
    });
}

#[test]
fn changed_mixed_or_invented_octets_are_found() {
    finds("P4", |maker| {
        let last = maker.history.smsc[0].octets.len() - 1;
        maker.history.smsc[0].octets[last] ^= 1;
    });
    finds("P4", |maker| maker.history.smsc.rotate_left(6)); // the last comes first
    finds("P4", |maker| {
        let mut octets = maker.history.smsc[0].octets.clone();
        octets[12] = 0x7F; // a number that nobody used
        maker.smsc(Direction::In, &octets);
    });
    finds("P4", |maker| {
        let deliver = [0, 0, 0, 17, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 9];
        maker.smsc(Direction::Out, &deliver);
        maker.answer(&deliver);
        maker.answer(&deliver); // once written, twice read
    });
}

#[test]
fn a_missing_a_second_and_a_foreign_answer_are_found() {
    finds("P5", |maker| {
        maker.history.acts.pop();
    });
    finds("P5", |maker| maker.answer(&maker.resp(QUOTA)));
    finds("P5", |maker| {
        maker.sequence = 99;
        maker.answer(&maker.resp(0x14));
    });
    finds("P5", |maker| {
        let Some(Act::Received { octets, .. }) = maker.history.acts.last_mut() else { panic!("an answer") };
        octets[7] = 5;
    });
}

#[test]
fn what_a_refusal_leaves_is_found() {
    finds("P6", |maker| {
        // It leaves before the others, so that nothing else is wrong.
        let octets = maker.asked(9);
        maker.answer(&maker.resp(NO_SIGNATURE));
        maker.history.smsc.insert(0, Entry { at_ms: 0, connection: 2, direction: Direction::In, octets });
        maker
            .history
            .smsc
            .insert(1, Entry { at_ms: 0, connection: 2, direction: Direction::Out, octets: maker.resp(1) });
    });
    finds("P6", |maker| maker.refused(4, DUPLICATE)); // refused before, and nothing else was ever asked for it
}

#[test]
fn a_slot_kept_after_the_smsc_refused_is_found() {
    let plant = |maker: &mut Maker| {
        maker.history.terms.quota = 4;
        maker.history.acts.retain(|act| !matches!(act, Act::Received { octets, .. } if octets[11] == QUOTA as u8));
        maker.refused(4, NO_SIGNATURE);
        maker.forwarded(5, 0x14);
        maker.refused(5, DUPLICATE);
    };
    let mut maker = sound();
    plant(&mut maker);
    assert_eq!(promises(&maker.closed(false)), ["P8"]);
}

#[test]
fn an_unknown_outcome_that_is_sent_again_or_not_listed_is_found() {
    let mut maker = Maker::new(3);
    maker.unanswered(1);
    maker.history.acts.push(Act::Killed);
    maker.history.acts.push(Act::Listed { unknown: 1 });
    maker.refused(1, DUPLICATE);
    assert_eq!(promises(&maker.closed(false)), [""; 0]);

    let mut maker = Maker::new(3);
    maker.unanswered(1);
    maker.history.acts.push(Act::Killed);
    maker.history.acts.push(Act::Listed { unknown: 0 });
    assert_eq!(promises(&maker.closed(false)), ["P9"]);

    let mut maker = Maker::new(3);
    maker.unanswered(1);
    maker.history.acts.push(Act::Killed);
    maker.forwarded(1, 0);
    assert_eq!(promises(&maker.closed(false)), ["P9"]);
}
