//! `cities.csv`, `segments.csv` and the overlay, read into [`Regions`].

use std::collections::HashMap;

use crate::domain::{Day, Msisdn, Segment};
use crate::policy::regions::{City, Operator, Overlay, Place, Regions};

use super::problem::Problem;
use super::suggest;
use super::table::{self, Columns, Row};

/// The word for "not of this province" in the column `city`.
const OTHER_PROVINCE: &str = "other_province";
/// A city's index is one octet, and 0 is another province.
const CITIES_MAX: usize = 254;

const CITIES: Columns = Columns { required: &["slug", "name_cn", "name_en", "area_code"], optional: &["adcode"] };
const SEGMENTS: Columns = Columns { required: &["prefix", "city", "operator"], optional: &["mvno"] };
const OVERLAY: Columns =
    Columns { required: &["pattern", "city", "operator", "valid_from", "valid_to", "reason"], optional: &[] };

/// Reads the cities.
pub(super) fn cities(file: &str, text: &str, problems: &mut Vec<Problem>) -> Vec<City> {
    let mut cities: Vec<City> = Vec::new();
    let before = problems.len();
    table::read(file, text, &CITIES, problems, |row| {
        let slug = row.get("slug");
        let plain = slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if slug.is_empty() || !plain {
            return Err(row
                .problem("slug", format!("`{slug}` is not a slug"))
                .hint("lower case letters, digits, hyphens"));
        }
        if cities.iter().any(|city| city.slug == slug) {
            return Err(row.problem("slug", format!("city `{slug}` stands twice")));
        }
        if cities.len() == CITIES_MAX {
            return Err(row.problem("slug", format!("more than {CITIES_MAX} cities")));
        }
        cities.push(City {
            slug: slug.to_owned(),
            name_cn: row.get("name_cn").to_owned(),
            name_en: row.get("name_en").to_owned(),
            area_code: row.get("area_code").to_owned(),
        });
        Ok(())
    });
    if problems.len() > before {
        // A city that could not be read would be unknown in every other file.
        cities.clear();
    } else if cities.is_empty() {
        problems.push(Problem::error(file, "rows", "the table holds no city"));
    }
    cities
}

/// Reads the segment table into the regions.
pub(super) fn segments(file: &str, text: &str, regions: &mut Regions, problems: &mut Vec<Problem>) {
    let before = problems.len();
    let mut seen: HashMap<Segment, (Place, u32)> = HashMap::new();
    table::read(file, text, &SEGMENTS, problems, |row| {
        let prefix = row.get("prefix");
        let segment = Segment::parse(prefix).ok_or_else(|| {
            row.problem("prefix", format!("`{prefix}` is not a segment")).hint("seven digits from 1300000 to 1999999")
        })?;
        let place = place(row, regions)?;
        if !matches!(row.get("mvno"), "" | "0" | "1") {
            return Err(row.problem("mvno", format!("`{}` is neither 0 nor 1", row.get("mvno"))));
        }
        if regions.insert(segment, place) {
            seen.insert(segment, (place, row.line));
            return Ok(());
        }
        Err(repeated(row, prefix, place, seen.get(&segment)))
    });
    if regions.known_segments() == 0 && problems.len() == before {
        let empty = Problem::error(file, "rows", "the table holds no segment");
        problems.push(empty.hint("without it no city can be shown (7.3); restore the file"));
    }
}

fn repeated(row: &Row<'_>, prefix: &str, place: Place, first: Option<&(Place, u32)>) -> Problem {
    let line = first.map_or(0, |(_, line)| *line);
    if first.is_some_and(|(other, _)| *other == place) {
        return row.problem("prefix", format!("segment {prefix} stands twice, first in line {line}")).warning();
    }
    row.problem("prefix", format!("segment {prefix} is given another city or operator than in line {line}"))
        .hint("keep the line that is right; exceptions belong in the overlay")
}

/// Reads the exceptions into the regions.
pub(super) fn overlay(file: &str, text: &str, regions: &mut Regions, problems: &mut Vec<Problem>) -> usize {
    table::read(file, text, &OVERLAY, problems, |row| {
        let pattern = row.get("pattern");
        let digits = pattern.bytes().all(|byte| byte.is_ascii_digit()) && (3..=11).contains(&pattern.len());
        let mobile = pattern.len() < 11 || Msisdn::from_national(pattern.as_bytes()).is_some();
        if !digits || !mobile {
            return Err(row
                .problem("pattern", "not a number or prefix")
                .hint("3 to 11 digits of a mainland mobile number"));
        }
        let place = place(row, regions)?;
        let (from, to) = (day(row, "valid_from")?, day(row, "valid_to")?);
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            return Err(row.problem("valid_to", format!("{to} is before {from}")));
        }
        if regions.overlay(Overlay { pattern: pattern.to_owned(), place, from, to }) {
            return Ok(());
        }
        Err(row.problem("pattern", "the number or prefix stands twice"))
    })
}

fn day(row: &Row<'_>, column: &str) -> Result<Option<Day>, Problem> {
    match row.get(column) {
        "" => Ok(None),
        text => Day::parse(text).map(Some).ok_or_else(|| bad_day(row, column, text)),
    }
}

/// A field that should have been a date.
pub(super) fn bad_day(row: &Row<'_>, column: &str, text: &str) -> Problem {
    row.problem(column, format!("`{text}` is not a date")).hint("write it as 2026-11-24")
}

fn place(row: &Row<'_>, regions: &Regions) -> Result<Place, Problem> {
    let slug = row.get("city");
    let city = match (slug, regions.city(slug)) {
        (OTHER_PROVINCE, _) => None,
        (_, Some(city)) => Some(city),
        _ => {
            let known = regions.cities().iter().map(|city| city.slug.as_str()).chain([OTHER_PROVINCE]);
            return Err(row.problem("city", format!("unknown city `{slug}`")).hint(suggest::hint(slug, known)));
        }
    };
    let code = row.get("operator");
    let operator = Operator::from_code(code).ok_or_else(|| {
        row.problem("operator", format!("unknown operator `{code}`"))
            .hint(suggest::hint(code, ["cmcc", "cucc", "ctcc", "cbn"]))
    })?;
    Ok(Place { city, operator })
}
