//! What a rule does with what it finds: refuse, only note, or nothing.

use super::reason::Reason;

/// The rules of the gateway; each has a switch `mode.<code>` and a file in `policy/rules` or a part of `traffic` and `ledger`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Rule {
    /// The PDU and its text can be read completely and unambiguously (section 4, 4.1).
    Decode,
    /// Own source addresses only (2.4).
    Source,
    /// No operation or field carries a message past a clause (section 4).
    Operation,
    /// schedule_delivery_time is understood, ahead and not too far (section 4).
    Schedule,
    /// The destination is a mainland mobile number (1.3).
    Destination,
    /// Own city, own province (7.3).
    Region,
    /// The manager's own customers (5.1.3).
    Customers,
    /// Nobody who has opted out.
    OptedOut,
    /// At most 65 characters, one short message (4.1).
    Length,
    /// Name and consultation phrase (4.2, 4.3, 5.1.2).
    Signature,
    /// The manager's contact (5.1.3).
    Contact,
    /// No words of a category that bulk SMS is not for (2.1, 2.2, 2.3).
    Category,
    /// Registered and approved texts only (5.1.1, 5.2, 7.8).
    Content,
    /// No holidays (7.4).
    Holiday,
    /// No night, no busy hours (7.5).
    Hours,
    /// Not many of one segment at once (7.7).
    Spread,
    /// One message per subscriber and day (7.1a).
    Once,
    /// 3000 subscribers per unit and day (7.1b).
    Quota,
    /// The account's rate.
    Rate,
}

/// What becomes of a rule's finding.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Not judged.
    Off,
    /// Judged, counted and logged as "would refuse"; traffic and ledger are untouched.
    Observe,
    /// Refused.
    Enforce,
}

/// The mode of every rule for one account, resolved when the configuration is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes([Mode; Rule::COUNT]);

impl Rule {
    /// How many rules there are.
    pub const COUNT: usize = 19;
    /// Every rule, in the order in which they are judged.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Decode,
        Self::Source,
        Self::Operation,
        Self::Schedule,
        Self::Destination,
        Self::Region,
        Self::Customers,
        Self::OptedOut,
        Self::Length,
        Self::Signature,
        Self::Contact,
        Self::Category,
        Self::Content,
        Self::Holiday,
        Self::Hours,
        Self::Spread,
        Self::Once,
        Self::Quota,
        Self::Rate,
    ];

    /// The word used in `policy.toml`, logs and metric labels.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Source => "source",
            Self::Operation => "operation",
            Self::Schedule => "schedule",
            Self::Destination => "destination",
            Self::Region => "region",
            Self::Customers => "customers",
            Self::OptedOut => "opted_out",
            Self::Length => "length",
            Self::Signature => "signature",
            Self::Contact => "contact",
            Self::Category => "category",
            Self::Content => "content",
            Self::Holiday => "holiday",
            Self::Hours => "hours",
            Self::Spread => "spread",
            Self::Once => "once",
            Self::Quota => "quota",
            Self::Rate => "rate",
        }
    }

    /// The rule of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.code() == code)
    }

    /// The clauses it enforces.
    pub const fn clauses(self) -> &'static str {
        match self {
            Self::Decode | Self::Length => "4.1",
            Self::Source | Self::Operation => "2.4",
            Self::Schedule => "7.4, 7.5",
            Self::Destination => "1.3",
            Self::Region => "7.3",
            Self::Customers | Self::Contact => "5.1.3",
            Self::Signature => "4.2, 4.3, 5.1.2",
            Self::Category => "2.1, 2.2, 2.3",
            Self::Content => "5.1.1, 5.2, 7.8",
            Self::OptedOut => "-",
            Self::Holiday => "7.4",
            Self::Hours => "7.5",
            Self::Spread => "7.7",
            Self::Once => "7.1a",
            Self::Quota => "7.1b",
            Self::Rate => "7.6",
        }
    }

    /// The rule that gives a reason; `None` for those that belong to no switchable rule.
    pub const fn of(reason: Reason) -> Option<Self> {
        Some(match reason {
            Reason::AccountUnknown
            | Reason::Paused
            | Reason::UpstreamDown
            | Reason::LedgerUnavailable
            | Reason::ClockUntrusted => return None,
            Reason::DecodeFailed => Self::Decode,
            Reason::SourceNotAllowed => Self::Source,
            Reason::OperationDenied => Self::Operation,
            Reason::ScheduleInvalid | Reason::ScheduleTooFar => Self::Schedule,
            Reason::BadDestination => Self::Destination,
            Reason::OtherCity | Reason::UnknownSegment | Reason::OtherProvince => Self::Region,
            Reason::NotOwnCustomer => Self::Customers,
            Reason::OptedOut => Self::OptedOut,
            Reason::TooLong | Reason::Multipart => Self::Length,
            Reason::NoName | Reason::NoConsult | Reason::NoSignature | Reason::ForeignConsult => Self::Signature,
            Reason::NoContact => Self::Contact,
            Reason::CategoryDenied => Self::Category,
            Reason::NotApproved | Reason::CampaignTime | Reason::NotRegistered => Self::Content,
            Reason::CalendarMissing | Reason::Holiday => Self::Holiday,
            Reason::Night | Reason::Busy => Self::Hours,
            Reason::Spread => Self::Spread,
            Reason::Duplicate => Self::Once,
            Reason::Quota => Self::Quota,
            Reason::Rate => Self::Rate,
        })
    }
}

impl Modes {
    /// The same mode for every rule.
    pub const fn all(mode: Mode) -> Self {
        Self([mode; Rule::COUNT])
    }

    /// The mode of a rule.
    pub const fn get(&self, rule: Rule) -> Mode {
        self.0[rule as usize]
    }

    /// Sets the mode of a rule.
    pub const fn set(&mut self, rule: Rule, mode: Mode) {
        self.0[rule as usize] = mode;
    }

    /// Whether the rule is judged at all.
    pub fn judges(&self, rule: Rule) -> bool {
        self.get(rule) != Mode::Off
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_rules_is_complete_and_in_order() {
        for (index, rule) in Rule::ALL.into_iter().enumerate() {
            assert_eq!(rule as usize, index);
            assert_eq!(Rule::from_code(rule.code()), Some(rule));
        }
    }
}
