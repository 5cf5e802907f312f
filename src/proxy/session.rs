//! One ESME connection and its SMSC connection.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::domain::{Moment, Tick};
use crate::ledger::{Batch, Settled};
use crate::policy::Reason;
use crate::record::metrics::SmscMetrics;
use crate::smpp::bind::BindType;
use crate::traffic::{Gate, Governor, Party};

use super::cancel::Cancels;
use super::gateway::{Gateway, ProxySettings, Sender, Site};
use super::upstream::Way;
use super::window::Window;
use super::wire::{self, Inbox};
use super::{downlink, evidence, leave, notes, uplink};

/// How long a sender that has gone is waited for in the SMSC's answers.
const LINGER: Duration = Duration::from_secs(2);
/// How long after it was judged a message is still begun to be handed to the SMSC.
const STALE: Duration = Duration::from_secs(5);
/// A bound session; shared by its two tasks and the sweeper.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) since: Moment,
    pub(super) peer: Option<SocketAddr>,
    pub(super) upstream: Option<SocketAddr>,
    pub(super) esme: TcpStream,
    pub(super) smsc: TcpStream,
    /// The account as it was at the bind: its counters are those of every later site. What is judged is judged by a [`Turn`].
    pub(super) sender: Arc<Sender>,
    pub(super) bind_type: BindType,
    pub(super) version: u8,
    pub(super) smsc_metrics: Arc<SmscMetrics>,
    /// The SMSC's overload governor.
    pub(super) governor: Arc<Governor>,
    /// Held while octets are written to the ESME: both tasks and the sweeper do.
    pub(super) esme_writer: tokio::sync::Mutex<()>,
    pub(super) window: Mutex<Window>,
    /// Its pass is out while submissions are written to the SMSC.
    pub(super) gate: Gate,
    /// cancel_sm that are under way.
    pub(super) cancels: Cancels,
    room: Notify,
    full: AtomicBool,
    heard_esme_ms: AtomicI64,
    heard_smsc_ms: AtomicI64,
    partial_since_ms: AtomicI64,
    listening: AtomicBool,
    smsc_gone: AtomicBool,
    esme_gone: AtomicBool,
    end: Mutex<Option<End>>,
    leaving: OnceLock<Instant>,
    told_to_leave: Notify,
    unbound: AtomicBool,
}

/// A session for the time of one batch, under the site that was in force when the batch began. It is taken once, so
/// that no PDU is judged by half of each of two configurations (P10).
#[derive(Debug)]
pub(super) struct Turn<'a> {
    session: &'a Session,
    pub(super) site: Arc<Site>,
    /// The account in that site.
    pub(super) sender: Arc<Sender>,
    /// Whether the account is in the configuration still (2.4).
    pub(super) designated: bool,
    /// The batch's instant cannot be believed, so no submission of it passes.
    pub(super) clock_doubted: bool,
}

/// Who ended a session, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) side: &'static str,
    pub(super) cause: &'static str,
}

impl End {
    /// The process stops.
    pub(super) const STOP: Self = Self { side: "gateway", cause: "stop" };
    /// An operator drains the gateway.
    pub(super) const DRAIN: Self = Self { side: "gateway", cause: "drain" };
    /// The account is not in the configuration any more.
    pub(super) const REMOVED: Self = Self { side: "gateway", cause: "account_removed" };
    /// An operator ends this one session.
    pub(super) const KICK: Self = Self { side: "gateway", cause: "kick" };

    /// Of a task that goes before it is done: it has failed, or the process is over.
    pub(super) fn unfinished() -> Self {
        if std::thread::panicking() { Self { side: "gateway", cause: "panic" } } else { Self::STOP }
    }
}

/// What a finished bind leaves for the session.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) esme: TcpStream,
    pub(super) smsc: TcpStream,
    pub(super) sender: Arc<Sender>,
    pub(super) bind_type: BindType,
    pub(super) version: u8,
    pub(super) way: Way,
    pub(super) from_esme: Inbox,
    pub(super) from_smsc: Inbox,
}

/// The last act of a session, whichever way its task ends: a panic must leave neither an open connection that
/// nobody serves nor a place that is not given back.
struct Closing<'a> {
    gateway: &'a Gateway,
    session: &'a Session,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.session.ended(End::unfinished());
        wire::shut(&self.session.smsc);
        wire::shut(&self.session.esme);
        self.session.settle_rest(self.gateway);
        self.session.close(self.gateway);
    }
}

