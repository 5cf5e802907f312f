//! submit_multi: the same line for each recipient. A fault of the content or the
//! time refuses the whole; a recipient that is refused is cut out of the octets
//! and comes back in unsuccess_sme (`multi.mode = filter`).

use std::ops::Range;
use std::sync::atomic::AtomicU32;

use crate::domain::Tick;
use crate::ledger::{About, Claim, Reservation};
use crate::policy::rules::schedule::Cap;
use crate::policy::switches::MultiMode;
use crate::policy::{self, Mode, Permit, Reason, Refusal, Rule};
use crate::record::Verb;
use crate::smpp::Header;
use crate::smpp::command::status;
use crate::smpp::multi::{Multi, Unsuccess};

use super::evidence::{self, To};
use super::flow::{Admitted, admit, reserve};
use super::gateway::Gateway;
use super::notes;
use super::outgoing::{Passing, Workspace};
use super::reading::{note, written};
use super::refuse::{denied, here, observe, refuse_all};
use super::scheduled::Later;
use super::session::Turn;
use super::uplink::{claim, may_submit};
use super::window::{Held, Many};

/// What becomes of one submit_multi.
pub(super) fn judge(
    gateway: &Gateway,
    session: &Turn<'_>,
    tick: Tick,
    work: &mut Workspace,
    header: Header,
    octets: Range<usize>,
    frame: &[u8],
) {
    let multi = Multi::read(frame);
    let recipients = multi.as_ref().map_or(1, |multi| multi.destinations.len() as u32);
    work.tally.received(Verb::SubmitMulti, recipients);
    if let Err(fault) = &multi {
        notes::fault(gateway, session, "esme", format!("{:?}", fault.field), frame);
    }
    let judged = may_submit(session).and_then(|()| match &multi {
        Err(fault) => policy::decide::malformed(&session.sender.account, *fault, tick.wall).and_then(|permit| {
            let about = About { command: header.command_id as u8, ..About::default() };
            let reservation = reserve(gateway, session, tick, work, about, &permit)?;
            observe(session, tick, work, reservation.observed);
            work.forward(Passing::new(header, octets.clone(), Held::One(reservation), false), None);
            Ok(())
        }),
        Ok(multi) => Judging { gateway, session, tick, multi }.line(work, header, octets, frame),
    });
    if let Err(refusal) = judged {
        if multi.as_ref().is_ok_and(|multi| multi.common.is_part()) {
            work.tally.segments(false, recipients);
        }
        refuse_all(session, tick, work, header, frame, &refusal, &To::All(recipients));
    }
}

/// The frame as it goes on, where it does not go on as received: without some recipients, with fields written here.
fn octets_of(session: &Turn<'_>, multi: &Multi<'_>, frame: &[u8], gone: &[usize], cap: Cap) -> Option<Vec<u8>> {
    if gone.is_empty() {
        return written(session, frame, &multi.common, cap);
    }
    let mut rest = Vec::with_capacity(frame.len());
    multi.write_without(frame, gone, &mut rest);
    Some(written(session, &rest, &multi.common, cap).unwrap_or(rest))
}

/// One readable submit_multi.
struct Judging<'a> {
    gateway: &'a Gateway,
    session: &'a Turn<'a>,
    tick: Tick,
    multi: &'a Multi<'a>,
}

