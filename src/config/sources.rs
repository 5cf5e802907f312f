//! Source addresses that two units could both use: legal, but then a message does not show who sent it.

use std::collections::BTreeMap;

use crate::domain::SourcePattern;
use crate::policy::Account;

use super::accounts::Accounts;
use super::document::Document;
use super::problem::Problem;

/// A source of an account.
struct Own<'a> {
    stem: &'a str,
    pattern: &'a SourcePattern,
    account: usize,
}

/// A warning for every account one of whose sources an earlier account of another unit could use too.
pub(super) fn overlaps(document: &Document<'_>, read: &Accounts) -> Vec<Problem> {
    let accounts = &read.list;
    let own = |account: usize| move |pattern| Own { stem: stem(pattern), pattern, account };
    let mut sources: Vec<Own<'_>> =
        accounts.iter().enumerate().flat_map(|(index, account)| account.sources.iter().map(own(index))).collect();
    sources.sort_unstable_by_key(|own| (own.stem, own.account));
    // In this order whatever a source could overlap with is still open: the sources whose stem begins its own.
    let mut open: Vec<&Own<'_>> = Vec::new();
    let mut found: BTreeMap<usize, (&SourcePattern, usize)> = BTreeMap::new();
    for own in &sources {
        while open.last().is_some_and(|other| !own.stem.starts_with(other.stem)) {
            open.pop();
        }
        for other in &open {
            let units_differ = accounts[own.account].unit != accounts[other.account].unit;
            if units_differ && overlap(own.pattern, other.pattern) {
                let (earlier, later) = if own.account < other.account { (own, *other) } else { (*other, own) };
                found.entry(later.account).or_insert((later.pattern, earlier.account));
            }
        }
        open.push(own);
    }
    let mut warnings = Vec::new();
    for (later, (pattern, earlier)) in found {
        warnings.push(warning(document, &accounts[later], pattern, &accounts[earlier]));
    }
    warnings
}

fn warning(document: &Document<'_>, account: &Account, pattern: &SourcePattern, other: &Account) -> Problem {
    let message = format!("{}: `{pattern}` is also open to {}, of another unit", account.system_id, other.system_id);
    let problem = document.problem(&format!("account.{}.sources", account.id.0), message);
    problem.warning().hint("give each unit its own extension, such as \"62020551*\" (2.4)")
}

fn stem(pattern: &SourcePattern) -> &str {
    match pattern {
        SourcePattern::Exact(stem) | SourcePattern::Prefix(stem) => stem,
    }
}

fn overlap(a: &SourcePattern, b: &SourcePattern) -> bool {
    match (a, b) {
        (SourcePattern::Exact(a), pattern) | (pattern, SourcePattern::Exact(a)) => pattern.matches(a.as_bytes()),
        (SourcePattern::Prefix(a), SourcePattern::Prefix(b)) => {
            let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
            let rest = long.strip_prefix(short.as_str());
            rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_overlap_when_one_address_fits_both() {
        let read = |text: &str| SourcePattern::parse(text).expect("valid");
        for (a, b, expected) in [
            ("6202*", "62020551*", true),
            ("62020551", "62020551", true),
            ("62020551", "6202*", true),
            ("62020551*", "62020553*", false),
            ("AB", "ABC", false),
            ("AB*", "ABC*", false),
        ] {
            assert_eq!(overlap(&read(a), &read(b)), expected, "{a} {b}");
            assert_eq!(overlap(&read(b), &read(a)), expected, "{b} {a}");
        }
    }
}
