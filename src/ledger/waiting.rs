//! Messages that wait inside the SMSC for their time: accepted with a
//! schedule_delivery_time.
//!
//! No hold reaches them, so people have to know which they are, by the
//! SMSC's own name for each. They are in the journal beside their acceptance and
//! known again after a start. What has no time of its own costs nothing here.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::domain::{Moment, Msisdn};

/// Messages that are known by name at most; further ones are only counted.
pub const LISTED_MAX: usize = 200_000;

/// A message as the SMSC has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The ledger's number of its account.
    pub account: u16,
    /// The SMSC that has it, by its address as configured.
    pub smsc: Box<str>,
    /// The SMSC's name for it.
    pub message_id: Box<[u8]>,
    /// When it is to be delivered.
    pub due: Moment,
    /// Its source_addr: type, plan, digits.
    pub source: (u8, u8, Box<[u8]>),
    /// Its subscriber; `None` of several, and where the number cannot be read.
    pub recipient: Option<Msisdn>,
    /// How many subscribers it goes to.
    pub recipients: u8,
}

/// What became of asking the SMSC to cancel it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// Nobody has asked.
    No,
    /// It has been asked and has not answered.
    Asked,
    /// It has cancelled the message.
    Done,
    /// It would not, with this command_status.
    Refused(u32),
}

/// An entry of the list: a message, and how its cancellation stands. Clones are the same entry.
#[derive(Clone, Debug)]
pub struct Entry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    scheduled: Scheduled,
    number: u64,
    cancel: AtomicU32,
}

/// Where an entry stands in its account's order: its time, and a number of its own.
pub type Place = (i64, u64);

/// All that are known.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Entries there are; read before anything is locked.
    count: AtomicUsize,
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    groups: HashMap<(u16, Box<str>), Group>,
    next: u64,
    unlisted: u64,
}

/// Those of one account at one SMSC.
#[derive(Debug, Default)]
struct Group {
    by_time: BTreeMap<Place, Entry>,
    by_name: HashMap<Box<[u8]>, Place>,
}

const NO: u32 = 0;
const ASKED: u32 = 1;
const DONE: u32 = 2;
/// Above it: what was answered.
const REFUSED: u32 = 0x8000_0000;

impl Entry {
    /// The message.
    pub fn message(&self) -> &Scheduled {
        &self.0.scheduled
    }

    /// How its cancellation stands.
    pub fn cancel(&self) -> Cancel {
        match self.0.cancel.load(Ordering::Relaxed) {
            NO => Cancel::No,
            ASKED => Cancel::Asked,
            DONE => Cancel::Done,
            refused => Cancel::Refused(refused & !REFUSED),
        }
    }

    /// Notes how its cancellation stands.
    pub fn set_cancel(&self, cancel: Cancel) {
        let value = match cancel {
            Cancel::No => NO,
            Cancel::Asked => ASKED,
            Cancel::Done => DONE,
            Cancel::Refused(status) => REFUSED | status,
        };
        self.0.cancel.store(value, Ordering::Relaxed);
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        (self.0.scheduled.due.ms(), self.0.number)
    }

    /// Whether the SMSC has it still.
    fn waits(&self) -> bool {
        self.cancel() != Cancel::Done
    }
}

impl Waiting {
    /// Whether there is any; one atomic read.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Enters a message; an older one of the same name is no more.
    pub fn enter(&self, scheduled: Scheduled) {
        let mut all = self.all.lock();
        if self.count.load(Ordering::Relaxed) >= LISTED_MAX {
            all.unlisted += 1;
            return;
        }
        all.next += 1;
        let place = (scheduled.due.ms(), all.next);
        let group = all.groups.entry((scheduled.account, scheduled.smsc.clone())).or_default();
        let former = group.by_name.insert(scheduled.message_id.clone(), place);
        let gone = former.and_then(|former| group.by_time.remove(&former)).is_some();
        let entry = Entry(Arc::new(Inner { scheduled, number: place.1, cancel: AtomicU32::new(NO) }));
        group.by_time.insert(place, entry);
        self.count.fetch_add(usize::from(!gone), Ordering::Relaxed);
    }

    /// The message of that name, if it is known.
    pub fn find(&self, account: u16, smsc: &str, message_id: &[u8]) -> Option<Entry> {
        let all = self.all.lock();
        let group = all.groups.get(&(account, smsc.into()))?;
        group.by_time.get(group.by_name.get(message_id)?).cloned()
    }

    /// Takes the message of that name out.
    pub(super) fn remove(&self, account: u16, smsc: &str, message_id: &[u8]) -> Option<Entry> {
        let mut all = self.all.lock();
        let group = all.groups.get_mut(&(account, smsc.into()))?;
        let place = group.by_name.remove(message_id)?;
        let entry = group.by_time.remove(&place)?;
        self.count.fetch_sub(1, Ordering::Relaxed);
        Some(entry)
    }

    /// Forgets those whose time has come.
    pub(super) fn sweep(&self, now: Moment) {
        if self.is_empty() {
            return;
        }
        let mut all = self.all.lock();
        all.groups.retain(|_, group| {
            while let Some(first) = group.by_time.first_entry().filter(|first| first.key().0 <= now.ms()) {
                let entry = first.remove();
                // Another message may have got the name since.
                let name = &entry.message().message_id;
                if group.by_name.get(name) == Some(&entry.place()) {
                    group.by_name.remove(name);
                }
                self.count.fetch_sub(1, Ordering::Relaxed);
            }
            !group.by_time.is_empty()
        });
    }

