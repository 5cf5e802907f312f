//! The gauges that are read when they are asked for rather than counted.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{LocalTime, Moment};
use crate::ledger::{DamageKind, Side};
use crate::policy::Ruleset;
use crate::policy::calendar::DayKind;
use crate::policy::rules::hours;
use crate::proxy::Gateway;

use super::Health;

/// How long the size of the files is waited for; without it the one before is told.
const DISK_PATIENCE: Duration = Duration::from_millis(500);

/// Sets them.
pub(super) async fn refresh(gateway: &Arc<Gateway>) {
    let metrics = gateway.metrics();
    let health = Health::of(gateway);
    for (component, state) in &health.components {
        metrics.ready.with_label_values(&[*component]).set(i64::from(state.ok));
    }
    metrics.clock.trusted.set(i64::from(health.components.get("clock").is_none_or(|clock| clock.ok)));
    let open = is_open(&gateway.site().rules, gateway.now());
    metrics.window_open.with_label_values(&["default"]).set(i64::from(open));
    believed(gateway);
    ledger(gateway).await;
    gateway.ledger().refresh_counts(LocalTime::of(gateway.now()).day).await;
    quota(gateway);
    shared(gateway);
}

/// Whether the ledger can be believed. Asks no disk.
fn believed(gateway: &Gateway) {
    let (metrics, ledger) = (gateway.metrics(), gateway.ledger());
    metrics.ledger_trusted.set(i64::from(ledger.is_trusted()));
    let damage = ledger.damage();
    for kind in DamageKind::ALL {
        let found = damage.as_ref().is_some_and(|damage| damage.kind == kind);
        metrics.ledger_damage.with_label_values(&[kind.code()]).set(i64::from(found));
    }
}

/// Whether an immediate message is outside all hours and holidays that the rules forbid.
fn is_open(rules: &Ruleset, now: Moment) -> bool {
    let local = LocalTime::of(now);
    hours::window_at(&rules.switches.hours, local.second).is_none() && rules.calendar.kind(local.day) == DayKind::Open
}

async fn ledger(gateway: &Arc<Gateway>) {
    let (metrics, ledger) = (gateway.metrics(), gateway.ledger());
    let today = LocalTime::of(gateway.now()).day;
    let (reserved, unknown) = (ledger.reserved(), ledger.unknown() as u64);
    let used = ledger.book(today).map_or(0, |book| book.rows()).saturating_sub(reserved + unknown);
    let scheduled = ledger.scheduled(today);
    for (state, rows) in [("used", used), ("reserved", reserved), ("unknown", unknown), ("scheduled", scheduled)] {
        metrics.ledger_rows.with_label_values(&[state]).set(rows as i64);
    }
    let oldest = gateway.oldest_in_flight().map_or(0.0, |moment| moment.ms() as f64 / 1e3);
    metrics.ledger_oldest_reserved.set(oldest);
    metrics.ledger_untold.set(ledger.untold() as i64);
    metrics.ledger_unsealed.set(ledger.unsealed() as i64);
    if !ledger.is_stalled() {
        let folder = Arc::clone(gateway);
        let size = tokio::task::spawn_blocking(move || folder.ledger().size());
        if let Ok(Ok(octets)) = tokio::time::timeout(DISK_PATIENCE, size).await {
            metrics.ledger_size.set(octets as i64);
        }
    }
}

/// The ledger that several gateways share.
fn shared(gateway: &Gateway) {
    let (metrics, ledger) = (gateway.metrics(), gateway.ledger());
    metrics.ledger_trusted.set(i64::from(ledger.is_trusted()));
    if let Some(state) = ledger.shared() {
        metrics.ledger_shared.up.set(i64::from(state.trouble.is_none()));
        metrics.ledger_shared.skew.set(state.skew_ms as f64 / 1e3);
        metrics.ledger_shared.untold.set(state.untold as i64);
        let leased = gateway.neighbours().iter().filter(|gateway| gateway.leased).count();
        metrics.ledger_shared.gateways.set(leased as i64);
        metrics.ledger_shared.holds_untold.set(gateway.holds_untold() as i64);
    }
}

/// Subscribers counted today.
fn quota(gateway: &Gateway) {
    let book = gateway.ledger().book(LocalTime::of(gateway.now()).day);
    let site = gateway.site();
    for sender in &site.senders {
        // An account with a lower limit of its own is measured by it.
        let own = sender.account.daily_users.map(|_| sender.scopes.account);
        let scope = own.unwrap_or_else(|| sender.quota_scope(&site.rules.switches));
        let counted = book.as_ref().map_or(0, |book| book.counted(Side::Real, scope));
        sender.metrics.quota_used.set(i64::from(counted));
    }
}
