//! Where the registry outlives the process: `registry.db` in the ledger's folder. Every change is one transaction, on disk
//! before anybody learns of it.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use crate::domain::{Moment, Msisdn};

use super::application::{Application, State};

/// Its name in the ledger's folder.
pub const FILE: &str = "registry.db";

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS campaign (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        unit TEXT NOT NULL,
        state TEXT NOT NULL,
        record TEXT NOT NULL          -- the application, JSON
    );
    CREATE INDEX IF NOT EXISTS campaign_by_state ON campaign (state, number);
    CREATE INDEX IF NOT EXISTS campaign_by_unit ON campaign (unit, number);
    CREATE INDEX IF NOT EXISTS campaign_by_both ON campaign (unit, state, number);
    CREATE TABLE IF NOT EXISTS step (
        id INTEGER PRIMARY KEY,
        campaign INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,       -- milliseconds since 1970 UTC
        by TEXT NOT NULL,             -- the token, or the local user
        name TEXT NOT NULL,           -- whose word it is
        act TEXT NOT NULL,
        opinion TEXT NOT NULL,
        state TEXT NOT NULL           -- after it
    );
    CREATE INDEX IF NOT EXISTS step_by_campaign ON step (campaign, id);
    CREATE TABLE IF NOT EXISTS optout (
        id INTEGER PRIMARY KEY,
        number INTEGER NOT NULL,      -- 11 digits
        account TEXT NOT NULL,        -- empty: of all accounts
        at_ms INTEGER NOT NULL,
        via TEXT NOT NULL,            -- who entered it, or `message`
        UNIQUE (number, account)
    );
    CREATE TABLE IF NOT EXISTS generation (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        number INTEGER NOT NULL
    );
    INSERT OR IGNORE INTO generation VALUES (1, 0);";

/// The open file.
#[derive(Debug)]
pub(super) struct File(Connection);

/// One step of an application's way.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Step {
    /// The revision that it made.
    pub revision: u32,
    /// When, local time with its offset.
    pub at: String,
    /// The token, or the local user, that entered it.
    pub by: String,
    /// Whose word it is.
    pub name: String,
    /// What was done.
    pub act: String,
    /// In their words.
    pub opinion: String,
    /// The state after it.
    pub state: String,
}

/// Which applications a list is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this unit.
    pub unit: Option<String>,
    /// In this state.
    pub state: Option<State>,
}

/// Somebody who has opted out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOut {
    /// Who.
    pub number: Msisdn,
    /// Of what this account sends; of all accounts if it names none.
    pub account: Option<String>,
    /// When.
    pub at: Moment,
    /// Who entered it, or `message`.
    pub via: String,
}

/// Changes that are made together.
pub(super) struct Change<'a>(Transaction<'a>);

impl File {
    /// Opens the file in a folder, which must exist.
    pub(super) fn open(folder: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(folder.join(FILE))?;
        connection.busy_timeout(std::time::Duration::from_secs(2))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self(connection))
    }

    /// Opens the file of a folder to read it, beside whoever has it.
    pub(super) fn open_to_read(folder: &Path) -> rusqlite::Result<Self> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(folder.join(FILE), flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(2))?;
        Ok(Self(connection))
    }

    /// Begins a change; one that is dropped has changed nothing.
    pub(super) fn change(&mut self) -> rusqlite::Result<Change<'_>> {
        self.0.transaction().map(Change)
    }

    pub(super) fn generation(&self) -> rusqlite::Result<u64> {
        self.0.query_row("SELECT number FROM generation", [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
    }

    pub(super) fn application(&self, number: u32) -> rusqlite::Result<Option<Application>> {
        find(&self.0, number)
    }

    /// Applications behind a number, in the order of their numbers.
    pub(super) fn list(&self, filter: &Filter, behind: u32, limit: usize) -> rusqlite::Result<Vec<Application>> {
        let mut statement = "SELECT record FROM campaign WHERE number > ?1".to_owned();
        let unit = filter.unit.as_deref().unwrap_or_default();
        let state = filter.state.map_or("", State::code);
        if filter.unit.is_some() {
            statement += " AND unit = ?3";
        }
        if filter.state.is_some() {
            statement += " AND state = ?4";
        }
        statement += " ORDER BY number LIMIT ?2";
        let named: &[(&str, &dyn rusqlite::ToSql)] =
            &[("?1", &behind), ("?2", &(limit as i64)), ("?3", &unit), ("?4", &state)];
        let mut statement = self.0.prepare_cached(&statement)?;
        for (name, value) in named {
            if let Some(index) = statement.parameter_index(name)? {
                statement.raw_bind_parameter(index, value)?;
            }
        }
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(record(row)?);
        }
        Ok(found)
    }

    /// Every application that the rules may have to know of.
    pub(super) fn live(&self, mut each: impl FnMut(Application)) -> rusqlite::Result<()> {
        let mut statement =
            self.0.prepare("SELECT record FROM campaign WHERE state IN ('submitted', 'approved') ORDER BY number")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(record(row)?);
        }
        Ok(())
    }

    /// How many applications there are in each state.
    pub(super) fn counts(&self) -> rusqlite::Result<Vec<(String, u64)>> {
        let mut statement = self.0.prepare_cached("SELECT state, count(*) FROM campaign GROUP BY state")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        rows.collect()
    }

    pub(super) fn steps(&self, number: u32) -> rusqlite::Result<Vec<Step>> {
        let mut statement = self.0.prepare_cached(
            "SELECT revision, at_ms, by, name, act, opinion, state FROM step WHERE campaign = ?1 ORDER BY id",
        )?;
        let step = |row: &Row<'_>| {
            Ok(Step {
                revision: row.get(0)?,
                at: Moment::from_ms(row.get(1)?).to_string(),
                by: row.get(2)?,
                name: row.get(3)?,
                act: row.get(4)?,
                opinion: row.get(5)?,
                state: row.get(6)?,
            })
        };
        statement.query_map([number], step)?.collect()
    }

    /// Entries of those who opted out, behind an id, in the order of their ids.
    pub(super) fn opted_out(&self, behind: i64, limit: usize) -> rusqlite::Result<Vec<(i64, OptOut)>> {
        let mut statement = self
            .0
            .prepare_cached("SELECT id, number, account, at_ms, via FROM optout WHERE id > ?1 ORDER BY id LIMIT ?2")?;
        opt_outs(&mut statement.query(params![behind, limit as i64])?)
    }

    /// Whether a subscriber has opted out, and of what.
    pub(super) fn opted_out_of(&self, number: Msisdn) -> rusqlite::Result<Vec<(i64, OptOut)>> {
        let mut statement = self
            .0
            .prepare_cached("SELECT id, number, account, at_ms, via FROM optout WHERE number = ?1 ORDER BY account")?;
        opt_outs(&mut statement.query([number.get() as i64])?)
    }

    /// Makes a copy in another folder.
    pub(super) fn copy(&self, folder: &Path) -> rusqlite::Result<()> {
        let to = folder.join(FILE);
        self.0.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
        Ok(())
    }
}

