//! What became of a subscriber's messages, from the records. Numbers come in bodies, and go out masked; whoever asks is
//! on record before the answer is.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome, day, subscriber};
use crate::admin::problem::Problem;
use crate::domain::{Day, LocalTime, hex};
use crate::ledger::history::{Attempt, Fate, Span, To, Verdict};

use crate::ledger::seal::check::Checked;

use super::audit::reason;

/// Days that are looked through unless the caller says otherwise.
const DAYS: u16 = 30;
/// Problems of a check that are told one by one.
const PROBLEMS_MAX: usize = 100;
/// Messages that one answer tells of.
const TOLD_MAX: usize = 1000;

/// Whose messages, of which days, and why somebody asks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TraceBody {
    /// The subscriber's number.
    #[schema(min_length = 1, max_length = 20)]
    number: String,
    /// The first local day on which they were received, such as 2026-11-24; thirty days ago unless given.
    #[serde(default)]
    from: Option<String>,
    /// The last one; today unless given.
    #[serde(default)]
    to: Option<String>,
    /// In the operator's words, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// What the seals are held against.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyBody {
    /// 64 hexadecimal digits that were kept elsewhere: one of the seals has to have this hash.
    #[serde(default)]
    #[schema(min_length = 64, max_length = 64)]
    head: Option<String>,
}

/// Whether the records of closed days are what was sealed.
#[derive(Debug, Serialize, ToSchema)]
pub struct SealsView {
    ok: bool,
    /// Sealed days that were read.
    days: usize,
    /// Sealed days whose files were removed because their time was over.
    pruned: usize,
    rows: u64,
    /// The last seal's hash, to be kept elsewhere.
    head: String,
    /// Days that are not sealed yet.
    open: Vec<String>,
    /// The first hundred, one sentence each.
    problems: Vec<String>,
}

/// A subscriber's messages.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TraceView {
    from: String,
    to: String,
    /// The oldest first; the latest thousand.
    attempts: Vec<AttemptView>,
    /// Messages of these days that are not told, because there are too many.
    left_out: usize,
}

/// One message, or one refusal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AttemptView {
    /// When it was received.
    at: String,
    /// Effective delivery time.
    edt: String,
    account: String,
    class: &'static str,
    unit: String,
    /// The operation.
    verb: &'static str,
    /// source_addr as it was shown.
    source: String,
    /// The subscriber, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    campaign: Option<u32>,
    /// Which part of a message, such as `2/3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    /// `forwarded` or `refused`.
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clause: Option<&'static str>,
    /// The reason in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<&'static str>,
    /// The reason in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning_zh: Option<&'static str>,
    /// command_status of the gateway's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u32>,
    /// What the SMSC made of it: `pending`, `accepted`, `rejected`, `unknown`, `released`.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome_at: Option<String>,
    /// What the SMSC refused it with.
    #[serde(skip_serializing_if = "Option::is_none")]
    smsc_status: Option<u32>,
    /// The SMSC's name for it; octets that are no text are written `\xFF`.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    /// The state of its latest receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_error: Option<u32>,
    /// The first half of the SHA-256 of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// The text, where `audit.text` keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The policy in its process, and what tells it from those of other processes.
    policy_version: u32,
    policy: String,
}

pub(super) async fn trace(call: Call) -> Outcome {
    let TraceBody { number, from, to, reason: why } = call.json()?;
    let why = reason(&why)?;
    let number = subscriber("number", &number)?;
    let today = LocalTime::of(call.gateway().now()).day;
    let to = to.map_or(Ok(today), |text| day("to", &text))?;
    let from = from.map_or(Ok(Day::from_number(to.number().saturating_sub(DAYS))), |text| day("from", &text))?;
    if from > to {
        return Err(Problem::invalid("from", "is after `to`"));
    }
    let asked = json!({ "from": from.to_string(), "to": to.to_string() });
    let act = call.act("records.trace", number.to_string(), &why, asked);
    call.asked(&act).await?;
    let found = call.on_ledger(move |ledger| ledger.trace(number, Span::of(from, to))).await;
    let after = found.as_ref().map_or_else(|_| json!({ "failed": true }), |found| json!({ "attempts": found.len() }));
    call.did(act, after).await;
    let found = found?;
    let left_out = found.len().saturating_sub(TOLD_MAX);
    let attempts = found[left_out..].iter().map(AttemptView::of).collect();
    Answer::json(&TraceView { from: from.to_string(), to: to.to_string(), attempts, left_out })
}

