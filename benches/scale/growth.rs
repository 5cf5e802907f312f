//! Slots, accounts and segments: the gateway's own code in this process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smsluice::config::load_with_env;
use smsluice::domain::{Clock, Moment, Ticker};
use smsluice::ledger::{About, Batch, Claim, Durability, Ledger, LedgerSettings};
use smsluice::policy::{Permit, Ruleset, decide, decide::Scratch, ruleset::Rate};
use smsluice::record::Metrics;
use smsluice::sim::load::DEFAULT_TEXT;
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::Submission;
use smsluice::traffic::Throttle;

use crate::{Curve, Failure, median, site};

/// Messages of one batch, and batches of one measurement.
const BATCH: u64 = 500;
const BATCHES: u64 = 100;
/// Messages of one measurement of the rules, and measurements.
const MESSAGES: u64 = 50_000;
const ROUNDS: usize = 5;

/// A day's slots grow; batches are taken at each size. The windows of 7.7 are left out: they do not grow with the day.
pub(crate) fn slots(most: u64) -> Result<Curve, Failure> {
    let environment = BTreeMap::from(
        [("QUOTA__USERS", "1000000000"), ("MODE__SPREAD", "off"), ("MODE__REGION", "off")]
            .map(|(key, value)| (format!("SMSLUICE__{key}"), value.to_owned())),
    );
    let rules = rules(&site::shipped(), &environment)?;
    let account = rules.account("hf6202").ok_or("the shipped account is gone")?;
    let table = std::fs::read_to_string(site::shipped().join("segments.csv"))?;
    let numbers: Vec<u32> = table.lines().filter_map(|row| row.split(',').next()?.parse().ok()).collect();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let ticker = Ticker::new(Clock::starting_at(now()));
    let settings = LedgerSettings::new(folder.path().to_owned(), Durability::Process);
    let (ledger, _) = Ledger::open(settings, &rules.switches, ticker.clone(), Arc::new(Metrics::new()?))?;
    let scopes = ledger.scopes(&rules)?[account.id.0 as usize];
    let throttle = Throttle::new(Rate { per_second: u32::MAX, burst: u32::MAX }, ticker.clone());
    let mut scratch = Scratch::default();
    let mut permit = |index: u64| -> Permit {
        let (segment, rest) = (index % numbers.len() as u64, index / numbers.len() as u64);
        let number = u64::from(numbers[segment as usize]) * 10_000 + rest * 7_919 % 10_000;
        let spec = SubmitSpec::new("62020551", &number.to_string(), DEFAULT_TEXT);
        let frame = spec.submit_sm(1);
        let submission = Submission::read(&frame).expect("sound");
        decide::decide(&rules, account, &submission, now(), &mut scratch).expect("permitted")
    };
    let (mut points, mut beside, mut index) = (Vec::new(), Vec::new(), 0);
    for size in [10_000, 100_000, 1_000_000, 10_000_000, 60_000_000].into_iter().filter(|size| *size <= most) {
        let (mut times, mut longest) = (Vec::new(), Duration::ZERO);
        while index < size {
            let permits: Vec<Permit> = (index..index + BATCH).map(&mut permit).collect();
            index += BATCH;
            let tick = ticker.tick();
            let about = About::default();
            let claim = Claim { owed: None, about, account, scopes, throttle: &throttle, rules: &rules, tick };
            let (began, mut batch) = (Instant::now(), Batch::default());
            for permit in &permits {
                let _taken = ledger.reserve(&claim, permit, &mut batch).map_err(|refusal| format!("{refusal:?}"))?;
            }
            let took = began.elapsed();
            longest = longest.max(took);
            if index + BATCH * BATCHES > size {
                times.push(took.as_nanos() as f64 / BATCH as f64);
            }
        }
        points.push((index, median(times)));
        beside.push(format!("longest batch of {BATCH} so far: {:.1} ms", longest.as_secs_f64() * 1e3));
    }
    Ok(Curve { name: "slots of the day", points, beside })
}

