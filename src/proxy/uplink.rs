//! The path of a message, from the sender to the SMSC:
//!
//! frames → submission → decide → reserve → durable → gate → forward → answer
//!
//! (accept and bind come before, in `listener` and `bind`; settle comes after,
//! in `downlink`). A batch is all whole PDUs that one read brought. Deciding and
//! reserving happen for each message; waiting and writing once for the batch.

use std::ops::Range;

use prometheus::Histogram;

use crate::domain::Tick;
use crate::ledger::{About, Claim};
use crate::policy::switches::ReplaceMode;
use crate::policy::{self, Mode, Reason, Refusal, Rule};
use crate::record::Verb;
use crate::record::metrics::Stages;
use crate::smpp::command::{self, status};
use crate::smpp::{Header, Submission, answer, manage};
use crate::traffic::Pass;

use super::evidence::{self, Known};
use super::flow::{Flow, reserve};
use super::gateway::Gateway;
use super::outgoing::{Passing, Workspace};
use super::reading::{kept, read, written};
use super::refuse::{denied, here, observe, refuse, refuse_passing};
use super::session::{End, Session, Turn};
use super::window::{Flight, Held};
use super::wire::{self, Came, Inbox};
use super::{cancel, confirmed, leave, multi, notes, replace};

/// Reads and passes on until the sender, the SMSC, the protocol or a leave-taking ends it; returns what is unread.
pub(super) async fn run(gateway: &Gateway, session: &Session, mut inbox: Inbox) -> (End, Inbox) {
    loop {
        // What a pipelined bind left in the inbox is the first batch. A batch under way is large, and idle sessions are many:
        // its state exists only while there is one.
        let room = match Box::pin(batch(gateway, session, &mut inbox)).await {
            Ok(room) => room,
            Err(end) => return (end, inbox),
        };
        session.wait_for_room(room).await;
        if session.leaving().is_some() {
            return (End::STOP, inbox); // it reads no further, however much there is; why is noted already
        }
        session.listening(gateway.ticker.tick());
        let filled = loop {
            tokio::select! {
                biased;
                () = session.cancels.wanted() => if let Err(end) = Box::pin(cancel::ask(gateway, session)).await {
                    return (end, inbox);
                },
                filled = inbox.fill(&session.esme) => break filled,
                () = session.told_to_leave() => return (End::STOP, inbox),
            }
        };
        session.busy();
        let end = match filled {
            Ok(0) if inbox.is_partial() => {
                gateway.metrics.protocol_errors.with_label_values(&["esme", "truncated"]).inc();
                End { side: "esme", cause: "truncated" }
            }
            Ok(0) => End { side: "esme", cause: "eof" },
            Ok(octets) => {
                gateway.metrics.esme_leg.read(octets);
                continue;
            }
            Err(_) => End { side: "esme", cause: "error" },
        };
        return (end, inbox);
    }
}

/// One batch down the straight line, under the site in force. Returns how many requests the session may have in flight.
pub(super) async fn batch(gateway: &Gateway, session: &Session, inbox: &mut Inbox) -> Result<usize, End> {
    let tick = gateway.ticker.tick();
    let turn = session.turn(gateway, tick);
    let session = &turn;
    let mut work = Workspace::take();
    work.ledger.at(tick.wall);
    work.flow = Flow::of(gateway, session, tick);
    let mut frames = inbox.frames();
    for (at, frame) in &mut frames {
        judge(gateway, session, tick, &mut work, at, frame);
    }
    let (consumed, bad) = (frames.consumed(), frames.bad);
    let mut laps = Laps { gateway, last_ns: tick.steady_ns, wanted: work.tally.is_begun() };
    laps.lap(|stages| &stages.judge);

    durable(gateway, session, tick, &mut work, inbox.octets()).await;
    laps.lap(|stages| &stages.ledger);
    let pass = gate(gateway, session, tick, &mut work, inbox.octets());
    depart(gateway, session, tick, &mut work, inbox.octets());
    let sent = forward(gateway, session, tick, &mut work, inbox.octets(), pass).await;
    laps.lap(|stages| &stages.forward);
    // What is counted of the batch as a whole is counted when it has gone.
    gateway.metrics.esme_leg.received(&inbox.octets()[..consumed]);
    if let Some(length) = bad {
        session.out_of_step(gateway, "esme", length);
        work.answers.extend(answer::generic_nack(0, status::ESME_RINVCMDLEN));
    }
    session.sender.metrics.add(&mut work.tally);
    gateway.ledger.note(&mut work.ledger);
    answer(gateway, session, &work).await?;
    laps.lap(|stages| &stages.answer);
    sent?;

    if !work.passing.is_empty() {
        let added = gateway.ticker.tick().steady_ns - tick.steady_ns;
        gateway.metrics.added_latency.observe(added as f64 / 1e9);
    }
    work.put_back();
    inbox.consume(consumed);
    session.heard_esme(tick, inbox.is_partial(), consumed > 0);
    if bad.is_some() {
        return Err(End { side: "esme", cause: "bad_length" });
    }
    Ok(session.site.settings.max_in_flight)
}

