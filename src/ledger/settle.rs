//! What becomes of reservations: settled, given back, taken again; and how that
//! gets into the journal, and to the server where there is a shared ledger.

#[cfg(test)]
mod tests;

use std::sync::atomic::Ordering;

use crate::domain::{Invariant, Msisdn};
use crate::smpp::Address;
use crate::smpp::receipt::Receipt;

use super::journal::NotDurable;
use super::operate::Unanswered;
use super::parts::PartOf;
use super::record::{ReceiptRecord, Settled, Taken};
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
        if journalled {
            batch.voided(reservation.id);
        }
        if journalled && reservation.is_durable() {
            self.one_settled();
        }
    }

    /// The SMSC has taken the message, under this name.
    pub fn accepted(&self, reservation: &Reservation, message_id: &[u8], batch: &mut Batch) {
        self.settle_as(reservation, Settled::Accepted, message_id, batch);
    }

    /// The SMSC has answered, or nobody will. The record of it goes into the batch. The terms are those
    /// under which it was taken, whatever a reload has changed since.
    pub fn settle(&self, reservation: &Reservation, settled: Settled, batch: &mut Batch) {
        self.settle_as(reservation, settled, &[], batch);
    }

    fn settle_as(&self, reservation: &Reservation, settled: Settled, message_id: &[u8], batch: &mut Batch) {
        let settled = match settled {
            Settled::Unknown if reservation.taken.terms.unknown_releases => Settled::Rejected(0),
            other => other,
        };
        if let Some(shared) = &self.shared {
            return shared.settle(self, reservation, settled, message_id, batch);
        }
        match (settled, reservation.part) {
            (Settled::Rejected(_), _) => self.give_back(reservation),
            (Settled::Accepted | Settled::Unknown, Some(part)) => self.parts.sent(part),
            (Settled::Accepted | Settled::Unknown, None) => {}
        }
        batch.settled(reservation.id, settled, message_id, || self.ticker.tick().wall);
        if !reservation.is_durable() {
            return;
        }
        self.one_settled();
        if settled == Settled::Unknown {
            let (taken, part, since) = (reservation.taken, reservation.part, self.ticker.tick().wall);
            self.unknown.lock().insert(reservation.id, Unanswered::new(taken, part, since));
        }
    }

    /// A late answer to a message of unknown outcome: an acceptance makes it known, with the SMSC's name for the message;
    /// a refusal (`None`) changes nothing, for the slot may only move towards "used".
    pub fn settle_late(&self, reservation: &Reservation, accepted: Option<&[u8]>, batch: &mut Batch) {
        let Some(message_id) = accepted else { return };
        let now = || self.ticker.tick().wall;
        if let Some(shared) = &self.shared {
            return shared.settle_late(reservation, message_id, now, batch);
        }
        if !reservation.is_durable() {
            return batch.settled(reservation.id, Settled::Accepted, message_id, now);
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
            reservation.taken.write_again(batch.bound());
            batch.settled(reservation.id, Settled::Accepted, message_id, now); // for whoever looks it up
        } else if known.is_some() {
            batch.settled(reservation.id, Settled::Accepted, message_id, now);
        }
    }

    /// Gives back what an accepted message took, because it has moved to another day and taken what that needs.
    pub fn give_up(&self, reservation: &Reservation, batch: &mut Batch) {
        if let Some(shared) = &self.shared {
            return shared.give_up(reservation, || self.ticker.tick().wall, batch);
        }
        self.give_back(reservation);
        if reservation.is_durable() {
            reservation.taken.write_given_up(batch.bound());
        }
    }

    /// The SMSC says what became of a delivery.
    pub fn receipt(&self, account: u16, receipt: &Receipt<'_>, batch: &mut Batch) {
        let Address { ton, npi, digits } = receipt.from;
        let Receipt { state, error, message_id, .. } = *receipt;
        let recipient = Msisdn::parse(ton, npi, digits, false).ok();
        let record = ReceiptRecord { account, recipient, state, error, message_id };
        batch.receipt(&record, || self.ticker.tick().wall);
    }

    /// Hands settlements, refusals and receipts to the journal; nobody waits for them. What only tells of messages is
    /// dropped and counted while a disk that does not answer has more to write than it may.
    pub fn note(&self, batch: &mut Batch) {
        self.tell(batch);
        if batch.is_empty() {
            return;
        }
        if !batch.is_binding() && self.journal.is_full() {
            self.untold.fetch_add(batch.clear(), Ordering::Relaxed);
        } else {
            batch.append(&self.journal);
        }
    }

    /// Messages and receipts of which no record could be kept, since the start.
    pub fn untold(&self) -> u64 {
        self.untold.load(Ordering::Relaxed)
    }

    /// Hands releases to the journal and waits until they are durable, so that a
    /// sender that saw a refusal finds the slot free even after a crash (P8).
    pub async fn note_durably(&self, batch: &mut Batch) -> Result<(), NotDurable> {
        let told = self.tell(batch);
        if batch.is_empty() {
            return Ok(());
        }
        let ticket = batch.append(&self.journal);
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
