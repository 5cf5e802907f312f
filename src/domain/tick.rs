//! One reading of all clocks, shared by everything that is judged together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::clock::{Clock, Moment};
use super::watch::ClockWatch;

/// The instant of one batch: what the clock on the wall shows, and the
/// monotonic time in which windows and timers are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The wall clock.
    pub wall: Moment,
    /// Monotonic milliseconds, anchored at the wall clock when the process started.
    pub steady_ms: i64,
    /// Monotonic nanoseconds since the process started.
    pub steady_ns: u64,
}

/// Where ticks come from; also tells the last tick to those who are asked without being handed one.
#[derive(Clone, Debug)]
pub struct Ticker {
    clock: Clock,
    anchor: Moment,
    origin: Instant,
    latest_ns: Arc<AtomicU64>,
    watch: Arc<ClockWatch>,
}

impl Ticker {
    /// A ticker on a clock.
    pub fn new(clock: Clock) -> Self {
        let anchor = clock.now();
        let first = Tick { wall: anchor, steady_ms: anchor.ms(), steady_ns: 0 };
        let watch = Arc::new(ClockWatch::new(first, !matches!(clock, Clock::Manual(_))));
        Self { anchor, clock, origin: Instant::now(), latest_ns: Arc::default(), watch }
    }

    /// Reads the clocks.
    pub fn tick(&self) -> Tick {
        let wall = self.clock.now();
        let steady_ns = match &self.clock {
            // Time stands with such a clock, and goes on when it is set forward.
            Clock::Manual(_) => (wall.ms() - self.anchor.ms()).max(0).cast_unsigned() * 1_000_000,
            Clock::System | Clock::Shifted { .. } => self.origin.elapsed().as_nanos() as u64,
        };
        self.latest_ns.fetch_max(steady_ns, Ordering::Relaxed);
        Tick { wall, steady_ms: self.anchor.ms() + (steady_ns / 1_000_000) as i64, steady_ns }
    }

    /// The monotonic clock alone, nanoseconds since the process started; for what only measures.
    pub fn steady_ns(&self) -> u64 {
        match &self.clock {
            Clock::Manual(_) => self.tick().steady_ns,
            Clock::System | Clock::Shifted { .. } => self.origin.elapsed().as_nanos() as u64,
        }
    }

    /// The latest tick's monotonic nanoseconds, without asking the machine.
    pub fn latest_ns(&self) -> u64 {
        self.latest_ns.load(Ordering::Relaxed)
    }

    /// Whether its ticks can be believed.
    pub fn watch(&self) -> &ClockWatch {
        &self.watch
    }

    /// The clock it reads.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }
}
