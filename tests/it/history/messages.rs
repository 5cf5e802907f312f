//! What was asked and what became of it, read from a history: each submission, and of
//! each the recipients, for each of whom it stands as a message or as a part of one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use smsluice::domain::Day;
use smsluice::sim::journal::{Direction, Entry};

use super::wire::{self, Part};
use super::{Act, History};

/// One request as its sender saw it.
pub(super) struct Submission<'a> {
    pub(super) session: u32,
    /// Position among the session's requests.
    pub(super) order: usize,
    pub(super) octets: &'a [u8],
    /// Its recipients, as places in [`Messages::claims`].
    pub(super) claims: Vec<usize>,
}

/// One recipient of one request. Places are positions among the senders' acts.
pub(super) struct Claim {
    pub(super) sequence: u32,
    pub(super) account: &'static str,
    pub(super) to: String,
    /// Its message; the parts of one message to one recipient have one number.
    pub(super) message: usize,
    pub(super) part: Option<Part>,
    pub(super) text: Vec<u8>,
    pub(super) asked: usize,
    pub(super) asked_day: Day,
    /// Where and with which status it was answered.
    pub(super) answered: Option<(usize, u32)>,
    pub(super) answered_day: Option<Day>,
    /// The answer speaks for this recipient: of a request that is refused as a whole only the first is the reason.
    pub(super) is_reason: bool,
    /// The SMSC has it, and its answer to it.
    pub(super) received: bool,
    pub(super) reply: Option<u32>,
}

