//! Messages from the SMSC to ESMEs: which sessions receive, and the receipts
//! that wait for their time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use crate::domain::LocalTime;
use crate::sim::pdu::{DeliverSpec, Receipt};

/// Deliveries that may wait for one session.
pub(super) const INBOX: usize = 1024;
/// Receipts on their way to the post.
pub(super) const COUNTER: usize = 65_536;
/// Receipts that may wait for their time.
const WAITING_MAX: usize = 1 << 20;
/// How long a receipt waits for a receiver to bind, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(300);
const RETRY: Duration = Duration::from_millis(200);

/// The sessions that receive.
#[derive(Debug, Default)]
pub(super) struct Receivers(Mutex<Vec<Receiver>>);

#[derive(Debug)]
struct Receiver {
    connection: u64,
    system_id: Arc<str>,
    inbox: mpsc::Sender<DeliverSpec>,
}

/// A receipt with its time.
#[derive(Debug)]
pub(super) struct Posted {
    pub(super) due: Instant,
    pub(super) system_id: Arc<str>,
    pub(super) receipt: Receipt,
}

impl Receivers {
    pub(super) fn add(&self, connection: u64, system_id: &Arc<str>, inbox: mpsc::Sender<DeliverSpec>) {
        self.0.lock().push(Receiver { connection, system_id: Arc::clone(system_id), inbox });
    }

    pub(super) fn remove(&self, connection: u64) {
        self.0.lock().retain(|receiver| receiver.connection != connection);
    }

    /// Hands a delivery to a session of the account that has room; false if there is none.
    pub(super) fn deliver(&self, system_id: &str, spec: DeliverSpec) -> bool {
        let mut receivers = self.0.lock();
        let Some(at) = receivers.iter().position(|to| &*to.system_id == system_id && to.inbox.capacity() > 0) else {
            return false;
        };
        let sent = receivers[at].inbox.try_send(spec).is_ok();
        // Behind the others, so that they take turns.
        let receiver = receivers.remove(at);
        receivers.push(receiver);
        sent
    }

    /// The accounts that receive now.
    pub(super) fn accounts(&self) -> Vec<Arc<str>> {
        let mut accounts: Vec<_> = self.0.lock().iter().map(|to| Arc::clone(&to.system_id)).collect();
        accounts.sort();
        accounts.dedup();
        accounts
    }
}

/// Sends each receipt when its time has come, until nobody can post any more.
pub(super) async fn run(shared: &Shared, mut counter: mpsc::Receiver<Posted>) {
    let mut waiting: BinaryHeap<Reverse<Waiting>> = BinaryHeap::new();
    loop {
        let next = waiting.peek().map(|Reverse(first)| first.at);
        tokio::select! {
            posted = counter.recv() => match posted {
                Some(_) if waiting.len() == WAITING_MAX => shared.totals.count(|tally| tally.receipts_dropped += 1),
                Some(posted) => waiting.push(Reverse(Waiting { at: posted.due, posted })),
                None => return,
            },
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => send_due(shared, &mut waiting),
        }
    }
}

fn send_due(shared: &Shared, waiting: &mut BinaryHeap<Reverse<Waiting>>) {
    let now = Instant::now();
    let done = LocalTime::of(shared.clock.now());
    let format = shared.behaviour.load().id_format;
    while waiting.peek().is_some_and(|Reverse(first)| first.at <= now) {
        let Some(Reverse(Waiting { posted, .. })) = waiting.pop() else { return };
        let spec = DeliverSpec::receipt(&posted.receipt, done, format);
        if shared.receivers.deliver(&posted.system_id, spec) {
            continue;
        }
        if now > posted.due + PATIENCE {
            shared.totals.count(|tally| tally.receipts_dropped += 1);
        } else {
            waiting.push(Reverse(Waiting { at: now + RETRY, posted }));
        }
    }
}

struct Waiting {
    at: Instant,
    posted: Posted,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}
