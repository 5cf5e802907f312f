//! What is done to the files of a ledger at work.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use super::super::super::model::{Step, World};
use super::*;

/// A ledger of two days whose keeper has seen all of it.
fn seen() -> World {
    let mut world = World::new(1, false);
    world.step(Step::Reserve { account: 0, to: 1, tomorrow: false });
    world.step(Step::NextDay);
    for to in [2, 3] {
        world.step(Step::Reserve { account: 0, to, tomorrow: false });
    }
    let ledger = world.ledger();
    ledger.keep();
    ledger.keep();
    assert_eq!((ledger.damage(), ledger.is_trusted()), (None, true));
    world
}

fn journal(world: &World, back: u16) -> PathBuf {
    VolumeId::of(world.today() - back, 1).path(world.folder())
}

fn log(world: &World) -> PathBuf {
    journal(world, 0).with_extension("sqlite-wal")
}

fn resize(file: &Path, change: i64) {
    let file = OpenOptions::new().write(true).open(file).expect("there");
    let length = file.metadata().expect("a length").len();
    file.set_len(length.checked_add_signed(change).expect("longer")).expect("set");
}

/// The keeper's next look finds it, and nothing is taken any more.
fn found(world: &mut World, file: &Path, how: &str) {
    let ledger = world.ledger();
    ledger.keep();
    let damage = ledger.damage().unwrap_or_else(|| panic!("{how}: not found"));
    let name = file.file_name().expect("a name").to_string_lossy();
    assert_eq!(damage.kind, DamageKind::Changed);
    assert_eq!(damage.what, format!("{name} {how} while the gateway ran"));
    assert!(!ledger.is_trusted());
    world.refuses(4);
    assert!(ledger.accept(&damage.code()).is_err(), "no start has found it");
}

#[test]
fn what_the_ledger_does_itself_is_no_damage() {
    let mut world = seen();
    for to in 4..7 {
        world.step(Step::Reserve { account: 0, to, tomorrow: to == 6 });
        world.ledger().keep();
        assert_eq!(world.ledger().damage(), None);
    }
    world.step(Step::NextDay);
    world.step(Step::Reserve { account: 0, to: 1, tomorrow: false });
    for _ in 0..3 {
        world.ledger().keep();
        assert_eq!(world.ledger().damage(), None);
    }
}

#[test]
fn what_is_moved_away_is_found_and_well_again_when_it_is_back() {
    for back in [0, 1] {
        let mut world = seen();
        let (file, away) = (journal(&world, back), world.folder().join("away"));
        std::fs::rename(&file, &away).expect("moved");
        found(&mut world, &file, "was removed");
        std::fs::rename(&away, &file).expect("moved back");
        world.ledger().keep();
        assert_eq!((world.ledger().damage(), world.ledger().is_trusted()), (None, true));
        world.step(Step::Reserve { account: 0, to: 4, tomorrow: false });
        world.compare();
    }
}

#[test]
fn what_is_replaced_or_written_is_found() {
    for back in [0, 1] {
        let mut world = seen();
        let (file, copy) = (journal(&world, back), world.folder().join("copy"));
        std::fs::copy(&file, &copy).expect("copied");
        std::fs::rename(&copy, &file).expect("moved");
        found(&mut world, &file, "was replaced");
    }
    let mut world = seen();
    let file = journal(&world, 0);
    resize(&file, 2048);
    found(&mut world, &file, "was written by somebody else");
    let mut world = seen();
    let file = journal(&world, 0);
    let open = OpenOptions::new().write(true).open(&file).expect("there");
    open.set_modified(SystemTime::UNIX_EPOCH).expect("set");
    found(&mut world, &file, "was written by somebody else");
}

#[test]
fn a_log_that_is_cut_removed_or_replaced_is_found() {
    let frame = -(FRAME_HEAD as i64 + 2048);
    let mut world = seen();
    let file = log(&world);
    resize(&file, frame);
    found(&mut world, &file, "was cut short");
    let mut world = seen();
    resize(&log(&world), frame);
    resize(&log(&world), -frame); // as the next commit would leave it
    let file = log(&world);
    found(&mut world, &file, "was cut short");
    let mut world = seen();
    let file = log(&world);
    std::fs::remove_file(&file).expect("removed");
    found(&mut world, &file, "was removed");
    let mut world = seen();
    let (file, copy) = (log(&world), world.folder().join("copy"));
    std::fs::copy(&file, &copy).expect("copied");
    std::fs::rename(&copy, &file).expect("moved");
    found(&mut world, &file, "was replaced");
}

#[test]
fn a_head_that_is_gone_is_made_anew() {
    let mut world = seen();
    let head = world.folder().join("head");
    std::fs::remove_file(&head).expect("removed");
    world.ledger().keep();
    assert_eq!(world.ledger().damage(), None);
    assert!(head.exists());
    world.step(Step::Restart { clean: false });
    world.compare();
}
