//! The gateway as operations run it: the real binary in a process of its own,
//! on a folder of its own, with `tests/faults/disk.c` preloaded where a test wants
//! its disk, its sockets or its clock to misbehave.

use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stand::{OPEN, write_small_config};

/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A configuration folder with a ledger in it, and how the gateway is started on them.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    pub(crate) smsc: SocketAddr,
    pub(crate) durability: &'static str,
    /// Where the clock starts; `None` is the machine's own, which `Faults` can shift.
    pub(crate) clock_start: Option<&'static str>,
    pub(crate) response_timeout: &'static str,
    pub(crate) arguments: Vec<&'static str>,
    pub(crate) environment: Vec<(&'static str, String)>,
    pub(crate) faults: Option<Faults>,
}

/// A running gateway; killed when this is dropped.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) smpp: SocketAddr,
    pub(crate) admin: SocketAddr,
    log: PathBuf,
}

/// A gateway that did not start: how it ended and what it said.
#[derive(Debug)]
pub(crate) struct NotStarted {
    pub(crate) status: ExitStatus,
    pub(crate) log: String,
}

impl Site {
    pub(crate) fn new(policy: &str, smsc: SocketAddr, durability: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write_small_config(folder.path(), policy);
        Self {
            folder,
            smsc,
            durability,
            clock_start: Some(OPEN),
            response_timeout: "30s",
            arguments: Vec::new(),
            environment: Vec::new(),
            faults: None,
        }
    }

    /// Preloads the fault library into the gateways that are started from now on.
    pub(crate) fn with_faults(mut self) -> Self {
        self.faults = Some(Faults::new(self.folder.path()));
        self
    }

