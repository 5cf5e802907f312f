//! `smsluice pause`, `resume` and `holds`: the stop button (clause 7.6).

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args as ClapArgs, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::client::{Client, Reach, escaped};
use super::failure::{EXIT_CODES, Failure, Told, acted, code, either, finish, listed};
use super::table::Column;

/// Stop a part of the traffic, at once.
///
/// When this returns, no octet of a new submission in the scope reaches the SMSC until every hold on
/// it has ended; receipts and everything else go on. Senders are refused for now, so that their
/// software tries again later. The hold outlives a restart. Where gateways share a ledger, it is in
/// force on all of them.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  smsluice pause all --reason 'SMSC queue at 90 %'
  smsluice pause account:hf6202 --reason 'complaints' --for 30m
  smsluice pause city:hefei --reason 'network maintenance' --wait

Scopes: all, class:CLASS, unit:NAME, city:SLUG, account:ID, smsc:HOST:PORT.

{EXIT_CODES} 8 messages are still in flight (--wait)."))]
pub struct PauseArgs {
    /// What to stop
    scope: String,
    /// Why; goes on record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// End by itself after this; without it somebody has to end it
    #[arg(long = "for", value_name = "SPAN", value_parser = super::span)]
    span: Option<Duration>,
    /// Return when the SMSC has answered what it had of the scope, or after --timeout
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    reach: Reach,
}

/// End a hold, or all of one's own on a scope.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  smsluice resume h_01 --reason 'queue is down to 10 %'
  smsluice resume account:hf6202 --reason 'settled'
  smsluice resume all --all-holders --reason 'incident 4711 is over'

A scope is open again when no hold on it is left: the output names those that are.

{EXIT_CODES}"))]
pub struct ResumeArgs {
    /// The hold's id, or the scope of the holds
    hold: String,
    /// Why; goes on record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Others' holds too; needs the role operate
    #[arg(long)]
    all_holders: bool,
    #[command(flatten)]
    reach: Reach,
}

