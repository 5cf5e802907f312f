//! The file `head`: how far the journal goes, and which files it is in.
//!
//! A journal that was cut short, or an older copy of one, is whole in itself: only
//! something beside it can tell that rows are missing. The head names the last
//! row, the first row of each day, and every file by its inode, which no copy has.
//!
//! It follows the journal and never goes before it: what it names was committed. A row is in it at once, unless commits
//! come so densely that more than a two-hundredth of the time would go to it; then with one of the next, or
//! within 100 ms. It has two halves, one at rest and on the disk while the other is written.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::domain::Day;

use super::volume::VolumeId;

/// The head is written beside a commit if the last time it took so little of what has passed since.
const SHARE: u32 = 200;
/// Or if that was so long ago; a write that was long because the machine was busy says nothing of the next.
const LAG: Duration = Duration::from_millis(10);
/// How far it may lag after a loss of power.
const SYNC_EVERY: Duration = Duration::from_secs(10);
/// Octets of a half: far more than a month of volumes needs.
const HALF: u64 = 32 * 1024;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// Counts what was written; of two halves the later one is true.
    pub turn: u64,
    /// The last row.
    pub row: i64,
    /// What the next reservation gets.
    pub next_id: u64,
    /// Names given so far.
    pub names: usize,
    /// Up to this row the journal was on the disk, whatever becomes of the power.
    pub synced: i64,
    /// The machine's run in which it was written.
    pub boot: String,
    /// Its own inode.
    pub own: u64,
    /// Number of each day that has rows, and its first row.
    pub days: Vec<(u16, i64)>,
    /// Day, number and inode of each volume.
    pub volumes: Vec<(u16, u8, u64)>,
}

/// The open file.
#[derive(Debug)]
pub(super) struct HeadFile {
    path: PathBuf,
    /// Whether each commit is synced, so that writing the head beside it costs nothing.
    eager: bool,
    row: AtomicI64,
    next_id: AtomicU64,
    behind: AtomicBool,
    /// Never held while the disk is asked.
    known: Mutex<Known>,
    /// Held while the disk is asked; whoever must not wait for it tries.
    half: Mutex<Option<Half>>,
}

#[derive(Debug, Default)]
struct Known {
    names: usize,
    synced: i64,
    days: Vec<(u16, i64)>,
    volumes: Vec<(u16, u8, u64)>,
}

#[derive(Debug)]
struct Half {
    file: Arc<File>,
    inode: u64,
    boot: String,
    turn: u64,
    /// Which one is written; the other is on the disk.
    index: u64,
    written: Instant,
    /// How long that took.
    cost: Duration,
    synced: Instant,
    synced_turn: u64,
}

/// What stands where the head should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No file, or one that was never written.
    Nothing,
    /// Octets that were not written like this.
    Damaged,
    /// A head, and the inode of its file.
    Head(Head, u64),
}

/// The head's place in a ledger's folder.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("head")
}

/// The number of a file on its file system.
pub(super) fn inode(path: &Path) -> io::Result<u64> {
    Ok(std::fs::metadata(path)?.ino())
}

/// What tells one run of the machine from another.
pub(super) fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// Reads a folder's head.
pub(super) fn read(folder: &Path) -> io::Result<Found> {
    let path = path(folder);
    let octets = match std::fs::read(&path) {
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    if octets.is_empty() {
        return Ok(Found::Nothing);
    }
    let halves = octets.chunks(HALF as usize).filter_map(parse);
    Ok(match halves.max_by_key(|head| head.turn) {
        Some(head) => Found::Head(head, inode(&path)?),
        None => Found::Damaged,
    })
}

/// A half: checksum, JSON, line end; what follows is left from longer ones.
fn parse(half: &[u8]) -> Option<Head> {
    let line = half.split(|octet| *octet == b'\n').next()?;
    let (crc, text) = line.split_at_checked(9)?;
    let stated = u32::from_str_radix(std::str::from_utf8(crc).ok()?.trim_end(), 16).ok()?;
    if crc32fast::hash(text) != stated {
        return None;
    }
    serde_json::from_slice(text).ok()
}

/// A half as it is written.
pub(super) fn render(head: &Head) -> io::Result<Vec<u8>> {
    let text = serde_json::to_string(head)?;
    Ok(format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes())).into_bytes())
}

