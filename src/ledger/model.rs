//! The ledger against a plain list of messages: whatever is done to it in whatever order, restarts
//! and days included, both agree on who is taken, what counts and what is unknown.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use proptest::prelude::*;

use super::disk::{Act, Disk};
use super::slot::{SlotKey, Space};
use super::*;
use crate::domain::{AccountClass, Clock, Moment, Msisdn};
use crate::policy::content::tests::approved;
use crate::policy::content::{Campaign, Category, Content};
use crate::policy::ruleset::Rate;
use crate::policy::switches::{CountedCategories, UnknownOutcome};
use crate::policy::testing::{Frame, account, at, with_switches};
use crate::policy::{Account, Mode, Modes, Reason, Rule, Scratch, decide};
use crate::smpp::Submission;
use crate::traffic::Throttle;

const QUOTA: u32 = 4;
/// What the second account may send for itself.
const OWN: u32 = 3;
const UNIT: u16 = 9;
/// An approved text.
const SERVICE: &str = "账单已寄出。移动";
const DAY_MS: i64 = 86_400_000;

/// What is done to the ledger.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// An account submits to a subscriber, for today or tomorrow.
    Reserve { account: u8, to: u8, tomorrow: bool },
    /// An account submits something for today whose category need not count.
    Serve { account: u8, to: u8 },
    /// What the SMSC says of a message under way.
    Settle { which: u8, how: How },
    /// A late answer to one of unknown outcome.
    Late { which: u8, accepted: bool },
    /// An operator frees one of unknown outcome.
    Release { which: u8 },
    /// An accepted message is replaced and moves elsewhere.
    GiveUp { which: u8 },
    /// The process ends, in good order or not, and another starts.
    Restart { clean: bool },
    /// The clock goes to the next day's morning.
    NextDay,
    /// The disk fails from now on, or is well.
    Disk { sick: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Accepted,
    Rejected,
    Unknown,
}

/// A message as the model has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending,
    Accepted,
    Unknown,
    /// Nobody answered and an operator has released it, or the switch did.
    Released,
    /// It counts no more, and nothing can change that.
    Free,
}

#[derive(Clone, Debug)]
struct Message {
    /// `None` after a restart: nobody answers to it any more.
    reservation: Option<Reservation>,
    id: u64,
    account: u8,
    to: u8,
    day: u16,
    /// Whether it takes a slot.
    counts: bool,
    state: State,
    /// What a kill would leave of it.
    on_disk: State,
}

#[derive(Debug, Default)]
struct Sick(AtomicBool);

impl Disk for Sick {
    fn consent(&self, _: Act) -> rusqlite::Result<()> {
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        if self.0.load(Ordering::SeqCst) { Err(rusqlite::Error::SqliteFailure(full, None)) } else { Ok(()) }
    }
}

#[derive(Debug)]
struct Unwatched;

impl CommitObserver for Unwatched {
    fn committed(&self, _: std::time::Duration, _: u64) {}
    fn failed(&self, _: &rusqlite::Error) {}
}

pub(super) struct World {
    folder: tempfile::TempDir,
    disk: Arc<Sick>,
    clock: Arc<AtomicI64>,
    rules: Ruleset,
    accounts: [Account; 2],
    ledger: Option<Arc<Ledger>>,
    messages: Vec<Message>,
    releases: bool,
    /// Whether everything is expected to be refused.
    damaged: bool,
    runtime: tokio::runtime::Runtime,
}

impl State {
    const fn is_held(self) -> bool {
        matches!(self, Self::Pending | Self::Accepted | Self::Unknown)
    }

    /// After a restart: nothing is under way.
    const fn after_restart(self, releases: bool) -> Self {
        match self {
            Self::Pending if releases => Self::Free,
            Self::Pending => Self::Unknown,
            Self::Released => Self::Free,
            other => other,
        }
    }
}

pub(super) fn msisdn(to: u8) -> Msisdn {
    Msisdn::from_number(13_856_000_000 + u64::from(to)).expect("a subscriber")
}

impl World {
    pub(super) fn new(limit: u8, releases: bool) -> Self {
        Self::with(limit, releases, CountedCategories::All)
    }

