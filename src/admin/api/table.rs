//! Every route, once: the router, the roles and the API's description are made of this table.

use crate::admin::auth::Access::{Only, Open, View, ViewOwn};
use crate::admin::route::Kind::{Number, OneOf, Span, Text};
use crate::admin::route::Method::{Delete, Get, Post, Put};
use crate::admin::route::{LIMIT, Parameter, Route, Shape};

use super::{
    accounts, audit, build, drain, errors, events, explain, holds, ledger, log_level, metrics, policy, probes, records,
    refusals, reports, scheduled, sessions, smscs, status,
};

/// A handler as the table holds it.
macro_rules! run {
    ($handler:path) => {
        |call| Box::pin($handler(call))
    };
}

mod registry;

const CURSOR: Parameter =
    Parameter { name: "cursor", kind: Text, about: "the last entry that was seen; the list goes on behind it" };
const ACCOUNT: Parameter = Parameter { name: "account", kind: Text, about: "of this account only" };
const SINCE: Parameter = Parameter { name: "since", kind: Span, about: "not older than this" };

const fn get(path: &'static str, id: &'static str, about: &'static str, answer: Shape, run: Run) -> Route {
    Route { method: Get, path, access: View, id, about, query: &[], body: None, answer: (200, answer), also: &[], run }
}

type Run = fn(crate::admin::call::Call) -> crate::admin::route::Handling;

/// Every route.
pub const ROUTES: &[Route] = &{
    let mut all = [GENERAL[0]; GENERAL.len() + registry::ROUTES.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < GENERAL.len() { GENERAL[at] } else { registry::ROUTES[at - GENERAL.len()] };
        at += 1;
    }
    all
};

