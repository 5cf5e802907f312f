//! A start looks at the files before it believes them: is every row there that was written,
//! in the files in which it was written? Nothing is changed by the look.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::domain::{Day, LocalTime, Tick};
use crate::policy::switches::Switches;

use super::damage::{self, Damage, DamageKind};
use super::head::{self, Found, Head, HeadFile};
use super::journal::Durability;
use super::names::Names;
use super::reach::Reach;
use super::recovery::{self, FirstReading, Replay};
use super::tail::{self, Tail};
use super::volume::{ReadError, Row, Shelf, VolumeId};

/// What a start has found.
pub(super) enum Survey<'a> {
    /// All that was written, and where its end is noted from now on.
    Whole(Box<Whole<'a>>),
    /// Something else.
    Damaged(Damage),
}

/// A journal that can be believed.
pub(super) struct Whole<'a> {
    pub(super) replay: Replay<'a>,
    pub(super) head: HeadFile,
    pub(super) tail: Tail,
    /// Damage that an operator has accepted.
    pub(super) accepted: Option<Damage>,
    /// Rows that went with the power under `durability = "process"`.
    pub(super) rows_lost: u64,
}

/// One look.
struct Look<'a> {
    shelf: &'a Shelf,
    today: Day,
    reach: u16,
    volumes: Vec<VolumeId>,
}

/// How far back a start has to read, and what is wrong with that file.
pub(super) fn reach(folder: &Path) -> Result<(Reach, Option<Damage>), ReadError> {
    match Reach::read(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            let damage = Damage::new(DamageKind::Unreadable, "`reach` is damaged".to_owned());
            Ok((Reach::nothing(folder), Some(damage)))
        }
        read => Ok((read?, None)),
    }
}

/// Looks, and replays what can be believed. `broken` is damage that is known already.
pub(super) fn survey<'a>(
    shelf: &Shelf,
    switches: &'a Switches,
    reach: u16,
    tick: Tick,
    broken: Option<Damage>,
) -> Result<Survey<'a>, ReadError> {
    let (folder, today) = (&shelf.folder, LocalTime::of(tick.wall).day);
    let mut look = Look { shelf, today, reach, volumes: VolumeId::all(folder)? };
    let found = head::read(folder)?;
    let eager = shelf.durability == Durability::Power;
    if look.volumes.is_empty() && !matches!(found, Found::Head(..)) {
        // The head is on the disk before the first volume is: without one there never was any.
        let head = HeadFile::open(folder, &Found::Nothing, eager)?;
        let tail = Tail::open(shelf)?;
        let replay = recovery::replay(shelf, switches, tick, &look.volumes, reach, FirstReading::new(today))?;
        return Ok(Survey::Whole(Box::new(Whole { replay, head, tail, accepted: None, rows_lost: 0 })));
    }
    let first = recovery::first_reading(shelf, &look.volumes, today, look.reach);
    let mut accepted = None;
    let judged = broken.map_or_else(|| look.judge(first, &found), |damage| Ok(Err(damage)));
    let (mut first, rows_lost) = match judged? {
        Ok(whole) => whole,
        Err(damage) if damage::is_accepted(folder, &damage.code()) => {
            let first = look.mend(&damage)?;
            accepted = Some(damage);
            (first, 0)
        }
        Err(damage) => return Ok(Survey::Damaged(damage)),
    };
    let head = HeadFile::open(folder, &found, eager)?;
    let next_id = if let Found::Head(head, _) = &found { head.next_id } else { 0 };
    shelf.file(&std::mem::take(&mut first.unfiled), &first.names)?;
    let tail = Tail::open(shelf)?; // empty: all that is read from here on is in the volumes
    look.volumes = VolumeId::all(folder)?;
    let (days, volumes) = (first.days(), look.listed()?);
    let mut replay = recovery::replay(shelf, switches, tick, &look.volumes, reach, first)?;
    replay.next_id = replay.next_id.max(next_id); // an id that was lost must not name another message
    head.set(replay.last_row, replay.next_id, days, volumes);
    Ok(Survey::Whole(Box::new(Whole { replay, head, tail, accepted, rows_lost })))
}

type Judged = Result<(FirstReading, u64), Damage>;

