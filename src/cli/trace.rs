//! `smsluice trace`: why did this subscriber get a message, or not.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use hyper::Method;
use serde_json::{Value, json};

use super::client::Reach;
use super::failure::{EXIT_CODES, Told, finish, listed};
use super::ledger::given;
use super::table::Column;

const COLUMNS: &[Column] = &[
    ("at", "时间", "/at"),
    ("account", "账号", "/account"),
    ("source", "主叫", "/source"),
    ("verdict", "判定", "/verdict"),
    ("reason", "原因", "/reason"),
    ("clause", "条款", "/clause"),
    ("outcome", "短信中心", "/outcome"),
    ("status", "状态码", "/smsc_status"),
    ("message id", "消息号", "/message_id"),
    ("receipt", "状态报告", "/receipt"),
    ("receipt at", "报告时间", "/receipt_at"),
    ("policy", "策略", "/policy_version"),
];

/// Tell every message to a subscriber, and why it was or was not delivered.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  echo 13855100001 | smsluice trace - --reason 'complaint 4711'
  smsluice trace 13855100001 --from 2026-11-01 --to 2026-11-24 --reason 'complaint 4711'

Each line is one attempt: when it came, whose it was, what the gateway decided and by which clause, what
the SMSC answered, and what its receipt said. `--json` has the rest: times of delivery, the text's
digest, the policy in force. The look-up goes on record. Give `-` to keep the number out of the
shell's history; it goes out masked.

{EXIT_CODES}"))]
pub struct Args {
    /// The number; `-` reads it from standard input
    number: String,
    /// The first day, such as 2026-11-24; thirty days before the last unless given
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The last day; today unless given
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Why; goes on record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    reach: Reach,
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

async fn told(args: &Args) -> Told {
    let Args { number, from, to, reason, reach } = args;
    let body = json!({ "number": given(number)?, "from": from, "to": to, "reason": reason });
    let found = reach.client()?.send(Method::POST, "records:trace", &body).await?;
    if reach.json {
        return Ok(super::failure::described(reach, &found));
    }
    let left_out = found["left_out"].as_u64().unwrap_or_default();
    let rest = match (left_out, reach.chinese()) {
        (0, _) => String::new(),
        (_, true) => format!("此前另有 {left_out} 条未列出\n"),
        (_, false) => format!("{left_out} before these are left out\n"),
    };
    let attempts = found.get("attempts").cloned().unwrap_or(Value::Null);
    Ok(rest + &listed(reach, &attempts, COLUMNS))
}
