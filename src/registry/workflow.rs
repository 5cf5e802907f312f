//! What becomes of an application (chapter 5): a pure function of the application, the act, who acts and the day.
//!
//! draft → submitted → approved or rejected → closed. The applicant fills the form in and submits it with the leader's
//! signature (F2); the department of the category gives its opinion (F11); Group Customer and Data approves (F12) and
//! arranges the time (F13). Nothing is changed once it is submitted: it goes back to a draft first, and loses
//! all that was said of it.

use crate::domain::{Day, LocalTime, Moment};
use crate::policy::calendar::Calendar;
use crate::policy::content::Pattern;
use crate::policy::regions::Regions;
use crate::policy::switches::{LeadKind, RegistrySwitches};

use super::application::{Application, Category, Department, FIELD_MAX, Form, Opinion, Platform, Span, State};

/// What is done with an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The form is filled in anew. With `withdraw` one that was submitted, approved or rejected becomes a draft for it.
    Edit {
        /// The form as it is to be.
        form: Box<Form>,
        /// Whether what was said of it may be lost.
        withdraw: bool,
    },
    /// It is handed in, with the leader's signature (F2).
    Submit,
    /// A department's opinion (F11), or the provincial leader's (F14).
    Review(Department),
    /// Group Customer and Data approves it (F12), for a time (F13; the one asked for if none is given).
    Approve(Option<Span>),
    /// It may not be sent; of an approved one, not any more.
    Reject(Department),
    /// It is over.
    Close,
}

/// Who acts, and when.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// The token, or the local user.
    pub by: &'a str,
    /// Whose word it is: the leader of the applying unit (F2), or whoever reviews.
    pub name: &'a str,
    /// In their words.
    pub opinion: &'a str,
    /// As what they may act.
    pub parts: &'a Parts,
    /// When.
    pub now: Moment,
}

/// As what somebody may act.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// As anything.
    pub all: bool,
    /// As an applicant of these units.
    pub units: Vec<String>,
    /// As one of these departments.
    pub departments: Vec<Department>,
}

/// What the site says.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The switches.
    pub switches: &'a RegistrySwitches,
    /// Which days are worked on.
    pub calendar: &'a Calendar,
    /// Which cities there are.
    pub regions: &'a Regions,
}

/// Why an act is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", tail(.clause))]
pub struct Refused {
    /// Of what kind.
    pub kind: Kind,
    /// The field of the form at fault, if it is one.
    pub field: Option<&'static str>,
    /// The clause that asks for it; `-` where none does.
    pub clause: &'static str,
    /// What is wrong; no text, no number of anybody.
    pub message: String,
}

/// Of what kind a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its state does not allow it.
    State,
    /// Somebody else has to do it.
    Part,
    /// The form does.
    Form,
}

impl<'a> Actor<'a> {
    /// Whose word it is: of whom none is named, that of who acts.
    pub fn word_of(&self) -> &'a str {
        if self.name.trim().is_empty() { self.by } else { self.name.trim() }
    }
}

impl Act {
    /// The word used in records.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Edit { .. } => "edit",
            Self::Submit => "submit",
            Self::Review(_) => "review",
            Self::Approve(_) => "approve",
            Self::Reject(_) => "reject",
            Self::Close => "close",
        }
    }
}

type Done<T> = Result<T, Refused>;

/// A new application.
pub fn draft(number: u32, form: Form, actor: &Actor<'_>, site: &Site<'_>) -> Done<Application> {
    let form = readable(form, site)?;
    applicant(&form.unit, actor)?;
    Ok(Application {
        number,
        state: State::Draft,
        revision: 1,
        form,
        applicant: actor.by.to_owned(),
        submitted: None,
        department: None,
        group_data: None,
        arranged: None,
        province_leader: None,
        ended: None,
    })
}

/// The application that follows an act.
pub fn apply(before: &Application, act: &Act, actor: &Actor<'_>, site: &Site<'_>) -> Done<Application> {
    let mut next = before.clone();
    next.revision += 1;
    match act {
        Act::Edit { form, withdraw } => edit(&mut next, form, *withdraw, actor, site)?,
        Act::Submit => submit(&mut next, actor, site)?,
        Act::Review(department) => review(&mut next, *department, actor)?,
        Act::Approve(arranged) => approve(&mut next, *arranged, actor, site)?,
        Act::Reject(department) => reject(&mut next, *department, actor, site)?,
        Act::Close => close(&mut next, actor)?,
    }
    Ok(next)
}

