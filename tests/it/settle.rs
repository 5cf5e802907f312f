//! What becomes of a slot: refused, unknown, restarted.

use std::time::Duration;

use smsluice::app::{Plan, Running, StartError};
use smsluice::domain::Clock;
use smsluice::sim::smsc::Latency;

use crate::stand::{Setup, Stand, good, hefei, moment, until, verdict};

#[tokio::test]
async fn a_refusal_of_the_smsc_frees_the_slot_before_it_is_seen() {
    let stand = Stand::with_policy("[quota]\nusers = 1\n").await;
    let mut esme = stand.bind("hefei").await;
    stand.smsc.change(|behaviour| behaviour.errors = vec![(0x14, 1.0)]);
    for _ in 0..20 {
        let answer = esme.submit(&good(&hefei(1))).await.expect("answered");
        assert_eq!(answer.status, 0x14, "never a duplicate, never the quota");
    }
    stand.smsc.change(|behaviour| behaviour.errors.clear());
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(2))).await.0, "quota");
    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "duplicate");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(2))).await.0, "quota");
}

#[tokio::test]
async fn a_released_slot_is_free_after_a_restart_too() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    stand.smsc.change(|behaviour| behaviour.errors = vec![(0x0B, 1.0)]);
    esme.submit(&good(&hefei(1))).await.expect("answered");
    stand.smsc.change(|behaviour| behaviour.errors.clear());
    drop(esme);
    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
}

#[tokio::test]
async fn no_answer_counts_as_sent_and_is_told_once() {
    let stand =
        Stand::new(Setup { change: |plan| plan.proxy.response_timeout = Duration::from_secs(10), ..Setup::default() })
            .await;
    stand.smsc.change(|behaviour| behaviour.latency = Latency::fixed(Duration::from_secs(3)));
    let mut esme = stand.bind("hefei").await;
    let sequence = 4711;
    esme.send_raw(&good(&hefei(1)).submit_sm(sequence)).await.expect("sent");
    until("the SMSC has it", || stand.smsc.stats().submissions() == 1).await;
    stand.advance(Duration::from_secs(11)); // the response timer runs by the steady clock
    let pdu = esme.next_pdu().await.expect("an answer in the SMSC's stead");
    assert_eq!(&pdu[4..16], &[0x80, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0x12, 0x67]);
    assert_eq!(stand.gateway.gateway().ledger().unknown(), 1);
    // The late answer is absorbed and makes the outcome known.
    until("the late answer", || stand.metric(r#"smsluice_anomalies_total{kind="late_accept"}"#) == 1).await;
    assert_eq!(stand.gateway.gateway().ledger().unknown(), 0);
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "duplicate");
}

#[tokio::test]
async fn a_lost_link_leaves_an_unknown_outcome_and_ends_the_session() {
    let stand = Stand::open().await;
    stand.smsc.change(|behaviour| behaviour.silent = 1.0);
    let mut esme = stand.bind("hefei").await;
    esme.send_raw(&good(&hefei(1)).submit_sm(5)).await.expect("sent");
    until("the SMSC has it", || stand.smsc.stats().submissions() == 1).await;
    stand.smsc.disconnect_all();
    assert!(esme.next_pdu().await.is_err(), "the sender's connection ends with the link");
    assert_eq!(stand.gateway.gateway().ledger().unknown(), 1);
    stand.smsc.change(|behaviour| behaviour.silent = 0.0);
    let stand = stand.restart().await;
    assert_eq!(stand.gateway.recovered.unknown, 1, "it is listed after a restart");
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "duplicate");
}

#[tokio::test]
async fn a_second_gateway_on_the_folder_does_not_start() {
    let stand = Stand::open().await;
    let configuration = smsluice::config::load_with_env(
        stand.config_folder(),
        &std::collections::BTreeMap::new(),
        moment("2026-11-24T09:30:00"),
    )
    .expect("loads");
    let mut plan = Plan::new(configuration, Clock::System);
    plan.listen = ([127, 0, 0, 1], 0).into();
    plan.admin = ([127, 0, 0, 1], 0).into();
    plan.ledger.path = stand.ledger_folder();
    let error = Running::start(plan).await.expect_err("refused");
    assert!(matches!(error, StartError::Ledger(_)));
    let text = error.to_string();
    assert!(text.contains(&std::process::id().to_string()) && text.contains("two gateways"), "{text}");
}

