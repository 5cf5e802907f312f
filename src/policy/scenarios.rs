//! Runs the tables of `tests/scenarios`, one file a rule, through the decision.
//!
//! A table's columns are `at`, `account`, `source`, `to`, `text`, `fields`,
//! `verdict`; all but the last may be absent. A block of TOML sets switches
//! for the tables below it, an empty one sets them back; so do blocks of
//! registered texts and of subscribers who opted out.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use crate::domain::{AccountClass, Msisdn, SourcePattern};
use crate::smpp::Submission;

use super::content::{Campaign, Content, Pattern, Period, Standing};
use super::decide::{Permit, Refusal, Scratch, decide, malformed};
use super::opted_out::OptedOut;
use super::reason::{Reason, Reasons};
use super::regions::CityId;
use super::rules::STATELESS;
use super::ruleset::{Account, UnitId};
use super::switches::{CityOn1258, Switches};
use super::testing::{Frame, WEEKDAY, account, at, with_switches};
use super::{Mode, Quirk, Rule};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");

#[test]
fn every_row_of_the_scenarios_has_its_verdict() {
    let mut wrong = String::new();
    for (rule, _) in STATELESS {
        let path = Path::new(FOLDER).join(rule.code()).with_extension("md");
        let file = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let rows = run(&file, |line, expected, found| {
            writeln!(wrong, "{}:{line}: expected `{expected}`, found `{found}`", path.display()).unwrap();
        });
        assert!(rows > 0, "{} has no rows", path.display());
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Runs one file and counts its rows.
fn run(file: &str, mut wrong: impl FnMut(usize, &str, &str)) -> usize {
    let (mut site, mut columns, mut block, mut rows) = (Site::default(), None, None::<(&str, String)>, 0);
    for (number, line) in file.lines().enumerate() {
        match (&mut block, line) {
            (None, "```toml" | "```registry" | "```optout") => block = Some((&line[3..], String::new())),
            (Some((kind, text)), "```") => {
                match *kind {
                    "toml" => {
                        site.switches = toml::from_str(text).unwrap_or_else(|error| panic!("line {number}: {error}"));
                    }
                    "registry" => site.content = Arc::new(Content::new(1, text.lines().map(campaign).collect())),
                    _ => site.opted_out = Arc::new(opted_out(text)),
                }
                block = None;
            }
            (Some((_, text)), line) => text.extend([line, "\n"]),
            (None, line) if line.starts_with('|') => match &columns {
                None => columns = Some(cells(line)),
                Some(_) if line.starts_with("| ---") => {}
                Some(columns) => {
                    rows += 1;
                    let row: Vec<_> = columns.iter().copied().zip(cells(line)).collect();
                    let expected = column(&row, "verdict").expect("every table has verdicts");
                    let found = verdict(&row, &site);
                    if !agrees(expected, &found) {
                        wrong(number + 1, expected, &found);
                    }
                }
            },
            _ => columns = None,
        }
    }
    rows
}

/// What holds for the tables below a block.
#[derive(Default)]
struct Site {
    switches: Switches,
    content: Arc<Content>,
    opted_out: Arc<OptedOut>,
}

/// `number | unit | city or - | approved or registered | from, until or - | text`; a category may stand behind the standing.
fn campaign(line: &str) -> Campaign {
    let fields: Vec<&str> = line.split(" | ").map(str::trim).collect();
    let [number, unit, city, standing, window, text] = fields[..] else { panic!("`{line}` is no campaign") };
    let (standing, category) = standing.split_once(' ').unwrap_or((standing, ""));
    Campaign {
        category: (!category.is_empty()).then(|| category.parse().unwrap()),
        number: number.parse().unwrap(),
        unit: unit.into(),
        city: (city != "-").then(|| city.into()),
        standing: if standing == "approved" { Standing::Approved } else { Standing::Registered },
        window: window.split_once(", ").map(|(from, until)| Period { from: at(from), until: at(until) }),
        pattern: Arc::new(Pattern::parse(text).unwrap()),
    }
}

/// A subscriber a line, and the account if it is one.
fn opted_out(text: &str) -> OptedOut {
    let entry = |line: &'_ str| {
        let (number, account) = line.split_once(' ').map_or((line, None), |(number, account)| (number, Some(account)));
        (Msisdn::parse(0, 0, number.as_bytes(), false).unwrap(), account.map(str::to_owned))
    };
    let entries: Vec<_> = text.lines().map(entry).collect();
    OptedOut::new(entries.iter().map(|(number, account)| (*number, account.as_deref())))
}

fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()
}

fn column<'a>(row: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    row.iter().find(|(column, _)| *column == name).map(|(_, cell)| *cell).filter(|cell| !cell.is_empty())
}

/// `refuse night` agrees with every status; `refuse night 0x61` with that one; what is noted may be left out.
fn agrees(expected: &str, found: &str) -> bool {
    found == expected
        || found.strip_prefix(expected).is_some_and(|rest| rest.starts_with(" 0x") || rest.starts_with(" ("))
}

