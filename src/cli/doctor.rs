//! `smsluice doctor`: a list of checks, of the configuration, the machine and the running gateway.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use serde::Serialize;
use serde_json::Value;

use crate::config::{self, Configuration};
use crate::domain::{Clock, LocalTime};
use crate::ledger::Durability;

use super::client::{Client, Reach};
use super::failure::{Failure, Told, code, either, finish};
use super::table::aligned;

/// Syncs that the disk is measured by.
const SYNCS: usize = 50;
/// A disk whose syncs take longer holds up every message with `power`.
const SYNC_SLOW: Duration = Duration::from_millis(20);
/// Descriptors of a process, two a session.
const DESCRIPTORS_MIN: u64 = 4096;

/// Check configuration, clock, disk, ledger, SMSC and limits.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  smsluice doctor --config /etc/smsluice
  smsluice doctor --config /etc/smsluice --wait 30s      tries until all is well
  smsluice doctor --offline --config /etc/smsluice       before the first start

The disk is measured with fifty small synced writes to a file of its own beside the ledger.

Exit codes: 0 all is well, 9 a check found a problem, 8 not well in time (--wait), 2 usage.")]
pub struct Args {
    /// Try again until all is well, this long at most
    #[arg(long, value_name = "SPAN", value_parser = super::span)]
    wait: Option<Duration>,
    /// Leave the running gateway out
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    reach: Reach,
}

/// What a check found.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    told: String,
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

