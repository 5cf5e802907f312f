//! The key of a slot: subscriber, scope and space in one word, neighbouring numbers in neighbouring words.

use crate::domain::Msisdn;

/// Whose rule a slot serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Messages sent to a subscriber (7.1a).
    Messages = 0,
    /// The same for accounts whose rule is only observed; never mixed with the real ones.
    ObservedMessages = 1,
    /// Subscribers counted for a quota (7.1b).
    Users = 2,
    /// The same, observed.
    ObservedUsers = 3,
}

/// Subscriber, scope and space, packed: 33 + 16 + 2 bits, the number lowest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SlotKey(u64);

impl SlotKey {
    /// The slot of a subscriber in a scope (0: all senders together).
    pub const fn new(recipient: Msisdn, scope: u16, space: Space) -> Self {
        // INVARIANT of Msisdn: the difference is below 7e9 < 2^33.
        let number = recipient.get() - 13_000_000_000;
        Self(number | (scope as u64) << 33 | (space as u64) << 49)
    }

    /// The block of 64 neighbouring numbers in which it lies, of the same scope and space.
    pub(super) const fn block(self) -> u64 {
        self.0 >> 6
    }

    /// Its bit in the block.
    pub(super) const fn bit(self) -> u64 {
        1 << (self.0 & 63)
    }
}

impl std::fmt::Debug for SlotKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SlotKey(…)") // holds a whole number (P14)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64, scope: u16, space: Space) -> SlotKey {
        SlotKey::new(Msisdn::from_number(number).expect("valid"), scope, space)
    }

    #[test]
    fn scope_and_space_never_collide() {
        let keys = [
            key(13_000_000_000, 0, Space::Messages),
            key(19_999_999_999, 0, Space::Messages),
            key(13_000_000_000, 1, Space::Messages),
            key(13_000_000_000, u16::MAX, Space::Messages),
            key(13_000_000_000, 0, Space::ObservedMessages),
            key(13_000_000_000, 0, Space::Users),
            key(13_000_000_000, 0, Space::ObservedUsers),
        ];
        for (i, a) in keys.iter().enumerate() {
            for b in &keys[i + 1..] {
                assert_ne!(a, b);
                assert_ne!(a.block(), b.block(), "not even in one block");
            }
        }
    }

    #[test]
    fn sixty_four_neighbours_share_a_block_and_no_bit() {
        let first = 13_000_000_000 + 64 * 7;
        let block = key(first, 3, Space::Users).block();
        let bits = (first..first + 64).map(|number| key(number, 3, Space::Users)).fold(0, |bits, key| {
            assert_eq!((key.block(), bits & key.bit()), (block, 0));
            bits | key.bit()
        });
        assert_eq!(bits, u64::MAX);
        assert_ne!(key(first - 1, 3, Space::Users).block(), block);
        assert_ne!(key(first + 64, 3, Space::Users).block(), block);
    }
}
