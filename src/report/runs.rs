//! Runs of consecutive numbers (7.7): who sends to one number after the other has no list of subscribers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Consecutive numbers of one day that are a run (section 3.8).
pub const RUN_MIN: u64 = 50;
/// Numbers of a day that are looked at: 8 octets each. Of what lies behind them no run is found, and the report says so.
const NUMBERS_MAX: usize = 4_000_000;
/// Runs that a report tells of; the longest of them.
pub(super) const RUNS_MAX: usize = 1000;

/// Consecutive numbers that were sent to on one day for one campaign, or by one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// The local day.
    pub day: String,
    /// The campaign, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<u32>,
    /// The account, where no campaign is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The 7-digit segment of its first number.
    pub segment: u32,
    /// How many numbers.
    pub numbers: u64,
}

/// The numbers of a day, by whom they were sent to for.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    by_subject: Vec<Vec<u64>>,
    count: usize,
    /// Numbers that were not looked at.
    pub(super) left_out: u64,
}

impl Numbers {
    /// One more for a subject.
    pub(super) fn note(&mut self, subject: usize, number: u64) {
        if self.count == NUMBERS_MAX {
            self.left_out += 1;
            return;
        }
        if self.by_subject.len() <= subject {
            self.by_subject.resize_with(subject + 1, Vec::new);
        }
        self.by_subject[subject].push(number);
        self.count += 1;
    }

    /// The runs of the day: subject, first number, how many. What was noted is forgotten.
    pub(super) fn runs(&mut self) -> Vec<(usize, u64, u64)> {
        let mut found = Vec::new();
        for (subject, mut numbers) in std::mem::take(&mut self.by_subject).into_iter().enumerate() {
            numbers.sort_unstable();
            numbers.dedup();
            let runs = numbers.chunk_by(|before, next| before + 1 == *next);
            found.extend(runs.map(|run| (subject, run[0], run.len() as u64)).filter(|(.., length)| *length >= RUN_MIN));
        }
        self.count = 0;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_numbers_one_after_the_other_are_a_run_in_whatever_order_they_came() {
        let mut numbers = Numbers::default();
        for number in (0..50).rev().chain(100..149).chain(200..300) {
            numbers.note(1, 13_855_100_000 + number);
            numbers.note(1, 13_855_100_000 + number); // twice is once
        }
        (0..100).for_each(|number| numbers.note(0, 13_855_100_000 + 2 * number));
        assert_eq!(numbers.runs(), [(1, 13_855_100_000, 50), (1, 13_855_100_200, 100)]);
        assert_eq!(numbers.runs(), [], "a day by itself");
    }

    #[test]
    fn what_is_not_looked_at_is_counted() {
        let mut numbers = Numbers { count: NUMBERS_MAX, ..Numbers::default() };
        numbers.note(0, 1);
        assert_eq!((numbers.left_out, numbers.runs().len()), (1, 0));
    }
}
