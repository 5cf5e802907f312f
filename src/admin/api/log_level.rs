//! The log's level, for a while.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome};
use crate::admin::problem::Problem;
use crate::record::logs::LevelError;

use super::audit::reason;

/// The level in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LevelView {
    /// A level or a filter.
    spec: String,
    /// When it falls back; absent while it is the configured one.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// Whether the act that set it is on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<bool>,
}

/// A level for a while.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LevelBody {
    /// `debug`, or a filter such as `info,smsluice::proxy=debug`.
    #[schema(min_length = 1, max_length = 200)]
    spec: String,
    /// Seconds after which it falls back, 1 to 86 400.
    #[schema(minimum = 1, maximum = 86400)]
    for_s: u64,
    /// In the operator's words, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

pub(super) async fn show(call: Call) -> Outcome {
    let (spec, until) = call.surface.logs.level();
    Answer::json(&LevelView { spec, expires_at: until.map(|until| until.to_string()), recorded: None })
}

pub(super) async fn set(call: Call) -> Outcome {
    let LevelBody { spec, for_s, reason: why } = call.json()?;
    let why = reason(&why)?;
    if !(1..=86_400).contains(&for_s) {
        return Err(Problem::invalid("for_s", "expected 1 to 86400 seconds"));
    }
    if !(1..=200).contains(&spec.len()) {
        return Err(Problem::invalid("spec", "expected 1 to 200 characters"));
    }
    let until = call.gateway().now().plus(std::time::Duration::from_secs(for_s));
    let logs = &call.surface.logs;
    let (before, _) = logs.level();
    logs.set(&spec, until).map_err(|error| match error {
        LevelError::Unreadable(_) => Problem::invalid("spec", error.to_string()),
        LevelError::NotOurs => Problem::new("conflict", error.to_string()),
    })?;
    let act = call.act("log.level", "log", &why, json!({ "spec": before }));
    let recorded = call.did(act, json!({ "spec": spec, "until": until.to_string() })).await;
    Answer::json(&LevelView { spec, expires_at: Some(until.to_string()), recorded: Some(recorded) })
}
