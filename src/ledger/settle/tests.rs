//! What is written down where the journal has no room.

use super::super::model::World;
use super::super::record::Settled;
use super::*;
use crate::domain::Moment;
use crate::smpp::receipt::State;

#[test]
fn what_only_tells_of_messages_is_dropped_and_counted_while_the_journal_is_full() {
    let world = World::new(1, false);
    let ledger = world.ledger();
    let receipt = Receipt { from: Address::default(), state: State::Delivered, error: 0, message_id: b"7" };
    let tell = |messages| {
        let mut batch = Batch::default();
        (0..messages).for_each(|_| ledger.receipt(1, &receipt, &mut batch));
        ledger.note(&mut batch);
        assert!(batch.is_empty());
        ledger.untold()
    };
    assert_eq!(tell(2), 0, "there is room");
    while !ledger.journal.is_full() {
        ledger.journal.append(&mut vec![0; 1024 * 1024], 0);
    }
    assert_eq!(tell(2), 2);
    assert_eq!(tell(3), 5);
    let mut batch = Batch::default();
    batch.settled(1, Settled::Accepted, b"7", || Moment::from_ms(0));
    ledger.receipt(1, &receipt, &mut batch);
    ledger.note(&mut batch);
    assert!(batch.is_empty(), "an outcome is written whatever waits");
    assert_eq!(ledger.untold(), 5);
}

#[test]
fn what_is_under_way_is_counted() {
    let world = World::new(1, false);
    let ledger = world.ledger();
    ledger.count_reserved(2);
    assert_eq!(ledger.reserved(), 2);
    ledger.one_settled();
    assert_eq!(ledger.reserved(), 1);
}
