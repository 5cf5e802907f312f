//! What operators ask of the ledger: look-ups, releases, checks, copies. All of it reads the journal, beside
//! the path of the messages; everything but [`Ledger::release`] takes its time on the calling thread.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::domain::{Day, LocalTime, Moment, Msisdn};

use super::history::index;
use super::parts::PartOf;
use super::record::{Record, Settled, Taken, read_row};
use super::seal::{self, Seals};
use super::volume::{ReadError, VolumeId};
use super::{Batch, Ledger, NotDurable};

/// A message whose outcome is unknown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unanswered {
    pub(super) taken: Taken,
    pub(super) part: Option<PartOf>,
    /// When it was found that nobody answers; after a restart, when it was submitted.
    pub(super) since: Moment,
    /// An operator has released it; it is kept in case it was sent after all.
    released: bool,
}

/// The messages whose outcome is unknown, by id, until their day is over.
#[derive(Debug, Default)]
pub(super) struct Unknown {
    all: HashMap<u64, Unanswered, foldhash::fast::RandomState>,
    released: usize,
}

impl Unanswered {
    pub(super) const fn new(taken: Taken, part: Option<PartOf>, since: Moment) -> Self {
        Self { taken, part, since, released: false }
    }

    /// Whether an operator has released it.
    pub(super) const fn is_released(&self) -> bool {
        self.released
    }
}

impl Unknown {
    pub(super) fn insert(&mut self, id: u64, one: Unanswered) {
        self.all.insert(id, one);
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Unanswered> {
        let one = self.all.remove(&id)?;
        self.released -= usize::from(one.released);
        Some(one)
    }

    /// How many there are, without those that were released.
    pub(super) fn len(&self) -> usize {
        self.all.len() - self.released
    }

    /// Forgets those of days before one: nothing of them counts any more.
    pub(super) fn forget_before(&mut self, day: Day) {
        self.all.retain(|_, one| one.taken.day >= day);
        self.released = self.all.values().filter(|one| one.released).count();
    }

    fn listed(&self) -> Vec<(u64, Unanswered)> {
        self.all.iter().filter(|(_, one)| !one.released).map(|(id, one)| (*id, *one)).collect()
    }

    fn release(&mut self, id: u64) -> Result<Unanswered, ReleaseError> {
        let one = self.all.get_mut(&id).filter(|one| !one.released).ok_or(ReleaseError::NotUnknown)?;
        if one.part.is_some() {
            return Err(ReleaseError::Part);
        }
        one.released = true;
        self.released += 1;
        Ok(*one)
    }
}

/// One message as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The reservation's id.
    pub id: u64,
    /// Its subscriber.
    pub recipient: Option<Msisdn>,
    /// The local day of its effective delivery time, whose slot it takes.
    pub day: Day,
    /// When it was reserved, or for an unknown outcome when it became one.
    pub at: Moment,
    /// `system_id` of its account.
    pub account: String,
    /// What became of it.
    pub state: EntryState,
    /// Which part of a message it is, and of how many: `(2, 3)`; 0 where that is not known.
    pub part: Option<(u8, u8)>,
    /// Which gateway sent it, where several share a ledger and it was not this one.
    pub gateway: Option<String>,
}

/// What became of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// Under way.
    Reserved,
    /// The SMSC took it.
    Used,
    /// Nobody answered; it counts as sent (P9).
    Unknown,
    /// The SMSC refused it with this status, or it was released (0). It counts no more.
    Free(u32),
    /// Another gateway on the shared ledger has taken the slot; its own journal knows more.
    Elsewhere,
}

/// Why an outcome cannot be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// There is no such message, or its outcome is known.
    #[error("no message of unknown outcome has this id")]
    NotUnknown,
    /// A part of a longer message: its other parts hold the slot as well.
    #[error("a part of a longer message cannot be released by itself")]
    Part,
    /// It is released, and the next commit that works writes it down. If the gateway ends before, it is unknown again.
    #[error("the message is released, but the journal cannot be written at present")]
    NotDurable,
    /// The shared ledger cannot be reached; nothing was done.
    #[error("the shared ledger cannot be reached; nothing is released")]
    Away,
    /// The shared ledger was asked and has not answered.
    #[error("the shared ledger has not confirmed it; look at the list of unknown outcomes again")]
    NotConfirmed,
}

/// What a check of the journal found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Days with files.
    pub days: usize,
    /// Rows read.
    pub rows: u64,
    /// Reservations in them.
    pub reservations: u64,
    /// What is wrong, one sentence each; empty when all is well.
    pub problems: Vec<String>,
}

/// The journal's files, and what today's book holds.
#[derive(Clone, Debug)]
pub struct Stats {
    /// The local day.
    pub today: Day,
    /// Slots of today.
    pub slots: u64,
    /// Slots of days to come.
    pub scheduled: u64,
    /// Reserved and not settled.
    pub reserved: u64,
    /// Of unknown outcome.
    pub unknown: u64,
    /// Each day that has files, with the octets of its volumes and their logs.
    pub days: Vec<(Day, u64)>,
}