impl Half {
    /// Opens the file, or makes one whose name is on the disk when this returns.
    fn open(folder: &Path, turn: u64, index: u64) -> io::Result<Self> {
        let path = path(folder);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        File::open(folder)?.sync_all()?;
        file.sync_data()?; // the half that is at rest from now on
        let (inode, now, cost, file) = (file.metadata()?.ino(), Instant::now(), Duration::ZERO, Arc::new(file));
        Ok(Self { file, inode, boot: boot(), turn, index, written: now, cost, synced: now, synced_turn: turn })
    }
}

impl HeadFile {
    /// Opens a folder's head, or makes it before there is any volume. `eager` where commits are synced one by one.
    pub(super) fn open(folder: &Path, found: &Found, eager: bool) -> io::Result<Self> {
        let (head, index) = match found {
            Found::Head(head, _) => (head.clone(), u64::from(half_of(folder, head.turn)? == Some(0))),
            Found::Nothing | Found::Damaged => (Head::default(), 0),
        };
        let half = Half::open(folder, head.turn, index)?;
        let known = Known { names: head.names, synced: head.synced, days: head.days, volumes: head.volumes };
        let own = Self {
            path: path(folder),
            eager,
            row: AtomicI64::new(head.row),
            next_id: AtomicU64::new(head.next_id),
            behind: AtomicBool::new(true),
            known: Mutex::new(known),
            half: Mutex::new(Some(half)),
        };
        if *found == Found::Nothing {
            own.settle()?;
        }
        Ok(own)
    }

    /// One that is never written.
    pub(super) fn nowhere() -> Self {
        Self {
            path: PathBuf::new(),
            eager: false,
            row: AtomicI64::new(0),
            next_id: AtomicU64::new(0),
            behind: AtomicBool::new(false),
            known: Mutex::default(),
            half: Mutex::new(None),
        }
    }

    /// The journal goes up to this row now. Called in the order of the commits.
    pub(super) fn advanced(&self, day: Day, row: i64, next_id: u64) {
        {
            let mut known = self.known.lock();
            if known.days.last().is_none_or(|(last, _)| *last < day.number()) {
                known.days.push((day.number(), row));
            }
        }
        self.next_id.store(next_id, Ordering::Relaxed);
        self.row.store(row, Ordering::Release);
        self.behind.store(true, Ordering::Release);
        if let Some(mut half) = self.half.try_lock()
            && let Some(half) = half.as_mut()
            && (self.eager || half.written.elapsed() >= LAG.min(half.cost * SHARE))
        {
            let _ = self.write(half); // the writer thread tries again
        }
    }

    /// All rows so far are on the disk.
    pub(super) fn synced(&self, row: i64) {
        self.known.lock().synced = row;
    }

    /// So many names are given.
    pub(super) fn named(&self, names: usize) {
        self.known.lock().names = names;
        self.behind.store(true, Ordering::Release);
    }

    /// A volume is open under this inode.
    pub(super) fn lists(&self, id: VolumeId, inode: u64) {
        let entry = (id.day.number(), id.number, inode);
        let mut known = self.known.lock();
        known.volumes.retain(|(day, number, _)| (*day, *number) != (entry.0, entry.1));
        known.volumes.push(entry);
        known.volumes.sort_unstable();
        self.behind.store(true, Ordering::Release);
    }

    /// What the journal is known to be made of, in place of what the file said.
    pub(super) fn set(&self, row: i64, next_id: u64, days: Vec<(u16, i64)>, volumes: Vec<(u16, u8, u64)>) {
        let mut known = self.known.lock();
        (known.days, known.volumes) = (days, volumes);
        known.synced = known.synced.min(row);
        self.next_id.store(next_id, Ordering::Relaxed);
        self.row.store(row, Ordering::Release);
        self.behind.store(true, Ordering::Release);
    }

    /// Days before one matter no more.
    pub(super) fn forget_before(&self, day: Day) {
        let mut known = self.known.lock();
        let newest = known.days.last().copied();
        known.days.retain(|one| one.0 >= day.number() || Some(*one) == newest);
        known.volumes.retain(|one| one.0 >= day.number());
    }

