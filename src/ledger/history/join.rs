//! Decisions, answers and receipts put together again.

use std::collections::HashMap;

use crate::domain::{Day, LocalTime, Moment};
use crate::ledger::record::{ReceiptRecord, Settled, Settlement};
use crate::ledger::volume::ReadError;

use super::about::{All, Called, Told, read};
use super::names::{is_same_message, likeness};
use super::rows::Rows;
use super::{Attempt, Fate, Outcome, Receipt, To};

/// Days after its own on which a message's receipt is still looked for: as long as an SMSC usually tries.
pub const REACH_DAYS: u16 = 3;
/// Messages that wait for their answers and receipts at one time; about 200 octets each. More are read in several passes.
const OPEN_MAX: usize = 500_000;

/// Receipts to one subscriber that wait for the answer that names their message.
const EARLY_MAX: usize = 16;

/// Which messages are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The first local day on which they were received.
    pub from: Day,
    /// The last one.
    pub to: Day,
    /// Days after that on which answers and receipts are looked for.
    pub reach: u16,
}

/// Messages that wait for their answers and receipts.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// In the order of their ids.
    all: Vec<(Attempt, Standing)>,
    /// The last one to each subscriber.
    by_number: HashMap<u64, u32, foldhash::fast::RandomState>,
    /// Receipts that came before the answer that names their message, by subscriber.
    early: HashMap<u64, Vec<Early>, foldhash::fast::RandomState>,
}

/// A receipt whose message has not been named yet.
#[derive(Debug)]
struct Early {
    account: u16,
    message_id: Box<[u8]>,
    receipt: Receipt,
}

/// Where an open message stands.
#[derive(Clone, Copy, Debug)]
struct Standing {
    /// The one before it to the same subscriber.
    before: Option<u32>,
    /// The ledger's number of its account.
    account: u16,
    /// It never left.
    void: bool,
}

impl Span {
    /// The messages received on these days.
    pub const fn of(from: Day, to: Day) -> Self {
        Self { from, to, reach: REACH_DAYS }
    }

    pub(super) fn holds(self, received: Moment) -> bool {
        (self.from..=self.to).contains(&LocalTime::of(received).day)
    }
}

impl Open {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Their ids.
    pub(super) fn ids(&self) -> impl Iterator<Item = u64> {
        self.all.iter().filter_map(|(attempt, _)| attempt.id)
    }

    /// A message that went on.
    pub(super) fn enter(&mut self, attempt: Attempt, account: u16) {
        let index = self.all.len() as u32; // OPEN_MAX at most
        let before = match attempt.to {
            To::Subscriber(number) => self.by_number.insert(number.get(), index),
            To::Address(..) | To::Unnamed => None,
        };
        self.all.push((attempt, Standing { before, account, void: false }));
    }

    /// What became of one.
    pub(super) fn settle(&mut self, own: &Settlement<'_>, at: Moment) {
        let Ok(index) = self.all.binary_search_by_key(&Some(own.id), |(attempt, _)| attempt.id) else { return };
        let (attempt, standing) = &mut self.all[index];
        standing.void |= own.void;
        let before = attempt.fate().unwrap_or(Fate::Pending);
        let fate = match own.settled {
            // An acceptance is the last word, also of one that nobody answered at first.
            Settled::Accepted => Fate::Accepted,
            Settled::Unknown if before == Fate::Pending => Fate::Unknown,
            Settled::Rejected(0) if matches!(before, Fate::Pending | Fate::Unknown) => Fate::Released,
            Settled::Rejected(status) if before == Fate::Pending => Fate::Rejected(status),
            Settled::Unknown | Settled::Rejected(_) => return,
        };
        if before != Fate::Accepted {
            attempt.outcome = Some(Outcome { fate, at: Some(at), message_id: own.message_id.into() });
            self.receipts_before(index);
        }
    }

