//! The same for submit_multi and for messages in parts.

use smsluice::sim::journal::{Direction, Entry};
use smsluice::sim::submit::SubmitSpec;

use super::planted::{Maker, promises};
use super::{Act, DUPLICATE, LEDGER_UNAVAILABLE, NO_SIGNATURE, QUOTA, SIGNATURE};
use crate::stand::hefei;

/// A part of the only message in parts that a subscriber gets here.
fn part(subscriber: u64, index: u8, text: &str) -> SubmitSpec {
    let spec = SubmitSpec::new("62021", &hefei(subscriber), text).with_tlv(0x020C, &[0, 7]);
    spec.with_tlv(0x020E, &[2]).with_tlv(0x020F, &[index])
}

impl Maker {
    /// A part that reaches the SMSC and is answered by it.
    fn part(&mut self, subscriber: u64, index: u8, status: u32) {
        let spec = part(subscriber, index, ["", SIGNATURE, "。"][usize::from(index)]);
        self.passes(|sequence| spec.submit_sm(sequence), status);
    }

    fn passes(&mut self, octets: impl FnOnce(u32) -> Vec<u8>, status: u32) {
        let octets = self.asks(octets);
        self.smsc(Direction::In, &octets);
        let resp = self.resp(status);
        self.smsc(Direction::Out, &resp);
        self.answer(&resp);
    }

    /// A submit_multi of which the SMSC gets some recipients, and the answer names some as refused.
    fn multi(&mut self, all: &[u64], sent: &[u64], named: &[(u64, u32)]) {
        let spec = SubmitSpec::new("62021", "", SIGNATURE);
        let to = |subscribers: &[u64]| subscribers.iter().map(|one| hefei(*one)).collect::<Vec<_>>();
        let write =
            |to: &[String], sequence| spec.submit_multi(&to.iter().map(String::as_str).collect::<Vec<_>>(), sequence);
        self.asks(|sequence| write(&to(all), sequence));
        self.smsc(Direction::In, &write(&to(sent), self.sequence));
        self.smsc(Direction::Out, &self.multi_resp(&[]));
        self.answer(&self.multi_resp(named));
    }

    fn multi_resp(&self, named: &[(u64, u32)]) -> Vec<u8> {
        let mut octets = self.resp(0);
        octets[7] = 0x21;
        octets.extend([b'1', 0, named.len() as u8]);
        for (subscriber, status) in named {
            octets.extend([1, 1]);
            octets.extend(hefei(*subscriber).bytes());
            octets.push(0);
            octets.extend(status.to_be_bytes());
        }
        octets[3] = octets.len() as u8;
        octets
    }

    /// A submit_multi that is refused as a whole.
    fn multi_refused(&mut self, all: &[u64], status: u32) {
        let to: Vec<_> = all.iter().map(|one| hefei(*one)).collect();
        let to: Vec<_> = to.iter().map(String::as_str).collect();
        self.asks(|sequence| SubmitSpec::new("62021", "", SIGNATURE).submit_multi(&to, sequence));
        let mut resp = self.resp(status);
        resp[7] = 0x21;
        self.answer(&resp);
    }
}

/// Of three recipients one is a duplicate; a message in parts, of which one is refused by the SMSC and one comes twice.
fn sound() -> Maker {
    let mut maker = Maker::new(5);
    maker.forwarded(1, 0);
    maker.multi(&[2, 1, 3], &[2, 3], &[(1, DUPLICATE)]);
    maker.multi(&[4, 4], &[4], &[(4, DUPLICATE)]);
    maker.multi_refused(&[2, 9], DUPLICATE);
    maker.part(5, 2, 0x14);
    maker.part(5, 1, 0);
    maker.part(5, 2, 0);
    let again = part(5, 2, "。");
    maker.asks(|sequence| again.submit_sm(sequence));
    maker.answer(&maker.resp(DUPLICATE));
    maker.refused(5, DUPLICATE);
    maker.refused(6, QUOTA);
    maker
}

#[track_caller]
fn finds(promise: &str, plant: impl FnOnce(&mut Maker)) {
    let mut maker = sound();
    plant(&mut maker);
    assert_eq!(promises(&maker.closed(true)), [promise]);
}

/// The same with a quota that is not full, and nobody refused for it.
#[track_caller]
fn finds_below_the_quota(promise: &str, plant: impl FnOnce(&mut Maker)) {
    finds(promise, |maker| {
        maker.history.terms.quota = 9;
        let last = maker.history.acts.len() - 2;
        maker.history.acts.truncate(last);
        plant(maker);
    });
}

#[test]
fn a_sound_history_has_no_violation() {
    assert_eq!(promises(&sound().closed(true)), [""; 0]);
}

