//! The closed catalogue of reasons (policy reference, section 5).

use crate::smpp::command::status;

/// Why a submission was refused. Declared in order of precedence: of several,
/// the first is reported.
///
/// The code of a reason is stable: log field, metric label, report column,
/// anchor in `docs/reasons.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reason {
    /// The account is not configured, or may not connect from there (2.4, 6.1).
    AccountUnknown,
    /// The PDU or its text cannot be read completely and unambiguously (4.1).
    DecodeFailed,
    /// A source address that is not the account's own (2.4).
    SourceNotAllowed,
    /// An operation or field that could carry a message past a clause (section 4).
    OperationDenied,
    /// A schedule_delivery_time that is malformed, past or of two readings (7.4, 7.5).
    ScheduleInvalid,
    /// Scheduled further ahead than `schedule.max_ahead` (7.4, 7.5).
    ScheduleTooFar,
    /// The destination is no mainland mobile number (1.3).
    BadDestination,
    /// Another city's subscriber (7.3).
    OtherCity,
    /// The number's segment is in no table (7.3).
    UnknownSegment,
    /// A subscriber of another province (1.3, 1.4).
    OtherProvince,
    /// Not on the account manager's customer list (5.1.3).
    NotOwnCustomer,
    /// The subscriber has asked not to be sent to.
    OptedOut,
    /// More than 65 characters (4.1).
    TooLong,
    /// Does not fit one short message (4.1).
    Multipart,
    /// The province's name phrase is missing from the signature (4.2).
    NoName,
    /// The province's consultation phrase is missing from the signature (4.2).
    NoConsult,
    /// Neither name phrase nor local consultation phrase in the signature (4.3).
    NoSignature,
    /// A consultation number of another place (5.1.2).
    ForeignConsult,
    /// The account manager's contact is missing (5.1.3).
    NoContact,
    /// Words of a category that bulk SMS is not for (2.1, 2.2, 2.3).
    CategoryDenied,
    /// No approved campaign has this text (5.1.1, 5.2).
    NotApproved,
    /// Outside the time that was arranged for the campaign (5.1.1, 5.2).
    CampaignTime,
    /// Not in the 1860 centre's knowledge base (7.8).
    NotRegistered,
    /// The calendar has no such year (7.4).
    CalendarMissing,
    /// A blocked holiday (7.4).
    Holiday,
    /// At night (7.5).
    Night,
    /// In the daily busy hours (7.5).
    Busy,
    /// The network team, or the SMSC's overload, has stopped this part of the traffic (7.6).
    Paused,
    /// Too many subscribers of one number segment in a short time (7.7).
    Spread,
    /// The subscriber has had today's message (7.1a).
    Duplicate,
    /// The unit has had today's subscribers (7.1b).
    Quota,
    /// Faster than the account's rate (7.6).
    Rate,
    /// The SMSC cannot be reached.
    UpstreamDown,
    /// The ledger cannot be written, so nothing may be sent.
    LedgerUnavailable,
    /// The clock was set or contradicts the ledger, so the day is not known.
    ClockUntrusted,
}

/// Whether sending the same message again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Never, as it stands.
    Permanent,
    /// Not at this time; at another time it may pass.
    ThisTime,
    /// Not on this day.
    ThisDay,
    /// Soon.
    Temporary,
}

/// A set of reasons, for what else would have refused and for observed rules.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Reasons(u64);

impl Reason {
    /// Every reason, in order of precedence.
    pub const ALL: [Self; 35] = [
        Self::AccountUnknown,
        Self::DecodeFailed,
        Self::SourceNotAllowed,
        Self::OperationDenied,
        Self::ScheduleInvalid,
        Self::ScheduleTooFar,
        Self::BadDestination,
        Self::OtherCity,
        Self::UnknownSegment,
        Self::OtherProvince,
        Self::NotOwnCustomer,
        Self::OptedOut,
        Self::TooLong,
        Self::Multipart,
        Self::NoName,
        Self::NoConsult,
        Self::NoSignature,
        Self::ForeignConsult,
        Self::NoContact,
        Self::CategoryDenied,
        Self::NotApproved,
        Self::CampaignTime,
        Self::NotRegistered,
        Self::CalendarMissing,
        Self::Holiday,
        Self::Night,
        Self::Busy,
        Self::Paused,
        Self::Spread,
        Self::Duplicate,
        Self::Quota,
        Self::Rate,
        Self::UpstreamDown,
        Self::LedgerUnavailable,
        Self::ClockUntrusted,
    ];

