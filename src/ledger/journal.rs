//! The durable half: an append-only journal, one row a group commit. A row is durable in the tail, and is
//! filed from there into SQLite, two files a day that take turns.
//!
//! Sessions append packed records to one buffer and hold a [`Ticket`]. With
//! `durability = "process"` whoever needs its ticket first writes the whole
//! buffer as one row (no hand-over to another thread, about ten microseconds);
//! with `"power"` a thread of its own writes and syncs, and all who came
//! meanwhile share the next sync.

mod file;
mod guard;
mod keep;
mod read;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::domain::{Day, LocalTime, Ticker};

use super::head::HeadFile;
use super::names::Names;
use super::tail::{Tail, Written};
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
pub enum NotDurable {
    /// The commit failed.
    #[error("the ledger's journal could not be written")]
    Failed,
    /// The disk does not answer. The commit may still succeed.
    #[error("the ledger's disk does not answer")]
    Late,
}

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

/// The journal; shared by all sessions. Who takes several of its locks takes them in the order in which they stand here
/// (`resting`, `file`, `volume`, `tomorrow`).
#[derive(Debug)]
pub struct Journal {
    shelf: Shelf,
    ticker: Ticker,
    pending: Mutex<Pending>,
    wanted: Condvar,
    /// The folded volume that takes the next turn; the keeper's own.
    resting: Mutex<Option<Volume>>,
    file: Mutex<Active>,
    /// The one into which rows are filed. No commit waits for it as long as there is room in the tail.
    volume: Mutex<Volume>,
    tomorrow: Mutex<Tomorrow>,
    /// The last row that is in a volume; set under the volume's lock.
    filed: AtomicI64,
    filing: file::Filing,
    /// The last filing failed.
    filing_fails: AtomicBool,
    /// A row too large for the tail could not be written.
    large_failed: AtomicBool,
    /// Volumes of days that are over; the keeper folds and closes them.
    retired: Mutex<Vec<Volume>>,
    /// Whether some of these are being folded.
    folding: AtomicBool,
    finished: watch::Sender<u64>,
    failures: Mutex<VecDeque<u64>>,
    trusted: AtomicBool,
    /// Commits that may still be expected to be shared by several sessions.
    sharing: AtomicU64,
    observer: Arc<dyn CommitObserver>,
    /// Where the journal ends, and in which files it is.
    head: HeadFile,
    /// The files are damaged: nothing is written to them.
    sealed: bool,
    /// When the commit under way began, in milliseconds from `began` on; 0 while there is none.
    committing: AtomicU64,
    began: Instant,
    /// What the keeper has seen of the open files.
    watched: Mutex<guard::Watched>,
}

/// Where a journal goes on.
#[derive(Debug)]
pub(super) struct Start<'a> {
    /// The day whose volume is opened: today, or a later one whose rows are there already.
    pub(super) day: Day,
    /// Names given so far.
    pub(super) names: &'a Names,
    /// The first id that no record has.
    pub(super) next_id: u64,
    /// The first number that no row has.
    pub(super) next_row: i64,
    /// Where the end is noted and where rows are written; `None` if the files are damaged and must not be touched.
    pub(super) ends: Option<(HeadFile, Tail)>,
}

/// What is written.
#[derive(Debug)]
struct Active {
    /// Of the day to whose volume the rows will go.
    day: Day,
    tail: Option<Tail>,
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
/// Octets that wait to be written, above which refusals and receipts are dropped: far above what comes between two
/// commits of a disk that works.
const PENDING_MAX: usize = 16 * 1024 * 1024;
/// How long a thread that serves sessions waits for another's commit. Far above a commit, far below what people notice.
const A_MOMENT: std::time::Duration = std::time::Duration::from_millis(2);
/// How long the writer thread waits.
const HOWEVER_LONG: std::time::Duration = std::time::Duration::MAX;

impl Journal {
    /// How long submissions wait for a disk that does not answer before they are refused.
    pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);

