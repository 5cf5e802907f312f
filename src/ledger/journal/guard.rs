//! The keeper's look at the files in use: are they still those that were opened, and has nobody else written to them?
//!
//! A file that was removed or replaced is still open and still written, so nothing is lost as long as the process
//! lives; but a restart would not find it. What is moved back is found to be well again.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::super::damage::{Damage, DamageKind};
use super::super::tail;
use super::super::volume::{Volume, VolumeId};
use super::Journal;

/// Octets of a write-ahead log before its first frame, and of a frame before its page.
const LOG_HEAD: u64 = 32;
const FRAME_HEAD: u64 = 24;

/// How the files in use looked when nobody else had touched them.
#[derive(Debug, Default)]
pub(super) struct Watched(BTreeMap<VolumeId, Mark>);

/// A volume that is open, and how it lies on the disk.
#[derive(Clone, Debug)]
struct Open {
    id: VolumeId,
    inode: u64,
    file: PathBuf,
    log: PathBuf,
    /// Octets of the log between two commits.
    log_length: u64,
}

/// A volume as it was seen.
#[derive(Clone, Debug)]
struct Mark {
    length: u64,
    modified: Option<SystemTime>,
    log: Option<(u64, u64)>, // inode and length
}

impl Watched {
    /// The keeper itself has changed the file.
    pub(super) fn forget(&mut self, id: VolumeId) {
        self.0.remove(&id);
    }
}

impl Journal {
    /// Looks at every file that a start would want to find. Called by the keeper alone, for it alone folds volumes.
    pub(in crate::ledger) fn guard(&self) -> Result<(), Damage> {
        if self.sealed {
            return Ok(());
        }
        if self.file.lock().tail.as_ref().is_some_and(|tail| !tail.is_there(&self.shelf.folder)) {
            return Err(changed(&tail::path(&self.shelf.folder), "was removed, replaced or cut"));
        }
        let open = self.open_volumes();
        let mut watched = self.watched.lock();
        watched.0.retain(|id, _| open.iter().any(|volume| volume.id == *id));
        for volume in &open {
            if let Some(mark) = look(volume, watched.0.get(&volume.id))? {
                watched.0.insert(volume.id, mark);
            }
        }
        for (id, inode) in self.head.volumes() {
            if !open.iter().any(|volume| volume.id == id) && !self.retires(id) {
                is_that_file(&id.path(&self.shelf.folder), inode)?;
            }
        }
        Ok(())
    }

    fn open_volumes(&self) -> Vec<Open> {
        let open = |volume: &Volume| Open {
            id: volume.id(),
            inode: volume.inode(),
            file: volume.id().path(&self.shelf.folder),
            log: volume.log_file(),
            log_length: volume.log_size(),
        };
        let resting = self.resting.lock();
        let volume = self.volume.lock();
        let tomorrow = self.tomorrow.lock();
        let volumes = [Some(&*volume), resting.as_ref(), tomorrow.volume.as_ref()];
        volumes.into_iter().flatten().map(open).collect()
    }

    fn retires(&self, id: VolumeId) -> bool {
        self.retired.lock().iter().any(|volume| volume.id() == id)
    }
}

/// What a file is now, or what is wrong. `None` where the disk does not say.
fn look(volume: &Open, mark: Option<&Mark>) -> Result<Option<Mark>, Damage> {
    let Some(file) = is_that_file(&volume.file, volume.inode)? else { return Ok(None) };
    let now = Mark { length: file.len(), modified: file.modified().ok(), log: log(volume, mark)? };
    if mark.is_some_and(|mark| (mark.length, mark.modified) != (now.length, now.modified)) {
        return Err(changed(&volume.file, "was written by somebody else"));
    }
    Ok(Some(now))
}

/// The log may only grow while its volume is open.
fn log(volume: &Open, mark: Option<&Mark>) -> Result<Option<(u64, u64)>, Damage> {
    let before = mark.and_then(|mark| mark.log);
    let (inode, length) = match std::fs::metadata(&volume.log) {
        Ok(log) => (log.ino(), log.len()),
        Err(error) if error.kind() == ErrorKind::NotFound && before.is_some() => {
            return Err(changed(&volume.log, "was removed"));
        }
        Err(_) => return Ok(before),
    };
    if let Some((own, seen)) = before {
        if inode != own {
            return Err(changed(&volume.log, "was replaced"));
        }
        if length < seen || !is_whole(&volume.log, seen) {
            return Err(changed(&volume.log, "was cut short"));
        }
    }
    Ok(Some((inode, volume.log_length)))
}

/// Whether the last frame of a log of that length is there still: what was cut off and written over reads as zeros,
/// and there is no page of number 0.
fn is_whole(log: &Path, length: u64) -> bool {
    let mut head = [0; LOG_HEAD as usize];
    let mut page = [0; 4];
    let Ok(file) = std::fs::File::open(log) else { return true }; // the disk does not say
    if length < LOG_HEAD || file.read_exact_at(&mut head, 0).is_err() {
        return true;
    }
    let size = u64::from(u32::from_be_bytes([head[8], head[9], head[10], head[11]]));
    let frames = (length - LOG_HEAD) / (FRAME_HEAD + size.max(1));
    let Some(last) = frames.checked_sub(1) else { return size > 0 };
    size > 0 && file.read_exact_at(&mut page, LOG_HEAD + last * (FRAME_HEAD + size)).is_ok() && page != [0; 4]
}

/// The file under a path, if it is the one of that inode; `None` where the disk does not say.
fn is_that_file(path: &Path, inode: u64) -> Result<Option<Metadata>, Damage> {
    match std::fs::metadata(path) {
        Ok(file) if file.ino() == inode => Ok(Some(file)),
        Ok(_) => Err(changed(path, "was replaced")),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(changed(path, "was removed")),
        Err(_) => Ok(None),
    }
}

fn changed(path: &Path, how: &str) -> Damage {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Damage::new(DamageKind::Changed, format!("{name} {how} while the gateway ran"))
}
