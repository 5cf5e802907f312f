//! A scheduled time exists, lies ahead and not too far, and has one meaning (clauses 7.4, 7.5; policy reference section 4).
//!
//! The windows of 7.5 are judged at the scheduled time, so a time that could
//! be read eight hours off would carry a message past them.

use std::time::Duration;

use crate::domain::{LocalTime, Moment};
use crate::policy::calendar::DayKind;
use crate::policy::case::{Case, Finding, Schedule};
use crate::policy::mode::Rule;
use crate::policy::reason::Reason;
use crate::policy::switches::{Avoid, ValidityMode, ZeroOffset};
use crate::smpp::Operation;
use crate::smpp::command::status;
use crate::smpp::time::{Time, TimeError};
use crate::smpp::tlv::tag;

use super::hours;

/// Judges the rule.
pub fn check(case: &Case<'_>) -> Finding {
    match schedule(case) {
        Finding::PASS => validity(case),
        refusal => refusal,
    }
}

fn schedule(case: &Case<'_>) -> Finding {
    if case.schedule != Schedule::Immediate && !case.rules.switches.schedule.honoured {
        return Finding::refuse(Reason::ScheduleInvalid);
    }
    match case.schedule {
        Schedule::Immediate => Finding::PASS,
        Schedule::Unreadable => Finding::refuse(Reason::ScheduleInvalid),
        Schedule::At(moment) => ahead(case, moment),
        Schedule::Either { utc, local } => {
            let one_day = LocalTime::of(utc).day == LocalTime::of(local).day;
            if !(one_day && open(case, utc) && open(case, local)) {
                return Finding::refuse(Reason::ScheduleInvalid);
            }
            match ahead(case, local) {
                Finding::PASS => ahead(case, utc),
                refusal => refusal,
            }
        }
    }
}

/// Not before this second, not after the limit.
fn ahead(case: &Case<'_>, moment: Moment) -> Finding {
    let wait_ms = moment.ms().saturating_sub(case.now.ms());
    if second(moment) < second(case.now) {
        Finding::refuse(Reason::ScheduleInvalid)
    } else if wait_ms > i64::from(case.rules.switches.schedule.max_ahead_hours) * 3_600_000 {
        Finding::refuse(Reason::ScheduleTooFar)
    } else {
        Finding::PASS
    }
}

/// Whether holidays and hours, as far as this account is held to them, allow a moment.
fn open(case: &Case<'_>, moment: Moment) -> bool {
    if case.rules.switches.hours.action == Avoid::Warn {
        return true;
    }
    let local = LocalTime::of(moment);
    let day = !case.enforces(Rule::Holiday) || case.rules.calendar.kind(local.day) == DayKind::Open;
    day && (!case.enforces(Rule::Hours) || hours::window_at(&case.rules.switches.hours, local.second).is_none())
}

/// A validity that ends before the delivery is a message nobody gets; with
/// `validity.mode = "reject"` it may not reach into a forbidden window either.
fn validity(case: &Case<'_>) -> Finding {
    let refusal = Finding::refuse_as(Reason::ScheduleInvalid, status::ESME_RINVEXPIRY);
    let Ok(ends) = ends_of_validity(case) else { return refusal };
    let late = ends.iter().flatten().any(|end| second(*end) < second(case.edt));
    let rejects = case.rules.switches.validity.mode == ValidityMode::Reject;
    if late || rejects && ends.iter().flatten().any(|end| crosses(case, *end)) { refusal } else { Finding::PASS }
}

/// What of a message's validity has to be shortened (`validity.mode = "cap"`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cap {
    /// Where validity_period ends.
    pub period: Option<Moment>,
    /// qos_time_to_live, seconds, 1 or more.
    pub time_to_live: Option<u32>,
}

/// Both fields are shortened, for readers follow the one or the other. A field that is absent is
/// written in: without it the SMSC's own validity counts, which nobody here knows.
pub fn cap(case: &Case<'_>) -> Cap {
    if case.rules.switches.validity.mode != ValidityMode::Cap || !case.enforces(Rule::Schedule) {
        return Cap::default();
    }
    let (Some(forbidden), Ok([to_live, period])) = (next_forbidden(case), ends_of_validity(case)) else {
        return Cap::default();
    };
    let within = |end: &Moment| second(*end) <= second(forbidden);
    // data_sm has no validity_period, so there its TLV is the one that has to be there.
    let (field, tlv_needed) = match case.submission.operation {
        Operation::DataSm => (false, true),
        _ => (true, to_live.is_some()),
    };
    let seconds = u32::try_from((forbidden.ms() - case.now.ms()) / 1000).unwrap_or(u32::MAX).max(1);
    Cap {
        period: (field && !period.as_ref().is_some_and(within)).then_some(forbidden),
        time_to_live: (tlv_needed && !to_live.as_ref().is_some_and(within)).then_some(seconds),
    }
}

/// Both ends a message may name: readers of 5.0 follow qos_time_to_live (section 4.8.4.46), those of 3.4
/// validity_period. Of two readings of one field the later is taken: retries are no second send.
fn ends_of_validity(case: &Case<'_>) -> Result<[Option<Moment>; 2], TimeError> {
    let to_live = match case.submission.tlvs.get(tag::QOS_TIME_TO_LIVE) {
        Some(&[a, b, c, d]) => {
            let seconds = i64::from(u32::from_be_bytes([a, b, c, d]));
            Some(Moment::from_ms(case.now.ms().saturating_add(seconds * 1000)))
        }
        _ => None,
    };
    let period = Time::parse(case.submission.validity)?.map(|time| match time {
        Time::Relative(period) => period.after(case.now),
        Time::Absolute(time) => match case.account.zero_offset(&case.rules.switches) {
            ZeroOffset::Local if time.has_zero_offset() => time.as_local(),
            _ => time.moment(),
        },
    });
    Ok([to_live, period])
}

fn crosses(case: &Case<'_>, end: Moment) -> bool {
    next_forbidden(case).is_some_and(|begin| second(begin) < second(end))
}

/// Where the first window or holiday at or behind the delivery begins, as far as this account is held to them.
fn next_forbidden(case: &Case<'_>) -> Option<Moment> {
    if case.rules.switches.hours.action == Avoid::Warn {
        return None;
    }
    let LocalTime { day, second } = case.local;
    let window = case.enforces(Rule::Hours).then(|| hours::until_window(&case.rules.switches.hours, second)).flatten();
    let window = window.map(|seconds| case.local.moment().plus(Duration::from_secs(u64::from(seconds))));
    let holiday = case.enforces(Rule::Holiday).then(|| match case.rules.calendar.kind(day) {
        DayKind::Open => case.rules.calendar.next_closed(day).start(),
        DayKind::Blocked(_) | DayKind::Missing => case.local.moment(),
    });
    window.into_iter().chain(holiday).min()
}

const fn second(moment: Moment) -> i64 {
    moment.ms().div_euclid(1000)
}
