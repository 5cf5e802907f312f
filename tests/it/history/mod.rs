//! One history of a run: what every scripted sender submitted and got back, what
//! the SMSC received and answered on each connection, and when the gateway was
//! killed. [`checker`] replays the promises from it alone.

pub(crate) mod checker;
mod messages;
mod planted;
mod planted_parts;
pub(crate) mod senders;
mod wire;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};

use parking_lot::Mutex;

use smsluice::domain::{Clock, Day, LocalTime, Moment};
use smsluice::sim::journal::{Direction, Entry};
use smsluice::sim::random::Random;
use smsluice::sim::submit::SubmitSpec;

/// Statuses that the histories' policies give their refusals, so that a status tells its reason.
pub(crate) const DUPLICATE: u32 = 0x45;
pub(crate) const QUOTA: u32 = 0x15;
pub(crate) const LEDGER_UNAVAILABLE: u32 = 0x64;
pub(crate) const CLOCK_UNTRUSTED: u32 = 0x65;
pub(crate) const UPSTREAM_DOWN: u32 = 0x66;
/// A refusal by a rule that keeps no state; the scripts break the signature.
pub(crate) const NO_SIGNATURE: u32 = 0x67;
/// A part that its message cannot take any more: its time is over.
pub(crate) const REFERENCE_CLOSED: u32 = 0x43;
/// A part of another day than those before it.
pub(crate) const OTHER_DAY: u32 = 0x68;
/// In every text that keeps the rules, and in no other.
pub(crate) const SIGNATURE: &str = "移动";
/// What the sender is told of an outcome that nobody knows.
pub(crate) const UNKNOWN_OUTCOME: u32 = 0x08;

/// The lines of policy.toml that make statuses tell their reasons.
pub(crate) fn policy(quota: u64, rest: &str) -> String {
    format!(
        "{rest}\n[quota]\nusers = {quota}\n[spread]\nlimit = 10000\n[length]\nlimit = 160\nmultipart = \"group\"\n\
         [status]\nduplicate = {DUPLICATE}\nquota = {QUOTA}\n\
         ledger_unavailable = {LEDGER_UNAVAILABLE}\nclock_untrusted = {CLOCK_UNTRUSTED}\n\
         upstream_down = {UPSTREAM_DOWN}\nno_signature = {NO_SIGNATURE}\n\
         schedule_invalid = {OTHER_DAY}\n"
    )
}

/// What the checker has to know of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// Subscribers a unit may reach in a day.
    pub(crate) quota: u64,
    /// The unit of each account.
    pub(crate) units: BTreeMap<&'static str, &'static str>,
    /// The disk failed now and then, or took its time: a release that the SMSC's refusal made may be
    /// lost by a kill, as docs/durability.md says, and then the slot stays taken.
    pub(crate) sick_disk: bool,
}

impl Terms {
    pub(crate) fn new(quota: u64) -> Self {
        let units = [("hefei", "hefei"), ("hefei2", "hefei"), ("fuyang", "fuyang")];
        Self { quota, units: units.into(), sick_disk: false }
    }
}

/// One act of the senders' side, in the order in which they happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// A session was bound for an account.
    Bound { session: u32, account: &'static str },
    /// A request is about to be written.
    Asked { session: u32, day: Day, octets: Vec<u8> },
    /// A PDU came.
    Received { session: u32, day: Day, octets: Vec<u8> },
    /// The session waited until all was answered and unbound; otherwise it was cut off.
    Closed { session: u32, orderly: bool },
    /// The gateway was killed, with whatever it had under way.
    Killed,
    /// How many outcomes the gateway lists as unknown, right after a start.
    Listed { unknown: u64 },
}

/// Both sides of a run.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) terms: Terms,
    pub(crate) acts: Vec<Act>,
    pub(crate) smsc: Vec<Entry>,
}

/// Writes the senders' side down as it happens; shared by all of them.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    acts: Arc<Mutex<Vec<Act>>>,
    clock: Clock,
    offset_ms: Arc<AtomicI64>,
    next: Arc<Mutex<(u32, u32)>>,
    unsent: Arc<Mutex<Vec<(&'static str, SubmitSpec)>>>,
    references: Arc<AtomicU16>,
}

