//! `smsluice accounts` and `smsluice usage`: who may send what, and what they have sent.

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};

use super::client::{Client, Reach, escaped, query};
use super::failure::{EXIT_CODES, Failure, Told, described, finish, listed};
use super::table::Column;

const COLUMNS: &[Column] = &[
    ("account", "账号", "/id"),
    ("class", "类别", "/class"),
    ("unit", "单位", "/unit"),
    ("state", "状态", "/state"),
    ("sessions", "会话", "/sessions"),
    ("rate/s", "速率", "/limits/per_second"),
    ("used", "今日已用", "/today/used"),
    ("left", "余量", "/today/left"),
    ("not enforced", "未强制的规则", "/modes"),
];
/// Entries of one request.
const PAGE: usize = 1000;

/// List accounts, or show one.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  smsluice accounts ls
  smsluice accounts show hf6202 --json

{EXIT_CODES}"))]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All accounts with their limits and today's use
    Ls,
    /// One account
    Show {
        /// `system_id`
        account: String,
    },
}

/// Tell what an account has sent: today's subscribers, and the messages since the gateway started.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  smsluice usage --account hf6202
  smsluice usage                          today's subscribers of every account

{EXIT_CODES}"))]
pub struct UsageArgs {
    /// `system_id`; all accounts unless given
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    #[command(flatten)]
    reach: Reach,
}

/// Runs `accounts`.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

/// Runs `usage`.
pub async fn usage(args: &UsageArgs) -> ExitCode {
    finish(used(args).await)
}

async fn told(args: &Args) -> Told {
    let client = args.reach.client()?;
    match &args.verb {
        Verb::Ls => Ok(listed(&args.reach, &all(&client).await?, COLUMNS)),
        Verb::Show { account } => {
            Ok(described(&args.reach, &client.get(&format!("accounts/{}", escaped(account))).await?))
        }
    }
}

async fn used(args: &UsageArgs) -> Told {
    let client = args.reach.client()?;
    if let Some(account) = &args.account {
        return Ok(described(&args.reach, &client.get(&format!("accounts/{}/usage", escaped(account))).await?));
    }
    let columns: &[Column] = &[COLUMNS[0], COLUMNS[2], COLUMNS[6], COLUMNS[7]];
    Ok(listed(&args.reach, &all(&client).await?, columns))
}

/// Every account, page by page.
pub(super) async fn all(client: &Client) -> Result<serde_json::Value, Failure> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = client.get(&query("accounts", &[("limit", Some(PAGE.to_string())), ("cursor", cursor)])).await?;
        let page = page.as_array().cloned().unwrap_or_default();
        let full = page.len() == PAGE;
        cursor = page.last().and_then(|last| last["id"].as_str()).map(str::to_owned);
        all.extend(page);
        if !full {
            return Ok(all.into());
        }
    }
}
