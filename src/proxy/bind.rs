//! From a connection to a bound session. The bind goes through to the SMSC with
//! the sender's own credentials; the gateway refuses what it must not let
//! through and never knows a password.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::policy::Quirk;
use crate::smpp::answer;
use crate::smpp::bind::Bind;
use crate::smpp::command::{self, status};
use crate::smpp::frame::{Cut, Header};

use super::gateway::{Gateway, Sender, Site};
use super::session::Bound;
use super::upstream::Way;
use super::wire::{self, Inbox};

/// No bind is longer, and before it nobody has a claim on more memory.
const MAX_BEFORE_BIND: usize = 4096;
/// Requests that may be wrong before a bind, refused binds among them.
const ATTEMPTS: usize = 8;

/// Brings one connection to a bound session; `None` when it ended before.
pub(super) async fn bind(gateway: &Gateway, esme: TcpStream, peer: IpAddr) -> Option<Bound> {
    let mut inbox = Inbox::default();
    for _ in 0..ATTEMPTS {
        let deadline = Instant::now() + gateway.site().settings.session_init_timeout;
        let frame = timeout_at(deadline, front(gateway, "esme", &esme, &mut inbox)).await.ok()??;
        let header = Header::read(&frame)?;
        if command::is_bind(header.command_id) {
            let site = gateway.site();
            match Attempt::new(gateway, &site, peer, header, &frame).run().await {
                Tried::Bound { sender, smsc, way, reply, from_smsc, bind } => {
                    if say(gateway, &esme, &reply).await.is_none() {
                        sender.leave();
                        return None;
                    }
                    return Some(Bound {
                        esme,
                        smsc,
                        sender,
                        bind_type: bind.bind_type,
                        version: bind.version,
                        way,
                        from_esme: inbox,
                        from_smsc,
                    });
                }
                Tried::Refused(reply) => say(gateway, &esme, &reply).await?,
            }
        } else {
            gateway.metrics.protocol_errors.with_label_values(&["esme", "not_bound"]).inc();
            if let Some(reply) = before_bind(header) {
                say(gateway, &esme, &reply).await?;
            }
            if header.command_id == command::UNBIND {
                return None;
            }
        }
    }
    None
}

/// The next whole PDU, taken out of the inbox.
async fn front(gateway: &Gateway, leg: &'static str, stream: &TcpStream, inbox: &mut Inbox) -> Option<Vec<u8>> {
    let leg_metrics = if leg == "esme" { &gateway.metrics.esme_leg } else { &gateway.metrics.smsc_leg };
    loop {
        match Cut::at(inbox.octets(), MAX_BEFORE_BIND) {
            Cut::Whole(length) => {
                let frame = inbox.octets()[..length].to_vec();
                leg_metrics.received(&frame);
                inbox.consume(length);
                return Some(frame);
            }
            Cut::Partial(_) => inbox.consume(0), // lets go of the large buffer
            Cut::Bad(length) => {
                gateway.metrics.protocol_errors.with_label_values(&[leg, "not_smpp"]).inc();
                tracing::info!(event = "protocol_error", leg, length, "not SMPP; closing");
                if leg == "esme" {
                    say(gateway, stream, &answer::generic_nack(0, status::ESME_RINVCMDLEN)).await;
                }
                return None;
            }
        }
        match inbox.fill(stream).await {
            Ok(0) | Err(_) => return None,
            Ok(octets) => leg_metrics.read(octets),
        }
    }
}

/// Writes one answer to the sender.
async fn say(gateway: &Gateway, esme: &TcpStream, answer: &[u8]) -> Option<()> {
    wire::write_one(esme, answer).await.ok()?;
    gateway.metrics.esme_leg.sent_all(answer);
    Some(())
}

/// Nothing but a bind before the bind.
fn before_bind(header: Header) -> Option<[u8; 16]> {
    if header.command_id == command::UNBIND {
        return Some(answer::refusal(header, status::ESME_ROK));
    }
    if header.command_id & command::RESPONSE != 0 {
        return None;
    }
    Some(match command::name(header.command_id) {
        "other" => answer::generic_nack(header.sequence, status::ESME_RINVCMDID),
        _ => answer::refusal(header, status::ESME_RINVBNDSTS),
    })
}

