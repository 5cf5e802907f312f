//! `docs/reasons.md`, made of the catalogue of reasons, so that it cannot drift.

use std::fmt::Write as _;

use crate::smpp::command::status;

use super::mode::Rule;
use super::reason::Reason;

/// The document.
pub fn markdown() -> String {
    let mut text = String::from(HEAD);
    for reason in Reason::ALL {
        let (code, clause) = (reason.code(), reason.clause());
        let (number, name) = (reason.status(), status::name(reason.status()));
        let rule = Rule::of(reason).map_or("-", Rule::code);
        let persistence = reason.persistence().code();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| <a id=\"{code}\"></a>`{code}` | {clause} | {rule} | 0x{number:02X} `{name}` | {persistence} | {} | {} |",
            reason.english(),
            advice(reason).0
        );
    }
    text.push_str(CHINESE);
    for reason in Reason::ALL {
        let (code, clause, number) = (reason.code(), reason.clause(), reason.status());
        let persistence = reason.persistence().chinese();
        let (words, advice) = (reason.chinese(), advice(reason).1);
        let _ = writeln!(text, "| `{code}` | {clause} | 0x{number:02X} | {persistence} | {words} | {advice} |");
    }
    text.push_str(TAIL);
    text
}

/// What the sender should do, in English and Chinese.
pub const fn advice(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::AccountUnknown => (
            "ask the operator: the account must be designated and its network listed",
            "联系运营商:账号须经指定,接入网段须登记",
        ),
        Reason::DecodeFailed => (
            "correct the PDU or its data_coding; for Chinese use UCS-2 (8)",
            "改正 PDU 或 data_coding;中文请用 UCS-2(8)",
        ),
        Reason::SourceNotAllowed => ("use one of the account's own source addresses", "使用本账号登记的主叫号码"),
        Reason::OperationDenied => {
            ("use a plain submit_sm without the field at fault", "改用普通 submit_sm,去掉不允许的字段")
        }
        Reason::ScheduleInvalid => (
            "give a time that lies ahead, with the offset of local time (`032+`)",
            "填写尚未到来的时间,时区用本地时差(032+)",
        ),
        Reason::ScheduleTooFar => ("submit it later", "临近发送时间再提交"),
        Reason::BadDestination => ("remove the number from the list", "从名单中删除该号码"),
        Reason::OtherCity => ("remove the number; its own city may send to it", "删除该号码,由其归属地市发送"),
        Reason::UnknownSegment => {
            ("remove the number, or ask the operator to enter its segment", "删除该号码,或请运营商补录号段")
        }
        Reason::OtherProvince => ("remove the number", "删除该号码"),
        Reason::NotOwnCustomer => {
            ("remove the number, or have it entered in the manager's list", "删除该号码,或将其登记到客户名单")
        }
        Reason::OptedOut => {
            ("remove the number; only the subscriber can have it sent to again", "从名单中删除该号码,除非用户重新同意")
        }
        Reason::TooLong => ("shorten the text; the signature counts", "精简内容,落款也计入字数"),
        Reason::Multipart => ("write a text that fits one short message", "将内容压缩到一条短信以内"),
        Reason::NoName => ("end the text with 安徽移动 and 询1860", "文末注明“安徽移动”及“询1860”"),
        Reason::NoConsult => ("add 询 and a provincial number to the signature", "落款中加上“询”及省公司咨询电话"),
        Reason::NoSignature => {
            ("end the text with 移动 or 询 and a local number", "文末注明“移动”或“询”加当地咨询电话")
        }
        Reason::ForeignConsult => ("give a local consultation number only", "只留当地咨询电话"),
        Reason::NoContact => ("add the manager's registered number", "加上已登记的客户经理电话"),
        Reason::CategoryDenied => (
            "take the words out, or ask the operator: image promotion, other organisations' advertising and single SP services may not be sent",
            "删除相关字样或联系运营商:不得群发形象宣传、其他单位广告和单一 SP 业务",
        ),
        Reason::NotApproved => (
            "send the text as it was approved, or apply for it; `smsluice explain` names the nearest campaign",
            "按批准的内容发送,或先行申请;smsluice explain 可指出最接近的申请",
        ),
        Reason::CampaignTime => ("send it in the time that was arranged (F13)", "在安排的时间(F13)内发送"),
        Reason::NotRegistered => (
            "give the text to the 1860 centre for its knowledge base, and register it",
            "先将内容报送 1860 中心知识库并登记",
        ),
        Reason::CalendarMissing => {
            ("nothing: the operator must extend the holiday calendar", "发送方无需处理,由运营商补全节假日表")
        }
        Reason::Holiday => ("send it on another day", "改日发送"),
        Reason::Night => ("send it by day, or schedule it", "白天再发,或使用定时发送"),
        Reason::Busy => ("send it after the busy hours, or schedule it", "避开忙时再发,或使用定时发送"),
        Reason::Paused => ("keep the message and send it again in a while", "保留消息,稍后重发"),
        Reason::Spread => ("mix the order of the numbers and send again later", "打乱号码次序,稍后重发"),
        Reason::Duplicate => ("leave the subscriber out today", "当日不再向该用户发送"),
        Reason::Quota => ("go on tomorrow", "次日再发"),
        Reason::Rate => ("slow down and send again", "降低速率后重发"),
        Reason::UpstreamDown => ("try again in a while", "稍后重试"),
        Reason::LedgerUnavailable | Reason::ClockUntrusted => {
            ("try again in a while; the operator is alarmed by metric and log", "稍后重试;运营商可由指标和日志获知")
        }
    }
}

