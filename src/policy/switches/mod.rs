//! The switches of the policy reference, section 8, as `policy.toml` holds
//! them. The defaults are the reference's defaults; every key is optional and
//! an unknown key is an error.

mod audit;
mod dedup;
mod defaults;
mod overload;
mod registry;
mod replace;
mod report;
mod window;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::smpp::coding::{Dc15, DefaultAlphabet};

pub use self::audit::AuditSwitches;
pub use self::dedup::{CountedCategories, DedupScope, DedupSwitches, UnknownOutcome};
pub use self::overload::{OverloadMode, OverloadSwitches, PauseSwitches};
pub use self::registry::*;
pub use self::replace::{ReplaceMode, ReplaceSwitches};
pub use self::report::{ReportSwitches, SuccessBasis};
pub use self::window::Window;

use super::mode::Mode;

/// All switches.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Mode per rule, `default` for the rest; keys are `Rule::code`.
    pub mode: BTreeMap<String, Mode>,
    /// Length, clause 4.1.
    pub length: LengthSwitches,
    /// Signature, clauses 4.2, 4.3, 5.1.2, 5.1.3.
    pub signature: SignatureSwitches,
    /// Destination addresses, clause 1.3.
    pub dest: DestSwitches,
    /// Own city, clause 7.3.
    pub region: RegionSwitches,
    /// Hours, clause 7.5.
    pub hours: HoursSwitches,
    /// Holidays, clause 7.4.
    pub holiday: HolidaySwitches,
    /// schedule_delivery_time, section 4.
    pub schedule: ScheduleSwitches,
    /// validity_period, section 4.
    pub validity: ValiditySwitches,
    /// One segment in a short time, clause 7.7.
    pub spread: SpreadSwitches,
    /// One message per subscriber and day, clause 7.1a.
    pub dedup: DedupSwitches,
    /// Subscribers per unit and day, clause 7.1b.
    pub quota: QuotaSwitches,
    /// What follows a pause, clause 7.6.
    pub pause: PauseSwitches,
    /// The overload governor, clause 7.6.
    pub overload: OverloadSwitches,
    /// Text encodings.
    pub encoding: EncodingSwitches,
    /// TLVs, section 4.
    pub tlv: TlvSwitches,
    /// submit_multi, section 4.
    pub multi: MultiSwitches,
    /// replace_sm, section 4.
    pub replace: ReplaceSwitches,
    /// The exempt class, A-20.
    pub exempt: ExemptSwitches,
    /// Records of messages, section 6.
    pub audit: AuditSwitches,
    /// Registered and approved content, chapter 5 and clause 7.8.
    pub registry: RegistrySwitches,
    /// What bulk SMS is not for, clauses 2.1 to 2.3.
    pub category: CategorySwitches,
    /// Subscribers who asked not to be sent to.
    pub optout: OptOutSwitches,
    /// Reports, section 6.
    pub report: ReportSwitches,
    /// command_status per reason code, where the site's senders need another.
    pub status: BTreeMap<String, u32>,
}

///
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LengthSwitches {
    /// What counts as one character.
    pub unit: LengthUnit,
    /// Characters allowed.
    pub limit: u32,
    /// Whether the signature counts.
    pub count_signature: bool,
    /// What becomes of a message in several parts.
    pub multipart: Multipart,
    /// Minutes from the first part within which the others belong to it, 1..=1440.
    pub assembly_minutes: u32,
}

/// What becomes of a message in several parts (section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Multipart {
    /// Refused: a conforming text fits one message.
    Reject,
    /// Its parts are judged together and count as one message.
    Group,
}

/// What counts as one character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LengthUnit {
    /// Unicode scalar values.
    Scalar,
    /// UTF-16 code units.
    Utf16,
    /// Extended grapheme clusters.
    Grapheme,
}

///
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignatureSwitches {
    /// Where the signature may stand.
    pub position: SignaturePosition,
    /// Characters of the signature zone.
    pub zone: u32,
    /// Name and consultation phrase, or either, for `province_1258`.
    pub province: Need,
    /// Name or consultation phrase, or both, for the city classes.
    pub city: Need,
    /// What a consultation number of another place does.
    pub foreign_consult: Foreign,
    /// The province's consultation numbers.
    pub province_numbers: Vec<String>,
    /// Whether format characters (category Cf) are removed before matching.
    pub strip_format_chars: bool,
    /// Whether an account manager must give name and number.
    pub contact_needs_name: bool,
    /// Whose signature a city campaign on 1258 carries.
    pub city_on_1258: CityOn1258,
    /// Further name phrases, for every class.
    pub extra_names: Vec<String>,
    /// Further words that introduce a consultation number, beside 询.
    pub extra_consults: Vec<String>,
}

/// Where a signature may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignaturePosition {
    /// In the zone at the end.
    Tail,
    /// In the zone at the end or in one of the same length at the head.
    HeadOrTail,
    /// Anywhere.
    Anywhere,
}

/// Whether both phrases are needed or either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// Both phrases.
    All,
    /// Either phrase.
    Any,
}

/// What a consultation number of another place does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Foreign {
    /// Refused.
    Reject,
    /// Passed and counted.
    Warn,
    /// Passed.
    Allow,
}

/// Whose signature a city campaign on 1258 carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CityOn1258 {
    /// The province's.
    Province,
    /// The city's.
    City,
    /// Either.
    Either,
}

