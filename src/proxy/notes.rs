//! Log events about messages, at most one a second for each account and reason.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use crate::domain::{Msisdn, Tick};
use crate::policy::{Reason, Reasons, Refusal};
use crate::record::refusals::Share;
use crate::record::{Fault, Refused, Verb, faults};
use crate::smpp::{Header, Submission};

use super::gateway::Gateway;
use super::session::{Session, Turn};

/// Least time between two events of one kind, milliseconds.
const INTERVAL_MS: i64 = 1000;

/// When each reason was logged last and how many came since.
#[derive(Debug)]
pub(super) struct Notes {
    refused: [Note; Reason::ALL.len()],
    shadow: [Note; Reason::ALL.len()],
    kept: Share,
    faults: Share,
}

#[derive(Debug)]
struct Note {
    last_ms: AtomicI64,
    since: AtomicU32,
}

impl Default for Notes {
    fn default() -> Self {
        let notes =
            || std::array::from_fn(|_| Note { last_ms: AtomicI64::new(i64::MIN / 2), since: AtomicU32::new(0) });
        Self { refused: notes(), shadow: notes(), kept: Share::default(), faults: Share::default() }
    }
}

impl Note {
    /// How many this event stands for; `None` if it is too early for another.
    fn due(&self, now_ms: i64) -> Option<u32> {
        let last = self.last_ms.load(Ordering::Relaxed);
        let count = self.since.fetch_add(1, Ordering::Relaxed) + 1;
        if now_ms - last < INTERVAL_MS
            || self.last_ms.compare_exchange(last, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return None;
        }
        self.since.store(0, Ordering::Relaxed);
        Some(count)
    }
}

impl Notes {
    /// A message was refused.
    pub(super) fn refused(
        &self,
        account: &str,
        to: impl FnOnce() -> Option<Msisdn>,
        refusal: &Refusal,
        version: u64,
        tick: Tick,
    ) {
        let Some(count) = self.refused[refusal.reason.index()].due(tick.steady_ms) else { return };
        let to_masked = to().map(|to| to.to_string());
        tracing::info!(
            event = "message_refused",
            account,
            reason = refusal.reason.code(),
            clause = refusal.reason.clause(),
            code = refusal.status,
            to_masked,
            policy_version = version,
            count,
            "message refused"
        );
    }

    /// Observed rules would have refused a message.
    pub(super) fn shadow(&self, account: &str, observed: Reasons, version: u64, tick: Tick) {
        for reason in observed.iter() {
            let Some(count) = self.shadow[reason.index()].due(tick.steady_ms) else { continue };
            tracing::info!(
                event = "shadow_refusal",
                account,
                reason = reason.code(),
                clause = reason.clause(),
                policy_version = version,
                count,
                "an observed rule would have refused"
            );
        }
    }
}

/// Keeps a refusal for people who ask, within the account's share of the second.
pub(super) fn keep(session: &Turn<'_>, tick: Tick, header: Header, frame: &[u8], refusal: &Refusal, recipients: u32) {
    let (sender, rules) = (&session.sender, &session.site.rules);
    if !sender.notes.kept.take(tick) {
        return;
    }
    sender.metrics.refusals.keep(Refused {
        at: tick.wall,
        account: sender.account.system_id.clone(),
        session: session.id,
        verb: Verb::of(header.command_id).code(),
        sequence: header.sequence,
        reason: refusal.reason,
        status: refusal.status,
        to: recipient_of(frame, rules.switches.dest.strict_ton),
        recipients,
        policy_version: rules.version,
    });
}

/// Keeps the last PDU of a session that could not be read, without what it says.
pub(super) fn fault(gateway: &Gateway, session: &Session, leg: &'static str, kind: String, frame: &[u8]) {
    let tick = gateway.ticker.tick();
    if !session.sender.notes.faults.take(tick) {
        return;
    }
    let length = frame.first_chunk().map_or(0, |octets| u32::from_be_bytes(*octets));
    gateway.metrics.faults.keep(Fault {
        at: tick.wall,
        session: session.id,
        account: session.sender.account.system_id.clone(),
        leg,
        kind,
        length,
        hex_masked: faults::masked(frame),
    });
}

/// Whom a frame is addressed to, for a log line; `None` if that cannot be read.
pub(super) fn recipient_of(frame: &[u8], strict_ton: bool) -> Option<Msisdn> {
    let to = Submission::read(frame).ok()?.destination;
    Msisdn::parse(to.ton, to.npi, to.digits, strict_ton).ok()
}