impl Recorder {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            acts: Arc::default(),
            clock,
            offset_ms: Arc::default(),
            next: Arc::new(Mutex::new((1, 1_000_000))),
            unsent: Arc::default(),
            references: Arc::default(),
        }
    }

    /// Days are told by the clock and so many milliseconds from now on.
    pub(crate) fn set_clock(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::SeqCst);
    }

    pub(crate) fn note(&self, act: Act) {
        self.acts.lock().push(act);
    }

    /// A session's number.
    pub(crate) fn bound(&self, account: &'static str) -> u32 {
        let session = {
            let mut next = self.next.lock();
            next.0 += 1;
            next.0
        };
        self.note(Act::Bound { session, account });
        session
    }

    /// A `sequence_number` that no other request of the run has.
    pub(crate) fn sequence(&self) -> u32 {
        let mut next = self.next.lock();
        next.1 += 1;
        next.1
    }

    /// A number by which the parts of one message are known; no other message of the run has it.
    fn reference(&self) -> u16 {
        self.references.fetch_add(1, Ordering::Relaxed)
    }

    /// Parts that an account still has to send, on whatever session and to whatever gateway comes after this one.
    fn put_off(&self, account: &'static str, part: SubmitSpec) {
        self.unsent.lock().push((account, part));
    }

    /// One of these, drawn.
    fn put_off_before(&self, account: &'static str, random: &mut Random) -> Option<SubmitSpec> {
        let mut unsent = self.unsent.lock();
        let own: Vec<usize> = (0..unsent.len()).filter(|index| unsent[*index].0 == account).collect();
        let index = (!own.is_empty()).then(|| own[random.below(own.len() as u64) as usize])?;
        Some(unsent.swap_remove(index).1)
    }

    pub(crate) fn asked(&self, session: u32, octets: Vec<u8>) {
        self.note(Act::Asked { session, day: self.day(), octets });
    }

    pub(crate) fn received(&self, session: u32, octets: Vec<u8>) {
        self.note(Act::Received { session, day: self.day(), octets });
    }

    /// The history so far.
    pub(crate) fn history(&self, terms: &Terms, smsc: Vec<Entry>) -> History {
        History { terms: terms.clone(), acts: self.acts.lock().clone(), smsc }
    }

    fn day(&self) -> Day {
        let now = self.clock.now().ms() + self.offset_ms.load(Ordering::SeqCst);
        LocalTime::of(Moment::from_ms(now)).day
    }
}

impl History {
    /// Panics with every violation, and keeps the history in a file to look at.
    pub(crate) fn assert_kept(&self, what: &str) {
        let violations = checker::check(self);
        if violations.is_empty() {
            return;
        }
        let path = self.save(what);
        let list: Vec<String> = violations.iter().take(20).map(ToString::to_string).collect();
        panic!("{what}: {} violations, history in {}\n{}", violations.len(), path.display(), list.join("\n"));
    }

    /// Recipients cut out of a submit_multi, and messages in parts that the SMSC has as a whole.
    pub(crate) fn exercised(&self) -> (usize, usize) {
        messages::Messages::read(self).exercised()
    }

    fn save(&self, what: &str) -> PathBuf {
        let name: String = what.chars().map(|ch| if ch.is_ascii_alphanumeric() { ch } else { '-' }).collect();
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("history-{name}-{}.txt", std::process::id()));
        std::fs::write(&path, self.to_text()).expect("the history is written");
        path
    }

    /// A line an act, then a line a PDU of the SMSC's journal.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        for act in &self.acts {
            let _ = match act {
                Act::Bound { session, account } => writeln!(text, "bound {session} {account}"),
                Act::Asked { session, day, octets } => writeln!(text, "asked {session} {day} {}", hex(octets)),
                Act::Received { session, day, octets } => writeln!(text, "received {session} {day} {}", hex(octets)),
                Act::Closed { session, orderly } => writeln!(text, "closed {session} orderly={orderly}"),
                Act::Killed => writeln!(text, "killed"),
                Act::Listed { unknown } => writeln!(text, "listed {unknown}"),
            };
        }
        for Entry { at_ms, connection, direction, octets } in &self.smsc {
            let way = if *direction == Direction::In { "in" } else { "out" };
            let _ = writeln!(text, "smsc {at_ms} {connection} {way} {}", hex(octets));
        }
        text
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
