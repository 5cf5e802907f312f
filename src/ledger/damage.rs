//! Damage of the journal's files: what was found, and which of it an operator has accepted.
//!
//! While there is damage nothing is submitted, because who was sent to today cannot be told for
//! certain. Everything else goes on. What can be undone by itself is (a file that is moved back);
//! the rest waits for an operator: files are put back, or the loss is accepted by its code, once.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::volume::ReadError;

/// What kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// Something in a file is not what was written.
    Unreadable,
    /// Rows that were written are not there.
    RowsMissing,
    /// A file is not there.
    FileMissing,
    /// The files are not those that were written, but a copy of them.
    Copied,
    /// Somebody else has replaced or written a file while it was in use.
    Changed,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Its kind.
    pub kind: DamageKind,
    /// What exactly, in words.
    pub what: String,
}

/// Why damage cannot be accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// There is none of this code.
    #[error("the ledger has no damage with this code that a start could accept")]
    NoSuchDamage,
    /// It cannot be written down.
    #[error("the acceptance cannot be written: {0}")]
    Io(#[from] io::Error),
}

impl DamageKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Unreadable, Self::RowsMissing, Self::FileMissing, Self::Copied, Self::Changed];

    /// The word for `/readyz`, logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "ledger_unreadable",
            Self::RowsMissing => "ledger_rows_missing",
            Self::FileMissing => "ledger_file_missing",
            Self::Copied => "ledger_copied",
            Self::Changed => "ledger_file_changed",
        }
    }

    /// What to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Unreadable | Self::RowsMissing | Self::FileMissing => {
                "stop, put the true files back and start; or accept the loss: `smsluice ledger accept CODE`, then restart"
            }
            Self::Copied => {
                "if nothing was sent since the copy was made: `smsluice ledger accept CODE`, then restart; otherwise wait for midnight with it"
            }
            Self::Changed => {
                "copy what the gateway still knows with `smsluice ledger backup NAME`, stop, put the copy in the place of the journals, start"
            }
        }
    }
}

impl Damage {
    pub(super) const fn new(kind: DamageKind, what: String) -> Self {
        Self { kind, what }
    }

    /// Names this finding and no other: another start finds the same, other damage has another code.
    pub fn code(&self) -> String {
        format!("{:08x}", crc32fast::hash(format!("{}: {}", self.kind.code(), self.what).as_bytes()))
    }

    /// A failed reading, if the files are to blame and not the disk of the moment.
    pub(super) fn of(error: &ReadError) -> Option<Self> {
        let kind = match error {
            ReadError::Missing { .. } => DamageKind::RowsMissing,
            ReadError::Corrupt { .. } | ReadError::Name { .. } | ReadError::Names | ReadError::Format { .. } => {
                DamageKind::Unreadable
            }
            ReadError::Sqlite(error) if blames_the_file(error) => DamageKind::Unreadable,
            ReadError::Sqlite(_) | ReadError::Io(_) => return None,
        };
        Some(Self::new(kind, error.to_string()))
    }
}

/// Whether SQLite says that a file is not what was laid out, and not that it cannot be had.
fn blames_the_file(error: &rusqlite::Error) -> bool {
    use rusqlite::Error as Sqlite;
    use rusqlite::ErrorCode;
    match error {
        Sqlite::SqliteFailure(code, text) => match code.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => true,
            ErrorCode::Unknown => text.as_ref().is_some_and(|text| text.contains("no such")),
            _ => false,
        },
        Sqlite::SqlInputError { .. }
        | Sqlite::InvalidColumnType(..)
        | Sqlite::IntegralValueOutOfRange(..)
        | Sqlite::FromSqlConversionFailure(..)
        | Sqlite::QueryReturnedNoRows => true,
        _ => false,
    }
}

/// Where an operator's acceptance lies until the next start.
fn acceptance(folder: &Path) -> PathBuf {
    folder.join("accepted")
}

/// Writes down that damage of this code is accepted.
pub(super) fn accept(folder: &Path, code: &str) -> io::Result<()> {
    let mut file = std::fs::File::create(acceptance(folder))?;
    writeln!(file, "{code}")?;
    file.sync_all()?;
    std::fs::File::open(folder)?.sync_all()
}

/// Whether damage of this code is accepted.
pub(super) fn is_accepted(folder: &Path, code: &str) -> bool {
    std::fs::read_to_string(acceptance(folder)).is_ok_and(|text| text.trim() == code)
}

/// An acceptance counts once.
pub(super) fn forget_acceptance(folder: &Path) -> io::Result<()> {
    match std::fs::remove_file(acceptance(folder)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
