//! End to end: the gateway beside a plain byte relay, under the same load in one run.
//!
//! ```text
//! cargo bench --bench relay              # some minutes
//! cargo bench --bench relay -- --quick   # half a minute; fails below the floors
//! ```
//!
//! Load and simulated SMSC run in this process, what is measured in a process of
//! its own with one worker thread, on a core of its own where the machine has
//! two. Runs of all ways are interleaved, and figures of one way are only
//! read beside those of another. HAProxy is one of them where it is installed,
//! a proxy with node-smpp with `--node FOLDER`.

mod byte_relay;
mod middle;
mod report;
mod site;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use smsluice::sim::load::{LoadReport, LoadSettings, Traffic, run_load};
use smsluice::sim::smsc::{Smsc, SmscSettings};

use middle::{Middle, Pinning};
use report::{Report, Sample};

/// One kind of load.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    connections: usize,
    window: usize,
    rate: Option<f64>,
    /// Whether every text is another; otherwise all are one, as in a campaign.
    personal: bool,
    /// The least share of the byte relay's throughput that `--quick` asks of `process`.
    pub(crate) floor: Option<f64>,
}

const SCENARIOS: [Scenario; 7] = [
    Scenario { name: "8 × window 100", connections: 8, window: 100, rate: None, personal: false, floor: Some(0.15) },
    Scenario { name: "the same, texts differ", connections: 8, window: 100, rate: None, personal: true, floor: None },
    Scenario { name: "1 × window 10", connections: 1, window: 10, rate: None, personal: false, floor: Some(0.7) },
    Scenario { name: "1 × window 1", connections: 1, window: 1, rate: None, personal: false, floor: None },
    Scenario { name: "64 × window 16", connections: 64, window: 16, rate: None, personal: false, floor: None },
    Scenario {
        name: "open loop 2 000/s",
        connections: 8,
        window: 1000,
        rate: Some(2_000.0),
        personal: false,
        floor: None,
    },
    Scenario {
        name: "open loop 10 000/s",
        connections: 8,
        window: 1000,
        rate: Some(10_000.0),
        personal: false,
        floor: None,
    },
];