/// The department whose opinion an application needs beside that of Group Customer and Data (3.1-3.3).
pub fn concerned(form: &Form) -> Option<Department> {
    if !form.is_of_city() {
        return None;
    }
    match form.category? {
        Category::Voice | Category::IntegratedCampaign | Category::SingleSp => Some(Department::Marketing),
        Category::Service => Some(Department::CustomerService),
        Category::NewBusiness | Category::CorporateImage | Category::ThirdParty => None,
    }
}

/// Whether the province reviews it at all.
pub fn is_reviewed(form: &Form, switches: &RegistrySwitches) -> bool {
    form.platform == Platform::P1258 || switches.moa_province_review
}

/// The day by which a submitted application is to be reviewed: one working day. Lateness is reported, not enforced.
pub fn review_due(application: &Application, calendar: &Calendar) -> Option<Day> {
    let first = LocalTime::of(application.submitted.as_ref()?.at).day.next();
    let mut days = std::iter::successors(Some(first), |day| Some(day.next())).take(60);
    days.find(|day| calendar.is_working(*day))
}

/// Days from the day of the application to another, that day included and the first not, as the site counts them.
pub fn lead(from: Day, to: Day, kind: LeadKind, calendar: &Calendar) -> u32 {
    let days = from.number().saturating_add(1)..=to.number();
    let counts = |day: &u16| kind == LeadKind::Calendar || calendar.is_working(Day::from_number(*day));
    days.filter(counts).count() as u32
}

// === the acts ===

fn edit(next: &mut Application, form: &Form, withdraw: bool, actor: &Actor<'_>, site: &Site<'_>) -> Done<()> {
    applicant(&next.form.unit, actor)?;
    match next.state {
        State::Draft => {}
        State::Closed => return Err(state("it is closed: make a new one")),
        other if !withdraw => {
            let what = format!("it is {other}: taken back to a draft it can be changed, and loses every signature");
            return Err(Refused { clause: "5.1.1, 5.2", ..state(what) });
        }
        _ => {}
    }
    let form = readable(form.clone(), site)?;
    applicant(&form.unit, actor)?;
    (next.state, next.form) = (State::Draft, form);
    (next.submitted, next.department, next.group_data) = (None, None, None);
    (next.arranged, next.province_leader, next.ended) = (None, None, None);
    Ok(())
}

fn submit(next: &mut Application, actor: &Actor<'_>, site: &Site<'_>) -> Done<()> {
    applicant(&next.form.unit, actor)?;
    expect(next, &[State::Draft])?;
    complete(&next.form, site.switches)?;
    admissible(&next.form)?;
    if is_reviewed(&next.form, site.switches) {
        let span = next.form.requested.ok_or_else(|| lacks("requested", "F7"))?;
        in_time(LocalTime::of(actor.now).day, span, "requested", &next.form, site)?;
    }
    if actor.name.trim().is_empty() {
        return Err(fault("leader", of_path(&next.form), "the leader of the applying unit signs it (F2)"));
    }
    next.state = State::Submitted;
    next.submitted = Some(opinion(actor, "leader"));
    Ok(())
}

fn review(next: &mut Application, department: Department, actor: &Actor<'_>) -> Done<()> {
    expect(next, &[State::Submitted])?;
    let place = match department {
        Department::ProvinceLeader => &mut next.province_leader,
        own if concerned(&next.form) == Some(own) => &mut next.department,
        Department::GroupData => {
            return Err(state("Group Customer and Data does not review it but approves or rejects it (F12)"));
        }
        other => return Err(part("3.1, 3.2, 3.3", format!("it is not {other} whose opinion this category needs"))),
    };
    acts_as(department, actor)?;
    *place = Some(opinion(actor, department.code()));
    Ok(())
}

