//! cancel_sm on a session's connection to the SMSC: the sender's, which pass and are only noted, and the gateway's own for
//! messages that wait inside the SMSC during a pause (`pause.cancel_scheduled`).
//!
//! The gateway has no connection of its own, and the SMSC lets only the account that submitted a message cancel it, so a
//! bound session of that account carries the request. Nothing of the sender's can be mistaken for it:
//! - The number is taken from the end of the range, where senders that count up from 1 do not come, and never one of a
//!   cancel_sm of the sender that is not answered. While it is out, a cancel_sm of the sender under it is refused.
//! - An answer of another type has its own command_id. A generic_nack under the number is the gateway's unless a
//!   submission has the number too.
//! - The uplink writes it, as everything else that goes to the SMSC, between two batches.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::domain::Moment;
use crate::ledger::Batch;
use crate::ledger::waiting::{Cancel, Entry};
use crate::smpp::command::status;
use crate::smpp::{Address, Header, manage};

use super::gateway::Gateway;
use super::govern;
use super::session::{End, Session};
use super::wire;

/// Own requests that wait for their answers, per session.
const WINDOW: usize = 10;
/// Requests remembered per session, the sender's and the gateway's each; those that nobody answers stay.
const REMEMBERED: usize = 1000;
/// The gateway's numbers; the last but one of the range is that of its unbind.
const FIRST: u32 = 0x7FFF_0000;
const LAST: u32 = 0x7FFF_FFF0;

/// The requests of one session. One that never cancels anything owns nothing.
#[derive(Debug, Default)]
pub(super) struct Cancels {
    requests: Mutex<Option<Box<Requests>>>,
    wanted: AtomicBool,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Requests {
    /// message_id of the sender's, by their numbers.
    senders: HashMap<u32, Box<[u8]>>,
    own: HashMap<u32, Own>,
    /// Own ones that wait for their answers.
    waiting: usize,
    used: u32,
}

#[derive(Debug)]
struct Own {
    entry: Entry,
    sent_ms: i64,
    given_up: bool,
}

/// Whose request an answer belongs to.
#[derive(Debug)]
enum Whose {
    Gateway(Own),
    Sender(Box<[u8]>),
    Nobody,
}

impl Cancels {
    /// Notes a cancel_sm of the sender; `false` if it cannot pass because its number is the gateway's at present.
    pub(super) fn note(&self, sequence: u32, frame: &[u8]) -> bool {
        let mut requests = self.requests.lock();
        let requests = requests.get_or_insert_default();
        if requests.own.contains_key(&sequence) {
            return false;
        }
        let id = manage::message_id(frame).unwrap_or_default();
        if requests.senders.len() < REMEMBERED {
            requests.senders.insert(sequence, id.into());
        }
        true
    }

    /// Has the uplink look whether there is something to cancel.
    pub(super) fn want(&self) {
        self.wanted.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }

    /// Ready when the uplink is to look.
    pub(super) async fn wanted(&self) {
        while !self.wanted.swap(false, Ordering::SeqCst) {
            self.wake.notified().await;
        }
    }

    /// How many more may wait for their answers.
    fn room(&self) -> usize {
        match &*self.requests.lock() {
            Some(requests) if requests.own.len() >= REMEMBERED => 0,
            Some(requests) => WINDOW.saturating_sub(requests.waiting),
            None => WINDOW,
        }
    }

    /// Enters a request of the gateway; its number.
    fn enter(&self, entry: Entry, sent_ms: i64) -> u32 {
        let mut requests = self.requests.lock();
        let requests = requests.get_or_insert_default();
        let number = loop {
            // There are more numbers than both maps together can hold.
            requests.used = (requests.used + 1) % (LAST - FIRST);
            let number = FIRST + requests.used;
            if !requests.own.contains_key(&number) && !requests.senders.contains_key(&number) {
                break number;
            }
        };
        requests.own.insert(number, Own { entry, sent_ms, given_up: false });
        requests.waiting += 1;
        number
    }

