//! After a start: the journal is replayed, and what was under way when the
//! process ended becomes an unknown outcome.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::{Day, LocalTime, Tick};
use crate::policy::switches::{Switches, UnknownOutcome};

use super::book::Book;
use super::journal::Journal;
use super::names::Names;
use super::parts::{PartOf, Parts};
use super::record::{self, Effects, PartRecord, Record, Settled, Taken, Terms, read_row};
use super::reserve::{self, Spreads};
use super::volume::{ReadError, Row, Shelf, VolumeId};

/// What a start found.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Reservations read.
    pub reservations: u64,
    /// Slots that are taken today or later.
    pub slots: u64,
    /// Messages that were under way when the process ended.
    pub interrupted: u64,
    /// Messages whose outcome is unknown, those included.
    pub unknown: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// Reservations between two looks for messages in parts that no later row can belong to.
const SWEEP_EVERY: u64 = 4096;
/// No part is committed later than this after it was taken.
const COMMIT_MS_MAX: i64 = 300_000;

/// The replay in progress.
pub(super) struct Replay<'a> {
    switches: &'a Switches,
    tick: Tick,
    today: Day,
    days: Vec<(Day, Arc<Book>)>,
    open: HashMap<u64, Taken, foldhash::fast::RandomState>,
    open_parts: HashMap<u64, (PartOf, Taken), foldhash::fast::RandomState>,
    began: Instant,
    reservations: u64,
    pub(super) spreads: Spreads,
    pub(super) parts: Parts,
    pub(super) unknown: HashMap<u64, Taken>,
    pub(super) names: Names,
    pub(super) next_id: u64,
    /// Number of the last row read; 0 before the first.
    pub(super) last_row: i64,
}

/// Reads the files whose reservations can still matter.
pub(super) fn replay<'a>(shelf: &Shelf, switches: &'a Switches, tick: Tick) -> Result<Replay<'a>, ReadError> {
    let today = LocalTime::of(tick.wall).day;
    let mut replay = Replay {
        switches,
        tick,
        today,
        days: Vec::new(),
        open: HashMap::default(),
        open_parts: HashMap::default(),
        began: Instant::now(),
        reservations: 0,
        spreads: Spreads::default(),
        parts: Parts::default(),
        unknown: HashMap::new(),
        names: Names::default(),
        next_id: 1,
        last_row: 0,
    };
    // A message scheduled ahead was journalled that many days before its own day.
    let reach = switches.schedule.max_ahead_hours.div_ceil(24) as u16 + 1;
    let volumes = VolumeId::all(&shelf.folder)?;
    for volumes in volumes.chunk_by(|one, next| one.day == next.day) {
        let day = volumes[0].day;
        if day.number() + reach >= today.number() {
            let mut names = std::mem::take(&mut replay.names);
            shelf.read(day, volumes, &mut names, |row| replay.row(day, &row))?;
            replay.names = names;
        }
    }
    Ok(replay)
}

