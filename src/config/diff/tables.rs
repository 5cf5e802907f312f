//! The CSV tables, by counts: their rows can be numbers of persons.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::policy::Ruleset;
use crate::policy::regions::{Operator, Overlay, Place, Regions};

use super::direction::of_sets;
use super::{Change, Effect};

/// Tables that are not the same in both.
pub(super) fn between(old: &Ruleset, new: &Ruleset) -> Vec<Change> {
    let tables = [cities(&old.regions, &new.regions), segments(&old.regions, &new.regions)];
    let more = [overlay(&old.regions, &new.regions), holidays(old, new)];
    tables.into_iter().chain(more).flatten().collect()
}

fn change(key: &str, what: &str, counts: (usize, usize), edits: Edits, effect: Effect) -> Option<Change> {
    if edits.is_empty() {
        return None;
    }
    let Edits { added, removed, changed } = edits;
    let new = format!("{} {what} ({added} added, {removed} removed, {changed} changed)", counts.1);
    Some(Change { key: key.to_owned(), old: format!("{} {what}", counts.0).into(), new: Value::String(new), effect })
}

/// Rows of a table.
#[derive(Clone, Copy, Debug, Default)]
struct Edits {
    added: usize,
    removed: usize,
    changed: usize,
}

impl Edits {
    const fn is_empty(self) -> bool {
        self.added + self.removed + self.changed == 0
    }

    fn of<K: Ord, V: PartialEq>(old: &BTreeMap<K, V>, new: &BTreeMap<K, V>) -> Self {
        Self {
            added: new.keys().filter(|key| !old.contains_key(key)).count(),
            removed: old.keys().filter(|key| !new.contains_key(key)).count(),
            changed: new.iter().filter(|(key, value)| old.get(key).is_some_and(|old| old != *value)).count(),
        }
    }
}

fn cities(old: &Regions, new: &Regions) -> Option<Change> {
    let by_slug = |regions: &Regions| {
        regions.cities().iter().map(|city| (city.slug.clone(), city.clone())).collect::<BTreeMap<_, _>>()
    };
    let (was, is) = (by_slug(old), by_slug(new));
    change("cities.csv", "cities", (was.len(), is.len()), Edits::of(&was, &is), Effect::Either)
}

/// A place without the numbering of one table's cities.
fn named(regions: &Regions, place: Place) -> (Option<&str>, Operator) {
    (place.city.and_then(|city| regions.city_of(city)).map(|city| city.slug.as_str()), place.operator)
}

fn segments(old: &Regions, new: &Regions) -> Option<Change> {
    let mut edits = Edits::default();
    for (was, is) in old.places().zip(new.places()) {
        match (was, is) {
            (None, Some(_)) => edits.added += 1,
            (Some(_), None) => edits.removed += 1,
            (Some(was), Some(is)) if named(old, was) != named(new, is) => edits.changed += 1,
            _ => {}
        }
    }
    change("segments.csv", "segments", (old.known_segments(), new.known_segments()), edits, Effect::Either)
}

fn overlay(old: &Regions, new: &Regions) -> Option<Change> {
    fn by_pattern(regions: &Regions) -> BTreeMap<&str, (Option<&str>, String)> {
        let row = |row: &'_ Overlay| format!("{:?} {:?} {:?}", row.place.operator, row.from, row.to);
        regions.overlays().map(|own| (own.pattern.as_str(), (named(regions, own.place).0, row(own)))).collect()
    }
    let (was, is) = (by_pattern(old), by_pattern(new));
    change("region.overlay rows", "exceptions", (was.len(), is.len()), Edits::of(&was, &is), Effect::Either)
}

fn holidays(old: &Ruleset, new: &Ruleset) -> Option<Change> {
    let days = |rules: &Ruleset| {
        rules.calendar.blocked().map(|(day, name)| (day.number(), name.to_owned())).collect::<BTreeMap<_, _>>()
    };
    let (was, is) = (days(old), days(new));
    let set = |days: &BTreeMap<u16, String>| days.keys().copied().collect::<BTreeSet<_>>();
    let years = old.calendar.last_year() != new.calendar.last_year();
    let effect = of_sets(&set(&is), &set(&was)).and(if years { Effect::Either } else { Effect::Neither });
    change("holidays.csv", "blocked days", (was.len(), is.len()), Edits::of(&was, &is), effect)
}
