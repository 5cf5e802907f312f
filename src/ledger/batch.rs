//! What one session gathers for the journal: the records of a batch, and what they stand under.

#[cfg(test)]
pub(super) mod tests;

use crate::domain::{Day, LocalTime, Moment, Msisdn};
use crate::policy::{Permit, Reason, Refusal};
use crate::smpp::coding::{Dc15, DefaultAlphabet};
use crate::smpp::{Address, Submission};

use super::digest::LastText;
use super::journal::{Journal, Ticket};
use super::record::{
    Context, Matter, PartRecord, PolicyName, ReceiptRecord, Refused, RefusedTo, Settled, Settlement, Taken, TextDigest,
    settlements, write_time,
};
use super::reserve::{Claim, Reservation, quota_scope, slot_scope};
use super::shared;

/// Records gathered by one session for its next append; reused from batch to batch.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) records: Vec<u8>,
    /// What a shared ledger is to be asked.
    pub(super) asks: Vec<shared::Ask>,
    /// What it is to be told.
    pub(super) acts: Vec<shared::Act>,
    /// Reservations among the records.
    reservations: u64,
    /// Messages that are told of and need nobody's wait: refused, receipted.
    told: u64,
    /// Whether there is anything but these among the records.
    binding: bool,
    pen: Pen,
    text: LastText,
    /// The campaign of the text that had one last, under one policy of one account.
    campaign: Option<(u16, PolicyName, TextDigest, u32)>,
}

/// What the records written last stand under; forgotten with every append, so that each begins with its own.
#[derive(Debug, Default)]
struct Pen {
    context: Option<Context>,
    matter: Vec<u8>,
    coming: Vec<u8>,
    /// What the matter was made of, if it is known again.
    known: Option<(u64, Day, Option<Moment>, Option<u32>)>,
    /// Where the last refusal's record begins, if it is the last record.
    refused_at: Option<usize>,
    /// What the batch's own instant is, and whether it is written.
    now: Option<Moment>,
    timed: Option<Moment>,
}

/// What a record says of a message beside what it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About<'a> {
    /// The last octet of its command_id.
    pub command: u8,
    /// The source_addr that is shown.
    pub source: Address<'a>,
    /// Of its text.
    pub digest: Option<TextDigest>,
    /// What all that says the same has in common, so that it need not be compared; `None` if nobody has looked.
    pub known: Option<u64>,
}

/// Those of a message that is refused: the same as if it were not, so that both stand under one context.
const fn scopes_of(claim: &Claim<'_>) -> [u16; 3] {
    let switches = &claim.rules.switches;
    let slot = slot_scope(&switches.dedup, claim.scopes);
    [claim.scopes.account, slot, quota_scope(switches.quota.scope, claim.scopes)]
}

/// What a message is judged by.
const fn policy_of(claim: &Claim<'_>) -> PolicyName {
    PolicyName { version: claim.rules.version as u32, digest: claim.rules.digest }
}

/// A place in a batch.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    records: usize,
    asks: usize,
    reservations: u64,
    told: u64,
}

impl Batch {
    /// How much it holds, for [`Batch::cut_back`].
    pub const fn mark(&self) -> Mark {
        let (records, asks) = (self.records.len(), self.asks.len());
        Mark { records, asks, reservations: self.reservations, told: self.told }
    }

    /// Drops what was added since the mark: reservations that are given back before they were appended.
    pub fn cut_back(&mut self, mark: Mark) {
        self.records.truncate(mark.records);
        self.asks.truncate(mark.asks);
        (self.reservations, self.told) = (mark.reservations, mark.told);
        self.lift_pen();
    }

    /// When what is settled by this batch happened.
    pub const fn at(&mut self, now: Moment) {
        self.pen.now = Some(now);
    }

    /// Whether there is nothing to append.
    pub(super) const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Reservations among its records.
    pub(super) const fn reservations(&self) -> u64 {
        self.reservations
    }

