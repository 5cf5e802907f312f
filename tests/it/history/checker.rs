//! Replays the promises of design P1 to P6, P8 and P9 from a history alone. No
//! code of the product decides here.
//!
//! What is not answered may have been taken: a submission stands for its
//! subscriber's message of the day from the moment the SMSC has it until the
//! SMSC has refused it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use smsluice::domain::Day;
use smsluice::sim::journal::{Direction, Entry};

use super::messages::{Claim, Messages};
use super::wire;
use super::{
    Act, CLOCK_UNTRUSTED, DUPLICATE, History, LEDGER_UNAVAILABLE, NO_SIGNATURE, OTHER_DAY, QUOTA, REFERENCE_CLOSED,
    SIGNATURE, UNKNOWN_OUTCOME, UPSTREAM_DOWN,
};

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) promise: &'static str,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

struct Checker<'a> {
    history: &'a History,
    messages: Messages<'a>,
    violations: Vec<Violation>,
}

/// Every violation of a history.
pub(crate) fn check(history: &History) -> Vec<Violation> {
    let mut checker = Checker { history, messages: Messages::read(history), violations: Vec::new() };
    checker.upstream_octets();
    checker.downstream_octets();
    checker.one_answer_each();
    checker.once_a_day();
    checker.quotas();
    checker.whole_messages_are_signed();
    checker.refusals_leave_nothing();
    checker.refusals_have_grounds();
    checker.unknown_is_listed();
    checker.violations
}

/// What the SMSC's journal says of the recipients of a submission.
struct Seen {
    claims: Vec<usize>,
    /// It has got them; otherwise it has refused them.
    taken: bool,
}

