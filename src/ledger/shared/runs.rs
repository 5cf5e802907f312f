//! Names of reservations that no other gateway gives, nor this one at another time.
//!
//! Every start of a gateway is a run with a number of its own, given by the
//! server. A token is the run and the reservation's place in it; what earlier
//! runs took keeps its tokens, because the folder remembers where each began.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use parking_lot::RwLock;

/// Bits of a token that count the reservations of one run; with the run's 20 above them a token is a whole number
/// below 2^53, which every reader of JSON keeps.
const PLACE_BITS: u32 = 33;

/// Where each run's reservations begin, in `shared.runs` of the ledger's folder.
#[derive(Debug)]
pub(super) struct Runs {
    path: PathBuf,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// First id and number of each run, in order.
    runs: Vec<(u64, u32)>,
    /// The server's ledger that gave the last one.
    ledger: String,
}

impl Runs {
    /// Reads what the folder remembers. A last line that was not written whole is none: its run took nothing.
    pub(super) fn open(folder: &Path) -> std::io::Result<Self> {
        let path = folder.join("shared.runs");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut known = Known::default();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            OpenOptions::new().write(true).open(&path)?.set_len(whole as u64)?;
        }
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let mut fields = line.split(' ');
            let mut number = || fields.next()?.parse::<u64>().ok();
            let (Some(first), Some(run)) = (number(), number()) else {
                return Err(std::io::Error::new(
                    std::io::ErrorKind::InvalidData,
                    "shared.runs is not what was written",
                ));
            };
            known.runs.push((first, run as u32));
            fields.next().unwrap_or_default().clone_into(&mut known.ledger);
        }
        Ok(Self { path, known: RwLock::new(known) })
    }

    /// Number of the last run; 0 before the first.
    pub(super) fn last(&self) -> u32 {
        self.known.read().runs.last().map_or(0, |(_, run)| *run)
    }

    /// Number of the run before the last one; that of the last one if there was none before.
    pub(super) fn before(&self) -> u32 {
        let known = self.known.read();
        known.runs.iter().rev().nth(1).or(known.runs.last()).map_or(0, |(_, run)| *run)
    }

    /// Which of the server's ledgers gave the last run; empty before the first.
    pub(super) fn ledger(&self) -> String {
        self.known.read().ledger.clone()
    }

    /// A run begins with a reservation's id, on disk when this returns. `ledger`: which of the server's gave it.
    pub(super) fn begin(&self, first_id: u64, run: u32, ledger: &str) -> std::io::Result<()> {
        let mut known = self.known.write();
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        file.write_all(format!("{first_id} {run} {ledger}\n").as_bytes())?;
        file.sync_all()?;
        known.runs.push((first_id, run));
        ledger.clone_into(&mut known.ledger);
        Ok(())
    }

    /// Whether a run was this folder's.
    pub(super) fn knows(&self, run: u32) -> bool {
        self.known.read().runs.iter().any(|(_, own)| *own == run)
    }

    /// The token of a reservation; `None` of one that no run took.
    pub(super) fn token(&self, id: u64) -> Option<u64> {
        let known = self.known.read();
        let (first, run) = known.runs.iter().rev().find(|(first, _)| *first <= id)?;
        Some(u64::from(*run) << PLACE_BITS | (id - first))
    }
}

/// The run that took a token.
pub(super) const fn run_of(token: u64) -> u32 {
    (token >> PLACE_BITS) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_keeps_its_token_from_start_to_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let runs = Runs::open(folder.path()).expect("opens");
        assert_eq!((runs.last(), runs.token(7)), (0, None));
        runs.begin(5, 3, "here").expect("written");
        runs.begin(100, 9, "here").expect("written");
        let tokens: Vec<_> = [4, 5, 99, 100].map(|id| runs.token(id)).into();
        assert_eq!(tokens, [None, Some(3 << 33), Some((3 << 33) + 94), Some(9 << 33)]);
        std::fs::write(&runs.path, std::fs::read_to_string(&runs.path).expect("read") + "200 1").expect("written");
        let again = Runs::open(folder.path()).expect("opens");
        assert_eq!((again.last(), again.ledger(), again.token(200)), (9, "here".to_owned(), Some((9 << 33) + 100)));
        assert_eq!(run_of((9 << 33) + 100), 9);
    }
}
