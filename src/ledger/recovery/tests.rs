//! What a start makes of rows, one by one.

use super::*;
use crate::domain::Msisdn;
use crate::ledger::batch::About;
use crate::ledger::batch::tests::{World, number, reservation, slot};
use crate::ledger::record::write_scheduled;
use crate::ledger::slot::{SlotKey, Space};
use crate::ledger::waiting::Scheduled;
use crate::policy::joined::{Piece, Recipient};
use crate::policy::testing::{WEEKDAY, at};
use crate::smpp::udh::{Part, PartKind};

const NOW: Tick = Tick { wall: Moment::from_ms(0), steady_ms: 500_000_000, steady_ns: 0 };

/// Rows as a gateway would have written them.
struct Written {
    world: World,
    batch: Batch,
    rows: Vec<Row>,
    next_id: u64,
}

impl Written {
    fn new() -> Self {
        Self { world: World::new(), batch: Batch::default(), rows: Vec::new(), next_id: 1 }
    }

    fn now() -> Tick {
        Tick { wall: at(WEEKDAY), ..NOW }
    }

    fn today() -> Day {
        LocalTime::of(at(WEEKDAY)).day
    }

    fn taken(&self, to: u64, day: Day, effects: Effects) -> Taken {
        Taken { recipient: number(to), day, ..reservation(&self.world.permit(""), effects).taken }
    }

    /// A message; its id.
    fn reserved(&mut self, to: u64, day: Day, effects: Effects) -> u64 {
        let permit = self.world.permit("");
        let mut own = reservation(&permit, effects);
        own.taken = self.taken(to, day, effects);
        self.batch.reserve(&self.world.claim(About::default()), &permit, &mut own);
        self.next_id + own.id - 1
    }

    /// A part of a message of two; its id.
    fn part(&mut self, to: u64, day: Day, serial: u64, index: u8) -> u64 {
        let permit = self.world.permit("");
        let mut own = reservation(&permit, slot());
        let part = Part { kind: PartKind::Udh8, reference: serial as u16, total: 2, index };
        let to = (number(to).expect("a number"), self.taken(to, day, slot()));
        let piece = Piece { part, to: Recipient::Subscriber(to.0), from: 2, data_coding: 8, text: "移动".into() };
        let record = PartRecord { taken: to.1, serial, piece };
        self.batch.reserve_part(&self.world.claim(About::default()), &permit, &record, &mut own);
        self.next_id + own.id - 1
    }

    fn settled(&mut self, id: u64, settled: Settled) {
        self.batch.settled(id, settled, b"", || at(WEEKDAY));
    }

    /// All of that was one commit, so long ago.
    fn committed(&mut self, ago_ms: i64) {
        let (first_id, records) = (self.next_id, self.batch.records.clone());
        self.next_id += self.batch.reservations();
        self.batch.clear();
        let (number, at) = (self.rows.len() as i64 + 1, Moment::from_ms(at(WEEKDAY).ms() - ago_ms));
        self.rows.push(Row { number, first_id, at, records });
    }

    fn first(&self) -> FirstReading {
        let mut first = FirstReading::new(Self::today());
        self.rows.iter().for_each(|row| first.row(Self::today(), row).expect("sound"));
        first
    }

    fn replayed<'a>(&self, switches: &'a Switches) -> Replay<'a> {
        let mut replay = Replay::after(self.first(), switches, Self::now());
        self.rows.iter().for_each(|row| replay.row(Self::today(), row).expect("sound"));
        replay
    }
}

fn key(to: u64) -> SlotKey {
    SlotKey::new(number(to).expect("a number"), 0, Space::Messages)
}

fn segment(switches: &Switches) -> u64 {
    number(1).map(|number: Msisdn| number.prefix(switches.spread.digits)).expect("a number")
}

#[test]
fn days_matter_as_long_as_something_of_them_may_wait() {
    let today = Day::from_number(100);
    for (day, expected) in [(97, false), (98, true), (100, true), (101, true)] {
        assert_eq!(matters(&[VolumeId::of(day, 1)], today, 2), expected, "{day}");
    }
    assert!(!matters(&[], today, 2));
    let mut switches = Switches::default();
    for (hours, days) in [(24, 2), (25, 3), (48, 3)] {
        switches.schedule.max_ahead_hours = hours;
        assert_eq!(reach(&switches), days);
    }
}

#[test]
fn ids_are_counted_over_all_that_has_one() {
    let mut rows = Written::new();
    let today = Written::today();
    let ids = [rows.reserved(1, today, slot()), rows.reserved(2, today, Effects::default()), rows.part(3, today, 9, 1)];
    rows.committed(5_000);
    rows.settled(ids[0], Settled::Accepted);
    rows.committed(4_000);
    assert_eq!((ids, rows.part(3, today, 9, 2)), ([1, 2, 3], 4));
    rows.committed(3_000);
    rows.settled(4, Settled::Accepted);
    rows.committed(2_000);
    let first = rows.first();
    assert_eq!((first.next_id, first.last_row, first.days()), (5, 4, vec![(today.number(), 1)]));
    let ago = |moment: Option<Moment>| moment.map(|moment| at(WEEKDAY).ms() - moment.ms());
    assert_eq!((ago(first.newest), ago(first.sent_at)), (Some(2_000), Some(3_000)));
    let switches = Switches::default();
    let replay = rows.replayed(&switches);
    assert_eq!(replay.reservations, 3, "of what takes something");
    assert_eq!((replay.passed.clone(), replay.open_parts.keys().copied().collect::<Vec<_>>()), (vec![2], vec![3]));
    rows.rows.remove(1);
    let mut first = FirstReading::new(today);
    let read = rows.rows.iter().try_for_each(|row| first.row(today, row));
    assert!(matches!(read, Err(ReadError::Missing { after: 1, next: 3, .. })));
}

