//! Applications for campaigns and what becomes of them (chapter 5).

use std::sync::Arc;

use axum::http::header;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome};
use crate::admin::problem::Problem;
use crate::config::tokens::Role;
use crate::domain::mask::without_numbers;
use crate::domain::{LocalTime, hex};
use crate::policy::Ruleset;
use crate::proxy::Gateway;
use crate::registry::store::{Acted, Filter, Step};
use crate::registry::workflow::{self, Kind};
use crate::registry::{Act, Actor, Application, Department, Form, RegistryError, Site, Span, State, csv};

use super::audit::reason;

/// Characters of a person's name.
const NAME_MAX: usize = 100;

/// An application, and what is to be noticed about it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CampaignView {
    #[serde(flatten)]
    application: Application,
    /// Whether it says that it goes to everybody (7.2).
    general_send: bool,
    /// The department whose opinion it needs beside Group Customer and Data's (F11).
    #[serde(skip_serializing_if = "Option::is_none")]
    concerned: Option<Department>,
    /// The day by which a submitted one is to be reviewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    review_due: Option<String>,
    /// Whether that day is over.
    late: bool,
    /// The steps of its way; of one application only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Step>,
    /// Whether the act is on record; after an act only.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<bool>,
}

/// A new application.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBody {
    form: Form,
}

/// The form as it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EditBody {
    form: Form,
    /// Takes one that was submitted, approved or rejected back to a draft; it loses every signature.
    #[serde(default)]
    withdraw: bool,
    /// The revision that must be the latest still; If-Match does the same.
    #[serde(default)]
    revision: Option<u32>,
}

/// Somebody's word about an application.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WordBody {
    /// Whose word it is: the leader of the applying unit (F2), or whoever reviews. The token's name unless given; a leader
    /// has to be named.
    name: String,
    /// In their words; a rejection needs it.
    opinion: String,
    /// For which department, where the token is for several or for all.
    department: Option<Department>,
    /// The time that is arranged (F13), of an approval.
    arranged: Option<Span>,
    /// The revision that must be the latest still; If-Match does the same.
    revision: Option<u32>,
}

/// A file of applications.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportBody {
    /// CSV with a head; every line becomes a draft, or none does.
    csv: String,
}

/// Drafts that were made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImportedView {
    /// Their numbers, in the order of the lines.
    numbers: Vec<u32>,
    /// Whether the act is on record.
    recorded: bool,
}

pub(super) async fn list(call: Call) -> Outcome {
    let found = page(&call).await?;
    let rules = call.gateway().site();
    let view = |application| CampaignView::of(application, &call, &rules.rules);
    Answer::json(&found.into_iter().map(view).collect::<Vec<_>>())
}

