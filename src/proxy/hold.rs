//! Clause 7.6 at work: what a pause call promises when it returns, and what a
//! resume call opens.
//!
//! When [`Gateway::pause`] has returned, no octet of a submission in its scope is
//! handed to the system for the SMSC until every hold on it has ended. What the
//! system had taken before is on its way. A PDU that was begun is completed, and
//! waited for; where the SMSC does not read it for [`STALLED`], the session is
//! ended before the call returns and the message's outcome is unknown.
//!
//! Where gateways share a ledger that is said of all of them: the call waits until
//! each has the hold in force, or may not write before it has (`together`).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::domain::Tick;
use crate::ledger::{Everywhere, Together};
use crate::traffic::{Hold, HoldError, HoldsError, NewHold, Party, Past, Scope, Which};

use super::gateway::Gateway;
use super::govern::is_automatic;
use super::scheduled::Inside;
use super::session::{End, Session};
use super::together::is_for_all;

/// How long a pause call waits for a message that was begun.
const STALLED: Duration = Duration::from_secs(2);
/// How long a call waits for the disk. What is not written by then is tried again once a second.
const DISK_PATIENCE: Duration = Duration::from_secs(2);

/// A hold that is in force, and behind the barrier.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The hold; `persisted` tells whether it would outlive the process.
    pub hold: Hold,
    /// Why it is not persisted, where it is not.
    pub not_persisted: Option<String>,
    /// Messages in its scope that the SMSC has and has not answered.
    pub in_flight: usize,
    /// Messages in its scope that wait inside the SMSC for their time: no hold reaches them.
    pub inside: Inside,
    /// Whether the SMSC is asked to cancel those.
    pub cancelling: bool,
    /// Sessions that were ended because the SMSC did not read on.
    pub sessions_ended: usize,
    /// How long the call took.
    pub waited: Duration,
    /// Where else it is in force; `None` of a hold that is this gateway's own.
    pub elsewhere: Option<Elsewhere>,
}

/// What the other gateways on a shared ledger know of a hold when its call returns.
#[derive(Clone, Debug)]
pub enum Elsewhere {
    /// None of them writes what it stops.
    Everywhere(Everywhere),
    /// They do not know it yet, and why; they are told as soon as they can be.
    Nowhere(String),
}

/// What a resume call ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The holds.
    pub ended: Vec<Past>,
    /// Holds in force that still hold some of what they held.
    pub still_held_by: Vec<Hold>,
    /// Why the end is not persisted, where it is not: a restart would put the hold in force again.
    pub not_persisted: Option<String>,
    /// Why the other gateways do not know it yet, where they do not: they are told as soon as they can be.
    pub not_shared: Option<String>,
}

impl Placed {
    /// Leaves it to the log.
    fn told(&self) {
        let Self { hold, in_flight, inside, cancelling, sessions_ended, elsewhere, .. } = self;
        let names = |names: &[String]| Some(names.join(", ")).filter(|names| !names.is_empty());
        let (acknowledged, silent, not_shared) = match elsewhere {
            None => (None, None, None),
            Some(Elsewhere::Everywhere(all)) => (names(&all.acknowledged), names(&all.silent), None),
            Some(Elsewhere::Nowhere(why)) => (None, None, Some(why)),
        };
        tracing::warn!(
            event = "hold_placed",
            hold = hold.id(),
            scope = %hold.scope,
            owner = hold.owner,
            role = hold.role,
            reason = hold.reason,
            until = hold.until.map(|until| until.to_string()),
            persisted = hold.persisted,
            in_flight,
            scheduled = inside.count,
            cancelling,
            sessions_ended,
            acknowledged,
            silent,
            not_shared,
            "sending is stopped"
        );
    }
}

