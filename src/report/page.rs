//! A report as a page that prints on A4 without network: the monthly summary for 集团客户与数据业务部 (3.1.1).

use std::fmt::Write as _;

use crate::policy::Reason;
use crate::registry::{Category, State};

use super::{Figures, Report, Sum};

/// How the page looks, on a screen and on paper. Numbers and times stay on their lines; what people wrote may break anywhere, so
/// that no word makes a table wider than the sheet, but keeps room for a name. Heads break where a `<wbr>` says. Figures of eight
/// digits fit; `tests/real/pages.py` looks at that in a browser.
pub(super) const STYLE: &str = "<style>
@page{size:A4 landscape;margin:12mm}
body{font:10pt/1.4 'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei','PingFang SC',sans-serif;color:#000;background:#fff;margin:1em auto;max-width:273mm}
@media print{body{margin:0 .5pt;max-width:none}}
h1{font-size:16pt;text-align:center;margin:.2em 0}h2{font-size:11pt;margin:1.2em 0 .3em;break-after:avoid}
p{margin:.3em 0}table{font-size:8.5pt;border-collapse:collapse;width:100%;break-inside:auto}tr{break-inside:avoid}thead{display:table-header-group}
th,td{border:.5pt solid #000;padding:.2em .35em;text-align:right;vertical-align:top;white-space:nowrap}
th{background:#eee;text-align:center;white-space:normal;word-break:keep-all;print-color-adjust:exact;-webkit-print-color-adjust:exact}
td:first-child,td.l{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:6.5em}tr.sum td{font-weight:bold}.note{font-size:8.5pt;color:#333}
</style>";

const HEADS: [&str; 14] = [
    "提交",
    "网关<wbr>拒绝",
    "转发",
    "短信中心<wbr>接收",
    "短信中心<wbr>拒绝",
    "结果<wbr>未知",
    "未知<wbr>已释放",
    "在途",
    "送达",
    "失败",
    "无最终<wbr>回执",
    "首条",
    "末条",
    "送达/<wbr>接收",
];

/// The page.
pub fn page(report: &Report) -> String {
    let mut text = head("短信群发情况汇总表");
    let Report { from, to, made, .. } = report;
    let days = if from == to { from.clone() } else { format!("{from} 至 {to}") };
    let _ = writeln!(
        text,
        "<p>统计日期:{}　制表时间:{}　报送:集团客户与数据业务部</p>",
        escaped(&days),
        escaped(&short(made))
    );
    if report.open {
        text += "<p>部分状态报告可能尚未到达,数字仍会变化。</p>\n";
    }
    let success = report.success(&report.total);
    let _ = writeln!(text, "<p>发送成功率({}):{}</p>", basis(report), percent(success));
    sums(&mut text, "一、按单位", "单位", &report.units, &report.total);
    sums(&mut text, "二、按账号", "账号", &report.accounts, &report.total);
    sums(&mut text, "三、按活动(未登记活动的按账号)", "活动", &report.campaigns, &report.total);
    sums(&mut text, "四、按日", "日期", &report.days, &report.total);
    reasons(&mut text, &report.total);
    shares(&mut text, report);
    runs(&mut text, report);
    releases(&mut text, report);
    registered(&mut text, report);
    late(&mut text, report);
    text += NOTES;
    text + "</body></html>\n"
}

const NOTES: &str = "<p class=\"note\">提交=网关拒绝+转发;转发=短信中心接收+短信中心拒绝+结果未知+未知已释放+在途;短信中心接收=送达+失败+无最终回执。\
每个收件号码计一条,长短信每段计一条。没有任何状态报告时,送达率为未知,不是零。</p>\n";

/// The first lines of a page.
pub(super) fn head(title: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>{title}</title>\n{STYLE}\n</head><body>\n<h1>{title}</h1>\n"
    )
}

pub(super) fn basis(report: &Report) -> &'static str {
    if report.success_basis == "accepted" { "接收/提交" } else { "送达/接收" }
}

fn sums(text: &mut String, title: &str, of: &str, sums: &[Sum], total: &Figures) {
    let _ = write!(text, "<h2>{title}</h2>\n<table><thead><tr><th>{of}</th>");
    for head in HEADS.into_iter().chain(["接收/<wbr>提交"]) {
        let _ = write!(text, "<th>{head}</th>");
    }
    text.push_str("</tr></thead><tbody>\n");
    for sum in sums {
        row(text, "", &sum.of, &sum.figures);
    }
    row(text, " class=\"sum\"", "合计", total);
    text.push_str("</tbody></table>\n");
}

fn row(text: &mut String, class: &str, of: &str, figures: &Figures) {
    let Figures { submitted, refused, forwarded, accepted, rejected, unknown, released, waiting, .. } = figures;
    let Figures { delivered, failed, pending, first, last, .. } = figures;
    let _ = write!(text, "<tr{class}><td>{}</td>", escaped(of));
    for number in
        [submitted, refused, forwarded, accepted, rejected, unknown, released, waiting, delivered, failed, pending]
    {
        let _ = write!(text, "<td>{number}</td>");
    }
    for moment in [first, last] {
        let at = moment.map_or_else(|| "-".to_owned(), |moment| short(&moment.to_string()).replace(' ', "<br>"));
        let _ = write!(text, "<td>{at}</td>");
    }
    let _ = writeln!(
        text,
        "<td>{}</td><td>{}</td></tr>",
        percent(figures.delivered_of_accepted),
        percent(figures.accepted_of_submitted)
    );
}

fn reasons(text: &mut String, total: &Figures) {
    text.push_str("<h2>五、网关拒绝原因</h2>\n<table><thead><tr><th>原因</th><th>条款</th><th>说明</th><th>条数</th></tr></thead><tbody>\n");
    for one in &total.refused_by {
        let meaning = Reason::from_code(&one.reason).map_or("-", Reason::chinese);
        let [reason, clause] = [&one.reason, &one.clause].map(|part| escaped(part));
        let _ = writeln!(
            text,
            "<tr><td>{reason}</td><td class=\"l\">{clause}</td><td class=\"l\">{meaning}</td><td>{}</td></tr>",
            one.count
        );
    }
    let _ = writeln!(
        text,
        "<tr class=\"sum\"><td>合计</td><td></td><td></td><td>{}</td></tr></tbody></table>",
        total.refused
    );
}

fn shares(text: &mut String, report: &Report) {
    text.push_str("<h2>六、各活动涉及的号段比例(7.2)</h2>\n<table><thead><tr><th>活动</th><th>各地市已触达/全部号段</th><th>其他号段</th></tr></thead><tbody>\n");
    for sum in &report.campaigns {
        let Some(share) = &sum.share else { continue };
        let cities = share.cities.iter().map(|city| {
            let part = percent((city.of > 0).then(|| f64::from(city.touched) / f64::from(city.of)));
            format!("{} {}/{}({part})", escaped(&city.name), city.touched, city.of)
        });
        let cities = cities.collect::<Vec<_>>().join(";");
        let cities = if cities.is_empty() { "-" } else { &cities };
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td class=\"l\">{cities}</td><td>{}</td></tr>",
            escaped(&sum.of),
            share.others
        );
    }
    text.push_str("</tbody></table>\n");
    if report.shares_left_out > 0 {
        let _ = writeln!(text, "<p>另有 {} 个活动未统计号段。</p>", report.shares_left_out);
    }
}

fn runs(text: &mut String, report: &Report) {
    text.push_str("<h2>七、连续号码(7.7,同日连续 50 个及以上)</h2>\n");
    if report.runs.is_empty() {
        text.push_str("<p>无</p>\n");
    } else {
        text.push_str(
            "<table><thead><tr><th>日期</th><th>活动</th><th>号段</th><th>连续号码数</th></tr></thead><tbody>\n",
        );
        for run in &report.runs {
            let of =
                run.campaign.map(|number| format!("#{number}")).or_else(|| run.account.clone()).unwrap_or_default();
            let (day, of) = (escaped(&run.day), escaped(&of));
            let _ = writeln!(
                text,
                "<tr><td>{day}</td><td class=\"l\">{of}</td><td>{}</td><td>{}</td></tr>",
                run.segment, run.numbers
            );
        }
        text.push_str("</tbody></table>\n");
    }
    if report.runs_left_out > 0 {
        let _ = writeln!(text, "<p>号码过多,另有 {} 个未检查。</p>", report.runs_left_out);
    }
}

fn releases(text: &mut String, report: &Report) {
    text.push_str("<h2>八、人工释放的未知结果</h2>\n");
    if report.releases.is_empty() {
        text.push_str("<p>无</p>\n");
        return;
    }
    text.push_str("<table><thead><tr><th>时间</th><th>操作人</th><th>行号</th><th>理由</th></tr></thead><tbody>\n");
    for release in &report.releases {
        let [at, who, row, reason] =
            [&short(&release.at), &release.who, &release.row, &release.reason].map(|part| escaped(part));
        let _ = writeln!(
            text,
            "<tr><td>{at}</td><td class=\"l\">{who}</td><td>{row}</td><td class=\"l\">{reason}</td></tr>"
        );
    }
    text.push_str("</tbody></table>\n");
}

fn registered(text: &mut String, report: &Report) {
    text.push_str("<h2>九、涉及的已登记活动(7.2)</h2>\n");
    if report.registered.is_empty() {
        text.push_str("<p>无</p>\n");
        return;
    }
    text.push_str("<table><thead><tr><th>编号</th><th>申请单位</th><th>类别</th><th>状态</th><th>群发对象</th><th>面向全部用户</th></tr></thead><tbody>\n");
    for own in &report.registered {
        let general = if own.general_send { "是" } else { "否" };
        let category = own.category.parse().map_or(&*own.category, |one: Category| one.chinese());
        let state = own.state.parse().map_or(&*own.state, |one: State| one.chinese());
        let _ = write!(text, "<tr><td>#{}</td>", own.number);
        for cell in [&own.unit, category, state, &own.target] {
            let _ = write!(text, "<td class=\"l\">{}</td>", escaped(cell));
        }
        let _ = writeln!(text, "<td>{general}</td></tr>");
    }
    text.push_str("</tbody></table>\n");
}

fn late(text: &mut String, report: &Report) {
    text.push_str("<h2>十、逾期审核(超过一个工作日,5.1.1、5.2)</h2>\n");
    if report.late_reviews.is_empty() {
        text.push_str("<p>无</p>\n");
        return;
    }
    text.push_str("<table><thead><tr><th>编号</th><th>申请单位</th><th>提交时间</th><th>审核期限</th><th>审核时间</th></tr></thead><tbody>\n");
    for own in &report.late_reviews {
        let reviewed = own.reviewed.as_deref().map_or_else(|| "未审核".to_owned(), short);
        let _ = write!(text, "<tr><td>#{}</td>", own.number);
        for cell in [&own.unit, &short(&own.submitted), &own.due, &reviewed] {
            let _ = write!(text, "<td class=\"l\">{}</td>", escaped(cell));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table>\n");
}

/// A rate; unknown is no zero.
pub(super) fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "未知".to_owned(), |rate| format!("{:.2}%", rate * 100.0))
}

/// Day and time without seconds' parts and offset.
pub(super) fn short(moment: &str) -> String {
    moment.get(..19).unwrap_or(moment).replace('T', " ")
}

/// A text as it may stand in a page.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{LateReview, ReasonCount, Registered, Release, Run};

    #[test]
    fn a_page_needs_nothing_else_and_runs_nothing_that_was_written_into_it() {
        let figures = Figures {
            submitted: 5,
            refused: 5,
            refused_by: vec![ReasonCount { reason: "night".into(), clause: "7.5".into(), count: 5 }],
            ..Figures::default()
        };
        let evil = "<script>alert(1)</script>\"'&".to_owned();
        let release = Release { at: String::new(), who: evil.clone(), row: "7".to_owned(), reason: evil.clone() };
        let run = Run {
            day: "2026-11-24".to_owned(),
            campaign: None,
            account: Some(evil.clone()),
            segment: 1_385_510,
            numbers: 60,
        };
        let registered = Registered {
            number: 7,
            unit: evil.clone(),
            category: evil.clone(),
            state: evil.clone(),
            target: evil.clone(),
            general_send: true,
        };
        let late =
            LateReview { number: 7, unit: evil.clone(), submitted: String::new(), due: String::new(), reviewed: None };
        let sum = Sum { of: evil, share: None, figures: figures.clone() };
        let report = Report {
            registered: vec![registered],
            late_reviews: vec![late],
            units: vec![sum.clone()],
            campaigns: vec![sum],
            runs: vec![run],
            releases: vec![release],
            total: figures,
            ..Report::default()
        };
        let text = page(&report);
        assert!(!text.contains("<script") && text.matches("&lt;script&gt;").count() == 10, "{text}");
        assert!(["http:", "https:", "url(", "@import", "src="].iter().all(|outside| !text.contains(outside)));
        assert!(text.contains("size:A4") && text.contains("<meta charset=\"utf-8\">"));
        assert!(
            text.contains("<td>night</td><td class=\"l\">7.5</td>")
                && text.contains("未知")
                && text.contains("1385510")
        );
        assert!(text.contains("未审核"));
        for tag in ["table", "tr", "td", "th", "tbody", "thead", "h2", "p", "body"] {
            let opened = text.matches(&format!("<{tag}>")).count() + text.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, text.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}