/// The same as a file; the head only with the first page.
pub(super) async fn export(call: Call) -> Outcome {
    let found = page(&call).await?;
    let mut text = if call.number("cursor").is_none() { csv::head() } else { String::new() };
    for application in found {
        text += &csv::row(&shown(application, &call));
    }
    let kind = [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok(Answer::Other((kind, text).into_response()))
}

pub(super) async fn show(call: Call) -> Outcome {
    let number = number(&call)?;
    let (application, steps) = beside(&call, move |gateway| gateway.registry().application(number)).await?;
    visible(&call, &application)?;
    let rules = call.gateway().site();
    Answer::json(&CampaignView { steps, ..CampaignView::of(application, &call, &rules.rules) })
}

/// The application of the path, as the caller may see it.
pub(super) async fn one(call: &Call) -> Result<Application, Problem> {
    let number = number(call)?;
    let (application, _) = beside(call, move |gateway| gateway.registry().application(number)).await?;
    visible(call, &application)?;
    Ok(shown(application, call))
}

pub(super) async fn new(call: Call) -> Outcome {
    let NewBody { form } = call.json()?;
    let (made, recorded) = drafted(&call, vec![form], "campaign.new", "a new application").await?;
    let application = made.into_iter().next().ok_or_else(|| Problem::new("internal", "nothing was made"))?;
    let rules = call.gateway().site();
    let view = CampaignView { recorded: Some(recorded), ..CampaignView::of(application, &call, &rules.rules) };
    Answer::with(201, &view)
}

pub(super) async fn import(call: Call) -> Outcome {
    let ImportBody { csv: text } = call.json()?;
    let forms = csv::forms(&text).map_err(|faults| {
        let told =
            faults.iter().take(100).map(|own| (format!("line {} {}", own.line, own.column), own.message.clone()));
        Problem::several("the file cannot be used; nothing was changed", told)
    })?;
    if forms.is_empty() {
        return Err(Problem::invalid("csv", "there is no line behind the head"));
    }
    let forms = forms.into_iter().map(|(_, form)| form).collect();
    let (made, recorded) = drafted(&call, forms, "campaign.import", "a file of applications").await?;
    let numbers = made.iter().map(|application| application.number).collect();
    Answer::with(201, &ImportedView { numbers, recorded })
}

pub(super) async fn edit(call: Call) -> Outcome {
    let EditBody { form, withdraw, revision } = call.json()?;
    let act = Act::Edit { form: Box::new(form), withdraw };
    acted(&call, act, WordBody { revision, ..WordBody::default() }).await
}

pub(super) async fn submit(call: Call) -> Outcome {
    let word: WordBody = call.json()?;
    acted(&call, Act::Submit, word).await
}

pub(super) async fn review(call: Call) -> Outcome {
    let word: WordBody = call.json()?;
    let department = department(&call, &word)?;
    acted(&call, Act::Review(department), word).await
}

pub(super) async fn approve(call: Call) -> Outcome {
    let word: WordBody = call.json()?;
    acted(&call, Act::Approve(word.arranged), word).await
}

pub(super) async fn reject(call: Call) -> Outcome {
    let word: WordBody = call.json()?;
    let department = department(&call, &word)?;
    acted(&call, Act::Reject(department), word).await
}

pub(super) async fn close(call: Call) -> Outcome {
    let word: WordBody = call.json()?;
    acted(&call, Act::Close, word).await
}

// === what they share ===

/// Does something with the application of the path.
async fn acted(call: &Call, act: Act, word: WordBody) -> Outcome {
    let number = number(call)?;
    let WordBody { name, opinion, revision, .. } = word;
    let revision = revision.map_or_else(|| matched(call), |revision| Ok(Some(revision)))?;
    let (name, opinion) = (person(&name)?, if opinion.trim().is_empty() { String::new() } else { reason(&opinion)? });
    let (before, _) = beside(call, move |gateway| gateway.registry().application(number)).await?;
    visible(call, &before)?;
    let why = if opinion.is_empty() { "-" } else { &opinion };
    let record = call.act(action(&act), format!("campaign {number}"), why, summary(&before));
    // What takes a permission away is done whether or not it can be recorded.
    if matches!(act, Act::Submit | Act::Review(_) | Act::Approve(_)) {
        call.asked(&record).await?;
    }
    let (by, parts) = (call.caller.who.clone(), call.caller.parts());
    let done = beside(call, move |gateway| {
        let actor = Actor { by: &by, name: &name, opinion: &opinion, parts: &parts, now: gateway.now() };
        let site = gateway.site();
        let publish = |snapshot| gateway.publish(snapshot);
        gateway.registry().act(number, revision, &act, &actor, &rules_of(&site.rules), &publish)
    })
    .await;
    match done {
        Ok(Acted { after, .. }) => {
            let recorded = call.did(record, summary(&after)).await;
            let rules = call.gateway().site();
            Answer::json(&CampaignView { recorded: Some(recorded), ..CampaignView::of(after, call, &rules.rules) })
        }
        Err(problem) => {
            call.failed(record, json!({ "refused": problem.word() })).await;
            Err(problem)
        }
    }
}

/// Makes drafts, all or none.
async fn drafted(
    call: &Call,
    forms: Vec<Form>,
    action: &'static str,
    target: &str,
) -> Result<(Vec<Application>, bool), Problem> {
    let (by, parts, count) = (call.caller.who.clone(), call.caller.parts(), forms.len());
    let record = call.act(action, target, "-", json!({}));
    let gateway = Arc::clone(&call.surface.gateway);
    let made = tokio::task::spawn_blocking(move || {
        let actor = Actor { by: &by, name: &by, opinion: "", parts: &parts, now: gateway.now() };
        let site = gateway.site();
        let publish = |snapshot| gateway.publish(snapshot);
        gateway.registry().draft(forms, &actor, &rules_of(&site.rules), &publish)
    })
    .await
    .map_err(|error| Problem::new("unavailable", error.to_string()))?;
    match made {
        Ok(made) => {
            let numbers: Vec<u32> = made.iter().map(|own| own.number).collect();
            let after = json!({ "first": numbers.first(), "last": numbers.last(), "drafts": count });
            let recorded = call.did(record, after).await;
            Ok((made, recorded))
        }
        Err((index, error)) => Err(match (count, refused(error)) {
            (1, problem) => problem,
            (_, problem) => Problem::several(
                "a line cannot be used; nothing was changed",
                std::iter::once((format!("application {}", index + 1), problem.detail().to_owned())),
            ),
        }),
    }
}

/// A page of the applications that the caller may see.
async fn page(call: &Call) -> Result<Vec<Application>, Problem> {
    let state: Option<State> =
        call.text("state").map(str::parse).transpose().map_err(|error: String| Problem::invalid("state", error))?;
    let unit = call.text("unit").map(str::to_owned);
    let own: Vec<String> = call.caller.parts().units;
    let unit = match unit {
        Some(unit) if !call.caller.sees_unit(&unit) => return Err(Problem::new("forbidden", "it is another unit's")),
        // Who sees one unit only need not name it.
        None if !call.caller.may(crate::admin::auth::Access::View) => match &own[..] {
            [one] => Some(one.clone()),
            _ => return Err(Problem::invalid("unit", "name one of the token's units")),
        },
        unit => unit,
    };
    let behind = call.number("cursor").and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    let limit = call.limit();
    beside(call, move |gateway| gateway.registry().list(&Filter { unit, state }, behind, limit)).await
}

/// Works on the registry away from the threads that serve sessions.
pub(super) async fn beside<T: Send + 'static>(
    call: &Call,
    work: impl FnOnce(&Gateway) -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, Problem> {
    call.beside(work).await?.map_err(refused)
}

pub(super) fn refused(error: RegistryError) -> Problem {
    let told = error.to_string();
    match error {
        RegistryError::Refused(why) => match (why.kind, why.field) {
            (Kind::State, _) => Problem::new("conflict", told),
            (Kind::Part, _) => Problem::new("forbidden", told),
            (Kind::Form, field) => Problem::invalid(field.unwrap_or("form"), told),
        },
        RegistryError::NotFound => Problem::new("not_found", told),
        RegistryError::Changed(_) => Problem::new("version_mismatch", told),
        RegistryError::File(_) => Problem::new("unavailable", told),
    }
}

fn number(call: &Call) -> Result<u32, Problem> {
    call.id.parse().map_err(|_| Problem::not_found("an application of this number"))
}

fn matched(call: &Call) -> Result<Option<u32>, Problem> {
    let wrong = |_| Problem::invalid("If-Match", "expected a revision");
    call.if_match.as_deref().map(|text| text.parse().map_err(wrong)).transpose()
}

/// What another unit applies for is as if it were not there.
fn visible(call: &Call, application: &Application) -> Result<(), Problem> {
    if call.caller.sees_unit(&application.form.unit) {
        return Ok(());
    }
    Err(Problem::not_found("an application of this number"))
}

fn person(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    if name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        return Err(Problem::invalid("name", format!("at most {NAME_MAX} characters, no control characters")));
    }
    Ok(without_numbers(name))
}

