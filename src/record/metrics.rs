//! The metric families (`docs/metrics.md` lists them). Labels come from the
//! configuration and from closed sets, never from the wire; every child is
//! resolved before the path of a message.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::ledger::{CommitObserver, DamageKind};
use crate::policy::Account;
use crate::smpp::command::status;
use crate::smpp::receipt::State;
use crate::traffic::overload::Step;

use super::admin::AdminMetrics;
use super::clock::ClockMetrics;
use super::faults::Faults;
use super::legs::LegMetrics;
use super::pauses::Pauses;
use super::process;
use super::refusals::Refusals;
use super::registry::RegistryMetrics;
use super::sender::SenderMetrics;
use super::shared::SharedMetrics;

/// Every family, registered.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub(super) received: IntCounterVec,
    pub(super) forwarded: IntCounterVec,
    pub(super) refused: IntCounterVec,
    pub(super) settled: IntCounterVec,
    pub(super) shadow: IntCounterVec,
    pub(super) segments: IntCounterVec,
    pub(super) quirks: IntCounterVec,
    pub(super) tlvs: IntCounterVec,
    pub(super) in_flight: IntGaugeVec,
    pub(super) sessions: IntGaugeVec,
    pub(super) session_limit: IntGaugeVec,
    pub(super) binds: IntCounterVec,
    pub(super) quota_used: IntGaugeVec,
    pub(super) quota_limit: IntGaugeVec,
    pub(super) throttle_limit: IntGaugeVec,
    /// Why sessions ended, by the side that began it.
    pub session_closes: IntCounterVec,
    /// Malformed input, by leg and kind.
    pub protocol_errors: IntCounterVec,
    /// Answers that fit no request.
    pub anomalies: IntCounterVec,
    /// Receipts of the SMSC by state.
    pub receipts: IntCounterVec,
    /// From whole PDUs read to handed upstream, one observation a batch.
    pub added_latency: Histogram,
    /// Where a batch's time goes.
    pub stages: Stages,
    /// What passes between the senders and the gateway.
    pub esme_leg: LegMetrics,
    /// What passes between the gateway and the SMSC.
    pub smsc_leg: LegMetrics,
    smsc_response: HistogramVec,
    smsc_responses: IntCounterVec,
    smsc_up: IntGaugeVec,
    smsc_connect_failures: IntCounterVec,
    commit_duration: Histogram,
    commit_rows: Histogram,
    ledger_errors: IntCounterVec,
    /// Slots by state.
    pub ledger_rows: IntGaugeVec,
    /// Whether submissions may pass as far as the ledger is concerned.
    pub ledger_trusted: IntGauge,
    /// Damage of the ledger's files by kind.
    pub ledger_damage: IntGaugeVec,
    /// Whether this process owns the ledger.
    pub ledger_owner: IntGauge,
    /// The ledger that several gateways share; all zero where there is none.
    pub ledger_shared: SharedMetrics,
    /// Octets of the ledger's files.
    pub ledger_size: IntGauge,
    /// Messages and receipts of which no record could be kept, since the start.
    pub ledger_untold: IntGauge,
    /// Days that are over and not sealed.
    pub ledger_unsealed: IntGauge,
    /// When the oldest message that waits for its answer was handed over, seconds since 1970; 0 if none waits.
    pub ledger_oldest_reserved: Gauge,
    /// Whether an immediate message may pass the hours and holidays now.
    pub window_open: IntGaugeVec,
    /// The clock.
    pub clock: ClockMetrics,
    /// Whether each component is ready, as `/readyz` tells.
    pub ready: IntGaugeVec,
    /// The admin API.
    pub admin: AdminMetrics,
    /// The latest refusals.
    pub refusals: Arc<Refusals>,
    /// The last malformed PDU of each session.
    pub faults: Faults,
    /// What is stopped or slowed down.
    pub pauses: Pauses,
    /// What is registered, and who has opted out.
    pub campaigns: RegistryMetrics,
    policy_version: IntGauge,
    /// Seconds since 1970 of the last good load.
    pub config_loaded: Gauge,
    /// 1 unless the last load was refused.
    pub config_successful: IntGauge,
}

/// The stages of a batch on its way to the SMSC.
#[derive(Debug)]
pub struct Stages {
    /// Reading, deciding and reserving every message.
    pub judge: Histogram,
    /// Waiting for the group commit.
    pub ledger: Histogram,
    /// Writing to the SMSC.
    pub forward: Histogram,
    /// Writing refusals to the sender.
    pub answer: Histogram,
}