/// Messages of accounts taken by turns, each read and decided in full.
pub(crate) fn accounts() -> Result<Curve, Failure> {
    let mut points = Vec::new();
    for count in [10, 100, 1_000, 10_000] {
        let folder = tempfile::tempdir()?;
        site::write(folder.path())?;
        let mut accounts = String::new();
        for own in 0..count {
            let _ = write!(
                accounts,
                "[[account]]\nsystem_id = \"c{own}\"\nclass = \"city_moa\"\nunit = \"u{}\"\ncity = \"hefei\"\n\
                 sources = [\"6202{own:05}*\"]\nconsult_numbers = [\"10086\", \"0551-62620000\"]\n\
                 custodian = \"bench, 0551-62620000\"\nrate = {{ per_second = 50, burst = 50 }}\nsessions = 4\n\
                 networks = [\"127.0.0.0/8\"]\n\n",
                own % 100
            );
        }
        std::fs::write(folder.path().join("accounts.toml"), accounts)?;
        let rules = rules(folder.path(), &BTreeMap::new())?;
        let numbers = site::segments()?;
        points.push((count, judged(&rules, &numbers, |index| index * 7_919 % count)));
    }
    Ok(Curve { name: "accounts", beside: vec![String::new(); points.len()], points })
}

/// Messages of one account to subscribers all over a table of segments.
pub(crate) fn segments() -> Result<Curve, Failure> {
    let mut points = Vec::new();
    for count in [1_000_u32, 10_000, 100_000, 500_000] {
        let folder = tempfile::tempdir()?;
        site::write(folder.path())?;
        let mut table = String::from("prefix,city,operator,mvno\n");
        let numbers: Vec<u32> = (0..count).map(|index| 1_300_000 + index).collect();
        for number in &numbers {
            let _ = writeln!(table, "{number},hefei,cmcc,0");
        }
        std::fs::write(folder.path().join("segments.csv"), table)?;
        let rules = rules(folder.path(), &BTreeMap::new())?;
        points.push((u64::from(count), judged(&rules, &numbers, |_| 0)));
    }
    Ok(Curve { name: "segments", beside: vec![String::new(); points.len()], points })
}

/// Nanoseconds to read and decide a message, each of another text than the one before, from `sender`'s account.
fn judged(rules: &Ruleset, numbers: &[u32], sender: impl Fn(u64) -> u64) -> f64 {
    let messages: Vec<(usize, Vec<u8>)> = (0..MESSAGES)
        .map(|index| {
            let own = &rules.accounts[sender(index) as usize];
            let source = own.sources[0].to_string();
            let to = u64::from(numbers[(index * 104_729 % numbers.len() as u64) as usize]) * 10_000 + index % 10_000;
            let spec = SubmitSpec::new(source.trim_end_matches('*'), &to.to_string(), DEFAULT_TEXT);
            // What comes again is not judged again, so every message differs from the one before.
            (own.id.0 as usize, SubmitSpec { priority: (index % 2) as u8, ..spec }.submit_sm(1))
        })
        .collect();
    let mut scratch = Scratch::default();
    let rounds = (0..ROUNDS).map(|_| {
        let began = Instant::now();
        for (account, frame) in &messages {
            let submission = Submission::read(frame).expect("sound");
            let verdict = decide::decide(rules, &rules.accounts[*account], &submission, now(), &mut scratch);
            assert!(std::hint::black_box(verdict).is_ok(), "every message keeps the rules");
        }
        began.elapsed().as_nanos() as f64 / MESSAGES as f64
    });
    median(rounds.collect())
}

fn rules(folder: &Path, environment: &BTreeMap<String, String>) -> Result<Ruleset, Failure> {
    Ok(load_with_env(folder, environment, now()).map_err(|problems| problems.to_string())?.ruleset)
}

fn now() -> Moment {
    Moment::parse(site::CLOCK).expect("valid")
}