pub(super) async fn verify(call: Call) -> Outcome {
    if !call.json::<serde_json::Value>()?.is_object() {
        return Err(Problem::invalid("body", "expected an object")); // serde reads a list as one, too
    }
    let VerifyBody { head } = call.json()?;
    let hash = |head: &String| head.len() == 64 && head.bytes().all(|octet| octet.is_ascii_hexdigit());
    if head.as_ref().is_some_and(|head| !hash(head)) {
        return Err(Problem::invalid("head", "expected 64 hexadecimal digits"));
    }
    let checked = call.on_ledger(move |ledger| ledger.check_seals(head.as_deref())).await?;
    Answer::json(&SealsView::of(&checked))
}

impl SealsView {
    /// What was found.
    pub fn of(checked: &Checked) -> Self {
        let problems = checked.problems.iter().take(PROBLEMS_MAX);
        Self {
            ok: checked.problems.is_empty(),
            days: checked.days,
            pruned: checked.pruned,
            rows: checked.rows,
            head: checked.head.clone(),
            open: checked.open.iter().map(ToString::to_string).collect(),
            problems: problems.map(ToString::to_string).collect(),
        }
    }
}

impl AttemptView {
    fn of(one: &Attempt) -> Self {
        let about = &*one.about;
        let (reason, code) = match one.verdict {
            Verdict::Forwarded => (None, None),
            Verdict::Refused { reason, status } => (Some(reason), Some(status)),
        };
        let outcome = one.outcome.as_ref();
        let (fate, smsc_status) = outcome.map_or((None, None), |outcome| fate(outcome.fate));
        let named = outcome.filter(|outcome| !outcome.message_id.is_empty());
        let receipt = one.receipt.as_ref();
        Self {
            at: about.received.to_string(),
            edt: about.edt.to_string(),
            account: about.account.to_string(),
            class: about.class.code(),
            unit: about.unit.to_string(),
            verb: about.command(),
            source: about.source.2.to_string(),
            to: if let To::Subscriber(number) = one.to { Some(number.to_string()) } else { None },
            campaign: about.campaign,
            part: one.part.map(|(part, of)| format!("{part}/{of}")),
            verdict: if reason.is_some() { "refused" } else { "forwarded" },
            reason: reason.map(crate::policy::Reason::code),
            clause: reason.map(crate::policy::Reason::clause),
            meaning: reason.map(crate::policy::Reason::english),
            meaning_zh: reason.map(crate::policy::Reason::chinese),
            code,
            outcome: fate,
            outcome_at: outcome.and_then(|outcome| outcome.at).map(|at| at.to_string()),
            smsc_status,
            message_id: named.map(|outcome| outcome.message_id.escape_ascii().to_string()),
            receipt: receipt.map(|receipt| receipt.state.code()),
            receipt_at: receipt.map(|receipt| receipt.at.to_string()),
            receipt_error: receipt.map(|receipt| receipt.error).filter(|error| *error != 0),
            digest: about.digest.map(|digest| hex(&digest.octets)),
            text: about.text.as_deref().map(str::to_owned),
            policy_version: about.policy.version,
            policy: hex(&about.policy.digest),
        }
    }
}

fn fate(fate: Fate) -> (Option<&'static str>, Option<u32>) {
    match fate {
        Fate::Pending => (Some("pending"), None),
        Fate::Accepted => (Some("accepted"), None),
        Fate::Rejected(status) => (Some("rejected"), Some(status)),
        Fate::Unknown => (Some("unknown"), None),
        Fate::Released => (Some("released"), None),
    }
}
