//! `smsluice log-level`: more of the log, for a while.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args as ClapArgs;
use hyper::Method;
use serde_json::json;

use super::client::Reach;
use super::failure::{EXIT_CODES, Told, described, finish};

/// Show the log's level, or set it for a while.
#[derive(Debug, ClapArgs)]
#[command(name = "log-level", after_help = format!("Examples:
  smsluice log-level
  smsluice log-level info,smsluice::proxy=debug --for 10m --reason 'binds of hf6202 fail'

It falls back to the configured level by itself.

{EXIT_CODES}"))]
pub struct Args {
    /// A level or a filter
    #[arg(value_name = "SPEC", requires = "reason")]
    spec: Option<String>,
    /// For how long, up to 24h
    #[arg(long = "for", value_name = "SPAN", default_value = "10m", value_parser = super::span)]
    span: Duration,
    /// Why; goes on record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    reach: Reach,
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

async fn told(args: &Args) -> Told {
    let client = args.reach.client()?;
    let level = match &args.spec {
        None => client.get("log-level").await?,
        Some(spec) => {
            let body = json!({ "spec": spec, "for_s": args.span.as_secs(), "reason": args.reason });
            client.send(Method::PUT, "log-level", &body).await?
        }
    };
    Ok(described(&args.reach, &level))
}
