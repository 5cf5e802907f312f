//! Floor 5: the command line; one subcommand a file.

pub mod accounts;
pub mod audit;
pub mod campaign;
pub mod check;
mod client;
pub mod demo;
pub mod doctor;
pub mod drain;
pub mod explain;
mod failure;
pub mod health;
pub mod holds;
pub mod ledger;
pub mod lists;
pub mod load;
pub mod log_level;
pub mod optout;
mod peers;
pub mod policy;
pub mod record;
pub mod reload;
pub mod replay;
pub mod report;
pub mod scheduled;
pub mod serve;
pub mod sessions;
pub mod shell;
pub mod smsc;
pub mod status;
mod supervisor;
mod table;
pub mod token;
pub mod top;
pub mod trace;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};

use crate::domain::Moment;

/// An SMPP proxy that keeps bulk SMS within the operator's rules.
///
/// It stands between sender accounts (ESMEs) and the SMSC, speaks SMPP on both
/// sides and decides on every message inline. Senders change host and port,
/// nothing else. Start with `smsluice demo`.
#[derive(Debug, Parser)]
#[command(name = "smsluice", version)]
enum Command {
    Serve(Box<serve::Args>),
    Check(Box<check::CheckArgs>),
    Explain(Box<explain::Args>),
    Policy(Box<policy::Args>),
    Replay(Box<replay::Args>),
    Demo(Box<demo::Args>),
    Smsc(Box<smsc::Args>),
    Load(Box<load::Args>),
    Status(Box<status::Args>),
    Top(Box<top::Args>),
    Doctor(Box<doctor::Args>),
    Accounts(Box<accounts::Args>),
    Usage(Box<accounts::UsageArgs>),
    Sessions(Box<sessions::Args>),
    Reload(Box<reload::Args>),
    Pause(Box<holds::PauseArgs>),
    Resume(Box<holds::ResumeArgs>),
    Holds(Box<holds::HoldsArgs>),
    Scheduled(Box<scheduled::Args>),
    Campaign(Box<campaign::Args>),
    Optout(Box<optout::Args>),
    Drain(Box<drain::DrainArgs>),
    Undrain(Box<drain::UndrainArgs>),
    Ledger(Box<ledger::Args>),
    Trace(Box<trace::Args>),
    Report(Box<report::Args>),
    Record(Box<record::Args>),
    Smscs(Box<lists::SmscsArgs>),
    Refusals(Box<lists::RefusalsArgs>),
    Errors(Box<lists::ErrorsArgs>),
    Audit(Box<audit::Args>),
    Metrics(Box<lists::MetricsArgs>),
    LogLevel(Box<log_level::Args>),
    Token(Box<token::Args>),
    Health(Box<health::Args>),
    Completions(Box<shell::CompletionsArgs>),
    Man(Box<shell::ManArgs>),
    Version(Box<shell::VersionArgs>),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let command = Command::parse();
    match command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Policy(args) => ask(policy::run(&args)),
        Command::Replay(args) => replay::run(&args),
        Command::Demo(args) => block_on(demo::run(&args)),
        Command::Smsc(args) => block_on(smsc::run(*args)),
        Command::Load(args) => block_on(load::run(*args)),
        Command::Status(args) => ask(status::run(&args)),
        Command::Top(args) => ask(top::run(&args)),
        Command::Doctor(args) => ask(doctor::run(&args)),
        Command::Accounts(args) => ask(accounts::run(&args)),
        Command::Usage(args) => ask(accounts::usage(&args)),
        Command::Sessions(args) => ask(sessions::run(&args)),
        Command::Reload(args) => ask(reload::run(&args)),
        Command::Pause(args) => ask(holds::pause(&args)),
        Command::Resume(args) => ask(holds::resume(&args)),
        Command::Holds(args) => ask(holds::holds(&args)),
        Command::Scheduled(args) => ask(scheduled::run(&args)),
        Command::Campaign(args) => ask(campaign::run(&args)),
        Command::Optout(args) => ask(optout::run(&args)),
        Command::Drain(args) => ask(drain::drain(&args)),
        Command::Undrain(args) => ask(drain::undrain(&args)),
        Command::Ledger(args) => ask(ledger::run(&args)),
        Command::Trace(args) => ask(trace::run(&args)),
        Command::Report(args) => ask(report::run(&args)),
        Command::Record(args) => ask(record::run(&args)),
        Command::Smscs(args) => ask(lists::smscs(&args)),
        Command::Refusals(args) => ask(lists::refusals(&args)),
        Command::Errors(args) => ask(lists::errors(&args)),
        Command::Audit(args) => ask(audit::run(&args)),
        Command::Metrics(args) => ask(lists::metrics(&args)),
        Command::LogLevel(args) => ask(log_level::run(&args)),
        Command::Token(args) => token::run(&args),
        Command::Health(args) => ask(health::run(&args)),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
        Command::Version(args) => shell::version(&args),
    }
}

fn block_on(command: impl Future<Output = ExitCode>) -> ExitCode {
    match runtime(0) {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            eprintln!("error: no threads to be had: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a verb that only asks a gateway: one thread will do.
fn ask(verb: impl Future<Output = ExitCode>) -> ExitCode {
    match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(verb),
        Err(error) => {
            eprintln!("error: the system gives no event queue: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What a verb adds when its act could not be recorded.
fn unrecorded(answer: &serde_json::Value, chinese: bool) -> &'static str {
    match (answer["recorded"] == false, chinese) {
        (false, _) => "",
        (true, false) => "; the act could NOT be recorded",
        (true, true) => ";该操作未能记录",
    }
}

/// A span of time on the command line.
fn span(text: &str) -> Result<std::time::Duration, String> {
    crate::admin::call::span(text).ok_or_else(|| format!("`{text}` is no span of time; write 90s, 30m, 12h or 7d"))
}

/// A runtime of that many workers; 0 is one per core.
fn runtime(workers: usize) -> std::io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if workers > 0 {
        builder.worker_threads(workers);
    }
    builder.enable_all().build()
}

/// A time on the command line: RFC 3339, local when it names no offset.
fn moment(text: &str) -> Result<Moment, String> {
    Moment::parse(text).ok_or_else(|| format!("`{text}` is no time; write it as 2026-11-24T09:30:00+08:00"))
}

/// Whether the environment asks for Chinese.
fn speaks_chinese() -> bool {
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .is_some_and(|value| value.starts_with("zh"))
}
