//! `smsluice top`: a live table of accounts.

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::accounts;
use super::client::{Client, Reach, escaped};
use super::failure::{EXIT_CODES, Failure, Told, finish};
use super::status;
use super::table::{Column, table};

const COLUMNS: &[Column] = &[
    ("account", "账号", "/account"),
    ("sessions", "会话", "/sessions"),
    ("in/s", "收/秒", "/received"),
    ("on/s", "转/秒", "/forwarded"),
    ("refused/s", "拒/秒", "/refused"),
    ("in flight", "在途", "/in_flight"),
    ("used", "今日已用", "/used"),
    ("left", "余量", "/left"),
];
/// Accounts whose counts are asked for; those that use most of their day come first.
const ACCOUNTS_MAX: usize = 200;

/// Watch accounts live: messages a second, refusals, today's use.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  smsluice top
  smsluice top --sort refused --filter hf --rows 20
  smsluice top --rounds 1                 one table, for scripts

Ends with Ctrl-C. {EXIT_CODES}"))]
pub struct Args {
    /// What comes first
    #[arg(long, value_name = "BY", default_value = "rate", value_parser = ["rate", "refused", "quota", "name"])]
    sort: String,
    /// Accounts that contain this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// Rows at most
    #[arg(long, value_name = "N", default_value_t = 30)]
    rows: usize,
    /// Time between two tables
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = super::span)]
    every: Duration,
    /// Tables to show; 0 goes on until Ctrl-C
    #[arg(long, value_name = "N", default_value_t = 0)]
    rounds: u32,
    #[command(flatten)]
    reach: Reach,
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

async fn told(args: &Args) -> Told {
    let client = args.reach.client()?;
    let mut counts = Counts::default();
    sample(&client, args, &mut counts).await?;
    let mut round = 0;
    loop {
        tokio::time::sleep(args.every.max(Duration::from_millis(200))).await;
        let rows = sample(&client, args, &mut counts).await?;
        round += 1;
        let last = args.rounds > 0 && round >= args.rounds;
        let text = if args.reach.json {
            rows.to_string() + "\n"
        } else {
            let status = client.get("status").await?;
            let clear = if std::io::stdout().is_terminal() { "\x1b[H\x1b[J" } else { "" };
            let (screen, table) =
                (status::screen(&status, args.reach.chinese()), table(&rows, COLUMNS, args.reach.chinese()));
            format!("{clear}{screen}\n{table}")
        };
        if last {
            return Ok(text);
        }
        // A closed pipe ends it.
        if std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush()).is_err() {
            return Ok(String::new());
        }
    }
}

/// Counts of the last round, by account.
type Counts = HashMap<String, (Instant, [u64; 3])>;

/// One round: a row for each account, sorted.
async fn sample(client: &Client, args: &Args, counts: &mut Counts) -> Result<Value, Failure> {
    let accounts = accounts::all(client).await?;
    let mut chosen: Vec<&Value> = accounts.as_array().map(|all| all.iter().collect()).unwrap_or_default();
    chosen.retain(|one| one["id"].as_str().is_some_and(|id| id.contains(&args.filter)));
    chosen.sort_by_key(|one| std::cmp::Reverse((one["sessions"].as_u64(), one["today"]["used"].as_u64())));
    let mut rows = Vec::new();
    for account in chosen.into_iter().take(ACCOUNTS_MAX) {
        let id = account["id"].as_str().unwrap_or_default();
        let usage = client.get(&format!("accounts/{}/usage", escaped(id))).await?;
        rows.push(row(account, &usage, counts.get(id)));
        counts.insert(id.to_owned(), (Instant::now(), totals(&usage)));
    }
    sort(&mut rows, &args.sort);
    rows.truncate(args.rows);
    Ok(rows.into())
}

fn totals(usage: &Value) -> [u64; 3] {
    let since = &usage["since_start"];
    let refused = since["refused"].as_object().map(|reasons| reasons.values().filter_map(Value::as_u64).sum());
    [since["received"].as_u64().unwrap_or(0), since["forwarded"].as_u64().unwrap_or(0), refused.unwrap_or(0)]
}

fn row(account: &Value, usage: &Value, before: Option<&(Instant, [u64; 3])>) -> Value {
    let now = totals(usage);
    let rate = |index: usize| {
        before.map_or(0.0, |(at, last)| {
            let seconds = at.elapsed().as_secs_f64().max(1e-3);
            (now[index].saturating_sub(last[index]) as f64 / seconds * 10.0).round() / 10.0
        })
    };
    json!({
        "account": account["id"],
        "sessions": account["sessions"],
        "received": rate(0),
        "forwarded": rate(1),
        "refused": rate(2),
        "in_flight": usage["since_start"]["in_flight"],
        "used": usage["today"]["used"],
        "left": usage["today"]["left"],
    })
}

fn sort(rows: &mut [Value], by: &str) {
    let number = |row: &Value, name: &str| row[name].as_f64().unwrap_or(0.0);
    rows.sort_by(|a, b| {
        let most = |name: &str| number(b, name).total_cmp(&number(a, name));
        let name = || a["account"].as_str().cmp(&b["account"].as_str());
        match by {
            "refused" => most("refused").then_with(name),
            "quota" => most("used").then_with(name),
            "name" => name(),
            _ => most("received").then_with(name),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_what_is_asked_for() {
        let row = |account, received, refused, used| json!({ "account": account, "received": received, "refused": refused, "used": used });
        let mut rows = vec![row("b", 1.0, 9.0, 5), row("a", 1.0, 0.0, 7), row("c", 3.0, 1.0, 1)];
        for (by, order) in [("rate", "cab"), ("refused", "bca"), ("quota", "abc"), ("name", "abc")] {
            sort(&mut rows, by);
            assert_eq!(rows.iter().filter_map(|row| row["account"].as_str()).collect::<String>(), order, "{by}");
        }
    }

    #[test]
    fn a_rate_is_the_difference_over_the_time() {
        let usage =
            json!({ "since_start": { "received": 120, "forwarded": 100, "refused": { "quota": 15, "rate": 5 } } });
        let before = (Instant::now().checked_sub(Duration::from_secs(10)).expect("a boot ago"), [20, 0, 20]);
        let row = row(&json!({ "id": "a" }), &usage, Some(&before));
        assert!((row["received"].as_f64().expect("a rate") - 10.0).abs() < 0.2, "{row}");
        assert!((row["refused"].as_f64().expect("a rate")).abs() < 0.1, "{row}");
    }
}
