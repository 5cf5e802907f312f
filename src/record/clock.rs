//! The clock's metrics and events.

use prometheus::{IntCounter, IntGauge};

use crate::domain::watch::Seen;

use super::metrics::Families;

/// Whether the clock can be believed, and how often it was set.
#[derive(Debug)]
pub struct ClockMetrics {
    /// Whether submissions may pass as far as the clock is concerned.
    pub trusted: IntGauge,
    adjusted: IntCounter,
    jumped: IntCounter,
}

impl ClockMetrics {
    pub(super) fn new(r: &Families<'_>) -> Result<Self, prometheus::Error> {
        let trusted = r.gauge("clock_trusted", "1 while the clock can be believed")?;
        trusted.set(1);
        let jumps = r.counters("clock_jumps_total", "Steps of the clock of more than 5 s", &["kind"])?;
        let [adjusted, jumped] = ["adjusted", "jumped"].map(|kind| jumps.with_label_values(&[kind]));
        Ok(Self { trusted, adjusted, jumped })
    }

    /// The clock was set, or is back.
    pub fn seen(&self, seen: Seen) {
        match seen {
            Seen::Jumped(by_ms) => {
                self.jumped.inc();
                tracing::error!(
                    event = "clock_jump",
                    by_ms,
                    "the clock was set; submissions are refused until it is back, or a restart finds it right"
                );
            }
            Seen::Adjusted(by_ms) => {
                self.adjusted.inc();
                tracing::warn!(
                    event = "clock_jump",
                    by_ms,
                    "the clock was set within the day; going on by its new time"
                );
            }
            Seen::Back => tracing::info!(event = "clock_trusted", "the clock can be believed again"),
        }
    }
}
