//! `smsluice check`: the loader's own verdict on a configuration folder.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::config::{self, AccountLine, Configuration, Problem, Problems, Setting};
use crate::domain::{Clock, Moment};

/// Invalid configuration or input file.
const INVALID: u8 = 7;

/// Check a configuration folder and print the policy that would be in force.
///
/// Exit status: 0 usable, 7 not usable, 2 wrong use of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// The configuration folder
    #[arg(long, value_name = "DIR")]
    pub config: PathBuf,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Check as at this time, 2026-11-24T09:30:00+08:00
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub now: Option<Moment>,
}

/// What `--json` prints; the shape is stable.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    summary: Option<Summary>,
    settings: Vec<Setting>,
    policy: Vec<Setting>,
    accounts: Vec<AccountLine>,
}

/// How much was loaded.
#[derive(Debug, Serialize)]
struct Summary {
    accounts: usize,
    units: usize,
    cities: usize,
    segments: usize,
    overlay_rows: usize,
    holidays_until: Option<i16>,
    blocked_days: usize,
}

/// Runs the command.
pub fn run(args: &CheckArgs) -> ExitCode {
    let (report, text) = judge(args);
    let ok = report.ok;
    // A closed pipe (`check | head`) is no failure of the check.
    let _ = if args.json { print_json(&report) } else { print_text(&report, &text) };
    if ok { ExitCode::SUCCESS } else { ExitCode::from(INVALID) }
}

/// The verdict, and the configuration in force as text.
fn judge(args: &CheckArgs) -> (Report, String) {
    let now = args.now.unwrap_or_else(|| Clock::System.now());
    match config::load(&args.config, now) {
        Ok(configuration) => (Report::of(&configuration, args.strict), config::effective(&configuration)),
        Err(problems) => (Report::refused(problems), String::new()),
    }
}

impl Report {
    fn of(configuration: &Configuration, strict: bool) -> Self {
        Self {
            ok: !strict || configuration.warnings.is_empty(),
            errors: Vec::new(),
            warnings: configuration.warnings.clone(),
            summary: Some(Summary::of(configuration)),
            settings: config::settings_in_force(configuration),
            policy: config::switches_in_force(configuration),
            accounts: config::accounts(configuration),
        }
    }

    fn refused(problems: Problems) -> Self {
        let (errors, warnings) = problems.0.into_iter().partition(Problem::is_error);
        let (settings, policy, accounts) = (Vec::new(), Vec::new(), Vec::new());
        Self { ok: false, errors, warnings, summary: None, settings, policy, accounts }
    }
}

impl Summary {
    fn of(configuration: &Configuration) -> Self {
        let ruleset = &configuration.ruleset;
        Self {
            accounts: ruleset.accounts.len(),
            units: ruleset.units.len(),
            cities: ruleset.regions.cities().len(),
            segments: ruleset.regions.known_segments(),
            overlay_rows: configuration.overlay_rows,
            holidays_until: ruleset.calendar.last_year(),
            blocked_days: ruleset.calendar.blocked().count(),
        }
    }
}

fn print_json(report: &Report) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, report)?;
    writeln!(out)
}

/// The policy on stdout, the problems on stderr.
fn print_text(report: &Report, effective: &str) -> std::io::Result<()> {
    let mut err = std::io::stderr().lock();
    for problem in report.errors.iter().chain(&report.warnings) {
        writeln!(err, "{problem}")?;
    }
    let Some(summary) = &report.summary else {
        return writeln!(err, "not usable: {} error(s), {} warning(s)", report.errors.len(), report.warnings.len());
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{effective}")?;
    let Summary { accounts, units, cities, segments, overlay_rows, .. } = summary;
    let until = summary.holidays_until.map_or_else(|| "-".to_owned(), |year| year.to_string());
    writeln!(
        out,
        "{accounts} accounts of {units} units, {cities} cities, {segments} segments and {overlay_rows} exceptions, holidays until {until}"
    )?;
    match (report.ok, report.warnings.len()) {
        (true, 0) => writeln!(out, "usable"),
        (true, warnings) => writeln!(out, "usable, {warnings} warning(s)"),
        (false, warnings) => writeln!(err, "not usable: {warnings} warning(s) and --strict"),
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    Moment::parse(text).ok_or_else(|| "write it as 2026-11-24T09:30:00+08:00".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(more: &[&str]) -> CheckArgs {
        #[derive(clap::Parser)]
        struct Whole {
            #[command(flatten)]
            args: CheckArgs,
        }
        let now = ["check", "--now", "2026-11-24T09:30:00+08:00"];
        <Whole as clap::Parser>::parse_from(now.iter().chain(more)).args
    }

    #[test]
    fn the_report_keeps_its_shape() {
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
        let (report, text) = judge(&check(&["--config", shipped, "--strict"]));
        let json = serde_json::to_value(&report).expect("serialises");
        assert_eq!((&json["ok"], &json["errors"], &json["warnings"]), (&true.into(), &[(); 0].into(), &[(); 0].into()));
        assert_eq!((&json["summary"]["segments"], &json["summary"]["cities"]), (&16_046.into(), &16.into()));
        let limit = json["policy"].as_array().and_then(|keys| keys.iter().find(|key| key["key"] == "length.limit"));
        let limit = limit.expect("a switch");
        assert_eq!(
            (&limit["value"], &limit["origin"], &limit["clause"]),
            (&65.into(), &"default".into(), &"4.1".into())
        );
        assert_eq!(json["accounts"][1]["modes"]["quota"], "enforce");
        assert!(text.contains("quota.users = 3000") && text.contains("hf6202"));
    }

    #[test]
    fn a_folder_that_cannot_be_used_and_a_strict_warning_are_not_ok() {
        let (report, text) = judge(&check(&["--config", "/nonexistent"]));
        assert!(!report.ok && report.summary.is_none() && text.is_empty());
        assert!(report.errors.iter().all(|problem| problem.message.contains("cannot be read")));
        let folder = tempfile::tempdir().expect("a folder");
        let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        for entry in std::fs::read_dir(shipped).expect("shipped").flatten().filter(|entry| entry.path().is_file()) {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("copied");
        }
        let accounts = folder.path().join("accounts.toml");
        let text = std::fs::read_to_string(&accounts).expect("shipped").replace("10.12.58.0/24", "0.0.0.0/0");
        std::fs::write(&accounts, text).expect("written");
        let path = folder.path().display().to_string();
        assert!(judge(&check(&["--config", &path])).0.ok);
        let strict = judge(&check(&["--config", &path, "--strict"])).0;
        assert!(!strict.ok && strict.warnings.len() == 1);
    }
}
