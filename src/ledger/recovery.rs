//! After a start: the journal is replayed, and what was under way when the
//! process ended becomes an unknown outcome.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::{Day, LocalTime, Moment, Tick};
use crate::policy::switches::{Switches, UnknownOutcome};

use super::batch::Batch;
use super::book::{Book, Gathering};
use super::journal::Journal;
use super::names::Names;
use super::operate::{Unanswered, Unknown};
use super::outcomes::{Outcome, Outcomes};
use super::parts::{PartOf, Parts};
use super::record::{Cancelled, Effects, PartRecord, Record, Settled, Taken, Terms, read_row};
use super::reserve::{self, Spreads};
use super::tail::{self, Entry};
use super::volume::{Logs, ReadError, Row, Shelf, VolumeId};
use super::waiting::{Cancel, Waiting};

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
    /// When the newest row of what was sent was written. Others say nothing of the time: they are written by a clock that
    /// nobody believes as well.
    pub newest: Option<Moment>,
    /// Rows that went with the power under `durability = "process"`.
    pub rows_lost: u64,
    /// Damage that an operator has accepted, and this start has gone over.
    pub accepted: Option<super::Damage>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Reservations between two looks for messages in parts that no later row can belong to.
const SWEEP_EVERY: u64 = 4096;
/// No part is committed later than this after it was taken.
const COMMIT_MS_MAX: i64 = 300_000;

/// The replay in progress.
///
/// The journal is read twice: first for what became of every reservation, then for what was taken. So no
/// slot is entered only to be given back, and nothing has to be looked up for a message that was settled.
pub(super) struct Replay<'a> {
    switches: &'a Switches,
    tick: Tick,
    today: Day,
    outcomes: Outcomes,
    days: Vec<Gathering>,
    open: Vec<(u64, Taken)>,
    /// Messages under way that take nothing.
    passed: Vec<u64>,
    open_parts: HashMap<u64, (PartOf, Taken), foldhash::fast::RandomState>,
    began: Instant,
    reservations: u64,
    newest: Option<Moment>,
    pub(super) spreads: Spreads,
    pub(super) parts: Parts,
    pub(super) unknown: Unknown,
    pub(super) waiting: Waiting,
    pub(super) names: Names,
    pub(super) next_id: u64,
    /// Number of the last row read; 0 before the first.
    pub(super) last_row: i64,
    /// The day of the newest volume, or today if there is none as new.
    pub(super) last_day: Day,
}

/// A message scheduled ahead was journalled that many days before its own day, at most.
pub(super) fn reach(switches: &Switches) -> u16 {
    switches.schedule.max_ahead_hours.div_ceil(24) as u16 + 1
}

/// Whether a day's files can hold something that matters today.
fn matters(volumes: &[VolumeId], today: Day, reach: u16) -> bool {
    volumes.first().is_some_and(|volume| volume.day.number() + reach >= today.number())
}

/// Reads what became of all reservations that can still matter. Leaves the files as they are.
pub(super) fn first_reading(
    shelf: &Shelf,
    volumes: &[VolumeId],
    today: Day,
    reach: u16,
) -> Result<FirstReading, ReadError> {
    let mut first = FirstReading::new(today);
    let newest = volumes.last().map(|volume| volume.day);
    // Numbers go on from the newest row, however old it is.
    let days = volumes.chunk_by(|one, next| one.day == next.day);
    for volumes in days.filter(|own| matters(own, today, reach) || Some(own[0].day) == newest) {
        let day = volumes[0].day;
        let mut names = std::mem::take(&mut first.names);
        shelf.read(day, volumes, &mut names, Logs::Left, |row| first.row(day, &row))?;
        first.names = names;
    }
    first.tail(tail::read(&shelf.folder)?)?;
    if !first.names.are_whole() {
        return Err(ReadError::Names);
    }
    Ok(first)
}

/// Reads the files whose reservations can still matter, a second time.
pub(super) fn replay<'a>(
    shelf: &Shelf,
    switches: &'a Switches,
    tick: Tick,
    volumes: &[VolumeId],
    reach: u16,
    first: FirstReading,
) -> Result<Replay<'a>, ReadError> {
    let today = first.today;
    let newest = volumes.last().map_or(today, |volume| volume.day);
    let mut replay = Replay::after(first, switches, tick);
    replay.last_day = newest.max(today);
    let days = volumes.chunk_by(|one, next| one.day == next.day);
    for volumes in days.filter(|own| matters(own, today, reach)) {
        let day = volumes[0].day;
        shelf.read(day, volumes, &mut Names::default(), Logs::Folded, |row| replay.row(day, &row))?;
    }
    Ok(replay)
}

