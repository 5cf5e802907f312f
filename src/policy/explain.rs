//! The same decision, told to people: what each rule found and why.
//!
//! It calls the rules that [`decide`](super::decide::decide) calls, so an
//! explanation cannot drift from the verdict. It allocates and is not for the
//! path of a message.

use crate::domain::{LocalTime, Moment, Msisdn};
use crate::smpp::Submission;
use crate::smpp::coding::ONE_MESSAGE;

use super::calendar::DayKind;
use super::case::{Buffers, Case, Finding, Schedule, Scratch};
use super::content::{Category, Period, Standing};
use super::decide::{Permit, Refusal, Replaced, decide, decide_replacement};
use super::mode::{Mode, Rule};
use super::reason::Reasons;
use super::regions::{City, Operator};
use super::rules::{STATELESS, content, hours, length, operation, signature};
use super::ruleset::{Account, Ruleset};
use super::switches::OptOutScope;

/// A verdict and how it came about.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// What `decide` says.
    pub verdict: Result<Permit, Refusal>,
    /// What each stateless rule says, in the order of precedence.
    pub steps: Vec<Step>,
    /// The policy version that was asked.
    pub policy_version: u64,
    /// The generation of the registry that was asked; 0 where there is none.
    pub registry_generation: u64,
    /// The number of the campaign that the text is.
    pub campaign: Option<u32>,
    /// Its category, where that spares it clause 7.1a.
    pub spared: Option<Category>,
    /// The recipient; prints masked.
    pub recipient: Option<Msisdn>,
    /// The recipient's city, if it is one of the province's.
    pub city: Option<City>,
    /// The recipient's operator, as far as the tables know.
    pub operator: Option<Operator>,
    /// Characters counted (4.1); `None` if the text was not or could not be read.
    pub length: Option<usize>,
    /// Effective delivery time.
    pub edt: Moment,
}

/// What one rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The rule.
    pub rule: Rule,
    /// The clauses it enforces.
    pub clause: &'static str,
    /// What becomes of its finding.
    pub mode: Mode,
    /// How it went.
    pub outcome: Outcome,
    /// Why it refuses, or would.
    pub reasons: Reasons,
    /// What it passes but counts.
    pub noted: Reasons,
    /// The evidence in words.
    pub detail: Detail,
}

/// How a rule went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing against it.
    Pass,
    /// Refused.
    Refuse,
    /// Would be refused, were the rule enforced.
    WouldRefuse,
    /// Not judged: the rule is off for this account.
    Skip,
}

/// One line in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Detail {
    /// English.
    pub english: String,
    /// Chinese.
    pub chinese: String,
}

/// Judges one submission at one instant and says how.
pub fn explain(rules: &Ruleset, account: &Account, submission: &Submission<'_>, now: Moment) -> Explanation {
    let verdict = decide(rules, account, submission, now, &mut Scratch::default());
    Explanation::of(verdict, &Case::read(rules, account, submission, now, &mut Buffers::default()))
}

/// The same of what replaces an accepted message.
pub fn explain_replacement(
    rules: &Ruleset,
    account: &Account,
    submission: &Submission<'_>,
    replaced: Replaced,
    now: Moment,
) -> Explanation {
    let verdict = decide_replacement(rules, account, submission, replaced, now, &mut Scratch::default());
    let mut buffers = Buffers::default();
    let case = Case::read(rules, account, submission, now, &mut buffers).replacing(replaced.edt);
    Explanation::of(verdict, &case)
}

impl Explanation {
    fn of(verdict: Result<Permit, Refusal>, case: &Case<'_>) -> Self {
        let (rules, place, campaign) = (case.rules, case.place, case.campaign());
        Self {
            verdict,
            steps: STATELESS.into_iter().map(|(rule, check)| Step::of(rule, case, check(case))).collect(),
            policy_version: rules.version,
            registry_generation: rules.content.generation(),
            campaign: campaign.map(|campaign| campaign.number),
            spared: campaign.filter(|_| !case.counts()).and_then(|campaign| campaign.category),
            recipient: case.recipient.ok(),
            city: place.and_then(|place| rules.regions.city_of(place.city?)).cloned(),
            operator: place.map(|place| place.operator),
            length: case.readable().map(|text| length::counted(case.author(), text)),
            edt: case.edt,
        }
    }
}

