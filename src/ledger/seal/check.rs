//! Are the records what was sealed? Reads every closed day, changes nothing, and names what is wrong.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::domain::Day;
use crate::ledger::disk::RealDisk;
use crate::ledger::journal::Durability;
use crate::ledger::names::Names;
use crate::ledger::volume::inspect::Found;
use crate::ledger::volume::{ReadError, Row, Shelf, VolumeId};

use super::file::{Seals, marks};
use super::{Hashing, MARK, Seal, hash_of, hash_of_names};

/// Something that is not as it was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The journal's day; `None` of the seals themselves.
    pub day: Option<Day>,
    /// The row, where one can be named.
    pub row: Option<i64>,
    /// What is wrong, in words.
    pub what: String,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Sealed days whose rows were read.
    pub days: usize,
    /// Sealed days whose files were removed because their time was over.
    pub pruned: usize,
    /// Rows read.
    pub rows: u64,
    /// The last seal's hash, 64 hexadecimal digits; empty when nothing is sealed.
    pub head: String,
    /// Days with files that are not sealed yet.
    pub open: Vec<Day>,
    /// What is wrong; empty when all is well.
    pub problems: Vec<Problem>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.day, self.row) {
            (Some(day), Some(row)) => write!(f, "{day}, row {row}: {}", self.what),
            (Some(day), None) => write!(f, "{day}: {}", self.what),
            (None, _) => f.write_str(&self.what),
        }
    }
}

/// Checks a ledger's folder, or a copy of one. With a head that was kept elsewhere, tells whether a seal has it.
pub fn check(folder: &Path, head: Option<&str>) -> Result<Checked, ReadError> {
    let (own, disk) = (folder.to_owned(), Arc::new(RealDisk));
    let shelf = Shelf { folder: own, durability: Durability::Power, disk, log_size_max: u64::MAX };
    let seals = Seals::read(folder)?;
    let mut checked = Checked { head: seals.all.last().map(Seal::head).unwrap_or_default(), ..Checked::default() };
    if let Some(line) = seals.broken {
        let what = format!("line {line} of `seals` is not what was written behind the line before");
        checked.problems.push(Problem { day: None, row: None, what });
    }
    if let Some(head) = head.filter(|head| !seals.all.iter().any(|seal| seal.head().eq_ignore_ascii_case(head))) {
        let what = format!("no seal has the hash {head}: lines of `seals` are missing, or all were written anew");
        checked.problems.push(Problem { day: None, row: None, what });
    }
    let all = VolumeId::all(folder)?;
    for seal in seals.all.iter().filter(|seal| seal.pruned.is_none()) {
        let volumes: Vec<VolumeId> = all.iter().copied().filter(|id| id.day == seal.day).collect();
        let pruned = seals.of(seal.day).is_some_and(|last| last.pruned.is_some());
        if pruned {
            checked.pruned += 1; // what is left of its files is about to go
        } else if volumes.is_empty() {
            checked.problems.push(Problem {
                day: Some(seal.day),
                row: None,
                what: "its files are not there".to_owned(),
            });
        } else {
            DayCheck::of(&shelf, seal).run(&shelf, &volumes, &mut checked)?;
        }
    }
    let sealed: BTreeSet<Day> = seals.all.iter().map(|seal| seal.day).collect();
    for day in all.iter().map(|id| id.day).collect::<BTreeSet<_>>().difference(&sealed) {
        if sealed.last().is_some_and(|last| day < last) {
            let what = "it has no seal, though a later day has one".to_owned();
            checked.problems.push(Problem { day: Some(*day), row: None, what });
        } else {
            checked.open.push(*day);
        }
    }
    Ok(checked)
}

/// One day.
struct DayCheck<'a> {
    seal: &'a Seal,
    marks: Option<Vec<u8>>,
    /// The first row that is still to come.
    next: i64,
    last: Option<i64>,
    rows: u64,
    hashing: Hashing,
    found: Vec<(Option<i64>, String)>,
    /// Which row each mark is of; made when a row is not what it was.
    places: Option<HashMap<[u8; MARK], i64>>,
}

