//! What changes from one configuration to another, and what each change does to
//! the messages: it loosens, tightens, may do either, or touches none.
//!
//! Telephone numbers, names of persons and secrets are compared and not shown.

mod accounts;
mod direction;
mod tables;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::policy::{Mode, Rule, Ruleset};

use super::catalogue::{Key, POLICY, SETTINGS, Values};
use super::live;
use super::load::Configuration;
use super::settings::Settings;

pub use direction::Direction;

/// What a change does to what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Something may pass that did not.
    Loosens,
    /// May let more pass of one kind and less of another.
    Either,
    /// Something may not pass any more that did.
    Tightens,
    /// The same messages pass.
    Neither,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// `section.key`, `account.ID.key`, or a table's name.
    pub key: String,
    /// What it was; null if it was not there.
    pub old: Value,
    /// What it becomes; null if it goes.
    pub new: Value,
    /// What that does.
    pub effect: Effect,
}

/// Everything that changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Diff {
    /// What a reload puts in force.
    pub changed: Vec<Change>,
    /// What a reload leaves as it is: it needs a restart.
    pub needs_restart: Vec<Change>,
}

/// What a configuration is compared by.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// `smsluice.toml` under the environment.
    pub settings: &'a Settings,
    /// The rest.
    pub rules: &'a Ruleset,
}

/// What changes from one configuration to another. Accounts and segments take time: not for a thread that serves sessions.
pub fn between(old: Side<'_>, new: Side<'_>) -> Diff {
    let mut all = settings(old.settings, new.settings);
    all.extend(switches(old.rules, new.rules));
    all.extend(accounts::between(old.rules, new.rules));
    all.extend(tables::between(old.rules, new.rules));
    let (needs_restart, changed) = all.into_iter().partition(|change| live::needs_restart(&change.key));
    Diff { changed, needs_restart }
}

fn settings(old: &Settings, new: &Settings) -> Vec<Change> {
    let secret = |key: &str, value: Value| if key == "ledger.valkey_url" { shown_as_set(&value) } else { value };
    keyed(SETTINGS, old, new)
        .into_iter()
        .map(|(key, old, new)| Change { effect: Effect::Neither, old: secret(&key, old), new: secret(&key, new), key })
        .collect()
}

fn switches(old: &Ruleset, new: &Ruleset) -> Vec<Change> {
    keyed(POLICY, &old.switches, &new.switches)
        .into_iter()
        .map(|(key, before, after)| {
            let effect = match key.strip_prefix("mode.") {
                Some(rule) => of_modes(site_mode(old, rule), site_mode(new, rule)),
                None => direction::of_switch(&key).unwrap_or(Direction::Either).effect(&before, &after),
            };
            let numbers = key == "signature.province_numbers";
            let shown = |value: Value| if numbers { counted(&value, "number") } else { value };
            Change { key, old: shown(before), new: shown(after), effect }
        })
        .collect()
}

/// The site's mode of a rule, or of all rules without one of their own.
fn site_mode(rules: &Ruleset, rule: &str) -> Mode {
    let modes = &rules.switches.mode;
    match Rule::from_code(rule) {
        Some(rule) => super::switches::site_mode(&rules.switches, rule),
        None => modes.get("default").copied().unwrap_or(Mode::Enforce),
    }
}

/// Observed and off let the same messages pass.
fn of_modes(old: Mode, new: Mode) -> Effect {
    match (old == Mode::Enforce, new == Mode::Enforce) {
        (true, false) => Effect::Loosens,
        (false, true) => Effect::Tightens,
        _ => Effect::Neither,
    }
}

/// Keys of two values that are not equal, with both; tables entry by entry.
fn keyed(keys: &[Key], old: &impl Serialize, new: &impl Serialize) -> Vec<(String, Value, Value)> {
    let whole = [tree(old), tree(new)];
    let mut changed = Vec::new();
    for key in keys {
        let [old, new] = whole.each_ref().map(|whole| {
            let own = whole.pointer(&format!("/{}", key.path.replace('.', "/")));
            own.cloned().unwrap_or_default()
        });
        match (key.values, old, new) {
            (Values::Table(..), Value::Object(old), Value::Object(new)) => {
                let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
                let of = |own: &serde_json::Map<String, Value>, name| own.get(name).cloned().unwrap_or_default();
                let entries =
                    names.into_iter().map(|name| (format!("{}.{name}", key.path), of(&old, name), of(&new, name)));
                changed.extend(entries.filter(|(_, old, new)| old != new));
            }
            (_, old, new) if old != new => changed.push((key.path.to_owned(), old, new)),
            _ => {}
        }
    }
    changed
}

fn tree(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn shown_as_set(value: &Value) -> Value {
    if value.is_null() { Value::Null } else { "(set)".into() }
}

/// How many, in place of what nobody need read.
fn counted(value: &Value, what: &str) -> Value {
    match value.as_array().map(Vec::len) {
        Some(1) => format!("1 {what}").into(),
        Some(count) => format!("{count} {what}s").into(),
        None => Value::Null,
    }
}

// === impl Diff ===

impl Diff {
    /// Whether nothing changes at all.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.needs_restart.is_empty()
    }

    /// How many of the changes in force do that.
    pub fn count(&self, effect: Effect) -> usize {
        self.changed.iter().filter(|change| change.effect == effect).count()
    }

    /// How many do what.
    pub fn counts(&self) -> BTreeMap<Effect, usize> {
        [Effect::Loosens, Effect::Either, Effect::Tightens, Effect::Neither]
            .map(|effect| (effect, self.count(effect)))
            .into()
    }
}

impl fmt::Display for Diff {
    /// One line a change, what loosens first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted: Vec<&Change> = self.changed.iter().collect();
        sorted.sort_by_key(|change| change.effect);
        for change in sorted {
            writeln!(f, "{:<9} {change}", change.effect.word())?;
        }
        for change in &self.needs_restart {
            writeln!(f, "{:<9} {change}", "restart")?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |value: &Value| match value {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        write!(f, "{}: {} -> {}", self.key, word(&self.old), word(&self.new))
    }
}

impl Effect {
    /// The word for people, logs and programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Loosens => "loosens",
            Self::Either => "either",
            Self::Tightens => "tightens",
            Self::Neither => "neither",
        }
    }

    /// What two changes of one thing do together.
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Neither, one) | (one, Self::Neither) => one,
            (Self::Loosens, Self::Loosens) => Self::Loosens,
            (Self::Tightens, Self::Tightens) => Self::Tightens,
            _ => Self::Either,
        }
    }
}

impl<'a> From<&'a Configuration> for Side<'a> {
    fn from(configuration: &'a Configuration) -> Self {
        Side { settings: &configuration.settings, rules: &configuration.ruleset }
    }
}

#[cfg(test)]
mod tests;
