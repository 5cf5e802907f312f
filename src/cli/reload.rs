//! `smsluice reload`: another configuration in a running gateway, whole or not at all.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args as ClapArgs;
use hyper::Method;
use serde_json::{Value, json};

use super::client::Reach;
use super::failure::{EXIT_CODES, Told, acted, either, finish};
use super::table::shown;

/// Read the configuration again: whole, or not at all.
///
/// A folder with a single error changes nothing, and every error is told. --dry-run tells what would
/// change, and what each change loosens or tightens.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  smsluice reload --dry-run
  smsluice reload --reason 'holidays of 2027'
  smsluice reload --expect-version 7 --reason 'quota of hefei'

{EXIT_CODES} Here 2 also means that the configuration has errors."))]
pub struct Args {
    /// Tell what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Why; goes on record
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    reason: Option<String>,
    /// Only if this policy version is in force still
    #[arg(long, value_name = "N")]
    expect_version: Option<u64>,
    #[command(flatten)]
    reach: Reach,
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

async fn told(args: &Args) -> Told {
    let client = args.reach.client()?;
    if args.dry_run {
        let diff = client.get("policy/diff").await?;
        return Ok(either(&args.reach, &diff, || changes(&diff)));
    }
    let body = json!({ "reason": args.reason, "expect_version": args.expect_version });
    let done = client.send(Method::POST, "policy:reload", &body).await?;
    let version = shown(&done["version"]);
    Ok(acted(&args.reach, &done, |chinese| {
        let (zh, en) = (format!("策略版本 {version} 已生效"), format!("policy version {version} is in force"));
        changes(&done) + if chinese { &zh } else { &en }
    }))
}

fn changes(diff: &Value) -> String {
    let mut text = String::new();
    for (name, note) in [("changed", ""), ("needs_restart", "  (needs a restart)")] {
        for change in diff[name].as_array().into_iter().flatten() {
            let [effect, key, old, new] = ["effect", "key", "old", "new"].map(|member| shown(&change[member]));
            let _ = writeln!(text, "{effect:<9} {key}: {old} -> {new}{note}"); // writing to a String cannot fail
        }
    }
    if text.is_empty() { "no change\n".to_owned() } else { text }
}
