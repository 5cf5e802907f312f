//! The destination is a mainland mobile number (clause 1.3, policy reference 3.5 step 1).
//!
//! 短信群发 goes to mobile users. Every spelling of one number is one key
//! (7.1a); what is no such number is refused. With `region.operator_scope =
//! "cmcc"` a number known to be another operator's is refused too.

use crate::domain::msisdn::MsisdnError;
use crate::policy::case::{Case, Finding};
use crate::policy::reason::Reason;
use crate::policy::regions::Operator;
use crate::policy::switches::OperatorScope;
use crate::smpp::command::status;

/// Judges the rule.
pub fn check(case: &Case<'_>) -> Finding {
    match case.recipient {
        Err(MsisdnError::TypeOfNumber) => Finding::refuse_as(Reason::BadDestination, status::ESME_RINVDSTTON),
        Err(MsisdnError::NumberingPlan) => Finding::refuse_as(Reason::BadDestination, status::ESME_RINVDSTNPI),
        Err(MsisdnError::Digits) => Finding::refuse(Reason::BadDestination),
        Ok(_) if foreign_operator(case) => Finding::refuse(Reason::BadDestination),
        Ok(_) => Finding::PASS,
    }
}

fn foreign_operator(case: &Case<'_>) -> bool {
    case.rules.switches.region.operator_scope == OperatorScope::Cmcc
        && case.place.is_some_and(|place| place.operator != Operator::Cmcc)
}
