//! Floor 4: what operations see: `/livez`, `/readyz`, `/metrics`.

mod gauges;
mod health;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

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
    gauges::refresh(&gateway).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], gateway.metrics().render()).into_response()
}