/// The SMSC's part, resolved for one address.
#[derive(Clone, Debug)]
pub struct SmscMetrics {
    /// The address, as configured.
    pub address: Arc<str>,
    /// From handed upstream to the answer.
    pub response: Histogram,
    /// 1 while the last connect worked.
    pub up: IntGauge,
    /// Messages a second to which the overload governor has lowered the rate; 0 without a limit.
    pub rate_limit: Gauge,
    overload_steps: [IntCounter; Step::CODES.len()],
    by_status: [IntCounter; STATUSES.len()],
}

const STATUSES: [&str; 8] =
    ["ok", "throttled", "queue_full", "system_error", "bad_destination", "bad_source", "submit_failed", "other"];

impl Metrics {
    /// All families, with zero for every known label.
    #[expect(clippy::too_many_lines, reason = "a list: one family after the other")]
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let r = Families(&registry);
        process::register(&registry)?;
        let millis = |from: f64| prometheus::exponential_buckets(from, 2.0, 15);
        let pdus = r.counters("pdus_total", "PDUs by command", &["leg", "direction", "command"])?;
        let read = r.counters("received_bytes_total", "Octets read from a leg's sockets", &["leg"])?;
        let sent = r.counters("sent_bytes_total", "Octets written to a leg's sockets", &["leg"])?;
        let stages =
            r.histograms("stage_duration_seconds", "A batch's time in each stage", &["stage"], millis(1e-6)?)?;
        let metrics = Self {
            received: r.counters(
                "messages_received_total",
                "Submissions read on bound sessions",
                &["account", "verb"],
            )?,
            forwarded: r.counters(
                "messages_forwarded_total",
                "Submissions handed whole to the SMSC",
                &["account", "verb"],
            )?,
            refused: r.counters(
                "messages_refused_total",
                "Submissions answered by the gateway",
                &["account", "reason"],
            )?,
            settled: r.counters(
                "messages_settled_total",
                "Forwarded submissions by outcome",
                &["account", "outcome"],
            )?,
            shadow: r.counters(
                "shadow_refusals_total",
                "Messages an observed rule would have refused",
                &["account", "rule"],
            )?,
            segments: r.counters("segments_total", "Parts of concatenated messages", &["account", "verdict"])?,
            quirks: r.counters("quirks_total", "Tolerances used", &["account", "quirk"])?,
            tlvs: r.counters(
                "unspecified_tlvs_total",
                "TLVs that no specification names",
                &["account", "tag_class"],
            )?,
            in_flight: r.gauges("messages_in_flight", "Forwarded, not settled", &["account"])?,
            sessions: r.gauges("sessions", "Sessions bound now", &["account", "bind"])?,
            session_limit: r.gauges("session_limit", "Sessions allowed", &["account"])?,
            binds: r.counters("binds_total", "Bind attempts", &["account", "result"])?,
            quota_used: r.gauges("quota_used_recipients", "Subscribers counted today", &["account"])?,
            quota_limit: r.gauges("quota_limit_recipients", "Subscribers allowed a day", &["account"])?,
            throttle_limit: r.gauges("throttle_limit_messages_per_second", "The account's rate", &["account"])?,
            session_closes: r.counters("session_closes_total", "Ended sessions", &["side", "cause"])?,
            protocol_errors: r.counters("protocol_errors_total", "Malformed input", &["leg", "kind"])?,
            anomalies: r.counters("anomalies_total", "Answers that fit no request", &["kind"])?,
            receipts: r.counters("receipts_total", "Receipts passed on", &["state"])?,
            added_latency: r.histogram(
                "added_latency_seconds",
                "From read to handed upstream, per batch",
                millis(25e-6)?,
            )?,
            stages: Stages {
                judge: stages.with_label_values(&["judge"]),
                ledger: stages.with_label_values(&["ledger"]),
                forward: stages.with_label_values(&["forward"]),
                answer: stages.with_label_values(&["answer"]),
            },
            esme_leg: LegMetrics::new("esme", &pdus, &read, &sent),
            smsc_leg: LegMetrics::new("smsc", &pdus, &read, &sent),
            smsc_response: r.histograms(
                "smsc_response_seconds",
                "From handed upstream to the answer",
                &["smsc"],
                millis(250e-6)?,
            )?,
            smsc_responses: r.counters("smsc_responses_total", "Answers of the SMSC", &["smsc", "status"])?,
            smsc_up: r.gauges("smsc_up", "Whether the last connect and bind worked", &["smsc"])?,
            smsc_connect_failures: r.counters("smsc_connect_failures_total", "Failed connects", &["smsc", "cause"])?,
            commit_duration: r.histogram(
                "ledger_commit_duration_seconds",
                "Write and sync of a group commit",
                millis(5e-6)?,
            )?,
            commit_rows: r.histogram(
                "ledger_commit_rows",
                "Reservations of a group commit",
                prometheus::exponential_buckets(1.0, 4.0, 9)?,
            )?,
            ledger_errors: r.counters("ledger_errors_total", "Failed commits", &["kind"])?,
            ledger_rows: r.gauges("ledger_rows", "Slots of today by state", &["state"])?,
            ledger_trusted: r.gauge("ledger_trusted", "1 while submissions may pass")?,
            ledger_damage: r.gauges("ledger_damage", "1 while the ledger's files are damaged", &["kind"])?,
            ledger_owner: r.gauge("ledger_owner", "1 while this process owns the ledger")?,
            ledger_shared: SharedMetrics::new(&r)?,
            ledger_untold: r.gauge("ledger_records_lost", "Messages and receipts without a record, since the start")?,
            ledger_unsealed: r.gauge("ledger_unsealed", "Days that are over and not sealed")?,
            ledger_size: r.gauge("ledger_size_bytes", "Octets of the ledger's files")?,
            ledger_oldest_reserved: r.float_gauge(
                "ledger_oldest_reserved_timestamp_seconds",
                "When the oldest message without an answer was handed over",
            )?,
            window_open: r.gauges("window_open", "1 while an immediate message may pass", &["window"])?,
            clock: ClockMetrics::new(&r)?,
            ready: r.gauges("ready", "1 while the component is ready", &["component"])?,
            admin: AdminMetrics::new(&r)?,
            refusals: Arc::default(),
            faults: Faults::default(),
            pauses: Pauses::new(&r)?,
            campaigns: RegistryMetrics::new(&r)?,
            policy_version: r.gauge("policy_version", "Version of the policy in force")?,
            config_loaded: r.float_gauge("config_last_reload_success_timestamp_seconds", "Last good load")?,
            config_successful: r.gauge("config_last_reload_successful", "0 after a reload that was refused")?,
            registry: registry.clone(),
        };
        metrics.zero(&r)?;
        Ok(metrics)
    }

    fn zero(&self, r: &Families<'_>) -> Result<(), prometheus::Error> {
        let revision = option_env!("SMSLUICE_REVISION").unwrap_or("unknown");
        let build = r.gauges("build_info", "The build", &["version", "revision"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), revision]).set(1);
        for kind in ["late_accept", "duplicate_answer", "unknown_answer", "wrong_answer_type"] {
            self.anomalies.with_label_values(&[kind]);
        }
        for state in State::ALL.map(State::code).into_iter().chain(["unreadable"]) {
            self.receipts.with_label_values(&[state]);
        }
        for kind in ["io", "full", "corrupt", "lock"] {
            self.ledger_errors.with_label_values(&[kind]);
        }
        for kind in DamageKind::ALL {
            self.ledger_damage.with_label_values(&[kind.code()]);
        }
        for kind in ["bad_length", "not_smpp", "not_bound", "unknown_command", "truncated"] {
            for leg in ["esme", "smsc"] {
                self.protocol_errors.with_label_values(&[leg, kind]);
            }
        }
        for result in ["unknown_account", "wrong_network", "malformed"] {
            self.binds.with_label_values(&["unknown", result]);
        }
        self.ledger_trusted.set(1);
        Ok(())
    }

    /// An account's children of every family.
    pub fn sender(&self, account: &Account) -> SenderMetrics {
        SenderMetrics::new(self, account)
    }

    /// Shows an account's limits; `quota` is that of an account without one of its own.
    pub fn limits(&self, account: &Account, quota: u32) {
        let id = [&*account.system_id];
        self.session_limit.with_label_values(&id).set(i64::from(account.sessions));
        self.throttle_limit.with_label_values(&id).set(i64::from(account.rate.per_second));
        self.quota_limit.with_label_values(&id).set(i64::from(account.daily_users.unwrap_or(quota)));
    }

    /// An account that is gone has no limits any more. What it has sent stays counted until the process ends.
    pub fn forget_limits(&self, account: &Account) {
        for family in [&self.session_limit, &self.throttle_limit, &self.quota_limit, &self.quota_used] {
            let _ = family.remove_label_values(&[&*account.system_id]); // what is not there need not be removed
        }
    }

    /// A policy version is in force.
    pub fn in_force(&self, version: u64) {
        self.policy_version.set(version.cast_signed());
    }

    /// Children for one SMSC address.
    pub fn smsc(&self, address: &str) -> SmscMetrics {
        for cause in ["refused", "timeout", "other"] {
            self.smsc_connect_failures.with_label_values(&[address, cause]);
        }
        SmscMetrics {
            address: address.into(),
            response: self.smsc_response.with_label_values(&[address]),
            up: self.smsc_up.with_label_values(&[address]),
            rate_limit: self.pauses.rate_limit.with_label_values(&[address]),
            overload_steps: Step::CODES.map(|step| self.pauses.overload_steps.with_label_values(&[address, step])),
            by_status: STATUSES.map(|status| self.smsc_responses.with_label_values(&[address, status])),
        }
    }

    /// A bind that named no configured account.
    pub fn bind_of_unknown(&self, result: &'static str) {
        self.binds.with_label_values(&["unknown", result]).inc();
    }

    /// A connect to the SMSC that failed.
    pub fn connect_failed(&self, address: &str, cause: &'static str) {
        self.smsc_connect_failures.with_label_values(&[address, cause]).inc();
        self.smsc_up.with_label_values(&[address]).set(0);
    }

    /// How long half and all but one in a hundred of the commits took at most, seconds; `None` before the first.
    pub fn commit_quantiles(&self) -> Option<(f64, f64)> {
        quantiles(&self.commit_duration)
    }

    /// Every family as it is, for those who list them.
    pub fn families(&self) -> Vec<prometheus::proto::MetricFamily> {
        self.registry.gather()
    }

    /// Text format 0.0.4.
    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

