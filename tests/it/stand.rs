//! The stand every test plays on: a configuration folder of its own, a
//! simulated SMSC, a gateway, and a clock that is set by hand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use smsluice::app::{Plan, Running};
use smsluice::domain::{Clock, Moment};
use smsluice::ledger::disk::{Act, Disk};
use smsluice::policy::Reason;
use smsluice::sim::esme::{Answer, Esme, EsmeError};
use smsluice::sim::smsc::{Behaviour, Smsc, SmscSettings};
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::bind::BindType;

/// A Tuesday morning in an open window.
pub(crate) const OPEN: &str = "2026-11-24T09:30:00+08:00";

/// Texts that keep every rule of their class.
pub(crate) const GOOD: &str = "合肥移动新营业厅开业,欢迎光临。合肥移动 询0551-1860";

/// What a stand is built from.
pub(crate) struct Setup {
    pub(crate) now: &'static str,
    /// The whole of policy.toml; empty is the reference.
    pub(crate) policy: String,
    /// Replaced in accounts.toml.
    pub(crate) accounts: Vec<(&'static str, &'static str)>,
    pub(crate) behaviour: Behaviour,
    pub(crate) change: fn(&mut Plan),
    /// The SMSC, where it is not the simulated one.
    pub(crate) smsc: Option<SocketAddr>,
    /// Keep this folder's ledger (after a restart).
    pub(crate) folder: Option<PathBuf>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            now: OPEN,
            policy: String::new(),
            accounts: Vec::new(),
            behaviour: Behaviour::default(),
            change: |_| {},
            smsc: None,
            folder: None,
        }
    }
}

pub(crate) struct Stand {
    pub(crate) smsc: Smsc,
    pub(crate) gateway: Running,
    /// Under the ledger.
    pub(crate) disk: Arc<SickDisk>,
    upstream: SocketAddr,
    clock: Arc<AtomicI64>,
    folder: tempfile::TempDir,
}

/// A disk that fails while it is told to.
#[derive(Debug, Default)]
pub(crate) struct SickDisk(AtomicBool);

impl SickDisk {
    pub(crate) fn fails(&self, fails: bool) {
        self.0.store(fails, Ordering::SeqCst);
    }
}

impl Disk for SickDisk {
    fn consent(&self, _: Act) -> rusqlite::Result<()> {
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        if self.0.load(Ordering::SeqCst) { Err(rusqlite::Error::SqliteFailure(full, None)) } else { Ok(()) }
    }
}

impl Stand {
    pub(crate) async fn new(setup: Setup) -> Self {
        let clock = Arc::new(AtomicI64::new(moment(setup.now).ms()));
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_config(folder.path(), &setup.policy, &setup.accounts);
        let settings = SmscSettings {
            clock: Clock::Manual(Arc::clone(&clock)),
            memory: 100_000,
            behaviour: setup.behaviour.clone(),
            ..SmscSettings::default()
        };
        let smsc = Smsc::bind(settings).await.expect("the SMSC listens");
        let ledger = setup.folder.clone().unwrap_or_else(|| folder.path().join("data"));
        let disk = Arc::<SickDisk>::default();
        let upstream = setup.smsc.unwrap_or(smsc.local_addr());
        let gateway = start(folder.path(), &clock, upstream, &ledger, &disk, setup.change).await;
        Self { smsc, gateway, disk, upstream, clock, folder }
    }

    /// The reference policy at an open hour.
    pub(crate) async fn open() -> Self {
        Self::new(Setup::default()).await
    }

    pub(crate) async fn with_policy(policy: &str) -> Self {
        Self::new(Setup { policy: policy.to_owned(), ..Setup::default() }).await
    }

