//! Two folders, what differs between them, and what that does.

use serde_json::{Value, json};

use super::super::tests::{load, shipped, spoiled};
use super::{Change, Diff, Effect, Side, between};

/// The shipped folder against itself with one text replaced.
fn change(file: &str, from: &str, to: &str) -> Diff {
    let old = load(&shipped()).expect("valid").seen_from_its_folder();
    let folder = spoiled(file, from, to);
    let new = load(folder.path()).unwrap_or_else(|problems| panic!("{problems}"));
    between(Side::from(&old), Side::from(&new.seen_from_its_folder()))
}

fn one(diff: &Diff) -> (&str, &Value, &Value, Effect) {
    let [Change { key, old, new, effect }] = &diff.changed[..] else { panic!("{diff:?}") };
    (key, old, new, *effect)
}

#[test]
fn a_folder_does_not_differ_from_itself() {
    let folder = load(&shipped()).expect("valid");
    assert!(between(Side::from(&folder), Side::from(&folder)).is_empty());
}

#[test]
fn every_kind_of_key_shows_its_values_and_its_effect() {
    let diff = change("policy.toml", "[multi]", "[multi]\nmode = \"reject_all\"");
    assert_eq!(one(&diff), ("multi.mode", &json!("filter"), &json!("reject_all"), Effect::Tightens));
    let counted = "categories = [\"new_business\", \"voice\"]";
    let diff = change("policy.toml", "[dedup]", &format!("[dedup]\n{counted}"));
    assert_eq!(one(&diff), ("dedup.categories", &json!("all"), &json!(["new_business", "voice"]), Effect::Loosens));
    let diff = change("policy.toml", "[status]", "[status]\nquota = 0x14");
    assert_eq!(one(&diff), ("status.quota", &Value::Null, &json!(0x14), Effect::Neither));
    let diff = change("smsluice.toml", "[runtime]", "[runtime]\nworkers = 3");
    assert!(diff.changed.is_empty(), "{diff:?}");
    assert_eq!(diff.needs_restart[0].key, "runtime.workers");
    let diff = change("holidays.csv", "2026-12-25", "2026-12-26");
    let (key, _, new, effect) = one(&diff);
    assert_eq!((key, effect), ("holidays.csv", Effect::Either));
    assert!(new.as_str().expect("words").contains("(1 added, 1 removed, 0 changed)"), "{new}");
}

#[test]
fn a_rule_that_is_no_longer_enforced_loosens_for_the_site_and_for_each_account() {
    let diff = change("policy.toml", "[mode]", "[mode]\nquota = \"observe\"");
    let keys: Vec<(&str, Effect)> = diff.changed.iter().map(|change| (change.key.as_str(), change.effect)).collect();
    assert!(keys.contains(&("mode.quota", Effect::Loosens)), "{keys:?}");
    assert!(keys.iter().any(|(key, effect)| key.ends_with(".modes.quota") && *effect == Effect::Loosens), "{keys:?}");
}

#[test]
fn accounts_come_and_go_and_change() {
    let accounts = std::fs::read_to_string(shipped().join("accounts.toml")).expect("shipped");
    let id = accounts.lines().find_map(|line| line.strip_prefix("system_id = ")).expect("an account");
    let name = id.trim_matches('"');
    let diff = change("accounts.toml", id, "\"other1\"");
    let keys: Vec<(&str, Effect)> = diff.changed.iter().map(|change| (change.key.as_str(), change.effect)).collect();
    assert_eq!(keys, [(format!("account.{name}").as_str(), Effect::Tightens), ("account.other1", Effect::Loosens)]);
    let first = accounts.lines().find(|line| line.starts_with("sessions = ")).expect("a limit");
    let diff = change("accounts.toml", first, "sessions = 9999");
    let (key, _, new, effect) = one(&diff);
    assert_eq!((new, effect), (&json!(9999), Effect::Loosens));
    assert!(key.starts_with("account.") && key.ends_with(".sessions"), "{key}");
}

#[test]
fn numbers_and_names_of_persons_are_compared_and_not_shown() {
    let accounts = std::fs::read_to_string(shipped().join("accounts.toml")).expect("shipped");
    let custodian = accounts.lines().find(|line| line.starts_with("custodian = ")).expect("a custodian");
    let diff = change("accounts.toml", custodian, "custodian = \"钱二, 13900001111\"");
    let (key, old, new, effect) = one(&diff);
    assert!(key.ends_with(".custodian"), "{key}");
    assert_eq!((old, new, effect), (&json!("(set)"), &json!("(set)"), Effect::Neither));
}

#[test]
fn what_is_counted_under_a_switch_is_not_lost_by_a_reload() {
    let diff = change("policy.toml", "[dedup]", "[dedup]\nscope = \"account\"");
    assert!(diff.changed.is_empty(), "{diff:?}");
    assert_eq!(diff.needs_restart[0].effect, Effect::Loosens);
    assert!(diff.to_string().starts_with("restart   dedup.scope: global -> account"), "{diff}");
}
