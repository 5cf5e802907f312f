//! Who has asked not to be sent to is not sent to.
//!
//! No clause of the measures asks for it; every site has such a list. It is empty, and the rule without effect, until
//! `optout.scope` says whom a subscriber's word binds.

use crate::policy::case::{Case, Finding};
use crate::policy::reason::Reason;
use crate::policy::switches::OptOutScope;

/// Judges the rule.
pub fn check(case: &Case<'_>) -> Finding {
    match case.recipient {
        Ok(number)
            if case.rules.switches.optout.scope != OptOutScope::Off
                && case.rules.opted_out.holds(number, &case.account.system_id) =>
        {
            Finding::refuse(Reason::OptedOut)
        }
        _ => Finding::PASS,
    }
}
