//! Who may send: the classes of section 2 of the policy reference.

use std::fmt;

/// Index of an account in the ruleset that is in force; stable only within one ruleset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub u32);

/// Class of a sender account; it decides which clauses apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountClass {
    /// The 1258 platform operated by the 1860 centre (clauses 3.4, 4.2, 5.1.1, 5.2).
    #[serde(rename = "province_1258")]
    Province1258,
    /// A city's designated mobile-office-assistant account (3.5, 4.3, 5.1.2).
    CityMoa,
    /// A city's account manager on the same platform (5.1.3).
    KeyAccount,
    /// The province's unified business-marketing platform (2.4): only 2.4, 7.6 and records.
    ExemptPlatform,
}

impl AccountClass {
    /// Every class, in the order of the reference.
    pub const ALL: [Self; 4] = [Self::Province1258, Self::CityMoa, Self::KeyAccount, Self::ExemptPlatform];

    /// The word used in `accounts.toml`, logs and reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Province1258 => "province_1258",
            Self::CityMoa => "city_moa",
            Self::KeyAccount => "key_account",
            Self::ExemptPlatform => "exempt_platform",
        }
    }

    /// Whether the class belongs to one city and must name it.
    pub const fn needs_city(self) -> bool {
        matches!(self, Self::CityMoa | Self::KeyAccount)
    }
}

impl fmt::Display for AccountClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
