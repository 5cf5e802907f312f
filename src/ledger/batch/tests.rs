//! What a batch holds, what may be dropped of it, and what its records stand under.

use std::sync::Arc;

use super::*;
use crate::domain::{AccountClass, Clock, Tick, Ticker};
use crate::ledger::record::{Effects, Record, RefusedTo, Terms, read_row};
use crate::ledger::reserve::Scopes;
use crate::policy::content::{Campaign, Content, Pattern, Standing};
use crate::policy::ruleset::Rate;
use crate::policy::switches::Switches;
use crate::policy::testing::{Frame, WEEKDAY, account, at, with_switches};
use crate::policy::{Account, Mode, Reasons, Rule, Ruleset, Scratch, decide};
use crate::smpp::receipt::State;
use crate::traffic::Throttle;

const TEXT: &str = "家庭V网今起办理。移动 询0551-1860";

pub(in crate::ledger) struct World {
    pub(in crate::ledger) rules: Ruleset,
    account: Account,
    throttle: Throttle,
}

impl World {
    pub(in crate::ledger) fn new() -> Self {
        let rules = with_switches(Switches::default());
        let throttle = Throttle::new(Rate { per_second: 1, burst: 1 }, Ticker::new(Clock::System));
        Self { rules, account: account(AccountClass::CityMoa), throttle }
    }

    /// The same where the text is that of an approved campaign.
    fn with_campaign() -> Self {
        let mut world = Self::new();
        let campaign = Campaign {
            number: 7,
            unit: "hefei".into(),
            city: Some("hefei".into()),
            category: None,
            standing: Standing::Approved,
            window: None,
            pattern: Arc::new(Pattern::parse(TEXT).expect("a text")),
        };
        world.rules.content = Arc::new(Content::new(1, vec![campaign]));
        world.account.modes.set(Rule::Content, Mode::Enforce);
        world
    }

    pub(in crate::ledger) fn claim<'a>(&'a self, about: About<'a>) -> Claim<'a> {
        let (account, throttle, rules) = (&self.account, &self.throttle, &self.rules);
        let tick = Tick { wall: at(WEEKDAY), steady_ms: 0, steady_ns: 0 };
        Claim { account, scopes: Scopes { account: 1, unit: 2 }, throttle, rules, tick, owed: None, about }
    }

    pub(in crate::ledger) fn permit(&self, schedule: &str) -> Permit {
        let mut frame = Frame::new("6202", TEXT);
        frame.schedule = schedule.to_owned();
        let octets = frame.octets();
        let submission = Submission::read(&octets).expect("sound");
        decide(&self.rules, &self.account, &submission, at(WEEKDAY), &mut Scratch::default()).expect("permitted")
    }
}

pub(in crate::ledger) fn reservation(permit: &Permit, effects: Effects) -> Reservation {
    let taken = Taken {
        recipient: permit.recipient(),
        day: permit.day(),
        effects,
        account: 1,
        slot_scope: 0,
        quota_scope: 2,
        spread_at_ms: 0,
        terms: Terms::default(),
    };
    Reservation { taken, id: 0, part: None, asked: false, observed: Reasons::NONE }
}

pub(in crate::ledger) fn slot() -> Effects {
    let mut effects = Effects::default();
    effects.insert(Effects::SLOT);
    effects
}

pub(in crate::ledger) fn number(last: u64) -> Option<Msisdn> {
    Msisdn::parse(1, 1, format!("861385600{last:04}").as_bytes(), false).ok()
}

const REFUSAL: Refusal =
    Refusal { reason: Reason::Duplicate, status: 0x45, also: Reasons::NONE, observed: Reasons::NONE };

fn records(batch: &Batch) -> Vec<Record<'_>> {
    read_row(&batch.records).collect::<Result<_, _>>().expect("readable")
}

fn matters<'a>(records: &[Record<'a>]) -> Vec<Matter<'a>> {
    let matter = |record: &Record<'a>| if let Record::Matter(matter) = record { Some(*matter) } else { None };
    records.iter().filter_map(matter).collect()
}

