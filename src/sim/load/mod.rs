//! A load driver: many connections, a window each, messages written and answers
//! read in batches, nothing allocated for a message.
//!
//! Without a rate it is a closed loop: a window is refilled as answers come.
//! With a rate it is an open loop: messages fall due in ticks of a millisecond;
//! one that had to wait for the window or the socket is timed from when it was
//! due, so a peer that stalls cannot hide it.

mod connection;
mod report;
mod traffic;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

pub use report::LoadReport;
pub use traffic::{DEFAULT_TEXT, Kind, Traffic};

use super::esme::EsmeError;
use connection::Connection;

/// Messages that may be in flight on one connection.
pub const WINDOW_MAX: usize = 65_536;

/// What a load run does.
#[derive(Clone, Debug)]
pub struct LoadSettings {
    /// Whom to load.
    pub target: SocketAddr,
    /// `system_id` of every bind.
    pub system_id: String,
    /// Its password.
    pub password: String,
    /// `interface_version`.
    pub version: u8,
    /// Connections, each bound as transceiver.
    pub connections: usize,
    /// Messages in flight on each, at most.
    pub window: usize,
    /// Messages in all; `None` for no end.
    pub count: Option<u64>,
    /// Time after which nothing is sent any more.
    pub duration: Option<Duration>,
    /// Messages a second in all; `None` for as many as are answered.
    pub rate: Option<f64>,
    /// Time after which an answer is given up.
    pub response_timeout: Duration,
    /// Whether lost connections are made again.
    pub reconnect: bool,
    /// What is sent.
    pub traffic: Traffic,
}

/// Why a run did not begin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The settings contradict themselves.
    #[error("{0}")]
    Settings(&'static str),
    /// There are not that many numbers.
    #[error("{count} messages need more than the {numbers} numbers of the segments; add segments or use `repeat`")]
    Numbers {
        /// Messages asked for.
        count: u64,
        /// Numbers the segments hold.
        numbers: u64,
    },
    /// A connection could not be bound.
    #[error("`{target}`, connection {number} of {of}: {cause}")]
    Connect {
        /// Whom it went to.
        target: SocketAddr,
        /// Which connection, counted from 1.
        number: usize,
        /// How many there were to be.
        of: usize,
        /// What happened.
        cause: EsmeError,
    },
}

/// A run under way. Dropping it ends it.
#[derive(Debug)]
pub struct Load {
    progress: Arc<Progress>,
    tasks: JoinSet<LoadReport>,
    started: Instant,
}

/// Counts of a run under way.
#[derive(Debug, Default)]
pub struct Progress {
    sent: AtomicU64,
    answered: AtomicU64,
    taken: AtomicU64,
    stop: AtomicBool,
}

impl LoadSettings {
    /// A closed loop of 8 connections and a window of 100 with the default text and no end.
    pub fn new(target: SocketAddr, system_id: &str, password: &str, segments: Vec<u32>) -> Self {
        Self {
            target,
            system_id: system_id.to_owned(),
            password: password.to_owned(),
            version: 0x34,
            connections: 8,
            window: 100,
            count: None,
            duration: None,
            rate: None,
            response_timeout: Duration::from_secs(60),
            reconnect: false,
            traffic: Traffic::new(segments),
        }
    }

    fn check(&self) -> Result<(), LoadError> {
        if self.traffic.segments.is_empty() {
            return Err(LoadError::Settings("no number segments to send to"));
        }
        if self.traffic.needs_other_city() && self.traffic.other_segments.is_empty() {
            return Err(LoadError::Settings("a share of other_city needs segments of another city"));
        }
        if self.connections == 0 || self.window == 0 || self.window > WINDOW_MAX {
            return Err(LoadError::Settings("connections and window must be at least 1, the window at most 65536"));
        }
        if self.rate.is_some_and(|rate| !(rate > 0.0 && rate <= 1e7)) {
            return Err(LoadError::Settings("the rate must be above 0 and at most 10000000"));
        }
        let numbers = self.traffic.numbers();
        match self.count {
            Some(count) if self.traffic.distinct_of(count) > numbers => Err(LoadError::Numbers { count, numbers }),
            _ => Ok(()),
        }
    }
}

impl Load {
    /// Binds every connection and begins to send.
    pub async fn start(settings: LoadSettings) -> Result<Self, LoadError> {
        settings.check()?;
        let (settings, progress) = (Arc::new(settings), Arc::<Progress>::default());
        let mut bound = Vec::with_capacity(settings.connections);
        for number in 0..settings.connections {
            let connection = Connection::open(&settings, &progress, number).await;
            let (target, number, of) = (settings.target, number + 1, settings.connections);
            bound.push(connection.map_err(|cause| LoadError::Connect { target, number, of, cause })?);
        }
        let (started, mut tasks) = (Instant::now(), JoinSet::new());
        for connection in bound {
            tasks.spawn(connection.run(started));
        }
        Ok(Self { progress, tasks, started })
    }

    /// How far it is.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Waits for the end; the sum over all connections.
    pub async fn finish(&mut self) -> LoadReport {
        let mut sum = LoadReport::default();
        while let Some(report) = self.tasks.join_next().await {
            // A connection that panicked is a bug here, and shows as one connection less.
            if let Ok(report) = report {
                sum.merge(&report);
            }
        }
        sum.close(self.started);
        sum
    }
}

impl Progress {
    /// Messages sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Messages answered so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Messages answered with 0 so far.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Ends the sending; what is in flight is still waited for.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Runs a load from begin to end.
pub async fn run_load(settings: LoadSettings) -> Result<LoadReport, LoadError> {
    Ok(Load::start(settings).await?.finish().await)
}
