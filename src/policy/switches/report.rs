//! How reports are made (section 6).

use serde::{Deserialize, Serialize};

/// Reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReportSwitches {
    /// What 发送成功率 is; the other rate stands beside it.
    pub success_basis: SuccessBasis,
}

/// What the success rate is a share of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SuccessBasis {
    /// delivered / accepted.
    #[default]
    Delivered,
    /// accepted / submitted.
    Accepted,
}

impl SuccessBasis {
    /// The word used in `policy.toml` and reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Accepted => "accepted",
        }
    }
}
