//! Accounts that come, go and change.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::policy::{Account, Mode, Quirk, Reason, Rule, Ruleset};

use super::direction::of_sets;
use super::{Change, Effect, of_modes};

/// Every account that is not the same in both.
pub(super) fn between(old: &Ruleset, new: &Ruleset) -> Vec<Change> {
    let mut changes = Vec::new();
    for account in &old.accounts {
        match new.account(&account.system_id) {
            None => changes.push(whole(account, Some(old), None)),
            Some(other) => changes.extend(Pair { old: account, new: other, sites: (old, new) }.changes()),
        }
    }
    let fresh = new.accounts.iter().filter(|account| old.account(&account.system_id).is_none());
    changes.extend(fresh.map(|account| whole(account, None, Some(new))));
    changes
}

/// An account that comes or goes.
fn whole(account: &Account, old: Option<&Ruleset>, new: Option<&Ruleset>) -> Change {
    let shown = |rules: Option<&Ruleset>| {
        rules.map_or(Value::Null, |rules| format!("{} of {}", account.class, rules.unit(account.unit)).into())
    };
    let effect = if new.is_some() { Effect::Loosens } else { Effect::Tightens };
    Change { key: format!("account.{}", account.system_id), old: shown(old), new: shown(new), effect }
}

/// One account in both.
struct Pair<'a> {
    old: &'a Account,
    new: &'a Account,
    sites: (&'a Ruleset, &'a Ruleset),
}

