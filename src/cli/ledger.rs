//! `smsluice ledger`: who was sent to, what nobody answered, and the files behind it.

use std::io::Read as _;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::client::{Client, Reach, query};
use super::failure::{EXIT_CODES, Failure, Told, acted, code, described, finish, listed};
use super::table::{Column, shown};

const ENTRIES: &[Column] = &[
    ("row", "行号", "/row"),
    ("day", "日期", "/day"),
    ("state", "状态", "/state"),
    ("status", "状态码", "/smsc_status"),
    ("account", "账号", "/account"),
    ("at", "时间", "/at"),
    ("to", "号码", "/to"),
    ("part", "分段", "/part"),
];

/// Look numbers up, list and release unknown outcomes, check, copy and thin out the ledger.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  echo 13855100001 | smsluice ledger lookup -
  smsluice ledger unknown
  smsluice ledger release 812345 --reason 'the SMSC has no such message, ticket 4711'
  smsluice ledger accept 1a2b3c4d --reason 'the disk was restored from last night, nothing was sent since'
  smsluice ledger backup before-move --reason 'move'
  smsluice ledger prune --before 2026-11-01 --reason 'kept for 30 days'

A message that nobody answered counts as sent. Release it only when the SMSC is known not to have it:
the subscriber may then be sent to again today. Numbers go out masked; give `-` to keep one out
of the shell's history.

{EXIT_CODES} 9 verify found problems."))]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Every message to a subscriber of one local day
    Lookup {
        /// The number; `-` reads it from standard input
        number: String,
        /// The day, such as 2026-11-24; today unless given
        #[arg(long)]
        day: Option<String>,
    },
    /// Messages that nobody answered
    Unknown,
    /// Free what a message of unknown outcome has taken
    Release {
        /// Its row, as `unknown` lists it
        row: u64,
        /// Why; goes on record
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Go over damage that the start has found: the next start goes on with what there is
    Accept {
        /// Its code, as `status` and the log tell it
        code: String,
        /// Why; goes on record
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Read every file and tell what is wrong
    Verify,
    /// Slots and files
    Stats,
    /// Copy the ledger at work into `backups` of its folder
    Backup {
        /// The copy's name
        name: String,
        /// Why; goes on record
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Remove the files of old days
    Prune {
        /// Days before this one, such as 2026-11-01; none that a start would still read
        #[arg(long, value_name = "DAY")]
        before: String,
        /// Why; goes on record
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

async fn told(args: &Args) -> Told {
    let (client, reach) = (args.reach.client()?, &args.reach);
    match &args.verb {
        Verb::Lookup { number, day } => {
            let body = json!({ "number": given(number)?, "day": day });
            Ok(listed(reach, &client.send(Method::POST, "ledger:lookup", &body).await?, ENTRIES))
        }
        Verb::Unknown => Ok(listed(reach, &unknown(&client).await?, ENTRIES)),
        Verb::Release { row, reason } => {
            let body = json!({ "row": row, "reason": reason });
            let done = client.send(Method::POST, "ledger:release", &body).await?;
            let said = |zh| if zh { format!("行 {row} 已释放") } else { format!("row {row} is free") };
            Ok(acted(reach, &done, said))
        }
        Verb::Accept { code, reason } => {
            let body = json!({ "code": code, "reason": reason });
            let done = client.send(Method::POST, "ledger:accept", &body).await?;
            Ok(acted(reach, &done, |zh| {
                let said = if zh { "已接受,重启网关后生效" } else { "accepted; restart the gateway" };
                format!("{}: {said}", shown(&done["what"]))
            }))
        }
        Verb::Verify => {
            let found = client.send(Method::POST, "ledger:verify", &json!({})).await?;
            let text = described(reach, &found);
            if found["ok"] == true { Ok(text) } else { Err(Failure::found(code::PROBLEMS, text)) }
        }
        Verb::Stats => Ok(described(reach, &client.get("ledger/stats").await?)),
        Verb::Backup { name, reason } => {
            let body = json!({ "name": name, "reason": reason });
            let done = client.send(Method::POST, "ledger:backup", &body).await?;
            Ok(acted(reach, &done, |_| format!("{}: {} rows", shown(&done["path"]), done["rows"])))
        }
        Verb::Prune { before, reason } => {
            let body = json!({ "before": before, "reason": reason });
            let done = client.send(Method::POST, "ledger:prune", &body).await?;
            Ok(acted(reach, &done, |_| format!("removed: {}", shown(&done["removed"]))))
        }
    }
}

/// Every unknown outcome, page by page.
async fn unknown(client: &Client) -> Result<Value, Failure> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let limit = Some("1000".to_owned());
        let page = client.get(&query("ledger/unknown", &[("limit", limit), ("cursor", cursor)])).await?;
        let page = page.as_array().cloned().unwrap_or_default();
        cursor = page.last().and_then(|last| last["row"].as_u64()).map(|row| row.to_string());
        let full = page.len() == 1000;
        all.extend(page);
        if !full {
            return Ok(all.into());
        }
    }
}

/// A number as given, or from standard input.
pub(super) fn given(number: &str) -> Result<String, Failure> {
    if number != "-" {
        return Ok(number.to_owned());
    }
    let mut text = String::new();
    let read = std::io::stdin().take(64).read_to_string(&mut text);
    read.map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
    Ok(text.trim().to_owned())
}