impl Session {
    fn new(id: u64, bound: Bound, tick: Tick) -> (Self, Inbox, Inbox) {
        let session = Self {
            id,
            since: tick.wall,
            peer: bound.esme.peer_addr().ok(),
            upstream: bound.smsc.peer_addr().ok(),
            esme: bound.esme,
            smsc: bound.smsc,
            sender: bound.sender,
            bind_type: bound.bind_type,
            version: bound.version,
            governor: bound.way.governor,
            smsc_metrics: bound.way.metrics,
            esme_writer: tokio::sync::Mutex::default(),
            window: Mutex::default(),
            gate: Gate::default(),
            cancels: Cancels::default(),
            room: Notify::new(),
            full: AtomicBool::new(false),
            heard_esme_ms: AtomicI64::new(tick.steady_ms),
            heard_smsc_ms: AtomicI64::new(tick.steady_ms),
            partial_since_ms: AtomicI64::new(i64::MAX),
            listening: AtomicBool::new(false),
            smsc_gone: AtomicBool::new(false),
            esme_gone: AtomicBool::new(false),
            end: Mutex::new(None),
            leaving: OnceLock::new(),
            told_to_leave: Notify::new(),
            unbound: AtomicBool::new(false),
        };
        (session, bound.from_esme, bound.from_smsc)
    }

    /// Runs both directions until one ends, then settles what is left.
    pub(super) async fn run(gateway: Arc<Gateway>, bound: Bound) {
        let (session, from_esme, from_smsc) = Self::new(gateway.session_id(), bound, gateway.ticker.tick());
        let session = Arc::new(session);
        gateway.sessions.lock().insert(session.id, Arc::clone(&session));
        session.sender.metrics.sessions(session.bind_type).inc();
        let closing = Closing { gateway: &gateway, session: &session };
        session.leave_at_once(&gateway);
        let down = tokio::spawn(downlink::run(Arc::clone(&gateway), Arc::clone(&session), from_smsc));
        let (end, mut from_esme) = uplink::run(&gateway, &session, from_esme).await;
        session.ended(end);
        session.linger().await;
        if let Some(deadline) = session.leaving() {
            Box::pin(leave::farewell(&gateway, &session, &mut from_esme, deadline)).await;
        }
        wire::shut(&session.smsc);
        wire::shut(&session.esme);
        let _ = down.await; // a panic there has ended the session as well
        drop(closing);
    }

    /// What a bind began before a drain or a reload must not outlast it: both look at the sessions there are, and this
    /// one is among them since a moment ago.
    fn leave_at_once(&self, gateway: &Gateway) {
        let site = gateway.site();
        let deadline = Instant::now() + site.settings.drain_timeout;
        if gateway.is_draining() {
            self.leave(if gateway.is_stopping() { End::STOP } else { End::DRAIN }, deadline);
        } else if !self.is_designated(&site) {
            self.leave(End::REMOVED, deadline);
        }
    }

