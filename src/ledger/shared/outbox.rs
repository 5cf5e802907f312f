//! What the server has yet to be told: outcomes, in the order in which they came.
//!
//! Everything in here is in the journal as well, so a start puts together again
//! what an end has cut off. Telling the server twice changes nothing. Nothing new
//! passes while the server is away, so what is in flight bounds it.

use std::collections::VecDeque;

use parking_lot::Mutex;
use redis::Cmd;
use tokio::sync::{Notify, watch};

use super::script::{self, Script, Scripts};

/// Acts told in one go.
const AT_ONCE: usize = 256;

/// One outcome for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct Act {
    pub(super) script: Script,
    pub(super) token: u64,
    /// What the message took.
    pub(super) what: Vec<u8>,
    /// Which message it is a part of, and which part; empty and 0 if none.
    pub(super) group: String,
    pub(super) index: u8,
    /// Further arguments of the script.
    pub(super) rest: Vec<String>,
}

/// The queue.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    wake: Notify,
    told: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Queue {
    acts: VecDeque<Act>,
    /// Acts that have left it.
    left: u64,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { queue: Mutex::default(), wake: Notify::new(), told: watch::Sender::new(0) }
    }
}

impl Act {
    pub(super) fn call(&self, scripts: &Scripts) -> Cmd {
        let mut call = scripts.call(self.script);
        call.arg(&script::token(self.token)).arg(&self.what).arg(&self.group).arg(self.index);
        for rest in &self.rest {
            call.arg(rest);
        }
        call
    }
}

impl Outbox {
    /// Puts acts at the end; the place by which [`Outbox::is_told`] knows when all of them are with the server.
    pub(super) fn put(&self, acts: impl IntoIterator<Item = Act>) -> u64 {
        let mut queue = self.queue.lock();
        queue.acts.extend(acts);
        self.wake.notify_one();
        queue.left + queue.acts.len() as u64
    }

    /// Those at the front, once there are any.
    pub(super) async fn next(&self) -> Vec<Act> {
        loop {
            let acts = self.first();
            if !acts.is_empty() {
                return acts;
            }
            self.wake.notified().await;
        }
    }

    /// Those at the front, if there are any.
    pub(super) fn first(&self) -> Vec<Act> {
        self.queue.lock().acts.iter().take(AT_ONCE).cloned().collect()
    }

    /// The server has been told so many of those at the front.
    pub(super) fn done(&self, acts: usize) {
        let left = {
            let mut queue = self.queue.lock();
            queue.acts.drain(..acts);
            queue.left += acts as u64;
            queue.left
        };
        self.told.send_replace(left);
    }

    /// Waits until the server has been told everything before a place.
    pub(super) async fn is_told(&self, place: u64) {
        let _ = self.told.subscribe().wait_for(|told| *told >= place).await; // the sender is our own
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queue.lock().acts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(token: u64) -> Act {
        Act { script: Script::Give, token, what: Vec::new(), group: String::new(), index: 0, rest: Vec::new() }
    }

    #[tokio::test]
    async fn acts_leave_in_their_order_and_are_told_when_the_last_has_left() {
        let outbox = Outbox::default();
        let place = outbox.put((0..300).map(act));
        let first = outbox.next().await;
        assert_eq!((first.len(), first[0].token), (AT_ONCE, 0));
        assert_eq!(outbox.next().await, first, "what was not done is told again");
        outbox.done(first.len());
        assert_eq!(outbox.next().await[0].token, 256);
        let soon = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, outbox.is_told(place)).await.is_err());
        outbox.done(44);
        outbox.is_told(place).await;
        assert_eq!(outbox.len(), 0);
    }
}