    /// How many wait, and when the first is due, for every account and SMSC that has any.
    pub fn groups(&self) -> Vec<(u16, Box<str>, usize, Option<Moment>)> {
        if self.is_empty() {
            return Vec::new();
        }
        let all = self.all.lock();
        let group = |((account, smsc), group): (&(u16, Box<str>), &Group)| {
            let waiting = || group.by_time.values().filter(|entry| entry.waits());
            let first = waiting().next().map(|entry| entry.message().due);
            (*account, smsc.clone(), waiting().count(), first)
        };
        all.groups.iter().map(group).collect()
    }

    /// Those of an account at an SMSC behind a place, in the order of their time.
    pub fn of(&self, account: u16, smsc: &str, behind: Place, most: usize) -> Vec<Entry> {
        let all = self.all.lock();
        let Some(group) = all.groups.get(&(account, smsc.into())) else { return Vec::new() };
        let range = group.by_time.range((Bound::Excluded(behind), Bound::Unbounded));
        range.map(|(_, entry)| entry.clone()).take(most).collect()
    }

    /// The first of an account at an SMSC that nobody has asked to cancel and that are due before a time; they count as
    /// asked for from now on.
    pub fn claim_to_cancel(&self, account: u16, smsc: &str, before: Moment, most: usize) -> Vec<Entry> {
        let all = self.all.lock();
        let Some(group) = all.groups.get(&(account, smsc.into())) else { return Vec::new() };
        let due = group.by_time.range(..(before.ms(), 0)).map(|(_, entry)| entry);
        let claimed = due.filter(|entry| entry.cancel() == Cancel::No).take(most).cloned();
        claimed.inspect(|entry| entry.set_cancel(Cancel::Asked)).collect()
    }

    /// How many were too many to be listed since the start.
    pub fn unlisted(&self) -> u64 {
        self.all.lock().unlisted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheduled(account: u16, id: &str, due: i64) -> Scheduled {
        Scheduled {
            account,
            smsc: "192.0.2.1:2775".into(),
            message_id: id.as_bytes().into(),
            due: Moment::from_ms(due),
            source: (0, 0, b"62021"[..].into()),
            recipient: Msisdn::from_number(13_855_100_001),
            recipients: 1,
        }
    }

    fn names(entries: &[Entry]) -> Vec<String> {
        entries.iter().map(|entry| String::from_utf8_lossy(&entry.message().message_id).into_owned()).collect()
    }

    #[test]
    fn they_are_listed_by_their_time_and_gone_when_it_has_come() {
        let waiting = Waiting::default();
        assert!(waiting.is_empty());
        for (account, id, due) in [(1, "c", 3000), (1, "a", 1000), (2, "a", 1500), (1, "b", 2000)] {
            waiting.enter(scheduled(account, id, due));
        }
        let of = |account, behind| names(&waiting.of(account, "192.0.2.1:2775", behind, 10));
        assert_eq!((of(1, (0, 0)), of(2, (0, 0))), (vec!["a".into(), "b".into(), "c".into()], vec!["a".into()]));
        assert!(of(3, (0, 0)).is_empty() && waiting.of(1, "192.0.2.2:2775", (0, 0), 10).is_empty());
        let first = waiting.find(1, "192.0.2.1:2775", b"a").expect("known");
        assert_eq!(of(1, first.place()), ["b", "c"], "the next page");
        waiting.sweep(Moment::from_ms(1500));
        assert_eq!(of(1, (0, 0)), ["b", "c"]);
        assert!(of(2, (0, 0)).is_empty() && waiting.find(1, "192.0.2.1:2775", b"a").is_none());
        waiting.remove(1, "192.0.2.1:2775", b"b").expect("known");
        waiting.enter(scheduled(1, "c", 5000));
        waiting.sweep(Moment::from_ms(3000));
        assert_eq!(of(1, (0, 0)), ["c"], "a name that is given again is the newer message's");
        waiting.sweep(Moment::from_ms(5000));
        assert!(waiting.is_empty() && waiting.groups().is_empty());
    }

    #[test]
    fn what_is_cancelled_waits_no_more_and_is_not_asked_for_again() {
        let waiting = Waiting::default();
        for (id, due) in [("a", 1000), ("b", 2000), ("c", 3000)] {
            waiting.enter(scheduled(1, id, due));
        }
        let claim = |before| names(&waiting.claim_to_cancel(1, "192.0.2.1:2775", Moment::from_ms(before), 10));
        assert_eq!(claim(3000), ["a", "b"]);
        let entry = |id: &[u8]| waiting.find(1, "192.0.2.1:2775", id).expect("known");
        entry(b"a").set_cancel(Cancel::Done);
        entry(b"b").set_cancel(Cancel::Refused(0x11));
        entry(b"c").set_cancel(Cancel::Asked);
        assert_eq!((claim(9000).len(), entry(b"b").cancel()), (0, Cancel::Refused(0x11)));
        let [(1, _, 2, Some(first))] = waiting.groups()[..] else { panic!("{:?}", waiting.groups()) };
        assert_eq!(first.ms(), 2000);
    }

    #[test]
    fn the_list_is_bounded_and_says_what_it_lacks() {
        let waiting = Waiting::default();
        for n in 0..LISTED_MAX + 3 {
            waiting.enter(scheduled(1, &n.to_string(), 1000));
        }
        assert_eq!((waiting.groups()[0].2, waiting.unlisted()), (LISTED_MAX, 3));
    }
}
