//! The file `tail`: the journal's newest rows, before they are in a volume.
//!
//! A commit of SQLite is several writes to files that grow, and a sync of these. So a commit is one write to this
//! file, which never grows: the row and its checksum. Within a moment rows are filed into the volume of
//! their day, many in one transaction and beside the path of the messages.
//!
//! There are two halves. One is written while the rows of the other are filed; a half is written over once all its
//! rows are in a volume, as durable as they were here. So at every instant each row is here or there, and a start
//! finds it.

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::{Day, Moment};

use super::disk::{Act, Disk};
use super::journal::Durability;
use super::volume::{Row, Shelf};

/// Octets of a half: some ten thousand messages, a tenth of a second at the highest rates.
pub(super) const HALF: usize = 512 * 1024;
/// Octets of rows after which they are filed without waiting for the next time.
pub(super) const MANY: usize = HALF / 4;
/// Octets before a row's records: checksum of all that follows, length, number, first id, time, day.
const HEAD: usize = 4 + 4 + 8 + 8 + 8 + 2;

/// A row and the day in whose volume it belongs.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) day: Day,
    pub(super) row: Row,
}

/// A row that is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'a> {
    pub(super) day: Day,
    /// Its place in the order of the commits.
    pub(super) number: i64,
    /// Id of the first reservation.
    pub(super) first_id: u64,
    pub(super) at: Moment,
    /// The packed records.
    pub(super) records: &'a [u8],
}

/// The open file.
#[derive(Debug)]
pub(super) struct Tail {
    file: File,
    inode: u64,
    durability: Durability,
    disk: Arc<dyn Disk>,
    /// Which half is written, and where.
    half: usize,
    at: usize,
    /// The last row in each half.
    last: [i64; 2],
    /// Rows that are in no volume yet, as they stand in the file.
    unfiled: Vec<u8>,
}

/// The tail's place in a ledger's folder.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("tail")
}

/// What stands in a folder's tail, in the order of the commits: rows that are in a volume too, and those that are not.
pub(super) fn read(folder: &Path) -> io::Result<Vec<Entry>> {
    let octets = match std::fs::read(path(folder)) {
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut halves: Vec<Vec<Entry>> = octets.chunks(HALF).map(|half| entries(half).collect()).collect();
    halves.sort_by_key(|half| half.first().map(|entry| entry.row.number));
    let mut all: Vec<Entry> = Vec::new();
    for half in halves {
        // A commit that failed may stand at the end of a half; its number was given to the next one.
        let begin = half.first().map_or(i64::MAX, |entry| entry.row.number);
        all.truncate(all.partition_point(|entry| entry.row.number < begin));
        all.extend(half);
    }
    Ok(all)
}

/// Rows that follow each other, up to the first octets that are none: free room, a row that is torn, or what is left
/// of the turn before.
fn entries(octets: &[u8]) -> impl Iterator<Item = Entry> {
    let (mut rest, mut before) = (octets, None::<i64>);
    std::iter::from_fn(move || {
        let (written, length) = decode(rest)?;
        if before.is_some_and(|before| written.number != before + 1) {
            return None;
        }
        before = Some(written.number);
        rest = &rest[length..];
        Some(written.entry())
    })
}

/// The row at the begin of these octets, and how many it takes.
fn decode(octets: &[u8]) -> Option<(Written<'_>, usize)> {
    let (crc, octets) = octets.split_first_chunk()?;
    let (length, rest) = octets.split_first_chunk()?;
    let length = u32::from_le_bytes(*length) as usize;
    let (number, rest) = rest.split_first_chunk()?;
    let (first_id, rest) = rest.split_first_chunk()?;
    let (at, rest) = rest.split_first_chunk()?;
    let (day, rest) = rest.split_first_chunk()?;
    let records = rest.get(..length)?;
    if crc32fast::hash(&octets[..HEAD - 4 + length]) != u32::from_le_bytes(*crc) {
        return None;
    }
    let day = Day::from_number(u16::from_le_bytes(*day));
    let (number, first_id) = (i64::from_le_bytes(*number), u64::from_le_bytes(*first_id));
    let at = Moment::from_ms(i64::from_le_bytes(*at));
    Some((Written { day, number, first_id, at, records }, HEAD + length))
}

impl Entry {
    /// The same with its records lent.
    pub(super) fn written(&self) -> Written<'_> {
        let Row { number, first_id, at, records } = &self.row;
        Written { day: self.day, number: *number, first_id: *first_id, at: *at, records }
    }
}

