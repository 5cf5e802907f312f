//! Drain and restart without losing an accepted message (P18).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use smsluice::admin::Health;
use smsluice::sim::esme::{Esme, EsmeError};
use smsluice::sim::smsc::Latency;
use smsluice::smpp::bind::BindType;

use crate::stand::{Stand, good, hefei};

const EACH: u64 = 500;
const WINDOW: usize = 20;
const ACCOUNTS: [&str; 4] = ["hefei", "hefei", "hefei2", "hefei2"];

/// What became of the subscribers that one sender was to send to.
#[derive(Default)]
struct Told {
    accepted: BTreeSet<u64>,
    refused_for_now: BTreeSet<u64>,
    /// Refused for good: the sender must not try again, so these would be lost.
    refused: Vec<(u64, u32)>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_and_a_restart_under_load_lose_nothing_and_send_nothing_twice() {
    let mut stand = Stand::open().await;
    stand.smsc.change(|behaviour| behaviour.latency = Latency::fixed(Duration::from_millis(20)));
    let mut left: Vec<BTreeSet<u64>> = (0..4).map(|n| (n * EACH..(n + 1) * EACH).collect()).collect();
    let mut accepted = BTreeSet::new();
    for round in 0..3 {
        let smpp = stand.gateway.smpp;
        let before = stand.smsc.stats().submissions();
        let senders: Vec<_> =
            ACCOUNTS.into_iter().zip(left.clone()).map(|(id, numbers)| tokio::spawn(send(smpp, id, numbers))).collect();
        if round < 2 {
            // In the middle of the load.
            let deadline = Instant::now() + Duration::from_secs(20);
            while stand.smsc.stats().submissions() < before + 200 && Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stand = stand.restart().await;
        }
        for (sender, left) in senders.into_iter().zip(&mut left) {
            let told = sender.await.expect("no panic");
            assert!(
                told.refused.is_empty(),
                "round {round}: sent before, and the sender was not told: {:?}",
                told.refused
            );
            left.retain(|number| !told.accepted.contains(number));
            accepted.extend(told.accepted);
        }
        assert!(round == 2 || left.iter().any(|left| !left.is_empty()), "the drain came too late to mean anything");
    }
    assert!(left.iter().all(BTreeSet::is_empty), "not sent: {left:?}");
    let stats = stand.smsc.stats();
    assert_eq!((accepted.len() as u64, stats.distinct_recipients, stats.taken_twice), (4 * EACH, 4 * EACH, 0));
    stand.assert_conserved();
}

/// Sends until everything is told or the session ends; agrees to an unbind as a good client does.
async fn send(smpp: SocketAddr, account: &str, numbers: BTreeSet<u64>) -> Told {
    let mut told = Told::default();
    let Ok(mut esme) = Esme::connect(smpp, BindType::Transceiver, account, "secret", 0x34).await else { return told };
    let (mut todo, mut waiting, mut leaving) = (numbers.into_iter(), BTreeSet::new(), false);
    loop {
        let mut octets = Vec::new();
        while !leaving && waiting.len() < WINDOW {
            let Some(number) = todo.next() else { break };
            good(&hefei(number)).write(number as u32 + 1, &mut octets);
            waiting.insert(number);
        }
        if !octets.is_empty() && esme.send_raw(&octets).await.is_err() || waiting.is_empty() {
            return told;
        }
        let Ok(pdu) = esme.next_pdu().await else { return told };
        let word = |at: usize| u32::from_be_bytes([pdu[at], pdu[at + 1], pdu[at + 2], pdu[at + 3]]);
        if word(4) == 6 {
            leaving = true;
            let answer = [&[0, 0, 0, 16, 0x80, 0, 0, 6, 0, 0, 0, 0][..], &pdu[12..16]].concat();
            if esme.send_raw(&answer).await.is_err() {
                return told;
            }
            continue;
        }
        let number = u64::from(word(12) - 1);
        waiting.remove(&number);
        match word(8) {
            0 => drop(told.accepted.insert(number)),
            0x08 => drop(told.refused_for_now.insert(number)),
            status => told.refused.push((number, status)),
        }
    }
}

#[tokio::test]
async fn while_it_drains_binds_are_refused_for_now_and_afterwards_taken_again() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    let drained = stand.gateway.drain(Duration::from_secs(5)).await;
    assert_eq!((drained.sessions_left, drained.in_flight), (0, 0));
    let unbind = esme.next_pdu().await.expect("an unbind");
    assert_eq!(unbind[4..8], [0, 0, 0, 6]);
    assert!(!Health::of(stand.gateway.gateway()).ready);
    let refused = Esme::connect(stand.gateway.smpp, BindType::Transceiver, "hefei", "secret", 0x34).await;
    assert!(matches!(refused, Err(EsmeError::Refused(0x08))), "{refused:?}");
    assert_eq!(stand.metric(r#"smsluice_session_closes_total{cause="drain",side="gateway"}"#), 1);
    stand.gateway.undrain();
    assert!(Health::of(stand.gateway.gateway()).ready);
    let mut again = stand.bind("hefei").await;
    assert_eq!(again.submit(&good(&hefei(1))).await.expect("answered").status, 0);
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline_and_what_is_unanswered_counts_as_sent() {
    let stand = Stand::open().await;
    stand.smsc.change(|behaviour| behaviour.silent = 1.0);
    let mut esme = stand.bind("hefei").await;
    let mut octets = Vec::new();
    good(&hefei(1)).write(1, &mut octets);
    esme.send_raw(&octets).await.expect("sent");
    while stand.metric(r#"smsluice_messages_in_flight{account="hefei"}"#) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let began = Instant::now();
    stand.gateway.drain(Duration::from_secs(1)).await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(stand.gateway.gateway().bound(), 0);
    assert_eq!(stand.metric(r#"smsluice_messages_settled_total{account="hefei",outcome="unknown"}"#), 1);
    stand.gateway.undrain();
    let mut esme = stand.bind("hefei").await;
    stand.smsc.change(|behaviour| behaviour.silent = 0.0);
    assert_eq!(esme.submit(&good(&hefei(1))).await.expect("answered").status, 0x45, "it may have arrived");
}
