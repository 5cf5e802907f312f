//! The switches of the registry: chapter 5, clauses 7.8 and 2.1 to 2.3, and of the list of those who opted out.

use serde::{Deserialize, Serialize};

///
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrySwitches {
    /// Days from the application to the arranged date, 0..=60.
    pub lead_days: u32,
    /// Which days these are.
    pub lead_kind: LeadKind,
    /// Whether the opinion of the provincial leader in charge (F14) is needed.
    pub require_f14: bool,
    /// Whether the cities' own texts are reviewed by the province too.
    pub moa_province_review: bool,
    /// Whose campaigns an account of class `province_1258` may send.
    pub unit: CampaignUnit,
    /// What each class is held to.
    pub mode: RegistryModes,
}

/// What each class is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryModes {
    /// 1258: an approved campaign (5.1.1, 5.2).
    pub province_1258: RegistryMode,
    /// The cities: the knowledge base (7.8).
    pub city_moa: RegistryMode,
    /// Account managers: the same.
    pub key_account: RegistryMode,
}

/// How a class is held to the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistryMode {
    /// What is not registered is refused.
    Enforce,
    /// It is counted.
    Warn,
    /// The registry is not asked.
    Off,
}

/// Which days the lead is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LeadKind {
    /// Calendar days.
    Calendar,
    /// Days that are no weekend and no holiday of the table.
    Working,
}

/// Whose campaigns an account of class `province_1258` may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CampaignUnit {
    /// Its own unit's (F1).
    Own,
    /// Every unit's: the 1860 centre operates 1258 for all (3.4).
    Every,
}

/// Clauses 2.1 to 2.3.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CategorySwitches {
    /// Words that raise a suspicion.
    pub keywords: KeywordSwitches,
}

/// Words that raise a suspicion.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeywordSwitches {
    /// What a word does.
    pub action: KeywordAction,
    /// Of image promotion (2.1).
    pub corporate_image: Vec<String>,
    /// Of another organisation's advertising (2.2).
    pub third_party: Vec<String>,
    /// Of a single SP service (2.3).
    pub single_sp: Vec<String>,
}

/// What a word of a category does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeywordAction {
    /// The message passes and is counted.
    #[default]
    Report,
    /// It is refused.
    Reject,
}

/// Subscribers who asked not to be sent to.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptOutSwitches {
    /// Whom a subscriber's word binds.
    pub scope: OptOutScope,
    /// What a subscriber answers to opt out: the whole text, capitals or not.
    pub words: Vec<String>,
}

/// Whom a subscriber's word binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OptOutScope {
    /// Nobody: there is no such list.
    Off,
    /// All accounts that are governed.
    All,
    /// The account that the answer came to.
    Account,
}

impl KeywordSwitches {
    /// All words.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        [&self.corporate_image, &self.third_party, &self.single_sp].into_iter().flatten().map(String::as_str)
    }
}

impl Default for RegistrySwitches {
    fn default() -> Self {
        Self {
            lead_days: 3,
            lead_kind: LeadKind::Calendar,
            require_f14: false,
            moa_province_review: false,
            unit: CampaignUnit::Own,
            mode: RegistryModes::default(),
        }
    }
}

impl Default for RegistryModes {
    fn default() -> Self {
        Self { province_1258: RegistryMode::Enforce, city_moa: RegistryMode::Warn, key_account: RegistryMode::Warn }
    }
}

impl Default for OptOutSwitches {
    fn default() -> Self {
        Self { scope: OptOutScope::Off, words: ["T", "TD", "退订"].map(str::to_owned).to_vec() }
    }
}
