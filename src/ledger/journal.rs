//! The durable half: an append-only journal in SQLite, one row a group commit,
//! two files a day that take turns.
//!
//! Sessions append packed records to one buffer and hold a [`Ticket`]. With
//! `durability = "process"` whoever needs its ticket first writes the whole
//! buffer as one row (no hand-over to another thread, about ten microseconds);
//! with `"power"` a thread of its own writes and syncs, and all who came
//! meanwhile share the next sync.

mod keep;
mod read;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::domain::{Day, LocalTime, Ticker};

use super::names::Names;
use super::volume::{Shelf, Volume, VolumeId};

/// What a reservation survives before its message leaves (P3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Loss of power: synced to the disk.
    Power,
    /// The end of the process at any instant: handed to the operating system.
    Process,
}

/// The ledger could not write; nothing that waited for it may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger's journal could not be written")]
pub struct NotDurable;

/// Tells when what was appended is durable.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    generation: u64,
    /// Id of the first reservation appended under this ticket.
    pub first_id: u64,
}

/// How commits went, for metrics. Called on the committing thread.
pub trait CommitObserver: Send + Sync + std::fmt::Debug {
    /// A commit of `records` octets of records holding `rows` reservations took that long.
    fn committed(&self, elapsed: std::time::Duration, rows: u64);
    /// A commit failed.
    fn failed(&self, error: &rusqlite::Error);
}

/// The journal; shared by all sessions.
#[derive(Debug)]
pub struct Journal {
    shelf: Shelf,
    ticker: Ticker,
    pending: Mutex<Pending>,
    wanted: Condvar,
    file: Mutex<Active>,
    tomorrow: Mutex<Tomorrow>,
    /// Volumes of days that are over; the keeper folds and closes them.
    retired: Mutex<Vec<Volume>>,
    /// The folded volume that takes the next turn; the keeper's own.
    resting: Mutex<Option<Volume>>,
    finished: watch::Sender<u64>,
    failures: Mutex<VecDeque<u64>>,
    trusted: AtomicBool,
    /// Commits that may still be expected to be shared by several sessions.
    sharing: AtomicU64,
    size: AtomicU64,
    observer: Arc<dyn CommitObserver>,
}

/// The volume that is written.
#[derive(Debug)]
struct Active {
    volume: Volume,
    /// Number of the next row.
    next_row: i64,
    names: Names,
}

/// Tomorrow's first volume, laid out before midnight. Under its lock one opens a volume of another day.
#[derive(Debug)]
struct Tomorrow {
    volume: Option<Volume>,
    /// The day that is written.
    written: Day,
}

#[derive(Debug)]
struct Pending {
    records: Vec<u8>,
    reservations: u64,
    /// Appends that brought reservations.
    batches: u64,
    first_id: u64,
    generation: u64,
    wanted: bool,
    closed: bool,
}

/// Generations whose failure is remembered; a waiter asks within its own commit, far earlier.
const FAILURES_KEPT: usize = 4096;
/// Commits after a shared one that wait for others again.
const SHARING_MEMORY: u64 = 32;

impl Journal {
    /// Opens the day's volume: today's, or that of a later day whose rows are there already. `next_id` and `next_row` are the first that no earlier record has.
    pub(super) fn open(
        shelf: Shelf,
        ticker: Ticker,
        day: Day,
        names: &Names,
        next_id: u64,
        next_row: i64,
        observer: Arc<dyn CommitObserver>,
    ) -> rusqlite::Result<Arc<Self>> {
        let id = VolumeId::first(day);
        let volume = shelf.open(id, names)?;
        let resting = id.other().path(&shelf.folder).exists().then(|| shelf.open(id.other(), names)).transpose()?;
        let journal = Arc::new(Self {
            shelf,
            ticker,
            pending: Mutex::new(Pending {
                records: Vec::new(),
                reservations: 0,
                batches: 0,
                first_id: next_id,
                generation: 1,
                wanted: false,
                closed: false,
            }),
            wanted: Condvar::new(),
            file: Mutex::new(Active { volume, next_row, names: names.clone() }),
            tomorrow: Mutex::new(Tomorrow { volume: None, written: id.day }),
            retired: Mutex::new(Vec::new()),
            resting: Mutex::new(resting),
            finished: watch::Sender::new(0),
            failures: Mutex::new(VecDeque::new()),
            trusted: AtomicBool::new(true),
            sharing: AtomicU64::new(0),
            size: AtomicU64::new(0),
            observer,
        });
        Ok(journal)
    }

