//! What became of the messages of some days, in figures. No number is in them.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::IntoResponse as _;
use serde::Serialize;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome, day};
use crate::admin::problem::Problem;
use crate::admin::surface::Surface;
use crate::domain::{Day, LocalTime};
use crate::ledger::ReadError;
use crate::registry::{Application, Span};
use crate::report::{self, Asked, Failed, Report};

use super::campaigns;

/// How a report is told.
pub(super) const FORMATS: &[&str] = &["json", "csv", "page"];
/// Days of one report.
const DAYS_MAX: u16 = 366;
/// Messages after which the thread lets others go first.
const TURN: u32 = 4096;

/// A line of the answer: a day that is done; at the end the report, or why there is none.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReportStep {
    /// A local day whose messages are counted.
    Done(String),
    /// The report.
    Report(Box<Report>),
    /// Why there is none.
    Failed(String),
}

/// What is sent while a report is made.
type Sender = mpsc::Sender<Result<Bytes, std::io::Error>>;

pub(super) async fn report(call: Call) -> Outcome {
    let (asked, format) = (asked(&call)?, call.text("format").unwrap_or("json").to_owned());
    let kind = match &*format {
        "csv" => "text/csv; charset=utf-8",
        "page" => "text/html; charset=utf-8",
        _ => "application/x-ndjson",
    };
    let chinese = call.text("lang") != Some("en");
    told(&call, kind, move |surface, sender| tell(surface, &asked, &format, chinese, sender))
}

/// The application form with what the gateway fills in: F15 to F17.
pub(super) async fn form(call: Call) -> Outcome {
    let application = campaigns::one(&call).await?;
    let asked = of_campaign(&call, &application);
    told(&call, "text/html; charset=utf-8", move |surface, sender| {
        let made = made(surface, &asked, |_| !sender.is_closed());
        let page = made.map(|report| report::form(&application, Some(&report)).into());
        drop(sender.blocking_send(page.map_err(|error| std::io::Error::other(error.to_string()))));
    })
}

/// From the first day on which it may have been sent to the last one, or today.
fn of_campaign(call: &Call, application: &Application) -> Asked {
    let gateway = call.gateway();
    let today = LocalTime::of(gateway.now()).day;
    let window = [application.arranged, application.form.requested].into_iter().flatten();
    let days = |of: fn(&Span) -> crate::domain::Moment| window.clone().map(move |span| LocalTime::of(of(&span)).day);
    let submitted = application.submitted.as_ref().map(|word| LocalTime::of(word.at).day);
    let from = days(|span| span.from).chain(submitted).min().unwrap_or(today).min(today);
    let to = days(|span| span.until).max().unwrap_or(today).min(today).max(from);
    let to = to.min(Day::from_number(from.number().saturating_add(DAYS_MAX - 1)));
    let success_basis = gateway.site().rules.switches.report.success_basis.code();
    Asked { from, to, campaign: Some(application.number), success_basis }
}

/// Answers while `work` makes the report, on a thread of its own; one at a time.
fn told(call: &Call, kind: &'static str, work: impl FnOnce(&Surface, &Sender) + Send + 'static) -> Outcome {
    let turn = Arc::clone(&call.surface.reports).try_acquire_owned();
    let turn =
        turn.map_err(|_| Problem::new("conflict", "another report is being made; they are made one at a time"))?;
    let (sender, receiver) = mpsc::channel(4);
    let surface = Arc::clone(&call.surface);
    tokio::task::spawn_blocking(move || {
        work(&surface, &sender);
        drop(turn);
    });
    let body = Body::from_stream(futures_util::stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    }));
    let head = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")];
    Ok(Answer::Other((head, body).into_response()))
}

/// Makes the report and sends what comes of it.
fn tell(surface: &Surface, asked: &Asked, format: &str, chinese: bool, sender: &Sender) {
    let steps = format == "json";
    let send = |octets: Vec<u8>| sender.blocking_send(Ok(octets.into())).is_ok();
    let made =
        made(surface, asked, |day| !steps && !sender.is_closed() || send(line(&ReportStep::Done(day.to_string()))));
    match made {
        Ok(report) => {
            send(match format {
                "csv" => report::csv(&report, chinese).into_bytes(),
                "page" => report::page(&report).into_bytes(),
                _ => line(&ReportStep::Report(Box::new(report))),
            });
        }
        Err(error) if steps => drop(send(line(&ReportStep::Failed(error.to_string())))),
        // There is no way to say it but to break off.
        Err(error) => drop(sender.blocking_send(Err(std::io::Error::other(error.to_string())))),
    }
}

fn made(surface: &Surface, asked: &Asked, goes_on: impl FnMut(Day) -> bool) -> Result<Report, Failed<ReadError>> {
    let gateway = &surface.gateway;
    let site = gateway.site();
    let read = |span, each: &mut dyn FnMut(_)| {
        let mut count = 0;
        gateway.ledger().attempts(span, |attempt| {
            each(attempt);
            count += 1;
            if count % TURN == 0 {
                std::thread::yield_now();
            }
        })
    };
    let mut report = report::gather(asked, gateway.now(), Some(&site.rules.regions), read, goes_on)?;
    report.releases = report::releases(surface.acts().path(), asked).unwrap_or_else(|error| {
        tracing::error!(event = "report_incomplete", %error, "the record of acts cannot be read");
        Vec::new()
    });
    let (switches, calendar) = (&site.rules.switches.registry, &site.rules.calendar);
    let register = |page: &[Application]| report.register(page, asked, gateway.now(), switches, calendar);
    gateway.registry().applications(register).map_err(|error| Failed::Registry(error.to_string()))?;
    Ok(report)
}

fn line(step: &ReportStep) -> Vec<u8> {
    let mut line = serde_json::to_vec(step).unwrap_or_default();
    line.push(b'\n');
    line
}

fn asked(call: &Call) -> Result<Asked, Problem> {
    let day = |member: &str| call.text(member).map(|text| day(member, text)).transpose();
    let today = LocalTime::of(call.gateway().now()).day;
    let from = day("from")?.unwrap_or(today);
    let to = day("to")?.unwrap_or(from);
    if to < from || to.number() - from.number() >= DAYS_MAX {
        return Err(Problem::invalid("to", format!("expected a day not before `from`, and at most {DAYS_MAX} days")));
    }
    let campaign = call.number("campaign").and_then(|number| u32::try_from(number).ok());
    let success_basis = call.gateway().site().rules.switches.report.success_basis.code();
    Ok(Asked { from, to, campaign, success_basis })
}
