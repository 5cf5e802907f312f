//! The latest refusals, numbers masked.

use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome};
use crate::admin::problem::Problem;
use crate::policy::Reason;
use crate::record::Refused;

/// One refused message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RefusalView {
    at: String,
    account: String,
    session: u64,
    /// The operation.
    verb: &'static str,
    /// The request's sequence_number.
    seq: u32,
    reason: &'static str,
    clause: &'static str,
    /// command_status of the answer.
    code: u32,
    /// The recipient, masked; absent where it could not be read, or where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// Recipients of the request.
    recipients: u32,
    policy_version: u64,
}

pub(super) async fn list(call: Call) -> Outcome {
    let reason = match call.text("reason") {
        None => None,
        Some(code) => Some(Reason::from_code(code).ok_or_else(|| Problem::invalid("reason", "no such reason"))?),
    };
    let account = call.text("account");
    let since = call.span("since").map(|span| call.gateway().now().ms() - span.as_millis() as i64);
    let wanted = |one: &Refused| {
        reason.is_none_or(|reason| one.reason == reason)
            && account.is_none_or(|account| &*one.account == account)
            && since.is_none_or(|since| one.at.ms() >= since)
            && call.caller.sees(&one.account)
    };
    let found = call.gateway().metrics().refusals.latest(call.limit(), wanted);
    Answer::json(&found.iter().map(RefusalView::of).collect::<Vec<_>>())
}

impl RefusalView {
    fn of(one: &Refused) -> Self {
        Self {
            at: one.at.to_string(),
            account: one.account.to_string(),
            session: one.session,
            verb: one.verb,
            seq: one.sequence,
            reason: one.reason.code(),
            clause: one.reason.clause(),
            code: one.status,
            to: one.to.map(|to| to.to_string()),
            recipients: one.recipients,
            policy_version: one.policy_version,
        }
    }
}