/// How an attempt ended.
enum Tried {
    Bound {
        sender: Arc<Sender>,
        smsc: TcpStream,
        way: Way,
        reply: Vec<u8>,
        from_smsc: Inbox,
        bind: Bind,
    },
    /// The answer to give.
    Refused(Vec<u8>),
}

/// One bind request.
struct Attempt<'a> {
    gateway: &'a Gateway,
    site: &'a Site,
    peer: IpAddr,
    header: Header,
    frame: &'a [u8],
}

impl<'a> Attempt<'a> {
    const fn new(gateway: &'a Gateway, site: &'a Site, peer: IpAddr, header: Header, frame: &'a [u8]) -> Self {
        Self { gateway, site, peer, header, frame }
    }

    async fn run(&self) -> Tried {
        let Some(bind) = Bind::read(self.frame) else { return self.refuse_unknown("malformed") };
        let Some(sender) = self.site.sender(&bind.system_id) else { return self.refuse_unknown("unknown_account") };
        if !sender.account.admits(self.peer) {
            return self.refuse(sender, "wrong_network", status::ESME_RBINDFAIL);
        }
        if self.gateway.is_draining() {
            return self.refuse(sender, "draining", status::ESME_RSYSERR);
        }
        if !sender.enter() {
            return self.refuse(sender, "too_many_sessions", status::ESME_RBINDFAIL);
        }
        let tried = self.through(sender, &bind).await;
        if matches!(tried, Tried::Refused(_)) {
            sender.leave();
        }
        tried
    }

    /// To the SMSC, and its answer back.
    async fn through(&self, sender: &Arc<Sender>, bind: &Bind) -> Tried {
        let Some((smsc, way)) = self.gateway.upstream.connect(&self.gateway.metrics).await else {
            return self.refuse(sender, "smsc_down", status::ESME_RSYSERR);
        };
        let mut from_smsc = Inbox::default();
        let patience: Duration = self.site.settings.response_timeout;
        let exchange = async {
            wire::write_one(&smsc, self.frame).await.ok()?;
            self.gateway.metrics.smsc_leg.sent_all(self.frame);
            front(self.gateway, "smsc", &smsc, &mut from_smsc).await
        };
        let Ok(Some(reply)) = timeout(patience, exchange).await else {
            way.metrics.up.set(0);
            return self.refuse(sender, "smsc_silent", status::ESME_RSYSERR);
        };
        let accepted = Header::read(&reply).is_some_and(|answer| {
            answer.command_id == self.header.command_id | command::RESPONSE && answer.status == status::ESME_ROK
        });
        if !accepted {
            self.note(sender, "smsc_refused");
            return Tried::Refused(reply);
        }
        if bind.system_id.len() > 15 {
            sender.metrics.tolerated(Quirk::LongSystemId);
        }
        self.note(sender, "accepted");
        Tried::Bound { sender: Arc::clone(sender), smsc, way, reply, from_smsc, bind: bind.clone() }
    }

    fn refuse_unknown(&self, result: &'static str) -> Tried {
        self.gateway.metrics.bind_of_unknown(result);
        tracing::warn!(event = "bind_refused", peer_ip = %self.peer, result, "bind refused");
        Tried::Refused(answer::refusal(self.header, status::ESME_RBINDFAIL).to_vec())
    }

    fn refuse(&self, sender: &Sender, result: &'static str, status: u32) -> Tried {
        self.note(sender, result);
        Tried::Refused(answer::refusal(self.header, status).to_vec())
    }

    fn note(&self, sender: &Sender, result: &'static str) {
        sender.metrics.bind(result);
        let (account, peer) = (&*sender.account.system_id, self.peer);
        if result == "accepted" {
            tracing::info!(event = "bind_accepted", account, peer_ip = %peer, "bound");
        } else {
            tracing::warn!(event = "bind_refused", account, peer_ip = %peer, result, "bind refused");
        }
    }
}
