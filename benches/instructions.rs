//! Instructions a message, counted and not timed: the same on a busy machine as on a quiet one.
//!
//! ```text
//! cargo bench --bench instructions              # compares with instructions.csv; fails above it
//! cargo bench --bench instructions -- --update  # writes instructions.csv
//! ```
//!
//! Needs valgrind, whose callgrind counts. Every case runs in a process of its own, and only what is within [`counted`]
//! counts: what a start costs is not the same twice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use smsluice::config::load_with_env;
use smsluice::domain::{Clock, Moment, Ticker};
use smsluice::ledger::{About, Batch, Claim, Durability, Ledger, LedgerSettings};
use smsluice::policy::{Permit, Ruleset, decide, decide::Scratch, ruleset::Rate};
use smsluice::record::Metrics;
use smsluice::sim::load::DEFAULT_TEXT;
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::{Address, Submission};
use smsluice::traffic::Throttle;

const NOW: &str = "2026-11-24T09:30:00+08:00";
const ACCOUNT: &str = "hf6202";
const SOURCE: &str = "62020551";
/// A segment of the account's city.
const SEGMENT: u64 = 1_385_510;
/// Messages of a case; a subscriber each.
const MESSAGES: u64 = 9_000;
/// What may be added before it is said, in hundredths.
const TOLERANCE: u64 = 10;

/// What a case does for all of its messages.
type Case = fn(&Site);

const CASES: [(&str, Case); 5] = [
    ("read a submit_sm of 65 characters", read),
    ("decide, every text another", decide_each),
    ("decide, the text of the one before", decide_repeated),
    ("reserve: window, slot, quota, rate", reserve),
    ("reserve, make durable by tens, settle", commit),
];

/// The shipped rules; what would refuse an honest flood is raised.
struct Site {
    rules: Ruleset,
    now: Moment,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1);
    if let Some(case) = after("--case") {
        CASES[case.parse::<usize>().expect("a number")].1(&Site::new());
        return ExitCode::SUCCESS;
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("nothing is counted under test: run `cargo bench --bench instructions`");
        return ExitCode::SUCCESS;
    }
    let counted: Vec<u64> = (0..CASES.len()).map(instructions).collect();
    if arguments.iter().any(|argument| argument == "--update") { update(&counted) } else { compare(&counted) }
}

/// Instructions a message of a case.
fn instructions(case: usize) -> u64 {
    eprint!("\r{:<60}", CASES[case].0);
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*instructions::counted*"])
        .arg(std::env::current_exe().expect("its own path"))
        .args(["--case", &case.to_string()])
        .output()
        .expect("valgrind is installed");
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{told}");
    let collected = told.lines().find_map(|line| line.split_once("Collected : "));
    let sum = collected.and_then(|(_, count)| count.trim().parse::<u64>().ok()).expect("callgrind tells its sum");
    assert!(sum > 0, "{told}");
    sum / MESSAGES
}

/// What is counted. A function of its own, by whose name it is known.
#[inline(never)]
fn counted(mut work: impl FnMut()) {
    work();
}

fn table() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.csv")
}

fn update(counted: &[u64]) -> ExitCode {
    let rows = CASES.iter().zip(counted).map(|((name, _), count)| format!("\"{name}\",{count}\n"));
    let out: String = std::iter::once("case,instructions\n".to_owned()).chain(rows).collect();
    std::fs::write(table(), &out).expect("writable");
    eprint!("\r{:<60}\r", "");
    print!("{out}");
    ExitCode::SUCCESS
}

/// Fails where a case has become dearer than the table says.
fn compare(counted: &[u64]) -> ExitCode {
    let mut rows = csv::Reader::from_path(table()).expect("the table is there");
    let known: BTreeMap<String, u64> = rows.deserialize().collect::<Result<_, _>>().expect("a name and a number each");
    let mut code = ExitCode::SUCCESS;
    eprint!("\r{:<60}\r", "");
    println!("| instructions a message | counted | in the table |\n|---|---|---|");
    for ((name, _), count) in CASES.iter().zip(counted) {
        let before = known.get(*name).copied().unwrap_or_default();
        println!("| {name} | {count} | {before} |");
        if *count * 100 > before * (100 + TOLERANCE) {
            println!("\nmore than {TOLERANCE} % above the table: {name}\n");
            code = ExitCode::FAILURE;
        }
    }
    if code == ExitCode::FAILURE {
        println!("If that is meant: cargo bench --bench instructions -- --update, and say why where it is committed.");
    }
    code
}