/// Whom each record of a refusal names: how many subscribers, or so many uncounted.
fn refused(records: &[Record<'_>]) -> Vec<usize> {
    let count = |record: &Record<'_>| match record {
        Record::Refused(Refused { to: RefusedTo::Numbers(numbers), .. }) => Some(numbers.len()),
        Record::Refused(Refused { to: RefusedTo::Unreadable(..), .. }) => Some(1),
        Record::Refused(Refused { to: RefusedTo::Uncounted(count), .. }) => Some(*count as usize),
        _ => None,
    };
    records.iter().filter_map(count).collect()
}

#[test]
fn what_is_only_told_may_be_dropped_and_is_counted_then() {
    let world = World::new();
    let (claim, edt) = (world.claim(About::default()), at(WEEKDAY));
    let mut batch = Batch::default();
    assert!(batch.is_empty() && !batch.is_binding());
    assert_eq!((batch.reservations(), batch.clear()), (0, 0));
    batch.refused(&claim, edt, Ok(number(1)), &REFUSAL);
    batch.refused(&claim, edt, Ok(number(2)), &REFUSAL);
    batch.refused(&claim, edt, Err(Address { ton: 1, npi: 1, digits: b"1" }), &REFUSAL);
    batch.refused_uncounted(&claim, Reason::Rate, 5);
    let receipt =
        ReceiptRecord { account: 1, recipient: number(1), state: State::Delivered, error: 0, message_id: b"7" };
    batch.receipt(&receipt, || edt);
    assert!(!batch.is_empty() && !batch.is_binding());
    assert_eq!(refused(&records(&batch)), [2, 1, 5], "those in a row are one record");
    assert_eq!(batch.clear(), 9);
    assert!(batch.is_empty());
    assert_eq!(batch.clear(), 0, "they are lost once");
}

#[test]
fn outcomes_and_reservations_must_not_be_dropped() {
    let world = World::new();
    let (permit, claim) = (world.permit(""), world.claim(About::default()));
    let mut batch = Batch::default();
    batch.settled(1, Settled::Accepted, b"7", || at(WEEKDAY));
    assert!(batch.is_binding(), "an outcome");
    batch.clear();
    assert!(!batch.is_binding());
    batch.voided(1);
    assert!(batch.is_binding(), "a release");
    batch.clear();
    batch.bound().push(0);
    assert!(batch.is_binding(), "something beside");
    batch.clear();
    let mut taken = [reservation(&permit, slot()), reservation(&permit, Effects::default())];
    for one in &mut taken {
        batch.reserve(&claim, &permit, one);
    }
    assert!(batch.is_binding(), "a reservation");
    assert_eq!((batch.reservations(), taken[0].id, taken[1].id), (2, 1, 2), "each in its place");
    assert!(matches!(records(&batch)[2..], [Record::Reserved(_), Record::Passed(_)]), "{:?}", records(&batch));
    batch.refused(&claim, at(WEEKDAY), Ok(number(1)), &REFUSAL);
    batch.drop_reservations();
    assert_eq!(batch.reservations(), 0);
    assert!(!batch.is_binding());
    assert_eq!((refused(&records(&batch)), records(&batch).iter().any(Record::has_an_id)), (vec![1], false));
}

#[test]
fn what_was_added_behind_a_mark_is_cut_off() {
    let world = World::new();
    let (permit, claim) = (world.permit(""), world.claim(About::default()));
    let mut batch = Batch::default();
    batch.refused(&claim, at(WEEKDAY), Ok(number(1)), &REFUSAL);
    let (mark, length) = (batch.mark(), batch.records.len());
    batch.reserve(&claim, &permit, &mut reservation(&permit, slot()));
    batch.refused(&claim, at(WEEKDAY), Ok(number(2)), &REFUSAL);
    batch.cut_back(mark);
    assert_eq!((batch.records.len(), batch.reservations()), (length, 0));
    batch.refused(&claim, at(WEEKDAY), Ok(number(3)), &REFUSAL);
    assert_eq!(refused(&records(&batch)), [1, 1], "nothing is joined to what was cut off");
    assert_eq!(batch.clear(), 2);
}