impl Pair<'_> {
    fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut tell = |key: &str, old: Value, new: Value, effect: Effect| {
            changes.push(Change { key: format!("account.{}.{key}", self.old.system_id), old, new, effect });
        };
        let Self { old, new, .. } = self;
        let differ = |old: &str, new: &str| if old == new { Effect::Neither } else { Effect::Either };
        for (key, [was, is]) in [
            ("class", [old.class.code(), new.class.code()]),
            ("unit", [self.sites.0.unit(old.unit), self.sites.1.unit(new.unit)]),
            ("city", [city(self.sites.0, old), city(self.sites.1, new)]),
        ] {
            if was != is {
                tell(key, was.into(), is.into(), differ(was, is));
            }
        }
        self.addresses(&mut tell);
        self.persons(&mut tell);
        self.limits(&mut tell);
        self.rest(&mut tell);
        changes
    }

    /// Where it sends from and connects from.
    fn addresses(&self, tell: &mut impl FnMut(&str, Value, Value, Effect)) {
        let Self { old, new, .. } = self;
        let words = |items: Vec<String>| items.into_iter().collect::<BTreeSet<_>>();
        let sources = |account: &Account| words(account.sources.iter().map(ToString::to_string).collect());
        let networks = |account: &Account| words(account.networks.iter().map(ToString::to_string).collect());
        for (key, was, is) in [("sources", sources(old), sources(new)), ("networks", networks(old), networks(new))] {
            if was != is {
                let effect = of_sets(&was, &is);
                tell(key, was.into_iter().collect(), is.into_iter().collect(), effect);
            }
        }
        if old.default_source != new.default_source {
            let effect = of_options(old.default_source.is_some(), new.default_source.is_some());
            let shown = |source: &Option<Box<str>>| source.as_deref().map_or(Value::Null, Into::into);
            tell("source_default", shown(&old.default_source), shown(&new.default_source), effect);
        }
    }

    /// Numbers and names of persons: how many, or that they changed.
    fn persons(&self, tell: &mut impl FnMut(&str, Value, Value, Effect)) {
        let Self { old, new, .. } = self;
        let numbers = |numbers: &[Box<str>]| numbers.iter().cloned().collect::<BTreeSet<_>>();
        for (key, was, is) in [
            ("consult_numbers", &old.consult_numbers, &new.consult_numbers),
            ("contact_numbers", &old.contact_numbers, &new.contact_numbers),
        ] {
            if was != is {
                // Without contact numbers any telephone number in the text will do.
                let any = key == "contact_numbers" && (was.is_empty() || is.is_empty());
                let effect = if any {
                    of_options(!is.is_empty(), !was.is_empty())
                } else {
                    of_sets(&numbers(was), &numbers(is))
                };
                tell(key, count(was.len(), "number"), count(is.len(), "number"), effect);
            }
        }
        if old.customers != new.customers {
            let effect = match (&old.customers, &new.customers) {
                (Some(was), Some(is)) => of_sets(&was.iter().collect(), &is.iter().collect()),
                (was, is) => of_options(is.is_some(), was.is_some()),
            };
            let shown = |account: &Account| {
                account.customers.as_ref().map_or(Value::Null, |customers| count(customers.len(), "customer"))
            };
            tell("customers", shown(old), shown(new), effect);
        }
        for (key, was, is, effect) in [
            ("contact_name", &old.contact_name, &new.contact_name, Effect::Either),
            ("custodian", &old.custodian, &new.custodian, Effect::Neither),
        ] {
            if was != is {
                let shown = |name: &Option<Box<str>>| if name.is_some() { "(set)".into() } else { Value::Null };
                tell(key, shown(was), shown(is), effect);
            }
        }
    }

    fn limits(&self, tell: &mut impl FnMut(&str, Value, Value, Effect)) {
        let Self { old, new, .. } = self;
        for (key, was, is) in [
            ("rate.per_second", old.rate.per_second, new.rate.per_second),
            ("rate.burst", old.rate.burst, new.rate.burst),
            ("sessions", old.sessions, new.sessions),
        ] {
            if was != is {
                tell(key, was.into(), is.into(), of_numbers(was, is));
            }
        }
        if old.daily_users != new.daily_users {
            let effect = of_numbers(old.daily_users.unwrap_or(u32::MAX), new.daily_users.unwrap_or(u32::MAX));
            let shown = |users: Option<u32>| users.map_or(Value::Null, Into::into);
            tell("daily_users", shown(old.daily_users), shown(new.daily_users), effect);
        }
    }

    fn rest(&self, tell: &mut impl FnMut(&str, Value, Value, Effect)) {
        let Self { old, new, .. } = self;
        if old.dc0 != new.dc0 {
            let word = |dc0| serde_json::to_value(dc0).unwrap_or_default();
            tell("dc0", word(old.dc0), word(new.dc0), Effect::Either);
        }
        let quirks = |account: &Account| {
            Quirk::ALL.into_iter().filter(|quirk| account.quirks.has(*quirk)).map(Quirk::code).collect()
        };
        let (was, is): (BTreeSet<&str>, BTreeSet<&str>) = (quirks(old), quirks(new));
        if was != is {
            let effect = of_sets(&was, &is);
            tell("quirks", was.into_iter().collect(), is.into_iter().collect(), effect);
        }
        for rule in Rule::ALL {
            let (was, is): (Mode, Mode) = (old.modes.get(rule), new.modes.get(rule));
            if was != is {
                let word = |mode| serde_json::to_value(mode).unwrap_or_default();
                tell(&format!("modes.{}", rule.code()), word(was), word(is), of_modes(was, is));
            }
        }
        for reason in Reason::ALL.into_iter().filter(|reason| old.status(*reason) != new.status(*reason)) {
            let site = |rules: &Ruleset| rules.switches.status.get(reason.code()).copied();
            if site(self.sites.0) != site(self.sites.1) {
                continue; // told once, for the site
            }
            let (was, is) = (old.status(reason), new.status(reason));
            tell(&format!("status.{}", reason.code()), was.into(), is.into(), Effect::Neither);
        }
    }
}

fn city<'r>(rules: &'r Ruleset, account: &Account) -> &'r str {
    account.city.and_then(|city| rules.regions.city_of(city)).map_or("-", |city| &city.slug)
}

fn count(count: usize, what: &str) -> Value {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" }).into()
}

const fn of_numbers(old: u32, new: u32) -> Effect {
    if new > old { Effect::Loosens } else { Effect::Tightens }
}

/// Something that lets more pass comes or goes, or becomes another.
const fn of_options(old: bool, new: bool) -> Effect {
    match (old, new) {
        (false, true) => Effect::Loosens,
        (true, false) => Effect::Tightens,
        _ => Effect::Either,
    }
}
