//! What happens to days that are over, on a thread of its own: they are sealed, and removed when their time has come.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::domain::{Day, LocalTime};

use super::Ledger;
use super::history::index;
use super::seal::check::{Checked, check};
use super::seal::{self, Seals};
use super::volume::ReadError;

/// How often a day that is over is looked for, and how long after a failure.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const AFTER_FAILURE: Duration = Duration::from_secs(60);

impl Ledger {
    /// The thread.
    pub(super) fn archive(self: &Arc<Self>) -> std::io::Result<JoinHandle<()>> {
        let ledger = Arc::downgrade(self);
        std::thread::Builder::new().name("ledger-archive".to_owned()).spawn(move || {
            let mut done = None;
            while let Some(ledger) = ledger.upgrade().filter(|ledger| !ledger.closing.load(Ordering::SeqCst)) {
                let mut pause = LOOK_EVERY;
                let written = ledger.journal.written();
                if done != Some(written) && !ledger.watch.is_damaged() && !ledger.journal.is_retiring() {
                    match ledger.close_days(written) {
                        Ok(()) => done = Some(written),
                        Err(_) if ledger.is_closing() => {}
                        Err(error) => {
                            tracing::error!(event = "day_not_sealed", %error, "days that are over cannot be sealed; tried again");
                            pause = AFTER_FAILURE;
                        }
                    }
                }
                drop(ledger);
                std::thread::park_timeout(pause);
            }
        })
    }

    /// Makes the index of every sealed day that has none.
    fn index_days(&self) -> Result<(), ReadError> {
        let folder = &self.journal.shelf().folder;
        let (seals, days) = (Seals::read(folder)?, self.days_on_disk()?);
        for seal in days.into_iter().filter_map(|day| seals.of(day)).filter(|seal| seal.pruned.is_none()) {
            index::make(self, folder, seal, || !self.is_closing())?;
        }
        Ok(())
    }

    /// Seals every day before the one that is written, and removes those whose time is over.
    fn close_days(&self, written: Day) -> Result<(), ReadError> {
        self.seal_days(written)?;
        let kept = self.retention.load(Ordering::Relaxed);
        let today = LocalTime::of(self.ticker.tick().wall).day;
        let before = Day::from_number(today.number().min(written.number()).saturating_sub(kept));
        let removed = self.prune(before)?;
        if let (Some(first), Some(last)) = (removed.first(), removed.last()) {
            tracing::info!(event = "records_pruned", %first, %last, "records whose time is over are removed");
        }
        self.index_days()
    }

    /// Whether the records of closed days are what was sealed. Reads them all, and changes nothing.
    pub fn check_seals(&self, head: Option<&str>) -> Result<Checked, ReadError> {
        check(&self.journal.shelf().folder, head)
    }

    /// Days that are over and not sealed.
    pub fn unsealed(&self) -> u64 {
        self.unsealed.load(Ordering::Relaxed)
    }

    /// Seals every day before one that has no seal yet.
    pub(super) fn seal_days(&self, before: Day) -> Result<(), ReadError> {
        let folder = &self.journal.shelf().folder;
        let mut seals = Seals::read(folder)?;
        let last = seals.all.iter().map(|seal| seal.day).max();
        let open = |day: Day| day < before && last.is_none_or(|last| day > last);
        let days: Vec<Day> = self.days_on_disk()?.into_iter().filter(|day| open(*day)).collect();
        self.unsealed.store(days.len() as u64, Ordering::Relaxed);
        if let Some(line) = seals.broken {
            tracing::error!(
                event = "seals_broken",
                line,
                "`seals` is not what was written; no day is sealed behind it"
            );
            return Ok(());
        }
        for day in days {
            let hashing = seal::of(self, day, || !self.is_closing())?;
            let (seal, marks) = hashing.seal(day, &self.journal.names_of(day)?, seals.head());
            let (rows, head) = (seal.rows, seal.head());
            seals.append(folder, seal, Some(&marks))?;
            self.unsealed.fetch_sub(1, Ordering::Relaxed);
            tracing::info!(event = "day_sealed", %day, rows, head, "the day's records are sealed");
        }
        Ok(())
    }
}
