//! A scheduled time exists, lies ahead and not too far, and has one meaning (clauses 7.4, 7.5; policy reference section 4).
//!
//! The windows of 7.5 are judged at the scheduled time, so a time that could
//! be read eight hours off would carry a message past them.

use crate::domain::{LocalTime, Moment};
use crate::policy::calendar::DayKind;
use crate::policy::case::{Case, Finding, Schedule};
use crate::policy::mode::Rule;
use crate::policy::reason::Reason;
use crate::policy::switches::{Avoid, ValidityMode, ZeroOffset};
use crate::smpp::command::status;
use crate::smpp::time::Time;
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
    if moment.ms().div_euclid(1000) < case.now.ms().div_euclid(1000) {
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
    let Ok(end) = end_of_validity(case) else { return refusal };
    let Some(end) = end else { return Finding::PASS };
    let late = end.ms().div_euclid(1000) < case.edt.ms().div_euclid(1000);
    let crosses = case.rules.switches.validity.mode == ValidityMode::Reject && crosses_window(case, end);
    if late || crosses { refusal } else { Finding::PASS }
}

/// qos_time_to_live comes before validity_period (5.0 section 4.8.4.46).
/// Of two readings the later is taken: retries are no second send.
fn end_of_validity(case: &Case<'_>) -> Result<Option<Moment>, crate::smpp::time::TimeError> {
    if let Some(&[a, b, c, d]) = case.submission.tlvs.get(tag::QOS_TIME_TO_LIVE) {
        let seconds = i64::from(u32::from_be_bytes([a, b, c, d]));
        return Ok(Some(Moment::from_ms(case.now.ms().saturating_add(seconds * 1000))));
    }
    Ok(Time::parse(case.submission.validity)?.map(|time| match time {
        Time::Relative(period) => period.after(case.now),
        Time::Absolute(time) => match case.account.zero_offset(&case.rules.switches) {
            ZeroOffset::Local if time.has_zero_offset() => time.as_local(),
            _ => time.moment(),
        },
    }))
}

fn crosses_window(case: &Case<'_>, end: Moment) -> bool {
    let last = LocalTime::of(end).day;
    let blocked = || case.rules.calendar.blocked().any(|(day, _)| (case.local.day..=last).contains(&day));
    let seconds = u32::try_from((end.ms() - case.edt.ms()) / 1000).unwrap_or(0).min(86_400);
    case.enforces(Rule::Holiday) && blocked()
        || case.enforces(Rule::Hours) && hours::window_within(&case.rules.switches.hours, case.local.second, seconds)
}
