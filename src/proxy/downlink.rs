//! From the SMSC to the sender: passed on the evidence of the header alone.
//! An answer settles its reservation before it is passed on (P8).

use std::sync::Arc;
use std::time::Duration;

use crate::domain::Tick;
use crate::ledger::{Reservation, Settled};
use crate::smpp::Header;
use crate::smpp::answer::{congestion_state, message_id};
use crate::smpp::command;
use crate::smpp::multi::MultiResp;
use crate::smpp::{receipt, replace};
use crate::traffic::overload;

use super::cancel;
use super::gateway::Gateway;
use super::optout;
use super::outgoing::Workspace;
use super::session::{End, Session};
use super::window::{Answered, Flight, Held, Kept, Many, Window};
use super::wire::{self, Inbox};

/// How long a refusal waits for its slot's release to be on disk before it is
/// passed on all the same: the slot is free in memory already, and receipts
/// behind it must not wait for a sick disk (P11).
const RELEASE_PATIENCE: Duration = Duration::from_millis(50);

/// The same where other gateways must see it too. A ledger that is known to be away is not waited for.
const SHARED_PATIENCE: Duration = Duration::from_millis(500);

/// Passes on until the SMSC or the session ends.
pub(super) async fn run(gateway: Arc<Gateway>, session: Arc<Session>, mut inbox: Inbox) {
    let _ending = Ending { gateway: &gateway, session: &session };
    let end = loop {
        // Its state exists only while there is a batch, as in the uplink.
        if let Err(end) = Box::pin(batch(&gateway, &session, &mut inbox)).await {
            break end;
        }
        match inbox.fill(&session.smsc).await {
            Ok(0) => break End { side: "smsc", cause: "eof" },
            Ok(octets) => gateway.metrics.smsc_leg.read(octets),
            Err(_) => break End { side: "smsc", cause: "error" },
        }
    };
    session.ended(end);
}

/// What comes after the last answer, whichever way this task ends: a panic must not leave a session behind
/// whose answers nobody reads.
struct Ending<'a> {
    gateway: &'a Gateway,
    session: &'a Session,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.session.ended(End::unfinished());
        self.session.smsc_is_gone();
        self.session.settle_rest(self.gateway); // unknown outcomes first, then the sender sees the end
        self.session.make_room();
        wire::shut(&self.session.esme);
    }
}

async fn batch(gateway: &Gateway, session: &Session, inbox: &mut Inbox) -> Result<(), End> {
    let tick = gateway.ticker.tick();
    let mut frames = inbox.frames();
    let mut pass = Pass { gateway, session, tick, work: Workspace::take(), released: false };
    pass.work.ledger.at(tick.wall);
    {
        let mut settled = Settling::new(session);
        let mut window = session.window.lock();
        for (at, frame) in &mut frames {
            let Some(header) = Header::read(frame) else { continue };
            match pass.settle(header, frame, &mut window, &mut settled) {
                Onward::AsReceived => pass.work.relay(at..at + frame.len()),
                Onward::Written(octets) => pass.work.relay_written(&octets),
                Onward::Absorbed => {}
            }
        }
        drop(window);
        settled.count(session);
    }
    let (consumed, bad) = (frames.consumed(), frames.bad);
    let Pass { mut work, released, .. } = pass;
    if released {
        let patience = if gateway.ledger.shared().is_some() { SHARED_PATIENCE } else { RELEASE_PATIENCE };
        let _ = tokio::time::timeout(patience, gateway.ledger.note_durably(&mut work.ledger)).await;
    }
    gateway.ledger.note(&mut work.ledger);
    if !work.runs.is_empty() && session.esme_is_there() {
        let _writing = session.esme_writer.lock().await;
        let mut slices = work.slices(inbox.octets());
        let written = wire::write_all(&session.esme, &mut slices).await;
        let taken = written.as_ref().map_or_else(|(octets, _)| *octets, |()| usize::MAX);
        gateway.metrics.esme_leg.sent(work.octets(inbox.octets()), taken);
        if written.is_err() {
            session.esme_is_gone(); // what the SMSC still answers is settled all the same
        }
    }
    gateway.metrics.smsc_leg.received(&inbox.octets()[..consumed]);
    work.put_back();
    if consumed > 0 {
        inbox.consume(consumed);
        session.heard_smsc(tick);
        session.make_room();
    }
    if let Some(length) = bad {
        session.out_of_step(gateway, "smsc", length);
        return Err(End { side: "smsc", cause: "bad_length" });
    }
    Ok(())
}