    /// Opens the day's volumes.
    pub(super) fn open(
        shelf: Shelf,
        ticker: Ticker,
        start: Start<'_>,
        observer: Arc<dyn CommitObserver>,
    ) -> rusqlite::Result<Arc<Self>> {
        let Start { day, names, next_id, next_row, ends } = start;
        let id = VolumeId::first(day);
        let sealed = ends.is_none();
        let volume = if sealed { shelf.nowhere()? } else { shelf.open(id, names)? };
        let rests = !sealed && id.other().path(&shelf.folder).exists();
        let resting = rests.then(|| shelf.open(id.other(), names)).transpose()?;
        let (head, tail) = ends.map_or_else(|| (HeadFile::nowhere(), None), |(head, tail)| (head, Some(tail)));
        head.named(names.len());
        for volume in [Some(&volume), resting.as_ref()].into_iter().flatten() {
            head.lists(volume.id(), volume.inode());
        }
        let pending = Pending {
            records: Vec::new(),
            reservations: 0,
            batches: 0,
            first_id: next_id,
            generation: 1,
            wanted: false,
            closed: false,
        };
        Ok(Arc::new(Self {
            shelf,
            ticker,
            pending: Mutex::new(pending),
            wanted: Condvar::new(),
            resting: Mutex::new(resting),
            file: Mutex::new(Active { day: volume.id().day, tail, next_row, names: names.clone() }),
            volume: Mutex::new(volume),
            tomorrow: Mutex::new(Tomorrow { volume: None, written: id.day }),
            filed: AtomicI64::new(next_row - 1),
            filing: file::Filing::default(),
            filing_fails: AtomicBool::new(false),
            large_failed: AtomicBool::new(false),
            retired: Mutex::new(Vec::new()),
            folding: AtomicBool::new(false),
            finished: watch::Sender::new(0),
            failures: Mutex::new(VecDeque::new()),
            trusted: AtomicBool::new(true),
            sharing: AtomicU64::new(0),
            observer,
            head,
            sealed,
            committing: AtomicU64::new(0),
            began: Instant::now(),
            watched: Mutex::default(),
        }))
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
            self.commit_pending(None, HOWEVER_LONG);
            self.head.tend();
            if closed {
                let _ = self.head.settle(); // what it lacks then, the next start finds in the journal
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

    /// Whether so much waits to be written that what nobody's slot depends on is not appended any more.
    pub(super) fn is_full(&self) -> bool {
        self.pending.lock().records.len() >= PENDING_MAX
    }

    /// Waits until what was appended under the ticket is durable, or until the disk has not answered for
    /// [`Journal::PATIENCE`].
    pub async fn durable(&self, ticket: Ticket) -> Result<(), NotDurable> {
        if self.shelf.durability == Durability::Process {
            // Sessions that are ready to append get their turn first, and share the commit. A turn costs a
            // look at the sockets, so it is given while commits are shared, and now and then to find out.
            if self.sharing.load(Ordering::Relaxed) > 0 || ticket.generation.is_multiple_of(SHARING_MEMORY) {
                tokio::task::yield_now().await;
            }
            if self.commit_pending(Some(ticket), A_MOMENT) {
                return self.outcome(ticket);
            }
            // Somebody has the file and does not let go. A thread that waited here would serve nobody else either.
        }
        let mut finished = self.finished.subscribe();
        {
            let mut pending = self.pending.lock();
            pending.wanted = true;
            self.wanted.notify_one();
        }
        let done = finished.wait_for(|generation| *generation >= ticket.generation);
        // What it yields keeps the number locked, and whoever wants it meanwhile waits: it must be gone before the next look.
        let in_time = tokio::time::timeout(Self::PATIENCE, done).await.is_ok();
        if in_time { self.outcome(ticket) } else { Err(NotDurable::Late) }
    }

    /// Writes what is pending unless the ticket is covered already. `false` if the file could not be had in that time.
    fn commit_pending(&self, ticket: Option<Ticket>, patience: std::time::Duration) -> bool {
        let covered = || ticket.is_some_and(|ticket| *self.finished.borrow() >= ticket.generation);
        if covered() {
            return true;
        }
        let file = if patience == HOWEVER_LONG { Some(self.file.lock()) } else { self.file.try_lock_for(patience) };
        let Some(mut file) = file else { return covered() };
        if covered() {
            return true;
        }
        let (records, reservations, first_id, generation) = {
            let mut pending = self.pending.lock();
            pending.wanted = false;
            if pending.records.is_empty() {
                return true;
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
        self.committing.store((began - self.began).as_millis() as u64 + 1, Ordering::Relaxed);
        let written = self.write(&mut file, first_id, first_id + reservations, &records);
        self.committing.store(0, Ordering::Relaxed);
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
        true
    }

    fn note_sharing(&self, shared: bool) {
        let left = self.sharing.load(Ordering::Relaxed);
        self.sharing.store(if shared { SHARING_MEMORY } else { left.saturating_sub(1) }, Ordering::Relaxed);
    }

    fn write(&self, file: &mut Active, first_id: u64, next_id: u64, records: &[u8]) -> rusqlite::Result<()> {
        let tick = self.ticker.tick();
        let (at, day) = (tick.wall, LocalTime::of(tick.wall).day);
        // What is settled under a clock that nobody believes stays in the file of its day.
        if !self.sealed && day > file.day && self.ticker.watch().believes(tick) {
            self.turn_day(file, day)?;
        }
        let Some(tail) = &mut file.tail else {
            return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT), None));
        };
        self.write_row(tail, &Written { day: file.day, number: file.next_row, first_id, at, records })?;
        self.head.advanced(file.day, file.next_row, next_id);
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
            return Err(NotDurable::Failed); // the writer is gone
        }
        if self.failures.lock().contains(&ticket.generation) { Err(NotDurable::Failed) } else { Ok(()) }
    }

