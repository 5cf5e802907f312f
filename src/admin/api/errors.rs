//! The last malformed PDU of each session.

use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome};

/// A PDU that could not be read.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FaultView {
    at: String,
    session: u64,
    account: String,
    /// From which side: `esme` or `smsc`.
    leg: &'static str,
    /// The field at fault, or how the stream was broken.
    kind: String,
    /// command_length as the PDU states it.
    length: u32,
    /// The header, then the kind of each octet: `00` NUL, `..` control, `dd` digit, `aa` other ASCII, `xx` from 0x80 up.
    hex_masked: String,
}

pub(super) async fn list(call: Call) -> Outcome {
    let view = |one: crate::record::Fault| FaultView {
        at: one.at.to_string(),
        session: one.session,
        account: one.account.into(),
        leg: one.leg,
        kind: one.kind,
        length: one.length,
        hex_masked: one.hex_masked,
    };
    Answer::json(&call.gateway().metrics().faults.latest().into_iter().map(view).collect::<Vec<_>>())
}
