//! Whether submissions may pass, and if not, why.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::LocalTime;
use crate::policy::calendar::DayKind;
use crate::proxy::Gateway;

/// What `/readyz` tells.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Whether every component is ready.
    pub ready: bool,
    /// Each component.
    pub components: BTreeMap<&'static str, ComponentState>,
}

/// One component.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComponentState {
    /// Whether it is ready.
    pub ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
}

impl Health {
    /// Looks at a gateway. The SMSC does not count: receipts and answers must go on without it.
    pub fn of(gateway: &Gateway) -> Self {
        let mut components = BTreeMap::new();
        let mut tell = |component, why: Option<&'static str>| {
            components.insert(component, ComponentState { ok: why.is_none(), why });
        };
        let ledger = gateway.ledger();
        let ledger = ledger.damage().map(|damage| damage.kind.code()).or_else(|| {
            let stalled = ledger.is_stalled().then_some("ledger_disk_stalled");
            stalled.or_else(|| ledger.trouble())
        });
        let today = LocalTime::of(gateway.now()).day;
        let missing = gateway.site().rules.calendar.kind(today) == DayKind::Missing;
        let policy = missing.then_some("calendar_missing");
        let watch = gateway.watch();
        let doubt = watch.doubt().map(crate::domain::Doubt::code);
        let clock = doubt.or((!watch.believes(gateway.tick())).then_some("clock_jumped"));
        tell("clock", clock);
        tell("ledger", ledger);
        tell("policy", policy);
        tell("submits", ledger.or(clock).or(policy));
        let leaving = if gateway.is_stopping() { "stopping" } else { "draining" };
        tell("listeners", gateway.is_draining().then_some(leaving));
        Self { ready: components.values().all(|state| state.ok), components }
    }
}
