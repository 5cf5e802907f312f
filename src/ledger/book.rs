//! One day's slots and counters in memory. Taking **is** the check.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::domain::{Day, Invariant};

use super::record::Taken;
use super::reserve;
use super::slot::SlotKey;
use super::slots::{SHARDS, Slots};

/// One day. Dropped as a whole when the day is over.
#[derive(Debug)]
pub struct Book {
    /// Messages per subscriber (7.1a).
    pub(super) slots: Slots,
    /// Messages per counted subscriber (7.1b), used only where a slot does not imply a new subscriber.
    pub(super) users: Slots,
    counters: Box<[AtomicU32]>,
    observed_counters: Box<[AtomicU32]>,
    rows: AtomicU64,
}

/// One side of the counters: the real ones, or those of observed rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Counted and kept.
    Real,
    /// Counted for the observation only.
    Observed,
}

/// Slots of a day on their way into its book. They are gathered by the part of the table to which they
/// belong and entered many at a time: one by one, each would have to be fetched into the caches.
#[derive(Debug)]
pub(super) struct Gathering {
    day: Day,
    book: Arc<Book>,
    buckets: Vec<Vec<SlotKey>>, // INVARIANT: one for each shard
}

/// Slots that a bucket gathers.
const BUCKET: usize = 512;

impl Gathering {
    /// For a day.
    pub(super) fn new(day: Day) -> Self {
        Self { day, book: Arc::default(), buckets: vec![Vec::new(); SHARDS] }
    }

    /// Its day.
    pub(super) const fn day(&self) -> Day {
        self.day
    }

    /// Takes what the journal says was taken.
    pub(super) fn take_again(&mut self, taken: &Taken) {
        let (book, buckets) = (&*self.book, &mut self.buckets);
        reserve::take_again(book, taken, |key| {
            let bucket = &mut buckets[book.slots.shard(key)];
            bucket.push(key);
            if bucket.len() >= BUCKET {
                book.restore(bucket);
                bucket.clear();
            }
        });
    }

    /// The book with everything that was taken.
    pub(super) fn book(&mut self) -> Arc<Book> {
        for bucket in &mut self.buckets {
            self.book.restore(bucket);
            bucket.clear();
        }
        Arc::clone(&self.book)
    }
}

impl Default for Book {
    fn default() -> Self {
        let counters = || (0..=usize::from(u16::MAX)).map(|_| AtomicU32::new(0)).collect();
        Self {
            slots: Slots::default(),
            users: Slots::default(),
            counters: counters(),
            observed_counters: counters(),
            rows: AtomicU64::new(0),
        }
    }
}

impl Book {
    /// Counts one more for a scope unless it has `limit` already.
    pub(super) fn count_up(&self, side: Side, scope: u16, limit: u32) -> bool {
        self.counter(side, scope)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < limit).then_some(count + 1))
            .is_ok()
    }

    /// Counts one less for a scope.
    pub(super) fn count_down(&self, side: Side, scope: u16) {
        let counted =
            self.counter(side, scope).fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1));
        Invariant::Quota.holds(counted.is_ok());
    }

    /// Subscribers counted for a scope.
    pub fn counted(&self, side: Side, scope: u16) -> u32 {
        self.counter(side, scope).load(Ordering::Relaxed)
    }

    /// Messages of a subscriber, in the slot of this key.
    pub fn messages(&self, key: SlotKey) -> u8 {
        self.slots.count(key)
    }

    /// Takes without a check, when the day is replayed.
    pub(super) fn restore(&self, keys: &[SlotKey]) {
        for key in keys {
            self.slots.one_more(*key);
        }
        self.rows.fetch_add(keys.len() as u64, Ordering::Relaxed);
    }

    /// Counts a subscriber without a check, when the day is replayed.
    pub(super) fn restore_user(&self, scope: u16, user: Option<SlotKey>) {
        let known = user.is_some_and(|key| self.users.one_more(key) > 1);
        if !known {
            self.counter(Side::Real, scope).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Gives one message of a slot back.
    pub(super) fn release(&self, key: SlotKey) {
        self.slots.one_less(key);
        let _ = self.rows.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |rows| rows.checked_sub(1));
    }

    /// Gives one message of a counted subscriber back; the subscriber stays counted while others remain.
    pub(super) fn release_user(&self, side: Side, scope: u16, user: Option<SlotKey>) {
        if user.is_none_or(|key| self.users.one_less(key) == 0) {
            self.count_down(side, scope);
        }
    }

    /// Notes a slot that was taken by hand.
    pub(super) fn note_row(&self) {
        self.rows.fetch_add(1, Ordering::Relaxed);
    }

    /// A day whose slots another store keeps: counts to be looked at, and nothing to decide by.
    pub(super) fn shown(rows: u64) -> Self {
        let book = Self::default();
        book.rows.store(rows, Ordering::Relaxed);
        book
    }

    /// One row less that was noted.
    pub(super) fn note_row_gone(&self) {
        let _ = self.rows.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |rows| rows.checked_sub(1));
    }

    /// What another store has counted for a scope.
    pub(super) fn show_counted(&self, scope: u16, count: u32) {
        self.counter(Side::Real, scope).store(count, Ordering::Relaxed);
    }

    /// Slots taken, real and observed.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    fn counter(&self, side: Side, scope: u16) -> &AtomicU32 {
        match side {
            Side::Real => &self.counters[usize::from(scope)],
            Side::Observed => &self.observed_counters[usize::from(scope)],
        }
    }
}