#[tokio::test]
async fn the_window_of_a_segment_survives_a_restart() {
    let stand = Stand::with_policy("[spread]\nlimit = 2\n").await;
    let mut esme = stand.bind("hefei").await;
    let segment = hefei(0)[..7].to_owned();
    for n in 0..2 {
        assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&format!("{segment}{n:04}"))).await.0, "pass");
    }
    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&format!("{segment}0002"))).await.0, "spread");
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_stops_submissions_only_and_comes_back_by_itself() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
    stand.disk.fails(true);
    for _ in 0..3 {
        let (found, answer) = verdict(&stand, &mut esme, "hefei", &good(&hefei(2))).await;
        assert_eq!((found.as_str(), answer.status), ("ledger_unavailable", 0x08));
    }
    assert_eq!(stand.metric("smsluice_ledger_trusted"), 0);
    assert!(!smsluice::admin::Health::of(stand.gateway.gateway()).ready);
    esme.enquire_link().await.expect("everything else flows");
    stand.disk.fails(false);
    until("ready", || smsluice::admin::Health::of(stand.gateway.gateway()).ready).await;
    assert!(smsluice::admin::Health::of(stand.gateway.gateway()).ready, "without a person and without a message");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(2))).await.0, "pass", "the refusals cost nothing");
    assert_eq!(stand.gateway.gateway().ledger().reserved(), 0);
    stand.assert_conserved();
}

#[tokio::test]
async fn a_settlement_outlives_a_commit_that_failed() {
    let stand = Stand::open().await;
    stand.smsc.change(|behaviour| {
        behaviour.errors = vec![(0x0B, 1.0)];
        behaviour.latency = Latency::fixed(Duration::from_secs(1));
    });
    let mut esme = stand.bind("hefei").await;
    esme.send_raw(&good(&hefei(1)).submit_sm(1)).await.expect("sent");
    until("the SMSC has it", || stand.smsc.stats().submissions() == 1).await;
    stand.disk.fails(true);
    esme.next_pdu().await.expect("the SMSC's refusal");
    let trusted = || stand.gateway.gateway().ledger().is_trusted();
    until("the release could not be written", || !trusted()).await;
    stand.disk.fails(false);
    until("a ledger that is well", trusted).await;
    drop(esme);
    let stand = stand.restart().await;
    assert_eq!(stand.gateway.recovered.unknown, 0);
    stand.smsc.change(|behaviour| behaviour.errors.clear());
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
}

#[tokio::test]
async fn answers_to_a_sender_that_has_gone_are_settled() {
    let stand = Stand::open().await;
    stand.smsc.change(|behaviour| behaviour.latency = Latency { from: Duration::ZERO, to: Duration::from_millis(400) });
    let mut esme = stand.bind("hefei").await;
    let octets: Vec<u8> = (0..60).flat_map(|n| good(&hefei(n)).submit_sm(n as u32 + 1)).collect();
    esme.send_raw(&octets).await.expect("sent");
    until("the SMSC has all", || stand.smsc.stats().submissions() == 60).await;
    drop(esme);
    until("the session ends", || stand.gateway.gateway().bound() == 0).await;
    assert_eq!(stand.gateway.gateway().ledger().unknown(), 0);
    assert_eq!(stand.metric(r#"smsluice_messages_settled_total{account="hefei",outcome="accepted"}"#), 60);
}

#[tokio::test]
async fn a_late_acceptance_takes_again_what_was_released() {
    let stand = Stand::new(Setup {
        policy: "[dedup]\nunknown_outcome = \"release\"\n".to_owned(),
        change: |plan| plan.proxy.response_timeout = Duration::from_secs(10),
        ..Setup::default()
    })
    .await;
    stand.smsc.change(|behaviour| behaviour.latency = Latency::fixed(Duration::from_secs(3)));
    let mut esme = stand.bind("hefei").await;
    esme.send_raw(&good(&hefei(1)).submit_sm(1)).await.expect("sent");
    until("the SMSC has it", || stand.smsc.stats().submissions() == 1).await;
    stand.advance(Duration::from_secs(11));
    esme.next_pdu().await.expect("an answer in the SMSC's stead");
    until("the late answer", || stand.metric(r#"smsluice_anomalies_total{kind="late_accept"}"#) == 1).await;
    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "duplicate");
}

#[tokio::test]
async fn an_answer_after_midnight_settles_a_message_of_the_day_before() {
    let stand = Stand::with_policy("[hours]\nnight = []\n").await;
    stand.smsc.change(|behaviour| behaviour.latency = Latency::fixed(Duration::from_secs(1)));
    stand.at("2026-11-24T23:59:59");
    let mut esme = stand.bind("hefei").await;
    esme.send_raw(&good(&hefei(1)).submit_sm(1)).await.expect("sent");
    until("the SMSC has it", || stand.smsc.stats().submissions() == 1).await;
    stand.at("2026-11-25T00:00:00");
    esme.next_pdu().await.expect("answered");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass", "a new day");
    let stand = stand.restart().await;
    assert_eq!(stand.gateway.recovered.reservations, 2, "both days' files are read");
    assert_eq!(stand.gateway.recovered.unknown, 0);
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "duplicate");
    let files = std::fs::read_dir(stand.ledger_folder()).expect("there").count();
    assert!(files >= 3, "a file a day, and the lock");
}
