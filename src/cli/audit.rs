//! `smsluice audit`: what operators did, and whether the record is whole.

use std::process::ExitCode;

use clap::Args as ClapArgs;

use super::client::{Reach, query};
use super::failure::{EXIT_CODES, Failure, Told, code, described, finish, listed};
use super::table::Column;

const COLUMNS: &[Column] = &[
    ("seq", "序号", "/seq"),
    ("at", "时间", "/at"),
    ("who", "操作人", "/who"),
    ("from", "来源", "/from"),
    ("action", "操作", "/action"),
    ("target", "对象", "/target"),
    ("result", "结果", "/result"),
    ("reason", "理由", "/reason"),
];

/// List what operators did, newest first, or check that the record is whole.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  smsluice audit --since 7d --who duty.desk
  smsluice audit --verify

Each line of the record carries the hash of the line before; --verify follows them. Compare the
head with the `audit` events of the log to see that nothing is missing at the end.

{EXIT_CODES} 9 the record is not whole."))]
pub struct Args {
    /// Not older than this, such as 90s, 30m, 12h, 7d
    #[arg(long, value_name = "SPAN")]
    since: Option<String>,
    /// By this operator only
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Of this kind only, such as session.kick
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Entries at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Follow the chain of hashes from the first line to the last
    #[arg(long, conflicts_with_all = ["since", "who", "action", "limit"])]
    verify: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

async fn told(args: &Args) -> Told {
    let client = args.reach.client()?;
    if args.verify {
        let found = client.get("audit:verify").await?;
        let text = described(&args.reach, &found);
        return if found["ok"] == true { Ok(text) } else { Err(Failure::found(code::PROBLEMS, text)) };
    }
    let given = [
        ("since", args.since.clone()),
        ("who", args.who.clone()),
        ("action", args.action.clone()),
        ("limit", Some(args.limit.to_string())),
    ];
    Ok(listed(&args.reach, &client.get(&query("audit", &given)).await?, COLUMNS))
}
