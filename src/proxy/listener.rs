//! Accepting connections, within bounds.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::gateway::Gateway;
use super::session::Session;
use super::{bind, optout, steward, sweep, together};

/// The SMPP listener of a gateway.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    gateway: Arc<Gateway>,
    connections: Arc<Connections>,
}

/// Who is connected, bound or not.
#[derive(Debug, Default)]
struct Connections(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place; given back when it is dropped.
#[derive(Debug)]
struct Place {
    connections: Arc<Connections>,
    peer: IpAddr,
}

impl Listener {
    /// Listens on an address; port 0 takes any free one.
    pub fn bind(address: SocketAddr, gateway: Arc<Gateway>) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?; // a restart must not wait for the last life's connections to be forgotten
        socket.bind(address)?;
        let socket = socket.listen(gateway.site().settings.backlog)?;
        Ok(Self { socket, gateway, connections: Arc::default() })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until `stop` is ready, then lets every session finish what is in flight.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let sweeper = tokio::spawn(sweep::run(Arc::downgrade(&self.gateway)));
        let steward = tokio::spawn(steward::run(Arc::downgrade(&self.gateway)));
        tokio::spawn(together::run(Arc::downgrade(&self.gateway))); // these two end with the gateway
        tokio::spawn(optout::run(Arc::downgrade(&self.gateway)));
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, peer)) => self.connected(stream, peer.ip()),
                    // Out of descriptors, most likely: wait for one instead of spinning.
                    Err(error) => {
                        tracing::error!(event = "overload", %error, "a connection cannot be accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        }
        self.gateway.stop();
        self.gateway.part(self.gateway.site().settings.drain_timeout).await;
        sweeper.abort();
        steward.abort();
    }

    fn connected(&self, stream: TcpStream, peer: IpAddr) {
        let peer = peer.to_canonical();
        let Some(place) = self.connections.enter(peer, &self.gateway) else {
            tracing::warn!(event = "overload", peer_ip = %peer, "too many connections; closing");
            return;
        };
        let _ = stream.set_nodelay(true);
        let gateway = Arc::clone(&self.gateway);
        tokio::spawn(async move {
            // Boxed: what the bind needed is given back before the session begins.
            let bound = Box::pin(bind::bind(&gateway, stream, peer)).await;
            if let Some(bound) = bound {
                Session::run(gateway, bound).await;
            }
            drop(place);
        });
    }
}

impl Connections {
    fn enter(self: &Arc<Self>, peer: IpAddr, gateway: &Gateway) -> Option<Place> {
        let site = gateway.site();
        let mut counts = self.0.lock();
        if counts.all >= site.settings.max_connections {
            return None;
        }
        let own = counts.by_address.entry(peer).or_default();
        if *own >= site.settings.max_per_address {
            return None;
        }
        *own += 1;
        counts.all += 1;
        Some(Place { connections: Arc::clone(self), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.connections.0.lock();
        counts.all -= 1;
        if let Some(own) = counts.by_address.get_mut(&self.peer) {
            *own -= 1;
            if *own == 0 {
                counts.by_address.remove(&self.peer);
            }
        }
    }
}