#[derive(Parser)]
struct Args {
    /// A short run of the scenarios that have a floor; fails below it
    #[arg(long)]
    quick: bool,
    /// How often every way is measured in every scenario
    #[arg(long)]
    rounds: Option<usize>,
    /// Length of one measurement
    #[arg(long)]
    seconds: Option<f64>,
    /// Measure a proxy with node-smpp too; FOLDER is where `npm install --prefix FOLDER smpp` was run
    #[arg(long, value_name = "FOLDER")]
    node: Option<std::path::PathBuf>,
    /// Leave processes to any core
    #[arg(long)]
    unpinned: bool,
    /// Be the byte relay before this address
    #[arg(long, hide = true)]
    as_byte_relay: Option<SocketAddr>,
    /// What cargo says when it benches and not tests
    #[arg(long, hide = true)]
    bench: bool,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(target) = args.as_byte_relay {
        return byte_relay::run(target).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    if !args.bench && !args.quick {
        println!("nothing is measured under test: run `cargo bench --bench relay`");
        return ExitCode::SUCCESS;
    }
    match measure(&args) {
        Ok(report) => report.print(args.quick),
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Result<Report, Failure> {
    let pinning = Pinning::take(!args.unpinned);
    let workers = std::thread::available_parallelism()?.get().saturating_sub(1).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let rounds = args.rounds.unwrap_or(if args.quick { 3 } else { 5 });
    let seconds = args.seconds.unwrap_or(if args.quick { 0.5 } else { 2.0 });
    let scenarios = SCENARIOS.iter().filter(|scenario| scenario.floor.is_some() || !args.quick);
    runtime.block_on(async {
        let smsc = Smsc::bind(SmscSettings { recipients: false, ..SmscSettings::default() }).await?;
        let at = smsc.local_addr();
        let mut middles = vec![Middle::direct(at), Middle::byte_relay(at, &pinning)?];
        middles.extend(Middle::haproxy(at, &pinning)?.filter(|_| !args.quick));
        if let Some(folder) = &args.node {
            middles.push(Middle::node(at, folder, &pinning)?);
        }
        middles.push(Middle::gateway("process", "process", at, &pinning)?);
        middles.push(Middle::gateway("power", "power", at, &pinning)?);
        let segments = site::segments()?;
        let subscribers = segments.len() as u64 * 10_000;
        let mut report = Report::new(&pinning, rounds, seconds);
        for scenario in scenarios {
            let mut counts = Vec::new();
            for middle in &mut middles {
                middle.renew(&pinning)?;
                let count = calibrate(scenario, middle, &segments, seconds).await?;
                middle.renew(&pinning)?;
                run(scenario, middle, &segments, count / 8).await?;
                counts.push(count);
            }
            for round in 0..rounds {
                for (middle, count) in middles.iter_mut().zip(&counts) {
                    if middle.served + count.next_multiple_of(scenario.connections as u64) > subscribers {
                        middle.renew(&pinning)?; // all have had their message of the day
                        run(scenario, middle, &segments, count / 8).await?;
                    }
                    progress(&format!("{} {}/{rounds} {:<12}", scenario.name, round + 1, middle.name));
                    let sample = run(scenario, middle, &segments, *count).await?;
                    report.add(scenario, middle.name, sample);
                }
            }
        }
        progress("");
        Ok(report)
    })
}

fn progress(line: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r{line:60}\r");
    }
}

/// The number of messages that will take the wanted time. Whom it sends to is not known: each connection goes as far as it comes.
async fn calibrate(scenario: &Scenario, middle: &Middle, segments: &[u32], seconds: f64) -> Result<u64, Failure> {
    let duration = Some(Duration::from_millis(300));
    let load = checked(run_load(LoadSettings { duration, ..settings(scenario, middle, segments) }).await?)?;
    let rate = scenario.rate.unwrap_or(load.throughput);
    // Positive: a rate and a time.
    #[expect(clippy::cast_sign_loss, reason = "the larger of it and 100")]
    let count = (rate * seconds).max(100.0) as u64;
    Ok(count)
}

async fn run(scenario: &Scenario, middle: &mut Middle, segments: &[u32], count: u64) -> Result<Sample, Failure> {
    let settings = LoadSettings { count: Some(count), ..settings(scenario, middle, segments) };
    let cpu_before = middle.cpu_s();
    let load = checked(run_load(settings).await?)?;
    middle.serve(count.next_multiple_of(scenario.connections as u64));
    let cpu_us = |after: f64| cpu_before.map(|before| (after - before) * 1e6 / load.answered as f64);
    Ok(Sample {
        throughput: load.throughput,
        p50_us: load.latency.p50_us,
        p99_us: load.latency.p99_us,
        p999_us: load.latency.p999_us,
        cpu_us: middle.cpu_s().and_then(cpu_us),
        resident_mib: middle.resident_mib(),
    })
}

fn settings(scenario: &Scenario, middle: &Middle, segments: &[u32]) -> LoadSettings {
    let traffic = Traffic {
        source: site::SOURCE.to_owned(),
        skip: middle.served,
        personal: scenario.personal,
        ..Traffic::new(segments.to_vec())
    };
    LoadSettings {
        connections: scenario.connections,
        window: scenario.window,
        rate: scenario.rate,
        traffic,
        ..LoadSettings::new(middle.address, site::ACCOUNT, "secret", Vec::new())
    }
}

/// A run in which a message was refused or lost measures something else.
fn checked(load: LoadReport) -> Result<LoadReport, Failure> {
    if load.taken == load.sent && load.sent > 0 {
        return Ok(load);
    }
    Err(format!("not all messages were taken: {} sent, by status {:?}", load.sent, load.by_status).into())
}
