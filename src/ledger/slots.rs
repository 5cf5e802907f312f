//! How many messages each subscriber of a day has had.
//!
//! An operator hands numbers out by segments of ten thousand, and a unit sends to those of its own city: the slots of a
//! day lie close together. So the table holds a bit for each of 64 neighbouring numbers in one entry, and a count only
//! for a subscriber that has more than one message. A city's whole day fits into a processor's caches, where an entry
//! for each subscriber would be fetched from memory at every message; and where numbers are as scattered as the
//! numbering plan allows, an entry still costs no more than one for each subscriber would.

use dashmap::DashMap;
use dashmap::mapref::entry::{Entry, VacantEntry};
use std::hash::BuildHasher;

use crate::domain::Invariant;

use super::slot::SlotKey;

/// Shards of a table: small tables grow without a stall that a message would feel.
pub(super) const SHARDS: usize = 1024;

type Table<K, V> = DashMap<K, V, foldhash::fast::RandomState>;

/// Slots with their counts.
pub(super) struct Slots {
    /// Who of a block has a message. INVARIANT: no block is empty.
    blocks: Table<u64, u64>,
    /// Messages of those that have two or more. Touched only under the lock of the block.
    more: Table<SlotKey, u8>,
}

/// One slot, which nobody else reads or changes while this is held.
pub(super) struct Slot<'a> {
    slots: &'a Slots,
    key: SlotKey,
    block: Entry<'a, u64, u64>,
    count: u8,
}

impl Default for Slots {
    fn default() -> Self {
        Self { blocks: table(), more: table() }
    }
}

fn table<K: Eq + std::hash::Hash, V>() -> Table<K, V> {
    DashMap::with_hasher_and_shard_amount(foldhash::fast::RandomState::default(), SHARDS)
}

impl Slots {
    /// The messages of a slot.
    pub(super) fn count(&self, key: SlotKey) -> u8 {
        self.blocks.get(&key.block()).map_or(0, |bits| self.count_in(*bits, key))
    }

    /// A slot to be looked at and, perhaps, counted up.
    pub(super) fn slot(&self, key: SlotKey) -> Slot<'_> {
        let block = self.blocks.entry(key.block());
        let count = match &block {
            Entry::Occupied(block) => self.count_in(*block.get(), key),
            Entry::Vacant(_) => 0,
        };
        Slot { slots: self, key, block, count }
    }

    /// Counts one more; returns the count after it.
    pub(super) fn one_more(&self, key: SlotKey) -> u8 {
        self.slot(key).add()
    }

    /// Counts one less; returns the count after it.
    pub(super) fn one_less(&self, key: SlotKey) -> u8 {
        self.slot(key).subtract()
    }

    /// The part of the table, below [`SHARDS`], in which a slot lies. The table chooses its parts like this; if it did
    /// otherwise, what gathers by them would be slow and not wrong.
    pub(super) fn shard(&self, key: SlotKey) -> usize {
        let hash = self.blocks.hasher().hash_one(key.block());
        ((hash << 7) >> (u64::BITS - SHARDS.trailing_zeros())) as usize
    }

    /// The count of a slot in a block that its caller holds.
    fn count_in(&self, bits: u64, key: SlotKey) -> u8 {
        if bits & key.bit() == 0 {
            return 0;
        }
        // Most days nobody has two, and the second table is not looked at for the first message.
        self.more.get(&key).map_or(1, |count| *count)
    }
}

impl Slot<'_> {
    /// Its messages.
    pub(super) const fn count(&self) -> u8 {
        self.count
    }

    /// Counts one more; returns the count after it.
    pub(super) fn add(self) -> u8 {
        let count = self.count.saturating_add(1);
        match self.block {
            Entry::Vacant(block) => insert(block, self.key.bit()),
            Entry::Occupied(mut block) if self.count == 0 => *block.get_mut() |= self.key.bit(),
            Entry::Occupied(_block) => {
                self.slots.more.insert(self.key, count);
            }
        }
        count
    }

    /// Counts one less; returns the count after it. An empty slot leaves the table.
    fn subtract(self) -> u8 {
        let count = self.count.saturating_sub(1);
        match (self.block, self.count) {
            (Entry::Vacant(_), _) | (_, 0) => Invariant::Slot.broken(),
            (Entry::Occupied(mut block), 1) => {
                *block.get_mut() &= !self.key.bit();
                if *block.get() == 0 {
                    block.remove();
                }
            }
            (Entry::Occupied(_block), 2) => {
                self.slots.more.remove(&self.key);
            }
            (Entry::Occupied(_block), _) => {
                self.slots.more.insert(self.key, count);
            }
        }
        count
    }
}

