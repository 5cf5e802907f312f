//! A simulated SMSC: answers what an SMSC answers, misbehaves on request, and
//! keeps account of who got what. One task a connection; all PDUs of a read are
//! answered with one write.

mod behaviour;
mod post;
mod queue;
mod session;
mod stats;
mod take;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

pub use behaviour::{Behaviour, Latency, NotATime, Receipts, Service, parse_time};
pub use stats::SmscStats;
pub(crate) use stats::by_status;

use super::journal::{Entry, Journal};
use super::pdu::DeliverSpec;
use super::recipients::TakenByDay;
use crate::domain::Clock;

/// Connections served at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 10_000;

/// What a simulated SMSC is started with.
#[derive(Clone, Debug)]
pub struct SmscSettings {
    /// Where to listen; port 0 takes any.
    pub listen: SocketAddr,
    /// Seed of everything left to chance.
    pub seed: u64,
    /// `system_id` in answers to binds.
    pub system_id: String,
    /// Clock for days, journal and receipts.
    pub clock: Clock,
    /// File the journal is appended to.
    pub journal: Option<PathBuf>,
    /// PDUs kept in memory for [`Smsc::entries`].
    pub memory: usize,
    /// Whether recipients are followed, to find those served twice a day.
    pub recipients: bool,
    /// How it behaves at first.
    pub behaviour: Behaviour,
}

/// A running SMSC. It stops when this is dropped.
#[derive(Debug)]
pub struct Smsc {
    shared: Arc<Shared>,
    local_addr: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// What the sessions share.
#[derive(Debug)]
struct Shared {
    seed: u64,
    system_id: String,
    clock: Clock,
    journal: Journal,
    taken: Option<TakenByDay>,
    behaviour: ArcSwap<Behaviour>,
    totals: stats::Totals,
    receivers: post::Receivers,
    post: mpsc::Sender<post::Posted>,
    ids: AtomicU64,
    capacity: Mutex<Bucket>,
    queue: queue::Queue,
    generation: watch::Sender<u64>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Default for SmscSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: 1,
            system_id: "SMSC".to_owned(),
            clock: Clock::System,
            journal: None,
            memory: 0,
            recipients: true,
            behaviour: Behaviour::default(),
        }
    }
}

impl Smsc {
    /// Opens the journal and the listener and starts to serve.
    pub async fn bind(settings: SmscSettings) -> io::Result<Self> {
        let journal = Journal::open(settings.journal.as_deref(), settings.memory)?;
        let listener = TcpListener::bind(settings.listen).await?;
        let local_addr = listener.local_addr()?;
        let (post, counter) = mpsc::channel(post::COUNTER);
        let shared = Arc::new(Shared {
            seed: settings.seed,
            system_id: settings.system_id,
            clock: settings.clock,
            journal,
            taken: settings.recipients.then(TakenByDay::default),
            behaviour: ArcSwap::from_pointee(settings.behaviour),
            totals: stats::Totals::default(),
            receivers: post::Receivers::default(),
            post,
            ids: AtomicU64::new(first_id()),
            capacity: Mutex::new(Bucket { tokens: 1.0, at: Instant::now() }),
            queue: queue::Queue::default(),
            generation: watch::Sender::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(Arc::clone(&shared), listener, counter, stopped));
        Ok(Self { shared, local_addr, stop, serving })
    }

    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The counts now.
    pub fn stats(&self) -> SmscStats {
        self.shared.totals.snapshot()
    }

    /// The most messages that have waited for [`Service`] at a time.
    pub fn longest_queue(&self) -> u32 {
        self.shared.queue.longest()
    }

    /// The PDUs kept in memory, in the order in which their batches ended.
    pub fn entries(&self) -> Vec<Entry> {
        self.shared.journal.entries()
    }

    /// Changes the behaviour from the next batch of every session on.
    pub fn change(&self, change: impl Fn(&mut Behaviour)) {
        self.shared.behaviour.rcu(|old| {
            let mut new = Behaviour::clone(old);
            change(&mut new);
            new
        });
    }

    /// Sends a message to a receiving session of an account; false if none has room for it.
    pub fn deliver(&self, system_id: &str, spec: DeliverSpec) -> bool {
        self.shared.receivers.deliver(system_id, spec)
    }

    /// The accounts with a receiving session.
    pub fn receivers(&self) -> Vec<Arc<str>> {
        self.shared.receivers.accounts()
    }

    /// Cuts every open connection and goes on listening.
    pub fn disconnect_all(&self) {
        self.shared.generation.send_modify(|generation| *generation += 1);
    }

    /// Stops listening and cuts every connection; the counts at the end.
    pub async fn shutdown(self) -> SmscStats {
        drop(self.stop);
        // Its end is all that counts; it gives nothing back.
        let _ = self.serving.await;
        self.shared.totals.snapshot()
    }
}

impl Shared {
    /// Takes one message from the capacity of this second; a tenth of a second may be saved up.
    fn has_capacity(&self, per_second: u32) -> bool {
        let mut bucket = self.capacity.lock();
        let now = Instant::now();
        let rate = f64::from(per_second);
        let grown = bucket.tokens + now.duration_since(bucket.at).as_secs_f64() * rate;
        *bucket = Bucket { tokens: grown.min((rate / 10.0).max(1.0)), at: now };
        let has = bucket.tokens >= 1.0;
        bucket.tokens -= f64::from(u8::from(has));
        has
    }
}

/// Serves until it is stopped, or nobody is left who could stop it.
async fn serve(
    shared: Arc<Shared>,
    listener: TcpListener,
    counter: mpsc::Receiver<post::Posted>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut sessions = JoinSet::new();
    tokio::select! {
        () = accept(&shared, &listener, &mut sessions) => {}
        () = post::run(&shared, counter) => {}
        _ = &mut stopped => {}
    }
    sessions.shutdown().await;
}

async fn accept(shared: &Arc<Shared>, listener: &TcpListener, sessions: &mut JoinSet<()>) {
    let mut connection = 0;
    loop {
        tokio::select! {
            accepted = listener.accept(), if sessions.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connection += 1;
                    sessions.spawn(attend(Arc::clone(shared), stream, connection));
                }
                // Out of descriptors, most likely: those of others come back.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = sessions.join_next() => {}
        }
    }
}

async fn attend(shared: Arc<Shared>, mut stream: TcpStream, connection: u64) {
    let counted = Open::new(&shared);
    if shared.behaviour.load().refuse_connections || stream.set_nodelay(true).is_err() {
        return;
    }
    let mut cut = shared.generation.subscribe();
    let mut session = session::Session::new(&shared, connection);
    tokio::select! {
        // Whatever ends a session ends it: there is nobody to tell.
        _ = session.run(&mut stream) => {}
        _ = cut.changed() => {}
    }
    drop(counted);
}

/// A connection counted as open for as long as this lives, however its task ends.
struct Open<'a>(&'a Shared);

impl<'a> Open<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.totals.count(|tally| tally.connections += 1);
        Self(shared)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.totals.count(|tally| tally.closed += 1);
    }
}

/// Ids begin at the nanosecond of the start. No run gives out one a
/// nanosecond, so no later run meets an id of an earlier one; the static keeps
/// apart those that start in one process at one time.
fn first_id() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX / 2);
    let step = 1_000_000_000; // a second apart
    let next = |last: u64| now.max(last + step);
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
    next(last.unwrap_or_default())
}
