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

use super::wire;
use super::{
    Act, CLOCK_UNTRUSTED, DUPLICATE, History, LEDGER_UNAVAILABLE, NO_SIGNATURE, QUOTA, UNKNOWN_OUTCOME, UPSTREAM_DOWN,
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

/// One submission as its sender saw it. Places are positions among the senders' acts.
struct Submission<'a> {
    session: u32,
    account: &'static str,
    /// Position among the session's requests.
    order: usize,
    octets: &'a [u8],
    to: String,
    asked: usize,
    asked_day: Day,
    /// Where and with which status it was answered.
    answered: Option<(usize, u32)>,
    answered_day: Option<Day>,
    /// The SMSC has it, and its answer to it.
    received: bool,
    reply: Option<u32>,
}

/// What one session asked and got.
#[derive(Default)]
struct Session<'a> {
    account: &'static str,
    asked: Vec<(usize, &'a [u8])>,
    got: Vec<(usize, &'a [u8])>,
    orderly: bool,
}

struct Checker<'a> {
    history: &'a History,
    sessions: BTreeMap<u32, Session<'a>>,
    submissions: HashMap<u32, Submission<'a>>,
    /// The session whose requests each connection of the SMSC carries.
    connections: BTreeMap<u64, u32>,
    violations: Vec<Violation>,
}

/// Every violation of a history.
pub(crate) fn check(history: &History) -> Vec<Violation> {
    let mut checker = Checker {
        history,
        sessions: BTreeMap::new(),
        submissions: HashMap::new(),
        connections: BTreeMap::new(),
        violations: Vec::new(),
    };
    checker.read_senders();
    checker.read_smsc();
    checker.upstream_octets();
    checker.downstream_octets();
    checker.one_answer_each();
    checker.once_a_day();
    checker.quotas();
    checker.refusals_leave_nothing();
    checker.refusals_have_grounds();
    checker.unknown_is_listed();
    checker.violations
}

