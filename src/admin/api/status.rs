//! All on one screen.

use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::Health;
use crate::admin::call::{Answer, Call, Outcome};
use crate::domain::LocalTime;
use crate::ledger::Damage;
use crate::policy::Ruleset;
use crate::policy::calendar::DayKind;
use crate::policy::rules::hours;
use crate::proxy::{Gateway, Neighbour};
use crate::smpp::bind::BindType;
use crate::traffic::Scope;

use super::scheduled::InsideView;
use super::smscs::{self, SmscView};

/// The state of a gateway.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    /// The program's version.
    version: &'static str,
    /// The policy in force.
    policy_version: u64,
    /// Seconds since the start.
    uptime_s: u64,
    /// Whether messages may pass.
    ready: bool,
    /// Why not, component and ground.
    not_ready: Vec<String>,
    /// Holds in force.
    holds: usize,
    /// Whether binds are refused.
    draining: bool,
    /// Sessions bound now.
    sessions: Sessions,
    /// Messages a second, over the last two seconds.
    rates: RatesView,
    /// Messages since the start.
    totals: TotalsView,
    /// Messages that wait for the SMSC's answer.
    in_flight: usize,
    /// Messages that wait inside the SMSC for their time.
    scheduled: InsideView,
    /// The ledger.
    ledger: LedgerView,
    /// The clock.
    clock: ClockView,
    /// Whether bulk messages may be sent now.
    window: WindowView,
    /// The SMSC's addresses.
    smscs: Vec<SmscView>,
}

/// Sessions by bind type.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Sessions {
    bound: usize,
    tx: usize,
    rx: usize,
    trx: usize,
}

/// Messages a second.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the API names units")]
pub(super) struct RatesView {
    received_per_s: f64,
    forwarded_per_s: f64,
    refused_per_s: f64,
}

/// Messages since the start.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TotalsView {
    received: u64,
    forwarded: u64,
    refused: u64,
}

/// The ledger in short.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LedgerView {
    /// `ok`; `untrusted` after a failed commit, `stalled` while the disk does not answer, `damaged`: nothing is sent.
    state: &'static str,
    /// What is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<DamageView>,
    /// Slots of today.
    rows_today: u64,
    /// Messages of unknown outcome; on a shared ledger those of all gateways.
    unknown: usize,
    /// The ledger that several gateways share, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<SharedView>,
    /// 99 of 100 commits since the start took at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit_p99_ms: Option<f64>,
}

/// Damage of the ledger's files.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DamageView {
    /// Such as `ledger_rows_missing`.
    kind: &'static str,
    /// What exactly.
    what: String,
    /// Names this finding where it is accepted.
    code: String,
    /// What to do.
    advice: &'static str,
}

/// A ledger that several gateways share.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SharedView {
    /// Where it is, without its password.
    address: String,
    /// Why it takes nothing, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    /// How far its clock is ahead of the gateway's.
    clock_skew_ms: i64,
    /// Outcomes that it has not been told yet.
    untold: usize,
    /// The gateways that use it, this one included.
    gateways: Vec<GatewayView>,
}

/// A gateway on a shared ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GatewayView {
    /// Its machine and port.
    name: String,
    /// Whether it is the one that answers.
    own: bool,
    /// Whether it may write: it has been seen in the last seconds, with all holds in force.
    leased: bool,
}

/// The clock.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClockView {
    /// `system`, or `test` for a clock that was set at the start.
    state: &'static str,
    /// Local time.
    local: String,
    /// The local day.
    day: String,
}

/// The hours of bulk messages.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WindowView {
    /// Whether the city classes may send now, as far as day and hour are concerned.
    open: bool,
    /// Why not: a reason of the catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    /// When it closes today.
    #[serde(skip_serializing_if = "Option::is_none")]
    closes_at: Option<String>,
}

