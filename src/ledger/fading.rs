//! A set whose members leave it when their time is over.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Members with the steady millisecond until which each is one.
#[derive(Debug)]
pub(super) struct Fading<K> {
    until: HashMap<K, i64, foldhash::fast::RandomState>,
    /// In the order of their coming, which is nearly that of their going.
    order: VecDeque<(K, i64)>,
}

impl<K> Default for Fading<K> {
    fn default() -> Self {
        Self { until: HashMap::default(), order: VecDeque::new() }
    }
}

impl<K: Copy + Eq + Hash> Fading<K> {
    /// Takes a member until then; `false` if it was one already, whose time is now the later of both.
    pub(super) fn insert(&mut self, member: K, until_ms: i64) -> bool {
        self.order.push_back((member, until_ms));
        let mut is_new = false;
        let own = self.until.entry(member).or_insert_with(|| {
            is_new = true;
            until_ms
        });
        *own = (*own).max(until_ms);
        is_new
    }

    /// Whether it is a member at that time.
    pub(super) fn holds(&self, member: &K, now_ms: i64) -> bool {
        self.until.get(member).is_some_and(|until_ms| *until_ms > now_ms)
    }

    /// Lets go of those whose time is over, `most` at most; tells how many entries went.
    pub(super) fn sweep(&mut self, now_ms: i64, most: usize) -> usize {
        let mut gone = 0;
        while gone < most
            && let Some((member, until_ms)) = self.order.front().copied().filter(|(_, until_ms)| *until_ms <= now_ms)
        {
            self.order.pop_front();
            if self.until.get(&member) == Some(&until_ms) {
                self.until.remove(&member);
            }
            gone += 1;
        }
        gone
    }

    /// Entries it remembers.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_leave_when_their_time_is_over() {
        let mut set = Fading::default();
        assert!(set.insert('a', 10) && set.insert('b', 20) && !set.insert('a', 30));
        assert!(set.holds(&'a', 29) && !set.holds(&'b', 20) && !set.holds(&'c', 0));
        assert_eq!((set.sweep(9, 9), set.len()), (0, 3));
        assert_eq!((set.sweep(20, 9), set.len()), (2, 1));
        assert!(set.holds(&'a', 20) && !set.holds(&'b', 0));
        assert_eq!((set.sweep(30, 0), set.sweep(30, 9), set.len()), (0, 1, 0));
        assert!(!set.holds(&'a', 0));
    }
}
