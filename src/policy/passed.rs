//! The message that passed last, in case it comes again to another subscriber: a campaign sends one to thousands.
//!
//! Of two messages that differ in nothing but the recipient, the rules find the same in everything else, as long as
//! account and ruleset are the same. So only the rules about recipient and time are asked again. Nothing is taken for
//! granted of a message that was refused, that a rule had something to note about, or that is one of several parts.

use crate::domain::AccountId;
use crate::smpp::Submission;

use super::mode::Rule;
use super::rules::{is_of_the_recipient, is_of_the_time};
use super::ruleset::{Account, Identity, Ruleset};

/// What has passed, octet for octet, and under whose rules.
#[derive(Debug, Default)]
pub(super) struct Passed {
    by: Option<(Identity, AccountId)>,
    before: Vec<u8>,
    behind: Vec<u8>,
}

/// Whether a rule is asked about each message, whatever was found in the one before.
pub(super) const fn is_asked_again(rule: Rule) -> bool {
    is_of_the_recipient(rule) || is_of_the_time(rule)
}

impl Passed {
    /// Whether a submission is the one that passed, to whomever it goes.
    pub(super) fn is_again(&self, rules: &Ruleset, account: &Account, submission: &Submission<'_>) -> bool {
        let Some((before, behind)) = submission.around else { return false };
        self.by == Some((rules.identity, account.id)) && self.before == before && self.behind == behind
    }

    /// This one has passed.
    pub(super) fn note(&mut self, rules: &Ruleset, account: &Account, submission: &Submission<'_>) {
        let Some((before, behind)) = submission.around else { return };
        self.by = Some((rules.identity, account.id));
        for (own, octets) in [(&mut self.before, before), (&mut self.behind, behind)] {
            own.clear();
            own.extend_from_slice(octets);
        }
    }
}
