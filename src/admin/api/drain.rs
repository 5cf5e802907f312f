//! Taking leave of all sessions, for maintenance.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome};
use crate::admin::problem::Problem;
use crate::proxy::Gateway;

use super::audit::reason;

/// How long the call waits for a drain that is over at once.
const AT_ONCE: Duration = Duration::from_millis(500);

/// A drain.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DrainBody {
    /// Seconds after which sessions that are left are cut off, 1 to 3600.
    #[schema(minimum = 1, maximum = 3600)]
    timeout_s: u64,
    /// In the operator's words, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// Why binds are taken again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UndrainBody {
    /// In the operator's words, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// How far a drain is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DrainView {
    /// Whether binds are refused.
    draining: bool,
    /// Sessions that are still there.
    sessions_left: usize,
    /// Messages that wait for the SMSC's answer.
    in_flight: usize,
    /// Whether the act is on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<bool>,
}

pub(super) async fn show(call: Call) -> Outcome {
    Answer::json(&DrainView::of(call.gateway(), None))
}

/// Begins a drain and tells how far it is after a moment; it goes on beside.
pub(super) async fn begin(call: Call) -> Outcome {
    let DrainBody { timeout_s, reason: why } = call.json()?;
    let why = reason(&why)?;
    if !(1..=3600).contains(&timeout_s) {
        return Err(Problem::invalid("timeout_s", "expected 1 to 3600 seconds"));
    }
    let act = call.act("drain.begin", "gateway", &why, json!({ "draining": call.gateway().is_draining() }));
    let gateway = Arc::clone(&call.surface.gateway);
    let drain = tokio::spawn(async move { gateway.drain(Duration::from_secs(timeout_s)).await });
    let _ = tokio::time::timeout(AT_ONCE, drain).await; // dropping the handle does not end it
    let recorded = call.did(act, json!({ "draining": true, "timeout_s": timeout_s })).await;
    Answer::json(&DrainView::of(call.gateway(), Some(recorded)))
}

pub(super) async fn end(call: Call) -> Outcome {
    let UndrainBody { reason: why } = call.json()?;
    let why = reason(&why)?;
    let act = call.act("drain.end", "gateway", &why, json!({ "draining": call.gateway().is_draining() }));
    call.asked(&act).await?;
    call.gateway().undrain();
    let recorded = call.did(act, json!({ "draining": call.gateway().is_draining() })).await;
    Answer::json(&DrainView::of(call.gateway(), Some(recorded)))
}

impl DrainView {
    fn of(gateway: &Gateway, recorded: Option<bool>) -> Self {
        let sessions = gateway.roster();
        let in_flight = sessions.iter().map(|session| session.in_flight).sum();
        Self { draining: gateway.is_draining(), sessions_left: sessions.len(), in_flight, recorded }
    }
}
