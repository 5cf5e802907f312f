//! What the records say of a message: what it was about, and whom it was refused to.
//!
//! Every refused message has its record, as long as its account does not send faster than [`Recorded`] allows;
//! beyond that they are counted by their reason, so that nobody can fill the disk with what is refused, and every
//! one is in the reports all the same.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use crate::domain::{Moment, Msisdn, Tick, Ticker};
use crate::ledger::{About, Batch, Claim, TextDigest};
use crate::policy::case::Schedule;
use crate::policy::rules::source;
use crate::policy::ruleset::Rate;
use crate::policy::{Reason, Refusal};
use crate::smpp::multi::Multi;
use crate::smpp::replace::Replace;
use crate::smpp::{Address, Header, Submission, command};
use crate::traffic::Throttle;

use super::gateway::{Gateway, Sender, Site};
use super::outgoing::Workspace;
use super::session::Turn;
use super::uplink::claim;

/// Refused messages of one account that are recorded one by one whatever its rate; then as many a second as its rate.
const AT_ONCE: u32 = 100_000;
/// How long those that are counted only are gathered, milliseconds.
const GATHER_MS: i64 = 1000;

/// To whom a request is refused.
#[derive(Debug)]
pub(super) enum To {
    /// All whom its frame names, so many.
    All(u32),
    /// These.
    These(Vec<Option<Msisdn>>),
}

/// What the records say of a message that comes again and is not read again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    command: u8,
    ton: u8,
    npi: u8,
    length: u8,
    digits: [u8; 20],
    digest: Option<TextDigest>,
    number: Option<u64>,
}

/// How many refusals of an account are recorded one by one, and how many beside.
#[derive(Debug)]
pub(super) struct Recorded {
    allowed: Throttle,
    beside: [AtomicU32; Reason::ALL.len()],
    any: AtomicBool,
    told_ms: AtomicI64,
}

impl To {
    /// How many.
    pub(super) fn count(&self) -> u32 {
        match self {
            Self::All(count) => *count,
            Self::These(these) => these.len() as u32,
        }
    }
}

impl Known {
    /// Keeps it; its source has 20 digits at most.
    pub(super) fn of(about: &About<'_>) -> Self {
        let About { command, source: Address { ton, npi, digits: own }, digest, known: number } = *about;
        let mut digits = [0; 20];
        let length = own.len().min(digits.len());
        digits[..length].copy_from_slice(&own[..length]);
        Self { command, ton, npi, length: length as u8, digits, digest, number }
    }

    /// What it says.
    pub(super) fn about(&self) -> About<'_> {
        let Self { command, ton, npi, length, digits, digest, number } = self;
        let source = Address { ton: *ton, npi: *npi, digits: &digits[..usize::from(*length)] };
        About { command: *command, source, digest: *digest, known: *number }
    }
}

impl Recorded {
    /// For an account of that rate.
    pub(super) fn new(rate: Rate, ticker: Ticker) -> Self {
        let allowed = Rate { per_second: rate.per_second, burst: AT_ONCE };
        Self {
            allowed: Throttle::new(allowed, ticker),
            beside: std::array::from_fn(|_| AtomicU32::new(0)),
            any: AtomicBool::new(false),
            told_ms: AtomicI64::new(0),
        }
    }

    /// Whether one more has a record of its own; if not, it is counted.
    fn takes(&self, reason: Reason) -> bool {
        let takes = self.allowed.take();
        if !takes {
            self.beside[reason.index()].fetch_add(1, Ordering::Relaxed);
            self.any.store(true, Ordering::Release);
        }
        takes
    }

    /// What was counted since it was told last; nothing within a second of that, unless it is the last time.
    fn beside(&self, now_ms: i64, last: bool) -> impl Iterator<Item = (Reason, u32)> {
        let due =
            self.any.load(Ordering::Relaxed) && (last || now_ms - self.told_ms.load(Ordering::Relaxed) >= GATHER_MS);
        let any = due && self.any.swap(false, Ordering::AcqRel);
        if any {
            self.told_ms.store(now_ms, Ordering::Relaxed);
        }
        let all = Reason::ALL.into_iter().filter(move |_| any);
        let count = |reason: Reason| (reason, self.beside[reason.index()].swap(0, Ordering::Relaxed));
        all.map(count).filter(|(_, count)| *count > 0)
    }
}

/// What the records say of a submission.
pub(super) fn about<'a>(session: &'a Turn<'_>, work: &mut Workspace, submission: &Submission<'a>) -> About<'a> {
    let (account, switches) = (&*session.sender.account, &session.site.rules.switches);
    let digest = work.ledger.digest(submission, account.dc0, switches.encoding.dc15, switches.audit.text);
    let source = source::shown(account, submission.source);
    About { command: submission.operation.command() as u8, source, digest, known: None }
}

