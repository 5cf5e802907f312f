//! What the demo shows, in Chinese or English.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::app::Running;
use crate::domain::{Moment, Msisdn};
use crate::policy::Reason;
use crate::sim::smsc::SmscStats;

use super::cast::Role;
use super::scenes::Counts;

/// Where and how lines are written.
pub(super) struct Screen {
    chinese: bool,
    colour: bool,
}

/// One verdict.
pub(super) struct Line<'a> {
    pub(super) account: &'a str,
    pub(super) to: &'a str,
    pub(super) text: &'a str,
    pub(super) status: u32,
    pub(super) reason: Option<Reason>,
    pub(super) message_id: &'a str,
    pub(super) surprising: bool,
}

impl Screen {
    pub(super) fn new(chinese: bool) -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { chinese, colour }
    }

    fn say<'a>(&self, chinese: &'a str, english: &'a str) -> &'a str {
        if self.chinese { chinese } else { english }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn opening(&self, start: Moment, smsc: SocketAddr, running: &Running) {
        let (gateway, admin) = (running.smpp, running.admin);
        println!("{}", self.paint("1", self.say("smsluice 演示", "smsluice demo")));
        println!("  {:<10} {smsc}", self.say("短信中心", "SMSC"));
        println!("  {:<10} {gateway}", self.say("网关", "gateway"));
        println!("  {:<10} http://{admin}/metrics", self.say("指标", "metrics"));
        println!("  {:<10} {start}", self.say("时钟", "clock"));
        if let Some(socket) = &running.admin_socket {
            let ask = "smsluice status --endpoint unix:";
            println!("  {:<10} {ask}{}", self.say("查询", "ask it"), socket.display());
        }
        println!();
    }

    pub(super) fn bound(&self, role: &Role) {
        println!("  {} {:<8} {:<16} {}", self.say("已绑定", "bound"), role.system_id, role.class.code(), role.city_cn);
    }

    pub(super) fn verdict(&self, line: &Line<'_>) {
        let masked = Msisdn::from_national(line.to.as_bytes()).map_or_else(|| "***".to_owned(), |to| to.to_string());
        let snippet: String = line.text.chars().take(14).collect();
        let verdict = match (line.status, line.reason) {
            (0, _) => self.paint("32", &format!("✔ {} {}", self.say("通过", "passed"), line.message_id)),
            (status, Some(reason)) => {
                let text = self.say(reason.chinese(), reason.english());
                let head =
                    format!("✘ {} [{} {}] {status:#04x}", reason.code(), self.say("条款", "clause"), reason.clause());
                format!("{} {text}", self.paint("31", &head))
            }
            (status, None) => self.paint("31", &format!("✘ {status:#04x}")),
        };
        let mark =
            if line.surprising { self.paint("33", self.say("(意外!)", "(unexpected!) ")) } else { String::new() };
        println!("  {:<8} → {masked:<12} {mark}{verdict}  {}", line.account, self.paint("2", &format!("“{snippet}…”")));
    }

    pub(super) fn burst(&self, role: &Role) {
        println!();
        println!(
            "  {} {}",
            role.system_id,
            self.say("一次提交 25 条,超过其速率:", "submits 25 at once, faster than its rate:")
        );
    }

    pub(super) fn burst_done(&self, sent: usize, passed: usize, limited: usize) {
        let reason = Reason::Rate;
        println!(
            "  {sent} → {} {passed}, {} {limited} ({:#04x} {})",
            self.say("通过", "passed"),
            reason.code(),
            reason.status(),
            self.say(reason.chinese(), reason.english()),
        );
    }

    pub(super) fn keeping(&self) {
        println!();
        println!("  {}", self.say("继续运行,按 Ctrl-C 结束", "going on; Ctrl-C ends it"));
    }

    pub(super) fn surprised(&self, count: u32) {
        println!();
        println!(
            "{}",
            self.paint(
                "31;1",
                &format!("{count} {}", self.say("个结果出乎意料", "verdicts were not the expected ones"))
            )
        );
    }

    pub(super) async fn closing(&self, counts: &BTreeMap<String, Counts>, smsc: &SmscStats, admin: SocketAddr) {
        println!();
        println!("{}", self.paint("1", self.say("各账号", "by account")));
        for (account, figures) in counts {
            let refused: Vec<_> = figures.refused.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
            println!(
                "  {account:<8} {} {:>3}  {} {:>3}  {} {:>3}  {}",
                self.say("提交", "sent"),
                figures.sent,
                self.say("通过", "passed"),
                figures.passed,
                self.say("状态报告", "receipts"),
                figures.receipts,
                refused.join(", "),
            );
        }
        println!();
        println!("{}", self.paint("1", self.say("短信中心所见", "what the SMSC saw")));
        println!("  {} {}", self.say("收到的消息", "messages taken"), smsc.taken);
        println!("  {} {}", self.say("不同用户", "subscribers"), smsc.distinct_recipients);
        println!("  {} {}", self.say("一日内收到两条的用户", "subscribers reached twice in a day"), smsc.taken_twice);
        println!();
        println!("{} http://{admin}/metrics", self.paint("1", self.say("指标", "metrics")));
        for line in scrape(admin)
            .await
            .lines()
            .filter(|line| line.starts_with("smsluice_messages_refused_total") && !line.ends_with(" 0"))
        {
            println!("  {line}");
        }
    }
}

/// The metrics as Prometheus would fetch them.
async fn scrape(admin: SocketAddr) -> String {
    let fetch = async {
        let mut stream = tokio::net::TcpStream::connect(admin).await.ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").await.ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        Some(text)
    };
    fetch.await.unwrap_or_default()
}
