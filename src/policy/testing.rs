//! A small world for tests: a ruleset with the reference's defaults, four
//! accounts of Hefei and the province, and submissions written octet by octet.

use std::sync::Arc;

use crate::domain::{AccountClass, AccountId, Day, Moment, Segment, SourcePattern};
use crate::smpp::command;

use super::calendar::Calendar;
use super::mode::{Mode, Modes, Rule};
use super::reason::Reason;
use super::regions::{City, CityId, Operator, Place, Regions};
use super::ruleset::{Account, Identity, Network, Rate, Ruleset, UnitId};
use super::switches::{DefaultAlphabet, Switches};

/// An ordinary working day at an allowed hour.
pub(crate) const WEEKDAY: &str = "2026-11-24T09:30:00";

/// A submit_sm, field by field; the text is UCS-2 unless octets are given.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) service_type: String,
    pub(crate) source: (u8, u8, String),
    pub(crate) destination: (u8, u8, String),
    pub(crate) esm_class: u8,
    pub(crate) protocol_id: u8,
    pub(crate) schedule: String,
    pub(crate) validity: String,
    pub(crate) replace_if_present: u8,
    pub(crate) data_coding: u8,
    pub(crate) default_msg_id: u8,
    pub(crate) short_message: Vec<u8>,
    pub(crate) tlvs: Vec<(u16, Vec<u8>)>,
}

/// A moment of local time.
pub(crate) fn at(text: &str) -> Moment {
    Moment::parse(text).unwrap_or_else(|| panic!("`{text}` is no time"))
}

