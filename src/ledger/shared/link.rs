//! The connection to the server that has the ledger: found, begun, watched, given up and begun anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ConnectionAddr, IntoConnectionInfo, Pipeline, RedisConnectionInfo, Value};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::domain::{Clock, ClockWatch, LocalTime, Moment, Tick, Ticker};

use super::address::Kind;
use super::script::{self, META, Script, Scripts, UNKNOWN};
use super::{Fault, SharedSettings};

/// How long the server may take for one request; after it the outcome is not known and nothing is sent.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// How long a connect may take.
const CONNECT: Duration = Duration::from_secs(2);
/// Between two looks at the server.
pub(super) const BEAT: Duration = Duration::from_millis(500);
/// Between two attempts to reach it.
const RETRY: Duration = Duration::from_millis(500);

/// A connection that has begun.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) connection: MultiplexedConnection,
    pub(super) scripts: Scripts,
    /// This life of the gateway.
    pub(super) run: u32,
    /// This connection of it. The server takes nothing for an earlier one.
    pub(super) epoch: u32,
    /// How far the server's clock is ahead of the gateway's, milliseconds.
    ahead_ms: AtomicI64,
}

/// Why nothing passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Trouble {
    /// The server has not been reached yet.
    Starting = 1,
    /// It cannot be reached, or does not answer in time.
    Unreachable = 2,
    /// Its clock and the gateway's are apart.
    Clock = 3,
    /// What it knew of today is gone.
    DayLost = 4,
}

/// The link.
#[derive(Debug)]
pub(super) struct Link {
    settings: SharedSettings,
    ticker: Ticker,
    /// How far a test's clock is ahead of the machine's; 0 in service.
    shift_ms: i64,
    live: ArcSwapOption<Live>,
    pub(super) changed: Notify,
    trouble: AtomicU8,
    epoch: AtomicU32,
    pub(super) unknown: AtomicU64,
    pub(super) skew_ms: AtomicI64,
    /// Looks at the server that it has confirmed; one that knows of fewer has gone back in time.
    beats: AtomicI64,
}

impl Trouble {
    /// The word for `/readyz` and logs.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Starting => "shared_ledger_not_reached_yet",
            Self::Unreachable => "shared_ledger_unreachable",
            Self::Clock => "shared_ledger_clock_differs",
            Self::DayLost => "shared_ledger_lost_today",
        }
    }
}

impl Link {
    pub(super) fn new(settings: SharedSettings, ticker: Ticker) -> Self {
        let clock = ticker.clock();
        let shift_ms = if clock.is_system() { 0 } else { clock.now().ms() - Clock::System.now().ms() };
        Self {
            settings,
            ticker,
            shift_ms,
            live: ArcSwapOption::empty(),
            changed: Notify::new(),
            trouble: AtomicU8::new(Trouble::Starting as u8),
            epoch: AtomicU32::new(0),
            unknown: AtomicU64::new(0),
            skew_ms: AtomicI64::new(0),
            beats: AtomicI64::new(0),
        }
    }