/// The buckets in which the median and the 99th percentile of a histogram lie, by their upper bounds.
fn quantiles(histogram: &Histogram) -> Option<(f64, f64)> {
    let whole = prometheus::core::Metric::metric(histogram);
    let buckets = whole.get_histogram().get_bucket();
    let count = whole.get_histogram().get_sample_count();
    let bound = |share: f64| {
        let rank = share * count as f64;
        let bucket = buckets.iter().find(|bucket| bucket.cumulative_count() as f64 >= rank);
        bucket.or(buckets.last()).map(prometheus::proto::Bucket::upper_bound)
    };
    if count == 0 { None } else { Some((bound(0.5)?, bound(0.99)?)) }
}

impl SmscMetrics {
    /// Median and 99th percentile of the response times since the start, seconds; `None` before the first answer.
    pub fn response_quantiles(&self) -> Option<(f64, f64)> {
        quantiles(&self.response)
    }

    /// Answers since the start by their status.
    pub fn by_status(&self) -> impl Iterator<Item = (&'static str, u64)> {
        STATUSES.into_iter().zip(self.by_status.iter().map(IntCounter::get))
    }

    /// Counts a step of the governor.
    pub fn overload_step(&self, step: Step) {
        let index = Step::CODES.iter().position(|code| *code == step.code());
        self.overload_steps[index.unwrap_or_default()].inc();
    }