/// What became of the reservations.
pub(super) struct FirstReading {
    today: Day,
    began: Instant,
    outcomes: Outcomes,
    /// Each day's first row.
    begins: Vec<(u16, i64)>,
    pub(super) names: Names,
    next_id: u64,
    pub(super) last_row: i64,
    /// The last rows, which are in no volume yet.
    pub(super) unfiled: Vec<Entry>,
    /// What is missing between the volumes and the tail. The rows behind it are not read.
    pub(super) gap: Option<ReadError>,
    pub(super) newest: Option<Moment>,
    /// When the newest row with something that was sent was written.
    sent_at: Option<Moment>,
}

impl FirstReading {
    /// Of nothing.
    pub(super) fn new(today: Day) -> Self {
        Self {
            today,
            began: Instant::now(),
            outcomes: Outcomes::default(),
            begins: Vec::new(),
            names: Names::default(),
            next_id: 1,
            last_row: 0,
            unfiled: Vec::new(),
            gap: None,
            newest: None,
            sent_at: None,
        }
    }

    /// Number and first row of each day that has rows.
    pub(super) fn days(&self) -> Vec<(u16, i64)> {
        self.begins.clone()
    }

    /// Goes on with the rows that are in the tail alone.
    fn tail(&mut self, entries: Vec<Entry>) -> Result<(), ReadError> {
        for entry in entries.into_iter().filter(|entry| entry.row.number > self.last_row).collect::<Vec<_>>() {
            match self.row(entry.day, &entry.row) {
                Err(gap @ ReadError::Missing { .. }) => {
                    self.gap = Some(gap);
                    return Ok(());
                }
                read => read?,
            }
            self.unfiled.push(entry);
        }
        Ok(())
    }

    fn row(&mut self, day: Day, row: &Row) -> Result<(), ReadError> {
        if self.last_row != 0 && row.number != self.last_row + 1 {
            return Err(ReadError::Missing { day, after: self.last_row, next: row.number });
        }
        if self.begins.last().is_none_or(|(last, _)| *last != day.number()) {
            self.begins.push((day.number(), row.number));
        }
        self.last_row = row.number;
        self.newest = Some(row.at);
        let mut id = row.first_id;
        for record in read_row(&row.records) {
            match record.map_err(|_| ReadError::Corrupt { day, row: row.number })? {
                Record::Reserved(_) | Record::Passed(_) => {
                    self.outcomes.open(id);
                    id += 1;
                }
                Record::Part(_) => id += 1, // settled in the order of the records, when they are read again
                Record::Settled(own) => self.outcomes.settle(own.id, own.settled),
                _ => {}
            }
        }
        if id > row.first_id {
            self.sent_at = Some(row.at);
        }
        self.next_id = self.next_id.max(id);
        Ok(())
    }
}

impl<'a> Replay<'a> {
    /// Behind the first reading.
    pub(super) fn after(first: FirstReading, switches: &'a Switches, tick: Tick) -> Self {
        Self {
            switches,
            tick,
            today: first.today,
            outcomes: first.outcomes,
            days: Vec::new(),
            open: Vec::new(),
            passed: Vec::new(),
            open_parts: HashMap::default(),
            began: first.began,
            reservations: 0,
            newest: first.sent_at,
            spreads: Spreads::default(),
            parts: Parts::default(),
            unknown: Unknown::default(),
            waiting: Waiting::default(),
            names: first.names,
            next_id: first.next_id,
            last_row: first.last_row,
            last_day: first.today,
        }
    }

    /// In place of a journal that cannot be believed.
    pub(super) fn of_nothing(switches: &'a Switches, tick: Tick) -> Self {
        Self::after(FirstReading::new(LocalTime::of(tick.wall).day), switches, tick)
    }

    fn row(&mut self, day: Day, row: &Row) -> Result<(), ReadError> {
        let mut id = row.first_id;
        for record in read_row(&row.records) {
            match record.map_err(|_| ReadError::Corrupt { day, row: row.number })? {
                Record::Reserved(taken) => {
                    self.reserved(id, taken, row);
                    id += 1;
                }
                Record::Passed(_) => {
                    if self.outcomes.of(id) == Outcome::Open {
                        self.passed.push(id);
                    }
                    id += 1;
                }
                Record::Part(part) => {
                    self.part(id, *part, row);
                    id += 1;
                }
                Record::Scheduled(scheduled) if scheduled.due > self.tick.wall => self.waiting.enter(*scheduled),
                Record::TakenAgain(taken) if taken.day >= self.today => self.apply(&taken),
                Record::GivenUp(taken) if taken.day >= self.today => {
                    let book = self.day(taken.day).book();
                    reserve::give_back(&book, &self.spreads, &taken);
                }
                Record::Settled(own) => self.settled(own.id, own.settled),
                Record::Cancelled(cancelled) => self.cancelled(&cancelled),
                _ => {}
            }
        }
        Ok(())
    }

