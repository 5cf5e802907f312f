//! The metrics: as Prometheus reads them, and as a list.

use axum::http::header;
use axum::response::IntoResponse;
use prometheus::proto::MetricType;
use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome};
use crate::admin::gauges;

/// One family.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FamilyView {
    name: String,
    /// `counter`, `gauge` or `histogram`.
    #[serde(rename = "type")]
    kind: &'static str,
    labels: Vec<String>,
    /// Series there are now.
    series: usize,
    help: String,
}

/// Text format 0.0.4.
pub(super) async fn page(call: Call) -> Outcome {
    gauges::refresh(&call.surface.gateway).await;
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok(Answer::Other((kind, call.gateway().metrics().render()).into_response()))
}

pub(super) async fn list(call: Call) -> Outcome {
    let view = |family: &prometheus::proto::MetricFamily| {
        let series = family.get_metric();
        let labels = series.first().map(|one| one.get_label().iter().map(|pair| pair.name().to_owned()).collect());
        FamilyView {
            name: family.name().to_owned(),
            kind: match family.get_field_type() {
                MetricType::COUNTER => "counter",
                MetricType::HISTOGRAM => "histogram",
                _ => "gauge",
            },
            labels: labels.unwrap_or_default(),
            series: series.len(),
            help: family.help().to_owned(),
        }
    };
    let families = call.gateway().metrics().families();
    let wanted = |one: &FamilyView| call.text("type").is_none_or(|kind| one.kind == kind);
    Answer::json(&families.iter().map(view).filter(wanted).collect::<Vec<_>>())
}
