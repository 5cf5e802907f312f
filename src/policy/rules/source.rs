//! An account sends under its own source addresses only (clause 2.4).
//!
//! An account is designated together with its addresses. An empty source
//! would let the SMSC choose one, so it needs the account's `default_source`.
//! Type and plan of the number are part of the address: 62021 with type 1 is
//! shown, and answered, as +62021.

use crate::policy::case::{Case, Finding};
use crate::policy::quirks::Quirk;
use crate::policy::reason::Reason;
use crate::policy::ruleset::Account;
use crate::smpp::Address;
use crate::smpp::command::status;

/// Judges the rule.
pub fn check(case: &Case<'_>) -> Finding {
    let Address { ton, npi, digits } = shown(case.account, case.submission.source);
    if !case.account.sources.iter().any(|pattern| pattern.matches(digits)) {
        return Finding::refuse(Reason::SourceNotAllowed);
    }
    match ton {
        // Unknown, national, the network's own, a subscriber's, letters, abbreviated: shown as it is written.
        0 | 2..=6 => {}
        1 if !adds_a_plus(ton, digits) || case.account.quirks.has(Quirk::InternationalSource) => {}
        _ => return Finding::refuse_as(Reason::SourceNotAllowed, status::ESME_RINVSRCTON),
    }
    // Unknown, telephone, national, private: the others number terminals that are no telephones.
    match npi {
        0 | 1 | 8 | 9 => Finding::PASS,
        _ => Finding::refuse_as(Reason::SourceNotAllowed, status::ESME_RINVSRCNPI),
    }
}

/// The source that goes on: an empty one becomes the account's own, where it names one.
pub fn shown<'a>(account: &'a Account, source: Address<'a>) -> Address<'a> {
    match &account.default_source {
        Some(own) if source.digits.is_empty() => Address { digits: own.as_bytes(), ..source },
        _ => source,
    }
}

/// Whether the type of number makes an access code a number of another country.
pub fn adds_a_plus(ton: u8, digits: &[u8]) -> bool {
    ton == 1 && !digits.starts_with(b"86")
}