const HEAD: &str = "# Reasons

Why a message was refused: one closed catalogue for log fields, metric labels, `smsluice explain` and this page. Of
several reasons the first in this order is reported. A refusal is the response PDU of the request's own type with the
status below and no body; it is never one of the vendor codes 0x400-0x4FF.

- *clause*: of the bulk-SMS measures; `-` where the service itself is the ground.
- *rule*: the key of `[mode]` in `policy.toml` that enforces, observes or switches it off; `-` where there is none.
- *class*: `permanent` can never pass as it stands; `permanent for this time` and `permanent for this day` may pass at
  another time or on another day; `temporary` may pass when sent again soon.

`[status]` in `policy.toml` and `statuses` of an account replace the status of a reason.

| code | clause | rule | status | class | meaning | what the sender should do |
|---|---|---|---|---|---|---|
";

const CHINESE: &str = "
## 中文

同一条消息有多个原因时,只返回表中最靠前的一个。应答为该请求自身类型的响应包,只有包头。

| 代码 | 条款 | 状态码 | 性质 | 含义 | 发送方应如何处理 |
|---|---|---|---|---|---|
";

const TAIL: &str = "
## Cases with a status of their own

Unless the site or the account has set another status for the reason, these cases name the field at fault.

| reason | case | status |
|---|---|---|
| `source_not_allowed` | a type of number that makes the source another address, a plan that is no telephone's | 0x48 `ESME_RINVSRCTON`, 0x49 `ESME_RINVSRCNPI` |
| `operation_denied` | replace_sm; with `replace.mode = \"check\"` one of an unknown message_id | 0x13 `ESME_RREPLACEFAIL` |
| `operation_denied` | broadcast_sm | 0x101 `ESME_RPROHIBITED`; before SMPP 5.0 generic_nack with 0x03 |
| `operation_denied` | a distribution list | 0x44 `ESME_RCNTSUBDL` |
| `operation_denied` | a submission on a receiver session | 0x04 `ESME_RINVBNDSTS` |
| `operation_denied` | a sequence_number that is still in flight | 0x08 `ESME_RSYSERR` |
| `operation_denied` | a service_type of another service: WAP, USSD, voice mail, broadcast | 0x15 `ESME_RINVSERTYP` |
| `operation_denied` | replace_if_present_flag, or a protocol_id of the replace type | 0x42 `ESME_RINVSUBREP` |
| `operation_denied` | a protocol_id that ends elsewhere than on the display: e-mail, fax, the SIM card | 0x45 `ESME_RSUBMITFAIL` |
| `operation_denied` | esm_class, user data header | 0x43 `ESME_RINVESMCLASS` |
| `operation_denied` | sm_default_msg_id | 0x63 `ESME_RINVDFTMSGID` |
| `operation_denied` | two texts, a TLV that is not allowed or is given twice | 0xC1 `ESME_ROPTPARNOTALLWD` |
| `schedule_invalid` | validity_period or qos_time_to_live | 0x62 `ESME_RINVEXPIRY` |
| `night`, `busy`, `holiday` | with `hours.action = \"throttle\"` | 0x58 `ESME_RTHROTTLED` |
| any | a PDU that cannot be read | the status that names the field at fault |

A query_sm or cancel_sm that names a source of another account is answered with the status of `source_not_allowed`; it is no
message and is not counted. Of a submit_multi the refused recipients come back in unsuccess_sme, each with its status
(`multi.mode = \"filter\"`); a fault of the content or the time refuses the whole.
";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_document_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reasons.md");
        let current = markdown();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &current).expect("writable");
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(shipped == current, "run this test with BLESS=1 to write docs/reasons.md anew");
    }

    #[test]
    fn every_status_has_a_name() {
        for reason in Reason::ALL {
            assert!(status::name(reason.status()).starts_with("ESME_R"), "{reason}");
        }
    }
}
