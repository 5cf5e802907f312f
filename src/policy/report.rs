//! An explanation as it is told: for people in Chinese or English, or as one JSON object.

use std::fmt::Write as _;

use serde::Serialize;
use utoipa::ToSchema;

use crate::smpp::command::status;
use crate::smpp::submission::Malformed;

use super::content::Category;
use super::decide::{Permit, Refusal, rule_of};
use super::explain::{Detail, Explanation, Outcome, Step};
use super::mode::{Mode, Rule};
use super::reason::{Reason, Reasons};
use super::regions::City;
use super::ruleset::{Account, Ruleset};

/// The rules that only the ledger can answer.
const STATEFUL: [Rule; 4] = [Rule::Spread, Rule::Once, Rule::Quota, Rule::Rate];

/// Everything that is told of one recipient; the JSON shape is stable.
#[derive(Debug, Serialize, ToSchema)]
pub struct Report {
    verdict: &'static str,
    /// Present with a refusal only: reason, clause, code, status, persistence, message, also.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    refusal: Option<Told>,
    /// What would have been refused, had its rule been enforced, and what is counted only.
    observed: Vec<&'static str>,
    account: String,
    class: &'static str,
    policy_version: u64,
    /// Generation of the registry; 0 where nothing was ever registered.
    registry_generation: u64,
    /// Number of the campaign that the text is.
    campaign: Option<u32>,
    /// The recipient in its one form, masked.
    canonical: Option<String>,
    city: Option<String>,
    operator: Option<&'static str>,
    /// Characters counted.
    length: Option<usize>,
    /// Effective delivery time.
    edt: Option<String>,
    rules: Vec<Line>,
    #[serde(skip)]
    city_names: Option<(String, String)>,
}

/// A refusal.
#[derive(Debug, Serialize, ToSchema)]
struct Told {
    reason: &'static str,
    clause: &'static str,
    code: u32,
    status: &'static str,
    persistence: &'static str,
    #[serde(skip)]
    persistence_zh: &'static str,
    message: Detail,
    also: Vec<&'static str>,
}

/// What one rule says.
#[derive(Debug, Serialize, ToSchema)]
struct Line {
    rule: &'static str,
    clause: &'static str,
    mode: Mode,
    result: &'static str,
    reasons: Vec<&'static str>,
    noted: Vec<&'static str>,
    detail: Detail,
}

impl Report {
    /// Of a submission that could be read.
    pub fn of(rules: &Ruleset, account: &Account, explanation: &Explanation) -> Self {
        let lines = explanation.steps.iter().map(Line::of);
        Self {
            canonical: explanation.recipient.map(|recipient| recipient.to_string()),
            city: explanation.city.as_ref().map(|city| city.slug.clone()),
            city_names: explanation.city.as_ref().map(names),
            operator: explanation.operator.map(super::regions::Operator::code),
            length: explanation.length,
            campaign: explanation.campaign,
            edt: Some(explanation.edt.to_string()),
            rules: lines.chain(Line::stateful(account, explanation)).collect(),
            ..Self::new(rules, account, &explanation.verdict)
        }
    }

    /// Of octets that are no readable submission: one rule is asked and no other.
    pub fn malformed(rules: &Ruleset, account: &Account, verdict: &Result<Permit, Refusal>, fault: Malformed) -> Self {
        let rule = rule_of(fault);
        let mode = account.modes.get(rule);
        let name = status::name(fault.status);
        let reasons = match verdict {
            Ok(permit) => permit.observed(),
            Err(refusal) => refusal.reasons(),
        };
        let line = Line {
            rule: rule.code(),
            clause: rule.clauses(),
            mode,
            result: match mode {
                Mode::Off => Outcome::Skip,
                Mode::Observe => Outcome::WouldRefuse,
                Mode::Enforce => Outcome::Refuse,
            }
            .code(),
            reasons: codes(reasons),
            noted: Vec::new(),
            detail: Detail {
                english: format!(
                    "not readable as a message to known recipients: {:?}, {name}; no other rule is asked",
                    fault.field
                ),
                chinese: format!("无法解读为发给明确用户的短信:{:?},{name};其余规则不再判断", fault.field),
            },
        };
        Self { rules: vec![line], ..Self::new(rules, account, verdict) }
    }

    fn new(rules: &Ruleset, account: &Account, verdict: &Result<Permit, Refusal>) -> Self {
        let (word, observed) = match verdict {
            Ok(permit) => ("permit", permit.observed()),
            Err(refusal) => ("refuse", refusal.observed),
        };
        Self {
            verdict: word,
            refusal: verdict.as_ref().err().map(Told::of),
            observed: codes(observed),
            account: account.system_id.to_string(),
            class: account.class.code(),
            policy_version: rules.version,
            registry_generation: rules.content.generation(),
            campaign: None,
            canonical: None,
            city: None,
            operator: None,
            length: None,
            edt: None,
            rules: Vec::new(),
            city_names: None,
        }
    }

