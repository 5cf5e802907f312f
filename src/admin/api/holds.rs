//! The stop button: who stopped what, why and until when (clause 7.6).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::admin::auth::Access;
use crate::admin::call::{Answer, Call, Outcome};
use crate::admin::problem::Problem;
use crate::proxy::{Elsewhere, Gateway, Neighbour};
use crate::traffic::{Hold, HoldError, Mark, NewHold, Past, Scope, Which};

use super::audit::reason;
use super::scheduled::InsideView;

/// The longest time a hold may be given; without one it stands until somebody ends it.
const SECONDS_MAX: u64 = 30 * 86_400;

/// A part of the traffic.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScopeBody {
    /// `all`, `class`, `unit`, `city`, `account` or `smsc`.
    kind: String,
    /// Which one; none for `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// A hold to be placed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldBody {
    scope: ScopeBody,
    /// In the operator's words, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
    /// Seconds after which it ends by itself, 1 to 2 592 000.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 2_592_000)]
    for_s: Option<u64>,
}

/// Why holds are ended.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndBody {
    /// In the operator's words, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
    /// Others' holds too; needs the role `operate` as well.
    #[serde(default)]
    all_holders: bool,
}

/// A hold in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HoldView {
    id: String,
    scope: ScopeBody,
    owner: String,
    role: String,
    reason: String,
    since: String,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// Whether it would outlive the process.
    persisted: bool,
    /// Messages of its scope that the SMSC has and has not answered.
    in_flight: usize,
    /// Messages of its scope that wait inside the SMSC for their time: it does not reach them.
    scheduled: InsideView,
    /// Where it is in force on all gateways that share a ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<SharedHoldView>,
}

/// What the gateways on a shared ledger know of a hold.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SharedHoldView {
    /// Whether the server has it: a gateway that does not know it may write nothing then.
    told: bool,
    /// Gateways that have it in force, this one included.
    in_force_on: Vec<String>,
    /// Gateways that have not said so; they may write nothing once it is told.
    not_yet_on: Vec<String>,
}

/// A hold that was placed, and behind the barrier.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlacedView {
    hold: HoldView,
    /// Nothing of its scope was written to the SMSC from this moment on.
    effective_at: String,
    in_flight: usize,
    /// Messages of its scope that wait inside the SMSC for their time: it does not reach them.
    scheduled: InsideView,
    /// Whether the SMSC is asked to cancel those that are due before the hold ends (`pause.cancel_scheduled`).
    cancelling: bool,
    /// Sessions that were ended because the SMSC did not read on.
    sessions_ended: usize,
    /// How long the call took.
    waited_ms: f64,
    /// Why it would not outlive the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_persisted: Option<String>,
    /// On a shared ledger: other gateways that have it in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_by: Option<Vec<String>>,
    /// On a shared ledger: other gateways that did not answer; they may write nothing before they have it in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    silent: Option<Vec<String>>,
    /// On a shared ledger: why the other gateways do not know it. They are told as soon as they can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_shared: Option<String>,
    /// Whether the act is on record.
    recorded: bool,
}

/// Holds that were ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EndedView {
    /// Their ids.
    ended: Vec<String>,
    /// Holds that still hold some of what they held.
    still_held_by: Vec<String>,
    /// Why a restart would put them in force again.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_persisted: Option<String>,
    /// On a shared ledger: why the other gateways do not know it. They are told as soon as they can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_shared: Option<String>,
    /// Whether the act is on record.
    recorded: bool,
}

pub(super) async fn list(call: Call) -> Outcome {
    let gateway = call.gateway();
    let holds = gateway.holds();
    Answer::json(&holds.iter().map(|hold| HoldView::of(gateway, hold)).collect::<Vec<_>>())
}

