//! A rate that changes while it is in use, and whose tokens can be given back.
//!
//! The account's own rate needs neither and is governor's ([`super::throttle`]).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What may pass at once, nanoseconds of the rate.
const BURST_NS: u64 = 100_000_000;

/// One flow at a rate that each taking names anew. Times are a tick's steady nanoseconds.
#[derive(Debug, Default)]
pub struct Bucket {
    /// When all that was taken would have passed at an even pace.
    due_ns: AtomicU64,
}

/// Tokens that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    span_ns: u64,
}

impl Taken {
    /// None.
    pub const NOTHING: Self = Self { span_ns: 0 };
}

impl Bucket {
    /// Takes so many tokens at once at a rate a second, or none.
    pub fn take(&self, tokens: u32, per_second: f64, now_ns: u64) -> Option<Taken> {
        let span = Duration::try_from_secs_f64(f64::from(tokens) / per_second.max(1e-3)).unwrap_or(Duration::MAX);
        let span_ns = span.as_nanos().min(u128::from(u64::MAX / 2)) as u64;
        let next = |due: u64| {
            let start = due.max(now_ns);
            (start - now_ns <= BURST_NS).then(|| start.saturating_add(span_ns))
        };
        self.due_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok().map(|_| Taken { span_ns })
    }

    /// Gives tokens back.
    pub fn give_back(&self, taken: Taken) {
        let less = |due: u64| Some(due.saturating_sub(taken.span_ns));
        let _ = self.due_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less); // `less` refuses nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_a_second_the_rate_passes_and_a_tenth_of_it_at_once() {
        let bucket = Bucket::default();
        let passed = (0..1000).filter(|_| bucket.take(1, 100.0, 0).is_some()).count();
        assert_eq!(passed, 11);
        let later = (1..=1000_u64).filter(|ms| bucket.take(1, 100.0, ms * 1_000_000).is_some()).count();
        assert!((99..=101).contains(&later), "{later}");
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_the_rate_may_change() {
        let bucket = Bucket::default();
        let taken = bucket.take(50, 10.0, 0).expect("an empty bucket");
        assert_eq!(bucket.take(1, 1000.0, 0), None, "five seconds are taken");
        bucket.give_back(taken);
        assert!(bucket.take(1, 1000.0, 0).is_some());
    }
}