    fn cancelled(&self, cancelled: &Cancelled) {
        let Cancelled { account, by_gateway, smsc, message_id } = cancelled;
        if !by_gateway {
            self.waiting.remove(*account, smsc, message_id);
        } else if let Some(entry) = self.waiting.find(*account, smsc, message_id) {
            entry.set_cancel(Cancel::Done);
        }
    }

    fn reserved(&mut self, id: u64, mut taken: Taken, row: &Row) {
        (taken.spread_at_ms, taken.terms) = (self.steady_ms(row), Terms::of(self.switches));
        self.reservations += 1;
        let outcome = self.outcomes.of(id);
        if outcome != Outcome::Rejected && taken.day >= self.today {
            self.apply(&taken);
        }
        match outcome {
            Outcome::Accepted | Outcome::Rejected => {}
            Outcome::Unknown => {
                self.unanswered(id, taken, None);
            }
            Outcome::Open => self.open.push((id, taken)),
        }
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
        let Some(recipient) = taken.recipient else { return };
        self.day(taken.day).take_again(taken);
        if taken.effects.contains(Effects::SPREAD) {
            let window = i64::from(self.switches.spread.window_seconds) * 1000;
            if taken.spread_at_ms + window > self.tick.steady_ms {
                self.spreads.real.restore(recipient.prefix(self.switches.spread.digits), taken.spread_at_ms);
            }
        }
    }

    /// The first reading knows what became of whole messages; parts are settled in the order of the records.
    fn settled(&mut self, id: u64, settled: Settled) {
        if !self.open_parts.is_empty()
            && let Some((part, taken)) = self.open_parts.remove(&id)
        {
            self.settled_part(id, part, taken, settled);
        } else if settled != Settled::Unknown
            && let Some(one) = self.unknown.remove(id)
            && let (Settled::Rejected(_), Some(part)) = (settled, one.part)
        {
            self.settled_part(id, part, one.taken, settled); // released by an operator
        }
    }

    fn unanswered(&mut self, id: u64, taken: Taken, part: Option<PartOf>) {
        let age_ms = self.tick.steady_ms - taken.spread_at_ms;
        let since = Moment::from_ms(self.tick.wall.ms() - age_ms);
        self.unknown.insert(id, Unanswered::new(taken, part, since));
    }

    fn settled_part(&mut self, id: u64, part: PartOf, taken: Taken, settled: Settled) {
        match settled {
            Settled::Accepted => self.parts.sent(part),
            Settled::Unknown => {
                self.parts.sent(part);
                self.unanswered(id, taken, Some(part));
            }
            Settled::Rejected(_) => {
                let book = (taken.day >= self.today).then(|| self.day(taken.day).book());
                self.parts.gone(part, |taken| {
                    if let Some(book) = &book {
                        reserve::give_back(book, &self.spreads, taken);
                    }
                });
            }
        }
    }

    fn day(&mut self, day: Day) -> &mut Gathering {
        let known = self.days.iter().position(|own| own.day() == day);
        let index = known.unwrap_or_else(|| {
            self.days.push(Gathering::new(day));
            self.days.len() - 1
        });
        &mut self.days[index]
    }

    /// What was under way becomes unknown, in the journal too.
    pub(super) fn finish(&mut self, journal: &Journal, switches: &Switches) -> (Vec<(Day, Arc<Book>)>, Recovered) {
        let interrupted = (self.open.len() + self.open_parts.len()) as u64;
        let mut batch = Batch::default();
        batch.at(self.tick.wall);
        let mut settled = |id, settled| batch.settled(id, settled, &[], || Moment::from_ms(0));
        let release = switches.dedup.unknown_outcome == UnknownOutcome::Release;
        for id in std::mem::take(&mut self.passed) {
            settled(id, Settled::Unknown); // it is listed nowhere: there is nothing to release
        }
        for (id, taken) in std::mem::take(&mut self.open) {
            if release {
                settled(id, Settled::Rejected(0));
                if taken.day >= self.today {
                    let book = self.day(taken.day).book();
                    reserve::give_back(&book, &self.spreads, &taken);
                }
            } else {
                settled(id, Settled::Unknown);
                self.unanswered(id, taken, None);
            }
        }
        let outcome = if release { Settled::Rejected(0) } else { Settled::Unknown };
        for (id, (part, taken)) in std::mem::take(&mut self.open_parts) {
            settled(id, outcome);
            self.settled_part(id, part, taken, outcome);
        }
        while self.parts.sweep(self.tick.steady_ms) > 0 {}
        if !batch.is_empty() {
            batch.append(journal);
        }
        let days: Vec<_> = self.days.drain(..).map(|mut day| (day.day(), day.book())).collect();
        let summary = Recovered {
            reservations: self.reservations,
            slots: days.iter().map(|(_, book)| book.rows()).sum(),
            interrupted,
            unknown: self.unknown.len() as u64,
            newest: self.newest,
            rows_lost: 0,
            accepted: None,
            elapsed: self.began.elapsed(),
        };
        (days, summary)
    }
}
