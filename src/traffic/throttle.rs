//! An account's rate (governor's GCRA): `per_second` on the average, `burst` at once.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::domain::Ticker;
use crate::policy::ruleset::Rate;

/// The rate of one account, shared by all its sessions.
///
/// governor has no refund, so it is asked last, when every other rule has let
/// the message through. It reads the instant of the batch instead of the
/// machine's clock.
#[derive(Debug)]
pub struct Throttle {
    limiter: RateLimiter<NotKeyed, InMemoryState, BatchClock, NoOpMiddleware<Duration>>,
    rate: Rate,
}

#[derive(Clone, Debug)]
struct BatchClock(Ticker);

impl Throttle {
    /// A full bucket. `per_second` and `burst` of zero are taken as 1.
    pub fn new(rate: Rate, ticker: Ticker) -> Self {
        let positive = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(positive(rate.per_second)).allow_burst(positive(rate.burst));
        ticker.tick();
        Self { limiter: RateLimiter::direct_with_clock(quota, BatchClock(ticker)), rate }
    }

    /// Takes one message's token, if there is one at the latest tick.
    pub fn take(&self) -> bool {
        self.limiter.check().is_ok()
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
    fn burst_is_what_passes_at_once() {
        let ticker = Ticker::new(WallClock::System);
        let throttle = Throttle::new(Rate { per_second: 1, burst: 3 }, ticker);
        assert_eq!((0..10).filter(|_| throttle.take()).count(), 3);
    }
}
