//! Floor 5: the assembly. Everything is built before anything listens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admin::{Admin, LocalSocket, Parts};
use crate::config::settings::AdminSettings;
use crate::config::{Configuration, InForce, Reloader, Source, live};
use crate::domain::{Clock, Ticker};
use crate::ledger::{Ledger, LedgerSettings, OpenError, Recovered};
use crate::policy::Ruleset;
use crate::proxy::{Drained, Gateway, Listener, ProxySettings, Site, open_holds};
use crate::record::{Acts, Logs, Metrics};
use crate::registry::{Registry, RegistryError};
use crate::traffic::HoldsError;

/// What a gateway is built from.
#[derive(Debug)]
pub struct Plan {
    /// Where senders connect.
    pub listen: SocketAddr,
    /// Where operations look.
    pub admin: SocketAddr,
    /// Who may do what there, and how.
    pub surface: SurfacePlan,
    /// Limits and timers.
    pub proxy: ProxySettings,
    /// The ledger.
    pub ledger: LedgerSettings,
    /// Where a reload reads it again.
    pub source: Source,
    /// What a reload compares with.
    pub in_force: InForce,
    /// The rules.
    pub rules: Ruleset,
    /// The clock.
    pub clock: Clock,
    /// Somebody has looked at the clock and says that it is right, whatever the ledger says.
    pub confirm_clock: bool,
}

/// What the API is built from.
#[derive(Debug)]
pub struct SurfacePlan {
    /// The local socket, its permissions, the tokens and the names.
    pub settings: AdminSettings,
    /// The log of the process.
    pub logs: Logs,
}

/// A running gateway.
#[derive(Debug)]
pub struct Running {
    /// Where senders connect.
    pub smpp: SocketAddr,
    /// Where operations look.
    pub admin: SocketAddr,
    /// Their local socket.
    pub admin_socket: Option<PathBuf>,
    /// What the start found in the ledger.
    pub recovered: Recovered,
    gateway: Arc<Gateway>,
    reloader: Arc<Reloader>,
    ledger: Arc<Ledger>,
    stop: watch::Sender<bool>,
    listener: JoinHandle<()>,
    admin_task: JoinHandle<()>,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The ledger cannot be written.
    #[error("the journal cannot be written: {0}")]
    Journal(#[from] rusqlite::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {purpose}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What for.
        purpose: &'static str,
        /// What the system says.
        error: std::io::Error,
    },
    /// What is held cannot be told, so nothing may pass.
    #[error(transparent)]
    Holds(#[from] HoldsError),
    /// What may be sent cannot be told, so nothing may pass.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The record of operators' acts cannot be opened.
    #[error("the record of operators' acts cannot be opened: {0}")]
    Acts(std::io::Error),
    /// The local socket cannot be made.
    #[error("cannot listen on the socket {}: {error}", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The metrics contradict each other.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// A thread cannot be started.
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
}

impl Plan {
    /// What a configuration says, as the parts want it.
    pub fn new(configuration: Configuration, clock: Clock) -> Self {
        let in_force = InForce::at_start(&configuration);
        let settings = configuration.settings;
        let surface = SurfacePlan { settings: settings.admin.clone(), logs: Logs::detached() };
        Self {
            surface,
            source: configuration.source,
            in_force,
            listen: settings.listen.smpp,
            admin: settings.admin.listen,
            proxy: live::proxy_settings(&settings),
            ledger: LedgerSettings {
                shared: settings.ledger.shared(&own_name(settings.listen.smpp)).ok().flatten(), // the load has checked it
                ..LedgerSettings::new(settings.ledger.path, settings.ledger.durability)
            },
            rules: configuration.ruleset,
            clock,
            confirm_clock: false,
        }
    }
}

impl Running {
    /// Replays the ledger, builds the gateway and listens.
    pub async fn start(plan: Plan) -> Result<Self, StartError> {
        let SurfacePlan { settings, logs } = plan.surface;
        let ticker = Ticker::new(plan.clock);
        let metrics = Arc::new(Metrics::new()?);
        let observer = Arc::clone(&metrics);
        let folder = plan.ledger.path.clone();
        let socket = settings.socket_in(&folder);
        let (ledger, recovered) = Ledger::open(plan.ledger, &plan.rules.switches, ticker.clone(), observer)?;
        let holds = open_holds(&folder, ticker.tick().wall, ledger.shared().is_some())?; // in force before anything is accepted
        let registry = Arc::new(Registry::open(&folder)?);
        if ticker.clock().is_system() && !plan.confirm_clock {
            ticker.watch().compare(ticker.tick(), recovered.newest);
        }
        ledger.start().map_err(StartError::Thread)?;
        metrics.ledger_owner.set(i64::from(ledger.shared().is_none()));
        metrics.ledger_shared.used.set(i64::from(ledger.shared().is_some()));
        let site = Site::new(plan.rules, plan.proxy, &ledger, &metrics, &ticker)?;
        metrics.config_loaded.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        let gateway = Gateway::new(site, Arc::clone(&ledger), Arc::new(holds), registry, metrics, ticker);

        let reloader = Reloader::new(Arc::clone(&gateway), plan.source, plan.in_force);
        let failed = |address, purpose| move |error| StartError::Listen { address, purpose, error };
        let AdminSettings { tokens_file, tcp_api, hosts, socket_mode, .. } = settings;
        let tokens_file = tokens_file.filter(|_| tcp_api);
        let parts = Parts { tokens_file, hosts, acts: acts(&folder)?, logs, reloader: Arc::clone(&reloader) };
        let admin = Admin::bind(plan.admin, Arc::clone(&gateway), parts).await;
        let mut admin = admin.map_err(failed(plan.admin, "operations"))?;
        if let Some(path) = &socket {
            let local = LocalSocket { path: path.clone(), mode: socket_mode.bits() };
            admin.bind_local(&local).map_err(|error| StartError::Socket { path: path.clone(), error })?;
        }
        let listener = Listener::bind(plan.listen, Arc::clone(&gateway)).map_err(failed(plan.listen, "senders"))?;
        let smpp = listener.local_addr().map_err(failed(plan.listen, "senders"))?;
        let admin_addr = admin.local_addr().map_err(failed(plan.admin, "operations"))?;
        let stop = watch::Sender::new(false);
        Ok(Self {
            smpp,
            admin: admin_addr,
            admin_socket: socket,
            recovered,
            gateway,
            reloader,
            ledger,
            listener: tokio::spawn(listener.run(raised(&stop))),
            admin_task: tokio::spawn(admin.run(stop.subscribe())),
            stop,
        })
    }

