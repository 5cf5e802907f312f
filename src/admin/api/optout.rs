//! Who has opted out.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome};
use crate::admin::problem::Problem;
use crate::domain::Msisdn;
use crate::registry::store::OptOut;

use super::audit::reason;
use super::campaigns::beside;

/// Subscribers of one call.
const NUMBERS_MAX: usize = 4000;

/// An entry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OptOutView {
    /// Its place in the list.
    id: i64,
    /// Who; masked.
    number: String,
    /// Of what this account sends; of all accounts if it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    at: String,
    /// Who entered it, or `message`.
    via: String,
}

/// Subscribers, and of what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OptOutBody {
    /// 11 digits each, with or without a country code; 4 000 at most.
    numbers: Vec<String>,
    /// Of what this account sends; of all accounts without it.
    #[serde(default)]
    account: Option<String>,
    /// In the operator's words, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// A subscriber that somebody asks about.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OptOutQuestion {
    /// 11 digits.
    number: String,
}

/// What was changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OptOutChanged {
    /// Entries that were not there before, or are no more.
    changed: usize,
    /// Entries in force.
    entries: usize,
    /// Whether the site has switched the list on (`optout.scope`).
    in_force: bool,
    /// Whether the act is on record.
    recorded: bool,
}

/// How many there are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OptOutCount {
    entries: usize,
    /// `optout.scope`.
    scope: serde_json::Value,
}

pub(super) async fn list(call: Call) -> Outcome {
    let behind = call.number("cursor").and_then(|id| i64::try_from(id).ok()).unwrap_or(0);
    let limit = call.limit();
    let found = beside(&call, move |gateway| gateway.registry().opted_out(behind, limit)).await?;
    Answer::json(&found.iter().map(OptOutView::of).collect::<Vec<_>>())
}

pub(super) async fn lookup(call: Call) -> Outcome {
    let OptOutQuestion { number } = call.json()?;
    let number = parsed(&number).ok_or_else(|| wrong(0))?;
    let found = beside(&call, move |gateway| gateway.registry().opted_out_of(number)).await?;
    Answer::json(&found.iter().map(OptOutView::of).collect::<Vec<_>>())
}

pub(super) async fn count(call: Call) -> Outcome {
    let site = call.gateway().site();
    let scope = serde_json::to_value(site.rules.switches.optout.scope).unwrap_or_default();
    Answer::json(&OptOutCount { entries: site.rules.opted_out.len(), scope })
}

pub(super) async fn add(call: Call) -> Outcome {
    changed(call, true).await
}

pub(super) async fn remove(call: Call) -> Outcome {
    changed(call, false).await
}

async fn changed(call: Call, adds: bool) -> Outcome {
    let OptOutBody { numbers, account, reason: why } = call.json()?;
    let why = reason(&why)?;
    if !(1..=NUMBERS_MAX).contains(&numbers.len()) {
        return Err(Problem::invalid("numbers", format!("expected 1 to {NUMBERS_MAX} numbers")));
    }
    let parsed: Result<Vec<Msisdn>, Problem> =
        numbers.iter().enumerate().map(|(index, text)| parsed(text).ok_or_else(|| wrong(index))).collect();
    let (numbers, count) = (parsed?, numbers.len());
    if let Some(account) = account.as_deref().filter(|own| call.gateway().site().rules.account(own).is_none()) {
        return Err(Problem::not_found(format_args!("the account {account}")));
    }
    let target = account.as_deref().map_or_else(|| "all accounts".to_owned(), |own| format!("account {own}"));
    let action = if adds { "optout.add" } else { "optout.remove" };
    let record = call.act(action, target, &why, json!({ "numbers": count }));
    if !adds {
        call.asked(&record).await?; // it loosens
    }
    let via = call.caller.who.clone();
    let changed = beside(&call, move |gateway| {
        let publish = |snapshot| gateway.publish(snapshot);
        if adds {
            let at = gateway.now();
            let entry = |number| OptOut { number, account: account.clone(), at, via: via.clone() };
            gateway.registry().opt_out(&numbers.into_iter().map(entry).collect::<Vec<_>>(), &publish)
        } else {
            let entries: Vec<_> = numbers.into_iter().map(|number| (number, account.as_deref())).collect();
            gateway.registry().opt_in(&entries, &publish)
        }
    })
    .await;
    match changed {
        Ok(changed) => {
            let recorded = call.did(record, json!({ "changed": changed })).await;
            let site = call.gateway().site();
            let in_force = site.rules.switches.optout.scope != crate::policy::switches::OptOutScope::Off;
            Answer::json(&OptOutChanged { changed, entries: site.rules.opted_out.len(), in_force, recorded })
        }
        Err(problem) => {
            call.failed(record, json!({ "failed": problem.word() })).await;
            Err(problem)
        }
    }
}

fn parsed(text: &str) -> Option<Msisdn> {
    Msisdn::parse(0, 0, text.trim().as_bytes(), false).ok()
}

fn wrong(index: usize) -> Problem {
    Problem::invalid(&format!("numbers/{index}"), "expected a mainland mobile number of 11 digits")
}

impl OptOutView {
    fn of((id, entry): &(i64, OptOut)) -> Self {
        Self {
            id: *id,
            number: entry.number.to_string(),
            account: entry.account.clone(),
            at: entry.at.to_string(),
            via: entry.via.clone(),
        }
    }
}
