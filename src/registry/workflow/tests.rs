//! Runs the stories of `tests/scenarios/registry.md`.

use std::fmt::Write as _;

use super::*;
use crate::policy::switches::Switches;
use crate::policy::testing::with_switches;

const TABLES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios/registry.md"));

/// A form that lacks nothing, for a Tuesday.
fn form(unit: &str, category: &str) -> Form {
    let at = |text: &str| Moment::parse(text).unwrap();
    Form {
        unit: unit.to_owned(),
        category: (category != "-").then(|| category.parse().unwrap()),
        contact: "张三".to_owned(),
        telephone: "0551-62620001".to_owned(),
        target: "在网两年以上的客户".to_owned(),
        requested: Some(Span { from: at("2026-11-24T09:00:00"), until: at("2026-11-24T18:00:00") }),
        content: "尊敬的{姓名},语音信箱业务已开通。安徽移动 询1860".to_owned(),
        in_knowledge_base: true,
        ..Form::default()
    }
}

/// `field=value`, as JSON where it is no plain text.
fn set(form: &Form, change: &str) -> Form {
    let (field, value) = change.split_once('=').unwrap_or_else(|| panic!("`{change}` is no field=value"));
    let mut json = serde_json::to_value(form).unwrap();
    json[field] = match (field, value) {
        ("requested", span) => {
            span_of(span).map_or(serde_json::Value::Null, |span| serde_json::to_value(span).unwrap())
        }
        (_, "true" | "false") => (value == "true").into(),
        _ => value.into(),
    };
    serde_json::from_value(json).unwrap()
}

/// `26 09-18`: of November 2026.
fn span_of(text: &str) -> Option<Span> {
    let (day, hours) = text.split_once(' ')?;
    let (from, until) = hours.split_once('-')?;
    let at = |hour: &str| Moment::parse(&format!("2026-11-{day}T{hour}:00:00")).unwrap();
    Some(Span { from: at(from), until: at(until) })
}

fn parts(who: &str) -> Parts {
    match who.parse::<Department>() {
        Ok(department) => Parts { departments: vec![department], ..Parts::default() },
        Err(_) if who == "admin" => Parts { all: true, ..Parts::default() },
        Err(_) => Parts { units: vec![who.to_owned()], ..Parts::default() },
    }
}

/// `19 hefei submit`: on the 19th, somebody of hefei submits.
fn act(application: &Application, line: &str, site: &Site<'_>) -> Done<Application> {
    let words: Vec<&str> = line.split(' ').collect();
    let [day, who, what, rest @ ..] = &words[..] else { panic!("`{line}` is no act") };
    let department = || who.parse().unwrap_or(Department::GroupData);
    let act = match *what {
        "submit" | "submit-unsigned" => Act::Submit,
        "edit" => Act::Edit { form: Box::new(set(&application.form, &rest.join(" "))), withdraw: false },
        "withdraw" => Act::Edit { form: Box::new(application.form.clone()), withdraw: true },
        "review" => Act::Review(department()),
        "approve" => Act::Approve(span_of(&rest.join(" "))),
        "reject" | "reject-silently" => Act::Reject(department()),
        "close" => Act::Close,
        other => panic!("`{other}` is no act"),
    };
    let parts = parts(who);
    let name = if *what == "submit-unsigned" { "" } else { "李四" };
    let opinion = if *what == "reject-silently" { "" } else { "内容不符" };
    let now = Moment::parse(&format!("2026-11-{day}T10:00:00")).unwrap();
    apply(application, &act, &Actor { by: who, name, opinion, parts: &parts, now }, site)
}