    /// The gateway at work.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// What reloads its configuration.
    pub fn reloader(&self) -> &Arc<Reloader> {
        &self.reloader
    }

    /// Refuses binds and lets every session take leave; those that have not by then are cut off.
    pub async fn drain(&self, timeout: Duration) -> Drained {
        self.gateway.drain(timeout).await
    }

    /// Takes binds again.
    pub fn undrain(&self) {
        self.gateway.undrain();
    }

    /// Stops gracefully: no new binds, what is in flight is waited for, the ledger is written.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.listener.await; // a panic there was logged where it happened
        self.gateway.part_from_others().await;
        self.gateway.keep_answers(Duration::from_secs(2)).await;
        let _ = tokio::time::timeout(Duration::from_secs(2), self.admin_task).await;
        self.ledger.close();
    }
}

/// What other gateways' operators see this one under.
fn own_name(smpp: SocketAddr) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}:{}", host.trim(), smpp.port())
}

/// The record of operators' acts, beside the journal.
fn acts(folder: &Path) -> Result<Arc<Acts>, StartError> {
    let (acts, checked) = Acts::open(folder).map_err(StartError::Acts)?;
    if let Some((line, why)) = checked.broken {
        let file = acts.path().display();
        tracing::error!(event = "audit_broken", %file, line, why, "the record of operators' acts is not whole");
    }
    Ok(Arc::new(acts))
}

/// Ready when the flag is raised.
fn raised(flag: &watch::Sender<bool>) -> impl Future<Output = ()> + Send + 'static {
    let mut flag = flag.subscribe();
    async move {
        let _ = flag.wait_for(|raised| *raised).await; // a dropped sender raises it too
    }
}
