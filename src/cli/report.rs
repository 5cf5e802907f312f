//! `smsluice report`: what became of the messages of a day, a month, a campaign.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use crate::domain::{Clock, Day, LocalTime};
use crate::ledger::history::Archive;
use crate::policy::Ruleset;
use crate::record::acts;
use crate::registry::Registry;
use crate::report::{self, Asked, Report};

use super::client::{Client, Reach, query};
use super::failure::{EXIT_CODES, Failure, Told, code, either, finish};
use super::table::{Column, table};

/// Report what became of the messages of a day, a month or a campaign.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  smsluice report day
  smsluice report day 2026-11-24 --csv day.csv
  smsluice report month 2026-11 --html november.html
  smsluice report form 7 --html form-7.html
  smsluice report campaign 7 --from 2026-11-01 --to 2026-11-24 --json
  smsluice report month 2026-11 --ledger /srv/backup/ledger --config config

Figures are of messages received on these local days, by day, unit, account and campaign; docs/reports.md says what each means
and how they add up. No number is in them. --csv and --html write files beside what is printed: UTF-8 with a
mark that spreadsheets understand, and a page for A4 that needs no network. --ledger reads a folder that no gateway has open.

{EXIT_CODES}"))]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// Write comma-separated values to this file
    #[arg(long, value_name = "FILE", global = true)]
    csv: Option<PathBuf>,
    /// Write a page that prints on A4 to this file
    #[arg(long, value_name = "FILE", global = true)]
    html: Option<PathBuf>,
    /// Read this ledger's folder, or a copy of one, that no gateway has open
    #[arg(long, value_name = "DIR", global = true)]
    ledger: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Of one local day
    Day {
        /// The day, such as 2026-11-24; today unless given
        #[arg(value_parser = day)]
        day: Option<Day>,
    },
    /// Of one month: the summary for the Group Customer and Data department (3.1.1)
    Month {
        /// The month, such as 2026-11; this one unless given
        month: Option<String>,
    },
    /// Of one campaign
    Campaign {
        /// Its number in the registry
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        number: u32,
        /// The first day; thirty days before the last unless given
        #[arg(long, value_parser = day)]
        from: Option<Day>,
        /// The last day; today unless given
        #[arg(long, value_parser = day)]
        to: Option<Day>,
    },
    /// The application form of a campaign, F1 to F17 filled in, as a page; printed unless --html names a file
    Form {
        /// Its number in the registry
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        number: u32,
    },
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

async fn told(args: &Args) -> Told {
    if let Verb::Form { number } = args.verb {
        return form(args, number).await;
    }
    let today = LocalTime::of(Clock::System.now()).day;
    let (from, to, campaign) = args.verb.days(today)?;
    let made = match &args.ledger {
        Some(folder) => at_rest(args, folder, from, to, campaign)?,
        None => asked(args, from, to, campaign).await?,
    };
    let told: Report = serde_json::from_value(made.clone())
        .map_err(|error| Failure::new(code::FAILED, format!("error: the report cannot be read: {error}")))?;
    let chinese = args.reach.chinese();
    if let Some(file) = &args.csv {
        write(file, &report::csv(&told, chinese))?;
    }
    if let Some(file) = &args.html {
        write(file, &report::page(&told))?;
    }
    Ok(either(&args.reach, &made, || words(&made, &told, chinese)))
}

impl Verb {
    /// The days and the campaign that are meant.
    fn days(&self, today: Day) -> Result<(Day, Day, Option<u32>), Failure> {
        match self {
            Self::Day { day } => {
                let day = day.unwrap_or(today);
                Ok((day, day, None))
            }
            Self::Month { month } => {
                let month = month.clone().unwrap_or_else(|| today.to_string()[..7].to_owned());
                let first = Day::parse(&format!("{month}-01"));
                let first = first.ok_or_else(|| Failure::usage(format!("`{month}` is no month; write 2026-11")))?;
                let last = Day::from_civil(first.to_civil().last_of_month()).unwrap_or(first);
                Ok((first, last.min(today.max(first)), None))
            }
            Self::Form { .. } => Ok((today, today, None)), // the gateway knows its days
            Self::Campaign { number, from, to } => {
                let to = to.unwrap_or(today);
                Ok((from.unwrap_or(Day::from_number(to.number().saturating_sub(30))), to, Some(*number)))
            }
        }
    }
}