#[test]
fn a_place_in_a_window_is_restored_as_long_as_the_window_reaches() {
    let mut effects = slot();
    effects.insert(Effects::SPREAD);
    let mut rows = Written::new();
    let mut switches = Switches::default();
    switches.spread.window_seconds = 10;
    for (to, ago) in [(1, 10_000), (2, 9_999), (3, 2_000)] {
        rows.reserved(to, Written::today(), effects);
        rows.committed(ago);
    }
    let refused = rows.reserved(4, Written::today(), effects);
    rows.settled(refused, Settled::Rejected(0x14));
    rows.committed(1_000);
    let mut replay = rows.replayed(&switches);
    let count = |now| replay.spreads.real.count(segment(&switches), now, 10_000);
    assert_eq!((count(NOW.steady_ms), count(NOW.steady_ms + 1), count(NOW.steady_ms + 8_000)), (2, 1, 0));
    let book = replay.day(Written::today()).book();
    assert_eq!([1, 2, 3, 4].map(|to| book.messages(key(to))), [1, 1, 1, 0]);
    assert_eq!(replay.open.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn the_parts_of_a_message_take_once_and_give_back_when_all_are_refused() {
    let mut rows = Written::new();
    let (today, yesterday) = (Written::today(), Day::from_number(Written::today().number() - 1));
    let refused = [rows.part(1, today, 1, 1), rows.part(1, today, 1, 2)];
    let half = [rows.part(2, today, 2, 1), rows.part(2, today, 2, 2)];
    let unknown = rows.part(3, today, 3, 1);
    let old = rows.part(4, yesterday, 4, 1);
    rows.committed(60_000);
    for id in refused {
        rows.settled(id, Settled::Rejected(0x14));
    }
    rows.settled(half[0], Settled::Rejected(0x14));
    for (id, settled) in [(half[1], Settled::Accepted), (unknown, Settled::Unknown), (old, Settled::Accepted)] {
        rows.settled(id, settled);
    }
    rows.committed(50_000);
    let switches = Switches::default();
    let mut replay = rows.replayed(&switches);
    let book = replay.day(today).book();
    assert_eq!([1, 2, 3, 4].map(|to| book.messages(key(to))), [0, 1, 1, 0]);
    assert_eq!((replay.unknown.len(), replay.open_parts.len(), replay.reservations), (1, 0, 6));
    assert!(!replay.days.iter().any(|day| day.day() == yesterday), "nothing of a day that is over is entered");
    let assembly_ms = i64::from(switches.length.assembly_minutes) * 60_000;
    let begun = NOW.steady_ms - 60_000;
    assert_eq!(replay.parts.sweep(begun + assembly_ms - 1), 0, "they can go on");
    assert_eq!(replay.parts.sweep(begun + assembly_ms), 3, "nothing is left of the first");
}

#[test]
fn what_was_taken_again_given_up_or_scheduled_counts_where_its_day_is_not_over() {
    let mut rows = Written::new();
    let (today, yesterday) = (Written::today(), Day::from_number(Written::today().number() - 1));
    for (to, day) in [(1, today), (2, yesterday)] {
        let taken = rows.taken(to, day, slot());
        taken.write_again(rows.batch.bound());
    }
    let moved = rows.reserved(3, today, slot());
    rows.settled(moved, Settled::Accepted);
    rows.committed(9_000);
    let taken = rows.taken(3, today, slot());
    taken.write_given_up(rows.batch.bound());
    for (name, due_ms) in [(b"0", 0), (b"1", 1), (b"9", 9)] {
        let scheduled = Scheduled {
            account: 1,
            smsc: "a:1".into(),
            message_id: name[..].into(),
            due: Moment::from_ms(at(WEEKDAY).ms() + due_ms),
            source: (0, 1, b"6202"[..].into()),
            recipient: number(1),
            recipients: 1,
        };
        write_scheduled(&scheduled, rows.batch.bound());
    }
    rows.committed(8_000);
    let switches = Switches::default();
    let mut replay = rows.replayed(&switches);
    let waits = [b"0", b"1", b"9"].map(|name| replay.waiting.find(1, "a:1", name).is_some());
    assert_eq!(waits, [false, true, true], "what is due has left");
    assert!(!replay.days.iter().any(|day| day.day() == yesterday));
    let book = replay.day(today).book();
    assert_eq!([1, 2, 3].map(|to| book.messages(key(to))), [1, 0, 0]);
}
