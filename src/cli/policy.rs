//! `smsluice policy diff`: what a reload would change, and what that loosens or tightens.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::diff::{self, Diff, Effect, Side};
use crate::config::{self, Configuration, Problems};
use crate::domain::{Clock, Moment};

/// Invalid configuration or input file.
const INVALID: u8 = 7;

/// Compare configurations, or show the policy that a running gateway judges by.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Diff(DiffArgs),
    Show(super::lists::PolicyShowArgs),
    Versions(super::lists::PolicyVersionsArgs),
}

/// Tell what changes from one configuration folder to another, and what each change does to the messages.
///
/// A change loosens (something may pass that did not), tightens, may do either, or does neither (the same messages
/// pass). What needs a restart is named apart. Numbers and names of persons are compared and not shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  smsluice policy diff /etc/smsluice /tmp/candidate

Exit codes: 0 compared, whatever was found; 2 usage, 7 a folder does not validate.")]
struct DiffArgs {
    /// The folder in force
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The folder to come
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Compare as at this time, 2026-11-24T09:30:00+08:00
    #[arg(long, value_name = "TIME", value_parser = super::moment)]
    now: Option<Moment>,
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    let args = match &args.verb {
        Verb::Show(args) => return super::lists::policy_show(args).await,
        Verb::Versions(args) => return super::lists::policy_versions(args).await,
        Verb::Diff(args) => args,
    };
    match compared(args) {
        Ok(text) => {
            // A closed pipe (`policy diff | head`) is no failure.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::from(INVALID)
        }
    }
}

fn compared(args: &DiffArgs) -> Result<String, Problems> {
    let now = args.now.unwrap_or_else(|| Clock::System.now());
    let load = |dir: &Path| -> Result<Configuration, Problems> {
        config::load(dir, now).map(Configuration::seen_from_its_folder)
    };
    let (old, new) = (load(&args.old)?, load(&args.new)?);
    let diff = diff::between(Side::from(&old), Side::from(&new));
    if args.json {
        return Ok(serde_json::to_string_pretty(&diff).unwrap_or_default() + "\n"); // maps with text keys only
    }
    Ok(format!("{diff}{}", summary(&diff)))
}

fn summary(diff: &Diff) -> String {
    if diff.is_empty() {
        return "no change\n".to_owned();
    }
    let counts = [Effect::Loosens, Effect::Either, Effect::Tightens, Effect::Neither];
    let counts = counts.map(|effect| format!("{} {}", diff.count(effect), effect.word()));
    format!("{}; {} need a restart\n", counts.join(", "), diff.needs_restart.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_folders_are_compared_as_text_and_as_json() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let folder = tempfile::tempdir().expect("a folder");
        for entry in std::fs::read_dir(&shipped).expect("shipped").flatten().filter(|entry| entry.path().is_file()) {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("copied");
        }
        let args = |new: &Path, json| DiffArgs {
            old: shipped.clone(),
            new: new.to_owned(),
            json,
            now: Moment::parse("2026-11-24T09:30:00+08:00"),
        };
        assert_eq!(compared(&args(folder.path(), false)).expect("valid"), "no change\n");
        let policy = folder.path().join("policy.toml");
        let text = std::fs::read_to_string(&policy).expect("shipped").replace("# limit = 65", "limit = 60");
        std::fs::write(&policy, text).expect("written");
        let text = compared(&args(folder.path(), false)).expect("valid");
        let summary = "0 loosens, 0 either, 1 tightens, 0 neither; 0 need a restart\n";
        assert_eq!(text, format!("tightens  length.limit: 65 -> 60\n{summary}"));
        let json = compared(&args(folder.path(), true)).expect("valid");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["changed"][0]["effect"], "tightens");
        std::fs::write(&policy, "[lenght]\n").expect("written");
        assert!(compared(&args(folder.path(), false)).is_err());
    }
}