/// The form, from a gateway.
async fn form(args: &Args, number: u32) -> Told {
    if args.csv.is_some() || args.ledger.is_some() || args.reach.json {
        return Err(Failure::usage("a form is a page of a gateway at work: there is no --csv, --json, --ledger"));
    }
    let path = format!("/api/v1/campaigns/{number}/form");
    let (status, octets) = args.reach.client()?.raw(Method::GET, &path, None).await?;
    if status != 200 {
        return Err(Client::refused(status, &octets));
    }
    let text = String::from_utf8_lossy(&octets).into_owned();
    let Some(file) = &args.html else { return Ok(text) };
    write(file, &text)?;
    Ok(String::new())
}

/// From a gateway, telling each day that is done.
async fn asked(args: &Args, from: Day, to: Day, campaign: Option<u32>) -> Result<Value, Failure> {
    let its_today = matches!(args.verb, Verb::Day { day: None }); // by the gateway's clock
    let parameters = [
        ("from", Some(from.to_string()).filter(|_| !its_today)),
        ("to", Some(to.to_string()).filter(|_| !its_today)),
        ("campaign", campaign.map(|number| number.to_string())),
    ];
    let (mut report, mut failed, mut progress) = (None, None, Progress::of(args, from, to));
    args.reach
        .client()?
        .lines(&query("reports", &parameters), |mut step| {
            if step["done"].is_string() {
                progress.done();
            } else if step["report"].is_object() {
                report = Some(step["report"].take());
            } else {
                failed = step["failed"].as_str().map(str::to_owned);
            }
        })
        .await?;
    let why = || failed.unwrap_or_else(|| "the answer broke off".to_owned());
    report.ok_or_else(|| Failure::new(code::FAILED, format!("error: {}", why())))
}

/// From a folder.
fn at_rest(args: &Args, folder: &Path, from: Day, to: Day, campaign: Option<u32>) -> Result<Value, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(code::FAILED, format!("error: {error}"));
    if !folder.is_dir() {
        return Err(Failure::new(code::NOT_FOUND, format!("error: {}: no such folder", folder.display())));
    }
    let rules = rules(args)?;
    let success_basis = rules.as_ref().map(|rules| rules.switches.report.success_basis).unwrap_or_default().code();
    let asked = Asked { from, to, campaign, success_basis };
    let archive = Archive::open(folder);
    let mut progress = Progress::of(args, from, to);
    let regions = rules.as_ref().map(|rules| &*rules.regions);
    let read = |span, each: &mut dyn FnMut(_)| archive.attempts(span, each);
    let goes_on = |_| {
        progress.done();
        true
    };
    let now = Clock::System.now();
    let mut made = report::gather(&asked, now, regions, read, goes_on).map_err(|error| failed(&error))?;
    made.releases = report::releases(&folder.join(acts::FILE), &asked).map_err(|error| failed(&error))?;
    let (switches, calendar) = rules.map(|rules| (rules.switches.registry, rules.calendar)).unwrap_or_default();
    Registry::peek_applications(folder, |page| made.register(page, &asked, now, &switches, &calendar))
        .map_err(|error| failed(&error))?;
    serde_json::to_value(made).map_err(|error| failed(&error))
}

/// The rules of the configuration, where there is one; they know which segments are whose, and which days are worked on.
fn rules(args: &Args) -> Result<Option<Ruleset>, Failure> {
    let Some(folder) = args.reach.folder() else { return Ok(None) };
    let loaded = crate::config::load_with_env(&folder, &BTreeMap::new(), Clock::System.now());
    Ok(Some(loaded.map_err(|problems| Failure::new(code::INVALID, problems))?.ruleset))
}

/// Days that are done, on standard error.
struct Progress {
    told: bool,
    done: u32,
    of: u32,
}

impl Progress {
    fn of(args: &Args, from: Day, to: Day) -> Self {
        let of = u32::from(to.number().saturating_sub(from.number())) + 1;
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        Self { told: of > 1 && terminal && !args.reach.quiet, done: 0, of }
    }

    fn done(&mut self) {
        self.done += 1;
        if self.told {
            let end = if self.done == self.of { "\n" } else { "" };
            eprint!("\r{}/{}{end}", self.done, self.of);
        }
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text)
        .map_err(|error| Failure::new(code::FAILED, format!("error: {}: {error}", file.display())))
}