    fn with(limit: u8, releases: bool, categories: CountedCategories) -> Self {
        let mut switches = Switches::default();
        switches.dedup.categories = categories;
        switches.dedup.limit = limit;
        switches.dedup.unknown_outcome = if releases { UnknownOutcome::Release } else { UnknownOutcome::Consume };
        switches.quota.users = QUOTA;
        let mut modes = Modes::all(Mode::Off);
        modes.set(Rule::Once, Mode::Enforce);
        modes.set(Rule::Quota, Mode::Enforce);
        modes.set(Rule::Content, Mode::Observe);
        let service = Campaign { category: Some(Category::Service), ..approved(1, "hefei", SERVICE) };
        let content = Arc::new(Content::new(1, vec![service]));
        let own = |daily_users| Account { daily_users, modes, ..account(AccountClass::CityMoa) };
        let mut world = Self {
            folder: tempfile::tempdir().expect("a folder"),
            disk: Arc::default(),
            clock: Arc::new(AtomicI64::new(at("2026-11-24T10:00:00").ms())),
            rules: with_switches(switches).with_registry(content, Arc::default()),
            accounts: [own(None), own(Some(OWN))],
            ledger: None,
            messages: Vec::new(),
            releases,
            damaged: false,
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"),
        };
        world.start();
        world
    }

    /// The process is gone.
    pub(super) fn end(&mut self) {
        self.ledger = None;
    }

    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A start, whatever it finds.
    pub(super) fn open(&mut self) -> Arc<Ledger> {
        self.open_with_summary().0
    }

    pub(super) fn open_with_summary(&mut self) -> (Arc<Ledger>, Recovered) {
        self.ledger = None;
        let mut settings = LedgerSettings::new(self.folder.path().to_owned(), Durability::Process);
        settings.disk = Arc::<Sick>::clone(&self.disk);
        let ticker = Ticker::new(Clock::Manual(Arc::clone(&self.clock)));
        Ledger::open(settings, &self.rules.switches, ticker, Arc::new(Unwatched)).expect("opened")
    }

    /// Messages that subscribers 1 to 4 have today.
    pub(super) fn taken(&self, ledger: &Ledger) -> [u8; 4] {
        let book = ledger.book(Day::from_number(self.today())).expect("today's");
        [1, 2, 3, 4].map(|to| book.messages(SlotKey::new(msisdn(to), 0, Space::Messages)))
    }

    /// Puts another folder's journals in the place of its own.
    pub(super) fn move_in(&self, from: &std::path::Path) {
        let files = |folder| std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        for own in files(self.folder()).filter(|path| path.is_file()) {
            std::fs::remove_file(own).expect("removed");
        }
        for file in files(from) {
            std::fs::rename(&file, self.folder().join(file.file_name().expect("a name"))).expect("moved");
        }
    }

    /// A subscriber who has nothing yet is refused, because the ledger cannot be believed.
    pub(super) fn refuses(&mut self, to: u8) {
        let before = self.messages.len();
        self.damaged = true;
        self.reserve(0, to, false, "移动");
        self.damaged = false;
        assert_eq!(self.messages.len(), before);
    }

    /// Gives names to two accounts, as a site does.
    pub(super) fn name_accounts(&mut self) {
        let ledger = self.open();
        let mut names = ledger.journal.names();
        names.account("one");
        names.account("two");
        ledger.journal.write_names(&names).expect("written");
        ledger.journal.settle_head().expect("written");
    }

    fn start(&mut self) {
        self.disk.0.store(false, Ordering::SeqCst);
        let (ledger, recovered) = self.open_with_summary();
        assert_eq!(ledger.damage(), None);
        assert!(recovered.rows_lost == 0 && recovered.accepted.is_none());
        self.ledger = Some(ledger);
    }

