//! A report as it is told.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Figures, LateReview, Registered, Run, Share};

/// What became of the messages of some days.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// The first local day on which they were received.
    pub from: String,
    /// The last one.
    pub to: String,
    /// When it was made.
    pub made: String,
    /// Whether some of the answers and receipts may still come: the last day is not yet three days over.
    pub open: bool,
    /// Which rate is the success rate: `delivered` / accepted, or `accepted` / submitted.
    pub success_basis: String,
    /// The campaign that was asked about, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<u32>,
    /// All of it.
    pub total: Figures,
    /// By day, unit, account and campaign.
    pub lines: Vec<Line>,
    /// The same by local day.
    pub days: Vec<Sum>,
    /// By unit.
    pub units: Vec<Sum>,
    /// By account.
    pub accounts: Vec<Sum>,
    /// By campaign, `#7`; what belongs to none by account.
    pub campaigns: Vec<Sum>,
    /// Runs of at least fifty consecutive numbers (7.7), the longest thousand.
    pub runs: Vec<Run>,
    /// Numbers in which no run was looked for, because there were too many of one day.
    pub runs_left_out: u64,
    /// Campaigns whose segments were not looked at, because there are too many.
    pub shares_left_out: u64,
    /// Unknown outcomes that operators have released in these days.
    pub releases: Vec<Release>,
    /// What the registry knows of the campaigns that stand here.
    pub registered: Vec<Registered>,
    /// Applications handed in on these days that were not reviewed within one working day (5.1.1, 5.2).
    pub late_reviews: Vec<LateReview>,
}

/// Figures of one day, unit, account and campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// The local day.
    pub day: String,
    /// The unit, as it was then.
    pub unit: String,
    /// `system_id`.
    pub account: String,
    /// The class, as it was then.
    pub class: String,
    /// The registered campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<u32>,
    /// What became of them.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Figures of all lines that have something in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sum {
    /// What they have in common: a day, a unit, an account; a campaign's number as `#7`.
    pub of: String,
    /// Segments touched (7.2); of campaigns only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// What became of them.
    #[serde(flatten)]
    pub figures: Figures,
}

/// A release of an unknown outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Release {
    /// When.
    pub at: String,
    /// Who.
    pub who: String,
    /// The ledger's row.
    pub row: String,
    /// Why.
    pub reason: String,
}

impl Report {
    /// The rate that the site calls the success rate; `None` where it is not known.
    pub fn success(&self, figures: &Figures) -> Option<f64> {
        if self.success_basis == "accepted" { figures.accepted_of_submitted } else { figures.delivered_of_accepted }
    }
}
