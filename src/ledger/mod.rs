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
//! taken; the rule is about not sending twice. And two gateways do not see each
//! other's slots: each must own its accounts *and* its subscribers.

pub mod book;
pub mod disk;
mod fading;
mod group;
pub mod journal;
mod lock;
pub mod names;
pub mod operate;
mod outcomes;
mod parts;
mod reach;
mod record;
mod recovery;
mod reserve;
mod slot;
mod volume;
pub mod waiting;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::domain::{Day, Invariant, LocalTime, Ticker};
use crate::policy::switches::Switches;
use crate::policy::{Permit, Refusal, Ruleset};

pub use self::book::{Book, Side};
pub use self::journal::{CommitObserver, Durability, Journal, NotDurable};
pub use self::lock::LockError;
pub use self::names::Names;
pub use self::record::Settled;
pub use self::recovery::Recovered;
pub use self::reserve::{Claim, Reservation, Scopes, quota_scope};
pub use self::volume::ReadError;

use self::disk::Disk;
use self::lock::FolderLock;
use self::operate::{Unanswered, Unknown};
use self::parts::{PartOf, Parts};
use self::reach::Reach;
use self::record::{Cancelled, Taken};
use self::reserve::Spreads;
use self::volume::Shelf;
use self::waiting::{Cancel, Scheduled, Waiting};

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
}

impl LedgerSettings {
    /// A ledger on the disk as it is.
    pub fn new(path: PathBuf, durability: Durability) -> Self {
        Self { path, durability, disk: Arc::new(disk::RealDisk) }
    }

    fn shelf(self) -> Shelf {
        let Self { path, durability, disk } = self;
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
    /// The first day that may still be sent for; days before it are forgotten.
    floor: AtomicU16,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
    closing: AtomicBool,
    _lock: FolderLock,
}

/// Records gathered by one session for its next append; reused from batch to batch.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<u8>,
}

impl Batch {
    /// How much it holds, for [`Batch::cut_back`].
    pub const fn mark(&self) -> usize {
        self.records.len()
    }

