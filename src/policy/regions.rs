//! From a number to its city and operator (clause 7.3): exact exceptions, then
//! the longest exceptional prefix, then the segment table.

use std::collections::HashMap;

use crate::domain::{Day, Msisdn, Segment};

/// Index of a city in [`Regions::cities`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CityId(pub u8);

/// A city of the province.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct City {
    /// The key other tables use, `hefei`.
    pub slug: String,
    /// 合肥.
    pub name_cn: String,
    /// Hefei.
    pub name_en: String,
    /// 0551. Never used to map a number to a city.
    pub area_code: String,
}

/// Whose network a segment was issued to. Portability makes it a default only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// China Mobile.
    Cmcc,
    /// China Unicom.
    Cucc,
    /// China Telecom.
    Ctcc,
    /// China Broadnet.
    Cbn,
}

/// Where a number belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its city, or `None` in another province.
    pub city: Option<CityId>,
    /// Its operator, as far as the tables know.
    pub operator: Operator,
}

/// A row of the exceptions: numbers or prefixes that the segment table has wrong.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// 3 to 11 digits; 11 are one number.
    pub pattern: String,
    /// Where those numbers belong.
    pub place: Place,
    /// First day of validity.
    pub from: Option<Day>,
    /// Last day of validity.
    pub to: Option<Day>,
}

/// The tables. A look-up in the segment table is one index.
#[derive(Clone, Debug)]
pub struct Regions {
    cities: Vec<City>,
    /// One octet pair a segment, 0 for unknown; see `pack`.
    segments: Box<[u16]>,
    known: usize,
    exact: HashMap<u64, Overlay, foldhash::fast::RandomState>,
    prefixes: HashMap<u64, Overlay, foldhash::fast::RandomState>,
    prefix_digits: Vec<u32>, // longest first
}

impl Regions {
    /// Tables with these cities and no segment.
    pub fn new(cities: Vec<City>) -> Self {
        Self {
            cities,
            segments: vec![0; Segment::COUNT].into_boxed_slice(),
            known: 0,
            exact: HashMap::default(),
            prefixes: HashMap::default(),
            prefix_digits: Vec::new(),
        }
    }

    /// Enters a segment; `false` if it was there already.
    pub fn insert(&mut self, segment: Segment, place: Place) -> bool {
        let slot = &mut self.segments[segment.index()];
        let fresh = *slot == 0;
        *slot = pack(place);
        self.known += usize::from(fresh);
        fresh
    }

    /// Enters an exception; `false` if its pattern is not 3 to 11 digits or stood there already.
    pub fn overlay(&mut self, row: Overlay) -> bool {
        let digits = row.pattern.len() as u32;
        let Ok(number) = row.pattern.parse::<u64>() else { return false };
        if !(3..=11).contains(&digits) {
            return false;
        }
        if digits == 11 {
            return self.exact.insert(number, row).is_none();
        }
        if !self.prefix_digits.contains(&digits) {
            self.prefix_digits.push(digits);
            self.prefix_digits.sort_unstable_by(|a, b| b.cmp(a));
        }
        self.prefixes.insert(number, row).is_none()
    }

    /// Where a number belongs on a day; `None` if no table knows.
    pub fn place(&self, number: Msisdn, day: Day) -> Option<Place> {
        if !self.exact.is_empty()
            && let Some(row) = self.exact.get(&number.get()).filter(|row| row.valid(day))
        {
            return Some(row.place);
        }
        for digits in &self.prefix_digits {
            // Numbers of another length than the pattern's cannot collide: each length is asked for by itself.
            let found = self.prefixes.get(&number.prefix(*digits));
            if let Some(row) = found.filter(|row| row.pattern.len() as u32 == *digits && row.valid(day)) {
                return Some(row.place);
            }
        }
        unpack(self.segments[number.segment().index()])
    }

    /// The city of a key.
    pub fn city(&self, slug: &str) -> Option<CityId> {
        self.cities.iter().position(|city| city.slug == slug).map(|index| CityId(index as u8))
    }

    /// The cities, by [`CityId`].
    pub fn cities(&self) -> &[City] {
        &self.cities
    }

    /// The city's entry.
    pub fn city_of(&self, id: CityId) -> Option<&City> {
        self.cities.get(usize::from(id.0))
    }

