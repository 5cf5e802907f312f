//! `smsluice demo`: everything in one process, nothing installed.

mod cast;
mod registry;
mod scenes;
mod screen;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args as ClapArgs;

use crate::app::{Plan, Running};
use crate::config::Configuration;
use crate::domain::{Clock, Day, LocalTime, Moment};
use crate::policy::calendar::DayKind;
use crate::sim::smsc::{Behaviour, Latency, Receipts, Smsc, SmscSettings};

use cast::Cast;
use screen::Screen;

/// Files of the shipped configuration, for a demo away from the source tree.
const SHIPPED: [(&str, &str); 7] = [
    ("smsluice.toml", include_str!("../../../config/smsluice.toml")),
    ("policy.toml", include_str!("../../../config/policy.toml")),
    ("accounts.toml", include_str!("../../../config/accounts.toml")),
    ("cities.csv", include_str!("../../../config/cities.csv")),
    ("segments.csv", include_str!("../../../config/segments.csv")),
    ("holidays.csv", include_str!("../../../config/holidays.csv")),
    ("overlay.csv", include_str!("../../../config/overlay.csv")),
];

/// Show the gateway at work: a simulated SMSC, the gateway, several senders.
///
/// Nothing is installed and nothing leaves this machine. Each message is shown
/// with its verdict, the reason and the clause; then come the counts of each
/// account, what the SMSC saw, and where the metrics are.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  smsluice demo                                    about ten seconds, then it ends
  smsluice demo --lang zh --keep                   goes on until Ctrl-C
  smsluice demo --now 2026-11-24T11:30:00+08:00    in the busy hours: all is refused

Exit codes: 0 every verdict was the expected one (or --now was given), 1 otherwise.")]
pub struct Args {
    /// Configuration folder; the shipped one by default.
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Where the demo's clock starts, as 2026-11-24T09:30:00+08:00; an open hour by default.
    #[arg(long, visible_alias = "clock-start", value_name = "TIME", value_parser = super::moment)]
    now: Option<Moment>,
    /// Go on with a trickle of messages until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// zh or en; from LANG by default.
    #[arg(long, value_parser = ["zh", "en"])]
    lang: Option<String>,
}

/// Runs the demo.
pub async fn run(args: &Args) -> ExitCode {
    let folder = Folder::new();
    match play(args, &folder).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn play(args: &Args, folder: &Folder) -> Result<bool, String> {
    let chinese = args.lang.as_deref().map_or_else(super::speaks_chinese, |lang| lang == "zh");
    let screen = Screen::new(chinese);
    let configuration = load(args.config.as_deref(), folder)?;
    let start = args.now.unwrap_or_else(|| open_hour(&configuration));
    let clock = Clock::starting_at(start);
    let smsc = Smsc::bind(smsc_settings(clock.clone())).await.map_err(|error| error.to_string())?;
    let cast = Cast::new(&configuration.ruleset)?;

    let mut plan = Plan::new(configuration, clock);
    plan.listen = ([127, 0, 0, 1], 0).into();
    plan.admin = ([127, 0, 0, 1], 0).into();
    plan.proxy.smsc = vec![smsc.local_addr().to_string()];
    plan.ledger.path = folder.path.join("data");
    plan.surface.settings = crate::config::settings::AdminSettings::default();
    let running = Running::start(plan).await.map_err(|error| error.to_string())?;

    registry::approve(running.gateway(), &cast, start)?;
    screen.opening(start, smsc.local_addr(), &running);
    let mut stage = scenes::Stage::new(cast, screen, running.smpp, args.now.is_none()).await?;
    stage.play().await?;
    if args.keep {
        stage.keep().await?;
    }
    tokio::time::sleep(Duration::from_millis(1200)).await; // the last receipts
    let expected = stage.close(&smsc.stats(), running.admin).await;
    running.stop().await;
    smsc.shutdown().await;
    Ok(expected)
}

fn load(given: Option<&Path>, folder: &Folder) -> Result<Configuration, String> {
    let now = Clock::System.now();
    if let Some(given) = given {
        return crate::config::load(given, now).map_err(|problems| problems.to_string());
    }
    for (name, text) in SHIPPED {
        std::fs::write(folder.path.join(name), text).map_err(|error| error.to_string())?;
    }
    crate::config::load(&folder.path, now).map_err(|problems| problems.to_string())
}

fn smsc_settings(clock: Clock) -> SmscSettings {
    let behaviour = Behaviour {
        latency: Latency { from: Duration::from_millis(3), to: Duration::from_millis(15) },
        receipts: Some(Receipts {
            delay: Latency { from: Duration::from_millis(500), to: Duration::from_millis(900) },
            ..Receipts::default()
        }),
        ..Behaviour::default()
    };
    SmscSettings { clock, behaviour, ..SmscSettings::default() }
}

/// Half past nine of the next day on which bulk messages are allowed.
fn open_hour(configuration: &Configuration) -> Moment {
    let mut day: Day = LocalTime::of(Clock::System.now()).day;
    for _ in 0..30 {
        if configuration.ruleset.calendar.kind(day) == DayKind::Open {
            break;
        }
        day = day.next();
    }
    LocalTime { day, second: 9 * 3600 + 1800 }.moment()
}

/// The demo's own folder; removed when the demo ends.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("smsluice-demo-{}", std::process::id()));
        let _ = std::fs::create_dir_all(&path); // a failure shows when the first file is written
        Self { path }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