impl Step {
    fn of(rule: Rule, case: &Case<'_>, finding: Finding) -> Self {
        let mode = case.account.modes.get(rule);
        let blank = Self {
            rule,
            clause: rule.clauses(),
            mode,
            outcome: Outcome::Skip,
            reasons: Reasons::NONE,
            noted: Reasons::NONE,
            detail: Detail::new("not judged for this account", "该账号不适用此规则"),
        };
        let outcome = match mode {
            Mode::Off => return blank,
            _ if finding.passes() => Outcome::Pass,
            Mode::Observe => Outcome::WouldRefuse,
            Mode::Enforce => Outcome::Refuse,
        };
        Self { outcome, reasons: finding.refused, noted: finding.noted, detail: detail(rule, case), ..blank }
    }
}

// === the evidence ===

fn detail(rule: Rule, case: &Case<'_>) -> Detail {
    match rule {
        Rule::Decode => decode(case),
        Rule::Source => source(case),
        Rule::Operation => operation::denied(case)
            .map_or(Detail::new("no field at fault", "字段无异常"), |found| {
                Detail::new(found.english, found.chinese)
            }),
        Rule::Schedule => schedule(case),
        Rule::Destination => destination(case),
        Rule::Region => region(case),
        Rule::Customers => customers(case),
        Rule::OptedOut => opted_out(case),
        Rule::Length => characters(case),
        Rule::Signature | Rule::Contact | Rule::Category | Rule::Content if case.part().is_some() => {
            Detail::new("judged when all parts of the message have come", "待各分段到齐后判定")
        }
        Rule::Signature => signed(case),
        Rule::Contact => contact(case),
        Rule::Category => category(case),
        Rule::Content => registered(case),
        Rule::Holiday => holiday(case),
        Rule::Hours => window(case),
        Rule::Spread | Rule::Once | Rule::Quota | Rule::Rate => Detail::default(),
    }
}

fn decode(case: &Case<'_>) -> Detail {
    match case.text {
        Some(Ok(text)) => Detail::new(format!("read as {:?}", text.encoding), format!("按 {:?} 解码", text.encoding)),
        Some(Err(error)) => {
            Detail::new(error.to_string(), format!("data_coding {:#04x} 无法解码", case.submission.data_coding))
        }
        None => Detail::default(),
    }
}

fn source(case: &Case<'_>) -> Detail {
    let address = String::from_utf8_lossy(case.submission.source.digits);
    let own = listed(case.account.sources.iter().map(ToString::to_string));
    Detail::new(
        format!("source address `{address}`, the account's are {own}"),
        format!("主叫号码 {address},账号可用 {own}"),
    )
}

fn schedule(case: &Case<'_>) -> Detail {
    match case.schedule {
        Schedule::Immediate => Detail::new("delivered now", "立即发送"),
        Schedule::At(moment) => Detail::new(format!("scheduled for {moment}"), format!("定时 {moment}")),
        Schedule::Either { utc, local } => Detail::new(
            format!("offset 00 means {utc} or {local}; both must be allowed, on one day"),
            format!("时差 00 可理解为 {utc} 或 {local},两者须同日且均在允许时段"),
        ),
        Schedule::Unreadable => Detail::new(
            format!("`{}` is not a time", String::from_utf8_lossy(case.submission.schedule)),
            format!("{} 不是有效时间", String::from_utf8_lossy(case.submission.schedule)),
        ),
    }
}

fn destination(case: &Case<'_>) -> Detail {
    match case.recipient {
        Ok(number) => Detail::new(format!("subscriber {number}"), format!("用户 {number}")),
        Err(error) => Detail::new(error.to_string(), "不是 11 位大陆手机号码,或号码类型不符"),
    }
}

fn region(case: &Case<'_>) -> Detail {
    let cities = &case.rules.regions;
    let Some(place) = case.place else { return Detail::new("the segment is in no table", "号段未知") };
    let found = place.city.and_then(|city| cities.city_of(city));
    let (english, chinese) =
        found.map_or(("another province", "外省"), |city| (city.name_en.as_str(), city.name_cn.as_str()));
    let own = case.account.city.and_then(|city| cities.city_of(city));
    let (own_english, own_chinese) = own.map_or(("Anhui", "安徽"), |city| (city.name_en.as_str(), &city.name_cn));
    let operator = place.operator.code();
    Detail::new(
        format!("the number belongs to {english} ({operator}), the account to {own_english}"),
        format!("号码归属{chinese}({operator}),账号属{own_chinese}"),
    )
}

