//! The families of holds and of the overload governors.

use prometheus::{Gauge, GaugeVec, IntCounterVec, IntGaugeVec};

use crate::traffic::Scope;

use super::metrics::Families;

/// What is stopped or slowed down (7.6).
#[derive(Debug)]
pub struct Pauses {
    /// Holds in force, by kind of scope.
    pub holds: IntGaugeVec,
    /// Seconds since 1970 at which the oldest of them was placed; 0 without one.
    pub oldest: Gauge,
    /// Answers to the gateway's own cancel_sm, by result.
    pub cancels: IntCounterVec,
    pub(super) account_held: IntGaugeVec,
    pub(super) rate_limit: GaugeVec,
    pub(super) overload_steps: IntCounterVec,
}

impl Pauses {
    pub(super) fn new(r: &Families<'_>) -> Result<Self, prometheus::Error> {
        let smsc = &["smsc"];
        let pauses = Self {
            holds: r.gauges("holds", "Holds in force", &["scope_kind"])?,
            oldest: r.float_gauge("hold_oldest_timestamp_seconds", "When the oldest hold was placed")?,
            cancels: r.counters(
                "scheduled_cancels_total",
                "Scheduled messages the SMSC was asked to cancel",
                &["result"],
            )?,
            account_held: r.gauges("account_held", "1 while nothing of the account may pass", &["account"])?,
            rate_limit: r.float_gauges("smsc_rate_limit_messages_per_second", "The rate lowered for overload", smsc)?,
            overload_steps: r.counters("overload_steps_total", "Steps of the overload governor", &["smsc", "step"])?,
        };
        for kind in Scope::KINDS {
            pauses.holds.with_label_values(&[kind]);
        }
        for result in ["cancelled", "refused", "later", "no_answer"] {
            pauses.cancels.with_label_values(&[result]);
        }
        Ok(pauses)
    }
}