    /// For people.
    pub fn text(&self, chinese: bool) -> String {
        let say = |zh: &'static str, en: &'static str| if chinese { zh } else { en };
        let mut out = String::new();
        self.head(&mut out, chinese);
        let mut row = |label: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{label}  {value}");
        };
        row(say("账号", "account "), &format!("{}, {}", self.account, self.class));
        if let Some(number) = &self.canonical {
            row(say("号码", "number  "), &format!("{number}{}", self.place(chinese)));
        }
        if let Some(length) = self.length {
            row(say("字数", "length  "), &format!("{length}{}", say(" 字", " characters")));
        }
        if let Some(edt) = &self.edt {
            row(say("时间", "delivery"), edt);
        }
        let registry = match self.registry_generation {
            0 => String::new(),
            generation => format!("{}{generation}", say(",登记库 ", ", registry ")),
        };
        row(say("策略", "policy  "), &format!("{}{}{registry}", say("版本 ", "version "), self.policy_version));
        out.push('\n');
        for line in &self.rules {
            line.write(&mut out, chinese);
        }
        out
    }

    fn head(&self, out: &mut String, chinese: bool) {
        let say = |zh: &'static str, en: &'static str| if chinese { zh } else { en };
        let label = say("结论", "verdict ");
        // Writing to a String cannot fail.
        let _ = match &self.refusal {
            None => writeln!(
                out,
                "{label}  {}",
                say(
                    "通过(依赖账本的规则在发送时判断)",
                    "permit (rules that need the ledger are asked at sending time)"
                )
            ),
            Some(told) => {
                let Told { reason, clause, code, status, message, .. } = told;
                let persistence = say(told.persistence_zh, told.persistence);
                let (word, article) = (say("拒绝", "refuse"), say("条款", "clause"));
                let message = if chinese { &message.chinese } else { &message.english };
                writeln!(
                    out,
                    "{label}  {word} {reason} [{article} {clause}] {code:#04x} {status}, {persistence}: {message}"
                )
            }
        };
        let also = self.refusal.as_ref().map(|told| told.also.join(", ")).filter(|also| !also.is_empty());
        let observed = Some(self.observed.join(", ")).filter(|observed| !observed.is_empty());
        for (label, codes) in [(say("另有", "also    "), also), (say("观察", "observed"), observed)] {
            if let Some(codes) = codes {
                let _ = writeln!(out, "{label}  {codes}");
            }
        }
    }

    fn place(&self, chinese: bool) -> String {
        let city = self.city_names.as_ref().map(|(zh, en)| if chinese { zh.as_str() } else { en.as_str() });
        let known: Vec<&str> = city.into_iter().chain(self.operator).collect();
        if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) }
    }
}

impl Told {
    fn of(refusal: &Refusal) -> Self {
        let Refusal { reason, status: code, also, .. } = *refusal;
        Self {
            reason: reason.code(),
            clause: reason.clause(),
            code,
            status: status::name(code),
            persistence: reason.persistence().code(),
            persistence_zh: reason.persistence().chinese(),
            message: Detail { english: reason.english().to_owned(), chinese: reason.chinese().to_owned() },
            also: codes(also),
        }
    }
}

impl Line {
    fn of(step: &Step) -> Self {
        Self {
            rule: step.rule.code(),
            clause: step.clause,
            mode: step.mode,
            result: step.outcome.code(),
            reasons: codes(step.reasons),
            noted: codes(step.noted),
            detail: step.detail.clone(),
        }
    }

    /// The rules that consume state: never guessed.
    fn stateful<'a>(account: &'a Account, explanation: &'a Explanation) -> impl Iterator<Item = Self> + 'a {
        STATEFUL.into_iter().map(|rule| {
            let mode = account.modes.get(rule);
            let (result, detail) = match (mode, explanation.spared) {
                (Mode::Off, _) => {
                    (Outcome::Skip.code(), Detail::new("not judged for this account", "该账号不适用此规则"))
                }
                (_, Some(category)) if rule == Rule::Once => (Outcome::Pass.code(), spared(category)),
                _ => ("at_sending", Detail::new("asked of the ledger at sending time", "发送时由账本判断")),
            };
            let (rule, clause) = (rule.code(), rule.clauses());
            Self { rule, clause, mode, result, reasons: Vec::new(), noted: Vec::new(), detail }
        })
    }

    fn write(&self, out: &mut String, chinese: bool) {
        let Self { rule, clause, mode, result, detail, .. } = self;
        let mode = match mode {
            Mode::Off => "off",
            Mode::Observe => "observe",
            Mode::Enforce => "enforce",
        };
        let codes: Vec<&str> = self.reasons.iter().chain(&self.noted).copied().collect();
        let codes = if codes.is_empty() { String::new() } else { format!("{}: ", codes.join(", ")) };
        let detail = if chinese { &detail.chinese } else { &detail.english };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{rule:<11} {clause:<15} {mode:<7} {result:<12} {codes}{detail}");
    }
}

/// Why a message takes no slot of the day.
fn spared(category: Category) -> Detail {
    Detail::new(
        format!("its campaign is of category {category}, which does not count (dedup.categories)"),
        format!("所属登记内容类别为 {category},不计入每日一条(dedup.categories)"),
    )
}

fn names(city: &City) -> (String, String) {
    (city.name_cn.clone(), city.name_en.clone())
}

fn codes(reasons: Reasons) -> Vec<&'static str> {
    reasons.iter().map(Reason::code).collect()
}