/// Where the time of a batch with submissions goes.
struct Laps<'a> {
    gateway: &'a Gateway,
    last_ns: u64,
    wanted: bool,
}

impl Laps<'_> {
    /// A stage is over.
    fn lap(&mut self, stage: impl Fn(&Stages) -> &Histogram) {
        if self.wanted {
            let now_ns = self.gateway.ticker.steady_ns();
            let took = now_ns.saturating_sub(self.last_ns) as f64 / 1e9;
            stage(&self.gateway.metrics.stages).observe(took);
            self.last_ns = now_ns;
        }
    }
}

/// What becomes of one PDU: relayed, reserved, or answered here.
fn judge(gateway: &Gateway, session: &Turn<'_>, tick: Tick, work: &mut Workspace, at: usize, frame: &[u8]) {
    let Some(header) = Header::read(frame) else { return };
    let octets = at..at + frame.len();
    match header.command_id {
        id if command::is_submission(id) => {
            if id == command::SUBMIT_MULTI {
                return multi::judge(gateway, session, tick, work, header, octets, frame);
            }
            if id == command::REPLACE_SM && session.site.rules.switches.replace.mode == ReplaceMode::Check {
                return replace::judge(gateway, session, tick, work, header, octets, frame);
            }
            work.tally.received(Verb::of(id), 1);
            if let Err(refusal) = line(gateway, session, tick, work, header, octets, frame) {
                refuse(session, tick, work, header, frame, &refusal);
            }
        }
        command::QUERY_SM | command::CANCEL_SM if !owns(session, frame) => {
            let status = session.sender.account.status(Reason::SourceNotAllowed);
            work.answers.extend(answer::refusal(header, status));
        }
        command::CANCEL_SM if !session.cancels.note(header.sequence, frame) => {
            work.answers.extend(answer::refusal(header, status::ESME_RSYSERR));
        }
        _ if leave::is_own_unbind(header) => {}
        id if relays(id) => {
            if id == command::UNBIND {
                session.unbinds();
            }
            work.relay(octets);
        }
        id if command::is_bind(id) => work.answers.extend(answer::refusal(header, status::ESME_RALYBND)),
        id if id & command::RESPONSE != 0 => {
            gateway.metrics.anomalies.with_label_values(&["unknown_answer"]).inc();
        }
        _ => {
            gateway.metrics.protocol_errors.with_label_values(&["esme", "unknown_command"]).inc();
            work.answers.extend(answer::generic_nack(header.sequence, status::ESME_RINVCMDID));
        }
    }
}

/// submission → decide → reserve → forward. Each step needs what the one before it earned.
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
    if let Some(permit) = policy::decide::decide_repeated(rules, account, frame, tick.wall, &mut work.scratch) {
        let about = work.known; // all but the recipient is as it was
        let reservation = reserve(gateway, session, tick, work, about.about(), &permit?)?;
        observe(session, tick, work, reservation.observed);
        work.forward(Passing::new(header, octets, Held::One(reservation), false), None);
        return Ok(());
    }
    let known = work.scratch.known();
    let read = read(session, frame);
    let part = read.as_ref().is_ok_and(Submission::is_part);
    let permit = match &read {
        Ok(submission) => policy::decide(rules, account, submission, tick.wall, &mut work.scratch),
        Err(fault) => {
            notes::fault(gateway, session, "esme", format!("{:?}", fault.field), frame);
            policy::decide::malformed(account, *fault, tick.wall)
        }
    };
    let reserved = permit.and_then(|permit| {
        let about = read.as_ref().map(|submission| evidence::about(session, work, submission)).unwrap_or_default();
        let mut about = About { command: header.command_id as u8, ..about };
        if work.scratch.known() != known {
            about.known = Some(work.scratch.known());
            work.known = Known::of(&about);
        }
        let reservation = reserve(gateway, session, tick, work, about, &permit)?;
        Ok((permit, reservation))
    });
    let (permit, reservation) = reserved.inspect_err(|_| {
        if part {
            work.tally.segments(false, 1);
        }
    })?;
    observe(session, tick, work, reservation.observed);
    let held = read.as_ref().ok().and_then(|submission| kept(session, tick, submission, &permit, reservation));
    let held = held.unwrap_or(Held::One(reservation));
    let other = read.ok().and_then(|submission| written(session, frame, &submission, permit.cap()));
    work.forward(Passing::new(header, octets, held, part), other.as_deref());
    Ok(())
}

