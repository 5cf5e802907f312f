//! The switches of operations beside submit_sm (section 4).

use serde::{Deserialize, Serialize};

/// submit_multi, section 4.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MultiSwitches {
    /// What becomes of a submit_multi of which some recipients are refused.
    pub mode: MultiMode,
}

/// What becomes of a submit_multi of which some recipients are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MultiMode {
    /// It goes on without them; they come back in unsuccess_sme.
    #[default]
    Filter,
    /// It is refused as a whole.
    RejectAll,
}

/// replace_sm, section 4.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplaceSwitches {
    /// What becomes of a replace_sm.
    pub mode: ReplaceMode,
    /// Accepted messages remembered per account, the oldest forgotten first, 1..=1 000 000.
    pub remember: u32,
}

/// What becomes of a replace_sm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplaceMode {
    /// Refused.
    #[default]
    Refuse,
    /// Judged like a submission, with what is remembered of the message it replaces.
    Check,
}
