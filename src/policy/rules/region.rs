//! A city sends to its own subscribers, the province to Anhui's (clauses 7.3, 1.3, 1.4; policy reference 3.5).
//!
//! The city of a number comes from the tables, never from its area code: 0558
//! is both Fuyang and Bozhou. 1258 is held to a city when it sends for one: an account of a city, or its campaign (F1).

use crate::domain::AccountClass;
use crate::policy::case::{Case, Finding};
use crate::policy::reason::Reason;
use crate::policy::regions::CityId;
use crate::policy::switches::{ProvinceScope, Unknown};

/// Judges the rule.
pub fn check(case: &Case<'_>) -> Finding {
    if case.recipient.is_err() {
        return Finding::PASS; // the destination rule's business
    }
    // A city class without a city is refused by the configuration; should one get here, no city is its own.
    if case.account.city.is_some() || case.account.class.needs_city() {
        return city(case, |own| Some(own) == case.account.city);
    }
    let campaign = case.campaign().filter(|_| case.account.class == AccountClass::Province1258);
    match campaign.and_then(|campaign| campaign.city.as_deref()) {
        Some(slug) => city(case, |own| case.rules.regions.city_of(own).is_some_and(|own| own.slug == slug)),
        None => province(case),
    }
}

fn city(case: &Case<'_>, is_own: impl Fn(CityId) -> bool) -> Finding {
    match case.place {
        Some(place) if place.city.is_some_and(is_own) => Finding::PASS,
        Some(_) => Finding::refuse(Reason::OtherCity),
        None => match case.rules.switches.region.unknown {
            Unknown::Reject => Finding::refuse(Reason::UnknownSegment),
            Unknown::Accept => Finding::note(Reason::UnknownSegment),
        },
    }
}

fn province(case: &Case<'_>) -> Finding {
    match case.place {
        Some(place) if place.city.is_none() && case.rules.switches.region.province_scope == ProvinceScope::Anhui => {
            Finding::refuse(Reason::OtherProvince)
        }
        Some(_) => Finding::PASS,
        None => Finding::note(Reason::UnknownSegment),
    }
}
