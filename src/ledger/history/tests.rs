//! With an index or without one, a look-up finds the same; and both find what was done.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::index::{Index, make};
use super::rows::Archive;
use super::*;
use crate::domain::LocalTime;
use crate::ledger::Names;
use crate::ledger::disk::RealDisk;
use crate::ledger::record::{
    Context, Effects, Matter, ReceiptRecord, Refused, RefusedTo, Settled, Settlement, Taken, Terms, number_octets,
    write_time,
};
use crate::ledger::seal::{self, Seal, Seals};
use crate::ledger::volume::{ReadError, Row, Shelf, VolumeId};

const FIRST: u16 = 20_781;
/// Names from here on are other ones in hexadecimal than in decimal.
const NAMES: u64 = 0xA000_0000;

/// What happens to the messages of a few days.
#[derive(Clone, Copy, Debug)]
enum Step {
    Send {
        to: u8,
    },
    Refuse {
        to: u8,
        reason: bool,
    },
    /// Of a message that waits, or was unknown: accepted, rejected, unknown, void.
    Settle {
        which: u8,
        how: u8,
    },
    /// Of an accepted one.
    Receipt {
        which: u8,
        delivered: bool,
    },
    Commit,
    NextDay,
}

fn subscriber(to: u8) -> Msisdn {
    Msisdn::from_number(13_800_000_000 + u64::from(to)).expect("a subscriber")
}

/// What a look-up must find of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Expected {
    to: u8,
    refused: Option<Reason>,
    fate: Option<Fate>,
    message_id: Vec<u8>,
    receipt: Option<State>,
    void: bool,
}

/// Writes a journal of several days by hand.
struct Writer {
    day: u16,
    records: Vec<u8>,
    rows: BTreeMap<u16, Vec<Row>>,
    row: i64,
    first_id: u64,
    next_id: u64,
    at: i64,
    all: Vec<(Option<u64>, Expected)>,
}

impl Writer {
    fn new() -> Self {
        let at = Day::from_number(FIRST).start().ms() + 36_000_000;
        let (records, rows, all) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { day: FIRST, records, rows, row: 1, first_id: 1, next_id: 1, at, all }
    }

    fn stand(&mut self) -> Context {
        let policy = PolicyName { version: 1, digest: [1; 8] };
        let class = AccountClass::CityMoa;
        let received = Moment::from_ms(self.at);
        let context = Context { account: 1, unit: 2, class, slot_scope: 0, quota_scope: 2, received, policy };
        context.write(&mut self.records);
        let day = LocalTime::of(received).day;
        let source = (0, 0, &b"6202"[..]);
        Matter { command: 4, day, edt: None, source, campaign: Some(7), digest: None, text: None }
            .write(&mut self.records);
        context
    }

    fn step(&mut self, step: Step) {
        self.at += 1;
        match step {
            Step::Send { to } => {
                let context = self.stand();
                let taken = Taken {
                    recipient: Some(subscriber(to)),
                    day: Day::from_number(self.day),
                    effects: Effects::SLOT,
                    account: 1,
                    slot_scope: 0,
                    quota_scope: context.quota_scope,
                    spread_at_ms: 0,
                    terms: Terms::default(),
                };
                if to % 2 == 0 {
                    taken.write(&mut self.records);
                } else {
                    taken.write_passed(&mut self.records);
                }
                let fate = Some(Fate::Pending);
                let expected = Expected { to, refused: None, fate, message_id: Vec::new(), receipt: None, void: false };
                self.all.push((Some(self.next_id), expected));
                self.next_id += 1;
            }
            Step::Refuse { to, reason } => {
                self.stand();
                let reason = if reason { Reason::Duplicate } else { Reason::Night };
                let number = [number_octets(Some(subscriber(to)))];
                Refused { reason, status: 0x45, to: RefusedTo::Numbers(&number) }.write(&mut self.records);
                let refused = Some(reason);
                self.all.push((
                    None,
                    Expected { to, refused, fate: None, message_id: Vec::new(), receipt: None, void: false },
                ));
            }
            Step::Settle { which, how } => self.settle(which, how),
            Step::Receipt { which, delivered } => self.receipt(which, delivered),
            Step::Commit => self.commit(),
            Step::NextDay => {
                self.commit();
                self.day += 1;
                self.at += 86_400_000;
            }
        }
    }

