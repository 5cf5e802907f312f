//! Clause 7.6: what is stopped, by whom and why.
//!
//! A hold is in force in memory the moment it is placed; writing it down comes
//! after, so that a sick disk delays nobody's stop. A scope is open again when
//! no hold is left on it. What the sessions look at costs one atomic read while
//! nothing is held.

#[cfg(test)]
mod tests;
mod together;

pub use self::together::{Ended, Received};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::domain::Moment;

use super::hold_file::{HoldFile, HoldsError, Row};
use super::scope::{Party, Reach, Scope};

/// Holds in force at a time.
pub const HOLDS_MAX: usize = 1000;
/// How long a call waits for another that writes.
const SAVE_PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);
/// Ended holds that are remembered, in memory and in the file.
pub const PAST_MAX: usize = 1000;
/// Characters of an owner, a role or a reason.
pub const TEXT_MAX: usize = 500;

/// A hold to be placed.
#[derive(Clone, Debug)]
pub struct NewHold {
    /// What to stop.
    pub scope: Scope,
    /// Who wants it.
    pub owner: String,
    /// In which role.
    pub role: String,
    /// Why.
    pub reason: String,
    /// When it ends by itself, if it does.
    pub until: Option<Moment>,
}

/// By what several gateways know a hold, or the end of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its name for all time; never 0.
    pub key: u64,
    /// Whether the server that they share has been told of its present state.
    pub told: bool,
    /// The version of the server's holds that it came with; 0 while that is not known.
    pub version: u64,
}

/// A hold in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Counts up through the life of the ledger's folder, or of the server where holds are shared.
    pub number: u32,
    /// What is stopped.
    pub scope: Scope,
    /// Who placed it.
    pub owner: String,
    /// In which role.
    pub role: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Moment,
    /// When it ends by itself, if it does.
    pub until: Option<Moment>,
    /// Whether it would outlive the process: what is said here is on disk.
    pub persisted: bool,
    /// Where it is in force on other gateways too, or is to be.
    pub shared: Option<Mark>,
}

/// A hold that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The hold; `persisted` speaks of its end.
    pub hold: Hold,
    /// When it ended.
    pub at: Moment,
    /// Who ended it; `clock` where its time was over.
    pub by: String,
    /// Why.
    pub why: String,
}

/// Which holds to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// One, by its number.
    Number(u32),
    /// Those on exactly this scope.
    On(Scope),
}

/// Why a hold is not placed or ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// A required word is missing, too long or not printable.
    #[error("`{field}` must be given: 1 to {TEXT_MAX} printable characters")]
    Text {
        /// Which.
        field: &'static str,
    },
    /// The end lies behind.
    #[error("the end of the hold lies in the past")]
    Over,
    /// Nothing of that name is configured.
    #[error("`{0}` is not configured, so nothing would be held")]
    Unknown(Scope),
    /// There are too many.
    #[error("{HOLDS_MAX} holds are in force; end some first")]
    TooMany,
    /// There is no such hold.
    #[error("no such hold is in force")]
    NotFound,
    /// The hold is somebody else's.
    #[error("the hold is that of {owner}; ending others' holds must be asked for")]
    NotYours {
        /// Whose.
        owner: String,
    },
}

/// Every hold of a gateway.
#[derive(Debug)]
pub struct Holds {
    /// How many are in force; what a session reads first.
    armed: AtomicUsize,
    in_force: ArcSwap<InForce>,
    book: Mutex<Book>,
    /// Taken before the book's lock, where both are.
    file: Mutex<HoldFile>,
}

/// What sessions look at, swapped whole.
#[derive(Debug, Default)]
struct InForce {
    holds: Vec<Hold>,
    reach: Reach,
}

/// What changes under the lock.
#[derive(Debug)]
struct Book {
    /// The number of the next hold; 0 where the server gives them.
    next: u32,
    past: VecDeque<Past>,
    /// Numbers of holds whose state is not on disk yet.
    unwritten: BTreeSet<u32>,
    /// Numbers on disk that are nobody's any more.
    gone: BTreeSet<u32>,
}

// === impl Hold ===

impl Hold {
    /// How people name it: `h_01`.
    pub fn id(&self) -> String {
        format!("h_{:02}", self.number)
    }
}

// === impl Which ===

impl Which {
    /// Reads `h_01` or a scope.
    pub fn parse(text: &str) -> Result<Self, super::scope::NotAScope> {
        match text.strip_prefix("h_").map(str::parse) {
            Some(Ok(number)) => Ok(Self::Number(number)),
            _ => text.parse().map(Self::On),
        }
    }

    fn is(&self, hold: &Hold) -> bool {
        match self {
            Self::Number(number) => hold.number == *number,
            Self::On(scope) => hold.scope == *scope,
        }
    }
}

// === impl NewHold ===