    fn answered(&self, sequence: u32) -> Whose {
        let mut requests = self.requests.lock();
        let Some(requests) = &mut *requests else { return Whose::Nobody };
        if let Some(own) = requests.own.remove(&sequence) {
            requests.waiting -= usize::from(!own.given_up);
            return Whose::Gateway(own);
        }
        requests.senders.remove(&sequence).map_or(Whose::Nobody, Whose::Sender)
    }

    /// Waits no longer for answers to what was asked before; tells how many that were. Such a message is asked for again.
    pub(super) fn expire(&self, before_ms: i64) -> u64 {
        let mut requests = self.requests.lock();
        let Some(requests) = requests.as_mut().filter(|requests| requests.waiting > 0) else { return 0 };
        let late = requests.own.values_mut().filter(|own| !own.given_up && own.sent_ms < before_ms);
        let count = late.map(Own::give_up).count();
        requests.waiting -= count;
        count as u64
    }

    /// The session is over: what it has asked for is asked for by another.
    pub(super) fn close(&self) {
        let requests = self.requests.lock().take();
        for own in requests.into_iter().flat_map(|requests| requests.own) {
            own.1.entry.set_cancel(Cancel::No);
        }
    }
}

impl Own {
    fn give_up(&mut self) {
        self.given_up = true;
        self.entry.set_cancel(Cancel::No);
    }
}

/// Asks the SMSC to cancel what is to be delivered during a pause, as much as the window has room for.
pub(super) async fn ask(gateway: &Gateway, session: &Session) -> Result<(), End> {
    let tick = gateway.ticker.tick();
    let turn = session.turn(gateway, tick);
    let Some(before) = gateway.cancels_before(&turn.party()) else { return Ok(()) };
    if !turn.site.rules.switches.pause.cancel_scheduled || !session.bind_type.submits() {
        return Ok(());
    }
    let (account, smsc) = (session.sender.scopes.account, &*session.smsc_metrics.address);
    let mut octets = Vec::new();
    for entry in gateway.ledger.waiting().claim_to_cancel(account, smsc, before, session.cancels.room()) {
        let (ton, npi, digits) = &entry.message().source;
        let (ton, npi) = (*ton, *npi);
        let sequence = session.cancels.enter(entry.clone(), tick.steady_ms);
        let message_id = &entry.message().message_id;
        manage::write_cancel_sm(sequence, message_id, Address { ton, npi, digits }, &mut octets);
    }
    if octets.is_empty() {
        return Ok(());
    }
    wire::write_one(&session.smsc, &octets).await.map_err(|_| End { side: "smsc", cause: "error" })?;
    gateway.metrics.smsc_leg.sent_all(&octets);
    Ok(())
}

/// An answer to a cancel_sm, or a generic_nack that no submission has; `false` if it is the sender's to see.
pub(super) fn answered(gateway: &Gateway, session: &Session, header: Header, batch: &mut Batch) -> bool {
    let (account, smsc) = (session.sender.scopes.account, &*session.smsc_metrics.address);
    match session.cancels.answered(header.sequence) {
        Whose::Nobody => false,
        Whose::Sender(message_id) => {
            if header.status == status::ESME_ROK && !message_id.is_empty() {
                gateway.ledger.cancelled(account, &session.smsc_metrics.address, &message_id, false, batch);
            }
            false
        }
        Whose::Gateway(Own { entry, .. }) => {
            let message = entry.message();
            let message_id = String::from_utf8_lossy(&message.message_id);
            let (name, due, code) = (&*session.sender.account.system_id, message.due, header.status);
            let later = matches!(code, status::ESME_RTHROTTLED | status::ESME_RMSGQFUL | status::ESME_RSYSERR);
            let result = match code {
                status::ESME_ROK => {
                    gateway.ledger.cancelled(account, smsc, &message.message_id, true, batch);
                    "cancelled"
                }
                _ if later => {
                    entry.set_cancel(Cancel::No); // the steward has it asked for again
                    "later"
                }
                _ => {
                    entry.set_cancel(Cancel::Refused(code));
                    "refused"
                }
            };
            gateway.metrics.pauses.cancels.with_label_values(&[result]).inc();
            tracing::info!(
                event = "scheduled_cancel",
                account = name,
                smsc,
                %message_id,
                %due,
                result,
                code,
                "the SMSC was asked to cancel a scheduled message"
            );
            if !later {
                session.cancels.want(); // there is room for the next
            }
            true
        }
    }
}

impl Gateway {
    /// Messages of a party that are due before this are to be cancelled; `None` if none is. Automatic holds cancel nothing:
    /// they end within minutes, and a cancelled message is lost.
    fn cancels_before(&self, party: &crate::traffic::Party<'_>) -> Option<Moment> {
        let holds = self.holds.in_force();
        let own = holds.iter().filter(|hold| !govern::is_automatic(hold) && hold.scope.covers(party));
        own.map(|hold| hold.until.unwrap_or(Moment::from_ms(i64::MAX))).max()
    }

