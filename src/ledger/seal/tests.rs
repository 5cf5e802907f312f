//! Whatever is done to a sealed day is found, and the row named.

use std::path::Path;

use super::check::{Checked, check};
use super::file::marks;
use super::*;
use crate::ledger::history::Archive;
use crate::ledger::volume::{Shelf, VolumeId};

fn day(text: &str) -> Day {
    Day::parse(text).expect("valid")
}

fn shelf(folder: &Path) -> Shelf {
    let (folder, disk) = (folder.to_owned(), std::sync::Arc::new(crate::ledger::disk::RealDisk));
    let durability = crate::ledger::Durability::Process;
    Shelf { folder, durability, disk, log_size_max: u64::MAX }
}

fn row(number: i64) -> Row {
    let small = u8::try_from(number).expect("small");
    Row { number, first_id: 100 + u64::from(small), at: Moment::from_ms(number * 1000), records: vec![small; 9] }
}

fn names() -> Names {
    let mut names = Names::default();
    names.account("hefei");
    names.unit("hefei");
    names
}

/// A day's volume with these rows, whatever was there.
fn write(folder: &Path, day: Day, names: &Names, rows: impl IntoIterator<Item = Row>) {
    let id = VolumeId::first(day);
    let _ = std::fs::remove_file(id.path(folder));
    let rows = |write: &mut dyn FnMut(Row) -> Result<(), ReadError>| rows.into_iter().try_for_each(write);
    shelf(folder).copy(id, names, rows).expect("written");
}

fn seal(folder: &Path, day: Day) {
    let mut seals = Seals::read(folder).expect("readable");
    let archive = Archive::open(folder);
    let hashing = of(&archive, day, || true).expect("read");
    let (seal, own) = hashing.seal(day, &archive.names().expect("read"), seals.head());
    seals.append(folder, seal, Some(&own)).expect("written");
}

/// Three days of ten rows each, sealed.
fn sealed() -> (tempfile::TempDir, [Day; 3]) {
    let folder = tempfile::tempdir().expect("a folder");
    let days = ["2026-11-24", "2026-11-25", "2026-11-27"].map(day);
    for (day, first) in days.into_iter().zip([1, 11, 21]) {
        write(folder.path(), day, &names(), (first..first + 10).map(row));
        seal(folder.path(), day);
    }
    (folder, days)
}

fn found(folder: &Path) -> Checked {
    check(folder, None).expect("read")
}

fn told(folder: &Path) -> Vec<(Option<Day>, Option<i64>, String)> {
    found(folder).problems.into_iter().map(|problem| (problem.day, problem.row, problem.what)).collect()
}

#[test]
fn what_is_as_it_was_sealed_is_well() {
    let (folder, days) = sealed();
    let checked = found(folder.path());
    assert_eq!((checked.problems.len(), checked.days, checked.rows, checked.open.len()), (0, 3, 30, 0), "{checked:?}");
    assert_eq!(check(folder.path(), Some(&checked.head)).expect("read").problems, []);
    write(folder.path(), day("2026-11-28"), &names(), [row(31)]);
    assert_eq!(found(folder.path()).open, [day("2026-11-28")], "it is not closed yet");
    let copy = tempfile::tempdir().expect("a folder");
    for (day, first) in days.into_iter().zip([1, 11, 21]) {
        write(copy.path(), day, &names(), (first..first + 10).map(row));
    }
    copy_of(folder.path(), copy.path());
    assert_eq!(found(copy.path()).problems, [], "a copy in other files is the same record");
}

fn copy_of(from: &Path, to: &Path) {
    super::copy(from, to).expect("copied");
}

#[test]
fn a_changed_row_is_named() {
    let (folder, days) = sealed();
    let other = |mut own: Row| {
        if own.number == 14 {
            own.records[3] ^= 1;
        }
        own
    };
    write(folder.path(), days[1], &names(), (11..21).map(row).map(other));
    assert_eq!(told(folder.path()), [(Some(days[1]), Some(14), "is changed".to_owned())]);
    let later = |mut own: Row| {
        own.at = own.at.plus(std::time::Duration::from_millis(u64::from(own.number == 20)));
        own
    };
    write(folder.path(), days[1], &names(), (11..21).map(row).map(later));
    assert_eq!(told(folder.path()), [(Some(days[1]), Some(20), "is changed".to_owned())]);
}

#[test]
fn a_row_that_was_changed_without_its_checksum_is_named() {
    let (folder, days) = sealed();
    let connection = rusqlite::Connection::open(VolumeId::first(days[0]).path(folder.path())).expect("opened");
    connection.execute("UPDATE batch SET records = x'00' WHERE row = 3", []).expect("changed");
    drop(connection);
    let what = "is changed: its checksum is not its own".to_owned();
    assert_eq!(told(folder.path()), [(Some(days[0]), Some(3), what)]);
}