impl Look<'_> {
    /// Whether what was read is what was written.
    fn judge(&self, first: Result<FirstReading, ReadError>, found: &Found) -> Result<Judged, ReadError> {
        let files = if let Found::Head(head, _) = found { self.files(head) } else { None };
        if let Some((DamageKind::FileMissing, what)) = files {
            return Ok(Err(Damage::new(DamageKind::FileMissing, what))); // before the gap that it leaves
        }
        let first = match first {
            Ok(first) => first,
            Err(error) => return Damage::of(&error).map(Err).ok_or(error),
        };
        let copied = |what: &str| {
            let newest = first.newest.map_or_else(|| "no time".to_owned(), |at| at.to_string());
            let what = format!("{what}; the last row read is {} of {newest}", first.last_row);
            Ok(Err(Damage::new(DamageKind::Copied, what)))
        };
        let head = match found {
            Found::Head(head, own) if head.own == *own => head,
            Found::Head(..) => return copied("`head` is a copy"),
            Found::Nothing => return copied("there are journals and no `head`"),
            Found::Damaged => return Ok(Err(Damage::new(DamageKind::Unreadable, "`head` is damaged".to_owned()))),
        };
        if let Some((_, what)) = files {
            return copied(&what);
        }
        let lost = u64::try_from(head.row - first.last_row).unwrap_or_default();
        if !self.is_of_use(head) {
            return Ok(Ok((first, 0)));
        }
        if let Some(damage) = self.begins(head, &first) {
            return Ok(Err(damage));
        }
        let with_the_power = self.shelf.durability == Durability::Process
            && first.last_row >= head.synced
            && !head.boot.is_empty()
            && head.boot != head::boot();
        if let Some(gap) = first.gap.as_ref().filter(|_| !with_the_power) {
            return Damage::of(gap).map_or(Ok(Ok((first, lost))), |damage| Ok(Err(damage)));
        }
        if lost > 0 && !with_the_power {
            let what = format!("rows {} to {} are missing at the end", first.last_row + 1, head.row);
            return Ok(Err(Damage::new(DamageKind::RowsMissing, what)));
        }
        if head.names > first.names.len() {
            let what = format!("{} names of accounts and units are missing", head.names - first.names.len());
            return Ok(Err(Damage::new(DamageKind::RowsMissing, what)));
        }
        Ok(Ok((first, lost)))
    }

    /// Every file that still matters is there, and is the one that was written.
    fn files(&self, head: &Head) -> Option<(DamageKind, String)> {
        for (day, number, inode) in head.volumes.iter().filter(|(day, ..)| self.matters(*day)) {
            let path = VolumeId::of(*day, *number).path(&self.shelf.folder);
            match head::inode(&path) {
                Ok(own) if own == *inode => {}
                Ok(_) => return Some((DamageKind::Copied, format!("{} is a copy", name(&path)))),
                Err(_) => return Some((DamageKind::FileMissing, format!("{} is not there", name(&path)))),
            }
        }
        None
    }

    /// Every day begins with the row with which it began.
    fn begins(&self, head: &Head, first: &FirstReading) -> Option<Damage> {
        let days = first.days();
        let wrong = head.days.iter().find(|one| self.matters(one.0) && !days.contains(one))?;
        let (day, row) = (Day::from_number(wrong.0), wrong.1);
        Some(Damage::new(DamageKind::RowsMissing, format!("the journal of {day} does not begin with its row {row}")))
    }

    /// Whether the last row it names belongs to a day that still matters.
    fn is_of_use(&self, head: &Head) -> bool {
        head.days.last().is_some_and(|(day, _)| self.matters(*day)) || head.days.is_empty()
    }

    fn matters(&self, day: u16) -> bool {
        day + self.reach >= self.today.number()
    }

    /// Volumes that matter, under the inodes that they have.
    fn listed(&self) -> Result<Vec<(u16, u8, u64)>, ReadError> {
        let own = self.volumes.iter().filter(|id| self.matters(id.day.number()));
        let listed = own.map(|id| Ok((id.day.number(), id.number, head::inode(&id.path(&self.shelf.folder))?)));
        Ok(listed.collect::<std::io::Result<_>>()?)
    }

    /// Goes on with what there is. If that cannot be read as it is, what can be read is written anew,
    /// the tail's rows with it, and the damaged files are set aside.
    fn mend(&mut self, damage: &Damage) -> Result<FirstReading, ReadError> {
        let read = |look: &Self| recovery::first_reading(look.shelf, &look.volumes, look.today, look.reach);
        match read(self) {
            Ok(first) if first.gap.is_some() => self.write_anew(&damage.code())?,
            Err(error) if Damage::of(&error).is_some() => self.write_anew(&damage.code())?,
            other => return other,
        }
        self.volumes = VolumeId::all(&self.shelf.folder)?;
        read(self)
    }

    fn write_anew(&self, code: &str) -> Result<(), ReadError> {
        let folder = &self.shelf.folder;
        let (aside, anew) = (folder.join(format!("damaged-{code}")), folder.join("salvaged"));
        let _ = std::fs::remove_dir_all(&anew); // of a start that came no further
        std::fs::create_dir(&anew)?;
        std::fs::create_dir_all(&aside)?;
        let mut damaged = vec![tail::path(folder)];
        let there = self.shelf.at(&anew);
        let tail = tail::read(folder)?;
        let days: BTreeSet<Day> = self.volumes.iter().map(|id| id.day).chain(tail.iter().map(|one| one.day)).collect();
        let newest = days.last().copied();
        let (mut names, mut next) = (Names::default(), None);
        for day in days.into_iter().filter(|day| self.matters(day.number()) || Some(*day) == newest) {
            let volumes: Vec<_> = self.volumes.iter().copied().filter(|id| id.day == day).collect();
            let rows = self.shelf.salvage(day, &volumes, &tail, &mut names);
            there.copy(VolumeId::first(day), &names, |write| {
                for row in rows {
                    // Numbers count on over what is lost; ids stay, for settlements name them.
                    let number = next.unwrap_or(row.number);
                    next = Some(number + 1);
                    write(Row { number, ..row })?;
                }
                Ok(())
            })?;
            damaged.extend(volumes.iter().flat_map(|id| super::operate::files(folder, *id)));
        }
        for file in damaged.iter().filter(|file| file.exists()) {
            std::fs::rename(file, aside.join(name(file)))?;
        }
        for entry in std::fs::read_dir(&anew)? {
            let entry = entry?;
            std::fs::rename(entry.path(), folder.join(entry.file_name()))?;
        }
        std::fs::remove_dir(&anew)?;
        Ok(std::fs::File::open(folder)?.sync_all()?)
    }
}

/// A file's name; the folder is no part of what was found.
fn name(path: &Path) -> String {
    path.file_name().map(|name| PathBuf::from(name).display().to_string()).unwrap_or_default()
}
