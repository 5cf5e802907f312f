//! Another configuration in a running gateway: read, checked and built beside
//! the traffic, then swapped whole. One with a single error changes nothing (P10).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde::Serialize;

use crate::proxy::{Gateway, Site, retire};

use super::diff::{self, Change, Diff, Effect, Side};
use super::layer::Origin;
use super::live;
use super::load::{Configuration, Source};
use super::problem::{Problem, Problems};
use super::settings::Settings;

/// Reloads that are remembered, with those that failed.
const REMEMBERED: usize = 50;
/// Changes, and problems, that are logged one by one.
const LOGGED: usize = 100;

/// Reloads the configuration of one gateway.
#[derive(Debug)]
pub struct Reloader {
    gateway: Arc<Gateway>,
    source: Source,
    in_force: ArcSwap<InForce>,
    attempts: Mutex<VecDeque<Attempt>>,
    one_at_a_time: tokio::sync::Mutex<()>,
}

/// What is in force beside the site's rules.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The policy version, as every verdict names it.
    pub version: u64,
    /// SHA-256 of everything the configuration was read from.
    pub sha256: String,
    /// `smsluice.toml`: what a restart would change is here as it was at the start.
    pub settings: Settings,
    /// Where every key was set.
    pub origins: BTreeMap<String, Origin>,
    /// What somebody should look at.
    pub warnings: Vec<Problem>,
    /// Keys whose files say something else, which needs a restart.
    pub needs_restart: Vec<Change>,
}

/// A load, good or not.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// The version it put in force; `None` if it was refused.
    pub version: Option<u64>,
    /// What was read; empty if it was refused.
    pub sha256: String,
    /// When.
    pub at: String,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What a reload has done.
#[derive(Clone, Debug, Serialize)]
pub struct Reloaded {
    /// The version in force now.
    pub version: u64,
    /// What it was read from.
    pub sha256: String,
    /// What changed, with what each change does.
    pub changed: Vec<Change>,
    /// How many changes loosen.
    pub loosened: usize,
    /// How many tighten.
    pub tightened: usize,
    /// What was left as it is: it needs a restart.
    pub needs_restart: Vec<Change>,
    /// What somebody should look at.
    pub warnings: Vec<Problem>,
}

/// What was to be replaced is in force no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnotherVersion {
    /// The policy version that is.
    pub in_force: u64,
}

impl Reloader {
    /// For a gateway that was built from a configuration.
    pub fn new(gateway: Arc<Gateway>, source: Source, in_force: InForce) -> Arc<Self> {
        let started = Attempt {
            version: Some(in_force.version),
            sha256: in_force.sha256.clone(),
            at: gateway.now().to_string(),
            by: "start".to_owned(),
            reason: String::new(),
        };
        gateway.metrics().config_successful.set(1);
        Arc::new(Self {
            gateway,
            source,
            in_force: ArcSwap::from_pointee(in_force),
            attempts: Mutex::new([started].into()),
            one_at_a_time: tokio::sync::Mutex::default(),
        })
    }

