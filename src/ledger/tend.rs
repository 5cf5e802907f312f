//! The ledger's own threads: one writes, one files, one keeps house once a second, one watches the disk.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::domain::{Day, LocalTime, Moment};

use super::Ledger;
use super::shared::Shared;

impl Ledger {
    /// Starts the journal's writer thread and the housekeeping beside it; with a shared ledger, within a runtime, what
    /// keeps the connection.
    pub fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let journal = Arc::clone(&self.journal);
        let writer =
            std::thread::Builder::new().name("ledger-writer".to_owned()).spawn(move || journal.run_writer())?;
        let journal = Arc::clone(&self.journal);
        let filer = std::thread::Builder::new().name("ledger-filer".to_owned()).spawn(move || journal.run_filer())?;
        let ledger = Arc::downgrade(self);
        let keeper = std::thread::Builder::new().name("ledger-keeper".to_owned()).spawn(move || {
            while let Some(ledger) = ledger.upgrade().filter(|ledger| !ledger.closing.load(Ordering::SeqCst)) {
                ledger.keep();
                drop(ledger);
                std::thread::park_timeout(std::time::Duration::from_secs(1));
            }
        })?;
        *self.threads.lock() = vec![writer, filer, keeper, self.watch_the_disk()?, self.archive()?];
        if self.shared.is_some() {
            tokio::spawn(Shared::run(Arc::downgrade(self)));
            tokio::spawn(Shared::carry(Arc::downgrade(self)));
        }
        Ok(())
    }

    /// Writes what is pending and stops the ledger's threads.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.journal.close();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            thread.thread().unpark();
            let _ = thread.join(); // the writer ends once it has written what was left
        }
        let _ = self.journal.file_rows(); // or the next start does
    }

    /// Once a second, away from the path of the messages: today's and tomorrow's book
    /// stand ready, yesterday's goes an hour after midnight, the log is folded into its file.
    pub(super) fn keep(&self) {
        let tick = self.ticker.tick();
        let now = LocalTime::of(tick.wall);
        let believed = self.ticker.watch().believes(tick); // or days are neither opened nor forgotten
        if believed {
            self.turn_day(now.day);
        }
        if believed && now.second > 86_400 - 600 {
            self.turn_day(now.day.next());
        }
        let oldest = LocalTime::of(Moment::from_ms(tick.wall.ms() - 3_600_000)).day;
        let before = self.days.load_full(); // dropped here and not by a session that happens to look
        if believed && before.iter().any(|(day, _)| *day < oldest) {
            self.floor.fetch_max(oldest.number(), Ordering::SeqCst);
            self.days.rcu(|days| days.iter().filter(|(day, _)| *day >= oldest).cloned().collect::<Vec<_>>());
            // As long as a start would list them.
            let listed_from = Day::from_number(now.day.number().saturating_sub(self.reach()));
            self.unknown.lock().forget_before(listed_from);
        }
        self.spreads.real.sweep(tick.steady_ms, 86_400_000);
        self.spreads.observed.sweep(tick.steady_ms, 86_400_000);
        self.parts.sweep(tick.steady_ms);
        if believed {
            self.waiting.sweep(tick.wall);
        }
        self.guard(now.day);
        if !self.journal.is_trusted() {
            self.journal.probe();
        }
        if believed {
            let _ = self.journal.keep(now); // tried again next second
        }
        drop(before);
    }
}