    /// Writes for everybody on a thread of its own until [`Journal::close`]. Needed for `power`;
    /// for `process` it only carries what nobody waits for (settlements).
    pub fn run_writer(&self) {
        const IDLE: std::time::Duration = std::time::Duration::from_millis(100);
        loop {
            let closed = {
                let mut pending = self.pending.lock();
                if !(pending.wanted || pending.closed) {
                    self.wanted.wait_for(&mut pending, IDLE);
                }
                pending.closed
            };
            self.commit_pending(None);
            if closed {
                return;
            }
        }
    }

    /// Appends reservations and settlements; they become durable with the ticket's commit.
    /// `records` is emptied.
    pub fn append(&self, records: &mut Vec<u8>, reservations: u64) -> Ticket {
        let mut pending = self.pending.lock();
        let ticket = Ticket { generation: pending.generation, first_id: pending.first_id + pending.reservations };
        pending.records.extend_from_slice(records);
        pending.reservations += reservations;
        pending.batches += u64::from(reservations > 0);
        records.clear();
        ticket
    }

    /// Waits until what was appended under the ticket is durable.
    pub async fn durable(&self, ticket: Ticket) -> Result<(), NotDurable> {
        match self.shelf.durability {
            Durability::Process => {
                // Sessions that are ready to append get their turn first, and share the commit. A turn costs a
                // look at the sockets, so it is given while commits are shared, and now and then to find out.
                if self.sharing.load(Ordering::Relaxed) > 0 || ticket.generation.is_multiple_of(SHARING_MEMORY) {
                    tokio::task::yield_now().await;
                }
                self.commit_pending(Some(ticket));
            }
            Durability::Power => {
                let mut finished = self.finished.subscribe();
                {
                    let mut pending = self.pending.lock();
                    pending.wanted = true;
                    self.wanted.notify_one();
                }
                let _ = finished.wait_for(|generation| *generation >= ticket.generation).await;
            }
        }
        self.outcome(ticket)
    }

    /// Writes what is pending unless the ticket is covered already.
    fn commit_pending(&self, ticket: Option<Ticket>) {
        let covered = || ticket.is_some_and(|ticket| *self.finished.borrow() >= ticket.generation);
        if covered() {
            return;
        }
        let mut file = self.file.lock();
        if covered() {
            return;
        }
        let (records, reservations, first_id, generation) = {
            let mut pending = self.pending.lock();
            pending.wanted = false;
            if pending.records.is_empty() {
                return;
            }
            let taken = (
                std::mem::take(&mut pending.records),
                std::mem::take(&mut pending.reservations),
                pending.first_id,
                pending.generation,
            );
            let shared = std::mem::take(&mut pending.batches) > 1;
            self.note_sharing(shared);
            pending.first_id += taken.1;
            pending.generation += 1;
            taken
        };
        let began = Instant::now();
        let written = self.write(&mut file, first_id, &records);
        self.trusted.store(written.is_ok(), Ordering::Relaxed);
        match written {
            Ok(()) => self.observer.committed(began.elapsed(), reservations),
            Err(error) => {
                self.remember_failure(generation);
                self.observer.failed(&error);
                self.keep_settlements(&records);
            }
        }
        self.finished.send_replace(generation);
        self.reuse(records);
    }

    fn note_sharing(&self, shared: bool) {
        let left = self.sharing.load(Ordering::Relaxed);
        self.sharing.store(if shared { SHARING_MEMORY } else { left.saturating_sub(1) }, Ordering::Relaxed);
    }