/// The routes of all else than the registry.
const GENERAL: &[Route] = &[
    Route {
        access: Open,
        ..get("/livez", "livez", "Whether the process answers", Shape::free("text/plain"), run!(probes::livez))
    },
    Route {
        access: Open,
        ..get("/startupz", "startupz", "Whether the start is over", Shape::free("text/plain"), run!(probes::livez))
    },
    Route {
        access: Open,
        query: &[Parameter { name: "verbose", kind: Text, about: "taken and not needed: all components are told" }],
        also: &[503],
        ..get(
            "/readyz",
            "readyz",
            "Whether messages may pass",
            Shape::of::<crate::admin::Health>(),
            run!(probes::readyz),
        )
    },
    Route {
        access: Open,
        ..get("/metrics", "metrics", "Metrics, Prometheus text format", Shape::free("text/plain"), run!(metrics::page))
    },
    Route {
        access: Open,
        ..get(
            "/api/v1/openapi.json",
            "getOpenApi",
            "This description",
            Shape::free("application/json"),
            run!(build::openapi),
        )
    },
    Route {
        access: Open,
        ..get("/api/v1/build", "getBuild", "Which program this is", Shape::of::<build::Build>(), run!(build::show))
    },
    get("/api/v1/status", "getStatus", "All on one screen", Shape::of::<status::Status>(), run!(status::show)),
    Route {
        access: ViewOwn,
        query: &[LIMIT, CURSOR],
        ..get(
            "/api/v1/accounts",
            "listAccounts",
            "Accounts with their limits and today's use",
            Shape::list::<accounts::AccountView>(),
            run!(accounts::list),
        )
    },
    Route {
        access: ViewOwn,
        ..get(
            "/api/v1/accounts/{id}",
            "getAccount",
            "One account",
            Shape::of::<accounts::AccountView>(),
            run!(accounts::show),
        )
    },
    Route {
        access: ViewOwn,
        ..get(
            "/api/v1/accounts/{id}/usage",
            "getUsage",
            "What an account has sent since the start of the process",
            Shape::of::<accounts::Usage>(),
            run!(accounts::usage),
        )
    },
    Route {
        access: ViewOwn,
        query: &[
            LIMIT,
            Parameter { name: "cursor", kind: Number(0, u64::MAX), about: "the last session that was seen" },
            ACCOUNT,
        ],
        ..get(
            "/api/v1/sessions",
            "listSessions",
            "Sessions bound now",
            Shape::list::<sessions::SessionBody>(),
            run!(sessions::list),
        )
    },
    Route {
        access: ViewOwn,
        ..get(
            "/api/v1/sessions/{id}",
            "getSession",
            "One session",
            Shape::of::<sessions::SessionBody>(),
            run!(sessions::show),
        )
    },
    Route {
        method: Delete,
        access: Only("operate"),
        body: Some(Shape::of::<sessions::KickBody>()),
        ..get(
            "/api/v1/sessions/{id}",
            "kickSession",
            "End a session: unbind, then close",
            Shape::of::<sessions::Kicked>(),
            run!(sessions::kick),
        )
    },
    get("/api/v1/holds", "listHolds", "Holds in force", Shape::list::<holds::HoldView>(), run!(holds::list)),
    Route {
        method: Post,
        access: Only("network"),
        body: Some(Shape::of::<holds::HoldBody>()),
        answer: (201, Shape::of::<holds::PlacedView>()),
        also: &[404],
        ..get(
            "/api/v1/holds",
            "placeHold",
            "Stop a part of the traffic; answered when the barrier holds",
            Shape::of::<holds::PlacedView>(),
            run!(holds::place),
        )
    },
    Route {
        method: Delete,
        access: Only("network"),
        body: Some(Shape::of::<holds::EndBody>()),
        ..get(
            "/api/v1/holds/{id}",
            "endHold",
            "End a hold by its id, or those on a scope such as account:ID",
            Shape::of::<holds::EndedView>(),
            run!(holds::end),
        )
    },
    Route {
        query: &[
            LIMIT,
            CURSOR,
            Parameter { name: "scope", kind: Text, about: "of this part of the traffic only, such as city:hefei" },
        ],
        ..get(
            "/api/v1/scheduled",
            "listScheduled",
            "Messages that wait inside the SMSC for their time: no hold reaches them",
            Shape::list::<scheduled::ScheduledView>(),
            run!(scheduled::list),
        )
    },
    get("/api/v1/drain", "getDrain", "How far a drain is", Shape::of::<drain::DrainView>(), run!(drain::show)),
    Route {
        method: Post,
        access: Only("operate"),
        body: Some(Shape::of::<drain::DrainBody>()),
        ..get(
            "/api/v1/drain",
            "beginDrain",
            "Refuse binds and let every session take leave",
            Shape::of::<drain::DrainView>(),
            run!(drain::begin),
        )
    },
    Route {
        method: Delete,
        access: Only("operate"),
        body: Some(Shape::of::<drain::UndrainBody>()),
        ..get("/api/v1/drain", "endDrain", "Take binds again", Shape::of::<drain::DrainView>(), run!(drain::end))
    },
    get("/api/v1/smscs", "listSmscs", "The SMSC's addresses", Shape::list::<smscs::SmscView>(), run!(smscs::list)),
    get(
        "/api/v1/policy",
        "getPolicy",
        "The switches in force, with origin and default",
        Shape::of::<policy::PolicyView>(),
        run!(policy::show),
    ),
    Route {
        also: &[422],
        ..get(
            "/api/v1/policy/diff",
            "diffPolicy",
            "What a reload would change, and what that loosens or tightens",
            Shape::of::<policy::DiffView>(),
            run!(policy::diff),
        )
    },
    get(
        "/api/v1/policy/versions",
        "listVersions",
        "Loads of the configuration, the latest first",
        Shape::list::<policy::VersionView>(),
        run!(policy::versions),
    ),
    Route {
        method: Post,
        access: Only("policy"),
        body: Some(Shape::of::<policy::ReloadBody>()),
        also: &[412],
        ..get(
            "/api/v1/policy:reload",
            "reloadPolicy",
            "Read the configuration again: whole, or not at all",
            Shape::of::<policy::ReloadedView>(),
            run!(policy::reload),
        )
    },
    Route {
        method: Post,
        access: ViewOwn,
        body: Some(Shape::of::<explain::Question>()),
        also: &[404],
        ..get(
            "/api/v1/explain",
            "explain",
            "What would be said to a message; nothing is sent, nothing is counted",
            Shape::of::<explain::Explained>(),
            run!(explain::ask),
        )
    },
    Route {
        method: Post,
        access: Only("ledger"),
        body: Some(Shape::of::<ledger::LookupBody>()),
        ..get(
            "/api/v1/ledger:lookup",
            "lookUp",
            "Every message to a subscriber of one local day",
            Shape::list::<ledger::EntryView>(),
            run!(ledger::lookup),
        )
    },
    Route {
        method: Post,
        access: Only("records"),
        body: Some(Shape::of::<records::TraceBody>()),
        ..get(
            "/api/v1/records:trace",
            "trace",
            "Every message to a subscriber of some days, and what became of it",
            Shape::of::<records::TraceView>(),
            run!(records::trace),
        )
    },
    Route {
        access: Only("records"),
        query: &[
            Parameter {
                name: "from",
                kind: Text,
                about: "the first local day, such as 2026-11-01; today unless given",
            },
            Parameter { name: "to", kind: Text, about: "the last local day; `from` unless given" },
            Parameter { name: "campaign", kind: Number(1, u32::MAX as u64), about: "of this campaign only" },
            Parameter {
                name: "format",
                kind: OneOf(reports::FORMATS),
                about: "`json`, a line of JSON for each step, unless given",
            },
            Parameter { name: "lang", kind: OneOf(&["zh", "en"]), about: "the heads of a CSV file; zh unless given" },
        ],
        also: &[409],
        ..get(
            "/api/v1/reports",
            "report",
            "What became of the messages of some days, in figures",
            Shape { media: "application/x-ndjson", ..Shape::of::<reports::ReportStep>() },
            run!(reports::report),
        )
    },
    Route {
        method: Post,
        access: Only("audit"),
        body: Some(Shape::of::<records::VerifyBody>()),
        ..get(
            "/api/v1/records:verify",
            "verifyRecords",
            "Whether the records of closed days are what was sealed",
            Shape::of::<records::SealsView>(),
            run!(records::verify),
        )
    },
    Route {
        query: &[LIMIT, Parameter { name: "cursor", kind: Number(0, u64::MAX), about: "the last row that was seen" }],
        also: &[503],
        ..get(
            "/api/v1/ledger/unknown",
            "listUnknown",
            "Messages that nobody answered",
            Shape::list::<ledger::EntryView>(),
            run!(ledger::unknown),
        )
    },
    Route {
        also: &[503],
        ..get(
            "/api/v1/ledger/stats",
            "getLedgerStats",
            "Slots and files",
            Shape::of::<ledger::StatsView>(),
            run!(ledger::stats),
        )
    },
    Route {
        method: Post,
        access: Only("ledger"),
        body: Some(Shape::of::<ledger::ReleaseBody>()),
        also: &[404],
        ..get(
            "/api/v1/ledger:release",
            "release",
            "Free what a message of unknown outcome has taken",
            Shape::of::<ledger::ReleasedView>(),
            run!(ledger::release),
        )
    },
    Route {
        method: Post,
        access: Only("operate"),
        ..get(
            "/api/v1/ledger:verify",
            "verifyLedger",
            "Read every file and tell what is wrong",
            Shape::of::<ledger::CheckedView>(),
            run!(ledger::verify),
        )
    },
    Route {
        method: Post,
        access: Only("operate"),
        body: Some(Shape::of::<ledger::AcceptBody>()),
        also: &[404],
        ..get(
            "/api/v1/ledger:accept",
            "acceptLedger",
            "Go over damage that the start has found",
            Shape::of::<ledger::AcceptedView>(),
            run!(ledger::accept),
        )
    },
    Route {
        method: Post,
        access: Only("operate"),
        body: Some(Shape::of::<ledger::BackupBody>()),
        ..get(
            "/api/v1/ledger:backup",
            "backUpLedger",
            "Copy the ledger at work",
            Shape::of::<ledger::BackupView>(),
            run!(ledger::backup),
        )
    },
    Route {
        method: Post,
        access: Only("operate"),
        body: Some(Shape::of::<ledger::PruneBody>()),
        ..get(
            "/api/v1/ledger:prune",
            "pruneLedger",
            "Remove the files of old days",
            Shape::of::<ledger::PrunedView>(),
            run!(ledger::prune),
        )
    },
    Route {
        access: ViewOwn,
        query: &[LIMIT, ACCOUNT, Parameter { name: "reason", kind: Text, about: "for this reason only" }, SINCE],
        ..get(
            "/api/v1/refusals",
            "listRefusals",
            "The latest refusals, newest first, a bounded number a second",
            Shape::list::<refusals::RefusalView>(),
            run!(refusals::list),
        )
    },
    get(
        "/api/v1/errors",
        "listErrors",
        "The last malformed PDU of each session",
        Shape::list::<errors::FaultView>(),
        run!(errors::list),
    ),
    Route {
        query: &[ACCOUNT, Parameter { name: "event", kind: Text, about: "events of this name only" }],
        also: &[503],
        ..get(
            "/api/v1/events",
            "streamEvents",
            "Events as they happen: server-sent events, one JSON object each",
            Shape::free("text/event-stream"),
            run!(events::stream),
        )
    },
    Route {
        access: Only("audit"),
        query: &[
            LIMIT,
            SINCE,
            Parameter { name: "who", kind: Text, about: "by this operator only" },
            Parameter { name: "action", kind: Text, about: "of this kind only" },
        ],
        ..get(
            "/api/v1/audit",
            "listActs",
            "What operators did, newest first",
            Shape::list::<audit::ActView>(),
            run!(audit::list),
        )
    },
    Route {
        access: Only("audit"),
        ..get(
            "/api/v1/audit:verify",
            "verifyActs",
            "Whether the record is whole",
            Shape::of::<audit::Verified>(),
            run!(audit::verify),
        )
    },
    Route {
        access: Only("operate"),
        ..get(
            "/api/v1/log-level",
            "getLogLevel",
            "The log's level",
            Shape::of::<log_level::LevelView>(),
            run!(log_level::show),
        )
    },
    Route {
        method: Put,
        access: Only("operate"),
        body: Some(Shape::of::<log_level::LevelBody>()),
        also: &[409],
        ..get(
            "/api/v1/log-level",
            "setLogLevel",
            "Set the log's level for a while",
            Shape::of::<log_level::LevelView>(),
            run!(log_level::set),
        )
    },
    Route {
        query: &[Parameter {
            name: "type",
            kind: OneOf(&["counter", "gauge", "histogram"]),
            about: "families of this type only",
        }],
        ..get(
            "/api/v1/metrics",
            "listMetrics",
            "Metric families with their labels and number of series",
            Shape::list::<metrics::FamilyView>(),
            run!(metrics::list),
        )
    },
];
