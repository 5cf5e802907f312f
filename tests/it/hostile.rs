//! Bad input: any octets, at any time; other sessions go on.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use smsluice::sim::submit::SubmitSpec;

use crate::stand::{Setup, Stand, good, hefei, until, verdict};

/// Writes octets on a fresh connection and reads until the gateway closes it.
async fn poke(stand: &Stand, octets: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(stand.gateway.smpp).await.expect("connected");
    stream.write_all(octets).await.expect("written");
    stream.shutdown().await.expect("half closed");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
    read.expect("closed in time").ok();
    answer
}

#[tokio::test]
async fn what_is_not_smpp_is_closed_before_a_bind() {
    let stand = Stand::open().await;
    let nack = [0, 0, 0, 16, 0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0];
    assert_eq!(poke(&stand, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await, nack);
    for length in 0..16u32 {
        assert_eq!(poke(&stand, &[length.to_be_bytes(), [0; 4]].concat()).await, nack, "length {length}");
    }
    assert_eq!(poke(&stand, &[0xFF; 64]).await, nack);
    assert!(poke(&stand, &[0, 0, 0]).await.is_empty());
    assert_eq!(stand.smsc.stats().connections, 0, "the SMSC hears nothing of it");
}

#[tokio::test]
async fn nothing_but_a_bind_before_the_bind() {
    let stand = Stand::open().await;
    let answer = poke(&stand, &good(&hefei(1)).submit_sm(7)).await;
    assert_eq!(answer, [0, 0, 0, 16, 0x80, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 7]);
    let unknown = [0, 0, 0, 16, 0, 0, 0x77, 0x77, 0, 0, 0, 0, 0, 0, 0, 9];
    assert_eq!(poke(&stand, &unknown).await, [0, 0, 0, 16, 0x80, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 9]);
}

#[tokio::test]
async fn truncated_and_odd_submissions_get_one_answer_and_the_session_goes_on() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    let whole = good(&hefei(1)).submit_sm(1);
    for cut in 16..whole.len() {
        let mut frame = whole[..cut].to_vec();
        frame[..4].copy_from_slice(&(cut as u32).to_be_bytes());
        frame[12..16].copy_from_slice(&(cut as u32 + 100).to_be_bytes());
        let answer = esme.request(cut as u32 + 100, &frame).await.expect("answered");
        assert_ne!(answer.status, 0, "cut at {cut}");
    }
    for octets in 1..4usize {
        let mut frame = whole.clone();
        frame.extend(std::iter::repeat_n(0, octets));
        let length = frame.len() as u32;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        let answer = esme.request(1, &frame).await.expect("answered");
        assert_eq!(answer.status, 0xC0, "{octets} stray octets");
    }
    assert_eq!(stand.smsc.stats().submissions(), 0, "nothing half-sent upstream");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
    stand.assert_conserved();
}

#[tokio::test]
async fn a_bad_length_after_the_bind_ends_that_session_only() {
    let stand = Stand::open().await;
    let mut bad = stand.bind("hefei").await;
    let mut other = stand.bind("hefei2").await;
    let first = good(&hefei(1)).submit_sm(3);
    bad.send_raw(&[first.as_slice(), &[0, 0, 0, 3, 9, 9, 9, 9]].concat()).await.expect("sent");
    let mut seen = Vec::new();
    while let Ok(pdu) = bad.next_pdu().await {
        seen.push(pdu);
    }
    assert!(seen.iter().any(|pdu| pdu[4..8] == [0x80, 0, 0, 0]), "a generic_nack");
    assert_eq!(verdict(&stand, &mut other, "hefei2", &good(&hefei(2))).await.0, "pass");
    assert_eq!(stand.smsc.stats().protocol_errors, 0, "the SMSC saw whole PDUs only");
}

#[tokio::test]
async fn a_sender_that_vanishes_inside_a_pdu_leaves_nothing_upstream() {
    let stand = Stand::open().await;
    let whole = good(&hefei(1)).submit_sm(3);
    let mut esme = stand.bind("hefei").await;
    esme.send_raw(&whole[..whole.len() - 1]).await.expect("sent");
    drop(esme);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(stand.smsc.stats().submissions(), 0);
    assert_eq!(stand.smsc.stats().protocol_errors, 0);
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
}