/// Whether anything may be submitted on the session at all.
pub(super) fn may_submit(session: &Turn<'_>) -> Result<(), Refusal> {
    if !session.designated {
        return Err(here(session, Reason::AccountUnknown)); // a reload has taken it out of the configuration
    }
    if session.leaving().is_some() {
        return Err(here(session, Reason::UpstreamDown));
    }
    if !session.submits() {
        return Err(denied(session, status::ESME_RINVBNDSTS));
    }
    // Whatever the rules would say of a time that nobody believes (P12).
    if session.clock_doubted { Err(here(session, Reason::ClockUntrusted)) } else { Ok(()) }
}

/// On whose behalf a session reserves.
pub(super) fn claim<'a>(session: &'a Turn<'_>, tick: Tick, about: About<'a>) -> Claim<'a> {
    Claim {
        account: &session.sender.account,
        scopes: session.sender.scopes,
        throttle: &session.sender.throttle,
        rules: &session.site.rules,
        tick,
        owed: None,
        about,
    }
}

/// Waits for the group commit that covers the batch, and for the word of a shared ledger. Without them nothing leaves.
async fn durable(gateway: &Gateway, session: &Turn<'_>, tick: Tick, work: &mut Workspace, inbox: &[u8]) {
    let reservations = work.passing.iter_mut().flat_map(|one| one.held.iter_mut());
    let claim = claim(session, tick, About::default());
    let confirmed = gateway.ledger.confirm(&mut work.ledger, reservations, &claim).await;
    let durable = confirmed.is_ok();
    if let Ok(confirmed) = confirmed {
        confirmed::apply(gateway, session, tick, work, inbox, &confirmed);
    }
    if work.passing.is_empty() || durable && gateway.ledger.is_trusted() {
        return;
    }
    // Without a ledger no submission passes, not even one that it need not remember (P12).
    for one in work.withdraw(|_| true) {
        for reservation in one.held.iter() {
            gateway.ledger.undo(reservation, durable, &mut work.ledger);
        }
        refuse_passing(session, tick, work, &one, inbox, &here(session, Reason::LedgerUnavailable));
    }
    gateway.ledger.note(&mut work.ledger);
}

/// The last look at the holds, inside the barrier that a pause call waits for.
fn gate<'a>(
    gateway: &Gateway,
    session: &'a Turn<'_>,
    tick: Tick,
    work: &mut Workspace,
    inbox: &[u8],
) -> Option<Pass<'a>> {
    if work.passing.is_empty() {
        return None;
    }
    let pass = session.gate.enter(|| session.is_held(gateway));
    if pass.is_none() {
        for one in work.withdraw(|_| true) {
            for reservation in one.held.iter() {
                gateway.ledger.undo(reservation, true, &mut work.ledger);
            }
            refuse_passing(session, tick, work, &one, inbox, &here(session, Reason::Paused));
        }
        gateway.ledger.note(&mut work.ledger);
    }
    pass
}

/// Enters the batch into the window before its first octet leaves, so that no answer can come too early.
fn depart(gateway: &Gateway, session: &Turn<'_>, tick: Tick, work: &mut Workspace, inbox: &[u8]) {
    if work.passing.is_empty() {
        return;
    }
    let (mut reused, mut departed) = (Vec::new(), 0);
    {
        let mut window = session.window.lock();
        for (index, Passing { header, held, .. }) in work.passing.iter().enumerate() {
            let flight =
                Flight { held: held.clone(), command_id: header.command_id, sent_ms: tick.steady_ms, expired: false };
            if window.insert(header.sequence, flight) {
                departed += held.len();
            } else {
                reused.push(index);
            }
        }
    }
    session.sender.metrics.in_flight.add(departed as i64);
    if reused.is_empty() {
        return;
    }
    let mut index = 0;
    let out = work.withdraw(|_| {
        index += 1;
        reused.contains(&(index - 1))
    });
    for one in out {
        for reservation in one.held.iter() {
            gateway.ledger.undo(reservation, true, &mut work.ledger);
        }
        refuse_passing(session, tick, work, &one, inbox, &denied(session, status::ESME_RSYSERR));
    }
    gateway.ledger.note(&mut work.ledger);
}

