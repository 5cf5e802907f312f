//! Whether the clock on the wall can be believed.
//!
//! Slots and quotas belong to days, so a clock that jumps could open a day twice.
//! The wall clock is therefore held against the monotonic one: both must go
//! equally fast. A step beyond [`ClockWatch::BOUND_MS`] is an alarm, and nothing is
//! sent by such a clock until it is back, or the step is small and leaves the day alone.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use super::clock::Moment;
use super::day::LocalTime;
use super::tick::Tick;

/// Why a clock is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Doubt {
    /// It was set while the process ran.
    Jumped = 1,
    /// At the start it was behind the newest row of the journal.
    BehindLedger = 2,
    /// At the start it was far ahead of the newest row of the journal.
    FarAhead = 3,
}

/// What a look at the clock found new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is off by that many milliseconds; nothing is sent until it is back.
    Jumped(i64),
    /// It was set by that many milliseconds within the day, little enough to go on.
    Adjusted(i64),
    /// It is believed again.
    Back,
}

/// Holds the wall clock against the monotonic one. Cheap to ask: two loads.
#[derive(Debug)]
pub struct ClockWatch {
    /// Wall minus monotonic milliseconds as they should be; follows slow adjustments.
    expected_ms: AtomicI64,
    looked_ms: AtomicI64,
    doubt: AtomicU8,
    /// Where the journal ends that the clock was behind at the start.
    ledger_ms: AtomicI64,
    watched: bool,
}

impl Doubt {
    /// The word for `/readyz` and logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Jumped => "clock_jumped",
            Self::BehindLedger => "clock_behind_ledger",
            Self::FarAhead => "clock_far_ahead_of_ledger",
        }
    }
}

impl ClockWatch {
    /// A step up to this is none: readings are not taken at one instant.
    pub const BOUND_MS: i64 = 5_000;
    /// A larger step stops all until the clock is back or a restart confirms it, even within the day.
    pub const SMALL_MS: i64 = 600_000;
    /// A start so long after the newest row of the journal has to be confirmed.
    pub const FAR_MS: i64 = 31 * 86_400_000;
    /// How much of a deviation below the bound a look follows, as a share of the time since the look before:
    /// faster than any time service slews a clock.
    const SLEW_SHARE: i64 = 10;

    /// A watch that believes its first tick. A clock that is set by hand is not watched.
    pub fn new(first: Tick, watched: bool) -> Self {
        Self {
            expected_ms: AtomicI64::new(first.wall.ms() - first.steady_ms),
            looked_ms: AtomicI64::new(first.steady_ms),
            doubt: AtomicU8::new(0),
            ledger_ms: AtomicI64::new(i64::MIN),
            watched,
        }
    }

    /// Whether messages may be judged by this tick.
    pub fn believes(&self, tick: Tick) -> bool {
        !self.watched || self.doubt.load(Ordering::Relaxed) == 0 && self.deviation(tick).abs() <= Self::BOUND_MS
    }

    /// Why it is not believed.
    pub fn doubt(&self) -> Option<Doubt> {
        match self.doubt.load(Ordering::Relaxed) {
            1 => Some(Doubt::Jumped),
            2 => Some(Doubt::BehindLedger),
            3 => Some(Doubt::FarAhead),
            _ => None,
        }
    }

    /// Holds the first tick against the newest row of the journal.
    pub fn compare(&self, first: Tick, newest: Option<Moment>) {
        let Some(newest) = newest.filter(|_| self.watched) else { return };
        let ahead = first.wall.ms() - newest.ms();
        if ahead < -Self::BOUND_MS {
            self.ledger_ms.store(newest.ms(), Ordering::Relaxed);
            self.doubt.store(Doubt::BehindLedger as u8, Ordering::Relaxed);
        } else if ahead > Self::FAR_MS {
            self.doubt.store(Doubt::FarAhead as u8, Ordering::Relaxed);
        }
    }