/// For which department somebody speaks.
fn department(call: &Call, word: &WordBody) -> Result<Department, Problem> {
    let own = call.caller.roles.iter().filter_map(|role| match role {
        Role::Reviewer(department) => Some(*department),
        _ => None,
    });
    match (word.department, &own.collect::<Vec<_>>()[..]) {
        (Some(department), _) | (None, &[department]) => Ok(department),
        _ => Err(Problem::invalid("department", "name the department for which you speak")),
    }
}

pub(super) fn rules_of(rules: &Ruleset) -> Site<'_> {
    Site { switches: &rules.switches.registry, calendar: &rules.calendar, regions: &rules.regions }
}

const fn action(act: &Act) -> &'static str {
    match act {
        Act::Edit { .. } => "campaign.edit",
        Act::Submit => "campaign.submit",
        Act::Review(_) => "campaign.review",
        Act::Approve(_) => "campaign.approve",
        Act::Reject(_) => "campaign.reject",
        Act::Close => "campaign.close",
    }
}

/// What the record of acts tells of an application: no text, nobody's number.
fn summary(application: &Application) -> Value {
    let content = hex(&Sha256::digest(application.form.content.as_bytes()));
    json!({
        "state": application.state,
        "revision": application.revision,
        "unit": application.form.unit,
        "category": application.form.category,
        "arranged": application.arranged,
        "content_sha256": content,
    })
}

/// An application as a caller may see it: whom to call is for those who work on it.
fn shown(mut application: Application, call: &Call) -> Application {
    let parts = call.caller.parts();
    if !(parts.all || !parts.departments.is_empty() || parts.units.contains(&application.form.unit)) {
        let form = &mut application.form;
        (form.telephone, form.fax) = (masked(&form.telephone), masked(&form.fax));
    }
    application
}

fn masked(number: &str) -> String {
    let hide = |ch: char| if ch.is_ascii_digit() { '*' } else { ch };
    number.chars().map(hide).collect()
}

impl CampaignView {
    fn of(application: Application, call: &Call, rules: &Ruleset) -> Self {
        let due = (application.state == State::Submitted
            && workflow::is_reviewed(&application.form, &rules.switches.registry))
        .then(|| workflow::review_due(&application, &rules.calendar))
        .flatten();
        Self {
            general_send: application.is_general(),
            concerned: workflow::concerned(&application.form),
            late: due.is_some_and(|due| due < LocalTime::of(call.gateway().now()).day),
            review_due: due.map(|due| due.to_string()),
            application: shown(application, call),
            steps: Vec::new(),
            recorded: None,
        }
    }
}
