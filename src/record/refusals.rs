//! The latest refusals, for people who ask why. Bounded, and filled at a bounded rate.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use parking_lot::Mutex;

use crate::domain::{Moment, Msisdn, Tick};
use crate::policy::Reason;

/// Refusals that are kept, of all accounts together.
pub const KEPT_MAX: usize = 4096;
/// Refusals of one account that are kept in one second; further ones are counted by the metrics only.
pub const PER_SECOND: u32 = 20;

/// One refused message.
#[derive(Clone, Debug)]
pub struct Refused {
    /// When.
    pub at: Moment,
    /// Whose.
    pub account: Box<str>,
    /// On which session.
    pub session: u64,
    /// The operation.
    pub verb: &'static str,
    /// The request's sequence_number.
    pub sequence: u32,
    /// Why.
    pub reason: Reason,
    /// The command_status it was answered with.
    pub status: u32,
    /// To whom, where that could be read; prints masked.
    pub to: Option<Msisdn>,
    /// Recipients of the request.
    pub recipients: u32,
    /// The policy that refused.
    pub policy_version: u64,
}

/// The latest refusals of a gateway.
#[derive(Debug, Default)]
pub struct Refusals {
    kept: Mutex<VecDeque<Refused>>,
}

/// How much of one account's share of the current second is used.
#[derive(Debug)]
pub struct Share {
    second: AtomicI64,
    used: AtomicU32,
}

impl Default for Share {
    fn default() -> Self {
        Self { second: AtomicI64::new(i64::MIN), used: AtomicU32::new(0) }
    }
}

impl Share {
    /// Whether one more may be kept; two sessions at the turn of a second may get a few more.
    pub fn take(&self, tick: Tick) -> bool {
        let second = tick.steady_ms.div_euclid(1000);
        // Looked at first, here and below, so that a flood only reads.
        if self.second.load(Ordering::Relaxed) != second && self.second.swap(second, Ordering::Relaxed) != second {
            self.used.store(0, Ordering::Relaxed);
        }
        self.used.load(Ordering::Relaxed) < PER_SECOND && self.used.fetch_add(1, Ordering::Relaxed) < PER_SECOND
    }
}

impl Refusals {
    /// Keeps one, and lets go of the oldest when there are too many.
    pub fn keep(&self, refused: Refused) {
        let mut kept = self.kept.lock();
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(refused);
    }

    /// Those that `wanted` takes, newest first, at most `limit`.
    pub fn latest(&self, limit: usize, wanted: impl Fn(&Refused) -> bool) -> Vec<Refused> {
        self.kept.lock().iter().rev().filter(|one| wanted(one)).take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(sequence: u32) -> Refused {
        Refused {
            at: Moment::from_ms(0),
            account: "a".into(),
            session: 1,
            verb: "submit_sm",
            sequence,
            reason: Reason::Quota,
            status: 0x45,
            to: None,
            recipients: 1,
            policy_version: 1,
        }
    }

    #[test]
    fn the_latest_stay_and_the_memory_is_bounded() {
        let refusals = Refusals::default();
        for sequence in 0..KEPT_MAX as u32 + 10 {
            refusals.keep(refused(sequence));
        }
        let latest = refusals.latest(usize::MAX, |_| true);
        assert_eq!((latest.len(), latest[0].sequence), (KEPT_MAX, KEPT_MAX as u32 + 9));
        assert_eq!(latest.last().map(|one| one.sequence), Some(10));
        assert_eq!(refusals.latest(5, |one| one.sequence < 12).len(), 2);
    }

    #[test]
    fn an_account_has_a_share_of_each_second() {
        let share = Share::default();
        let at = |steady_ms| Tick { wall: Moment::from_ms(0), steady_ms, steady_ns: 0 };
        let taken = |ms| (0..100).filter(|_| share.take(at(ms))).count();
        assert_eq!((taken(5000), taken(5999), taken(6000)), (PER_SECOND as usize, 0, PER_SECOND as usize));
    }
}