    /// Counts an answer by its command_status.
    pub fn answered(&self, command_status: u32) {
        let index = match command_status {
            status::ESME_ROK => 0,
            status::ESME_RTHROTTLED => 1,
            status::ESME_RMSGQFUL => 2,
            status::ESME_RSYSERR => 3,
            status::ESME_RINVDSTADR => 4,
            status::ESME_RINVSRCADR => 5,
            status::ESME_RSUBMITFAIL => 6,
            _ => 7,
        };
        self.by_status[index].inc();
    }
}

impl CommitObserver for Metrics {
    fn committed(&self, elapsed: Duration, rows: u64) {
        self.commit_duration.observe(elapsed.as_secs_f64());
        self.commit_rows.observe(rows as f64);
        self.ledger_trusted.set(1);
    }

    fn failed(&self, error: &rusqlite::Error) {
        use rusqlite::ErrorCode;
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => "full",
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "corrupt",
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "lock",
            _ => "io",
        };
        self.ledger_errors.with_label_values(&[kind]).inc();
        self.ledger_trusted.set(0);
        tracing::error!(event = "ledger_error", kind, error = %error, "the journal cannot be written; submissions are refused");
    }
}

/// Registers families under the one prefix.
pub(super) struct Families<'a>(&'a Registry);

impl Families<'_> {
    fn add<C: prometheus::core::Collector + Clone + 'static>(&self, family: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(family.clone()))?;
        Ok(family)
    }

    fn opts(name: &str, help: &str) -> Opts {
        Opts::new(format!("smsluice_{name}"), help)
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Self::opts(name, help), labels)?)
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        self.add(IntGaugeVec::new(Self::opts(name, help), labels)?)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.add(IntCounter::with_opts(Self::opts(name, help))?)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.add(IntGauge::with_opts(Self::opts(name, help))?)
    }

    pub(super) fn float_gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, prometheus::Error> {
        self.add(GaugeVec::new(Self::opts(name, help), labels)?)
    }

    pub(super) fn float_gauge(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.add(Gauge::with_opts(Self::opts(name, help))?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: Vec<f64>) -> Result<Histogram, prometheus::Error> {
        let opts = HistogramOpts { common_opts: Self::opts(name, help), buckets };
        self.add(Histogram::with_opts(opts)?)
    }

    pub(super) fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: Vec<f64>,
    ) -> Result<HistogramVec, prometheus::Error> {
        let opts = HistogramOpts { common_opts: Self::opts(name, help), buckets };
        self.add(HistogramVec::new(opts, labels)?)
    }
}
