//! How many days back a start has to read: as many as a message can have been scheduled ahead, under any
//! `schedule.max_ahead_hours` that was in force when a message was taken that may still wait for its day.
//!
//! One small file in the ledger's folder remembers it. Without it, a smaller switch and a restart would forget the slots
//! of messages that were taken under the larger one.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::domain::Day;

const FILE: &str = "reach";

/// A reach and the last day for which a message can have been taken under it; of the one in force, none yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    file: PathBuf,
    in_force: u16,
    former: Vec<(u16, Day)>,
}

impl Reach {
    /// Of a folder that remembers nothing.
    pub(super) fn nothing(folder: &Path) -> Self {
        Self { file: folder.join(FILE), ..Self::default() }
    }

    /// Reads what the folder remembers.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        let mut own = Self::nothing(folder);
        let text = match std::fs::read_to_string(&own.file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(own), // a new folder, or an older one
            Err(error) => return Err(error),
        };
        for line in text.lines() {
            let broken = || io::Error::new(io::ErrorKind::InvalidData, format!("{}: `{line}`", own.file.display()));
            let (days, until) = line.split_once(' ').unwrap_or((line, ""));
            let days = days.parse().map_err(|_| broken())?;
            match until {
                "" => own.in_force = days,
                until => own.former.push((days, Day::parse(until).ok_or_else(broken)?)),
            }
        }
        Ok(own)
    }

    /// The days that matter today under a switch that says so many.
    pub(super) fn days(&self, wanted: u16, today: Day) -> u16 {
        // Until somebody says otherwise, the one in force may have been so until this moment.
        let former = self.former.iter().filter(|(_, until)| *until >= today).map(|(days, _)| *days);
        former.chain([self.in_force, wanted]).max().unwrap_or(wanted)
    }

    /// Another one is in force from today on. On disk when it returns `Ok`.
    pub(super) fn put(&mut self, wanted: u16, today: Day) -> io::Result<()> {
        if self.in_force == wanted {
            return Ok(());
        }
        let mut next = self.clone();
        next.former.retain(|(_, until)| *until >= today);
        if self.in_force > wanted {
            let until = Day::from_number(today.number().saturating_add(self.in_force));
            next.former.push((self.in_force, until));
        }
        next.in_force = wanted;
        next.write()?;
        *self = next;
        Ok(())
    }

    /// Writes it down in another folder, for a copy of the ledger.
    pub(super) fn copy(&self, folder: &Path) -> io::Result<()> {
        Self { file: folder.join(FILE), ..self.clone() }.write()
    }

    fn write(&self) -> io::Result<()> {
        let former = self.former.iter().map(|(days, until)| format!("{days} {until}\n"));
        let text: String = std::iter::once(format!("{}\n", self.in_force)).chain(former).collect();
        let new = self.file.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &self.file)?;
        File::open(self.file.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).expect("a day")
    }

    #[test]
    fn a_larger_reach_matters_until_the_last_day_that_was_taken_under_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut reach = Reach::read(folder.path()).expect("nothing there");
        assert_eq!(reach.days(2, day("2026-11-01")), 2);
        reach.put(4, day("2026-11-01")).expect("written");
        assert_eq!(reach.days(2, day("2026-11-20")), 4, "it was in force until now");
        reach.put(2, day("2026-11-20")).expect("written");
        let mut reach = Reach::read(folder.path()).expect("reads");
        for (today, days) in [("2026-11-20", 4), ("2026-11-24", 4), ("2026-11-25", 2)] {
            assert_eq!(reach.days(2, day(today)), days, "{today}");
        }
        reach.put(31, day("2026-11-25")).expect("written");
        assert_eq!(std::fs::read_to_string(folder.path().join(FILE)).expect("there"), "31\n");
        assert_eq!(Reach::read(folder.path()).expect("reads"), reach);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_and_not_a_guess() {
        let folder = tempfile::tempdir().expect("a folder");
        for text in ["x\n", "2 2026-13-01\n", "2\n\n"] {
            std::fs::write(folder.path().join(FILE), text).expect("written");
            assert!(Reach::read(folder.path()).is_err(), "{text:?}");
        }
    }
}