impl Ledger {
    /// Every message to a subscriber whose slot belongs to a day, in the order in which they were reserved.
    pub fn lookup(&self, recipient: Msisdn, day: Day) -> Result<Vec<Entry>, ReadError> {
        let (names, last) = (self.journal.names().by_number(), self.journal.last_row());
        let mut found: Vec<Entry> = Vec::new();
        for submitted in self.days_on_disk()? {
            // An answer just after midnight, or a release, stands in a later day's file than its reservation.
            let reach = day.number().saturating_sub(self.reach())..=day.number().saturating_add(self.reach());
            if reach.contains(&submitted.number()) {
                self.journal.read(submitted, last, &mut |row| {
                    let mut id = row.first_id;
                    for record in read_row(&row.records).map_while(Result::ok) {
                        let entry = |taken, part| entry(&names, id, row.at, taken, part);
                        match record {
                            Record::Reserved(taken) => {
                                let own = taken.recipient == Some(recipient) && taken.day == day;
                                found.extend(own.then(|| entry(&taken, None)));
                                id += 1;
                            }
                            Record::Passed(_) => id += 1, // it has no slot
                            Record::Part(part) => {
                                let own = part.taken.recipient == Some(recipient) && part.taken.day == day;
                                let of = (part.piece.part.index, part.piece.part.total);
                                found.extend(own.then(|| entry(&part.taken, Some(of))));
                                id += 1;
                            }
                            Record::GivenUp(taken) => {
                                let of = entry(&taken, None); // moved to another day by a replacement
                                let own = taken.recipient == Some(recipient) && taken.day == day;
                                let moved =
                                    |one: &&mut Entry| one.account == of.account && one.state == EntryState::Used;
                                if let Some(entry) = found.iter_mut().rev().find(moved).filter(|_| own) {
                                    entry.state = EntryState::Free(0);
                                }
                            }
                            Record::Settled(own) => {
                                if let Some(entry) = found.iter_mut().find(|entry| entry.id == own.id) {
                                    entry.state = own.settled.into();
                                }
                            }
                            _ => {}
                        }
                    }
                    Ok(())
                })?;
            }
        }
        Ok(found)
    }

    /// Messages whose outcome is unknown, the oldest first; on a shared ledger those of all gateways.
    pub async fn unknown_outcomes(&self) -> Result<Vec<Entry>, String> {
        match &self.shared {
            Some(shared) => shared.unknown_outcomes().await,
            None => Ok(self.own_unknown_outcomes()),
        }
    }

