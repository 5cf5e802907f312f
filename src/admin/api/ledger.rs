//! What operators ask of the ledger. Numbers come in bodies, never in paths, and go out masked.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::admin::call::{self, Answer, Call, Outcome, subscriber};
use crate::admin::problem::Problem;
use crate::domain::{Day, LocalTime};
use crate::ledger::operate::{Entry, EntryState, ReleaseError};
use crate::ledger::{AcceptError, Ledger};
use crate::proxy::Gateway;

use super::audit::reason;

/// Problems of a check that are told one by one.
const PROBLEMS_MAX: usize = 100;

/// Whose messages, of which day.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LookupBody {
    /// The subscriber's number.
    #[schema(min_length = 1, max_length = 20)]
    number: String,
    /// The local day of delivery, such as 2026-11-24; today unless given.
    #[serde(default)]
    day: Option<String>,
}

/// Which unknown outcome is released, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseBody {
    /// The row, as the list of unknown outcomes names it.
    row: u64,
    /// In the operator's words, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// Which damage is accepted, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcceptBody {
    /// The damage's code, as the status tells it.
    #[schema(min_length = 8, max_length = 8)]
    code: String,
    /// In the operator's words, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// Accepted damage.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AcceptedView {
    /// What the next start goes over.
    what: String,
    /// Whether the act is on record.
    recorded: bool,
}

/// Where a copy goes, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BackupBody {
    /// The name of a folder that does not exist yet, made in `backups` of the ledger's folder.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// In the operator's words, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// Which days go, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PruneBody {
    /// Files of days before this one are removed, but none that a start would still read.
    before: String,
    /// In the operator's words, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// One message as the ledger has it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryView {
    /// Its row.
    row: u64,
    /// The local day of delivery.
    day: String,
    /// `reserved`, `used`, `unknown`, `free`: it counts no more, or `elsewhere`: another gateway has it.
    state: &'static str,
    /// What the SMSC refused it with, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    smsc_status: Option<u32>,
    account: String,
    /// When it was reserved, or became unknown.
    at: String,
    /// The subscriber, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// Which part of a message, such as `2/3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    /// Which gateway sent it, where several share a ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<String>,
}

/// A released outcome.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReleasedView {
    entry: EntryView,
    /// Whether the act is on record.
    recorded: bool,
}

/// What a check found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckedView {
    ok: bool,
    days: usize,
    rows: u64,
    reservations: u64,
    /// The first hundred, one sentence each.
    problems: Vec<String>,
}

/// Files and slots.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatsView {
    today: String,
    slots: u64,
    scheduled: u64,
    reserved: u64,
    unknown: u64,
    days: Vec<DayView>,
}

/// A day's files.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DayView {
    day: String,
    octets: u64,
}

/// A copy.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BackupView {
    /// Where it is.
    path: String,
    /// Rows copied.
    rows: u64,
    /// Whether the act is on record.
    recorded: bool,
}

/// Days that were removed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PrunedView {
    removed: Vec<String>,
    /// Whether the act is on record.
    recorded: bool,
}

pub(super) async fn lookup(call: Call) -> Outcome {
    let LookupBody { number, day } = call.json()?;
    let number = subscriber("number", &number)?;
    let today = LocalTime::of(call.gateway().now()).day;
    let day = day.map_or(Ok(today), |text| call::day("day", &text))?;
    let mut found = call.on_ledger(move |ledger| ledger.lookup(number, day)).await?;
    found.extend(call.gateway().ledger().lookup_elsewhere(number, day).await.map_err(unavailable)?);
    Answer::json(&found.iter().map(EntryView::of).collect::<Vec<_>>())
}

pub(super) async fn unknown(call: Call) -> Outcome {
    let cursor = call.number("cursor");
    let all = call.gateway().ledger().unknown_outcomes().await.map_err(unavailable)?;
    let page = all.iter().filter(|one| cursor.is_none_or(|last| one.id > last)).take(call.limit());
    Answer::json(&page.map(EntryView::of).collect::<Vec<_>>())
}

pub(super) async fn release(call: Call) -> Outcome {
    let ReleaseBody { row, reason: why } = call.json()?;
    let why = reason(&why)?;
    let ledger = call.gateway().ledger();
    let before = ledger.unknown_outcomes().await.map_err(unavailable)?.into_iter().find(|one| one.id == row);
    let before = before.ok_or_else(|| Problem::not_found("a message of unknown outcome with this row"))?;
    let view = EntryView::of(&before);
    let before = json!({ "state": view.state, "account": view.account, "day": view.day, "to": view.to });
    let act = call.act("ledger.release", row.to_string(), &why, before);
    call.asked(&act).await?;
    let released = ledger.release(row).await;
    let after = match &released {
        Ok(entry) => json!({ "state": EntryView::of(entry).state }),
        Err(error) => json!({ "failed": error.to_string() }),
    };
    let recorded = call.did(act, after).await;
    match released {
        Ok(entry) => Answer::json(&ReleasedView { entry: EntryView::of(&entry), recorded }),
        Err(ReleaseError::NotUnknown) => Err(Problem::new("conflict", ReleaseError::NotUnknown.to_string())),
        Err(error) => Err(Problem::new("unavailable", error.to_string())),
    }
}