    pub(crate) fn faults(&self) -> &Faults {
        self.faults.as_ref().expect("a site with faults")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The notes from which power loss is played; they exist where the faults keep them.
    pub(crate) fn undo_log(&self) -> PathBuf {
        self.folder.path().join("undo")
    }

    /// The journal's files, write-ahead logs not included, oldest first.
    pub(crate) fn journals(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.ledger()).expect("a ledger");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let mut found: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "sqlite")).collect();
        found.sort();
        found
    }

    /// Starts the gateway and waits until it listens.
    pub(crate) async fn start(&self) -> Result<Gateway, NotStarted> {
        static STARTS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = STARTS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let log = self.folder.path().join(format!("log-{number}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_smsluice"));
        command
            .args(["serve", "--config"])
            .arg(self.folder.path())
            .args(self.clock_start.iter().flat_map(|start| ["--clock-start", start, "--allow-test-clock"]))
            .args(&self.arguments)
            .env("SMSLUICE__LISTEN__SMPP", "127.0.0.1:0")
            .env("SMSLUICE__ADMIN__LISTEN", "127.0.0.1:0")
            .env("SMSLUICE__SMSC__ADDRESS", self.smsc.to_string())
            .env("SMSLUICE__SMSC__RESPONSE_TIMEOUT", self.response_timeout)
            .env("SMSLUICE__LEDGER__PATH", self.ledger())
            .env("SMSLUICE__LEDGER__DURABILITY", self.durability)
            .env("SMSLUICE__LOG__FORMAT", "json")
            .env("SMSLUICE__RUNTIME__WORKERS", "2")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).expect("a log"));
        if let Some(faults) = &self.faults {
            faults.prepare(&mut command, &self.ledger());
        }
        let child = command.spawn().expect("the gateway starts");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut gateway = Gateway { child, smpp: nowhere, admin: nowhere, log };
        let deadline = Instant::now() + START;
        loop {
            if let Some(line) = gateway.event("ready") {
                gateway.smpp = address(&line, "smpp");
                gateway.admin = address(&line, "admin");
                return Ok(gateway);
            }
            if let Some(status) = gateway.child.try_wait().expect("waited") {
                return Err(NotStarted { status, log: gateway.log() });
            }
            assert!(Instant::now() < deadline, "the gateway does not start:\n{}", gateway.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Starts a gateway that has to start.
    pub(crate) async fn run(&self) -> Gateway {
        self.start().await.unwrap_or_else(|failed| panic!("not started: {}\n{}", failed.status, failed.log))
    }
}

fn address(line: &serde_json::Value, key: &str) -> SocketAddr {
    line[key].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {key} in {line}"))
}

impl Gateway {
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }

    /// The first event of that name.
    pub(crate) fn event(&self, name: &str) -> Option<serde_json::Value> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.into_iter().find(|line| line["event"] == name)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Stops it as a service manager does, and waits for its end.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(told.success());
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = self.child.try_wait().expect("waited") {
                return status;
            }
            assert!(Instant::now() < deadline, "the gateway does not stop:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether it has ended by itself, or by a fault.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("waited").is_some()
    }

    /// The status and body of a page of the operations listener.
    pub(crate) async fn page(&self, path: &str) -> (u16, String) {
        let mut stream = tokio::net::TcpStream::connect(self.admin).await.expect("the admin listener");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("asked");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("answered");
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, text.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
    }

    /// A series of the metrics by its name and labels as printed; 0 if it is not there.
    pub(crate) async fn metric(&self, series: &str) -> u64 {
        let (_, text) = self.page("/metrics").await;
        let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
    }

    /// Waits until `/readyz` is as wanted; how long that took.
    pub(crate) async fn wait_ready(&self, ready: bool, patience: Duration) -> Duration {
        let began = Instant::now();
        loop {
            let (status, body) = self.page("/readyz").await;
            if (status == 200) == ready {
                return began.elapsed();
            }
            assert!(began.elapsed() < patience, "/readyz is {status} after {patience:?}: {body}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The steering page of `tests/faults/disk.c`, which has the same layout.
pub(crate) struct Faults {
    page: std::fs::File,
    path: PathBuf,
    undo: Option<PathBuf>,
}

/// The words of the page, in order.
#[derive(Clone, Copy)]
enum Word {
    Calls,
    FailAt,
    FailErrno,
    FailAll,
    KillAt,
    KillHalf,
    SyncDelay,
    Clock,
    Failed,
    Hang,
    Still,
    Busy,
    Cut,
}

pub(crate) const EIO: u64 = 5;
pub(crate) const ENOSPC: u64 = 28;
pub(crate) const EROFS: u64 = 30;

impl Faults {
    pub(crate) fn new(folder: &Path) -> Self {
        let faults = Self::open(folder);
        faults.page.set_len(4096).expect("a page");
        faults
    }

    /// The page that another process has made in this folder, or a new one.
    pub(crate) fn open(folder: &Path) -> Self {
        let path = folder.join("faults");
        let mut options = std::fs::OpenOptions::new();
        let page = options.read(true).write(true).create(true).truncate(false).open(&path).expect("a page");
        Self { page, path, undo: None }
    }

    /// From now on what power loss would take back is noted in this file; the disk is not really synced then.
    pub(crate) fn note_undo(&mut self, undo: PathBuf) {
        self.undo = Some(undo);
    }

    /// Lets a process that is about to start have these faults, on its files in this folder.
    pub(crate) fn prepare(&self, command: &mut Command, ledger: &Path) {
        std::fs::create_dir_all(ledger).expect("a ledger folder");
        let ledger = ledger.canonicalize().expect("a path");
        command
            .env("LD_PRELOAD", library())
            .env("SMSLUICE__LEDGER__PATH", &ledger)
            .env("SMSLUICE_FAULT_FOLDER", &ledger)
            .env("SMSLUICE_FAULT_CONTROL", &self.path);
        if let Some(undo) = &self.undo {
            command.env("SMSLUICE_FAULT_UNDO", undo);
        }
    }

    fn set(&self, word: Word, value: u64) {
        self.page.write_all_at(&value.to_ne_bytes(), word as u64 * 8).expect("written");
    }

    fn get(&self, word: Word) -> u64 {
        let mut octets = [0; 8];
        self.page.read_exact_at(&mut octets, word as u64 * 8).expect("read");
        u64::from_ne_bytes(octets)
    }

    /// A sound disk, sockets that write, and calls counted from 0.
    pub(crate) fn reset(&self) {
        for word in [
            Word::FailAt,
            Word::FailErrno,
            Word::FailAll,
            Word::KillAt,
            Word::KillHalf,
            Word::SyncDelay,
            Word::Calls,
            Word::Failed,
            Word::Hang,
            Word::Still,
            Word::Cut,
        ] {
            self.set(word, 0);
        }
    }

    /// The n-th call from now on fails.
    pub(crate) fn fail_at(&self, call: u64, errno: u64) {
        self.set(Word::FailErrno, errno);
        self.set(Word::FailAt, call);
    }

    /// Every call fails until `None`.
    pub(crate) fn fail_all(&self, errno: Option<u64>) {
        self.set(Word::FailAll, errno.unwrap_or_default());
    }

    /// The process ends at the n-th call, before it or in the middle of its write.
    pub(crate) fn kill_at(&self, call: u64, half: bool) {
        self.set(Word::KillHalf, u64::from(half));
        self.set(Word::KillAt, call);
    }

    /// No call that changes a file returns until `false`.
    pub(crate) fn hang(&self, hang: bool) {
        self.set(Word::Hang, u64::from(hang));
    }

    /// What the folder is between two calls that change it: nothing changes while `look` runs.
    pub(crate) fn at_an_instant<T>(&self, look: impl FnOnce() -> T) -> T {
        self.set(Word::Still, 1);
        while self.get(Word::Busy) != 0 {
            std::thread::yield_now();
        }
        let seen = look();
        self.set(Word::Still, 0);
        seen
    }

    /// Nothing is written to a socket until `false`.
    pub(crate) fn cut_sockets(&self, cut: bool) {
        self.set(Word::Cut, u64::from(cut));
    }

    pub(crate) fn slow_syncs(&self, by: Duration) {
        self.set(Word::SyncDelay, by.as_micros() as u64);
    }

    /// Sets the machine's clock as the gateway sees it, as an offset from the real one.
    pub(crate) fn set_clock(&self, offset_ms: i64) {
        self.set(Word::Clock, offset_ms.cast_unsigned());
    }

    pub(crate) fn calls(&self) -> u64 {
        self.get(Word::Calls)
    }

    /// Calls that were made to fail.
    pub(crate) fn failed(&self) -> u64 {
        self.get(Word::Failed)
    }
}

/// The fault library, compiled once a run.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/disk.c");
        let own = format!("disk-{}.so", std::process::id());
        let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join(own);
        let cc = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&built)
            .arg(source)
            .args(["-ldl", "-lpthread"])
            .output()
            .expect("a C compiler");
        assert!(cc.status.success(), "{}", String::from_utf8_lossy(&cc.stderr));
        built
    })
}
