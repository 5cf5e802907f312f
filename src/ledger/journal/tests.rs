//! Volumes that take turns, and what reads them.

use super::super::disk::{Act, Disk, RealDisk};
use super::super::head::Found;
use super::super::tail::HALF;
use super::super::volume::{Logs, ReadError};
use super::*;
use crate::domain::{Clock, Moment};

#[derive(Debug)]
struct Unwatched;

impl CommitObserver for Unwatched {
    fn committed(&self, _: std::time::Duration, _: u64) {}
    fn failed(&self, _: &rusqlite::Error) {}
}

const NOON: &str = "2026-11-24T12:00:00+08:00";

fn shelf(folder: &std::path::Path) -> Shelf {
    let (folder, disk) = (folder.to_owned(), Arc::new(RealDisk));
    Shelf { folder, durability: Durability::Process, disk, log_size_max: 16 * 1024 }
}

fn opened(folder: &tempfile::TempDir, ticker: Ticker, names: &Names) -> Arc<Journal> {
    opened_on(shelf(folder.path()), ticker, names)
}

fn opened_on(shelf: Shelf, ticker: Ticker, names: &Names) -> Arc<Journal> {
    let day = LocalTime::of(ticker.tick().wall).day;
    let head = HeadFile::open(&shelf.folder, &Found::Nothing, false).expect("a head");
    let tail = Tail::open(&shelf).expect("a tail");
    let start = Start { day, names, next_id: 1, next_row: 1, ends: Some((head, tail)) };
    Journal::open(shelf, ticker, start, Arc::new(Unwatched)).expect("opened")
}

/// A folder in which forty rows were written while the volumes took turns.
fn written() -> (tempfile::TempDir, Day) {
    let folder = tempfile::tempdir().expect("a folder");
    let noon = Moment::parse(NOON).expect("valid");
    let mut names = Names::default();
    names.account("first");
    let ticker = Ticker::new(Clock::starting_at(noon));
    let journal = opened(&folder, ticker, &names);
    for row in 1..=40 {
        journal.append(&mut vec![row; 2000], 1);
        journal.commit_pending(None, HOWEVER_LONG);
        journal.file_rows().expect("filed");
        journal.keep(LocalTime::of(noon)).expect("kept");
        if row == 20 {
            names.account("second");
            journal.write_names(&names).expect("written");
        }
    }
    (folder, LocalTime::of(noon).day)
}

/// Many wait for the writer at once; a time limit, because what this is about would stop for ever.
#[test]
fn those_who_wait_and_the_writer_do_not_stop_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let power = Shelf { durability: Durability::Power, ..shelf(folder.path()) };
    let journal =
        opened_on(power, Ticker::new(Clock::starting_at(Moment::parse(NOON).expect("valid"))), &Names::default());
    let writer = Arc::clone(&journal);
    let thread = std::thread::spawn(move || writer.run_writer());
    let (done, waiting) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("built");
        let until = Instant::now() + std::time::Duration::from_secs(4);
        let one = |journal: Arc<Journal>| async move {
            while Instant::now() < until {
                let ticket = journal.append(&mut vec![0; 15], 1);
                assert_eq!(journal.durable(ticket).await, Ok(()));
            }
        };
        let all: Vec<_> = (0..64).map(|_| runtime.spawn(one(Arc::clone(&journal)))).collect();
        for task in all {
            runtime.block_on(task).expect("no panic");
        }
        journal.close();
        done.send(()).expect("somebody waits");
    });
    waiting.recv_timeout(std::time::Duration::from_secs(60)).expect("all have had their commits");
    thread.join().expect("no panic");
}

/// Number, first id and first octet of every row, and the names.
type Read = (Vec<(i64, u64, u8)>, Names);

fn read(folder: &std::path::Path, day: Day) -> Result<Read, ReadError> {
    let (mut names, mut rows) = (Names::default(), Vec::new());
    let volumes = VolumeId::all(folder).expect("readable");
    shelf(folder).read(day, &volumes, &mut names, Logs::Folded, |row| {
        rows.push((row.number, row.first_id, row.records[0]));
        Ok(())
    })?;
    Ok((rows, names))
}

