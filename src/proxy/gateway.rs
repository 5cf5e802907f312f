//! What all sessions of a gateway share.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::domain::{AccountId, Moment, Ticker};
use crate::ledger::{self, Ledger, Scopes};
use crate::policy::switches::Switches;
use crate::policy::{Account, Ruleset};
use crate::record::{Metrics, SenderMetrics};
use crate::traffic::Throttle;

use super::notes::Notes;
use super::session::Session;
use super::upstream::Upstream;

/// Limits and timers of the sessions.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// SMSC addresses, tried in order.
    pub smsc: Vec<String>,
    /// How long one connect may take.
    pub connect_timeout: Duration,
    /// After that long without an answer the outcome is unknown.
    pub response_timeout: Duration,
    /// From accept to a whole bind, and for every partial PDU from its first octet.
    pub session_init_timeout: Duration,
    /// Silence on either leg that ends a session.
    pub inactivity_timeout: Duration,
    /// Connections the system holds before they are accepted.
    pub backlog: u32,
    /// Connections at a time.
    pub max_connections: usize,
    /// Connections at a time from one address.
    pub max_per_address: usize,
    /// Submissions forwarded and not answered, per session; further ones wait in the sender's socket.
    pub max_in_flight: usize,
    /// How long a stop waits for answers.
    pub drain_timeout: Duration,
}

/// One account at work: its policy, its rate, its counters.
#[derive(Debug)]
pub struct Sender {
    /// The policy's part.
    pub account: Arc<Account>,
    /// Its numbers in the ledger.
    pub scopes: Scopes,
    /// Its rate, shared by its sessions.
    pub throttle: Throttle,
    /// Its counters.
    pub metrics: SenderMetrics,
    pub(super) notes: Notes,
    bound: AtomicU32,
}

/// A ruleset with everything that works under it; swapped as a whole.
#[derive(Debug)]
pub struct Site {
    /// The rules.
    pub rules: Ruleset,
    /// By account id.
    pub senders: Vec<Arc<Sender>>,
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    pub(super) settings: ProxySettings,
    pub(super) site: ArcSwap<Site>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) upstream: Upstream,
    pub(super) ticker: Ticker,
    pub(super) sessions: Mutex<HashMap<u64, Arc<Session>>>,
    next_session: AtomicU64,
    stopping: AtomicBool,
}

impl Site {
    /// Puts accounts to work under a ruleset.
    pub fn new(rules: Ruleset, ledger: &Ledger, metrics: &Metrics, ticker: &Ticker) -> rusqlite::Result<Self> {
        let scopes = ledger.scopes(&rules)?;
        let counters = metrics.senders(&rules);
        let senders = rules.accounts.iter().zip(scopes).zip(counters).map(|((account, scopes), metrics)| {
            Arc::new(Sender {
                account: Arc::clone(account),
                scopes,
                throttle: Throttle::new(account.rate, ticker.clone()),
                metrics,
                notes: Notes::default(),
                bound: AtomicU32::new(0),
            })
        });
        Ok(Self { senders: senders.collect(), rules })
    }

    /// The sender of a system_id.
    pub fn sender(&self, system_id: &str) -> Option<&Arc<Sender>> {
        let AccountId(index) = *self.rules.by_system_id.get(system_id)?;
        self.senders.get(index as usize)
    }
}

impl Sender {
    /// Takes one of the account's sessions; `false` when all are taken.
    pub(super) fn enter(&self) -> bool {
        let limit = self.account.sessions;
        self.bound
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bound| (bound < limit).then_some(bound + 1))
            .is_ok()
    }

    /// Gives the session back.
    pub(super) fn leave(&self) {
        self.bound.fetch_sub(1, Ordering::Relaxed);
    }

    /// The ledger's number of the scope that the account's quota counts in.
    pub fn quota_scope(&self, switches: &Switches) -> u16 {
        ledger::quota_scope(switches.quota.scope, self.scopes)
    }

    /// Sessions bound now.
    pub fn bound(&self) -> u32 {
        self.bound.load(Ordering::Relaxed)
    }
}

impl Gateway {
    /// A gateway that is ready to accept.
    pub fn new(
        settings: ProxySettings,
        site: Site,
        ledger: Arc<Ledger>,
        metrics: Arc<Metrics>,
        ticker: Ticker,
    ) -> Arc<Self> {
        let upstream = Upstream::new(&settings, &metrics);
        Arc::new(Self {
            settings,
            site: ArcSwap::from_pointee(site),
            ledger,
            metrics,
            upstream,
            ticker,
            sessions: Mutex::new(HashMap::new()),
            next_session: AtomicU64::new(1),
            stopping: AtomicBool::new(false),
        })
    }

    /// The site in force.
    pub fn site(&self) -> Arc<Site> {
        self.site.load_full()
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Sessions bound now.
    pub fn bound(&self) -> usize {
        self.sessions.lock().len()
    }

    /// The wall clock.
    pub fn now(&self) -> Moment {
        self.ticker.tick().wall
    }

    /// Whether a stop has begun.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn session_id(&self) -> u64 {
        self.next_session.fetch_add(1, Ordering::Relaxed)
    }
}
