//! What the API works on, and the record of what is done through it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;

use crate::config::Reloader;
use crate::domain::mask::without_numbers;
use crate::proxy::Gateway;
use crate::record::{Act, Acts, Logs, Totals};

use super::auth::{Caller, Tokens};
use super::call::Call;
use super::idempotency::Remembered;
use super::problem::Problem;

/// How long an act waits for its record. What is not written by then counts as not recorded, and may be all the same.
const DISK_PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// What the API needs beside the gateway.
#[derive(Debug)]
pub struct Parts {
    /// Who may use it over TCP.
    pub tokens_file: Option<PathBuf>,
    /// By which names.
    pub hosts: Vec<String>,
    /// The record of what operators do.
    pub acts: Arc<Acts>,
    /// The log.
    pub logs: Logs,
    /// What reloads the configuration.
    pub reloader: Arc<Reloader>,
}

/// What every request is answered from.
#[derive(Debug)]
pub struct Surface {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// The tokens in force.
    pub tokens: Tokens,
    /// Names by which the API may be called.
    pub hosts: Vec<String>,
    /// The log.
    pub logs: Logs,
    /// What reloads the configuration.
    pub reloader: Arc<Reloader>,
    /// When the process began to serve.
    pub started: Instant,
    /// Answers by Idempotency-Key.
    pub remembered: Remembered,
    /// Lets one report be made at a time.
    pub reports: Arc<tokio::sync::Semaphore>,
    acts: Arc<Acts>,
    rates: Mutex<Rates>,
}

/// Messages a second, over the last seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    sampled: Option<(Instant, Totals)>,
    /// Received, forwarded and refused, a second.
    pub per_second: [f64; 3],
}

impl Surface {
    pub(super) fn new(gateway: Arc<Gateway>, parts: Parts) -> Self {
        Self {
            gateway,
            tokens: Tokens::new(parts.tokens_file),
            hosts: parts.hosts,
            logs: parts.logs,
            reloader: parts.reloader,
            started: Instant::now(),
            remembered: Remembered::default(),
            reports: Arc::new(tokio::sync::Semaphore::new(1)),
            acts: parts.acts,
            rates: Mutex::default(),
        }
    }

    /// The record of what operators do.
    pub fn acts(&self) -> &Arc<Acts> {
        &self.acts
    }

    /// Messages a second.
    pub fn rates(&self) -> Rates {
        *self.rates.lock()
    }

    /// Submissions of all accounts since the start.
    pub fn totals(&self) -> Totals {
        let site = self.gateway.site();
        site.senders.iter().map(|sender| sender.metrics.totals()).fold(Totals::default(), |sum, own| Totals {
            received: sum.received + own.received,
            forwarded: sum.forwarded + own.forwarded,
            refused: sum.refused + own.refused,
        })
    }

    /// Housekeeping beside the requests, until it is dropped: rates are sampled, a log level that was set falls back.
    pub(super) async fn keep(surface: std::sync::Weak<Self>) {
        const EVERY: Duration = Duration::from_secs(2);
        while let Some(own) = surface.upgrade() {
            own.logs.fall_back(own.gateway.now());
            let (now, totals) = (Instant::now(), own.totals());
            own.rates.lock().sample(now, totals);
            drop(own);
            tokio::time::sleep(EVERY).await;
        }
    }
}

impl Rates {
    fn sample(&mut self, now: Instant, totals: Totals) {
        if let Some((before, last)) = self.sampled {
            let seconds = now.duration_since(before).as_secs_f64().max(1e-3);
            // A reload may have taken an account away with its counts.
            let rate = |now: u64, before: u64| (now.saturating_sub(before) as f64 / seconds * 10.0).round() / 10.0;
            self.per_second = [
                rate(totals.received, last.received),
                rate(totals.forwarded, last.forwarded),
                rate(totals.refused, last.refused),
            ];
        }
        self.sampled = Some((now, totals));
    }
}

// === the record ===

impl Call {
    /// An act of this caller.
    pub fn act(&self, action: &'static str, target: impl Into<String>, reason: &str, before: Value) -> Act {
        let Caller { who, from, .. } = &self.caller;
        Act {
            who: who.clone(),
            role: self.caller.role(),
            from: from.clone(),
            action,
            target: without_numbers(&target.into()), // it may be a slip of whoever typed it
            reason: reason.to_owned(),
            before,
            ..Act::at(self.gateway().now())
        }
    }

    /// Records an act before it is done, because it must not be done unrecorded.
    pub async fn asked(&self, act: &Act) -> Result<(), Problem> {
        let asked = Act { result: "asked", ..act.clone() };
        if self.record(asked).await {
            return Ok(());
        }
        Err(Problem::new("unavailable", "the act cannot be recorded, so it was not done"))
    }

    /// Records what came of an act; `false` if that cannot be written, which the answer then says.
    pub async fn did(&self, act: Act, after: Value) -> bool {
        self.record(Act { after, result: "done", ..act }).await
    }

    /// Records that an act came to nothing.
    pub async fn failed(&self, act: Act, after: Value) -> bool {
        self.record(Act { after, result: "failed", ..act }).await
    }

    async fn record(&self, act: Act) -> bool {
        let acts = Arc::clone(self.surface.acts());
        let written = act.clone();
        let writing = tokio::task::spawn_blocking(move || acts.record(&written));
        let recorded = tokio::time::timeout(DISK_PATIENCE, writing).await;
        let metrics = self.gateway().metrics();
        let Act { who, action, target, result, .. } = act;
        match recorded {
            Ok(Ok(Ok(head))) => {
                metrics.admin.audit_events.with_label_values(&[action]).inc();
                let (seq, hash) = (head.seq, head.hash);
                tracing::info!(event = "audit", seq, who, action, target, result, hash, "an operator's act");
                true
            }
            failed => {
                metrics.admin.audit_errors.inc();
                let error = match failed {
                    Ok(Ok(Err(error))) => error.to_string(),
                    Ok(_) => "the writer failed".to_owned(),
                    Err(_) => "the disk has not answered in time".to_owned(),
                };
                tracing::error!(
                    event = "audit_failed",
                    who,
                    action,
                    target,
                    result,
                    error,
                    "an act cannot be recorded"
                );
                false
            }
        }
    }
}
