//! Reading rows that may have been tampered with: what is wrong with one does not end the reading.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::domain::Day;
use crate::ledger::names::Names;
use crate::ledger::tail::Entry;

use super::{Logs, ReadError, Row, SELECT, Shelf, VolumeId, read_names, read_row};

const PICK: &str = "SELECT row, first_id, at_ms, crc, records FROM batch WHERE row = ?";

/// A file that does not change, as SQLite wants it to be named.
pub(super) fn immutable(path: &std::path::Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"/-_.".contains(&octet);
    let each = |octet: &u8| if plain(*octet) { char::from(*octet).to_string() } else { format!("%{octet:02X}") };
    let name: String = path.as_os_str().as_bytes().iter().map(each).collect();
    format!("file:{name}?immutable=1")
}

/// What is found of a day.
pub(in crate::ledger) enum Found<'a> {
    /// A row.
    Row(&'a Row),
    /// A row whose checksum is not its own.
    Changed(i64),
    /// A file, or what follows in it, cannot be read.
    Unreadable(String),
}

impl Shelf {
    /// Hands over some rows of a day whose files nothing holds.
    pub(in crate::ledger) fn pick(
        &self,
        day: Day,
        volumes: &[VolumeId],
        numbers: &[i64],
        each: &mut dyn FnMut(Row),
    ) -> Result<(), ReadError> {
        for id in volumes.iter().filter(|_| !numbers.is_empty()) {
            let connection = self.reader(*id, Logs::Left)?;
            if !read_names(&connection, day, &mut Names::default())? {
                continue;
            }
            let mut select = connection.prepare(PICK)?;
            for number in numbers {
                for row in select.query_map([number], |row| read_row(day, row))? {
                    each(row??);
                }
            }
        }
        Ok(())
    }

    /// What can still be read of a day's volumes, damaged or not, and what the tail has of it, in the order of the commits.
    pub(in crate::ledger) fn salvage(
        &self,
        day: Day,
        numbers: &[VolumeId],
        tail: &[Entry],
        names: &mut Names,
    ) -> Vec<Row> {
        let own = tail.iter().filter(|entry| entry.day == day).map(|entry| entry.written().entry().row);
        let mut rows: BTreeMap<_, _> = own.map(|row| (row.number, row)).collect();
        for connection in numbers.iter().filter_map(|id| self.reader(*id, Logs::Left).ok()) {
            let _ = read_names(&connection, day, names); // the day's other volume has them too
            // From both ends, each up to the first page that cannot be read.
            for select in [SELECT.to_owned(), format!("{SELECT} DESC")] {
                let Ok(mut select) = connection.prepare(&select) else { continue };
                let Ok(read) = select.query_map([i64::MIN], |row| read_row(day, row)) else { continue };
                for row in read.map_while(Result::ok).filter_map(Result::ok) {
                    rows.insert(row.number, row);
                }
            }
        }
        rows.into_values().collect()
    }

    /// Hands over all that can be read of a day's volumes, in the order of the rows' numbers. Changes nothing.
    pub(in crate::ledger) fn inspect(
        &self,
        day: Day,
        numbers: &[VolumeId],
        names: &mut Names,
        mut each: impl FnMut(Found<'_>),
    ) -> Result<(), ReadError> {
        let mut open: Vec<Connection> = Vec::new();
        for id in numbers {
            let connection = self.reader(*id, Logs::Left)?;
            match read_names(&connection, day, names) {
                Ok(true) => open.push(connection),
                Ok(false) => {}
                Err(error) => {
                    each(Found::Unreadable(error.to_string()));
                    open.push(connection);
                }
            }
        }
        let mut selects = Vec::new();
        for connection in &open {
            match connection.prepare(SELECT) {
                Ok(select) => selects.push(select),
                Err(error) => each(Found::Unreadable(error.to_string())),
            }
        }
        let mut streams = Vec::new();
        for select in &mut selects {
            streams
                .push(select.query_map([i64::MIN], |row| Ok((row.get::<_, i64>(0)?, read_row(day, row)?)))?.peekable());
        }
        loop {
            let number = |next: Option<&rusqlite::Result<(i64, _)>>| match next {
                Some(Ok((number, _))) => Some(*number),
                Some(Err(_)) => Some(i64::MIN),
                None => None,
            };
            let next =
                streams.iter_mut().enumerate().filter_map(|(at, stream)| Some((number(stream.peek())?, at))).min();
            let Some((_, at)) = next else { return Ok(()) };
            match streams[at].next() {
                Some(Ok((_, Ok(row)))) => each(Found::Row(&row)),
                Some(Ok((number, Err(_)))) => each(Found::Changed(number)),
                Some(Err(error)) => {
                    each(Found::Unreadable(error.to_string()));
                    drop(streams.remove(at));
                }
                None => {}
            }
        }
    }
}