impl Checker<'_> {
    fn found(&mut self, promise: &'static str, what: String) {
        self.violations.push(Violation { promise, what });
    }

    fn read_senders(&mut self) {
        for (at, act) in self.history.acts.iter().enumerate() {
            match act {
                Act::Bound { session, account } => {
                    self.sessions.insert(*session, Session { account, ..Session::default() });
                }
                Act::Asked { session, day, octets } => {
                    let own = self.sessions.entry(*session).or_default();
                    own.asked.push((at, octets));
                    if !wire::is_submit_sm(octets) {
                        continue;
                    }
                    let submission = Submission {
                        session: *session,
                        account: own.account,
                        order: own.asked.len(),
                        octets,
                        to: wire::destination(octets).unwrap_or_default(),
                        asked: at,
                        asked_day: *day,
                        answered: None,
                        answered_day: None,
                        received: false,
                        reply: None,
                    };
                    self.submissions.insert(wire::sequence(octets), submission);
                }
                Act::Received { session, day, octets } => {
                    self.sessions.entry(*session).or_default().got.push((at, octets));
                    if let Some(submission) = self.submissions.get_mut(&wire::sequence(octets))
                        && wire::is_response(octets)
                        && submission.answered.is_none()
                    {
                        submission.answered = Some((at, wire::status(octets)));
                        submission.answered_day = Some(*day);
                    }
                }
                Act::Closed { session, orderly } => self.sessions.entry(*session).or_default().orderly = *orderly,
                Act::Killed | Act::Listed { .. } => {}
            }
        }
    }

    fn read_smsc(&mut self) {
        for Entry { connection, direction, octets, .. } in &self.history.smsc {
            let Some(submission) = self.submissions.get_mut(&wire::sequence(octets)) else { continue };
            match direction {
                Direction::In if wire::is_submit_sm(octets) => {
                    submission.received = true;
                    self.connections.entry(*connection).or_insert(submission.session);
                }
                Direction::Out if wire::is_submit_sm_resp(octets) => {
                    submission.reply.get_or_insert(wire::status(octets));
                }
                Direction::In | Direction::Out => {}
            }
        }
    }

    /// P4, towards the SMSC: the session's own requests, each once, in order, octet for octet.
    fn upstream_octets(&mut self) {
        let mut last: HashMap<u64, usize> = HashMap::new();
        let mut wrong = Vec::new();
        for Entry { connection, direction, octets, .. } in &self.history.smsc {
            if *direction == Direction::Out || !wire::is_submit_sm(octets) {
                continue;
            }
            let sequence = wire::sequence(octets);
            let Some(submission) = self.submissions.get(&sequence) else {
                wrong.push(format!("the SMSC got submission {sequence}, which nobody made"));
                continue;
            };
            if submission.octets != octets.as_slice() {
                wrong.push(format!("submission {sequence} reached the SMSC with other octets"));
            }
            if self.connections.get(connection) != Some(&submission.session) {
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

    /// P4, towards the sender: what the SMSC wrote, in order, octet for octet; the gateway's own answers are headers.
    fn downstream_octets(&mut self) {
        let mut written: BTreeMap<u32, Vec<&[u8]>> = BTreeMap::new();
        for Entry { connection, direction, octets, .. } in &self.history.smsc {
            if let (Direction::Out, Some(session)) = (direction, self.connections.get(connection)) {
                written.entry(*session).or_default().push(octets);
            }
        }
        let mut wrong = Vec::new();
        for (number, session) in &self.sessions {
            let mut rest = written.get(number).map(Vec::as_slice).unwrap_or_default();
            for (_, frame) in &session.got {
                if let Some(found) = rest.iter().position(|octets| octets == frame) {
                    rest = &rest[found + 1..];
                } else if !(wire::is_response(frame) && frame.len() == wire::HEADER)
                    && self.connections.values().any(|carried| carried == number)
                {
                    wrong.push(format!("session {number} got a PDU the SMSC did not write so, or out of order"));
                }
            }
        }
        for what in wrong {
            self.found("P4", what);
        }
    }

    /// P5.
    fn one_answer_each(&mut self) {
        let mut wrong = Vec::new();
        for (number, session) in &self.sessions {
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

    /// P1: while the SMSC has a message of a subscriber and has not refused it, no other one for that day reaches it.
    fn once_a_day(&mut self) {
        let mut holds: HashMap<(&str, Day), u32> = HashMap::new();
        let mut wrong = Vec::new();
        for Entry { direction, octets, .. } in &self.history.smsc {
            let sequence = wire::sequence(octets);
            let Some(submission) = self.submissions.get(&sequence) else { continue };
            let key = (submission.to.as_str(), self.day(submission));
            match direction {
                Direction::In if wire::is_submit_sm(octets) => {
                    if let Some(other) = holds.insert(key, sequence) {
                        let unknown = self.submissions.get(&other).is_some_and(|other| other.reply.is_none());
                        let promise = if unknown { "P9" } else { "P1" };
                        wrong.push((promise, format!("{sequence} reached the SMSC while {other} stands for {key:?}")));
                    }
                }
                Direction::Out if wire::is_submit_sm_resp(octets) && wire::status(octets) != 0 => {
                    if holds.get(&key) == Some(&sequence) {
                        holds.remove(&key);
                    }
                }
                Direction::In | Direction::Out => {}
            }
        }
        for (promise, what) in wrong {
            self.found(promise, what);
        }
    }

    /// P2, from above: at no instant has the SMSC messages for more subscribers of a unit than its quota.
    fn quotas(&mut self) {
        let mut reached: HashMap<(&str, Day), HashMap<&str, u32>> = HashMap::new();
        let mut wrong = BTreeSet::new();
        for Entry { direction, octets, .. } in &self.history.smsc {
            let sequence = wire::sequence(octets);
            let Some(submission) = self.submissions.get(&sequence) else { continue };
            let Some(unit) = self.history.terms.units.get(submission.account) else { continue };
            let users = reached.entry((unit, self.day(submission))).or_default();
            match direction {
                Direction::In if wire::is_submit_sm(octets) => {
                    users.insert(&submission.to, sequence);
                    if users.len() as u64 > self.history.terms.quota {
                        wrong.insert(format!("unit {unit} reached {} subscribers on one day", users.len()));
                    }
                }
                Direction::Out if wire::is_submit_sm_resp(octets) && wire::status(octets) != 0 => {
                    if users.get(submission.to.as_str()) == Some(&sequence) {
                        users.remove(submission.to.as_str());
                    }
                }
                Direction::In | Direction::Out => {}
            }
        }
        for what in wrong {
            self.found("P2", what);
        }
    }

    /// P3 and P6: of what the gateway refused itself, the SMSC has nothing.
    fn refusals_leave_nothing(&mut self) {
        let mut wrong = Vec::new();
        for (sequence, submission) in &self.submissions {
            let Some((_, status)) = submission.answered else { continue };
            let own = matches!(
                status,
                DUPLICATE | QUOTA | NO_SIGNATURE | LEDGER_UNAVAILABLE | CLOCK_UNTRUSTED | UPSTREAM_DOWN
            );
            if own && submission.received {
                let promise = if status == LEDGER_UNAVAILABLE { "P3" } else { "P6" };
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
        let mut by_subscriber: HashMap<&str, Vec<&Submission<'_>>> = HashMap::new();
        for submission in self.submissions.values() {
            by_subscriber.entry(&submission.to).or_default().push(submission);
        }
        let mut wrong = Vec::new();
        for (sequence, refused) in &self.submissions {
            let Some((until, status)) = refused.answered else { continue };
            let since = refused.asked;
            let lost = |at: usize| self.history.terms.sick_disk && kills.iter().any(|kill| (at..since).contains(kill));
            // Whether another submission may have held its slot and its place in the quota at some instant in between.
            let stands = |other: &Submission<'_>| {
                let free_again = match other.answered {
                    Some((at, status)) if at < since && status != 0 && status != UNKNOWN_OUTCOME => !lost(at),
                    _ => false,
                };
                !std::ptr::eq(other, refused) && other.asked < until && !free_again && may_share_day(other, refused)
            };
            if status == DUPLICATE && !by_subscriber[refused.to.as_str()].iter().any(|other| stands(other)) {
                let by_smsc =
                    by_subscriber[refused.to.as_str()].iter().any(|other| other.reply.is_some_and(|s| s != 0));
                let promise = if by_smsc { "P8" } else { "P6" };
                wrong.push((
                    promise,
                    format!("{sequence} was called a duplicate and nothing stands for its subscriber"),
                ));
            }
            if status == QUOTA {
                let unit = self.history.terms.units.get(refused.account);
                let of_unit = |other: &Submission<'_>| self.history.terms.units.get(other.account) == unit;
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
        let open = self.submissions.values().filter(|one| one.asked < at && one.received && one.reply.is_none());
        let open = open.count() as u64;
        if open > unknown {
            self.found("P9", format!("the SMSC never answered {open} messages, {unknown} are listed as unknown"));
        }
    }

    /// The day a submission counts for: that of its asking. Where midnight passed before its answer, see `may_share_day`.
    fn day(&self, submission: &Submission<'_>) -> Day {
        match submission.answered_day {
            Some(day) if day != submission.asked_day => self.day_of_straddler(submission, day),
            _ => submission.asked_day,
        }
    }

    /// A submission under way at midnight belongs to one of two days; it is counted for the one that is free of
    /// definite others, for only what contradicts both is a violation.
    fn day_of_straddler(&self, submission: &Submission<'_>, answered: Day) -> Day {
        let taken = |day: Day| {
            self.submissions.values().any(|other| {
                !std::ptr::eq(other, submission)
                    && other.to == submission.to
                    && other.received
                    && other.reply.is_none_or(|status| status == 0)
                    && other.asked_day == day
                    && other.answered_day.is_none_or(|answered| answered == day)
            })
        };
        if taken(submission.asked_day) { answered } else { submission.asked_day }
    }
}

/// Whether two submissions may count for one day.
fn may_share_day(one: &Submission<'_>, other: &Submission<'_>) -> bool {
    let span =
        |submission: &Submission<'_>| (submission.asked_day, submission.answered_day.unwrap_or(submission.asked_day));
    let ((a, b), (c, d)) = (span(one), span(other));
    a.min(b) <= c.max(d) && c.min(d) <= a.max(b)
}