fn verdict(row: &[(&str, &str)], site: &Site) -> String {
    let switches = &site.switches;
    let sender = sender(column(row, "account").unwrap_or("city_moa"));
    let (own, text) = match sender.class {
        AccountClass::Province1258
            if sender.city.is_none() || switches.signature.city_on_1258 == CityOn1258::Province =>
        {
            ("1258", "语音信箱业务已全省开通。安徽移动 询1860")
        }
        AccountClass::Province1258 | AccountClass::ExemptPlatform => ("1258", "语音信箱业务已开通。移动"),
        AccountClass::CityMoa => ("6202", "家庭V网今起办理。移动 询0551-1860"),
        AccountClass::KeyAccount => ("6202", "专线已开通,客户经理张三13800138000。移动"),
    };
    let text = column(row, "text").map_or(text.to_owned(), repeated);
    let source = column(row, "source").unwrap_or(own);
    let mut frame = Frame::new(if source == "(none)" { "" } else { source }, &text);
    if let Some(to) = column(row, "to") {
        to.clone_into(&mut frame.destination.2);
    }
    column(row, "fields").unwrap_or_default().split_whitespace().for_each(|field| set(&mut frame, field));
    let now = at(column(row, "at").unwrap_or(WEEKDAY));
    let mut rules =
        with_switches(switches.clone()).with_registry(Arc::clone(&site.content), Arc::clone(&site.opted_out));
    let sender = rules.with(sender);
    let octets = frame.octets();
    told(match Submission::read(&octets) {
        Ok(submission) => decide(&rules, &sender, &submission, now, &mut Scratch::default()),
        Err(fault) => malformed(&sender, fault, now),
    })
}

/// `city_moa`, `province_1258 for hefei`, `key_account with list`, `key_account without number`.
fn sender(name: &str) -> Account {
    let (class, with) = name.split_once(' ').unwrap_or((name, ""));
    let class = AccountClass::ALL.into_iter().find(|known| known.code() == class);
    let mut sender = account(class.unwrap_or_else(|| panic!("`{name}` is no account")));
    match with {
        "" => {}
        "for hefei" => sender.city = Some(CityId(0)),
        "with country code" => sender.sources = vec![SourcePattern::parse("86*").unwrap()],
        "with quirk" => sender.quirks = [Quirk::InternationalSource].into_iter().collect(),
        "registered" => sender.modes.set(Rule::Content, Mode::Enforce),
        "of wuhu registered" => {
            sender.modes.set(Rule::Content, Mode::Enforce);
            sender.unit = UnitId(1);
        }
        "warned" => sender.modes.set(Rule::Content, Mode::Observe),
        "with default" => sender.default_source = Some("62020551".into()),
        "with list" => sender.customers = Some(Msisdn::from_number(13_856_000_001).into_iter().collect()),
        "without number" => sender.contact_numbers.clear(),
        other => panic!("`{other}` is no variant of an account"),
    }
    sender
}

/// `安*51 移动` is fifty-one times 安 and the rest.
fn repeated(text: &str) -> String {
    let mut out = String::new();
    for word in text.split('+') {
        match word.split_once('*').map(|(unit, times)| (unit, times.parse())) {
            Some((unit, Ok(times))) => out += &unit.repeat(times),
            _ => out += word,
        }
    }
    out.replace("\\n", "\n")
}

fn set(frame: &mut Frame, field: &str) {
    let (name, value) = field.split_once('=').unwrap_or_else(|| panic!("`{field}` is no name=value"));
    let hex = |digits: &str| -> Vec<u8> {
        (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect()
    };
    let octet = || hex(value)[0];
    match name {
        "service_type" => value.clone_into(&mut frame.service_type),
        "schedule_delivery_time" => value.clone_into(&mut frame.schedule),
        "validity_period" => value.clone_into(&mut frame.validity),
        "esm_class" => frame.esm_class = octet(),
        "protocol_id" => frame.protocol_id = octet(),
        "replace_if_present_flag" => frame.replace_if_present = octet(),
        "data_coding" => frame.data_coding = octet(),
        "sm_default_msg_id" => frame.default_msg_id = octet(),
        "short_message" => frame.short_message = hex(value),
        "udh" => frame.short_message = [hex(value), frame.short_message.clone()].concat(),
        "source_addr_ton" => frame.source.0 = octet(),
        "source_addr_npi" => frame.source.1 = octet(),
        "dest_addr_ton" => frame.destination.0 = octet(),
        "dest_addr_npi" => frame.destination.1 = octet(),
        _ => match name.strip_prefix("tlv:") {
            Some(tag) => frame.tlvs.push((u16::from_str_radix(tag, 16).unwrap(), hex(value))),
            None => panic!("`{name}` is no field"),
        },
    }
}

fn told(verdict: Result<Permit, Refusal>) -> String {
    let codes = |reasons: Reasons| reasons.iter().map(Reason::code).collect::<Vec<_>>().join("+");
    match verdict {
        Ok(permit) => {
            let noted = Some(codes(permit.observed())).filter(|codes| !codes.is_empty());
            let noted = noted.map_or(String::new(), |codes| format!(" noting {codes}"));
            let period = permit.cap().period.map_or(String::new(), |end| format!(" (valid until {end})"));
            let seconds = permit.cap().time_to_live.map_or(String::new(), |seconds| format!(" (for {seconds} s)"));
            let slot = if permit.counts() { "" } else { " without slot" };
            format!("permit{slot}{noted} (day {}){period}{seconds}", permit.day())
        }
        Err(refusal) => format!("refuse {} {:#04x}", codes(refusal.reasons()), refusal.status),
    }
}