    /// What other gateways on a shared ledger have taken of a subscriber's slot.
    pub async fn lookup_elsewhere(&self, recipient: Msisdn, day: Day) -> Result<Vec<Entry>, String> {
        match &self.shared {
            Some(shared) => shared.others(recipient, day).await,
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn own_unknown_outcomes(&self) -> Vec<Entry> {
        let names = self.journal.names().by_number();
        let all = self.unknown.lock().listed();
        let mut entries: Vec<_> = all
            .iter()
            .map(|(id, one)| Entry { state: EntryState::Unknown, ..entry(&names, *id, one.since, &one.taken, None) })
            .collect();
        entries.sort_unstable_by_key(|entry| entry.id);
        entries
    }

    /// Frees what a message of unknown outcome has taken. On disk when it returns `Ok`; whoever calls this records
    /// who did it and why (P9). If the SMSC says later that it took the message, the slot is taken again.
    pub async fn release(&self, id: u64) -> Result<Entry, ReleaseError> {
        if let Some(shared) = &self.shared {
            return shared.release(id).await;
        }
        let one = self.unknown.lock().release(id)?;
        self.give_back_taken(&one.taken, None);
        let mut batch = Batch::default();
        batch.settled(id, Settled::Rejected(0), &[], || self.ticker.tick().wall);
        let durable = self.note_durably(&mut batch).await;
        let entry = entry(&self.journal.names().by_number(), id, one.since, &one.taken, None);
        durable.map_err(|_: NotDurable| ReleaseError::NotDurable)?;
        Ok(Entry { state: EntryState::Free(0), ..entry })
    }

    /// Reads every day's journal and tells what is wrong with it. `progress` gets the rows read so far.
    pub fn verify(&self, mut progress: impl FnMut(u64)) -> std::io::Result<Verified> {
        let (mut verified, last, mut before) = (Verified::default(), self.journal.last_row(), None::<i64>);
        for day in self.days_on_disk()? {
            verified.days += 1;
            let (rows, reservations, problems) =
                (&mut verified.rows, &mut verified.reservations, &mut verified.problems);
            let read = self.journal.read(day, last, &mut |row| {
                if let Some(after) = before.filter(|before| before + 1 != row.number) {
                    problems.push(ReadError::Missing { day, after, next: row.number }.to_string());
                }
                before = Some(row.number);
                *rows += 1;
                for record in read_row(&row.records) {
                    match record {
                        Ok(Record::Reserved(_) | Record::Part(_)) => *reservations += 1,
                        Ok(_) => {}
                        Err(_) => problems.push(ReadError::Corrupt { day, row: row.number }.to_string()),
                    }
                }
                if rows.is_multiple_of(1024) {
                    progress(*rows);
                }
                Ok(())
            });
            if let Err(error) = read {
                verified.problems.push(error.to_string());
                before = None; // what follows is not missing for all we know
            }
        }
        Ok(verified)
    }

    /// Files and slots.
    pub fn stats(&self) -> std::io::Result<Stats> {
        let today = LocalTime::of(self.ticker.tick().wall).day;
        let mut days: Vec<(Day, u64)> = Vec::new();
        for id in VolumeId::all(&self.journal.shelf().folder)? {
            let octets: u64 = files(&self.journal.shelf().folder, id).iter().map(|file| size(file)).sum();
            match days.last_mut() {
                Some((day, sum)) if *day == id.day => *sum += octets,
                _ => days.push((id.day, octets)),
            }
        }
        let books = self.days.load();
        let slots = |which: fn(Day, Day) -> bool| {
            books.iter().filter(|(day, _)| which(*day, today)).map(|(_, book)| book.rows()).sum()
        };
        Ok(Stats {
            today,
            slots: slots(|day, today| day == today),
            scheduled: slots(|day, today| day > today),
            reserved: self.reserved(),
            unknown: self.unknown() as u64,
            days,
        })
    }

    /// Copies the journal into a folder that must not exist yet, as of one row, while the gateway goes on. The
    /// copy is a ledger: a gateway that is started on it knows what this one knew. Tells how many rows it has.
    pub fn backup(&self, to: &Path) -> Result<u64, ReadError> {
        std::fs::create_dir(to)?;
        self.copy(to).inspect_err(|_| {
            let _ = std::fs::remove_dir_all(to); // half a copy is none, and the folder is ours
        })
    }

    fn copy(&self, to: &Path) -> Result<u64, ReadError> {
        let (names, last) = (self.journal.names(), self.journal.last_row());
        self.remembered.lock().copy(to)?;
        seal::copy(&self.journal.shelf().folder, to)?;
        let there = self.journal.shelf().at(to);
        let mut copied = 0;
        for day in self.days_on_disk()? {
            there.copy(VolumeId::first(day), &names, |write| {
                self.journal.read(day, last, &mut |row| {
                    copied += 1;
                    write(row)
                })
            })?;
        }
        Ok(copied)
    }

    /// Removes the files of days before one, but none that a start would still read. Returns the days removed.
    pub fn prune(&self, before: Day) -> std::io::Result<Vec<Day>> {
        let today = LocalTime::of(self.ticker.tick().wall).day;
        let kept_from = before.number().min(today.number().saturating_sub(self.reach()));
        let folder = &self.journal.shelf().folder;
        let mut removed = Vec::new();
        let mut seals = Seals::read(folder)?;
        for id in VolumeId::all(folder)?.into_iter().filter(|id| id.day.number() < kept_from) {
            if seals.broken.is_none() {
                seals.prune(folder, id.day, self.ticker.tick().wall)?; // first, or files would seem to be lost
            }
            seal::remove_marks(folder, id.day)?;
            index::remove(folder, id.day)?;
            for file in files(folder, id).iter().filter(|file| file.exists()) {
                std::fs::remove_file(file)?;
            }
            removed.push(id.day);
        }
        removed.dedup();
        Ok(removed)
    }

    pub(super) fn days_on_disk(&self) -> std::io::Result<Vec<Day>> {
        let mut days: Vec<_> = VolumeId::all(&self.journal.shelf().folder)?.into_iter().map(|id| id.day).collect();
        days.dedup();
        Ok(days)
    }
}

fn entry(names: &[String], id: u64, at: Moment, taken: &Taken, part: Option<(u8, u8)>) -> Entry {
    let name = names.get(usize::from(taken.account));
    let account = name.and_then(|name| name.strip_prefix("account:")).unwrap_or_default();
    let (recipient, day, account) = (taken.recipient, taken.day, account.to_owned());
    Entry { id, recipient, day, at, account, state: EntryState::Reserved, part, gateway: None }
}

impl From<Settled> for EntryState {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Accepted => Self::Used,
            Settled::Unknown => Self::Unknown,
            Settled::Rejected(status) => Self::Free(status),
        }
    }
}

/// A volume and its log.
pub(super) fn files(folder: &Path, id: VolumeId) -> [PathBuf; 2] {
    let file = id.path(folder);
    let log = file.with_extension("sqlite-wal");
    [log, file] // the log first: without its file it would be read as a new one's
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |file| file.len())
}
