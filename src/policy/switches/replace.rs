//! What becomes of a replace_sm (section 4).

use serde::{Deserialize, Serialize};

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
