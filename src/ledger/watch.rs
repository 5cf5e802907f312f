//! Whether the ledger's files can be believed, told as soon as it changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;

use crate::domain::Day;

use super::Ledger;
use super::damage::{self, AcceptError, Damage};

/// How often the commit under way is looked at, and how long it may take before others are woken.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_millis(50);

/// The damage there is.
#[derive(Debug, Default)]
pub(super) struct Watch {
    damage: ArcSwapOption<Damage>,
    damaged: AtomicBool,
    /// Found at the start: the journal is not open, and another start has to look again.
    at_start: AtomicBool,
    stalled: AtomicBool,
}

impl Watch {
    /// What the start found.
    pub(super) fn begin(&self, damage: Option<Damage>) {
        self.at_start.store(damage.is_some(), Ordering::SeqCst);
        self.set(damage);
    }

    /// Whether there is damage: then nothing is taken.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    fn set(&self, damage: Option<Damage>) {
        self.damaged.store(damage.is_some(), Ordering::SeqCst);
        self.damage.store(damage.map(Arc::new));
    }
}

impl Ledger {
    /// Damage of the files, while there is any.
    pub fn damage(&self) -> Option<Arc<Damage>> {
        self.watch.damage.load_full()
    }

    /// Accepts what the start found missing: the next start goes on with what there is. On disk when this returns.
    /// Whoever calls this records who did it and why.
    pub fn accept(&self, code: &str) -> Result<Arc<Damage>, AcceptError> {
        let damage = self.damage().filter(|damage| self.watch.at_start.load(Ordering::SeqCst) && damage.code() == code);
        let damage = damage.ok_or(AcceptError::NoSuchDamage)?;
        damage::accept(&self.journal.shelf().folder, code)?;
        Ok(damage)
    }

    /// A thread that asks no disk and waits for no lock, for all others may hang. A worker that hangs in a commit may be
    /// the one that looked at the sockets for all, and nobody would take its place: so another one is woken.
    pub(super) fn watch_the_disk(self: &Arc<Self>) -> std::io::Result<JoinHandle<()>> {
        let (ledger, runtime) = (Arc::downgrade(self), Handle::try_current().ok());
        std::thread::Builder::new().name("ledger-watch".to_owned()).spawn(move || {
            while let Some(ledger) = ledger.upgrade().filter(|ledger| !ledger.closing.load(Ordering::SeqCst)) {
                if let Some(runtime) = runtime.as_ref().filter(|_| ledger.journal.has_not_answered_for(SLOW)) {
                    runtime.spawn(std::future::ready(()));
                }
                ledger.tell_stall();
                drop(ledger);
                std::thread::park_timeout(LOOK_EVERY);
            }
        })
    }

    fn tell_stall(&self) {
        let now = self.journal.is_stalled();
        match (self.watch.stalled.swap(now, Ordering::SeqCst), now) {
            (false, true) => {
                tracing::error!(event = "ledger_stalled", "the ledger's disk does not answer; submissions are refused");
            }
            (true, false) => tracing::info!(event = "ledger_answers", "the ledger's disk answers again"),
            _ => {}
        }
    }

    /// The keeper's look at the files.
    pub(super) fn guard(&self, today: Day) {
        if self.watch.at_start.load(Ordering::SeqCst) {
            return;
        }
        self.journal.forget_before(Day::from_number(today.number().saturating_sub(self.reach())));
        if self.journal.keep_head() {
            tracing::warn!(event = "ledger_head_renewed", "the ledger's head was removed or replaced; it is made anew");
        }
        if self.journal.keep_tail() {
            tracing::warn!(
                event = "ledger_tail_renewed",
                "the ledger's tail was removed, replaced or cut; it is made anew"
            );
        }
        let found = self.journal.guard().err();
        if found.as_ref() == self.damage().as_deref() {
            return;
        }
        if let Some(damage) = &found {
            damage.tell();
        } else {
            tracing::info!(event = "ledger_whole", "the ledger's files are in their places again");
        }
        self.watch.set(found);
    }
}

impl Damage {
    /// Writes the event.
    pub fn tell(&self) {
        tracing::error!(
            event = "ledger_damaged",
            kind = self.kind.code(),
            what = self.what,
            code = self.code(),
            advice = self.kind.advice(),
            "the ledger's files are not what was written; submissions are refused"
        );
    }
}
