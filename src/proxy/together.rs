//! Holds of all gateways that share a ledger: what one of them stops is stopped on
//! each (P7).
//!
//! Each looks at the server's version of the holds many times a second. One that
//! finds a later version puts it in force, waits for what it had let through, as
//! its own pause calls do, and says so by asking for its next lease. Without a
//! lease it writes nothing (`ledger::shared::lease`).

use std::collections::HashMap;
use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::ledger::shared::lease::{LEASE, LEASE_OVER, RENEWAL};
use crate::ledger::{Peer, Renewed, Together};
use crate::traffic::{Hold, Holds, Scope};

use super::gateway::Gateway;

/// Between two looks at the version; what a pause on another gateway waits for.
const LOOK: Duration = Duration::from_millis(20);
/// Versions that are put in force one after the other before others get their turn.
const AT_ONCE: usize = 8;

/// The gateways on the ledger, this one included.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    seen: Mutex<HashMap<String, (Peer, Instant)>>,
    /// Holds that pause calls are telling the server of.
    telling: AtomicUsize,
}

/// A gateway on a shared ledger, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its machine and port.
    pub name: String,
    /// Whether it is the one that was asked.
    pub own: bool,
    /// The version of the holds that it has in force.
    pub version: u64,
    /// Whether it may write: it has been seen lately, with the latest holds in force.
    pub leased: bool,
}

/// A pause call that is telling the server of its hold.
#[derive(Debug)]
struct Telling<'a>(&'a Neighbours);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.0.telling.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Follows the server until the gateway is dropped; ends at once where the ledger is the gateway's own.
pub(super) async fn run(gateway: Weak<Gateway>) {
    let (mut connection, mut renewed, mut said) = (0, None, false);
    loop {
        let Some(gateway) = gateway.upgrade() else { return };
        let Some(together) = gateway.ledger.together() else { return };
        let other = std::mem::replace(&mut connection, together.connection());
        let due = other != connection || renewed.is_none_or(|at: Instant| at.elapsed() >= RENEWAL);
        if connection != 0 && (due || together.latest().await != Some(together.version())) {
            renewed = gateway.follow(&together).await.then(Instant::now);
        }
        gateway.tell_lease(&together, &mut said);
        drop(gateway);
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = together.is_behind() => {}
        }
    }
}

impl Gateway {
    /// Brings holds and server together, and asks for a lease; whether there is one.
    async fn follow(&self, together: &Together) -> bool {
        for _ in 0..AT_ONCE {
            match together.renew().await {
                None => return false,
                Some(Renewed::Behind { version, holds }) => {
                    if !self.take_over(together, version, holds).await {
                        return false;
                    }
                }
                Some(Renewed::Given(peers)) => {
                    for silent in self.neighbours.note(peers) {
                        together.forget(&silent).await;
                    }
                    if !self.tell_untold(together).await {
                        return true;
                    }
                }
            }
        }
        true
    }

    /// Puts in force what the server has; a version counts when nothing is written any more that was let through before.
    async fn take_over(&self, together: &Together, version: u64, holds: Vec<Hold>) -> bool {
        let Some(ends) = together.ends(&self.holds.absent(&holds)).await else { return false };
        let received = self.holds.receive(holds, &ends, self.now());
        self.ease(&received.ended);
        let scopes: Vec<&Scope> = received.placed.iter().map(|hold| &hold.scope).collect();
        self.barrier(&scopes).await;
        together.put_in_force(version);
        for hold in &received.placed {
            let (scope, owner, role, reason) = (&hold.scope, &hold.owner, &hold.role, &hold.reason);
            let until = hold.until.map(|until| until.to_string());
            let id = hold.id();
            tracing::warn!(event = "hold_received", hold = id, %scope, owner, role, reason, until, "sending is stopped, by another gateway");
        }
        Self::have_ended(&received.ended);
        self.save_holds_beside();
        self.show_holds();
        self.cancel_scheduled();
        true
    }