#[test]
fn volumes_take_turns_and_are_read_in_the_order_of_the_commits() {
    let (folder, day) = written();
    let volumes = VolumeId::all(folder.path()).expect("readable");
    assert_eq!(volumes, [VolumeId::first(day), VolumeId::first(day).other()]);
    for volume in volumes {
        let one = read_only(folder.path(), volume);
        assert!((4..=36).contains(&one), "{volume:?} holds {one} rows");
    }
    let (rows, names) = read(folder.path(), day).expect("read");
    let expected: Vec<_> = (1..=40).map(|row| (i64::from(row), u64::from(row), row)).collect();
    assert_eq!(rows, expected);
    assert_eq!(names.len(), 2);
}

#[test]
fn what_is_held_open_is_read_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let evening = Moment::parse("2026-11-24T23:55:00+08:00").expect("valid");
    let now = Arc::new(std::sync::atomic::AtomicI64::new(evening.ms()));
    let ticker = Ticker::new(Clock::Manual(Arc::clone(&now)));
    let names = Names::default();
    let journal = opened(&folder, ticker, &names);
    let commit = |rows: std::ops::RangeInclusive<u8>| {
        for row in rows {
            journal.append(&mut vec![row; 2000], 1);
            journal.commit_pending(None, HOWEVER_LONG);
            if row % 2 == 0 {
                journal.file_rows().expect("filed"); // the others are read from the tail
            }
            let now = Moment::from_ms(now.load(Ordering::SeqCst));
            journal.keep(LocalTime::of(now)).expect("kept");
        }
    };
    let read = |day| {
        let mut rows = Vec::new();
        journal.read(day, journal.last_row(), &mut |row| {
            rows.push(row.number);
            Ok(())
        })?;
        Ok::<_, ReadError>(rows)
    };
    let today = LocalTime::of(evening).day;
    commit(1..=20); // the volumes have taken turns, and tomorrow's lies ready
    assert_eq!(read(today).expect("read"), (1..=20).collect::<Vec<_>>());
    assert_eq!(read(today.next()).expect("read, though it is held"), Vec::<i64>::new());
    now.fetch_add(600_000, Ordering::SeqCst);
    commit(21..=21);
    journal.keep(LocalTime::of(Moment::from_ms(now.load(Ordering::SeqCst)))).expect("kept");
    assert_eq!(read(today).expect("read"), (1..=20).collect::<Vec<_>>(), "of a day that is over");
    assert_eq!(read(today.next()).expect("read"), [21]);
}

fn read_only(folder: &std::path::Path, volume: VolumeId) -> usize {
    let (mut names, mut rows) = (Names::default(), 0);
    let counted = shelf(folder).read(volume.day, &[volume], &mut names, Logs::Folded, |_| {
        rows += 1;
        Ok(())
    });
    counted.expect("read");
    rows
}

/// A disk on which nothing can be filed, though what is laid out can be written.
#[derive(Debug, Default)]
struct Full(AtomicBool);

impl Disk for Full {
    fn consent(&self, act: Act) -> rusqlite::Result<()> {
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        let fails = act == Act::File && self.0.load(Ordering::SeqCst);
        if fails { Err(rusqlite::Error::SqliteFailure(full, None)) } else { Ok(()) }
    }
}

