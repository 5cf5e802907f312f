//! Floor 5: the command line; one subcommand a file.

pub mod check;
pub mod demo;
pub mod explain;
pub mod load;
mod peers;
pub mod serve;
pub mod smsc;
mod supervisor;

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
    Demo(Box<demo::Args>),
    Smsc(Box<smsc::Args>),
    Load(Box<load::Args>),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let command = Command::parse();
    match command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Demo(args) => block_on(demo::run(&args)),
        Command::Smsc(args) => block_on(smsc::run(*args)),
        Command::Load(args) => block_on(load::run(*args)),
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
