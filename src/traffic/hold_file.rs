//! Where holds outlive the process: `holds.db` in the ledger's folder, synced with every change.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, params};

use crate::domain::Moment;

use super::hold::{Hold, Mark, PAST_MAX, Past};
use super::scope::Scope;

/// Its name in the ledger's folder.
const FILE: &str = "holds.db";

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS hold (
        number INTEGER PRIMARY KEY,
        scope TEXT NOT NULL,
        owner TEXT NOT NULL,
        role TEXT NOT NULL,
        reason TEXT NOT NULL,
        since_ms INTEGER NOT NULL,    -- milliseconds since 1970 UTC
        until_ms INTEGER,
        ended_ms INTEGER,             -- NULL while it is in force
        ended_by TEXT,
        ended_why TEXT,
        key INTEGER,                  -- by which other gateways know it
        told INTEGER NOT NULL DEFAULT 0  -- whether the server that they share knows what is said here
    );";
/// Columns of the table.
const COLUMNS: usize = 12;
/// What files of earlier versions do not have.
const LATER: [&str; 2] = ["key INTEGER", "told INTEGER NOT NULL DEFAULT 0"];

const WRITE: &str = "INSERT OR REPLACE INTO hold VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
const READ: &str = "SELECT number, scope, owner, role, reason, since_ms, until_ms, ended_ms, ended_by, ended_why,
    key, told FROM hold ORDER BY number";
const FORGET: &str = "DELETE FROM hold WHERE ended_ms IS NOT NULL AND number <=
    (SELECT number FROM hold WHERE ended_ms IS NOT NULL ORDER BY number DESC LIMIT 1 OFFSET ?1)";

/// The open file.
#[derive(Debug)]
pub(super) struct HoldFile(Connection);

/// One hold as the file has it.
#[derive(Clone, Debug)]
pub(super) enum Row {
    InForce(Hold),
    Ended(Past),
}

/// Why holds cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum HoldsError {
    /// The file cannot be opened, created or read.
    #[error("the file of holds cannot be used: {0}")]
    File(#[from] rusqlite::Error),
    /// Another call is writing it, and the disk does not answer.
    #[error("the file of holds is being written, and the disk does not answer")]
    Busy,
    /// A hold's scope cannot be read.
    #[error("the file of holds names a scope that cannot be read: {0}")]
    Scope(#[from] super::scope::NotAScope),
}

impl HoldFile {
    /// Opens the file in a folder, which must exist.
    pub(super) fn open(folder: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(folder.join(FILE))?;
        connection.busy_timeout(std::time::Duration::from_secs(2))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        let columns = connection.prepare("SELECT * FROM hold LIMIT 0")?.column_count();
        for column in LATER.iter().skip(columns - (COLUMNS - LATER.len())) {
            connection.execute_batch(&format!("ALTER TABLE hold ADD COLUMN {column}"))?;
        }
        Ok(Self(connection))
    }

    /// Makes a copy in another folder.
    pub(super) fn copy(&self, folder: &Path) -> rusqlite::Result<()> {
        let to = folder.join(FILE);
        self.0.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
        Ok(())
    }

    /// Every hold it has, in order of their numbers.
    pub(super) fn read(&self) -> Result<Vec<Row>, HoldsError> {
        let mut statement = self.0.prepare(READ)?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let hold = Hold {
                number: row.get(0)?,
                scope: row.get::<_, String>(1)?.parse::<Scope>()?,
                owner: row.get(2)?,
                role: row.get(3)?,
                reason: row.get(4)?,
                since: Moment::from_ms(row.get(5)?),
                until: row.get::<_, Option<i64>>(6)?.map(Moment::from_ms),
                persisted: true,
                shared: mark(row.get(10)?, row.get(11)?),
            };
            all.push(match row.get::<_, Option<i64>>(7)? {
                None => Row::InForce(hold),
                Some(at_ms) => Row::Ended(Past { hold, at: Moment::from_ms(at_ms), by: row.get(8)?, why: row.get(9)? }),
            });
        }
        Ok(all)
    }

    /// Writes holds as they are now and forgets numbers that are nobody's any more; on disk when it returns.
    pub(super) fn write(&mut self, rows: &[Row], gone: &BTreeSet<u32>) -> rusqlite::Result<()> {
        let transaction = self.0.transaction()?;
        for number in gone {
            transaction.prepare_cached("DELETE FROM hold WHERE number = ?1")?.execute([number])?;
        }
        for row in rows {
            let (hold, past) = match row {
                Row::InForce(hold) => (hold, None),
                Row::Ended(past) => (&past.hold, Some(past)),
            };
            transaction.prepare_cached(WRITE)?.execute(params![
                hold.number,
                hold.scope.to_string(),
                hold.owner,
                hold.role,
                hold.reason,
                hold.since.ms(),
                hold.until.map(Moment::ms),
                past.map(|past| past.at.ms()),
                past.map(|past| &past.by),
                past.map(|past| &past.why),
                hold.shared.map(|mark| mark.key.cast_signed()),
                hold.shared.is_some_and(|mark| mark.told),
            ])?;
        }
        transaction.execute(FORGET, [PAST_MAX as i64])?;
        transaction.commit()
    }
}

fn mark(key: Option<i64>, told: bool) -> Option<Mark> {
    key.map(|key| Mark { key: key.cast_unsigned(), told, version: 0 })
}
