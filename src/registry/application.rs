//! The 1258 application form (1258 短信群发申请表) with what becomes of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{Moment, words};
pub use crate::policy::content::Category;

/// Characters of a field at most; of the content there may be more.
pub const FIELD_MAX: usize = 200;

/// An application for a campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Application {
    /// Its number; stands in every record of what is sent for it.
    pub number: u32,
    /// How far it has come.
    pub state: State,
    /// Counts up with every act.
    pub revision: u32,
    /// The form.
    pub form: Form,
    /// Who filled it in.
    pub applicant: String,
    /// F2, with the day of the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted: Option<Opinion>,
    /// F11: the provincial department concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<Opinion>,
    /// F12: Group Customer and Data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_data: Option<Opinion>,
    /// F13: the sending time that was arranged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arranged: Option<Span>,
    /// F14: the provincial leader in charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub province_leader: Option<Opinion>,
    /// Why it was rejected, or closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Opinion>,
}

/// What the applicant fills in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Form {
    /// F1: the applying unit, as `accounts.toml` names it.
    pub unit: String,
    /// The city of a city campaign, a slug of `cities.csv`; taken from the unit where that is a city's slug.
    pub city: String,
    /// Where it is to be sent.
    pub platform: Platform,
    /// What it is for.
    pub category: Option<Category>,
    /// The integrated campaign that a single SP service is part of (2.3).
    pub integrated_campaign: String,
    /// F3: whom to ask.
    pub contact: String,
    /// F4.
    pub telephone: String,
    /// F5.
    pub fax: String,
    /// F6: the target group.
    pub target: String,
    /// F7: the sending time that is asked for.
    pub requested: Option<Span>,
    /// F8: the text; `{name}` stands for up to 20 characters without a line break.
    pub content: String,
    /// F9: remarks.
    pub remarks: String,
    /// F10: given to the 1860 centre for its knowledge base (7.8).
    pub in_knowledge_base: bool,
}

/// How far an application has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Being filled in.
    Draft,
    /// Handed in; cannot be changed any more.
    Submitted,
    /// May be sent.
    Approved,
    /// May not.
    Rejected,
    /// Over.
    Closed,
}

/// Where a campaign is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// The 1258 platform (5.1.1, 5.2).
    #[default]
    #[serde(rename = "1258")]
    P1258,
    /// The mobile office assistant, by the city itself (5.1.2, 5.1.3).
    Moa,
}

/// Who reviews.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Department {
    /// 集团客户与数据业务部 (3.1).
    GroupData,
    /// 市场经营部 (3.2).
    Marketing,
    /// 客户服务部 (3.3).
    CustomerService,
    /// 1860 中心 (3.4): reads and closes.
    #[serde(rename = "centre_1860")]
    Centre1860,
    /// 省公司分管领导 (F14).
    ProvinceLeader,
}

/// A span of time, the end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Its first moment.
    #[serde(with = "time")]
    #[schema(value_type = String)]
    pub from: Moment,
    /// The first moment behind it.
    #[serde(with = "time")]
    #[schema(value_type = String)]
    pub until: Moment,
}

/// What somebody said of an application, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Opinion {
    /// Whose word it is.
    pub name: String,
    /// As what.
    pub role: String,
    /// The token, or the local user, that entered it.
    pub by: String,
    /// When.
    #[serde(with = "time")]
    #[schema(value_type = String)]
    pub at: Moment,
    /// In their words.
    pub opinion: String,
}

/// Moments as text, local time with its offset.
mod time {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::domain::Moment;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
    pub(super) fn serialize<S: Serializer>(moment: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(moment)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        let text = String::deserialize(deserializer)?;
        let hint = "expected a time such as 2026-11-24T09:30:00+08:00";
        Moment::parse(&text).ok_or_else(|| serde::de::Error::custom(hint))
    }
}

impl Application {
    /// When it may be sent: as arranged (F13), else as asked for (F7).
    pub fn window(&self) -> Option<Span> {
        self.arranged.or(self.form.requested)
    }

    /// Whether it says that it goes to everybody (7.2): reported, not refused.
    pub fn is_general(&self) -> bool {
        ["全部用户", "全网", "所有用户", "全省用户", "全体用户"].iter().any(|words| self.form.target.contains(words))
    }
}

impl State {
    /// The word for people.
    pub const fn chinese(self) -> &'static str {
        match self {
            Self::Draft => "草稿",
            Self::Submitted => "已提交",
            Self::Approved => "已批准",
            Self::Rejected => "已驳回",
            Self::Closed => "已结束",
        }
    }
}

impl Form {
    /// Whether it is a city's campaign, not a provincial department's.
    pub fn is_of_city(&self) -> bool {
        !self.city.is_empty()
    }
}

words!(
    State,
    "state",
    Draft = "draft",
    Submitted = "submitted",
    Approved = "approved",
    Rejected = "rejected",
    Closed = "closed"
);
words!(Platform, "platform", P1258 = "1258", Moa = "moa");
words!(
    Department,
    "department",
    GroupData = "group_data",
    Marketing = "marketing",
    CustomerService = "customer_service",
    Centre1860 = "centre_1860",
    ProvinceLeader = "province_leader",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_files() {
        for category in Category::ALL {
            assert_eq!(serde_json::to_value(category).expect("serialises"), category.code());
            assert_eq!(category.code().parse(), Ok(*category));
        }
        for department in Department::ALL {
            assert_eq!(serde_json::to_value(department).expect("serialises"), department.code());
        }
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).expect("serialises"), state.code());
        }
        for platform in Platform::ALL {
            assert_eq!(serde_json::to_value(platform).expect("serialises"), platform.code());
        }
        assert!("x".parse::<Category>().is_err_and(|told| told.contains("new_business, voice")));
    }
}
