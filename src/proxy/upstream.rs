//! The way to the SMSC: its addresses, tried in order.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::record::Metrics;
use crate::record::metrics::SmscMetrics;
use crate::traffic::Governor;

use super::gateway::ProxySettings;

/// The configured addresses.
#[derive(Debug)]
pub(super) struct Upstream {
    ways: Vec<Way>,
    connect_timeout: Duration,
}

/// One address with its counters and its governor.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) metrics: Arc<SmscMetrics>,
    pub(super) governor: Arc<Governor>,
}

impl Upstream {
    pub(super) fn new(settings: &ProxySettings, metrics: &Metrics) -> Self {
        let way = |address: &String| Way { metrics: Arc::new(metrics.smsc(address)), governor: Arc::default() };
        Self { ways: settings.smsc.iter().map(way).collect(), connect_timeout: settings.connect_timeout }
    }

    /// The addresses, as configured.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.ways.iter().map(|way| &*way.metrics.address)
    }

    /// The addresses with what belongs to each.
    pub(super) fn ways(&self) -> impl Iterator<Item = &Way> {
        self.ways.iter()
    }

    /// Every address with its counters.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &SmscMetrics)> {
        self.ways.iter().map(|way| (&*way.metrics.address, &*way.metrics))
    }

    /// A connection to the first address that takes one.
    pub(super) async fn connect(&self, metrics: &Metrics) -> Option<(TcpStream, Way)> {
        for way in &self.ways {
            let (address, own) = (&*way.metrics.address, &way.metrics);
            let cause = match tokio::time::timeout(self.connect_timeout, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true); // an option the system lacks costs latency only
                    own.up.set(1);
                    return Some((stream, way.clone()));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => "refused",
                Ok(Err(_)) => "other",
                Err(_) => "timeout",
            };
            metrics.connect_failed(address, cause);
            tracing::warn!(event = "smsc_down", smsc = address, cause, "the SMSC cannot be reached");
        }
        None
    }
}