impl NewHold {
    /// Whether all is there that must be.
    pub fn check(&self, now: Moment) -> Result<(), HoldError> {
        for (field, text) in [("owner", &self.owner), ("role", &self.role), ("reason", &self.reason)] {
            check_text(field, text)?;
        }
        if self.until.is_some_and(|until| until <= now) { Err(HoldError::Over) } else { Ok(()) }
    }
}

/// Words that go to logs and files: there, bounded, and without line breaks.
pub fn check_text(field: &'static str, text: &str) -> Result<(), HoldError> {
    let fits = !text.trim().is_empty() && text.chars().count() <= TEXT_MAX && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(HoldError::Text { field }) }
}

// === impl Holds ===

impl Holds {
    /// Opens the file in a folder and puts in force what it says; holds whose time is over by `now` are not.
    pub fn open(folder: &Path, now: Moment) -> Result<Self, HoldsError> {
        let (own, mut holds) = Self::read(folder)?;
        {
            let mut book = own.book.lock();
            let Book { past, next, .. } = &mut *book;
            for hold in holds.iter_mut().chain(past.iter_mut().map(|past| &mut past.hold)) {
                hold.shared = None; // whatever it was to others once
                *next = hold.number.saturating_add(1).max(*next);
            }
        }
        own.put_in_force(holds);
        own.end_due(now);
        Ok(own)
    }

    /// Reads the file; nothing is in force yet.
    fn read(folder: &Path) -> Result<(Self, Vec<Hold>), HoldsError> {
        let file = HoldFile::open(folder)?;
        let (mut holds, mut past) = (Vec::new(), VecDeque::new());
        for row in file.read()? {
            match row {
                Row::InForce(hold) => holds.push(hold),
                Row::Ended(one) => past.push_back(one),
            }
        }
        let book = Book { next: 1, past, unwritten: BTreeSet::new(), gone: BTreeSet::new() };
        let own = Self {
            armed: AtomicUsize::new(0),
            in_force: ArcSwap::default(),
            book: Mutex::new(book),
            file: Mutex::new(file),
        };
        Ok((own, holds))
    }