    /// Volumes it names: day, number, inode.
    pub(super) fn volumes(&self) -> Vec<(VolumeId, u64)> {
        let known = self.known.lock();
        known.volumes.iter().map(|(day, number, inode)| (VolumeId::of(*day, *number), *inode)).collect()
    }

    /// Called by the writer thread some times a second.
    pub(super) fn tend(&self) {
        if self.behind.load(Ordering::Acquire) {
            let _ = self.write_now(); // tried again with the next call
        }
        self.sync_seldom(SYNC_EVERY);
    }

    /// Writes and syncs what is known.
    pub(super) fn settle(&self) -> io::Result<()> {
        self.write_now()?;
        self.sync_seldom(Duration::ZERO);
        Ok(())
    }

    /// Whether its name still stands for the open file; if not, another one is made in its place, for all that it has to
    /// say is known.
    pub(super) fn renew_if_gone(&self, folder: &Path) -> io::Result<bool> {
        let Some((own, turn)) = self.half.lock().as_ref().map(|half| (half.inode, half.turn)) else { return Ok(false) };
        if inode(&self.path).is_ok_and(|inode| inode == own) {
            return Ok(false);
        }
        if self.path.exists() {
            std::fs::remove_file(&self.path)?;
        }
        let half = Half::open(folder, turn, 0)?;
        *self.half.lock() = Some(half);
        self.settle()?;
        Ok(true)
    }

    fn write_now(&self) -> io::Result<()> {
        self.half.lock().as_mut().map_or(Ok(()), |half| self.write(half))
    }

    fn write(&self, half: &mut Half) -> io::Result<()> {
        let began = Instant::now();
        self.behind.store(false, Ordering::Release);
        let head = {
            let known = self.known.lock();
            Head {
                turn: half.turn + 1,
                row: self.row.load(Ordering::Acquire),
                next_id: self.next_id.load(Ordering::Relaxed),
                names: known.names,
                synced: known.synced,
                boot: half.boot.clone(),
                own: half.inode,
                days: known.days.clone(),
                volumes: known.volumes.clone(),
            }
        };
        let written = render(&head).and_then(|octets| half.file.write_all_at(&octets, half.index * HALF));
        half.written = Instant::now();
        half.cost = half.written - began;
        match written {
            Ok(()) => half.turn = head.turn,
            Err(_) => self.behind.store(true, Ordering::Release),
        }
        written
    }

    /// Syncs the half that is written; it rests then, and the other one is written next.
    fn sync_seldom(&self, every: Duration) {
        let (file, turn) = {
            let half = self.half.lock();
            let Some(half) = half.as_ref() else { return };
            if half.turn == half.synced_turn || half.synced.elapsed() < every {
                return;
            }
            (Arc::clone(&half.file), half.turn)
        };
        let synced = file.sync_data(); // without the lock, for it may take its time
        let mut half = self.half.lock();
        let Some(half) = half.as_mut() else { return };
        half.synced = Instant::now();
        if synced.is_ok() && half.turn == turn {
            half.synced_turn = turn;
            half.index = 1 - half.index;
        }
    }
}