    fn settle(&mut self, which: u8, how: u8) {
        let open = |one: &&mut (Option<u64>, Expected)| {
            matches!(one.1.fate, Some(Fate::Pending | Fate::Unknown)) && !one.1.void
        };
        let count = self.all.iter_mut().filter(open).count().max(1);
        let Some((Some(id), one)) = self.all.iter_mut().filter(open).nth(usize::from(which) % count) else { return };
        if one.fate == Some(Fate::Unknown) && how % 5 == 2 {
            return; // a late refusal changes nothing and is not written down
        }
        let name = format!("{:X}", *id + NAMES).into_bytes();
        let (settled, void) = match how % 5 {
            0 | 1 => (Settled::Accepted, false),
            2 => (Settled::Rejected(0x14), false),
            3 => (Settled::Unknown, false),
            _ => (Settled::Rejected(0), one.fate == Some(Fate::Pending)),
        };
        one.void = void;
        one.fate = Some(match (settled, one.fate) {
            (Settled::Accepted, _) => Fate::Accepted,
            (Settled::Unknown, _) => Fate::Unknown,
            (Settled::Rejected(0), _) => Fate::Released,
            (Settled::Rejected(status), _) => Fate::Rejected(status),
        });
        let message_id = if settled == Settled::Accepted { &name[..] } else { &[] };
        one.message_id = message_id.to_vec();
        write_time(Moment::from_ms(self.at), &mut self.records);
        Settlement { id: *id, settled, message_id, void }.write(&mut self.records);
    }

    /// A receipt names its message in decimal, the answer in hexadecimal.
    fn receipt(&mut self, which: u8, delivered: bool) {
        let accepted = |one: &&mut (Option<u64>, Expected)| one.1.fate == Some(Fate::Accepted);
        let count = self.all.iter_mut().filter(accepted).count().max(1);
        let Some((Some(id), one)) = self.all.iter_mut().filter(accepted).nth(usize::from(which) % count) else {
            return;
        };
        let state = if delivered { State::Delivered } else { State::Enroute };
        if one.receipt != Some(State::Delivered) {
            one.receipt = Some(state);
        }
        write_time(Moment::from_ms(self.at), &mut self.records);
        let (name, recipient) = (format!("{:012}", *id + NAMES), Some(subscriber(one.to)));
        ReceiptRecord { account: 1, recipient, state, error: 0, message_id: name.as_bytes() }.write(&mut self.records);
    }

    fn commit(&mut self) {
        let records = std::mem::take(&mut self.records);
        if records.is_empty() {
            return;
        }
        let (number, first_id, at) = (self.row, self.first_id, Moment::from_ms(self.at));
        self.rows.entry(self.day).or_default().push(Row { number, first_id, at, records });
        (self.row, self.first_id) = (number + 1, self.next_id);
    }

    fn write(&self, folder: &Path) {
        let mut names = Names::default();
        names.account("hefei");
        names.unit("hefei");
        let own = folder.to_owned();
        let durability = crate::ledger::Durability::Process;
        let files = Shelf { folder: own, durability, disk: Arc::new(RealDisk), log_size_max: u64::MAX };
        for (day, rows) in &self.rows {
            let copied = files.copy(VolumeId::first(Day::from_number(*day)), &names, |write| {
                rows.iter().try_for_each(|row| write(Row { records: row.records.clone(), ..*row }))
            });
            copied.expect("written");
        }
    }
}

fn sealed(folder: &Path, last: u16) {
    let archive = Archive::open(folder);
    let mut seals = Seals::default();
    for day in archive.days().expect("read").into_iter().filter(|day| day.number() < last) {
        let hashing = seal::of(&archive, day, || true).expect("read");
        let (seal, marks) = hashing.seal(day, &archive.names().expect("read"), seals.head());
        seals.append(folder, seal.clone(), Some(&marks)).expect("written");
        assert!(make(&archive, folder, &seal, || true).expect("made"));
        assert!(Index::open(folder, &seal).is_some());
        assert!(!make(&archive, folder, &seal, || true).expect("there"), "once is enough");
    }
}

