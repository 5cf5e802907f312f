//! One frame at both ends of the line: how it is read, what is written anew in it, what is held of it.

use crate::domain::Tick;
use crate::ledger::Reservation;
use crate::policy::rules::schedule::Cap;
use crate::policy::rules::source;
use crate::policy::switches::ReplaceMode;
use crate::policy::{Permit, Quirk};
use crate::smpp::rewrite::Changes;
use crate::smpp::submission::{Field, Malformed};
use crate::smpp::{Address, Submission, time};

use super::accepted::Original;
use super::scheduled::Later;
use super::session::Turn;
use super::window::{Held, Kept};

/// One frame, read strictly, or as one of the account's quirks allows.
pub(super) fn read<'a>(session: &Turn<'_>, frame: &'a [u8]) -> Result<Submission<'a>, Malformed> {
    let sender = &session.sender;
    let submission = match Submission::read(frame) {
        Err(fault) if fault.field == Field::Tlvs && sender.account.quirks.has(Quirk::TrailingZeros) => {
            let submission = without_trailing_zeros(frame).ok_or(fault)?;
            sender.metrics.tolerated(Quirk::TrailingZeros);
            submission
        }
        read => read?,
    };
    note(session, &submission);
    Ok(submission)
}

/// Counts the tolerances that a submission makes use of, and what it holds beside the specifications.
pub(super) fn note(session: &Turn<'_>, submission: &Submission<'_>) {
    let sender = &session.sender;
    if submission.tlvs.unknown > 0 {
        sender.metrics.unspecified(&submission.tlvs);
    }
    if sender.account.quirks.is_empty() {
        return;
    }
    let with_offset_00 = |field: &[u8]| matches!(field, [.., b'0', b'0', b'+' | b'-']);
    let times = [submission.schedule, submission.validity];
    if sender.account.quirks.has(Quirk::LocalOffset00) && times.into_iter().any(with_offset_00) {
        sender.metrics.tolerated(Quirk::LocalOffset00);
    }
    let Address { ton, digits, .. } = source::shown(&sender.account, submission.source);
    if sender.account.quirks.has(Quirk::InternationalSource) && source::adds_a_plus(ton, digits) {
        sender.metrics.tolerated(Quirk::InternationalSource);
    }
}

/// The submission in front of up to eight zero octets.
fn without_trailing_zeros(frame: &[u8]) -> Option<Submission<'_>> {
    (1..=8)
        .map_while(|zeros| frame.split_at_checked(frame.len().checked_sub(zeros)?))
        .take_while(|(_, zeros)| zeros.iter().all(|octet| *octet == 0))
        .find_map(|(frame, _)| Submission::read(frame).ok())
}

/// The frame as it goes on, where a field of it is written here: the account's own source in place of
/// none (2.4), a validity that is shortened.
pub(super) fn written(session: &Turn<'_>, frame: &[u8], submission: &Submission<'_>, cap: Cap) -> Option<Vec<u8>> {
    let own = session.sender.account.default_source.as_deref();
    let local_as_00 = session.sender.account.quirks.has(Quirk::LocalOffset00);
    let changes = Changes {
        source: own.filter(|_| submission.source.digits.is_empty()),
        validity: cap.period.map(|end| time::written(end, local_as_00)),
        time_to_live: cap.time_to_live,
    };
    if changes.is_empty() { None } else { changes.write(frame) }
}

/// What is held of a message that a replace_sm may name later, or that has a time of its own.
pub(super) fn kept(
    session: &Turn<'_>,
    tick: Tick,
    submission: &Submission<'_>,
    permit: &Permit,
    reservation: Reservation,
) -> Option<Held> {
    let (switches, due) = (&session.site.rules.switches.replace, permit.edt());
    let check = switches.mode == ReplaceMode::Check;
    if !check && due <= tick.wall {
        return None;
    }
    let original = if check { Original::of(&session.sender.account, submission, permit) } else { None };
    let replaceable = original.map(|original| (original, switches.remember as usize));
    let later = Later::of(session, tick, submission, due);
    let is_kept = replaceable.is_some() || later.is_some();
    is_kept.then(|| Held::Kept(Box::new(Kept { reservation, replaceable, later })))
}
