//! Fairness: one account that sends at twenty times its rate takes nothing from the others, and who looks takes nothing from anybody.
//!
//! `SMSLUICE_FAIRNESS=10 cargo test --release --test it fairness -- --nocapture` runs that many seconds each way and prints
//! the others' times with and without it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use smsluice::app::Plan;
use smsluice::domain::Clock;
use smsluice::sim::histogram::{Histogram, Percentiles};
use smsluice::sim::load::{Load, LoadReport, LoadSettings, Traffic, run_load};
use smsluice::smpp::command::status;

use crate::stand::{GOOD, OPEN, Setup, Stand, moment};
use crate::{admin, http};

/// Accounts in all; the first floods.
const ACCOUNTS: u64 = 100;
/// Messages a second that each may send.
const RATE: u64 = 20;
const FLOOD: u64 = 20 * RATE;
const HALF: u64 = RATE / 2;
const SEGMENTS: [u32; 4] = [1_385_510, 1_385_511, 1_385_512, 1_385_513];

fn seconds() -> u64 {
    std::env::var("SMSLUICE_FAIRNESS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(2)
}

fn accounts() -> String {
    let mut out = String::new();
    for own in 0..ACCOUNTS {
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "[[account]]\nsystem_id = \"a{own}\"\nclass = \"city_moa\"\nunit = \"u{own}\"\ncity = \"hefei\"\nsources = [\"6202{own:03}\"]\n\
             consult_numbers = [\"10086\", \"0551-62620000\"]\ncustodian = \"test, 0551-62620001\"\n\
             rate = {{ per_second = {RATE}, burst = {RATE} }}\nsessions = 4\nnetworks = [\"127.0.0.0/8\"]\n\n"
        );
    }
    out
}

/// One account's load: `rate` messages a second, to subscribers of its own.
async fn load(stand: &Stand, own: u64, rate: u64, round: u64) -> Load {
    // No two loads send to the same subscribers.
    let skip = if rate == FLOOD { 30_000 } else { (round * ACCOUNTS + own) * HALF * (seconds() + 1) };
    let traffic = Traffic { source: format!("6202{own:03}"), skip, ..Traffic::new(SEGMENTS.to_vec()) };
    let settings = LoadSettings {
        connections: 1,
        window: 1000,
        rate: Some(rate as f64),
        count: Some(rate * seconds()),
        traffic,
        ..LoadSettings::new(stand.gateway.smpp, &format!("a{own}"), "secret", Vec::new())
    };
    Load::start(settings).await.expect("bound")
}

/// The others' times, all together.
async fn others(stand: &Stand, round: u64) -> Histogram {
    let mut loads = Vec::new();
    for own in 1..ACCOUNTS {
        loads.push(load(stand, own, HALF, round).await);
    }
    let mut times = Histogram::default();
    for load in &mut loads {
        let report = load.finish().await;
        assert_eq!(report.taken, HALF * seconds(), "nothing of theirs is refused: {:?}", report.by_status);
        times.merge(report.histogram());
    }
    times
}

/// A gateway with a hundred accounts beside those of the tests.
async fn stand() -> Stand {
    let policy = "[quota]\nusers = 1000000\n[spread]\nlimit = 10000\n[overload]\nmode = \"off\"\n";
    let change = |plan: &mut Plan| {
        admin::with_tokens(plan);
        plan.clock = Clock::starting_at(moment(OPEN)); // rates need a clock that runs
        plan.proxy.max_per_address = 1000;
    };
    let stand = Stand::new(Setup { policy: policy.to_owned(), change, ..Setup::default() }).await;
    let all = include_str!("accounts.toml").to_owned() + &accounts();
    std::fs::write(stand.config_folder().join("accounts.toml"), all).expect("written");
    stand.gateway.reloader().reload("test", "a hundred").await.unwrap_or_else(|problems| panic!("{problems}"));
    stand
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_one_account_costs_the_others_nothing() {
    let stand = stand().await;
    let alone = others(&stand, 0).await.percentiles();
    let mut flood = load(&stand, 0, FLOOD, 1).await;
    let beside = others(&stand, 1).await.percentiles();
    let flood: LoadReport = flood.finish().await;
    let throttled = flood.by_status.get(&status::ESME_RTHROTTLED).copied().unwrap_or_default();
    println!(
        "99 accounts: p50 {:.0} µs, p99 {:.0} µs; beside a flood: p50 {:.0} µs, p99 {:.0} µs; of {} of the flood {throttled} were throttled",
        alone.p50_us, alone.p99_us, beside.p50_us, beside.p99_us, flood.sent
    );
    assert!(throttled > flood.sent / 2, "{:?}", flood.by_status);
    // A debug build beside other tests: a bound that only a queue behind the flood would break.
    let slack = Duration::from_millis(250).as_micros() as f64;
    assert!(beside.p99_us <= 2.0 * alone.p99_us + slack, "{} µs beside {} µs", beside.p99_us, alone.p99_us);
    stand.assert_conserved();
}

/// How long single messages take, one after another.
async fn one_by_one(stand: &Stand, skip: u64) -> Percentiles {
    let traffic = Traffic { source: "62021".to_owned(), skip, ..Traffic::new(SEGMENTS.to_vec()) };
    let settings = LoadSettings {
        connections: 1,
        window: 1,
        duration: Some(Duration::from_secs(seconds())),
        traffic: Traffic { text: GOOD.to_owned(), ..traffic },
        ..LoadSettings::new(stand.gateway.smpp, "hefei", "secret", Vec::new())
    };
    let report = run_load(settings).await.expect("bound");
    assert_eq!(report.taken, report.sent, "{:?}", report.by_status);
    report.latency
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_looks_at_the_gateway_delays_no_message() {
    let stand = stand().await;
    let alone = one_by_one(&stand, 0).await;
    let (address, looks) = (stand.gateway.admin, Arc::<AtomicU64>::default());
    let own = Arc::clone(&looks);
    let looking = tokio::spawn(async move {
        for path in ["/metrics", "/api/v1/accounts?limit=1000", "/api/v1/status", "/api/v1/refusals"].iter().cycle() {
            let reply = http::call(address, &admin::token("admin"), "GET", path, "").await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.body);
            own.fetch_add(1, Ordering::Relaxed);
        }
    });
    let beside = one_by_one(&stand, 20_000).await;
    assert!(!looking.is_finished(), "it looks all the time");
    looking.abort();
    let _ = looking.await;
    println!(
        "one by one: p50 {:.0} µs, p99 {:.0} µs, max {:.0} µs; beside {} scrapes and lists: p50 {:.0} µs, p99 {:.0} µs, max {:.0} µs",
        alone.p50_us,
        alone.p99_us,
        alone.max_us,
        looks.load(Ordering::Relaxed),
        beside.p50_us,
        beside.p99_us,
        beside.max_us
    );
    // In a debug build, where one scrape takes some milliseconds of a core: a lock held for all of it would break this.
    assert!(beside.p50_us <= 3.0 * alone.p50_us + 5_000.0, "{} µs beside {} µs", beside.p50_us, alone.p50_us);
}
