//! Figures that add up: submitted = refused + forwarded; forwarded = accepted + rejected + unknown + released + waiting;
//! accepted = delivered + failed + pending.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Moment;
use crate::ledger::history::{Attempt, Fate, Verdict};
use crate::policy::Reason;
use crate::smpp::command;
use crate::smpp::receipt::State;

/// What became of messages. Each is one submission to one recipient; a part of a long message is one by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Figures {
    /// Read from senders.
    pub submitted: u64,
    /// Refused by the gateway.
    pub refused: u64,
    /// Handed to the SMSC.
    pub forwarded: u64,
    /// Taken by the SMSC.
    pub accepted: u64,
    /// Refused by the SMSC.
    pub rejected: u64,
    /// Answered by nobody; counts as sent.
    pub unknown: u64,
    /// Answered by nobody and released, by an operator or as `dedup.unknown_outcome` says.
    pub released: u64,
    /// On their way to the SMSC.
    pub waiting: u64,
    /// Of the accepted: the handset has it, by its receipt.
    pub delivered: u64,
    /// Of the accepted: the handset will not get it, by its receipt.
    pub failed: u64,
    /// Of the accepted: no receipt has said either.
    pub pending: u64,
    /// Of the accepted: those of which any receipt has come.
    pub receipts: u64,
    /// Of the forwarded: parts of messages in several parts.
    pub parts: u64,
    /// Of the accepted: those that replaced one before (replace_sm) and sent nothing new.
    pub replaced: u64,
    /// The refused by reason, in order of precedence.
    pub refused_by: Vec<ReasonCount>,
    /// The failed by the state of their receipt.
    pub failed_by: Vec<StateCount>,
    /// Effective delivery time of the first that went on.
    #[serde(default, with = "time", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub first: Option<Moment>,
    /// The same of the last.
    #[serde(default, with = "time", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub last: Option<Moment>,
    /// delivered / accepted; unknown (`null`) where no receipt came at all.
    pub delivered_of_accepted: Option<f64>,
    /// accepted / submitted; `null` where nothing was submitted.
    pub accepted_of_submitted: Option<f64>,
}

/// Refusals of one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonCount {
    /// Its code.
    #[schema(value_type = String)]
    pub reason: Cow<'static, str>,
    /// The clause behind it.
    #[schema(value_type = String)]
    pub clause: Cow<'static, str>,
    /// How many.
    pub count: u64,
}

/// Failures of one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StateCount {
    /// Its code.
    #[schema(value_type = String)]
    pub state: Cow<'static, str>,
    /// How many.
    pub count: u64,
}

impl Figures {
    /// One more, or as many more as a count of refusals stands for.
    pub fn add(&mut self, attempt: &Attempt) {
        let count = u64::from(attempt.count);
        self.submitted += count;
        match attempt.verdict {
            Verdict::Refused { reason, .. } => self.refuse(reason, count),
            Verdict::Forwarded => self.forward(attempt, count),
        }
    }

    fn refuse(&mut self, reason: Reason, count: u64) {
        self.refused += count;
        self.reason(reason.code().into(), reason.clause().into(), count);
    }

    fn forward(&mut self, attempt: &Attempt, count: u64) {
        self.forwarded += count;
        self.parts += if attempt.part.is_some() { count } else { 0 };
        let edt = attempt.about.edt;
        self.first = Some(self.first.map_or(edt, |first| first.min(edt)));
        self.last = Some(self.last.map_or(edt, |last| last.max(edt)));
        match attempt.fate().unwrap_or(Fate::Pending) {
            Fate::Accepted => self.accept(attempt, count),
            Fate::Rejected(_) => self.rejected += count,
            Fate::Unknown => self.unknown += count,
            Fate::Released => self.released += count,
            Fate::Pending => self.waiting += count,
        }
    }

    fn accept(&mut self, attempt: &Attempt, count: u64) {
        self.accepted += count;
        self.replaced += if attempt.about.command_id == command::REPLACE_SM { count } else { 0 };
        let Some(receipt) = &attempt.receipt else {
            self.pending += count;
            return;
        };
        self.receipts += count;
        if attempt.is_delivered() {
            self.delivered += count;
        } else if attempt.has_failed() {
            self.failed += count;
            self.state(State::code(receipt.state).into(), count);
        } else {
            self.pending += count;
        }
    }

    /// Adds those of others.
    pub fn merge(&mut self, other: &Self) {
        let own = [
            (&mut self.submitted, other.submitted),
            (&mut self.refused, other.refused),
            (&mut self.forwarded, other.forwarded),
            (&mut self.accepted, other.accepted),
            (&mut self.rejected, other.rejected),
            (&mut self.unknown, other.unknown),
            (&mut self.released, other.released),
            (&mut self.waiting, other.waiting),
            (&mut self.delivered, other.delivered),
            (&mut self.failed, other.failed),
            (&mut self.pending, other.pending),
            (&mut self.receipts, other.receipts),
            (&mut self.parts, other.parts),
            (&mut self.replaced, other.replaced),
        ];
        for (own, other) in own {
            *own += other;
        }
        for one in &other.refused_by {
            self.reason(one.reason.clone(), one.clause.clone(), one.count);
        }
        for one in &other.failed_by {
            self.state(one.state.clone(), one.count);
        }
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = self.last.max(other.last);
    }

    /// Orders what was counted by the way, and takes the rates.
    pub fn close(&mut self) {
        let place = |code: &str| Reason::from_code(code).map_or(usize::MAX, Reason::index);
        self.refused_by.sort_by_key(|one| place(&one.reason));
        self.failed_by.sort_by(|a, b| a.state.cmp(&b.state));
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        self.delivered_of_accepted = share(self.delivered, self.accepted).filter(|_| self.receipts > 0);
        self.accepted_of_submitted = share(self.accepted, self.submitted);
    }

    /// Whether they add up.
    pub fn add_up(&self) -> bool {
        let refused: u64 = self.refused_by.iter().map(|one| one.count).sum();
        let failed: u64 = self.failed_by.iter().map(|one| one.count).sum();
        self.submitted == self.refused + self.forwarded
            && self.forwarded == self.accepted + self.rejected + self.unknown + self.released + self.waiting
            && self.accepted == self.delivered + self.failed + self.pending
            && (self.refused, self.failed) == (refused, failed)
    }

    /// Messages that reached the SMSC and may have reached somebody.
    pub const fn sent(&self) -> u64 {
        self.accepted + self.unknown - self.replaced
    }

    fn reason(&mut self, reason: Cow<'static, str>, clause: Cow<'static, str>, count: u64) {
        match self.refused_by.iter_mut().find(|one| one.reason == reason) {
            Some(one) => one.count += count,
            None => self.refused_by.push(ReasonCount { reason, clause, count }),
        }
    }

    fn state(&mut self, state: Cow<'static, str>, count: u64) {
        match self.failed_by.iter_mut().find(|one| one.state == state) {
            Some(one) => one.count += count,
            None => self.failed_by.push(StateCount { state, count }),
        }
    }
}

/// Moments as text, local time with its offset.
mod time {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::domain::Moment;

    #[expect(clippy::ref_option, reason = "serde wants it so")]
    pub(super) fn serialize<S: Serializer>(moment: &Option<Moment>, serializer: S) -> Result<S::Ok, S::Error> {
        match moment {
            Some(moment) => serializer.collect_str(moment),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Moment>, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        Ok(text.as_deref().and_then(Moment::parse))
    }
}
