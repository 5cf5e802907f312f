//! An account manager sends to their own key customers (clause 5.1.3, A-22).
//!
//! Judged only where a list is configured.

use crate::policy::case::{Case, Finding};
use crate::policy::reason::Reason;

/// Judges the rule.
pub fn check(case: &Case<'_>) -> Finding {
    match (&case.account.customers, case.recipient) {
        (Some(own), Ok(number)) if !own.contains(&number) => Finding::refuse(Reason::NotOwnCustomer),
        _ => Finding::PASS,
    }
}
