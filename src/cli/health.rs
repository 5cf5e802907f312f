//! `smsluice health`: a probe for containers without a shell.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use hyper::Method;

use super::client::Reach;
use super::failure::{Failure, Told, code, finish};

/// Probe a gateway: exit 0 when it is ready (or, with --live, when it answers).
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  smsluice health --endpoint http://127.0.0.1:9775
  smsluice health --live --timeout 2s

Needs no token. Exit codes: 0 yes, 9 it answers and is not ready, 3 it does not answer.")]
pub struct Args {
    /// Whether it answers
    #[arg(long, conflicts_with = "ready")]
    live: bool,
    /// Whether messages may pass (the default)
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

async fn told(args: &Args) -> Told {
    let path = if args.live { "/livez" } else { "/readyz" };
    let (status, body) = args.reach.client()?.raw(Method::GET, path, None).await?;
    let text = String::from_utf8_lossy(&body).trim_end().to_owned() + "\n";
    if status == 200 { Ok(text) } else { Err(Failure::found(code::PROBLEMS, text)) }
}