    /// Gives names to accounts and units that have none yet.
    pub fn write_names(&self, names: &Names) -> rusqlite::Result<()> {
        let mut file = self.file.lock();
        self.volume.lock().write_names(names)?;
        file.names = names.clone();
        self.head.named(names.len());
        Ok(())
    }

    /// Writes down where the journal ends, and syncs that.
    pub(super) fn settle_head(&self) -> std::io::Result<()> {
        self.head.settle()
    }

    /// Number of the row committed last.
    pub(super) fn last_row(&self) -> i64 {
        self.file.lock().next_row - 1
    }

    /// The id that the next reservation gets.
    pub(super) fn next_id(&self) -> u64 {
        let pending = self.pending.lock();
        pending.first_id + pending.reservations
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
        let written = self.write(&mut file, first_id, first_id, &[]);
        self.trusted.store(written.is_ok(), Ordering::Relaxed);
        drop(file);
        match written.and_then(|()| self.file_rows()) {
            Ok(()) => self.observer.committed(std::time::Duration::ZERO, 0),
            Err(error) => self.observer.failed(&error),
        }
    }

    /// Whether the last commit succeeded, rows find their way into the volumes, and the commit under way does not hang.
    pub fn is_trusted(&self) -> bool {
        let written = self.trusted.load(Ordering::Relaxed) && !self.filing_fails.load(Ordering::Relaxed);
        written && !self.is_stalled()
    }

    /// Whether the disk has not answered for [`Journal::PATIENCE`].
    pub fn is_stalled(&self) -> bool {
        self.has_not_answered_for(Self::PATIENCE)
    }

    /// Whether the commit under way has taken that long. Asks no disk and waits for no lock.
    pub(super) fn has_not_answered_for(&self, span: std::time::Duration) -> bool {
        let since = self.committing.load(Ordering::Relaxed);
        since > 0 && self.began.elapsed().as_millis() as u64 >= since + span.as_millis() as u64
    }

    /// Octets of the journal's files and their neighbours. Looks at the disk.
    pub fn octets_on_disk(&self) -> u64 {
        self.shelf.octets()
    }

    /// Lets [`Journal::run_writer`] write what is left and return, and the one that files as well.
    pub fn close(&self) {
        self.pending.lock().closed = true;
        self.wanted.notify_all();
        self.filing.wake();
    }
}
