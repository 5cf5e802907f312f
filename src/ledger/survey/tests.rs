//! Each kind of damage to the files of a ledger that stands still, what a start makes of it, and what is left of
//! the ledger when somebody accepts it.

use std::path::PathBuf;

use super::super::damage::{AcceptError, DamageKind};
use super::super::head::{self, Found, Head};
use super::super::model::{Step, World};
use super::super::tail::{self, Written};
use super::super::volume::VolumeId;
use crate::domain::{Day, Moment};

/// A ledger of two days that stands still: subscriber 1 yesterday, 2 to 4 today, each in a row of its own.
fn still() -> World {
    let mut world = World::new(1, false);
    for step in [1, 2, 3, 4] {
        world.step(Step::Reserve { account: 0, to: step, tomorrow: false });
        if step == 1 {
            world.step(Step::NextDay);
        }
    }
    world.step(Step::Restart { clean: true });
    world.end();
    world
}

fn journal(world: &World, back: u16) -> PathBuf {
    VolumeId::of(world.today() - back, 1).path(world.folder())
}

fn sql(world: &World, back: u16, text: &str) {
    let file = rusqlite::Connection::open(journal(world, back)).expect("a journal");
    file.execute_batch(text).expect("done");
}

fn head_of(world: &World) -> Head {
    match head::read(world.folder()).expect("read") {
        Found::Head(head, _) => head,
        other => panic!("{other:?}"),
    }
}

fn overwrite_head(world: &World, head: &Head) {
    std::fs::write(head::path(world.folder()), head::render(head).expect("text")).expect("written");
}

/// What a start finds, twice; what is left when it is accepted; and that nothing is found any more.
fn found(world: &mut World, kind: DamageKind, left: [u8; 4], what: &str) {
    let mut code = None;
    for _ in 0..2 {
        let ledger = world.open();
        let damage = ledger.damage().unwrap_or_else(|| panic!("{what}: not found"));
        assert_eq!(damage.kind, kind, "{what}: {damage:?}");
        assert!(!ledger.is_trusted(), "{what}");
        assert!(code.replace(damage.code()).is_none_or(|code| code == damage.code()), "{what}: one code");
        assert!(matches!(ledger.accept("00000000"), Err(AcceptError::NoSuchDamage)), "{what}");
    }
    let ledger = world.open();
    assert_eq!(ledger.accept(&code.expect("a code")).expect("accepted").kind, kind);
    drop(ledger);
    for start in 0..2 {
        let (ledger, recovered) = world.open_with_summary();
        assert_eq!(ledger.damage(), None, "{what}");
        assert_eq!(recovered.accepted.is_some(), start == 0, "{what}: an acceptance counts once");
        assert!(ledger.is_trusted(), "{what}");
        assert_eq!(world.taken(&ledger), left, "{what}");
    }
}

#[test]
fn what_is_whole_is_not_damaged() {
    let mut world = still();
    let (ledger, recovered) = world.open_with_summary();
    assert_eq!((ledger.damage(), recovered.accepted, recovered.rows_lost), (None, None, 0));
    assert_eq!(world.taken(&ledger), [0, 1, 1, 1]);
    assert!(matches!(ledger.accept("00000000"), Err(AcceptError::NoSuchDamage)));
}

#[test]
fn rows_that_are_missing_are_found_wherever_they_were() {
    let cases = [
        (0, "DELETE FROM batch WHERE row = (SELECT max(row) FROM batch)", [0, 1, 1, 0], "the last row"),
        (0, "DELETE FROM batch WHERE row >= (SELECT max(row) FROM batch) - 1", [0, 1, 0, 0], "the last two"),
        (0, "DELETE FROM batch WHERE row = (SELECT min(row) FROM batch) + 1", [0, 1, 0, 1], "one in between"),
        (1, "DELETE FROM batch WHERE row = (SELECT max(row) FROM batch)", [0, 1, 1, 1], "yesterday's last"),
        (1, "DELETE FROM batch WHERE row = (SELECT min(row) FROM batch)", [0, 1, 1, 1], "yesterday's first"),
        (0, "DELETE FROM batch", [0, 0, 0, 0], "all of today"),
        (0, "DROP TABLE batch", [0, 0, 0, 0], "today's table"),
    ];
    for (back, text, left, what) in cases {
        let mut world = still();
        sql(&world, back, text);
        found(&mut world, DamageKind::RowsMissing, left, what);
    }
}

