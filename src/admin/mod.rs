//! Floor 4: what operations see and do: probes, metrics and the API, over TCP and on a local socket.
//!
//! A request passes `door` (site, caller, role, parameters, body) to a handler of `api/`, whose table says all that
//! there is to know of a route. What changes something is recorded (`surface`) before it is answered.

pub mod api;
pub mod asked;
pub mod auth;
pub mod call;
mod door;
mod gauges;
mod guard;
mod health;
mod idempotency;
pub mod openapi;
pub mod problem;
pub mod route;
mod serve;
mod surface;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use crate::proxy::Gateway;

pub use health::Health;
pub use surface::{Parts, Surface};

/// The listeners for operations.
#[derive(Debug)]
pub struct Admin {
    tcp: TcpListener,
    local: Option<(UnixListener, PathBuf)>,
    surface: Arc<Surface>,
}

/// Where the local socket is to be, and who may use it.
#[derive(Clone, Debug)]
pub struct LocalSocket {
    /// Its path.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: u32,
}

impl Admin {
    /// Listens on an address (port 0 takes any free one).
    pub async fn bind(address: SocketAddr, gateway: Arc<Gateway>, parts: Parts) -> std::io::Result<Self> {
        let tcp = TcpListener::bind(address).await?;
        Ok(Self { tcp, local: None, surface: Arc::new(Surface::new(gateway, parts)) })
    }

    /// Listens on a local socket as well. One that an ended process has left behind is replaced.
    pub fn bind_local(&mut self, socket: &LocalSocket) -> std::io::Result<()> {
        let LocalSocket { path, mode } = socket;
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(std::io::ErrorKind::AddrInUse.into());
        }
        // It gets its name when it has its permissions, so that nobody slips in before.
        let unnamed = path.with_extension("new");
        remove(&unnamed)?;
        let listener = UnixListener::bind(&unnamed)?;
        std::fs::set_permissions(&unnamed, std::fs::Permissions::from_mode(*mode))?;
        std::fs::rename(&unnamed, path)?;
        self.local = Some((listener, path.clone()));
        Ok(())
    }

    /// Where it listens.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// What it serves.
    pub fn surface(&self) -> &Arc<Surface> {
        &self.surface
    }

    /// Serves until the flag is raised.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let routes = api::router(&self.surface);
        let keeper = tokio::spawn(Surface::keep(Arc::downgrade(&self.surface)));
        let tcp = serve::run(serve::Socket::Tcp(self.tcp), routes.clone(), stop.clone());
        match self.local {
            None => tcp.await,
            Some((local, path)) => {
                tokio::join!(tcp, serve::run(serve::Socket::Unix(local), routes, stop));
                let _ = remove(&path); // the next start replaces it
            }
        }
        keeper.abort();
    }
}

/// Removes a socket, and nothing else.
fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if std::os::unix::fs::FileTypeExt::is_socket(&meta.file_type()) => std::fs::remove_file(path),
        Ok(_) => Err(std::io::ErrorKind::AlreadyExists.into()),
        Err(_) => Ok(()),
    }
}