    /// Whether somebody's slot or outcome is among its records, so that they must not be dropped.
    pub(super) const fn is_binding(&self) -> bool {
        self.binding || self.reservations > 0
    }

    /// Hands its records to the journal.
    pub(super) fn append(&mut self, journal: &Journal) -> Ticket {
        let ticket = journal.append(&mut self.records, self.reservations);
        self.emptied();
        ticket
    }

    /// Drops its reservations, whose senders are refused, and keeps the rest.
    pub(super) fn drop_reservations(&mut self) {
        self.records = settlements(&self.records);
        self.reservations = 0;
        self.lift_pen();
    }

    /// Drops all records. Tells how many messages are lost with them.
    pub(super) fn clear(&mut self) -> u64 {
        self.records.clear();
        let told = self.told;
        self.emptied();
        told
    }

    fn emptied(&mut self) {
        (self.reservations, self.told, self.binding) = (0, 0, false);
        self.pen.now = None;
        self.lift_pen();
    }

    fn lift_pen(&mut self) {
        (self.pen.context, self.pen.known) = (None, None);
        self.pen.matter.clear();
        (self.pen.refused_at, self.pen.timed) = (None, None);
    }

    /// What a record says of the text of a submission; `None` if there is none. `keep` leaves the text itself to be
    /// written as well.
    pub fn digest(
        &mut self,
        submission: &Submission<'_>,
        dc0: DefaultAlphabet,
        dc15: Dc15,
        keep: bool,
    ) -> Option<TextDigest> {
        self.text.digest(submission.data_coding, submission.user_data.text, dc0, dc15, keep)
    }

    /// A permit has named the campaign that a text belongs to, whatever becomes of the message.
    pub(super) fn belongs(&mut self, claim: &Claim<'_>, permit: &Permit) {
        if let (Some(campaign), Some(digest)) = (permit.campaign(), claim.about.digest) {
            self.campaign = Some((claim.scopes.account, policy_of(claim), digest, campaign));
        }
    }

    /// The campaign of a message that is refused, if its text is the one that had one last.
    fn campaign_of(&self, claim: &Claim<'_>) -> Option<u32> {
        let (account, policy, digest, campaign) = self.campaign?;
        let own = Some((account, policy, digest));
        (own == claim.about.digest.map(|digest| (claim.scopes.account, policy_of(claim), digest))).then_some(campaign)
    }

    /// Appends a reservation.
    pub(super) fn reserve(&mut self, claim: &Claim<'_>, permit: &Permit, reservation: &mut Reservation) {
        self.stand(claim, &reservation.taken, Some(permit));
        if reservation.is_durable() || reservation.asked {
            reservation.taken.write(&mut self.records);
        } else {
            reservation.taken.write_passed(&mut self.records);
        }
        self.count(reservation);
    }

    /// Appends a part of a message.
    pub(super) fn reserve_part(
        &mut self,
        claim: &Claim<'_>,
        permit: &Permit,
        part: &PartRecord,
        reservation: &mut Reservation,
    ) {
        self.stand(claim, &part.taken, Some(permit));
        part.write(&mut self.records);
        self.count(reservation);
    }

    /// Its place among the reservations, until it has an id.
    const fn count(&mut self, reservation: &mut Reservation) {
        self.reservations += 1;
        reservation.id = self.reservations;
    }

    fn stand(&mut self, claim: &Claim<'_>, taken: &Taken, permit: Option<&Permit>) {
        let edt = permit.map(Permit::edt).filter(|edt| *edt != claim.tick.wall);
        let scopes = [taken.account, taken.slot_scope, taken.quota_scope];
        self.stand_under(claim, scopes, taken.day, edt, permit.and_then(Permit::campaign));
    }

