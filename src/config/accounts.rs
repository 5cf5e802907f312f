//! `accounts.toml`: the designated accounts (2.4, 6.1, 6.2), each with everything resolved that a decision needs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::{AccountClass, AccountId, Msisdn, SourcePattern};
use crate::policy::regions::{CityId, Regions};
use crate::policy::ruleset::{Account, Network, Rate, UnitId};
use crate::policy::switches::{Avoid, DefaultAlphabet, Switches};
use crate::policy::{Mode, Quirk, Reason, Rule};

use super::document::Document;
use super::problem::Problem;
use super::switches::{NUMBER_HINT, bare_digits, rule_hint, status_fault};
use super::{modes, sources, suggest};

/// Rate of an account that names none.
const RATE: Rate = Rate { per_second: 50, burst: 100 };
/// Most messages per second, and at once.
const RATE_MAX: u32 = 1_000_000;
/// Sessions of an account that names no number.
const SESSIONS: u32 = 4;
const SESSIONS_MAX: u32 = 10_000;
/// `system_id` holds 16 octets, the last is NUL.
const SYSTEM_ID_MAX: usize = 15;
/// With the quirk `long_system_id`.
const SYSTEM_ID_LONG: usize = 63;

/// The file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    account: Vec<Entry>,
}

/// An `[[account]]` as written.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Entry {
    system_id: String,
    class: Option<AccountClass>,
    unit: String,
    city: Option<String>,
    sources: Vec<String>,
    source_default: Option<String>,
    consult_numbers: Vec<String>,
    contact_numbers: Vec<String>,
    contact_name: Option<String>,
    customers: Option<String>,
    custodian: Option<String>,
    rate: Option<Rate>,
    daily_users: Option<u32>,
    sessions: Option<u32>,
    networks: Vec<String>,
    dc0: Option<DefaultAlphabet>,
    quirks: Vec<Quirk>,
    mode: Option<Mode>,
    modes: BTreeMap<String, Mode>,
    status: BTreeMap<String, u32>,
}

/// The accounts, ready for a ruleset.
#[derive(Default)]
pub(super) struct Accounts {
    pub(super) list: Vec<Arc<Account>>,
    pub(super) by_system_id: HashMap<Box<str>, AccountId>,
    pub(super) units: Vec<Box<str>>,
}

/// What the accounts are judged against.
pub(super) struct Context<'a> {
    pub(super) switches: &'a Switches,
    pub(super) regions: &'a Regions,
    /// Reads a customer list.
    pub(super) customers: &'a dyn Fn(&str, &mut Vec<Problem>) -> Option<Customers>,
}

/// A manager's customers.
pub(super) type Customers = HashSet<Msisdn, foldhash::fast::RandomState>;

/// Reads the accounts.
pub(super) fn read(document: &mut Document<'_>, context: &Context<'_>, problems: &mut Vec<Problem>) -> Accounts {
    let file: File = document.decode(problems);
    if file.account.is_empty() && !document.is_broken() {
        let none = document.problem("account", "no account is designated, so nobody could send");
        problems.push(none.hint("add an [[account]]"));
    }
    let mut read = Accounts::default();
    let mut seen = HashSet::new();
    for (index, entry) in file.account.iter().enumerate() {
        let mut one = One { index, entry, document, context, problems };
        one.unique(seen.insert(entry.system_id.as_str()));
        if let Some(account) = one.account(&mut read.units) {
            read.by_system_id.insert(account.system_id.clone(), account.id);
            read.list.push(Arc::new(account));
        }
    }
    problems.extend(sources::overlaps(document, &read));
    read
}

/// One account on its way from the file to the ruleset.
struct One<'a, 'd> {
    index: usize,
    entry: &'a Entry,
    document: &'a Document<'d>,
    context: &'a Context<'a>,
    problems: &'a mut Vec<Problem>,
}

impl One<'_, '_> {
    fn at(&self, key: &str, message: impl AsRef<str>) -> Problem {
        let name = if self.entry.system_id.is_empty() { "account" } else { &self.entry.system_id };
        self.document.problem(&format!("account.{}.{key}", self.index), format!("{name}: {}", message.as_ref()))
    }

    fn refuse(&mut self, key: &str, message: impl AsRef<str>, hint: impl Into<Box<str>>) {
        let problem = self.at(key, message).hint(hint);
        self.problems.push(problem);
    }

    /// A key that must be there, unless it may be the one that could not be read.
    fn missing(&mut self, key: &str, why: &str, hint: &str) {
        if !self.document.is_cut(&format!("account.{}", self.index)) {
            self.refuse(key, format!("no `{key}`: {why}"), hint);
        }
    }

    fn unique(&mut self, first: bool) {
        if !first && !self.entry.system_id.is_empty() {
            self.refuse("system_id", "the system_id stands twice", "one account, one system_id: rename or remove one");
        }
    }

