//! Floor 2: who has been sent to today.
//!
//! What is promised (design P1, P2, P3, P6, P8, P9):
//! - A subscriber's slot for a local day is taken before the message leaves, and
//!   the taking is the check. Of two that want it, one gets it.
//! - What was taken is in the journal, as durable as configured, before the
//!   message is written to the SMSC. After a crash it is taken still.
//! - What the SMSC refuses is free again before the sender sees the refusal.
//! - What nobody answers counts as sent, is listed, and stays.
//!
//! What is not: a reservation whose process died before the message left stays
//! taken; the rule is about not sending twice. And two gateways with a folder each
//! do not see each other's slots unless they share a ledger ([`shared`]): each
//! must own its accounts *and* its subscribers.

mod archive;
mod batch;
pub mod book;
mod damage;
mod digest;
pub mod disk;
mod fading;
mod group;
mod head;
pub mod history;
pub mod journal;
mod lock;
#[cfg(test)]
mod model;
pub mod names;
pub mod operate;
mod outcomes;
mod parts;
mod reach;
mod record;
mod recovery;
mod reserve;
pub mod seal;
mod settle;
pub mod shared;
mod slot;
mod slots;
mod survey;
mod tail;
mod tend;
mod volume;
pub mod waiting;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::domain::{Day, LocalTime, Ticker};
use crate::policy::switches::Switches;
use crate::policy::{Permit, Refusal, Ruleset};

pub use self::batch::{About, Batch};
pub use self::book::{Book, Side};
pub use self::damage::{AcceptError, Damage, DamageKind};
pub use self::journal::{CommitObserver, Durability, Journal, NotDurable};
pub use self::lock::LockError;
pub use self::names::Names;
pub use self::record::{PolicyName, Settled, TextDigest};
pub use self::recovery::Recovered;
pub use self::reserve::{Claim, Reservation, Scopes, quota_scope};
pub use self::shared::together::{Everywhere, Peer, Renewed, Together};
pub use self::shared::{Confirmed, Denied, SharedSettings, SharedState};
pub use self::volume::ReadError;

use self::disk::Disk;
use self::journal::Start;
use self::lock::FolderLock;
use self::operate::Unknown;
use self::parts::Parts;
use self::reach::Reach;
use self::record::Cancelled;
use self::recovery::Replay;
use self::reserve::Spreads;
use self::shared::Shared;
use self::survey::Survey;
use self::volume::Shelf;
use self::waiting::{Cancel, Scheduled, Waiting};
use self::watch::Watch;

/// Octets of a write-ahead log after which the journal's volumes take turns.
const LOG_SIZE_MAX: u64 = 32 * 1024 * 1024;

/// Where the ledger is and what it promises.
#[derive(Clone, Debug)]
pub struct LedgerSettings {
    /// Its folder; owned by one process at a time.
    pub path: PathBuf,
    /// What a reservation survives before its message leaves.
    pub durability: Durability,
    /// What stands before its disk; [`disk::RealDisk`] in service.
    pub disk: Arc<dyn Disk>,
    /// The server that several gateways share; `None` where slots are the gateway's own.
    pub shared: Option<SharedSettings>,
}

impl LedgerSettings {
    /// A ledger on the disk as it is.
    pub fn new(path: PathBuf, durability: Durability) -> Self {
        Self { path, durability, disk: Arc::new(disk::RealDisk), shared: None }
    }

    fn shelf(self) -> Shelf {
        let Self { path, durability, disk, shared: _ } = self;
        Shelf { folder: path, durability, disk, log_size_max: LOG_SIZE_MAX }
    }
}

/// The ledger of one gateway.
#[derive(Debug)]
pub struct Ledger {
    ticker: Ticker,
    days: ArcSwap<Vec<(Day, Arc<Book>)>>,
    spreads: Spreads,
    parts: Parts,
    journal: Arc<Journal>,
    names: Mutex<Names>,
    unknown: Mutex<Unknown>,
    waiting: Waiting,
    /// Days before its own on which a message can have been submitted for a day, and one more.
    reach: AtomicU16,
    remembered: Mutex<Reach>,
    reserved: AtomicU64,
    untold: AtomicU64,
    unsealed: AtomicU64,
    /// Days that records are kept.
    retention: AtomicU16,
    /// The first day that may still be sent for; days before it are forgotten.
    floor: AtomicU16,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
    closing: AtomicBool,
    watch: Watch,
    /// Where slots are taken that several gateways share.
    shared: Option<Arc<Shared>>,
    _lock: FolderLock,
}

