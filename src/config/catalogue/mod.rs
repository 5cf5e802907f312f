//! Every key of the three TOML files: its range, its clause and what it does,
//! in both languages. The checks, `docs/configuration.md` and the printed
//! policy are made of this one list; tests compare it with the types.

mod account;
mod policy;
mod registry;
mod settings;

use std::fmt;

pub use account::ACCOUNT;
pub use policy::POLICY;
pub use settings::SETTINGS;

/// A key of a file.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// `section.key`.
    pub path: &'static str,
    /// What it may be.
    pub values: Values,
    /// The clause, ambiguity or section it comes from; `-` for plain engineering.
    pub clause: &'static str,
    /// What it does.
    pub english: &'static str,
    /// The same in short.
    pub chinese: &'static str,
}

/// What a key may be.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// A whole number between two, both included.
    Range(u64, u64),
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// Something described in words.
    Free(&'static str),
    /// A list of something described in words.
    List(&'static str),
    /// A word, or a list of something described in words.
    WordOrList(&'static str, &'static str),
    /// A table from a word of the first kind to a value of the second.
    Table(&'static str, &'static str),
}

use Values::{Flag, Free, List, OneOf, Range, Table, WordOrList};

const ANY_U32: u64 = u32::MAX as u64;
const AVOID: Values = OneOf(&["reject", "throttle", "warn"]);
const MODE: Values = OneOf(&["enforce", "observe", "off"]);

const fn key(
    path: &'static str,
    values: Values,
    clause: &'static str,
    english: &'static str,
    chinese: &'static str,
) -> Key {
    Key { path, values, clause, english, chinese }
}

/// The key of a path in `smsluice.toml` or `policy.toml`; words below a table are part of the table's key.
pub fn find(path: &str) -> Option<&'static Key> {
    let own = |key: &&Key| {
        let below = || path.strip_prefix(key.path).is_some_and(|rest| rest.starts_with('.') && rest.len() > 1);
        key.path == path || (matches!(key.values, Table(..)) && below())
    };
    SETTINGS.iter().chain(POLICY).find(own)
}

/// What the key of a problem should have been; `account.` paths are those of `accounts.toml`.
pub(super) fn expectation(path: &str) -> Option<String> {
    let of_account = |path: &str| {
        let own = path.split('.').next().unwrap_or_default();
        ACCOUNT.iter().find(|key| key.path == own)
    };
    let key = path.strip_prefix("account.").map_or_else(|| find(path), of_account)?;
    Some(format!("expected {}", key.values))
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Range(from, to) if *to == ANY_U32 => write!(f, "{from} or more"),
            Range(from, to) => write!(f, "{from} to {to}"),
            OneOf(words) => f.write_str(&words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")),
            Flag => f.write_str("`true`, `false`"),
            Free(what) => f.write_str(what),
            List(what) => write!(f, "list of: {what}"),
            WordOrList(word, what) => write!(f, "`{word}`, or a list of: {what}"),
            Table(from, to) => write!(f, "table: {from} = {to}"),
        }
    }
}