    fn stand_under(
        &mut self,
        claim: &Claim<'_>,
        scopes: [u16; 3],
        day: Day,
        edt: Option<Moment>,
        campaign: Option<u32>,
    ) {
        let [account, slot_scope, quota_scope] = scopes;
        let policy = policy_of(claim);
        let (unit, class, received) = (claim.scopes.unit, claim.account.class, claim.tick.wall);
        let context = Context { account, unit, class, slot_scope, quota_scope, received, policy };
        let pen = &mut self.pen;
        let own = claim.about.known.map(|known| (known, day, edt, campaign));
        if own.is_some() && pen.known == own && pen.context == Some(context) {
            return;
        }
        if pen.context != Some(context) {
            context.write(&mut self.records);
            pen.context = Some(context);
            pen.matter.clear();
        }
        let About { command, source: Address { ton, npi, digits }, digest, known: _ } = claim.about;
        let text = digest.and_then(|digest| self.text.text_of(digest));
        let matter = Matter { command, day, edt, source: (ton, npi, digits), campaign, digest, text };
        pen.coming.clear();
        matter.write(&mut pen.coming);
        if pen.coming != pen.matter {
            self.records.extend_from_slice(&pen.coming);
            std::mem::swap(&mut pen.coming, &mut pen.matter);
        }
        pen.known = own;
    }

    /// Appends the refusal of a message for a subscriber, or for an address that is no subscriber's.
    pub fn refused(
        &mut self,
        claim: &Claim<'_>,
        edt: Moment,
        to: Result<Option<Msisdn>, Address<'_>>,
        refusal: &Refusal,
    ) {
        let day = LocalTime::of(edt).day;
        let before = self.records.len();
        self.stand_under(
            claim,
            scopes_of(claim),
            day,
            Some(edt).filter(|edt| *edt != claim.tick.wall),
            self.campaign_of(claim),
        );
        let Refusal { reason, status, .. } = *refusal;
        let last = self.pen.refused_at.filter(|_| self.records.len() == before);
        self.told += 1;
        match to {
            Ok(number) => {
                if last.is_some_and(|at| Refused::join(reason, status, number, at, &mut self.records)) {
                    return;
                }
                self.pen.refused_at = Some(self.records.len());
                let number = [super::record::number_octets(number)];
                Refused { reason, status, to: RefusedTo::Numbers(&number) }.write(&mut self.records);
            }
            Err(Address { ton, npi, digits }) => {
                let to = RefusedTo::Unreadable(ton, npi, digits);
                Refused { reason, status, to }.write(&mut self.records);
            }
        }
    }

    /// Appends that so many more were refused.
    pub fn refused_uncounted(&mut self, claim: &Claim<'_>, reason: Reason, count: u32) {
        let day = LocalTime::of(claim.tick.wall).day;
        self.stand_under(claim, scopes_of(claim), day, None, None);
        self.told += u64::from(count);
        Refused { reason, status: 0, to: RefusedTo::Uncounted(count) }.write(&mut self.records);
    }

    /// Appends what became of a reservation.
    pub(super) fn settled(&mut self, id: u64, settled: Settled, message_id: &[u8], now: impl FnOnce() -> Moment) {
        self.time(now);
        self.binding = true;
        Settlement { id, settled, message_id, void: false }.write(&mut self.records);
    }

    /// Appends that a reservation never left; its refusal, if there is one to be told, has a record of its own.
    pub(super) fn voided(&mut self, id: u64) {
        self.binding = true;
        Settlement { id, settled: Settled::Rejected(0), message_id: &[], void: true }.write(&mut self.records);
    }

    /// Appends what the SMSC says of a delivery.
    pub(super) fn receipt(&mut self, receipt: &ReceiptRecord<'_>, now: impl FnOnce() -> Moment) {
        self.time(now);
        self.told += 1;
        receipt.write(&mut self.records);
    }

    /// Whatever is appended to the records beside: it must not be dropped.
    pub(super) const fn bound(&mut self) -> &mut Vec<u8> {
        self.binding = true;
        &mut self.records
    }

    fn time(&mut self, now: impl FnOnce() -> Moment) {
        let at = self.pen.now.unwrap_or_else(now);
        if self.pen.timed != Some(at) {
            write_time(at, &mut self.records);
            self.pen.timed = Some(at);
        }
    }
}
