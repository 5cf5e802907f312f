//! The message that passed last, in case it comes again to another subscriber: a campaign sends one to thousands.
//!
//! Of two messages that differ in nothing but the recipient, the rules find the same in everything else, as long as
//! account and ruleset are the same. So only the rules about recipient and time are asked again. Nothing is taken for
//! granted of a message that was refused, that a rule had something to note about, or that is one of several parts.

use crate::domain::AccountId;
use crate::smpp::{Address, Submission, submission};

use super::mode::Rule;
use super::rules::{is_of_the_recipient, is_of_the_time};
use super::ruleset::{Account, Identity, Ruleset};
use super::switches::ReplaceMode;

/// What has passed, octet for octet, and under whose rules.
#[derive(Debug, Default)]
pub(super) struct Passed {
    by: Option<(Identity, AccountId)>,
    before: Vec<u8>,
    behind: Vec<u8>,
    /// Whether another that has the same octets need not be read at all.
    bare: bool,
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

    /// The recipient of a frame that is the one that passed, if nothing else of it is of any interest.
    pub(super) fn recipient<'a>(&self, rules: &Ruleset, account: &Account, frame: &'a [u8]) -> Option<Address<'a>> {
        let same = self.bare && self.by == Some((rules.identity, account.id));
        if same { submission::repeated(frame, (&self.before, &self.behind)) } else { None }
    }

    /// This one has passed.
    pub(super) fn note(&mut self, rules: &Ruleset, account: &Account, submission: &Submission<'_>) {
        let Some((before, behind)) = submission.around else { return };
        self.by = Some((rules.identity, account.id));
        self.bare = is_bare(rules, account, submission);
        for (own, octets) in [(&mut self.before, before), (&mut self.behind, behind)] {
            own.clear();
            own.extend_from_slice(octets);
        }
    }
}

/// Whether a submission has no time of its own, nothing that is counted, written anew or kept for later: of another with
/// the same octets only the recipient is of interest.
fn is_bare(rules: &Ruleset, account: &Account, submission: &Submission<'_>) -> bool {
    let timeless = submission.schedule.is_empty() && submission.validity.is_empty() && submission.tlvs.is_empty();
    let kept = rules.switches.replace.mode == ReplaceMode::Check;
    timeless && !kept && !submission.is_part() && !submission.source.digits.is_empty() && account.quirks.is_empty()
}
