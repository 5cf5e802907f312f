//! One account's counters, resolved once, and a batch's tally of them.

use std::sync::Arc;

use prometheus::{IntCounter, IntGauge};

use crate::domain::Invariant;
use crate::policy::{Account, Quirk, Reason, Reasons, Rule};
use crate::smpp::bind::BindType;
use crate::smpp::command;
use crate::smpp::tlv::{self, Tlvs};

use super::metrics::Metrics;
use super::refusals::Refusals;

/// The submissions, as labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verb {
    /// submit_sm.
    SubmitSm,
    /// submit_multi.
    SubmitMulti,
    /// data_sm.
    DataSm,
    /// replace_sm.
    ReplaceSm,
    /// broadcast_sm.
    BroadcastSm,
}

const VERBS: [&str; 5] = ["submit_sm", "submit_multi", "data_sm", "replace_sm", "broadcast_sm"];
/// What becomes of the parts of messages.
const SEGMENT_VERDICTS: [&str; 2] = ["forwarded", "refused"];
/// What TLVs are that no specification names.
const TAG_CLASSES: [&str; 2] = ["vendor", "unknown"];
const BINDS: [BindType; 3] = [BindType::Transmitter, BindType::Receiver, BindType::Transceiver];
/// How binds of a configured account end.
const BIND_RESULTS: [&str; 7] =
    ["accepted", "wrong_network", "too_many_sessions", "draining", "smsc_refused", "smsc_down", "smsc_silent"];

/// One account's children of every family.
#[derive(Debug)]
pub struct SenderMetrics {
    received: [IntCounter; VERBS.len()],
    forwarded: [IntCounter; VERBS.len()],
    refused: [IntCounter; Reason::ALL.len()],
    shadow: [IntCounter; Rule::COUNT],
    segments: [IntCounter; SEGMENT_VERDICTS.len()],
    quirks: [IntCounter; Quirk::ALL.len()],
    tlvs: [IntCounter; TAG_CLASSES.len()],
    sessions: [IntGauge; 3],
    binds: [IntCounter; BIND_RESULTS.len()],
    /// Taken by the SMSC.
    pub accepted: IntCounter,
    /// Refused by the SMSC.
    pub rejected: IntCounter,
    /// Never answered.
    pub unknown: IntCounter,
    /// Forwarded and not settled.
    pub in_flight: IntGauge,
    /// Subscribers counted today for the account's quota scope.
    pub quota_used: IntGauge,
    /// 1 while nothing of it may pass.
    pub held: IntGauge,
    /// Where its refusals are kept for people who ask.
    pub refusals: Arc<Refusals>,
}

/// Submissions of an account, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Read on bound sessions.
    pub received: u64,
    /// Handed to the SMSC.
    pub forwarded: u64,
    /// Answered by the gateway.
    pub refused: u64,
}

/// What one batch adds to the counters.
#[derive(Clone, Debug)]
pub struct Tally {
    received: [u32; VERBS.len()],
    forwarded: [u32; VERBS.len()],
    refused: [u32; Reason::ALL.len()],
    shadow: [u32; Rule::COUNT],
    segments: [u32; SEGMENT_VERDICTS.len()],
    any_refused: bool,
    any_shadow: bool,
    any_segment: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            received: [0; VERBS.len()],
            forwarded: [0; VERBS.len()],
            refused: [0; Reason::ALL.len()],
            shadow: [0; Rule::COUNT],
            segments: [0; SEGMENT_VERDICTS.len()],
            any_refused: false,
            any_shadow: false,
            any_segment: false,
        }
    }
}

impl Verb {
    /// The operation's name.
    pub const fn code(self) -> &'static str {
        VERBS[self as usize]
    }

    /// The verb of a submission's command_id; submit_sm for anything else.
    pub const fn of(command_id: u32) -> Self {
        match command_id {
            command::SUBMIT_MULTI => Self::SubmitMulti,
            command::DATA_SM => Self::DataSm,
            command::REPLACE_SM => Self::ReplaceSm,
            command::BROADCAST_SM => Self::BroadcastSm,
            _ => Self::SubmitSm,
        }
    }
}

impl SenderMetrics {
    pub(super) fn new(metrics: &Metrics, account: &Account) -> Self {
        let id = &*account.system_id;
        let settled = |outcome| metrics.settled.with_label_values(&[id, outcome]);
        Self {
            received: VERBS.map(|verb| metrics.received.with_label_values(&[id, verb])),
            forwarded: VERBS.map(|verb| metrics.forwarded.with_label_values(&[id, verb])),
            refused: Reason::ALL.map(|reason| metrics.refused.with_label_values(&[id, reason.code()])),
            shadow: Rule::ALL.map(|rule| metrics.shadow.with_label_values(&[id, rule.code()])),
            segments: SEGMENT_VERDICTS.map(|verdict| metrics.segments.with_label_values(&[id, verdict])),
            quirks: Quirk::ALL.map(|quirk| metrics.quirks.with_label_values(&[id, quirk.code()])),
            tlvs: TAG_CLASSES.map(|class| metrics.tlvs.with_label_values(&[id, class])),
            sessions: BINDS.map(|bind| metrics.sessions.with_label_values(&[id, bind.code()])),
            binds: BIND_RESULTS.map(|result| metrics.binds.with_label_values(&[id, result])),
            accepted: settled("accepted"),
            rejected: settled("rejected"),
            unknown: settled("unknown"),
            in_flight: metrics.in_flight.with_label_values(&[id]),
            quota_used: metrics.quota_used.with_label_values(&[id]),
            held: metrics.pauses.account_held.with_label_values(&[id]),
            refusals: Arc::clone(&metrics.refusals),
        }
    }

