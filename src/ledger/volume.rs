//! One file of the journal. Two volumes of a day take turns: while one is
//! written, the other's write-ahead log is folded into its file. Old days are
//! removed by removing files.

pub(super) mod inspect;

use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params};

use crate::domain::{Day, Moment};

use super::disk::{Act, Disk};
use super::journal::Durability;
use super::names::Names;
use super::tail::{Entry, Written};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    INSERT OR IGNORE INTO meta VALUES ('format', '4');
    CREATE TABLE IF NOT EXISTS names (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        crc INTEGER NOT NULL          -- CRC-32 of both
    );
    CREATE TABLE IF NOT EXISTS batch (
        row INTEGER PRIMARY KEY,      -- order of the commits, counted on from file to file
        first_id INTEGER NOT NULL,    -- id of the row's first reservation
        at_ms INTEGER NOT NULL,       -- when, milliseconds since 1970 UTC
        crc INTEGER NOT NULL,         -- CRC-32 of all of this
        records BLOB NOT NULL
    );";

const SELECT: &str = "SELECT row, first_id, at_ms, crc, records FROM batch WHERE row > ? ORDER BY row";
/// A row whose filing was reported as failed may be there all the same.
const INSERT: &str = "INSERT OR REPLACE INTO batch (row, first_id, at_ms, crc, records) VALUES (?, ?, ?, ?, ?)";

/// The layout of the files that this version writes and reads.
const FORMAT: &str = "4";
/// A commit writes whole pages, so small ones make a small commit cheap.
const PAGE_SIZE: u32 = 2048;

/// Which file: a day, and which of the day's volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VolumeId {
    pub(super) day: Day,
    pub(super) number: u8,
}

/// How a volume is opened.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    pub(super) folder: PathBuf,
    pub(super) durability: Durability,
    pub(super) disk: Arc<dyn Disk>,
    /// Octets of a write-ahead log after which the volumes take turns.
    pub(super) log_size_max: u64,
}

/// A file open for writing. No other connection can open it meanwhile: without locks between
/// processes and a shared index of the log, a commit is two writes to the log and nothing else.
#[derive(Debug)]
pub(super) struct Volume {
    id: VolumeId,
    connection: Connection,
    inode: u64,
    names: usize,
    log: PathBuf,
    disk: Arc<dyn Disk>,
}

/// What a reading leaves of the logs that it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logs {
    /// All as it was: what is damaged must not be changed by being looked at.
    Left,
    /// They are folded into their files.
    Folded,
}

/// One row as read back.
#[derive(Debug)]
pub(super) struct Row {
    /// Its place in the order of the commits.
    pub number: i64,
    /// Id of the first reservation.
    pub first_id: u64,
    /// When it was committed.
    pub at: Moment,
    /// The packed records.
    pub records: Vec<u8>,
}

impl VolumeId {
    /// A day's first volume.
    pub(super) const fn first(day: Day) -> Self {
        Self { day, number: 1 }
    }

    /// A day's volume by its number.
    pub(super) const fn of(day: u16, number: u8) -> Self {
        Self { day: Day::from_number(day), number }
    }

    /// The one that takes turns with this one.
    pub(super) const fn other(self) -> Self {
        Self { day: self.day, number: 3 - self.number }
    }

    /// Where it lies.
    pub(super) fn path(self, folder: &Path) -> PathBuf {
        let Self { day, number } = self;
        folder.join(if number == 1 {
            format!("journal-{day}.sqlite")
        } else {
            format!("journal-{day}.{number}.sqlite")
        })
    }

    fn parse(name: &str) -> Option<Self> {
        let name = name.strip_prefix("journal-")?.strip_suffix(".sqlite")?;
        let (day, number) = match name.split_once('.') {
            None => (name, 1),
            Some((day, "2")) => (day, 2),
            Some(_) => return None,
        };
        Some(Self { day: Day::parse(day)?, number })
    }

    /// The volumes in a folder, in order.
    pub(super) fn all(folder: &Path) -> std::io::Result<Vec<Self>> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            all.extend(entry?.file_name().to_str().and_then(Self::parse));
        }
        all.sort_unstable();
        Ok(all)
    }
}