impl<'a> DayCheck<'a> {
    fn of(shelf: &Shelf, seal: &'a Seal) -> Self {
        let read = std::fs::read(marks(&shelf.folder, seal.day)).ok();
        let marks = read.filter(|read| <[u8; 32]>::from(Sha256::digest(read)) == seal.marks);
        let found = Vec::new();
        let next = seal.first_row;
        Self { seal, marks, next, last: None, rows: 0, hashing: Hashing::new(), found, places: None }
    }

    fn run(mut self, files: &Shelf, volumes: &[VolumeId], checked: &mut Checked) -> Result<(), ReadError> {
        let mut names = Names::default();
        files.inspect(self.seal.day, volumes, &mut names, |found| match found {
            Found::Row(row) => self.row(row),
            Found::Changed(number) => {
                self.comes(number);
                self.found.push((Some(number), "is changed: its checksum is not its own".to_owned()));
            }
            Found::Unreadable(why) => self.found.push((None, format!("a file of it cannot be read on: {why}"))),
        })?;
        checked.days += 1;
        checked.rows += self.rows;
        self.missing(self.end());
        if hash_of_names(&names) != self.seal.names {
            self.found.push((None, "names of accounts or units are changed".to_owned()));
        }
        if self.marks.is_none() {
            self.found.push((None, "the marks of its rows are changed or missing".to_owned()));
        }
        let whole = self.hashing.rows == self.seal.rows && self.hashing.content == self.seal.content;
        if !whole && !self.found.iter().any(|(row, _)| row.is_some()) {
            self.found.push((None, "its rows are not those that were sealed; no mark tells which".to_owned()));
        }
        let day = Some(self.seal.day);
        checked.problems.extend(self.found.into_iter().map(|(row, what)| Problem { day, row, what }));
        Ok(())
    }

    fn row(&mut self, row: &Row) {
        let (number, hash) = (row.number, hash_of(row));
        self.hashing.row(row);
        if !self.comes(number) {
            return self.found.push((Some(number), "is there twice".to_owned()));
        }
        let Some(own) = self.mark(number) else {
            if !self.holds(number) {
                self.found.push((Some(number), "was not there when the day was sealed".to_owned()));
            }
            return;
        };
        if own == hash[..MARK] {
            return;
        }
        let what = match hash.first_chunk().and_then(|mark| self.place(*mark)) {
            Some(place) => format!("holds what row {place} held: the order is changed"),
            None => "is changed".to_owned(),
        };
        self.found.push((Some(number), what));
    }

    /// Whether the day had that row.
    fn holds(&self, number: i64) -> bool {
        let index = number.checked_sub(self.seal.first_row).and_then(|index| u64::try_from(index).ok());
        index.is_some_and(|index| index < self.seal.rows)
    }

    fn mark(&self, number: i64) -> Option<[u8; MARK]> {
        let index = usize::try_from(number.checked_sub(self.seal.first_row)?).ok()?;
        self.marks.as_ref()?.as_chunks().0.get(index).copied()
    }

    fn place(&mut self, mark: [u8; MARK]) -> Option<i64> {
        let (first, marks) = (self.seal.first_row, self.marks.as_ref()?);
        let places = self.places.get_or_insert_with(|| marks.as_chunks().0.iter().copied().zip(first..).collect());
        places.get(&mark).copied()
    }

    /// Behind the last row of the day.
    const fn end(&self) -> i64 {
        self.seal.first_row.saturating_add_unsigned(self.seal.rows)
    }

    /// A row of that number comes; rows come in their order. `false` if it has come before.
    fn comes(&mut self, number: i64) -> bool {
        self.rows += 1;
        if self.last.replace(number) == Some(number) {
            return false;
        }
        self.missing(number.min(self.end()));
        self.next = self.next.max(number.saturating_add(1));
        true
    }

    /// Rows before one that have not come.
    fn missing(&mut self, before: i64) {
        let what = match before.saturating_sub(self.next) {
            ..=0 => return,
            1 => "is missing".to_owned(),
            _ => format!("is missing, and all up to row {}", before - 1),
        };
        self.found.push((Some(self.next), what));
        self.next = before;
    }
}