    /// The session under the site in force.
    pub(super) fn turn(&self, gateway: &Gateway, tick: Tick) -> Turn<'_> {
        let site = gateway.site();
        let own = self.place_in(&site).cloned();
        let designated = own.is_some();
        let sender = own.unwrap_or_else(|| Arc::clone(&self.sender));
        let clock_doubted = !gateway.ticker.watch().believes(tick);
        Turn { session: self, site, sender, designated, clock_doubted }
    }

    /// Whether the account is in a site.
    pub(super) fn is_designated(&self, site: &Site) -> bool {
        self.place_in(site).is_some()
    }

    /// The account in a site; at the place where it was at the bind, most often.
    fn place_in<'s>(&self, site: &'s Site) -> Option<&'s Arc<Sender>> {
        let own = &self.sender.account;
        let same = site.senders.get(own.id.0 as usize).filter(|sender| sender.account.system_id == own.system_id);
        same.or_else(|| site.sender(&own.system_id))
    }

    /// Waits for answers to what is in flight: a session that takes leave almost until its deadline, another a little.
    async fn linger(&self) {
        let deadline = self.leaving().map_or_else(|| Instant::now() + LINGER, leave::answers_until);
        let smsc_gone = || self.smsc_gone.load(Ordering::Relaxed);
        while !smsc_gone() && self.window.lock().waiting() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What is still in flight has an unknown outcome (P9).
    pub(super) fn settle_rest(&self, gateway: &Gateway) {
        let rest = self.window.lock().drain();
        let mut batch = Batch::default();
        let messages: usize = rest.iter().map(|flight| flight.held.len()).sum();
        for reservation in rest.iter().flat_map(|flight| flight.held.iter()) {
            gateway.ledger.settle(reservation, Settled::Unknown, &mut batch);
        }
        gateway.ledger.note(&mut batch);
        if !rest.is_empty() {
            self.sender.metrics.unknown.inc_by(messages as u64);
            self.sender.metrics.in_flight.sub(messages as i64);
            let account = &*self.sender.account.system_id;
            tracing::warn!(
                event = "outcome_unknown",
                session = self.id,
                account,
                count = messages,
                "link ended with messages in flight; they count as sent"
            );
        }
    }

    fn close(&self, gateway: &Gateway) {
        gateway.sessions.lock().remove(&self.id);
        self.sender.metrics.sessions(self.bind_type).dec();
        self.sender.leave();
        evidence::tell_beside(gateway, &gateway.site(), &self.sender, gateway.ticker.tick(), true);
        self.cancels.close();
        let End { side, cause } = self.end.lock().unwrap_or(End::STOP);
        gateway.metrics.session_closes.with_label_values(&[side, cause]).inc();
        let account = &*self.sender.account.system_id;
        tracing::info!(event = "session_closed", session = self.id, account, side, cause, "session closed");
    }

    /// No answer of the SMSC will come any more.
    pub(super) fn smsc_is_gone(&self) {
        self.smsc_gone.store(true, Ordering::SeqCst);
        self.room.notify_one(); // nobody else will
    }

    /// Nothing can be written to the sender any more; what comes for it is settled and dropped.
    pub(super) fn esme_is_gone(&self) {
        self.ended(End { side: "esme", cause: "error" });
        self.esme_gone.store(true, Ordering::Relaxed);
        wire::shut(&self.esme);
    }

    /// Whether the sender still reads.
    pub(super) fn esme_is_there(&self) -> bool {
        !self.esme_gone.load(Ordering::Relaxed)
    }

    /// A peer's stream cannot be read on.
    pub(super) fn out_of_step(&self, gateway: &Gateway, leg: &'static str, length: u32) {
        notes::fault(gateway, self, leg, "bad_length".to_owned(), &length.to_be_bytes());
        gateway.metrics.protocol_errors.with_label_values(&[leg, "bad_length"]).inc();
        let session = self.id;
        tracing::warn!(event = "protocol_error", session, leg, length, "no PDU has this length; closing");
    }

    /// Remembers the first end.
    pub(super) fn ended(&self, end: End) {
        self.end.lock().get_or_insert(end);
    }

    /// The sender takes leave: what it still gets, it gets, but it submits no more.
    pub(super) fn unbinds(&self) {
        self.ended(End { side: "esme", cause: "unbind" });
        self.unbound.store(true, Ordering::Relaxed);
    }

    /// Whether the session is one on which messages may be submitted, and still is.
    pub(super) fn submits(&self) -> bool {
        self.bind_type.submits() && !self.unbound.load(Ordering::Relaxed)
    }

    /// Ends the session from outside its tasks.
    pub(super) fn abort(&self, end: End) {
        self.ended(end);
        wire::shut(&self.esme);
        wire::shut(&self.smsc);
        self.smsc_is_gone();
    }

    /// Takes leave by a deadline: nothing more is read from the sender, what is in flight is waited for, and both sides
    /// get an unbind.
    pub(super) fn leave(&self, end: End, deadline: Instant) {
        self.ended(end);
        let _ = self.leaving.set(deadline); // the first to say so sets the time
        self.told_to_leave.notify_one();
        self.make_room();
    }

    /// By when the session takes leave, if it does.
    pub(super) fn leaving(&self) -> Option<Instant> {
        self.leaving.get().copied()
    }

    /// Ready once the session is to take leave.
    pub(super) async fn told_to_leave(&self) {
        while self.leaving().is_none() {
            self.told_to_leave.notified().await;
        }
    }

    /// When either side was heard last, steady milliseconds: the sender, the SMSC.
    pub(super) fn heard_ms(&self) -> (i64, i64) {
        (self.heard_esme_ms.load(Ordering::Relaxed), self.heard_smsc_ms.load(Ordering::Relaxed))
    }

    /// Waits while the sender has as much in flight as it may.
    pub(super) async fn wait_for_room(&self, limit: usize) {
        let ends = || self.smsc_gone.load(Ordering::SeqCst) || self.leaving().is_some();
        while !ends() && self.window.lock().waiting() >= limit {
            self.full.store(true, Ordering::SeqCst);
            if ends() || self.window.lock().waiting() < limit {
                break;
            }
            self.room.notified().await;
        }
        self.full.store(false, Ordering::SeqCst);
    }

    /// Something was answered or the link is gone.
    pub(super) fn make_room(&self) {
        if self.full.load(Ordering::SeqCst) {
            self.room.notify_one();
        }
    }

    /// The sender was heard; part of a PDU may wait for the rest, and may be a new one.
    pub(super) fn heard_esme(&self, tick: Tick, partial: bool, whole: bool) {
        self.heard_esme_ms.store(tick.steady_ms, Ordering::Relaxed);
        let since = if partial { tick.steady_ms } else { i64::MAX };
        if !partial || whole || self.partial_since_ms.load(Ordering::Relaxed) == i64::MAX {
            self.partial_since_ms.store(since, Ordering::Relaxed);
        }
    }

    /// The sender's timers run only while the gateway listens to it.
    pub(super) fn listening(&self, tick: Tick) {
        if !self.listening.swap(true, Ordering::Relaxed) {
            self.heard_esme_ms.store(tick.steady_ms, Ordering::Relaxed);
        }
    }

    /// The gateway has something else to do than to listen to the sender.
    pub(super) fn busy(&self) {
        self.listening.store(false, Ordering::Relaxed);
    }

    pub(super) fn heard_smsc(&self, tick: Tick) {
        self.heard_smsc_ms.store(tick.steady_ms, Ordering::Relaxed);
    }

    /// Whether the sender has sent a part of a PDU.
    pub(super) fn is_partial(&self) -> bool {
        self.partial_since_ms.load(Ordering::Relaxed) != i64::MAX
    }

    /// Which timer has run out, if any.
    pub(super) fn overdue(&self, now_ms: i64, settings: &ProxySettings) -> Option<End> {
        let silent =
            |heard: &AtomicI64| now_ms - heard.load(Ordering::Relaxed) > settings.inactivity_timeout.as_millis() as i64;
        let listening = self.listening.load(Ordering::Relaxed);
        let partial = self.partial_since_ms.load(Ordering::Relaxed);
        if listening && partial != i64::MAX && now_ms - partial > settings.session_init_timeout.as_millis() as i64 {
            return Some(End { side: "esme", cause: "partial_pdu" });
        }
        if listening && silent(&self.heard_esme_ms) {
            return Some(End { side: "esme", cause: "inactivity" });
        }
        silent(&self.heard_smsc_ms).then_some(End { side: "smsc", cause: "inactivity" })
    }
}

