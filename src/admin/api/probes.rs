//! Liveness, start and readiness.

use axum::http::StatusCode;
use axum::response::IntoResponse;

use crate::admin::Health;
use crate::admin::call::{Answer, Call, Outcome};

/// The process answers; it looks at nothing else. The listener for operations is opened when the start is
/// over, so this says that too.
pub(super) async fn livez(_: Call) -> Outcome {
    Ok(Answer::Other("ok\n".into_response()))
}

/// Whether messages may pass, component by component.
pub(super) async fn readyz(call: Call) -> Outcome {
    let health = Health::of(call.gateway());
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Answer::with(status.as_u16(), &health)
}