pub(super) async fn show(call: Call) -> Outcome {
    let (gateway, surface) = (call.gateway(), &call.surface);
    let health = Health::of(gateway);
    let sessions = gateway.roster();
    let count = |kind| sessions.iter().filter(|one| one.bind_type == kind).count();
    let [received_per_s, forwarded_per_s, refused_per_s] = surface.rates().per_second;
    let totals = surface.totals();
    let site = gateway.site();
    let grounds = health.components.iter().filter_map(|(name, state)| Some(format!("{name}: {}", state.why?)));
    Answer::json(&Status {
        version: env!("CARGO_PKG_VERSION"),
        policy_version: site.rules.version,
        uptime_s: surface.started.elapsed().as_secs(),
        ready: health.ready,
        not_ready: grounds.collect(),
        holds: gateway.holds().len(),
        draining: gateway.is_draining(),
        sessions: Sessions {
            bound: sessions.len(),
            tx: count(BindType::Transmitter),
            rx: count(BindType::Receiver),
            trx: count(BindType::Transceiver),
        },
        rates: RatesView { received_per_s, forwarded_per_s, refused_per_s },
        totals: TotalsView { received: totals.received, forwarded: totals.forwarded, refused: totals.refused },
        in_flight: sessions.iter().map(|one| one.in_flight).sum(),
        scheduled: gateway.inside(&Scope::All).into(),
        ledger: LedgerView::of(gateway),
        clock: ClockView::of(gateway),
        window: WindowView::of(&site.rules, LocalTime::of(gateway.now())),
        smscs: smscs::views(gateway),
    })
}

impl LedgerView {
    fn of(gateway: &Gateway) -> Self {
        let ledger = gateway.ledger();
        let (today, damage) = (LocalTime::of(gateway.now()).day, ledger.damage());
        Self {
            state: match (&damage, ledger.is_stalled(), ledger.is_trusted()) {
                (Some(_), ..) => "damaged",
                (None, true, _) => "stalled",
                (None, false, false) => "untrusted",
                (None, false, true) => "ok",
            },
            damage: damage.as_deref().map(DamageView::of),
            shared: ledger.shared().map(|shared| SharedView {
                address: shared.address,
                why: shared.trouble,
                clock_skew_ms: shared.skew_ms,
                untold: shared.untold,
                gateways: gateway.neighbours().into_iter().map(GatewayView::of).collect(),
            }),
            rows_today: ledger.book(today).map_or(0, |book| book.rows()),
            unknown: ledger.unknown(),
            commit_p99_ms: gateway.metrics().commit_quantiles().map(|(_, p99)| smscs::ms(p99)),
        }
    }
}

impl GatewayView {
    fn of(Neighbour { name, own, leased, .. }: Neighbour) -> Self {
        Self { name, own, leased }
    }
}

impl DamageView {
    fn of(damage: &Damage) -> Self {
        let (kind, advice) = (damage.kind.code(), damage.kind.advice());
        Self { kind, what: damage.what.clone(), code: damage.code(), advice }
    }
}

impl ClockView {
    fn of(gateway: &Gateway) -> Self {
        let local = LocalTime::of(gateway.now());
        let state = if gateway.clock().is_system() { "system" } else { "test" };
        Self { state, local: local.to_string(), day: local.day.to_string() }
    }
}

impl WindowView {
    fn of(rules: &Ruleset, now: LocalTime) -> Self {
        let hours = &rules.switches.hours;
        let why = match rules.calendar.kind(now.day) {
            DayKind::Blocked(_) => Some("holiday"),
            DayKind::Missing => Some("calendar_missing"),
            DayKind::Open => hours::window_at(hours, now.second).map(crate::policy::Reason::code),
        };
        // The guard of a window may begin at any second; a minute is near enough for people.
        let mut seconds = (now.second / 60 + 1..1440).map(|minute| minute * 60);
        let closes = seconds.find(|second| hours::window_at(hours, *second).is_some());
        let closes_at = closes.filter(|_| why.is_none());
        let closes_at = closes_at.map(|second| format!("{:02}:{:02}", second / 3600, second / 60 % 60));
        Self { open: why.is_none(), why, closes_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Moment;
    use crate::policy::switches::Switches;
    use crate::policy::testing::with_switches;

    #[test]
    fn the_window_says_when_it_closes_and_why_it_is_closed() {
        let rules = with_switches(Switches::default());
        let at = |time| {
            let moment = Moment::parse(time).expect("a time");
            let view = WindowView::of(&rules, LocalTime::of(moment));
            (view.why, view.closes_at)
        };
        assert_eq!(at("2026-11-24T09:30:00"), (None, Some("11:00".to_owned())));
        assert_eq!(at("2026-11-24T12:30:00"), (Some("busy"), None));
        assert_eq!(at("2026-11-24T23:30:00"), (Some("night"), None));
    }
}