fn insert(block: VacantEntry<'_, u64, u64>, bits: u64) {
    block.insert(bits);
}

impl std::fmt::Debug for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slots").finish_non_exhaustive() // its blocks are numbers (P14)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicU32, Ordering};

    use proptest::prelude::*;

    use super::*;
    use crate::domain::Msisdn;
    use crate::ledger::slot::Space;

    fn key(number: u64, scope: u16) -> SlotKey {
        SlotKey::new(Msisdn::from_number(13_000_000_000 + number).expect("valid"), scope, Space::Messages)
    }

    proptest! {
        /// Whatever is counted up and down, in whatever blocks, each slot has what a plain map says.
        #[test]
        fn it_counts_as_a_plain_map_does(steps in proptest::collection::vec((0_u64..130, 0_u16..2, 0_u8..5), 1..400)) {
            let (slots, mut plain) = (Slots::default(), HashMap::<(u64, u16), u8>::new());
            for (number, scope, act) in steps {
                let (key, had) = (key(number, scope), plain.get(&(number, scope)).copied().unwrap_or(0));
                let has = match act {
                    0 | 1 => slots.one_more(key),
                    2 | 3 if had > 0 => slots.one_less(key),
                    _ => {
                        prop_assert_eq!(slots.slot(key).count(), had); // and let go
                        had
                    }
                };
                let expected = match act {
                    0 | 1 => had + 1,
                    2 | 3 => had.saturating_sub(1),
                    _ => had,
                };
                plain.insert((number, scope), expected);
                prop_assert_eq!(has, expected);
            }
            for scope in 0..2 {
                for number in 0..130 {
                    let expected = plain.get(&(number, scope)).copied().unwrap_or(0);
                    prop_assert_eq!(slots.count(key(number, scope)), expected);
                }
            }
            let taken = plain.values().filter(|count| **count > 1).count();
            prop_assert_eq!(slots.more.len(), taken, "only who has more than one has a count");
            prop_assert!(slots.blocks.iter().all(|block| *block != 0), "an empty block is none");
        }
    }

    /// A count stays at its highest instead of starting anew.
    #[test]
    fn a_count_has_an_end() {
        let slots = Slots::default();
        for _ in 0..300 {
            slots.one_more(key(5, 0));
        }
        assert_eq!(slots.count(key(5, 0)), u8::MAX);
        assert_eq!(slots.count(key(4, 0)), 0);
    }

    /// Who holds a slot is alone with it: of many who look and then count up, as many succeed as the limit says.
    #[test]
    fn looking_and_counting_are_one_act() {
        let (slots, won) = (Slots::default(), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..20_000 {
                        let slot = slots.slot(key(number, 0));
                        if slot.count() < 2 {
                            slot.add();
                            won.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(won.load(Ordering::Relaxed), 40_000);
    }

    /// The parts by which a replay gathers are the table's own, or gathering would be in vain.
    #[test]
    fn the_shard_is_the_tables_own() {
        let (slots, one) = (Slots::default(), key(1, 0));
        let of = |same| {
            let others = (1..100_000).map(|block| key(block * 64, 0));
            let found = others.filter(|other| (slots.shard(*other) == slots.shard(one)) == same).take(20);
            found.collect::<Vec<_>>()
        };
        let (mates, others) = (of(true), of(false));
        assert_eq!((mates.len(), others.len()), (20, 20));
        let held = slots.slot(one);
        assert!(mates.iter().all(|mate| slots.blocks.try_get(&mate.block()).is_locked()));
        assert!(others.iter().all(|other| slots.blocks.try_get(&other.block()).is_absent()));
        drop(held);
        assert!(mates.iter().all(|mate| slots.blocks.try_get(&mate.block()).is_absent()));
    }
}