fn approve(next: &mut Application, arranged: Option<Span>, actor: &Actor<'_>, site: &Site<'_>) -> Done<()> {
    acts_as(Department::GroupData, actor)?;
    expect(next, &[State::Submitted])?;
    if !is_reviewed(&next.form, site.switches) {
        let what = "a city sends this by itself: it is registered, and nobody has to approve it";
        return Err(Refused { clause: "5.1.2", ..state(what) });
    }
    complete(&next.form, site.switches)?;
    admissible(&next.form)?;
    let span = arranged.or(next.form.requested).ok_or_else(|| lacks("arranged", "F13"))?;
    if arranged.is_some_and(|span| span.until <= span.from) {
        return Err(fault("arranged", "F13", "its end does not lie behind its begin"));
    }
    let submitted = next.submitted.as_ref().map_or(actor.now, |submitted| submitted.at);
    in_time(LocalTime::of(submitted).day, span, "arranged", &next.form, site)?;
    if span.until <= actor.now {
        return Err(fault("arranged", "F13", "the time that is arranged is over"));
    }
    if let Some(department) = concerned(&next.form).filter(|_| next.department.is_none()) {
        return Err(Refused { clause: "5.1.1, F11", ..state(format!("the opinion of {department} is missing")) });
    }
    if site.switches.require_f14 && next.province_leader.is_none() {
        return Err(Refused { clause: "F14", ..state("the opinion of the provincial leader in charge is missing") });
    }
    next.state = State::Approved;
    next.group_data = Some(opinion(actor, Department::GroupData.code()));
    next.arranged = Some(span);
    Ok(())
}

fn reject(next: &mut Application, department: Department, actor: &Actor<'_>, site: &Site<'_>) -> Done<()> {
    expect(next, &[State::Submitted, State::Approved])?;
    let own = match department {
        Department::GroupData => true,
        Department::ProvinceLeader => site.switches.require_f14,
        other => next.state == State::Submitted && concerned(&next.form) == Some(other),
    };
    if !own {
        return Err(part("3.1, 3.2, 3.3", format!("it is not for {department} to reject it")));
    }
    acts_as(department, actor)?;
    if actor.opinion.trim().is_empty() {
        return Err(fault("opinion", "5.1.1, 5.2", "the applicant is told why"));
    }
    next.state = State::Rejected;
    next.ended = Some(opinion(actor, department.code()));
    Ok(())
}

fn close(next: &mut Application, actor: &Actor<'_>) -> Done<()> {
    if next.state == State::Closed {
        return Err(state("it is closed already"));
    }
    let centre = acts_as(Department::GroupData, actor).or_else(|_| acts_as(Department::Centre1860, actor));
    let role = if centre.is_ok() { "centre" } else { "applicant" };
    centre.or_else(|_| applicant(&next.form.unit, actor))?;
    next.state = State::Closed;
    next.ended = Some(opinion(actor, role));
    Ok(())
}

// === what an act asks for ===

/// Trims the fields, completes the city, and looks at their lengths. A draft may lack anything but its unit.
fn readable(mut form: Form, site: &Site<'_>) -> Done<Form> {
    let Form { unit, city, integrated_campaign, contact, telephone, fax, target, remarks, .. } = &mut form;
    let fields = [
        ("unit", unit),
        ("city", city),
        ("integrated_campaign", integrated_campaign),
        ("contact", contact),
        ("telephone", telephone),
        ("fax", fax),
        ("target", target),
        ("remarks", remarks),
    ];
    for (name, field) in fields {
        let trimmed = field.trim();
        if trimmed.chars().count() > FIELD_MAX || trimmed.chars().any(|ch| ch.is_control() && ch != '\n' && ch != '\t')
        {
            return Err(fault(name, "-", format!("at most {FIELD_MAX} characters, none of them a control character")));
        }
        if trimmed.len() != field.len() {
            *field = trimmed.to_owned();
        }
    }
    if form.unit.is_empty() {
        return Err(lacks("unit", "F1"));
    }
    if form.city.is_empty() && site.regions.city(&form.unit).is_some() {
        form.city.clone_from(&form.unit);
    }
    if !form.city.is_empty() && site.regions.city(&form.city).is_none() {
        return Err(fault("city", "F1", "no such city; it is a slug of cities.csv"));
    }
    if form.requested.is_some_and(|span| span.until <= span.from) {
        return Err(fault("requested", "F7", "its end does not lie behind its begin"));
    }
    if form.content.chars().count() > 2 * crate::policy::content::pattern::TEMPLATE_MAX {
        return Err(fault("content", "F8", "the content is too long"));
    }
    Ok(form)
}

