//! What is written is read, in whatever order the sessions' appends come.

use proptest::prelude::*;

use super::standing::TextDigest;
use super::*;
use crate::domain::{AccountClass, Clock, Day, Msisdn, Ticker};
use crate::ledger::batch::{About, Batch};
use crate::ledger::reserve::{Claim, Reservation, Scopes};
use crate::policy::joined::{Piece, Recipient};
use crate::policy::ruleset::Rate;
use crate::policy::switches::Switches;
use crate::policy::testing::{Frame, account, at, with_switches};
use crate::policy::{Reason, Reasons, Refusal, Scratch, decide};
use crate::smpp::receipt::State;
use crate::smpp::udh::{Part, PartKind};
use crate::smpp::{Address, Submission};
use crate::traffic::Throttle;

fn subscriber(number: u64) -> Msisdn {
    Msisdn::from_number(13_800_000_000 + number).expect("a subscriber")
}

fn standing() -> (Context, Matter<'static>) {
    let policy = PolicyName { version: 7, digest: *b"12345678" };
    let received = Moment::from_ms(1 << 41);
    let class = AccountClass::KeyAccount;
    let context = Context { account: 513, unit: 2, class, slot_scope: 0, quota_scope: 2, received, policy };
    let matter = Matter {
        command: 4,
        day: Day::parse("2026-11-24").expect("valid"),
        edt: Some(Moment::from_ms(1 << 42)),
        source: (5, 1, b"62021"),
        campaign: Some(77),
        digest: Some(TextDigest { octets: [9; 16], decoded: true }),
        text: Some("移动"),
    };
    (context, matter)
}

fn taken(context: &Context, day: Day) -> Taken {
    let mut effects = Effects::SLOT;
    effects.insert(Effects::QUOTA);
    Taken {
        recipient: Msisdn::from_number(19_999_999_999),
        day,
        effects,
        account: context.account,
        slot_scope: context.slot_scope,
        quota_scope: context.quota_scope,
        spread_at_ms: 0,
        terms: Terms::default(),
    }
}

fn part(taken: Taken) -> PartRecord {
    let part = Part { kind: PartKind::Sar, reference: 0x1234, total: 255, index: 3 };
    let to = Recipient::Subscriber(taken.recipient.expect("a subscriber"));
    let piece = Piece { part, to, from: 1 << 50, data_coding: 8, text: "移动".into() };
    PartRecord { taken, serial: 1 << 40, piece }
}

fn settlement(id: u64, settled: Settled, message_id: &[u8]) -> Settlement<'_> {
    Settlement { id, settled, message_id, void: false }
}

#[test]
fn what_is_written_is_read() {
    let (context, matter) = standing();
    let plain = Matter { edt: None, campaign: None, digest: None, text: None, source: (0, 0, b""), ..matter };
    let taken = taken(&context, matter.day);
    let passed = Taken { effects: Effects::default(), recipient: None, ..taken };
    let scheduled = Scheduled {
        account: 513,
        smsc: "192.0.2.1:2775".into(),
        message_id: b"7f"[..].into(),
        due: Moment::from_ms(1 << 41),
        source: (5, 0, b"62021"[..].into()),
        recipient: taken.recipient,
        recipients: 1,
    };
    let cancelled = Cancelled { account: 513, by_gateway: true, smsc: "x".into(), message_id: b"7f"[..].into() };
    let numbers = [number_octets(taken.recipient), [0; 5]];
    let refused = |to| Refused { reason: Reason::Night, status: 0x61, to };
    let receipt = ReceiptRecord {
        account: 513,
        recipient: taken.recipient,
        state: State::Expired,
        error: 258,
        message_id: b"\xFF",
    };
    let void = Settlement { void: true, ..settlement(5, Settled::Rejected(0), b"") };
    let records = [
        Record::Context(context),
        Record::Matter(matter),
        Record::Reserved(taken),
        Record::Time(Moment::from_ms(-5)),
        Record::Settled(settlement(7, Settled::Rejected(0x45), b"")),
        Record::Settled(settlement(u64::MAX, Settled::Accepted, b"")),
        Record::Settled(settlement(8, Settled::Accepted, b"0123456789")),
        Record::Settled(settlement(9, Settled::Unknown, b"")),
        Record::Settled(void),
        Record::Part(Box::new(part(taken))),
        Record::TakenAgain(taken),
        Record::GivenUp(taken),
        Record::Matter(plain),
        Record::Passed(passed),
        Record::Refused(refused(RefusedTo::Numbers(&numbers))),
        Record::Refused(refused(RefusedTo::Unreadable(1, 1, b"12345"))),
        Record::Refused(Refused { status: 0, ..refused(RefusedTo::Uncounted(70_000)) }),
        Record::Receipt(receipt),
        Record::Scheduled(Box::new(scheduled)),
        Record::Cancelled(Box::new(cancelled)),
    ];
    let mut row = Vec::new();
    for record in &records {
        write(record, &mut row);
    }
    assert_eq!(read_row(&row).collect::<Result<Vec<_>, _>>().expect("read"), records);
    let kept = settlements(&row);
    let kept: Vec<_> = read_row(&kept).map_while(Result::ok).collect();
    let expected: Vec<_> = records.iter().filter(|record| !record.has_an_id()).cloned().collect();
    assert_eq!(kept, expected, "all but what was reserved, whose senders were refused");
    for cut in 1..row.len() {
        let read: Vec<_> = read_row(&row[..cut]).collect();
        let whole = read.iter().filter(|record| record.is_ok()).count();
        assert!(read[whole..].len() <= 1 && whole < records.len(), "cut at {cut}");
        assert!(read[..whole].iter().zip(&records).all(|(read, own)| read.as_ref() == Ok(own)), "cut at {cut}");
    }
}