fn span(from: u16, to: u16) -> Span {
    Span { from: Day::from_number(from), to: Day::from_number(to), reach: 30 }
}

fn seen(one: &Attempt) -> Expected {
    let To::Subscriber(number) = one.to else { panic!("{one:?}") };
    let message_id = one.outcome.as_ref().map_or_else(Vec::new, |outcome| outcome.message_id.to_vec());
    let receipt = one.receipt.as_ref().map(|receipt| receipt.state);
    assert_eq!((&*one.about.account, &*one.about.unit, one.about.campaign), ("hefei", "hefei", Some(7)));
    let refused = match one.verdict {
        Verdict::Refused { reason, .. } => Some(reason),
        Verdict::Forwarded => None,
    };
    Expected { to: (number.get() - 13_800_000_000) as u8, refused, fate: one.fate(), message_id, receipt, void: false }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..6_u8).prop_map(|to| Step::Send { to }),
        4 => (0..6_u8, any::<bool>()).prop_map(|(to, reason)| Step::Refuse { to, reason }),
        8 => (any::<u8>(), any::<u8>()).prop_map(|(which, how)| Step::Settle { which, how }),
        5 => (any::<u8>(), any::<bool>()).prop_map(|(which, delivered)| Step::Receipt { which, delivered }),
        6 => Just(Step::Commit),
        1 => Just(Step::NextDay),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn with_an_index_or_without_the_same_is_found_and_it_is_what_was_done(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = Writer::new();
        for step in steps {
            writer.step(step);
        }
        writer.commit();
        writer.write(folder.path());
        let archive = Archive::open(folder.path());
        let span = span(FIRST, writer.day);
        let mut all = Vec::new();
        archive.attempts(span, |one| all.push(one)).expect("read");
        let key = |one: &Expected| format!("{one:?}");
        let mut found: Vec<_> = all.iter().map(seen).collect();
        let mut expected: Vec<_> = writer.all.iter().map(|(_, one)| one.clone()).filter(|one| !one.void).collect();
        found.sort_by_key(key);
        expected.sort_by_key(key);
        prop_assert_eq!(&found, &expected);
        for indexed in [false, true] {
            if indexed {
                sealed(folder.path(), writer.day);
            }
            let mut traced: Vec<_> =
                (0..6).flat_map(|to| archive.trace(subscriber(to), span).expect("read")).collect();
            let mut found: Vec<_> = traced.iter().map(seen).collect();
            found.sort_by_key(key);
            prop_assert_eq!(&found, &expected, "indexed {}", indexed);
            traced.sort_by_key(|one| (one.row, one.id, format!("{:?}", one.to)));
            all.sort_by_key(|one| (one.row, one.id, format!("{:?}", one.to)));
            prop_assert_eq!(&traced, &all, "indexed {}", indexed);
        }
    }
}

#[test]
fn an_index_of_other_rows_or_a_torn_one_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = Writer::new();
    for step in [Step::Send { to: 1 }, Step::NextDay, Step::Send { to: 2 }, Step::NextDay, Step::Send { to: 3 }] {
        writer.step(step);
    }
    writer.commit();
    writer.write(folder.path());
    sealed(folder.path(), writer.day);
    let seals = Seals::read(folder.path()).expect("readable").all;
    let file = |seal: &Seal| folder.path().join(format!("index-{}", seal.day));
    std::fs::copy(file(&seals[0]), file(&seals[1])).expect("copied");
    assert!(Index::open(folder.path(), &seals[1]).is_none(), "another day's");
    let whole = std::fs::read(file(&seals[0])).expect("read");
    std::fs::write(file(&seals[0]), &whole[..whole.len() - 1]).expect("written");
    assert!(Index::open(folder.path(), &seals[0]).is_none(), "torn");
    let archive = Archive::open(folder.path());
    assert_eq!(archive.trace(subscriber(1), span(FIRST, FIRST)).expect("read").len(), 1, "the day is read whole");
    assert!(make(&archive, folder.path(), &seals[0], || true).expect("made anew"));
    assert!(matches!(make(&archive, folder.path(), &seals[1], || false), Err(ReadError::Io(_))), "told to stop");
}