    /// The stable word for logs, labels, reports and docs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AccountUnknown => "account_unknown",
            Self::DecodeFailed => "decode_failed",
            Self::SourceNotAllowed => "source_not_allowed",
            Self::OperationDenied => "operation_denied",
            Self::ScheduleInvalid => "schedule_invalid",
            Self::ScheduleTooFar => "schedule_too_far",
            Self::BadDestination => "bad_destination",
            Self::OtherCity => "other_city",
            Self::UnknownSegment => "unknown_segment",
            Self::OtherProvince => "other_province",
            Self::NotOwnCustomer => "not_own_customer",
            Self::OptedOut => "opted_out",
            Self::TooLong => "too_long",
            Self::Multipart => "multipart",
            Self::NoName => "no_name",
            Self::NoConsult => "no_consult",
            Self::NoSignature => "no_signature",
            Self::ForeignConsult => "foreign_consult",
            Self::NoContact => "no_contact",
            Self::CategoryDenied => "category_denied",
            Self::NotApproved => "not_approved",
            Self::CampaignTime => "campaign_time",
            Self::NotRegistered => "not_registered",
            Self::CalendarMissing => "calendar_missing",
            Self::Holiday => "holiday",
            Self::Night => "night",
            Self::Busy => "busy",
            Self::Paused => "paused",
            Self::Spread => "spread",
            Self::Duplicate => "duplicate",
            Self::Quota => "quota",
            Self::Rate => "rate",
            Self::UpstreamDown => "upstream_down",
            Self::LedgerUnavailable => "ledger_unavailable",
            Self::ClockUntrusted => "clock_untrusted",
        }
    }

    /// The reason of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// The clause it enforces; `-` where no clause but the service itself is the ground.
    pub const fn clause(self) -> &'static str {
        match self {
            Self::AccountUnknown => "2.4, 6.1",
            Self::DecodeFailed | Self::TooLong | Self::Multipart => "4.1",
            Self::SourceNotAllowed | Self::OperationDenied => "2.4",
            Self::ScheduleInvalid | Self::ScheduleTooFar => "7.4, 7.5",
            Self::BadDestination | Self::OtherProvince => "1.3",
            Self::OtherCity | Self::UnknownSegment => "7.3",
            Self::NotOwnCustomer | Self::NoContact => "5.1.3",
            Self::NoName | Self::NoConsult => "4.2",
            Self::NoSignature => "4.3",
            Self::ForeignConsult => "5.1.2",
            Self::CategoryDenied => "2.1, 2.2, 2.3",
            Self::NotApproved | Self::CampaignTime => "5.1.1, 5.2",
            Self::NotRegistered => "7.8",
            Self::CalendarMissing | Self::Holiday => "7.4",
            Self::Night | Self::Busy => "7.5",
            Self::Spread => "7.7",
            Self::Duplicate => "7.1a",
            Self::Quota => "7.1b",
            Self::Paused | Self::Rate => "7.6",
            Self::OptedOut | Self::UpstreamDown | Self::LedgerUnavailable | Self::ClockUntrusted => "-",
        }
    }

    /// The command_status a refusal carries unless the site or the case says otherwise.
    pub const fn status(self) -> u32 {
        match self {
            Self::AccountUnknown => status::ESME_RBINDFAIL,
            Self::SourceNotAllowed => status::ESME_RINVSRCADR,
            Self::OperationDenied => status::ESME_RINVESMCLASS,
            Self::TooLong | Self::Multipart => status::ESME_RINVMSGLEN,
            Self::DecodeFailed
            | Self::NoName
            | Self::NoConsult
            | Self::NoSignature
            | Self::ForeignConsult
            | Self::NoContact
            | Self::CategoryDenied
            | Self::NotApproved
            | Self::CampaignTime
            | Self::NotRegistered
            | Self::Duplicate
            | Self::Quota => status::ESME_RSUBMITFAIL,
            Self::BadDestination
            | Self::OtherCity
            | Self::UnknownSegment
            | Self::OtherProvince
            | Self::NotOwnCustomer
            | Self::OptedOut => status::ESME_RINVDSTADR,
            Self::ScheduleInvalid
            | Self::ScheduleTooFar
            | Self::CalendarMissing
            | Self::Holiday
            | Self::Night
            | Self::Busy => status::ESME_RINVSCHED,
            Self::Spread => status::ESME_RMSGQFUL,
            Self::Paused | Self::Rate => status::ESME_RTHROTTLED,
            Self::UpstreamDown | Self::LedgerUnavailable | Self::ClockUntrusted => status::ESME_RSYSERR,
        }
    }

    /// Whether sending the same message again can help.
    pub const fn persistence(self) -> Persistence {
        match self {
            Self::CampaignTime | Self::Holiday | Self::Night | Self::Busy => Persistence::ThisTime,
            Self::Duplicate | Self::Quota => Persistence::ThisDay,
            Self::Paused
            | Self::Spread
            | Self::Rate
            | Self::UpstreamDown
            | Self::LedgerUnavailable
            | Self::ClockUntrusted => Persistence::Temporary,
            _ => Persistence::Permanent,
        }
    }

    /// One line for people, English.
    pub const fn english(self) -> &'static str {
        match self {
            Self::AccountUnknown => "the account is not designated, or may not connect from this address",
            Self::DecodeFailed => "the message cannot be read completely and unambiguously",
            Self::SourceNotAllowed => "the source address does not belong to the account",
            Self::OperationDenied => "the operation or field could carry a message past the rules",
            Self::ScheduleInvalid => "the scheduled time is malformed, past or ambiguous",
            Self::ScheduleTooFar => "the scheduled time is too far ahead",
            Self::BadDestination => "the destination is not a mainland mobile number",
            Self::OtherCity => "the subscriber belongs to another city",
            Self::UnknownSegment => "the number's segment is unknown, so its city cannot be shown",
            Self::OtherProvince => "the subscriber belongs to another province",
            Self::NotOwnCustomer => "the subscriber is not on the account manager's list",
            Self::OptedOut => "the subscriber has asked not to be sent to",
            Self::TooLong => "the text is longer than allowed",
            Self::Multipart => "the text does not fit one short message",
            Self::NoName => "the signature lacks the provincial company's name",
            Self::NoConsult => "the signature lacks a provincial consultation number",
            Self::NoSignature => "the signature has neither the name nor a local consultation number",
            Self::ForeignConsult => "the text gives a consultation number of another place",
            Self::NoContact => "the account manager's contact number is missing",
            Self::CategoryDenied => "the text has words of a category that bulk SMS is not for",
            Self::NotApproved => "no approved campaign of the unit has this text",
            Self::CampaignTime => "outside the time that was arranged for the campaign",
            Self::NotRegistered => "the text is not in the 1860 centre's knowledge base",
            Self::CalendarMissing => "the holiday calendar does not cover the day",
            Self::Holiday => "no bulk messages on this holiday",
            Self::Night => "no bulk messages at night",
            Self::Busy => "no bulk messages in the busy hours",
            Self::Paused => "sending is stopped, or slowed down, because the network or the SMSC is overloaded",
            Self::Spread => "too many subscribers of one number segment in a short time",
            Self::Duplicate => "the subscriber has already been sent the day's message",
            Self::Quota => "the unit has reached its subscribers for the day",
            Self::Rate => "faster than the account's rate",
            Self::UpstreamDown => "the SMSC cannot be reached",
            Self::LedgerUnavailable => "the ledger cannot be written",
            Self::ClockUntrusted => "the gateway's clock cannot be trusted",
        }
    }

    /// One line for people, Chinese.
    pub const fn chinese(self) -> &'static str {
        match self {
            Self::AccountUnknown => "账号未经指定,或不得从该地址接入",
            Self::DecodeFailed => "无法完整、无歧义地解读该消息",
            Self::SourceNotAllowed => "主叫号码不属于该账号",
            Self::OperationDenied => "该操作或字段可能使消息绕过规则",
            Self::ScheduleInvalid => "定时时间格式错误、已过或有歧义",
            Self::ScheduleTooFar => "定时时间过远",
            Self::BadDestination => "目的号码不是大陆手机号码",
            Self::OtherCity => "用户属于其他地市",
            Self::UnknownSegment => "号段未知,无法确认归属地市",
            Self::OtherProvince => "用户属于外省",
            Self::NotOwnCustomer => "用户不在该客户经理的客户名单内",
            Self::OptedOut => "用户已退订",
            Self::TooLong => "短信内容超过规定字数",
            Self::Multipart => "短信内容不能以一条短信发送",
            Self::NoName => "落款缺少“安徽移动”字样",
            Self::NoConsult => "落款缺少省公司咨询电话",
            Self::NoSignature => "落款既无“移动”字样也无当地咨询电话",
            Self::ForeignConsult => "内容中出现非当地咨询电话",
            Self::NoContact => "缺少客户经理的联系方式",
            Self::CategoryDenied => "内容含不得群发类别的字样",
            Self::NotApproved => "内容与本单位已批准的群发申请不符",
            Self::CampaignTime => "不在该申请安排的发送时间内",
            Self::NotRegistered => "内容未报送知识库",
            Self::CalendarMissing => "节假日表未覆盖该日期",
            Self::Holiday => "节假日不得群发",
            Self::Night => "夜间不得群发",
            Self::Busy => "忙时不得群发",
            Self::Paused => "网络或短信中心过载,已暂停或限速发送",
            Self::Spread => "短时间内同一号段用户过多",
            Self::Duplicate => "该用户当日已发送过一条",
            Self::Quota => "本单位当日用户数已达上限",
            Self::Rate => "超过账号速率",
            Self::UpstreamDown => "短信中心不可达",
            Self::LedgerUnavailable => "账本无法写入",
            Self::ClockUntrusted => "网关时钟不可信",
        }
    }

    /// Position in the catalogue, for tables indexed by reason.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl Persistence {
    /// The word used in docs and reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::ThisTime => "permanent for this time",
            Self::ThisDay => "permanent for this day",
            Self::Temporary => "temporary",
        }
    }

    /// The same in Chinese.
    pub const fn chinese(self) -> &'static str {
        match self {
            Self::Permanent => "永久",
            Self::ThisTime => "该时段内永久",
            Self::ThisDay => "当日永久",
            Self::Temporary => "临时",
        }
    }
}