impl Change<'_> {
    pub(super) fn application(&self, number: u32) -> rusqlite::Result<Option<Application>> {
        find(&self.0, number)
    }

    /// A number for a new application.
    pub(super) fn number(&self) -> rusqlite::Result<u32> {
        self.0.prepare_cached("INSERT INTO campaign (unit, state, record) VALUES ('', 'draft', '{}')")?.execute([])?;
        u32::try_from(self.0.last_insert_rowid()).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, i64::MAX))
    }

    pub(super) fn write(&self, application: &Application) -> rusqlite::Result<()> {
        let record = serde_json::to_string(application)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let mut statement =
            self.0.prepare_cached("UPDATE campaign SET unit = ?2, state = ?3, record = ?4 WHERE number = ?1")?;
        statement.execute(params![application.number, application.form.unit, application.state.code(), record])?;
        Ok(())
    }

    pub(super) fn step(&self, application: &Application, at: Moment, words: [&str; 4]) -> rusqlite::Result<()> {
        let [by, name, act, opinion] = words;
        let mut statement = self.0.prepare_cached(
            "INSERT INTO step (campaign, revision, at_ms, by, name, act, opinion, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        let Application { number, revision, state, .. } = application;
        statement.execute(params![number, revision, at.ms(), by, name, act, opinion, state.code()])?;
        Ok(())
    }

    /// Enters somebody who opted out; `false` if that is known.
    pub(super) fn opt_out(&self, entry: &OptOut) -> rusqlite::Result<bool> {
        let mut statement = self
            .0
            .prepare_cached("INSERT OR IGNORE INTO optout (number, account, at_ms, via) VALUES (?1, ?2, ?3, ?4)")?;
        let account = entry.account.as_deref().unwrap_or_default();
        Ok(statement.execute(params![entry.number.get() as i64, account, entry.at.ms(), entry.via])? > 0)
    }

    /// Takes an entry out; `false` if there is none.
    pub(super) fn opt_in(&self, number: Msisdn, account: Option<&str>) -> rusqlite::Result<bool> {
        let mut statement = self.0.prepare_cached("DELETE FROM optout WHERE number = ?1 AND account = ?2")?;
        Ok(statement.execute(params![number.get() as i64, account.unwrap_or_default()])? > 0)
    }

    /// It is on disk when this returns. Gives the generation that it makes.
    pub(super) fn commit(self) -> rusqlite::Result<u64> {
        self.0.execute("UPDATE generation SET number = number + 1", [])?;
        let generation = self.0.query_row("SELECT number FROM generation", [], |row| row.get::<_, i64>(0))?;
        self.0.commit()?;
        Ok(generation.unsigned_abs())
    }
}

fn opt_outs(rows: &mut rusqlite::Rows<'_>) -> rusqlite::Result<Vec<(i64, OptOut)>> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        // What is no number was not entered by us.
        let Some(number) = Msisdn::from_number(row.get::<_, i64>(1)?.unsigned_abs()) else { continue };
        let account = Some(row.get::<_, String>(2)?).filter(|account| !account.is_empty());
        found.push((row.get(0)?, OptOut { number, account, at: Moment::from_ms(row.get(3)?), via: row.get(4)? }));
    }
    Ok(found)
}

fn find(connection: &Connection, number: u32) -> rusqlite::Result<Option<Application>> {
    let mut statement = connection.prepare_cached("SELECT record FROM campaign WHERE number = ?1")?;
    statement.query_row([number], record).optional()
}

fn record(row: &Row<'_>) -> rusqlite::Result<Application> {
    let text = row.get_ref(0)?;
    let text =
        text.as_str().map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, text.data_type(), error.into()))?;
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into()))
}
