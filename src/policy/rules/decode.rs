//! The text can be decoded (clause 4.1, policy reference 3.1 step 1).
//!
//! Content that cannot be read cannot be counted or compared, and an SMSC
//! might show it as something else: binary, compressed and unknown codings,
//! lone surrogates, octets outside the alphabet. What may stand at the end of
//! a text may not stand at the end of a part that others follow.

use crate::policy::case::{Case, Finding};
use crate::policy::reason::Reason;

/// Judges the rule.
pub fn check(case: &Case<'_>) -> Finding {
    match case.text {
        Some(Err(_)) => Finding::refuse(Reason::DecodeFailed),
        Some(Ok(text)) if text.chars.ends_with(&['\0']) && case.part().is_some_and(|part| part.index < part.total) => {
            Finding::refuse(Reason::DecodeFailed)
        }
        _ => Finding::PASS,
    }
}
