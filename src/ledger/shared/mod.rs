//! The ledger of several gateways: slots, quotas, windows, messages in parts and
//! unknown outcomes on one Valkey or Redis server.
//!
//! What a message needs is taken by one script on the server, whole or not at
//! all, so two gateways meet as if one came after the other (P1, P2). Every key
//! carries one hash tag, so a cluster keeps them on one node: a unit's quota and
//! a subscriber's slot belong to no common entity, and only what lies together
//! can be taken together. The server's clock opens the days for all gateways.
//!
//! The journal goes on beside it. It has each reservation before the message
//! leaves and each outcome, so what the server could not be told is told when it
//! is back, also after an end of the gateway in between. A message leaves when
//! both have it (P3). Without the server none does (P12).
//!
//! A reservation is known to the server by a token of its own. Giving back and
//! taking again name it, so a request that is made twice, or of which nobody
//! knows whether it was done, does no harm.

pub mod address;
mod ask;
mod confirm;
pub mod lease;
mod link;
mod listing;
mod outbox;
mod parts;
mod probe;
mod recall;
mod runs;
mod script;
mod tell;
pub mod together;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::domain::{Day, Ticker};
use crate::policy::{Mode, Permit, Reason, Reasons, Refusal, Rule};

use super::record::{Taken, Terms};
use super::reserve::{Claim, Reservation};
use super::{Batch, Ledger};

pub use self::address::ServerUrl;
pub(super) use self::ask::Ask;
pub use self::confirm::{Confirmed, Denied};
pub(super) use self::outbox::Act;
pub use self::probe::probe;

use self::lease::Lease;
use self::link::Link;
use self::outbox::Outbox;
use self::runs::Runs;

/// Which server, and what its word is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedSettings {
    /// Where it is.
    pub url: ServerUrl,
    /// Replicas that must have a reservation before its message leaves.
    pub wait_replicas: u32,
    /// What other gateways' operators see this one under.
    pub name: String,
    /// Whether the durability is `power`.
    pub power: bool,
}

/// The server as the ledger sees it.
#[derive(Debug)]
pub(super) struct Shared {
    link: Link,
    runs: Runs,
    outbox: Outbox,
    names: ArcSwap<Vec<String>>,
    /// This life's number on the server; 0 until it has one.
    run: AtomicU32,
    /// By which what the journal has is told again.
    terms: Mutex<Terms>,
    lease: Lease,
}

/// How the shared ledger stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedState {
    /// Where it is.
    pub address: String,
    /// Why nothing passes, if nothing does.
    pub trouble: Option<&'static str>,
    /// How far its clock is ahead of the gateway's, milliseconds.
    pub skew_ms: i64,
    /// Outcomes it has not been told yet.
    pub untold: usize,
}

/// Why the server has not done what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("no connection")]
    Away,
    #[error("no answer in time")]
    Timeout,
    #[error("{0}")]
    Io(String),
    #[error("the server says {0}")]
    Refused(String),
    #[error("an answer that none of the scripts gives")]
    Answer,
    #[error("too few replicas have it")]
    Replicas,
    #[error("the server does not know the connection any more")]
    Fenced,
}

impl From<redis::RedisError> for Fault {
    fn from(error: redis::RedisError) -> Self {
        // Never the whole text: a server may repeat what it was sent (P14).
        match error.code() {
            Some(code) => Self::Refused(code.to_owned()),
            None => Self::Io(error.category().to_owned()),
        }
    }
}

impl Shared {
    /// Reads what the folder remembers; reaches for nothing.
    pub(super) fn open(
        folder: &Path,
        settings: SharedSettings,
        ticker: Ticker,
        names: Vec<String>,
    ) -> std::io::Result<Self> {
        Ok(Self {
            link: Link::new(settings, ticker),
            runs: Runs::open(folder)?,
            outbox: Outbox::default(),
            names: ArcSwap::from_pointee(names),
            run: AtomicU32::new(0),
            terms: Mutex::default(),
            lease: Lease::default(),
        })
    }

    /// Names of accounts and units have been added.
    pub(super) fn name(&self, names: Vec<String>) {
        self.names.store(Arc::new(names));
    }

    /// Whether it takes reservations, and the gateway may write.
    pub(super) fn is_up(&self) -> bool {
        self.link.trouble().is_none() && self.is_leased()
    }

    fn is_leased(&self) -> bool {
        self.lease.is_valid(self.link.tick())
    }