    /// Sets the clock.
    pub(crate) fn at(&self, time: &str) {
        self.clock.store(moment(time).ms(), Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.fetch_add(by.as_millis() as i64, Ordering::Relaxed);
    }

    pub(crate) async fn bind(&self, system_id: &str) -> Esme {
        for _ in 0..1000 {
            match Esme::connect(self.gateway.smpp, BindType::Transceiver, system_id, "secret", 0x34).await {
                Ok(esme) => return esme,
                // The place of a session that has just ended is given back a moment later.
                Err(EsmeError::Refused(0x0D)) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(error) => panic!("{system_id} cannot bind: {error}"),
            }
        }
        panic!("{system_id} is refused")
    }

    /// Binds as soon as there is room.
    pub(crate) async fn bind_soon(&self, system_id: &str) -> Esme {
        for _ in 0..1000 {
            let bound = Esme::connect(self.gateway.smpp, BindType::Transceiver, system_id, "secret", 0x34).await;
            if let Ok(esme) = bound {
                return esme;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no room for {system_id}");
    }

    /// Stops the gateway and starts another on the same ledger and SMSC.
    pub(crate) async fn restart(self) -> Self {
        let Self { smsc, gateway, disk, upstream, clock, folder } = self;
        gateway.stop().await;
        let ledger = folder.path().join("data");
        let gateway = start(folder.path(), &clock, upstream, &ledger, &disk, |_| {}).await;
        Self { smsc, gateway, disk, upstream, clock, folder }
    }

    pub(crate) fn ledger_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn config_folder(&self) -> &Path {
        self.folder.path()
    }

    /// A counter or gauge, by its name and labels as they are printed.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = self.gateway.gateway().metrics().render();
        let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no series {series}"))
    }

    pub(crate) fn refused(&self, account: &str, reason: Reason) -> u64 {
        self.metric(&format!(r#"smsluice_messages_refused_total{{account="{account}",reason="{}"}}"#, reason.code()))
    }

    /// received = forwarded + refused (P15).
    pub(crate) fn assert_conserved(&self) {
        let text = self.gateway.gateway().metrics().render();
        let sum = |family: &str| -> f64 {
            text.lines()
                .filter(|line| line.starts_with(family))
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum()
        };
        let received = sum("smsluice_messages_received_total");
        let rest = sum("smsluice_messages_forwarded_total") + sum("smsluice_messages_refused_total");
        assert!((received - rest).abs() < f64::EPSILON, "received {received}, forwarded and refused {rest}");
    }
}

pub(crate) async fn start(
    config: &Path,
    clock: &Arc<AtomicI64>,
    smsc: SocketAddr,
    ledger: &Path,
    disk: &Arc<SickDisk>,
    change: impl FnOnce(&mut Plan),
) -> Running {
    let clock = Clock::Manual(Arc::clone(clock));
    let configuration = smsluice::config::load_with_env(config, &BTreeMap::new(), clock.now())
        .unwrap_or_else(|problems| panic!("{problems}"));
    let mut plan = Plan::new(configuration, clock);
    plan.listen = ([127, 0, 0, 1], 0).into();
    plan.admin = ([127, 0, 0, 1], 0).into();
    plan.proxy.smsc = vec![smsc.to_string()];
    plan.ledger.path = ledger.to_owned();
    plan.ledger.disk = Arc::<SickDisk>::clone(disk);
    plan.proxy.inactivity_timeout = Duration::from_secs(u64::from(u32::MAX)); // tests move the clock by years
    change(&mut plan);
    Running::start(plan).await.expect("the gateway starts")
}

/// The shipped configuration with the tests' accounts and another policy.
pub(crate) fn write_config(folder: &Path, policy: &str, replace: &[(&str, &str)]) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for name in ["smsluice.toml", "cities.csv", "segments.csv", "holidays.csv", "overlay.csv"] {
        std::fs::copy(shipped.join(name), folder.join(name)).expect("copied");
    }
    let mut accounts = include_str!("accounts.toml").to_owned();
    for (from, to) in replace {
        assert!(accounts.contains(from), "{from} is not in accounts.toml");
        accounts = accounts.replace(from, to);
    }
    std::fs::write(folder.join("accounts.toml"), accounts).expect("written");
    std::fs::write(folder.join("policy.toml"), policy).expect("written");
}

/// The same with the segments of two cities only: where a gateway is started a thousand times, most of it is reading them.
pub(crate) fn write_small_config(folder: &Path, policy: &str) {
    write_config(folder, policy, &[]);
    let path = folder.join("segments.csv");
    let all = std::fs::read_to_string(&path).expect("segments");
    let rows = all.lines().enumerate();
    let kept = rows.filter(|(line, row)| *line == 0 || row.contains(",hefei,") || row.contains(",fuyang,"));
    let kept: Vec<&str> = kept.map(|(_, row)| row).collect();
    std::fs::write(path, kept.join("\n") + "\n").expect("written");
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: not within half a minute");
}

pub(crate) fn moment(text: &str) -> Moment {
    Moment::parse(text).unwrap_or_else(|| panic!("{text} is no time"))
}

/// The n-th subscriber of Hefei, spread over its segments.
pub(crate) fn hefei(n: u64) -> String {
    subscriber("hefei", n)
}

/// The n-th subscriber of a city, spread over its China Mobile segments.
pub(crate) fn subscriber(city: &str, n: u64) -> String {
    static SEGMENTS: OnceLock<BTreeMap<&str, Vec<&str>>> = OnceLock::new();
    let by_city = SEGMENTS.get_or_init(|| {
        let mut by_city = BTreeMap::<&str, Vec<&str>>::new();
        let rows = include_str!("../../config/segments.csv").lines().filter_map(|line| line.strip_suffix(",cmcc,0"));
        for (segment, city) in rows.filter_map(|row| row.split_once(',')) {
            by_city.entry(city).or_default().push(segment);
        }
        by_city
    });
    let segments = by_city.get(city).unwrap_or_else(|| panic!("no segment of {city}"));
    let segment = segments[(n % segments.len() as u64) as usize];
    format!("{segment}{:04}", n / segments.len() as u64 % 10_000)
}

/// A message of the Hefei account that keeps every rule.
pub(crate) fn good(to: &str) -> SubmitSpec {
    SubmitSpec::new("62021", to, GOOD)
}

/// Submits and tells the verdict in words: `pass`, or the reason whose counter moved.
pub(crate) async fn verdict(stand: &Stand, esme: &mut Esme, account: &str, spec: &SubmitSpec) -> (String, Answer) {
    let before: Vec<u64> = Reason::ALL.iter().map(|reason| stand.refused(account, *reason)).collect();
    let answer = esme.submit(spec).await.expect("answered");
    if answer.status == 0 {
        return ("pass".to_owned(), answer);
    }
    for _ in 0..5000 {
        let moved =
            Reason::ALL.iter().zip(&before).find(|(reason, before)| stand.refused(account, **reason) > **before);
        if let Some((reason, _)) = moved {
            assert_eq!(answer.frame.len(), 16, "a refusal is a header only");
            return (reason.code().to_owned(), answer);
        }
        tokio::time::sleep(Duration::from_millis(2)).await; // counters follow the answer
    }
    panic!("status {:#x} without a reason", answer.status);
}
