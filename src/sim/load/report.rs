//! What a load run found.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::traffic::Kind;
use crate::sim::histogram::{Histogram, Percentiles};
use crate::sim::smsc::by_status;

/// The result of a run, or of one of its connections.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LoadReport {
    /// Time from the first message to the last answer, in seconds.
    pub elapsed_s: f64,
    /// Messages sent.
    pub sent: u64,
    /// Messages answered.
    pub answered: u64,
    /// Messages answered with 0.
    pub taken: u64,
    /// Messages not answered in time.
    pub unanswered: u64,
    /// Messages in flight when their connection broke.
    pub lost: u64,
    /// Answers to nothing that was in flight: sent twice, or late.
    pub unmatched: u64,
    /// Receipts and messages of subscribers received.
    pub deliveries: u64,
    /// Connections that broke.
    pub broken: u64,
    /// Answers a second.
    pub throughput: f64,
    /// Answers by `command_status`.
    #[serde(serialize_with = "by_status")]
    pub by_status: BTreeMap<u32, u64>,
    /// Answers by what was sent and `command_status`.
    pub by_kind: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// Times from message to answer.
    pub latency: Percentiles,
    #[serde(skip)]
    pub(super) tally: Tally,
}

/// What a connection counts while it runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) latency: Histogram,
    statuses: [Vec<(u32, u64)>; Kind::ALL.len()],
    pub(super) last_answer: Option<Instant>,
}

impl Tally {
    pub(super) fn answer(&mut self, kind: Kind, status: u32, count: u64) {
        let statuses = &mut self.statuses[kind as usize];
        match statuses.iter_mut().find(|(known, _)| *known == status) {
            Some((_, known)) => *known += count,
            None => statuses.push((status, count)), // bounded by what the peer can say in 32 bits, a handful in practice
        }
    }
}

impl LoadReport {
    pub(super) fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.taken += other.taken;
        self.unanswered += other.unanswered;
        self.lost += other.lost;
        self.unmatched += other.unmatched;
        self.deliveries += other.deliveries;
        self.broken += other.broken;
        self.tally.latency.merge(&other.tally.latency);
        self.tally.last_answer = self.tally.last_answer.max(other.tally.last_answer);
        for kind in Kind::ALL {
            for (status, count) in &other.tally.statuses[kind as usize] {
                self.tally.answer(kind, *status, *count);
            }
        }
    }

    /// Works out the figures of the whole run.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub(super) fn close(&mut self, started: Instant) {
        let elapsed = self.tally.last_answer.map_or(Duration::ZERO, |last| last.duration_since(started));
        self.elapsed_s = elapsed.as_secs_f64();
        self.throughput = if elapsed.is_zero() { 0.0 } else { self.answered as f64 / self.elapsed_s };
        self.latency = self.tally.latency.percentiles();
        for kind in Kind::ALL {
            for (status, count) in &self.tally.statuses[kind as usize] {
                *self.by_status.entry(*status).or_default() += count;
                let of_kind = self.by_kind.entry(kind.code()).or_default();
                of_kind.insert(format!("{status:#04x}"), *count);
            }
        }
    }

    /// The distribution behind [`LoadReport::latency`].
    pub const fn histogram(&self) -> &Histogram {
        &self.tally.latency
    }
}