/// Moves rows from the journal back into the tail, as if they had not been filed.
fn unfile(world: &World, back: u16, rows: &str) {
    let day = Day::from_number(world.today() - back);
    let mut octets = std::fs::read(tail::path(world.folder())).expect("a tail");
    let file = rusqlite::Connection::open(journal(world, back)).expect("a journal");
    let mut select = file.prepare(&format!("SELECT row, first_id, at_ms, records FROM batch {rows}")).expect("valid");
    let mut encoded = Vec::new();
    let taken = select.query_map([], |row| {
        let (at, records): (_, Vec<u8>) = (Moment::from_ms(row.get(2)?), row.get(3)?);
        let (number, first_id) = (row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned());
        Written { day, number, first_id, at, records: &records }.encode(&mut encoded);
        Ok(())
    });
    assert!(taken.expect("read").all(|row| row.is_ok()));
    octets[..encoded.len()].copy_from_slice(&encoded);
    std::fs::write(tail::path(world.folder()), octets).expect("written");
    file.execute_batch(&format!("DELETE FROM batch {rows}")).expect("done");
}

const LAST: &str = "WHERE row = (SELECT max(row) FROM batch)";
const LAST_TWO: &str = "WHERE row >= (SELECT max(row) FROM batch) - 1";

#[test]
fn rows_that_are_in_the_tail_alone_are_not_missing() {
    for rows in [LAST, LAST_TWO, ""] {
        let mut world = still();
        unfile(&world, 0, rows);
        for start in 0..2 {
            let (ledger, recovered) = world.open_with_summary();
            assert_eq!((ledger.damage(), recovered.rows_lost), (None, 0), "{rows} {start}");
            assert_eq!(world.taken(&ledger), [0, 1, 1, 1], "{rows} {start}");
        }
        std::fs::remove_file(tail::path(world.folder())).expect("removed");
        assert_eq!(world.open().damage(), None, "{rows}: they were filed");
    }
}

#[test]
fn what_a_tail_lacks_is_found_as_what_a_journal_lacks() {
    use DamageKind::{FileMissing, RowsMissing};
    type Deed = fn(&World);
    let no_tail: Deed = |world| std::fs::remove_file(tail::path(world.folder())).expect("removed");
    let no_journal: Deed = |world| std::fs::remove_file(journal(world, 0)).expect("removed");
    let turned: Deed = |world| {
        let mut octets = std::fs::read(tail::path(world.folder())).expect("a tail");
        octets[40] ^= 1;
        std::fs::write(tail::path(world.folder()), octets).expect("written");
    };
    let between: Deed = |world| sql(world, 0, &format!("DELETE FROM batch {LAST}"));
    for (rows, deed, kind, left, what) in [
        (LAST, no_tail, RowsMissing, [0, 1, 1, 0], "the tail with the last row"),
        (LAST_TWO, no_tail, RowsMissing, [0, 1, 0, 0], "the tail with the last two"),
        (LAST_TWO, turned, RowsMissing, [0, 1, 0, 0], "a bit of the first that is in the tail"),
        (LAST, between, RowsMissing, [0, 1, 0, 1], "a row between the journal and the tail"),
        ("", no_journal, FileMissing, [0, 1, 1, 1], "the journal; all of it is in the tail"),
        (LAST, no_journal, FileMissing, [0, 0, 0, 1], "the journal; the last row is in the tail"),
    ] {
        let mut world = still();
        unfile(&world, 0, rows);
        deed(&world);
        found(&mut world, kind, left, what);
    }
}

#[test]
fn nothing_of_a_row_or_a_name_can_change_unnoticed() {
    let second = "WHERE row = (SELECT min(row) FROM batch) + 1";
    for (text, left) in [
        ("UPDATE batch SET first_id = first_id + 1", [0, 1, 0, 1]),
        ("UPDATE batch SET at_ms = at_ms + 1", [0, 1, 0, 1]),
        ("UPDATE batch SET crc = crc + 1", [0, 1, 0, 1]),
        ("UPDATE batch SET records = x'01' || substr(records, 2, 9) || x'00' || substr(records, 12)", [0, 1, 0, 1]),
        ("UPDATE batch SET records = NULL", [0, 1, 0, 1]),
    ] {
        let mut world = still();
        let text = format!(
            "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql, 'records BLOB NOT NULL', 'records BLOB') WHERE name = 'batch'; PRAGMA writable_schema = RESET; {text} {second}"
        );
        sql(&world, 0, &text);
        found(&mut world, DamageKind::Unreadable, left, &text);
    }
    for text in ["UPDATE meta SET value = '2'", "DELETE FROM meta", "DROP TABLE names"] {
        let mut world = still();
        sql(&world, 0, text);
        found(&mut world, DamageKind::Unreadable, [0, 1, 1, 1], text);
    }
}

