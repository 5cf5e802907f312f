//! What all sessions of a gateway share.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::domain::{AccountId, Clock, ClockWatch, Invariant, Moment, Tick, Ticker};
use crate::ledger::{self, Ledger, Scopes};
use crate::policy::rules::source;
use crate::policy::switches::Switches;
use crate::policy::{Account, Ruleset};
use crate::record::{Metrics, SenderMetrics};
use crate::registry::Registry;
use crate::smpp::replace::Replace;
use crate::traffic::{Bucket, Ease, Holds, Party, Throttle};

use super::accepted::{Accepted, Remembered};
use super::evidence::Recorded;
use super::notes::Notes;
use super::optout::Answers;
use super::session::{End, Session};
use super::together::Neighbours;
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
    /// How long a stop or a leave-taking may last, answers and unbinds together.
    pub drain_timeout: Duration,
}

/// One account at work: its policy, its rate, its counters. What is shared goes on from one site to the next.
#[derive(Debug)]
pub struct Sender {
    /// The policy's part.
    pub account: Arc<Account>,
    /// Its numbers in the ledger.
    pub scopes: Scopes,
    /// Names of its unit and city, as the ruleset of its site has them.
    places: Arc<Places>,
    /// Its rate, shared by its sessions.
    pub throttle: Arc<Throttle>,
    /// What passes of it while it comes back from a pause.
    pub(super) easing: Arc<Bucket>,
    /// Its counters.
    pub metrics: Arc<SenderMetrics>,
    pub(super) notes: Arc<Notes>,
    pub(super) recorded: Arc<Recorded>,
    bound: Arc<AtomicU32>,
}

/// Where an account belongs.
#[derive(Debug)]
struct Places {
    unit: Box<str>,
    city: Option<Box<str>>,
}

/// A ruleset with everything that works under it; swapped as a whole.
#[derive(Debug)]
pub struct Site {
    /// The rules.
    pub rules: Ruleset,
    /// Limits and timers. Addresses and the backlog are those of the start, whatever they say here.
    pub settings: ProxySettings,
    /// By account id.
    pub senders: Vec<Arc<Sender>>,
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    pub(super) site: ArcSwap<Site>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) holds: Arc<Holds>,
    pub(super) neighbours: Neighbours,
    pub(super) registry: Arc<Registry>,
    /// Who swaps the site, does it alone: what one swap carries over, another must not lose.
    pub(super) swapping: Mutex<()>,
    /// Those who have opted out by message and are not on disk yet.
    pub(super) answers: Answers,
    pub(super) accepted: Accepted,
    pub(super) ease: Ease,
    pub(super) metrics: Arc<Metrics>,
    pub(super) upstream: Upstream,
    pub(super) ticker: Ticker,
    pub(super) sessions: Mutex<HashMap<u64, Arc<Session>>>,
    next_session: AtomicU64,
    stopping: AtomicBool,
    pub(super) draining: AtomicBool,
}

impl Site {
    /// Puts accounts to work under a ruleset, for the first time.
    pub fn new(
        rules: Ruleset,
        settings: ProxySettings,
        ledger: &Ledger,
        metrics: &Metrics,
        ticker: &Ticker,
    ) -> rusqlite::Result<Self> {
        let site = Self::build(None, rules, settings, ledger, metrics, ticker)?;
        metrics.in_force(site.rules.version);
        Ok(site)
    }

    /// The site that follows another.
    fn after(
        before: &Self,
        rules: Ruleset,
        settings: ProxySettings,
        ledger: &Ledger,
        metrics: &Metrics,
        ticker: &Ticker,
    ) -> rusqlite::Result<Self> {
        let mut site = Self::build(Some(before), rules, settings, ledger, metrics, ticker)?;
        for gone in before.senders.iter().filter(|sender| site.sender(&sender.account.system_id).is_none()) {
            metrics.forget_limits(&gone.account);
        }
        site.take_over_rates(before, ticker);
        metrics.in_force(site.rules.version);
        Ok(site)
    }