impl Replay<'_> {
    fn row(&mut self, day: Day, row: &Row) -> Result<(), ReadError> {
        if self.last_row != 0 && row.number != self.last_row + 1 {
            return Err(ReadError::Missing { day, after: self.last_row, next: row.number });
        }
        self.last_row = row.number;
        let mut id = row.first_id;
        for record in read_row(&row.records) {
            match record.map_err(|_| ReadError::Corrupt { day, row: row.number })? {
                Record::Reserved(taken) => {
                    self.reserved(id, taken, row);
                    id += 1;
                }
                Record::Part(part) => {
                    self.part(id, *part, row);
                    id += 1;
                }
                Record::TakenAgain(taken) if taken.day >= self.today => self.apply(&taken),
                Record::TakenAgain(_) => {}
                Record::Settled(id, settled) => self.settled(id, settled),
            }
        }
        self.next_id = self.next_id.max(id);
        Ok(())
    }

    fn reserved(&mut self, id: u64, mut taken: Taken, row: &Row) {
        (taken.spread_at_ms, taken.terms) = (self.steady_ms(row), Terms::of(self.switches));
        self.reservations += 1;
        if taken.day >= self.today {
            self.apply(&taken);
        } else {
            taken.effects.remove(Effects::SLOT);
        }
        self.open.insert(id, taken);
    }

    /// The row's age tells where its places stand in the steady clock's window.
    fn steady_ms(&self, row: &Row) -> i64 {
        self.tick.steady_ms - (self.tick.wall.ms() - row.at.ms()).max(0)
    }

    /// A part: what its message took is entered once.
    fn part(&mut self, id: u64, mut record: PartRecord, row: &Row) {
        (record.taken.spread_at_ms, record.taken.terms) = (self.steady_ms(row), Terms::of(self.switches));
        self.reservations += 1;
        let taken = record.taken;
        let assembly_ms = i64::from(self.switches.length.assembly_minutes) * 60_000;
        if self.reservations.is_multiple_of(SWEEP_EVERY) {
            self.parts.sweep(taken.spread_at_ms - COMMIT_MS_MAX);
        }
        let (part, first) = self.parts.restore(record, assembly_ms);
        if first && taken.day >= self.today {
            self.apply(&taken);
        }
        self.open_parts.insert(id, (part, taken));
    }

    fn apply(&mut self, taken: &Taken) {
        let book = self.book(taken.day);
        let Some(recipient) = taken.recipient else { return };
        reserve::take_again(&book, taken);
        if taken.effects.contains(Effects::SPREAD) {
            let window = i64::from(self.switches.spread.window_seconds) * 1000;
            if taken.spread_at_ms + window > self.tick.steady_ms {
                self.spreads.real.restore(recipient.prefix(self.switches.spread.digits), taken.spread_at_ms);
            }
        }
    }

    fn settled(&mut self, id: u64, settled: Settled) {
        if !self.open_parts.is_empty()
            && let Some((part, taken)) = self.open_parts.remove(&id)
        {
            return self.settled_part(id, part, taken, settled);
        }
        match settled {
            Settled::Accepted => {
                self.open.remove(&id);
                self.unknown.remove(&id);
            }
            Settled::Rejected(_) => {
                if let Some(taken) = self.open.remove(&id).filter(|taken| taken.day >= self.today) {
                    let book = self.book(taken.day);
                    reserve::give_back(&book, &self.spreads, &taken);
                }
            }
            Settled::Unknown => {
                if let Some(taken) = self.open.remove(&id) {
                    self.unknown.insert(id, taken);
                }
            }
        }
    }

    fn settled_part(&mut self, id: u64, part: PartOf, taken: Taken, settled: Settled) {
        match settled {
            Settled::Accepted => self.parts.sent(part),
            Settled::Unknown => {
                self.parts.sent(part);
                self.unknown.insert(id, taken);
            }
            Settled::Rejected(_) => {
                let book = (taken.day >= self.today).then(|| self.book(taken.day));
                self.parts.gone(part, |taken| {
                    if let Some(book) = &book {
                        reserve::give_back(book, &self.spreads, taken);
                    }
                });
            }
        }
    }

    fn book(&mut self, day: Day) -> Arc<Book> {
        if let Some((_, book)) = self.days.iter().find(|(own, _)| *own == day) {
            return Arc::clone(book);
        }
        let book = Arc::<Book>::default();
        self.days.push((day, Arc::clone(&book)));
        book
    }

    /// What was under way becomes unknown, in the journal too.
    pub(super) fn finish(&mut self, journal: &Journal, switches: &Switches) -> (Vec<(Day, Arc<Book>)>, Recovered) {
        let interrupted = (self.open.len() + self.open_parts.len()) as u64;
        let mut records = Vec::new();
        let release = switches.dedup.unknown_outcome == UnknownOutcome::Release;
        for (id, taken) in std::mem::take(&mut self.open) {
            if release {
                record::write_settled(id, Settled::Rejected(0), &mut records);
                let book = self.book(taken.day);
                reserve::give_back(&book, &self.spreads, &taken);
            } else {
                record::write_settled(id, Settled::Unknown, &mut records);
                self.unknown.insert(id, taken);
            }
        }
        let settled = if release { Settled::Rejected(0) } else { Settled::Unknown };
        for (id, (part, taken)) in std::mem::take(&mut self.open_parts) {
            record::write_settled(id, settled, &mut records);
            self.settled_part(id, part, taken, settled);
        }
        while self.parts.sweep(self.tick.steady_ms) > 0 {}
        if !records.is_empty() {
            journal.append(&mut records, 0);
        }
        let days = std::mem::take(&mut self.days);
        let summary = Recovered {
            reservations: self.reservations,
            slots: days.iter().map(|(_, book)| book.rows()).sum(),
            interrupted,
            unknown: self.unknown.len() as u64,
            elapsed: self.began.elapsed(),
        };
        (days, summary)
    }
}