    /// A message has its name: receipts may have come before it.
    fn receipts_before(&mut self, index: usize) {
        let (attempt, standing) = &mut self.all[index];
        let To::Subscriber(number) = attempt.to else { return };
        let Some(early) = self.early.get_mut(&number.get()) else { return };
        let name = attempt.outcome.as_ref().map_or(&[][..], |outcome| &outcome.message_id);
        let own = |one: &mut Early| one.account == standing.account && is_same_message(name, &one.message_id);
        for one in early.extract_if(.., own) {
            keep(&mut attempt.receipt, one.receipt);
        }
        if early.is_empty() {
            self.early.remove(&number.get());
        }
    }

    /// Keeps a receipt that names no message yet, if one to its subscriber has no name still.
    fn receipt_before(&mut self, own: &ReceiptRecord<'_>, receipt: Receipt) {
        let Some(number) = own.recipient.map(crate::domain::Msisdn::get) else { return };
        let mut next = self.by_number.get(&number).copied();
        while let Some(index) = next {
            let (attempt, standing) = &self.all[index as usize];
            let unnamed = matches!(attempt.fate(), Some(Fate::Pending | Fate::Unknown));
            if standing.account == own.account && !standing.void && unnamed {
                let early = self.early.entry(number).or_default();
                if early.len() < EARLY_MAX {
                    early.push(Early { account: own.account, message_id: own.message_id.into(), receipt });
                }
                return;
            }
            next = standing.before;
        }
    }

    /// What the SMSC says of a delivery.
    pub(super) fn receipt(&mut self, own: &ReceiptRecord<'_>, at: Moment) {
        let how = |(attempt, standing): &(Attempt, Standing)| {
            let outcome = attempt.outcome.as_ref().filter(|_| standing.account == own.account)?;
            likeness(&outcome.message_id, own.message_id)
        };
        let found = if let Some(number) = own.recipient {
            let chain = std::iter::successors(self.by_number.get(&number.get()).copied(), |index| {
                self.all.get(*index as usize).and_then(|(_, standing)| standing.before)
            });
            let alike = chain.filter_map(|index| Some((how(self.all.get(index as usize)?)?, index as usize)));
            alike.max().map(|(_, index)| index) // the latest of those that are most alike
        } else {
            self.all.iter().rposition(|one| how(one).is_some()) // an SMSC that names nobody; few do
        };
        let receipt = Receipt { state: own.state, error: own.error, at };
        match found {
            Some(index) => keep(&mut self.all[index].0.receipt, receipt),
            None => self.receipt_before(own, receipt),
        }
    }

    /// Whether nothing is to come for any of them.
    fn is_done(&self) -> bool {
        self.all.iter().all(|(attempt, standing)| {
            let received = attempt.receipt.as_ref().is_some_and(|receipt| receipt.state.is_final());
            standing.void || received || matches!(attempt.fate(), Some(Fate::Rejected(_)))
        })
    }

    /// All of them, as far as is known.
    pub(super) fn into_attempts(self) -> impl Iterator<Item = Attempt> {
        self.all.into_iter().filter(|(_, standing)| !standing.void).map(|(attempt, _)| attempt)
    }
}

/// The later receipt stands, but nothing comes behind one that is final.
fn keep(kept: &mut Option<Receipt>, receipt: Receipt) {
    if kept.as_ref().is_none_or(|before| receipt.state.is_final() || !before.state.is_final()) {
        *kept = Some(receipt);
    }
}