    /// Called a few times a second by one thread; tells what has changed since the look before.
    pub fn look(&self, tick: Tick) -> Option<Seen> {
        if !self.watched {
            return None;
        }
        let passed = tick.steady_ms - self.looked_ms.swap(tick.steady_ms, Ordering::Relaxed);
        let deviation = self.deviation(tick);
        let small = deviation.abs() <= Self::SMALL_MS && LocalTime::of(tick.wall).day == self.expected_day(tick);
        match self.doubt() {
            None if deviation.abs() <= Self::BOUND_MS => {
                let slew = passed / Self::SLEW_SHARE;
                self.expected_ms.fetch_add(deviation.clamp(-slew, slew), Ordering::Relaxed);
                None
            }
            None if small => {
                self.follow(tick);
                Some(Seen::Adjusted(deviation))
            }
            None => {
                self.doubt.store(Doubt::Jumped as u8, Ordering::Relaxed);
                Some(Seen::Jumped(deviation))
            }
            Some(Doubt::Jumped) if small => Some(self.believe(tick)),
            // What the journal holds up to its newest row was read at the start, so nothing is forgotten.
            Some(Doubt::BehindLedger) if tick.wall.ms() + Self::BOUND_MS >= self.ledger_ms.load(Ordering::Relaxed) => {
                Some(self.believe(tick))
            }
            Some(_) => None,
        }
    }

    fn follow(&self, tick: Tick) {
        self.expected_ms.store(tick.wall.ms() - tick.steady_ms, Ordering::Relaxed);
    }

    fn believe(&self, tick: Tick) -> Seen {
        self.follow(tick);
        self.doubt.store(0, Ordering::Relaxed);
        Seen::Back
    }

    fn deviation(&self, tick: Tick) -> i64 {
        tick.wall.ms() - tick.steady_ms - self.expected_ms.load(Ordering::Relaxed)
    }