/// Goes over damage that the start has found: the next start does not stop at it.
pub(super) async fn accept(call: Call) -> Outcome {
    let AcceptBody { code, reason: why } = call.json()?;
    let why = reason(&why)?;
    let damage = call.gateway().ledger().damage().filter(|damage| damage.code() == code);
    let damage = damage.ok_or_else(|| Problem::not_found("damage of this code"))?;
    let found = json!({ "kind": damage.kind.code(), "what": damage.what });
    let act = call.act("ledger.accept", code.as_str(), &why, found);
    call.asked(&act).await?;
    let accepted = call.beside(move |gateway| gateway.ledger().accept(&code)).await?;
    let after = match &accepted {
        Ok(_) => json!({ "accepted": true }),
        Err(error) => json!({ "failed": error.to_string() }),
    };
    let recorded = call.did(act, after).await;
    match accepted {
        Ok(damage) => Answer::json(&AcceptedView { what: damage.what.clone(), recorded }),
        Err(error @ AcceptError::NoSuchDamage) => Err(Problem::new("conflict", error.to_string())),
        Err(error @ AcceptError::Io(_)) => Err(Problem::new("unavailable", error.to_string())),
    }
}

pub(super) async fn verify(call: Call) -> Outcome {
    let checked = call.on_ledger(|ledger| ledger.verify(|_| ())).await?;
    Answer::json(&CheckedView {
        ok: checked.problems.is_empty(),
        days: checked.days,
        rows: checked.rows,
        reservations: checked.reservations,
        problems: checked.problems.into_iter().take(PROBLEMS_MAX).collect(),
    })
}

pub(super) async fn stats(call: Call) -> Outcome {
    let stats = call.on_ledger(Ledger::stats).await?;
    let day = |(day, octets): &(Day, u64)| DayView { day: day.to_string(), octets: *octets };
    Answer::json(&StatsView {
        today: stats.today.to_string(),
        slots: stats.slots,
        scheduled: stats.scheduled,
        reserved: stats.reserved,
        unknown: stats.unknown,
        days: stats.days.iter().map(day).collect(),
    })
}

/// A copy goes below the ledger's folder and nowhere else: the API writes to no path that it is told.
pub(super) async fn backup(call: Call) -> Outcome {
    let BackupBody { name, reason: why } = call.json()?;
    let why = reason(&why)?;
    let letter = |ch: char| ch.is_ascii_alphanumeric() || "-_".contains(ch);
    if !(1..=64).contains(&name.len()) || !name.chars().all(letter) {
        return Err(Problem::invalid("name", "expected 1 to 64 letters, digits, `-` and `_`"));
    }
    let acts = call.surface.acts().path();
    let folder: PathBuf = acts.parent().map(|ledger| ledger.join("backups")).unwrap_or_default();
    let to = folder.join(&name);
    if to.exists() {
        return Err(Problem::new("conflict", "a copy of this name is there already"));
    }
    let act = call.act("ledger.backup", name.as_str(), &why, json!({}));
    call.asked(&act).await?;
    let target = to.clone();
    let copied = call.beside(move |gateway| copy(gateway, &folder, &target)).await;
    let copied = copied.and_then(|copied| copied.map_err(unavailable));
    let after = copied.as_ref().map_or_else(|_| json!({ "failed": true }), |rows| json!({ "rows": rows }));
    let recorded = call.did(act, after).await;
    Answer::json(&BackupView { path: to.display().to_string(), rows: copied?, recorded })
}

/// Gives how many rows the copy has.
fn copy(gateway: &Gateway, folder: &Path, target: &Path) -> Result<u64, String> {
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let rows = gateway.ledger().backup(target).map_err(|error| error.to_string())?;
    // A copy without its holds would let through what is stopped, one without its registry nothing at all.
    let holds = gateway.copy_holds(target).map_err(|error| error.to_string());
    let registry = || gateway.registry().copy(target).map_err(|error| error.to_string());
    holds.and_then(|()| registry()).inspect_err(|_| drop(std::fs::remove_dir_all(target)))?;
    Ok(rows)
}

pub(super) async fn prune(call: Call) -> Outcome {
    let PruneBody { before, reason: why } = call.json()?;
    let why = reason(&why)?;
    let day = call::day("before", &before)?;
    let act = call.act("ledger.prune", day.to_string(), &why, json!({}));
    call.asked(&act).await?;
    let removed = call.on_ledger(move |ledger| ledger.prune(day)).await;
    let names = |days: &Vec<Day>| days.iter().map(ToString::to_string).collect::<Vec<_>>();
    let after = removed.as_ref().map_or_else(|_| json!({ "failed": true }), |days| json!({ "removed": names(days) }));
    let recorded = call.did(act, after).await;
    Answer::json(&PrunedView { removed: names(&removed?), recorded })
}

fn unavailable(why: String) -> Problem {
    Problem::new("unavailable", why)
}

impl EntryView {
    fn of(entry: &Entry) -> Self {
        let (state, smsc_status) = match entry.state {
            EntryState::Reserved => ("reserved", None),
            EntryState::Used => ("used", None),
            EntryState::Unknown => ("unknown", None),
            EntryState::Free(status) => ("free", Some(status).filter(|status| *status != 0)),
            EntryState::Elsewhere => ("elsewhere", None),
        };
        Self {
            row: entry.id,
            day: entry.day.to_string(),
            state,
            smsc_status,
            account: entry.account.clone(),
            at: entry.at.to_string(),
            to: entry.recipient.map(|to| to.to_string()),
            part: entry.part.map(|(part, of)| if of == 0 { part.to_string() } else { format!("{part}/{of}") }),
            gateway: entry.gateway.clone(),
        }
    }
}
