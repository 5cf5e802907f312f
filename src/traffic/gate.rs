//! The barrier between a batch of messages and a pause call.
//!
//! A session takes its gate's pass, then looks whether it is held, and gives the
//! pass back when the last octet of its messages is written. A pause call puts
//! its hold in force first, then looks which passes are out, and waits for those.
//! Both sides write before they read, in one order for all (`SeqCst`): either
//! the session sees the hold, or the call sees the pass.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// One session's gate.
#[derive(Debug, Default)]
pub struct Gate {
    /// Counts every taking and every return: odd while the pass is out.
    outings: AtomicU64,
    recall: Notify,
}

/// Leave to write submissions; given back when it is dropped.
#[derive(Debug)]
#[must_use = "without it nothing may be written"]
pub struct Pass<'a> {
    gate: &'a Gate,
}

/// One time that a gate's pass is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outing(u64);

impl Gate {
    /// Takes the pass; `None` if the session is held, which is asked when the pass is out already. A gate has one pass: its
    /// session's only writer takes it.
    pub fn enter(&self, is_held: impl FnOnce() -> bool) -> Option<Pass<'_>> {
        self.outings.fetch_add(1, Ordering::SeqCst);
        let pass = Pass { gate: self };
        if is_held() { None } else { Some(pass) }
    }

    /// Whether the pass is out now.
    pub fn outing(&self) -> Option<Outing> {
        let count = self.outings.load(Ordering::SeqCst);
        (count % 2 == 1).then_some(Outing(count))
    }

    /// Whether the pass is still out that was out then.
    pub fn is_out(&self, outing: Outing) -> bool {
        self.outings.load(Ordering::SeqCst) == outing.0
    }

    /// Tells the holder of the pass to look again whether it is held.
    pub fn recall(&self) {
        self.recall.notify_one();
    }

    /// Ready once the pass has been recalled since it was asked last, possibly on an earlier outing.
    pub async fn recalled(&self) {
        self.recall.notified().await;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.gate.outings.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_pass_is_out_until_it_is_dropped_and_no_outing_comes_back() {
        let gate = Gate::default();
        assert_eq!(gate.outing(), None);
        let pass = gate.enter(|| false).expect("not held");
        let outing = gate.outing().expect("out");
        assert!(gate.is_out(outing));
        drop(pass);
        assert!(gate.outing().is_none() && !gate.is_out(outing));
        let again = gate.enter(|| false);
        assert!(!gate.is_out(outing), "a later outing is another");
        drop(again);
        assert!(gate.enter(|| true).is_none());
        assert_eq!(gate.outing(), None);
    }

    /// Whoever enters after the hold is in force and the passes were looked at must see the hold.
    #[test]
    fn no_writer_slips_through_between_hold_and_look() {
        for _ in 0..200 {
            let (gate, held, closed) = (Gate::default(), AtomicBool::new(false), AtomicBool::new(false));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while let Some(pass) = gate.enter(|| held.load(Ordering::SeqCst)) {
                        assert!(!closed.load(Ordering::SeqCst), "written after the call returned");
                        drop(pass);
                    }
                });
                held.store(true, Ordering::SeqCst);
                if let Some(outing) = gate.outing() {
                    while gate.is_out(outing) {
                        std::thread::yield_now();
                    }
                }
                closed.store(true, Ordering::SeqCst);
            });
        }
    }
}