#[test]
fn rows_that_cannot_be_filed_stop_the_ledger_and_are_not_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let noon = Moment::parse(NOON).expect("valid");
    let disk = Arc::new(Full::default());
    let full = Shelf { disk: Arc::<Full>::clone(&disk), ..shelf(folder.path()) };
    let journal = opened_on(full, Ticker::new(Clock::starting_at(noon)), &Names::default());
    let commit = |row: u8, octets| {
        let ticket = journal.append(&mut vec![row; octets], 1);
        journal.commit_pending(None, HOWEVER_LONG);
        journal.outcome(ticket)
    };
    assert_eq!(commit(1, 10), Ok(()));
    disk.0.store(true, Ordering::SeqCst);
    assert!(journal.file_rows().is_err());
    assert!(!journal.is_trusted(), "before the tail is full");
    assert_eq!(commit(2, 10), Ok(()), "what is under way is settled all the same");
    assert!(!journal.is_trusted());
    let large = HALF * 3 / 4;
    assert_eq!([commit(3, large), commit(4, large)], [Ok(()); 2]);
    assert_eq!(commit(5, large), Err(NotDurable::Failed), "both halves are full");
    journal.probe();
    assert!(!journal.is_trusted());
    disk.0.store(false, Ordering::SeqCst);
    journal.probe();
    assert!(journal.is_trusted());
    assert_eq!(commit(7, HALF + 1), Ok(()), "larger than a half");
    disk.0.store(true, Ordering::SeqCst);
    assert_eq!(commit(8, HALF + 1), Err(NotDurable::Failed));
    disk.0.store(false, Ordering::SeqCst);
    assert_eq!(commit(8, 10), Ok(()));
    assert_eq!(journal.filed(), journal.last_row(), "the large one may be there under its number: it is written over");
    let mut rows = Vec::new();
    let day = LocalTime::of(noon).day;
    let read = journal.read(day, journal.last_row(), &mut |row| {
        rows.push(row.records.first().copied());
        Ok(())
    });
    read.expect("read");
    assert_eq!(
        rows,
        [1, 2, 3, 4, 0, 0, 7, 8].map(|row: u8| (row > 0).then_some(row)).to_vec(),
        "two of them tried the disk"
    );
}

#[test]
fn ids_rows_and_names_go_on_and_the_head_knows_them() {
    let (folder, day) = written();
    let Found::Head(head, _) = super::super::head::read(folder.path()).expect("read") else { panic!("no head") };
    let mut names = Names::default();
    names.account("first");
    let start = |next_id, next_row| Start { day, names: &names, next_id, next_row, ends: None };
    let ticker = || Ticker::new(Clock::starting_at(Moment::parse(NOON).expect("valid")));
    let sealed = Journal::open(shelf(folder.path()), ticker(), start(9, 7), Arc::new(Unwatched)).expect("opened");
    assert_eq!((sealed.next_id(), sealed.last_row(), sealed.names().len()), (9, 6, 1));
    sealed.append(&mut vec![1], 2);
    assert_eq!(sealed.next_id(), 11);
    sealed.commit_pending(None, HOWEVER_LONG);
    assert_eq!((sealed.is_trusted(), sealed.last_row()), (false, 6), "nothing is written to what is damaged");
    assert!(sealed.resting.lock().is_none());
    let journal = opened(&folder, ticker(), &names);
    assert!(journal.resting.lock().is_some(), "the volume that was at rest is open again");
    let fresh = tempfile::tempdir().expect("a folder");
    let journal = opened(&fresh, ticker(), &names);
    assert!(journal.resting.lock().is_none());
    for (reservations, next_id) in [(2, 3), (3, 6)] {
        journal.append(&mut vec![1], reservations);
        journal.commit_pending(None, HOWEVER_LONG);
        journal.settle_head().expect("written");
        let Found::Head(head, _) = super::super::head::read(fresh.path()).expect("read") else { panic!("no head") };
        assert_eq!((head.next_id, head.row, journal.last_row()), (next_id, head.row, head.row));
    }
    assert!((1..=40).contains(&head.row));
}

#[test]
fn commits_that_several_share_are_expected_to_be_shared_for_a_while() {
    let folder = tempfile::tempdir().expect("a folder");
    let ticker = Ticker::new(Clock::starting_at(Moment::parse(NOON).expect("valid")));
    let journal = opened(&folder, ticker, &Names::default());
    let commit = |appends: &[u64]| {
        for reservations in appends {
            journal.append(&mut vec![0; 4000], *reservations);
        }
        journal.commit_pending(None, HOWEVER_LONG);
        journal.sharing.load(Ordering::Relaxed)
    };
    assert_eq!(commit(&[1]), 0);
    assert_eq!(commit(&[1, 0]), 0, "nobody waits for a settlement");
    assert_eq!(commit(&[1, 0, 2]), SHARING_MEMORY);
    assert_eq!(commit(&[5]), SHARING_MEMORY - 1);
    assert_eq!(journal.committing.load(Ordering::Relaxed), 0, "none is under way");
    let pending = journal.pending.lock();
    assert!(pending.records.is_empty() && pending.records.capacity() >= 4000, "its memory is kept");
}