impl Checker<'_> {
    fn found(&mut self, promise: &'static str, what: String) {
        self.violations.push(Violation { promise, what });
    }

    fn claim(&self, claim: usize) -> &Claim {
        &self.messages.claims[claim]
    }

    /// What the SMSC got and what it refused, in order.
    fn seen(&self) -> impl Iterator<Item = Seen> {
        self.history.smsc.iter().filter_map(|Entry { direction, octets, .. }| {
            let submission = self.messages.submissions.get(&wire::sequence(octets))?;
            match direction {
                Direction::In if wire::is_submission(octets) => {
                    Some(Seen { claims: self.messages.kept(submission, octets), taken: true })
                }
                Direction::Out if wire::is_submission_resp(octets) => {
                    let refused = |claim: &usize| self.claim(*claim).reply.is_some_and(|status| status != 0);
                    Some(Seen { claims: submission.claims.iter().copied().filter(refused).collect(), taken: false })
                }
                Direction::In | Direction::Out => None,
            }
        })
    }

    /// P4, towards the SMSC: the session's own requests, each once, in order, octet for octet; of a submit_multi refused
    /// recipients are cut out.
    fn upstream_octets(&mut self) {
        let mut last: HashMap<u64, usize> = HashMap::new();
        let mut wrong = Vec::new();
        for Entry { connection, direction, octets, .. } in &self.history.smsc {
            if *direction == Direction::Out || !wire::is_submission(octets) {
                continue;
            }
            let sequence = wire::sequence(octets);
            let Some(submission) = self.messages.submissions.get(&sequence) else {
                wrong.push(format!("the SMSC got submission {sequence}, which nobody made"));
                continue;
            };
            let kept = self.messages.kept(submission, octets);
            let places = (0..submission.claims.len()).filter(|place| kept.contains(&submission.claims[*place]));
            let places: Vec<usize> = places.collect();
            let read = wire::read(submission.octets);
            if read.is_none_or(|read| wire::with_only(submission.octets, &read, &places) != *octets) {
                wrong.push(format!("submission {sequence} reached the SMSC with other octets"));
            }
            if self.messages.connections.get(connection) != Some(&submission.session) {
                wrong.push(format!("submission {sequence} left on another session's connection"));
            }
            let before = last.insert(*connection, submission.order).unwrap_or_default();
            if before >= submission.order {
                wrong.push(format!("submission {sequence} reached the SMSC out of order or twice"));
            }
        }
        for what in wrong {
            self.found("P4", what);
        }
    }

    /// P4, towards the sender: what the SMSC wrote, in order, octet for octet, with the recipients that were cut out of a
    /// submit_multi; the gateway's own answers are headers.
    fn downstream_octets(&mut self) {
        let mut written: BTreeMap<u32, Vec<&[u8]>> = BTreeMap::new();
        for Entry { connection, direction, octets, .. } in &self.history.smsc {
            if let (Direction::Out, Some(session)) = (direction, self.messages.connections.get(connection)) {
                written.entry(*session).or_default().push(octets);
            }
        }
        let mut wrong = Vec::new();
        for (number, session) in &self.messages.sessions {
            let mut rest = written.get(number).map(Vec::as_slice).unwrap_or_default();
            for (_, frame) in &session.got {
                let without = self.without_own(frame);
                if let Some(found) = rest.iter().position(|octets| *octets == without.as_slice()) {
                    rest = &rest[found + 1..];
                } else if !(wire::is_response(frame) && frame.len() == wire::HEADER)
                    && self.messages.connections.values().any(|carried| carried == number)
                {
                    wrong.push(format!("session {number} got a PDU the SMSC did not write so, or out of order"));
                }
            }
        }
        for what in wrong {
            self.found("P4", what);
        }
    }

    /// An answer without the recipients that the gateway had to add: exactly those that the SMSC has not got, in order.
    fn without_own(&self, frame: &[u8]) -> Vec<u8> {
        let Some(submission) = self.messages.submissions.get(&wire::sequence(frame)) else { return frame.to_vec() };
        if wire::status(frame) != 0 || !wire::is_submission_resp(frame) {
            return frame.to_vec();
        }
        let cut = submission.claims.iter().map(|claim| self.claim(*claim)).filter(|claim| !claim.received);
        let cut: Vec<&str> = cut.map(|claim| claim.to.as_str()).collect();
        let named = wire::unsuccess(frame);
        let last = &named[named.len().saturating_sub(cut.len())..];
        if last.iter().map(|(_, to, _)| to.as_str()).eq(cut.iter().copied()) {
            wire::without_last(frame, cut.len())
        } else {
            Vec::new() // the SMSC wrote no such thing
        }
    }

    /// P5.
    fn one_answer_each(&mut self) {
        let mut wrong = Vec::new();
        for (number, session) in &self.messages.sessions {
            let mut answers: HashMap<u32, Vec<&[u8]>> = HashMap::new();
            for (_, frame) in session.got.iter().filter(|(_, frame)| wire::is_response(frame)) {
                answers.entry(wire::sequence(frame)).or_default().push(frame);
            }
            for (_, request) in &session.asked {
                let sequence = wire::sequence(request);
                let own = answers.remove(&sequence).unwrap_or_default();
                let fits = |answer: &&[u8]| {
                    matches!(wire::command(answer), command if command == wire::command(request) | wire::RESPONSE)
                        || wire::command(answer) == wire::GENERIC_NACK
                };
                if !own.iter().all(fits) {
                    wrong.push(format!("request {sequence} of session {number} was answered as another operation"));
                }
                if own.len() > 1 {
                    wrong.push(format!("request {sequence} of session {number} was answered {} times", own.len()));
                }
                if own.is_empty() && session.orderly {
                    wrong.push(format!("request {sequence} of session {number} was never answered"));
                }
            }
            wrong.extend(
                answers.keys().map(|sequence| format!("session {number} got an answer to nothing: {sequence}")),
            );
        }
        for what in wrong {
            self.found("P5", what);
        }
    }

    /// P1: while the SMSC has a message of a subscriber, or a part of one, and has not refused it, no other one for that
    /// day reaches it, and no part a second time.
    fn once_a_day(&mut self) {
        let mut holds: HashMap<(&str, Day), (usize, BTreeSet<usize>)> = HashMap::new();
        let mut wrong = Vec::new();
        for Seen { claims, taken } in self.seen() {
            for number in claims {
                let claim = self.claim(number);
                let key = (claim.to.as_str(), self.day(claim));
                let (message, live) = holds.entry(key).or_insert_with(|| (claim.message, BTreeSet::new()));
                if !taken {
                    live.remove(&number);
                    continue;
                }
                let index = claim.part.map(|part| part.index);
                let own = *message == claim.message;
                let in_the_way = |other: &&usize| !own || self.claim(**other).part.map(|part| part.index) == index;
                if let Some(other) = live.iter().find(in_the_way) {
                    let other = self.claim(*other);
                    let promise = if other.reply.is_none() { "P9" } else { "P1" };
                    let (sequence, other) = (claim.sequence, other.sequence);
                    wrong.push((promise, format!("{sequence} reached the SMSC while {other} stands for {key:?}")));
                }
                if !own {
                    (*message, *live) = (claim.message, BTreeSet::new());
                }
                live.insert(number);
            }
        }
        for (promise, what) in wrong {
            self.found(promise, what);
        }
    }

    /// P2, from above: at no instant has the SMSC messages for more subscribers of a unit than its quota.
    fn quotas(&mut self) {
        let mut reached: HashMap<(&str, Day), HashMap<&str, BTreeSet<usize>>> = HashMap::new();
        let mut wrong = BTreeSet::new();
        for Seen { claims, taken } in self.seen() {
            for number in claims {
                let claim = self.claim(number);
                let Some(unit) = self.history.terms.units.get(claim.account) else { continue };
                let users = reached.entry((unit, self.day(claim))).or_default();
                let live = users.entry(&claim.to).or_default();
                if taken {
                    live.insert(number);
                } else if live.remove(&number) && live.is_empty() {
                    users.remove(claim.to.as_str());
                }
                if taken && users.len() as u64 > self.history.terms.quota {
                    wrong.insert(format!("unit {unit} reached {} subscribers on one day", users.len()));
                }
            }
        }
        for what in wrong {
            self.found("P2", what);
        }
    }

    /// Clause 4.2: what the SMSC has of a message is never a whole text without its signature, in however many parts.
    fn whole_messages_are_signed(&mut self) {
        let mut texts: BTreeMap<usize, (usize, BTreeMap<u8, &[u8]>)> = BTreeMap::new();
        for claim in self.messages.claims.iter().filter(|claim| claim.received) {
            if claim.reply.is_none_or(|status| status == 0) {
                let (total, index) = claim.part.map_or((1, 1), |part| (part.total, part.index));
                let message = texts.entry(claim.message).or_default();
                message.0 = usize::from(total);
                message.1.insert(index, &claim.text);
            }
        }
        let mut wrong = Vec::new();
        for (message, (total, parts)) in texts {
            let text = parts.values().flat_map(|text| text.chunks_exact(2));
            let text: Vec<u16> = text.map(|two| u16::from_be_bytes([two[0], two[1]])).collect();
            if parts.len() == total && !String::from_utf16_lossy(&text).contains(SIGNATURE) {
                wrong.push(format!("the message that {} began is whole and not signed", self.claim(message).sequence));
            }
        }
        for what in wrong {
            self.found("4.2", what);
        }
    }

    /// P3 and P6: of what the gateway refused itself, the SMSC has nothing.
    fn refusals_leave_nothing(&mut self) {
        let mut wrong = Vec::new();
        for claim in &self.messages.claims {
            let Some((_, status)) = claim.answered else { continue };
            let own = matches!(
                status,
                DUPLICATE
                    | QUOTA
                    | NO_SIGNATURE
                    | LEDGER_UNAVAILABLE
                    | CLOCK_UNTRUSTED
                    | UPSTREAM_DOWN
                    | REFERENCE_CLOSED
                    | OTHER_DAY
            );
            if own && claim.received {
                let promise = if status == LEDGER_UNAVAILABLE { "P3" } else { "P6" };
                let sequence = claim.sequence;
                wrong.push((
                    promise,
                    format!("{sequence} was refused with {status:#x} and is at the SMSC all the same"),
                ));
            }
        }
        for (promise, what) in wrong {
            self.found(promise, what);
        }
    }

    /// P2 from below, P6 and P8: a duplicate has another message that may stand for it, a full quota is full.
    fn refusals_have_grounds(&mut self) {
        let kills: Vec<usize> =
            self.history.acts.iter().enumerate().filter(|(_, act)| **act == Act::Killed).map(|(at, _)| at).collect();
        let mut by_subscriber: HashMap<&str, Vec<&Claim>> = HashMap::new();
        for claim in &self.messages.claims {
            by_subscriber.entry(&claim.to).or_default().push(claim);
        }
        let mut wrong = Vec::new();
        for refused in self.messages.claims.iter().filter(|claim| claim.is_reason) {
            let Some((until, status)) = refused.answered else { continue };
            let (since, sequence) = (refused.asked, refused.sequence);
            let lost = |at: usize| self.history.terms.sick_disk && kills.iter().any(|kill| (at..since).contains(kill));
            // Whether another one may have held its slot and its place in the quota at some instant in between.
            let stands = |other: &Claim| {
                let free_again = match other.answered {
                    Some((at, status)) if at < since && status != 0 && status != UNKNOWN_OUTCOME => !lost(at),
                    _ => false,
                };
                !std::ptr::eq(other, refused) && other.asked < until && !free_again && may_share_day(other, refused)
            };
            // A part stands in the way of other messages and of itself, not of the other parts.
            let bars = |other: &&&Claim| {
                let other_part = other.message == refused.message
                    && other.part.map(|part| part.index) != refused.part.map(|part| part.index);
                !other_part && stands(other)
            };
            let own = &by_subscriber[refused.to.as_str()];
            if status == DUPLICATE && own.iter().find(bars).is_none() {
                let by_smsc = own.iter().any(|other| other.reply.is_some_and(|status| status != 0));
                let promise = if by_smsc { "P8" } else { "P6" };
                wrong.push((
                    promise,
                    format!("{sequence} was called a duplicate and nothing stands for its subscriber"),
                ));
            }
            if status == QUOTA {
                let unit = self.history.terms.units.get(refused.account);
                let of_unit = |other: &Claim| self.history.terms.units.get(other.account) == unit;
                let counted = by_subscriber.values().filter(|own| own.iter().any(|one| of_unit(one) && stands(one)));
                let counted = counted.count() as u64;
                if counted < self.history.terms.quota {
                    let what = format!("{sequence} was over the quota with {counted} subscribers counted at most");
                    wrong.push(("P2", what));
                }
            }
        }
        for (promise, what) in wrong {
            self.found(promise, what);
        }
    }

    /// P9: after a start the gateway lists at least what the SMSC has, has not answered, and no live session waits for.
    fn unknown_is_listed(&mut self) {
        let Some((at, unknown)) = self.history.acts.iter().enumerate().rev().find_map(|(at, act)| match act {
            Act::Listed { unknown } => Some((at, *unknown)),
            _ => None,
        }) else {
            return;
        };
        let claims = self.messages.claims.iter();
        let open = claims.filter(|one| one.asked < at && one.received && one.reply.is_none());
        let open = open.count() as u64;
        if open > unknown {
            self.found("P9", format!("the SMSC never answered {open} messages, {unknown} are listed as unknown"));
        }
    }

    /// The day a submission counts for: that of its asking. Where midnight passed before its answer, see `may_share_day`.
    fn day(&self, claim: &Claim) -> Day {
        match claim.answered_day {
            Some(day) if day != claim.asked_day => self.day_of_straddler(claim, day),
            _ => claim.asked_day,
        }
    }

    /// A submission under way at midnight belongs to one of two days; it is counted for the one that is free of
    /// definite others, for only what contradicts both is a violation.
    fn day_of_straddler(&self, claim: &Claim, answered: Day) -> Day {
        let taken = |day: Day| {
            self.messages.claims.iter().any(|other| {
                other.message != claim.message
                    && other.to == claim.to
                    && other.received
                    && other.reply.is_none_or(|status| status == 0)
                    && other.asked_day == day
                    && other.answered_day.is_none_or(|answered| answered == day)
            })
        };
        if taken(claim.asked_day) { answered } else { claim.asked_day }
    }
}

/// Whether two submissions may count for one day.
fn may_share_day(one: &Claim, other: &Claim) -> bool {
    let span = |claim: &Claim| (claim.asked_day, claim.answered_day.unwrap_or(claim.asked_day));
    let ((a, b), (c, d)) = (span(one), span(other));
    a.min(b) <= c.max(d) && c.min(d) <= a.max(b)
}
