//! The 1258 application form (1258 短信群发申请表) as a page that prints on A4, with what the gateway fills in: F15 to F17.

use std::fmt::Write as _;

use crate::registry::Application;
use crate::registry::application::{Opinion, Span};

use super::page::{basis, escaped, percent, short};
use super::{Figures, Report};

const STYLE: &str = "<style>
@page{size:A4 portrait;margin:15mm}
body{font:10.5pt/1.45 'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei','PingFang SC',sans-serif;color:#000;background:#fff;margin:1em auto;max-width:180mm}
@media print{body{margin:0 .5pt;max-width:none}}
h1{font-size:17pt;text-align:center;margin:.2em 0 .4em}p{margin:.3em 0}
table{border-collapse:collapse;width:100%;table-layout:fixed}tr{break-inside:avoid}
td,th{border:.6pt solid #000;padding:.35em .5em;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{width:24%;font-weight:normal;background:#f2f2f2;print-color-adjust:exact;-webkit-print-color-adjust:exact}
td.text{white-space:pre-wrap}table.in{table-layout:auto}table.in td,table.in th{font-size:7.5pt;padding:.15em .25em;text-align:right;width:auto;white-space:nowrap}.note{font-size:8.5pt;color:#333}
</style>";

/// The form of an application, filled in; without a report what was sent is left open.
pub fn form(application: &Application, report: Option<&Report>) -> String {
    let form = &application.form;
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>1258 短信群发申请表</title>\n{STYLE}\n</head><body>\n<h1>1258 短信群发申请表</h1>\n"
    );
    let state = application.state.chinese();
    let _ = writeln!(text, "<p>编号:{}　状态:{state}</p>\n<table>", application.number);
    row(&mut text, "F1 申请单位", &form.unit);
    row(&mut text, "F2 申请单位领导签批", &opinion(application.submitted.as_ref()));
    row(&mut text, "F3 联系人", &form.contact);
    row(&mut text, "F4 联系电话", &form.telephone);
    row(&mut text, "F5 传真号码", &form.fax);
    row(&mut text, "F6 群发对象", &form.target);
    row(&mut text, "F7 申请群发时间", &span(form.requested));
    row(&mut text, "F8 群发内容", &form.content);
    row(&mut text, "F9 备注", &form.remarks);
    row(&mut text, "F10 是否已报送知识库", if form.in_knowledge_base { "是" } else { "否" });
    row(&mut text, "F11 省公司相关部门意见", &opinion(application.department.as_ref()));
    row(&mut text, "F12 集团客户与数据业务部意见", &opinion(application.group_data.as_ref()));
    row(&mut text, "F13 集团客户与数据业务部安排的发送时间", &span(application.arranged));
    row(&mut text, "F14 省公司分管领导意见", &opinion(application.province_leader.as_ref()));
    if let Some(ended) = &application.ended {
        row(&mut text, "驳回或结束", &opinion(Some(ended)));
    }
    row(&mut text, "F15 1258 实际发送数量及时间", &report.map(number_and_time).unwrap_or_default());
    let _ = writeln!(text, "<tr><th>F16 实际发送记录</th><td>{}</td></tr>", report.map(record).unwrap_or_default());
    row(&mut text, "F17 发送成功率", &report.map(rates).unwrap_or_default());
    text += "</table>\n";
    if let Some(report) = report {
        let [from, to, made] = [&report.from, &report.to, &report.made].map(|part| escaped(part));
        let open = if report.open { "部分状态报告可能尚未到达,数字仍会变化。" } else { "" };
        let _ = writeln!(
            text,
            "<p class=\"note\">F15 至 F17 由网关按 {from} 至 {to} 的发送记录生成,制表时间 {}。{open}</p>",
            short(&made)
        );
    }
    text + "</body></html>\n"
}

fn row(text: &mut String, field: &str, value: &str) {
    let _ = writeln!(text, "<tr><th>{field}</th><td class=\"text\">{}</td></tr>", escaped(value));
}

fn opinion(opinion: Option<&Opinion>) -> String {
    let Some(Opinion { name, at, opinion, .. }) = opinion else { return String::new() };
    let said = if opinion.is_empty() { "同意" } else { opinion };
    format!("{said}\n{name}　{}", short(&at.to_string()))
}

fn span(span: Option<Span>) -> String {
    span.map(|span| format!("{} 至 {}(不含)", short(&span.from.to_string()), short(&span.until.to_string())))
        .unwrap_or_default()
}

fn number_and_time(report: &Report) -> String {
    let total = &report.total;
    let at = |moment: Option<crate::domain::Moment>| {
        moment.map_or_else(|| "-".to_owned(), |moment| short(&moment.to_string()))
    };
    if total.forwarded == 0 {
        return "未发送".to_owned();
    }
    let unknown = if total.unknown > 0 { format!("(其中结果未知 {} 条)", total.unknown) } else { String::new() };
    format!("{} 条{unknown}\n{} 至 {}", total.sent(), at(total.first), at(total.last))
}

/// Days, and what became of each.
fn record(report: &Report) -> String {
    let mut text = String::from(
        "<table class=\"in\"><tr><th>日期</th><th>提交</th><th>网关拒绝</th><th>接收</th><th>拒收</th><th>未知</th><th>送达</th><th>失败</th><th>无最终回执</th></tr>",
    );
    let total = ("合计".to_owned(), &report.total);
    for (day, figures) in report.days.iter().map(|sum| (sum.of.clone(), &sum.figures)).chain([total]) {
        let Figures { submitted, refused, accepted, rejected, unknown, delivered, failed, pending, .. } = figures;
        let _ = write!(text, "<tr><td>{}</td>", escaped(&day));
        for number in [submitted, refused, accepted, rejected, unknown, delivered, failed, pending] {
            let _ = write!(text, "<td>{number}</td>");
        }
        text.push_str("</tr>");
    }
    text.push_str("</table>");
    if !report.total.refused_by.is_empty() {
        let reasons = report.total.refused_by.iter();
        let reasons: Vec<String> =
            reasons.map(|one| format!("{}({}){}", escaped(&one.reason), escaped(&one.clause), one.count)).collect();
        let _ = write!(text, "<p class=\"note\">网关拒绝:{}</p>", reasons.join(";"));
    }
    text
}

fn rates(report: &Report) -> String {
    let total = &report.total;
    let (success, basis) = (percent(report.success(total)), basis(report));
    format!(
        "{success}({basis})\n送达/接收 {}/{} = {};接收/提交 {}/{} = {}",
        total.delivered,
        total.accepted,
        percent(total.delivered_of_accepted),
        total.accepted,
        total.submitted,
        percent(total.accepted_of_submitted)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Moment;
    use crate::registry::{Category, Form, Platform, State};
    use crate::report::Sum;

    fn at(text: &str) -> Moment {
        Moment::parse(text).expect("a time")
    }

    fn opinion_of(name: &str, words: &str) -> Opinion {
        let (name, opinion) = (name.to_owned(), words.to_owned());
        let (role, by) = ("leader".to_owned(), "uid:1".to_owned());
        Opinion { name, role, by, at: at("2026-11-20T10:00:00+08:00"), opinion }
    }

    fn application() -> Application {
        let span = Some(Span { from: at("2026-11-24T09:00:00+08:00"), until: at("2026-11-24T11:00:00+08:00") });
        let form = Form {
            unit: "hefei".to_owned(),
            city: "hefei".to_owned(),
            platform: Platform::P1258,
            category: Some(Category::Service),
            integrated_campaign: String::new(),
            contact: "张三".to_owned(),
            telephone: "0551-62621258".to_owned(),
            fax: "0551-62621259".to_owned(),
            target: "<b>全球通</b> 用户".to_owned(),
            requested: span,
            content: "新营业厅开业。安徽移动 询1860".to_owned(),
            remarks: "备注一".to_owned(),
            in_knowledge_base: true,
        };
        Application {
            number: 7,
            state: State::Approved,
            revision: 5,
            form,
            applicant: "uid:1".to_owned(),
            submitted: Some(opinion_of("李四", "")),
            department: Some(opinion_of("王五", "内容合规")),
            group_data: Some(opinion_of("赵六", "同意发送")),
            arranged: span,
            province_leader: Some(opinion_of("钱七", "已阅")),
            ended: None,
        }
    }

    #[test]
    fn every_field_of_the_form_stands_there_filled_in() {
        let mut figures = Figures {
            submitted: 110,
            refused: 10,
            forwarded: 100,
            accepted: 98,
            unknown: 2,
            delivered: 90,
            failed: 5,
            pending: 3,
            receipts: 95,
            first: Some(at("2026-11-24T09:00:01+08:00")),
            last: Some(at("2026-11-24T09:40:00+08:00")),
            ..Figures::default()
        };
        figures.close();
        let days = vec![Sum { of: "2026-11-24".to_owned(), share: None, figures: figures.clone() }];
        let report = Report { total: figures, days, success_basis: "delivered".to_owned(), ..Report::default() };
        let text = form(&application(), Some(&report));
        for n in 1..=17 {
            assert!(text.contains(&format!("<th>F{n} ")), "F{n}");
        }
        for filled in [
            "hefei",
            "李四",
            "张三",
            "0551-62621258",
            "0551-62621259",
            "&lt;b&gt;全球通",
            "2026-11-24 09:00:00 至 2026-11-24 11:00:00",
            "新营业厅开业。安徽移动 询1860",
            "备注一",
            ">是<",
            "内容合规",
            "同意发送",
            "已阅",
            "100 条(其中结果未知 2 条)",
            "2026-11-24 09:00:01 至 2026-11-24 09:40:00",
            "91.84%(送达/接收)",
            "接收/提交 98/110 = 89.09%",
        ] {
            assert!(text.contains(filled), "{filled} in {text}");
        }
        assert!(
            ["http:", "https:", "url(", "@import", "src=", "<script"].iter().all(|outside| !text.contains(outside))
        );
        let open = form(&application(), None);
        assert!(open.contains("<th>F15 1258 实际发送数量及时间</th><td class=\"text\"></td>"), "left open");
    }

    #[test]
    fn a_rate_that_is_unknown_is_no_zero() {
        let mut total = Figures { submitted: 4, forwarded: 4, accepted: 4, pending: 4, ..Figures::default() };
        total.close();
        let report = Report { total, success_basis: "delivered".to_owned(), ..Report::default() };
        assert_eq!(rates(&report), "未知(送达/接收)\n送达/接收 0/4 = 未知;接收/提交 4/4 = 100.00%");
    }
}