#[test]
fn names_that_are_changed_or_missing_are_found() {
    for text in [
        "UPDATE names SET name = 'account:another' WHERE id = 1",
        "UPDATE names SET id = 77 WHERE id = 1",
        "DELETE FROM names WHERE id = 1",
        "DELETE FROM names",
    ] {
        let mut world = still();
        world.name_accounts();
        for back in [0, 1] {
            sql(&world, back, text);
        }
        let ledger = world.open();
        let damage = ledger.damage().unwrap_or_else(|| panic!("{text}: not found"));
        assert!(matches!(damage.kind, DamageKind::Unreadable | DamageKind::RowsMissing), "{text}: {damage:?}");
    }
}

#[test]
fn files_that_are_gone_or_copies_are_found() {
    type Deed = fn(&World);
    let copy = |path: PathBuf| {
        std::fs::copy(&path, path.with_extension("copy")).expect("copied");
        std::fs::rename(path.with_extension("copy"), path).expect("moved");
    };
    let deeds: [(Deed, DamageKind, [u8; 4], &str); 7] = [
        (|world| std::fs::remove_file(journal(world, 0)).expect("removed"), DamageKind::FileMissing, [0; 4], "today's"),
        (
            |world| std::fs::remove_file(journal(world, 1)).expect("removed"),
            DamageKind::FileMissing,
            [0, 1, 1, 1],
            "yesterday's",
        ),
        (
            |world| std::fs::remove_file(head::path(world.folder())).expect("removed"),
            DamageKind::Copied,
            [0, 1, 1, 1],
            "no head",
        ),
        (
            |world| overwrite_head(world, &Head { own: 1, ..head_of(world) }),
            DamageKind::Copied,
            [0, 1, 1, 1],
            "the head of another folder",
        ),
        (
            |world| std::fs::write(head::path(world.folder()), "00000000 {}\n").expect("written"),
            DamageKind::Unreadable,
            [0, 1, 1, 1],
            "a damaged head",
        ),
        (
            |world| std::fs::write(world.folder().join("reach"), "many\n").expect("written"),
            DamageKind::Unreadable,
            [0, 1, 1, 1],
            "a damaged reach",
        ),
        (
            |world| {
                std::fs::write(journal(world, 0), "no SQLite file at all, and long enough to be none ".repeat(50))
                    .expect("written");
            },
            DamageKind::Unreadable,
            [0; 4],
            "something else",
        ),
    ];
    for (deed, kind, left, what) in deeds {
        let mut world = still();
        deed(&world);
        found(&mut world, kind, left, what);
    }
    for back in [0, 1] {
        let mut world = still();
        copy(journal(&world, back));
        found(&mut world, DamageKind::Copied, [0, 1, 1, 1], "a journal is a copy");
    }
}

#[test]
fn every_kind_has_a_word_and_an_advice_of_its_own() {
    let words: std::collections::BTreeSet<_> = DamageKind::ALL.iter().map(|kind| kind.code()).collect();
    assert_eq!(words.len(), DamageKind::ALL.len());
    assert!(words.iter().all(|word| word.starts_with("ledger_")));
    assert!(DamageKind::ALL.iter().all(|kind| kind.advice().contains("smsluice ledger ")));
}

#[test]
fn files_too_old_to_matter_may_be_gone() {
    let mut world = still();
    for _ in 0..5 {
        world.step(Step::NextDay);
    }
    let old = [journal(&world, 5), journal(&world, 6)];
    for path in old {
        std::fs::remove_file(path).expect("removed");
    }
    assert_eq!(world.open().damage(), None);
}

#[test]
fn rows_that_went_with_the_power_are_told_and_no_damage_under_process() {
    let last = "DELETE FROM batch WHERE row = (SELECT max(row) FROM batch)";
    for (boot, synced, lost) in [("another", 0, Some(1)), ("another", i64::MAX, None), ("", 0, None)] {
        let mut world = still();
        let head = head_of(&world);
        overwrite_head(&world, &Head { boot: boot.to_owned(), synced: synced.min(head.row), ..head });
        sql(&world, 0, last);
        let (ledger, recovered) = world.open_with_summary();
        assert_eq!(ledger.damage().is_none().then_some(recovered.rows_lost), lost, "{boot} {synced}");
    }
    // What is behind a gap went with it.
    let mut world = still();
    unfile(&world, 0, LAST);
    let head = head_of(&world);
    overwrite_head(&world, &Head { boot: "another".to_owned(), synced: 0, ..head });
    sql(&world, 0, last);
    for _ in 0..2 {
        let (ledger, recovered) = world.open_with_summary();
        assert_eq!((ledger.damage(), recovered.rows_lost), (None, 2));
        assert_eq!(world.taken(&ledger), [0, 1, 0, 0]);
    }
}