    fn expected_day(&self, tick: Tick) -> super::Day {
        LocalTime::of(Moment::from_ms(tick.steady_ms + self.expected_ms.load(Ordering::Relaxed))).day
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MORNING: &str = "2026-11-24T09:30:00+08:00";

    /// A watch that began at a time, and ticks after it: real milliseconds passed, and how far the clock was set.
    struct World {
        watch: ClockWatch,
        start: i64,
    }

    impl World {
        fn at(time: &str) -> Self {
            let start = Moment::parse(time).expect("a time");
            let first = Tick { wall: start, steady_ms: start.ms(), steady_ns: 0 };
            Self { watch: ClockWatch::new(first, true), start: start.ms() }
        }

        fn tick(&self, passed: i64, set: i64) -> Tick {
            let steady_ms = self.start + passed;
            Tick { wall: Moment::from_ms(steady_ms + set), steady_ms, steady_ns: 0 }
        }

        fn look(&self, passed: i64, set: i64) -> (Option<Seen>, bool) {
            let tick = self.tick(passed, set);
            (self.watch.look(tick), self.watch.believes(tick))
        }
    }

    #[test]
    fn a_clock_that_runs_evenly_or_is_slewed_is_believed() {
        let world = World::at(MORNING);
        for look in 0..100_000 {
            let passed = look * 100;
            assert_eq!(
                world.look(passed, passed / 12),
                (None, true),
                "8 % too fast, as a time service does it at most"
            );
        }
    }

    #[test]
    fn a_step_of_five_seconds_is_none_and_a_larger_one_stops_at_once() {
        let world = World::at(MORNING);
        assert!(world.watch.believes(world.tick(10, 5_000)));
        assert!(world.watch.believes(world.tick(10, -5_000)));
        assert!(!world.watch.believes(world.tick(10, 5_001)), "before anybody has looked");
        assert!(!world.watch.believes(world.tick(10, -5_001)));
        assert_eq!(world.watch.doubt(), None);
    }

    #[test]
    fn a_small_step_within_the_day_is_told_and_followed() {
        let world = World::at(MORNING);
        assert_eq!(world.look(100, 60_000), (Some(Seen::Adjusted(60_000)), true));
        assert_eq!(world.look(200, 60_000), (None, true));
        assert_eq!(world.look(300, -500_000), (Some(Seen::Adjusted(-560_000)), true));
        assert_eq!(world.look(400, 100_001), (Some(Seen::Jumped(600_001)), false), "more than ten minutes");
    }

    #[test]
    fn a_large_step_stops_until_the_clock_is_back() {
        let world = World::at(MORNING);
        let day = 86_400_000;
        assert_eq!(world.look(100, day), (Some(Seen::Jumped(day)), false));
        assert_eq!(world.watch.doubt(), Some(Doubt::Jumped));
        for look in 2..1000 {
            assert_eq!(world.look(look * 100, day), (None, false), "time alone does not make it right");
        }
        assert_eq!(world.look(100_000, 100), (Some(Seen::Back), true));
        assert_eq!(world.watch.doubt(), None);
    }

    #[test]
    fn a_small_step_over_midnight_waits_until_both_sides_agree_on_the_day() {
        let forward = World::at("2026-11-24T23:58:00+08:00");
        assert_eq!(forward.look(0, 180_000), (Some(Seen::Jumped(180_000)), false));
        assert_eq!(forward.look(119_900, 180_000), (None, false));
        assert_eq!(forward.look(120_000, 180_000), (Some(Seen::Back), true), "it is midnight by both");
        let back = World::at("2026-11-25T00:01:00+08:00");
        assert_eq!(back.look(0, -180_000), (Some(Seen::Jumped(-180_000)), false));
        assert_eq!(back.look(119_900, -180_000), (None, false));
        assert_eq!(back.look(120_000, -180_000), (Some(Seen::Back), true));
    }

    #[test]
    fn a_start_behind_the_journal_waits_for_its_end() {
        let world = World::at(MORNING);
        let newest = |ms: i64| Some(Moment::from_ms(world.start + ms));
        world.watch.compare(world.tick(0, 0), newest(5_000));
        world.watch.compare(world.tick(0, 0), None);
        assert_eq!(world.watch.doubt(), None);
        world.watch.compare(world.tick(0, 0), newest(60_000));
        assert_eq!(world.watch.doubt(), Some(Doubt::BehindLedger));
        assert_eq!(world.look(54_999, 0), (None, false));
        assert_eq!(world.look(55_000, 0), (Some(Seen::Back), true));
    }

    #[test]
    fn a_start_far_behind_or_ahead_of_the_journal_is_set_right_or_confirmed() {
        let world = World::at(MORNING);
        let newest = |ms: i64| Some(Moment::from_ms(world.start + ms));
        world.watch.compare(world.tick(0, 0), newest(-ClockWatch::FAR_MS));
        assert_eq!(world.watch.doubt(), None, "a month without a message happens");
        world.watch.compare(world.tick(0, 0), newest(-ClockWatch::FAR_MS - 1));
        assert_eq!(world.watch.doubt(), Some(Doubt::FarAhead));
        assert_eq!(world.look(100, -86_400_000), (None, false), "the days it skipped were not read");
        let behind = World::at(MORNING);
        behind.watch.compare(behind.tick(0, 0), Some(Moment::from_ms(behind.start + 86_400_000)));
        assert_eq!(behind.look(100, 86_400_000), (Some(Seen::Back), true), "set right by a time service");
    }

    #[test]
    fn a_clock_set_by_hand_is_not_watched() {
        let world = World::at(MORNING);
        let watch = ClockWatch::new(world.tick(0, 0), false);
        watch.compare(world.tick(0, 0), Some(Moment::from_ms(i64::MAX)));
        assert_eq!(watch.look(world.tick(1, -86_400_000)), None);
        assert!(watch.believes(world.tick(1, -86_400_000)));
    }
}
