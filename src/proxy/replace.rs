//! replace_sm with `replace.mode = "check"`: the same line, with what is remembered of the message that it replaces.
//!
//! The new text is judged as if it had been submitted, and so is the new time. A
//! time on another day takes that day's slot before the replacement leaves; the
//! former day's is given back when the SMSC has taken it, and the new one when
//! the SMSC refuses. With an unknown outcome both stay taken (P9). A message that
//! does not count for 7.1a takes a slot in the same way with a text that does.

use std::ops::Range;
use std::sync::Arc;

use crate::domain::{Moment, Tick};
use crate::ledger::{About, Batch, Reservation};
use crate::policy::rules::source;
use crate::policy::{self, Refusal};
use crate::record::Verb;
use crate::smpp::Header;
use crate::smpp::command::status;
use crate::smpp::replace::Replace;
use crate::smpp::submission::{Field, Malformed};

use super::accepted::Claimed;
use super::evidence::{self, To};
use super::flow::reserve;
use super::gateway::Gateway;
use super::outgoing::{Passing, Workspace};
use super::reading::{note, written};
use super::refuse::{observe, refuse_all};
use super::scheduled::Later;
use super::session::{Session, Turn};
use super::uplink::may_submit;
use super::window::Held;

/// A replacement under way.
#[derive(Clone, Debug)]
pub(super) struct Replacing {
    /// What it has reserved: nothing but its rate, unless it moves its message to another day or makes it count.
    pub(super) reservation: Reservation,
    claimed: Arc<Claimed>,
    edt: Moment,
    moves: bool,
    counts: bool,
    /// The SMSC's name for the message, and its new time if it has one.
    named: (Box<[u8]>, Option<Box<Later>>),
}

impl Replacing {
    /// The SMSC has taken it. Returns what its message holds no more.
    pub(super) fn taken(&self) -> Option<Reservation> {
        self.claimed.moved(self.edt, self.moves.then_some((self.reservation, self.counts)))
    }

    /// The message waits for another time now, or for none.
    pub(super) fn rescheduled(&self, gateway: &Gateway, session: &Session, batch: &mut Batch) {
        let (message_id, later) = &self.named;
        let (account, smsc) = (session.sender.scopes.account, &session.smsc_metrics.address);
        gateway.ledger.cancelled(account, smsc, message_id, false, batch);
        if let Some(later) = later {
            gateway.ledger.waits(later.named(session, message_id, 1), batch);
        }
    }
}

/// What becomes of one replace_sm.
pub(super) fn judge(
    gateway: &Gateway,
    session: &Turn<'_>,
    tick: Tick,
    work: &mut Workspace,
    header: Header,
    octets: Range<usize>,
    frame: &[u8],
) {
    work.tally.received(Verb::ReplaceSm, 1);
    if let Err(refusal) = line(gateway, session, tick, work, header, octets, frame) {
        refuse_all(session, tick, work, header, frame, &refusal, &To::All(1));
    }
}

fn line(
    gateway: &Gateway,
    session: &Turn<'_>,
    tick: Tick,
    work: &mut Workspace,
    header: Header,
    octets: Range<usize>,
    frame: &[u8],
) -> Result<(), Refusal> {
    let (rules, account) = (&session.site.rules, &*session.sender.account);
    may_submit(session)?;
    let found = Replace::read(frame).and_then(|replace| {
        let source = source::shown(account, replace.source).digits;
        let claimed = gateway.accepted.claim(session.sender.scopes.account, replace.message_id, source);
        Ok((
            replace,
            claimed.map(Arc::new).ok_or(Malformed { field: Field::Operation, status: status::ESME_RREPLACEFAIL })?,
        ))
    });
    let read = match &found {
        Ok((replace, claimed)) => {
            let original = claimed.original();
            let submission = replace.of(original.destination(), original.data_coding);
            submission.map(|submission| (submission, claimed, replace.message_id))
        }
        Err(fault) => Err(*fault),
    };
    let (submission, claimed, message_id) = match read {
        Ok(read) => read,
        Err(fault) => {
            let permit = policy::decide::malformed(account, fault, tick.wall)?;
            let about = About { command: header.command_id as u8, ..About::default() };
            let reservation = reserve(gateway, session, tick, work, about, &permit)?;
            observe(session, tick, work, reservation.observed);
            work.forward(Passing::new(header, octets, Held::One(reservation), false), None);
            return Ok(());
        }
    };
    note(session, &submission);
    let replaced = claimed.replaced();
    let permit =
        policy::decide::decide_replacement(rules, account, &submission, replaced, tick.wall, &mut work.scratch)?;
    let about = evidence::about(session, work, &submission);
    let reservation = reserve(gateway, session, tick, work, about, &permit)?;
    observe(session, tick, work, reservation.observed);
    let (edt, moves, counts) = (permit.edt(), permit.recipient().is_some(), permit.counts());
    let named = (message_id.into(), Later::of(session, tick, &submission, edt));
    let claimed = Arc::clone(claimed);
    let held = Held::Replacing(Box::new(Replacing { reservation, claimed, edt, moves, counts, named }));
    let other = written(session, frame, &submission, permit.cap());
    work.forward(Passing::new(header, octets, held, false), other.as_deref());
    Ok(())
}
