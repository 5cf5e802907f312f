//! No bulk messages at night and in the daily busy hours (clause 7.5, policy reference 3.6).
//!
//! Judged at the effective delivery time, local time, windows half open:
//! 10:59:59 passes, 11:00:00 does not, 14:00:00 passes again.

use crate::domain::LocalTime;
use crate::policy::case::{Case, Finding, Schedule};
use crate::policy::reason::Reason;
use crate::policy::switches::{Avoid, HoursSwitches, Window};
use crate::smpp::command::status;

const DAY: u32 = 86_400;

/// Judges the rule.
pub fn check(case: &Case<'_>) -> Finding {
    let switches = &case.rules.switches.hours;
    let submitted = || {
        let asked = switches.check_submit_time && case.schedule != Schedule::Immediate;
        asked.then(|| window_at(switches, LocalTime::of(case.now).second)).flatten()
    };
    match window_at(switches, case.local.second).or_else(submitted) {
        Some(reason) => avoid(case, reason),
        None => Finding::PASS,
    }
}

/// The finding for a time to avoid, as `hours.action` has it.
pub(super) fn avoid(case: &Case<'_>, reason: Reason) -> Finding {
    match case.rules.switches.hours.action {
        Avoid::Reject => Finding::refuse(reason),
        Avoid::Throttle => Finding::refuse_as(reason, status::ESME_RTHROTTLED),
        Avoid::Warn => Finding::note(reason),
    }
}

/// Why a second of the day is forbidden.
pub fn window_at(switches: &HoursSwitches, second: u32) -> Option<Reason> {
    let inside = |windows: &[Window]| windows.iter().any(|window| window.contains(second, switches.edge_guard_seconds));
    if inside(&switches.night) {
        Some(Reason::Night)
    } else if inside(&switches.busy) {
        Some(Reason::Busy)
    } else {
        None
    }
}

/// The window a second of the day lies in.
pub fn window_of(switches: &HoursSwitches, second: u32) -> Option<Window> {
    let mut windows = switches.night.iter().chain(&switches.busy);
    windows.find(|window| window.contains(second, switches.edge_guard_seconds)).copied()
}

/// Seconds from a second of the day to where the next forbidden window begins; 0 inside one, `None` if there are none.
pub fn until_window(switches: &HoursSwitches, second: u32) -> Option<u32> {
    let guard = switches.edge_guard_seconds % DAY;
    let until = |window: &Window| (window.start + 2 * DAY - guard - second) % DAY;
    let next = switches.night.iter().chain(&switches.busy).map(until).min();
    if window_at(switches, second).is_some() { Some(0) } else { next }
}
