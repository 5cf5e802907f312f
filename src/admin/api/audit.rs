//! What operators did.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome};
use crate::admin::problem::Problem;
use crate::domain::Moment;
use crate::domain::mask::without_numbers;
use crate::record::acts;

/// One act.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = ActFields)]
pub(super) struct ActView(Value);

/// The members of an act.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "describes what the file holds; it is passed on as it stands there")]
pub(super) struct ActFields {
    seq: u64,
    at: String,
    who: String,
    role: String,
    from: String,
    action: String,
    target: String,
    reason: String,
    before: Value,
    after: Value,
    /// `asked` before an act that must not happen unrecorded, then `done`.
    result: String,
    prev: String,
    hash: String,
}

/// What following the record's chain found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Verified {
    /// Whether every line follows the one before.
    ok: bool,
    /// Lines.
    lines: u64,
    /// The hash of the last line; compare it with the `audit` events of the log.
    head: String,
    /// The line at which it breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken_at: Option<u64>,
    /// How.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

pub(super) async fn list(call: Call) -> Outcome {
    let text = |name: &str| call.text(name).map(str::to_owned);
    let (who, action) = (text("who"), text("action"));
    let since = call.span("since").map(|span| call.gateway().now().ms() - span.as_millis() as i64);
    let wanted = move |one: &Value| {
        let is = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| one[name] == wanted);
        let at = || one["at"].as_str().and_then(Moment::parse).map_or(i64::MAX, Moment::ms);
        is(&who, "who") && is(&action, "action") && since.is_none_or(|since| at() >= since)
    };
    let (acts, limit) = (Arc::clone(call.surface.acts()), call.limit());
    let found = tokio::task::spawn_blocking(move || acts.latest(limit, wanted)).await;
    let found = readable(found)?;
    Answer::json(&found.into_iter().map(ActView).collect::<Vec<_>>())
}

pub(super) async fn verify(call: Call) -> Outcome {
    let acts = Arc::clone(call.surface.acts());
    let checked = readable(tokio::task::spawn_blocking(move || acts::check(acts.path())).await)?;
    Answer::json(&Verified {
        ok: checked.broken.is_none(),
        lines: checked.lines,
        head: checked.head.hash,
        broken_at: checked.broken.map(|(line, _)| line),
        why: checked.broken.map(|(_, why)| why),
    })
}

fn readable<T>(read: Result<std::io::Result<T>, tokio::task::JoinError>) -> Result<T, Problem> {
    let failed =
        |error: &dyn std::fmt::Display| Problem::new("internal", format!("the record cannot be read: {error}"));
    read.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}

/// The reason of an act: it is required, and no novel. Runs of digits as long as a subscriber's number are masked.
pub(super) fn reason(given: &str) -> Result<String, Problem> {
    let text = given.trim();
    if !(1..=200).contains(&text.chars().count()) || text.chars().any(char::is_control) {
        return Err(Problem::invalid("reason", "expected 1 to 200 characters, no control characters"));
    }
    Ok(without_numbers(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_needed_and_shows_no_number() {
        assert_eq!(reason(" 网络拥塞 90 % ").expect("fine"), "网络拥塞 90 %");
        assert_eq!(reason("of 13855100001, 8613855100001").expect("fine"), "of 138****0001, 861******0001");
        for wrong in ["", "  ", &"x".repeat(201), "a\nb"] {
            assert!(reason(wrong).is_err(), "{wrong}");
        }
    }
}
