//! What operators ask of the ledger, on a gateway at work.

use std::time::Duration;

use smsluice::domain::{Day, Msisdn};
use smsluice::ledger::DamageKind;
use smsluice::ledger::operate::{EntryState, ReleaseError};
use smsluice::sim::smsc::Latency;

use crate::stand::{Setup, Stand, good, hefei, until, verdict};

fn today() -> Day {
    Day::parse("2026-11-24").expect("valid")
}

fn msisdn(n: u64) -> Msisdn {
    Msisdn::from_number(hefei(n).parse().expect("digits")).expect("a subscriber")
}

fn states(stand: &Stand, n: u64) -> Vec<EntryState> {
    let entries = stand.gateway.gateway().ledger().lookup(msisdn(n), today()).expect("read");
    for entry in &entries {
        assert_eq!((entry.account.as_str(), entry.day), ("hefei", today()));
    }
    entries.iter().map(|entry| entry.state).collect()
}

#[tokio::test]
async fn a_lookup_tells_what_became_of_every_message_to_a_subscriber() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    stand.smsc.change(|behaviour| behaviour.errors = vec![(0x14, 1.0)]);
    assert_eq!(esme.submit(&good(&hefei(1))).await.expect("answered").status, 0x14);
    stand.smsc.change(|behaviour| behaviour.errors.clear());
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(2))).await.0, "pass");
    until("settled", || states(&stand, 1) == [EntryState::Free(0x14), EntryState::Used]).await;
    assert_eq!(states(&stand, 3), []);
    let other = stand.gateway.gateway().ledger().lookup(msisdn(1), today().next()).expect("read");
    assert_eq!(other, []);
    let stats = stand.gateway.gateway().ledger().stats().expect("read");
    assert_eq!((stats.today, stats.slots, stats.scheduled, stats.unknown), (today(), 2, 0, 0));
    assert_eq!(stats.days.len(), 1);
}

/// A stand on which one message of hefei(1) has an unknown outcome, and the SMSC answers it after `late`.
async fn unanswered(late: Duration) -> (Stand, smsluice::sim::esme::Esme) {
    let change = |plan: &mut smsluice::app::Plan| plan.proxy.response_timeout = Duration::from_secs(10);
    let stand = Stand::new(Setup { change, ..Setup::default() }).await;
    stand.smsc.change(|behaviour| behaviour.latency = Latency::fixed(late));
    let mut esme = stand.bind("hefei").await;
    esme.send_raw(&good(&hefei(1)).submit_sm(1)).await.expect("sent");
    until("under way", || stand.smsc.stats().received.contains_key("submit_sm")).await;
    stand.advance(Duration::from_secs(11));
    esme.next_pdu().await.expect("an answer in the SMSC's stead");
    assert_eq!(stand.gateway.gateway().ledger().unknown(), 1);
    stand.smsc.change(|behaviour| behaviour.latency = Latency::fixed(Duration::ZERO));
    (stand, esme)
}

#[tokio::test]
async fn an_unknown_outcome_is_listed_and_released_for_good() {
    let (stand, mut esme) = unanswered(Duration::from_secs(60)).await;
    let ledger = || stand.gateway.gateway().ledger();
    let listed = ledger().unknown_outcomes().await.expect("listed");
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].recipient, listed[0].state), (Some(msisdn(1)), EntryState::Unknown));
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "duplicate");
    let released = ledger().release(listed[0].id).await.expect("released");
    assert_eq!(released.state, EntryState::Free(0));
    assert_eq!(ledger().release(listed[0].id).await, Err(ReleaseError::NotUnknown));
    assert_eq!((ledger().unknown(), ledger().unknown_outcomes().await.expect("listed").len()), (0, 0));
    assert_eq!(states(&stand, 1), [EntryState::Free(0)]);
    let stand = stand.restart().await;
    assert_eq!(stand.gateway.recovered.unknown, 0);
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
}