    /// What is in force.
    pub fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// The latest loads, the latest first.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.attempts.lock().iter().rev().cloned().collect()
    }

    /// What a reload would change now. Nothing is changed.
    pub async fn preview(self: &Arc<Self>) -> Result<Diff, Problems> {
        let own = Arc::clone(self);
        beside(move || own.candidate().map(|(_, diff)| diff)).await
    }

    /// Puts the folder's configuration in force, or tells everything that is wrong with it and changes nothing. `by` and
    /// `reason` are for the record.
    pub async fn reload(self: &Arc<Self>, by: &str, reason: &str) -> Result<Reloaded, Problems> {
        let _alone = self.one_at_a_time.lock().await;
        self.reload_alone(by, reason).await
    }

    /// The same in place of one version and of no other: of two who have seen the same one, the second changes nothing.
    pub async fn reload_from(
        self: &Arc<Self>,
        version: u64,
        by: &str,
        reason: &str,
    ) -> Result<Result<Reloaded, Problems>, AnotherVersion> {
        let _alone = self.one_at_a_time.lock().await;
        let in_force = self.gateway.site().rules.version;
        if in_force != version {
            return Err(AnotherVersion { in_force });
        }
        Ok(self.reload_alone(by, reason).await)
    }

    async fn reload_alone(self: &Arc<Self>, by: &str, reason: &str) -> Result<Reloaded, Problems> {
        let own = Arc::clone(self);
        let done = beside(move || own.swap()).await;
        let (version, sha256) = match &done {
            Ok((reloaded, _)) => (Some(reloaded.version), reloaded.sha256.clone()),
            Err(_) => (None, String::new()),
        };
        self.remember(Attempt {
            version,
            sha256,
            at: self.gateway.now().to_string(),
            by: by.to_owned(),
            reason: reason.to_owned(),
        });
        let metrics = self.gateway.metrics();
        metrics.config_successful.set(i64::from(done.is_ok()));
        match done {
            Ok((reloaded, before)) => {
                metrics
                    .config_loaded
                    .set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
                log_success(&reloaded, by, reason);
                retire(before);
                Ok(reloaded)
            }
            Err(problems) => {
                log_failure(&problems, by, reason);
                Err(problems)
            }
        }
    }

    /// The folder's configuration without what needs a restart, and what it changes.
    fn candidate(&self) -> Result<(Configuration, Diff), Problems> {
        let site = self.gateway.site();
        let before = self.in_force();
        let mut new = self.source.load(self.gateway.now())?;
        let old = Side { settings: &before.settings, rules: &site.rules };
        let diff = diff::between(old, Side::from(&new));
        live::keep_fixed(&mut new.settings, &mut new.ruleset, &before.settings, &site.rules.switches);
        new.ruleset.version = site.rules.version + 1;
        Ok((new, diff))
    }

    fn swap(&self) -> Result<(Reloaded, Arc<Site>), Problems> {
        let (new, diff) = self.candidate()?;
        let settings = live::following(&self.gateway.site().settings, &new.settings);
        let Configuration { ruleset, settings: kept, warnings, origins, sha256, .. } = new;
        let version = ruleset.version;
        let before = self.gateway.replace(ruleset, settings).map_err(|error| {
            Problems(vec![Problem::error("ledger", "names", format!("new accounts cannot be written down: {error}"))])
        })?;
        self.in_force.store(Arc::new(InForce {
            version,
            sha256: sha256.clone(),
            settings: kept,
            origins,
            warnings: warnings.clone(),
            needs_restart: diff.needs_restart.clone(),
        }));
        let (loosened, tightened) = (diff.count(Effect::Loosens), diff.count(Effect::Tightens));
        let Diff { changed, needs_restart } = diff;
        Ok((Reloaded { version, sha256, changed, loosened, tightened, needs_restart, warnings }, before))
    }

    fn remember(&self, attempt: Attempt) {
        let mut attempts = self.attempts.lock();
        if attempts.len() == REMEMBERED {
            attempts.pop_front();
        }
        attempts.push_back(attempt);
    }
}

impl InForce {
    /// What a configuration puts in force at the start.
    pub fn at_start(configuration: &Configuration) -> Self {
        Self {
            version: configuration.ruleset.version,
            sha256: configuration.sha256.clone(),
            settings: configuration.settings.clone(),
            origins: configuration.origins.clone(),
            warnings: configuration.warnings.clone(),
            needs_restart: Vec::new(),
        }
    }
}

/// Away from the threads that serve sessions.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problems> + Send + 'static) -> Result<T, Problems> {
    let lost = |error| Problems(vec![Problem::error("configuration", "loader", format!("it did not end: {error}"))]);
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(lost(error)))
}

fn log_success(reloaded: &Reloaded, by: &str, reason: &str) {
    let Reloaded { version, sha256, changed, loosened, tightened, needs_restart, .. } = reloaded;
    for Change { key, old, new, effect } in changed.iter().take(LOGGED) {
        tracing::info!(event = "config_changed", version, key, %old, %new, effect = effect.word(), "changed");
    }
    for Change { key, .. } in needs_restart.iter().take(LOGGED) {
        tracing::warn!(event = "config_needs_restart", key, "not in force before a restart");
    }
    tracing::info!(
        event = "reload_ok",
        version,
        sha256,
        by,
        reason,
        changed = changed.len(),
        loosened,
        tightened,
        needs_restart = needs_restart.len(),
        "configuration reloaded"
    );
}

fn log_failure(problems: &Problems, by: &str, reason: &str) {
    for Problem { file, line, key, message, .. } in problems.0.iter().filter(|problem| problem.is_error()).take(LOGGED)
    {
        tracing::error!(event = "config_error", file, line, key, message, "the configuration cannot be used");
    }
    let errors = problems.errors();
    tracing::error!(
        event = "reload_failed",
        by,
        reason,
        errors,
        "not reloaded: the configuration before stays in force"
    );
}
