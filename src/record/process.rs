//! What concerns the process as a whole rather than one gateway: log events,
//! panics, broken invariants, the runtime. Read when it is asked for.

use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{CounterVec, GaugeVec, Opts, Registry};
use tokio::runtime::{Handle, RuntimeMetrics};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::domain::Invariant;

use super::log_writer;
use super::logs::{self, Logs};

const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
const LEVEL_NAMES: [&str; LEVELS.len()] = ["error", "warn", "info", "debug", "trace"];

/// How long the end of a part, or of the process, waits for the log.
pub const PARTING: Duration = Duration::from_millis(500);

static LOG_EVENTS: [AtomicU64; LEVELS.len()] = [const { AtomicU64::new(0) }; LEVELS.len()];
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Counts the events that the log is given.
#[derive(Clone, Copy, Debug)]
pub struct CountEvents;

impl<S: Subscriber> Layer<S> for CountEvents {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if let Some(level) = LEVELS.iter().position(|level| level == event.metadata().level()) {
            LOG_EVENTS[level].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Counts panics and logs where they happened. What a panic says is logged only if it was written into the
/// program: a text put together at run time could hold what no log may hold (P14).
pub fn count_panics(logs: &Logs) {
    let logs = logs.clone();
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        let message = info.payload().downcast_ref::<&'static str>().copied().unwrap_or("(withheld)");
        let (file, line) = info.location().map_or(("", 0), |place| (place.file(), place.line()));
        tracing::error!(event = "panic", file, line, message, "a part of the program has failed");
        logs.flush(PARTING); // the process may be about to end
    }));
}

/// Registers the families that are read here.
pub(super) fn register(registry: &Registry) -> Result<(), prometheus::Error> {
    let add = |name: &str, help: &str, label: Option<&'static str>, kind, read| {
        let opts = Opts::new(format!("smsluice_{name}"), help);
        registry.register(Box::new(ReadFamily::new(opts, label, kind, read)?))
    };
    add("log_events_total", "Events the log was given", Some("level"), Kind::Counter, log_events)?;
    add("telemetry_dropped_total", "What was dropped because nobody took it", Some("sink"), Kind::Counter, || {
        vec![("log", log_writer::dropped() as f64), ("events", logs::missed() as f64)]
    })?;
    add("panics_total", "Parts of the program that failed", None, Kind::Counter, || {
        vec![("", PANICS.load(Ordering::Relaxed) as f64)]
    })?;
    add("invariant_violations_total", "Contradictions in the books", Some("invariant"), Kind::Counter, || {
        Invariant::ALL.iter().map(|own| (own.code(), own.violations() as f64)).collect()
    })?;
    add("runtime_workers", "Threads that run tasks", None, Kind::Gauge, || runtime(|r| r.num_workers() as f64))?;
    add("runtime_tasks", "Tasks alive", None, Kind::Gauge, || runtime(|r| r.num_alive_tasks() as f64))?;
    add("runtime_queue_depth", "Tasks that wait in the shared queue", None, Kind::Gauge, || {
        runtime(|r| r.global_queue_depth() as f64)
    })?;
    add("runtime_busy_seconds_total", "Time the workers spent on tasks", None, Kind::Counter, || {
        runtime(|r| (0..r.num_workers()).map(|worker| r.worker_total_busy_duration(worker).as_secs_f64()).sum())
    })
}

fn log_events() -> Values {
    LEVEL_NAMES.into_iter().zip(&LOG_EVENTS).map(|(name, count)| (name, count.load(Ordering::Relaxed) as f64)).collect()
}

/// A figure of the runtime that this is called in; 0 outside of one.
fn runtime(figure: impl Fn(&RuntimeMetrics) -> f64) -> Values {
    vec![("", Handle::try_current().map_or(0.0, |handle| figure(&handle.metrics())))]
}

/// Each value with its label's value.
type Values = Vec<(&'static str, f64)>;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Counter,
    Gauge,
}

/// A family without a memory of its own.
#[derive(Debug)]
struct ReadFamily {
    desc: Desc,
    opts: Opts,
    label: Option<&'static str>,
    kind: Kind,
    read: fn() -> Values,
}

impl ReadFamily {
    fn new(
        opts: Opts,
        label: Option<&'static str>,
        kind: Kind,
        read: fn() -> Values,
    ) -> Result<Self, prometheus::Error> {
        let names = label.into_iter().map(str::to_owned).collect();
        let desc = Desc::new(opts.name.clone(), opts.help.clone(), names, std::collections::HashMap::new())?;
        Ok(Self { desc, opts, label, kind, read })
    }

    fn labels(&self) -> Vec<&'static str> {
        self.label.into_iter().collect()
    }

    fn counters(&self) -> Result<Vec<MetricFamily>, prometheus::Error> {
        let family = CounterVec::new(self.opts.clone(), &self.labels())?;
        for (value, number) in (self.read)() {
            let values = if self.label.is_some() { vec![value] } else { Vec::new() };
            family.get_metric_with_label_values(&values)?.inc_by(number);
        }
        Ok(family.collect())
    }

    fn gauges(&self) -> Result<Vec<MetricFamily>, prometheus::Error> {
        let family = GaugeVec::new(self.opts.clone(), &self.labels())?;
        for (value, number) in (self.read)() {
            let values = if self.label.is_some() { vec![value] } else { Vec::new() };
            family.get_metric_with_label_values(&values)?.set(number);
        }
        Ok(family.collect())
    }
}

impl Collector for ReadFamily {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let read = match self.kind {
            Kind::Counter => self.counters(),
            Kind::Gauge => self.gauges(),
        };
        read.unwrap_or_default() // the descriptor was accepted when the family was registered
    }
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn text() -> String {
        let registry = Registry::new();
        register(&registry).expect("registers");
        TextEncoder::new().encode_to_string(&registry.gather()).expect("text")
    }

    fn value(series: &str) -> f64 {
        let text = text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().expect("a number")
    }

    #[test]
    fn events_are_counted_by_level() {
        let series = r#"smsluice_log_events_total{level="warn"}"#;
        let before = value(series);
        let log = tracing_subscriber::registry().with(CountEvents);
        tracing::subscriber::with_default(log, || {
            tracing::warn!("one");
            tracing::warn!("two");
            tracing::info!("three");
        });
        assert!(value(series) >= before + 2.0, "other tests may log meanwhile");
    }

    #[test]
    fn a_panic_is_told_with_its_place_and_without_what_was_put_together() {
        let logs = Logs::detached();
        let (mut listener, subscriber) = (logs.listen(), tracing_subscriber::registry().with(logs.stream_layer()));
        let before = std::panic::take_hook();
        count_panics(&logs);
        tracing::subscriber::with_default(subscriber, || {
            let number = 13_855_100_001_u64;
            assert!(std::panic::catch_unwind(|| panic!("{number} was refused")).is_err());
            assert!(std::panic::catch_unwind(|| panic!("a word of the program")).is_err());
        });
        std::panic::set_hook(before);
        let told: Vec<_> = std::iter::from_fn(|| listener.try_recv().ok()).map(|event| event.json).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains("(withheld)") && told[0].contains("process.rs") && !told[0].contains("13855"),
            "{told:?}"
        );
        assert!(told[1].contains("a word of the program"), "{told:?}");
    }

    #[tokio::test]
    async fn the_runtime_is_seen_from_inside() {
        assert!(value("smsluice_runtime_workers") >= 1.0);
        assert!(value("smsluice_invariant_violations_total{invariant=\"counts\"}") < 1.0);
    }
}