/// One batch of the SMSC's PDUs.
struct Pass<'a> {
    gateway: &'a Gateway,
    session: &'a Session,
    tick: Tick,
    work: Workspace,
    released: bool,
}

/// What becomes of a PDU of the SMSC.
enum Onward {
    AsReceived,
    /// The answer to a submit_multi, with the recipients that the gateway refused.
    Written(Vec<u8>),
    Absorbed,
}

/// What the batch settled, for the counters and the governor.
struct Settling {
    accepted: u64,
    rejected: u64,
    seen: overload::Tally,
}

impl Pass<'_> {
    /// Settles what the PDU answers.
    fn settle(&mut self, header: Header, frame: &[u8], window: &mut Window, settled: &mut Settling) -> Onward {
        let nack = header.command_id == command::GENERIC_NACK;
        let answers = header.command_id & command::RESPONSE != 0
            && command::is_submission(header.command_id & !command::RESPONSE);
        if header.command_id == command::UNBIND {
            self.session.ended(End { side: "smsc", cause: "unbind" });
        }
        if header.command_id == command::CANCEL_SM | command::RESPONSE {
            return self.cancelled(header);
        }
        if header.command_id == command::DELIVER_SM {
            optout::heard(self.gateway, self.session, frame);
        }
        if !answers && !nack {
            if matches!(header.command_id, command::DELIVER_SM | command::DATA_SM) {
                self.receipt(header, frame);
            }
            return Onward::AsReceived;
        }
        let anomaly = match window.answer(header.sequence, header.command_id) {
            Answered::Waiting(flight) => {
                return self.answered(&flight, header, frame, settled);
            }
            Answered::Nacked(flight) => {
                self.nacked(&flight);
                return Onward::AsReceived;
            }
            Answered::Nothing if nack => return self.cancelled(header), // or of a request that is not ours to count
            Answered::Late(flight) => {
                let accepted = header.status == 0 && !nack;
                for reservation in flight.held.iter() {
                    let message_id = accepted.then(|| message_id(frame));
                    self.gateway.ledger.settle_late(reservation, message_id, &mut self.work.ledger);
                }
                if let (true, Held::Kept(kept)) = (accepted, &flight.held) {
                    self.remember(kept, frame);
                }
                if accepted { "late_accept" } else { "unknown_answer" }
            }
            Answered::WrongType => "wrong_answer_type",
            Answered::Nothing => "unknown_answer",
        };
        self.gateway.metrics.anomalies.with_label_values(&[anomaly]).inc();
        Onward::Absorbed
    }

    /// What the SMSC says of a delivery is written down as it passes.
    fn receipt(&mut self, header: Header, frame: &[u8]) {
        let mut narrow = Vec::new(); // allocates for a text in UCS-2 only
        let state = match receipt::read(header, frame, &mut narrow) {
            receipt::Found::Nothing => return,
            receipt::Found::Unreadable => "unreadable",
            receipt::Found::Receipt(receipt) => {
                let account = self.session.sender.scopes.account;
                self.gateway.ledger.receipt(account, &receipt, &mut self.work.ledger);
                receipt.state.code()
            }
        };
        self.gateway.metrics.receipts.with_label_values(&[state]).inc();
    }

    /// The answer to a cancel_sm; one of the gateway's own is no business of the sender.
    fn cancelled(&mut self, header: Header) -> Onward {
        let own = cancel::answered(self.gateway, self.session, header, &mut self.work.ledger);
        if own { Onward::Absorbed } else { Onward::AsReceived }
    }

    fn answered(&mut self, flight: &Flight, header: Header, frame: &[u8], settled: &mut Settling) -> Onward {
        if settled.accepted + settled.rejected == 0 {
            let waited = (self.tick.steady_ms - flight.sent_ms) as f64 / 1e3;
            self.session.smsc_metrics.response.observe(waited);
        }
        self.session.smsc_metrics.answered(header.status);
        let waited_ms = self.tick.steady_ms - flight.sent_ms;
        settled.seen.answer(header.status, waited_ms, flight.held.len() as u64, congestion_state(header, frame));
        match &flight.held {
            Held::One(reservation) => {
                let refused = (header.status != 0).then_some(header.status);
                self.outcome(reservation, refused, frame, settled);
                Onward::AsReceived
            }
            Held::Kept(kept) => {
                let refused = (header.status != 0).then_some(header.status);
                self.outcome(&kept.reservation, refused, frame, settled);
                if refused.is_none() {
                    self.remember(kept, frame);
                }
                Onward::AsReceived
            }
            Held::Replacing(replacing) => {
                let refused = (header.status != 0).then_some(header.status);
                self.outcome(&replacing.reservation, refused, frame, settled);
                if refused.is_none()
                    && let Some(former) = replacing.taken()
                {
                    self.gateway.ledger.give_up(&former, &mut self.work.ledger);
                }
                if refused.is_none() {
                    replacing.rescheduled(self.gateway, self.session, &mut self.work.ledger);
                }
                Onward::AsReceived
            }
            Held::Many(many) => self.answered_multi(many, header, frame, settled),
        }
    }

    /// The SMSC has named a message that may be replaced, or has a time of its own.
    fn remember(&mut self, kept: &Kept, frame: &[u8]) {
        let Some(id) = replace::message_id(frame) else { return };
        let Kept { reservation, replaceable, later } = kept;
        if let Some((original, limit)) = replaceable {
            let account = self.session.sender.scopes.account;
            self.gateway.accepted.remember(account, id, original.clone(), *reservation, *limit);
        }
        if let Some(later) = later {
            self.gateway.ledger.waits(later.named(self.session, id, 1), &mut self.work.ledger);
        }
    }

    /// Of several recipients the SMSC names those it did not take; the gateway adds its own.
    fn answered_multi(&mut self, many: &Many, header: Header, frame: &[u8], settled: &mut Settling) -> Onward {
        let resp = MultiResp::read(frame);
        let all = (header.status != 0).then_some(header.status);
        let mut named: Vec<_> = resp.iter().flat_map(|resp| &resp.unsuccess).filter(|one| one.status != 0).collect();
        let mut accepted = 0;
        for (name, reservation) in &many.taken {
            // Each entry speaks for one recipient, also where a number stands twice.
            let entry = named.iter().position(|one| one.names(name)).map(|index| named.swap_remove(index));
            let refused = all.or(entry.map(|one| one.status));
            accepted += usize::from(refused.is_none());
            self.outcome(reservation, refused, frame, settled);
        }
        if let (1.., Some(later), Some(id)) = (accepted, &many.later, replace::message_id(frame)) {
            self.gateway.ledger.waits(later.named(self.session, id, accepted), &mut self.work.ledger);
        }
        if all.is_some() || many.refused.is_empty() {
            return Onward::AsReceived;
        }
        Onward::Written(match resp {
            Some(resp) => resp.with(frame, &many.refused),
            None => MultiResp::without_body(frame, &many.refused),
        })
    }

    /// Whether the SMSC took the message is not known; the sender sees the nack (P9).
    fn nacked(&mut self, flight: &Flight) {
        for reservation in flight.held.iter() {
            self.gateway.ledger.settle(reservation, Settled::Unknown, &mut self.work.ledger);
        }
        let metrics = &self.session.sender.metrics;
        metrics.unknown.inc_by(flight.held.len() as u64);
        metrics.in_flight.sub(flight.held.len() as i64);
    }

    /// Accepted, or refused with a status.
    fn outcome(&mut self, reservation: &Reservation, refused: Option<u32>, frame: &[u8], settled: &mut Settling) {
        let (ledger, batch) = (&self.gateway.ledger, &mut self.work.ledger);
        match refused {
            None => ledger.accepted(reservation, message_id(frame), batch),
            Some(status) => ledger.settle(reservation, Settled::Rejected(status), batch),
        }
        self.released |= refused.is_some() && reservation.is_durable();
        settled.accepted += u64::from(refused.is_none());
        settled.rejected += u64::from(refused.is_some());
    }
}

impl Settling {
    fn new(session: &Session) -> Self {
        Self { accepted: 0, rejected: 0, seen: session.governor.tally() }
    }

    fn count(&self, session: &Session) {
        let metrics = &session.sender.metrics;
        if self.accepted > 0 {
            metrics.accepted.inc_by(self.accepted);
        }
        if self.rejected > 0 {
            metrics.rejected.inc_by(self.rejected);
        }
        metrics.in_flight.sub((self.accepted + self.rejected) as i64);
        session.governor.add(&self.seen);
    }
}
