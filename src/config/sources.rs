//! Source addresses that two units could both use: legal, but then a message does not show who sent it.

use crate::domain::SourcePattern;
use crate::policy::Account;

use super::accounts::Accounts;
use super::document::Document;
use super::problem::Problem;

/// A warning for every account whose sources overlap with those of an earlier account of another unit.
pub(super) fn overlaps(document: &Document<'_>, read: &Accounts) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, account) in read.list.iter().enumerate() {
        let earlier = &read.list[..index];
        let mut others = earlier.iter().filter(|other| other.unit != account.unit);
        if let Some((other, source)) = others.find_map(|other| Some((other, shared(account, other)?))) {
            let message =
                format!("{}: `{source}` is also open to {}, of another unit", account.system_id, other.system_id);
            let problem = document.problem(&format!("account.{}.sources", account.id.0), message);
            problems.push(problem.warning().hint("give each unit its own extension, such as \"62020551*\" (2.4)"));
        }
    }
    problems
}

/// The first of the account's patterns that shares an address with the other's.
fn shared<'a>(account: &'a Account, other: &Account) -> Option<&'a SourcePattern> {
    account.sources.iter().find(|own| other.sources.iter().any(|pattern| overlap(own, pattern)))
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
