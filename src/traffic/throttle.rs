//! An account's rate (governor's GCRA): `per_second` on the average, `burst` at once.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::domain::Ticker;
use crate::policy::ruleset::Rate;

/// The rate of one account, shared by all its sessions.
///
/// governor has no refund, so it is asked last, when every other rule has let
/// the message through; where that cannot be (a shared ledger answers later), what
/// is given back is spent when governor has no token. It reads the instant of the batch instead of the
/// machine's clock.
#[derive(Debug)]
pub struct Throttle {
    limiter: RateLimiter<NotKeyed, InMemoryState, BatchClock, StateInformationMiddleware>,
    rate: Rate,
    /// Tokens that were given back, spent when the limiter has none.
    spare: AtomicU32,
}

#[derive(Clone, Debug)]
struct BatchClock(Ticker);

impl Throttle {
    /// A full bucket. `per_second` and `burst` of zero are taken as 1.
    pub fn new(rate: Rate, ticker: Ticker) -> Self {
        let positive = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(positive(rate.per_second)).allow_burst(positive(rate.burst));
        ticker.tick();
        let limiter = RateLimiter::direct_with_clock(quota, BatchClock(ticker));
        Self { limiter: limiter.with_middleware(), rate, spare: AtomicU32::new(0) }
    }

    /// Another rate in place of this one: it begins with what this one has left, no more than its own burst, and
    /// this one is left with nothing. So a change of the rate makes no messages free.
    #[must_use]
    pub fn followed_by(&self, rate: Rate, ticker: Ticker) -> Self {
        let left = self.limiter.check().map_or(0, |state| {
            let rest = state.remaining_burst_capacity();
            // Whoever else takes at the same time leaves less; then this takes nothing, which is as good.
            let _ = NonZeroU32::new(rest).map(|rest| self.limiter.check_n(rest));
            rest + 1
        });
        let next = Self::new(rate, ticker);
        let spent = NonZeroU32::new(next.rate.burst.max(1).saturating_sub(left));
        let _ = spent.map(|spent| next.limiter.check_n(spent)); // a full bucket holds what is asked of it
        next
    }

    /// Takes one message's token, if there is one at the latest tick.
    pub fn take(&self) -> bool {
        self.limiter.check().is_ok() || self.take_spare()
    }

    /// Gives a token back that was taken for a message which another rule has refused since. At most a burst of them
    /// is kept.
    pub fn give_back(&self) {
        let more = |spare| (spare < self.rate.burst.max(1)).then_some(spare + 1);
        let _ = self.spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    fn take_spare(&self) -> bool {
        self.spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |spare| spare.checked_sub(1)).is_ok()
    }

    /// Takes the tokens of several messages, or none.
    pub fn take_all(&self, messages: u32) -> bool {
        NonZeroU32::new(messages).is_none_or(|messages| matches!(self.limiter.check_n(messages), Ok(Ok(_))))
    }

    /// What it was built with.
    pub const fn rate(&self) -> Rate {
        self.rate
    }
}

impl Clock for BatchClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.latest_ns())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Clock as WallClock;

    #[test]
    fn a_change_of_the_rate_makes_no_messages_free() {
        let ticker = Ticker::new(WallClock::System);
        let rate = |per_second, burst| Rate { per_second, burst };
        let taken = |throttle: &Throttle| (0..100).filter(|_| throttle.take()).count();
        let first = Throttle::new(rate(1, 10), ticker.clone());
        assert_eq!((0..6).filter(|_| first.take()).count(), 6);
        let wider = first.followed_by(rate(2, 50), ticker.clone());
        assert_eq!((taken(&first), taken(&wider)), (0, 4), "what was left, once");
        assert_eq!(taken(&wider.followed_by(rate(1, 10), ticker.clone())), 0);
        let narrower = Throttle::new(rate(1, 10), ticker.clone()).followed_by(rate(1, 3), ticker);
        assert_eq!(taken(&narrower), 3, "no more than its own burst");
    }

    #[test]
    fn burst_is_what_passes_at_once() {
        let ticker = Ticker::new(WallClock::System);
        let throttle = Throttle::new(Rate { per_second: 1, burst: 3 }, ticker);
        assert_eq!((0..10).filter(|_| throttle.take()).count(), 3);
    }

    #[test]
    fn a_token_given_back_is_spent_once_and_a_burst_of_them_is_kept() {
        let throttle = Throttle::new(Rate { per_second: 1, burst: 2 }, Ticker::new(WallClock::System));
        assert!(throttle.take() && throttle.take() && !throttle.take());
        throttle.give_back();
        assert!(throttle.take() && !throttle.take());
        (0..5).for_each(|_| throttle.give_back());
        assert_eq!((0..5).filter(|_| throttle.take()).count(), 2);
    }

    #[test]
    fn several_are_taken_together_or_not_at_all() {
        let throttle = Throttle::new(Rate { per_second: 1, burst: 3 }, Ticker::new(WallClock::System));
        assert!(!throttle.take_all(4) && throttle.take_all(2) && !throttle.take_all(2) && throttle.take_all(0));
        assert!(throttle.take_all(1) && !throttle.take());
    }
}
