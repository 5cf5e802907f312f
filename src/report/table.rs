//! A report as CSV: UTF-8 with a byte order mark, lines that end in CR LF, no cell that a spreadsheet would take for a formula.

use std::collections::BTreeMap;

use crate::policy::Reason;

use super::{Figures, Line, Report};

/// The heads in English and Chinese.
const HEADS: [(&str, &str); 22] = [
    ("day", "日期"),
    ("unit", "单位"),
    ("account", "账号"),
    ("class", "账号类别"),
    ("campaign", "活动编号"),
    ("submitted", "提交"),
    ("refused", "网关拒绝"),
    ("forwarded", "转发"),
    ("accepted", "短信中心接收"),
    ("rejected", "短信中心拒绝"),
    ("unknown", "结果未知"),
    ("released", "未知已释放"),
    ("waiting", "在途"),
    ("delivered", "送达"),
    ("failed", "失败"),
    ("pending", "无最终回执"),
    ("receipts", "有回执"),
    ("parts", "分段"),
    ("first", "首条时间"),
    ("last", "末条时间"),
    ("delivered/accepted", "送达/接收"),
    ("accepted/submitted", "接收/提交"),
];

/// The lines of a report and their sum, with a column for each reason that occurs.
pub fn csv(report: &Report, chinese: bool) -> String {
    let reasons: Vec<&str> = report.total.refused_by.iter().map(|one| &*one.reason).collect();
    let heads = HEADS.iter().map(|(english, zh)| if chinese { *zh } else { *english }.to_owned());
    let mut text = String::from("\u{FEFF}");
    write(&mut text, heads.chain(reasons.iter().map(|reason| head(reason, chinese))));
    for Line { day, unit, account, class, campaign, figures } in &report.lines {
        let of = [day.clone(), unit.clone(), account.clone(), class.clone(), shown(*campaign)];
        write(&mut text, of.into_iter().chain(cells(figures, &reasons)));
    }
    let sum = if chinese { "合计" } else { "total" };
    let of = [sum.to_owned(), String::new(), String::new(), String::new(), String::new()];
    write(&mut text, of.into_iter().chain(cells(&report.total, &reasons)));
    text
}

fn head(reason: &str, chinese: bool) -> String {
    let clause = Reason::from_code(reason).map_or("-", Reason::clause);
    if chinese { format!("拒绝 {reason}({clause})") } else { format!("refused {reason} ({clause})") }
}

fn cells(figures: &Figures, reasons: &[&str]) -> Vec<String> {
    let Figures { submitted, refused, forwarded, accepted, rejected, unknown, released, waiting, .. } = figures;
    let Figures { delivered, failed, pending, receipts, parts, .. } = figures;
    let numbers = [submitted, refused, forwarded, accepted, rejected, unknown, released, waiting];
    let numbers = numbers.into_iter().chain([delivered, failed, pending, receipts, parts]).map(ToString::to_string);
    let times = [shown(figures.first), shown(figures.last)];
    let rate = |rate: Option<f64>| rate.map_or_else(String::new, |rate| format!("{rate:.4}"));
    let rates = [rate(figures.delivered_of_accepted), rate(figures.accepted_of_submitted)];
    let counts: BTreeMap<&str, u64> = figures.refused_by.iter().map(|one| (&*one.reason, one.count)).collect();
    let reasons = reasons.iter().map(|reason| counts.get(reason).copied().unwrap_or_default().to_string());
    numbers.chain(times).chain(rates).chain(reasons).collect()
}

fn shown(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn write(text: &mut String, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.map(|cell| quoted(&neutral(&cell))).collect();
    text.push_str(&cells.join(","));
    text.push_str("\r\n");
}

/// An apostrophe before what a spreadsheet would take for a formula.
fn neutral(cell: &str) -> String {
    let is_formula =
        cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) || cell.starts_with(['\t', '\r']);
    if is_formula { format!("'{cell}") } else { cell.to_owned() }
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r', ';', '\t']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ReasonCount;

    #[test]
    fn a_spreadsheet_opens_it_and_runs_nothing() {
        let figures = Figures {
            submitted: 3,
            refused: 2,
            refused_by: vec![ReasonCount { reason: "duplicate".into(), clause: "7.1a".into(), count: 2 }],
            accepted_of_submitted: Some(1.0 / 3.0),
            ..Figures::default()
        };
        let line = Line {
            day: "2026-11-24".to_owned(),
            unit: "=cmd|' /C calc'!A0".to_owned(),
            account: "a,\"b\"".to_owned(),
            class: "city_moa".to_owned(),
            campaign: Some(7),
            figures: figures.clone(),
        };
        let report = Report { total: figures, lines: vec![line], ..Report::default() };
        let text = csv(&report, true);
        let lines: Vec<&str> = text.strip_prefix('\u{FEFF}').expect("a mark").split("\r\n").collect();
        assert_eq!(lines.len(), 4, "a head, a line, the sum, and an end");
        assert!(lines[0].starts_with("日期,单位,账号") && lines[0].ends_with("接收/提交,拒绝 duplicate(7.1a)"));
        assert!(
            lines[1].starts_with("2026-11-24,'=cmd|' /C calc'!A0,\"a,\"\"b\"\"\",city_moa,7,3,2,0"),
            "{}",
            lines[1]
        );
        assert!(lines[1].ends_with(",,,0.3333,2"), "unknown is empty, not zero: {}", lines[1]);
        assert!(lines[2].starts_with("合计,,,,,3,2,0"));
        for cell in ["+1", "-1", "@x", "\t=1", " =1", "＝1"] {
            assert!(neutral(cell).starts_with('\''), "{cell}");
        }
    }
}
