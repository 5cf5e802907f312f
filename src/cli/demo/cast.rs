//! Who plays: accounts of the configuration, and subscribers of each city.

use std::collections::HashMap;

use crate::domain::{AccountClass, Msisdn, Segment};
use crate::policy::regions::{CityId, Operator};
use crate::policy::{Account, Ruleset};

/// The accounts that appear, by role.
#[derive(Debug)]
pub(super) struct Cast {
    /// Each account's part.
    pub(super) roles: Vec<Role>,
    segments: HashMap<CityId, Vec<Segment>>,
    used: u64,
}

/// One account on stage.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) system_id: String,
    pub(super) class: AccountClass,
    pub(super) city: Option<CityId>,
    pub(super) city_cn: String,
    pub(super) source: String,
    /// A local consultation number.
    pub(super) consult: String,
    /// The manager's name and number.
    pub(super) contact: String,
}

impl Cast {
    /// One account of each class, and up to four of city branches.
    pub(super) fn new(ruleset: &Ruleset) -> Result<Self, String> {
        let mut roles = Vec::new();
        let mut segments = HashMap::new();
        for account in &ruleset.accounts {
            let already = roles.iter().filter(|known: &&Role| known.class == account.class).count();
            let wanted = if account.class == AccountClass::CityMoa { 4 } else { 1 };
            if already < wanted {
                roles.push(Role::new(ruleset, account));
            }
            if let Some(city) = account.city {
                segments.entry(city).or_insert_with(|| segments_of(ruleset, city));
            }
        }
        if roles.iter().filter(|role| role.class == AccountClass::CityMoa).count() < 2 {
            return Err("the demo needs two accounts of class city_moa in different cities".to_owned());
        }
        Ok(Self { roles, segments, used: 0 })
    }

    /// The first account of a class.
    pub(super) fn first(&self, class: AccountClass) -> Option<Role> {
        self.roles.iter().find(|role| role.class == class).cloned()
    }

    /// The n-th city branch.
    pub(super) fn branch(&self, index: usize) -> Option<Role> {
        self.roles.iter().filter(|role| role.class == AccountClass::CityMoa).nth(index).cloned()
    }

    /// A subscriber of a city that has not appeared yet.
    pub(super) fn subscriber(&mut self, city: Option<CityId>) -> String {
        let known = city.and_then(|city| self.segments.get(&city)).or_else(|| self.segments.values().next());
        let segment = known.and_then(|list| list.get(self.used as usize % list.len().max(1))).map_or(0, |s| s.get());
        // Spread over the segment so that numbers look like those of real people.
        let line = self.used.wrapping_mul(7919) % 10_000;
        self.used += 1;
        format!("{:011}", u64::from(segment) * 10_000 + line)
    }
}

impl Role {
    fn new(rules: &Ruleset, account: &Account) -> Self {
        let source = account.sources.first().map(ToString::to_string).unwrap_or_default();
        let city = account.city.and_then(|city| rules.regions.city_of(city));
        let consult = match account.class {
            AccountClass::Province1258 => rules.switches.signature.province_numbers.first().cloned(),
            _ => account.consult_numbers.last().map(ToString::to_string),
        };
        let contact = account.contact_numbers.first().map_or_else(String::new, |number| {
            format!("{}{number}", account.contact_name.as_deref().unwrap_or_default())
        });
        Self {
            system_id: account.system_id.to_string(),
            class: account.class,
            city: account.city,
            city_cn: city.map_or_else(String::new, |city| city.name_cn.clone()),
            source: source.replace('*', "01"),
            consult: consult.unwrap_or_default(),
            contact,
        }
    }
}

fn segments_of(rules: &Ruleset, city: CityId) -> Vec<Segment> {
    let day = crate::domain::Day::from_number(0);
    (1_300_000..2_000_000u64)
        .filter_map(|segment| Msisdn::from_number(segment * 10_000))
        .filter(|number| {
            let place = rules.regions.place(*number, day);
            place.is_some_and(|place| place.city == Some(city) && place.operator == Operator::Cmcc)
        })
        .map(Msisdn::segment)
        .take(400)
        .collect()
}
