//! `smsluice status`: all on one screen.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args as ClapArgs;
use serde_json::Value;

use super::client::Reach;
use super::failure::{EXIT_CODES, Told, either, finish};
use super::table::shown;

/// Tell how a running gateway is: one screen.
#[derive(Debug, ClapArgs)]
#[command(after_help = format!("Examples:
  smsluice status --config /etc/smsluice
  smsluice status --endpoint http://127.0.0.1:9775 --token-file ~/.smsluice-token --json

{EXIT_CODES}"))]
pub struct Args {
    #[command(flatten)]
    reach: Reach,
}

/// Runs the command.
pub async fn run(args: &Args) -> ExitCode {
    finish(told(args).await)
}

async fn told(args: &Args) -> Told {
    let status = args.reach.client()?.get("status").await?;
    Ok(either(&args.reach, &status, || screen(&status, args.reach.chinese())))
}

/// The screen.
pub(super) fn screen(status: &Value, chinese: bool) -> String {
    let say = |zh: &'static str, en: &'static str| if chinese { zh } else { en };
    let at = |pointer: &str| shown(status.pointer(pointer).unwrap_or(&Value::Null));
    let ready = if status["ready"] == true {
        say("就绪", "ready").to_owned()
    } else {
        format!("{}: {}", say("未就绪", "NOT READY"), at("/not_ready"))
    };
    let window = match (status["window"]["open"] == true, status["window"]["closes_at"].as_str()) {
        (true, Some(until)) => format!("{} {until}", say("可发送,至", "open until")),
        (true, None) => say("可发送", "open").to_owned(),
        (false, _) => format!("{}: {}", say("不可发送", "closed"), at("/window/why")),
    };
    let mut text = String::new();
    let mut row = |label: &str, value: String| {
        let _ = writeln!(text, "{label}  {value}"); // writing to a String cannot fail
    };
    row(say("状态", "state   "), ready);
    if status["holds"].as_u64().unwrap_or(0) > 0 {
        row(
            say("暂停", "holds   "),
            format!("{} {}", at("/holds"), say("项,见 smsluice holds ls", "in force: smsluice holds ls")),
        );
    }
    if status["draining"] == true {
        row(say("排空", "drain   "), say("拒绝新绑定", "binds are refused").to_owned());
    }
    row(say("版本", "version "), format!("{} ({} {})", at("/version"), say("策略", "policy"), at("/policy_version")));
    row(say("时间", "clock   "), format!("{} ({}), {window}", at("/clock/local"), at("/clock/state")));
    let of = |name: &str| at(&format!("/sessions/{name}"));
    let sessions = format!("{} (tx {}, rx {}, trx {})", of("bound"), of("tx"), of("rx"), of("trx"));
    row(say("会话", "sessions"), sessions);
    let rate = |name: &str| at(&format!("/rates/{name}_per_s"));
    let rates = [("收", "in", "received"), ("转", "on", "forwarded"), ("拒", "refused", "refused")];
    let rates = rates.map(|(zh, en, name)| format!("{} {}/s", say(zh, en), rate(name))).join(", ");
    row(say("流量", "traffic "), format!("{rates}, {} {}", say("在途", "in flight"), at("/in_flight")));
    if status.pointer("/scheduled/count").and_then(Value::as_u64).unwrap_or(0) > 0 {
        let (count, due) = (at("/scheduled/count"), at("/scheduled/first_due"));
        row(
            say("定时", "inside  "),
            format!(
                "{count} {} {due}",
                say("条在短信中心等待投递,最早", "scheduled messages wait inside the SMSC, the first due")
            ),
        );
    }
    let ledger = format!(
        "{}, {} {}, {} {}, {} {} ms",
        at("/ledger/state"),
        say("今日", "today"),
        at("/ledger/rows_today"),
        say("未知", "unknown"),
        at("/ledger/unknown"),
        say("提交 p99", "commit p99"),
        at("/ledger/commit_p99_ms"),
    );
    row(say("账本", "ledger  "), ledger);
    for gateway in status.pointer("/ledger/shared/gateways").and_then(Value::as_array).into_iter().flatten() {
        let may = match (gateway["leased"] == true, gateway["own"] == true) {
            (true, true) => say("在用(本机)", "at work (this one)"),
            (true, false) => say("在用", "at work"),
            (false, _) => say("未应答,不得发送", "silent: it may send nothing"),
        };
        row(say("网关", "gateway "), format!("{} {may}", shown(&gateway["name"])));
    }
    for smsc in status["smscs"].as_array().into_iter().flatten() {
        let up = if smsc["up"] == true { say("通", "up") } else { say("断", "down") };
        let p99 = shown(smsc.pointer("/resp_ms/p99").unwrap_or(&Value::Null));
        row(say("短信中心", "smsc    "), format!("{} {up}, p99 {p99} ms", shown(&smsc["name"])));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_screen_says_what_is_wrong_first() {
        let status = json!({ "ready": false, "not_ready": ["ledger: ledger_unavailable"], "window": { "open": false, "why": "busy" } });
        let text = screen(&status, false);
        assert!(text.starts_with("state     NOT READY: ledger: ledger_unavailable\n"), "{text}");
        assert!(text.contains("closed: busy"), "{text}");
        assert!(screen(&status, true).starts_with("状态  未就绪"), "{text}");
    }
}
