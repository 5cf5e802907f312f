//! What the journal knows and the server may not: told at every start, and told
//! whole to a server that has lost it.

use std::collections::HashMap;

use crate::domain::LocalTime;
use crate::ledger::Ledger;
use crate::ledger::record::{Record, Settled, Taken, Terms, read_row};
use crate::ledger::volume::{ReadError, VolumeId};
use crate::policy::switches::Switches;

use super::link::Live;
use super::outbox::Act;
use super::{Fault, Shared};

/// One reservation of the journal.
#[derive(Clone, Copy, Debug)]
struct Known {
    taken: Taken,
    part: Option<(u64, u8)>,
    at_ms: i64,
    settled: Option<Settled>,
}

impl Shared {
    /// Puts what earlier lives of the gateway may not have told the server into the outbox: what was given back, and
    /// what nobody knows the outcome of. Tells how many.
    pub(in crate::ledger) fn recall(&self, ledger: &Ledger, switches: &Switches) -> Result<usize, ReadError> {
        let known = self.read(ledger, Some(switches), false)?;
        let acts = known.iter().filter_map(|(id, one)| {
            let token = self.runs.token(*id)?;
            match one.settled {
                Some(Settled::Rejected(_)) => Some(self.give(token, &one.taken, one.part)),
                None | Some(Settled::Unknown) => Some(self.doubt(token, &one.taken, one.part, one.at_ms)),
                Some(Settled::Accepted) => None,
            }
        });
        let acts: Vec<Act> = acts.collect();
        let count = acts.len();
        self.outbox.put(acts);
        Ok(count)
    }

    /// The server was emptied, is another one, or has gone back in time: it is told everything that this gateway has
    /// taken and not given back. What other gateways took they tell themselves.
    pub(super) async fn tell_anew(&self, ledger: &Ledger, live: &Live) -> Result<(), Fault> {
        let known =
            self.read(ledger, None, true).map_err(|_| Fault::Io("the journal cannot be read back".to_owned()))?;
        let mut told = 0;
        let mut acts = Vec::new();
        for (id, one) in known {
            let Some(token) = self.runs.token(id).filter(|_| !matches!(one.settled, Some(Settled::Rejected(_)))) else {
                continue;
            };
            acts.push(self.sent(token, &one.taken, one.part));
            if matches!(one.settled, Some(Settled::Unknown)) {
                acts.push(self.doubt(token, &one.taken, one.part, one.at_ms));
            }
        }
        for acts in acts.chunks(512) {
            let calls = acts.iter().map(|act| act.call(&live.scripts)).collect();
            self.link.ask(live, calls, false).await?;
            told += acts.len();
        }
        tracing::error!(
            event = "shared_ledger_lost",
            told,
            "the shared ledger had lost what it confirmed; it was told anew"
        );
        Ok(())
    }

    /// The reservations of days that are not over, by id; without `all` not those that the SMSC took.
    fn read(&self, ledger: &Ledger, switches: Option<&Switches>, all: bool) -> Result<HashMap<u64, Known>, ReadError> {
        let today = LocalTime::of(ledger.ticker.tick().wall).day;
        let terms = switches.map_or_else(
            || self.terms(),
            |switches| {
                let terms = Terms::of(switches);
                *self.terms.lock() = terms;
                terms
            },
        );
        let mut known: HashMap<u64, Known> = HashMap::new();
        let mut days: Vec<_> = VolumeId::all(&ledger.journal.shelf().folder)?.into_iter().map(|id| id.day).collect();
        days.dedup();
        for day in days.into_iter().filter(|day| day.number() + ledger.reach() >= today.number()) {
            ledger.journal.read(day, ledger.journal.last_row(), &mut |row| {
                let mut id = row.first_id;
                for record in read_row(&row.records).map_while(Result::ok) {
                    let own = u64::from(record.has_an_id());
                    let mut enter = |taken: Taken, part| {
                        if taken.day >= today {
                            let taken = Taken { terms, ..taken };
                            known.insert(id, Known { taken, part, at_ms: row.at.ms(), settled: None });
                        }
                    };
                    match record {
                        Record::Reserved(taken) => enter(taken, None),
                        Record::Part(part) => enter(part.taken, Some((part.serial, part.piece.part.index))),
                        Record::Settled(own) if own.settled == Settled::Accepted && !all => {
                            known.remove(&own.id);
                        }
                        Record::Settled(own) => {
                            if let Some(one) = known.get_mut(&own.id) {
                                one.settled = Some(own.settled);
                            }
                        }
                        // What is given up has a settlement that says so; the rest is the gateway's own to know.
                        _ => {}
                    }
                    id += own;
                }
                Ok(())
            })?;
        }
        Ok(known)
    }

    fn terms(&self) -> Terms {
        *self.terms.lock()
    }
}