impl Reasons {
    /// No reason.
    pub const NONE: Self = Self(0);

    /// Adds a reason.
    pub const fn insert(&mut self, reason: Reason) {
        self.0 |= 1 << reason as u8;
    }

    /// Whether the set holds the reason.
    pub const fn contains(self, reason: Reason) -> bool {
        self.0 & 1 << reason as u8 != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The reasons in order of precedence.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::ALL.into_iter().filter(move |reason| self.contains(*reason))
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl std::fmt::Debug for Reasons {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<Reason> for Reasons {
    fn from_iter<I: IntoIterator<Item = Reason>>(reasons: I) -> Self {
        let mut set = Self::NONE;
        reasons.into_iter().for_each(|reason| set.insert(reason));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_lists_every_reason_once_in_order() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert_eq!(Reason::from_code(reason.code()), Some(reason));
        }
    }

    #[test]
    fn no_refusal_of_a_message_uses_a_vendor_code_or_success() {
        for reason in Reason::ALL {
            assert!(reason.status() != 0 && !(0x400..=0x4FF).contains(&reason.status()), "{reason}");
        }
    }

    #[test]
    fn a_set_reports_in_order_of_precedence() {
        let set: Reasons = [Reason::Quota, Reason::TooLong].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Reason::TooLong, Reason::Quota]);
    }
}