/// The octets of a text in UCS-2.
pub(crate) fn ucs2(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// Switches over a few real segments and the holidays of some of the years 2026 to 2029.
pub(crate) fn with_switches(switches: Switches) -> Ruleset {
    Ruleset {
        identity: Identity::unique(),
        version: 1,
        digest: [0; 8],
        switches,
        accounts: Vec::new(),
        by_system_id: Arc::default(),
        units: Arc::new(vec!["hefei".into(), "wuhu".into()]),
        regions: Arc::new(regions()),
        calendar: Arc::new(calendar()),
        content: Arc::default(),
        opted_out: Arc::default(),
    }
}

/// An account of a class, Hefei's where a city is needed; its rules are enforced, the exempt class's are off. Only
/// the registry's is off for all: whoever tests it registers something.
pub(crate) fn account(class: AccountClass) -> Account {
    let city = class.needs_city();
    let source = if city { "6202*" } else { "1258*" };
    let boxed = |numbers: &[&str]| numbers.iter().map(|number| Box::from(*number)).collect::<Vec<Box<str>>>();
    let exempt = class == AccountClass::ExemptPlatform;
    Account {
        id: AccountId(0),
        system_id: class.code().into(),
        class,
        unit: UnitId(0),
        city: city.then_some(CityId(0)),
        sources: vec![SourcePattern::parse(source).unwrap()],
        default_source: None,
        consult_numbers: if city { boxed(&["05511860", "055111111860"]) } else { Vec::new() },
        contact_numbers: if class == AccountClass::KeyAccount { boxed(&["13800138000"]) } else { Vec::new() },
        contact_name: Some("张三".into()),
        custodian: Some("张三".into()),
        customers: None,
        rate: Rate { per_second: 50, burst: 100 },
        daily_users: None,
        sessions: 4,
        networks: vec![Network::parse("127.0.0.0/8").unwrap()],
        dc0: DefaultAlphabet::Gsm7,
        quirks: crate::policy::Quirks::default(),
        modes: if exempt { exempt_modes() } else { without_registry() },
        statuses: Reason::ALL.map(Reason::status),
    }
}

fn without_registry() -> Modes {
    let mut modes = Modes::all(Mode::Enforce);
    modes.set(Rule::Content, Mode::Off);
    modes
}

fn exempt_modes() -> Modes {
    let mut modes = Modes::all(Mode::Off);
    modes.set(Rule::Source, Mode::Enforce);
    modes
}

impl Ruleset {
    /// Enters an account and gives it back.
    pub(crate) fn with(&mut self, mut account: Account) -> Arc<Account> {
        account.id = AccountId(self.accounts.len() as u32);
        let account = Arc::new(account);
        Arc::make_mut(&mut self.by_system_id).insert(account.system_id.clone(), account.id);
        self.accounts.push(Arc::clone(&account));
        account
    }
}

/// Segments as the table of December 2023 has them, and one of another province.
fn regions() -> Regions {
    let city = |slug: &str, name_cn: &str, name_en: &str, area_code: &str| City {
        slug: slug.to_owned(),
        name_cn: name_cn.to_owned(),
        name_en: name_en.to_owned(),
        area_code: area_code.to_owned(),
    };
    let mut regions = Regions::new(vec![
        city("hefei", "合肥", "Hefei", "0551"),
        city("wuhu", "芜湖", "Wuhu", "0553"),
        city("fuyang", "阜阳", "Fuyang", "0558"),
        city("bozhou", "亳州", "Bozhou", "0558"),
    ]);
    for (segment, city, operator) in [
        ("1385600", Some(0), Operator::Cmcc),
        ("1300002", Some(0), Operator::Cucc), // Chaohu's until 2011
        ("1347073", Some(1), Operator::Cmcc),
        ("1395580", Some(2), Operator::Cmcc),
        ("1348590", Some(3), Operator::Cmcc),
        ("1390001", None, Operator::Cmcc),
    ] {
        assert!(regions.insert(Segment::parse(segment).unwrap(), Place { city: city.map(CityId), operator }));
    }
    regions
}

fn calendar() -> Calendar {
    let days = [
        ("2026-01-01", "元旦"),
        ("2026-02-14", "情人节"),
        ("2026-02-16", "春节"),
        ("2026-02-17", "春节"),
        ("2026-02-18", "春节"),
        ("2026-02-19", "春节"),
        ("2026-06-19", "端午节"),
        ("2026-09-25", "中秋节"),
        ("2026-12-25", "圣诞节"),
        ("2027-01-01", "元旦"),
        ("2029-02-12", "春节"),
        ("2029-02-13", "春节"),
        ("2029-02-14", "春节、情人节"),
        ("2029-02-15", "春节"),
    ];
    Calendar::new(2026, 2029, days.map(|(day, name)| (Day::parse(day).unwrap(), name.to_owned())))
}

impl Frame {
    /// A submission of a class's source to a subscriber of Hefei.
    pub(crate) fn new(source: &str, text: &str) -> Self {
        Self {
            service_type: String::new(),
            source: (0, 1, source.to_owned()),
            destination: (1, 1, "8613856000001".to_owned()),
            esm_class: 0,
            protocol_id: 0,
            schedule: String::new(),
            validity: String::new(),
            replace_if_present: 0,
            data_coding: 8,
            default_msg_id: 0,
            short_message: ucs2(text),
            tlvs: Vec::new(),
        }
    }

    /// The whole PDU. A text that short_message cannot hold goes into message_payload.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let mut body: Vec<u8> = self.service_type.bytes().chain([0]).collect();
        for (ton, npi, digits) in [&self.source, &self.destination] {
            body.extend([*ton, *npi]);
            body.extend(digits.bytes().chain([0]));
        }
        body.extend([self.esm_class, self.protocol_id, 0]);
        body.extend(self.schedule.bytes().chain([0]));
        body.extend(self.validity.bytes().chain([0]));
        body.extend([0, self.replace_if_present, self.data_coding, self.default_msg_id]);
        let mut tlvs = self.tlvs.clone();
        if self.short_message.len() <= 254 {
            body.push(self.short_message.len() as u8);
            body.extend(&self.short_message);
        } else {
            body.push(0);
            tlvs.push((0x0424, self.short_message.clone()));
        }
        for (tag, value) in tlvs {
            body.extend(tag.to_be_bytes().into_iter().chain((value.len() as u16).to_be_bytes()).chain(value));
        }
        let mut frame = Vec::new();
        for word in [body.len() as u32 + 16, command::SUBMIT_SM, 0, 7] {
            frame.extend(word.to_be_bytes());
        }
        frame.extend(body);
        frame
    }
}
