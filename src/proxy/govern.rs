//! The overload governors at work: what waits at each SMSC is counted, and the steps are taken, shown and told.

use crate::domain::Tick;
use crate::policy::switches::OverloadSwitches;
use crate::traffic::overload::{Step, Waiting};
use crate::traffic::{Hold, NewHold, Scope, Which};

use super::gateway::Gateway;
use super::upstream::Way;

/// Who places and ends automatic holds.
pub(super) const OWNER: &str = "overload governor";

/// Whether a hold was placed by a governor.
pub(super) fn is_automatic(hold: &Hold) -> bool {
    hold.owner == OWNER
}

impl Gateway {
    /// Lets every governor take its step, where one is due.
    pub(super) async fn govern(&self, tick: Tick) {
        for way in self.upstream.ways().filter(|way| way.governor.is_due(tick.steady_ms)) {
            let switches = self.site().rules.switches.overload.clone();
            let hold = self.own_hold(&way.metrics.address);
            let waiting = self.waiting_at(&way.metrics.address, &switches, tick.steady_ms);
            let steps = way.governor.step(&switches, waiting, hold.is_some(), tick.steady_ms);
            way.metrics.rate_limit.set(way.governor.limit().unwrap_or_default());
            for step in steps {
                self.step(way, step, hold.as_ref()).await;
            }
        }
    }

    async fn step(&self, way: &Way, step: Step, hold: Option<&Hold>) {
        way.metrics.overload_step(step);
        let smsc = &*way.metrics.address;
        let limit = way.governor.limit();
        let cause = match step {
            Step::Lower(_, cause) | Step::Hold(cause) => cause.code(),
            Step::Raise(_) | Step::Lift | Step::End => "quiet",
        };
        if matches!(step, Step::Raise(_)) {
            tracing::debug!(
                event = "overload",
                smsc,
                step = step.code(),
                cause,
                limit,
                "the rate to the SMSC has grown"
            );
        } else {
            tracing::warn!(
                event = "overload",
                smsc,
                step = step.code(),
                cause,
                limit,
                "the overload governor has taken a step"
            );
        }
        match (step, hold) {
            (Step::Hold(_), _) => {
                let new = NewHold {
                    scope: Scope::Smsc(smsc.into()),
                    owner: OWNER.to_owned(),
                    role: "gateway".to_owned(),
                    reason: format!("the SMSC is overloaded: {cause}"),
                    until: None,
                };
                if let Err(error) = self.pause(new).await {
                    tracing::error!(event = "overload", smsc, %error, "the automatic hold cannot be placed");
                }
            }
            (Step::End, Some(hold)) => {
                // An error means that somebody has just ended it.
                let _ = self.resume(&Which::Number(hold.number), OWNER, "the SMSC shows no overload", false).await;
            }
            _ => {}
        }
    }

    /// The governor's own hold on an SMSC, from this life or an earlier one.
    fn own_hold(&self, smsc: &str) -> Option<Hold> {
        let own = |hold: &Hold| hold.owner == OWNER && matches!(&hold.scope, Scope::Smsc(id) if **id == *smsc);
        self.holds().into_iter().find(own)
    }

    fn waiting_at(&self, smsc: &str, switches: &OverloadSwitches, now_ms: i64) -> Waiting {
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        let mut waiting = Waiting::default();
        for session in sessions.iter().filter(|session| *session.smsc_metrics.address == *smsc) {
            let window = session.window.lock();
            waiting.all += window.waiting() as u64;
            waiting.slow += window.waiting_since(now_ms - i64::from(switches.lower_response_ms)) as u64;
            waiting.late += window.waiting_since(now_ms - i64::from(switches.hold_response_ms)) as u64;
        }
        waiting
    }
}
