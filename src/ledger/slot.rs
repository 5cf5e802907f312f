//! The key of a slot in eight octets together with its count, so that a day of
//! sixty million subscribers fits in memory.

use std::hash::{Hash, Hasher};

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

/// Subscriber, scope and space, packed: 33 + 16 + 2 bits in seven octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SlotKey([u8; 7]);

impl SlotKey {
    /// The slot of a subscriber in a scope (0: all senders together).
    pub const fn new(recipient: Msisdn, scope: u16, space: Space) -> Self {
        // INVARIANT of Msisdn: the difference is below 7e9 < 2^33.
        let number = recipient.get() - 13_000_000_000;
        let packed = number | (scope as u64) << 33 | (space as u64) << 49;
        let octets = packed.to_le_bytes();
        let (used, _) = octets.split_at(7);
        match used.first_chunk() {
            Some(key) => Self(*key),
            None => Self([0; 7]), // never: there are eight octets
        }
    }

    const fn packed(self) -> u64 {
        let mut octets = [0; 8];
        octets.split_at_mut(7).0.copy_from_slice(&self.0);
        u64::from_le_bytes(octets)
    }
}

impl Hash for SlotKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.packed());
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

    #[test]
    fn a_slot_and_its_count_take_eight_octets() {
        assert_eq!(std::mem::size_of::<(SlotKey, u8)>(), 8);
    }

    #[test]
    fn scope_and_space_never_collide() {
        let number = |n| Msisdn::from_number(n).expect("valid");
        let keys = [
            SlotKey::new(number(13_000_000_000), 0, Space::Messages),
            SlotKey::new(number(19_999_999_999), 0, Space::Messages),
            SlotKey::new(number(13_000_000_000), 1, Space::Messages),
            SlotKey::new(number(13_000_000_000), u16::MAX, Space::Messages),
            SlotKey::new(number(13_000_000_000), 0, Space::ObservedMessages),
            SlotKey::new(number(13_000_000_000), 0, Space::Users),
            SlotKey::new(number(13_000_000_000), 0, Space::ObservedUsers),
        ];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys[i + 1..].iter().all(|b| a != b));
        }
    }
}