fn customers(case: &Case<'_>) -> Detail {
    match &case.account.customers {
        None => Detail::new("no list is configured", "未配置客户名单"),
        Some(own) => Detail::new(format!("a list of {} customers", own.len()), format!("名单内共 {} 户", own.len())),
    }
}

fn characters(case: &Case<'_>) -> Detail {
    let Some(text) = case.readable() else { return Detail::new("no text to count", "无可计数的内容") };
    let (count, limit) = (length::counted(case.author(), text), case.rules.switches.length.limit);
    let octets = length::on_air(case, text);
    Detail::new(
        format!("{count} of {limit} characters, {octets} of {ONE_MESSAGE} octets on the air"),
        format!("{count} 字(上限 {limit}),空口 {octets} 字节(上限 {ONE_MESSAGE})"),
    )
}

fn signed(case: &Case<'_>) -> Detail {
    let Some(text) = case.readable() else { return Detail::new("no text to compare", "无可比对的内容") };
    let found = signature::evidence(case.author(), text);
    let told = |own: &'static str, foreign: &'static str| {
        listed(found.numbers.iter().map(|(number, is_own)| format!("{number} {}", if *is_own { own } else { foreign })))
    };
    Detail::new(
        format!(
            "name phrase {} in the signature zone, consultation numbers: {}",
            if found.name { "found" } else { "not found" },
            told("(own)", "(not the sender's)")
        ),
        format!("落款区内{}名称,咨询电话:{}", if found.name { "有" } else { "无" }, told("(本单位)", "(非本单位)")),
    )
}

fn contact(case: &Case<'_>) -> Detail {
    match case.account.contact_numbers.len() {
        0 => Detail::new("no number is registered: any mobile or area-code number will do", "未登记号码,任一电话即可"),
        count => Detail::new(format!("{count} contact numbers are registered"), format!("已登记 {count} 个联系电话")),
    }
}

fn opted_out(case: &Case<'_>) -> Detail {
    let list = &case.rules.opted_out;
    if case.rules.switches.optout.scope == OptOutScope::Off {
        return Detail::new("there is no list of those who opted out", "未启用退订名单");
    }
    Detail::new(format!("a list of {} who opted out", list.len()), format!("退订名单共 {} 条", list.len()))
}

fn category(case: &Case<'_>) -> Detail {
    let words = case.rules.switches.category.keywords.words().count();
    Detail::new(format!("{words} words are looked for"), format!("查找 {words} 个字样"))
}

/// The campaign that the text is, or the nearest one: by its number, never by its text.
fn registered(case: &Case<'_>) -> Detail {
    let content = &case.rules.content;
    if let Some(campaign) = case.campaign() {
        let number = campaign.number;
        let standing = match campaign.standing {
            Standing::Approved => ("approved", "已批准"),
            Standing::Registered => ("registered", "已登记"),
        };
        let (english, chinese) = campaign.window.map_or_else(Default::default, |Period { from, until }| {
            (format!(", to be sent from {from} until before {until}"), format!(",发送时间 {from} 至 {until}(不含)"))
        });
        let (word, chinese_word) = standing;
        return Detail::new(
            format!("campaign {number}, {word}{english}"),
            format!("登记第 {number} 号,{chinese_word}{chinese}"),
        );
    }
    let Some(text) = case.readable().filter(|_| case.found.is_some()) else {
        return Detail::new("not held against the registered texts", "未与登记内容比对");
    };
    match content.nearest(text.content, content::unit(case.author())) {
        Some((campaign, reach)) => Detail::new(
            format!("no registered text; nearest is campaign {}, up to character {reach}", campaign.number),
            format!("与登记内容不符;最接近第 {} 号,前 {reach} 字相同", campaign.number),
        ),
        None => Detail::new(
            format!("no registered text among {} is like it", content.len()),
            format!("{} 条登记内容均不相似", content.len()),
        ),
    }
}

