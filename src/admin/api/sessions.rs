//! Who is bound, and sending somebody away.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome};
use crate::admin::problem::Problem;
use crate::proxy::SessionView;

use super::audit::reason;

/// One bound session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionBody {
    /// Its number in this process.
    id: u64,
    account: String,
    /// `tx`, `rx` or `trx`.
    bind: &'static str,
    /// interface_version, such as `3.4`.
    interface_version: String,
    /// The sender's address.
    peer: Option<String>,
    /// When it was bound.
    since: String,
    /// Messages that wait for the SMSC's answer.
    in_flight: usize,
    /// When the sender was heard last.
    last_pdu_at: String,
    upstream: UpstreamBody,
}

/// A session's SMSC side.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UpstreamBody {
    /// The SMSC's address.
    smsc: Option<String>,
    /// When it was heard last.
    last_pdu_at: String,
}

/// Why a session is ended.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KickBody {
    /// In the operator's words, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// A session that was ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Kicked {
    /// The session as it was.
    session: SessionBody,
    /// Whether the act is on record.
    recorded: bool,
}

pub(super) async fn list(call: Call) -> Outcome {
    let (cursor, account) = (call.number("cursor"), call.text("account"));
    let roster = call.gateway().roster();
    let page = roster
        .into_iter()
        .filter(|one| cursor.is_none_or(|last| one.id > last))
        .filter(|one| account.is_none_or(|account| &*one.account == account))
        .filter(|one| call.caller.sees(&one.account))
        .take(call.limit());
    Answer::json(&page.map(SessionBody::of).collect::<Vec<_>>())
}

pub(super) async fn show(call: Call) -> Outcome {
    let id = id(&call)?;
    let found = call.gateway().roster().into_iter().find(|one| one.id == id && call.caller.sees(&one.account));
    Answer::json(&SessionBody::of(found.ok_or_else(|| Problem::not_found("this session"))?))
}

pub(super) async fn kick(call: Call) -> Outcome {
    let body: KickBody = call.json()?;
    let reason = reason(&body.reason)?;
    let id = id(&call)?;
    let found = call.gateway().roster().into_iter().find(|one| one.id == id);
    let found = found.ok_or_else(|| Problem::not_found("this session"))?;
    let act = call.act("session.kick", id.to_string(), &reason, json!({ "account": found.account, "bound": true }));
    call.asked(&act).await?;
    let kicked = call.gateway().kick(id);
    let recorded = call.did(act, json!({ "bound": false, "ended_before": kicked.is_none() })).await;
    Answer::json(&Kicked { session: SessionBody::of(kicked.unwrap_or(found)), recorded })
}

fn id(call: &Call) -> Result<u64, Problem> {
    call.id.parse().map_err(|_| Problem::invalid("id", "a session's id is a number"))
}

impl SessionBody {
    fn of(view: SessionView) -> Self {
        Self {
            id: view.id,
            account: view.account.into(),
            bind: match view.bind_type {
                crate::smpp::bind::BindType::Transmitter => "tx",
                crate::smpp::bind::BindType::Receiver => "rx",
                crate::smpp::bind::BindType::Transceiver => "trx",
            },
            interface_version: format!("{}.{}", view.version >> 4, view.version & 0x0F),
            peer: view.peer.map(|peer| peer.to_string()),
            since: view.since.to_string(),
            in_flight: view.in_flight,
            last_pdu_at: view.heard.to_string(),
            upstream: UpstreamBody {
                smsc: view.smsc.map(|smsc| smsc.to_string()),
                last_pdu_at: view.smsc_heard.to_string(),
            },
        }
    }
}
