//! Closed days are sealed: whoever changes a row later, takes one out or puts one elsewhere is found, and the row named.
//!
//! No row is added to a day once the journal writes a later one: the volume that is written is replaced at the first
//! commit of a new day and never taken up again, a start opens the newest day's, and a clock that is set back
//! writes where it was. Settlements that come later stand in the later day's rows.
//!
//! `seals` in the ledger's folder has a line of JSON for each day. Each carries the hash of the line before, so that no day
//! can be changed without all that follow; whoever keeps the head elsewhere can tell that the whole was not
//! written anew. Beside it a file a day has eight octets of each row's own hash, by which a row is named.

pub mod check;
mod file;
#[cfg(test)]
mod tests;

use sha2::{Digest as _, Sha256};

use crate::domain::{Day, Moment, hex};

use super::history::Rows;
use super::names::Names;
use super::volume::{ReadError, Row};

pub(super) use self::file::{Seals, copy, remove_marks};

/// Octets of a row's hash that are kept.
const MARK: usize = 8;
/// What the first line follows.
pub(super) const NOTHING: [u8; 32] = [0; 32];

/// A closed day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The journal's day.
    pub day: Day,
    /// Its first row; 0 of none.
    pub first_row: i64,
    /// How many there are.
    pub rows: u64,
    /// SHA-256 over the names of accounts and units.
    names: [u8; 32],
    /// SHA-256 over all rows in their order.
    content: [u8; 32],
    /// SHA-256 over the marks of the rows.
    marks: [u8; 32],
    /// The hash of the line before.
    before: [u8; 32],
    /// When its files were removed because their time was over, if they were.
    pub pruned: Option<Moment>,
}

/// The rows of a day, hashed one after the other.
#[derive(Debug)]
pub(super) struct Hashing {
    first_row: i64,
    rows: u64,
    content: [u8; 32],
    marks: Vec<u8>,
}

impl Hashing {
    /// Before the first row.
    pub(super) const fn new() -> Self {
        Self { first_row: 0, rows: 0, content: NOTHING, marks: Vec::new() }
    }

    /// The next row.
    pub(super) fn row(&mut self, row: &Row) {
        if self.rows == 0 {
            self.first_row = row.number;
        }
        self.rows += 1;
        let hash = hash_of(row);
        let chain = Sha256::new().chain_update(self.content).chain_update(row.number.to_be_bytes()).chain_update(hash);
        self.content = chain.finalize().into();
        self.marks.extend_from_slice(&hash[..MARK]);
    }

    /// The day's seal behind another line, and its marks.
    pub(super) fn seal(self, day: Day, names: &Names, before: [u8; 32]) -> (Seal, Vec<u8>) {
        let Self { first_row, rows, content, marks } = self;
        let names = hash_of_names(names);
        let of_marks = Sha256::digest(&marks).into();
        (Seal { day, first_row, rows, names, content, marks: of_marks, before, pruned: None }, marks)
    }
}

/// What a row says, wherever it stands.
fn hash_of(row: &Row) -> [u8; 32] {
    let head = Sha256::new().chain_update(row.first_id.to_be_bytes()).chain_update(row.at.ms().to_be_bytes());
    head.chain_update(&row.records).finalize().into()
}

fn hash_of_names(names: &Names) -> [u8; 32] {
    let mut all: Vec<_> = names.iter().collect();
    all.sort_unstable();
    let each = |hash: Sha256, (number, name): (u16, &str)| {
        hash.chain_update(number.to_be_bytes()).chain_update((name.len() as u64).to_be_bytes()).chain_update(name)
    };
    all.into_iter().fold(Sha256::new(), each).finalize().into()
}

impl Seal {
    /// Its own hash, which the next line carries.
    pub fn hash(&self) -> [u8; 32] {
        let pruned = self.pruned.map_or(0, Moment::ms);
        Sha256::new()
            .chain_update(self.before)
            .chain_update(self.day.number().to_be_bytes())
            .chain_update(self.first_row.to_be_bytes())
            .chain_update(self.rows.to_be_bytes())
            .chain_update(self.names)
            .chain_update(self.content)
            .chain_update(self.marks)
            .chain_update(pruned.to_be_bytes())
            .finalize()
            .into()
    }

    /// The same in 64 hexadecimal digits.
    pub fn head(&self) -> String {
        hex(&self.hash())
    }
}

/// Hashes a day, as long as `goes_on` says so.
pub(super) fn of(rows: &impl Rows, day: Day, goes_on: impl Fn() -> bool) -> Result<Hashing, ReadError> {
    let mut hashing = Hashing::new();
    rows.read(day, i64::MIN, &mut |row| {
        hashing.row(row);
        if goes_on() { Ok(()) } else { Err(ReadError::Io(std::io::ErrorKind::Interrupted.into())) }
    })?;
    Ok(hashing)
}
