//! `holidays.csv` and the holiday switches, resolved to the blocked days (7.4, A-14, A-15).

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Day, LocalTime, Moment};
use crate::policy::calendar::Calendar;
use crate::policy::switches::{HolidayScope, HolidaySwitches};

use super::problem::Problem;
use super::regions::bad_day;
use super::suggest;
use super::table::{self, Columns, Row};

/// The festivals of 7.4; the list there is exhaustive.
const FESTIVALS: [&str; 6] = ["new_year", "spring_festival", "valentine", "dragon_boat", "mid_autumn", "christmas"];
const ROLES: [&str; 5] = ["day", "eve", "named", "off", "alt"];
const COLUMNS: Columns = Columns {
    required: &["date", "festival", "festival_cn", "role", "default_block"],
    optional: &["year", "lunar", "weekday_cn", "note"],
};
/// From this month on the next year must be covered: messages may be scheduled into it.
const NEXT_YEAR_NEEDED_FROM_MONTH: i8 = 10;

#[derive(Default)]
struct Found {
    blocked: BTreeMap<Day, String>,
    /// Festivals whose own day a year has.
    festivals: BTreeMap<i16, BTreeSet<&'static str>>,
    /// Years with published days off.
    days_off: BTreeSet<i16>,
    /// Days on which nobody works: those published, and the statutory ones of festivals that are public holidays.
    off: BTreeSet<Day>,
}

/// Reads the table. `now` says which years must be covered.
pub(super) fn calendar(
    file: &str,
    text: &str,
    switches: &HolidaySwitches,
    now: Moment,
    problems: &mut Vec<Problem>,
) -> Calendar {
    let mut found = Found::default();
    let before = problems.len();
    table::read(file, text, &COLUMNS, problems, |row| found.take(row, switches));
    // A table with unreadable rows would seem to lack years as well.
    if problems.len() == before {
        problems.extend(found.missing(file, now));
    }
    let year = LocalTime::of(now).day.year();
    if switches.scope == HolidayScope::DayOff && !found.days_off.contains(&year) {
        let missing =
            Problem::error(file, "role", format!("holiday.scope is `day_off`, but {year} has no row of role `off`"));
        problems.push(missing.warning().hint("add the published day-off arrangement of the year"));
    }
    for day in switches.extra.iter().filter_map(|text| Day::parse(text)) {
        found.blocked.entry(day).or_insert_with(|| "extra".to_owned());
    }
    match (found.festivals.keys().next(), found.festivals.keys().next_back()) {
        (Some(first), Some(last)) => Calendar::new(*first, *last, found.blocked).with_days_off(found.off),
        _ => Calendar::default(),
    }
}

impl Found {
    fn take(&mut self, row: &Row<'_>, switches: &HolidaySwitches) -> Result<(), Problem> {
        let date = row.get("date");
        let day = Day::parse(date).ok_or_else(|| bad_day(row, "date", date))?;
        let year = row.get("year");
        if !year.is_empty() && year != day.year().to_string() {
            return Err(row.problem("year", format!("`{year}` is not the year of {day}")));
        }
        let festival = word(row, "festival", &FESTIVALS)?;
        let role = word(row, "role", &ROLES)?;
        let default_block = match row.get("default_block") {
            "0" => false,
            "1" => true,
            other => return Err(row.problem("default_block", format!("`{other}` is neither 0 nor 1"))),
        };
        let festivals = self.festivals.entry(day.year()).or_default();
        match role {
            "day" => drop(festivals.insert(festival)),
            "off" => drop(self.days_off.insert(day.year())),
            _ => {}
        }
        if role == "off" || default_block && !matches!(festival, "valentine" | "christmas") {
            self.off.insert(day);
        }
        if blocks(switches, festival, role, default_block) {
            self.blocked.entry(day).or_insert_with(|| row.get("festival_cn").to_owned());
        }
        Ok(())
    }

    /// What the years needed now, and those between the first and the last, lack.
    fn missing(&self, file: &str, now: Moment) -> Vec<Problem> {
        let today = LocalTime::of(now).day.to_civil();
        let last_needed = today.year() + i16::from(today.month() >= NEXT_YEAR_NEEDED_FROM_MONTH);
        let first = self.festivals.keys().next().map_or(today.year(), |first| today.year().min(*first));
        let last = self.festivals.keys().next_back().map_or(last_needed, |last| last_needed.max(*last));
        // A mistyped century would lack a hundred years.
        (first..=last).flat_map(|year| self.lacks(file, year)).take(20).collect()
    }

    fn lacks(&self, file: &str, year: i16) -> Vec<Problem> {
        let Some(own) = self.festivals.get(&year) else {
            let uncovered = Problem::error(file, "date", format!("no holiday of {year} is in the table"));
            return vec![
                uncovered.hint(format!("add the rows of {year}; a year that is not covered is refused as a whole")),
            ];
        };
        let lacking = FESTIVALS.into_iter().filter(|festival| !own.contains(festival));
        let problem = |festival| {
            Problem::error(file, "festival", format!("{year} has no row of role `day` for `{festival}`"))
                .hint("a year must be whole: all six festivals of clause 7.4")
        };
        lacking.map(problem).collect()
    }
}

fn word<const N: usize>(row: &Row<'_>, column: &str, known: &[&'static str; N]) -> Result<&'static str, Problem> {
    let text = row.get(column);
    known.iter().find(|word| **word == text).copied().ok_or_else(|| {
        row.problem(column, format!("unknown {column} `{text}`")).hint(suggest::hint(text, known.iter().copied()))
    })
}

/// Whether a row blocks its day.
///
/// `day_off` holds the statutory days too: the published days off contain them, and a year whose arrangement is not
/// yet in the table must not be freer than by default.
fn blocks(switches: &HolidaySwitches, festival: &str, role: &str, default_block: bool) -> bool {
    let in_scope = match switches.scope {
        HolidayScope::StatutoryDays => default_block,
        HolidayScope::Day => role == "day",
        HolidayScope::DayOff => default_block || matches!(role, "day" | "off"),
    };
    in_scope || (switches.qixi && role == "alt") || (switches.christmas_eve && festival == "christmas" && role == "eve")
}