impl Judging<'_> {
    /// decide → reserve for each recipient; an error refuses the whole.
    fn line(&self, work: &mut Workspace, header: Header, octets: Range<usize>, frame: &[u8]) -> Result<(), Refusal> {
        note(self.session, &self.multi.common);
        let permits = self.decide(work)?;
        let mut permitted = permits.iter().flatten();
        let messages = permitted.clone().count() as u32;
        let admitted = match permitted.next() {
            Some(first) => admit(self.session, self.tick, work, first, messages)?, // or the whole is refused: it can be sent again
            None => Admitted::default(),
        };
        let cap = permits.iter().flatten().next().map(Permit::cap).unwrap_or_default();
        let mark = work.ledger.mark();
        let due = permits.iter().flatten().map(Permit::edt).next();
        let later = due.and_then(|due| Later::of(self.session, self.tick, &self.multi.common, due));
        let mut many = Many { taken: Vec::new(), refused: Vec::new(), later };
        let (mut gone, mut refusals, owed) = (Vec::new(), Vec::new(), AtomicU32::new(0));
        let about = evidence::about(self.session, work, &self.multi.common);
        for (index, permit) in permits.into_iter().enumerate() {
            let name = |status| Unsuccess::new(self.multi.destinations[index].address.unwrap_or_default(), status);
            match permit.and_then(|permit| self.reserve(&permit, work, about, &owed)) {
                Ok(reservation) => many.taken.push((name(0), reservation)),
                Err(refusal) => {
                    many.refused.push(name(refusal.status));
                    gone.push(index);
                    refusals.push(refusal);
                }
            }
        }
        if let Some(refusal) = self.whole(&refusals, many.taken.is_empty(), owed.into_inner()) {
            for (_, reservation) in &many.taken {
                self.gateway.ledger.undo(reservation, false, &mut work.ledger);
            }
            work.ledger.cut_back(mark);
            admitted.give_back(self.session);
            return Err(refusal);
        }
        for reservation in many.taken.iter().map(|(_, reservation)| reservation) {
            observe(self.session, self.tick, work, reservation.observed);
        }
        let part = self.multi.common.is_part();
        for (index, refusal) in gone.iter().zip(&refusals) {
            work.tally.refused(refusal.reason, 1);
            let to = self.multi.destinations[*index].address.unwrap_or_default();
            evidence::refused_one(self.session, self.tick, work, about, due.unwrap_or(self.tick.wall), to, refusal);
            if part {
                work.tally.segments(false, 1);
            }
            observe(self.session, self.tick, work, refusal.observed);
        }
        let other = octets_of(self.session, self.multi, frame, &gone, cap);
        let held = Held::Many(Box::new(many));
        work.forward(Passing::new(header, octets, held, part), other.as_deref());
        Ok(())
    }

    /// Why it is refused as a whole, if it is.
    fn whole(&self, refusals: &[Refusal], nobody_is_left: bool, owed: u32) -> Option<Refusal> {
        let whole = self.takes_all() || nobody_is_left;
        let first = refusals.first().copied().filter(|_| whole);
        // All that was owed is taken at once, so a submit_multi that is refused has spent none of the rate.
        first.or_else(|| (!self.session.sender.throttle.take_all(owed)).then(|| here(self.session, Reason::Rate)))
    }

    fn takes_all(&self) -> bool {
        self.session.site.rules.switches.multi.mode == MultiMode::RejectAll
    }

    /// Each recipient by itself, the rest once. A fault that is not a recipient's refuses the whole.
    fn decide(&self, work: &mut Workspace) -> Result<Vec<Result<Permit, Refusal>>, Refusal> {
        let (account, rules) = (&*self.session.sender.account, &self.session.site.rules);
        // The members of a distribution list are unknown, so none of the rules about recipients can hold.
        let list = passes_lists(account.modes.get(Rule::Operation));
        let addresses = self.multi.destinations.iter().map(|destination| destination.address.or(list));
        let addresses: Option<Vec<_>> = addresses.collect();
        let to = addresses.ok_or_else(|| denied(self.session, status::ESME_RCNTSUBDL))?;
        policy::decide::decide_each(rules, account, &self.multi.common, to, self.tick.wall, &mut work.scratch)
    }

    fn reserve(
        &self,
        permit: &Permit,
        work: &mut Workspace,
        about: About<'_>,
        owed: &AtomicU32,
    ) -> Result<Reservation, Refusal> {
        let claim = Claim { owed: self.takes_all().then_some(owed), ..claim(self.session, self.tick, about) };
        self.gateway.ledger.reserve(&claim, permit, &mut work.ledger)
    }
}

/// Where nobody enforces the rule, a list is a recipient that cannot be read.
fn passes_lists(mode: Mode) -> Option<crate::smpp::Address<'static>> {
    (mode != Mode::Enforce).then(crate::smpp::Address::default)
}
