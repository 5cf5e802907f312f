//! A subscriber's number, checked once (policy 3.5 step 1, clause 1.3).

use std::fmt;

/// A mainland mobile number: the 11 national digits `1[3-9]…`.
///
/// Holding one means the spelling was checked; two spellings of one subscriber
/// give equal values. Its `Display` and `Debug` forms are masked
/// (`138****1234`), so a number cannot reach a log by accident; the ledger and
/// the look-ups use [`Msisdn::get`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Msisdn(u64); // INVARIANT: 13_000_000_000 ..= 19_999_999_999.

/// The seven leading digits of a number, the unit in which numbers are issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Segment(u32); // INVARIANT: 1_300_000 ..= 1_999_999.

/// Why an address is not a subscriber's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MsisdnError {
    /// The type of number is none of unknown (0), international (1), national (2).
    #[error("type of number is not 0, 1 or 2")]
    TypeOfNumber,
    /// The numbering plan is none of unknown (0), ISDN (1).
    #[error("numbering plan is not 0 or 1")]
    NumberingPlan,
    /// The digits are no mainland mobile number in any accepted spelling.
    #[error("not a mainland mobile number of 11 digits")]
    Digits,
}

impl Msisdn {
    /// Reads `destination_addr` as the ESME wrote it: `+86`, `0086`, `86`, one
    /// leading `0`, or the bare 11 digits. `ton` and `npi` are the octets of
    /// the PDU. With `strict_ton`, an international number must carry its
    /// country code.
    pub fn parse(ton: u8, npi: u8, address: &[u8], strict_ton: bool) -> Result<Self, MsisdnError> {
        if ton > 2 {
            return Err(MsisdnError::TypeOfNumber);
        }
        if npi > 1 {
            return Err(MsisdnError::NumberingPlan);
        }
        let (plus, digits) = match address {
            [b'+', rest @ ..] => (true, rest),
            all => (false, all),
        };
        // `00` is the international prefix of a number written without a plus. National digits never start with it.
        let (international, digits) = match digits {
            [b'0', b'0', rest @ ..] if !plus && ton != 2 => (true, rest),
            all => (plus, all),
        };
        let national = match (international, digits) {
            (_, [b'8', b'6', rest @ ..]) | (false, [b'0', rest @ ..]) if rest.len() == 11 => rest,
            (false, all) if !(strict_ton && ton == 1) => all,
            _ => return Err(MsisdnError::Digits),
        };
        Self::from_national(national).ok_or(MsisdnError::Digits)
    }

    /// Reads the 11 national digits and nothing else.
    pub fn from_national(digits: &[u8]) -> Option<Self> {
        if digits.len() != 11 || digits[0] != b'1' || !(b'3'..=b'9').contains(&digits[1]) {
            return None;
        }
        let mut number = 0u64;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            number = number * 10 + u64::from(digit - b'0');
        }
        Some(Self(number))
    }

    /// The number as stored by the ledger; `None` outside the mainland mobile range.
    pub const fn from_number(number: u64) -> Option<Self> {
        if number >= 13_000_000_000 && number <= 19_999_999_999 { Some(Self(number)) } else { None }
    }

    /// The 11 digits as a number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The segment the number was issued in.
    pub const fn segment(self) -> Segment {
        Segment((self.0 / 10_000) as u32)
    }

    /// The first `digits` digits, 7 for the segment. `digits` is clamped to 1..=11.
    pub const fn prefix(self, digits: u32) -> u64 {
        let keep = if digits > 11 {
            11
        } else if digits == 0 {
            1
        } else {
            digits
        };
        self.0 / 10u64.pow(11 - keep)
    }
}

impl Segment {
    /// Reads seven digits `1[3-9]…`.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 7 && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse::<u32>().ok())
            .flatten()
            .filter(|n| (1_300_000..2_000_000).contains(n))
            .map(Self)
    }

    /// The seven digits as a number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Position in a table over all segments, 0 for 1300000.
    pub const fn index(self) -> usize {
        (self.0 - 1_300_000) as usize
    }

    /// How many positions such a table has.
    pub const COUNT: usize = 700_000;
}

impl fmt::Display for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}****{:04}", self.0 / 100_000_000, self.0 % 10_000)
    }
}

impl fmt::Debug for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ton: u8, text: &str) -> Option<u64> {
        Msisdn::parse(ton, 1, text.as_bytes(), false).ok().map(Msisdn::get)
    }

    #[test]
    fn every_spelling_of_one_subscriber_is_one_number() {
        for (ton, text) in [
            (0, "13856000000"),
            (1, "8613856000000"),
            (1, "+8613856000000"),
            (0, "+8613856000000"),
            (0, "008613856000000"),
            (1, "008613856000000"),
            (0, "013856000000"),
            (2, "013856000000"),
            (2, "13856000000"),
            (1, "13856000000"),
        ] {
            assert_eq!(read(ton, text), Some(13_856_000_000), "ton {ton} {text}");
        }
    }

    #[test]
    fn what_is_no_mainland_mobile_number_is_refused() {
        for text in [
            "",
            "+",
            "+13856000000",
            "12856000000",
            "1385600000",
            "138560000000",
            "1385600000a",
            "138 56000000",
            "0013856000000",
            "1064633113571",
            "861385600000",
            "+86138560000000",
            "00",
            "0",
            "86",
            "+013856000000",
            "8608613856000000",
            "055162620000",
            "-13856000000",
            "+008613856000000",
        ] {
            assert_eq!(read(0, text), None, "{text}");
        }
    }

    #[test]
    fn type_and_plan_of_the_number_are_checked_first() {
        assert_eq!(Msisdn::parse(5, 1, b"13856000000", false), Err(MsisdnError::TypeOfNumber));
        assert_eq!(Msisdn::parse(1, 8, b"13856000000", false), Err(MsisdnError::NumberingPlan));
        assert_eq!(Msisdn::parse(1, 1, b"13856000000", true), Err(MsisdnError::Digits));
        assert!(Msisdn::parse(1, 1, b"8613856000000", true).is_ok());
    }

    #[test]
    fn a_number_prints_masked() {
        let number = Msisdn::from_number(13_856_001_234).expect("in range");
        assert_eq!(format!("{number} {number:?}"), "138****1234 138****1234");
        assert_eq!(number.segment().get(), 1_385_600);
        assert_eq!(number.prefix(7), 1_385_600);
    }
}