#[test]
fn a_recipient_of_many_or_a_part_that_is_sent_twice_is_found() {
    finds("P1", |maker| maker.multi(&[3, 2], &[3, 2], &[]));
    finds("P1", |maker| maker.forwarded(5, 0));
    finds("P1", |maker| maker.part(5, 2, 0));
    finds_below_the_quota("P1", |maker| {
        maker.part(6, 1, 0);
        maker.multi(&[6], &[6], &[]);
    });
    finds("P1", |maker| maker.part(1, 1, 0));
    finds_below_the_quota("P1", |maker| maker.multi(&[6, 6], &[6, 6], &[]));
}

#[test]
fn recipients_of_one_submit_multi_are_counted_one_by_one() {
    finds("P2", |maker| maker.multi(&[6, 7], &[6], &[(7, QUOTA)]));
    finds_below_the_quota("P2", |maker| maker.multi(&[6, 7], &[6], &[(7, QUOTA)]));
    finds_below_the_quota("P2", |maker| maker.multi_refused(&[6, 7], QUOTA));
}

#[test]
fn a_message_whose_last_part_the_smsc_refused_counts_no_more() {
    finds_below_the_quota("P2", |maker| {
        maker.history.terms.quota = 6;
        maker.part(6, 1, 0x14);
        maker.refused(7, QUOTA);
    });
    finds_below_the_quota("P8", |maker| {
        maker.part(6, 1, 0x14);
        maker.refused(6, DUPLICATE);
    });
}

#[test]
fn another_part_is_no_ground_for_calling_one_a_duplicate() {
    finds_below_the_quota("P6", |maker| {
        maker.part(6, 1, 0);
        let second = part(6, 2, "。");
        maker.asks(|sequence| second.submit_sm(sequence));
        maker.answer(&maker.resp(DUPLICATE));
    });
}

#[test]
fn recipients_cut_out_and_named_otherwise_than_they_were_are_found() {
    finds_below_the_quota("P4", |maker| maker.multi(&[6, 7], &[6], &[]));
    finds_below_the_quota("P4", |maker| maker.multi(&[6, 7], &[7, 6], &[]));
    finds_below_the_quota("P4", |maker| maker.multi(&[6, 7, 1], &[6, 7], &[(8, DUPLICATE)]));
    finds_below_the_quota("P4", |maker| {
        maker.multi(&[6, 7], &[6, 7], &[]);
        let frame = &mut maker.history.smsc.iter_mut().rev().nth(1).expect("a submission").octets;
        frame[16 + 1 + 2 + 6] = 3; // another number of recipients than follow
    });
}

#[test]
fn a_recipient_that_is_named_as_refused_and_sent_to_is_found() {
    let mut maker = sound();
    maker.history.terms.quota = 9;
    maker.multi(&[7, 8], &[7, 8], &[(8, NO_SIGNATURE)]);
    let found = promises(&maker.closed(true));
    assert!(found.contains(&"P6"), "{found:?}");
    finds_below_the_quota("P3", |maker| {
        maker.multi_refused(&[7, 8], LEDGER_UNAVAILABLE);
        let Some(Act::Asked { octets, .. }) = maker.history.acts.iter().rev().nth(1).cloned() else { panic!("asked") };
        maker.history.smsc.push(Entry { at_ms: 0, connection: 1, direction: Direction::In, octets });
    });
}

#[test]
fn a_second_answer_and_one_of_another_operation_are_found() {
    finds("P5", |maker| {
        maker.multi_refused(&[2], DUPLICATE);
        let Some(Act::Received { octets, .. }) = maker.history.acts.last_mut() else { panic!("an answer") };
        octets[7] = 4;
    });
    finds("P5", |maker| {
        maker.multi_refused(&[2], DUPLICATE);
        let last = maker.history.acts.last().cloned().expect("an answer");
        maker.history.acts.push(last);
    });
}

#[test]
fn parts_that_make_a_whole_without_its_signature_are_found() {
    finds_below_the_quota("4.2", |maker| {
        for index in 1..=2 {
            let spec = part(6, index, "开业");
            maker.passes(|sequence| spec.submit_sm(sequence), 0);
        }
    });
}

#[test]
fn each_recipient_and_each_part_that_nobody_answers_has_to_be_listed() {
    for (listed, found) in [(3, &[][..]), (2, &["P9"])] {
        let mut maker = Maker::new(9);
        let octets = maker
            .asks(|sequence| SubmitSpec::new("62021", "", SIGNATURE).submit_multi(&[&hefei(1), &hefei(2)], sequence));
        maker.smsc(Direction::In, &octets);
        maker.part(3, 1, 0);
        let second = part(3, 2, "。");
        let octets = maker.asks(|sequence| second.submit_sm(sequence));
        maker.smsc(Direction::In, &octets);
        maker.history.acts.push(Act::Killed);
        maker.history.acts.push(Act::Listed { unknown: listed });
        maker.refused(2, DUPLICATE);
        maker.refused(3, DUPLICATE);
        assert_eq!(promises(&maker.closed(false)), found, "{listed} listed");
    }
}
