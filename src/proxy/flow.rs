//! Clause 7.6: what may flow of a session's messages now. A batch asks once;
//! only where something is slowed down does a message cost anything.

use crate::domain::Tick;
use crate::ledger::{About, Reservation};
use crate::policy::{Permit, Reason, Refusal};
use crate::traffic::Taken;

use super::gateway::Gateway;
use super::outgoing::Workspace;
use super::refuse::here;
use super::session::Turn;
use super::uplink::claim;

/// What may flow during one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Flow {
    /// Everything.
    #[default]
    Open,
    /// Nothing: a hold is in force. The gate is the last word.
    Held,
    /// Less: the account comes back from a pause with a share of its rate, or the SMSC is overloaded, or both.
    Slowed(Option<f64>),
}

/// What messages took of a flow that is slowed down.
#[derive(Debug, Default)]
#[must_use = "what is not sent after all is given back"]
pub(super) struct Admitted {
    eased: Option<Taken>,
    governed: Option<Taken>,
}

impl Flow {
    pub(super) fn of(gateway: &Gateway, session: &Turn<'_>, tick: Tick) -> Self {
        if session.is_held(gateway) {
            return Self::Held;
        }
        let share = gateway.ease.share(|| session.party(), tick.steady_ns);
        if share.is_some() || session.governor.is_limiting() { Self::Slowed(share) } else { Self::Open }
    }

    /// Takes what so many messages need; `None` if they may not flow now.
    pub(super) fn admit(self, session: &Turn<'_>, tick: Tick, messages: u32) -> Option<Admitted> {
        let share = match self {
            Self::Open => return Some(Admitted::default()),
            Self::Held => return None,
            Self::Slowed(share) => share,
        };
        let mut admitted = Admitted::default();
        if let Some(share) = share {
            let per_second = share * f64::from(session.sender.account.rate.per_second);
            admitted.eased = Some(session.sender.easing.take(messages, per_second, tick.steady_ns)?);
        }
        admitted.governed = session.governor.take(messages, tick.steady_ns);
        if admitted.governed.is_none() {
            admitted.give_back(session);
            return None;
        }
        Some(admitted)
    }
}

impl Admitted {
    /// The messages are not sent after all.
    pub(super) fn give_back(self, session: &Turn<'_>) {
        if let Some(taken) = self.eased {
            session.sender.easing.give_back(taken);
        }
        if let Some(taken) = self.governed {
            session.governor.give_back(taken);
        }
    }
}

/// 7.6, then all that the message takes; a refusal costs nothing of either.
pub(super) fn reserve(
    gateway: &Gateway,
    session: &Turn<'_>,
    tick: Tick,
    work: &mut Workspace,
    about: About<'_>,
    permit: &Permit,
) -> Result<Reservation, Refusal> {
    let admitted = admit(session, tick, work, permit, 1)?;
    let reserved = gateway.ledger.reserve(&claim(session, tick, about), permit, &mut work.ledger);
    if reserved.is_err() {
        admitted.give_back(session);
    }
    reserved
}

/// 7.6: what may not flow now is refused before it takes anything; for holds the gate is the last word.
pub(super) fn admit(
    session: &Turn<'_>,
    tick: Tick,
    work: &Workspace,
    permit: &Permit,
    messages: u32,
) -> Result<Admitted, Refusal> {
    let paused = || Refusal { observed: permit.observed(), ..here(session, Reason::Paused) };
    work.flow.admit(session, tick, messages).ok_or_else(paused)
}
