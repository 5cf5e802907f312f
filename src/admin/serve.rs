//! Connections of operators, within bounds: how many, how long a head may take, how many headers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::door::Peer;

/// Connections of one listener at a time.
const CONNECTIONS: usize = 256;
/// How long a request's head may take, and the silence between two requests.
const HEAD_PATIENCE: Duration = Duration::from_secs(15);
/// How long a stop waits for answers under way.
const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// Where connections come from.
#[derive(Debug)]
pub(super) enum Socket {
    /// TCP.
    Tcp(TcpListener),
    /// A local socket.
    Unix(UnixListener),
}

/// Serves until the flag is raised, then lets answers under way finish.
pub(super) async fn run(socket: Socket, routes: Router, stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stopping = stop.clone();
    loop {
        let accepted = tokio::select! {
            _ = stopping.wait_for(|raised| *raised) => break, // a dropped sender raises it too
            accepted = socket.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(event = "overload", %error, "an operator's connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(event = "overload", "too many connections of operators; closing");
            continue;
        };
        let (routes, stop) = (routes.clone(), stop.clone());
        connections.spawn(async move {
            connection(stream, peer, routes, stop).await;
            drop(place);
        });
    }
    let _ = tokio::time::timeout(STOP_PATIENCE, async { while connections.join_next().await.is_some() {} }).await;
}

async fn connection(stream: Box<dyn Stream>, peer: Peer, routes: Router, mut stop: watch::Receiver<bool>) {
    let routes = TowerToHyperService::new(routes);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        routes.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return, // how it ended is the caller's affair
        _ = stop.wait_for(|raised| *raised) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// A connection of either kind.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Socket {
    async fn accept(&self) -> std::io::Result<(Box<dyn Stream>, Peer)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                let _ = stream.set_nodelay(true); // an option the system lacks costs latency only
                Ok((Box::new(stream), Peer::Remote(peer)))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                let uid = stream.peer_cred().ok().map(|credentials| credentials.uid());
                Ok((Box::new(stream), Peer::Local(uid)))
            }
        }
    }
}