#[tokio::test]
async fn a_slow_pdu_is_bounded_from_its_first_octet() {
    let stand = Stand::new(Setup {
        change: |plan| plan.proxy.session_init_timeout = Duration::from_secs(5),
        ..Setup::default()
    })
    .await;
    let mut esme = stand.bind("hefei").await;
    esme.send_raw(&[0, 0]).await.expect("sent");
    tokio::time::sleep(Duration::from_millis(300)).await; // the gateway has read it, or reads it with the next
    esme.send_raw(&[0]).await.expect("sent");
    tokio::time::sleep(Duration::from_millis(300)).await;
    stand.advance(Duration::from_secs(6));
    assert!(esme.next_pdu().await.is_err(), "closed");
    let mut silent = TcpStream::connect(stand.gateway.smpp).await.expect("connected");
    let mut octets = [0; 1];
    let read = tokio::time::timeout(Duration::from_secs(30), silent.read(&mut octets)).await;
    assert_eq!(read.expect("closed in time").ok(), Some(0), "a connection that never binds");
}

#[tokio::test]
async fn an_smsc_that_sends_garbage_ends_that_session_only() {
    let stand = Stand::open().await;
    let mut other = stand.bind("hefei2").await;
    stand.smsc.change(|behaviour| behaviour.garbage = 1.0);
    let mut esme = stand.bind("hefei").await;
    let _ = esme.submit(&good(&hefei(1))).await;
    while esme.next_pdu().await.is_ok() {}
    stand.smsc.change(|behaviour| behaviour.garbage = 0.0);
    assert_eq!(verdict(&stand, &mut other, "hefei2", &good(&hefei(2))).await.0, "pass");
    assert_eq!(verdict(&stand, &mut other, "hefei2", &good(&hefei(1))).await.0, "duplicate");
}

