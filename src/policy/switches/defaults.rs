//! The defaults: those of the policy reference, section 8.

use super::{
    Avoid, CityOn1258, Dc15, DefaultAlphabet, EncodingSwitches, Foreign, HolidayScope, HolidaySwitches, HoursSwitches,
    LengthSwitches, LengthUnit, Multipart, Need, OperatorScope, ProvinceScope, QuotaScope, QuotaSwitches,
    RegionSwitches, ReplaceMode, ReplaceSwitches, ScheduleSwitches, SignaturePosition, SignatureSwitches,
    SpreadSwitches, TlvSwitches, Unknown, UnknownTlv, Window, ZeroOffset,
};

impl Default for LengthSwitches {
    fn default() -> Self {
        Self {
            unit: LengthUnit::Scalar,
            limit: 65,
            count_signature: true,
            multipart: Multipart::Reject,
            assembly_minutes: 10,
        }
    }
}

impl Default for SignatureSwitches {
    fn default() -> Self {
        Self {
            position: SignaturePosition::Tail,
            zone: 24,
            province: Need::All,
            city: Need::Any,
            foreign_consult: Foreign::Reject,
            province_numbers: vec!["1860".to_owned()],
            strip_format_chars: false,
            contact_needs_name: false,
            city_on_1258: CityOn1258::Province,
            extra_names: Vec::new(),
            extra_consults: Vec::new(),
        }
    }
}

impl Default for RegionSwitches {
    fn default() -> Self {
        Self {
            unknown: Unknown::Reject,
            province_scope: ProvinceScope::Anhui,
            operator_scope: OperatorScope::Warn,
            overlay: None,
        }
    }
}

impl Default for HoursSwitches {
    fn default() -> Self {
        let window = |start: u32, end: u32| Window { start: start * 3600, end: end * 3600 };
        Self {
            night: vec![window(22, 8)],
            busy: vec![window(11, 14), window(17, 18)],
            edge_guard_seconds: 0,
            check_submit_time: false,
            action: Avoid::Reject,
        }
    }
}

impl Default for HolidaySwitches {
    fn default() -> Self {
        Self { scope: HolidayScope::StatutoryDays, extra: Vec::new(), qixi: false, christmas_eve: false }
    }
}

impl Default for ScheduleSwitches {
    fn default() -> Self {
        Self { honoured: true, max_ahead_hours: 24, zero_offset: ZeroOffset::Both }
    }
}

impl Default for SpreadSwitches {
    fn default() -> Self {
        Self { limit: 200, window_seconds: 600, action: Avoid::Throttle, digits: 7 }
    }
}

impl Default for QuotaSwitches {
    fn default() -> Self {
        Self { scope: QuotaScope::Unit, users: 3000 }
    }
}

impl Default for EncodingSwitches {
    fn default() -> Self {
        Self { dc0: DefaultAlphabet::Gsm7, dc15: Dc15::Refuse }
    }
}

impl Default for TlvSwitches {
    fn default() -> Self {
        Self { unknown: UnknownTlv::Pass, allow: Vec::new() }
    }
}

impl Default for ReplaceSwitches {
    fn default() -> Self {
        Self { mode: ReplaceMode::Refuse, remember: 10_000 }
    }
}