    /// Drops what was added since the mark: reservations that are given back before they were appended.
    pub fn cut_back(&mut self, mark: usize) {
        self.records.truncate(mark);
    }
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
        let shelf = settings.shelf();
        let today = LocalTime::of(tick.wall).day;
        let mut remembered = Reach::read(&shelf.folder).map_err(ReadError::Io)?;
        let reach = remembered.days(recovery::reach(switches), today);
        let mut replay = recovery::replay(&shelf, switches, reach, tick)?;
        remembered.put(recovery::reach(switches), today).map_err(ReadError::Io)?;
        let (day, next_row) = (replay.last_day, replay.last_row + 1);
        let journal = Journal::open(shelf, ticker.clone(), day, &replay.names, replay.next_id, next_row, observer)?;
        let (days, summary) = replay.finish(&journal, switches);
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
            floor: AtomicU16::new(LocalTime::of(tick.wall).day.number()), // earlier days were not replayed
            threads: Mutex::default(),
            closing: AtomicBool::new(false),
            _lock: lock,
        });
        ledger.turn_day(LocalTime::of(tick.wall).day);
        Ok((ledger, summary))
    }

    /// Starts the journal's writer thread and the housekeeping beside it.
    pub fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let journal = Arc::clone(&self.journal);
        let writer =
            std::thread::Builder::new().name("ledger-writer".to_owned()).spawn(move || journal.run_writer())?;
        let ledger = Arc::downgrade(self);
        let keeper = std::thread::Builder::new().name("ledger-keeper".to_owned()).spawn(move || {
            while let Some(ledger) = ledger.upgrade().filter(|ledger| !ledger.closing.load(Ordering::SeqCst)) {
                ledger.keep();
                drop(ledger);
                std::thread::park_timeout(std::time::Duration::from_secs(1));
            }
        })?;
        *self.threads.lock() = vec![writer, keeper];
        Ok(())
    }

    /// Numbers for every account of a ruleset, by account id.
    pub fn scopes(&self, rules: &Ruleset) -> rusqlite::Result<Vec<Scopes>> {
        self.reach_as_far_as(&rules.switches)?;
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
        if let Some(piece) = permit.piece() {
            return self.parts.reserve(claim, permit, piece, || self.take(claim, permit), &mut batch.records);
        }
        let reservation = self.take(claim, permit)?;
        reservation.write(&mut batch.records);
        Ok(reservation)
    }

    fn take(&self, claim: &Claim<'_>, permit: &Permit) -> Result<Reservation, Refusal> {
        if permit.day().number() < self.floor.load(Ordering::SeqCst) {
            return Err(reserve::forgotten(claim)); // the clock was set back: an emptied day must not be sent for again
        }
        let days = self.days.load();
        match days.iter().find(|(day, _)| *day == permit.day()) {
            Some((_, book)) => reserve::take(book, &self.spreads, claim, permit),
            None => reserve::take(&self.turn_day(permit.day()), &self.spreads, claim, permit),
        }
    }

    /// Appends the batch's records and waits until they are durable. Gives every
    /// durable reservation of the batch its id, in the order in which they were taken.
    pub async fn durable<'a>(
        &self,
        batch: &mut Batch,
        reservations: impl Iterator<Item = &'a mut Reservation>,
    ) -> Result<(), NotDurable> {
        if batch.records.is_empty() {
            return Ok(());
        }
        let mut own: Vec<&mut Reservation> = Vec::with_capacity(batch.records.len() / record::RESERVED_SIZE);
        own.extend(reservations.filter(|one| one.is_durable()));
        let ticket = self.journal.append(&mut batch.records, own.len() as u64);
        for (id, reservation) in (ticket.first_id..).zip(&mut own) {
            reservation.id = id;
        }
        self.journal.durable(ticket).await?;
        self.reserved.fetch_add(own.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Gives back what a message took that is not sent after all. With `journalled`, its
    /// reservation may be on disk and a record of its release follows.
    pub fn undo(&self, reservation: &Reservation, journalled: bool, batch: &mut Batch) {
        self.give_back(reservation);
        if journalled && reservation.is_durable() {
            record::write_settled(reservation.id, Settled::Rejected(0), &mut batch.records);
            self.one_settled();
        }
    }

    /// The SMSC has answered, or nobody will. The record of it goes into the batch. The terms are those
    /// under which it was taken, whatever a reload has changed since.
    pub fn settle(&self, reservation: &Reservation, settled: Settled, batch: &mut Batch) {
        let settled = match settled {
            Settled::Unknown if reservation.taken.terms.unknown_releases => Settled::Rejected(0),
            other => other,
        };
        match (settled, reservation.part) {
            (Settled::Rejected(_), _) => self.give_back(reservation),
            (Settled::Accepted | Settled::Unknown, Some(part)) => self.parts.sent(part),
            (Settled::Accepted | Settled::Unknown, None) => {}
        }
        if !reservation.is_durable() {
            return;
        }
        self.one_settled();
        record::write_settled(reservation.id, settled, &mut batch.records);
        if settled == Settled::Unknown {
            let (taken, part, since) = (reservation.taken, reservation.part, self.ticker.tick().wall);
            self.unknown.lock().insert(reservation.id, Unanswered::new(taken, part, since));
        }
    }

    /// A late answer to a message of unknown outcome: an acceptance makes it known,
    /// a refusal changes nothing, for the slot may only move towards "used".
    pub fn settle_late(&self, reservation: &Reservation, accepted: bool, batch: &mut Batch) {
        if !accepted || !reservation.is_durable() {
            return;
        }
        let known = self.unknown.lock().remove(reservation.id);
        let released = known.map_or(reservation.taken.terms.unknown_releases, |one| one.is_released());
        if released {
            // It was given back, by the timer or by an operator, and was sent after all.
            if let Some(part) = reservation.part
                && !self.parts.sent_late(part, self.ticker.tick().steady_ms)
            {
                return;
            }
            let book = self.turn_day(reservation.taken.day);
            reserve::take_again(&book, &reservation.taken, |key| book.restore(&[key]));
            reservation.taken.write_again(&mut batch.records);
            record::write_settled(reservation.id, Settled::Accepted, &mut batch.records); // for whoever looks it up
        } else if known.is_some() {
            record::write_settled(reservation.id, Settled::Accepted, &mut batch.records);
        }
    }

    /// Gives back what an accepted message took, because it has moved to another day and taken what that needs.
    pub fn give_up(&self, reservation: &Reservation, batch: &mut Batch) {
        self.give_back(reservation);
        if reservation.is_durable() {
            reservation.taken.write_given_up(&mut batch.records);
        }
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
        record::write_scheduled(&scheduled, &mut batch.records);
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
        record::write_cancelled(&cancelled, &mut batch.records);
    }

    /// Hands settlements to the journal; nobody waits for them.
    pub fn note(&self, batch: &mut Batch) {
        if !batch.records.is_empty() {
            self.journal.append(&mut batch.records, 0);
        }
    }

    /// Hands releases to the journal and waits until they are durable, so that a
    /// sender that saw a refusal finds the slot free even after a crash (P8).
    pub async fn note_durably(&self, batch: &mut Batch) -> Result<(), NotDurable> {
        if batch.records.is_empty() {
            return Ok(());
        }
        let ticket = self.journal.append(&mut batch.records, 0);
        self.journal.durable(ticket).await
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

    /// Whether the last commit succeeded; without it nothing may be sent (P12).
    pub fn is_trusted(&self) -> bool {
        self.journal.is_trusted()
    }

    /// Writes what is pending and stops the ledger's threads.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.journal.close();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            thread.thread().unpark();
            let _ = thread.join(); // the writer ends once it has written what was left
        }
    }

    fn one_settled(&self) {
        if self.reserved.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.reserved.store(0, Ordering::Relaxed);
            Invariant::Reserved.broken();
        }
    }

    fn give_back(&self, reservation: &Reservation) {
        self.give_back_taken(&reservation.taken, reservation.part);
    }

    fn give_back_taken(&self, taken: &Taken, part: Option<PartOf>) {
        let all = |taken: &Taken| {
            if let Some(book) = self.book(taken.day) {
                reserve::give_back(&book, &self.spreads, taken);
            }
        };
        match part {
            None => all(taken),
            Some(part) => self.parts.gone(part, all),
        }
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

    /// Once a second, away from the path of the messages: today's and tomorrow's book
    /// stand ready, yesterday's goes an hour after midnight, the log is folded into its file.
    fn keep(&self) {
        let tick = self.ticker.tick();
        let now = LocalTime::of(tick.wall);
        let believed = self.ticker.watch().believes(tick); // or days are neither opened nor forgotten
        if believed {
            self.turn_day(now.day);
        }
        if believed && now.second > 86_400 - 600 {
            self.turn_day(now.day.next());
        }
        let oldest = LocalTime::of(crate::domain::Moment::from_ms(tick.wall.ms() - 3_600_000)).day;
        let before = self.days.load_full(); // dropped here and not by a session that happens to look
        if believed && before.iter().any(|(day, _)| *day < oldest) {
            self.floor.fetch_max(oldest.number(), Ordering::SeqCst);
            self.days.rcu(|days| days.iter().filter(|(day, _)| *day >= oldest).cloned().collect::<Vec<_>>());
            // As long as a start would list them.
            let listed_from = Day::from_number(now.day.number().saturating_sub(self.reach()));
            self.unknown.lock().forget_before(listed_from);
        }
        self.spreads.real.sweep(tick.steady_ms, 86_400_000);
        self.spreads.observed.sweep(tick.steady_ms, 86_400_000);
        self.parts.sweep(tick.steady_ms);
        if believed {
            self.waiting.sweep(tick.wall);
        }
        if !self.journal.is_trusted() {
            self.journal.probe();
        }
        if believed {
            let _ = self.journal.keep(now); // tried again next second
        }
        drop(before);
    }
}
