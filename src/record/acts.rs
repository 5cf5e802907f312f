//! What operators did: an append-only file of JSON lines, each chained to the
//! one before it by its hash.
//!
//! A line is on disk before the caller learns that it is recorded. A line that
//! was cut short by a crash was never confirmed and is cut off when the file is
//! opened again. Whoever changes or removes a line in the middle breaks the
//! chain; the head's hash is logged with every act, so that a file cut at its
//! end can be told from a log kept elsewhere.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::domain::{Moment, hex};

/// The file's name in the ledger's folder.
pub const FILE: &str = "acts.jsonl";
/// No line is longer; a longer one ends a reading as a broken chain.
const LINE_MAX: u64 = 1024 * 1024;
/// What the first line names as its predecessor.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One act of an operator.
#[derive(Clone, Debug, Serialize)]
pub struct Act {
    /// When, local time with its offset.
    pub at: String,
    /// The token's name, or `uid:N` on the local socket.
    pub who: String,
    /// The roles it was done with.
    pub role: String,
    /// The peer's address, or `socket`.
    pub from: String,
    /// What was done, such as `session.kick`.
    pub action: &'static str,
    /// To what; no subscriber's number.
    pub target: String,
    /// Why, in the operator's words.
    pub reason: String,
    /// The state before.
    pub before: Value,
    /// The state after.
    pub after: Value,
    /// `asked` before an act that must not happen unrecorded, then `done` or `failed`.
    pub result: &'static str,
}

/// The acts of one gateway.
#[derive(Debug)]
pub struct Acts {
    path: PathBuf,
    chain: Mutex<Chain>,
}

#[derive(Debug)]
struct Chain {
    file: File,
    /// Octets confirmed; whatever stands behind them is cut off before the next line.
    length: u64,
    head: Head,
}

/// The end of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the last line, from 1; 0 when there is none.
    pub seq: u64,
    /// Its hash, 64 hexadecimal digits.
    pub hash: String,
}

/// What a reading of the whole file found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Whole lines read.
    pub lines: u64,
    /// The last good line.
    pub head: Head,
    /// Where the chain breaks, if it does: the line, from 1, and why.
    pub broken: Option<(u64, &'static str)>,
    /// Octets of whole lines.
    length: u64,
    /// Octets of a last line without its end.
    pub torn: u64,
}

impl Default for Head {
    fn default() -> Self {
        Self { seq: 0, hash: NOTHING.to_owned() }
    }
}

impl Acts {
    /// Opens or makes the file of a ledger's folder, which this process must own. What
    /// the check found is told, so that somebody hears of a broken chain; acts go on behind its last line.
    pub fn open(folder: &Path) -> io::Result<(Self, Checked)> {
        let path = folder.join(FILE);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        File::open(folder)?.sync_all()?; // a new file's name has to be on disk as well
        let checked = check(&path)?;
        let chain = Chain { file, length: checked.length, head: checked.head.clone() };
        Ok((Self { path, chain: Mutex::new(chain) }, checked))
    }

    /// Appends an act and syncs it. When this returns, the act is on disk.
    pub fn record(&self, act: &Act) -> io::Result<Head> {
        // A disk that hangs would keep one thread more for each act.
        let chain = self.chain.try_lock_for(std::time::Duration::from_secs(1));
        let mut chain = chain.ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer"))?;
        let seq = chain.head.seq + 1;
        let (line, hash) = written(seq, &chain.head.hash, act)?;
        let start = chain.length;
        chain.file.set_len(start)?;
        chain.file.seek(SeekFrom::Start(start))?;
        chain.file.write_all(line.as_bytes())?;
        chain.file.sync_data()?;
        chain.length = start + line.len() as u64;
        chain.head = Head { seq, hash };
        Ok(chain.head.clone())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The latest acts that `wanted` takes, newest first, at most `limit`. Reads the whole file.
    pub fn latest(&self, limit: usize, wanted: impl Fn(&Value) -> bool) -> io::Result<Vec<Value>> {
        latest(&self.path, limit, wanted)
    }
}

/// The latest acts of a file that `wanted` takes, newest first, at most `limit`. Reads the whole file.
pub fn latest(path: &Path, limit: usize, wanted: impl Fn(&Value) -> bool) -> io::Result<Vec<Value>> {
    let mut latest = std::collections::VecDeque::new();
    for line in Lines::open(path)? {
        let Ok(value) = serde_json::from_str::<Value>(line?.trim_end()) else { continue };
        if wanted(&value) {
            if latest.len() == limit {
                latest.pop_front();
            }
            latest.push_back(value);
        }
    }
    Ok(latest.into_iter().rev().collect())
}

/// Reads a whole file and follows its chain.
pub fn check(path: &Path) -> io::Result<Checked> {
    let mut checked = Checked { lines: 0, head: Head::default(), broken: None, length: 0, torn: 0 };
    for line in Lines::open(path)? {
        let line = line?;
        if !line.ends_with('\n') {
            checked.torn = line.len() as u64;
            break;
        }
        checked.lines += 1;
        checked.length += line.len() as u64;
        match follows(&checked.head, line.trim_end_matches('\n')) {
            Ok(head) => checked.head = head,
            Err(why) => {
                checked.broken.get_or_insert((checked.lines, why));
                // Later lines are followed from what this one says of itself.
                checked.head = claimed(&line).unwrap_or_else(|| checked.head.clone());
            }
        }
    }
    Ok(checked)
}

/// The line of an act and its hash. The hash stands last and covers all before it.
fn written(seq: u64, previous: &str, act: &Act) -> io::Result<(String, String)> {
    #[derive(Serialize)]
    struct Line<'a> {
        seq: u64,
        #[serde(flatten)]
        act: &'a Act,
        prev: &'a str,
    }
    let mut line = serde_json::to_string(&Line { seq, act, prev: previous })?;
    line.pop(); // the closing brace
    let hash = hash(&line);
    line.push_str(r#","hash":""#);
    line.push_str(&hash);
    line.push_str("\"}\n");
    Ok((line, hash))
}

/// The head after a line, if it follows the one before.
fn follows(before: &Head, line: &str) -> Result<Head, &'static str> {
    let (covered, rest) = line.rsplit_once(r#","hash":""#).ok_or("no hash")?;
    let stated = rest.strip_suffix(r#""}"#).ok_or("no hash at its end")?;
    if hash(covered) != stated {
        return Err("the line does not match its hash");
    }
    let value: Value = serde_json::from_str(line).map_err(|_| "not JSON")?;
    if value["prev"] != before.hash.as_str() {
        return Err("it does not follow the line before");
    }
    let seq = value["seq"].as_u64().ok_or("no number")?;
    if seq != before.seq + 1 {
        return Err("its number does not follow");
    }
    Ok(Head { seq, hash: stated.to_owned() })
}

/// What a line says of itself.
fn claimed(line: &str) -> Option<Head> {
    let value: Value = serde_json::from_str(line).ok()?;
    Some(Head { seq: value["seq"].as_u64()?, hash: value["hash"].as_str()?.to_owned() })
}

fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// The lines of a file with their ends, each of bounded length.
struct Lines(BufReader<File>);

impl Lines {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(BufReader::new(File::open(path)?)))
    }
}

