//! An account sends under its own source addresses only (clause 2.4).
//!
//! An account is designated together with its addresses. An empty source
//! would let the SMSC choose one, so it needs the account's `default_source`.

use crate::policy::case::{Case, Finding};
use crate::policy::reason::Reason;

/// Judges the rule.
pub fn check(case: &Case<'_>) -> Finding {
    let address = case.submission.source.digits;
    let own = if address.is_empty() {
        case.account.default_source.is_some()
    } else {
        case.account.sources.iter().any(|pattern| pattern.matches(address))
    };
    if own { Finding::PASS } else { Finding::refuse(Reason::SourceNotAllowed) }
}
