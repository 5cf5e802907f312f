//! Clause 7.7: not many subscribers of one number segment in a short time.

use std::collections::VecDeque;

use dashmap::DashMap;

/// Accepted recipients per segment in a sliding window, over all governed accounts.
///
/// A segment keeps the times of its last `limit` recipients, so the window
/// slides exactly. Times are steady milliseconds ([`crate::domain::Tick`]).
#[derive(Debug)]
pub struct Spread {
    segments: DashMap<u64, VecDeque<i64>, foldhash::fast::RandomState>,
}

/// A place taken in a segment's window; given back when the message is not sent after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpreadPlace {
    segment: u64,
    at_ms: i64,
}

impl Default for Spread {
    fn default() -> Self {
        Self { segments: DashMap::with_hasher_and_shard_amount(foldhash::fast::RandomState::default(), 256) }
    }
}

impl Spread {
    /// Takes a place; `None` when `limit` recipients of the segment were accepted within `window_ms` before.
    pub fn take(&self, segment: u64, now_ms: i64, window_ms: i64, limit: usize) -> Option<SpreadPlace> {
        let mut times = self.segments.entry(segment).or_default();
        while times.front().is_some_and(|at| at + window_ms <= now_ms) {
            times.pop_front();
        }
        if times.len() >= limit {
            return None;
        }
        times.push_back(now_ms);
        Some(SpreadPlace { segment, at_ms: now_ms })
    }

    /// How many were accepted within the window.
    pub fn count(&self, segment: u64, now_ms: i64, window_ms: i64) -> usize {
        let Some(times) = self.segments.get(&segment) else { return 0 };
        times.len() - times.iter().take_while(|at| **at + window_ms <= now_ms).count()
    }

    /// Gives a place back.
    pub fn release(&self, place: SpreadPlace) {
        if let Some(mut times) = self.segments.get_mut(&place.segment)
            && let Some(index) = times.iter().rposition(|at| *at == place.at_ms)
        {
            times.remove(index);
        }
    }

    /// Enters a recipient accepted earlier, when the day is replayed after a restart.
    pub fn restore(&self, segment: u64, at_ms: i64) {
        let mut times = self.segments.entry(segment).or_default();
        let position = times.partition_point(|at| *at <= at_ms);
        times.insert(position, at_ms);
    }

    /// Forgets segments whose window has passed, so that memory follows the traffic.
    pub fn sweep(&self, now_ms: i64, window_ms: i64) {
        self.segments.retain(|_, times| times.back().is_some_and(|at| at + window_ms > now_ms));
    }
}

impl SpreadPlace {
    /// When it was taken, steady milliseconds.
    pub const fn at_ms(self) -> i64 {
        self.at_ms
    }

    /// The place taken at a time, as a settled message remembers it.
    pub const fn new(segment: u64, at_ms: i64) -> Self {
        Self { segment, at_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_exactly() {
        let spread = Spread::default();
        for at in 0..200 {
            assert!(spread.take(1_385_600, at, 600_000, 200).is_some());
        }
        assert!(spread.take(1_385_600, 599_999, 600_000, 200).is_none());
        assert!(spread.take(1_385_601, 599_999, 600_000, 200).is_some());
        assert!(spread.take(1_385_600, 600_000, 600_000, 200).is_some());
        assert!(spread.take(1_385_600, 600_000, 600_000, 200).is_none());
        assert_eq!(spread.count(1_385_600, 600_001, 600_000), 199);
    }

    #[test]
    fn a_place_given_back_is_free() {
        let spread = Spread::default();
        let place = spread.take(1, 10, 100, 1).expect("free");
        assert!(spread.take(1, 11, 100, 1).is_none());
        spread.release(place);
        assert!(spread.take(1, 12, 100, 1).is_some());
    }

    #[test]
    fn a_swept_segment_was_empty() {
        let spread = Spread::default();
        spread.restore(1, 50);
        spread.restore(1, 40);
        spread.sweep(140, 100);
        assert_eq!(spread.count(1, 140, 100), 1);
        spread.sweep(150, 100);
        assert!(spread.segments.is_empty());
    }
}