impl Shelf {
    /// The same in another folder.
    pub(super) fn at(&self, folder: &Path) -> Self {
        Self { folder: folder.to_owned(), ..self.clone() }
    }

    /// Octets of all the files in the folder.
    pub(super) fn octets(&self) -> u64 {
        let files = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
    }

    /// Opens a volume for writing and creates it if need be.
    pub(super) fn open(&self, id: VolumeId, names: &Names) -> rusqlite::Result<Volume> {
        self.disk.consent(Act::Open)?;
        let path = id.path(&self.folder);
        let connection = Connection::open(&path)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // FULL syncs the log with every commit; NORMAL leaves that to the operating system and still never tears a file.
        let synchronous = match self.durability {
            Durability::Power => "FULL",
            Durability::Process => "NORMAL",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?; // done beside the path of the messages
        connection.execute_batch(SCHEMA)?;
        let inode = super::head::inode(&path).unwrap_or_default(); // gone already: the keeper will say so
        let log = path.with_extension("sqlite-wal");
        let mut volume = Volume { id, connection, inode, names: 0, log, disk: Arc::clone(&self.disk) };
        volume.write_names(names)?;
        Ok(volume)
    }

    /// A volume of no day and on no disk, in place of one that must not be touched.
    pub(super) fn nowhere(&self) -> rusqlite::Result<Volume> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(SCHEMA)?;
        let id = VolumeId::first(Day::from_number(0));
        Ok(Volume { id, connection, inode: 0, names: 0, log: PathBuf::new(), disk: Arc::clone(&self.disk) })
    }

    /// Makes a volume that holds these rows and nothing else, folded and closed.
    pub(super) fn copy(
        &self,
        id: VolumeId,
        names: &Names,
        rows: impl FnOnce(&mut dyn FnMut(Row) -> Result<(), ReadError>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let volume = self.open(id, names)?;
        let all = volume.connection.unchecked_transaction()?;
        let mut insert = all.prepare(INSERT)?;
        rows(&mut |row| {
            let crc = checksum(row.number, row.first_id, row.at.ms(), &row.records);
            insert.execute(params![row.number, row.first_id.cast_signed(), row.at.ms(), crc, row.records])?;
            Ok(())
        })?;
        drop(insert);
        all.commit()?;
        Ok(volume.fold()?)
    }

    /// Puts rows into the volumes of their days, as durable as configured, when nothing else is open.
    pub(super) fn file(&self, rows: &[Entry], names: &Names) -> rusqlite::Result<()> {
        for rows in rows.chunk_by(|one, next| one.day == next.day) {
            let mut volume = self.open(VolumeId::first(rows[0].day), names)?;
            volume.insert_all(rows.iter().map(Entry::written))?;
        }
        Ok(())
    }

    /// Reads a day's volumes in the order of the commits.
    pub(super) fn read(
        &self,
        day: Day,
        numbers: &[VolumeId],
        names: &mut Names,
        logs: Logs,
        each: impl FnMut(Row) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        self.read_behind(day, numbers, i64::MIN, names, logs, each)
    }

    /// Reads those behind a row.
    pub(super) fn read_behind(
        &self,
        day: Day,
        numbers: &[VolumeId],
        behind: i64,
        names: &mut Names,
        logs: Logs,
        mut each: impl FnMut(Row) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut connections = Vec::new();
        for id in numbers {
            let connection = self.reader(*id, logs)?;
            if read_names(&connection, day, names)? {
                connections.push(connection);
            }
        }
        let mut selects =
            connections.iter().map(|connection| connection.prepare(SELECT)).collect::<rusqlite::Result<Vec<_>>>()?;
        let mut streams = Vec::new();
        for select in &mut selects {
            streams.push(select.query_map([behind], |row| read_row(day, row))?.peekable());
        }
        while let Some(stream) = earliest(&mut streams) {
            let Some(row) = stream.next() else { break };
            each(row??)?;
        }
        Ok(())
    }

    /// Reads the names in a day's volumes.
    pub(super) fn names(&self, day: Day, numbers: &[VolumeId], names: &mut Names) -> Result<(), ReadError> {
        for id in numbers {
            read_names(&self.reader(*id, Logs::Left)?, day, names)?;
        }
        Ok(())
    }

    fn reader(&self, id: VolumeId, logs: Logs) -> rusqlite::Result<Connection> {
        let path = id.path(&self.folder);
        let log = std::fs::metadata(path.with_extension("sqlite-wal"));
        if log.is_ok_and(|log| log.len() > 0) {
            return Self::owner(&path, logs);
        }
        // All of it is in the file, which nobody writes: so many may read it at a time, and nothing is locked.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(inspect::immutable(&path), flags)
    }

    /// One reads what is still in the log, and nobody else meanwhile.
    fn owner(path: &Path, logs: Logs) -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, logs == Logs::Left)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?; // no shared index is made for a moment's reading
        Ok(connection)
    }
}

