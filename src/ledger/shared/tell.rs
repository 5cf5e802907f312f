//! What becomes of reservations, put into the words of the server.

use std::sync::{Arc, Weak};

use crate::domain::Moment;
use crate::ledger::parts::PartOf;
use crate::ledger::record::{Settled, Taken};
use crate::ledger::reserve::Reservation;
use crate::ledger::{Batch, Ledger};

use super::link::{BEAT, Link, Live};
use super::outbox::Act;
use super::script::{self, Script};
use super::{Fault, Shared, ask};

/// Assembly time of a message in parts that the server has lost and is told of again.
const ASSEMBLY_MS: u64 = 600_000;

impl Shared {
    /// The SMSC has answered, or nobody will.
    pub(in crate::ledger) fn settle(
        &self,
        ledger: &Ledger,
        reservation: &Reservation,
        settled: Settled,
        message_id: &[u8],
        batch: &mut Batch,
    ) {
        let Some(token) = self.settled_here(ledger, reservation, batch, |batch| {
            batch.settled(reservation.id, settled, message_id, || ledger.ticker.tick().wall);
        }) else {
            return;
        };
        let part = reservation.part.map(PartOf::place);
        let held = &reservation.taken;
        match settled {
            Settled::Rejected(_) => {
                ledger.shown_given_back(held);
                batch.acts.push(self.give(token, held, part));
            }
            Settled::Accepted if part.is_some() => batch.acts.push(self.sent(token, held, part)),
            Settled::Accepted => {} // the server has it as taken
            Settled::Unknown => {
                let since_ms = ledger.ticker.tick().wall.ms();
                batch.acts.push(self.doubt(token, held, part, since_ms));
            }
        }
    }

    /// A message that was not sent after all.
    pub(in crate::ledger) fn undo(&self, ledger: &Ledger, reservation: &Reservation, batch: &mut Batch) {
        let void = |batch: &mut Batch| batch.voided(reservation.id);
        if let Some(token) = self.settled_here(ledger, reservation, batch, void) {
            ledger.shown_given_back(&reservation.taken);
            batch.acts.push(self.give(token, &reservation.taken, reservation.part.map(PartOf::place)));
        }
    }

    /// Leaves what became of a reservation to the journal. The token by which the server is to be told as well.
    fn settled_here(
        &self,
        ledger: &Ledger,
        reservation: &Reservation,
        batch: &mut Batch,
        write: impl FnOnce(&mut Batch),
    ) -> Option<u64> {
        if reservation.id == 0 {
            return None;
        }
        write(batch);
        let token = self.token(reservation)?;
        ledger.one_settled();
        Some(token)
    }

    /// A message of unknown outcome was taken by the SMSC.
    pub(in crate::ledger) fn settle_late(
        &self,
        reservation: &Reservation,
        message_id: &[u8],
        now: impl FnOnce() -> Moment,
        batch: &mut Batch,
    ) {
        batch.settled(reservation.id, Settled::Accepted, message_id, now);
        if let Some(token) = self.token(reservation) {
            batch.acts.push(self.sent(token, &reservation.taken, reservation.part.map(PartOf::place)));
        }
    }

    /// An accepted message has moved to another day.
    pub(in crate::ledger) fn give_up(
        &self,
        reservation: &Reservation,
        now: impl FnOnce() -> Moment,
        batch: &mut Batch,
    ) {
        let Some(token) = self.token(reservation) else { return };
        batch.acts.push(self.give(token, &reservation.taken, None));
        reservation.taken.write_given_up(batch.bound());
        // A start finds the reservation by its id, and what it was told last.
        batch.settled(reservation.id, Settled::Rejected(0), &[], now);
    }

    fn token(&self, reservation: &Reservation) -> Option<u64> {
        if reservation.id == 0 || !reservation.asked { None } else { self.runs.token(reservation.id) }
    }

    pub(super) fn give(&self, token: u64, held: &Taken, part: Option<(u64, u8)>) -> Act {
        self.act(Script::Give, token, held, part, Vec::new())
    }

    pub(super) fn sent(&self, token: u64, held: &Taken, part: Option<(u64, u8)>) -> Act {
        // The total is asked for only to make a group anew, which is a closed one.
        self.act(Script::Sent, token, held, part, vec!["255".to_owned(), ASSEMBLY_MS.to_string()])
    }