/// Which half a turn stands in.
fn half_of(folder: &Path, turn: u64) -> io::Result<Option<usize>> {
    let octets = std::fs::read(path(folder))?;
    Ok(octets.chunks(HALF as usize).position(|half| parse(half).is_some_and(|head| head.turn == turn)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(folder: &Path) -> HeadFile {
        HeadFile::open(folder, &read(folder).expect("read"), false).expect("opened")
    }

    fn head(folder: &Path) -> Head {
        match read(folder).expect("read") {
            Found::Head(head, inode) => {
                assert_eq!(head.own, inode);
                head
            }
            other => panic!("{other:?}"),
        }
    }

    fn day(number: u16) -> Day {
        Day::from_number(number)
    }

    #[test]
    fn a_head_is_there_from_the_begin_and_follows_the_commits() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = opened(folder.path());
        assert_eq!(head(folder.path()).row, 0);
        file.lists(VolumeId::of(7, 1), 99);
        file.half.lock().as_mut().expect("a file").cost = Duration::ZERO;
        file.advanced(day(7), 1, 5);
        let first = head(folder.path());
        assert_eq!((first.row, first.next_id), (1, 5), "at once after a quiet time");
        assert_eq!((first.days, first.volumes), (vec![(7, 1)], vec![(7, 1, 99)]));
        {
            let mut half = file.half.lock();
            let half = half.as_mut().expect("a file");
            (half.cost, half.written) = (Duration::from_secs(1), Instant::now() + Duration::from_secs(1));
        }
        file.advanced(day(7), 2, 6);
        assert_eq!(head(folder.path()).row, 1, "a busy moment later it waits");
        file.tend();
        assert_eq!((head(folder.path()).row, head(folder.path()).days), (2, vec![(7, 1)]));
        file.advanced(day(8), 3, 6);
        file.settle().expect("written");
        drop(file);
        let file = opened(folder.path());
        file.advanced(day(8), 4, 9);
        file.settle().expect("written");
        let last = head(folder.path());
        assert_eq!((last.row, last.next_id, last.days), (4, 9, vec![(7, 1), (8, 3)]));
    }

    #[test]
    fn while_one_half_is_written_the_other_rests() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = opened(folder.path());
        file.settle().expect("written");
        for row in 1..=20 {
            file.advanced(day(7), row, 1);
            if row % 3 == 0 {
                file.settle().expect("written");
            } else {
                file.tend();
            }
            // The half that is written is torn, wherever it is: what was synced before is still there.
            let whole = std::fs::read(path(folder.path())).expect("read");
            let written = file.half.lock().as_ref().expect("a file").index as usize * HALF as usize;
            let mut torn = whole.clone();
            torn.iter_mut().skip(written + 20).take(8).for_each(|octet| *octet = b'#');
            std::fs::write(path(folder.path()), &torn).expect("written");
            assert!(head(folder.path()).row >= row / 3 * 3, "row {row}");
            std::fs::write(path(folder.path()), &whole).expect("written");
        }
        std::fs::write(path(folder.path()), "0000abcd {}\n").expect("written");
        assert_eq!(read(folder.path()).expect("read"), Found::Damaged);
    }

    #[test]
    fn one_that_was_removed_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = opened(folder.path());
        file.advanced(day(7), 3, 4);
        assert!(!file.renew_if_gone(folder.path()).expect("looked"));
        std::fs::write(folder.path().join("other"), "an older one").expect("written");
        std::fs::rename(folder.path().join("other"), path(folder.path())).expect("replaced");
        assert!(file.renew_if_gone(folder.path()).expect("made"));
        assert_eq!(head(folder.path()).row, 3);
        assert!(!file.renew_if_gone(folder.path()).expect("looked"));
    }

    #[test]
    fn a_half_rests_once_it_is_synced_and_is_not_written_by_the_next_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = opened(folder.path());
        let index = |file: &HeadFile| file.half.lock().as_ref().expect("a file").index;
        file.settle().expect("written");
        let before = index(&file);
        file.sync_seldom(Duration::ZERO);
        assert_eq!(index(&file), before, "there is nothing new to sync");
        file.advanced(day(7), 1, 2);
        file.write_now().expect("written");
        file.sync_seldom(Duration::from_secs(3600));
        assert_eq!(index(&file), before, "it was synced a moment ago");
        file.sync_seldom(Duration::ZERO);
        assert_eq!(index(&file), 1 - before);
        file.synced(1);
        file.named(4);
        file.settle().expect("written");
        let last = head(folder.path());
        assert_eq!((last.synced, last.names, last.boot), (1, 4, boot()));
        let turn = last.turn;
        let newest = half_of(folder.path(), turn).expect("read").expect("there");
        assert_eq!(half_of(folder.path(), turn + 1).expect("read"), None);
        drop(file);
        assert_eq!(index(&opened(folder.path())), 1 - newest as u64, "the newest one is left as it is");
        let own = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        assert_eq!(boot(), own.trim());
    }

    #[test]
    fn what_is_too_old_to_matter_is_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = opened(folder.path());
        for (number, row) in [(5, 1), (6, 10)] {
            file.lists(VolumeId::of(number, 1), u64::from(number));
            file.advanced(day(number), row, 1);
        }
        file.forget_before(day(6));
        file.settle().expect("written");
        assert_eq!(head(folder.path()).days, [(6, 10)]);
        file.forget_before(day(9));
        file.settle().expect("written");
        let last = head(folder.path());
        assert_eq!((last.days, last.volumes), (vec![(6, 10)], vec![]), "where the rows end is kept");
    }
}