/// One vectored write of the original octets. What the system had not taken when the link broke was never sent, and
/// what it had not taken of when a hold came into force is not sent: only a PDU that was begun is completed.
async fn forward(
    gateway: &Gateway,
    session: &Turn<'_>,
    tick: Tick,
    work: &mut Workspace,
    inbox: &[u8],
    mut pass: Option<Pass<'_>>,
) -> Result<(), End> {
    if work.runs.is_empty() {
        return Ok(());
    }
    let mut written = 0;
    let ended = loop {
        let may = || pass.is_none() || session.takes_back(gateway, tick).is_none();
        let leased = || pass.is_none() || gateway.ledger.may_write();
        match wire::write_while(&session.smsc, &mut work.slices(inbox), &mut written, &session.gate, may, leased).await
        {
            Ok(Came::Through) => break Ok(()),
            Ok(Came::Stopped) => {
                let reason = session.takes_back(gateway, tick).unwrap_or(Reason::Paused);
                take_back(gateway, session, tick, work, inbox, written, reason);
            }
            Ok(Came::Unleased) => {
                take_back(gateway, session, tick, work, inbox, written, Reason::LedgerUnavailable);
                if work.is_within(written) {
                    let end = End { side: "gateway", cause: "stalled" }; // what was begun cannot be completed (P7)
                    session.abort(end);
                    break Err(end);
                }
            }
            Err(_) => {
                take_back(gateway, session, tick, work, inbox, written, Reason::UpstreamDown);
                break Err(End { side: "smsc", cause: "error" });
            }
        }
        if !work.is_within(written) {
            pass = None; // what is left to be written is no submission
        }
    };
    drop(pass);
    gateway.metrics.smsc_leg.sent(work.octets(inbox), written);
    for one in &work.passing {
        work.tally.forwarded(Verb::of(one.header.command_id), one.held.len() as u32);
        if one.part {
            work.tally.segments(true, one.held.len() as u32);
        }
    }
    ended
}

/// Refuses what was not begun when the octets before `written` were taken by the system.
fn take_back(
    gateway: &Gateway,
    session: &Turn<'_>,
    tick: Tick,
    work: &mut Workspace,
    inbox: &[u8],
    written: usize,
    reason: Reason,
) {
    for one in work.withdraw_unbegun(written) {
        if session.window.lock().withdraw(one.header.sequence).is_none() {
            // Its outcome is settled as unknown already: it counts as forwarded.
            work.tally.forwarded(Verb::of(one.header.command_id), one.held.len() as u32);
            if one.part {
                work.tally.segments(true, one.held.len() as u32);
            }
            continue;
        }
        for reservation in one.held.iter() {
            gateway.ledger.undo(reservation, true, &mut work.ledger);
        }
        session.sender.metrics.in_flight.sub(one.held.len() as i64);
        refuse_passing(session, tick, work, &one, inbox, &here(session, reason));
    }
    gateway.ledger.note(&mut work.ledger);
}

/// All refusals of the batch leave by this door.
async fn answer(gateway: &Gateway, session: &Session, work: &Workspace) -> Result<(), End> {
    if work.answers.is_empty() {
        return Ok(());
    }
    let _writing = session.esme_writer.lock().await;
    wire::write_one(&session.esme, &work.answers).await.map_err(|_| End { side: "esme", cause: "error" })?;
    gateway.metrics.esme_leg.sent_all(&work.answers);
    Ok(())
}

/// Whether a query_sm or cancel_sm is about the account's own messages, as far as its source shows.
fn owns(session: &Turn<'_>, frame: &[u8]) -> bool {
    let account = &session.sender.account;
    if account.modes.get(Rule::Source) != Mode::Enforce {
        return true;
    }
    manage::source(frame).is_some_and(|source| account.sources.iter().any(|own| own.matches(source.digits)))
}

/// What passes from a sender unread: what carries no message, and answers to the SMSC's own requests.
const fn relays(command_id: u32) -> bool {
    matches!(
        command_id,
        command::QUERY_SM
            | command::CANCEL_SM
            | command::UNBIND
            | command::ENQUIRE_LINK
            | command::DELIVER_SM_RESP
            | command::DATA_SM_RESP
            | command::UNBIND_RESP
            | command::ENQUIRE_LINK_RESP
            | command::GENERIC_NACK
    )
}