#[tokio::test]
async fn an_smsc_that_answers_twice_is_heard_once() {
    let stand = Stand::open().await;
    stand.smsc.change(|behaviour| behaviour.duplicate = 1.0);
    let mut esme = stand.bind("hefei").await;
    for n in 0..50 {
        assert_eq!(esme.submit(&good(&hefei(n))).await.expect("answered").status, 0);
    }
    esme.set_patience(Duration::from_millis(200));
    assert!(esme.next_pdu().await.is_err(), "no second answer comes through");
    until("all are heard", || stand.metric(r#"smsluice_anomalies_total{kind="unknown_answer"}"#) >= 50).await;
}

#[tokio::test]
async fn a_number_in_flight_is_not_used_twice() {
    let stand = Stand::open().await;
    stand.smsc.change(|behaviour| behaviour.silent = 1.0);
    let mut esme = stand.bind("hefei").await;
    let (a, b) = (good(&hefei(1)).submit_sm(8), good(&hefei(2)).submit_sm(8));
    esme.send_raw(&[a, b].concat()).await.expect("sent");
    let pdu = esme.next_pdu().await.expect("the second is refused");
    assert_eq!(pdu.len(), 16);
    assert_ne!(pdu[8..12], [0, 0, 0, 0]);
    until("the first is there", || stand.smsc.stats().submissions() == 1).await;
    stand.assert_conserved();
}

#[tokio::test]
async fn random_octets_never_stop_the_gateway() {
    let stand = Stand::open().await;
    let mut state = 0x1234_5678_9ABC_DEF0_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..60 {
        let octets: Vec<u8> = (0..next() % 600).map(|_| next() as u8).collect();
        if round % 2 == 0 {
            poke(&stand, &octets).await;
        } else {
            let mut esme = stand.bind("hefei").await;
            let mut frame = good(&hefei(next() % 100_000)).submit_sm(1);
            let at = 16 + (next() as usize % (frame.len() - 16));
            frame[at] = next() as u8;
            esme.send_raw(&frame).await.expect("sent");
            esme.send_raw(&octets).await.ok();
        }
    }
    let mut esme = stand.bind("hefei2").await;
    let (found, _) = verdict(&stand, &mut esme, "hefei2", &good(&hefei(500_000))).await;
    assert_eq!(found, "pass");
    assert_eq!(stand.smsc.stats().protocol_errors, 0, "the SMSC saw whole PDUs only");
    stand.assert_conserved();
}

#[tokio::test]
async fn a_sender_that_does_not_read_is_held_back_and_harms_nobody() {
    let stand = Stand::open().await;
    let mut other = stand.bind("hefei2").await;
    let (mut deaf, _) = stand.bind("hefei").await.into_parts();
    let refused = SubmitSpec::new("999", &hefei(1), "x").submit_sm(1).repeat(200);
    let mut written = 0_usize;
    while let Ok(done) = tokio::time::timeout(Duration::from_millis(500), deaf.write_all(&refused)).await {
        done.expect("written");
        written += refused.len();
        assert!(written < 256 << 20, "what nobody reads must not be taken without end");
    }
    assert_eq!(verdict(&stand, &mut other, "hefei2", &good(&hefei(2))).await.0, "pass");
    assert!(stand.metric(r#"smsluice_sessions{account="hefei",bind="trx"}"#) == 1);
}

#[tokio::test]
async fn an_smsc_that_does_not_answer_bounds_what_is_in_flight() {
    let stand = Stand::new(Setup { change: |plan| plan.proxy.max_in_flight = 50, ..Setup::default() }).await;
    stand.smsc.change(|behaviour| behaviour.silent = 1.0);
    let (mut eager, _) = stand.bind("hefei").await.into_parts();
    for n in 0..400u32 {
        eager.write_all(&good(&hefei(u64::from(n))).submit_sm(n + 1)).await.expect("written");
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let seen = stand.smsc.stats().submissions();
    assert!((50..400).contains(&seen), "{seen} of 400 went on"); // the limit and at most what one read brought
}

/// A generic_nack names a number, not an operation: it must not free a slot.
#[tokio::test]
async fn a_nack_of_another_request_frees_no_slot() {
    let stand = Stand::open().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let address = listener.local_addr().expect("bound");
    let stub = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("connected");
        let mut octets = vec![0; 65_536];
        let read = stream.read(&mut octets).await.expect("the bind");
        let answer = |command: [u8; 4], status: u8, sequence: &[u8], body: &[u8]| {
            let head = [&[0, 0, 0, 16 + body.len() as u8], &command[..], &[0, 0, 0, status], sequence].concat();
            [head, body.to_vec()].concat()
        };
        let bound = answer([0x80, 0, 0, 9], 0, &octets[12..16], b"x\0");
        assert!(read > 16);
        stream.write_all(&bound).await.expect("bound");
        let _ = stream.read(&mut octets).await.expect("the submission");
        let sequence = octets[12..16].to_vec();
        stream.write_all(&answer([0x80, 0, 0, 0], 2, &sequence, b"")).await.expect("nack");
        stream.write_all(&answer([0x80, 0, 0, 4], 0, &sequence, b"id\0")).await.expect("accepted after all");
        let _ = stream.read(&mut octets).await;
    });
    let configuration = smsluice::config::load_with_env(
        stand.config_folder(),
        &std::collections::BTreeMap::new(),
        crate::stand::moment(crate::stand::OPEN),
    )
    .expect("loads");
    let clock = smsluice::domain::Clock::starting_at(crate::stand::moment(crate::stand::OPEN));
    let mut plan = smsluice::app::Plan::new(configuration, clock);
    plan.listen = ([127, 0, 0, 1], 0).into();
    plan.admin = ([127, 0, 0, 1], 0).into();
    plan.proxy.smsc = vec![address.to_string()];
    plan.ledger.path = stand.config_folder().join("other");
    let gateway = smsluice::app::Running::start(plan).await.expect("starts");
    let mut esme = smsluice::sim::esme::Esme::connect(
        gateway.smpp,
        smsluice::smpp::bind::BindType::Transceiver,
        "hefei",
        "x",
        0x34,
    )
    .await
    .expect("bound");
    esme.send_raw(&good(&hefei(1)).submit_sm(7)).await.expect("sent");
    let nack = esme.next_pdu().await.expect("the nack passes");
    assert_eq!(nack[4..8], [0x80, 0, 0, 0]);
    until("the late acceptance", || gateway.gateway().ledger().unknown() == 0).await;
    let again = esme.request(8, &good(&hefei(1)).submit_sm(8)).await.expect("answered");
    assert_eq!(again.status, 0x45, "a duplicate: the SMSC may have taken it");
    assert_eq!(gateway.gateway().ledger().unknown(), 0, "the late acceptance made it known");
    drop(esme);
    gateway.stop().await;
    stub.abort();
}

/// Every read of a sender at full speed ends inside a PDU; that is no slow PDU.
#[tokio::test]
async fn a_fast_sender_is_not_taken_for_a_slow_one() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    let whole = SubmitSpec::new("999", &hefei(1), "x").submit_sm(1);
    let (first, second) = whole.split_at(20);
    esme.send_raw(first).await.expect("sent");
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        stand.advance(Duration::from_secs(6));
        esme.send_raw(&[second, first].concat()).await.expect("sent");
        assert_eq!(esme.next_pdu().await.expect("answered").len(), 16);
    }
}
