//! Who is bound, for people; and sending somebody away.

use std::net::SocketAddr;

use tokio::time::Instant;

use crate::domain::{Moment, Tick};
use crate::smpp::bind::BindType;

use super::gateway::Gateway;
use super::session::{End, Session};

/// A bound session as it is at one moment.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// Its number in this process.
    pub id: u64,
    /// Whose it is.
    pub account: Box<str>,
    /// Which way it may carry messages.
    pub bind_type: BindType,
    /// interface_version of its bind.
    pub version: u8,
    /// The sender's address.
    pub peer: Option<SocketAddr>,
    /// The SMSC's address.
    pub smsc: Option<SocketAddr>,
    /// When it was bound.
    pub since: Moment,
    /// Messages that wait for the SMSC's answer.
    pub in_flight: usize,
    /// When the sender was heard last.
    pub heard: Moment,
    /// When the SMSC was heard last.
    pub smsc_heard: Moment,
}

impl Gateway {
    /// Every bound session, in order of their numbers.
    pub fn roster(&self) -> Vec<SessionView> {
        let tick = self.ticker.tick();
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        let mut views: Vec<_> = sessions.iter().map(|session| SessionView::of(session, tick)).collect();
        views.sort_by_key(|view| view.id);
        views
    }

    /// Ends a session: it takes leave as in a drain, and its sender may bind again. `None` if there is no such session.
    pub fn kick(&self, id: u64) -> Option<SessionView> {
        let session = self.sessions.lock().get(&id).cloned()?;
        let view = SessionView::of(&session, self.ticker.tick());
        session.leave(End::KICK, Instant::now() + self.site().settings.drain_timeout);
        Some(view)
    }

    /// The SMSC addresses in the order in which they are tried, each with its counters.
    pub fn smscs(&self) -> impl Iterator<Item = (&str, &crate::record::metrics::SmscMetrics)> {
        self.upstream.all()
    }
}

impl SessionView {
    fn of(session: &Session, tick: Tick) -> Self {
        // Timers run on the steady clock; people read the one on the wall.
        let wall = |steady_ms: i64| Moment::from_ms(tick.wall.ms() - (tick.steady_ms - steady_ms).max(0));
        let (heard_ms, smsc_heard_ms) = session.heard_ms();
        Self {
            id: session.id,
            account: session.sender.account.system_id.clone(),
            bind_type: session.bind_type,
            version: session.version,
            peer: session.peer,
            smsc: session.upstream,
            since: session.since,
            in_flight: session.window.lock().waiting(),
            heard: wall(heard_ms),
            smsc_heard: wall(smsc_heard_ms),
        }
    }
}