    /// The place of every possible segment, by [`Segment::index`].
    pub fn places(&self) -> impl Iterator<Item = Option<Place>> {
        self.segments.iter().map(|packed| unpack(*packed))
    }

    /// The exceptions.
    pub fn overlays(&self) -> impl Iterator<Item = &Overlay> {
        self.exact.values().chain(self.prefixes.values())
    }

    /// How many segments are known.
    pub fn known_segments(&self) -> usize {
        self.known
    }
}

impl Overlay {
    fn valid(&self, day: Day) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }
}

impl Operator {
    /// The operator of a code in the tables.
    pub fn from_code(code: &str) -> Option<Self> {
        Some(match code {
            "cmcc" => Self::Cmcc,
            "cucc" => Self::Cucc,
            "ctcc" => Self::Ctcc,
            "cbn" => Self::Cbn,
            _ => return None,
        })
    }

    /// The code in the tables.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Cmcc => "cmcc",
            Self::Cucc => "cucc",
            Self::Ctcc => "ctcc",
            Self::Cbn => "cbn",
        }
    }
}

/// `0x8000 | operator << 8 | city + 1`; city 0 is another province.
fn pack(place: Place) -> u16 {
    let city = place.city.map_or(0, |city| u16::from(city.0) + 1);
    0x8000 | (place.operator as u16) << 8 | city
}

fn unpack(packed: u16) -> Option<Place> {
    if packed == 0 {
        return None;
    }
    let operator = match packed >> 8 & 3 {
        0 => Operator::Cmcc,
        1 => Operator::Cucc,
        2 => Operator::Ctcc,
        _ => Operator::Cbn,
    };
    let city = (packed & 0xFF).checked_sub(1).map(|index| CityId(index as u8));
    Some(Place { city, operator })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn city(slug: &str) -> City {
        City { slug: slug.to_owned(), name_cn: String::new(), name_en: String::new(), area_code: String::new() }
    }

    #[test]
    fn a_city_is_known_by_its_key_and_an_operator_by_its_code() {
        let regions = Regions::new(vec![city("hefei"), city("wuhu"), city("anqing")]);
        assert_eq!(
            ["hefei", "wuhu", "anqing", "Wuhu"].map(|slug| regions.city(slug).map(|id| id.0)),
            [Some(0), Some(1), Some(2), None]
        );
        let operators = [Operator::Cmcc, Operator::Cucc, Operator::Ctcc, Operator::Cbn];
        assert_eq!(operators.map(Operator::code), ["cmcc", "cucc", "ctcc", "cbn"]);
        for operator in operators {
            assert_eq!(Operator::from_code(operator.code()), Some(operator));
            for city in [None, Some(CityId(0)), Some(CityId(254))] {
                assert_eq!(unpack(pack(Place { city, operator })), Some(Place { city, operator }));
            }
        }
        assert_eq!(unpack(0), None, "a segment that no table knows");
    }

    #[test]
    fn exact_then_longest_prefix_then_segment() {
        let mut regions = Regions::new(vec![city("hefei"), city("wuhu"), city("anqing")]);
        let at = |index: u8| Place { city: Some(CityId(index)), operator: Operator::Cmcc };
        let row = |pattern: &str, place, to| Overlay { pattern: pattern.to_owned(), place, from: None, to };
        assert!(regions.insert(Segment::parse("1385600").expect("valid"), at(0)));
        assert!(regions.overlay(row("13856001", at(1), None)));
        assert!(regions.overlay(row("13856001234", at(2), Day::parse("2026-06-30"))));
        assert!(!regions.overlay(row("13", at(2), None)));
        let number = Msisdn::from_number(13_856_001_234).expect("valid");
        let other = Msisdn::from_number(13_856_001_235).expect("valid");
        let plain = Msisdn::from_number(13_856_000_000).expect("valid");
        let (before, after) = (Day::parse("2026-06-30").expect("valid"), Day::parse("2026-07-01").expect("valid"));
        assert_eq!(regions.place(number, before), Some(at(2)));
        assert_eq!(regions.place(number, after), Some(at(1)));
        assert_eq!(regions.place(other, after), Some(at(1)));
        assert_eq!(regions.place(plain, after), Some(at(0)));
        assert_eq!(regions.place(Msisdn::from_number(13_900_000_000).expect("valid"), after), None);
    }
}
