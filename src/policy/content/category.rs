//! What a registered text is for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::words;

/// What a campaign is for (2.1-2.3, 3.1-3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// 新业务.
    NewBusiness,
    /// 语音类业务.
    Voice,
    /// 整合营销宣传活动.
    IntegratedCampaign,
    /// 服务类.
    Service,
    /// A single SP service, within an integrated campaign only (2.3).
    SingleSp,
    /// 形象宣传; never (2.1).
    CorporateImage,
    /// For another organisation; never (2.2).
    ThirdParty,
}

impl Category {
    /// The word for people.
    pub const fn chinese(self) -> &'static str {
        match self {
            Self::NewBusiness => "新业务类",
            Self::Voice => "语音类",
            Self::IntegratedCampaign => "整合营销",
            Self::Service => "服务类",
            Self::SingleSp => "单一 SP 业务",
            Self::CorporateImage => "形象宣传",
            Self::ThirdParty => "为其他单位",
        }
    }
}

words!(
    Category,
    "category",
    NewBusiness = "new_business",
    Voice = "voice",
    IntegratedCampaign = "integrated_campaign",
    Service = "service",
    SingleSp = "single_sp",
    CorporateImage = "corporate_image",
    ThirdParty = "third_party",
);
