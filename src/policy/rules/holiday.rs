//! No bulk messages on the holidays of clause 7.4 (policy reference 3.6).
//!
//! 元旦, 春节 (除夕 to 初三), 情人节, 端午, 中秋, 圣诞: the whole local day of the
//! effective delivery time. A year the calendar does not cover is refused,
//! because nobody can say that the day is none of them.

use crate::policy::calendar::DayKind;
use crate::policy::case::{Case, Finding};
use crate::policy::reason::Reason;

use super::hours::avoid;

/// Judges the rule.
pub fn check(case: &Case<'_>) -> Finding {
    match case.rules.calendar.kind(case.local.day) {
        DayKind::Open => Finding::PASS,
        DayKind::Blocked(_) => avoid(case, Reason::Holiday),
        // Trying again does not give the calendar a year, so this is never a temporary refusal.
        DayKind::Missing => Finding { status: None, ..avoid(case, Reason::CalendarMissing) },
    }
}