const LINES: &[Column] = &[
    ("unit", "单位", "/unit"),
    ("account", "账号", "/account"),
    ("campaign", "活动", "/campaign"),
    ("submitted", "提交", "/submitted"),
    ("refused", "网关拒绝", "/refused"),
    ("accepted", "短信中心接收", "/accepted"),
    ("rejected", "短信中心拒绝", "/rejected"),
    ("unknown", "结果未知", "/unknown"),
    ("released", "未知已释放", "/released"),
    ("waiting", "在途", "/waiting"),
    ("delivered", "送达", "/delivered"),
    ("failed", "失败", "/failed"),
    ("pending", "无最终回执", "/pending"),
    ("success", "成功率", "/success"),
];
const REASONS: &[Column] =
    &[("refused by", "拒绝原因", "/reason"), ("clause", "条款", "/clause"), ("count", "条数", "/count")];
const RUNS: &[Column] = &[
    ("run on", "连续号码日期", "/day"),
    ("campaign", "活动", "/campaign"),
    ("account", "账号", "/account"),
    ("segment", "号段", "/segment"),
    ("numbers", "号码数", "/numbers"),
];

const RELEASES: &[Column] = &[
    ("released at", "释放时间", "/at"),
    ("by", "操作人", "/who"),
    ("row", "记录", "/row"),
    ("reason", "原因", "/reason"),
];
const LATE: &[Column] = &[
    ("reviewed late", "逾期审核", "/number"),
    ("unit", "单位", "/unit"),
    ("submitted", "提交", "/submitted"),
    ("due", "期限", "/due"),
    ("reviewed", "审核", "/reviewed"),
];

/// The report for a terminal: a line for each account and campaign, the reasons, what was noticed.
fn words(made: &Value, told: &Report, chinese: bool) -> String {
    let percent = |rate: Option<f64>| match (rate, chinese) {
        (Some(rate), _) => format!("{:.2}%", rate * 100.0).into(),
        (None, true) => Value::from("未知"),
        (None, false) => Value::from("unknown"),
    };
    let one_day = told.from == told.to;
    let mut rows = Vec::new();
    if one_day {
        for line in &told.lines {
            let mut row = json!(line);
            row["success"] = percent(told.success(&line.figures));
            rows.push(row);
        }
    } else {
        for sum in &told.accounts {
            let mut row = json!(sum);
            row["account"] = sum.of.as_str().into();
            row["success"] = percent(told.success(&sum.figures));
            rows.push(row);
        }
    }
    let mut sum = json!(told.total);
    sum["unit"] = if chinese { "合计" } else { "total" }.into();
    sum["success"] = percent(told.success(&told.total));
    rows.push(sum);
    let mut text = table(&rows.into(), LINES, chinese);
    if !told.total.refused_by.is_empty() {
        text.push('\n');
        text += &table(&made["total"]["refused_by"], REASONS, chinese);
    }
    if !told.runs.is_empty() {
        text.push('\n');
        text += &table(&made["runs"], RUNS, chinese);
    }
    if !told.releases.is_empty() {
        text.push('\n');
        text += &table(&made["releases"], RELEASES, chinese);
    }
    if !told.late_reviews.is_empty() {
        text.push('\n');
        text += &table(&made["late_reviews"], LATE, chinese);
    }
    if told.open {
        text += if chinese { "\n部分状态报告可能尚未到达\n" } else { "\nsome receipts may still come\n" };
    }
    text
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| format!("`{text}` is no day; write 2026-11-24"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_with_its_last_day_or_with_today() {
        let today = Day::parse("2026-11-24").expect("a day");
        let days = |month: Option<&str>| {
            let (from, to, _) = Verb::Month { month: month.map(str::to_owned) }.days(today).expect("a month");
            format!("{from} {to}")
        };
        assert_eq!(days(None), "2026-11-01 2026-11-24");
        assert_eq!(days(Some("2026-02")), "2026-02-01 2026-02-28");
        assert_eq!(days(Some("2024-02")), "2024-02-01 2024-02-29");
        for wrong in ["2026", "2026-13", "x"] {
            assert!(Verb::Month { month: Some(wrong.to_owned()) }.days(today).is_err(), "{wrong}");
        }
    }
}
