//! What a shared ledger says of a batch when it is asked: who is refused after all, and what was only observed.

use crate::domain::Tick;
use crate::ledger::{Confirmed, Denied};
use crate::policy::Refusal;
use crate::policy::switches::MultiMode;
use crate::smpp::multi::Multi;

use super::evidence::{self, To};
use super::gateway::Gateway;
use super::outgoing::{Passing, Workspace};
use super::refuse::{observe, refuse_passing};
use super::session::Turn;
use super::window::Held;

/// Takes out of the batch what is refused. Nothing of it is taken.
pub(super) fn apply(
    gateway: &Gateway,
    session: &Turn<'_>,
    tick: Tick,
    work: &mut Workspace,
    inbox: &[u8],
    confirmed: &Confirmed,
) {
    for observed in &confirmed.observed {
        observe(session, tick, work, *observed);
    }
    if confirmed.denied.is_empty() {
        return;
    }
    let (mut first, mut out) = (0, Vec::new());
    for index in 0..work.passing.len() {
        let next = first + work.passing[index].held.len();
        let own = confirmed.denied.iter().filter(|one| (first..next).contains(&one.place));
        let own: Vec<Denied> = own.map(|one| Denied { place: one.place - first, ..*one }).collect();
        if !own.is_empty()
            && let Some(refusal) = whole(session, &work.passing[index], &own)
        {
            let kept = work.passing[index].held.iter().enumerate();
            for (_, reservation) in kept.filter(|(place, _)| own.iter().all(|one| one.place != *place)) {
                gateway.ledger.undo(reservation, true, &mut work.ledger);
            }
            out.push((index, refusal));
        } else if !own.is_empty() {
            filter(session, tick, work, inbox, index, &own);
        }
        first = next;
    }
    let mut index = 0;
    let withdrawn = work.withdraw(|_| {
        index += 1;
        out.iter().any(|(own, _)| *own == index - 1)
    });
    for (one, (_, refusal)) in withdrawn.iter().zip(&out) {
        refuse_passing(session, tick, work, one, inbox, refusal);
    }
    gateway.ledger.note(&mut work.ledger);
}

/// Why a request is refused as a whole, if it is.
fn whole(session: &Turn<'_>, one: &Passing, denied: &[Denied]) -> Option<Refusal> {
    let all = matches!(session.site.rules.switches.multi.mode, MultiMode::RejectAll) || denied.len() == one.held.len();
    let first = denied.first().map(|one| one.refusal);
    match one.held {
        Held::Many(_) => first.filter(|_| all),
        _ => first,
    }
}

/// Some recipients of a submit_multi are refused: they leave its octets, and come back in unsuccess_sme.
fn filter(session: &Turn<'_>, tick: Tick, work: &mut Workspace, inbox: &[u8], index: usize, denied: &[Denied]) {
    let gone: Vec<usize> = denied.iter().map(|one| one.place).collect();
    let mut rest = Vec::new();
    if let Ok(multi) = Multi::read(work.passing[index].goes_as(&work.written, inbox)) {
        multi.write_without(work.passing[index].goes_as(&work.written, inbox), &gone, &mut rest);
    }
    let part = work.passing[index].part;
    let (mut to, mut names) = (Vec::new(), Vec::new());
    if let Held::Many(many) = &mut work.passing[index].held {
        for Denied { place, refusal } in denied.iter().rev() {
            let (mut name, reservation) = many.taken.remove(*place);
            to.push(reservation.recipient());
            name.status = refusal.status;
            names.push(name);
        }
        many.refused.extend(names.into_iter().rev()); // in the order of the request
    }
    work.rewrite(index, &rest);
    let Passing { header, octets, .. } = work.passing[index].clone();
    for (Denied { refusal, .. }, to) in denied.iter().zip(to.into_iter().rev()) {
        work.tally.refused(refusal.reason, 1);
        evidence::refused(session, tick, work, header, &inbox[octets.clone()], refusal, &To::These(vec![to]));
        if part {
            work.tally.segments(false, 1);
        }
        observe(session, tick, work, refusal.observed);
    }
}
