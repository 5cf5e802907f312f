//! Leave to write for a while, which a gateway has from the server that it shares
//! with others, and by which each knows the holds of all.
//!
//! Whoever places a hold waits until every other gateway has it in force, or has no
//! lease any more (P7). A gateway gets one only with the latest version of the
//! holds in force, and counts it from the moment before it asked; so once a hold is
//! on the server, every lease of somebody who does not know it ends within
//! [`LEASE`]. Both clocks are asked, because the monotonic one stands still while
//! the machine sleeps: a gateway that was stopped writes nothing when it goes on.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::domain::Tick;

/// How long a gateway may write after it has last been seen by the server with the latest holds.
pub const LEASE: Duration = Duration::from_secs(3);
/// How long others wait for it to end: clocks may differ in their speed by a tenth.
pub const LEASE_OVER: Duration = Duration::from_millis(3_300);
/// Between two leases.
pub const RENEWAL: Duration = Duration::from_millis(500);

/// No version of the holds: the gateway has not looked yet.
pub(super) const NOTHING: u64 = u64::MAX >> 12; // what the server's scripts can still tell from its neighbours

/// This gateway's lease.
#[derive(Debug)]
pub(super) struct Lease {
    until_ns: AtomicU64,
    until_wall_ms: AtomicI64,
    /// The version of the holds that is in force here.
    in_force: watch::Sender<u64>,
    /// Somebody has seen that there is a later one.
    behind: Notify,
    /// The gateway leaves: it gets no further one.
    left: AtomicBool,
    /// The last one was not given because too few replicas knew of it.
    pub(super) replicas_late: AtomicBool,
}

impl Default for Lease {
    fn default() -> Self {
        Self {
            until_ns: AtomicU64::new(0),
            until_wall_ms: AtomicI64::new(0),
            in_force: watch::Sender::new(NOTHING),
            behind: Notify::new(),
            left: AtomicBool::new(false),
            replicas_late: AtomicBool::new(false),
        }
    }
}

impl Lease {
    /// Whether the gateway may write now.
    pub(super) fn is_valid(&self, now: Tick) -> bool {
        now.steady_ns < self.until_ns.load(Ordering::SeqCst)
            && now.wall.ms() < self.until_wall_ms.load(Ordering::SeqCst)
    }

    /// The server has given one that was asked for at an instant.
    pub(super) fn given(&self, asked: Tick) {
        if self.left.load(Ordering::SeqCst) {
            return;
        }
        self.until_wall_ms.store(asked.wall.plus(LEASE).ms(), Ordering::SeqCst);
        self.until_ns.store(asked.steady_ns + LEASE.as_nanos() as u64, Ordering::SeqCst);
    }

    /// The gateway writes nothing from here on.
    pub(super) fn leave(&self) {
        self.left.store(true, Ordering::SeqCst);
        self.until_ns.store(0, Ordering::SeqCst);
    }

    pub(super) fn has_left(&self) -> bool {
        self.left.load(Ordering::SeqCst)
    }

    /// The version of the holds that is in force here.
    pub(super) fn version(&self) -> u64 {
        *self.in_force.borrow()
    }

    /// A version is in force, and all that was let through before it is written.
    pub(super) fn put_in_force(&self, version: u64) {
        self.in_force.send_replace(version);
    }

    /// Waits until another version than one is in force; `false` if that takes longer than its patience.
    pub(super) async fn catch_up(&self, version: u64, patience: Duration) -> bool {
        self.behind.notify_one();
        let mut in_force = self.in_force.subscribe();
        let other = in_force.wait_for(|own| *own != version);
        tokio::time::timeout(patience, other).await.is_ok_and(|other| other.is_ok())
    }

    /// Ready when somebody has seen that there is a later version.
    pub(super) async fn is_behind(&self) {
        self.behind.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Moment;

    const fn tick(steady_ms: u64, wall_ms: i64) -> Tick {
        Tick { wall: Moment::from_ms(wall_ms), steady_ms: 0, steady_ns: steady_ms * 1_000_000 }
    }

    #[test]
    fn a_lease_counts_from_before_it_was_asked_for_and_ends_by_either_clock() {
        let lease = Lease::default();
        assert!(!lease.is_valid(tick(0, 0)), "none was given");
        lease.given(tick(1_000, 50_000));
        assert!(lease.is_valid(tick(3_999, 52_999)) && !lease.is_valid(tick(4_000, 52_999)));
        assert!(!lease.is_valid(tick(1_001, 53_000)), "the machine has slept");
        assert!(!lease.is_valid(tick(4_000, 40_000)), "a clock that was set back gives nothing");
        lease.leave();
        lease.given(tick(2_000, 51_000));
        assert!(!lease.is_valid(tick(2_001, 51_001)), "who leaves gets none");
    }

    #[tokio::test]
    async fn who_is_behind_waits_for_a_later_version() {
        let lease = Lease::default();
        let soon = Duration::from_millis(20);
        assert!(!lease.catch_up(lease.version(), soon).await);
        lease.is_behind().await;
        let (caught_up, ()) = tokio::join!(lease.catch_up(NOTHING, Duration::from_secs(5)), async {
            tokio::task::yield_now().await;
            lease.put_in_force(7);
        });
        assert!(caught_up && lease.version() == 7);
        assert!(lease.catch_up(NOTHING, soon).await, "it is there already");
    }
}