impl Turn<'_> {
    /// Whose traffic this is, for holds.
    pub(super) fn party(&self) -> Party<'_> {
        self.sender.party(&self.session.smsc_metrics.address)
    }

    /// Whether nothing may be submitted now (7.6): neither as the batch's site has the account nor as the one in force has
    /// it, which a reload may have moved to another unit since.
    pub(super) fn is_held(&self, gateway: &Gateway) -> bool {
        if gateway.holds.is_idle() {
            return false;
        }
        let site = gateway.site();
        let now = self.session.place_in(&site).unwrap_or(&self.sender);
        gateway.holds.cover(|| self.party()) || gateway.holds.cover(|| now.party(&self.session.smsc_metrics.address))
    }

    /// Why nothing more of a batch is begun: a hold has come into force, or it was judged too long ago. Who lets the
    /// SMSC wait, by not reading its answers, could else carry messages into a forbidden hour (7.4, 7.5).
    pub(super) fn takes_back(&self, gateway: &Gateway, judged: Tick) -> Option<Reason> {
        if self.is_held(gateway) {
            return Some(Reason::Paused);
        }
        let age = gateway.ticker.steady_ns().saturating_sub(judged.steady_ns);
        (u128::from(age) > STALE.as_nanos()).then_some(Reason::UpstreamDown)
    }
}

impl Deref for Turn<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session
    }
}
