//! Seeded runs of a whole gateway on one thread: submissions, refusals of the
//! SMSC, silence, lost links, restarts, crashes, loss of power, disk faults and a
//! clock that is set, in an order drawn from the seed; then the history is checked.
//!
//! The gateway runs in the test's own process, so a crash is a copy of the ledger's
//! folder taken at an instant, on which the next gateway starts: between two calls of
//! whichever thread, and no octet leaves the gateway after it. That, disk faults and loss
//! of power come from `tests/faults/disk.c`: the test starts itself again with it preloaded.
//!
//! `SMSLUICE_SEEDS=10000 cargo test --release --test it simulation` is the long run;
//! `SMSLUICE_SEED=N` with `SMSLUICE_SEEDS=1` repeats one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use smsluice::domain::Clock;
use smsluice::ledger::Durability;
use smsluice::sim::random::Random;
use smsluice::sim::smsc::{Smsc, SmscSettings};
use smsluice::sim::submit::ucs2;

use crate::gateway::{EIO, ENOSPC, Faults};
use crate::history::senders::Noted;
use crate::history::{Act, Recorder, Terms, policy};
use crate::power::lose_power;
use crate::stand::{self, OPEN, SickDisk, good, hefei, moment, write_small_config};

const QUOTA: u64 = 6;
const SUBSCRIBERS: u64 = 9;
const STEPS: u64 = 40;
/// Processes that share the seeds.
const SHARES: u64 = 2;
const FOLDER: &str = "SMSLUICE_FAULT_FOLDER";
const SHARE: &str = "SMSLUICE_SHARE";

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn every_seed_keeps_the_promises() {
    let (first, seeds) = (number("SMSLUICE_SEED", 1), number("SMSLUICE_SEEDS", 200));
    if let Ok(share) = std::env::var(SHARE) {
        let share: u64 = share.parse().expect("a number");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (mut cut, mut whole) = (0, 0);
        for seed in (first..first + seeds).filter(|seed| seed % SHARES == share) {
            let exercised = runtime.block_on(run(seed));
            cut += exercised.0;
            whole += exercised.1;
        }
        println!("{cut} recipients of a submit_multi cut out of it, {whole} messages in parts whole");
        assert!(seeds < 20 || (cut > 0 && whole > 0), "{cut} recipients cut out, {whole} messages in parts");
        return;
    }
    let shares: Vec<_> = (0..SHARES).map(start_share).collect();
    for (share, _folder) in shares {
        let output = share.wait_with_output().expect("it ends");
        let text = String::from_utf8_lossy(&output.stdout);
        for line in text.lines().filter(|line| line.contains(" cut out ")) {
            println!("{line}");
        }
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// This test again, in a process with the fault library.
fn start_share(share: u64) -> (std::process::Child, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut faults = Faults::new(folder.path());
    faults.note_undo(folder.path().join("undo"));
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    faults.prepare(&mut command, &folder.path().join("data"));
    command
        .args(["--exact", "simulation::every_seed_keeps_the_promises", "--nocapture"])
        .env(SHARE, share.to_string())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    (command.spawn().expect("starts"), folder)
}

/// One seed's world.
struct World {
    random: Random,
    smsc: Smsc,
    gateway: Option<smsluice::app::Running>,
    sessions: Vec<Noted>,
    recorder: Recorder,
    clock: Arc<AtomicI64>,
    config: tempfile::TempDir,
    ledger: PathBuf,
    undo: PathBuf,
    /// Sound as far as the ledger's own place for faults is concerned: here they come from below.
    disk: Arc<SickDisk>,
    faults: Faults,
    durability: Durability,
    disk_was_sick: bool,
}

/// Plays a seed; how much of it was about submit_multi and messages in parts, see `History::exercised`.
async fn run(seed: u64) -> (usize, usize) {
    let mut world = World::new(seed).await;
    world.start().await;
    for _ in 0..STEPS {
        world.step().await;
    }
    world.faults.reset();
    world.crash(false).await;
    world.start().await;
    world.submit(4).await;
    let unknown = world.gateway().recovered.unknown;
    world.recorder.note(Act::Listed { unknown });
    let sessions = std::mem::take(&mut world.sessions);
    for session in sessions {
        session.close(Ok(())).await;
    }
    if let Some(gateway) = world.gateway.take() {
        gateway.stop().await;
    }
    let mut terms = Terms::new(QUOTA);
    terms.sick_disk = world.disk_was_sick || world.durability == Durability::Power;
    let history = world.recorder.history(&terms, world.smsc.entries());
    history.assert_kept(&format!("SMSLUICE_SEED={seed}"));
    history.exercised()
}

impl World {
    async fn new(seed: u64) -> Self {
        let ledger = PathBuf::from(std::env::var(FOLDER).expect("the fault library's folder"));
        let folder = ledger.parent().expect("a folder").to_owned();
        clear(&ledger);
        let mut random = Random::new(seed);
        let clock = Arc::new(AtomicI64::new(moment(OPEN).ms()));
        let config = tempfile::tempdir().expect("a folder");
        write_small_config(config.path(), &policy(QUOTA, "[mode]\nhours = \"off\"\nholiday = \"off\"\n"));
        let manual = Clock::Manual(Arc::clone(&clock));
        let settings = SmscSettings { seed, clock: manual.clone(), memory: 100_000, ..SmscSettings::default() };
        let faults = Faults::open(&folder);
        faults.reset();
        Self {
            smsc: Smsc::bind(settings).await.expect("it listens"),
            gateway: None,
            sessions: Vec::new(),
            recorder: Recorder::new(manual),
            clock,
            config,
            ledger,
            undo: folder.join("undo"),
            disk: Arc::default(),
            faults,
            durability: if random.chance(0.5) { Durability::Power } else { Durability::Process },
            disk_was_sick: false,
            random,
        }
    }

    fn gateway(&self) -> &smsluice::app::Running {
        self.gateway.as_ref().expect("running")
    }

    async fn start(&mut self) {
        let durability = self.durability;
        let started =
            stand::start(self.config.path(), &self.clock, self.smsc.local_addr(), &self.ledger, &self.disk, |plan| {
                plan.ledger.durability = durability;
            });
        self.gateway = Some(started.await);
    }

    async fn step(&mut self) {
        match self.random.below(100) {
            0..50 => self.submit(1).await,
            50..60 => self.submit(4).await,
            60..68 => {
                let refuses = self.random.below(3) as f64 / 2.0;
                self.smsc.change(|behaviour| behaviour.errors = vec![(0x14, refuses)]);
            }
            68..72 => self.silence().await,
            72..76 => {
                self.smsc.disconnect_all();
                self.end_sessions().await;
            }
            76..82 => self.sick_disk(),
            82..88 => self.set_clock(),
            88..92 => {
                self.end_sessions().await;
                self.faults.reset();
                self.gateway.take().expect("running").stop().await;
                self.start().await;
            }
            _ => {
                let power = self.durability == Durability::Power && self.random.chance(0.5);
                self.crash(power).await;
                self.start().await;
            }
        }
    }

    /// Submits to drawn subscribers on a drawn session; a crash may be near.
    async fn submit(&mut self, batch: u64) {
        let Some(index) = self.session().await else { return };
        let mut out = Vec::new();
        let mut session = self.sessions.swap_remove(index);
        for _ in 0..batch {
            self.add_one(&mut session, &mut out);
        }
        match session.exchange(&out).await {
            Ok(_) => self.sessions.push(session),
            Err(error) => {
                session.close(Err(error)).await;
            }
        }
    }

    /// A message of whatever kind, with its signature or, seldom, without.
    fn add_one(&mut self, session: &mut Noted, out: &mut Vec<u8>) {
        let to: Vec<_> = (0..=1 + self.random.below(3)).map(|_| hefei(self.random.below(SUBSCRIBERS))).collect();
        let mut spec = good("");
        if self.random.chance(0.05) {
            spec.short_message = ucs2("新营业厅开业,欢迎光临。");
        }
        session.submit_any(&spec, &to, &mut self.random, out);
    }

    /// A message that the SMSC takes and never answers: the link goes, the gateway crashes, or its time runs out.
    async fn silence(&mut self) {
        let Some(index) = self.session().await else { return };
        self.smsc.change(|behaviour| behaviour.silent = 1.0);
        let mut session = self.sessions.swap_remove(index);
        let mut out = Vec::new();
        self.add_one(&mut session, &mut out);
        let sent = session.esme.send_raw(&out).await;
        for _ in 0..self.random.below(200) {
            tokio::task::yield_now().await; // how far it comes is drawn as well
        }
        match self.random.below(3) {
            0 => self.smsc.disconnect_all(),
            1 => {
                self.crash(false).await;
                self.start().await;
            }
            _ if sent.is_ok() => {
                self.clock.fetch_add(31_000, Ordering::SeqCst);
                if session.exchange(&[]).await.is_ok() {
                    self.sessions.push(session);
                    self.smsc.change(|behaviour| behaviour.silent = 0.0);
                    return;
                }
            }
            _ => {}
        }
        self.smsc.change(|behaviour| behaviour.silent = 0.0);
        session.close(Err(smsluice::sim::esme::EsmeError::Closed)).await;
    }

    fn sick_disk(&mut self) {
        self.disk_was_sick = true;
        let errno = if self.random.chance(0.5) { EIO } else { ENOSPC };
        match self.random.below(3) {
            0 => self.faults.fail_all(Some(errno)),
            1 => self.faults.fail_at(self.faults.calls() + 1 + self.random.below(8), errno),
            _ => self.faults.fail_all(None),
        }
    }

    /// Mostly on, by seconds to hours; sometimes back a little.
    fn set_clock(&mut self) {
        let by = match self.random.below(4) {
            0 => self.random.below(60_000),
            1 => self.random.below(3_600_000),
            2 => self.random.below(12 * 3_600_000),
            _ => {
                let back = self.random.below(1_800_000).cast_signed();
                self.clock.fetch_sub(back, Ordering::SeqCst);
                return;
            }
        };
        self.clock.fetch_add(by.cast_signed(), Ordering::SeqCst);
    }

    /// The index of a bound session, a new one if there are too few.
    async fn session(&mut self) -> Option<usize> {
        if self.sessions.len() < 3 {
            let account = if self.random.chance(0.5) { "hefei" } else { "hefei2" };
            let smpp = self.gateway().smpp;
            self.sessions.extend(Noted::bind(smpp, account, &self.recorder).await);
        }
        let sessions = self.sessions.len() as u64;
        (sessions > 0).then(|| self.random.below(sessions) as usize)
    }

    async fn end_sessions(&mut self) {
        for session in std::mem::take(&mut self.sessions) {
            session.close(Err(smsluice::sim::esme::EsmeError::Closed)).await;
        }
    }

    /// The process is gone at this instant, and with the power what was not synced.
    async fn crash(&mut self, power: bool) {
        let kept = tempfile::tempdir().expect("a folder");
        self.faults.reset();
        self.faults.cut_sockets(true); // what it does from now on, nobody sees
        let notes = self.faults.at_an_instant(|| {
            copy(&self.ledger, kept.path());
            std::fs::read(&self.undo).expect("notes")
        });
        self.recorder.note(Act::Killed);
        self.smsc.disconnect_all();
        self.end_sessions().await;
        self.gateway.take().expect("running").stop().await;
        self.faults.cut_sockets(false);
        put_back(kept.path(), &self.ledger);
        std::fs::write(&self.undo, notes).expect("notes");
        if power {
            lose_power(&self.undo, self.random.chance(0.5).then(|| self.random.number()));
        }
        clear_notes(&self.undo);
    }
}

/// What has survived is on the disk now.
fn clear_notes(undo: &Path) {
    std::fs::OpenOptions::new().create(true).write(true).truncate(true).open(undo).expect("notes");
}

fn clear(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        std::fs::remove_file(entry.path()).expect("removed");
    }
}

/// The files of the folder; the admin socket lies there too, and is nothing that survives.
fn copy(from: &Path, to: &Path) {
    let entries = std::fs::read_dir(from).expect("a folder").flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

/// The files as they were at the crash, and the same files: a copy of a ledger is not the ledger.
fn put_back(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(to).expect("a folder").flatten() {
        if !from.join(entry.file_name()).exists() {
            std::fs::remove_file(entry.path()).expect("removed");
        }
    }
    copy(from, to); // onto what is there, which keeps its inode
}
