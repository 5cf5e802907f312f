//! What would be said to one message.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::asked::{self, Asked, Unusable};
use crate::admin::call::{Answer, Call, Outcome};
use crate::admin::problem::Problem;
use crate::domain::Moment;
use crate::policy::report::Report;

/// One message: `from`, `to` and `text`, or a whole PDU.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// system_id of the sender.
    account: String,
    /// source_addr.
    #[serde(default)]
    from: Option<String>,
    /// destination_addr.
    #[serde(default)]
    to: Option<String>,
    /// The text.
    #[serde(default)]
    text: Option<String>,
    /// A whole PDU in hexadecimal, in place of the three.
    #[serde(default)]
    pdu_hex: Option<String>,
    /// schedule_delivery_time: 16 characters as in the PDU, or RFC 3339.
    #[serde(default)]
    schedule: Option<String>,
    /// When it is submitted, RFC 3339; now unless given.
    #[serde(default)]
    at: Option<String>,
}

/// What would be said.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Explained {
    /// To the message; of a submit_multi, to its first recipient.
    #[serde(flatten)]
    first: Report,
    /// To the further recipients of a submit_multi.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    further: Vec<Report>,
}

pub(super) async fn ask(call: Call) -> Outcome {
    let question: Question = call.json()?;
    if !call.caller.sees(&question.account) {
        return Err(Problem::new("forbidden", "the token is of another account"));
    }
    let site = call.gateway().site();
    let account = site.rules.account(&question.account).ok_or_else(|| Problem::not_found("this account"))?;
    let at = match &question.at {
        None => call.gateway().now(),
        Some(text) => {
            Moment::parse(text).ok_or_else(|| Problem::invalid("at", "write it as 2026-11-24T09:30:00+08:00"))?
        }
    };
    let frame = frame(&question)?;
    let asked = Asked { rules: &site.rules, account, at };
    let reports = if asked::is_checked_replacement(&site.rules, &frame) {
        vec![asked.about_replacement(&frame, |replace| call.gateway().remembered(account, replace))]
    } else {
        asked.about(&frame)
    };
    let mut reports = reports.into_iter();
    let first = reports.next().ok_or_else(|| Problem::invalid("pdu_hex", "the submit_multi has no recipient"))?;
    Answer::json(&Explained { first, further: reports.collect() })
}

fn frame(question: &Question) -> Result<Vec<u8>, Problem> {
    let told = |Unusable { member, why }| Problem::invalid(if member == "pdu" { "pdu_hex" } else { member }, why);
    match (&question.pdu_hex, &question.from, &question.to, &question.text) {
        (Some(hex), None, None, None) if question.schedule.is_none() => asked::pdu(hex).map_err(told),
        (None, Some(from), Some(to), Some(text)) => {
            asked::submit_sm(from, to, text, question.schedule.as_deref().unwrap_or_default()).map_err(told)
        }
        _ => Err(Problem::invalid("text", "give `from`, `to` and `text`, or `pdu_hex` alone")),
    }
}