/// List the holds in force.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXIT_CODES)]
pub struct HoldsArgs {
    #[command(subcommand)]
    verb: HoldsVerb,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum HoldsVerb {
    /// Scope, owner, reason, since, until
    Ls,
}

/// Runs `pause`.
pub async fn pause(args: &PauseArgs) -> ExitCode {
    finish(paused(args).await)
}

/// Runs `resume`.
pub async fn resume(args: &ResumeArgs) -> ExitCode {
    finish(resumed(args).await)
}

/// Runs `holds`.
pub async fn holds(args: &HoldsArgs) -> ExitCode {
    finish(in_force(args).await)
}

async fn paused(args: &PauseArgs) -> Told {
    let (kind, id) = args.scope.split_once(':').map_or((args.scope.as_str(), None), |(kind, id)| (kind, Some(id)));
    let client = args.reach.client()?;
    let body = json!({
        "scope": { "kind": kind, "id": id },
        "reason": args.reason,
        "for_s": args.span.map(|span| span.as_secs()),
    });
    let placed = client.send(Method::POST, "holds", &body).await?;
    let text = either(&args.reach, &placed, || words(&placed, args.reach.chinese()));
    if args.wait {
        let id = placed["hold"]["id"].as_str().unwrap_or_default();
        wait(&client, id, args.reach.patience(), &text).await?;
    }
    Ok(text)
}

fn words(placed: &Value, chinese: bool) -> String {
    let text = |pointer: &str| super::table::shown(placed.pointer(pointer).unwrap_or(&Value::Null));
    let (id, waiting, until) = (text("/hold/id"), text("/in_flight"), placed["hold"]["until"].as_str());
    let said = match (until, chinese) {
        (None, false) => format!("{id} is in force until somebody ends it; {waiting} messages in flight"),
        (Some(until), false) => format!("{id} is in force until {until}; {waiting} messages in flight"),
        (None, true) => format!("{id} 已生效,须人工结束;在途 {waiting} 条"),
        (Some(until), true) => format!("{id} 已生效,至 {until};在途 {waiting} 条"),
    };
    let inside = placed.pointer("/scheduled/count").and_then(Value::as_u64).unwrap_or(0);
    let (due, asked) = (text("/scheduled/first_due"), placed["cancelling"] == true);
    let inside = match (inside, asked, chinese) {
        (0, ..) => String::new(),
        (n, false, false) => {
            format!(
                "\n{n} scheduled messages wait inside the SMSC and are NOT held, the first due {due}: smsluice scheduled"
            )
        }
        (n, true, false) => {
            format!(
                "\n{n} scheduled messages wait inside the SMSC, the first due {due}; it is asked to cancel those due during the hold: smsluice scheduled"
            )
        }
        (n, false, true) => format!("\n短信中心内另有 {n} 条定时短信不受暂停影响,最早 {due} 投递:smsluice scheduled"),
        (n, true, true) => {
            format!("\n短信中心内另有 {n} 条定时短信,最早 {due} 投递;正请求取消暂停期间应投递的:smsluice scheduled")
        }
    };
    let kept = match (placed["not_persisted"].as_str(), chinese) {
        (None, _) => String::new(),
        (Some(why), false) => format!("; NOT on disk, a restart would forget it: {why}"),
        (Some(why), true) => format!(";未能落盘,重启后失效:{why}"),
    };
    format!("{said}{}{kept}{}{inside}\n", elsewhere(placed, chinese), super::unrecorded(placed, chinese))
}

/// What the other gateways on a shared ledger know of it.
fn elsewhere(placed: &Value, chinese: bool) -> String {
    let names = |name: &str| {
        let names: Vec<&str> = placed[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        Some(names.join(", ")).filter(|names| !names.is_empty())
    };
    let on = match (names("acknowledged_by"), chinese) {
        (None, _) => String::new(),
        (Some(names), false) => format!("; in force on {names} too"),
        (Some(names), true) => format!(";{names} 亦已生效"),
    };
    let silent = match (names("silent"), chinese) {
        (None, _) => String::new(),
        (Some(names), false) => format!("; {names} did not answer and may send nothing before it is in force there"),
        (Some(names), true) => format!(";{names} 未应答,在其生效之前不得发送"),
    };
    let not_shared = match (placed["not_shared"].as_str(), chinese) {
        (None, _) => String::new(),
        (Some(why), false) => format!("; NOT on the other gateways yet: {why}"),
        (Some(why), true) => format!(";其他网关尚未生效:{why}"),
    };
    on + &silent + &not_shared
}

/// Until nothing of the hold's scope waits for an answer any more.
async fn wait(client: &Client, id: &str, patience: Duration, text: &str) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let holds = client.get("holds").await?;
        let own = holds.as_array().into_iter().flatten().find(|hold| hold["id"] == id);
        let left = own.and_then(|hold| hold["in_flight"].as_u64()).unwrap_or(0);
        if left == 0 {
            return Ok(());
        }
        if began.elapsed() > patience {
            return Err(Failure::new(code::NOT_IN_TIME, format!("{text}{left} messages are still in flight")));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn resumed(args: &ResumeArgs) -> Told {
    let body = json!({ "reason": args.reason, "all_holders": args.all_holders });
    let path = format!("holds/{}", escaped(&args.hold));
    let ended = args.reach.client()?.send(Method::DELETE, &path, &body).await?;
    let list = |name: &str| super::table::shown(&ended[name]);
    let (gone, left) = (list("ended"), list("still_held_by"));
    Ok(acted(&args.reach, &ended, |chinese| {
        let text = match (left == "-", chinese) {
            (true, false) => format!("{gone} ended; the scope is open"),
            (false, false) => format!("{gone} ended; still held by {left}"),
            (true, true) => format!("{gone} 已结束,范围已放开"),
            (false, true) => format!("{gone} 已结束,仍受 {left} 限制"),
        };
        text + &elsewhere(&ended, chinese)
    }))
}

async fn in_force(args: &HoldsArgs) -> Told {
    const COLUMNS: &[Column] = &[
        ("hold", "编号", "/id"),
        ("scope", "范围", "/scope/kind"),
        ("of", "对象", "/scope/id"),
        ("owner", "操作人", "/owner"),
        ("since", "自", "/since"),
        ("until", "至", "/until"),
        ("in flight", "在途", "/in_flight"),
        ("scheduled", "定时", "/scheduled/count"),
        ("on", "生效网关", "/shared/in_force_on"),
        ("not yet on", "未生效网关", "/shared/not_yet_on"),
        ("reason", "理由", "/reason"),
    ];
    let HoldsVerb::Ls = args.verb;
    Ok(listed(&args.reach, &args.reach.client()?.get("holds").await?, COLUMNS))
}
