//! One subscriber's messages.

use std::collections::BTreeMap;

use crate::domain::{Day, Msisdn};
use crate::ledger::names::Names;
use crate::ledger::seal::Seals;
use crate::ledger::volume::{ReadError, Row};

use super::about::{Called, Told, Wanted, read};
use super::index::Index;
use super::join::{Open, Span};
use super::rows::Rows;
use super::{Attempt, To};

/// Those to one subscriber.
struct Of(u64);

impl Wanted for Of {
    fn account(&self, _: u16) -> bool {
        true
    }

    fn number(&self, number: u64) -> bool {
        number == self.0
    }
}

/// Every message to a subscriber that was received on these days, the oldest first. A closed day's rows are found by its
/// index, another's are all read.
pub(super) fn trace(rows: &impl Rows, number: Msisdn, span: Span) -> Result<Vec<Attempt>, ReadError> {
    let names = rows.names()?;
    let called = Called::of(&names);
    let (open, refused, wanted) = (Open::default(), Vec::new(), Of(number.get()));
    let mut tracing = Tracing { names: &names, called: &called, span, wanted, open, refused };
    let seals = Seals::read(rows.folder())?;
    let until = span.to.number().saturating_add(span.reach.max(1));
    let days: Vec<Day> = rows.days()?.into_iter().filter(|day| *day >= span.from && day.number() <= until).collect();
    for day in days {
        let index = seals.of(day).and_then(|seal| Index::open(rows.folder(), seal));
        match index {
            None => rows.read(day, i64::MIN, &mut |row| tracing.row(day, row))?,
            Some(index) => tracing.indexed(rows, day, &index, number)?,
        }
    }
    let Tracing { open, refused, .. } = tracing;
    let mut all: Vec<Attempt> = refused.into_iter().chain(open.into_attempts()).collect();
    debug_assert!(all.iter().all(|one| one.to == To::Subscriber(number)));
    all.sort_by_key(|one| (one.about.received, one.row));
    Ok(all)
}

/// What is found so far.
struct Tracing<'a> {
    names: &'a Names,
    called: &'a Called,
    span: Span,
    wanted: Of,
    open: Open,
    refused: Vec<Attempt>,
}

impl Tracing<'_> {
    fn row(&mut self, day: Day, row: &Row) -> Result<(), ReadError> {
        let Self { names, called, span, wanted, open, refused } = self;
        read(day, row, called, wanted, &mut |told| match told {
            Told::Attempt(attempt) if !span.holds(attempt.about.received) => {}
            Told::Attempt(attempt) if attempt.id.is_none() => refused.push(attempt),
            Told::Attempt(attempt) => {
                let account = Called::account(names, &attempt.about.account).unwrap_or_default();
                open.enter(attempt, account);
            }
            Told::Settled(own, at) => open.settle(&own, at),
            Told::Receipt(own, at) => open.receipt(&own, at),
        })
    }

    /// The rows that name the subscriber, and those that settled their messages, in their order.
    fn indexed(&mut self, rows: &impl Rows, day: Day, index: &Index, number: Msisdn) -> Result<(), ReadError> {
        let mut found: BTreeMap<i64, Row> = BTreeMap::new();
        rows.pick(day, &index.rows_of(number)?, &mut |row| drop(found.insert(row.number, row)))?;
        let mut ids: Vec<u64> = self.open.ids().collect();
        for row in found.values() {
            read(day, row, self.called, &self.wanted, &mut |told| {
                if let Told::Attempt(attempt) = told {
                    ids.extend(attempt.id);
                }
            })?;
        }
        let mut settled = Vec::new();
        for id in ids {
            settled.extend(index.row_that_settled(id)?.filter(|row| !found.contains_key(row)));
        }
        settled.sort_unstable();
        settled.dedup();
        rows.pick(day, &settled, &mut |row| drop(found.insert(row.number, row)))?;
        found.values().try_for_each(|row| self.row(day, row))
    }
}
