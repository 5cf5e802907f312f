//! What reservations cost: taken and made durable in batches, replayed after a
//! restart, and in memory.
//!
//! ```text
//! cargo bench --bench ledger            # about a minute
//! cargo bench --bench ledger -- --full  # ten million rows, sixty million slots
//! cargo bench --bench ledger -- --shared # on a Redis server of its own alone
//! cargo bench --bench ledger -- --history 30 # a look-up among that many days of three million messages; 6 GB, minutes
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use smsluice::config::load_with_env;
use smsluice::domain::{Clock, Day, LocalTime, Moment, Ticker};
use smsluice::ledger::history::Span;
use smsluice::ledger::shared::ServerUrl;
use smsluice::ledger::{
    About, Batch, Claim, Durability, Ledger, LedgerSettings, Recovered, Renewed, Reservation, Scopes, Settled,
    SharedSettings, Together,
};
use smsluice::policy::{Permit, Ruleset, decide, decide::Scratch, ruleset::Rate};
use smsluice::record::Metrics;
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::receipt::{Receipt, State};
use smsluice::smpp::{Address, Submission};
use smsluice::traffic::Throttle;

const ACCOUNT: &str = "p1258";
const TEXT: &str = "您的话费账单已经生成，详询10086。安徽移动";
const NOW: &str = "2026-11-24T09:30:00+08:00";
/// Messages of a batch where the batch is not what is measured.
const BATCH: u64 = 500;
/// Reservations of one measurement, and its longest time.
const RESERVATIONS: u64 = 400_000;
const TIME: Duration = Duration::from_secs(1);

/// The shipped policy; quota and rate are out of the way.
#[derive(Clone)]
struct Site {
    rules: Arc<Ruleset>,
    segments: Vec<u64>,
    now: Moment,
}

/// A ledger under measurement.
struct Bench<'a> {
    site: &'a Site,
    ledger: Arc<Ledger>,
    scopes: Scopes,
    throttle: Throttle,
    ticker: Ticker,
    recovered: Recovered,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    if !has("--bench") {
        println!("nothing is measured under test: run `cargo bench --bench ledger`");
        return ExitCode::SUCCESS;
    }
    if let Some(days) = arguments.iter().skip_while(|argument| *argument != "--history").nth(1) {
        history(&Site::new("off"), days.parse().expect("a number of days"));
        return ExitCode::SUCCESS;
    }
    let site = Site::new("enforce");
    if has("--shared") {
        println!("| server | batch | 1 task | 2 tasks |\n|---|---|---|---|");
        shared(&site);
        return ExitCode::SUCCESS;
    }
    // First, while the process has no memory to use again.
    println!("## Memory\n\n| slots | octets a slot | longest batch of {BATCH} ms |\n|---|---|---|");
    memory(&Site::new("off"), if has("--full") { 60_000_000 } else { 10_000_000 });
    println!("\n## Reservations per second\n");
    println!("| durability | batch | 1 task | 2 tasks |\n|---|---|---|---|");
    for durability in [Durability::Process, Durability::Power] {
        for batch in [1, 10, 100, 500] {
            let [one, two] = [1, 2].map(|tasks| reserve(&site, durability, batch, tasks));
            println!("| {durability:?} | {batch} | {one:.0} | {two:.0} |");
        }
    }
    shared(&site);
    println!("\n## Restart\n\n| reservations, all settled | journal MiB | open ms |\n|---|---|---|");
    for rows in [1_000_000, 10_000_000].into_iter().filter(|rows| *rows <= 1_000_000 || has("--full")) {
        restart(&site, rows);
    }
    ExitCode::SUCCESS
}

/// Tasks that reserve and wait as sessions do, each on a thread where there are that many.
fn reserve(site: &Site, durability: Durability, batch: u64, tasks: u64) -> f64 {
    reserve_on(site, durability, batch, tasks, None)
}

