//! The holiday calendar (clause 7.4), resolved to blocked days when the configuration is loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Range};

use crate::domain::Day;

/// Which days are blocked, and which years the calendar covers.
#[derive(Clone, Debug)]
pub struct Calendar {
    blocked: BTreeMap<Day, Box<str>>,
    /// Days on which nobody works, beside weekends.
    off: BTreeSet<Day>,
    years: Option<(i16, i16)>,
    /// The days of these years, so that a decision needs no calendar arithmetic.
    covered: Range<Day>,
}

/// What the calendar says of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayKind<'a> {
    /// Nothing speaks against it.
    Open,
    /// A blocked holiday, by name.
    Blocked(&'a str),
    /// The calendar does not cover the day's year.
    Missing,
}

impl Default for Calendar {
    fn default() -> Self {
        let none = Day::from_number(0);
        Self { blocked: BTreeMap::new(), off: BTreeSet::new(), years: None, covered: none..none }
    }
}

impl Calendar {
    /// A calendar covering the years `first..=last`, with the blocked days and their names.
    pub fn new(first: i16, last: i16, blocked: impl IntoIterator<Item = (Day, String)>) -> Self {
        let blocked = blocked.into_iter().map(|(day, name)| (day, name.into_boxed_str())).collect();
        let covered = first_day(first)..first_day(last.saturating_add(1));
        Self { blocked, off: BTreeSet::new(), years: Some((first, last)), covered }
    }

    /// The same with days on which nobody works, beside weekends.
    #[must_use]
    pub fn with_days_off(self, off: impl IntoIterator<Item = Day>) -> Self {
        Self { off: off.into_iter().collect(), ..self }
    }

    /// Whether a day is worked on: no weekend, and no holiday of the table. A weekend that is worked on in exchange for
    /// a holiday is in no table and counts as a weekend.
    pub fn is_working(&self, day: Day) -> bool {
        use jiff::civil::Weekday::{Saturday, Sunday};
        !matches!(day.to_civil().weekday(), Saturday | Sunday) && !self.off.contains(&day)
    }

    /// What it says of a day.
    pub fn kind(&self, day: Day) -> DayKind<'_> {
        if let Some(name) = self.blocked.get(&day) {
            return DayKind::Blocked(name);
        }
        if self.covered.contains(&day) { DayKind::Open } else { DayKind::Missing }
    }

    /// The first day behind this one that is not open: a blocked one, or one of a year that is not covered.
    pub fn next_closed(&self, day: Day) -> Day {
        let behind = (Bound::Excluded(day), Bound::Unbounded);
        let blocked = self.blocked.range(behind).next().map(|(day, _)| *day);
        let uncovered = self.covered.end.max(day.next());
        blocked.map_or(uncovered, |blocked| blocked.min(uncovered))
    }

    /// The last year covered.
    pub fn last_year(&self) -> Option<i16> {
        self.years.map(|(_, last)| last)
    }

    /// The blocked days, in order.
    pub fn blocked(&self) -> impl Iterator<Item = (Day, &str)> {
        self.blocked.iter().map(|(day, name)| (*day, &**name))
    }
}

/// 1 January of a year, within the days there are.
fn first_day(year: i16) -> Day {
    let date = jiff::civil::Date::new(year, 1, 1).ok();
    let beyond = Day::from_number(if year < 1970 { 0 } else { u16::MAX });
    date.and_then(Day::from_civil).unwrap_or(beyond)
}
