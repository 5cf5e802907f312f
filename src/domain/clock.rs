//! Time as a value that is handed in. Only the assembly asks the machine.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// A point in time, milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(i64);

/// Where the present comes from: the machine's clock, or one that was set at
/// the start and runs on (for demonstrations and tests, `--clock-start`), or one
/// that stands until it is set.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that showed `start` when the monotonic clock showed `origin`.
    Shifted {
        /// What the clock showed at the start.
        start: Moment,
        /// The monotonic instant of the start.
        origin: Instant,
    },
    /// A clock that stands until it is set, milliseconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Moment {
    /// The moment that many milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 (`2026-11-24T09:30:00+08:00`); without an offset the time is local (UTC+8).
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
            return Some(Self(timestamp.as_millisecond()));
        }
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        let zoned = jiff::tz::Offset::constant(8).to_timestamp(civil).ok()?;
        Some(Self(zoned.as_millisecond()))
    }

    /// This moment and a duration later.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_millis() as i64))
    }
}

impl Clock {
    /// A clock that shows `start` now and runs on.
    pub fn starting_at(start: Moment) -> Self {
        Self::Shifted { start, origin: Instant::now() }
    }

    /// The present.
    pub fn now(&self) -> Moment {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                Moment(since.as_millis() as i64)
            }
            Self::Shifted { start, origin } => start.plus(origin.elapsed()),
            Self::Manual(ms) => Moment(ms.load(Ordering::Relaxed)),
        }
    }

    /// Whether this is the machine's own clock.
    pub const fn is_system(&self) -> bool {
        matches!(self, Self::System)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&super::LocalTime::of(*self), f)
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_an_offset_is_local() {
        assert_eq!(Moment::parse("2026-11-24T09:30:00"), Moment::parse("2026-11-24T01:30:00Z"));
        assert_eq!(Moment::parse("2026-11-24T09:30:00+08:00"), Moment::parse("2026-11-24T01:30:00Z"));
        assert_eq!(Moment::parse("yesterday"), None);
    }

    #[test]
    fn a_shifted_clock_runs_on() {
        let start = Moment::parse("2026-11-24T09:30:00").expect("valid");
        let now = Clock::starting_at(start).now();
        assert!(now >= start && now.ms() - start.ms() < 60_000);
    }
}
