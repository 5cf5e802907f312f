//! Verbs that show one list and nothing else: `smscs`, `errors`, `metrics`, `policy show`, `refusals`.

use std::collections::HashSet;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::Value;

use super::client::{Reach, query};
use super::failure::{EXIT_CODES, Told, either, finish, listed};
use super::table::{Column, table};

/// List the SMSC's addresses with their state and response times.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXIT_CODES)]
pub struct SmscsArgs {
    #[command(flatten)]
    reach: Reach,
}

/// List the last malformed PDU of each session: field at fault, header, and the kind of each octet.
///
/// What a PDU says is not shown: 00 is a NUL, .. a control octet, dd a digit, aa other ASCII, xx an octet from 0x80 up.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXIT_CODES)]
pub struct ErrorsArgs {
    #[command(flatten)]
    reach: Reach,
}

/// List the metric families of a running gateway.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXIT_CODES)]
pub struct MetricsArgs {
    #[command(subcommand)]
    verb: MetricsVerb,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum MetricsVerb {
    /// Name, type, labels, series
    Ls {
        /// Families of this type only
        #[arg(long, value_name = "TYPE", value_parser = ["counter", "gauge", "histogram"])]
        r#type: Option<String>,
    },
}

/// Every switch in force with its value, source, clause, and whether a reload changes it.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXIT_CODES)]
pub(super) struct PolicyShowArgs {
    /// Only what is not at its default
    #[arg(long)]
    changed: bool,
    #[command(flatten)]
    reach: Reach,
}

/// List the loads of the configuration, the latest first: when, by whom, why, and whether they worked.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXIT_CODES)]
pub(super) struct PolicyVersionsArgs {
    #[command(flatten)]
    reach: Reach,
}

/// List the latest refusals, numbers masked, newest first.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  smsluice refusals --account hf6202 --since 1h
  smsluice refusals --reason duplicate -f

The gateway keeps the latest 4096, at most 20 a second of each account; all are counted in
smsluice_messages_refused_total.

{EXIT_CODES}"))]
pub struct RefusalsArgs {
    /// Of this account only
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// For this reason only
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Not older than this, such as 90s, 30m, 12h, 7d
    #[arg(long, value_name = "SPAN")]
    since: Option<String>,
    /// Entries at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Go on with new ones until Ctrl-C
    #[arg(short = 'f', long)]
    follow: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Runs `policy versions`.
pub(super) async fn policy_versions(args: &PolicyVersionsArgs) -> ExitCode {
    const COLUMNS: &[Column] = &[
        ("version", "版本", "/version"),
        ("ok", "成功", "/ok"),
        ("loaded at", "时间", "/loaded_at"),
        ("by", "操作人", "/by"),
        ("reason", "理由", "/reason"),
        ("sha256", "哈希", "/sha256"),
    ];
    finish(list(&args.reach, "policy/versions", COLUMNS).await)
}

/// Runs `smscs`.
pub async fn smscs(args: &SmscsArgs) -> ExitCode {
    const COLUMNS: &[Column] = &[
        ("smsc", "短信中心", "/name"),
        ("up", "连通", "/up"),
        ("connections", "连接", "/connections"),
        ("in flight", "在途", "/in_flight"),
        ("p50 ms", "p50 毫秒", "/resp_ms/p50"),
        ("p99 ms", "p99 毫秒", "/resp_ms/p99"),
        ("responses", "应答", "/responses"),
    ];
    finish(list(&args.reach, "smscs", COLUMNS).await)
}

/// Runs `errors`.
pub async fn errors(args: &ErrorsArgs) -> ExitCode {
    const COLUMNS: &[Column] = &[
        ("at", "时间", "/at"),
        ("session", "会话", "/session"),
        ("account", "账号", "/account"),
        ("leg", "侧", "/leg"),
        ("field", "字段", "/kind"),
        ("length", "长度", "/length"),
        ("octets", "字节", "/hex_masked"),
    ];
    finish(list(&args.reach, "errors", COLUMNS).await)
}

/// Runs `metrics`.
pub async fn metrics(args: &MetricsArgs) -> ExitCode {
    const COLUMNS: &[Column] = &[
        ("name", "名称", "/name"),
        ("type", "类型", "/type"),
        ("labels", "标签", "/labels"),
        ("series", "序列数", "/series"),
        ("help", "说明", "/help"),
    ];
    let MetricsVerb::Ls { r#type } = &args.verb;
    finish(list(&args.reach, &query("metrics", &[("type", r#type.clone())]), COLUMNS).await)
}

/// Runs `policy show`.
pub(super) async fn policy_show(args: &PolicyShowArgs) -> ExitCode {
    finish(policy_told(args).await)
}

async fn policy_told(args: &PolicyShowArgs) -> Told {
    const COLUMNS: &[Column] = &[
        ("key", "键", "/key"),
        ("value", "值", "/value"),
        ("source", "来源", "/source"),
        ("changes by", "变更方式", "/changeable"),
        ("clause", "条款", "/clause"),
    ];
    let mut policy = args.reach.client()?.get("policy").await?;
    if args.changed
        && let Some(switches) = policy["switches"].as_array_mut()
    {
        switches.retain(|switch| switch["source"] != "default");
    }
    let version = policy["version"].to_string();
    Ok(either(&args.reach, &policy, || {
        let title = if args.reach.chinese() { "策略版本" } else { "policy version" };
        format!("{title} {version}\n\n{}", table(&policy["switches"], COLUMNS, args.reach.chinese()))
    }))
}

async fn list(reach: &Reach, path: &str, columns: &[Column]) -> Told {
    Ok(listed(reach, &reach.client()?.get(path).await?, columns))
}

const REFUSAL: &[Column] = &[
    ("at", "时间", "/at"),
    ("account", "账号", "/account"),
    ("session", "会话", "/session"),
    ("verb", "操作", "/verb"),
    ("seq", "序号", "/seq"),
    ("to", "号码", "/to"),
    ("reason", "原因", "/reason"),
    ("clause", "条款", "/clause"),
    ("code", "状态码", "/code"),
];

/// Runs `refusals`.
pub async fn refusals(args: &RefusalsArgs) -> ExitCode {
    finish(if args.follow { followed(args).await } else { refused(args).await })
}

async fn refused(args: &RefusalsArgs) -> Told {
    let mut list = args.reach.client()?.get(&args.path(None)).await?;
    if !args.reach.json {
        list.as_array_mut().into_iter().flatten().for_each(in_hexadecimal);
    }
    Ok(listed(&args.reach, &list, REFUSAL))
}

/// A command_status as every other table and the documents write it.
fn in_hexadecimal(row: &mut Value) {
    if let Some(code) = row["code"].as_u64() {
        row["code"] = format!("0x{code:02x}").into();
    }
}

impl RefusalsArgs {
    fn path(&self, since: Option<&str>) -> String {
        let limit = if since.is_some() { 1000 } else { self.limit };
        let since = since.map(str::to_owned).or_else(|| self.since.clone());
        let (account, reason) = (self.account.clone(), self.reason.clone());
        query(
            "refusals",
            &[("account", account), ("reason", reason), ("since", since), ("limit", Some(limit.to_string()))],
        )
    }
}

/// New refusals, one a line, until the gateway or Ctrl-C ends it.
async fn followed(args: &RefusalsArgs) -> Told {
    let client = args.reach.client()?;
    let mut seen: HashSet<String> = HashSet::new();
    loop {
        let list = client.get(&args.path(Some("15s"))).await?;
        let rows = list.as_array().cloned().unwrap_or_default();
        let mut now_seen = HashSet::new();
        for row in rows.iter().rev() {
            let line = if args.reach.json { row.to_string() + "\n" } else { line(row) };
            if !seen.contains(&line) {
                // A closed pipe ends it.
                if std::io::stdout().write_all(line.as_bytes()).is_err() {
                    return Ok(String::new());
                }
            }
            now_seen.insert(line);
        }
        seen = now_seen;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn line(row: &Value) -> String {
    let mut row = row.clone();
    in_hexadecimal(&mut row);
    let rows = Value::Array(vec![row]);
    let text = table(&rows, REFUSAL, false);
    text.lines().nth(1).unwrap_or_default().to_owned() + "\n"
}