fn write(record: &Record<'_>, row: &mut Vec<u8>) {
    match record {
        Record::Context(context) => context.write(row),
        Record::Matter(matter) => matter.write(row),
        Record::Time(at) => write_time(*at, row),
        Record::Reserved(taken) => taken.write(row),
        Record::Passed(taken) => taken.write_passed(row),
        Record::Part(part) => part.write(row),
        Record::TakenAgain(taken) => taken.write_again(row),
        Record::GivenUp(taken) => taken.write_given_up(row),
        Record::Settled(settlement) => settlement.write(row),
        Record::Refused(refused) => refused.write(row),
        Record::Receipt(receipt) => receipt.write(row),
        Record::Scheduled(scheduled) => write_scheduled(scheduled, row),
        Record::Cancelled(cancelled) => write_cancelled(cancelled, row),
    }
}

#[test]
fn a_reservation_that_stands_under_nothing_is_damage() {
    let (context, matter) = standing();
    let mut row = Vec::new();
    taken(&context, matter.day).write(&mut row);
    assert_eq!(read_row(&row).next(), Some(Err(RecordError(1))));
    let mut row = Vec::new();
    matter.write(&mut row);
    context.write(&mut row); // a matter of another context is none of this one
    taken(&context, matter.day).write(&mut row);
    assert_eq!(read_row(&row).nth(2), Some(Err(RecordError(3))));
}

#[test]
fn a_tag_of_no_record_is_damage() {
    for tag in [0_u8, 7, 8, 13, 29, 0xFF] {
        let mut row = vec![tag; 40];
        settlement(7, Settled::Accepted, b"").write(&mut row);
        assert_eq!(read_row(&row).next(), Some(Err(RecordError(1))), "{tag}");
    }
}

#[test]
fn every_reason_has_a_number_of_its_own() {
    let numbers: std::collections::BTreeSet<u8> = Reason::ALL.into_iter().map(answer::reason_number).collect();
    assert_eq!((numbers.len(), numbers.contains(&0)), (Reason::ALL.len(), false));
}

/// What is done to a session's batch.
#[derive(Clone, Copy, Debug)]
enum Step {
    Reserve {
        text: u8,
        source: u8,
        to: u8,
        tomorrow: bool,
    },
    /// Reserved and dropped again before it is appended.
    Withdraw,
    Refuse {
        text: u8,
        to: u8,
        reason: bool,
    },
    Settle {
        id: u8,
        how: u8,
    },
    Receipt {
        to: u8,
    },
    /// To the journal.
    Append,
}

/// What a reader has to find, with what it stands under.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Sent { account: u16, text: u8, source: Vec<u8>, to: Msisdn, day: Day, at: i64 },
    Refused { account: u16, text: u8, to: Msisdn, reason: Reason, at: i64 },
    Settled { id: u64, message_id: Vec<u8>, at: i64 },
    Receipt { account: u16, to: Msisdn, at: i64 },
}

struct Writer {
    account: u16,
    batch: Batch,
    told: Vec<Told>,
    now: i64,
}

const TEXTS: [&str; 3] = ["您好。移动", "积分。移动", "缴费。移动"];

