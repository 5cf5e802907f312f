//! What the keeper does once a second, beside the path of the messages.

use std::sync::atomic::Ordering;

use crate::domain::{Day, LocalTime};

use super::super::tail::Tail;
use super::super::volume::VolumeId;
use super::{Durability, Journal};

impl Journal {
    /// Once a second, away from the path of the messages: folds what is no longer written, lets the
    /// volumes take turns when the log has grown, and lays out tomorrow's before midnight.
    /// What fails here is tried again; a log only grows meanwhile.
    pub(in crate::ledger) fn keep(&self, now: LocalTime) -> rusqlite::Result<()> {
        if self.sealed {
            return Ok(());
        }
        self.lay_out_tomorrow(now)?;
        self.take_turns()?;
        self.folding.store(true, Ordering::SeqCst);
        let retired = std::mem::take(&mut *self.retired.lock());
        let folded = retired.into_iter().try_for_each(|volume| volume.fold()); // what fails is folded when it is read or closed
        self.folding.store(false, Ordering::SeqCst);
        folded
    }

    /// The day that is written.
    pub(in crate::ledger) fn written(&self) -> Day {
        self.file.lock().day
    }

    /// Whether a volume of a day that is over is still to be folded.
    pub(in crate::ledger) fn is_retiring(&self) -> bool {
        let resting = self.resting.lock();
        let written = self.volume.lock().id().day;
        let own = resting.as_ref().is_some_and(|volume| volume.id().day != written);
        own || !self.retired.lock().is_empty() || self.folding.load(Ordering::SeqCst)
    }

    /// Days before this one matter to no start any more.
    pub(in crate::ledger) fn forget_before(&self, day: Day) {
        self.head.forget_before(day);
    }

    /// Makes the head anew if somebody has removed it. Tells whether that was so.
    pub(in crate::ledger) fn keep_head(&self) -> bool {
        !self.sealed && self.head.renew_if_gone(&self.shelf.folder).unwrap_or(false) // tried again next second
    }

    /// The same for the tail: what stands in it is in memory too.
    pub(in crate::ledger) fn keep_tail(&self) -> bool {
        let mut file = self.file.lock();
        let Some(tail) = &mut file.tail else { return false };
        if tail.is_there(&self.shelf.folder) {
            return false;
        }
        let renewed = self.file_all(tail).and_then(|()| Tail::anew(&self.shelf));
        renewed.map(|anew| *tail = anew).is_ok() // tried again next second
    }

    fn lay_out_tomorrow(&self, now: LocalTime) -> rusqlite::Result<()> {
        let day = now.day.next();
        if now.second <= 86_400 - 600 {
            return Ok(());
        }
        let names = self.names();
        let mut tomorrow = self.tomorrow.lock();
        let there = tomorrow.volume.as_ref().is_some_and(|volume| volume.id().day == day);
        if !there && tomorrow.written < day {
            let volume = self.shelf.open(VolumeId::first(day), &names)?;
            self.head.lists(volume.id(), volume.inode());
            tomorrow.volume = Some(volume);
        }
        Ok(())
    }

    fn take_turns(&self) -> rusqlite::Result<()> {
        let mut resting = self.resting.lock();
        let (id, names, full) = {
            let (file, volume) = (self.file.lock(), self.volume.lock());
            (volume.id().other(), file.names.clone(), volume.log_size() >= self.shelf.log_size_max)
        };
        if resting.as_ref().is_some_and(|volume| volume.id() != id) {
            self.retired.lock().extend(resting.take()); // of a day that is over
        }
        if !full {
            return Ok(());
        }
        let next = match &mut *resting {
            Some(next) => next,
            none => none.insert(self.shelf.open(id, &names)?),
        };
        self.head.lists(id, next.inode());
        if !next.knows(&names) {
            next.write_names(&names)?;
        }
        let log = self.volume.lock().log_file();
        self.sync_log(&log)?; // most of it, without the lock, so that the second time takes no time
        let (file, mut volume) = (self.file.lock(), self.volume.lock());
        if volume.id() != id.other() {
            return Ok(()); // midnight has come between
        }
        self.sync_log(&volume.log_file())?;
        self.head.synced(self.filed());
        if !next.knows(&file.names) {
            next.write_names(&file.names)?; // some were given meanwhile
        }
        std::mem::swap(&mut *volume, next);
        drop((file, volume));
        self.watched.lock().forget(next.id());
        next.fold()
    }

    /// Before rows go to another volume, those of this one are on the disk: after a loss of power the end of the
    /// journal may be missing (`process`), and nothing before it.
    pub(super) fn sync_log(&self, log: &std::path::Path) -> rusqlite::Result<()> {
        if self.shelf.durability == Durability::Power {
            return Ok(()); // every commit was synced
        }
        let synced = std::fs::File::open(log).and_then(|log| log.sync_data());
        synced.map_err(|error| {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
            rusqlite::Error::SqliteFailure(code, Some(error.to_string()))
        })
    }
}