impl Iterator for Lines {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut octets = Vec::new();
        match io::Read::take(&mut self.0, LINE_MAX).read_until(b'\n', &mut octets) {
            Ok(0) => None,
            Ok(_) => Some(Ok(String::from_utf8_lossy(&octets).into_owned())),
            Err(error) => Some(Err(error)),
        }
    }
}

impl Act {
    /// An act at a moment; what it changed is filled in by whoever did it.
    pub fn at(moment: Moment) -> Self {
        Self {
            at: moment.to_string(),
            who: String::new(),
            role: String::new(),
            from: String::new(),
            action: "",
            target: String::new(),
            reason: String::new(),
            before: Value::Null,
            after: Value::Null,
            result: "done",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(target: &str) -> Act {
        let now = Moment::parse("2026-11-24T09:30:00+08:00").expect("valid");
        Act { action: "session.kick", target: target.to_owned(), reason: "\"hash\":\"x\"}".to_owned(), ..Act::at(now) }
    }

    #[test]
    fn acts_are_chained_from_opening_to_opening() {
        let folder = tempfile::tempdir().expect("a folder");
        let (acts, checked) = Acts::open(folder.path()).expect("opened");
        assert_eq!((checked.lines, checked.broken), (0, None));
        acts.record(&act("1")).expect("recorded");
        acts.record(&act("2")).expect("recorded");
        drop(acts);
        let (acts, checked) = Acts::open(folder.path()).expect("opened");
        assert_eq!((checked.lines, checked.head.seq, checked.broken), (2, 2, None));
        let head = acts.record(&act("3")).expect("recorded");
        let whole = check(acts.path()).expect("read");
        assert_eq!((whole.head, whole.broken), (head, None));
        let latest = acts.latest(2, |_| true).expect("read");
        assert_eq!(latest.iter().map(|one| one["target"].as_str()).collect::<Vec<_>>(), [Some("3"), Some("2")]);
        let second = acts.latest(9, |one| one["target"] == "2").expect("read");
        assert_eq!(second.len(), 1);
    }

    #[test]
    fn a_torn_line_is_cut_off_and_the_chain_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let (acts, _) = Acts::open(folder.path()).expect("opened");
        acts.record(&act("1")).expect("recorded");
        drop(acts);
        let path = folder.path().join(FILE);
        let whole = std::fs::read(&path).expect("read");
        std::fs::write(&path, [&whole[..], &whole[..40]].concat()).expect("written");
        let (acts, checked) = Acts::open(folder.path()).expect("opened");
        assert_eq!((checked.lines, checked.torn, checked.broken), (1, 40, None));
        acts.record(&act("2")).expect("recorded");
        let whole = check(&path).expect("read");
        assert_eq!((whole.lines, whole.torn, whole.broken), (2, 0, None));
    }

    #[test]
    fn changed_and_missing_lines_break_the_chain() {
        let folder = tempfile::tempdir().expect("a folder");
        let (acts, _) = Acts::open(folder.path()).expect("opened");
        for target in ["1", "2", "3"] {
            acts.record(&act(target)).expect("recorded");
        }
        let text = std::fs::read_to_string(acts.path()).expect("read");
        let lines: Vec<&str> = text.lines().collect();
        for (spoiled, line) in [
            (text.replace("\"target\":\"2\"", "\"target\":\"9\""), 2),
            (format!("{}\n{}\n", lines[0], lines[2]), 2),
            (format!("{}\n{}\n{}\n", lines[1], lines[0], lines[2]), 1),
            (text.replace("\"hash\":", "\"hush\":"), 1),
        ] {
            std::fs::write(acts.path(), &spoiled).expect("written");
            assert_eq!(check(acts.path()).expect("read").broken.map(|(at, _)| at), Some(line), "{spoiled}");
        }
    }
}