impl Site {
    fn new() -> Self {
        let now = Moment::parse(NOW).expect("valid");
        let raised = [("QUOTA__USERS", "1000000000"), ("SPREAD__LIMIT", "10000")];
        let environment = raised.map(|(key, value)| (format!("SMSLUICE__{key}"), value.to_owned()));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let loaded = load_with_env(&folder, &BTreeMap::from(environment), now);
        Self { rules: loaded.expect("the shipped configuration loads").ruleset, now }
    }

    fn decide(&self, frame: &[u8], scratch: &mut Scratch) -> Permit {
        let account = self.rules.account(ACCOUNT).expect("shipped");
        let submission = Submission::read(frame).expect("sound");
        decide::decide(&self.rules, account, &submission, self.now, scratch).expect("permitted")
    }
}

/// A message to one of ten thousand subscribers.
fn frame(index: u64, text: &str) -> Vec<u8> {
    SubmitSpec::new(SOURCE, &format!("86{}", SEGMENT * 10_000 + index % 10_000), text).submit_sm(1)
}

fn read(_site: &Site) {
    let frame = frame(0, DEFAULT_TEXT);
    counted(|| {
        for _ in 0..MESSAGES {
            let _ = std::hint::black_box(Submission::read(std::hint::black_box(&frame)));
        }
    });
}

/// Reading included: nothing is decided that was not read.
fn decide_each(site: &Site) {
    let frames = [frame(0, DEFAULT_TEXT), frame(1, &DEFAULT_TEXT.replacen("您", "你", 1))];
    assert_ne!(frames[0], frames[1], "or the second were judged as the first");
    let mut scratch = Scratch::default();
    counted(|| {
        for index in 0..MESSAGES {
            let _ = std::hint::black_box(site.decide(&frames[(index % 2) as usize], &mut scratch));
        }
    });
}

fn decide_repeated(site: &Site) {
    let frames = [frame(0, DEFAULT_TEXT), frame(1, DEFAULT_TEXT)];
    let (account, mut scratch) = (site.rules.account(ACCOUNT).expect("shipped"), Scratch::default());
    let _ = site.decide(&frames[0], &mut scratch);
    counted(|| {
        for index in 0..MESSAGES {
            let frame = &frames[(index % 2) as usize];
            let verdict = decide::decide_repeated(&site.rules, account, frame, site.now, &mut scratch);
            assert!(std::hint::black_box(verdict).is_some_and(|verdict| verdict.is_ok()));
        }
    });
}

fn reserve(site: &Site) {
    ledger(site, false);
}

fn commit(site: &Site) {
    ledger(site, true);
}

/// Reserves for so many subscribers by tens.
fn ledger(site: &Site, durably: bool) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("writable");
    let ticker = Ticker::new(Clock::starting_at(site.now));
    let settings = LedgerSettings::new(folder.path().to_owned(), Durability::Process);
    let metrics = Arc::new(Metrics::new().expect("sound"));
    let (ledger, _) = Ledger::open(settings, &site.rules.switches, ticker.clone(), metrics).expect("an own folder");
    let account = site.rules.account(ACCOUNT).expect("shipped");
    let scopes = ledger.scopes(&site.rules).expect("writable")[account.id.0 as usize];
    let throttle = Throttle::new(Rate { per_second: u32::MAX, burst: u32::MAX }, ticker.clone());
    let mut scratch = Scratch::default();
    let permits: Vec<Permit> =
        (0..MESSAGES).map(|index| site.decide(&frame(index, DEFAULT_TEXT), &mut scratch)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (mut batch, mut noted) = (Batch::default(), Batch::default());
    noted.at(site.now);
    let source = Address { ton: 1, npi: 1, digits: SOURCE.as_bytes() };
    let about = About { command: 4, source, digest: None, known: Some(1) };
    counted(|| {
        for permits in permits.chunks(10) {
            let tick = ticker.tick();
            batch.at(tick.wall);
            let claim = Claim { owed: None, about, account, scopes, throttle: &throttle, rules: &site.rules, tick };
            let mark = batch.mark();
            let mut taken: Vec<_> =
                permits.iter().map(|permit| ledger.reserve(&claim, permit, &mut batch).expect("free")).collect();
            if durably {
                runtime.block_on(ledger.confirm(&mut batch, taken.iter_mut(), &claim)).expect("a sound disk");
                for reservation in &taken {
                    ledger.accepted(reservation, b"1048576", &mut noted);
                }
                ledger.note(&mut noted);
            } else {
                batch.cut_back(mark);
            }
        }
    });
}
