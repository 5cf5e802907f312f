//! Where a commit goes: to the tail at once, and from there into the volume of its day.

use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::domain::Day;

use super::super::tail::{self, MANY, Tail, Written};
use super::super::volume::{Row, Volume, VolumeId};
use super::{Active, Journal};

/// How often rows are filed, at least, and when it is tried again.
const FILE_EVERY: Duration = Duration::from_millis(100);
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Octets of rows that are filed at once.
const PIECE: usize = 32 * 1024;

/// What wakes the thread that files.
#[derive(Debug, Default)]
pub(super) struct Filing {
    wanted: Mutex<bool>,
    wake: Condvar,
}

impl Filing {
    /// Files without waiting for the next time.
    pub(super) fn wake(&self) {
        *self.wanted.lock() = true;
        self.wake.notify_one();
    }

    fn wait(&self, span: Duration) {
        let mut wanted = self.wanted.lock();
        if !*wanted {
            self.wake.wait_for(&mut wanted, span);
        }
        *wanted = false;
    }
}

impl Journal {
    /// Files rows on a thread of its own until [`Journal::close`].
    pub(in crate::ledger) fn run_filer(&self) {
        while !self.pending.lock().closed {
            let filed = self.file_rows(); // what fails is told by `is_trusted`
            self.filing.wait(if filed.is_ok() { FILE_EVERY } else { AFTER_FAILURE });
        }
    }

    /// Puts the rows that are in the tail alone into their volume, while commits go on.
    pub(in crate::ledger) fn file_rows(&self) -> rusqlite::Result<()> {
        let mut piece = Vec::new();
        loop {
            let mut file = self.file.lock();
            let Some(tail) = &mut file.tail else { return Ok(()) };
            let volume = self.volume.lock(); // before the file is let go, or another's turn could come between
            let rows = tail.unfiled(self.filed());
            piece.clear();
            piece.extend_from_slice(&rows[..tail::piece(rows, PIECE)]);
            let last = piece.len() == rows.len();
            drop(file);
            self.put(volume, &piece)?;
            if last {
                return Ok(());
            }
            std::thread::yield_now(); // who serves sessions may wait for this very core
        }
    }

    /// The same while nothing is committed.
    pub(super) fn file_all(&self, tail: &mut Tail) -> rusqlite::Result<()> {
        let volume = self.volume.lock();
        let rows = tail.unfiled(self.filed());
        self.put(volume, rows)
    }

    fn put(&self, mut volume: MutexGuard<'_, Volume>, rows: &[u8]) -> rusqlite::Result<()> {
        if rows.is_empty() && !self.filing_fails.load(Ordering::Relaxed) {
            return Ok(());
        }
        let put = volume.insert_all(tail::rows(rows));
        self.filing_fails.store(put.is_err(), Ordering::Relaxed);
        match &put {
            Ok(Some(last)) => self.filed.store(*last, Ordering::Release),
            Ok(None) => {}
            Err(error) => self.observer.failed(error),
        }
        put.map(|_| ())
    }

    /// Up to this row all are in a volume.
    pub(super) fn filed(&self) -> i64 {
        self.filed.load(Ordering::Acquire)
    }

    /// Makes a row durable as configured.
    pub(super) fn write_row(&self, tail: &mut Tail, row: &Written<'_>) -> rusqlite::Result<()> {
        if !Tail::can_hold(row.records.len()) || self.large_failed.load(Ordering::Relaxed) {
            return self.write_large_row(tail, row);
        }
        if !tail.has_room(row.records.len(), self.filed()) {
            self.file_all(tail)?;
        }
        let before = tail.waiting();
        tail.append(row)?;
        if before < MANY && tail.waiting() >= MANY {
            self.filing.wake();
        }
        Ok(())
    }

    /// One that is larger than a half goes into its volume at once, and so does the one after such a failure.
    fn write_large_row(&self, tail: &mut Tail, row: &Written<'_>) -> rusqlite::Result<()> {
        self.file_all(tail)?;
        let mut octets = Vec::new();
        row.encode(&mut octets);
        let put = self.put(self.volume.lock(), &octets);
        // Reported as failed, it may be there all the same; then the next one of its number must not be in the tail alone,
        // where a start would take it for a row that is filed.
        self.large_failed.store(put.is_err(), Ordering::Relaxed);
        put
    }

    /// Goes on in the volume of another day.
    pub(super) fn turn_day(&self, file: &mut Active, day: Day) -> rusqlite::Result<()> {
        if let Some(tail) = &mut file.tail {
            self.file_all(tail)?;
        }
        let mut volume = self.volume.lock();
        self.sync_log(&volume.log_file())?;
        self.head.synced(file.next_row - 1);
        let mut tomorrow = self.tomorrow.lock();
        let prepared = tomorrow.volume.take().filter(|volume| volume.id().day == day);
        let mut next = match prepared {
            Some(volume) => volume,
            None => self.shelf.open(VolumeId::first(day), &file.names)?,
        };
        tomorrow.written = day;
        drop(tomorrow);
        if !next.knows(&file.names) {
            next.write_names(&file.names)?;
        }
        self.head.lists(next.id(), next.inode());
        self.retired.lock().push(std::mem::replace(&mut *volume, next));
        file.day = day;
        Ok(())
    }

    /// Rows of a day that are in the tail alone, behind one row and up to another.
    pub(super) fn unfiled(&self, day: Day, behind: i64, last: i64) -> Vec<Row> {
        let mut file = self.file.lock();
        let Some(tail) = &mut file.tail else { return Vec::new() };
        let own = tail::rows(tail.unfiled(self.filed()));
        let wanted = own.filter(|row| row.day == day && row.number > behind && row.number <= last);
        wanted.map(|row| row.entry().row).collect()
    }
}