#[test]
fn a_time_is_written_where_it_is_another_one_than_before() {
    let mut batch = Batch::default();
    let times = |batch: &Batch| records(batch).iter().filter(|record| matches!(record, Record::Time(_))).count();
    for (at_ms, expected) in [(5, 1), (5, 1), (6, 2)] {
        batch.settled(1, Settled::Accepted, b"", || Moment::from_ms(at_ms));
        assert_eq!(times(&batch), expected);
    }
    batch.clear();
    batch.at(Moment::from_ms(9));
    batch.settled(1, Settled::Accepted, b"", || panic!("the batch has its instant"));
    assert!(matches!(records(&batch)[0], Record::Time(at) if at == Moment::from_ms(9)));
}

#[test]
fn a_record_stands_under_what_is_said_of_it_and_nothing_is_said_twice() {
    let world = World::new();
    let (now, later) = (world.permit(""), world.permit("261125093000032+"));
    let about = About { command: 4, source: Address { ton: 0, npi: 1, digits: b"6202" }, digest: None, known: None };
    let mut batch = Batch::default();
    for permit in [&now, &now, &later] {
        batch.reserve(&world.claim(about), permit, &mut reservation(permit, slot()));
    }
    let all = records(&batch);
    let contexts = all.iter().filter(|record| matches!(record, Record::Context(_))).count();
    let said: Vec<_> = matters(&all).iter().map(|matter| (matter.day, matter.edt)).collect();
    assert_eq!(contexts, 1);
    assert_eq!(said, [(now.day(), None), (later.day(), Some(later.edt()))], "the time where it is not at once");
    batch.clear();
    batch.refused(&world.claim(about), at(WEEKDAY), Ok(number(1)), &REFUSAL);
    batch.refused(&world.claim(about), later.edt(), Ok(number(1)), &REFUSAL);
    let all = records(&batch);
    let said: Vec<_> = matters(&all).iter().map(|matter| (matter.day, matter.edt)).collect();
    assert_eq!(said, [(now.day(), None), (later.day(), Some(later.edt()))]);
    assert_eq!(refused(&all), [1, 1], "they stand under two times");
}

#[test]
fn what_is_known_again_is_not_compared_and_what_is_not_is() {
    let world = World::new();
    let permit = world.permit("");
    let about = |command, known| About { command, known, ..About::default() };
    let mut batch = Batch::default();
    // (command, known): the third says that it is the second, and is believed.
    for (command, known, expected) in
        [(4, None, 1), (5, Some(1), 2), (6, Some(1), 2), (6, Some(2), 3), (6, None, 3), (4, None, 4)]
    {
        batch.reserve(&world.claim(about(command, known)), &permit, &mut reservation(&permit, slot()));
        assert_eq!(matters(&records(&batch)).len(), expected, "{command} {known:?}");
    }
}

#[test]
fn a_refusal_names_the_campaign_of_its_text() {
    let world = World::with_campaign();
    let permit = world.permit("");
    assert_eq!(permit.campaign(), Some(7));
    let digest = |octet| Some(TextDigest { octets: [octet; 16], decoded: true });
    let about = |octet| About { digest: digest(octet), ..About::default() };
    let mut batch = Batch::default();
    batch.belongs(&world.claim(about(1)), &permit);
    let other_account = Claim { scopes: Scopes { account: 9, unit: 2 }, ..world.claim(about(1)) };
    for (claim, expected) in [
        (world.claim(about(1)), Some(7)),
        (world.claim(about(2)), None),
        (world.claim(About::default()), None),
        (other_account, None),
    ] {
        batch.clear();
        batch.refused(&claim, at(WEEKDAY), Ok(number(1)), &REFUSAL);
        assert_eq!(matters(&records(&batch))[0].campaign, expected);
    }
    let mut never = Batch::default();
    never.refused(&world.claim(about(1)), at(WEEKDAY), Ok(number(1)), &REFUSAL);
    assert_eq!(matters(&records(&never))[0].campaign, None);
}
