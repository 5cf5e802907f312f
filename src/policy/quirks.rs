//! Narrow tolerances for existing senders, named one by one in the account's
//! entry. Each is off by default, counted when it is used, and lets through
//! nothing that a rule refuses.

use serde::{Deserialize, Serialize};

/// One tolerance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Quirk {
    /// Up to eight zero octets behind the last TLV, as a careless client's buffer leaves them.
    TrailingZeros,
    /// Local time written with offset 00 (protocol facts, section 4).
    LocalOffset00,
    /// A system_id of 16 to 63 characters.
    LongSystemId,
    /// source_addr_ton 1 in front of an access code that has no country code.
    InternationalSource,
}

/// An account's tolerances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quirks(u8);

impl Quirk {
    /// Every tolerance.
    pub const ALL: [Self; 4] =
        [Self::TrailingZeros, Self::LocalOffset00, Self::LongSystemId, Self::InternationalSource];

    /// The word used in `accounts.toml`, metrics and logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TrailingZeros => "trailing_zeros",
            Self::LocalOffset00 => "local_offset00",
            Self::LongSystemId => "long_system_id",
            Self::InternationalSource => "international_source",
        }
    }
}

impl Quirks {
    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the account has it.
    pub const fn has(self, quirk: Quirk) -> bool {
        self.0 & 1 << quirk as u8 != 0
    }
}

impl FromIterator<Quirk> for Quirks {
    fn from_iter<I: IntoIterator<Item = Quirk>>(quirks: I) -> Self {
        Self(quirks.into_iter().fold(0, |set, quirk| set | 1 << quirk as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quirk_is_itself_and_named_as_it_is_written() {
        for quirk in Quirk::ALL {
            let quirks: Quirks = [quirk].into_iter().collect();
            assert!(Quirk::ALL.into_iter().all(|other| quirks.has(other) == (other == quirk)));
            assert_eq!(serde_json::to_value(quirk).expect("a word"), quirk.code());
        }
    }
}
