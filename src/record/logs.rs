//! The log of the process, its level at run time, and the same events as a stream.
//!
//! Every event that has a name (a field `event`) goes to whoever listens at the
//! moment, beside the log and whatever its level. The queue between is bounded:
//! a listener that is too slow loses the oldest and is told how many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::broadcast;
use tracing::field::{Field, Visit};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::domain::{Clock, Moment};

use super::log_writer::LogWriter;
use super::process::CountEvents;

/// Events that wait for a listener at most.
const QUEUE: usize = 1024;

static MISSED: AtomicU64 = AtomicU64::new(0);

/// Events that listeners were too slow for, since the start.
pub(super) fn missed() -> u64 {
    MISSED.load(Ordering::Relaxed)
}

/// A listener was too slow for so many events.
pub fn count_missed(events: u64) {
    MISSED.fetch_add(events, Ordering::Relaxed);
}

/// An event as it is streamed.
#[derive(Clone, Debug)]
pub struct Streamed {
    /// Its name, such as `bind_accepted`.
    pub name: Arc<str>,
    /// The account it is about, if it names one.
    pub account: Option<Arc<str>>,
    /// The whole event as one line of JSON.
    pub json: Arc<str>,
}

/// The log of this process; clones are the same log.
#[derive(Clone, Debug)]
pub struct Logs {
    stream: broadcast::Sender<Streamed>,
    level: Arc<Mutex<Level>>,
    handle: Option<reload::Handle<EnvFilter, Registry>>,
    writer: Option<LogWriter>,
}

#[derive(Debug)]
struct Level {
    /// What the configuration says.
    configured: String,
    /// What somebody set for a while.
    set: Option<(String, Moment)>,
}

/// Why a level cannot be set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// It is no level and no filter.
    #[error("not a level or filter: {0}")]
    Unreadable(String),
    /// The log belongs to another program, into which the gateway is built.
    #[error("the log of this process is not the gateway's own")]
    NotOurs,
}

impl Logs {
    /// A log that cannot be changed, without a stream: where the gateway is a part of another program.
    pub fn detached() -> Self {
        Self::new("info", None)
    }

    /// Starts the log on standard error: text for people, or with `json` one object a line.
    pub fn install(level: &str, json: bool) -> Self {
        let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
        let (filter, handle) = reload::Layer::new(filter);
        let mut logs = Self::new(level, Some(handle));
        logs.writer = LogWriter::start(std::io::stderr()).ok();
        let writer = match &logs.writer {
            Some(writer) => BoxMakeWriter::new(writer.clone()),
            None => BoxMakeWriter::new(std::io::stderr), // without a thread a line is written where it comes up
        };
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none())
            .with_writer(writer);
        let lines = if json { lines.json().flatten_event(true).boxed() } else { lines.with_target(false).boxed() };
        let lines = lines.and_then(CountEvents).with_filter(filter);
        let stream = Stream(logs.stream.clone()).with_filter(LevelFilter::INFO);
        // A second start in one process keeps the first log.
        let _ = tracing_subscriber::registry().with(lines).with(stream).try_init();
        logs
    }

    /// What hands events to the listeners, for a test that has a subscriber of its own.
    #[cfg(test)]
    pub(super) fn stream_layer<S: tracing::Subscriber>(&self) -> impl Layer<S> {
        Stream(self.stream.clone())
    }

    fn new(level: &str, handle: Option<reload::Handle<EnvFilter, Registry>>) -> Self {
        let level = Level { configured: level.to_owned(), set: None };
        let (stream, _) = broadcast::channel(QUEUE);
        Self { stream, level: Arc::new(Mutex::new(level)), handle, writer: None }
    }

    /// Waits until all that was logged is written, but no longer than that.
    pub fn flush(&self, patience: Duration) {
        if let Some(writer) = &self.writer {
            writer.flush(patience);
        }
    }

    /// Listens from now on.
    pub fn listen(&self) -> broadcast::Receiver<Streamed> {
        self.stream.subscribe()
    }

    /// The level in force, and until when if somebody set it.
    pub fn level(&self) -> (String, Option<Moment>) {
        let level = self.level.lock();
        match &level.set {
            Some((spec, until)) => (spec.clone(), Some(*until)),
            None => (level.configured.clone(), None),
        }
    }

    /// Sets the level until a moment.
    pub fn set(&self, spec: &str, until: Moment) -> Result<(), LevelError> {
        let filter = EnvFilter::try_new(spec).map_err(|error| LevelError::Unreadable(error.to_string()))?;
        let mut level = self.level.lock();
        self.put(filter)?;
        level.set = Some((spec.to_owned(), until));
        Ok(())
    }

    /// Goes back to the configured level when the time is over; for a caller once a second.
    pub fn fall_back(&self, now: Moment) {
        let mut level = self.level.lock();
        if level.set.as_ref().is_some_and(|(_, until)| *until <= now) {
            let filter = EnvFilter::try_new(&level.configured).unwrap_or_else(|_| EnvFilter::new("info"));
            if self.put(filter).is_ok() {
                level.set = None;
            }
        }
    }

    fn put(&self, filter: EnvFilter) -> Result<(), LevelError> {
        let handle = self.handle.as_ref().ok_or(LevelError::NotOurs)?;
        handle.reload(filter).map_err(|_| LevelError::NotOurs)?;
        Ok(())
    }
}

