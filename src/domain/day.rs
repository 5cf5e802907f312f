//! Civil time in the operator's zone. Asia/Shanghai is UTC+8 without daylight
//! saving since 1991, so local time on the path of a message is one addition;
//! reading and printing of times goes through `jiff`.

use std::fmt;

use super::clock::Moment;

/// Offset of local time from UTC, in milliseconds.
const OFFSET_MS: i64 = 8 * 3_600_000;
/// Length of a day in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// A civil day in the operator's zone: days since 1970-01-01. Not a timestamp.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(u16); // INVARIANT: reaches 2149-06-06.

/// A civil day and the second of that day.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalTime {
    /// The civil day.
    pub day: Day,
    /// Second of the day, 0..86 400.
    pub second: u32,
}

impl Day {
    /// The day that many days after 1970-01-01.
    pub const fn from_number(number: u16) -> Self {
        Self(number)
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Reads `2026-11-24`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_civil(text.parse().ok()?)
    }

    /// The day of a calendar date; `None` before 1970 or after 2149.
    pub fn from_civil(date: jiff::civil::Date) -> Option<Self> {
        let days = date.duration_since(jiff::civil::date(1970, 1, 1)).as_hours() / 24;
        u16::try_from(days).ok().map(Self)
    }

    /// The calendar date.
    pub fn to_civil(self) -> jiff::civil::Date {
        let span = jiff::SignedDuration::from_hours(24 * i64::from(self.0));
        jiff::civil::date(1970, 1, 1).checked_add(span).expect("a u16 of days stays far inside jiff's range")
    }

    /// The calendar year.
    pub fn year(self) -> i16 {
        self.to_civil().year()
    }

    /// The following day.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The moment at which the day begins.
    pub const fn start(self) -> Moment {
        Moment::from_ms(self.0 as i64 * DAY_MS - OFFSET_MS)
    }
}

impl LocalTime {
    /// Local time of a moment. Moments before 1970 or after 2149 are clamped.
    pub const fn of(moment: Moment) -> Self {
        let local = moment.ms() + OFFSET_MS;
        let days = local.div_euclid(DAY_MS);
        let number = if days < 0 {
            0
        } else if days > u16::MAX as i64 {
            u16::MAX
        } else {
            days.cast_unsigned() as u16
        };
        Self { day: Day(number), second: (local.rem_euclid(DAY_MS) / 1000) as u32 }
    }

    /// The moment of this second's begin.
    pub const fn moment(self) -> Moment {
        Moment::from_ms(self.day.start().ms() + self.second as i64 * 1000)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_civil(), f)
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (h, m, s) = (self.second / 3600, self.second / 60 % 60, self.second % 60);
        write!(f, "{}T{h:02}:{m:02}:{s:02}+08:00", self.day)
    }
}

impl fmt::Debug for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_day_turns_at_sixteen_hours_utc() {
        let before = Moment::parse("2026-11-24T15:59:59Z").expect("valid");
        let after = Moment::parse("2026-11-24T16:00:00Z").expect("valid");
        assert_eq!(LocalTime::of(before).to_string(), "2026-11-24T23:59:59+08:00");
        assert_eq!(LocalTime::of(after).to_string(), "2026-11-25T00:00:00+08:00");
        assert_eq!(LocalTime::of(after).day, LocalTime::of(before).day.next());
        assert_eq!(LocalTime::of(after).moment(), after);
    }

    #[test]
    fn days_read_and_print_as_dates() {
        let day = Day::parse("2026-11-24").expect("valid");
        assert_eq!((day.to_string().as_str(), day.year()), ("2026-11-24", 2026));
        assert_eq!(Day::parse("2026-02-30"), None);
        assert_eq!(Day::parse("1969-12-31"), None);
    }
}