fn holiday(case: &Case<'_>) -> Detail {
    let day = case.local.day;
    match case.rules.calendar.kind(day) {
        DayKind::Open => Detail::new(format!("{day} is no blocked day"), format!("{day} 不在禁发之列")),
        DayKind::Blocked(name) => Detail::new(format!("{day} is {name}"), format!("{day} 为{name}")),
        DayKind::Missing => Detail::new(format!("the calendar does not cover {day}"), format!("节假日表未覆盖 {day}")),
    }
}

fn window(case: &Case<'_>) -> Detail {
    let switches = &case.rules.switches.hours;
    let submitted = LocalTime::of(case.now);
    let mut times = [case.local].into_iter().chain(switches.check_submit_time.then_some(submitted));
    let found = times.find_map(|time| Some((time, hours::window_of(switches, time.second)?)));
    match found {
        Some((time, window)) => {
            Detail::new(format!("{time} lies in {window}"), format!("{time} 处于禁发时段 {window}"))
        }
        None => Detail::new(format!("{} is allowed", case.local), format!("{} 允许发送", case.local)),
    }
}

impl Detail {
    pub(super) fn new(english: impl Into<String>, chinese: impl Into<String>) -> Self {
        Self { english: english.into(), chinese: chinese.into() }
    }
}

impl Outcome {
    /// The word used in the API.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Refuse => "refuse",
            Self::WouldRefuse => "would_refuse",
            Self::Skip => "skip",
        }
    }
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() { "-".to_owned() } else { items.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AccountClass;
    use crate::policy::reason::Reason;
    use crate::policy::switches::Switches;
    use crate::policy::testing::{Frame, account, at, with_switches};

    fn explained(account: &Account, frame: &Frame, now: &str) -> Explanation {
        let rules = with_switches(Switches::default());
        let octets = frame.octets();
        explain(&rules, account, &Submission::read(&octets).unwrap(), at(now))
    }

    #[test]
    fn an_explanation_agrees_with_the_verdict_and_gives_the_evidence() {
        let mut sender = account(AccountClass::CityMoa);
        sender.modes.set(Rule::Hours, Mode::Observe);
        sender.modes.set(Rule::Contact, Mode::Off);
        let found = explained(&sender, &Frame::new("6202", "开通。移动 询0553-1860"), "2026-11-24T12:00:00");
        let refused: Reasons = found
            .steps
            .iter()
            .filter(|step| step.outcome == Outcome::Refuse)
            .fold(Reasons::NONE, |sum, step| sum.union(step.reasons));
        let refusal = found.verdict.unwrap_err();
        assert_eq!((refusal.reason, refusal.reasons()), (Reason::ForeignConsult, refused));
        let step = |rule| found.steps.iter().find(|step| step.rule == rule).unwrap();
        assert_eq!(step(Rule::Hours).outcome, Outcome::WouldRefuse);
        assert_eq!(step(Rule::Hours).detail.english, "2026-11-24T12:00:00+08:00 lies in 11:00-14:00");
        assert_eq!(step(Rule::Contact).outcome, Outcome::Skip);
        assert_eq!(step(Rule::Length).detail.chinese, "16 字(上限 65),空口 32 字节(上限 140)");
        assert!(step(Rule::Signature).detail.english.contains("05531860 (not the sender's)"));
        assert_eq!(found.city.map(|city| city.slug).as_deref(), Some("hefei"));
        assert_eq!((found.length, found.operator), (Some(16), Some(Operator::Cmcc)));
    }

    #[test]
    fn an_outcome_has_its_word() {
        let all = [Outcome::Pass, Outcome::Refuse, Outcome::WouldRefuse, Outcome::Skip];
        assert_eq!(all.map(Outcome::code), ["pass", "refuse", "would_refuse", "skip"]);
    }

    #[test]
    fn every_judged_rule_has_words_in_both_languages() {
        for class in AccountClass::ALL {
            let mut frame = Frame::new("1", "");
            frame.data_coding = 4;
            frame.destination.2 = "1".to_owned();
            frame.schedule = "261324140000032+".to_owned();
            for frame in [frame, Frame::new("1258", "😀")] {
                for step in explained(&account(class), &frame, "2026-12-25T23:00:00").steps {
                    assert!(!step.detail.english.is_empty() && !step.detail.chinese.is_empty(), "{step:?}");
                }
            }
        }
    }
}