/// What one session asked and got.
#[derive(Default)]
pub(super) struct Session<'a> {
    pub(super) account: &'static str,
    pub(super) asked: Vec<(usize, &'a [u8])>,
    pub(super) got: Vec<(usize, &'a [u8])>,
    pub(super) orderly: bool,
}

/// All of it.
#[derive(Default)]
pub(super) struct Messages<'a> {
    pub(super) sessions: BTreeMap<u32, Session<'a>>,
    pub(super) submissions: HashMap<u32, Submission<'a>>,
    pub(super) claims: Vec<Claim>,
    /// The session whose requests each connection of the SMSC carries.
    pub(super) connections: BTreeMap<u64, u32>,
    parts: HashMap<(&'static str, String, wire::Kind, u16), usize>,
}

impl<'a> Messages<'a> {
    pub(super) fn read(history: &'a History) -> Self {
        let mut own = Self::default();
        own.requests(history);
        own.smsc(history);
        own.answers(history); // the gateway names those first that the SMSC does not have
        own
    }

    /// How many recipients of a submit_multi that went on were cut out of it, and how many messages in parts the SMSC
    /// has as a whole: a run without either has shown nothing about them.
    pub(super) fn exercised(&self) -> (usize, usize) {
        let is_cut = |claim: &Claim| !claim.received && claim.part.is_none();
        let cut = self.submissions.values().map(|submission| {
            let own = || submission.claims.iter().map(|claim| &self.claims[*claim]);
            if own().any(|claim| claim.received) { own().filter(|claim| is_cut(claim)).count() } else { 0 }
        });
        let mut parts: HashMap<usize, (u8, BTreeSet<u8>)> = HashMap::new();
        for claim in self.claims.iter().filter(|claim| claim.received && claim.reply == Some(0)) {
            if let Some(part) = claim.part {
                parts.entry(claim.message).or_insert((part.total, BTreeSet::new())).1.insert(part.index);
            }
        }
        let whole = parts.values().filter(|(total, parts)| parts.len() == usize::from(*total));
        (cut.sum(), whole.count())
    }

    fn requests(&mut self, history: &'a History) {
        for (at, act) in history.acts.iter().enumerate() {
            match act {
                Act::Bound { session, account } => {
                    self.sessions.insert(*session, Session { account, ..Session::default() });
                }
                Act::Asked { session, day, octets } => self.request(at, *session, *day, octets),
                Act::Received { session, octets, .. } => {
                    self.sessions.entry(*session).or_default().got.push((at, octets));
                }
                Act::Closed { session, orderly } => self.sessions.entry(*session).or_default().orderly = *orderly,
                Act::Killed | Act::Listed { .. } => {}
            }
        }
    }

    fn request(&mut self, at: usize, session: u32, day: Day, octets: &'a [u8]) {
        let own = self.sessions.entry(session).or_default();
        own.asked.push((at, octets));
        if !wire::is_submission(octets) {
            return;
        }
        let (account, order, sequence) = (own.account, own.asked.len(), wire::sequence(octets));
        let read = wire::read(octets).expect("what the scripts write can be read");
        let first = self.claims.len();
        for (_, to) in &read.destinations {
            let new = self.claims.len();
            let message = match read.part {
                None => new,
                Some(part) => *self.parts.entry((account, to.clone(), part.kind, part.reference)).or_insert(new),
            };
            self.claims.push(Claim {
                sequence,
                account,
                to: to.clone(),
                message,
                part: read.part,
                text: read.text.to_vec(),
                asked: at,
                asked_day: day,
                answered: None,
                answered_day: None,
                is_reason: true,
                received: false,
                reply: None,
            });
        }
        let claims = (first..self.claims.len()).collect();
        self.submissions.insert(sequence, Submission { session, order, octets, claims });
    }

    fn smsc(&mut self, history: &History) {
        for Entry { connection, direction, octets, .. } in &history.smsc {
            let Some(submission) = self.submissions.get(&wire::sequence(octets)) else { continue };
            match direction {
                Direction::In if wire::is_submission(octets) => {
                    let kept = self.kept(submission, octets);
                    self.connections.entry(*connection).or_insert(submission.session);
                    for claim in kept {
                        self.claims[claim].received = true;
                    }
                }
                Direction::Out if wire::is_submission_resp(octets) => {
                    let all = wire::status(octets);
                    let mut named = wire::unsuccess(octets);
                    for claim in submission.claims.clone() {
                        let claim = &mut self.claims[claim];
                        if claim.received && claim.reply.is_none() {
                            let entry = named.iter().position(|(_, to, _)| *to == claim.to);
                            claim.reply = Some(entry.map_or(all, |index| named.swap_remove(index).2));
                        }
                    }
                }
                Direction::In | Direction::Out => {}
            }
        }
    }

    /// Which of a submission's recipients are in these octets.
    pub(super) fn kept(&self, submission: &Submission<'_>, octets: &[u8]) -> Vec<usize> {
        let read = wire::read(octets);
        let mut there = read.iter().flat_map(|read| &read.destinations).map(|(_, to)| to).peekable();
        let is_next = |claim: &usize| there.next_if(|to| **to == self.claims[*claim].to).is_some();
        submission.claims.iter().copied().filter(is_next).collect()
    }

    fn answers(&mut self, history: &History) {
        for (at, act) in history.acts.iter().enumerate() {
            let Act::Received { day, octets, .. } = act else { continue };
            let Some(submission) = self.submissions.get(&wire::sequence(octets)) else { continue };
            let is_new = submission.claims.iter().all(|claim| self.claims[*claim].answered.is_none());
            if !wire::is_response(octets) || !is_new {
                continue;
            }
            let (all, named) = (wire::status(octets), wire::unsuccess(octets));
            let mut left = submission.claims.clone();
            for claim in &left {
                self.claims[*claim].answered = Some((at, all));
                self.claims[*claim].answered_day = Some(*day);
                self.claims[*claim].is_reason = all == 0 || *claim == submission.claims[0];
            }
            left.sort_by_key(|claim| self.claims[*claim].received);
            for (_, to, status) in named {
                if let Some(index) = left.iter().position(|claim| self.claims[*claim].to == to) {
                    self.claims[left.remove(index)].answered = Some((at, status));
                }
            }
        }
    }
}