#[tokio::test]
async fn a_late_acceptance_takes_again_what_an_operator_released() {
    let (stand, mut esme) = unanswered(Duration::from_secs(5)).await;
    let id = stand.gateway.gateway().ledger().unknown_outcomes().await.expect("listed")[0].id;
    stand.gateway.gateway().ledger().release(id).await.expect("released");
    until("the late acceptance", || stand.metric(r#"smsluice_anomalies_total{kind="late_accept"}"#) == 1).await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "duplicate");
    drop(esme);
    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "duplicate");
}

#[tokio::test]
async fn what_cannot_be_written_is_released_for_the_while() {
    let (stand, mut esme) = unanswered(Duration::from_secs(60)).await;
    let id = stand.gateway.gateway().ledger().unknown_outcomes().await.expect("listed")[0].id;
    stand.disk.fails(true);
    assert_eq!(stand.gateway.gateway().ledger().release(id).await, Err(ReleaseError::NotDurable));
    stand.disk.fails(false);
    until("a ledger that is well", || stand.gateway.gateway().ledger().is_trusted()).await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
}

#[tokio::test]
async fn a_copy_made_at_work_is_a_ledger_and_a_check_finds_what_was_damaged() {
    let stand = Stand::with_policy("[hours]\nnight = []\n").await;
    for (time, n) in [("2026-11-24T23:59:00", 1), ("2026-11-25T00:00:10", 2)] {
        stand.at(time);
        let mut esme = stand.bind("hefei").await;
        assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(n))).await.0, "pass");
    }
    let ledger = stand.gateway.gateway().ledger();
    let (verified, mut told) = (ledger.verify(|_| {}).expect("read"), 0);
    assert_eq!((verified.days, verified.reservations, verified.problems.len()), (2, 2, 0), "{verified:?}");
    let copy = stand.config_folder().join("copy");
    let rows = ledger.backup(&copy).expect("copied");
    assert!(rows >= 2);
    assert!(ledger.backup(&copy).is_err(), "a copy is never written over");
    let on_the_copy = || Setup {
        now: "2026-11-25T09:30:00+08:00",
        policy: "[hours]\nnight = []\n".to_owned(),
        folder: Some(copy.clone()),
        ..Setup::default()
    };
    let stand = Stand::new(on_the_copy()).await;
    let damage = stand.gateway.gateway().ledger().damage().expect("somebody has to say that nothing was sent since");
    assert_eq!(damage.kind, DamageKind::Copied);
    stand.gateway.gateway().ledger().accept(&damage.code()).expect("accepted");
    stand.gateway.stop().await;
    let stand = Stand::new(on_the_copy()).await;
    assert_eq!(stand.gateway.recovered.accepted.as_ref(), Some(&*damage));
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass", "of the day before");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(2))).await.0, "duplicate");
    let yesterday = copy.join("journal-2026-11-24.sqlite");
    let outside = rusqlite::Connection::open(&yesterday).expect("yesterday's file is closed");
    outside.execute_batch("UPDATE batch SET crc = crc + 1").expect("damaged");
    drop(outside);
    let verified = stand.gateway.gateway().ledger().verify(|rows| told = rows).expect("read");
    assert_eq!(verified.problems.len(), 1, "{verified:?}");
    assert!(verified.problems.iter().any(|problem| problem.contains("2026-11-24")), "{verified:?}");
}

#[tokio::test]
async fn old_days_are_removed_and_none_that_a_start_reads() {
    let stand = Stand::new(Setup { now: "2026-11-20T09:30:00+08:00", ..Setup::default() }).await;
    for (n, day) in (20..=25).enumerate() {
        stand.at(&format!("2026-11-{day}T15:00:00"));
        let mut esme = stand.bind("hefei").await;
        assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(n as u64))).await.0, "pass");
    }
    let ledger = stand.gateway.gateway().ledger();
    let day = |text| Day::parse(text).expect("valid");
    until("closed files", || ledger.verify(|_| {}).is_ok_and(|found| found.problems.is_empty())).await;
    assert_eq!(ledger.prune(day("2026-11-21")).expect("removed"), [day("2026-11-20")]);
    let removed = ledger.prune(day("2027-01-01")).expect("removed");
    assert_eq!(removed, [day("2026-11-21"), day("2026-11-22")], "yesterday and the day before may still matter");
    assert!(
        ledger
            .stats()
            .expect("read")
            .days
            .iter()
            .all(|(day, octets)| day.number() >= removed[1].number() && *octets > 0)
    );
}