/// Hands over every message of the span; those that were refused first, those that went on when their answers and
/// receipts are found.
pub(super) fn attempts(rows: &impl Rows, span: Span, each: &mut dyn FnMut(Attempt)) -> Result<(), ReadError> {
    let names = rows.names()?;
    let called = Called::of(&names);
    let days: Vec<Day> = rows.days()?.into_iter().filter(|day| *day >= span.from).collect();
    let until = span.to.number().saturating_add(span.reach.max(1)); // a batch read at midnight is written after it
    let (mut pass, mut behind) = (Open::default(), i64::MIN);
    loop {
        let mut full = None;
        for day in days.iter().copied().filter(|day| day.number() <= until) {
            if full.is_some() && pass.is_done() {
                break;
            }
            rows.read(day, behind, &mut |row| {
                // Behind the row with which a pass is full, only what belongs to it is read.
                let decides = full.is_none() && day.number() <= span.to.number().saturating_add(1);
                read(day, row, &called, &All, &mut |told| match told {
                    Told::Attempt(attempt) if decides && span.holds(attempt.about.received) => {
                        if attempt.id.is_none() {
                            each(attempt);
                        } else {
                            let account = Called::account(&names, &attempt.about.account).unwrap_or_default();
                            pass.enter(attempt, account);
                        }
                    }
                    Told::Attempt(_) => {}
                    Told::Settled(own, at) => pass.settle(&own, at),
                    Told::Receipt(own, at) => pass.receipt(&own, at),
                })?;
                if full.is_none() && pass.len() >= OPEN_MAX {
                    full = Some(row.number);
                }
                Ok(())
            })?;
        }
        std::mem::take(&mut pass).into_attempts().for_each(&mut *each);
        match full {
            Some(row) => behind = row,
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{About, Verdict};
    use super::*;
    use crate::domain::{AccountClass, Msisdn};
    use crate::smpp::receipt::State;

    const ACCOUNT: u16 = 3;

    fn open() -> Open {
        let about = About {
            received: Moment::from_ms(0),
            edt: Moment::from_ms(0),
            account: "a".into(),
            class: AccountClass::CityMoa,
            unit: "u".into(),
            command_id: crate::smpp::command::SUBMIT_SM,
            source: (0, 0, "6202".into()),
            campaign: None,
            digest: None,
            text: None,
            policy: crate::ledger::record::PolicyName::default(),
        };
        let (day, about) = (Day::from_number(1), Arc::new(about));
        let (to, verdict) = (To::Subscriber(number()), Verdict::Forwarded);
        let outcome = Some(Outcome { fate: Fate::Pending, at: None, message_id: Box::default() });
        let mut open = Open::default();
        for id in [1, 2] {
            let (about, to, outcome) = (Arc::clone(&about), to.clone(), outcome.clone());
            open.enter(
                Attempt { day, row: 1, id: Some(id), about, to, count: 1, part: None, verdict, outcome, receipt: None },
                ACCOUNT,
            );
        }
        open
    }

    fn number() -> Msisdn {
        Msisdn::from_number(13_855_100_001).expect("a number")
    }

    fn receipt(open: &mut Open, account: u16, message_id: &[u8], state: State) {
        let record = ReceiptRecord { account, recipient: Some(number()), message_id, state, error: 0 };
        open.receipt(&record, Moment::from_ms(1));
    }

    fn accept(open: &mut Open, id: u64, message_id: &[u8]) {
        let own = Settlement { id, settled: Settled::Accepted, message_id, void: false };
        open.settle(&own, Moment::from_ms(2));
    }

    fn states(open: Open) -> Vec<Option<State>> {
        open.into_attempts().map(|attempt| attempt.receipt.map(|receipt| receipt.state)).collect()
    }

    #[test]
    fn a_receipt_may_come_before_the_answer_that_names_its_message() {
        let mut open = open();
        receipt(&mut open, ACCOUNT, b"127", State::Delivered);
        receipt(&mut open, ACCOUNT + 1, b"128", State::Delivered);
        receipt(&mut open, ACCOUNT, b"127", State::Enroute);
        accept(&mut open, 2, b"128");
        accept(&mut open, 1, b"7f");
        assert!(open.early.values().flatten().all(|one| one.account != ACCOUNT));
        assert_eq!(states(open), [Some(State::Delivered), None]);
    }

    #[test]
    fn what_no_message_waits_for_is_not_kept() {
        let mut open = open();
        accept(&mut open, 1, b"1");
        accept(&mut open, 2, b"2");
        receipt(&mut open, ACCOUNT, b"9", State::Delivered);
        assert!(open.early.is_empty());
        let mut open = self::open();
        (0..100).for_each(|name: u32| receipt(&mut open, ACCOUNT, name.to_string().as_bytes(), State::Delivered));
        assert_eq!(open.early[&number().get()].len(), EARLY_MAX);
    }
}
