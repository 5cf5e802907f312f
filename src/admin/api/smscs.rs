//! The SMSC's addresses.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome};
use crate::proxy::Gateway;

/// One address of the SMSC.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SmscView {
    /// `host:port`, as configured.
    name: String,
    /// Whether the last connect worked; `false` before the first.
    up: bool,
    /// Connections to it, one for each session.
    connections: usize,
    /// Messages that wait for its answer.
    in_flight: usize,
    /// Response times since the start; absent before the first answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    resp_ms: Option<Quantiles>,
    /// Answers since the start by status, those that came.
    responses: BTreeMap<&'static str, u64>,
}

/// Upper bounds of the buckets in which the quantiles lie.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Quantiles {
    p50: f64,
    p99: f64,
}

pub(super) async fn list(call: Call) -> Outcome {
    Answer::json(&views(call.gateway()))
}

/// Every address in the order in which they are tried.
pub(super) fn views(gateway: &Gateway) -> Vec<SmscView> {
    let sessions = gateway.roster();
    let view = |(name, metrics): (&str, &crate::record::metrics::SmscMetrics)| {
        // A session knows the address it got. A name that stands for several cannot be told apart by it.
        let own = |one: &&crate::proxy::SessionView| one.smsc.is_some_and(|smsc| smsc.to_string() == name);
        let sessions: Vec<_> = sessions.iter().filter(own).collect();
        SmscView {
            name: name.to_owned(),
            up: metrics.up.get() == 1,
            connections: sessions.len(),
            in_flight: sessions.iter().map(|one| one.in_flight).sum(),
            resp_ms: metrics.response_quantiles().map(|(p50, p99)| Quantiles { p50: ms(p50), p99: ms(p99) }),
            responses: metrics.by_status().filter(|(_, count)| *count > 0).collect(),
        }
    };
    gateway.smscs().map(view).collect()
}

/// Seconds as milliseconds, to a hundredth.
pub(super) fn ms(seconds: f64) -> f64 {
    (seconds * 1e5).round() / 100.0
}