    fn account(&mut self, units: &mut Vec<Box<str>>) -> Option<Account> {
        self.check_names();
        let Some(class) = self.entry.class else {
            let known = AccountClass::ALL.map(AccountClass::code).join("`, `");
            self.missing("class", "it decides which clauses apply", &format!("one of `{known}`"));
            return None;
        };
        let switches = self.context.switches;
        let customers = self.customers(class);
        self.check_modes(class, customers.is_some());
        self.check_daily_users(class);
        self.check_city_class(class);
        let sources = self.sources();
        Some(Account {
            id: AccountId(u32::try_from(self.index).ok()?),
            system_id: self.entry.system_id.clone().into(),
            class,
            unit: unit(units, &self.entry.unit)?,
            city: self.city(),
            default_source: self.source_default(&sources),
            sources,
            consult_numbers: self.numbers("consult_numbers", &self.entry.consult_numbers),
            contact_numbers: self.numbers("contact_numbers", &self.entry.contact_numbers),
            contact_name: self.entry.contact_name.clone().map(Into::into),
            custodian: self.entry.custodian.clone().map(Into::into),
            modes: modes::resolve(class, customers.is_some(), switches, self.entry.mode, &self.entry.modes),
            customers,
            rate: self.rate(),
            daily_users: self.entry.daily_users,
            sessions: self.sessions(),
            networks: self.networks(),
            dc0: self.entry.dc0.unwrap_or(switches.encoding.dc0),
            quirks: self.entry.quirks.iter().copied().collect(),
            statuses: self.statuses(),
        })
    }