/// Destination addresses.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DestSwitches {
    /// Whether TON 1 demands the country code.
    pub strict_ton: bool,
}

///
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegionSwitches {
    /// A number whose segment is unknown, for the city classes.
    pub unknown: Unknown,
    /// Where a provincial send may go.
    pub province_scope: ProvinceScope,
    /// Whose subscribers may be sent to.
    pub operator_scope: OperatorScope,
    /// CSV of exceptions, beside the configuration: `pattern,city,operator,valid_from,valid_to,reason`.
    pub overlay: Option<String>,
}

/// What an unknown segment means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// Refused.
    Reject,
    /// Passed and counted.
    Accept,
}

/// Where a provincial send may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProvinceScope {
    /// Anhui; a number known to belong elsewhere is refused.
    Anhui,
    /// Anywhere.
    Any,
}

/// Whose subscribers may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OperatorScope {
    /// Every operator's; others are counted.
    Warn,
    /// China Mobile's only.
    Cmcc,
    /// Every operator's.
    Any,
}

///
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HoursSwitches {
    /// Night windows `"22:00-08:00"`, half open, may pass midnight.
    pub night: Vec<Window>,
    /// Busy windows.
    pub busy: Vec<Window>,
    /// Seconds by which every window is widened on both sides, 0..=3600.
    pub edge_guard_seconds: u32,
    /// Whether a scheduled message's time of submission is judged as well.
    pub check_submit_time: bool,
    /// How a message in a window (and on a holiday) is answered.
    pub action: Avoid,
}

/// How "avoid" is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Avoid {
    /// A permanent refusal.
    Reject,
    /// A temporary refusal: the sender may try again.
    Throttle,
    /// Passed, counted and logged.
    Warn,
}

///
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HolidaySwitches {
    /// Which rows of the calendar block.
    pub scope: HolidayScope,
    /// Further blocked days, `"2026-12-31"`.
    pub extra: Vec<String>,
    /// Whether 七夕 blocks too.
    pub qixi: bool,
    /// Whether 24 December blocks too.
    pub christmas_eve: bool,
}

/// Which rows of the calendar block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HolidayScope {
    /// The statutory festival days (`default_block = 1`).
    StatutoryDays,
    /// The festival's own day.
    Day,
    /// The festival's day and the published days off.
    DayOff,
}

///
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleSwitches {
    /// Whether the SMSC honours schedules; if not, the field is refused.
    pub honoured: bool,
    /// Hours ahead that a message may be scheduled, 1..=720.
    pub max_ahead_hours: u32,
    /// How an absolute time with offset 00 is read.
    pub zero_offset: ZeroOffset,
}

/// How an absolute time with offset 00 is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ZeroOffset {
    /// Both readings must be allowed and fall on one day.
    Both,
    /// UTC, by the book.
    Utc,
    /// Local time, as many clients mean it.
    Local,
}

/// validity_period.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValiditySwitches {
    /// What happens to a validity that crosses a forbidden window.
    pub mode: ValidityMode,
}

/// What happens to a validity that crosses a forbidden window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ValidityMode {
    /// Passed unchanged: retries are not a second send.
    #[default]
    Pass,
    /// Shortened to where the next forbidden window begins.
    Cap,
    /// Refused.
    Reject,
}

///
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpreadSwitches {
    /// Recipients per segment and window, 1..=10 000.
    pub limit: u32,
    /// Seconds of the sliding window, 1..=86 400.
    pub window_seconds: u32,
    /// How a message beyond it is answered.
    pub action: Avoid,
    /// Leading digits that make a segment, 3..=11.
    pub digits: u32,
}

///
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaSwitches {
    /// Whose subscribers are counted together.
    pub scope: QuotaScope,
    /// Subscribers per scope and day.
    pub users: u32,
}

/// Whose subscribers are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum QuotaScope {
    /// All `city_moa` and `key_account` accounts of a unit.
    Unit,
    /// Each account.
    Account,
}

/// Text encodings (protocol facts, section 5).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncodingSwitches {
    /// The SMSC's default alphabet, for data_coding 0; an account may name its own.
    pub dc0: DefaultAlphabet,
    /// What data_coding 15 means.
    pub dc15: Dc15,
}

/// TLVs, section 4.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlvSwitches {
    /// Vendor TLVs (0x1400-0x3FFF) and tags unknown to the specification.
    pub unknown: UnknownTlv,
    /// Tags of the specification that pass, beside those the gateway itself reads.
    pub allow: Vec<u16>,
}

/// What happens to TLVs the specification does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownTlv {
    /// Passed unchanged and counted.
    Pass,
    /// Refused.
    Refuse,
}

/// submit_multi, section 4.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MultiSwitches {
    /// What becomes of a submit_multi of which some recipients are refused.
    pub mode: MultiMode,
}

/// What becomes of a submit_multi of which some recipients are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MultiMode {
    /// It goes on without them; they come back in unsuccess_sme.
    #[default]
    Filter,
    /// It is refused as a whole.
    RejectAll,
}

///
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExemptSwitches {
    /// Rules (by code) that bind the exempt class after all.
    pub rules: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_reference() {
        let switches: Switches = toml::from_str("").expect("valid");
        assert_eq!(switches, Switches::default());
        assert_eq!((switches.length.limit, switches.quota.users, switches.spread.limit), (65, 3000, 200));
        assert!(toml::from_str::<Switches>("[length]\nlimitt = 70").is_err());
    }
}
