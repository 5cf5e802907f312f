//! What is written to a tail is found again, and nothing else is.

use super::super::disk::RealDisk;
use super::*;

fn shelf(folder: &Path) -> Shelf {
    let (folder, disk) = (folder.to_owned(), Arc::new(RealDisk));
    Shelf { folder, durability: Durability::Process, disk, log_size_max: u64::MAX }
}

fn opened() -> (tempfile::TempDir, Tail) {
    let folder = tempfile::tempdir().expect("a folder");
    let tail = Tail::open(&shelf(folder.path())).expect("opened");
    (folder, tail)
}

fn append(tail: &mut Tail, number: i64, records: &[u8]) {
    let (day, at) = (Day::from_number(20_000), Moment::from_ms(number * 10));
    let row = Written { day, number, first_id: number.cast_unsigned() * 2, at, records };
    tail.append(&row).expect("written");
}

/// Numbers of the rows that a start finds.
fn found(folder: &Path) -> Vec<i64> {
    read(folder).expect("read").iter().map(|entry| entry.row.number).collect()
}

fn numbers(octets: &[u8]) -> Vec<i64> {
    rows(octets).map(|row| row.number).collect()
}

#[test]
fn rows_are_read_as_they_were_written() {
    let (folder, mut tail) = opened();
    assert_eq!(found(folder.path()), [0_i64; 0]);
    let long = vec![0; 70_000];
    for (number, records) in [(7, &b"one"[..]), (8, b""), (9, &long)] {
        append(&mut tail, number, records);
    }
    let entries = read(folder.path()).expect("read");
    let (first, last) = (&entries[0], &entries[2]);
    assert_eq!((first.day.number(), first.row.number, first.row.first_id), (20_000, 7, 14));
    assert_eq!((first.row.at.ms(), &first.row.records[..]), (70, &b"one"[..]));
    assert_eq!((entries[1].row.number, last.row.number, last.row.records.len()), (8, 9, 70_000));
    assert_eq!(numbers(tail.unfiled(0)), [7, 8, 9]);
    assert_eq!(numbers(tail.unfiled(8)), [9]);
    assert_eq!(numbers(tail.unfiled(9)), [0_i64; 0]);
}

#[test]
fn a_half_is_written_over_when_its_rows_are_filed_and_not_before() {
    let (folder, mut tail) = opened();
    let large = vec![1; HALF / 4]; // three to a half
    for number in 1..=6 {
        assert!(tail.has_room(large.len(), 0), "{number}");
        append(&mut tail, number, &large);
    }
    assert_eq!(found(folder.path()), [1, 2, 3, 4, 5, 6]);
    assert!(!tail.has_room(large.len(), 0));
    assert!(!tail.has_room(large.len(), 2), "one of the half is in no volume");
    assert!(tail.has_room(large.len(), 3));
    assert!(tail.has_room(10, 0), "a small one fits behind the others");
    append(&mut tail, 7, &large);
    assert_eq!(found(folder.path()), [4, 5, 6, 7], "what is behind it in the half is of the turn before");
    append(&mut tail, 8, b"small");
    assert_eq!(found(folder.path()), [4, 5, 6, 7, 8]);
    assert!(!tail.has_room(3 * large.len(), 5));
}

#[test]
fn a_row_is_as_large_as_a_half_at_most() {
    let largest = HALF - HEAD;
    assert!(Tail::can_hold(largest) && !Tail::can_hold(largest + 1));
    let (folder, mut tail) = opened();
    append(&mut tail, 1, &vec![1; largest]);
    append(&mut tail, 2, &vec![2; largest]);
    assert_eq!(found(folder.path()), [1, 2]);
    assert!(tail.has_room(largest, 1) && !tail.has_room(1, 0));
}

#[test]
fn a_piece_is_made_of_whole_rows_and_has_one_at_least() {
    let (_folder, mut tail) = opened();
    for number in 1..=3 {
        append(&mut tail, number, &[1; 100]);
    }
    let rows = tail.unfiled(0);
    let length = HEAD + 100;
    for (at_most, whole) in [(1, 1), (2 * length - 1, 1), (2 * length, 2), (usize::MAX, 3)] {
        assert_eq!(piece(rows, at_most), whole * length, "{at_most}");
    }
    assert_eq!(piece(&[], 10), 0);
}

#[test]
fn rows_end_where_one_is_torn_or_a_bit_has_turned() {
    let (folder, mut tail) = opened();
    for number in 1..=3 {
        append(&mut tail, number, b"records");
    }
    let whole = std::fs::read(path(folder.path())).expect("read");
    let length = HEAD + b"records".len();
    for bit in (0..8 * 3 * length).step_by(5) {
        let mut turned = whole.clone();
        turned[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(path(folder.path()), &turned).expect("written");
        let before = (bit / 8 / length) as i64;
        assert_eq!(found(folder.path()), (1..=before).collect::<Vec<_>>(), "bit {bit}");
    }
    std::fs::write(path(folder.path()), &whole[..2 * length + 10]).expect("written");
    assert_eq!(found(folder.path()), [1, 2], "cut short");
    std::fs::write(path(folder.path()), vec![0xff; 2 * HALF]).expect("written");
    assert_eq!(found(folder.path()), [0_i64; 0]);
}

#[test]
fn the_number_of_a_commit_that_failed_belongs_to_the_next_one() {
    let (folder, mut tail) = opened();
    let large = vec![1; HALF / 4];
    for number in 1..=3 {
        append(&mut tail, number, &large);
    }
    // Reported as failed, and on the disk all the same; the next one does not fit behind row 3.
    let (half, at, length) = (tail.half, tail.at, tail.unfiled.len());
    append(&mut tail, 4, b"failed");
    (tail.half, tail.at, tail.last[0]) = (half, at, 3);
    tail.unfiled.truncate(length);
    append(&mut tail, 4, &large);
    let entries = read(folder.path()).expect("read");
    assert_eq!(found(folder.path()), [1, 2, 3, 4]);
    assert_eq!(entries[3].row.records, large);
}

#[test]
fn an_opened_tail_is_empty_and_stays_the_same_file() {
    let (folder, mut tail) = opened();
    append(&mut tail, 1, b"filed by now");
    assert!(tail.is_there(folder.path()));
    let again = Tail::open(&shelf(folder.path())).expect("opened");
    assert_eq!(found(folder.path()), [0_i64; 0]);
    assert_eq!(again.inode, tail.inode);
    std::fs::remove_file(path(folder.path())).expect("removed");
    assert!(!tail.is_there(folder.path()));
    std::fs::write(path(folder.path()), vec![0; 2 * HALF]).expect("written");
    assert!(!tail.is_there(folder.path()), "another file under its name");
    let anew = Tail::anew(&shelf(folder.path())).expect("made");
    assert!(anew.is_there(folder.path()));
    anew.file.set_len(HALF as u64).expect("cut");
    assert!(!anew.is_there(folder.path()));
}