    /// Why nothing passes, if nothing does.
    fn why(&self) -> Option<&'static str> {
        match self.link.trouble() {
            Some(trouble) => Some(trouble.code()),
            None if self.is_leased() => None,
            None if self.lease.replicas_late.load(Ordering::Relaxed) => Some("shared_ledger_replicas_late"),
            None => Some("shared_ledger_holds_unknown"),
        }
    }

    /// Unknown outcomes of all gateways, at the last look.
    pub(super) fn unknown(&self) -> usize {
        self.link.unknown.load(Ordering::Relaxed) as usize
    }

    pub(super) fn state(&self) -> SharedState {
        SharedState {
            address: self.link.address(),
            trouble: self.why(),
            skew_ms: self.link.skew_ms.load(Ordering::Relaxed),
            untold: self.outbox.len(),
        }
    }

    /// The first half of a reservation: the account's rate, and what the server is to be asked with the batch.
    pub(super) fn reserve(
        &self,
        claim: &Claim<'_>,
        permit: &Permit,
        batch: &mut Batch,
    ) -> Result<Reservation, Refusal> {
        let refuse = |reason| {
            let status = claim.account.status(reason);
            Refusal { reason, status, also: Reasons::NONE, observed: permit.observed() }
        };
        if let Some(trouble) = self.link.trouble() {
            let clock = trouble == link::Trouble::Clock;
            return Err(refuse(if clock { Reason::ClockUntrusted } else { Reason::LedgerUnavailable }));
        }
        if !self.is_leased() {
            return Err(refuse(Reason::LedgerUnavailable));
        }
        let mut observed = permit.observed();
        let ask = Ask::of(claim, permit);
        // A part's rate is asked when it turns out to be its message's first.
        let part = ask.as_ref().is_some_and(|ask| ask.piece.is_some());
        let mut rated = false;
        if !part {
            rated = rate(claim, &mut observed).map_err(refuse)?;
        }
        let mut reservation = Reservation::unasked(permit, claim, observed);
        let Some(mut ask) = ask else {
            batch.reserve(claim, permit, &mut reservation);
            return Ok(reservation);
        };
        (ask.rated, ask.observed) = (rated, observed);
        (reservation.taken, reservation.asked) = (ask.taken, true);
        match ask.part_record(&self.names.load()) {
            Some(part) => batch.reserve_part(claim, permit, &part, &mut reservation),
            None => batch.reserve(claim, permit, &mut reservation),
        }
        ask.place = reservation.id;
        batch.asks.push(ask);
        Ok(reservation)
    }

    /// Tells an act's place in the queue to whoever wants to wait for it.
    pub(super) fn tell(&self, batch: &mut Batch) -> Option<u64> {
        if batch.acts.is_empty() {
            return None;
        }
        Some(self.outbox.put(batch.acts.drain(..)))
    }

    /// Waits until the server has been told, or cannot be.
    pub(super) async fn told(&self, place: Option<u64>) {
        let Some(place) = place else { return };
        let told = self.outbox.is_told(place);
        tokio::pin!(told);
        while self.link.live().is_some() {
            let changed = self.link.changed.notified();
            tokio::select! {
                () = &mut told => return,
                () = changed => {}
                () = tokio::time::sleep(Duration::from_millis(100)) => {} // a change between the look and the wait
            }
        }
    }
}

/// Takes the account's token; whether one was taken that can be given back.
fn rate(claim: &Claim<'_>, observed: &mut Reasons) -> Result<bool, Reason> {
    match claim.account.modes.get(Rule::Rate) {
        Mode::Off => Ok(false),
        Mode::Enforce if claim.owed.is_some() => {
            claim.owed.map(|owed| owed.fetch_add(1, Ordering::Relaxed));
            Ok(false)
        }
        Mode::Enforce => {
            if claim.throttle.take() {
                Ok(true)
            } else {
                Err(Reason::Rate)
            }
        }
        Mode::Observe => {
            let taken = claim.throttle.take();
            if !taken {
                observed.insert(Reason::Rate);
            }
            Ok(taken)
        }
    }
}

impl Ledger {
    /// How the shared ledger stands; `None` where the ledger is the gateway's own.
    pub fn shared(&self) -> Option<SharedState> {
        self.shared.as_ref().map(|shared| shared.state())
    }

    /// Brings the subscribers that are counted for a day up to what the shared ledger has, to be looked at.
    pub async fn refresh_counts(&self, day: Day) {
        let Some(shared) = &self.shared else { return };
        let names = shared.names.load_full();
        let Some(book) = self.book(day).filter(|_| names.len() > 1) else { return };
        let Some(counts) = shared.counts(day, &names[1..]).await else { return };
        for (scope, count) in (1..).zip(counts) {
            book.show_counted(scope, count);
        }
    }

    fn shown_taken(&self, taken: &Taken, counted: Option<u32>) {
        let book = self.book(taken.day).unwrap_or_else(|| self.turn_day(taken.day));
        book.note_row();
        if let Some(counted) = counted {
            book.show_counted(taken.quota_scope, counted);
        }
    }

    fn shown_given_back(&self, taken: &Taken) {
        if let Some(book) = self.book(taken.day) {
            book.note_row_gone();
        }
    }
}
