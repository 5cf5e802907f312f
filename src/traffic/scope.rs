//! Which part of the traffic something acts on.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use crate::domain::AccountClass;

/// A part of the traffic: `all`, `class:city_moa`, `unit:hefei`, `city:hefei`,
/// `account:hf6202`, `smsc:192.0.2.1:2775`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Every account, the exempt ones too.
    All,
    /// The accounts of a class.
    Class(AccountClass),
    /// The accounts of a unit, by its name in `accounts.toml`.
    Unit(Box<str>),
    /// The accounts of a city, by its slug.
    City(Box<str>),
    /// One account, by its system_id.
    Account(Box<str>),
    /// What goes to one SMSC, by its address as configured.
    Smsc(Box<str>),
}

/// Whose traffic it is, and where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// The account's system_id.
    pub account: &'a str,
    /// Its class.
    pub class: AccountClass,
    /// Its unit.
    pub unit: &'a str,
    /// Its city's slug.
    pub city: Option<&'a str>,
    /// The SMSC's address.
    pub smsc: &'a str,
}

/// The text names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a scope: write `all`, `class:CLASS`, `unit:NAME`, `city:SLUG`, `account:SYSTEM_ID` or `smsc:ADDRESS`"
)]
pub struct NotAScope(String);

/// Several scopes, asked as one.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    all: bool,
    classes: [bool; AccountClass::ALL.len()],
    units: HashSet<Box<str>>,
    cities: HashSet<Box<str>>,
    accounts: HashSet<Box<str>>,
    smscs: HashSet<Box<str>>,
}

// === impl Scope ===

impl Scope {
    /// The kinds, as metric labels.
    pub const KINDS: [&'static str; 6] = ["all", "class", "unit", "city", "account", "smsc"];

    /// Reads the two halves of a scope; `all` takes no id.
    pub fn new(kind: &str, id: Option<&str>) -> Result<Self, NotAScope> {
        let wrong = || NotAScope(id.map_or_else(|| kind.to_owned(), |id| format!("{kind}:{id}")));
        let id = id.map(str::trim).filter(|id| !id.is_empty());
        Ok(match (kind, id) {
            ("all", None) => Self::All,
            ("class", Some(id)) => {
                let class = AccountClass::ALL.into_iter().find(|class| class.code() == id);
                Self::Class(class.ok_or_else(wrong)?)
            }
            ("unit", Some(id)) => Self::Unit(id.into()),
            ("city", Some(id)) => Self::City(id.into()),
            ("account", Some(id)) => Self::Account(id.into()),
            ("smsc", Some(id)) => Self::Smsc(id.into()),
            _ => return Err(wrong()),
        })
    }

    /// Which kind it is.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Class(_) => "class",
            Self::Unit(_) => "unit",
            Self::City(_) => "city",
            Self::Account(_) => "account",
            Self::Smsc(_) => "smsc",
        }
    }

    /// Which one of the kind; `None` for `all`.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Class(class) => Some(class.code()),
            Self::Unit(id) | Self::City(id) | Self::Account(id) | Self::Smsc(id) => Some(id),
        }
    }

    /// Whether a party's traffic is part of it.
    pub fn covers(&self, party: &Party<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Class(class) => *class == party.class,
            Self::Unit(id) => **id == *party.unit,
            Self::City(id) => Some(&**id) == party.city,
            Self::Account(id) => **id == *party.account,
            Self::Smsc(id) => **id == *party.smsc,
        }
    }
}

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        match text.trim().split_once(':') {
            Some((kind, id)) => Self::new(kind, Some(id)),
            None => Self::new(text.trim(), None),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id() {
            Some(id) => write!(f, "{}:{id}", self.kind()),
            None => f.write_str(self.kind()),
        }
    }
}

// === impl Reach ===

impl Reach {
    /// All of several scopes.
    pub(super) fn of<'a>(scopes: impl Iterator<Item = &'a Scope>) -> Self {
        let mut reach = Self::default();
        for scope in scopes {
            match scope {
                Scope::All => reach.all = true,
                Scope::Class(class) => reach.classes[*class as usize] = true,
                Scope::Unit(id) => drop(reach.units.insert(id.clone())),
                Scope::City(id) => drop(reach.cities.insert(id.clone())),
                Scope::Account(id) => drop(reach.accounts.insert(id.clone())),
                Scope::Smsc(id) => drop(reach.smscs.insert(id.clone())),
            }
        }
        reach
    }

    /// Whether one of them covers the party.
    pub(super) fn covers(&self, party: &Party<'_>) -> bool {
        self.all
            || self.classes[party.class as usize]
            || self.units.contains(party.unit)
            || party.city.is_some_and(|city| self.cities.contains(city))
            || self.accounts.contains(party.account)
            || self.smscs.contains(party.smsc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTY: Party<'static> = Party {
        account: "hf6202",
        class: AccountClass::CityMoa,
        unit: "hefei-market",
        city: Some("hefei"),
        smsc: "192.0.2.1:2775",
    };

    #[test]
    fn a_scope_reads_back_as_it_is_written() {
        for text in
            ["all", "class:city_moa", "unit:hefei-market", "city:hefei", "account:hf6202", "smsc:192.0.2.1:2775"]
        {
            let scope: Scope = text.parse().expect(text);
            assert_eq!(scope.to_string(), text);
            assert!(scope.covers(&PARTY), "{text}");
            assert!(Reach::of([&scope].into_iter()).covers(&PARTY), "{text}");
            assert!(Scope::KINDS.contains(&scope.kind()));
        }
        for text in ["", "everything", "all:x", "class:vip", "account:", "account: ", "city", "smsc"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_scope_covers_nothing_else() {
        let others =
            ["class:key_account", "unit:hefei", "city:wuhu", "account:hf62021", "smsc:192.0.2.1:277", "account:HF6202"];
        let others: Vec<Scope> = others.iter().map(|text| text.parse().expect("a scope")).collect();
        assert!(others.iter().all(|scope| !scope.covers(&PARTY)));
        assert!(!Reach::of(others.iter()).covers(&PARTY));
        let nowhere = Party { city: None, ..PARTY };
        assert!(!Scope::City("hefei".into()).covers(&nowhere));
    }
}
