//! One subscriber's messages.

use crate::domain::{Day, Msisdn};
use crate::ledger::volume::ReadError;

use super::about::{Called, Told, Wanted, read};
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

/// Every message to a subscriber that was received on these days, the oldest first.
pub(super) fn trace(rows: &impl Rows, number: Msisdn, span: Span) -> Result<Vec<Attempt>, ReadError> {
    let names = rows.names()?;
    let called = Called::of(&names);
    let (mut open, mut refused, wanted) = (Open::default(), Vec::new(), Of(number.get()));
    let until = span.to.number().saturating_add(span.reach.max(1));
    let days: Vec<Day> = rows.days()?.into_iter().filter(|day| *day >= span.from && day.number() <= until).collect();
    for day in days {
        rows.read(day, i64::MIN, &mut |row| {
            read(day, row, &called, &wanted, &mut |told| match told {
                Told::Attempt(attempt) if !span.holds(attempt.about.received) => {}
                Told::Attempt(attempt) if attempt.id.is_none() => refused.push(attempt),
                Told::Attempt(attempt) => {
                    let account = Called::account(&names, &attempt.about.account).unwrap_or_default();
                    open.enter(attempt, account);
                }
                Told::Settled(own, at) => open.settle(&own, at),
                Told::Receipt(own, at) => open.receipt(&own, at),
            })
        })?;
    }
    let mut all: Vec<Attempt> = refused.into_iter().chain(open.into_attempts()).collect();
    debug_assert!(all.iter().all(|one| one.to == To::Subscriber(number)));
    all.sort_by_key(|one| (one.about.received, one.row));
    Ok(all)
}