    pub(super) fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(self.ledger.as_ref().expect("running"))
    }

    /// Time passes.
    pub(super) fn pass(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    pub(super) fn now(&self) -> Moment {
        Moment::from_ms(self.clock.load(Ordering::SeqCst))
    }

    pub(super) fn today(&self) -> u16 {
        LocalTime::of(self.now()).day.number()
    }

    /// All that was appended is on the disk now.
    fn committed(&mut self) {
        for message in &mut self.messages {
            message.on_disk = message.state;
        }
    }

    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Reserve { account, to, tomorrow } => self.reserve(account, to, tomorrow, "移动"),
            Step::Serve { account, to } => self.reserve(account, to, false, SERVICE),
            Step::Settle { which, how } => self.settle(which, how),
            Step::Late { which, accepted } => self.late(which, accepted),
            Step::Release { which } => self.release(which),
            Step::GiveUp { which } => self.give_up(which),
            Step::Restart { clean } => self.restart(clean),
            Step::NextDay => {
                self.clock.fetch_add(DAY_MS, Ordering::SeqCst);
                self.ledger.iter().for_each(|ledger| ledger.keep());
            }
            Step::Disk { sick } => self.disk.0.store(sick, Ordering::SeqCst),
        }
    }

    /// The verdict that the model expects: `None` passes.
    fn verdict(&self, account: u8, to: u8, day: u16, counts: bool) -> Option<Reason> {
        let limit = usize::from(self.rules.switches.dedup.limit);
        let of_day = || self.messages.iter().filter(|one| one.day == day && one.state.is_held());
        if counts && of_day().filter(|one| one.to == to && one.counts).count() >= limit {
            return Some(Reason::Duplicate);
        }
        let is_new = self.counts_messages() || !of_day().any(|one| one.to == to);
        if is_new && self.counted(day) >= QUOTA {
            return Some(Reason::Quota);
        }
        (account == 1 && self.counted_of_the_second(day) >= OWN).then_some(Reason::Quota)
    }

    /// Whether each subscriber may have one message and no more.
    fn counts_messages(&self) -> bool {
        let dedup = &self.rules.switches.dedup;
        dedup.limit == 1 && dedup.categories == CountedCategories::All
    }

    /// Subscribers of a day; where each may have one message these are counted as messages.
    fn counted(&self, day: u16) -> u32 {
        let held = self.messages.iter().filter(|one| one.day == day && one.state.is_held());
        if self.counts_messages() {
            return held.count() as u32;
        }
        held.map(|one| one.to).collect::<BTreeSet<_>>().len() as u32
    }

    fn counted_of_the_second(&self, day: u16) -> u32 {
        self.messages.iter().filter(|one| one.day == day && one.account == 1 && one.state.is_held()).count() as u32
    }

    fn reserve(&mut self, by: u8, to: u8, tomorrow: bool, text: &str) {
        let mut frame = Frame::new("6202", text);
        frame.destination.2 = format!("86{}", msisdn(to).get());
        if tomorrow {
            let day = LocalTime::of(Moment::from_ms(self.now().ms() + DAY_MS)).day.to_string().replace('-', "");
            frame.schedule = format!("{}090000032+", &day[2..]);
        }
        let octets = frame.octets();
        let submission = Submission::read(&octets).expect("sound");
        let own = &self.accounts[usize::from(by)];
        let permit = decide(&self.rules, own, &submission, self.now(), &mut Scratch::default()).expect("permitted");
        let (day, counts) = (permit.day().number(), permit.counts());
        assert_eq!(counts, text != SERVICE || self.rules.switches.dedup.categories == CountedCategories::All);
        assert_eq!(day, self.today() + u16::from(tomorrow));
        let ledger = self.ledger();
        let throttle = Throttle::new(Rate { per_second: 1, burst: 1 }, ledger.ticker.clone());
        let scopes = Scopes { account: u16::from(by) + 1, unit: UNIT };
        let (rules, tick) = (&self.rules, ledger.ticker.tick());
        let claim =
            Claim { account: own, scopes, throttle: &throttle, rules, tick, owed: None, about: About::default() };
        let mut batch = Batch::default();
        let taken = ledger.reserve(&claim, &permit, &mut batch);
        let expected = if self.damaged { Some(Reason::LedgerUnavailable) } else { self.verdict(by, to, day, counts) };
        assert_eq!(taken.as_ref().err().map(|refusal| refusal.reason), expected, "{by} to {to} for {day}");
        let Ok(mut reservation) = taken else { return };
        let durable = self.runtime.block_on(ledger.durable(&mut batch, std::iter::once(&mut reservation)));
        assert_eq!(durable.is_err(), self.disk.0.load(Ordering::SeqCst));
        if durable.is_err() {
            ledger.undo(&reservation, false, &mut batch);
            return ledger.note(&mut batch);
        }
        let (id, state) = (reservation.id, State::Pending);
        let reservation = Some(reservation);
        self.messages.push(Message { reservation, id, account: by, to, day, counts, state, on_disk: state });
        self.committed();
    }

    /// One of the messages in a state that somebody still has in hand.
    fn pick(&self, which: u8, is: impl Fn(&Message) -> bool) -> Option<usize> {
        let all: Vec<usize> = (0..self.messages.len()).filter(|index| is(&self.messages[*index])).collect();
        (!all.is_empty()).then(|| all[usize::from(which) % all.len()])
    }

    fn settle(&mut self, which: u8, how: How) {
        let pending = |one: &Message| one.state == State::Pending;
        let Some(index) = self.pick(which, pending) else { return };
        let ledger = self.ledger();
        let reservation = self.messages[index].reservation.expect("in hand");
        let mut batch = Batch::default();
        let (settled, state) = match how {
            How::Accepted => (Settled::Accepted, State::Accepted),
            How::Rejected => (Settled::Rejected(0x45), State::Free),
            How::Unknown if self.releases => (Settled::Unknown, State::Released),
            How::Unknown => (Settled::Unknown, State::Unknown),
        };
        ledger.settle(&reservation, settled, &mut batch);
        self.messages[index].state = state;
        if how == How::Rejected {
            let durable = self.runtime.block_on(ledger.note_durably(&mut batch));
            if durable.is_ok() {
                self.committed();
            }
        } else {
            ledger.note(&mut batch);
        }
    }

    fn late(&mut self, which: u8, accepted: bool) {
        let unknown =
            |one: &Message| one.reservation.is_some() && matches!(one.state, State::Unknown | State::Released);
        let Some(index) = self.pick(which, unknown) else { return };
        let mut batch = Batch::default();
        self.ledger().settle_late(
            &self.messages[index].reservation.expect("in hand"),
            accepted.then_some(b"7f"),
            &mut batch,
        );
        self.ledger().note(&mut batch);
        if accepted {
            self.messages[index].state = State::Accepted;
        }
    }

    fn release(&mut self, which: u8) {
        let today = self.today();
        let Some(index) = self.pick(which, |one| one.state == State::Unknown && one.day >= today) else { return };
        let released = self.runtime.block_on(self.ledger().release(self.messages[index].id));
        self.messages[index].state = State::Released;
        if released.is_ok() {
            self.committed();
        }
        let again = self.runtime.block_on(self.ledger().release(self.messages[index].id));
        assert_eq!(again.err(), Some(operate::ReleaseError::NotUnknown));
    }

    fn give_up(&mut self, which: u8) {
        let accepted = |one: &Message| one.reservation.is_some() && one.state == State::Accepted;
        let Some(index) = self.pick(which, accepted) else { return };
        let mut batch = Batch::default();
        self.ledger().give_up(&self.messages[index].reservation.expect("in hand"), &mut batch);
        self.ledger().note(&mut batch);
        self.messages[index].state = State::Free;
    }

    fn restart(&mut self, clean: bool) {
        let ledger = self.ledger.take().expect("running");
        if clean {
            self.disk.0.store(false, Ordering::SeqCst);
            ledger.start().expect("threads");
            ledger.close();
            self.committed();
        }
        drop(ledger);
        self.start();
        for message in &mut self.messages {
            message.reservation = None;
            message.state = message.on_disk.after_restart(self.releases);
            message.on_disk = message.on_disk.after_restart(self.releases);
        }
    }

    /// Both agree.
    pub(super) fn compare(&self) {
        let (ledger, today) = (self.ledger(), self.today());
        for day in [today, today + 1] {
            let book = ledger.book(Day::from_number(day)).unwrap_or_default();
            for to in 0..8 {
                let held = self.messages.iter().filter(|one| one.day == day && one.to == to && one.state.is_held());
                let held = held.filter(|one| one.counts);
                let slot = book.messages(SlotKey::new(msisdn(to), 0, Space::Messages));
                assert_eq!(usize::from(slot), held.count(), "messages to {to} on {day}");
            }
            assert_eq!(book.counted(Side::Real, UNIT), self.counted(day), "the unit's subscribers on {day}");
            assert_eq!(book.counted(Side::Real, 2), self.counted_of_the_second(day), "the account's on {day}");
        }
        let listed = ledger.own_unknown_outcomes();
        let listed: BTreeSet<u64> = listed.iter().filter(|one| one.day.number() >= today).map(|one| one.id).collect();
        let unknown = self.messages.iter().filter(|one| one.day >= today && one.state == State::Unknown);
        assert_eq!(listed, unknown.map(|one| one.id).collect::<BTreeSet<_>>(), "unknown outcomes");
        let pending = self.messages.iter().filter(|one| one.reservation.is_some() && one.state == State::Pending);
        assert_eq!(ledger.reserved(), pending.count() as u64, "under way");
    }
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![3 => Just(How::Accepted), 2 => Just(How::Rejected), 2 => Just(How::Unknown)];
    prop_oneof![
        12 => (0..2_u8, 0..8_u8, proptest::bool::weighted(0.25))
            .prop_map(|(account, to, tomorrow)| Step::Reserve { account, to, tomorrow }),
        6 => (0..2_u8, 0..8_u8).prop_map(|(account, to)| Step::Serve { account, to }),
        8 => (any::<u8>(), how).prop_map(|(which, how)| Step::Settle { which, how }),
        3 => (any::<u8>(), any::<bool>()).prop_map(|(which, accepted)| Step::Late { which, accepted }),
        2 => any::<u8>().prop_map(|which| Step::Release { which }),
        2 => any::<u8>().prop_map(|which| Step::GiveUp { which }),
        2 => any::<bool>().prop_map(|clean| Step::Restart { clean }),
        1 => Just(Step::NextDay),
        1 => any::<bool>().prop_map(|sick| Step::Disk { sick }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_and_a_plain_list_agree(
        limit in 1..3_u8,
        releases in any::<bool>(),
        all in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let some = CountedCategories::These(vec![Category::Voice]);
        let mut world = World::with(limit, releases, if all { CountedCategories::All } else { some });
        for step in steps {
            world.step(step);
            world.compare();
        }
        world.step(Step::Restart { clean: true });
        world.compare();
        world.step(Step::Restart { clean: false });
        world.compare();
    }
}
