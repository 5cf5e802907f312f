//! `smsluice drain` and `undrain`: taking leave of all sessions, for maintenance.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use hyper::Method;
use serde_json::{Value, json};

use super::client::Reach;
use super::failure::{EXIT_CODES, Failure, Told, acted, code, either, finish};

/// Take leave of every session: no new binds, finish what is in flight, unbind.
///
/// Not ready from now on; sessions that are left after the time given are cut off, and what they had
/// in flight counts as sent. Binds stay refused until `smsluice undrain`.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  smsluice drain --within 60s --reason 'move to the other machine'
  smsluice undrain --reason 'done'

{EXIT_CODES} 8 sessions are left."))]
pub struct DrainArgs {
    /// Time for sessions to end
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = super::span)]
    within: Duration,
    /// Why; goes on record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    reach: Reach,
}

/// Take binds again after a drain.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXIT_CODES)]
pub struct UndrainArgs {
    /// Why; goes on record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    reach: Reach,
}

/// Runs `drain`.
pub async fn drain(args: &DrainArgs) -> ExitCode {
    finish(drained(args).await)
}

/// Runs `undrain`.
pub async fn undrain(args: &UndrainArgs) -> ExitCode {
    finish(undrained(args).await)
}

async fn drained(args: &DrainArgs) -> Told {
    let client = args.reach.client()?;
    let body = json!({ "timeout_s": args.within.as_secs(), "reason": args.reason });
    let mut state = client.send(Method::POST, "drain", &body).await?;
    let note = super::unrecorded(&state, args.reach.chinese());
    let began = Instant::now();
    // What is cut off at the end of the time is gone a moment later.
    while state["sessions_left"] != 0 && began.elapsed() < args.within + Duration::from_secs(2) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        state = client.get("drain").await?;
    }
    let text = either(&args.reach, &state, || words(&state, args.reach.chinese()) + note + "\n");
    if state["sessions_left"] == 0 { Ok(text) } else { Err(Failure::new(code::NOT_IN_TIME, text)) }
}

async fn undrained(args: &UndrainArgs) -> Told {
    let state = args.reach.client()?.send(Method::DELETE, "drain", &json!({ "reason": args.reason })).await?;
    let said = |chinese| if chinese { "恢复接受绑定" } else { "binds are taken again" };
    Ok(acted(&args.reach, &state, |chinese| said(chinese).to_owned()))
}

fn words(state: &Value, chinese: bool) -> String {
    let (left, waiting) = (&state["sessions_left"], &state["in_flight"]);
    if chinese {
        format!("剩余会话 {left},在途 {waiting} 条")
    } else {
        format!("{left} sessions left, {waiting} messages in flight")
    }
}
