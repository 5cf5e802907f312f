//! From the SMSC to the sender: passed on the evidence of the header alone.
//! An answer settles its reservation before it is passed on (P8).

use std::sync::Arc;
use std::time::Duration;

use crate::domain::Tick;
use crate::ledger::Settled;
use crate::smpp::Header;
use crate::smpp::command;

use super::gateway::Gateway;
use super::outgoing::Workspace;
use super::session::{End, Session};
use super::window::{Answered, Flight, Window};
use super::wire::{self, Inbox};

/// How long a refusal waits for its slot's release to be on disk before it is
/// passed on all the same: the slot is free in memory already, and receipts
/// behind it must not wait for a sick disk (P11).
const RELEASE_PATIENCE: Duration = Duration::from_millis(50);

/// Passes on until the SMSC or the session ends.
pub(super) async fn run(gateway: Arc<Gateway>, session: Arc<Session>, mut inbox: Inbox) {
    let end = loop {
        if let Err(end) = batch(&gateway, &session, &mut inbox).await {
            break end;
        }
        match inbox.fill(&session.smsc).await {
            Ok(0) => break End { side: "smsc", cause: "eof" },
            Ok(_) => {}
            Err(_) => break End { side: "smsc", cause: "error" },
        }
    };
    session.ended(end);
    session.smsc_is_gone();
    session.settle_rest(&gateway); // unknown outcomes first, then the sender sees the end
    session.make_room();
    wire::shut(&session.esme);
}

async fn batch(gateway: &Gateway, session: &Session, inbox: &mut Inbox) -> Result<(), End> {
    let tick = gateway.ticker.tick();
    let mut frames = inbox.frames();
    let mut pass = Pass { gateway, session, tick, work: Workspace::take(), released: false };
    {
        let mut settled = Settling::default();
        let mut window = session.window.lock();
        for (at, frame) in &mut frames {
            let Some(header) = Header::read(frame) else { continue };
            if pass.settle(header, &mut window, &mut settled) {
                pass.work.relay(at..at + frame.len());
            }
        }
        drop(window);
        settled.count(session);
    }
    let (consumed, bad) = (frames.consumed(), frames.bad);
    let Pass { mut work, released, .. } = pass;
    if released {
        let _ = tokio::time::timeout(RELEASE_PATIENCE, gateway.ledger.note_durably(&mut work.ledger)).await;
    }
    gateway.ledger.note(&mut work.ledger);
    if !work.runs.is_empty() {
        let _writing = session.esme_writer.lock().await;
        let mut slices = work.slices(inbox.octets());
        wire::write_all(&session.esme, &mut slices).await.map_err(|_| End { side: "esme", cause: "error" })?;
    }
    work.put_back();
    if consumed > 0 {
        inbox.consume(consumed);
        session.heard_smsc(tick);
        session.make_room();
    }
    if let Some(length) = bad {
        gateway.metrics.protocol_errors.with_label_values(&["smsc", "bad_length"]).inc();
        tracing::warn!(
            event = "protocol_error",
            session = session.id,
            leg = "smsc",
            length,
            "no PDU has this length; closing"
        );
        return Err(End { side: "smsc", cause: "bad_length" });
    }
    Ok(())
}

/// One batch of the SMSC's PDUs.
struct Pass<'a> {
    gateway: &'a Gateway,
    session: &'a Session,
    tick: Tick,
    work: Box<Workspace>,
    released: bool,
}

/// What the batch settled, for the counters.
#[derive(Default)]
struct Settling {
    accepted: u64,
    rejected: u64,
}

impl Pass<'_> {
    /// Settles what the PDU answers; `false` if it must not be passed on.
    fn settle(&mut self, header: Header, window: &mut Window, settled: &mut Settling) -> bool {
        let nack = header.command_id == command::GENERIC_NACK;
        let answers = header.command_id & command::RESPONSE != 0
            && command::is_submission(header.command_id & !command::RESPONSE);
        if header.command_id == command::UNBIND {
            self.session.ended(End { side: "smsc", cause: "unbind" });
        }
        if !answers && !nack {
            return true;
        }
        let anomaly = match window.answer(header.sequence, header.command_id) {
            Answered::Waiting(flight) => {
                self.answered(&flight, header.status, nack, settled);
                return true;
            }
            Answered::Nothing if nack => return true, // of a request that is not ours to count
            Answered::Late(flight) => {
                let accepted = header.status == 0 && !nack;
                self.gateway.ledger.settle_late(&flight.reservation, accepted, &mut self.work.ledger);
                if accepted { "late_accept" } else { "unknown_answer" }
            }
            Answered::WrongType => "wrong_answer_type",
            Answered::Nothing => "unknown_answer",
        };
        self.gateway.metrics.anomalies.with_label_values(&[anomaly]).inc();
        false
    }

    fn answered(&mut self, flight: &Flight, status: u32, nack: bool, settled: &mut Settling) {
        let accepted = status == 0 && !nack;
        let outcome = if accepted { Settled::Accepted } else { Settled::Rejected(status) };
        self.gateway.ledger.settle(&flight.reservation, outcome, &self.session.site.rules.switches, &mut self.work.ledger);
        self.released |= !accepted && flight.reservation.is_durable();
        if settled.accepted + settled.rejected == 0 {
            let waited = (self.tick.steady_ms - flight.sent_ms) as f64 / 1e3;
            self.session.smsc_metrics.response.observe(waited);
        }
        settled.accepted += u64::from(accepted);
        settled.rejected += u64::from(!accepted);
        self.session.smsc_metrics.answered(status);
    }
}

impl Settling {
    fn count(&self, session: &Session) {
        let metrics = &session.sender.metrics;
        if self.accepted > 0 {
            metrics.accepted.inc_by(self.accepted);
        }
        if self.rejected > 0 {
            metrics.rejected.inc_by(self.rejected);
        }
        metrics.in_flight.sub((self.accepted + self.rejected) as i64);
    }
}