impl Gateway {
    /// Stops a part of the traffic. Returns when the barrier holds (see the module), after the disk
    /// and what was being written, each at most two seconds, and on a shared ledger after the other gateways, at most
    /// as long as a lease lasts.
    pub async fn pause(&self, new: NewHold) -> Result<Placed, HoldError> {
        let started = Instant::now();
        if !self.is_configured(&new.scope) {
            return Err(HoldError::Unknown(new.scope));
        }
        let together = self.ledger.together().filter(|_| is_for_all(&new.owner));
        let telling = self.telling();
        let mut hold = match &together {
            None => self.holds.place(new, self.now())?,
            Some(together) => {
                let until = new.until.map(|until| together.on_server(until));
                self.holds.place_shared(NewHold { until, ..new }, self.now())?
            }
        };
        let spread = async { Some(self.spread(together.as_ref()?, &hold).await) };
        let scopes = [&hold.scope.clone()];
        let (spread, (in_flight, sessions_ended)) = tokio::join!(spread, self.barrier(&scopes));
        drop(telling);
        if let Some(Ok(shared)) = &spread {
            hold = shared.clone(); // with the number that it has on all gateways
        }
        let (not_persisted, elsewhere) = tokio::join!(self.save_holds(), self.elsewhere(together.as_ref(), spread));
        hold.persisted = not_persisted.is_none();
        self.show_holds();
        let inside = self.inside(&hold.scope);
        let cancelling = inside.count > 0 && self.site().rules.switches.pause.cancel_scheduled && !is_automatic(&hold);
        self.cancel_scheduled();
        let waited = started.elapsed();
        let placed = Placed { hold, not_persisted, in_flight, inside, cancelling, sessions_ended, waited, elsewhere };
        placed.told();
        Ok(placed)
    }

    async fn elsewhere(&self, together: Option<&Together>, spread: Option<Result<Hold, String>>) -> Option<Elsewhere> {
        Some(match spread? {
            Ok(shared) => {
                let version = shared.shared.map_or(0, |mark| mark.version);
                Elsewhere::Everywhere(together?.everywhere(version).await)
            }
            Err(why) => Elsewhere::Nowhere(why),
        })
    }

    /// Ends holds. Without `all_holders` only those that `by` placed are ended.
    pub async fn resume(&self, which: &Which, by: &str, reason: &str, all_holders: bool) -> Result<Ended, HoldError> {
        let ended = self.holds.end(which, by, reason, all_holders, self.now())?;
        self.ease(&ended);
        let not_shared = self.open_elsewhere(&ended).await;
        let not_persisted = self.save_holds().await;
        self.show_holds();
        Self::have_ended(&ended);
        let still_held_by = self.still_held_by(&ended);
        Ok(Ended { ended, still_held_by, not_persisted, not_shared })
    }

    /// Tells the other gateways that holds have ended; why they cannot be told, if so.
    async fn open_elsewhere(&self, ended: &[Past]) -> Option<String> {
        let together = self.ledger.together()?;
        for past in ended.iter().filter(|past| past.hold.shared.is_some()) {
            if let Err(why) = together.end(past).await {
                return Some(why);
            }
            self.holds.is_ended(past.hold.key());
        }
        None
    }

    /// The holds in force, oldest first.
    pub fn holds(&self) -> Vec<Hold> {
        self.holds.in_force()
    }

    /// The holds that have ended, the last first; bounded.
    pub fn past_holds(&self) -> Vec<Past> {
        self.holds.past()
    }

    /// Copies the file of holds into a folder. Blocks for the disk.
    pub fn copy_holds(&self, folder: &std::path::Path) -> Result<(), HoldsError> {
        self.holds.copy(folder)
    }

    /// Messages in a scope that the SMSC has and has not answered.
    pub fn in_flight(&self, scope: &Scope) -> usize {
        self.sessions_in(&[scope]).iter().map(|session| session.window.lock().waiting()).sum()
    }

    /// Waits until nothing that was let through before the hold is still being written.
    pub(super) async fn barrier(&self, scopes: &[&Scope]) -> (usize, usize) {
        let sessions = self.sessions_in(scopes);
        let deadline = Instant::now() + STALLED;
        let mut out: Vec<_> = sessions.iter().filter_map(|session| Some((session, session.gate.outing()?))).collect();
        for (session, _) in &out {
            session.gate.recall();
        }
        while !out.is_empty() && Instant::now() < deadline {
            sleep(Duration::from_millis(1)).await;
            out.retain(|(session, outing)| session.gate.is_out(*outing));
        }
        for (session, _) in &out {
            session.abort(End { side: "gateway", cause: "stalled" }); // its socket takes nothing from here on
        }
        (sessions.iter().map(|session| session.window.lock().waiting()).sum(), out.len())
    }