/// Whether everything is there that the form demands.
fn complete(form: &Form, switches: &RegistrySwitches) -> Done<()> {
    for (name, field, clause) in [
        ("contact", &form.contact, "F3"),
        ("telephone", &form.telephone, "F4"),
        ("target", &form.target, "F6, 7.2"),
        ("content", &form.content, "F8"),
    ] {
        if field.trim().is_empty() {
            return Err(lacks(name, clause));
        }
    }
    if !form.in_knowledge_base {
        return Err(fault(
            "in_knowledge_base",
            "F10, 7.8",
            "give the content to the 1860 centre for its knowledge base first",
        ));
    }
    if form.category.is_none() && is_reviewed(form, switches) {
        return Err(lacks("category", "3.1, 3.2, 3.3"));
    }
    Pattern::parse(&form.content).map_err(|error| fault("content", "F8", error.to_string()))?;
    Ok(())
}

/// What bulk SMS is not for cannot be applied for (2.1-2.3).
fn admissible(form: &Form) -> Done<()> {
    match form.category {
        Some(Category::CorporateImage) => Err(fault("category", "2.1", "image promotion may not be sent")),
        Some(Category::ThirdParty) => Err(fault("category", "2.2", "nothing may be sent for another organisation")),
        Some(Category::SingleSp) if form.integrated_campaign.is_empty() => Err(fault(
            "integrated_campaign",
            "2.3",
            "a single SP service may be sent as part of an integrated campaign only: name it",
        )),
        _ => Ok(()),
    }
}

/// Whether there are enough days between the application and the sending.
fn in_time(submitted: Day, span: Span, field: &'static str, form: &Form, site: &Site<'_>) -> Done<()> {
    let RegistrySwitches { lead_days, lead_kind, .. } = site.switches;
    let day = LocalTime::of(span.from).day;
    if lead(submitted, day, *lead_kind, site.calendar) >= *lead_days {
        return Ok(());
    }
    let mut earliest = submitted;
    for _ in 0..400 {
        if lead(submitted, earliest, *lead_kind, site.calendar) >= *lead_days {
            break;
        }
        earliest = earliest.next();
    }
    let kind = if *lead_kind == LeadKind::Working { "working days" } else { "days" };
    let message = format!("{lead_days} {kind} lie between the application and the sending: {earliest} at the earliest");
    Err(fault(field, of_path(form), message))
}

/// The clause of an application's way.
fn of_path(form: &Form) -> &'static str {
    if form.is_of_city() { "5.1.1" } else { "5.2" }
}

fn applicant(unit: &str, actor: &Actor<'_>) -> Done<()> {
    let own = actor.parts.all || actor.parts.units.iter().any(|own| own == unit);
    if own { Ok(()) } else { Err(part("1.4, F1", "only the applying unit may do that".to_owned())) }
}

fn acts_as(department: Department, actor: &Actor<'_>) -> Done<()> {
    let own = actor.parts.all || actor.parts.departments.contains(&department);
    if own { Ok(()) } else { Err(part("3.1, 3.2, 3.3", format!("only {department} may do that"))) }
}

fn expect(application: &Application, states: &[State]) -> Done<()> {
    if states.contains(&application.state) {
        return Ok(());
    }
    let expected: Vec<&str> = states.iter().map(|state| state.code()).collect();
    Err(state(format!("it is {}, not {}", application.state, expected.join(" or "))))
}

fn opinion(actor: &Actor<'_>, role: &str) -> Opinion {
    Opinion {
        name: actor.word_of().to_owned(),
        role: role.to_owned(),
        by: actor.by.to_owned(),
        at: actor.now,
        opinion: actor.opinion.trim().to_owned(),
    }
}

// === refusals ===

fn tail(clause: &str) -> String {
    if clause == "-" { String::new() } else { format!(" (clause {clause})") }
}

fn state(message: impl Into<String>) -> Refused {
    Refused { kind: Kind::State, field: None, clause: "-", message: message.into() }
}

fn part(clause: &'static str, message: String) -> Refused {
    Refused { kind: Kind::Part, field: None, clause, message }
}

fn fault(field: &'static str, clause: &'static str, message: impl Into<String>) -> Refused {
    Refused { kind: Kind::Form, field: Some(field), clause, message: message.into() }
}

fn lacks(field: &'static str, clause: &'static str) -> Refused {
    fault(field, clause, format!("{field} is missing"))
}

#[cfg(test)]
mod tests;
