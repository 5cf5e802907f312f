//! What each rule does for an account: class first, then the site, then the account.

use std::collections::BTreeMap;

use crate::domain::AccountClass;
use crate::policy::switches::{RegistryMode, RegistryModes, Switches};
use crate::policy::{Mode, Modes, Rule};

use super::switches::site_mode;

/// Resolves the modes of an account. A rule its class is free of stays off, whatever site and account say.
pub(super) fn resolve(
    class: AccountClass,
    has_customers: bool,
    switches: &Switches,
    mode: Option<Mode>,
    modes: &BTreeMap<String, Mode>,
) -> Modes {
    let mut resolved = Modes::all(Mode::Off);
    for rule in Rule::ALL.into_iter().filter(|rule| applies(class, has_customers, switches, *rule)) {
        let named = modes.get(rule.code()).copied();
        let own = named.or(mode).unwrap_or_else(|| site_mode(switches, rule));
        // The registry holds each class to something else; only an account that names the rule is not bound by that.
        let most = registry_mode(class, switches).filter(|_| rule == Rule::Content && named.is_none());
        resolved.set(rule, most.map_or(own, |most| own.min(most)));
    }
    resolved
}

/// What a class is held to by `registry.mode`; the exempt class has none of its own.
fn registry_mode(class: AccountClass, switches: &Switches) -> Option<Mode> {
    let RegistryModes { province_1258, city_moa, key_account } = switches.registry.mode;
    let mode = match class {
        AccountClass::Province1258 => province_1258,
        AccountClass::CityMoa => city_moa,
        AccountClass::KeyAccount => key_account,
        AccountClass::ExemptPlatform => return None,
    };
    Some(match mode {
        RegistryMode::Enforce => Mode::Enforce,
        RegistryMode::Warn => Mode::Observe,
        RegistryMode::Off => Mode::Off,
    })
}

/// Whether a rule binds a class at all (policy reference, section 2).
pub(super) fn applies(class: AccountClass, has_customers: bool, switches: &Switches, rule: Rule) -> bool {
    match class {
        AccountClass::Province1258 => !matches!(rule, Rule::Quota | Rule::Customers | Rule::Contact),
        AccountClass::CityMoa => !matches!(rule, Rule::Customers | Rule::Contact),
        AccountClass::KeyAccount => rule != Rule::Customers || has_customers,
        AccountClass::ExemptPlatform => {
            let bound = || switches.exempt.rules.iter().any(|code| code == rule.code());
            matches!(rule, Rule::Decode | Rule::Source | Rule::Rate) || bound()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn off(class: AccountClass, customers: bool, switches: &Switches) -> Vec<&'static str> {
        let modes = resolve(class, customers, switches, None, &BTreeMap::new());
        Rule::ALL.into_iter().filter(|rule| !modes.judges(*rule)).map(Rule::code).collect()
    }

    #[test]
    fn a_class_decides_which_rules_there_are() {
        let mut switches = Switches::default();
        assert_eq!(off(AccountClass::Province1258, false, &switches), ["customers", "contact", "quota"]);
        assert_eq!(off(AccountClass::CityMoa, true, &switches), ["customers", "contact"]);
        assert_eq!(off(AccountClass::KeyAccount, false, &switches), ["customers"]);
        assert!(off(AccountClass::KeyAccount, true, &switches).is_empty());
        assert_eq!(off(AccountClass::ExemptPlatform, false, &switches).len(), Rule::COUNT - 3);
        switches.exempt.rules = vec!["once".to_owned()];
        assert!(!off(AccountClass::ExemptPlatform, false, &switches).contains(&"once"));
        switches.mode.insert("default".to_owned(), Mode::Enforce);
        assert!(
            off(AccountClass::ExemptPlatform, false, &switches).contains(&"hours"),
            "the site cannot widen a class"
        );
    }

    #[test]
    fn the_registry_holds_each_class_to_its_own_and_an_account_may_name_another() {
        let mut switches = Switches::default();
        let content = |class, switches: &Switches, mode, modes: &BTreeMap<String, Mode>| {
            resolve(class, false, switches, mode, modes).get(Rule::Content)
        };
        let none = BTreeMap::new();
        let classes = [AccountClass::Province1258, AccountClass::CityMoa, AccountClass::KeyAccount];
        let of = |switches: &Switches| classes.map(|class| content(class, switches, None, &none));
        assert_eq!(of(&switches), [Mode::Enforce, Mode::Observe, Mode::Observe]);
        assert_eq!(content(AccountClass::ExemptPlatform, &switches, None, &none), Mode::Off);
        switches.registry.mode.city_moa = RegistryMode::Off;
        switches.mode.insert("content".to_owned(), Mode::Observe);
        assert_eq!(of(&switches), [Mode::Observe, Mode::Off, Mode::Observe]);
        assert_eq!(content(AccountClass::KeyAccount, &switches, Some(Mode::Enforce), &none), Mode::Observe);
        let own = BTreeMap::from([("content".to_owned(), Mode::Enforce)]);
        assert_eq!(content(AccountClass::CityMoa, &switches, None, &own), Mode::Enforce);
        switches.exempt.rules = vec!["content".to_owned()];
        switches.mode.clear();
        assert_eq!(content(AccountClass::ExemptPlatform, &switches, None, &none), Mode::Enforce);
    }

    #[test]
    fn the_account_goes_before_the_site_and_the_rule_before_the_default() {
        let mut switches = Switches::default();
        let class = AccountClass::CityMoa;
        switches.mode.insert("default".to_owned(), Mode::Observe);
        switches.mode.insert("length".to_owned(), Mode::Enforce);
        let site = resolve(class, false, &switches, None, &BTreeMap::new());
        assert_eq!((site.get(Rule::Length), site.get(Rule::Hours)), (Mode::Enforce, Mode::Observe));
        let own = BTreeMap::from([("hours".to_owned(), Mode::Enforce), ("contact".to_owned(), Mode::Enforce)]);
        let account = resolve(class, false, &switches, Some(Mode::Off), &own);
        assert_eq!((account.get(Rule::Length), account.get(Rule::Hours)), (Mode::Off, Mode::Enforce));
        assert_eq!(account.get(Rule::Contact), Mode::Off);
    }
}
