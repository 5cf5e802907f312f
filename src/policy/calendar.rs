//! The holiday calendar (clause 7.4), resolved to blocked days when the configuration is loaded.

use std::collections::BTreeMap;

use crate::domain::Day;

/// Which days are blocked, and which years the calendar covers.
#[derive(Clone, Debug, Default)]
pub struct Calendar {
    blocked: BTreeMap<Day, Box<str>>,
    years: Option<(i16, i16)>,
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

impl Calendar {
    /// A calendar covering the years `first..=last`, with the blocked days and their names.
    pub fn new(first: i16, last: i16, blocked: impl IntoIterator<Item = (Day, String)>) -> Self {
        let blocked = blocked.into_iter().map(|(day, name)| (day, name.into_boxed_str())).collect();
        Self { blocked, years: Some((first, last)) }
    }

    /// What it says of a day.
    pub fn kind(&self, day: Day) -> DayKind<'_> {
        if let Some(name) = self.blocked.get(&day) {
            return DayKind::Blocked(name);
        }
        match self.years {
            Some((first, last)) if (first..=last).contains(&day.year()) => DayKind::Open,
            _ => DayKind::Missing,
        }
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
