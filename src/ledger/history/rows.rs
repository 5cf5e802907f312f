//! Where rows are read from: the journal of the gateway that writes it, or a folder that nobody writes.

use std::path::Path;
use std::sync::Arc;

use crate::domain::Day;
use crate::ledger::Ledger;
use crate::ledger::disk::RealDisk;
use crate::ledger::journal::Durability;
use crate::ledger::names::Names;
use crate::ledger::tail;
use crate::ledger::volume::{Logs, ReadError, Row, Shelf, VolumeId};

use super::join::{self, Span};
use super::{Attempt, trace};
use crate::domain::Msisdn;

/// The rows of a journal.
pub(in crate::ledger) trait Rows {
    /// Days that have files, in order.
    fn days(&self) -> Result<Vec<Day>, ReadError>;
    /// Where they lie.
    fn folder(&self) -> &Path;
    /// Reads some rows of a day that is over, by their numbers.
    fn pick(&self, day: Day, numbers: &[i64], each: &mut dyn FnMut(Row)) -> Result<(), ReadError>;
    /// Names of accounts and units.
    fn names(&self) -> Result<Names, ReadError>;
    /// Reads a day's rows behind one, in the order of the commits.
    fn read(&self, day: Day, behind: i64, each: &mut dyn FnMut(&Row) -> Result<(), ReadError>)
    -> Result<(), ReadError>;
}

/// A ledger's folder, or a copy of one, that no gateway has open.
#[derive(Debug)]
pub struct Archive {
    shelf: Shelf,
}

impl Archive {
    /// The journal in a folder.
    pub fn open(folder: &Path) -> Self {
        let (folder, disk) = (folder.to_owned(), Arc::new(RealDisk));
        Self { shelf: Shelf { folder, durability: Durability::Power, disk, log_size_max: u64::MAX } }
    }

    /// Hands over every message of the span.
    pub fn attempts(&self, span: Span, mut each: impl FnMut(Attempt)) -> Result<(), ReadError> {
        join::attempts(self, span, &mut each)
    }

    /// Every message to a subscriber that was received on these days, the oldest first.
    pub fn trace(&self, number: Msisdn, span: Span) -> Result<Vec<Attempt>, ReadError> {
        trace::trace(self, number, span)
    }

    fn volumes(&self, day: Day) -> Result<Vec<VolumeId>, ReadError> {
        let all = VolumeId::all(&self.shelf.folder)?;
        Ok(all.into_iter().filter(|id| id.day == day).collect())
    }
}

impl Ledger {
    /// Hands over every message of the span, while the gateway goes on.
    pub fn attempts(&self, span: Span, mut each: impl FnMut(Attempt)) -> Result<(), ReadError> {
        join::attempts(self, span, &mut each)
    }

    /// Every message to a subscriber that was received on these days, the oldest first.
    pub fn trace(&self, number: Msisdn, span: Span) -> Result<Vec<Attempt>, ReadError> {
        trace::trace(self, number, span)
    }
}

impl Rows for Archive {
    fn folder(&self) -> &Path {
        &self.shelf.folder
    }

    fn pick(&self, day: Day, numbers: &[i64], each: &mut dyn FnMut(Row)) -> Result<(), ReadError> {
        self.shelf.pick(day, &self.volumes(day)?, numbers, each)
    }

    fn days(&self) -> Result<Vec<Day>, ReadError> {
        let mut days: Vec<Day> = VolumeId::all(&self.shelf.folder)?.into_iter().map(|id| id.day).collect();
        days.dedup();
        Ok(days)
    }

    fn names(&self) -> Result<Names, ReadError> {
        let mut names = Names::default();
        for day in self.days()? {
            self.shelf.names(day, &self.volumes(day)?, &mut names)?;
        }
        Ok(names)
    }

    fn read(
        &self,
        day: Day,
        behind: i64,
        each: &mut dyn FnMut(&Row) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let volumes = self.volumes(day)?;
        let mut last = behind;
        self.shelf.read_behind(day, &volumes, behind, &mut Names::default(), Logs::Left, |row| {
            last = row.number;
            each(&row)
        })?;
        // A process that ended may have left some that are in no volume.
        let unfiled = tail::read(&self.shelf.folder)?.into_iter();
        unfiled.filter(|entry| entry.day == day && entry.row.number > last).try_for_each(|entry| each(&entry.row))
    }
}

impl Rows for Ledger {
    fn folder(&self) -> &Path {
        &self.journal.shelf().folder
    }

    fn pick(&self, day: Day, numbers: &[i64], each: &mut dyn FnMut(Row)) -> Result<(), ReadError> {
        let all = VolumeId::all(&self.journal.shelf().folder)?;
        let volumes: Vec<VolumeId> = all.into_iter().filter(|id| id.day == day).collect();
        self.journal.shelf().pick(day, &volumes, numbers, each)
    }

    fn days(&self) -> Result<Vec<Day>, ReadError> {
        Ok(self.days_on_disk()?)
    }

    fn names(&self) -> Result<Names, ReadError> {
        Ok(self.journal.names())
    }

    fn read(
        &self,
        day: Day,
        behind: i64,
        each: &mut dyn FnMut(&Row) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let last = self.journal.last_row();
        self.journal.read_behind(day, behind, last, &mut |row| each(&row))
    }
}