/// Stopping comes before recording: a sick disk must not keep the network open.
pub(super) async fn place(call: Call) -> Outcome {
    let HoldBody { scope, reason: why, for_s } = call.json()?;
    let why = reason(&why)?;
    if for_s.is_some_and(|seconds| !(1..=SECONDS_MAX).contains(&seconds)) {
        return Err(Problem::invalid("for_s", format!("expected 1 to {SECONDS_MAX} seconds")));
    }
    let scope =
        Scope::new(&scope.kind, scope.id.as_deref()).map_err(|error| Problem::invalid("scope", error.to_string()))?;
    let gateway = call.gateway();
    let until = for_s.map(|seconds| gateway.now().plus(Duration::from_secs(seconds)));
    let (owner, role) = (call.caller.who.clone(), call.caller.role());
    let act = call.act("hold.place", scope.to_string(), &why, json!({ "holds": ids(&gateway.holds()) }));
    let placed =
        gateway.pause(NewHold { scope, owner, role, reason: why, until }).await.map_err(|error| told(&error))?;
    let hold = HoldView::of(gateway, &placed.hold);
    let (acknowledged_by, silent, not_shared) = match placed.elsewhere {
        None => (None, None, None),
        Some(Elsewhere::Everywhere(all)) => (Some(all.acknowledged), Some(all.silent), None),
        Some(Elsewhere::Nowhere(why)) => (None, None, Some(why)),
    };
    let after = json!({ "hold": hold.id, "until": hold.until, "in_flight": placed.in_flight,
        "scheduled": placed.inside.count, "cancelling": placed.cancelling, "acknowledged_by": acknowledged_by,
        "silent": silent, "not_shared": not_shared });
    let recorded = call.did(act, after).await;
    Answer::with(
        201,
        &PlacedView {
            effective_at: gateway.now().to_string(),
            in_flight: placed.in_flight,
            scheduled: placed.inside.into(),
            cancelling: placed.cancelling,
            sessions_ended: placed.sessions_ended,
            waited_ms: (placed.waited.as_secs_f64() * 1e5).round() / 100.0,
            not_persisted: placed.not_persisted,
            acknowledged_by,
            silent,
            not_shared,
            recorded,
            hold,
        },
    )
}

pub(super) async fn end(call: Call) -> Outcome {
    let EndBody { reason: why, all_holders } = call.json()?;
    let why = reason(&why)?;
    if all_holders && !call.caller.may(Access::Only("operate")) {
        return Err(Problem::new("forbidden", "ending others' holds needs the role: operate"));
    }
    let which = Which::parse(&call.id).map_err(|error| Problem::invalid("id", error.to_string()))?;
    let gateway = call.gateway();
    let act = call.act("hold.end", &*call.id, &why, json!({ "holds": ids(&gateway.holds()) }));
    call.asked(&act).await?;
    let ended = gateway.resume(&which, &call.caller.who, &why, all_holders).await;
    let ended = match ended {
        Ok(ended) => ended,
        Err(error) => {
            call.failed(act, json!({ "refused": error.to_string() })).await;
            return Err(told(&error));
        }
    };
    let recorded = call.did(act, json!({ "holds": ids(&gateway.holds()) })).await;
    Answer::json(&EndedView {
        ended: ended.ended.iter().map(|past: &Past| past.hold.id()).collect(),
        still_held_by: ids(&ended.still_held_by),
        not_persisted: ended.not_persisted,
        not_shared: ended.not_shared,
        recorded,
    })
}

fn ids(holds: &[Hold]) -> Vec<String> {
    holds.iter().map(Hold::id).collect()
}

fn told(error: &HoldError) -> Problem {
    let detail = error.to_string();
    match error {
        HoldError::Text { field } => Problem::invalid(field, detail),
        HoldError::Over => Problem::invalid("for_s", detail),
        HoldError::Unknown(_) | HoldError::NotFound => Problem::new("not_found", detail),
        HoldError::TooMany => Problem::new("conflict", detail),
        HoldError::NotYours { .. } => Problem::new("forbidden", detail),
    }
}

impl HoldView {
    fn of(gateway: &Gateway, hold: &Hold) -> Self {
        Self {
            id: hold.id(),
            scope: ScopeBody { kind: hold.scope.kind().to_owned(), id: hold.scope.id().map(str::to_owned) },
            owner: hold.owner.clone(),
            role: hold.role.clone(),
            reason: hold.reason.clone(),
            since: hold.since.to_string(),
            until: hold.until.map(|until| until.to_string()),
            persisted: hold.persisted,
            in_flight: gateway.in_flight(&hold.scope),
            scheduled: gateway.inside(&hold.scope).into(),
            shared: hold.shared.map(|mark| SharedHoldView::of(gateway, mark)),
        }
    }
}

impl SharedHoldView {
    fn of(gateway: &Gateway, mark: Mark) -> Self {
        let has = |gateway: &Neighbour| mark.told && mark.version != 0 && gateway.version >= mark.version;
        let (has, has_not): (Vec<_>, Vec<_>) = gateway.neighbours().into_iter().partition(has);
        let names = |all: Vec<Neighbour>| all.into_iter().map(|gateway| gateway.name).collect();
        Self { told: mark.told, in_force_on: names(has), not_yet_on: names(has_not) }
    }
}
