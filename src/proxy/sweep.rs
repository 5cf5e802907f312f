//! The timers of all sessions, looked at a few times a second, so that a message
//! arms no timer and an idle session costs next to nothing.

use std::collections::{HashMap, HashSet};
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

/// How often it is looked.
const TURN: Duration = Duration::from_millis(100);
/// A session with nothing under way is looked at once in so many turns at most: thousands of them are fetched into the
/// caches with each look, and meanwhile messages wait.
const TURNS_AT_REST: u128 = 10;

/// Which sessions are looked at.
#[derive(Default)]
struct Sweep {
    turn: u64,
    /// Those with something under way at the last look: at every turn.
    busy: HashSet<u64, foldhash::fast::RandomState>,
}

/// Looks at the timers until the gateway is dropped.
pub(super) async fn run(gateway: std::sync::Weak<Gateway>) {
    let mut interval = tokio::time::interval(TURN);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut sweep = Sweep::default();
    loop {
        interval.tick().await;
        let Some(gateway) = gateway.upgrade() else { return };
        let tick = gateway.ticker.tick();
        if let Some(seen) = gateway.ticker.watch().look(tick) {
            gateway.metrics.clock.seen(seen);
        }
        let site = gateway.site();
        for sender in &site.senders {
            evidence::tell_beside(&gateway, &site, sender, tick, false);
        }
        let sessions = sweep.choose(&gateway.sessions.lock(), turns_at_rest(&site.settings));
        for session in sessions {
            if look(&gateway, &site.settings, &session, tick.steady_ms) {
                sweep.busy.insert(session.id);
            }
        }
    }
}

impl Sweep {
    /// The sessions of the next turn, those at rest once in so many. None is busy afterwards, until it is looked at.
    fn choose<S: Clone>(&mut self, all: &HashMap<u64, S>, turns: u64) -> Vec<S> {
        self.turn += 1;
        let busy = std::mem::take(&mut self.busy);
        let chosen = all.iter().filter(|(id, _)| (*id + self.turn).is_multiple_of(turns) || busy.contains(*id));
        chosen.map(|(_, session)| session.clone()).collect()
    }
}

/// No timer of a session at rest is late by more than a tenth of the shortest, or by a second.
fn turns_at_rest(settings: &ProxySettings) -> u64 {
    let timers = [settings.response_timeout, settings.session_init_timeout, settings.inactivity_timeout];
    turns_in(timers.into_iter().min().unwrap_or_default() / 10)
}

fn turns_in(time: Duration) -> u64 {
    (time.as_millis() / TURN.as_millis()).clamp(1, TURNS_AT_REST) as u64
}

/// Whether something is under way, after what has run out has been dealt with.
fn look(gateway: &Arc<Gateway>, settings: &ProxySettings, session: &Arc<Session>, now_ms: i64) -> bool {
    if let Some(end) = session.overdue(now_ms, settings) {
        session.abort(end);
        return false;
    }
    let before = now_ms - settings.response_timeout.as_millis() as i64;
    let mut batch = Batch::default();
    let (due, forgotten, waits) = {
        // Settled under the window's lock, so that an answer that comes now finds the outcome unknown already.
        let mut window = session.window.lock();
        let due = window.expire(before);
        for reservation in due.iter().flat_map(|(_, flight)| flight.held.iter()) {
            gateway.ledger.settle(reservation, Settled::Unknown, &mut batch);
        }
        (due, window.is_forgotten(), window.oldest_ms().is_some())
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
    waits || session.is_partial()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_session_at_rest_has_its_turn_and_a_busy_one_every_turn() {
        let all: HashMap<u64, u64> = (1..=95).map(|id| (id, id)).collect();
        let mut sweep = Sweep::default();
        let mut looks = HashMap::<u64, u32>::new();
        for _ in 0..20 {
            sweep.busy.insert(7);
            let chosen = sweep.choose(&all, 10);
            assert!(chosen.len() <= 11, "a tenth, and the busy one");
            for id in chosen {
                *looks.entry(id).or_default() += 1;
            }
        }
        assert!(all.keys().all(|id| looks[id] == if *id == 7 { 20 } else { 2 }));
        assert!(sweep.busy.is_empty(), "who is busy is found anew");
    }

    #[test]
    fn a_session_at_rest_waits_no_longer_than_its_timers_allow() {
        let turns = [0, 99, 250, 500, 6_000].map(|ms| turns_in(Duration::from_millis(ms)));
        assert_eq!(turns, [1, 1, 2, 5, 10]);
    }
}