    fn build(
        before: Option<&Self>,
        rules: Ruleset,
        settings: ProxySettings,
        ledger: &Ledger,
        metrics: &Metrics,
        ticker: &Ticker,
    ) -> rusqlite::Result<Self> {
        let scopes = ledger.scopes(&rules)?;
        let quota = rules.switches.quota.users;
        let sender = |(account, scopes): (&Arc<Account>, Scopes)| {
            metrics.limits(account, quota);
            let places = Places::of(account, &rules);
            Arc::new(match before.and_then(|before| before.sender(&account.system_id)) {
                Some(own) => own.under(account, scopes, places),
                None => Sender {
                    account: Arc::clone(account),
                    scopes,
                    places,
                    throttle: Arc::new(Throttle::new(account.rate, ticker.clone())),
                    easing: Arc::default(),
                    metrics: Arc::new(metrics.sender(account)),
                    notes: Arc::default(),
                    recorded: Arc::new(Recorded::new(account.rate, ticker.clone())),
                    bound: Arc::default(),
                },
            })
        };
        let senders = rules.accounts.iter().zip(scopes).map(sender).collect();
        Ok(Self { rules, settings, senders })
    }

    /// Gives accounts whose rate has changed what they have left of the old one. Done last, because from here on the
    /// old site has nothing left for them.
    fn take_over_rates(&mut self, before: &Self, ticker: &Ticker) {
        for sender in &mut self.senders {
            let rate = sender.account.rate;
            if sender.throttle.rate() != rate && before.sender(&sender.account.system_id).is_some() {
                let throttle = Arc::new(sender.throttle.followed_by(rate, ticker.clone()));
                *sender = Arc::new(Sender {
                    throttle,
                    ..sender.under(&sender.account, sender.scopes, Arc::clone(&sender.places))
                });
            }
        }
    }

    /// The sender of a system_id.
    pub fn sender(&self, system_id: &str) -> Option<&Arc<Sender>> {
        let AccountId(index) = *self.rules.by_system_id.get(system_id)?;
        self.senders.get(index as usize)
    }
}

impl Sender {
    /// The same account as another configuration has it.
    fn under(&self, account: &Arc<Account>, scopes: Scopes, places: Arc<Places>) -> Self {
        let Self { throttle, easing, metrics, notes, recorded, bound, .. } = self;
        Self {
            account: Arc::clone(account),
            scopes,
            places,
            throttle: Arc::clone(throttle),
            easing: Arc::clone(easing),
            metrics: Arc::clone(metrics),
            notes: Arc::clone(notes),
            recorded: Arc::clone(recorded),
            bound: Arc::clone(bound),
        }
    }

