//! Accounts: their limits, and what they use of them.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome};
use crate::admin::problem::Problem;
use crate::domain::LocalTime;
use crate::ledger::Side;
use crate::policy::Reason;
use crate::proxy::{Gateway, Sender, Site};

/// One account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountView {
    /// Its system_id.
    id: String,
    /// Its class.
    class: &'static str,
    /// Whose it is.
    unit: String,
    /// The city's slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<String>,
    /// `active`, or `held`: nothing of it passes.
    state: &'static str,
    /// What it may do.
    limits: Limits,
    /// Its source addresses.
    sources: Vec<String>,
    /// Where it may connect from.
    networks: Vec<String>,
    /// Tolerances for its software.
    quirks: Vec<&'static str>,
    /// Rules that are not enforced for it, with their mode.
    modes: BTreeMap<&'static str, &'static str>,
    /// Sessions bound now.
    sessions: u32,
    /// The policy version it is of.
    version: u64,
    /// Today's subscribers.
    today: Today,
}

/// An account's limits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Limits {
    per_second: u32,
    burst: u32,
    daily_recipients: u32,
    sessions: u32,
}

/// Subscribers of today, in the scope in which the account's quota counts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Today {
    /// The local day.
    day: String,
    used: u32,
    left: u32,
}

/// What an account has sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Usage {
    /// The account.
    account: String,
    /// Today's subscribers.
    today: Today,
    /// Since the process started.
    since_start: Counts,
}

/// Messages since the start.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Counts {
    received: u64,
    forwarded: u64,
    accepted: u64,
    /// By the SMSC.
    rejected: u64,
    /// Never answered; they count as sent.
    unknown: u64,
    in_flight: i64,
    /// By the gateway, by reason.
    refused: BTreeMap<&'static str, u64>,
    /// What observed rules would have refused, by rule.
    would_refuse: BTreeMap<&'static str, u64>,
}

pub(super) async fn list(call: Call) -> Outcome {
    let site = call.gateway().site();
    let mut senders: Vec<_> = site.senders.iter().filter(|own| call.caller.sees(&own.account.system_id)).collect();
    senders.sort_by(|a, b| a.account.system_id.cmp(&b.account.system_id));
    let behind = |own: &&&std::sync::Arc<Sender>| call.text("cursor").is_none_or(|last| &*own.account.system_id > last);
    let page = senders.iter().filter(behind).take(call.limit());
    Answer::json(&page.map(|own| AccountView::of(call.gateway(), &site, own)).collect::<Vec<_>>())
}

pub(super) async fn show(call: Call) -> Outcome {
    let site = call.gateway().site();
    let sender = own(&call, &site)?;
    Answer::json(&AccountView::of(call.gateway(), &site, sender))
}

pub(super) async fn usage(call: Call) -> Outcome {
    let site = call.gateway().site();
    let sender = own(&call, &site)?;
    let (metrics, totals) = (&sender.metrics, sender.metrics.totals());
    Answer::json(&Usage {
        account: sender.account.system_id.to_string(),
        today: Today::of(call.gateway(), &site, sender),
        since_start: Counts {
            received: totals.received,
            forwarded: totals.forwarded,
            accepted: metrics.accepted.get(),
            rejected: metrics.rejected.get(),
            unknown: metrics.unknown.get(),
            in_flight: metrics.in_flight.get(),
            refused: metrics.refused().map(|(reason, count): (Reason, u64)| (reason.code(), count)).collect(),
            would_refuse: metrics.shadow().map(|(rule, count)| (rule.code(), count)).collect(),
        },
    })
}

/// The account of the path, if the caller may know of it.
fn own<'a>(call: &Call, site: &'a Site) -> Result<&'a Sender, Problem> {
    if !call.caller.sees(&call.id) {
        return Err(Problem::new("forbidden", "the token is of another account"));
    }
    site.sender(&call.id).map(|sender| &**sender).ok_or_else(|| Problem::not_found("this account"))
}

impl AccountView {
    fn of(gateway: &Gateway, site: &Site, sender: &Sender) -> Self {
        let (account, rules) = (&sender.account, &site.rules);
        let mode = |rule: crate::policy::Rule| match account.modes.get(rule) {
            crate::policy::Mode::Enforce => None,
            crate::policy::Mode::Observe => Some((rule.code(), "observe")),
            crate::policy::Mode::Off => Some((rule.code(), "off")),
        };
        Self {
            id: account.system_id.to_string(),
            class: account.class.code(),
            unit: rules.unit(account.unit).to_owned(),
            city: account.city.and_then(|city| rules.regions.city_of(city)).map(|city| city.slug.clone()),
            state: if sender.metrics.held.get() == 1 { "held" } else { "active" },
            limits: Limits {
                per_second: account.rate.per_second,
                burst: account.rate.burst,
                daily_recipients: daily(site, sender),
                sessions: account.sessions,
            },
            sources: account.sources.iter().map(ToString::to_string).collect(),
            networks: account.networks.iter().map(ToString::to_string).collect(),
            quirks: crate::policy::Quirk::ALL
                .into_iter()
                .filter(|quirk| account.quirks.has(*quirk))
                .map(crate::policy::Quirk::code)
                .collect(),
            modes: crate::policy::Rule::ALL.into_iter().filter_map(mode).collect(),
            sessions: sender.bound(),
            version: rules.version,
            today: Today::of(gateway, site, sender),
        }
    }
}

impl Today {
    fn of(gateway: &Gateway, site: &Site, sender: &Sender) -> Self {
        let day = LocalTime::of(gateway.now()).day;
        // An account with a lower limit of its own is measured by it.
        let own = sender.account.daily_users.map(|_| sender.scopes.account);
        let scope = own.unwrap_or_else(|| sender.quota_scope(&site.rules.switches));
        let used = gateway.ledger().book(day).map_or(0, |book| book.counted(Side::Real, scope));
        Self { day: day.to_string(), used, left: daily(site, sender).saturating_sub(used) }
    }
}

fn daily(site: &Site, sender: &Sender) -> u32 {
    sender.account.daily_users.unwrap_or(site.rules.switches.quota.users)
}