#[test]
fn missing_rows_are_named_wherever_they_were() {
    let (folder, days) = sealed();
    for (gone, what) in [
        (11..=11, "is missing"),
        (20..=20, "is missing"),
        (14..=16, "is missing, and all up to row 16"),
        (11..=20, "is missing, and all up to row 20"),
    ] {
        write(folder.path(), days[1], &names(), (11..21).filter(|number| !gone.contains(number)).map(row));
        assert_eq!(told(folder.path()), [(Some(days[1]), Some(*gone.start()), what.to_owned())]);
    }
}

#[test]
fn reordered_rows_are_named_with_where_they_were() {
    let (folder, days) = sealed();
    let swapped = |number| match number {
        12 => Row { number: 12, ..row(19) },
        19 => Row { number: 19, ..row(12) },
        number => row(number),
    };
    write(folder.path(), days[1], &names(), (11..21).map(swapped));
    let what = |place| format!("holds what row {place} held: the order is changed");
    assert_eq!(told(folder.path()), [(Some(days[1]), Some(12), what(19)), (Some(days[1]), Some(19), what(12))]);
}

#[test]
fn a_row_that_was_put_in_is_named() {
    let (folder, days) = sealed();
    write(folder.path(), days[2], &names(), (21..32).map(row));
    let what = "was not there when the day was sealed".to_owned();
    assert_eq!(told(folder.path()), [(Some(days[2]), Some(31), what)]);
}

#[test]
fn changed_names_files_that_are_gone_and_days_without_a_seal_are_told() {
    let (folder, days) = sealed();
    let mut other = names();
    other.account("fuyang");
    write(folder.path(), days[0], &other, (1..11).map(row));
    std::fs::remove_file(VolumeId::first(days[1]).path(folder.path())).expect("removed");
    write(folder.path(), day("2026-11-26"), &names(), [row(21)]);
    let told = told(folder.path());
    assert_eq!(
        told,
        [
            (Some(days[0]), None, "names of accounts or units are changed".to_owned()),
            (Some(days[1]), None, "its files are not there".to_owned()),
            (Some(day("2026-11-26")), None, "it has no seal, though a later day has one".to_owned()),
        ]
    );
}

#[test]
fn a_seal_that_was_changed_taken_out_or_written_anew_is_found() {
    let (folder, _) = sealed();
    let path = folder.path().join("seals");
    let (text, head) = (std::fs::read_to_string(&path).expect("read"), found(folder.path()).head);
    let lines: Vec<&str> = text.lines().collect();
    let broken = |line: usize| format!("line {line} of `seals` is not what was written behind the line before");
    for (text, line) in [
        (text.replacen("\"rows\":10", "\"rows\":9", 1), 1),
        ([lines[0], lines[2], ""].join("\n"), 2),
        ([lines[1], lines[0], lines[2], ""].join("\n"), 1),
    ] {
        std::fs::write(&path, text).expect("written");
        assert_eq!(told(folder.path())[0], (None, None, broken(line)));
    }
    // The last line taken off is a chain without a fault: only who has kept the head can tell.
    std::fs::write(&path, [lines[0], lines[1], ""].join("\n")).expect("written");
    assert_eq!(found(folder.path()).problems, []);
    let checked = check(folder.path(), Some(&head)).expect("read");
    assert!(checked.problems[0].what.starts_with("no seal has the hash"), "{checked:?}");
    // A line that was not written whole is none.
    std::fs::write(&path, &text[..text.len() - 5]).expect("written");
    assert_eq!((found(folder.path()).problems.len(), found(folder.path()).open.len()), (0, 1));
}

#[test]
fn without_its_marks_a_day_is_still_held_against_its_seal() {
    let (folder, days) = sealed();
    std::fs::write(marks(folder.path(), days[0]), [0; 80]).expect("written");
    let lost = "the marks of its rows are changed or missing".to_owned();
    assert_eq!(told(folder.path()), [(Some(days[0]), None, lost.clone())]);
    write(
        folder.path(),
        days[0],
        &names(),
        (1..11).map(|number| if number == 5 { Row { first_id: 1, ..row(5) } } else { row(number) }),
    );
    let told = told(folder.path());
    let which = "its rows are not those that were sealed; no mark tells which".to_owned();
    assert_eq!(told, [(Some(days[0]), None, lost), (Some(days[0]), None, which)]);
}

#[test]
fn a_day_whose_time_is_over_is_no_fault() {
    let (folder, days) = sealed();
    let mut seals = Seals::read(folder.path()).expect("readable");
    seals.prune(folder.path(), days[0], Moment::from_ms(1 << 41)).expect("written");
    seals.prune(folder.path(), days[0], Moment::from_ms(1 << 42)).expect("once is enough");
    std::fs::remove_file(VolumeId::first(days[0]).path(folder.path())).expect("removed");
    remove_marks(folder.path(), days[0]).expect("removed");
    let checked = found(folder.path());
    assert_eq!((checked.problems.len(), checked.days, checked.pruned), (0, 2, 1), "{checked:?}");
    assert_eq!(Seals::read(folder.path()).expect("readable").all.len(), 4);
}