    /// Takes one of the account's sessions; `false` when all are taken.
    pub(super) fn enter(&self) -> bool {
        let limit = self.account.sessions;
        self.bound
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bound| (bound < limit).then_some(bound + 1))
            .is_ok()
    }

    /// Gives the session back.
    pub(super) fn leave(&self) {
        if self.bound.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.bound.store(0, Ordering::Relaxed);
            Invariant::Sessions.broken();
        }
    }

    /// Whose traffic its messages to an SMSC are, for holds.
    pub(super) fn party<'a>(&'a self, smsc: &'a str) -> Party<'a> {
        let (account, Places { unit, city }) = (&*self.account, &*self.places);
        Party { account: &account.system_id, class: account.class, unit, city: city.as_deref(), smsc }
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

impl Places {
    fn of(account: &Account, rules: &Ruleset) -> Arc<Self> {
        let city = account.city.and_then(|city| rules.regions.city_of(city));
        Arc::new(Self { unit: rules.unit(account.unit).into(), city: city.map(|city| city.slug.as_str().into()) })
    }
}

impl Gateway {
    /// A gateway that is ready to accept.
    pub fn new(
        site: Site,
        ledger: Arc<Ledger>,
        holds: Arc<Holds>,
        registry: Arc<Registry>,
        metrics: Arc<Metrics>,
        ticker: Ticker,
    ) -> Arc<Self> {
        let upstream = Upstream::new(&site.settings, &metrics);
        let snapshot = registry.snapshot();
        let gateway = Arc::new(Self {
            site: ArcSwap::from_pointee(site),
            ledger,
            holds,
            neighbours: Neighbours::default(),
            registry,
            swapping: Mutex::new(()),
            answers: Answers::default(),
            accepted: Accepted::default(),
            ease: Ease::default(),
            metrics,
            upstream,
            ticker,
            sessions: Mutex::new(HashMap::new()),
            next_session: AtomicU64::new(1),
            stopping: AtomicBool::new(false),
            draining: AtomicBool::new(false),
        });
        gateway.publish(snapshot);
        gateway
    }

    /// The site in force.
    pub fn site(&self) -> Arc<Site> {
        self.site.load_full()
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What is remembered of the accepted message that a replace_sm of an account names
    /// (`replace.mode = "check"`); `None` of one that the account could not replace.
    pub fn remembered(&self, account: &Account, replace: &Replace<'_>) -> Option<Remembered> {
        let scopes = self.site().sender(&account.system_id)?.scopes;
        let source = source::shown(account, replace.source).digits;
        self.accepted.look(scopes.account, replace.message_id, source)
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Sessions bound now.
    pub fn bound(&self) -> usize {
        self.sessions.lock().len()
    }

    /// When the oldest message that waits for its answer was handed over: not before this, and at most a response
    /// timer later. `None` if none waits.
    pub fn oldest_in_flight(&self) -> Option<Moment> {
        let sessions: Vec<Arc<Session>> = self.sessions.lock().values().cloned().collect();
        let oldest = sessions.iter().filter_map(|session| session.window.lock().oldest_ms()).min();
        oldest.map(Moment::from_ms) // steady time is anchored at the wall clock
    }

    /// The wall clock.
    pub fn now(&self) -> Moment {
        self.ticker.tick().wall
    }

    /// The clock it judges by.
    pub fn clock(&self) -> &Clock {
        self.ticker.clock()
    }

    /// A reading of all clocks.
    pub fn tick(&self) -> Tick {
        self.ticker.tick()
    }

    /// Whether the clock can be believed.
    pub fn watch(&self) -> &ClockWatch {
        self.ticker.watch()
    }

    /// Whether a stop has begun.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Whether binds are refused because sessions take leave, for a stop or for an operator.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst) || self.is_stopping()
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Puts other rules and limits in force, whole: a batch that has begun ends under the old ones. What an account has
    /// left of its rate, its counters and its sessions goes on. Sessions of accounts that are gone are unbound.
    ///
    /// Takes tens of milliseconds for ten thousand accounts: not for a thread that serves sessions. One caller at
    /// a time. Returns the site that was in force; whoever drops it last frees it.
    pub fn replace(&self, mut rules: Ruleset, settings: ProxySettings) -> rusqlite::Result<Arc<Site>> {
        let _alone = self.swapping.lock();
        let before = self.site();
        // A configuration that was read anew knows nothing of what is registered.
        (rules.content, rules.opted_out) = (Arc::clone(&before.rules.content), Arc::clone(&before.rules.opted_out));
        let site = Site::after(&before, rules, settings, &self.ledger, &self.metrics, &self.ticker)?;
        self.site.store(Arc::new(site));
        self.recall_held();
        self.end_undesignated();
        Ok(before)
    }

    /// Unbinds the sessions of accounts that are not in the configuration any more.
    fn end_undesignated(&self) {
        let site = self.site();
        let deadline = tokio::time::Instant::now() + site.settings.drain_timeout;
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        for session in sessions.iter().filter(|session| !session.is_designated(&site)) {
            session.leave(End::REMOVED, deadline);
        }
    }

    pub(super) fn session_id(&self) -> u64 {
        self.next_session.fetch_add(1, Ordering::Relaxed)
    }
}
