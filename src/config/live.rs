//! Which keys a reload puts in force and which need a restart.

use std::time::Duration;

use crate::policy::Ruleset;
use crate::policy::switches::Switches;
use crate::proxy::ProxySettings;

use super::settings::Settings;

/// Keys of `smsluice.toml` that a reload puts in force; every other one needs a restart.
pub const LIVE_SETTINGS: [&str; 7] = [
    "listen.max_connections",
    "listen.max_per_address",
    "listen.session_init_timeout",
    "listen.inactivity_timeout",
    "listen.max_in_flight",
    "listen.drain_timeout",
    "smsc.response_timeout",
];

/// Switches of `policy.toml` that need a restart: slots, quotas and windows are counted under them, and what was
/// counted under the old ones would not count under the new.
pub const FIXED_SWITCHES: [&str; 3] = ["dedup.scope", "quota.scope", "spread.digits"];

/// Whether a key is left as it is until a restart.
pub fn needs_restart(key: &str) -> bool {
    let setting = super::catalogue::SETTINGS.iter().any(|own| own.path == key);
    (setting && !LIVE_SETTINGS.contains(&key)) || FIXED_SWITCHES.contains(&key)
}

/// Leaves what needs a restart as it was.
pub(super) fn keep_fixed(settings: &mut Settings, rules: &mut Ruleset, before: &Settings, old: &Switches) {
    let new = std::mem::replace(settings, before.clone());
    let (listen, fresh) = (&mut settings.listen, new.listen);
    listen.max_connections = fresh.max_connections;
    listen.max_per_address = fresh.max_per_address;
    listen.session_init_timeout = fresh.session_init_timeout;
    listen.inactivity_timeout = fresh.inactivity_timeout;
    listen.max_in_flight = fresh.max_in_flight;
    listen.drain_timeout = fresh.drain_timeout;
    settings.smsc.response_timeout = new.smsc.response_timeout;
    let switches = &mut rules.switches;
    switches.dedup.scope = old.dedup.scope;
    switches.quota.scope = old.quota.scope;
    switches.spread.digits = old.spread.digits;
}

/// The sessions' limits and timers, as the proxy wants them.
pub fn proxy_settings(settings: &Settings) -> ProxySettings {
    ProxySettings {
        smsc: settings.smsc.address.iter().map(ToString::to_string).collect(),
        connect_timeout: settings.smsc.connect_timeout,
        response_timeout: settings.smsc.response_timeout,
        session_init_timeout: settings.listen.session_init_timeout,
        inactivity_timeout: settings.listen.inactivity_timeout,
        backlog: settings.listen.backlog,
        max_connections: settings.listen.max_connections as usize,
        max_per_address: settings.listen.max_per_address as usize,
        max_in_flight: settings.listen.max_in_flight as usize,
        drain_timeout: settings.listen.drain_timeout,
    }
}

/// Limits and timers that follow others: addresses and the backlog stay.
pub(super) fn following(before: &ProxySettings, settings: &Settings) -> ProxySettings {
    ProxySettings {
        smsc: before.smsc.clone(),
        connect_timeout: before.connect_timeout,
        backlog: before.backlog,
        ..proxy_settings(settings)
    }
}

/// How long a stop waits, unless set otherwise.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::catalogue::{SETTINGS, find};

    #[test]
    fn live_keys_are_keys_and_are_put_in_force() {
        for key in LIVE_SETTINGS.into_iter().chain(FIXED_SWITCHES) {
            assert!(find(key).is_some(), "{key}");
        }
        let pointer = |key: &str| format!("/{}", key.replace('.', "/"));
        let mut other = serde_json::to_value(Settings::default()).expect("serialises");
        for key in SETTINGS.iter().filter(|key| LIVE_SETTINGS.contains(&key.path)) {
            let value = other.pointer_mut(&pointer(key.path)).expect("a default");
            *value = if value.is_string() { "77s".into() } else { 77.into() };
        }
        let fresh: Settings = serde_json::from_value(other.clone()).expect("valid");
        let mut rules = crate::policy::testing::with_switches(Switches::default());
        let mut settings = fresh;
        settings.smsc.connect_timeout = Duration::from_secs(99);
        keep_fixed(&mut settings, &mut rules, &Settings::default(), &Switches::default());
        assert_eq!(serde_json::to_value(settings).expect("serialises"), other, "the live keys, and no other");
    }
}