    pub(super) fn doubt(&self, token: u64, held: &Taken, part: Option<(u64, u8)>, since_ms: i64) -> Act {
        let named = part.map(|(_, index)| index.to_string()).unwrap_or_default();
        self.act(Script::Doubt, token, held, part, vec![since_ms.to_string(), named, self.link.name().to_owned()])
    }

    fn act(&self, script: Script, token: u64, held: &Taken, part: Option<(u64, u8)>, rest: Vec<String>) -> Act {
        let what = script::what(held, &self.names.load());
        let (group, index) = part.map_or((String::new(), 0), |(serial, index)| (ask::group(serial), index));
        Act { script, token, what, group, index, rest }
    }

    /// Reaches for the server and keeps at it, until the ledger is gone.
    pub(in crate::ledger) async fn run(ledger: Weak<Ledger>) {
        let mut said = None;
        while let Some((ledger, shared)) = alive(&ledger) {
            let began = std::time::Instant::now();
            match shared.reach(&ledger).await {
                Ok(()) => said = None,
                Err(fault) => {
                    if said.as_ref() != Some(&fault) {
                        let address = shared.link.address();
                        tracing::warn!(event = "shared_ledger_fault", %address, %fault, "the shared ledger cannot be reached");
                    }
                    said = Some(fault);
                    shared.link.fell();
                }
            }
            drop((ledger, shared));
            if began.elapsed() < BEAT {
                Link::pause().await; // one that had stood is looked for again at once
            }
        }
    }

    /// One connection, from its begin to its end.
    async fn reach(&self, ledger: &Ledger) -> Result<(), Fault> {
        let own = self.run.load(std::sync::atomic::Ordering::Relaxed);
        let before = self.runs.last();
        let (live, begun) = self.link.begin(own, before).await?;
        let lost = before != 0 && (!begun.known || begun.ledger != self.runs.ledger());
        if own == 0 {
            let first_id = ledger.journal.next_id();
            self.runs.begin(first_id, live.run, &begun.ledger).map_err(|error| Fault::Io(error.kind().to_string()))?;
            self.run.store(live.run, std::sync::atomic::Ordering::Relaxed);
        }
        let weakness = self.link.weakness(&Link::promises(live.connection.clone()).await);
        if let Some(why) = weakness {
            tracing::warn!(event = "shared_ledger_weak", why, "what the shared ledger confirms can be lost");
        }
        if lost {
            self.tell_anew(ledger, &live).await?;
        }
        self.tell_rest(&live).await?; // before the next message: what was refused without the server's word is free
        let epoch = live.epoch;
        self.link.take(live);
        let Some(live) = self.link.live() else { return Ok(()) };
        loop {
            self.link.beat(&live).await?;
            let changed = self.link.changed.notified();
            if self.link.live().is_none_or(|live| live.epoch != epoch) {
                return Ok(());
            }
            let _ = tokio::time::timeout(BEAT, changed).await; // a look is due, or the connection is given up
        }
    }

    /// Tells the server over a new connection what is left to be told.
    async fn tell_rest(&self, live: &Live) -> Result<(), Fault> {
        loop {
            let acts = self.outbox.first();
            if acts.is_empty() {
                return Ok(());
            }
            let calls = acts.iter().map(|act| act.call(&live.scripts)).collect();
            self.link.ask(live, calls, false).await?;
            self.outbox.done(acts.len());
        }
    }

    /// Tells the server what has become of messages, for as long as there is a ledger.
    pub(in crate::ledger) async fn carry(ledger: Weak<Ledger>) {
        while let Some((owner, shared)) = alive(&ledger) {
            drop(owner);
            let acts = tokio::time::timeout(BEAT, shared.outbox.next()).await.unwrap_or_default();
            let Some(live) = shared.link.live().filter(|_| !acts.is_empty()) else {
                if !acts.is_empty() {
                    tokio::time::sleep(BEAT / 10).await;
                }
                continue;
            };
            let calls = acts.iter().map(|act| act.call(&live.scripts)).collect();
            if shared.link.ask(&live, calls, true).await.is_ok() {
                shared.outbox.done(acts.len());
            } // or all of them once more: twice is as good as once
        }
    }
}

fn alive(ledger: &Weak<Ledger>) -> Option<(Arc<Ledger>, Arc<Shared>)> {
    let ledger = ledger.upgrade().filter(|ledger| !ledger.is_closing())?;
    let shared = ledger.shared.clone()?;
    Some((ledger, shared))
}
