//! The ledger's files are damaged, while it stands still and while it runs: it is
//! found, submissions stop and nothing else does, and it ends by itself where nothing
//! is lost, otherwise when an operator has accepted it (P11, P12, P17).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use smsluice::domain::{Clock, Ticker};
use smsluice::ledger::{Ledger, LedgerSettings, Side, quota_scope};
use smsluice::record::Metrics;
use smsluice::sim::smsc::Smsc;

use crate::crash::{journaling_smsc, recorder};
use crate::faults::the_rest_flows;
use crate::gateway::{Gateway, Site};
use crate::history::senders::Noted;
use crate::history::{DUPLICATE, LEDGER_UNAVAILABLE, Recorder, policy};
use crate::stand::{OPEN, good, hefei, moment, write_small_config};

/// What damage may take to be seen.
const SEEN: Duration = Duration::from_secs(5);
/// P17.
const BACK: Duration = Duration::from_secs(10);
/// Octets of a frame of the write-ahead log.
const FRAME: u64 = 24 + 2048;

/// A gateway whose files are damaged.
struct World {
    smsc: Smsc,
    site: Site,
    recorder: Recorder,
}

impl World {
    async fn new(durability: &'static str) -> Self {
        let smsc = journaling_smsc(1).await;
        let site = Site::new(&policy(1000, ""), smsc.local_addr(), durability);
        Self { smsc, site, recorder: recorder() }
    }

    async fn bind(&self, gateway: &Gateway) -> Noted {
        Noted::bind(gateway.smpp, "hefei", &self.recorder).await.expect("bound")
    }