impl Writer {
    fn step(&mut self, step: Step, records: &mut Vec<u8>, all: &mut Vec<Told>) {
        let account = self.account;
        match step {
            Step::Reserve { text, source, to, tomorrow } => self.reserve(text, source, to, tomorrow, true),
            Step::Withdraw => {
                let mark = self.batch.mark();
                self.reserve(1, 1, 1, false, false);
                self.batch.cut_back(mark);
            }
            Step::Refuse { text, to, reason } => {
                self.refuse(text, to, if reason { Reason::Night } else { Reason::Busy });
            }
            Step::Settle { id, how } => {
                let id = u64::from(id);
                self.batch.at(Moment::from_ms(self.now));
                let message_id = [&b""[..], b"7f"][usize::from(how % 2)];
                self.batch.settled(id, Settled::Accepted, message_id, || unreachable!());
                self.told.push(Told::Settled { id, message_id: message_id.to_vec(), at: self.now });
            }
            Step::Receipt { to } => {
                self.batch.at(Moment::from_ms(self.now));
                let to = subscriber(to.into());
                let receipt = ReceiptRecord {
                    account,
                    recipient: Some(to),
                    state: State::Delivered,
                    error: 0,
                    message_id: b"7f",
                };
                self.batch.receipt(&receipt, || unreachable!());
                self.told.push(Told::Receipt { account, to, at: self.now });
            }
            Step::Append => {
                records.append(&mut self.batch.records);
                self.batch.clear();
                all.append(&mut self.told);
                self.now += 1;
            }
        }
    }

    fn with<T>(
        &mut self,
        text: u8,
        source: u8,
        use_of: impl FnOnce(&mut Batch, &Claim<'_>, &Submission<'_>) -> T,
    ) -> T {
        let rules = with_switches(Switches::default());
        let own = account(AccountClass::CityMoa);
        let ticker = Ticker::new(Clock::System);
        let throttle = Throttle::new(Rate { per_second: 1, burst: 1 }, ticker.clone());
        let mut frame = Frame::new(["6202", "62021"][usize::from(source % 2)], TEXTS[usize::from(text)]);
        frame.destination.2 = "13856000001".to_owned();
        let octets = frame.octets();
        let submission = Submission::read(&octets).expect("sound");
        let digest = self.batch.digest(&submission, own.dc0, rules.switches.encoding.dc15, false);
        let tick = crate::domain::Tick { wall: Moment::from_ms(self.now), ..ticker.tick() };
        let about = About { command: 4, source: submission.source, digest, known: None };
        let scopes = Scopes { account: self.account, unit: 9 };
        let claim = Claim { account: &own, scopes, throttle: &throttle, rules: &rules, tick, owed: None, about };
        use_of(&mut self.batch, &claim, &submission)
    }

    fn reserve(&mut self, text: u8, source: u8, to: u8, tomorrow: bool, told: bool) {
        let (account, at_ms, to) = (self.account, self.now, subscriber(to.into()));
        let sent = self.with(text, source, |batch, claim, submission| {
            let rules = claim.rules;
            let judged = decide(rules, claim.account, submission, claim.tick.wall, &mut Scratch::default());
            let mut reservation = Reservation::unasked(judged.as_ref().expect("permitted"), claim, Reasons::NONE);
            reservation.taken.recipient = Some(to);
            if tomorrow {
                reservation.taken.day = reservation.taken.day.next();
                reservation.taken.effects.insert(Effects::SLOT);
            }
            batch.reserve(claim, &judged.expect("permitted"), &mut reservation);
            let source = submission.source.digits.to_vec();
            Told::Sent { account, text, source, to, day: reservation.taken.day, at: at_ms }
        });
        self.told.extend(told.then_some(sent));
    }

    fn refuse(&mut self, text: u8, to: u8, reason: Reason) {
        let (account, at, to) = (self.account, self.now, subscriber(to.into()));
        self.with(text, 0, |batch, claim, _| {
            let refusal = Refusal { reason, status: 0x61, also: Reasons::NONE, observed: Reasons::NONE };
            batch.refused(claim, claim.tick.wall, Ok(Some(to)), &refusal);
        });
        self.told.push(Told::Refused { account, text, to, reason, at });
    }
}

/// The text of a digest.
fn text_of(digest: Option<TextDigest>) -> u8 {
    let digest = digest.expect("of a text");
    let same = |text: &&str| {
        use sha2::{Digest as _, Sha256};
        Sha256::digest(text.as_bytes())[..16] == digest.octets
    };
    TEXTS.iter().position(same).expect("one of them") as u8
}

