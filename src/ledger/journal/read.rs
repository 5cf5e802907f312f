//! Reading the journal while it is written.

use crate::domain::Day;

use super::super::names::Names;
use super::super::volume::{Logs, ReadError, Row, Volume, VolumeId};
use super::Journal;

/// Rows that are read at once while others are filed.
const ROWS_AT_ONCE: i64 = 32;

impl Journal {
    /// Reads a day up to a row, in the order of the commits, while commits go on: a few rows at a time are read
    /// through the connection that files rows, for no other can, and last those that are in the tail alone.
    pub(in crate::ledger) fn read(
        &self,
        day: Day,
        last: i64,
        each: &mut dyn FnMut(Row) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        self.read_behind(day, i64::MIN, last, each)
    }

    /// Reads those behind a row.
    pub(in crate::ledger) fn read_behind(
        &self,
        day: Day,
        behind: i64,
        last: i64,
        each: &mut dyn FnMut(Row) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let unfiled = self.unfiled(day, behind, last); // first: what is filed meanwhile is not read twice
        let last = unfiled.first().map_or(last, |row| row.number - 1);
        let mut after = (behind > i64::MIN).then_some(behind);
        while let Some(rows) = self.read_some(day, after, last)? {
            let behind = after.map_or(i64::MIN, |after| after + ROWS_AT_ONCE);
            after = Some(rows.last().map_or(behind, |row| row.number));
            rows.into_iter().try_for_each(&mut *each)?;
        }
        // Volumes that nothing holds: those of days that are over, and what had no turn in this life.
        let held = self.held(day);
        let volumes = VolumeId::all(&self.shelf.folder)?;
        let closed: Vec<_> = volumes.into_iter().filter(|id| id.day == day && !held.contains(id)).collect();
        let logs = if self.sealed { Logs::Left } else { Logs::Folded };
        self.shelf.read_behind(day, &closed, behind, &mut Names::default(), logs, |row| {
            let new = row.number <= last && after.is_none_or(|after| row.number > after);
            if new { each(row) } else { Ok(()) }
        })?;
        unfiled.into_iter().try_for_each(each)
    }

    /// Names of accounts and units, as the files of a day that is over have them.
    pub(in crate::ledger) fn names_of(&self, day: Day) -> Result<Names, ReadError> {
        let volumes: Vec<_> = VolumeId::all(&self.shelf.folder)?.into_iter().filter(|id| id.day == day).collect();
        let mut names = Names::default();
        self.shelf.names(day, &volumes, &mut names)?;
        Ok(names)
    }

    /// The day's next rows in volumes that are open; `None` when there are no more.
    fn read_some(&self, day: Day, after: Option<i64>, last: i64) -> Result<Option<Vec<Row>>, ReadError> {
        let resting = self.resting.lock();
        let volume = self.volume.lock();
        let tomorrow = self.tomorrow.lock();
        let held = [Some(&*volume), resting.as_ref(), tomorrow.volume.as_ref()];
        let held: Vec<_> = held.into_iter().flatten().filter(|volume| volume.id().day == day).collect();
        let first: Vec<_> = held.iter().map(|volume| volume.first_row()).collect::<rusqlite::Result<_>>()?;
        let begin = first.into_iter().flatten().min().map_or(last, |first| first - 1);
        let from = after.map_or(begin, |after| after.max(begin));
        if from >= last || held.is_empty() {
            return Ok(None);
        }
        let mut rows = Vec::new();
        for volume in held {
            rows.extend(volume.rows(from, last.min(from + ROWS_AT_ONCE))?);
        }
        rows.sort_unstable_by_key(|row| row.number);
        Ok(Some(rows))
    }

    /// The day's volumes that are open.
    fn held(&self, day: Day) -> Vec<VolumeId> {
        let resting = self.resting.lock();
        let volume = self.volume.lock();
        let tomorrow = self.tomorrow.lock();
        let held = [Some(&*volume), resting.as_ref(), tomorrow.volume.as_ref()];
        held.into_iter().flatten().map(Volume::id).filter(|id| id.day == day).collect()
    }
}