    /// Whether a party is held. Costs one atomic read while nothing is.
    pub fn cover<'a>(&self, party: impl FnOnce() -> Party<'a>) -> bool {
        // SeqCst: half of the handshake in `gate`. Who reads 0 here has its pass out before any later hold is in force.
        self.armed.load(Ordering::SeqCst) > 0 && self.in_force.load().reach.covers(&party())
    }

    /// Whether nothing is held at all; one atomic read, of the same place that [`Holds::cover`] reads.
    pub fn is_idle(&self) -> bool {
        self.armed.load(Ordering::SeqCst) == 0
    }

    /// Puts a hold of this gateway alone in force, in memory; [`Holds::save`] writes it down.
    pub fn place(&self, new: NewHold, now: Moment) -> Result<Hold, HoldError> {
        self.enter(new, now, None)
    }

    fn enter(&self, new: NewHold, now: Moment, shared: Option<Mark>) -> Result<Hold, HoldError> {
        new.check(now)?;
        let mut book = self.book.lock();
        let mut holds = self.in_force.load().holds.clone();
        if holds.len() >= HOLDS_MAX {
            return Err(HoldError::TooMany);
        }
        let NewHold { scope, owner, role, reason, until } = new;
        let number = book.number();
        let hold = Hold { number, scope, owner, role, reason, since: now, until, persisted: false, shared };
        book.unwritten.insert(hold.number);
        holds.push(hold.clone());
        self.put_in_force(holds);
        Ok(hold)
    }

    /// Ends holds, in memory; [`Holds::save`] writes it down. Without `all_holders` only those of `by` are
    /// ended, and it is an error if there is none but others'.
    pub fn end(
        &self,
        which: &Which,
        by: &str,
        why: &str,
        all_holders: bool,
        now: Moment,
    ) -> Result<Vec<Past>, HoldError> {
        check_text("by", by)?;
        check_text("reason", why)?;
        let mut book = self.book.lock();
        let meant = |hold: &Hold| which.is(hold) && (all_holders || hold.owner == by);
        let in_force = self.in_force.load();
        if !in_force.holds.iter().any(meant) {
            let other = in_force.holds.iter().find(|hold| which.is(hold));
            return Err(other.map_or(HoldError::NotFound, |hold| HoldError::NotYours { owner: hold.owner.clone() }));
        }
        Ok(self.take_out(&mut book, meant, by, why, now))
    }

    /// Ends the holds whose time is over, in memory. The end of what the server knows comes from the server, for all
    /// gateways at once.
    pub fn end_due(&self, now: Moment) -> Vec<Past> {
        let is_due =
            |hold: &Hold| hold.shared.is_none_or(|mark| !mark.told) && hold.until.is_some_and(|until| until <= now);
        if !self.in_force.load().holds.iter().any(is_due) {
            return Vec::new();
        }
        self.take_out(&mut self.book.lock(), is_due, "clock", "its time was over", now)
    }

    fn take_out(&self, book: &mut Book, which: impl Fn(&Hold) -> bool, by: &str, why: &str, now: Moment) -> Vec<Past> {
        let (out, stay): (Vec<_>, Vec<_>) = self.in_force.load().holds.iter().cloned().partition(which);
        let past = |hold: Hold| Past {
            hold: Hold { persisted: false, shared: hold.shared.map(|mark| Mark { told: false, ..mark }), ..hold },
            at: now,
            by: by.to_owned(),
            why: why.to_owned(),
        };
        let ended: Vec<Past> = out.into_iter().map(past).collect();
        book.unwritten.extend(ended.iter().map(|past| past.hold.number));
        book.remember(ended.iter().cloned());
        self.put_in_force(stay);
        ended
    }

    /// Swaps what the sessions look at. Callers hold the book's lock.
    fn put_in_force(&self, holds: Vec<Hold>) {
        let (count, reach) = (holds.len(), Reach::of(holds.iter().map(|hold| &hold.scope)));
        self.in_force.store(Arc::new(InForce { holds, reach }));
        self.armed.store(count, Ordering::SeqCst);
    }

    /// Copies the file into a folder, as it is on disk now.
    pub fn copy(&self, folder: &Path) -> Result<(), HoldsError> {
        let file = self.file.try_lock_for(SAVE_PATIENCE).ok_or(HoldsError::Busy)?;
        Ok(file.copy(folder)?)
    }

    /// Writes down what is not on disk yet. Blocks for the disk; without an error it is on disk. While another
    /// call is at it, this one does not wait: a disk that hangs would keep one thread more for each try.
    pub fn save(&self) -> Result<(), HoldsError> {
        // First, so that no older state is written over a newer one.
        let Some(mut file) = self.file.try_lock_for(SAVE_PATIENCE) else { return Err(HoldsError::Busy) };
        let (rows, gone) = {
            let book = self.book.lock();
            (self.unwritten(&book), book.gone.clone())
        };
        if rows.is_empty() && gone.is_empty() {
            return Ok(());
        }
        file.write(&rows, &gone)?;
        let mut book = self.book.lock();
        book.gone.retain(|number| !gone.contains(number));
        self.written(&mut book, &rows);
        Ok(())
    }

    fn unwritten(&self, book: &Book) -> Vec<Row> {
        let in_force = self.in_force.load();
        let held = in_force.holds.iter().filter(|hold| book.unwritten.contains(&hold.number));
        let past = book.past.iter().filter(|past| book.unwritten.contains(&past.hold.number));
        held.cloned().map(Row::InForce).chain(past.cloned().map(Row::Ended)).collect()
    }

    /// Notes that rows are on disk, unless the hold has changed since. One pass, whatever their number.
    fn written(&self, book: &mut Book, rows: &[Row]) {
        let (mut in_force, mut ended) = (BTreeMap::new(), BTreeMap::new());
        for row in rows {
            match row {
                Row::InForce(hold) => in_force.insert(hold.number, hold.shared),
                Row::Ended(past) => ended.insert(past.hold.number, past.hold.shared),
            };
        }
        let mut holds = self.in_force.load().holds.clone();
        for hold in holds.iter_mut().filter(|hold| in_force.get(&hold.number) == Some(&hold.shared)) {
            hold.persisted = true;
            book.unwritten.remove(&hold.number);
        }
        self.put_in_force(holds);
        let Book { past, unwritten, .. } = book;
        for past in past.iter_mut().filter(|past| ended.get(&past.hold.number) == Some(&past.hold.shared)) {
            past.hold.persisted = true;
            unwritten.remove(&past.hold.number);
        }
        unwritten.retain(|number| {
            // One that has ended and left the list of those remembered is nowhere any more.
            !ended.contains_key(number) || past.iter().any(|past| past.hold.number == *number)
        });
    }

    /// Whether all is on disk.
    pub fn is_saved(&self) -> bool {
        let book = self.book.lock();
        book.unwritten.is_empty() && book.gone.is_empty()
    }

    /// The holds in force, oldest first.
    pub fn in_force(&self) -> Vec<Hold> {
        self.in_force.load().holds.clone()
    }

    /// The holds that have ended, the last first.
    pub fn past(&self) -> Vec<Past> {
        self.book.lock().past.iter().rev().cloned().collect()
    }
}

// === impl Book ===

impl Book {
    /// The number of a new hold.
    fn number(&mut self) -> u32 {
        if self.next == 0 {
            return together::drawn();
        }
        self.next += 1;
        self.next - 1
    }

    /// Those that have ended last are remembered.
    fn remember(&mut self, ended: impl Iterator<Item = Past>) {
        self.past.extend(ended);
        while self.past.len() > PAST_MAX {
            self.past.pop_front();
        }
    }
}
