//! The subscribers who have opted out, as a message's recipient is looked up in them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::domain::Msisdn;

/// Entries that are kept apart from the many, so that one more costs no copy of them.
const RECENT_MAX: usize = 4096;

/// Who has opted out, of all accounts or of one. Immutable: a change makes another, which shares the large part.
/// Eight octets a subscriber.
#[derive(Clone, Debug, Default)]
pub struct OptedOut {
    /// Accounts that somebody has opted out of, from 1; 0 is all of them.
    accounts: Arc<HashMap<Box<str>, u32>>,
    /// Sorted: the account in the upper bits, the subscriber's number in the lower.
    settled: Arc<Vec<u64>>,
    /// The same of what was added since; none of it is in `settled`.
    recent: Vec<u64>,
}

/// Bits of an 11-digit number.
const NUMBER_BITS: u32 = 37;

impl OptedOut {
    /// Who has opted out: of an account, or of all.
    pub fn new<'a>(entries: impl IntoIterator<Item = (Msisdn, Option<&'a str>)>) -> Self {
        let mut accounts: HashMap<Box<str>, u32> = HashMap::new();
        let mut settled = Vec::new();
        for (number, account) in entries {
            settled.push(key(number, account.map_or(0, |account| numbered(&mut accounts, account))));
        }
        settled.sort_unstable();
        settled.dedup();
        Self { accounts: Arc::new(accounts), settled: Arc::new(settled), recent: Vec::new() }
    }

    /// The same with some more.
    #[must_use]
    pub fn with<'a>(&self, entries: impl IntoIterator<Item = (Msisdn, Option<&'a str>)>) -> Self {
        let mut next = self.clone();
        for (number, account) in entries {
            let account = account.map_or(0, |account| match next.accounts.get(account) {
                Some(known) => *known,
                None => numbered(Arc::make_mut(&mut next.accounts), account),
            });
            let key = key(number, account);
            if next.settled.binary_search(&key).is_err()
                && let Err(at) = next.recent.binary_search(&key)
            {
                next.recent.insert(at, key);
            }
        }
        if next.recent.len() > RECENT_MAX {
            let mut all = Vec::with_capacity(next.settled.len() + next.recent.len());
            all.extend_from_slice(&next.settled);
            all.append(&mut next.recent);
            #[expect(clippy::stable_sort_primitive, reason = "of two sorted runs it is one merge")]
            all.sort();
            next.settled = Arc::new(all);
        }
        next
    }

    /// The same without some.
    #[must_use]
    pub fn without<'a>(&self, entries: impl IntoIterator<Item = (Msisdn, Option<&'a str>)>) -> Self {
        let number = |account: Option<&str>| account.map_or(Some(0), |account| self.accounts.get(account).copied());
        let gone: HashSet<u64> =
            entries.into_iter().filter_map(|(own, account)| Some(key(own, number(account)?))).collect();
        let left = |keys: &[u64]| keys.iter().copied().filter(|key| !gone.contains(key)).collect::<Vec<u64>>();
        Self {
            accounts: Arc::clone(&self.accounts),
            settled: Arc::new(left(&self.settled)),
            recent: left(&self.recent),
        }
    }

    /// Whether a subscriber has opted out of what an account sends.
    pub fn holds(&self, number: Msisdn, account: &str) -> bool {
        if self.settled.is_empty() && self.recent.is_empty() {
            return false;
        }
        let has = |key: u64| self.settled.binary_search(&key).is_ok() || self.recent.binary_search(&key).is_ok();
        has(key(number, 0)) || self.accounts.get(account).is_some_and(|own| has(key(number, *own)))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.settled.len() + self.recent.len()
    }

    /// Whether nobody has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn key(number: Msisdn, account: u32) -> u64 {
    u64::from(account) << NUMBER_BITS | number.get()
}

/// An account's number; a new one is entered. Accounts are fewer than 2^27 by far.
fn numbered(accounts: &mut HashMap<Box<str>, u32>, account: &str) -> u32 {
    let next = accounts.len() as u32 + 1;
    *accounts.entry(account.into()).or_insert(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(last: u64) -> Msisdn {
        Msisdn::from_number(13_800_000_000 + last).expect("a number")
    }

    #[test]
    fn an_entry_binds_all_accounts_or_its_own() {
        let out = OptedOut::new([(number(1), None), (number(2), Some("a")), (number(2), Some("a"))]);
        assert_eq!(out.len(), 2);
        assert!(out.holds(number(1), "a") && out.holds(number(1), "b"));
        assert!(out.holds(number(2), "a") && !out.holds(number(2), "b") && !out.holds(number(3), "a"));
        let more = out.with([(number(3), Some("b")), (number(1), None), (number(3), Some("b"))]);
        assert_eq!((out.len(), more.len()), (2, 3));
        assert!(more.holds(number(3), "b") && !more.holds(number(3), "a") && more.holds(number(2), "a"));
        let fewer =
            more.without([(number(3), Some("b")), (number(2), None), (number(1), None), (number(9), Some("z"))]);
        assert!(fewer.len() == 1 && fewer.holds(number(2), "a") && !fewer.holds(number(1), "a"));
        assert!(!OptedOut::default().holds(number(1), "a") && OptedOut::default().is_empty());
    }

    #[test]
    fn what_is_added_bit_by_bit_is_found_like_what_was_there() {
        let mut out = OptedOut::default();
        for step in 0..10 {
            out = out.with((0..1000).map(|last| (number((last * 7919 + step * 13) % 9973), None)));
        }
        let expected: std::collections::HashSet<u64> =
            (0..10).flat_map(|step| (0..1000).map(move |last| (last * 7919 + step * 13) % 9973)).collect();
        assert_eq!(out.len(), expected.len());
        assert!(out.settled.len() > RECENT_MAX && out.recent.len() <= RECENT_MAX);
        for last in 0..9973 {
            assert_eq!(out.holds(number(last), "a"), expected.contains(&last), "{last}");
        }
    }
}