/// A bit that has turned anywhere in a row is noticed, not in its records alone.
fn checksum(number: i64, first_id: u64, at_ms: i64, records: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&number.to_le_bytes());
    crc.update(&first_id.to_le_bytes());
    crc.update(&at_ms.to_le_bytes());
    crc.update(records);
    crc.finalize()
}

fn name_checksum(id: u16, name: &str) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&id.to_le_bytes());
    crc.update(name.as_bytes());
    crc.finalize()
}

/// The stream whose next row was committed first; one that fails comes first, so that it is heard.
fn earliest<I>(streams: &mut [Peekable<I>]) -> Option<&mut Peekable<I>>
where
    I: Iterator<Item = rusqlite::Result<Result<Row, ReadError>>>,
{
    let next = |stream: &mut Peekable<I>| match stream.peek() {
        Some(Ok(Ok(row))) => Some(row.number),
        Some(_) => Some(i64::MIN),
        None => None,
    };
    let (_, index) = (0..streams.len()).filter_map(|index| Some((next(&mut streams[index])?, index))).min()?;
    streams.get_mut(index)
}

fn read_row(day: Day, row: &rusqlite::Row<'_>) -> rusqlite::Result<Result<Row, ReadError>> {
    let records: Vec<u8> = row.get(4)?;
    let (number, first_id, at_ms, crc): (i64, i64, i64, u32) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    let first_id = first_id.cast_unsigned();
    if checksum(number, first_id, at_ms, &records) != crc {
        return Ok(Err(ReadError::Corrupt { day, row: number }));
    }
    Ok(Ok(Row { number, first_id, at: Moment::from_ms(at_ms), records }))
}

/// `false` if there is nothing in the file: a process that ended while it laid it out has left one without a table.
fn read_names(connection: &Connection, day: Day, names: &mut Names) -> Result<bool, ReadError> {
    if !connection.table_exists(None, "batch")? {
        return Ok(false);
    }
    let format: String = connection.query_row("SELECT value FROM meta WHERE key = 'format'", [], |row| row.get(0))?;
    if format != FORMAT {
        return Err(ReadError::Format { day, format });
    }
    let mut select = connection.prepare("SELECT id, name, crc FROM names")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (id, name, crc): (u16, String, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if name_checksum(id, &name) != crc {
            return Err(ReadError::Name { day, id });
        }
        names.restore(id, name);
    }
    Ok(true)
}

impl Volume {
    /// Which it is.
    pub(super) const fn id(&self) -> VolumeId {
        self.id
    }

    /// The file's number on its file system, by which it is known again.
    pub(super) const fn inode(&self) -> u64 {
        self.inode
    }

    /// Whether it holds every one of these names. Names are only ever added.
    pub(super) fn knows(&self, names: &Names) -> bool {
        self.names >= names.len()
    }