    fn write(&self, file: &mut Active, first_id: u64, records: &[u8]) -> rusqlite::Result<()> {
        let tick = self.ticker.tick();
        let now = tick.wall;
        let day = LocalTime::of(now).day;
        // What is settled under a clock that nobody believes stays in the file of its day.
        if day > file.volume.id().day && self.ticker.watch().believes(tick) {
            self.sync_log(&file.volume.log_file())?;
            let mut tomorrow = self.tomorrow.lock();
            let prepared = tomorrow.volume.take().filter(|volume| volume.id().day == day);
            let next = match prepared {
                Some(volume) => volume,
                None => self.shelf.open(VolumeId::first(day), &file.names)?,
            };
            tomorrow.written = day;
            drop(tomorrow);
            self.retired.lock().push(std::mem::replace(&mut file.volume, next));
        }
        if !file.volume.knows(&file.names) {
            file.volume.write_names(&file.names)?;
        }
        if !self.is_trusted() {
            // A commit that was reported as failed may be in the file all the same: its number is taken.
            file.next_row = file.next_row.max(file.volume.last_row()?.map_or(0, |last| last + 1));
        }
        self.size.fetch_add(records.len() as u64, Ordering::Relaxed);
        file.volume.insert(file.next_row, first_id, now, records)?;
        file.next_row += 1;
        Ok(())
    }

    /// Settlements of a commit that failed go into the next one: their messages are out.
    fn keep_settlements(&self, records: &[u8]) {
        let mut kept = super::record::settlements(records);
        let mut pending = self.pending.lock();
        kept.extend_from_slice(&pending.records);
        pending.records = kept;
    }

    /// Keeps the emptied buffer's memory for the next generation.
    fn reuse(&self, mut records: Vec<u8>) {
        records.clear();
        let mut pending = self.pending.lock();
        if pending.records.capacity() < records.capacity() {
            records.extend_from_slice(&pending.records);
            pending.records = records;
        }
    }

    fn remember_failure(&self, generation: u64) {
        let mut failures = self.failures.lock();
        if failures.len() == FAILURES_KEPT {
            failures.pop_front();
        }
        failures.push_back(generation);
    }

    fn outcome(&self, ticket: Ticket) -> Result<(), NotDurable> {
        if *self.finished.borrow() < ticket.generation {
            return Err(NotDurable); // the writer is gone
        }
        if self.failures.lock().contains(&ticket.generation) { Err(NotDurable) } else { Ok(()) }
    }

    /// Gives names to accounts and units that have none yet.
    pub fn write_names(&self, names: &Names) -> rusqlite::Result<()> {
        let mut file = self.file.lock();
        file.volume.write_names(names)?;
        file.names = names.clone();
        Ok(())
    }

    /// Number of the row committed last.
    pub(super) fn last_row(&self) -> i64 {
        self.file.lock().next_row - 1
    }

    /// Names given so far.
    pub(super) fn names(&self) -> Names {
        self.file.lock().names.clone()
    }

    /// Where its files lie, and how they are opened.
    pub(super) const fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Writes an empty row after a failure, so that a ledger that works again says so before somebody sends.
    pub fn probe(&self) {
        let mut file = self.file.lock();
        let first_id = self.pending.lock().first_id;
        let written = self.write(&mut file, first_id, &[]);
        self.trusted.store(written.is_ok(), Ordering::Relaxed);
        match written {
            Ok(()) => self.observer.committed(std::time::Duration::ZERO, 0),
            Err(error) => self.observer.failed(&error),
        }
    }

    /// Whether the last commit succeeded.
    pub fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::Relaxed)
    }

    /// Octets of the journal's files and their neighbours. Looks at the disk.
    pub fn octets_on_disk(&self) -> u64 {
        self.shelf.octets()
    }

    /// Octets of records written since the start.
    pub fn written(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Lets [`Journal::run_writer`] write what is left and return.
    pub fn close(&self) {
        self.pending.lock().closed = true;
        self.wanted.notify_all();
    }
}