fn reserve_on(site: &Site, durability: Durability, batch: u64, tasks: u64, server: Option<&Server>) -> f64 {
    let folder = folder();
    if let Some(server) = server {
        server.empty();
    }
    let bench = Bench::on(site, folder.path(), durability, server.map(Server::settings));
    let permits: Vec<Vec<Permit>> =
        (0..tasks).map(|task| site.permits(task * RESERVATIONS..(task + 1) * RESERVATIONS).collect()).collect();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async { bench.ledger.start() }).expect("threads");
    if let Some(together) = bench.ledger.together() {
        runtime.spawn(follow(together));
    }
    while !bench.ledger.is_trusted() {
        std::thread::sleep(Duration::from_millis(10)); // a server on its way up
    }
    let began = Instant::now();
    let done: usize = std::thread::scope(|scope| {
        let run = |permits: &[Permit]| {
            let mut done = 0;
            for permits in permits.chunks(batch as usize) {
                runtime.block_on(bench.durably(permits));
                done += permits.len();
                if began.elapsed() > TIME {
                    break;
                }
            }
            done
        };
        let threads: Vec<_> = permits.iter().map(|permits| scope.spawn(move || run(permits))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    let rate = done as f64 / began.elapsed().as_secs_f64();
    bench.ledger.close();
    rate
}

/// What a gateway does beside its sessions: without a lease the ledger takes nothing.
async fn follow(together: Together) {
    loop {
        let pause_ms = match together.renew().await {
            Some(Renewed::Behind { version, .. }) => {
                together.put_in_force(version);
                0
            }
            Some(Renewed::Given(_)) => 500,
            None => 10,
        };
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
}

/// The same on a Redis server of the bench's own, where there is one: it confirms with and without a sync of its disk.
fn shared(site: &Site) {
    for appendfsync in ["everysec", "always"] {
        let Some(server) = Server::start(appendfsync) else {
            return println!("| Redis | | no redis-server here | |");
        };
        for batch in [1, 10, 100, 500] {
            let [one, two] = [1, 2].map(|tasks| reserve_on(site, Durability::Process, batch, tasks, Some(&server)));
            println!("| Redis, appendfsync {appendfsync} | {batch} | {one:.0} | {two:.0} |");
        }
    }
}

/// A server in a folder of its own; ends with this.
struct Server {
    child: std::process::Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(appendfsync: &str) -> Option<Self> {
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).ok()?;
        let (port, folder) = (free.local_addr().ok()?.port(), folder());
        drop(free);
        let child = std::process::Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "yes"])
            .args(["--appendfsync", appendfsync, "--dir"])
            .arg(folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .ok()?;
        Some(Self { child, port, _folder: folder })
    }

    fn settings(&self) -> SharedSettings {
        let url = ServerUrl::parse(&format!("redis://127.0.0.1:{}", self.port)).expect("an address");
        SharedSettings { url, wait_replicas: 0, name: "bench".to_owned(), power: false }
    }

    /// Forgets what a measurement before has taken.
    fn empty(&self) {
        let port = self.port.to_string();
        let _ = std::process::Command::new("redis-cli").args(["-p", &port, "flushall"]).output();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a day of settled reservations and opens it again.
fn restart(site: &Site, rows: u64) {
    let folder = folder();
    let bench = Bench::open(site, folder.path(), Durability::Process);
    bench.ledger.start().expect("threads");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for from in (0..rows).step_by(BATCH as usize) {
        let permits: Vec<Permit> = site.permits(from..from + BATCH).collect();
        let mut records = Batch::default();
        for reservation in runtime.block_on(bench.durably(&permits)) {
            bench.ledger.settle(&reservation, Settled::Accepted, &mut records);
        }
        bench.ledger.note(&mut records);
    }
    bench.ledger.close();
    drop(bench);
    // The housekeeping thread looks once a second whether its ledger is still there.
    std::thread::sleep(Duration::from_millis(1500));
    let octets: u64 = std::fs::read_dir(folder.path()).expect("readable").flatten().map(|file| size(&file)).sum();
    // Later than the window of the spread rule, as most of a day is.
    let later = Site { now: site.now.plus(Duration::from_secs(3600)), ..site.clone() };
    let recovered = Bench::open(&later, folder.path(), Durability::Process).recovered;
    assert_eq!((recovered.reservations, recovered.slots, recovered.unknown), (rows, rows, 0));
    println!("| {rows} | {} | {} |", octets >> 20, recovered.elapsed.as_millis());
}

/// Takes slots without writing them down, and looks at the process's memory.
fn memory(site: &Site, most: u64) {
    let folder = folder();
    let bench = Bench::open(site, folder.path(), Durability::Process);
    bench.take(&site.permits(0..BATCH).collect::<Vec<_>>(), &mut Batch::default());
    let (before, mut longest) = (resident(), Duration::ZERO);
    for from in (BATCH..most).step_by(BATCH as usize) {
        let permits: Vec<Permit> = site.permits(from..from + BATCH).collect();
        let began = Instant::now();
        bench.take(&permits, &mut Batch::default());
        longest = longest.max(began.elapsed());
        let slots = from + BATCH;
        if [1_000_000, 10_000_000, 60_000_000].contains(&slots) {
            let octets = (resident() - before) as f64 / slots as f64;
            println!("| {slots} | {octets:.1} | {:.1} |", longest.as_secs_f64() * 1e3);
        }
    }
}

/// Writes days of messages with their answers and receipts, waits until they are sealed, and looks subscribers up.
fn history(site: &Site, days: u64) {
    const MESSAGES: u64 = 3_000_000;
    let folder = folder();
    let clock = Arc::new(AtomicI64::new(site.now.ms()));
    let ticker = Ticker::new(Clock::Manual(Arc::clone(&clock)));
    let bench = Bench::with(site, LedgerSettings::new(folder.path().to_owned(), Durability::Process), ticker);
    bench.ledger.start().expect("threads");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let began = Instant::now();
    for day in 0..=days {
        let today = Site { now: Moment::from_ms(clock.load(Ordering::SeqCst)), ..site.clone() };
        let messages = if day == days { BATCH } else { MESSAGES }; // the last day closes the one before
        for from in (0..messages).step_by(BATCH as usize) {
            let permits: Vec<Permit> = today.permits(from..from + BATCH).collect();
            let (mut answers, mut receipts) = (Batch::default(), Batch::default());
            for (reservation, number) in runtime.block_on(bench.durably(&permits)).iter().zip(from..) {
                let name = format!("{:X}", day * MESSAGES + number + (1 << 32));
                bench.ledger.accepted(reservation, name.as_bytes(), &mut answers);
                let digits = reservation.recipient().map(|number| number.get().to_string()).unwrap_or_default();
                let from = Address { ton: 1, npi: 1, digits: digits.as_bytes() };
                let receipt = Receipt { message_id: name.as_bytes(), state: State::Delivered, error: 0, from };
                bench.ledger.receipt(bench.scopes.account, &receipt, &mut receipts);
            }
            bench.ledger.note(&mut answers);
            bench.ledger.note(&mut receipts);
            clock.fetch_add(5, Ordering::SeqCst);
        }
        clock.store(site.now.ms() + (day as i64 + 1) * 86_400_000, Ordering::SeqCst);
    }
    println!("written in {} s", began.elapsed().as_secs());
    let files = |start: &str| {
        let all = std::fs::read_dir(folder.path()).expect("readable").flatten();
        let own = all.filter(|file| file.file_name().to_string_lossy().starts_with(start));
        own.fold((0, 0), |(count, octets), file| (count + 1, octets + size(&file)))
    };
    while files("index-").0 < days {
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("sealed and indexed after {} s", began.elapsed().as_secs());
    for start in ["journal-", "index-", "seal-"] {
        println!("{start}* {} MiB", files(start).1 >> 20);
    }
    let first = LocalTime::of(site.now).day;
    let span = Span::of(first, Day::from_number(first.number() + days as u16));
    let mut times = Vec::new();
    for permit in site.permits(0..BATCH).step_by(25) {
        let number = permit.recipient().expect("a subscriber");
        let began = Instant::now();
        let found = bench.ledger.trace(number, span).expect("readable");
        times.push(began.elapsed());
        assert!(found.len() as u64 >= days && found[0].is_delivered(), "{} messages", found.len());
    }
    println!("first look-up {} ms", times[0].as_millis());
    times.sort_unstable();
    println!(
        "look-up: median {} ms, longest {} ms",
        times[times.len() / 2].as_millis(),
        times[times.len() - 1].as_millis()
    );
    let (began, mut count) = (Instant::now(), 0);
    bench.ledger.attempts(Span::of(first, first), |_| count += 1).expect("readable");
    println!("a day of {count} messages read and joined in {} ms", began.elapsed().as_millis());
    let began = Instant::now();
    let checked = bench.ledger.check_seals(None).expect("readable");
    assert!(checked.problems.is_empty(), "{:?}", checked.problems);
    println!("{} days of {} rows checked in {} ms", checked.days, checked.rows, began.elapsed().as_millis());
    bench.ledger.close();
}

impl Site {
    fn new(spread: &str) -> Self {
        let now = Moment::parse(NOW).expect("valid");
        let environment = BTreeMap::from(
            [
                ("QUOTA__USERS", "1000000000"),
                ("SPREAD__LIMIT", "10000"),
                ("MODE__SPREAD", spread),
                ("REGISTRY__MODE__PROVINCE_1258", "off"), // nothing is registered here
            ]
            .map(|(key, value)| (format!("SMSLUICE__{key}"), value.to_owned())),
        );
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let rules = load_with_env(&folder, &environment, now).expect("the shipped configuration loads").ruleset;
        let table = std::fs::read_to_string(folder.join("segments.csv")).expect("shipped");
        let own = table.lines().filter(|row| row.contains(",cmcc,"));
        let segments = own.filter_map(|row| row.split(',').next()?.parse().ok()).collect();
        Self { rules: Arc::new(rules), segments, now }
    }

    /// Permits for different subscribers, one segment after another.
    fn permits(&self, which: std::ops::Range<u64>) -> impl Iterator<Item = Permit> {
        let account = self.rules.account(ACCOUNT).expect("shipped");
        let (mut scratch, segments) = (Scratch::default(), self.segments.len() as u64);
        let mut spec = SubmitSpec::new("1258", "", TEXT);
        which.map(move |index| {
            let (round, at) = (index / segments, index % segments);
            spec.destination = (self.segments[at as usize] * 10_000 + round * 7_919 % 10_000).to_string();
            let frame = spec.submit_sm(1);
            let submission = Submission::read(&frame).expect("sound");
            decide::decide(&self.rules, account, &submission, self.now, &mut scratch).expect("permitted")
        })
    }
}

impl<'a> Bench<'a> {
    fn open(site: &'a Site, folder: &Path, durability: Durability) -> Self {
        Self::on(site, folder, durability, None)
    }

    fn on(site: &'a Site, folder: &Path, durability: Durability, shared: Option<SharedSettings>) -> Self {
        let settings = LedgerSettings { shared, ..LedgerSettings::new(folder.to_owned(), durability) };
        Self::with(site, settings, Ticker::new(Clock::starting_at(site.now)))
    }

    fn with(site: &'a Site, settings: LedgerSettings, ticker: Ticker) -> Self {
        let metrics = Arc::new(Metrics::new().expect("sound"));
        let (ledger, recovered) =
            Ledger::open(settings, &site.rules.switches, ticker.clone(), metrics).expect("an own folder");
        let account = site.rules.account(ACCOUNT).expect("shipped");
        let scopes = ledger.scopes(&site.rules).expect("writable")[account.id.0 as usize];
        let throttle = Throttle::new(Rate { per_second: u32::MAX, burst: u32::MAX }, ticker.clone());
        Self { site, ledger, scopes, throttle, ticker, recovered }
    }

    fn claim(&self) -> Claim<'_> {
        Claim {
            owed: None,
            about: About::default(),
            account: self.site.rules.account(ACCOUNT).expect("shipped"),
            scopes: self.scopes,
            throttle: &self.throttle,
            rules: &self.site.rules,
            tick: self.ticker.tick(),
        }
    }

    fn take(&self, permits: &[Permit], batch: &mut Batch) -> Vec<Reservation> {
        let claim = self.claim();
        permits.iter().map(|permit| self.ledger.reserve(&claim, permit, batch).expect("free")).collect()
    }

    async fn durably(&self, permits: &[Permit]) -> Vec<Reservation> {
        let mut batch = Batch::default();
        let mut reservations = self.take(permits, &mut batch);
        let confirmed = self.ledger.confirm(&mut batch, reservations.iter_mut(), &self.claim()).await;
        assert!(confirmed.expect("a sound disk").denied.is_empty(), "every subscriber is new");
        reservations
    }
}

/// Beside the build and not in /tmp, which may be no disk.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("writable")
}

fn size(file: &std::fs::DirEntry) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len())
}

/// Resident octets of this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() * 1024
}
