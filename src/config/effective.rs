//! The configuration in force, for people and programs: each key with its value, origin and clause.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::policy::switches::Switches;
use crate::policy::{Account, Mode, Rule};

use super::catalogue::{Key, POLICY, SETTINGS, Values};
use super::layer::Origin;
use super::load::Configuration;

/// A key in force.
#[derive(Clone, Debug, Serialize)]
pub struct Setting {
    /// `section.key`.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// Where it was set.
    pub origin: Origin,
    /// The clause it serves.
    pub clause: &'static str,
}

/// An account in force.
#[derive(Clone, Debug, Serialize)]
pub struct AccountLine {
    /// What it binds with.
    pub system_id: String,
    /// Its class.
    pub class: &'static str,
    /// Its unit.
    pub unit: String,
    /// Its city's slug.
    pub city: Option<String>,
    /// Mode of every rule.
    pub modes: BTreeMap<&'static str, Mode>,
}

/// The switches in force.
pub fn switches_in_force(configuration: &Configuration) -> Vec<Setting> {
    in_force(POLICY, &configuration.ruleset.switches, &configuration.origins)
}

/// Switches, each with where it was set.
pub fn switches_of(switches: &Switches, origins: &BTreeMap<String, Origin>) -> Vec<Setting> {
    in_force(POLICY, switches, origins)
}

/// The settings of `smsluice.toml` in force.
pub fn settings_in_force(configuration: &Configuration) -> Vec<Setting> {
    in_force(SETTINGS, &configuration.settings, &configuration.origins)
}

/// The accounts in force.
pub fn accounts(configuration: &Configuration) -> Vec<AccountLine> {
    let ruleset = &configuration.ruleset;
    let line = |account: &Account| AccountLine {
        system_id: account.system_id.to_string(),
        class: account.class.code(),
        unit: ruleset.unit(account.unit).to_owned(),
        city: account.city.and_then(|city| ruleset.regions.city_of(city)).map(|city| city.slug.clone()),
        modes: Rule::ALL.into_iter().map(|rule| (rule.code(), account.modes.get(rule))).collect(),
    };
    ruleset.accounts.iter().map(|account| line(account)).collect()
}

/// The configuration in force as text.
pub fn effective(configuration: &Configuration) -> String {
    let mut text = String::new();
    section(&mut text, "settings", &settings_in_force(configuration));
    text.push('\n');
    section(&mut text, "policy", &switches_in_force(configuration));
    text.push_str("\naccounts\n");
    for account in accounts(configuration) {
        let city = account.city.as_deref().unwrap_or("-");
        let line = format!("{:<16} {:<16} {:<12} {city:<10}", account.system_id, account.class, account.unit);
        let _ = writeln!(text, "  {line} {}", described(&account.modes));
    }
    text
}

fn section(text: &mut String, name: &str, settings: &[Setting]) {
    let written = |value: &Value| value.as_str().map_or_else(|| value.to_string(), |text| format!("\"{text}\""));
    text.push_str(name);
    text.push('\n');
    for Setting { key, value, origin, clause } in settings {
        let origin = match origin {
            Origin::Default => "default",
            Origin::File => "file",
            Origin::Environment => "environment",
        };
        let clause = if *clause == "-" { "" } else { clause };
        let line = format!("  {:<58} {origin:<11} {clause}", format!("{key} = {}", written(value)));
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

/// The modes in few words: what is not enforced.
fn described(modes: &BTreeMap<&'static str, Mode>) -> String {
    let of = |mode: Mode| {
        let rules = Rule::ALL.into_iter().filter(|rule| modes.get(rule.code()) == Some(&mode)).map(Rule::code);
        rules.collect::<Vec<_>>().join(" ")
    };
    let mut parts = Vec::new();
    for (word, rules) in [("observe", of(Mode::Observe)), ("off", of(Mode::Off))] {
        if !rules.is_empty() {
            parts.push(format!("{word}: {rules}"));
        }
    }
    if parts.is_empty() { "all enforced".to_owned() } else { parts.join("; ") }
}

fn in_force(keys: &[Key], value: &impl Serialize, origins: &BTreeMap<String, Origin>) -> Vec<Setting> {
    let whole = serde_json::to_value(value).unwrap_or_default();
    let mut settings = Vec::new();
    for key in keys {
        let own = whole.pointer(&format!("/{}", key.path.replace('.', "/"))).cloned().unwrap_or_default();
        match (key.values, own) {
            // A table is shown entry by entry; an empty one has nothing to show.
            (Values::Table(..), Value::Object(entries)) => {
                settings.extend(entries.into_iter().map(|(name, value)| (format!("{}.{name}", key.path), value, key)));
            }
            (_, Value::Null) => {}
            // A URL can hold a password.
            (_, _) if key.path == "ledger.valkey_url" => settings.push((key.path.to_owned(), "(set)".into(), key)),
            (_, own) => settings.push((key.path.to_owned(), own, key)),
        }
    }
    let finish = |(path, value, key): (String, Value, &Key)| {
        let origin = origins.get(&path).copied().unwrap_or_default();
        Setting { key: path, value, origin, clause: key.clause }
    };
    settings.into_iter().map(finish).collect()
}
