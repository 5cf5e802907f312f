//! The durable half: an append-only journal, one SQLite file a day, one row a
//! group commit.
//!
//! Sessions append packed records to one buffer and hold a [`Ticket`]. With
//! `durability = "process"` whoever needs its ticket first writes the whole
//! buffer as one row (no hand-over to another thread, about ten microseconds);
//! with `"power"` a thread of its own writes and syncs, and all who came
//! meanwhile share the next sync.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::domain::{Day, LocalTime, Ticker};

use super::file::DayFile;
use super::names::Names;

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
    durability: Durability,
    folder: PathBuf,
    ticker: Ticker,
    pending: Mutex<Pending>,
    wanted: Condvar,
    file: Mutex<DayFile>,
    finished: watch::Sender<u64>,
    failures: Mutex<VecDeque<u64>>,
    trusted: AtomicBool,
    /// Commits that may still be expected to be shared by several sessions.
    sharing: AtomicU64,
    size: AtomicU64,
    observer: Arc<dyn CommitObserver>,
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
    /// Opens today's file in the folder. `next_id` is the first id not used by any earlier record.
    pub fn open(
        folder: &Path,
        durability: Durability,
        ticker: Ticker,
        names: &Names,
        next_id: u64,
        observer: Arc<dyn CommitObserver>,
    ) -> rusqlite::Result<Arc<Self>> {
        let day = LocalTime::of(ticker.tick().wall).day;
        let file = DayFile::open(folder, day, durability, names)?;
        let journal = Arc::new(Self {
            durability,
            folder: folder.to_owned(),
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
            file: Mutex::new(file),
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
        match self.durability {
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

    fn write(&self, file: &mut DayFile, first_id: u64, records: &[u8]) -> rusqlite::Result<()> {
        let now = self.ticker.tick().wall;
        let day = LocalTime::of(now).day;
        if day > file.day() {
            *file = file.next(&self.folder, day, self.durability)?;
        }
        self.size.fetch_add(records.len() as u64, Ordering::Relaxed);
        file.insert(first_id, now, records)
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
        self.file.lock().write_names(names)
    }

    /// Lays out the next day's file, so that the first commit after midnight need not.
    pub fn prepare(&self, day: Day) -> rusqlite::Result<()> {
        let names = self.file.lock().names().clone();
        DayFile::open(&self.folder, day, self.durability, &names).map(|_| ())
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

    /// Lets the write-ahead log begin anew. Under unbroken load a checkpoint beside the writers
    /// never reaches its end, so its last pages are copied while none of them writes.
    pub fn restart_log(&self) -> rusqlite::Result<()> {
        self.file.lock().fold()
    }

    /// Whether the last commit succeeded.
    pub fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::Relaxed)
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
