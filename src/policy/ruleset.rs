//! Everything a decision depends on, immutable and versioned; swapped as a whole.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::{AccountClass, AccountId, Msisdn, SourcePattern};

use super::calendar::Calendar;
use super::content::Content;
use super::mode::Modes;
use super::opted_out::OptedOut;
use super::quirks::{Quirk, Quirks};
use super::reason::Reason;
use super::regions::{CityId, Regions};
use super::switches::{DefaultAlphabet, Switches, ZeroOffset};

/// One version of the policy with its accounts and tables.
#[derive(Clone, Debug)]
pub struct Ruleset {
    /// Tells it from every other of the process.
    pub identity: Identity,
    /// Counts up with every load; reported with each verdict (P10).
    pub version: u64,
    /// The first octets of the SHA-256 of the configuration it was loaded from; tells it from those of other processes.
    pub digest: [u8; 8],
    /// The switches.
    pub switches: Switches,
    /// The accounts, by [`AccountId`].
    pub accounts: Vec<Arc<Account>>,
    /// Position of an account by system_id.
    pub by_system_id: Arc<HashMap<Box<str>, AccountId>>,
    /// Units, by [`UnitId`].
    pub units: Arc<Vec<Box<str>>>,
    /// Number tables.
    pub regions: Arc<Regions>,
    /// Holidays.
    pub calendar: Arc<Calendar>,
    /// The registered and approved texts.
    pub content: Arc<Content>,
    /// Who has opted out.
    pub opted_out: Arc<OptedOut>,
}

/// What one [`Ruleset`] has and no other of the process, so that something found under it can be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(u64);

/// Index of a unit in [`Ruleset::units`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnitId(pub u16);

/// A designated account (2.4) with everything resolved that a decision needs.
#[derive(Debug)]
pub struct Account {
    /// Its place in [`Ruleset::accounts`].
    pub id: AccountId,
    /// What it binds with.
    pub system_id: Box<str>,
    /// Which clauses apply.
    pub class: AccountClass,
    /// Whose account it is (1.4).
    pub unit: UnitId,
    /// The city of a city class; for `province_1258` the city whose campaigns it sends, if any.
    pub city: Option<CityId>,
    /// Its source addresses.
    pub sources: Vec<SourcePattern>,
    /// Written in when `source_addr` is empty.
    pub default_source: Option<Box<str>>,
    /// Local consultation numbers, bare digits.
    pub consult_numbers: Vec<Box<str>>,
    /// The manager's contact numbers, bare digits.
    pub contact_numbers: Vec<Box<str>>,
    /// The manager's name.
    pub contact_name: Option<Box<str>>,
    /// Who answers for account and password (6.2).
    pub custodian: Option<Box<str>>,
    /// Recipients the manager may send to; `None` for all of the city.
    pub customers: Option<HashSet<Msisdn, foldhash::fast::RandomState>>,
    /// Messages per second and burst.
    pub rate: Rate,
    /// Subscribers per day for this account alone, never above the unit's.
    pub daily_users: Option<u32>,
    /// Sessions at a time.
    pub sessions: u32,
    /// Where it may connect from (6.1).
    pub networks: Vec<Network>,
    /// What data_coding 0 means for it.
    pub dc0: DefaultAlphabet,
    /// What is tolerated of its software.
    pub quirks: Quirks,
    /// Mode of every rule.
    pub modes: Modes,
    /// command_status by reason.
    pub statuses: [u32; Reason::ALL.len()],
}

/// An account's rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Messages per second, 1..=1 000 000.
    pub per_second: u32,
    /// Messages at once, 1..=1 000 000.
    pub burst: u32,
}

/// A network in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Identity {
    /// One that nobody has yet.
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Ruleset {
    /// The same rules over other registered texts and another list of those who have opted out; what is large is shared.
    #[must_use]
    pub fn with_registry(&self, content: Arc<Content>, opted_out: Arc<OptedOut>) -> Self {
        Self { identity: Identity::unique(), content, opted_out, ..self.clone() }
    }

    /// The account of a system_id.
    pub fn account(&self, system_id: &str) -> Option<&Arc<Account>> {
        self.by_system_id.get(system_id).map(|id| &self.accounts[id.0 as usize])
    }

    /// The unit's name; empty for the unit of another site that this one does not have.
    pub fn unit(&self, id: UnitId) -> &str {
        self.units.get(usize::from(id.0)).map_or("", |name| name)
    }
}

impl Account {
    /// The command_status this account is refused with.
    pub fn status(&self, reason: Reason) -> u32 {
        self.statuses[reason.index()]
    }

    /// The command_status of a case that has one of its own, unless the site has set another for the reason.
    pub fn status_or(&self, reason: Reason, own: Option<u32>) -> u32 {
        match (self.status(reason), own) {
            (configured, Some(own)) if configured == reason.status() => own,
            (configured, _) => configured,
        }
    }

    /// How an absolute time with offset 00 is read for the account.
    pub const fn zero_offset(&self, switches: &Switches) -> ZeroOffset {
        if self.quirks.has(Quirk::LocalOffset00) { ZeroOffset::Local } else { switches.schedule.zero_offset }
    }

    /// Whether the account may connect from an address.
    pub fn admits(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}

impl Network {
    /// Reads `10.0.0.0/8`, `::1/128` or one address.
    pub fn parse(text: &str) -> Result<Self, String> {
        let hint = || format!("`{text}` is not a network: write 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| hint())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(widest), str::parse).map_err(|_| hint())?;
        if bits > widest {
            return Err(hint());
        }
        Ok(Self { address, bits })
    }

    /// Whether the network holds the address; an IPv4 address in IPv6 form is taken as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                u32::from(own) & mask == u32::from(other) & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                u128::from(own) & mask == u128::from(other) & mask
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_match_by_prefix() {
        let loopback = Network::parse("127.0.0.0/8").expect("valid");
        assert!(loopback.contains("127.9.9.9".parse().expect("valid")));
        assert!(loopback.contains("::ffff:127.0.0.1".parse().expect("valid")));
        assert!(!loopback.contains("128.0.0.1".parse().expect("valid")));
        assert!(!loopback.contains("::1".parse().expect("valid")));
        assert!(Network::parse("0.0.0.0/0").expect("valid").contains("8.8.8.8".parse().expect("valid")));
        assert!(Network::parse("10.0.0.0/33").is_err() && Network::parse("ten").is_err());
    }
}