    /// Tells the server what it does not know; whether there was anything, and it was told.
    async fn tell_untold(&self, together: &Together) -> bool {
        let (holds, ended) = self.holds.untold();
        if self.neighbours.telling.load(Ordering::SeqCst) > 0 || holds.is_empty() && ended.is_empty() {
            return false; // a pause call tells of its hold itself, and under which number
        }
        for past in &ended {
            if together.end(past).await.is_err() {
                return false;
            }
            self.holds.is_ended(past.hold.key());
        }
        for hold in &holds {
            let Ok((number, version)) = together.place(hold, hold.number).await else { return false };
            if let Some(now) = self.holds.is_shared(hold.key(), number, version) {
                tracing::warn!(event = "hold_shared", hold = now.id(), scope = %now.scope, "a hold is with all gateways now");
            }
        }
        self.save_holds_beside();
        true
    }

    /// Tells the server of a hold that has just been placed; the hold as it is then, or why the server does not know it.
    pub(super) async fn spread(&self, together: &Together, hold: &Hold) -> Result<Hold, String> {
        let (number, version) = together.place(hold, 0).await?;
        self.holds.is_shared(hold.key(), number, version).ok_or_else(|| "the hold has just been ended".to_owned())
    }

    /// Places a hold that the caller tells the server of, before anybody else does.
    pub(super) fn telling(&self) -> impl Drop {
        self.neighbours.telling.fetch_add(1, Ordering::SeqCst);
        Telling(&self.neighbours)
    }

    /// The gateways that share the ledger, by name; none where it is the gateway's own.
    pub fn neighbours(&self) -> Vec<Neighbour> {
        let seen = self.neighbours.seen.lock();
        let neighbour = |(peer, since): &(Peer, Instant)| Neighbour {
            name: peer.name.clone(),
            own: peer.own,
            version: peer.version,
            leased: since.elapsed() < LEASE,
        };
        let mut all: Vec<_> = seen.values().filter(|(peer, _)| !peer.name.is_empty()).map(neighbour).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// Holds, and ends of holds, that the other gateways do not know yet; none where the ledger is the gateway's own.
    pub fn holds_untold(&self) -> usize {
        let (holds, ended) = self.holds.untold();
        holds.len() + ended.len()
    }

    /// Nothing is written from here on, and no other gateway waits for this one.
    pub async fn part_from_others(&self) {
        if let Some(together) = self.ledger.together() {
            together.leave().await;
        }
    }

    /// Says in the log when the lease ends, and when there is one again.
    fn tell_lease(&self, together: &Together, said: &mut bool) {
        let without = together.connection() != 0 && together.version_is_known() && !together.is_leased();
        if without && !*said {
            let why = self.ledger.trouble().unwrap_or("shared_ledger_holds_unknown");
            tracing::error!(event = "shared_ledger_down", why, "submissions are refused");
        } else if *said && together.is_leased() {
            tracing::info!(event = "shared_ledger_up", "the shared ledger is at work");
        }
        *said = without || *said && !together.is_leased();
    }
}

impl Neighbours {
    /// Notes who may have a lease. Those who have not taken another for longer than one lasts have none.
    fn note(&self, peers: Vec<Peer>) -> Vec<Peer> {
        let mut seen = self.seen.lock();
        seen.retain(|run, _| peers.iter().any(|peer| peer.run == *run));
        let mut silent = Vec::new();
        for peer in peers {
            let entry = seen.entry(peer.run.clone()).or_insert_with(|| (peer.clone(), Instant::now()));
            if entry.0 != peer {
                *entry = (peer, Instant::now());
            } else if entry.1.elapsed() > LEASE_OVER && !entry.0.own {
                silent.push(entry.0.clone());
            }
        }
        silent
    }
}

/// Whether a hold is to be in force on all gateways. A governor's own is not: each sees its own share of the SMSC's answers.
pub(super) fn is_for_all(owner: &str) -> bool {
    owner != super::govern::OWNER
}

/// Opens the holds of a gateway as its ledger wants them.
pub fn open_holds(
    folder: &std::path::Path,
    now: crate::domain::Moment,
    shared: bool,
) -> Result<Holds, crate::traffic::HoldsError> {
    if shared { Holds::open_shared(folder, now, |hold| !is_for_all(&hold.owner)) } else { Holds::open(folder, now) }
}
