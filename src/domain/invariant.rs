//! What must never be false, and is looked at in release builds too: where a
//! check costs nothing, a broken one is counted instead of hidden.

use std::sync::atomic::{AtomicU64, Ordering};

/// A statement about the gateway's own books that every correct run keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Invariant {
    /// received = forwarded + refused, in every batch (P15).
    Counts,
    /// Only a slot that was taken is given back (P6, P8).
    Slot,
    /// Only a subscriber that was counted is given back to a quota (P2).
    Quota,
    /// No more reservations are settled than were made.
    Reserved,
    /// No more requests leave a session's window than entered it.
    Window,
    /// No more sessions of an account end than began.
    Sessions,
}

static BROKEN: [AtomicU64; Invariant::ALL.len()] = [const { AtomicU64::new(0) }; Invariant::ALL.len()];

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Counts, Self::Slot, Self::Quota, Self::Reserved, Self::Window, Self::Sessions];

    /// Metric label and log field.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Slot => "slot",
            Self::Quota => "quota",
            Self::Reserved => "reserved",
            Self::Window => "window",
            Self::Sessions => "sessions",
        }
    }

    /// Counts a violation. It is logged for the 1st, 2nd, 4th, 8th … time, so that a log cannot drown in it.
    #[cold]
    pub fn broken(self) {
        let times = BROKEN[self as usize].fetch_add(1, Ordering::Relaxed) + 1;
        if times.is_power_of_two() {
            tracing::error!(
                event = "invariant_violated",
                invariant = self.code(),
                times,
                "the gateway's books contradict each other"
            );
        }
    }

    /// Counts a violation unless the statement holds.
    pub fn holds(self, holds: bool) {
        if !holds {
            self.broken();
        }
    }

    /// How often it was broken since the process started.
    pub fn violations(self) -> u64 {
        BROKEN[self as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_is_not_counted_and_what_does_not_is() {
        let before = Invariant::Sessions.violations();
        Invariant::Sessions.holds(true);
        assert_eq!(Invariant::Sessions.violations(), before);
        Invariant::Sessions.holds(false);
        assert_eq!(Invariant::Sessions.violations(), before + 1);
    }
}