    /// Submissions read, forwarded and refused since the start.
    pub fn totals(&self) -> Totals {
        let sum = |counters: &[IntCounter]| counters.iter().map(IntCounter::get).sum();
        Totals { received: sum(&self.received), forwarded: sum(&self.forwarded), refused: sum(&self.refused) }
    }

    /// Refusals since the start by reason, those that happened.
    pub fn refused(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.refused.iter().map(IntCounter::get)).filter(|(_, count)| *count > 0)
    }

    /// What observed rules would have refused since the start, where they would.
    pub fn shadow(&self) -> impl Iterator<Item = (Rule, u64)> {
        Rule::ALL.into_iter().zip(self.shadow.iter().map(IntCounter::get)).filter(|(_, count)| *count > 0)
    }

    /// TLVs came that no specification names.
    pub fn unspecified(&self, tlvs: &Tlvs<'_>) {
        let vendors = tlvs.iter().filter(|tlv| tlv::is_vendors(tlv.tag)).count() as u64;
        let [vendor, unknown] = &self.tlvs;
        vendor.inc_by(vendors);
        unknown.inc_by(u64::from(tlvs.unknown).saturating_sub(vendors));
    }

    /// A tolerance was used.
    pub fn tolerated(&self, quirk: Quirk) {
        self.quirks[quirk as usize].inc();
    }

    /// The gauge of sessions of a bind type.
    pub fn sessions(&self, bind: BindType) -> &IntGauge {
        match bind {
            BindType::Transmitter => &self.sessions[0],
            BindType::Receiver => &self.sessions[1],
            BindType::Transceiver => &self.sessions[2],
        }
    }

    /// Counts a bind; `result` is one of the closed set, else it counts as the last.
    pub fn bind(&self, result: &'static str) {
        let index = BIND_RESULTS.iter().position(|own| *own == result).unwrap_or(BIND_RESULTS.len() - 1);
        self.binds[index].inc();
    }

    /// Adds a batch's tally and empties it.
    pub fn add(&self, tally: &mut Tally) {
        Invariant::Counts.holds(tally.is_conserved());
        let sum = |counters: &[IntCounter], numbers: &mut [u32]| {
            for (counter, number) in counters.iter().zip(numbers) {
                if *number > 0 {
                    counter.inc_by(u64::from(std::mem::take(number)));
                }
            }
        };
        sum(&self.received, &mut tally.received);
        sum(&self.forwarded, &mut tally.forwarded);
        if std::mem::take(&mut tally.any_refused) {
            sum(&self.refused, &mut tally.refused);
        }
        if std::mem::take(&mut tally.any_shadow) {
            sum(&self.shadow, &mut tally.shadow);
        }
        if std::mem::take(&mut tally.any_segment) {
            sum(&self.segments, &mut tally.segments);
        }
    }
}

impl Tally {
    /// Whether a submission was read.
    pub fn is_begun(&self) -> bool {
        self.received.iter().any(|number| *number > 0)
    }

    /// Whether every message that was received was forwarded or refused (P15).
    fn is_conserved(&self) -> bool {
        let sum = |numbers: &[u32]| numbers.iter().sum::<u32>();
        let refused = if self.any_refused { sum(&self.refused) } else { 0 };
        sum(&self.received) == sum(&self.forwarded) + refused
    }

    /// A submission to so many recipients was read.
    pub const fn received(&mut self, verb: Verb, recipients: u32) {
        self.received[verb as usize] += recipients;
    }

    /// A submission to so many recipients goes to the SMSC.
    pub const fn forwarded(&mut self, verb: Verb, recipients: u32) {
        self.forwarded[verb as usize] += recipients;
    }

    /// So many recipients of a submission are refused here.
    pub const fn refused(&mut self, reason: Reason, recipients: u32) {
        self.refused[reason.index()] += recipients;
        self.any_refused = true;
    }

    /// So many parts of messages go to the SMSC, or are refused here. They are counted beside the messages.
    pub const fn segments(&mut self, forwarded: bool, parts: u32) {
        self.segments[if forwarded { 0 } else { 1 }] += parts;
        self.any_segment = true;
    }

    /// Observed rules would have refused.
    pub fn shadow(&mut self, observed: Reasons) {
        for rule in observed.iter().filter_map(Rule::of) {
            self.shadow[rule as usize] += 1;
            self.any_shadow = true;
        }
    }
}