    /// The connection, if there is one.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        self.live.load_full()
    }

    /// Why nothing passes, if nothing does.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        match self.trouble.load(Ordering::Relaxed) {
            1 => Some(Trouble::Starting),
            2 => Some(Trouble::Unreachable),
            3 => Some(Trouble::Clock),
            4 => Some(Trouble::DayLost),
            _ => None,
        }
    }

    pub(super) fn troubled(&self, trouble: Option<Trouble>) {
        let code = trouble.map_or(0, |trouble| trouble as u8);
        let before = self.trouble.swap(code, Ordering::Relaxed);
        if before == code {
            return;
        }
        match trouble {
            None => tracing::info!(event = "shared_ledger_up", "the shared ledger is at work"),
            Some(trouble) => {
                tracing::error!(event = "shared_ledger_down", why = trouble.code(), "submissions are refused");
            }
        }
    }

    /// Where the server is, for people.
    pub(super) fn address(&self) -> String {
        self.settings.url.to_string()
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Asks everything at once and waits for all the answers. With `durably` they count only when as many replicas as
    /// configured have them. An error means that nobody knows what was done; the connection is given up then.
    pub(super) async fn ask(&self, live: &Live, calls: Vec<Cmd>, durably: bool) -> Result<Vec<Value>, Fault> {
        let asked = live.ask(calls, self.settings.wait_replicas * u32::from(durably)).await;
        if let Err(fault) = &asked {
            self.give_up(live.epoch, fault);
        }
        asked
    }

    /// Asks with replicas; where they are too few that is an error, and the connection goes on.
    pub(super) async fn ask_durably(&self, live: &Live, calls: Vec<Cmd>) -> Result<Vec<Value>, Fault> {
        let asked = live.ask(calls, self.settings.wait_replicas).await;
        if let Some(fault) = asked.as_ref().err().filter(|fault| **fault != Fault::Replicas) {
            self.give_up(live.epoch, fault);
        }
        asked
    }

    /// A reading of the gateway's clocks.
    pub(super) fn tick(&self) -> Tick {
        self.ticker.tick()
    }

    /// No further request goes over a connection.
    pub(super) fn give_up(&self, epoch: u32, fault: &Fault) {
        let current = self.live.load_full().filter(|live| live.epoch == epoch);
        if current.is_some() {
            self.live.store(None);
            tracing::warn!(event = "shared_ledger_fault", fault = %fault, "a connection to the shared ledger is given up");
            self.troubled(Some(Trouble::Unreachable));
            self.changed.notify_waiters();
        }
    }

    /// A connection that has begun is the one from here on.
    pub(super) fn take(&self, live: Live) {
        self.live.store(Some(Arc::new(live)));
        self.changed.notify_waiters();
    }

    /// Finds the server and begins. `own` is this life's run, 0 for a new one after `before`.
    pub(super) async fn begin(&self, own: u32, before: u32) -> Result<(Live, Begun), Fault> {
        let mut connection = self.find().await?;
        let mut load = Pipeline::new();
        for script in Script::ALL {
            load.cmd("SCRIPT").arg("LOAD").arg(script.text());
        }
        load.cmd("INFO").arg("server");
        let mut loaded = answers(&mut connection, &load).await?;
        let info = loaded.pop().and_then(|info| script::text(&info).ok()).unwrap_or_default();
        let scripts = Scripts::loaded(&loaded)?;
        let epoch = self.epoch.fetch_add(1, Ordering::Relaxed) + 1;
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|error| Fault::Io(error.to_string()))?;
        let mut call = scripts.call(Script::Begin);
        let name = format!("{:032x}", u128::from_ne_bytes(name));
        // One that does not tell which life of it this is may have lost what it knew with each connection.
        let life = info.lines().find_map(|line| line.strip_prefix("run_id:")).map_or(&*name, str::trim);
        call.arg(own).arg(before).arg(epoch).arg(self.shift_ms).arg(&name).arg(life);
        let mut pipeline = Pipeline::new();
        pipeline.add_command(call);
        let all = answers(&mut connection, &pipeline).await?;
        let begun = script::list(all.first().ok_or(Fault::Answer)?)?;
        let at = |index: usize| begun.get(index).ok_or(Fault::Answer);
        let run = script::int(at(0)?)?;
        let (server_ms, shift_ms) = (script::int::<i64>(at(1)?)?, script::int::<i64>(at(2)?)?);
        let beats: i64 = script::int(at(5)?)?;
        let known = script::int::<i64>(at(4)?)? != 0 && (own == 0 || beats >= self.beats.load(Ordering::Relaxed));
        let ledger = script::text(at(3)?)?;
        self.note_clock(server_ms + shift_ms);
        let ahead_ms = AtomicI64::new(self.skew_ms.load(Ordering::Relaxed));
        Ok((Live { connection, scripts, run, epoch, ahead_ms }, Begun { ledger, known }))
    }

    /// One look at the server: its clock, what is unknown, and whether it still knows this connection.
    pub(super) async fn beat(&self, live: &Live) -> Result<(), Fault> {
        let mut own = redis::cmd("HMGET");
        own.arg(META).arg("shift").arg(format!("e{}", live.run));
        let mut unknown = redis::cmd("HLEN");
        unknown.arg(UNKNOWN);
        let mut beat = redis::cmd("HINCRBY");
        beat.arg(META).arg(format!("b{}", live.run)).arg(1);
        let began = std::time::Instant::now();
        let seen = self.ask(live, vec![redis::cmd("TIME"), unknown, own, beat], false).await?;
        let quick = began.elapsed() < PATIENCE / 20; // a late answer tells nothing about the clock
        let [time, unknown, own, beats] = seen.as_slice() else { return Err(Fault::Answer) };
        let [time, own] = [script::list(time)?, script::list(own)?];
        let ([seconds, micros], [shift, epoch]) = (time, own) else { return Err(Fault::Answer) };
        let now_ms = script::int::<i64>(seconds)? * 1000 + script::int::<i64>(micros)? / 1000;
        self.unknown.store(script::int(unknown)?, Ordering::Relaxed);
        if script::int(epoch) != Ok(live.epoch) {
            let fault = Fault::Fenced;
            self.give_up(live.epoch, &fault);
            return Err(fault);
        }
        self.beats.store(script::int(beats)?, Ordering::Relaxed);
        if quick {
            self.note_clock(now_ms + script::int::<i64>(shift)?);
            live.ahead_ms.store(self.skew_ms.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        let apart = self.skew_ms.load(Ordering::Relaxed).abs() > ClockWatch::BOUND_MS;
        match self.trouble() {
            Some(Trouble::DayLost) if !self.has_day(live).await? => {}
            _ => self.troubled(apart.then_some(Trouble::Clock)),
        }
        Ok(())
    }

    /// Whether the newest day that was opened is there.
    async fn has_day(&self, live: &Live) -> Result<bool, Fault> {
        let mut floor = redis::cmd("HGET");
        floor.arg(META).arg("floor");
        let floor = self.ask(live, vec![floor], false).await?;
        let Some(Ok(floor)) = floor.first().map(script::int::<i64>) else { return Ok(true) };
        let mut exists = redis::cmd("EXISTS");
        exists.arg(format!("{{smsluice}}:day:{floor}"));
        let found = self.ask(live, vec![exists], false).await?;
        let passed = i64::from(LocalTime::of(self.ticker.tick().wall).day.number()) > floor;
        Ok(passed || found.first().is_some_and(|found| script::int(found) == Ok(1_i64)))
    }

    fn note_clock(&self, server_ms: i64) {
        self.skew_ms.store(server_ms - self.ticker.tick().wall.ms(), Ordering::Relaxed);
    }

    /// The connection to the server that writes.
    pub(super) async fn find(&self) -> Result<MultiplexedConnection, Fault> {
        let url = &self.settings.url;
        let mut last = Fault::Answer;
        for (host, port) in &url.nodes {
            let found = match &url.kind {
                Kind::Single => self.connect(host, *port, true).await,
                Kind::Sentinel(name) => self.through_sentinel(host, *port, name).await,
                Kind::Cluster => self.through_cluster(host, *port).await,
            };
            match found {
                Ok(connection) => return Ok(connection),
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }

    async fn through_sentinel(&self, host: &str, port: u16, name: &str) -> Result<MultiplexedConnection, Fault> {
        let mut sentinel = self.connect(host, port, false).await?;
        let mut asked = Pipeline::new();
        asked.cmd("SENTINEL").arg("get-master-addr-by-name").arg(name);
        let all = answers(&mut sentinel, &asked).await?;
        let [host, port] = script::list(all.first().ok_or(Fault::Answer)?)? else { return Err(Fault::Answer) };
        let mut connection = self.connect(&script::text(host)?, script::int(port)?, true).await?;
        let mut role = Pipeline::new();
        role.cmd("ROLE");
        let all = answers(&mut connection, &role).await?;
        let role = script::list(all.first().ok_or(Fault::Answer)?)?;
        let writes = role.first().map(script::text).transpose()?.is_some_and(|role| role == "master");
        if writes { Ok(connection) } else { Err(Fault::Refused("not the master yet".to_owned())) }
    }

    /// All keys are in one slot, so one node of the cluster has them.
    async fn through_cluster(&self, host: &str, port: u16) -> Result<MultiplexedConnection, Fault> {
        let mut node = self.connect(host, port, true).await?;
        let mut asked = Pipeline::new();
        asked.cmd("CLUSTER").arg("KEYSLOT").arg(META).cmd("CLUSTER").arg("SLOTS");
        let all = answers(&mut node, &asked).await?;
        let [slot, ranges] = all.as_slice() else { return Err(Fault::Answer) };
        let slot: u16 = script::int(slot)?;
        for range in script::list(ranges)? {
            let [from, to, master, ..] = script::list(range)? else { return Err(Fault::Answer) };
            if !(script::int(from)?..=script::int(to)?).contains(&slot) {
                continue;
            }
            let [its_host, its_port, ..] = script::list(master)? else { return Err(Fault::Answer) };
            let (its_host, its_port) = (script::text(its_host).unwrap_or_default(), script::int::<u16>(its_port)?);
            let its_host = if its_host.is_empty() { host } else { &its_host };
            return if (its_host, its_port) == (host, port) {
                Ok(node)
            } else {
                self.connect(its_host, its_port, true).await
            };
        }
        Err(Fault::Refused("no node of the cluster has the ledger's slot".to_owned()))
    }

    /// Connects; `server`: with name, password and database of the URL.
    async fn connect(&self, host: &str, port: u16, server: bool) -> Result<MultiplexedConnection, Fault> {
        let url = &self.settings.url;
        let mut redis = RedisConnectionInfo::default();
        if server {
            redis = redis.set_db(url.database);
            if let Some(password) = &url.password {
                redis = redis.set_password(password);
            }
            if let Some(user) = &url.user {
                redis = redis.set_username(user);
            }
        }
        let info = ConnectionAddr::Tcp(host.to_owned(), port).into_connection_info()?;
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let client = redis::Client::open(info.set_tcp_settings(tcp).set_redis_settings(redis))?;
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(None);
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        Ok(timeout(CONNECT, connecting).await.map_err(|_| Fault::Timeout)??)
    }

    /// The server was not reached.
    pub(super) fn fell(&self) {
        if self.live.load().is_none() {
            self.troubled(Some(Trouble::Unreachable));
        }
    }

    /// A pause before the next attempt.
    pub(super) async fn pause() {
        tokio::time::sleep(RETRY).await;
    }

    /// What the server is configured with that decides what it can lose: `appendonly`, `appendfsync` and
    /// `maxmemory-policy`; nothing where it does not tell.
    pub(super) async fn promises(mut connection: MultiplexedConnection) -> Vec<(String, String)> {
        let mut call = redis::cmd("CONFIG");
        call.arg("GET").arg("appendonly").arg("appendfsync").arg("maxmemory-policy");
        let mut pipeline = Pipeline::new();
        pipeline.add_command(call);
        let Ok(all) = answers(&mut connection, &pipeline).await else { return Vec::new() };
        let Some(Ok(pairs)) = all.first().map(script::list) else { return Vec::new() };
        let pair = |pair: &[Value]| Some((script::text(&pair[0]).ok()?, script::text(&pair[1]).ok()?));
        pairs.chunks_exact(2).filter_map(pair).collect()
    }

    /// What is weaker about a server than the gateway's `durability` says, if anything.
    pub(super) fn weakness(&self, promises: &[(String, String)]) -> Option<&'static str> {
        let is = |key: &str, value: &str| promises.iter().any(|(own, is)| own == key && is == value);
        if promises.is_empty() {
            return Some("the server does not tell how it keeps what it has confirmed");
        }
        if !is("maxmemory-policy", "noeviction") {
            return Some("maxmemory-policy is not noeviction: a full server would forget who was sent to");
        }
        if self.settings.power
            && !(is("appendonly", "yes") && is("appendfsync", "always"))
            && self.settings.wait_replicas == 0
        {
            return Some(
                "durability is `power`, but the server confirms before its disk has it \
                         (appendonly yes, appendfsync always) and no replica is waited for (ledger.valkey_wait_replicas)",
            );
        }
        None
    }
}

/// What the server says to a connection that begins.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    /// Which ledger it has: another one after it was emptied.
    pub(super) ledger: String,
    /// Whether it knew this run.
    pub(super) known: bool,
}

impl Live {
    /// By the server's clock: when a question of that instant is not worth an answer any more.
    pub(super) fn deadline_ms(&self, asked: Moment) -> i64 {
        asked.ms() + self.ahead_ms.load(Ordering::Relaxed) + PATIENCE.as_millis() as i64
    }

    async fn ask(&self, calls: Vec<Cmd>, replicas: u32) -> Result<Vec<Value>, Fault> {
        let mut connection = self.connection.clone();
        let own = calls.len();
        let mut pipeline = Pipeline::with_capacity(own + 1);
        for call in calls {
            pipeline.add_command(call);
        }
        let wait = || {
            let mut wait = redis::cmd("WAIT");
            wait.arg(replicas).arg(PATIENCE.as_millis() as u64 / 2);
            wait
        };
        if replicas > 0 {
            pipeline.add_command(wait());
        }
        let mut all = answers(&mut connection, &pipeline).await?;
        let forgotten: Vec<usize> = (0..own).filter(|at| is_unknown_script(&all[*at])).collect();
        if !forgotten.is_empty() {
            // It has been told to forget its scripts; those calls did nothing.
            let mut again = Pipeline::new();
            for script in Script::ALL {
                again.cmd("SCRIPT").arg("LOAD").arg(script.text());
            }
            for at in &forgotten {
                again.add_command(pipeline.cmd_iter().nth(*at).cloned().ok_or(Fault::Answer)?);
            }
            if replicas > 0 {
                again.add_command(wait());
            }
            let mut later = answers(&mut connection, &again).await?.into_iter().skip(Script::ALL.len());
            for at in forgotten {
                all[at] = later.next().ok_or(Fault::Answer)?;
            }
            all.truncate(own);
            all.extend(later);
        }
        if replicas > 0
            && all.pop().as_ref().map(script::int::<i64>).transpose()?.is_none_or(|have| have < i64::from(replicas))
        {
            return Err(Fault::Replicas);
        }
        match all.iter().find_map(|value| if let Value::ServerError(error) = value { Some(error) } else { None }) {
            Some(error) => Err(Fault::Refused(error.code().to_owned())),
            None => Ok(all),
        }
    }
}

pub(super) async fn answers(connection: &mut MultiplexedConnection, pipeline: &Pipeline) -> Result<Vec<Value>, Fault> {
    let asked = timeout(PATIENCE, connection.send_packed_commands(pipeline, 0, pipeline.len()));
    let all = asked.await.map_err(|_| Fault::Timeout)??;
    if all.len() == pipeline.len() { Ok(all) } else { Err(Fault::Answer) }
}

fn is_unknown_script(value: &Value) -> bool {
    matches!(value, Value::ServerError(error) if error.code() == "NOSCRIPT")
}