async fn told(args: &Args) -> Told {
    let began = Instant::now();
    loop {
        let findings = findings(args).await;
        let well = findings.iter().all(|finding| finding.ok);
        let left = args.wait.is_some_and(|wait| began.elapsed() < wait);
        if well || !left {
            let told = text(args, &findings);
            let code = if args.wait.is_some() { code::NOT_IN_TIME } else { code::PROBLEMS };
            return if well { Ok(told) } else { Err(Failure::found(code, told)) };
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn findings(args: &Args) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(folder) = args.reach.folder() {
        match config::load(&folder, Clock::System.now()) {
            Ok(configuration) => configured(&configuration, &mut findings).await,
            Err(problems) => {
                findings.push(Finding::bad("config", format!("{} error(s): smsluice check tells", problems.errors())));
            }
        }
    }
    if !args.offline {
        match args.reach.client() {
            Ok(client) => running(&client, &mut findings).await,
            Err(failure) => findings.push(Finding::bad("gateway", failure.message)),
        }
    }
    findings
}

/// What can be told of a configuration and this machine.
async fn configured(configuration: &Configuration, findings: &mut Vec<Finding>) {
    let warnings = configuration.warnings.len();
    findings.push(Finding::of("config", true, format!("usable, {warnings} warning(s)")));
    let year = LocalTime::of(Clock::System.now()).day.year();
    let last = configuration.ruleset.calendar.last_year();
    let told = last.map_or_else(|| "no holidays".to_owned(), |last| format!("holidays until {last}"));
    findings.push(Finding::of("calendar", last.is_some_and(|last| last >= year), told));
    let settings = &configuration.settings;
    let (path, durability) = (settings.ledger.path.clone(), settings.ledger.durability);
    let disk = tokio::task::spawn_blocking(move || disk(&path, durability)).await;
    findings.extend(disk);
    if let Ok(Some(shared)) = settings.ledger.shared("doctor") {
        let (ok, told) =
            crate::ledger::shared::probe(shared).await.map_or_else(|told| (false, told), |told| (true, told));
        findings.push(Finding { check: "shared ledger", ok, told });
    }
    for address in &settings.smsc.address {
        let connected =
            tokio::time::timeout(settings.smsc.connect_timeout, tokio::net::TcpStream::connect(address.as_str()));
        let (ok, told) = match connected.await {
            Ok(Ok(_)) => (true, format!("{address} accepts")),
            Ok(Err(error)) => (false, format!("{address}: {error}")),
            Err(_) => (false, format!("{address}: no answer in time")),
        };
        findings.push(Finding { check: "smsc", ok, told });
    }
}

/// How long a synced write takes where the ledger is.
fn disk(path: &Path, durability: Durability) -> Finding {
    let folder = existing(path);
    match syncs(&folder) {
        Ok(mut times) => {
            times.sort_unstable();
            let (p50, p99) = (times[SYNCS / 2], times[SYNCS * 99 / 100]);
            let slow = durability == Durability::Power && p99 > SYNC_SLOW;
            Finding::of("disk", !slow, format!("{}: a sync takes {p50:.1?}, p99 {p99:.1?}", folder.display()))
        }
        Err(error) => Finding::bad("disk", format!("{}: {error}", folder.display())),
    }
}

fn syncs(folder: &Path) -> std::io::Result<Vec<Duration>> {
    let path = folder.join(format!(".smsluice-doctor-{}", std::process::id()));
    let mut file = std::fs::File::create(&path)?;
    let mut one = || {
        let began = Instant::now();
        file.write_all(&[0; 512])?;
        file.sync_data()?;
        Ok(began.elapsed())
    };
    let times = (0..SYNCS).map(|_| one()).collect();
    std::fs::remove_file(&path)?;
    times
}

/// The folder, or the one it would be made in.
fn existing(path: &Path) -> PathBuf {
    path.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new(".")).to_owned()
}

/// What a running gateway says of itself.
async fn running(client: &Client, findings: &mut Vec<Finding>) {
    let status = match client.get("status").await {
        Ok(status) => status,
        Err(failure) => return findings.push(Finding::bad("gateway", failure.message)),
    };
    let text = |pointer: &str| super::table::shown(status.pointer(pointer).unwrap_or(&Value::Null));
    findings.push(Finding::of(
        "gateway",
        true,
        format!("version {}, policy {}", text("/version"), text("/policy_version")),
    ));
    findings.push(Finding::of("ready", status["ready"] == true, format!("not ready: {}", text("/not_ready"))));
    findings.push(Finding::of(
        "ledger",
        status["ledger"]["state"] == "ok",
        format!("{}, {} unknown", text("/ledger/state"), text("/ledger/unknown")),
    ));
    let local = status["clock"]["local"].as_str().and_then(crate::domain::Moment::parse);
    let apart = local.map_or(i64::MAX, |local| (local.ms() - Clock::System.now().ms()).abs() / 1000);
    let clock = format!("{} ({}), {apart} s from here", text("/clock/local"), text("/clock/state"));
    findings.push(Finding::of("clock", status["clock"]["state"] == "system" && apart <= 5, clock));
    let down: Vec<&str> = status["smscs"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|smsc| smsc["up"] != true)
        .filter_map(|smsc| smsc["name"].as_str())
        .collect();
    let bound = status["sessions"]["bound"].as_u64().unwrap_or(0);
    // Before the first bind nothing has been connected.
    findings.push(Finding::of(
        "smsc links",
        down.is_empty() || bound == 0,
        format!("{bound} sessions, down: {}", if down.is_empty() { "none".to_owned() } else { down.join(", ") }),
    ));
    findings.push(limits(client).await);
}

/// Descriptors the gateway may have.
async fn limits(client: &Client) -> Finding {
    let metrics = client.raw(hyper::Method::GET, "/metrics", None).await;
    let text = metrics.map(|(_, body)| String::from_utf8_lossy(&body).into_owned()).unwrap_or_default();
    let number = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    match (number("process_open_fds"), number("process_max_fds")) {
        (Some(open), Some(max)) => {
            Finding::of("descriptors", max >= DESCRIPTORS_MIN && open * 10 < max * 8, format!("{open} of {max} in use"))
        }
        _ => Finding::bad("descriptors", "the gateway does not tell".to_owned()),
    }
}

impl Finding {
    fn of(check: &'static str, ok: bool, told: String) -> Self {
        let told = if ok {
            told.strip_prefix("not ready: ").map_or(told.clone(), |_| "messages may pass".to_owned())
        } else {
            told
        };
        Self { check, ok, told }
    }

    fn bad(check: &'static str, told: String) -> Self {
        Self { check, ok: false, told }
    }
}

fn text(args: &Args, findings: &[Finding]) -> String {
    let json = serde_json::to_value(findings).unwrap_or_default();
    either(&args.reach, &json, || {
        let line = |finding: &Finding| {
            let mark = if finding.ok { "ok" } else { "PROBLEM" };
            vec![mark.to_owned(), finding.check.to_owned(), finding.told.clone()]
        };
        aligned(&findings.iter().map(line).collect::<Vec<_>>())
    })
}
