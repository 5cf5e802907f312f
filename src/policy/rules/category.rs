//! No image promotion, no third party's advertising, no single SP service (clauses 2.1, 2.2, 2.3).
//!
//! What a text is for, a person decides when it is applied for. Words of it can only raise a suspicion, so they are
//! counted, unless the site has them refused. None are looked for by default.

use crate::policy::case::{Case, Finding, Text};
use crate::policy::phrases::says;
use crate::policy::reason::Reason;
use crate::policy::switches::{KeywordAction, KeywordSwitches};

/// Judges the rule. Of a message in parts the whole text is judged, elsewhere.
pub fn check(case: &Case<'_>) -> Finding {
    match case.readable() {
        Some(text) if case.part().is_none() => judge(&case.rules.switches.category.keywords, text),
        _ => Finding::PASS,
    }
}

/// Judges a whole text, wherever it comes from.
pub fn judge(switches: &KeywordSwitches, text: Text<'_>) -> Finding {
    if !switches.words().any(|word| says(text.matching, word)) {
        return Finding::PASS;
    }
    match switches.action {
        KeywordAction::Report => Finding::note(Reason::CategoryDenied),
        KeywordAction::Reject => Finding::refuse(Reason::CategoryDenied),
    }
}
