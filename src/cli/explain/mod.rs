//! `smsluice explain`: what the gateway would say to one message, and why.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args as ClapArgs;

use crate::admin::asked::{self, Asked, Unusable};
use crate::config;
use crate::domain::{Clock, Moment};
use crate::policy::Ruleset;
use crate::policy::report::Report;
use crate::registry::Registry;
use crate::smpp::frame::MAX_PDU;

/// Wrong use of the command.
const USAGE: u8 = 2;
/// The account does not exist.
const NOT_FOUND: u8 = 5;
/// Invalid configuration or input file.
const INVALID: u8 = 7;

/// Tell what the gateway would say to a message, rule by rule.
///
/// The rules are the gateway's own code under the configuration given, and the registry beside its ledger. Nothing
/// is sent and nothing is counted. Rules that depend on what was sent before
/// (spread, once, quota, rate) are asked of the ledger at sending time only.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  smsluice explain --account hf6202 --from 6202055101 --to 13855100001 \\
      --text '新营业厅开业。合肥移动 询10086'
  echo 13855100001 | smsluice explain --account hf6202 --from 6202055101 --to - --text '...'
  smsluice explain --account hf6202 --from 6202055101 --to 13855100001 --text '...' \\
      --at 2026-11-24T12:30:00+08:00 --lang zh
  smsluice explain --account hf6202 --pdu '00000040 00000004 ...' --json

A number given as `-` is read from standard input and so stays out of the shell's history;
numbers are shown masked. A submit_multi is told recipient by recipient;
a replace_sm that is checked names a message that only the running gateway knows: ask its API. --text travels in UCS-2 (data_coding 8); for anything else give --pdu.

Exit codes: 0 done, the verdict is in the output; 2 usage, 5 no such account,
7 the configuration does not validate.")]
pub struct Args {
    /// Configuration folder
    #[arg(long, value_name = "DIR", default_value = "config")]
    config: PathBuf,
    /// Folder of the `registry.db` that the text is held against; the configuration's ledger folder by default
    #[arg(long, value_name = "DIR")]
    registry: Option<PathBuf>,
    /// `system_id` of the sender
    #[arg(long, value_name = "ID")]
    account: String,
    /// `source_addr`
    #[arg(long, value_name = "SOURCE", required_unless_present = "pdu", conflicts_with = "pdu")]
    from: Option<String>,
    /// `destination_addr`; `-` reads it from standard input
    #[arg(long, value_name = "NUMBER", required_unless_present = "pdu", conflicts_with = "pdu")]
    to: Option<String>,
    /// The text
    #[arg(long, value_name = "TEXT", required_unless_present = "pdu", conflicts_with = "pdu")]
    text: Option<String>,
    /// A whole PDU in hexadecimal, spaces allowed; `-` reads it from standard input
    #[arg(long, value_name = "HEX")]
    pdu: Option<String>,
    /// When the message is submitted, as 2026-11-24T09:30:00+08:00; now by default
    #[arg(long, value_name = "TIME", value_parser = super::moment)]
    at: Option<Moment>,
    /// What the clock shows (tests); unlike --at it also says which years the holiday calendar must cover
    #[arg(long, value_name = "TIME", value_parser = super::moment)]
    now: Option<Moment>,
    /// `schedule_delivery_time`: 16 characters as in the PDU, or a time as for --at
    #[arg(long, value_name = "TIME", conflicts_with = "pdu")]
    schedule: Option<String>,
    /// Print JSON: one object, or for a `submit_multi` one for each recipient
    #[arg(long)]
    json: bool,
    /// zh or en; from LANG by default
    #[arg(long, value_parser = ["zh", "en"])]
    lang: Option<String>,
}

/// Why there is no explanation.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    code: u8,
    message: String,
}

/// Runs the command.
pub fn run(args: &Args) -> ExitCode {
    let chinese = args.lang.as_deref().map_or_else(super::speaks_chinese, |lang| lang == "zh");
    match explained(args, chinese, &mut std::io::stdin()) {
        Ok(text) => {
            // A closed pipe (`explain | head`) is no failure.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(Failure { code, message }) => {
            eprintln!("{}", message.trim_end());
            ExitCode::from(code)
        }
    }
}

/// The whole output.
fn explained(args: &Args, chinese: bool, input: &mut dyn std::io::Read) -> Result<String, Failure> {
    let now = args.now.unwrap_or_else(|| Clock::System.now());
    let invalid = |problems: config::Problems| Failure { code: INVALID, message: problems.to_string() };
    let loaded = config::load(&args.config, now).map_err(invalid)?;
    let folder = args.registry.as_deref().unwrap_or(&loaded.settings.ledger.path);
    let registered = Registry::peek(folder).map_err(|error| Failure { code: INVALID, message: error.to_string() })?;
    let rules = loaded.ruleset.with_registry(registered.content, registered.opted_out);
    let account = rules.account(&args.account).ok_or_else(|| not_found(&rules, &args.account))?;
    let frame = frame(args, input)?;
    let asked = Asked { rules: &rules, account, at: args.at.unwrap_or(now) };
    if asked::is_checked_replacement(&rules, &frame) {
        return Err(usage("a replace_sm names a message that only the running gateway knows: ask its API (explain)"));
    }
    let reports = asked.about(&frame);
    if asked::is_multi(&frame) && args.json {
        return Ok(json(&reports));
    }
    let told = |report: &Report| if args.json { json(report) } else { report.text(chinese) };
    Ok(reports.iter().map(told).collect::<Vec<_>>().join("\n"))
}

fn json(told: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(told).map_or_else(|error| error.to_string(), |text| text + "\n")
}

/// The octets that would arrive.
fn frame(args: &Args, input: &mut dyn std::io::Read) -> Result<Vec<u8>, Failure> {
    let told = |Unusable { member, why }| usage(format!("--{member}: {why}"));
    if let Some(hex) = &args.pdu {
        let hex = if hex == "-" { line(input)? } else { hex.clone() };
        return asked::pdu(&hex).map_err(told);
    }
    let given = |value: &Option<String>| value.clone().unwrap_or_default();
    let to = if args.to.as_deref() == Some("-") { line(input)? } else { given(&args.to) };
    asked::submit_sm(&given(&args.from), &to, &given(&args.text), &given(&args.schedule)).map_err(told)
}

fn line(input: &mut dyn std::io::Read) -> Result<String, Failure> {
    let mut text = String::new();
    let limit = 2 * MAX_PDU as u64 + 1024;
    let read = input.take(limit).read_to_string(&mut text);
    read.map_err(|error| usage(format!("standard input cannot be read: {error}")))?;
    Ok(text.trim().to_owned())
}

fn not_found(rules: &Ruleset, account: &str) -> Failure {
    let known: Vec<&str> = rules.accounts.iter().map(|account| &*account.system_id).take(20).collect();
    let message = format!("error: no account `{account}` is configured\nhint: there are {}", known.join(", "));
    Failure { code: NOT_FOUND, message }
}

fn usage(message: impl std::fmt::Display) -> Failure {
    Failure { code: USAGE, message: format!("error: {message}") }
}

#[cfg(test)]
mod tests;