impl Written<'_> {
    /// The same with records of its own.
    pub(super) fn entry(self) -> Entry {
        let Self { day, number, first_id, at, records } = self;
        Entry { day, row: Row { number, first_id, at, records: records.to_vec() } }
    }

    /// Octets it takes.
    const fn length(&self) -> usize {
        HEAD + self.records.len()
    }

    /// Appends it as it stands in the file.
    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        let begin = to.len();
        to.extend_from_slice(&[0; 4]);
        to.extend_from_slice(&(self.records.len() as u32).to_le_bytes());
        to.extend_from_slice(&self.number.to_le_bytes());
        to.extend_from_slice(&self.first_id.to_le_bytes());
        to.extend_from_slice(&self.at.ms().to_le_bytes());
        to.extend_from_slice(&self.day.number().to_le_bytes());
        to.extend_from_slice(self.records);
        let crc = crc32fast::hash(&to[begin + 4..]);
        to[begin..begin + 4].copy_from_slice(&crc.to_le_bytes());
    }
}

/// Rows as they were copied from a tail, one after the other.
pub(super) fn rows(octets: &[u8]) -> impl Iterator<Item = Written<'_>> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let (written, length) = decode(rest)?;
        rest = &rest[length..];
        Some(written)
    })
}

/// Octets of the first rows that together take as many, or of the first one alone.
pub(super) fn piece(octets: &[u8], at_most: usize) -> usize {
    let mut length = 0;
    for row in rows(octets) {
        if length > 0 && length + row.length() > at_most {
            break;
        }
        length += row.length();
    }
    length
}

impl Tail {
    /// Opens a folder's tail, or makes one, and empties it: whatever stood in it is in a volume by now.
    pub(super) fn open(shelf: &Shelf) -> rusqlite::Result<Self> {
        shelf.disk.consent(Act::Open)?;
        let (file, inode) = Self::emptied(&shelf.folder).map_err(|error| as_sqlite(&error))?;
        let (durability, disk) = (shelf.durability, Arc::clone(&shelf.disk));
        Ok(Self { file, inode, durability, disk, half: 0, at: 0, last: [0; 2], unfiled: Vec::new() })
    }

    /// All its room is on the disk, as is its name: from now on only what stands in it changes.
    fn emptied(folder: &Path) -> io::Result<(File, u64)> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path(folder))?;
        file.write_all_at(&vec![0; 2 * HALF], 0)?;
        file.set_len(2 * HALF as u64)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        let inode = file.metadata()?.ino();
        Ok((file, inode))
    }

    /// Another in the place of one that was removed, replaced or cut.
    pub(super) fn anew(shelf: &Shelf) -> rusqlite::Result<Self> {
        match std::fs::remove_file(path(&shelf.folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(as_sqlite(&error)),
            _ => Self::open(shelf),
        }
    }

    /// Whether its name still stands for the open file, and all of its room is there. Asks the disk.
    pub(super) fn is_there(&self, folder: &Path) -> bool {
        let file = std::fs::metadata(path(folder));
        file.is_ok_and(|file| file.ino() == self.inode && file.len() == 2 * HALF as u64)
    }

    /// Whether a half is large enough for so many octets of records.
    pub(super) const fn can_hold(records: usize) -> bool {
        HEAD + records <= HALF
    }

    /// Whether there is room for so many octets of records, when the rows up to `filed` are in a volume.
    pub(super) const fn has_room(&self, records: usize, filed: i64) -> bool {
        self.at + HEAD + records <= HALF || self.last[1 - self.half] <= filed
    }

    /// Writes a row, for which there has to be room; as durable as configured when it returns. One that fails may
    /// stand in the file all the same; the next is written over it.
    pub(super) fn append(&mut self, row: &Written<'_>) -> rusqlite::Result<()> {
        self.disk.consent(Act::Write)?;
        let fits = self.at + row.length() <= HALF;
        let (half, at) = if fits { (self.half, self.at) } else { (1 - self.half, 0) };
        let begin = self.unfiled.len();
        row.encode(&mut self.unfiled);
        if let Err(error) = self.write(&self.unfiled[begin..], half * HALF + at) {
            self.unfiled.truncate(begin);
            return Err(as_sqlite(&error));
        }
        (self.half, self.at) = (half, at + row.length());
        self.last[half] = row.number;
        Ok(())
    }

    fn write(&self, octets: &[u8], at: usize) -> io::Result<()> {
        self.file.write_all_at(octets, at as u64)?;
        if self.durability == Durability::Power { self.file.sync_data() } else { Ok(()) }
    }

    /// Rows behind one, in the order of the commits, as [`rows`] reads them. What is in a volume is dropped first.
    pub(super) fn unfiled(&mut self, filed: i64) -> &[u8] {
        let in_a_volume = rows(&self.unfiled).take_while(|row| row.number <= filed);
        let octets: usize = in_a_volume.map(|row| row.length()).sum();
        self.unfiled.drain(..octets);
        &self.unfiled
    }

    /// Octets of the rows that are in no volume, and of some that are.
    pub(super) const fn waiting(&self) -> usize {
        self.unfiled.len()
    }
}

/// A failure of this file is one of the journal, whose errors are SQLite's.
fn as_sqlite(error: &io::Error) -> rusqlite::Error {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => rusqlite::ffi::SQLITE_FULL,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => rusqlite::ffi::SQLITE_READONLY,
        _ => rusqlite::ffi::SQLITE_IOERR,
    };
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(error.to_string()))
}
