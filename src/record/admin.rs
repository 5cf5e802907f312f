//! The families of the admin API and of the record of operators' acts.

use prometheus::{HistogramVec, IntCounter, IntCounterVec};

use super::metrics::Families;

/// Why callers are not let in.
const FAILURES: [&str; 7] = ["missing", "unknown", "expired", "forbidden", "token_in_url", "cross_site", "wrong_host"];

/// The admin API.
#[derive(Debug)]
pub struct AdminMetrics {
    /// Requests by route, method and status.
    pub requests: IntCounterVec,
    /// How long they took, by route.
    pub duration: HistogramVec,
    /// Why callers were not let in.
    pub auth_failures: IntCounterVec,
    /// Acts of operators on record.
    pub audit_events: IntCounterVec,
    /// Acts that could not be recorded.
    pub audit_errors: IntCounter,
}

impl AdminMetrics {
    pub(super) fn new(r: &Families<'_>) -> Result<Self, prometheus::Error> {
        let buckets = prometheus::exponential_buckets(1e-4, 4.0, 9)?;
        let took = "How long requests of the admin API took";
        let own = Self {
            requests: r.counters("admin_requests_total", "Requests of the admin API", &["route", "method", "code"])?,
            duration: r.histograms("admin_request_duration_seconds", took, &["route"], buckets)?,
            auth_failures: r.counters("admin_auth_failures_total", "Callers not let in", &["kind"])?,
            audit_events: r.counters("audit_events_total", "Operators' acts on record", &["action"])?,
            audit_errors: r.counter("audit_errors_total", "Operators' acts that could not be recorded")?,
        };
        for kind in FAILURES {
            own.auth_failures.with_label_values(&[kind]);
        }
        Ok(own)
    }
}
