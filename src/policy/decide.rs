//! The decision: a pure function of ruleset, account, submission and instant.

use crate::domain::{Day, LocalTime, Moment, Msisdn};
use crate::smpp::Submission;
use crate::smpp::submission::{Field, Malformed};

use super::case::{Case, Finding};
use super::mode::{Mode, Rule};
use super::reason::{Reason, Reasons};
use super::regions::Place;
use super::rules::STATELESS;
use super::ruleset::{Account, Ruleset};

pub use super::case::Scratch;

/// What has passed every rule that a submission alone decides. Only this module makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a permit is what a reservation is made from"]
pub struct Permit {
    recipient: Option<Msisdn>,
    place: Option<Place>,
    edt: Moment,
    observed: Reasons,
}

/// What has not, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The first reason, in order of precedence.
    pub reason: Reason,
    /// The command_status of the answer.
    pub status: u32,
    /// The other reasons.
    pub also: Reasons,
    /// What would have refused, had its rule been enforced, and what is counted only.
    pub observed: Reasons,
}

/// Judges one submission at one instant.
pub fn decide(
    rules: &Ruleset,
    account: &Account,
    submission: &Submission<'_>,
    now: Moment,
    scratch: &mut Scratch,
) -> Result<Permit, Refusal> {
    let case = Case::read(rules, account, submission, now, scratch);
    let mut tally = Tally::default();
    for (rule, check) in STATELESS {
        match account.modes.get(rule) {
            Mode::Off => {}
            mode => tally.add(mode, check(&case)),
        }
    }
    tally.close(
        account,
        Permit { recipient: case.recipient.ok(), place: case.place, edt: case.edt, observed: Reasons::NONE },
    )
}

/// Judges a frame that could not be read as a submission. Where the account's
/// mode of [`Rule::Decode`] is not `enforce`, it passes without a recipient.
pub fn malformed(account: &Account, fault: Malformed, now: Moment) -> Result<Permit, Refusal> {
    let reason = match fault.field {
        Field::Operation => Reason::OperationDenied,
        Field::SourceAddr => Reason::SourceNotAllowed,
        Field::DestinationAddr => Reason::BadDestination,
        Field::ScheduleDeliveryTime | Field::ValidityPeriod => Reason::ScheduleInvalid,
        Field::ServiceType | Field::ShortMessage | Field::Tlvs | Field::Body => Reason::DecodeFailed,
    };
    let mut tally = Tally::default();
    match account.modes.get(Rule::Decode) {
        Mode::Off => {}
        mode => tally.add(mode, Finding::refuse_as(reason, fault.status)),
    }
    tally.close(account, Permit { recipient: None, place: None, edt: now, observed: Reasons::NONE })
}

/// What the rules have found so far.
#[derive(Default)]
struct Tally {
    first: Option<(Reason, Option<u32>)>,
    also: Reasons,
    observed: Reasons,
}

impl Tally {
    fn add(&mut self, mode: Mode, finding: Finding) {
        self.observed = self.observed.union(finding.noted);
        if finding.passes() {
            return;
        }
        if mode != Mode::Enforce {
            self.observed = self.observed.union(finding.refused);
            return;
        }
        for reason in finding.refused.iter() {
            match self.first {
                None => self.first = Some((reason, finding.status)),
                Some(_) => self.also.insert(reason),
            }
        }
    }

    fn close(self, account: &Account, permit: Permit) -> Result<Permit, Refusal> {
        let Some((reason, own)) = self.first else {
            return Ok(Permit { observed: self.observed, ..permit });
        };
        let status = account.status_or(reason, own);
        Err(Refusal { reason, status, also: self.also, observed: self.observed })
    }
}

impl Permit {
    /// The recipient; `None` where nobody enforces that there is one.
    pub const fn recipient(&self) -> Option<Msisdn> {
        self.recipient
    }

    /// Where the tables place the recipient; its operator is reported.
    pub const fn place(&self) -> Option<Place> {
        self.place
    }

    /// The local day of delivery: the day of 7.1a and 7.1b.
    pub const fn day(&self) -> Day {
        LocalTime::of(self.edt).day
    }

    /// The effective delivery time.
    pub const fn edt(&self) -> Moment {
        self.edt
    }

    /// What would have refused, had its rule been enforced, and what is counted only.
    pub const fn observed(&self) -> Reasons {
        self.observed
    }
}

impl Refusal {
    /// Every reason, the first included.
    pub fn reasons(&self) -> Reasons {
        self.also.union([self.reason].into_iter().collect())
    }
}
