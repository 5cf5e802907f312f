//! The timers of all sessions, looked at a few times a second, so that a message
//! arms no timer and an idle session costs nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::ledger::{Batch, Settled};
use crate::smpp::answer;
use crate::smpp::command::status;
use crate::smpp::frame::Header;

use super::evidence;
use super::gateway::{Gateway, ProxySettings};
use super::session::{End, Session};
use super::window::Flight;
use super::wire;

/// Looks at the timers until the gateway is dropped.
pub(super) async fn run(gateway: std::sync::Weak<Gateway>) {
    let mut interval = tokio::time::interval(Duration::from_millis(100));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(gateway) = gateway.upgrade() else { return };
        let sessions: Vec<Arc<Session>> = gateway.sessions.lock().values().cloned().collect();
        let tick = gateway.ticker.tick();
        let now_ms = tick.steady_ms;
        if let Some(seen) = gateway.ticker.watch().look(tick) {
            gateway.metrics.clock.seen(seen);
        }
        let site = gateway.site();
        for sender in &site.senders {
            evidence::tell_beside(&gateway, &site, sender, tick, false);
        }
        for session in sessions {
            look(&gateway, &site.settings, &session, now_ms);
        }
    }
}

fn look(gateway: &Arc<Gateway>, settings: &ProxySettings, session: &Arc<Session>, now_ms: i64) {
    if let Some(end) = session.overdue(now_ms, settings) {
        session.abort(end);
        return;
    }
    let before = now_ms - settings.response_timeout.as_millis() as i64;
    let mut batch = Batch::default();
    let (due, forgotten) = {
        // Settled under the window's lock, so that an answer that comes now finds the outcome unknown already.
        let mut window = session.window.lock();
        let due = window.expire(before);
        for reservation in due.iter().flat_map(|(_, flight)| flight.held.iter()) {
            gateway.ledger.settle(reservation, Settled::Unknown, &mut batch);
        }
        (due, window.is_forgotten())
    };
    let unanswered = session.cancels.expire(before);
    if unanswered > 0 {
        gateway.metrics.pauses.cancels.with_label_values(&["no_answer"]).inc_by(unanswered);
    }
    if forgotten {
        session.abort(End { side: "smsc", cause: "silent" });
    }
    if !due.is_empty() {
        gateway.ledger.note(&mut batch);
        tokio::spawn(tell(Arc::clone(gateway), Arc::clone(session), due));
    }
}

/// The response timer has run out: the sender is told so once (P5, P9).
async fn tell(gateway: Arc<Gateway>, session: Arc<Session>, due: Vec<(u32, Flight)>) {
    let mut answers = Vec::new();
    for (sequence, flight) in &due {
        let request = Header { length: 0, command_id: flight.command_id, status: 0, sequence: *sequence };
        answers.extend(answer::refusal(request, status::ESME_RSYSERR));
    }
    let messages: usize = due.iter().map(|(_, flight)| flight.held.len()).sum();
    session.sender.metrics.unknown.inc_by(messages as u64);
    session.sender.metrics.in_flight.sub(messages as i64);
    session.make_room();
    let account = &*session.sender.account.system_id;
    tracing::warn!(
        event = "outcome_unknown",
        session = session.id,
        account,
        count = messages,
        "no answer of the SMSC in time; the messages count as sent"
    );
    let _writing = session.esme_writer.lock().await;
    if wire::write_one(&session.esme, &answers).await.is_ok() {
        gateway.metrics.esme_leg.sent_all(&answers);
    } // a dead link ends the session by itself
}