    /// Has every session look that may have something to cancel.
    pub(super) fn cancel_scheduled(&self) {
        let wanted = self.site().rules.switches.pause.cancel_scheduled;
        if !wanted || self.ledger.waiting().is_empty() || self.holds.in_force().iter().all(govern::is_automatic) {
            return;
        }
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        for session in sessions {
            session.cancels.want();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::waiting::{Scheduled, Waiting};
    use crate::sim::submit::SubmitSpec;

    fn entry() -> Entry {
        let waiting = Waiting::default();
        let due = Moment::from_ms(1000);
        let (smsc, message_id) = ("x".into(), b"7f"[..].into());
        let source = (0, 0, b"62021"[..].into());
        waiting.enter(Scheduled { account: 1, smsc, message_id, due, source, recipient: None, recipients: 1 });
        waiting.find(1, "x", b"7f").expect("entered")
    }

    #[test]
    fn numbers_of_the_gateway_and_the_sender_never_meet() {
        let (cancels, spec) = (Cancels::default(), SubmitSpec::new("62021", "", ""));
        assert!(cancels.note(FIRST + 1, &spec.cancel_sm("a", FIRST + 1)));
        let own = cancels.enter(entry(), 0);
        assert_eq!(own, FIRST + 2, "the sender's is in use");
        assert!(!cancels.note(own, &spec.cancel_sm("b", own)), "the gateway's is in use");
        assert!(matches!(cancels.answered(FIRST + 1), Whose::Sender(id) if *id == *b"a"));
        assert!(matches!(cancels.answered(own), Whose::Gateway(_)));
        assert!(matches!(cancels.answered(own), Whose::Nobody));
        assert!(cancels.note(own, &spec.cancel_sm("b", own)), "it is free again");
    }

    #[test]
    fn what_nobody_answers_is_asked_for_again_and_its_number_stays_taken() {
        let (cancels, spec) = (Cancels::default(), SubmitSpec::new("62021", "", ""));
        let one = entry();
        one.set_cancel(Cancel::Asked);
        let own = cancels.enter(one.clone(), 10);
        assert_eq!((cancels.expire(10), cancels.room()), (0, WINDOW - 1));
        assert_eq!((cancels.expire(11), cancels.expire(11), cancels.room()), (1, 0, WINDOW));
        assert_eq!(one.cancel(), Cancel::No);
        assert!(!cancels.note(own, &spec.cancel_sm("b", own)));
        let again = cancels.enter(one.clone(), 20);
        one.set_cancel(Cancel::Asked);
        cancels.close();
        assert_eq!((one.cancel(), again != own), (Cancel::No, true));
    }
}
