//! No operation and no field carries a message past a clause (clause 2.4, policy reference section 4).
//!
//! Two texts of which the SMSC may pick either, a canned text nobody has read,
//! a message that replaces another, text shown beside the text: what cannot be
//! checked is refused, each with the command_status that names the field.

use crate::policy::case::{Case, Finding};
use crate::policy::reason::Reason;
use crate::policy::switches::{ReplaceMode, UnknownTlv};
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

/// service_type values of the specifications (3.4 section 5.2.11, 5.0 4.7.25) whose messages are not shown
/// as ordinary ones. Others, CMT and the operators' own among them, pass.
const OTHER_SERVICES: [&[u8]; 8] = [b"CPT", b"VMN", b"VMA", b"WAP", b"USSD", b"CBS", b"GUTS", b"GCBS"];

/// A field at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The command_status that names it.
    pub status: u32,
    /// What it is, English.
    pub english: &'static str,
    /// What it is, Chinese.
    pub chinese: &'static str,
}

/// Judges the rule.
pub fn check(case: &Case<'_>) -> Finding {
    match denied(case) {
        Some(denial) => Finding::refuse_as(Reason::OperationDenied, denial.status),
        None => Finding::PASS,
    }
}

/// The first field at fault.
pub fn denied(case: &Case<'_>) -> Option<Denial> {
    operation(case).or_else(|| esm_class(case)).or_else(|| fields(case)).or_else(|| tlvs(case))
}

fn operation(case: &Case<'_>) -> Option<Denial> {
    match case.submission.operation {
        Operation::SubmitSm | Operation::SubmitMulti | Operation::DataSm => None,
        Operation::ReplaceSm if case.rules.switches.replace.mode == ReplaceMode::Check => None,
        Operation::ReplaceSm => Denial::new(
            status::ESME_RREPLACEFAIL,
            "replace_sm gives an accepted message a new text or time",
            "replace_sm 会更改已受理短信的内容或时间",
        ),
        Operation::BroadcastSm => {
            Denial::new(status::ESME_RPROHIBITED, "broadcast_sm names no recipient", "broadcast_sm 没有具体接收号码")
        }
    }
}

fn esm_class(case: &Case<'_>) -> Option<Denial> {
    const STATUS: u32 = status::ESME_RINVESMCLASS;
    let submission = case.submission;
    // Bits 5-2 make the message an acknowledgement of another, which readers show in their own ways.
    if submission.esm_class & 0x3C != 0 {
        return Denial::new(STATUS, "esm_class makes it an acknowledgement", "esm_class 将其标为确认类消息");
    }
    // Datagram and transaction mode are delivered at once, or not at all: a schedule beside them is not kept.
    if matches!(submission.esm_class & 0x03, 1 | 2) && !submission.schedule.is_empty() {
        return Denial::new(STATUS, "its messaging mode keeps no schedule", "该消息模式不支持定时发送");
    }
    if submission.user_data.parts == Parts::Malformed {
        return Denial::new(STATUS, "its concatenation contradicts itself", "长短信拼接信息自相矛盾");
    }
    if submission.user_data.other_elements {
        return Denial::new(
            STATUS,
            "its user-data header holds more than concatenation",
            "用户数据头含有长短信拼接以外的元素",
        );
    }
    None
}

fn fields(case: &Case<'_>) -> Option<Denial> {
    let submission = case.submission;
    if OTHER_SERVICES.contains(&submission.service_type) {
        return Denial::new(
            status::ESME_RINVSERTYP,
            "service_type makes it another message than a short message",
            "service_type 表明不是普通短信",
        );
    }
    if submission.default_msg_id != 0 {
        return Denial::new(
            status::ESME_RINVDFTMSGID,
            "sm_default_msg_id names a text stored in the SMSC",
            "sm_default_msg_id 指向短信中心预存的内容",
        );
    }
    // A return call message (0x5F) is handled as the replace types are (3GPP TS 23.040 section 9.2.3.9).
    if submission.replace_if_present != 0 || matches!(submission.protocol_id, 0x41..=0x47 | 0x5F) {
        return Denial::new(status::ESME_RINVSUBREP, "it replaces an earlier message", "该消息会替换先前的短信");
    }
    // Telematic interworking: to e-mail, fax or voice, with recipients that the text itself may name.
    // Data download: to the SIM card or the handset, not to the display.
    if matches!(submission.protocol_id, 0x20..=0x3F | 0x7C..=0x7F) {
        return Denial::new(
            status::ESME_RSUBMITFAIL,
            "protocol_id sends it elsewhere than to the handset's display",
            "protocol_id 将其转往手机显示以外的目标",
        );
    }
    None
}

fn tlvs(case: &Case<'_>) -> Option<Denial> {
    const STATUS: u32 = status::ESME_ROPTPARNOTALLWD;
    let tlvs = &case.submission.tlvs;
    if case.submission.two_texts {
        return Denial::new(STATUS, "short_message and message_payload both hold a text", "同时携带两份短信内容");
    }
    if tlvs.repeated.is_some() {
        return Denial::new(STATUS, "a TLV is given twice", "同一 TLV 出现两次");
    }
    if !tlvs.is_empty() && tlvs.iter().any(|tlv| !allowed(case, tlv)) {
        return Denial::new(
            STATUS,
            "a TLV that could carry a text or an address of its own",
            "含有可能另带内容或号码的 TLV",
        );
    }
    None
}

impl Denial {
    #[expect(clippy::unnecessary_wraps, reason = "every caller returns it as an Option")]
    const fn new(status: u32, english: &'static str, chinese: &'static str) -> Option<Self> {
        Some(Self { status, english, chinese })
    }
}

fn allowed(case: &Case<'_>, tlv: Tlv<'_>) -> bool {
    let switches = &case.rules.switches.tlv;
    if !tlv::is_specified(tlv.tag) {
        return switches.unknown == UnknownTlv::Pass || switches.allow.contains(&tlv.tag);
    }
    HARMLESS.contains(&tlv.tag) || tlv.tag == tag::PAYLOAD_TYPE && tlv.value == [0] || switches.allow.contains(&tlv.tag)
}