fn told(row: &[u8]) -> Vec<Told> {
    let (mut all, mut context, mut matter, mut at) = (Vec::new(), None::<Context>, None::<Matter<'_>>, 0);
    for record in read_row(row) {
        match record.expect("sound") {
            Record::Context(own) => context = Some(own),
            Record::Matter(own) => matter = Some(own),
            Record::Time(own) => at = own.ms(),
            Record::Reserved(taken) | Record::Passed(taken) => {
                let (context, matter) = (context.expect("written"), matter.expect("written"));
                all.push(Told::Sent {
                    account: taken.account,
                    text: text_of(matter.digest),
                    source: matter.source.2.to_vec(),
                    to: taken.recipient.expect("a subscriber"),
                    day: taken.day,
                    at: context.received.ms(),
                });
            }
            Record::Refused(Refused { reason, to: RefusedTo::Numbers(numbers), .. }) => {
                let (context, matter) = (context.expect("written"), matter.expect("written"));
                all.extend(numbers.iter().map(|number| Told::Refused {
                    account: context.account,
                    text: text_of(matter.digest),
                    to: number_of(*number).expect("a subscriber"),
                    reason,
                    at: context.received.ms(),
                }));
            }
            Record::Settled(own) => {
                all.push(Told::Settled { id: own.id, message_id: own.message_id.to_vec(), at });
            }
            Record::Receipt(own) => {
                let to = own.recipient.expect("a subscriber");
                all.push(Told::Receipt { account: own.account, to, at });
            }
            other => panic!("{other:?}"),
        }
    }
    all
}

fn step() -> impl Strategy<Value = (u8, Step)> {
    let step = prop_oneof![
        8 => (0..3_u8, any::<u8>(), 0..20_u8, proptest::bool::weighted(0.2))
            .prop_map(|(text, source, to, tomorrow)| Step::Reserve { text, source, to, tomorrow }),
        1 => Just(Step::Withdraw),
        6 => (0..3_u8, 0..20_u8, proptest::bool::weighted(0.8))
            .prop_map(|(text, to, reason)| Step::Refuse { text, to, reason }),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(id, how)| Step::Settle { id, how }),
        2 => (0..20_u8).prop_map(|to| Step::Receipt { to }),
        4 => Just(Step::Append),
    ];
    (0..3_u8, step)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn several_sessions_appends_in_one_row_keep_apart(steps in proptest::collection::vec(step(), 1..80)) {
        let noon = at("2026-11-24T10:00:00").ms();
        let (mut row, mut all) = (Vec::new(), Vec::new());
        let mut writers: Vec<_> = (0..3)
            .map(|n| Writer { account: 1 + n, batch: Batch::default(), told: Vec::new(), now: noon })
            .collect();
        for (writer, step) in steps {
            writers[usize::from(writer)].step(step, &mut row, &mut all);
        }
        prop_assert_eq!(told(&row), all.clone());
        // A commit that failed loses what it reserved and nothing else.
        all.retain(|one| !matches!(one, Told::Sent { .. }));
        prop_assert_eq!(told(&settlements(&row)), all);
    }
}

#[test]
fn one_text_to_many_costs_less_than_it_did_without_it() {
    let noon = at("2026-11-24T10:00:00").ms();
    let mut writer = Writer { account: 1, batch: Batch::default(), told: Vec::new(), now: noon };
    for to in 0..100 {
        writer.reserve(0, 0, to, true, true);
    }
    let octets = writer.batch.records.len();
    assert!(octets < 100 * 8, "{octets} octets of a hundred reservations");
    let mut writer = Writer { account: 1, batch: Batch::default(), told: Vec::new(), now: noon };
    for to in 0..100 {
        writer.refuse(0, to, Reason::Duplicate);
    }
    let octets = writer.batch.records.len();
    assert!(octets < 100 * 6, "{octets} octets of a hundred refusals");
}

#[test]
fn an_address_that_is_no_subscriber_s_is_recorded_as_it_came() {
    let noon = at("2026-11-24T10:00:00").ms();
    let mut writer = Writer { account: 1, batch: Batch::default(), told: Vec::new(), now: noon };
    let refusal = Refusal { reason: Reason::BadDestination, status: 0xB, also: Reasons::NONE, observed: Reasons::NONE };
    writer.with(0, 0, |batch, claim, _| {
        for to in [Err(Address { ton: 1, npi: 1, digits: b"4477" }), Ok(None)] {
            batch.refused(claim, claim.tick.wall, to, &refusal);
        }
    });
    let read: Vec<_> = read_row(&writer.batch.records).map(|record| record.expect("sound")).skip(2).collect();
    let refused = |to| Record::Refused(Refused { reason: Reason::BadDestination, status: 0xB, to });
    assert_eq!(read, [refused(RefusedTo::Unreadable(1, 1, b"4477")), refused(RefusedTo::Numbers(&[[0; 5]]))]);
}
