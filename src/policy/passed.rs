//! The message that passed last, in case it comes again to another subscriber: a campaign sends one to thousands.
//!
//! Of two messages that differ in nothing but the recipient, the rules find the same in everything else, as long as
//! account and ruleset are the same. So only the rules about recipient and time are asked again; which registered
//! text it is, is remembered for those that look at its campaign. Nothing is taken for
//! granted of a message that was refused, that a rule had something to note about, or that is one of several parts.

use crate::domain::{AccountId, Moment};
use crate::smpp::{Address, Submission, submission};

use super::ruleset::{Account, Identity, Ruleset};
use super::switches::{ReplaceMode, ValidityMode};

/// What has passed, octet for octet, and under whose rules.
#[derive(Debug, Default)]
pub(super) struct Passed {
    by: Option<(Identity, AccountId)>,
    before: Vec<u8>,
    behind: Vec<u8>,
    /// Whether another that has the same octets need not be read at all.
    bare: bool,
    /// Counts what has passed; tells one from the next.
    serial: u64,
    /// When the rules about its time last had nothing to say: all messages of a batch are judged at one instant.
    timely: Option<Moment>,
    /// The registered texts that it is, if it was held against them.
    found: Option<Vec<u32>>,
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

    /// Whether the rules about the time of a bare one have nothing to say at an instant.
    pub(super) fn is_timely(&self, now: Moment) -> bool {
        self.timely == Some(now)
    }

    /// Which one it is.
    pub(super) const fn serial(&self) -> u64 {
        self.serial
    }

    /// They have nothing to say.
    pub(super) const fn note_timely(&mut self, now: Moment) {
        self.timely = Some(now);
    }

    /// The registered texts that it is.
    pub(super) fn found(&self) -> Option<&[u32]> {
        self.found.as_deref()
    }

    /// This one has passed.
    pub(super) fn note(
        &mut self,
        rules: &Ruleset,
        account: &Account,
        submission: &Submission<'_>,
        found: Option<&[u32]>,
    ) {
        let Some((before, behind)) = submission.around else { return };
        self.by = Some((rules.identity, account.id));
        self.bare = is_bare(rules, account, submission);
        self.serial += 1;
        self.timely = None;
        for (own, octets) in [(&mut self.before, before), (&mut self.behind, behind)] {
            own.clear();
            own.extend_from_slice(octets);
        }
        match (&mut self.found, found) {
            (Some(own), Some(found)) => {
                own.clear();
                own.extend_from_slice(found);
            }
            (own, found) => *own = found.map(<[u32]>::to_vec),
        }
    }
}

/// Whether a submission has no time of its own, nothing that is counted, written anew or kept for later: of another with
/// the same octets only the recipient is of interest.
fn is_bare(rules: &Ruleset, account: &Account, submission: &Submission<'_>) -> bool {
    let timeless = submission.schedule.is_empty() && submission.validity.is_empty() && submission.tlvs.is_empty();
    let switches = &rules.switches;
    let changed = switches.replace.mode == ReplaceMode::Check || switches.validity.mode == ValidityMode::Cap;
    timeless && !changed && !submission.is_part() && !submission.source.digits.is_empty() && account.quirks.is_empty()
}
