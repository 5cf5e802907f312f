//! Floor 4: what operations see: `/livez`, `/readyz`, `/metrics`.

mod health;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::domain::LocalTime;
use crate::ledger::Side;
use crate::proxy::Gateway;

pub use health::Health;

/// The operations listener.
#[derive(Debug)]
pub struct Admin {
    socket: TcpListener,
    gateway: Arc<Gateway>,
}

impl Admin {
    /// Listens on an address; port 0 takes any free one.
    pub async fn bind(address: SocketAddr, gateway: Arc<Gateway>) -> std::io::Result<Self> {
        Ok(Self { socket: TcpListener::bind(address).await?, gateway })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop` is ready.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
        let routes = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self.gateway);
        axum::serve(self.socket, routes).with_graceful_shutdown(stop).await
    }
}

async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response {
    let health = Health::of(&gateway);
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(health)).into_response()
}

async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    refresh(&gateway);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], gateway.metrics().render()).into_response()
}

/// Sets the gauges that are read rather than counted.
fn refresh(gateway: &Gateway) {
    let metrics = gateway.metrics();
    let health = Health::of(gateway);
    for (component, state) in &health.components {
        metrics.ready.with_label_values(&[*component]).set(i64::from(state.ok));
    }
    let ledger = gateway.ledger();
    let today = LocalTime::of(gateway.now()).day;
    let book = ledger.book(today);
    let (reserved, unknown) = (ledger.reserved(), ledger.unknown() as u64);
    let used = book.as_ref().map_or(0, |book| book.rows()).saturating_sub(reserved + unknown);
    for (state, rows) in [("used", used), ("reserved", reserved), ("unknown", unknown)] {
        metrics.ledger_rows.with_label_values(&[state]).set(rows as i64);
    }
    let site = gateway.site();
    for sender in &site.senders {
        // An account with a lower limit of its own is measured by it.
        let own = sender.account.daily_users.map(|_| sender.scopes.account);
        let scope = own.unwrap_or_else(|| sender.quota_scope(&site.rules.switches));
        let counted = book.as_ref().map_or(0, |book| book.counted(Side::Real, scope));
        sender.metrics.quota_used.set(i64::from(counted));
    }
}