/// Hands named events to the listeners.
struct Stream(broadcast::Sender<Streamed>);

impl<S: tracing::Subscriber> Layer<S> for Stream {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if self.0.receiver_count() == 0 {
            return; // nobody listens: an event costs nothing here
        }
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let Fields(mut fields) = fields;
        let Some(name) = fields.get("event").and_then(Value::as_str).map(Arc::from) else { return };
        fields.insert("ts".to_owned(), Clock::System.now().to_string().into());
        fields.insert("level".to_owned(), event.metadata().level().as_str().into());
        let account = fields.get("account").and_then(Value::as_str).map(Arc::from);
        let json = Value::Object(fields).to_string().into();
        let _ = self.0.send(Streamed { name, account, json }); // the last listener may just have gone
    }
}

/// The fields of an event as JSON.
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        let name = if field.name() == "message" { "msg" } else { field.name() };
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_events_reach_a_listener_as_json_and_others_do_not() {
        let logs = Logs::detached();
        let subscriber = tracing_subscriber::registry().with(Stream(logs.stream.clone()));
        let mut listener = logs.listen();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("no name");
            tracing::warn!(event = "smsc_down", account = "hefei", count = 3, ok = false, "the SMSC cannot be reached");
        });
        let streamed = listener.try_recv().expect("an event");
        let json: Value = serde_json::from_str(&streamed.json).expect("JSON");
        assert_eq!((&*streamed.name, streamed.account.as_deref()), ("smsc_down", Some("hefei")));
        assert_eq!((&json["count"], &json["level"], &json["ok"]), (&3.into(), &"WARN".into(), &false.into()));
        assert_eq!(json["msg"], "the SMSC cannot be reached");
        assert!(listener.try_recv().is_err());
    }

    #[test]
    fn a_level_is_set_for_a_while_and_falls_back_by_itself() {
        let (filter, handle) = reload::Layer::<EnvFilter, Registry>::new(EnvFilter::new("info"));
        let logs = Logs::new("info", Some(handle));
        let at = Moment::from_ms;
        assert_eq!(logs.set("info,smsluice=debug", at(1000)), Ok(()));
        logs.fall_back(at(999));
        assert_eq!(logs.level(), ("info,smsluice=debug".to_owned(), Some(at(1000))));
        logs.fall_back(at(1000));
        assert_eq!(logs.level(), ("info".to_owned(), None));
        assert!(matches!(logs.set("info,=,", at(1)), Err(LevelError::Unreadable(_))));
        drop(filter);
        assert_eq!(Logs::detached().set("debug", at(1)), Err(LevelError::NotOurs));
    }
}
