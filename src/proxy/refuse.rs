//! A refusal: its answer, its count, its record, and the word to those who watch.

use crate::domain::Tick;
use crate::ledger::Reservation;
use crate::policy::{Reason, Reasons, Refusal};
use crate::smpp::command::{self, status};
use crate::smpp::{Header, answer};

use super::evidence::{self, To};
use super::notes;
use super::outgoing::{Passing, Workspace};
use super::session::Turn;

/// Refuses one message.
pub(super) fn refuse(
    session: &Turn<'_>,
    tick: Tick,
    work: &mut Workspace,
    header: Header,
    frame: &[u8],
    refusal: &Refusal,
) {
    refuse_all(session, tick, work, header, frame, refusal, &To::All(1));
}

/// Refuses what was to go on, for every recipient it was to go to.
pub(super) fn refuse_passing(
    session: &Turn<'_>,
    tick: Tick,
    work: &mut Workspace,
    one: &Passing,
    inbox: &[u8],
    refusal: &Refusal,
) {
    let frame = &inbox[one.octets.clone()];
    if one.part {
        work.tally.segments(false, one.held.len() as u32);
    }
    let to = To::These(one.held.iter().map(Reservation::recipient).collect());
    refuse_all(session, tick, work, one.header, frame, refusal, &to);
}

/// One answer for a request of so many recipients.
pub(super) fn refuse_all(
    session: &Turn<'_>,
    tick: Tick,
    work: &mut Workspace,
    header: Header,
    frame: &[u8],
    refusal: &Refusal,
    to: &To,
) {
    let recipients = to.count();
    // SMPP 3.4 knows no broadcast_sm, so its answer there is that of an unknown command.
    let unknown = header.command_id == command::BROADCAST_SM && session.version < 0x50;
    work.answers.extend(if unknown && refusal.reason == Reason::OperationDenied {
        answer::generic_nack(header.sequence, status::ESME_RINVCMDID)
    } else {
        answer::refusal(header, refusal.status)
    });
    work.tally.refused(refusal.reason, recipients);
    evidence::refused(session, tick, work, header, frame, refusal, to);
    observe(session, tick, work, refusal.observed);
    let (account, rules) = (&session.sender.account, &session.site.rules);
    let to = || notes::recipient_of(frame, rules.switches.dest.strict_ton);
    session.sender.notes.refused(&account.system_id, to, refusal, rules.version, tick);
    notes::keep(session, tick, header, frame, refusal, recipients);
}

/// Rules that are not enforced would have refused, or have something to note.
pub(super) fn observe(session: &Turn<'_>, tick: Tick, work: &mut Workspace, observed: Reasons) {
    if observed.is_empty() {
        return;
    }
    work.tally.shadow(observed);
    session.sender.notes.shadow(&session.sender.account.system_id, observed, session.site.rules.version, tick);
}

/// A refusal whose ground is the gateway's own state.
pub(super) fn here(session: &Turn<'_>, reason: Reason) -> Refusal {
    let status = session.sender.account.status(reason);
    Refusal { reason, status, also: Reasons::NONE, observed: Reasons::NONE }
}

/// A refusal of the operation as such.
pub(super) fn denied(session: &Turn<'_>, status: u32) -> Refusal {
    let reason = Reason::OperationDenied;
    let status = session.sender.account.status_or(reason, Some(status));
    Refusal { reason, status, also: Reasons::NONE, observed: Reasons::NONE }
}