/// Why the ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it, or the folder cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The journal cannot be read back.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The journal cannot be written.
    #[error("the journal cannot be opened for writing: {0}")]
    Write(#[from] rusqlite::Error),
    /// Nor can what stands beside it.
    #[error("the ledger's folder cannot be written: {0}")]
    Folder(#[from] std::io::Error),
    /// What the folder remembers of a shared ledger cannot be read.
    #[error("shared.runs in the ledger's folder cannot be used: {0}")]
    Runs(std::io::Error),
}

fn retention(switches: &Switches) -> u16 {
    switches.audit.retention_days.min(u32::from(u16::MAX)) as u16
}

impl Ledger {
    /// Locks the folder, replays the days that still matter and opens today's journal.
    pub fn open(
        settings: LedgerSettings,
        switches: &Switches,
        ticker: Ticker,
        observer: Arc<dyn CommitObserver>,
    ) -> Result<(Arc<Self>, Recovered), OpenError> {
        let lock = FolderLock::take(&settings.path)?;
        let tick = ticker.tick();
        let (folder, share) = (settings.path.clone(), settings.shared.clone());
        let shelf = settings.shelf();
        let today = LocalTime::of(tick.wall).day;
        let (mut remembered, broken) = survey::reach(&shelf.folder)?;
        let reach = remembered.days(recovery::reach(switches), today);
        let found = survey::survey(&shelf, switches, reach, tick, broken)?;
        let (mut replay, ends, damage, accepted, rows_lost) = match found {
            Survey::Whole(whole) => {
                (whole.replay, Some((whole.head, whole.tail)), None, whole.accepted, whole.rows_lost)
            }
            Survey::Damaged(damage) => (Replay::of_nothing(switches, tick), None, Some(damage), None, 0),
        };
        if damage.is_none() {
            remembered.put(recovery::reach(switches), today).map_err(ReadError::Io)?;
        }
        let (day, next_id, next_row) = (replay.last_day, replay.next_id, replay.last_row + 1);
        let start = Start { day, names: &replay.names, next_id, next_row, ends };
        let journal = Journal::open(shelf, ticker.clone(), start, observer)?;
        let (mut days, summary) = replay.finish(&journal, switches);
        let summary = Recovered { rows_lost, accepted, ..summary };
        let shared = match share {
            None => None,
            Some(share) => {
                for (_, book) in &mut days {
                    *book = Arc::new(Book::shown(book.rows()));
                }
                (replay.unknown, replay.parts) = Default::default(); // the server has them
                let names = replay.names.by_number();
                Some(Arc::new(Shared::open(&folder, share, ticker.clone(), names).map_err(OpenError::Runs)?))
            }
        };
        let ledger = Arc::new(Self {
            ticker,
            days: ArcSwap::from_pointee(days),
            spreads: replay.spreads,
            parts: replay.parts,
            journal,
            names: Mutex::new(replay.names),
            unknown: Mutex::new(replay.unknown),
            waiting: replay.waiting,
            reach: AtomicU16::new(reach),
            remembered: Mutex::new(remembered),
            reserved: AtomicU64::new(0),
            untold: AtomicU64::new(0),
            unsealed: AtomicU64::new(0),
            retention: AtomicU16::new(retention(switches)),
            floor: AtomicU16::new(LocalTime::of(tick.wall).day.number()), // earlier days were not replayed
            threads: Mutex::default(),
            closing: AtomicBool::new(false),
            watch: Watch::default(),
            shared,
            _lock: lock,
        });
        ledger.turn_day(LocalTime::of(tick.wall).day);
        ledger.watch.begin(damage);
        if summary.accepted.is_some() {
            ledger.journal.settle_head()?; // from now on this is the whole journal
            damage::forget_acceptance(&ledger.journal.shelf().folder)?;
        }
        if let Some(shared) = ledger.shared.as_ref().filter(|_| !ledger.watch.is_damaged()) {
            shared.recall(&ledger, switches)?;
        }
        Ok((ledger, summary))
    }

    /// Numbers for every account of a ruleset, by account id.
    pub fn scopes(&self, rules: &Ruleset) -> rusqlite::Result<Vec<Scopes>> {
        self.reach_as_far_as(&rules.switches)?;
        self.retention.store(retention(&rules.switches), Ordering::Relaxed);
        let mut names = self.names.lock();
        let scopes = rules
            .accounts
            .iter()
            .map(|account| Scopes {
                account: names.account(&account.system_id),
                unit: names.unit(rules.unit(account.unit)),
            })
            .collect();
        self.journal.write_names(&names)?;
        if let Some(shared) = &self.shared {
            shared.name(names.by_number());
        }
        Ok(scopes)
    }

    /// Messages may be scheduled as far ahead as the switches say from now on; a start knows of it. Less far is for the next
    /// start: what was taken under the larger one still waits.
    fn reach_as_far_as(&self, switches: &Switches) -> rusqlite::Result<()> {
        let wanted = recovery::reach(switches);
        if wanted > self.reach.fetch_max(wanted, Ordering::SeqCst) {
            let today = LocalTime::of(self.ticker.tick().wall).day;
            let put = self.remembered.lock().put(wanted, today);
            put.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        }
        Ok(())
    }

    /// How many days before a day a message for it can have been submitted, and one more.
    fn reach(&self) -> u16 {
        self.reach.load(Ordering::SeqCst)
    }

    /// Takes all that a permitted message needs, or nothing. What has to be durable is appended to the batch.
    pub fn reserve(&self, claim: &Claim<'_>, permit: &Permit, batch: &mut Batch) -> Result<Reservation, Refusal> {
        batch.belongs(claim, permit);
        if let Some(shared) = &self.shared {
            return shared.reserve(claim, permit, batch);
        }
        if let Some(piece) = permit.piece() {
            return self.parts.reserve(claim, permit, piece, || self.take(claim, permit), batch);
        }
        let mut reservation = self.take(claim, permit)?;
        batch.reserve(claim, permit, &mut reservation);
        Ok(reservation)
    }

    fn take(&self, claim: &Claim<'_>, permit: &Permit) -> Result<Reservation, Refusal> {
        if permit.day().number() < self.floor.load(Ordering::SeqCst) || self.watch.is_damaged() {
            return Err(reserve::forgotten(claim)); // the clock was set back: an emptied day must not be sent for again
        }
        let days = self.days.load();
        match days.iter().find(|(day, _)| *day == permit.day()) {
            Some((_, book)) => reserve::take(book, &self.spreads, claim, permit),
            None => reserve::take(&self.turn_day(permit.day()), &self.spreads, claim, permit),
        }
    }

    /// Waits until what the batch reserved is durable: in the journal, and on the server where there is a shared ledger,
    /// which may still refuse some of it. Tells what it refuses; nothing is taken for that.
    pub async fn confirm<'a>(
        &self,
        batch: &mut Batch,
        reservations: impl Iterator<Item = &'a mut Reservation>,
        claim: &Claim<'_>,
    ) -> Result<Confirmed, NotDurable> {
        match &self.shared {
            None => self.durable(batch, reservations).await.map(|()| Confirmed::default()),
            Some(shared) => shared.confirm(self, batch, reservations.collect(), claim).await,
        }
    }

    /// Appends the batch's records and waits until they are durable, if anything is taken by them. Gives every
    /// reservation of the batch its id.
    pub async fn durable<'a>(
        &self,
        batch: &mut Batch,
        reservations: impl Iterator<Item = &'a mut Reservation>,
    ) -> Result<(), NotDurable> {
        let count = batch.reservations();
        if count == 0 {
            self.note(batch);
            return Ok(());
        }
        if self.journal.is_stalled() {
            batch.drop_reservations(); // a disk that does not answer the one before
            return Err(NotDurable::Failed);
        }
        let ticket = batch.append(&self.journal);
        let mut durable = 0;
        for reservation in reservations {
            reservation.id += ticket.first_id - 1; // it was its place
            durable += u64::from(reservation.is_durable());
        }
        if durable == 0 {
            return Ok(()); // what takes nothing is written down, and waits for nobody
        }
        let written = self.journal.durable(ticket).await;
        match written {
            Ok(()) => drop(self.reserved.fetch_add(durable, Ordering::Relaxed)),
            // The commit may still succeed: what it takes is given back behind it.
            Err(NotDurable::Late) => (ticket.first_id..).take(count as usize).for_each(|id| batch.voided(id)),
            Err(NotDurable::Failed) => {}
        }
        written
    }

    /// Messages that wait inside the SMSC for their time.
    pub const fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// The accounts' names by their numbers.
    pub fn account_names(&self) -> std::collections::HashMap<u16, String> {
        let names = self.journal.names();
        let own = |(id, name): (u16, &str)| Some((id, name.strip_prefix("account:")?.to_owned()));
        names.iter().filter_map(own).collect()
    }

    /// The SMSC has taken a message for a later time.
    pub fn waits(&self, scheduled: Scheduled, batch: &mut Batch) {
        record::write_scheduled(&scheduled, batch.bound());
        self.waiting.enter(scheduled);
    }

    /// The SMSC has cancelled one: for its sender, or for the gateway during a pause, which people have to see.
    pub fn cancelled(&self, account: u16, smsc: &str, message_id: &[u8], by_gateway: bool, batch: &mut Batch) {
        let entry = if by_gateway {
            self.waiting.find(account, smsc, message_id)
        } else {
            self.waiting.remove(account, smsc, message_id)
        };
        let Some(entry) = entry else { return };
        entry.set_cancel(Cancel::Done);
        let cancelled = Cancelled { account, by_gateway, smsc: smsc.into(), message_id: message_id.into() };
        record::write_cancelled(&cancelled, batch.bound());
    }

    /// The book of a day, if it is open.
    pub fn book(&self, day: Day) -> Option<Arc<Book>> {
        self.days.load().iter().find(|(own, _)| *own == day).map(|(_, book)| Arc::clone(book))
    }

    /// Slots taken for the days after a day.
    pub fn scheduled(&self, today: Day) -> u64 {
        self.days.load().iter().filter(|(day, _)| *day > today).map(|(_, book)| book.rows()).sum()
    }

    /// Messages whose outcome is unknown.
    pub fn unknown(&self) -> usize {
        if let Some(shared) = &self.shared {
            return shared.unknown();
        }
        self.unknown.lock().len()
    }

    /// Messages reserved and not settled.
    pub fn reserved(&self) -> u64 {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Octets of all the files in the ledger's folder. Looks at the disk.
    pub fn size(&self) -> u64 {
        self.journal.octets_on_disk()
    }

    /// Whether the last commit succeeded, the files are what they should be, and a shared ledger is there; without
    /// either nothing may be sent (P12).
    pub fn is_trusted(&self) -> bool {
        let shared = self.shared.as_ref();
        self.journal.is_trusted() && !self.watch.is_damaged() && shared.is_none_or(|shared| shared.is_up())
    }

    /// Why nothing may be sent, beside damage and a disk that stands still.
    pub fn trouble(&self) -> Option<&'static str> {
        if !self.journal.is_trusted() {
            return Some("ledger_unavailable");
        }
        let shared = self.shared().and_then(|shared| shared.trouble);
        shared.or((!self.is_trusted()).then_some("ledger_unavailable"))
    }

    /// Whether the disk has not answered for [`Journal::PATIENCE`].
    pub fn is_stalled(&self) -> bool {
        self.journal.is_stalled()
    }

    /// Opens a day's book beside those that are open.
    fn turn_day(&self, day: Day) -> Arc<Book> {
        self.days.rcu(|days| {
            let mut days = Vec::clone(days);
            if !days.iter().any(|(own, _)| *own == day) {
                days.push((day, Arc::default()));
            }
            days
        });
        self.book(day).unwrap_or_default()
    }
}
