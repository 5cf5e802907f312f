//! The families of the registry and of those who opted out.

use prometheus::{IntCounter, IntGauge};

use super::metrics::Families;

/// What may be sent, and to whom nothing.
#[derive(Debug)]
pub struct RegistryMetrics {
    /// Counts up with every change of the registry.
    pub generation: IntGauge,
    /// Registered and approved texts that the rules know.
    pub texts: IntGauge,
    /// Entries of those who opted out.
    pub opted_out: IntGauge,
    /// Subscribers' messages that asked for it.
    pub asked: IntCounter,
    /// Of these, what could not be kept: the queue to the disk was full, or the disk failed.
    pub lost: IntCounter,
}

impl RegistryMetrics {
    pub(super) fn new(r: &Families<'_>) -> Result<Self, prometheus::Error> {
        let asked = r.counters("optout_messages_total", "Subscribers' messages that opt out", &["result"])?;
        Ok(Self {
            generation: r.gauge("registry_generation", "Changes of the registry")?,
            texts: r.gauge("registry_texts", "Registered and approved texts in force")?,
            opted_out: r.gauge("optout_entries", "Subscribers who opted out, counted by account")?,
            asked: asked.with_label_values(&["kept"]),
            lost: asked.with_label_values(&["lost"]),
        })
    }
}
