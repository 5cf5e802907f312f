//! An account manager gives detailed contact details (clause 5.1.3, A-23).
//!
//! One of the account's registered numbers, anywhere in the text; without a
//! registered number, any mobile or area-code number.

use crate::domain::AccountClass;
use crate::policy::case::{Author, Case, Finding, Text};
use crate::policy::numbers::{gives_any_number, gives_number};
use crate::policy::phrases::says;
use crate::policy::reason::Reason;

/// Judges the rule.
pub fn check(case: &Case<'_>) -> Finding {
    match case.readable() {
        Some(text) if case.part().is_none() => judge(case.author(), text),
        _ => Finding::PASS,
    }
}

/// Judges a whole text, wherever it comes from.
pub fn judge(author: Author<'_>, text: Text<'_>) -> Finding {
    if author.account.class != AccountClass::KeyAccount || number(author, text) && name(author, text) {
        return Finding::PASS;
    }
    Finding::refuse(Reason::NoContact)
}

fn number(author: Author<'_>, text: Text<'_>) -> bool {
    let registered = &author.account.contact_numbers;
    if registered.is_empty() {
        return gives_any_number(text.matching);
    }
    registered.iter().any(|own| gives_number(text.matching, own))
}

/// With `signature.contact_needs_name`, an account whose manager has no name on record cannot give one.
fn name(author: Author<'_>, text: Text<'_>) -> bool {
    !author.rules.switches.signature.contact_needs_name
        || author.account.contact_name.as_deref().is_some_and(|name| says(text.matching, name))
}
