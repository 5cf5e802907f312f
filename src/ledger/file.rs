//! One day's journal file. Old days are removed by removing files.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use crate::domain::{Day, Moment};

use super::journal::Durability;
use super::names::Names;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    INSERT OR IGNORE INTO meta VALUES ('format', '1');
    CREATE TABLE IF NOT EXISTS names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE IF NOT EXISTS batch (
        row INTEGER PRIMARY KEY,      -- order of the commits
        first_id INTEGER NOT NULL,    -- id of the row's first reservation
        at_ms INTEGER NOT NULL,       -- when, milliseconds since 1970 UTC
        crc INTEGER NOT NULL,         -- CRC-32 of the records
        records BLOB NOT NULL
    );";

const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// An open day file.
#[derive(Debug)]
pub(super) struct DayFile {
    day: Day,
    connection: Connection,
    names: Names,
}

/// One row as read back.
#[derive(Debug)]
pub(super) struct Row {
    /// Id of the first reservation.
    pub first_id: u64,
    /// When it was committed.
    pub at: Moment,
    /// The packed records.
    pub records: Vec<u8>,
}

impl DayFile {
    /// Where a day's file lies.
    pub(super) fn path(folder: &Path, day: Day) -> PathBuf {
        folder.join(format!("journal-{day}.sqlite"))
    }

    /// The days for which the folder holds a file, in order.
    pub(super) fn days(folder: &Path) -> std::io::Result<Vec<Day>> {
        let mut days = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name();
            let day = name.to_str().and_then(|name| name.strip_prefix("journal-")?.strip_suffix(".sqlite"));
            days.extend(day.and_then(Day::parse));
        }
        days.sort_unstable();
        Ok(days)
    }

    /// Opens a day's file for writing and creates it if need be.
    pub(super) fn open(folder: &Path, day: Day, durability: Durability, names: &Names) -> rusqlite::Result<Self> {
        let connection = Connection::open(Self::path(folder, day))?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // FULL syncs the log with every commit; NORMAL leaves that to the operating system and still never tears a file.
        let synchronous = match durability {
            Durability::Power => "FULL",
            Durability::Process => "NORMAL",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?; // done beside the path of the messages
        connection.execute_batch(SCHEMA)?;
        let mut file = Self { day, connection, names: names.clone() };
        file.write_names(names)?;
        Ok(file)
    }

    /// The file that follows this one.
    pub(super) fn next(&self, folder: &Path, day: Day, durability: Durability) -> rusqlite::Result<Self> {
        Self::open(folder, day, durability, &self.names)
    }

    /// The names it holds.
    pub(super) const fn names(&self) -> &Names {
        &self.names
    }

    /// Its day.
    pub(super) const fn day(&self) -> Day {
        self.day
    }

    /// Appends one row; durable as configured when it returns.
    pub(super) fn insert(&mut self, first_id: u64, at: Moment, records: &[u8]) -> rusqlite::Result<()> {
        let mut insert =
            self.connection.prepare_cached("INSERT INTO batch (first_id, at_ms, crc, records) VALUES (?, ?, ?, ?)")?;
        let crc = crc32fast::hash(records);
        insert.execute(params![first_id.cast_signed(), at.ms(), crc, records])?;
        Ok(())
    }

    /// Writes names that the file does not have.
    pub(super) fn write_names(&mut self, names: &Names) -> rusqlite::Result<()> {
        let all = self.connection.unchecked_transaction()?; // one sync for all of them
        let mut insert = all.prepare_cached("INSERT OR IGNORE INTO names (id, name) VALUES (?, ?)")?;
        for (id, name) in names.iter() {
            insert.execute(params![id, name])?;
        }
        drop(insert);
        all.commit()?;
        self.names = names.clone();
        Ok(())
    }

    /// Reads a day's file from its first row to its last.
    pub(super) fn read(
        folder: &Path,
        day: Day,
        names: &mut Names,
        mut each: impl FnMut(Row) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let connection = Connection::open(Self::path(folder, day))?;
        let mut select = connection.prepare("SELECT id, name FROM names")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            names.restore(row.get(0)?, row.get(1)?);
        }
        let mut select = connection.prepare("SELECT first_id, at_ms, crc, records, row FROM batch ORDER BY row")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let records: Vec<u8> = row.get(3)?;
            let (first_id, at_ms, crc): (i64, i64, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if crc32fast::hash(&records) != crc {
                return Err(ReadError::Corrupt { day, row: row.get(4)? });
            }
            each(Row { first_id: first_id.cast_unsigned(), at: Moment::from_ms(at_ms), records })?;
        }
        Ok(())
    }

    /// Copies a write-ahead log that has grown into its file without holding up writers; tells how many pages the log holds.
    pub(super) fn checkpoint(folder: &Path, day: Day) -> rusqlite::Result<i64> {
        /// Below this a checkpoint would cost more than reading the log at the next start.
        const WORTH_IT: u64 = 32 * 1024 * 1024;
        let log = folder.join(format!("journal-{day}.sqlite-wal"));
        if std::fs::metadata(log).map_or(0, |log| log.len()) < WORTH_IT {
            return Ok(0);
        }
        let connection = Connection::open(Self::path(folder, day))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.query_row(CHECKPOINT, [], |row| row.get(1))
    }

    /// Copies what is left of the log. Nothing is added while the only writer does it,
    /// so the next row is written to the log's begin.
    pub(super) fn fold(&self) -> rusqlite::Result<()> {
        self.connection.query_row(CHECKPOINT, [], |_| Ok(()))
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
}
