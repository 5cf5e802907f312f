//! How much of a city's segments a campaign touches (7.2): a general send touches nearly all of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Segment;
use crate::policy::regions::{Operator, Place, Regions};

/// Segments of three digits each: 10 000 bits.
const PAGE: u32 = 10_000;
/// The first three digits of mobile numbers, 130 to 199.
const PAGES: usize = 70;

/// Segments that a campaign touched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Share {
    /// By city, in the order of the tables; those that were touched.
    pub cities: Vec<CityShare>,
    /// Segments touched that are not China Mobile's of a city: other operators', other provinces', unknown ones.
    pub others: u32,
}

/// Segments of one city.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CityShare {
    /// Its slug.
    pub city: String,
    /// Its name in Chinese.
    pub name: String,
    /// China Mobile's segments of the city that were touched.
    pub touched: u32,
    /// Those that the tables know.
    pub of: u32,
}

/// A bit for each segment; 1 250 octets for each three digits that occur, 88 KiB at most.
#[derive(Clone, Debug)]
pub(super) struct Touched(Vec<Option<Box<[u64]>>>);

/// The tables, by segment.
#[derive(Debug)]
pub(super) struct Places {
    by_segment: Vec<Option<Place>>,
    /// China Mobile's segments of each city.
    known: Vec<u32>,
}

impl Default for Touched {
    fn default() -> Self {
        Self(vec![None; PAGES])
    }
}

impl Touched {
    /// A segment was sent to.
    pub(super) fn note(&mut self, segment: Segment) {
        let (page, bit) = (segment.get() / PAGE - 130, segment.get() % PAGE); // 130 to 199 by the segment's invariant
        let Some(page) = self.0.get_mut(page as usize) else { return };
        let page = page.get_or_insert_with(|| vec![0; (PAGE as usize).div_ceil(64)].into_boxed_slice());
        page[bit as usize / 64] |= 1 << (bit % 64);
    }

    /// The indices of those that were, in order.
    fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        let pages = self.0.iter().enumerate().filter_map(|(page, bits)| Some((page, bits.as_deref()?)));
        pages.flat_map(|(page, bits)| {
            let set = (0..PAGE as usize).filter(|bit| bits[bit / 64] >> (bit % 64) & 1 == 1);
            set.map(move |bit| page * PAGE as usize + bit)
        })
    }

    /// What share of each city's that is.
    pub(super) fn share(&self, places: &Places, regions: &Regions) -> Share {
        let (mut touched, mut others) = (vec![0; places.known.len()], 0);
        for index in self.indices() {
            let place = places.by_segment.get(index).copied().flatten();
            match place.filter(|place| place.operator == Operator::Cmcc).and_then(|place| place.city) {
                Some(city) => touched[usize::from(city.0)] += 1,
                None => others += 1,
            }
        }
        let of_city = |(index, (touched, of)): (usize, (&u32, &u32))| {
            let city = &regions.cities()[index];
            CityShare { city: city.slug.clone(), name: city.name_cn.clone(), touched: *touched, of: *of }
        };
        let all = touched.iter().zip(&places.known).enumerate();
        Share { cities: all.filter(|(_, (touched, _))| **touched > 0).map(of_city).collect(), others }
    }
}

impl Places {
    pub(super) fn of(regions: &Regions) -> Self {
        let by_segment: Vec<Option<Place>> = regions.places().collect();
        let mut known = vec![0; regions.cities().len()];
        let own = by_segment.iter().flatten().filter(|place| place.operator == Operator::Cmcc);
        own.filter_map(|place| place.city).for_each(|city| known[usize::from(city.0)] += 1);
        Self { by_segment, known }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::regions::{City, CityId};

    #[test]
    fn a_share_is_of_the_citys_own_segments() {
        let city = |slug: &str, name: &str| City {
            slug: slug.to_owned(),
            name_cn: name.to_owned(),
            name_en: String::new(),
            area_code: String::new(),
        };
        let mut regions = Regions::new(vec![city("hefei", "合肥"), city("wuhu", "芜湖")]);
        let segment = |text: &str| Segment::parse(text).expect("a segment");
        for (text, city, operator) in [
            ("1300000", Some(0), Operator::Cmcc),
            ("1385510", Some(0), Operator::Cmcc),
            ("1999999", Some(0), Operator::Cmcc),
            ("1385530", Some(1), Operator::Cmcc),
            ("1305510", Some(0), Operator::Cucc),
            ("1380000", None, Operator::Cmcc),
        ] {
            assert!(regions.insert(segment(text), Place { city: city.map(CityId), operator }));
        }
        let mut touched = Touched::default();
        for text in ["1300000", "1999999", "1999999", "1305510", "1380000", "1351234"] {
            touched.note(segment(text));
        }
        let share = touched.share(&Places::of(&regions), &regions);
        let hefei = CityShare { city: "hefei".to_owned(), name: "合肥".to_owned(), touched: 2, of: 3 };
        assert_eq!(share, Share { cities: vec![hefei], others: 3 });
    }
}
