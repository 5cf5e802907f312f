//! The way to the SMSC: its addresses, tried in order.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::record::Metrics;
use crate::record::metrics::SmscMetrics;

use super::gateway::ProxySettings;

/// The configured addresses with their counters.
#[derive(Debug)]
pub(super) struct Upstream {
    addresses: Vec<(String, Arc<SmscMetrics>)>,
    connect_timeout: Duration,
}

impl Upstream {
    pub(super) fn new(settings: &ProxySettings, metrics: &Metrics) -> Self {
        let addresses =
            settings.smsc.iter().map(|address| (address.clone(), Arc::new(metrics.smsc(address)))).collect();
        Self { addresses, connect_timeout: settings.connect_timeout }
    }

    /// The addresses, as configured.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().map(|(address, _)| address.as_str())
    }

    /// Every address with its counters.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &SmscMetrics)> {
        self.addresses.iter().map(|(address, metrics)| (address.as_str(), &**metrics))
    }

    /// A connection to the first address that takes one.
    pub(super) async fn connect(&self, metrics: &Metrics) -> Option<(TcpStream, Arc<SmscMetrics>)> {
        for (address, own) in &self.addresses {
            let cause = match tokio::time::timeout(self.connect_timeout, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true); // an option the system lacks costs latency only
                    own.up.set(1);
                    return Some((stream, Arc::clone(own)));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => "refused",
                Ok(Err(_)) => "other",
                Err(_) => "timeout",
            };
            metrics.connect_failed(address, cause);
            tracing::warn!(event = "smsc_down", smsc = address.as_str(), cause, "the SMSC cannot be reached");
        }
        None
    }
}