    /// Files rows in one transaction; durable as configured when it returns. Tells the last one's number.
    pub(super) fn insert_all<'a>(&mut self, rows: impl Iterator<Item = Written<'a>>) -> rusqlite::Result<Option<i64>> {
        self.disk.consent(Act::File)?;
        let all = self.connection.unchecked_transaction()?;
        let mut insert = all.prepare_cached(INSERT)?;
        let mut last = None;
        for Written { number, first_id, at, records, .. } in rows {
            let crc = checksum(number, first_id, at.ms(), records);
            insert.execute(params![number, first_id.cast_signed(), at.ms(), crc, records])?;
            last = Some(number);
        }
        drop(insert);
        all.commit()?;
        Ok(last)
    }

    /// Its rows behind one and up to another.
    pub(super) fn rows(&self, after: i64, last: i64) -> Result<Vec<Row>, ReadError> {
        let mut select = self.connection.prepare_cached(
            "SELECT row, first_id, at_ms, crc, records FROM batch WHERE row > ? AND row <= ? ORDER BY row",
        )?;
        let rows = select.query_map([after, last], |row| read_row(self.id.day, row))?;
        rows.map(|row| row?).collect()
    }

    /// Where its write-ahead log lies.
    pub(super) fn log_file(&self) -> PathBuf {
        self.log.clone()
    }

    /// Its first row.
    pub(super) fn first_row(&self) -> rusqlite::Result<Option<i64>> {
        self.connection.query_row("SELECT min(row) FROM batch", [], |row| row.get(0))
    }

    /// Writes names that the file does not have.
    pub(super) fn write_names(&mut self, names: &Names) -> rusqlite::Result<()> {
        self.disk.consent(Act::Write)?;
        let all = self.connection.unchecked_transaction()?; // one sync for all of them
        let mut insert = all.prepare_cached("INSERT OR IGNORE INTO names (id, name, crc) VALUES (?, ?, ?)")?;
        for (id, name) in names.iter() {
            insert.execute(params![id, name, name_checksum(id, name)])?;
        }
        drop(insert);
        all.commit()?;
        self.names = names.len();
        Ok(())
    }

    /// Octets of its write-ahead log.
    pub(super) fn log_size(&self) -> u64 {
        std::fs::metadata(&self.log).map_or(0, |log| log.len())
    }

    /// Copies its write-ahead log into the file; what is written next goes to the log's begin.
    pub(super) fn fold(&self) -> rusqlite::Result<()> {
        self.disk.consent(Act::Fold)?;
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }
}

/// Why the journal cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// SQLite says so.
    #[error("the journal cannot be read: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The folder cannot be read.
    #[error("the ledger's folder cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// A row is not what was written.
    #[error("row {row} of the journal of {day} is damaged: its checksum or its records are wrong")]
    Corrupt {
        /// The file's day.
        day: Day,
        /// The row.
        row: i64,
    },
    /// A name of an account or a unit is not what was written.
    #[error("name {id} in the journal of {day} is damaged: its checksum is wrong")]
    Name {
        /// The file's day.
        day: Day,
        /// Its number.
        id: u16,
    },
    /// A number has no name.
    #[error("names of accounts or units are missing in the journal")]
    Names,
    /// Rows that were written are not there.
    #[error("rows {from} to {to} of the journal are missing before row {next} of {day}", from = .after + 1, to = .next - 1)]
    Missing {
        /// The day of the row that was found.
        day: Day,
        /// The last row before the gap.
        after: i64,
        /// The row that was found.
        next: i64,
    },
    /// Another version wrote the file.
    #[error("the journal of {day} has format {format}, this version reads format {FORMAT}")]
    Format {
        /// The file's day.
        day: Day,
        /// What it says it is.
        format: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_read_as_they_are_written() {
        let day = Day::parse("2026-11-24").expect("valid");
        for id in [VolumeId::first(day), VolumeId::first(day).other()] {
            let path = id.path(Path::new(""));
            assert_eq!(path.to_str().and_then(VolumeId::parse), Some(id), "{path:?}");
            assert_eq!(id.other().other(), id);
        }
        for name in ["journal-2026-11-24.3.sqlite", "journal-2026-11-24.sqlite-wal", "journal-x.sqlite", "lock"] {
            assert_eq!(VolumeId::parse(name), None, "{name}");
        }
    }
}