#[test]
fn what_waits_to_be_written_is_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let ticker = Ticker::new(Clock::starting_at(Moment::parse(NOON).expect("valid")));
    let journal = opened(&folder, ticker, &Names::default());
    assert!(!journal.is_full());
    journal.append(&mut vec![0; PENDING_MAX - 1], 0);
    assert!(!journal.is_full());
    journal.append(&mut vec![0; 1], 0);
    assert!(journal.is_full());
}

#[test]
fn a_commit_that_takes_its_time_is_seen_and_one_that_does_not_answer_is_not_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let ticker = Ticker::new(Clock::starting_at(Moment::parse(NOON).expect("valid")));
    let mut journal = opened(&folder, ticker, &Names::default());
    let ago = std::time::Duration::from_secs(100);
    Arc::get_mut(&mut journal).expect("nobody else has it").began -= ago;
    assert!(journal.is_trusted() && !journal.has_not_answered_for(std::time::Duration::ZERO), "none is under way");
    journal.committing.store(1, Ordering::Relaxed); // a hundred seconds ago
    assert!(journal.has_not_answered_for(ago / 2) && !journal.has_not_answered_for(ago * 2));
    assert!(journal.is_stalled() && !journal.is_trusted());
    journal.committing.store(ago.as_millis() as u64 - 1000, Ordering::Relaxed); // a second ago
    assert!(!journal.is_stalled() && journal.is_trusted());
    assert!(!journal.has_not_answered_for(ago / 2));
    journal.committing.store(0, Ordering::Relaxed);
    journal.trusted.store(false, Ordering::Relaxed);
    assert!(!journal.is_trusted());
}

#[test]
fn only_so_many_failures_are_remembered() {
    let folder = tempfile::tempdir().expect("a folder");
    let ticker = Ticker::new(Clock::starting_at(Moment::parse(NOON).expect("valid")));
    let journal = opened(&folder, ticker, &Names::default());
    (1..=FAILURES_KEPT as u64 + 2).for_each(|generation| journal.remember_failure(generation));
    let failures = journal.failures.lock();
    assert_eq!((failures.len(), failures.front()), (FAILURES_KEPT, Some(&3)));
}

#[test]
fn tomorrows_volume_is_laid_out_once_and_todays_retires_when_it_is_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let evening = Moment::parse("2026-11-24T23:50:00+08:00").expect("valid");
    let now = Arc::new(std::sync::atomic::AtomicI64::new(evening.ms()));
    let journal = opened(&folder, Ticker::new(Clock::Manual(Arc::clone(&now))), &Names::default());
    let keep = |ms| {
        let then = now.fetch_add(ms, Ordering::SeqCst) + ms;
        journal.keep(LocalTime::of(Moment::from_ms(then))).expect("kept");
        journal.tomorrow.lock().volume.as_ref().map(|volume| (volume.id().day, volume.inode()))
    };
    let commit = || {
        journal.append(&mut vec![1; 10], 1);
        journal.commit_pending(None, HOWEVER_LONG);
        journal.file_rows().expect("filed");
    };
    let today = LocalTime::of(evening).day;
    commit();
    assert_eq!(keep(0), None, "ten minutes before midnight and not earlier");
    let laid_out = keep(1000).expect("laid out");
    assert_eq!((laid_out.0, keep(1000)), (today.next(), Some(laid_out)), "the same one");
    assert!(!journal.is_retiring() && !journal.keep_head() && !journal.keep_tail());
    now.fetch_add(600_000, Ordering::SeqCst);
    commit();
    assert_eq!(journal.written(), today.next());
    assert!(journal.is_retiring(), "today's is not folded yet");
    assert_eq!(keep(0), None, "it is in use");
    assert!(!journal.is_retiring());
}
