//! One rule, one file. A rule is a function from the case to a finding; what
//! becomes of the finding is the account's mode, not the rule's business.
//!
//! The rules that consume something (spread, once, quota, rate) are not here:
//! for them the check is the taking.

pub mod category;
pub mod contact;
pub mod content;
pub mod customers;
pub mod decode;
pub mod destination;
pub mod holiday;
pub mod hours;
pub mod length;
pub mod operation;
pub mod opted_out;
pub mod region;
pub mod schedule;
pub mod signature;
pub mod source;

use super::case::{Case, Finding};
use super::mode::Rule;

/// A rule's function.
pub type Check = fn(&Case<'_>) -> Finding;

/// The rules that a submission alone decides, in the order of precedence (policy reference, section 5).
pub const STATELESS: [(Rule, Check); 15] = [
    (Rule::Decode, decode::check),
    (Rule::Source, source::check),
    (Rule::Operation, operation::check),
    (Rule::Schedule, schedule::check),
    (Rule::Destination, destination::check),
    (Rule::Region, region::check),
    (Rule::Customers, customers::check),
    (Rule::OptedOut, opted_out::check),
    (Rule::Length, length::check),
    (Rule::Signature, signature::check),
    (Rule::Contact, contact::check),
    (Rule::Category, category::check),
    (Rule::Content, content::check),
    (Rule::Holiday, holiday::check),
    (Rule::Hours, hours::check),
];

/// The rules that look at the recipient, so that they are asked for each recipient of a submit_multi. The others are asked once.
pub const OF_THE_RECIPIENT: [(Rule, Check); 4] =
    some([Rule::Destination, Rule::Region, Rule::Customers, Rule::OptedOut]);

/// The rules about nothing that one recipient has and another has not.
pub const OF_ALL_RECIPIENTS: [(Rule, Check); 11] = some([
    Rule::Decode,
    Rule::Source,
    Rule::Operation,
    Rule::Schedule,
    Rule::Length,
    Rule::Signature,
    Rule::Contact,
    Rule::Category,
    Rule::Content,
    Rule::Holiday,
    Rule::Hours,
]);

/// The rules that a message which has passed is asked again when it comes to another subscriber: those about the recipient,
/// and those about the time of delivery, of which a campaign has one.
pub const ASKED_AGAIN: [(Rule, Check); 8] = some([
    Rule::Schedule,
    Rule::Destination,
    Rule::Region,
    Rule::Customers,
    Rule::OptedOut,
    Rule::Content,
    Rule::Holiday,
    Rule::Hours,
]);

/// Some of the rules that a submission alone decides; of another there is no function, and nothing compiles.
const fn some<const N: usize>(rules: [Rule; N]) -> [(Rule, Check); N] {
    let mut found = [STATELESS[0]; N];
    let mut at = 0;
    while at < N {
        let mut place = 0;
        while STATELESS[place].0 as usize != rules[at] as usize {
            place += 1;
        }
        found[at] = STATELESS[place];
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_of_one_recipient_or_of_all() {
        let names = |rules: &[(Rule, Check)]| rules.iter().map(|(rule, _)| *rule).collect::<Vec<_>>();
        let mut both = [names(&OF_THE_RECIPIENT), names(&OF_ALL_RECIPIENTS)].concat();
        both.sort();
        assert_eq!(both, names(&STATELESS));
        let again = names(&ASKED_AGAIN);
        assert!(again.is_sorted() && names(&OF_THE_RECIPIENT).iter().all(|rule| again.contains(rule)));
    }

    #[test]
    fn the_rules_are_judged_in_the_order_of_the_catalogue() {
        assert!(STATELESS.is_sorted_by_key(|(rule, _)| *rule));
        let later = [Rule::Spread, Rule::Once, Rule::Quota, Rule::Rate];
        assert!(Rule::ALL.iter().all(|rule| later.contains(rule) != STATELESS.iter().any(|(own, _)| own == rule)));
    }
}
