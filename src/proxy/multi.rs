//! submit_multi: the same line for each recipient. A fault of the content or the
//! time refuses the whole; a recipient that is refused is cut out of the octets
//! and comes back in unsuccess_sme (`multi.mode = filter`).

use std::ops::Range;

use crate::domain::Tick;
use crate::ledger::Reservation;
use crate::policy::switches::MultiMode;
use crate::policy::{self, Mode, Permit, Reason, Refusal, Rule};
use crate::record::Verb;
use crate::smpp::Header;
use crate::smpp::command::status;
use crate::smpp::multi::{Multi, Unsuccess};

use super::gateway::Gateway;
use super::outgoing::Workspace;
use super::session::Turn;
use super::uplink::{claim, default_source, denied, may_submit, not_held, observe, refuse_all, with_source};
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
    let judged = may_submit(session).and_then(|()| match &multi {
        Err(fault) => policy::decide::malformed(&session.sender.account, *fault, tick.wall).and_then(|permit| {
            not_held(session, work, &permit)?;
            let reservation = gateway.ledger.reserve(&claim(session, tick), &permit, &mut work.ledger)?;
            observe(session, tick, work, reservation.observed);
            work.forward(header, octets.clone(), Held::One(reservation));
            Ok(())
        }),
        Ok(multi) => Judging { gateway, session, tick, multi }.line(work, header, octets, frame),
    });
    if let Err(refusal) = judged {
        refuse_all(session, tick, work, header, frame, &refusal, recipients);
    }
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
        let permits = self.decide(work)?;
        if let Some(Ok(permit)) = permits.iter().find(|permit| permit.is_ok()) {
            not_held(self.session, work, permit)?; // the whole, for it can be sent again as a whole
        }
        let mark = work.ledger.mark();
        let mut many = Many { taken: Vec::new(), refused: Vec::new() };
        let (mut gone, mut refusals) = (Vec::new(), Vec::new());
        for (index, permit) in permits.into_iter().enumerate() {
            let name = |status| Unsuccess::new(self.multi.destinations[index].address.unwrap_or_default(), status);
            match permit.and_then(|permit| self.reserve(&permit, work)) {
                Ok(reservation) => many.taken.push((name(0), reservation)),
                Err(refusal) => {
                    many.refused.push(name(refusal.status));
                    gone.push(index);
                    refusals.push(refusal);
                }
            }
        }
        let first = refusals.first().copied();
        let whole = self.session.site.rules.switches.multi.mode == MultiMode::RejectAll || many.taken.is_empty();
        if let Some(first) = first.filter(|_| whole) {
            for (_, reservation) in &many.taken {
                self.gateway.ledger.undo(reservation, false, &mut work.ledger);
            }
            work.ledger.cut_back(mark);
            return Err(first);
        }
        for reservation in many.taken.iter().map(|(_, reservation)| reservation) {
            observe(self.session, self.tick, work, reservation.observed);
        }
        for refusal in &refusals {
            work.tally.refused(refusal.reason, 1);
            observe(self.session, self.tick, work, refusal.observed);
        }
        let held = Held::Many(Box::new(many));
        let source = default_source(self.session, &self.multi.common);
        if gone.is_empty() && source.is_none() {
            work.forward(header, octets, held);
        } else {
            let mut written = Vec::with_capacity(frame.len());
            self.multi.write_without(frame, &gone, &mut written);
            let written = source.map_or(written.clone(), |source| with_source(&written, &self.multi.common, source));
            work.forward_written(header, octets, held, |out| out.extend(written));
        }
        Ok(())
    }

    /// Each recipient by itself. A fault that is not a recipient's refuses the whole.
    fn decide(&self, work: &mut Workspace) -> Result<Vec<Result<Permit, Refusal>>, Refusal> {
        let (account, rules) = (&*self.session.sender.account, &self.session.site.rules);
        let mut permits = Vec::with_capacity(self.multi.destinations.len());
        for destination in &self.multi.destinations {
            // The members of a distribution list are unknown, so none of the rules about recipients can hold.
            let Some(address) = destination.address.or_else(|| passes_lists(account.modes.get(Rule::Operation))) else {
                return Err(denied(self.session, status::ESME_RCNTSUBDL));
            };
            let verdict = policy::decide(rules, account, &self.multi.to(address), self.tick.wall, &mut work.scratch);
            if let Err(refusal) = &verdict
                && let Some(reason) = refusal.reasons().iter().find(|reason| !is_of_the_recipient(*reason))
            {
                let status = if reason == refusal.reason { refusal.status } else { account.status(reason) };
                return Err(Refusal { reason, status, also: refusal.also, observed: refusal.observed });
            }
            permits.push(verdict);
        }
        Ok(permits)
    }

    fn reserve(&self, permit: &Permit, work: &mut Workspace) -> Result<Reservation, Refusal> {
        self.gateway.ledger.reserve(&claim(self.session, self.tick), permit, &mut work.ledger)
    }
}

/// Where nobody enforces the rule, a list is a recipient that cannot be read.
fn passes_lists(mode: Mode) -> Option<crate::smpp::Address<'static>> {
    (mode != Mode::Enforce).then(crate::smpp::Address::default)
}

/// Whether a reason speaks about one recipient only.
const fn is_of_the_recipient(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::BadDestination
            | Reason::OtherCity
            | Reason::UnknownSegment
            | Reason::OtherProvince
            | Reason::NotOwnCustomer
    )
}
