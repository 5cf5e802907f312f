//! The switches in force, what a reload would change, and the reload.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome};
use crate::admin::problem::Problem;
use crate::config::diff::{Change, Effect};
use crate::config::{self, AnotherVersion, Origin, Problems, Setting, live};

use super::audit::reason;

/// The policy in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PolicyView {
    /// Its version.
    version: u64,
    /// SHA-256 of what it was read from.
    sha256: String,
    /// Every switch.
    switches: Vec<SwitchView>,
    /// Keys whose files say something else, which needs a restart.
    needs_restart: Vec<ChangeView>,
}

/// One switch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SwitchView {
    /// `section.key`.
    key: String,
    /// Its value.
    value: Value,
    /// Its default; null for an entry of a table.
    default: Value,
    /// `default`, `file` or `environment`.
    source: &'static str,
    /// `reload`, or `restart`.
    changeable: &'static str,
    /// The clause it serves.
    clause: &'static str,
}

/// One change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangeView {
    /// `section.key`, `account.ID.key`, or a table's name.
    key: String,
    old: Value,
    new: Value,
    /// `loosens`, `either`, `tightens` or `neither`.
    effect: &'static str,
}

/// What a reload would change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DiffView {
    changed: Vec<ChangeView>,
    needs_restart: Vec<ChangeView>,
}

/// A load of the configuration.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionView {
    /// Absent when it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    sha256: String,
    loaded_at: String,
    by: String,
    reason: String,
    ok: bool,
}

/// A reload.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReloadBody {
    /// In the operator's words, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
    /// The version that must be in force still; If-Match does the same.
    #[serde(default)]
    expect_version: Option<u64>,
}

/// What a reload has done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReloadedView {
    version: u64,
    sha256: String,
    changed: Vec<ChangeView>,
    loosened: usize,
    tightened: usize,
    needs_restart: Vec<ChangeView>,
    /// What somebody should look at.
    warnings: Vec<String>,
    /// Whether the act is on record.
    recorded: bool,
}

pub(super) async fn show(call: Call) -> Outcome {
    let in_force = call.surface.reloader.in_force();
    let site = call.gateway().site();
    let settings = config::switches_of(&site.rules.switches, &in_force.origins);
    let defaults = config::switches_of(&crate::policy::switches::Switches::default(), &BTreeMap::new());
    let default = |key: &str| defaults.iter().find(|one| one.key == key).map_or(Value::Null, |one| one.value.clone());
    Answer::json(&PolicyView {
        version: site.rules.version,
        sha256: in_force.sha256.clone(),
        switches: settings.iter().map(|one| SwitchView::of(one, default(&one.key))).collect(),
        needs_restart: views(&in_force.needs_restart),
    })
}

pub(super) async fn diff(call: Call) -> Outcome {
    let diff = call.surface.reloader.preview().await.map_err(|problems| refused(&problems))?;
    Answer::json(&DiffView { changed: views(&diff.changed), needs_restart: views(&diff.needs_restart) })
}

pub(super) async fn versions(call: Call) -> Outcome {
    let view = |one: config::Attempt| VersionView {
        ok: one.version.is_some(),
        version: one.version,
        sha256: one.sha256,
        loaded_at: one.at,
        by: one.by,
        reason: one.reason,
    };
    Answer::json(&call.surface.reloader.attempts().into_iter().map(view).collect::<Vec<_>>())
}

pub(super) async fn reload(call: Call) -> Outcome {
    let ReloadBody { reason: why, expect_version } = call.json()?;
    let why = reason(&why)?;
    let before = call.gateway().site().rules.version;
    let matched = match &call.if_match {
        None => None,
        Some(text) => Some(text.parse::<u64>().map_err(|_| Problem::invalid("If-Match", "expected a version"))?),
    };
    let expected = expect_version.or(matched);
    let mismatch = |in_force: u64, expected: u64| {
        Problem::new("version_mismatch", format!("version {in_force} is in force, not {expected}"))
    };
    if let Some(expected) = expected.filter(|expected| *expected != before) {
        return Err(mismatch(before, expected)); // nothing was tried, so nothing is recorded
    }
    let act = call.act("policy.reload", "configuration", &why, json!({ "version": before }));
    call.asked(&act).await?;
    let (reloader, who) = (&call.surface.reloader, &call.caller.who);
    let done = match expected {
        None => reloader.reload(who, &why).await,
        Some(expected) => match reloader.reload_from(expected, who, &why).await {
            Ok(done) => done,
            Err(AnotherVersion { in_force }) => {
                call.failed(act, json!({ "version": in_force, "expected": expected })).await;
                return Err(mismatch(in_force, expected)); // another reload came first
            }
        },
    };
    match done {
        Ok(done) => {
            let after = json!({ "version": done.version, "changed": done.changed.len(), "loosened": done.loosened });
            let recorded = call.did(act, after).await;
            Answer::json(&ReloadedView {
                version: done.version,
                sha256: done.sha256,
                changed: views(&done.changed),
                loosened: done.loosened,
                tightened: done.tightened,
                needs_restart: views(&done.needs_restart),
                warnings: done.warnings.iter().map(ToString::to_string).collect(),
                recorded,
            })
        }
        Err(problems) => {
            call.failed(act, json!({ "version": before, "refused": problems.errors() })).await;
            Err(refused(&problems))
        }
    }
}

/// A configuration that cannot be used, each error at its place.
fn refused(problems: &Problems) -> Problem {
    let errors = problems.0.iter().filter(|problem| problem.is_error());
    let told = errors.map(|problem| {
        let line = problem.line.map_or_else(String::new, |line| format!(":{line}"));
        let hint = problem.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
        (format!("{}{line} {}", problem.file, problem.key), format!("{}{hint}", problem.message))
    });
    Problem::several("the configuration cannot be used; nothing was changed", told)
}

fn views(changes: &[Change]) -> Vec<ChangeView> {
    let view = |change: &Change| ChangeView {
        key: change.key.clone(),
        old: change.old.clone(),
        new: change.new.clone(),
        effect: Effect::word(change.effect),
    };
    changes.iter().map(view).collect()
}

impl SwitchView {
    fn of(setting: &Setting, default: Value) -> Self {
        Self {
            key: setting.key.clone(),
            value: setting.value.clone(),
            default,
            source: match setting.origin {
                Origin::Default => "default",
                Origin::File => "file",
                Origin::Environment => "environment",
            },
            changeable: if live::needs_restart(&setting.key) { "restart" } else { "reload" },
            clause: setting.clause,
        }
    }
}
