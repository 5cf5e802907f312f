//! Who took a message on which day, exactly and in a bit a subscriber: a set of
//! hashes would cost the simulator more than all its other work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use crate::domain::Day;

/// Days kept at a time; schedules reach no further than this in any test.
const DAYS_MAX: usize = 64;
/// The first and the number of the 4-digit blocks a mobile number can begin with.
const BLOCKS: std::ops::Range<u64> = 1300..2000;

type Page = Box<[AtomicU64]>;
type Block = Box<[OnceLock<Page>]>;

/// The subscribers of one day that took a message.
#[derive(Debug)]
pub struct Taken {
    blocks: Vec<OnceLock<Block>>,
}

/// The sets of the days seen so far.
#[derive(Debug, Default)]
pub struct TakenByDay(RwLock<Vec<(Day, Arc<Taken>)>>);

impl Default for Taken {
    fn default() -> Self {
        Self { blocks: (BLOCKS.start..BLOCKS.end).map(|_| OnceLock::new()).collect() }
    }
}

impl Taken {
    /// Puts a national number of 11 digits in; true if it was in before. Any other number is not kept.
    pub fn insert(&self, national: u64) -> bool {
        let Some((word, bit)) = self.locate(national) else { return false };
        word.fetch_or(bit, Ordering::AcqRel) & bit != 0
    }

    /// Whether a number is in.
    pub fn contains(&self, national: u64) -> bool {
        self.locate(national).is_some_and(|(word, bit)| word.load(Ordering::Acquire) & bit != 0)
    }

    /// The word and bit of a number; pages appear when one of their 10 000 numbers is asked for.
    fn locate(&self, national: u64) -> Option<(&AtomicU64, u64)> {
        let block = (national / 10_000_000).checked_sub(BLOCKS.start)? as usize;
        let block = self.blocks.get(block)?.get_or_init(|| (0..1000).map(|_| OnceLock::new()).collect());
        let page = &block[(national / 10_000 % 1000) as usize];
        let page = page.get_or_init(|| (0..10_000usize.div_ceil(64)).map(|_| AtomicU64::new(0)).collect());
        let number = national % 10_000;
        Some((&page[(number / 64) as usize], 1 << (number % 64)))
    }
}

impl TakenByDay {
    /// The set of a day; the oldest day makes room when too many are kept.
    pub fn of(&self, day: Day) -> Arc<Taken> {
        if let Some((_, taken)) = self.0.read().iter().find(|(kept, _)| *kept == day) {
            return Arc::clone(taken);
        }
        let mut days = self.0.write();
        if let Some((_, taken)) = days.iter().find(|(kept, _)| *kept == day) {
            return Arc::clone(taken);
        }
        if days.len() == DAYS_MAX {
            days.remove(0);
        }
        let taken = Arc::<Taken>::default();
        days.push((day, Arc::clone(&taken)));
        taken
    }
}

/// The 11 national digits at the end of an address, if that is what it holds.
pub fn national(address: &[u8]) -> Option<u64> {
    let digits = address.last_chunk::<11>()?;
    let prefix = &address[..address.len() - 11];
    if !matches!(prefix, b"" | b"86" | b"+86" | b"0086" | b"0") || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    BLOCKS.contains(&(number / 10_000_000)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_in_once_it_was_put_in_and_on_that_day_only() {
        let days = TakenByDay::default();
        let today = days.of(Day::from_number(20_000));
        for national in [13_000_000_000, 13_856_000_001, 19_999_999_999] {
            assert!(!today.contains(national) && !today.insert(national) && today.insert(national));
        }
        assert!(days.of(Day::from_number(20_000)).contains(13_856_000_001));
        assert!(!days.of(Day::from_number(20_001)).contains(13_856_000_001));
    }

    #[test]
    fn spellings_of_one_subscriber_are_one_number() {
        for address in ["13856000001", "8613856000001", "+8613856000001", "008613856000001", "013856000001"] {
            assert_eq!(national(address.as_bytes()), Some(13_856_000_001), "{address}");
        }
        assert_eq!((national(b"0551123"), national(b"12345678901")), (None, None));
    }
}