/// Writes down whom a request was refused to.
pub(super) fn refused(
    session: &Turn<'_>,
    tick: Tick,
    work: &mut Workspace,
    header: Header,
    frame: &[u8],
    refusal: &Refusal,
    to: &To,
) {
    let multi = if header.command_id == command::SUBMIT_MULTI { Multi::read(frame).ok() } else { None };
    let read = match &multi {
        Some(multi) => Some(multi.common),
        None => Submission::read(frame).ok(),
    };
    let (about, edt) = match &read {
        Some(submission) => (about(session, work, submission), edt(session, submission, tick.wall)),
        None => (unread(session, header, frame), tick.wall),
    };
    let mut one = |to| refused_one(session, tick, work, about, edt, to, refusal);
    match (to, &multi, &read) {
        (To::These(these), ..) => these.iter().for_each(|to| one_of(session, tick, work, about, edt, Ok(*to), refusal)),
        (To::All(_), Some(multi), _) => {
            multi.destinations.iter().for_each(|to| one(to.address.unwrap_or_default()));
        }
        (To::All(_), None, Some(submission)) => one(submission.destination),
        (To::All(_), None, None) => one(Address::default()),
    }
}

/// Writes down that one address was refused.
pub(super) fn refused_one(
    session: &Turn<'_>,
    tick: Tick,
    work: &mut Workspace,
    about: About<'_>,
    edt: Moment,
    to: Address<'_>,
    refusal: &Refusal,
) {
    let number = Msisdn::parse(to.ton, to.npi, to.digits, session.site.rules.switches.dest.strict_ton);
    let to = match number {
        Ok(number) => Ok(Some(number)),
        Err(_) if to.digits.is_empty() => Ok(None),
        Err(_) => Err(to),
    };
    one_of(session, tick, work, about, edt, to, refusal);
}

fn one_of(
    session: &Turn<'_>,
    tick: Tick,
    work: &mut Workspace,
    about: About<'_>,
    edt: Moment,
    to: Result<Option<Msisdn>, Address<'_>>,
    refusal: &Refusal,
) {
    if session.sender.recorded.takes(refusal.reason) {
        work.ledger.refused(&claim(session, tick, about), edt, to, refusal);
    }
}

/// The effective delivery time of what was refused, as far as it names one.
fn edt(session: &Turn<'_>, submission: &Submission<'_>, now: Moment) -> Moment {
    let zero_offset = session.sender.account.zero_offset(&session.site.rules.switches);
    Schedule::read(submission.schedule, now, zero_offset).edt(now)
}

/// What can be said of a frame that is no readable submission.
fn unread<'a>(session: &'a Turn<'_>, header: Header, frame: &'a [u8]) -> About<'a> {
    let replace = if header.command_id == command::REPLACE_SM { Replace::read(frame).ok() } else { None };
    let source = replace.map(|replace| source::shown(&session.sender.account, replace.source));
    About { command: header.command_id as u8, source: source.unwrap_or_default(), digest: None, known: None }
}

/// Writes down how many of an account were refused beside those that have a record of their own.
pub(super) fn tell_beside(gateway: &Gateway, site: &Site, sender: &Sender, tick: Tick, last: bool) {
    let mut beside = sender.recorded.beside(tick.steady_ms, last).peekable();
    if beside.peek().is_none() {
        return; // of most accounts, ten times a second
    }
    let mut batch = Batch::default();
    for (reason, count) in beside {
        let claim = Claim {
            account: &sender.account,
            scopes: sender.scopes,
            throttle: &sender.throttle,
            rules: &site.rules,
            tick,
            owed: None,
            about: About::default(),
        };
        batch.refused_uncounted(&claim, reason, count);
    }
    gateway.ledger.note(&mut batch);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Clock;

    #[test]
    fn what_is_beyond_the_account_s_share_is_counted() {
        let ticker = Ticker::new(Clock::System);
        let recorded = Recorded::new(Rate { per_second: 1, burst: 1 }, ticker);
        let own = (0..AT_ONCE + 50).filter(|_| recorded.takes(Reason::Duplicate)).count() as u32;
        assert!((AT_ONCE..AT_ONCE + 5).contains(&own), "{own}");
        assert!(!recorded.takes(Reason::Night));
        let beside: Vec<_> = recorded.beside(5000, false).collect();
        assert_eq!(beside, [(Reason::Night, 1), (Reason::Duplicate, AT_ONCE + 50 - own)]);
        assert!(!recorded.takes(Reason::Night));
        assert_eq!(recorded.beside(5999, false).count(), 0, "within the second");
        assert_eq!(recorded.beside(5999, true).collect::<Vec<_>>(), [(Reason::Night, 1)], "but the last time");
        assert_eq!(recorded.beside(9000, false).count(), 0);
    }
}
