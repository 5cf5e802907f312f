//! The shipped folder loads; every way to spoil it is reported at its line with advice.

mod slips;
mod whole;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::domain::Moment;

use super::{Configuration, Problems, load_with_env};

pub(super) fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn now() -> Moment {
    Moment::parse("2026-11-24T09:30:00+08:00").expect("valid")
}

/// The shipped folder with one text replaced.
pub(super) fn spoiled(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(shipped()).expect("shipped").flatten().filter(|entry| entry.path().is_file()) {
        std::fs::copy(entry.path(), dir.path().join(entry.file_name())).expect("copied");
    }
    let path = dir.path().join(file);
    let text = std::fs::read_to_string(&path).expect("shipped");
    assert!(text.contains(from), "{file} holds no `{from}`");
    let text = if from.is_empty() { format!("{text}{to}") } else { text.replacen(from, to, 1) };
    std::fs::write(&path, text).expect("written");
    dir
}

pub(super) fn load(dir: &Path) -> Result<Configuration, Problems> {
    load_with_env(dir, &BTreeMap::new(), now())
}

fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
