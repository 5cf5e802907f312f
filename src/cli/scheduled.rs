//! `smsluice scheduled`: what waits inside the SMSC, which no hold reaches.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args as ClapArgs;
use serde_json::Value;

use super::client::{Client, Reach, query};
use super::failure::{EXIT_CODES, Failure, Told, finish, listed};
use super::table::{Column, shown};

const COLUMNS: &[Column] = &[
    ("due", "投递时间", "/due"),
    ("account", "账号", "/account"),
    ("from", "主叫", "/from"),
    ("to", "号码", "/to"),
    ("recipients", "人数", "/recipients"),
    ("smsc", "短信中心", "/smsc"),
    ("message id", "消息编号", "/message_id"),
    ("cancel", "取消", "/cancel"),
];
/// What the SMSC's operators need: members of an entry.
const EXPORT: [&str; 5] = ["smsc", "message_id", "from", "due", "account"];
/// Entries of one request.
const PAGE: usize = 1000;

/// List the messages that wait inside the SMSC for their time.
///
/// A hold stops new messages; these were accepted before with a schedule_delivery_time, and the SMSC
/// will deliver them. With pause.cancel_scheduled in policy.toml the gateway asks the SMSC to cancel those
/// that are due while somebody's hold is in force; without it, --csv is a list for the SMSC's operators.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  smsluice scheduled
  smsluice scheduled city:hefei
  smsluice scheduled all --csv > inside-the-smsc.csv

Scopes: all, class:CLASS, unit:NAME, city:SLUG, account:ID, smsc:HOST:PORT. In the column cancel: no = nobody has asked,
asked = the SMSC has not answered yet, done = cancelled (it is not sent again by itself), refused = the SMSC would not.

{EXIT_CODES}"))]
pub struct Args {
    /// Of which part of the traffic
    #[arg(default_value = "all")]
    scope: String,
    /// Print comma-separated values for the SMSC's operators: address, message id, source, time, account
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

async fn told(args: &Args) -> Told {
    let all = all(&args.reach.client()?, &args.scope).await?;
    if args.csv {
        return Ok(csv(&all));
    }
    Ok(listed(&args.reach, &all, COLUMNS))
}

/// Every entry, page by page.
async fn all(client: &Client, scope: &str) -> Result<Value, Failure> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let parameters = [("scope", Some(scope.to_owned())), ("limit", Some(PAGE.to_string())), ("cursor", cursor)];
        let page = client.get(&query("scheduled", &parameters)).await?;
        let page = page.as_array().cloned().unwrap_or_default();
        let full = page.len() == PAGE;
        cursor = page.last().and_then(|last| last["cursor"].as_str()).map(str::to_owned);
        all.extend(page);
        if !full {
            return Ok(all.into());
        }
    }
}

/// What still waits, for the SMSC's operators.
fn csv(all: &Value) -> String {
    let mut text = EXPORT.join(",") + "\n";
    for entry in all.as_array().into_iter().flatten().filter(|entry| entry["cancel"] != "done") {
        let row = EXPORT.map(|member| quoted(&shown(&entry[member])));
        let _ = writeln!(text, "{}", row.join(",")); // writing to a String cannot fail
    }
    text
}

/// A field as RFC 4180 has it. What a spreadsheet would take for a formula is text: an id is the SMSC's word.
fn quoted(field: &str) -> String {
    let field = if field.starts_with(['=', '+', '-', '@']) { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_list_for_the_smsc_names_what_still_waits_and_no_subscriber() {
        let entry = |id: &str, cancel: &str| {
            json!({ "smsc": "192.0.2.1:2775", "message_id": id, "from": "62021", "due": "2026-11-24T15:00:00+08:00",
                    "account": "hf6202", "to": "138****0001", "cancel": cancel })
        };
        let text = csv(&json!([entry("7f", "no"), entry("80", "done"), entry("=1,2", "refused")]));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "smsc,message_id,from,due,account");
        assert_eq!(lines[1], "192.0.2.1:2775,7f,62021,2026-11-24T15:00:00+08:00,hf6202");
        assert_eq!(lines[2], "192.0.2.1:2775,\"'=1,2\",62021,2026-11-24T15:00:00+08:00,hf6202");
        assert_eq!(lines.len(), 3);
    }
}
