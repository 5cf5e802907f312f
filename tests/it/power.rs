//! Loss of power, played on the notes of `tests/faults/disk.c`: what was written
//! and not synced is taken back, all of it or a seeded part, sector by sector.
//!
//! What is modelled: a sync makes all that was written to its file final, and a sync
//! of the folder makes the names in it final. Anything else may be lost: octets in
//! sectors of 512, a new length, a new file, a removal. What is not: a disk that says it has
//! synced and has not, and damage to sectors that were synced.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use smsluice::sim::random::Random;

const SECTOR: u64 = 512;
const HEAD: usize = 48;

#[derive(Debug)]
struct Note {
    kind: Kind,
    path: PathBuf,
    offset: u64,
    size_before: u64,
    before: Vec<u8>,
    written: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Written,
    Cut,
    Created,
    Removed,
    Synced,
    FolderSynced,
}

/// Takes back what was not synced; with a seed only part of it, as disks do. Call it when the gateway is dead.
pub(crate) fn lose_power(undo: &Path, seed: Option<u64>) {
    let mut random = seed.map(Random::new);
    for note in open_notes(read(undo)).iter().rev() {
        take_back(note, random.as_mut());
    }
    std::fs::remove_file(undo).expect("the notes are used up");
}

fn read(undo: &Path) -> Vec<Note> {
    let octets = std::fs::read(undo).expect("notes");
    let mut rest = &octets[..];
    let mut notes = Vec::new();
    while rest.len() >= HEAD {
        let word = |index: usize| {
            u64::from_ne_bytes(rest[index * 8..index * 8 + 8].try_into().expect("eight octets")) as usize
        };
        let kind =
            [Kind::Written, Kind::Cut, Kind::Created, Kind::Removed, Kind::Synced, Kind::FolderSynced][word(0) - 1];
        let (path, before) = (HEAD + word(1), HEAD + word(1) + word(4));
        if rest.len() < before {
            break; // the kill came while it was written, so its change was not made
        }
        notes.push(Note {
            kind,
            path: String::from_utf8(rest[HEAD..path].to_vec()).expect("a path").into(),
            offset: word(2) as u64,
            size_before: word(3) as u64,
            before: rest[path..before].to_vec(),
            written: word(5) as u64,
        });
        rest = &rest[before..];
    }
    notes
}

/// The notes that no later sync made final.
fn open_notes(notes: Vec<Note>) -> Vec<Note> {
    let (mut synced, mut names_synced) = (HashSet::new(), false);
    let mut open = Vec::new();
    for note in notes.into_iter().rev() {
        let is_final = match note.kind {
            Kind::Synced => {
                synced.insert(note.path.clone());
                true
            }
            Kind::FolderSynced => {
                names_synced = true;
                true
            }
            Kind::Written | Kind::Cut => synced.contains(&note.path),
            Kind::Created | Kind::Removed => names_synced,
        };
        if !is_final {
            open.push(note);
        }
    }
    open.reverse();
    open
}

fn take_back(note: &Note, random: Option<&mut Random>) {
    match note.kind {
        Kind::Created => {
            if random.is_none_or(|random| random.chance(0.5)) {
                let _ = std::fs::remove_file(&note.path); // it may have been removed again
            }
        }
        Kind::Removed => {
            if random.is_none_or(|random| random.chance(0.5)) {
                std::fs::write(&note.path, &note.before).expect("put back");
            }
        }
        Kind::Written | Kind::Cut => {
            // A file whose name is lost as well has nothing to take back.
            let Ok(file) = OpenOptions::new().write(true).open(&note.path) else { return };
            take_back_octets(&file, note, random);
        }
        Kind::Synced | Kind::FolderSynced => {}
    }
}

fn take_back_octets(file: &std::fs::File, note: &Note, random: Option<&mut Random>) {
    let Some(random) = random else {
        file.write_all_at(&note.before, note.offset).expect("taken back");
        return file.set_len(note.size_before).expect("cut back");
    };
    let length = file.metadata().expect("a length").len();
    let end = note.offset + note.written.max(note.before.len() as u64);
    let mut at = note.offset;
    while at < end {
        let next = ((at / SECTOR + 1) * SECTOR).min(end);
        if random.chance(0.5) {
            let known = |at: u64| ((at - note.offset) as usize).min(note.before.len());
            let mut octets = note.before[known(at)..known(next)].to_vec();
            // What the file did not have before and does have now reads as zeros.
            octets.resize((next.min(length.max(at)) - at) as usize, 0);
            file.write_all_at(&octets, at).expect("taken back");
        }
        at = next;
    }
    if random.chance(0.5) && (note.kind == Kind::Cut || length > note.size_before) {
        file.set_len(note.size_before).expect("cut back");
    }
}
