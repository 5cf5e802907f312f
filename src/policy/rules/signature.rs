//! The signature says who sends and where to ask (clauses 4.2, 4.3, 5.1.2; policy reference 3.2).
//!
//! The province: 安徽移动 and 询1860. A city: 移动 or 询 and a local number,
//! and no consultation number of another place anywhere in the text. 落款
//! stands at the end, so both are looked for in the last 24 characters.

use crate::domain::AccountClass;
use crate::policy::case::{Author, Case, Finding, Text};
use crate::policy::numbers::Number;
use crate::policy::phrases::{Consultations, Zone, find_extra_name, find_name};
use crate::policy::reason::Reason;
use crate::policy::switches::{CityOn1258, Foreign, Need};

const PROVINCE: &str = "安徽移动";
const CITY: &str = "移动";

/// Whose signature is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Province,
    City,
}

/// Judges the rule.
pub fn check(case: &Case<'_>) -> Finding {
    match case.readable() {
        Some(text) if case.part().is_none() => judge(case.author(), text),
        _ => Finding::PASS,
    }
}

/// Judges a whole text, wherever it comes from.
pub fn judge(author: Author<'_>, text: Text<'_>) -> Finding {
    let own = match owners(author) {
        (owner, None) => signed(author, text, owner),
        (owner, Some(other)) => match signed(author, text, other) {
            Finding::PASS => Finding::PASS,
            _ => signed(author, text, owner),
        },
    };
    own.and(foreign(author, text))
}

/// What a text offers as a signature, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Whether the name phrase stands in the zone.
    pub name: bool,
    /// Every consultation number in the text, and whether it is one of the sender's.
    pub numbers: Vec<(Number, bool)>,
}

/// Looks at a text with the same finders as the rule.
pub fn evidence(author: Author<'_>, text: Text<'_>) -> Evidence {
    let (owner, _) = owners(author);
    let found = Consultations::of(text.matching, &author.rules.switches.signature.extra_consults);
    Evidence {
        name: name(author, text, owner).is_some(),
        numbers: found.map(|found| (found.number, owns(author, owner, &found.number))).collect(),
    }
}

/// Characters of the name and consultation phrases in the zone, for sites that do not count them.
pub fn length(author: Author<'_>, text: Text<'_>) -> usize {
    let (owner, other) = owners(author);
    let of = |owner| {
        let name = name(author, text, owner).map_or(0, |span| span.len());
        name + consultation(author, text, owner).map_or(0, |span| span.len())
    };
    of(owner).max(other.map_or(0, of))
}

/// The signature an account owes, and one that will do instead.
fn owners(author: Author<'_>) -> (Owner, Option<Owner>) {
    match (author.account.class, author.for_city) {
        (AccountClass::CityMoa | AccountClass::KeyAccount, _) => (Owner::City, None),
        (AccountClass::Province1258, true) => match author.rules.switches.signature.city_on_1258 {
            CityOn1258::Province => (Owner::Province, None),
            CityOn1258::City => (Owner::City, None),
            CityOn1258::Either => (Owner::Province, Some(Owner::City)),
        },
        (AccountClass::Province1258 | AccountClass::ExemptPlatform, _) => (Owner::Province, None),
    }
}

fn signed(author: Author<'_>, text: Text<'_>, owner: Owner) -> Finding {
    let switches = &author.rules.switches.signature;
    let name = name(author, text, owner).is_some();
    let consultation = || consultation(author, text, owner).is_some();
    match owner {
        Owner::City => match switches.city {
            Need::Any if name || consultation() => Finding::PASS,
            Need::All if name && consultation() => Finding::PASS,
            _ => Finding::refuse(Reason::NoSignature),
        },
        Owner::Province => match (switches.province, name, consultation()) {
            (_, true, true) | (Need::Any, true, _) | (Need::Any, _, true) => Finding::PASS,
            (_, true, false) => Finding::refuse(Reason::NoConsult),
            (_, false, true) => Finding::refuse(Reason::NoName),
            (_, false, false) => Finding::refuse(Reason::NoName).and(Finding::refuse(Reason::NoConsult)),
        },
    }
}

fn name(author: Author<'_>, text: Text<'_>, owner: Owner) -> Option<std::ops::Range<usize>> {
    let switches = &author.rules.switches.signature;
    let zone = Zone::of(text.matching.len(), switches);
    let phrase = if owner == Owner::Province { PROVINCE } else { CITY };
    let extra = || switches.extra_names.iter().find_map(|name| find_extra_name(text.matching, zone, name));
    find_name(text.matching, zone, phrase).or_else(extra)
}

fn consultation(author: Author<'_>, text: Text<'_>, owner: Owner) -> Option<std::ops::Range<usize>> {
    let switches = &author.rules.switches.signature;
    let zone = Zone::of(text.matching.len(), switches);
    Consultations::of(text.matching, &switches.extra_consults)
        .filter(|found| zone.holds(&found.span) && owns(author, owner, &found.number))
        .map(|found| found.span)
        .last()
}

/// Whether a consultation number is the owner's. A manager's own numbers are local too.
fn owns(author: Author<'_>, owner: Owner, number: &Number) -> bool {
    match owner {
        Owner::Province => author.rules.switches.signature.province_numbers.iter().any(|own| number.is(own)),
        Owner::City => {
            author.account.consult_numbers.iter().any(|own| number.is(own))
                || author.account.class == AccountClass::KeyAccount
                    && author.account.contact_numbers.iter().any(|own| number.is(own))
        }
    }
}

/// A consultation number of another place, anywhere in a city's text.
fn foreign(author: Author<'_>, text: Text<'_>) -> Finding {
    let switches = &author.rules.switches.signature;
    if !author.account.class.needs_city() || switches.foreign_consult == Foreign::Allow {
        return Finding::PASS;
    }
    let mut phrases = Consultations::of(text.matching, &switches.extra_consults);
    if phrases.all(|found| owns(author, Owner::City, &found.number)) {
        return Finding::PASS;
    }
    match switches.foreign_consult {
        Foreign::Reject => Finding::refuse(Reason::ForeignConsult),
        Foreign::Warn | Foreign::Allow => Finding::note(Reason::ForeignConsult),
    }
}