    fn check_names(&mut self) {
        let id = &self.entry.system_id;
        let long = self.entry.quirks.contains(&Quirk::LongSystemId);
        let longest = if long { SYSTEM_ID_LONG } else { SYSTEM_ID_MAX };
        if id.is_empty() {
            self.missing("system_id", "it is what the account binds with", "system_id = \"hf6202\"");
        } else if id.len() > longest || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            let hint = format!("1 to {longest} printable ASCII characters without spaces");
            self.refuse("system_id", "no SMPP client could send this system_id", hint);
        }
        if self.entry.unit.trim().is_empty() {
            self.missing("unit", "every account belongs to one unit (1.4)", "a department or city, unit = \"hefei\"");
        }
    }

    /// The city classes name their city (7.3) and the person who answers for them (6.2).
    fn check_city_class(&mut self, class: AccountClass) {
        if !class.needs_city() {
            return;
        }
        if self.entry.city.is_none() {
            self.missing(
                "city",
                "a city's account belongs to one city (7.3)",
                "city = \"hefei\", a slug of cities.csv",
            );
        }
        if self.entry.custodian.as_deref().is_none_or(|custodian| custodian.trim().is_empty()) {
            self.missing("custodian", "somebody must answer for the account (6.2)", "custodian = \"name, telephone\"");
        }
        let needs_name = class == AccountClass::KeyAccount && self.context.switches.signature.contact_needs_name;
        if needs_name && self.entry.contact_name.is_none() {
            self.missing("contact_name", "signature.contact_needs_name asks for it (5.1.3)", "contact_name = \"name\"");
        }
    }

    fn city(&mut self) -> Option<CityId> {
        let slug = self.entry.city.as_deref()?;
        let regions = self.context.regions;
        let city = regions.city(slug);
        // Without a table of cities every city would be unknown, and that is reported already.
        if city.is_none() && !regions.cities().is_empty() {
            let known = regions.cities().iter().map(|city| city.slug.as_str());
            self.refuse("city", format!("unknown city `{slug}`"), suggest::hint(slug, known));
        }
        city
    }

    fn sources(&mut self) -> Vec<SourcePattern> {
        if self.entry.sources.is_empty() {
            self.missing("sources", "an account uses only its own addresses (2.4)", "sources = [\"62020551*\"]");
        }
        let mut sources = Vec::new();
        for (index, text) in self.entry.sources.iter().enumerate() {
            match SourcePattern::parse(text) {
                Ok(pattern) => sources.push(pattern),
                Err(error) => {
                    let hint = "an address such as \"62020551\", or a prefix such as \"62020551*\"";
                    self.refuse(&format!("sources.{index}"), error.to_string(), hint);
                }
            }
        }
        sources
    }

    fn source_default(&mut self, sources: &[SourcePattern]) -> Option<Box<str>> {
        let address = self.entry.source_default.as_deref()?;
        if !sources.iter().any(|pattern| pattern.matches(address.as_bytes())) {
            let message = format!("`{address}` is not one of the account's sources");
            self.refuse("source_default", message, "name an address that `sources` allows");
        }
        Some(address.into())
    }

    /// The numbers as bare digits. A wrong one is not repeated in the message: it could be a person's.
    fn numbers(&mut self, key: &str, numbers: &[String]) -> Vec<Box<str>> {
        let mut bare = Vec::new();
        for (index, number) in numbers.iter().enumerate() {
            match bare_digits(number) {
                Some(digits) => bare.push(digits.into()),
                None => self.refuse(&format!("{key}.{index}"), "not a telephone number", NUMBER_HINT),
            }
        }
        bare
    }

    fn customers(&mut self, class: AccountClass) -> Option<Customers> {
        let file = self.entry.customers.as_deref()?;
        if class != AccountClass::KeyAccount {
            self.refuse("customers", format!("a list of customers has no effect for {class}"), "remove it (5.1.3)");
        }
        (self.context.customers)(file, self.problems)
    }

    fn rate(&mut self) -> Rate {
        let rate = self.entry.rate.unwrap_or(RATE);
        for (key, value) in [("rate.per_second", rate.per_second), ("rate.burst", rate.burst)] {
            if !(1..=RATE_MAX).contains(&value) {
                self.refuse(key, format!("{value} is out of range"), format!("expected 1 to {RATE_MAX}"));
            }
        }
        rate
    }

    fn check_daily_users(&mut self, class: AccountClass) {
        let (Some(users), quota) = (self.entry.daily_users, self.context.switches.quota.users) else { return };
        if users == 0 {
            self.refuse("daily_users", "0 would refuse every message", "remove the account, or pause it");
        } else if users > quota && quota > 0 {
            let hint = format!("at most {quota}: an account may only lower quota.users (7.1b)");
            self.refuse("daily_users", format!("{users} is above quota.users"), hint);
        }
        if !modes::applies(class, false, self.context.switches, Rule::Quota) {
            self.refuse("daily_users", format!("a daily quota has no effect for {class}"), "remove it (7.1b)");
        }
    }

    fn sessions(&mut self) -> u32 {
        let sessions = self.entry.sessions.unwrap_or(SESSIONS);
        if !(1..=SESSIONS_MAX).contains(&sessions) {
            self.refuse("sessions", format!("{sessions} is out of range"), format!("expected 1 to {SESSIONS_MAX}"));
        }
        sessions
    }

    fn networks(&mut self) -> Vec<Network> {
        if self.entry.networks.is_empty() {
            self.missing("networks", "nothing is allowed by default (6.1)", "networks = [\"10.5.51.0/24\"]");
        }
        let mut networks = Vec::new();
        for (index, text) in self.entry.networks.iter().enumerate() {
            let key = format!("networks.{index}");
            match Network::parse(text) {
                Ok(network) if network.to_string().ends_with("/0") => {
                    let open = self.at(&key, format!("`{text}` lets the account connect from anywhere"));
                    self.problems.push(open.warning().hint("name the networks its senders are in (6.1)"));
                    networks.push(network);
                }
                Ok(network) => networks.push(network),
                Err(_) => {
                    let hint = "write 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32";
                    self.refuse(&key, format!("`{text}` is not a network"), hint);
                }
            }
        }
        networks
    }

    fn check_modes(&mut self, class: AccountClass, has_customers: bool) {
        for (code, mode) in &self.entry.modes {
            let key = format!("modes.{code}");
            let Some(rule) = Rule::from_code(code) else {
                self.refuse(&key, format!("unknown rule `{code}`"), rule_hint(code));
                continue;
            };
            if *mode != Mode::Off && !modes::applies(class, has_customers, self.context.switches, rule) {
                let idle = self.at(&key, format!("`{code}` does not bind {class}, so it stays off"));
                self.problems.push(idle.warning().hint("remove it"));
            }
        }
    }

    /// The catalogue's statuses, then the site's, then the account's.
    fn statuses(&mut self) -> [u32; Reason::ALL.len()] {
        for (code, status) in &self.entry.status {
            if let Some((message, hint)) = status_fault(code, *status) {
                self.refuse(&format!("status.{code}"), message, hint);
            }
        }
        let own = |reason: Reason| self.entry.status.get(reason.code());
        let site = |reason: Reason| self.context.switches.status.get(reason.code());
        let usual = |reason: Reason| match reason {
            // A permanent answer where the site wants one.
            Reason::Spread if self.context.switches.spread.action == Avoid::Reject => Reason::Duplicate.status(),
            reason => reason.status(),
        };
        Reason::ALL.map(|reason| own(reason).or_else(|| site(reason)).copied().unwrap_or_else(|| usual(reason)))
    }
}

/// The unit's index; a new unit is entered.
fn unit(units: &mut Vec<Box<str>>, name: &str) -> Option<UnitId> {
    let name = name.trim();
    let index = units.iter().position(|own| &**own == name).unwrap_or_else(|| {
        units.push(name.into());
        units.len() - 1
    });
    u16::try_from(index).ok().map(UnitId)
}