    /// Another site is in force, and accounts may belong elsewhere in it: what is being written looks again whether it is held.
    pub(super) fn recall_held(&self) {
        if self.holds.is_idle() {
            return;
        }
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        for session in sessions.iter().filter(|session| session.gate.outing().is_some()) {
            session.gate.recall();
        }
    }

    fn sessions_in(&self, scopes: &[&Scope]) -> Vec<Arc<Session>> {
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        let tick = self.ticker.tick();
        let is_in = |session: &Arc<Session>| {
            let turn = session.turn(self, tick);
            scopes.iter().any(|scope| scope.covers(&turn.party()))
        };
        sessions.into_iter().filter(is_in).collect()
    }

    /// Every account with every SMSC.
    fn any_party(&self, mut is: impl FnMut(&Party<'_>) -> bool) -> bool {
        let site = self.site();
        let with = |smsc| site.senders.iter().any(|sender| is(&sender.party(smsc)));
        self.upstream.names().any(with)
    }

    fn is_configured(&self, scope: &Scope) -> bool {
        self.any_party(|party| scope.covers(party))
    }

    fn still_held_by(&self, ended: &[Past]) -> Vec<Hold> {
        let meets = |hold: &Hold| {
            self.any_party(|party| hold.scope.covers(party) && ended.iter().any(|past| past.hold.scope.covers(party)))
        };
        self.holds.in_force().into_iter().filter(meets).collect()
    }

    /// Writes down what has changed; the reason if it is not on disk in time.
    async fn save_holds(&self) -> Option<String> {
        let holds = Arc::clone(&self.holds);
        let saved = timeout(DISK_PATIENCE, tokio::task::spawn_blocking(move || holds.save())).await;
        let why = match saved {
            Ok(Ok(Ok(()))) => return None,
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the disk has not answered in time".to_owned(),
        };
        tracing::error!(event = "ledger_error", error = why, "a hold is in force but not on disk");
        Some(why)
    }

    /// The same without waiting: who tends the holds must not hang with the disk.
    pub(super) fn save_holds_beside(&self) {
        let holds = Arc::clone(&self.holds);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = holds.save() {
                tracing::error!(event = "ledger_error", %error, "a hold is in force but not on disk");
            }
        });
    }

    /// Ends what is due. Now and then tries again what could not be written, and shows what another policy changed.
    pub(super) fn tend_holds(&self, tick: Tick, all: bool) {
        self.ease.sweep(tick.steady_ns);
        let ended = self.holds.end_due(tick.wall);
        self.ease(&ended);
        if !ended.is_empty() || all && !self.holds.is_saved() {
            self.save_holds_beside();
        }
        if all || !ended.is_empty() {
            self.show_holds();
        }
        Self::have_ended(&ended);
    }

    /// What was held comes back in some seconds, once nothing holds it any more.
    pub(super) fn ease(&self, ended: &[Past]) {
        let (seconds, now_ns) = (self.site().rules.switches.pause.ramp_seconds, self.ticker.tick().steady_ns);
        for past in ended {
            self.ease.begin(&past.hold.scope, seconds, now_ns);
        }
    }

    pub(super) fn have_ended(ended: &[Past]) {
        for Past { hold, by, why, .. } in ended {
            let (scope, owner) = (&hold.scope, &hold.owner);
            tracing::warn!(event = "hold_ended", hold = hold.id(), %scope, owner, by, reason = why, "a hold has ended");
        }
    }

    /// Brings the metrics up to date.
    pub(super) fn show_holds(&self) {
        let holds = self.holds.in_force();
        for kind in Scope::KINDS {
            let count = holds.iter().filter(|hold| hold.scope.kind() == kind).count();
            self.metrics.pauses.holds.with_label_values(&[kind]).set(count as i64);
        }
        let oldest = holds.iter().map(|hold| hold.since.ms()).min().unwrap_or_default();
        self.metrics.pauses.oldest.set(oldest as f64 / 1e3);
        let site = self.site();
        for sender in &site.senders {
            let held = |smsc| self.holds.cover(|| sender.party(smsc));
            sender.metrics.held.set(i64::from(self.upstream.names().all(held)));
        }
    }
}
