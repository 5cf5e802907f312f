//! After a pause: what was held comes back in some seconds, and not all at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;

use super::scope::{Party, Scope};

/// The share of its rate that an account has at the beginning.
const FIRST: f64 = 0.1;
/// Ramps that are remembered; of more, the oldest are over at once.
const RAMPS_MAX: usize = 1000;

/// The ramps under way. Times are a tick's steady nanoseconds.
#[derive(Debug, Default)]
pub struct Ease {
    count: AtomicUsize,
    ramps: ArcSwap<Vec<Ramp>>,
}

#[derive(Clone, Debug)]
struct Ramp {
    scope: Scope,
    from_ns: u64,
    length_ns: u64,
}

impl Ease {
    /// Begins a ramp on a scope that has been opened; of no seconds it is none.
    pub fn begin(&self, scope: &Scope, seconds: u32, now_ns: u64) {
        if seconds == 0 {
            return;
        }
        let ramp = Ramp { scope: scope.clone(), from_ns: now_ns, length_ns: u64::from(seconds) * 1_000_000_000 };
        self.change(|ramps| {
            ramps.retain(|own| own.scope != ramp.scope);
            ramps.push(ramp.clone());
            let surplus = ramps.len().saturating_sub(RAMPS_MAX);
            ramps.drain(..surplus);
        });
    }

    /// Forgets the ramps that are over.
    pub fn sweep(&self, now_ns: u64) {
        if self.ramps.load().iter().any(|ramp| ramp.share(now_ns).is_none()) {
            self.change(|ramps| ramps.retain(|ramp| ramp.share(now_ns).is_some()));
        }
    }

    /// The share of its rate that a party has now; `None` if it has the whole. Costs one atomic read while there is no ramp.
    pub fn share<'a>(&self, party: impl FnOnce() -> Party<'a>, now_ns: u64) -> Option<f64> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let (ramps, party) = (self.ramps.load(), party());
        let shares = ramps.iter().filter(|ramp| ramp.scope.covers(&party)).filter_map(|ramp| ramp.share(now_ns));
        shares.min_by(f64::total_cmp)
    }

    fn change(&self, change: impl Fn(&mut Vec<Ramp>)) {
        self.ramps.rcu(|old| {
            let mut ramps = Vec::clone(old);
            change(&mut ramps);
            Arc::new(ramps)
        });
        self.count.store(self.ramps.load().len(), Ordering::Relaxed);
    }
}

impl Ramp {
    fn share(&self, now_ns: u64) -> Option<f64> {
        let gone = now_ns.saturating_sub(self.from_ns);
        (gone < self.length_ns).then(|| FIRST + (1.0 - FIRST) * gone as f64 / self.length_ns as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AccountClass;

    const SECOND: u64 = 1_000_000_000;

    fn party() -> Party<'static> {
        Party {
            account: "hefei",
            class: AccountClass::CityMoa,
            unit: "hefei",
            city: Some("hefei"),
            smsc: "192.0.2.1:1",
        }
    }

    #[test]
    fn the_share_grows_from_a_tenth_to_the_whole_and_the_lowest_counts() {
        let ease = Ease::default();
        assert_eq!(ease.share(party, 0), None);
        ease.begin(&Scope::All, 10, 0);
        ease.begin(&Scope::City("hefei".into()), 10, 5 * SECOND);
        ease.begin(&Scope::City("wuhu".into()), 10, 9 * SECOND);
        assert_eq!(ease.share(party, 5 * SECOND), Some(0.1));
        assert!(ease.share(party, 10 * SECOND).is_some_and(|share| (share - 0.55).abs() < 1e-9));
        assert_eq!(ease.share(party, 15 * SECOND), None);
        ease.sweep(20 * SECOND);
        assert!(ease.ramps.load().is_empty());
        ease.begin(&Scope::All, 0, 0);
        assert_eq!(ease.share(party, 0), None);
    }
}
