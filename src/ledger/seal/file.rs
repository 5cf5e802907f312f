//! The file of seals, and the marks beside it.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::{Day, Moment, hex};

use super::{NOTHING, Seal};

/// The seals of a folder.
#[derive(Clone, Debug, Default)]
pub(in crate::ledger) struct Seals {
    /// In the order in which they were written. A day that was pruned is there twice.
    pub(in crate::ledger) all: Vec<Seal>,
    /// What cannot be read: the line, from 1. What stands behind it is not read.
    pub(in crate::ledger) broken: Option<usize>,
    /// Octets of whole lines.
    length: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    day: String,
    first_row: i64,
    rows: u64,
    names: String,
    content: String,
    marks: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pruned: Option<i64>,
    before: String,
    hash: String,
}

fn path(folder: &Path) -> PathBuf {
    folder.join("seals")
}

/// Where a day's marks lie.
pub(super) fn marks(folder: &Path, day: Day) -> PathBuf {
    folder.join(format!("seal-{day}.rows"))
}

impl Seals {
    /// Reads a folder's. A line without its end was never written whole, and its day is not sealed.
    pub(in crate::ledger) fn read(folder: &Path) -> io::Result<Self> {
        let text = match std::fs::read(path(folder)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let mut seals = Self::default();
        for (index, line) in text.split_inclusive(|octet| *octet == b'\n').enumerate() {
            if !line.ends_with(b"\n") {
                break;
            }
            let read = serde_json::from_slice::<Line>(line).ok().and_then(|line| line.seal());
            let Some(seal) = read.filter(|seal| seal.before == seals.head()) else {
                seals.broken = Some(index + 1);
                break;
            };
            seals.length += line.len() as u64;
            seals.all.push(seal);
        }
        Ok(seals)
    }

    /// The hash of the last line.
    pub(in crate::ledger) fn head(&self) -> [u8; 32] {
        self.all.last().map_or(NOTHING, Seal::hash)
    }

    /// A day's seal, the last that says something of it.
    pub(in crate::ledger) fn of(&self, day: Day) -> Option<&Seal> {
        self.all.iter().rev().find(|seal| seal.day == day)
    }

    /// Appends a seal; its marks are on the disk before it is.
    pub(in crate::ledger) fn append(&mut self, folder: &Path, seal: Seal, own: Option<&[u8]>) -> io::Result<()> {
        if let Some(own) = own {
            let mut file = File::create(marks(folder, seal.day))?;
            file.write_all(own)?;
            file.sync_all()?;
        }
        let mut line = serde_json::to_vec(&Line::of(&seal))?;
        line.push(b'\n');
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path(folder))?;
        file.set_len(self.length)?;
        file.seek(SeekFrom::Start(self.length))?;
        file.write_all(&line)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        self.length += line.len() as u64;
        self.all.push(seal);
        Ok(())
    }

    /// A day's files are gone because their time is over.
    pub(in crate::ledger) fn prune(&mut self, folder: &Path, day: Day, at: Moment) -> io::Result<()> {
        let Some(seal) = self.of(day).filter(|seal| seal.pruned.is_none()) else { return Ok(()) };
        let seal = Seal { pruned: Some(at), before: self.head(), ..seal.clone() };
        self.append(folder, seal, None)
    }
}

/// Removes a day's marks.
pub(in crate::ledger) fn remove_marks(folder: &Path, day: Day) -> io::Result<()> {
    match std::fs::remove_file(marks(folder, day)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Copies the seals and all marks into another folder.
pub(in crate::ledger) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let seals = Seals::read(from)?;
    for seal in &seals.all {
        let own = marks(from, seal.day);
        if own.exists() {
            std::fs::copy(&own, marks(to, seal.day))?;
        }
    }
    if path(from).exists() {
        std::fs::copy(path(from), path(to))?;
    }
    Ok(())
}

impl Line {
    fn of(seal: &Seal) -> Self {
        Self {
            day: seal.day.to_string(),
            first_row: seal.first_row,
            rows: seal.rows,
            names: hex(&seal.names),
            content: hex(&seal.content),
            marks: hex(&seal.marks),
            pruned: seal.pruned.map(Moment::ms),
            before: hex(&seal.before),
            hash: seal.head(),
        }
    }

    /// What it says, if its hash is its own.
    fn seal(&self) -> Option<Seal> {
        let seal = Seal {
            day: Day::parse(&self.day)?,
            first_row: self.first_row,
            rows: self.rows,
            names: unhex(&self.names)?,
            content: unhex(&self.content)?,
            marks: unhex(&self.marks)?,
            before: unhex(&self.before)?,
            pruned: self.pruned.map(Moment::from_ms),
        };
        (seal.head() == self.hash).then_some(seal)
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut octets = [0; 32];
    for (octet, pair) in octets.iter_mut().zip(text.as_bytes().chunks(2)) {
        *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(octets)
}