/// The state at the end, with the window where it is approved; or the clause that refuses.
fn told(row: &[&str], switches: &Switches) -> String {
    let [unit, category, changes, acts, _] = row else { panic!("{row:?} has not five columns") };
    let rules = with_switches(switches.clone());
    let calendar = (*rules.calendar).clone().with_days_off([Day::parse("2026-11-23").unwrap()]);
    let site = Site { switches: &rules.switches.registry, calendar: &calendar, regions: &rules.regions };
    let form = changes
        .split("; ")
        .filter(|change| !change.is_empty())
        .fold(form(unit, category), |form, change| set(&form, change));
    let parts = parts(unit);
    let now = Moment::parse("2026-11-19T09:00:00").unwrap();
    let actor = Actor { by: unit, name: "", opinion: "", parts: &parts, now };
    let drafted = draft(1, form, &actor, &site);
    let lines = acts.split("; ").filter(|line| !line.is_empty());
    let end = lines.fold(drafted, |application, line| act(&application?, line, &site));
    match end {
        Ok(application) if application.state == State::Approved => {
            format!("approved from {}", application.window().unwrap().from.to_string().split_at(16).0)
        }
        Ok(application) => application.state.to_string(),
        Err(refused) => format!("refused {} {}", refused.clause, refused.field.unwrap_or("-")),
    }
}

#[test]
fn every_story_of_the_scenarios_ends_as_it_says() {
    let (mut switches, mut block, mut wrong, mut rows) = (Switches::default(), None::<String>, String::new(), 0);
    for (number, line) in TABLES.lines().enumerate() {
        match (&mut block, line) {
            (None, "```toml") => block = Some(String::new()),
            (Some(text), "```") => {
                switches = toml::from_str(text).unwrap();
                block = None;
            }
            (Some(text), line) => text.extend([line, "\n"]),
            (None, line) if line.starts_with("| ") && !line.starts_with("| ---") && !line.starts_with("| unit") => {
                rows += 1;
                let row: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
                let (found, expected) = (told(&row, &switches), row[4]);
                if found != expected {
                    writeln!(wrong, "registry.md:{}: expected `{expected}`, found `{found}`", number + 1).unwrap();
                }
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty() && rows > 40, "{rows} rows\n{wrong}");
}

#[test]
fn an_approval_lost_is_lost_whole_and_every_opinion_has_its_name() {
    let rules = with_switches(Switches::default());
    let site = Site { switches: &rules.switches.registry, calendar: &rules.calendar, regions: &rules.regions };
    let parts = Parts { all: true, ..Parts::default() };
    let now = Moment::parse("2026-11-19T10:00:00").unwrap();
    let actor = Actor { by: "token", name: " 李四 ", opinion: "同意", parts: &parts, now };
    let then = |application: Application, act: Act| apply(&application, &act, &actor, &site).unwrap();
    let submitted = then(draft(7, form("hefei", "voice"), &actor, &site).unwrap(), Act::Submit);
    assert_eq!((submitted.form.city.as_str(), submitted.revision), ("hefei", 2));
    assert_eq!(review_due(&submitted, &rules.calendar), Day::parse("2026-11-20"));
    let approved = then(then(submitted, Act::Review(Department::Marketing)), Act::Approve(None));
    let word = |opinion: &Option<Opinion>| opinion.as_ref().map(|own| (own.name.clone(), own.role.clone(), own.at));
    assert_eq!(word(&approved.submitted), Some(("李四".to_owned(), "leader".to_owned(), now)));
    assert_eq!(word(&approved.department), Some(("李四".to_owned(), "marketing".to_owned(), now)));
    assert_eq!(word(&approved.group_data), Some(("李四".to_owned(), "group_data".to_owned(), now)));
    assert_eq!(approved.arranged, approved.form.requested);
    let form = Box::new(approved.form.clone());
    let draft = then(approved, Act::Edit { form, withdraw: true });
    assert_eq!(
        (draft.state, draft.submitted, draft.department, draft.group_data, draft.arranged),
        (State::Draft, None, None, None, None)
    );
}

#[test]
fn working_days_leave_out_weekends_and_holidays() {
    let calendar = Calendar::new(2026, 2026, []).with_days_off([Day::parse("2026-10-01").unwrap()]);
    let lead = |from: &str, to: &str, kind| lead(Day::parse(from).unwrap(), Day::parse(to).unwrap(), kind, &calendar);
    assert_eq!(lead("2026-09-30", "2026-10-05", LeadKind::Calendar), 5);
    assert_eq!(lead("2026-09-30", "2026-10-05", LeadKind::Working), 2, "Friday and Monday");
    assert_eq!(lead("2026-10-05", "2026-09-30", LeadKind::Calendar), 0);
}
