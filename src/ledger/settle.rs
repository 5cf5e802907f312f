//! What becomes of reservations: settled, given back, taken again; and how that
//! gets into the journal, and to the server where there is a shared ledger.

use std::sync::atomic::Ordering;

use crate::domain::Invariant;

use super::journal::NotDurable;
use super::operate::Unanswered;
use super::parts::PartOf;
use super::record::{self, Settled, Taken};
use super::reserve::{self, Reservation};
use super::{Batch, Ledger};

impl Ledger {
    /// Gives back what a message took that is not sent after all. With `journalled`, its
    /// reservation may be on disk and a record of its release follows.
    pub fn undo(&self, reservation: &Reservation, journalled: bool, batch: &mut Batch) {
        if let Some(shared) = &self.shared {
            if journalled {
                shared.undo(self, reservation, batch);
            }
            return; // before that the server has not been asked, or is told already
        }
        self.give_back(reservation);
        if journalled && reservation.is_durable() {
            record::write_settled(reservation.id, Settled::Rejected(0), &mut batch.records);
            self.one_settled();
        }
    }

    /// The SMSC has answered, or nobody will. The record of it goes into the batch. The terms are those
    /// under which it was taken, whatever a reload has changed since.
    pub fn settle(&self, reservation: &Reservation, settled: Settled, batch: &mut Batch) {
        let settled = match settled {
            Settled::Unknown if reservation.taken.terms.unknown_releases => Settled::Rejected(0),
            other => other,
        };
        if let Some(shared) = &self.shared {
            return shared.settle(self, reservation, settled, batch);
        }
        match (settled, reservation.part) {
            (Settled::Rejected(_), _) => self.give_back(reservation),
            (Settled::Accepted | Settled::Unknown, Some(part)) => self.parts.sent(part),
            (Settled::Accepted | Settled::Unknown, None) => {}
        }
        if !reservation.is_durable() {
            return;
        }
        self.one_settled();
        record::write_settled(reservation.id, settled, &mut batch.records);
        if settled == Settled::Unknown {
            let (taken, part, since) = (reservation.taken, reservation.part, self.ticker.tick().wall);
            self.unknown.lock().insert(reservation.id, Unanswered::new(taken, part, since));
        }
    }

    /// A late answer to a message of unknown outcome: an acceptance makes it known,
    /// a refusal changes nothing, for the slot may only move towards "used".
    pub fn settle_late(&self, reservation: &Reservation, accepted: bool, batch: &mut Batch) {
        if let Some(shared) = self.shared.as_ref().filter(|_| accepted) {
            return shared.settle_late(reservation, batch);
        }
        if !accepted || !reservation.is_durable() {
            return;
        }
        let known = self.unknown.lock().remove(reservation.id);
        let released = known.map_or(reservation.taken.terms.unknown_releases, |one| one.is_released());
        if released {
            // It was given back, by the timer or by an operator, and was sent after all.
            if let Some(part) = reservation.part
                && !self.parts.sent_late(part, self.ticker.tick().steady_ms)
            {
                return;
            }
            let book = self.turn_day(reservation.taken.day);
            reserve::take_again(&book, &reservation.taken, |key| book.restore(&[key]));
            reservation.taken.write_again(&mut batch.records);
            record::write_settled(reservation.id, Settled::Accepted, &mut batch.records); // for whoever looks it up
        } else if known.is_some() {
            record::write_settled(reservation.id, Settled::Accepted, &mut batch.records);
        }
    }

    /// Gives back what an accepted message took, because it has moved to another day and taken what that needs.
    pub fn give_up(&self, reservation: &Reservation, batch: &mut Batch) {
        if let Some(shared) = &self.shared {
            return shared.give_up(reservation, batch);
        }
        self.give_back(reservation);
        if reservation.is_durable() {
            reservation.taken.write_given_up(&mut batch.records);
        }
    }

    /// Hands settlements to the journal; nobody waits for them.
    pub fn note(&self, batch: &mut Batch) {
        self.tell(batch);
        if !batch.records.is_empty() {
            self.journal.append(&mut batch.records, 0);
        }
    }

    /// Hands releases to the journal and waits until they are durable, so that a
    /// sender that saw a refusal finds the slot free even after a crash (P8).
    pub async fn note_durably(&self, batch: &mut Batch) -> Result<(), NotDurable> {
        let told = self.tell(batch);
        if batch.records.is_empty() {
            return Ok(());
        }
        let ticket = self.journal.append(&mut batch.records, 0);
        if let Some(shared) = &self.shared {
            return tokio::join!(self.journal.durable(ticket), shared.told(told)).0;
        }
        self.journal.durable(ticket).await
    }

    /// Puts what the server is to be told into its queue.
    fn tell(&self, batch: &mut Batch) -> Option<u64> {
        self.shared.as_ref().and_then(|shared| shared.tell(batch))
    }

    pub(super) fn one_settled(&self) {
        if self.reserved.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.reserved.store(0, Ordering::Relaxed);
            Invariant::Reserved.broken();
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    pub(super) fn count_reserved(&self, messages: u64) {
        self.reserved.fetch_add(messages, Ordering::Relaxed);
    }

    fn give_back(&self, reservation: &Reservation) {
        self.give_back_taken(&reservation.taken, reservation.part);
    }

    pub(super) fn give_back_taken(&self, taken: &Taken, part: Option<PartOf>) {
        let all = |taken: &Taken| {
            if let Some(book) = self.book(taken.day) {
                reserve::give_back(&book, &self.spreads, taken);
            }
        };
        match part {
            None => all(taken),
            Some(part) => self.parts.gone(part, all),
        }
    }
}
