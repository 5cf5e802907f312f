//! No operation and no field carries a message past a clause (clause 2.4, policy reference section 4).
//!
//! Two texts of which the SMSC may pick either, a canned text nobody has read,
//! a message that replaces another, text shown beside the text: what cannot be
//! checked is refused, each with the command_status that names the field.

use crate::policy::case::{Case, Finding};
use crate::policy::reason::Reason;
use crate::policy::switches::UnknownTlv;
use crate::smpp::Operation;
use crate::smpp::command::status;
use crate::smpp::tlv::{self, Tlv, tag};
use crate::smpp::udh::Parts;

/// Tags of the specification that carry neither text nor another address.
const HARMLESS: [u16; 10] = [
    tag::QOS_TIME_TO_LIVE,
    tag::PRIVACY_INDICATOR,
    tag::USER_MESSAGE_REFERENCE,
    tag::SOURCE_PORT,
    tag::SAR_MSG_REF_NUM,
    tag::LANGUAGE_INDICATOR,
    tag::SAR_TOTAL_SEGMENTS,
    tag::SAR_SEGMENT_SEQNUM,
    tag::MESSAGE_PAYLOAD,
    tag::MORE_MESSAGES_TO_SEND,
];

/// Judges the rule.
pub fn check(case: &Case<'_>) -> Finding {
    match denied(case) {
        Some(status) => Finding::refuse_as(Reason::OperationDenied, status),
        None => Finding::PASS,
    }
}

/// The command_status of the first field at fault.
fn denied(case: &Case<'_>) -> Option<u32> {
    operation(case).or_else(|| esm_class(case)).or_else(|| fields(case)).or_else(|| tlvs(case))
}

fn operation(case: &Case<'_>) -> Option<u32> {
    match case.submission.operation {
        Operation::SubmitSm | Operation::SubmitMulti | Operation::DataSm => None,
        Operation::ReplaceSm => Some(status::ESME_RREPLACEFAIL),
        Operation::BroadcastSm => Some(status::ESME_RPROHIBITED),
    }
}

fn esm_class(case: &Case<'_>) -> Option<u32> {
    let submission = case.submission;
    // Bits 5-2 make the message an acknowledgement of another, which readers show in their own ways.
    let acknowledges = submission.esm_class & 0x3C != 0;
    // Datagram and transaction mode are delivered at once, or not at all: a schedule beside them is not kept.
    let cannot_wait = matches!(submission.esm_class & 0x03, 1 | 2) && !submission.schedule.is_empty();
    let data = &submission.user_data;
    let header = data.other_elements || data.parts == Parts::Malformed;
    (acknowledges || cannot_wait || header).then_some(status::ESME_RINVESMCLASS)
}

fn fields(case: &Case<'_>) -> Option<u32> {
    let submission = case.submission;
    if submission.default_msg_id != 0 {
        return Some(status::ESME_RINVDFTMSGID);
    }
    let replaces = submission.replace_if_present != 0 || matches!(submission.protocol_id, 0x41..=0x47);
    replaces.then_some(status::ESME_RINVSUBREP)
}

fn tlvs(case: &Case<'_>) -> Option<u32> {
    let tlvs = &case.submission.tlvs;
    let denied = case.submission.two_texts
        || tlvs.repeated.is_some()
        || !tlvs.is_empty() && tlvs.iter().any(|tlv| !allowed(case, tlv));
    denied.then_some(status::ESME_ROPTPARNOTALLWD)
}

fn allowed(case: &Case<'_>, tlv: Tlv<'_>) -> bool {
    let switches = &case.rules.switches.tlv;
    if !tlv::is_specified(tlv.tag) {
        return switches.unknown == UnknownTlv::Pass || switches.allow.contains(&tlv.tag);
    }
    HARMLESS.contains(&tlv.tag) || tlv.tag == tag::PAYLOAD_TYPE && tlv.value == [0] || switches.allow.contains(&tlv.tag)
}
