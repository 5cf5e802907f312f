//! Taking leave without losing an accepted message (P18): for a stop, for a
//! drain, and of accounts that are gone.
//!
//! In this order: nothing more is read from the sender; what is in flight is
//! waited for; the sender gets an unbind; what it had sent meanwhile is refused
//! for now, so that it knows that none of it went out; the SMSC gets an unbind.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::smpp::command;
use crate::smpp::frame::{HEADER, Header};

use super::gateway::Gateway;
use super::session::{End, Session};
use super::uplink;
use super::wire::{self, Inbox};

/// sequence_number of an unbind that the gateway itself sends; senders count up from 1.
const OWN_SEQUENCE: u32 = 0x7FFF_FFFE;
/// What is kept of the time for the unbinds, behind the wait for answers.
const PARTING: Duration = Duration::from_millis(500);

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Drained {
    /// Sessions that were still there at the deadline and were cut off.
    pub sessions_left: usize,
    /// Messages of theirs without an answer; they count as sent.
    pub in_flight: usize,
}

impl Gateway {
    /// Refuses binds and lets every session take leave; sessions that have not by then are cut off. Binds stay refused
    /// until [`Gateway::undrain`].
    pub async fn drain(&self, timeout: Duration) -> Drained {
        self.draining.store(true, std::sync::atomic::Ordering::SeqCst);
        tracing::info!(event = "drain", sessions = self.bound(), "sessions take leave; binds are refused");
        self.part(timeout).await
    }

    /// Takes binds again.
    pub fn undrain(&self) {
        if self.draining.swap(false, std::sync::atomic::Ordering::SeqCst) {
            tracing::info!(event = "undrain", "binds are taken again");
        }
    }

    /// Lets every session take leave, as long as binds are refused.
    pub(super) async fn part(&self, timeout: Duration) -> Drained {
        let deadline = Instant::now() + timeout;
        let end = if self.is_stopping() { End::STOP } else { End::DRAIN };
        loop {
            let sessions: Vec<Arc<Session>> = self.sessions.lock().values().cloned().collect();
            if sessions.is_empty() || !self.is_draining() {
                return Drained { sessions_left: 0, in_flight: 0 };
            }
            if Instant::now() >= deadline {
                return self.cut_off(&sessions, end).await;
            }
            for session in &sessions {
                session.leave(end, deadline);
            }
            tokio::time::sleep_until(deadline.min(Instant::now() + Duration::from_millis(20))).await;
        }
    }

    async fn cut_off(&self, sessions: &[Arc<Session>], end: End) -> Drained {
        let in_flight = sessions.iter().map(|session| session.window.lock().waiting()).sum();
        for session in sessions {
            session.abort(end);
        }
        for _ in 0..50 {
            if self.bound() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await; // they settle what they have
        }
        Drained { sessions_left: sessions.len(), in_flight }
    }
}

/// Until when answers are waited for.
pub(super) fn answers_until(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline - PARTING.min(left / 2)
}

/// Takes leave of both sides.
pub(super) async fn farewell(gateway: &Gateway, session: &Session, inbox: &mut Inbox, deadline: Instant) {
    let deadline = deadline.min(Instant::now() + PARTING);
    if session.esme_is_there() {
        let _ = timeout_at(deadline, part_from_esme(gateway, session, inbox)).await;
    }
    let _ = timeout_at(deadline.max(Instant::now() + Duration::from_millis(100)), async {
        if wire::write_one(&session.smsc, &unbind()).await.is_ok() {
            gateway.metrics.smsc_leg.sent_all(&unbind());
        }
    })
    .await;
}

/// Answers what the sender sent before it saw the unbind, until it agrees or is gone.
async fn part_from_esme(gateway: &Gateway, session: &Session, inbox: &mut Inbox) {
    let told = async {
        let _writing = session.esme_writer.lock().await;
        wire::write_one(&session.esme, &unbind()).await
    };
    if told.await.is_err() {
        return;
    }
    gateway.metrics.esme_leg.sent_all(&unbind());
    while uplink::batch(gateway, session, inbox).await.is_ok() {
        match inbox.fill(&session.esme).await {
            Ok(0) | Err(_) => return,
            Ok(octets) => gateway.metrics.esme_leg.read(octets),
        }
    }
}

/// Whether a PDU of the sender answers the gateway's own unbind.
pub(super) const fn is_own_unbind(header: Header) -> bool {
    header.command_id == command::UNBIND_RESP && header.sequence == OWN_SEQUENCE
}

fn unbind() -> [u8; HEADER] {
    Header { length: HEADER as u32, command_id: command::UNBIND, status: 0, sequence: OWN_SEQUENCE }.octets()
}