    /// A run in which these subscribers were sent to.
    async fn run(&self, subscribers: std::ops::Range<u64>, clean: bool) {
        let gateway = self.site.run().await;
        let mut noted = self.bind(&gateway).await;
        for subscriber in subscribers {
            assert_eq!(one(&mut noted, subscriber).await, 0);
        }
        noted.close(Ok(())).await;
        if clean {
            assert!(gateway.stop().await.success());
        } else {
            tokio::time::sleep(Duration::from_millis(500)).await; // the head may lag by 100 ms, and the machine is busy
            gateway.kill();
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.site.ledger().join(name)
    }

    fn journal(&self) -> PathBuf {
        self.file("journal-2026-11-24.sqlite")
    }

    fn log(&self) -> PathBuf {
        self.file("journal-2026-11-24.sqlite-wal")
    }

    /// The rows that the journal has lost are long gone from the tail: it was written over since.
    fn write_over_the_tail(&self) {
        overwrite(&self.file("tail"), &vec![0; 1024 * 1024]);
    }

    /// Submissions are refused, the rest flows, and everybody can see why.
    async fn assert_found(&self, gateway: &Gateway, why: &str, what: &str) -> String {
        gateway.wait_ready(false, SEEN).await;
        let (_, body) = gateway.page("/readyz").await;
        assert!(body.contains(&format!(r#""ledger":{{"ok":false,"why":"{why}"}}"#)), "{what}: {body}");
        assert!(body.contains(r#""submits":{"ok":false"#), "{what}: {body}");
        assert_eq!(gateway.metric("smsluice_ledger_trusted").await, 0, "{what}");
        assert_eq!(gateway.metric(&format!(r#"smsluice_ledger_damage{{kind="{why}"}}"#)).await, 1, "{what}");
        let event = gateway.event("ledger_damaged").unwrap_or_else(|| panic!("{what}: no event in\n{}", gateway.log()));
        assert_eq!(event["kind"], why, "{what}: {event}");
        let mut noted = self.bind(gateway).await;
        for subscriber in [1, 2, 900] {
            assert_eq!(one(&mut noted, subscriber).await, LEDGER_UNAVAILABLE, "{what}: fails closed");
        }
        the_rest_flows(&mut noted, &self.smsc).await;
        noted.close(Ok(())).await;
        event["code"].as_str().expect("a code").to_owned()
    }

    /// A start finds it, and the next one too, whatever the first has done.
    async fn assert_found_at_each_start(&self, why: &str, what: &str) -> String {
        let gateway = self.site.run().await;
        let code = self.assert_found(&gateway, why, what).await;
        assert!(gateway.stop().await.success(), "{what}");
        let gateway = self.site.run().await;
        assert_eq!(self.assert_found(&gateway, why, what).await, code, "{what}: the same each time");
        assert_ne!(accept(&self.site, "00000000"), Some(0), "{what}: another code is not accepted");
        assert_eq!(accept(&self.site, &code), Some(0), "{what}");
        gateway.kill();
        code
    }

    /// After the acceptance the gateway goes on, with these subscribers known and another one not; and a later start as well.
    async fn assert_goes_on(&self, known: std::ops::Range<u64>, what: &str) {
        for (start, other) in [(1, 700), (2, 701)] {
            let gateway = self.site.run().await;
            gateway.wait_ready(true, BACK).await;
            assert_eq!(gateway.event("ledger_accepted").is_some(), start == 1, "{what}: an acceptance counts once");
            let mut noted = self.bind(&gateway).await;
            for subscriber in known.clone() {
                assert_eq!(one(&mut noted, subscriber).await, DUPLICATE, "{what}: {subscriber} is known");
            }
            assert_eq!(one(&mut noted, other).await, 0, "{what}");
            noted.close(Ok(())).await;
            gateway.kill();
        }
    }
}

async fn one(noted: &mut Noted, subscriber: u64) -> u32 {
    noted.one(&good(&hefei(subscriber))).await.expect("answered")
}

/// `smsluice ledger accept`.
fn accept(site: &Site, code: &str) -> Option<i32> {
    let socket = format!("unix:{}", site.ledger().join("admin.sock").display());
    let ran = Command::new(env!("CARGO_BIN_EXE_smsluice"))
        .args(["ledger", "accept", code, "--reason", "a test", "--endpoint", &socket])
        .output()
        .expect("it runs");
    ran.status.code()
}

/// Writes another content into the same file.
fn overwrite(file: &Path, octets: &[u8]) {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().write(true).truncate(true).open(file).expect("a file");
    file.write_all(octets).expect("written");
}

fn cut(file: &Path, by: u64) {
    let open = std::fs::OpenOptions::new().write(true).open(file).expect("a file");
    let length = open.metadata().expect("a length").len();
    open.set_len(length.checked_sub(by).expect("longer")).expect("cut");
}

/// A copy that keeps times and modes, as backups are made.
fn copy_folder(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(copied.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_cut_by_its_last_commit_is_found_at_the_start() {
    for durability in ["process", "power"] {
        let world = World::new(durability).await;
        world.run(1..4, false).await;
        cut(&world.log(), FRAME);
        world.write_over_the_tail();
        world.assert_found_at_each_start("ledger_rows_missing", durability).await;
        world.assert_goes_on(0..0, durability).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_gone_is_found_at_the_start() {
    let world = World::new("process").await;
    world.run(1..4, false).await;
    std::fs::remove_file(world.log()).expect("removed");
    world.write_over_the_tail();
    world.assert_found_at_each_start("ledger_rows_missing", "no log").await;
    world.assert_goes_on(0..0, "no log").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_cut_in_half_is_found_at_the_start() {
    let world = World::new("process").await;
    world.run(1..60, true).await;
    let length = std::fs::metadata(world.journal()).expect("there").len();
    cut(&world.journal(), length / 2);
    let code = world.assert_found_at_each_start("ledger_unreadable", "half a journal").await;
    world.assert_goes_on(0..0, "half a journal").await;
    assert!(world.file(&format!("damaged-{code}")).join("journal-2026-11-24.sqlite").exists(), "it is set aside");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_is_gone_is_found_at_the_start() {
    let world = World::new("process").await;
    world.run(1..4, true).await;
    std::fs::remove_file(world.journal()).expect("removed");
    world.assert_found_at_each_start("ledger_file_missing", "no journal").await;
    world.assert_goes_on(0..0, "no journal").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_the_journal_is_found_at_the_start() {
    for clean in [true, false] {
        let world = World::new("process").await;
        world.run(1..4, true).await;
        let old = std::fs::read(world.journal()).expect("read");
        world.run(4..7, clean).await;
        overwrite(&world.journal(), &old);
        let _ = std::fs::remove_file(world.log());
        world.write_over_the_tail();
        world.assert_found_at_each_start("ledger_rows_missing", "the same file with an old content").await;
        world.assert_goes_on(1..4, "the same file with an old content").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_the_whole_folder_is_found_at_the_start() {
    let world = World::new("process").await;
    world.run(1..4, true).await;
    let (now, old) = (world.site.ledger(), world.site.ledger().with_extension("old"));
    copy_folder(&now, &old);
    world.run(4..7, true).await;
    std::fs::remove_dir_all(&now).expect("removed");
    std::fs::rename(&old, &now).expect("put back");
    world.assert_found_at_each_start("ledger_copied", "an old folder").await;
    world.assert_goes_on(1..4, "an old folder").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_gone_or_damaged_is_found_at_the_start() {
    let world = World::new("process").await;
    world.run(1..4, true).await;
    std::fs::remove_file(world.file("head")).expect("removed");
    world.assert_found_at_each_start("ledger_copied", "no head").await;
    world.assert_goes_on(1..4, "no head").await;
    let world = World::new("process").await;
    world.run(1..4, true).await;
    overwrite(&world.file("head"), b"00000000 {}\n");
    world.assert_found_at_each_start("ledger_unreadable", "a damaged head").await;
    world.assert_goes_on(1..4, "a damaged head").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_to_the_files_of_a_running_gateway_is_seen_and_lost_on_no_start() {
    type Deed = fn(&World, &[u8]);
    let deeds: [(&str, Deed); 5] = [
        ("the journal is removed", |world, _| std::fs::remove_file(world.journal()).expect("removed")),
        ("the log is removed", |world, _| std::fs::remove_file(world.log()).expect("removed")),
        ("the log is cut", |world, _| cut(&world.log(), FRAME)),
        ("an old copy is moved over the journal", |world, old| {
            std::fs::write(world.file("copy"), old).expect("written");
            std::fs::rename(world.file("copy"), world.journal()).expect("moved");
        }),
        ("an old copy is written over the journal", |world, old| overwrite(&world.journal(), old)),
    ];
    for (what, deed) in deeds {
        let world = World::new("process").await;
        world.run(1..2, true).await;
        let old = std::fs::read(world.journal()).expect("read");
        world.run(2..4, true).await;
        let gateway = world.site.run().await;
        let mut noted = world.bind(&gateway).await;
        for subscriber in 4..7 {
            assert_eq!(one(&mut noted, subscriber).await, 0);
        }
        noted.close(Ok(())).await;
        tokio::time::sleep(Duration::from_millis(1500)).await; // the keeper has seen them as they are
        deed(&world, &old);
        world.assert_found(&gateway, "ledger_file_changed", what).await;
        gateway.kill();
        world.write_over_the_tail();
        let gateway = world.site.run().await;
        if what.contains("written over") {
            continue; // the log has all of it, and the start writes it into the file once more
        }
        gateway.wait_ready(false, SEEN).await;
        assert!(gateway.event("ledger_damaged").is_some(), "{what}: {}", gateway.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_moved_back_is_well_again() {
    let world = World::new("power").await;
    let gateway = world.site.run().await;
    let mut noted = world.bind(&gateway).await;
    assert_eq!(one(&mut noted, 1).await, 0);
    noted.close(Ok(())).await;
    std::fs::rename(world.journal(), world.file("elsewhere")).expect("moved");
    world.assert_found(&gateway, "ledger_file_changed", "moved away").await;
    std::fs::rename(world.file("elsewhere"), world.journal()).expect("moved back");
    gateway.wait_ready(true, BACK).await;
    assert!(gateway.event("ledger_whole").is_some());
    let mut noted = world.bind(&gateway).await;
    assert_eq!(one(&mut noted, 2).await, 0);
    std::fs::remove_file(world.file("head")).expect("removed");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(gateway.event("ledger_head_renewed").is_some(), "{}", gateway.log());
    noted.close(Ok(())).await;
    gateway.kill();
    let gateway = world.site.run().await;
    gateway.wait_ready(true, BACK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_tail_still_has_is_not_lost_with_the_log() {
    for durability in ["process", "power"] {
        let world = World::new(durability).await;
        world.run(1..4, false).await;
        cut(&world.log(), FRAME); // the last rows; the names of the accounts come before them
        let gateway = world.site.run().await;
        gateway.wait_ready(true, BACK).await;
        let mut noted = world.bind(&gateway).await;
        for subscriber in 1..4 {
            assert_eq!(one(&mut noted, subscriber).await, DUPLICATE, "{durability}: {subscriber} is known");
        }
        noted.close(Ok(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_that_is_removed_replaced_or_cut_is_made_anew() {
    type Deed = fn(&Path);
    let deeds: [(&str, Deed); 3] = [
        ("removed", |tail| std::fs::remove_file(tail).expect("removed")),
        ("replaced", |tail| {
            std::fs::write(tail.with_extension("copy"), vec![1; 1024 * 1024]).expect("written");
            std::fs::rename(tail.with_extension("copy"), tail).expect("moved");
        }),
        ("cut", |tail| cut(tail, 1000)),
    ];
    let world = World::new("power").await;
    for (subscriber, (what, deed)) in (1..).zip(deeds) {
        let gateway = world.site.run().await;
        let mut noted = world.bind(&gateway).await;
        for known in 1..subscriber {
            assert_eq!(one(&mut noted, known).await, DUPLICATE, "{what}: {known} is known");
        }
        deed(&world.file("tail"));
        assert_eq!(one(&mut noted, subscriber).await, 0, "{what}");
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(gateway.event("ledger_tail_renewed").is_some(), "{what}: {}", gateway.log());
        noted.close(Ok(())).await;
        gateway.kill();
    }
    let gateway = world.site.run().await;
    gateway.wait_ready(true, BACK).await;
    let mut noted = world.bind(&gateway).await;
    assert_eq!(one(&mut noted, 3).await, DUPLICATE);
    noted.close(Ok(())).await;
}

/// What a ledger knows: who was sent to, how often, and what counts.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    slots: u64,
    unknown: u64,
    reservations: u64,
    counted: u32,
    subscribers: Vec<String>,
}

/// Opens the folder as a start does, and tells what is known or what is damaged.
fn opened(folder: &Path, config: &Path) -> Result<Known, String> {
    let now = moment(OPEN);
    let configuration = smsluice::config::load_with_env(config, &BTreeMap::new(), now).expect("a configuration");
    let (rules, ticker) = (configuration.ruleset, Ticker::new(Clock::starting_at(now)));
    let settings = LedgerSettings::new(folder.to_owned(), smsluice::ledger::Durability::Process);
    let metrics = Arc::new(Metrics::new().expect("sound"));
    let (ledger, recovered) =
        Ledger::open(settings, &rules.switches, ticker, metrics).map_err(|error| error.to_string())?;
    if let Some(damage) = ledger.damage() {
        return Err(damage.what.clone());
    }
    let today = smsluice::domain::LocalTime::of(now).day;
    let scopes = ledger.scopes(&rules).map_err(|error| error.to_string())?;
    let account = rules.account("hefei").expect("configured");
    let scope = quota_scope(rules.switches.quota.scope, scopes[account.id.0 as usize]);
    let book = ledger.book(today).expect("today's book");
    let msisdn = |n| smsluice::domain::Msisdn::from_number(hefei(n).parse().expect("digits")).expect("a subscriber");
    let entries = (1..12).map(|n| format!("{:?}", ledger.lookup(msisdn(n), today).map_err(|error| error.to_string())));
    Ok(Known {
        slots: recovered.slots,
        unknown: recovered.unknown,
        reservations: recovered.reservations,
        counted: book.counted(Side::Real, scope),
        subscribers: entries.collect(),
    })
}

/// Every file of a folder with its octets, to put back in place.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    files.filter(|path| path.is_file()).map(|path| (path.clone(), std::fs::read(path).expect("read"))).collect()
}

fn put_back(folder: &Path, before: &BTreeMap<PathBuf, Vec<u8>>) {
    for path in contents(folder).into_keys().filter(|path| !before.contains_key(path)) {
        std::fs::remove_file(path).expect("removed");
    }
    for (path, octets) in before {
        if path.exists() {
            overwrite(path, octets);
        } else {
            std::fs::write(path, octets).expect("written");
        }
    }
}

/// A bit of each n-th octet of a file is turned, one at a time: either it is found, or nothing is known otherwise.
async fn no_bit_passes(clean: bool, file: &str, step: usize) {
    let world = World::new("process").await;
    world.run(1..8, clean).await;
    let (folder, config) = (world.site.ledger(), tempfile::tempdir().expect("a folder"));
    write_small_config(config.path(), &policy(1000, ""));
    let _ = std::fs::remove_file(world.file("admin.sock"));
    let before = contents(&folder);
    let whole = opened(&folder, config.path()).expect("sound");
    assert_eq!((whole.slots, whole.counted), (7, 7));
    put_back(&folder, &before);
    let (path, mut found) = (world.file(file), 0);
    for at in (0..before[&path].len()).step_by(step) {
        let mut octets = before[&path].clone();
        octets[at] ^= 1 << (at % 8);
        overwrite(&path, &octets);
        match opened(&folder, config.path()) {
            Ok(known) => assert_eq!(known, whole, "{file}: bit {} of octet {at} passes", at % 8),
            Err(_) => found += 1,
        }
        put_back(&folder, &before);
    }
    println!("{file}: {found} of {} bits were found, the others change nothing", before[&path].len().div_ceil(step));
    assert!(found > 0, "{file}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_that_turns_in_a_journal_is_found_or_changes_nothing() {
    no_bit_passes(true, "journal-2026-11-24.sqlite", 61).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_that_turns_in_a_log_is_found_or_changes_nothing() {
    no_bit_passes(false, "journal-2026-11-24.sqlite-wal", 61).await;
}
