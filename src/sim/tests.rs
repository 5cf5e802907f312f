//! The simulated peers against each other, on port 0.

use std::collections::HashSet;
use std::time::Duration;

use super::esme::EsmeError;
use super::journal::{Direction, Entry};
use super::load::{Kind, LoadSettings, run_load};
use super::pdu::{DeliverSpec, IdFormat, destination};
use super::smsc::{Behaviour, Latency, Receipts, Smsc, SmscSettings};
use super::{Esme, SubmitSpec};
use crate::smpp::bind::BindType;
use crate::smpp::command::{self, status};
use crate::smpp::frame::Header;

async fn smsc(behaviour: Behaviour) -> Smsc {
    Smsc::bind(SmscSettings { behaviour, memory: 10_000, ..SmscSettings::default() }).await.expect("port 0 is free")
}

async fn esme(smsc: &Smsc, bind_type: BindType) -> Esme {
    Esme::connect(smsc.local_addr(), bind_type, "hf6202", "secret", 0x34).await.expect("the bind works")
}

fn message(number: u64) -> SubmitSpec {
    SubmitSpec::new("6202", &(13_855_100_000 + number).to_string(), "您好。【移动】")
}

#[tokio::test]
async fn every_bind_of_every_version_is_answered_as_its_version_wants() {
    let smsc = smsc(Behaviour::default()).await;
    for bind_type in [BindType::Transmitter, BindType::Receiver, BindType::Transceiver] {
        for (version, tail) in
            [(0x33, &b"SMSC\0"[..]), (0x34, b"SMSC\0\x02\x10\0\x01\x34"), (0x50, b"SMSC\0\x02\x10\0\x01\x50")]
        {
            let mut esme = Esme::connect(smsc.local_addr(), bind_type, "a", "b", version).await.expect("bound");
            assert_eq!(&esme.bind_resp()[16..], tail);
            let answer = esme.submit(&message(1)).await.expect("answered");
            assert_eq!(answer.status, if bind_type.submits() { 0 } else { status::ESME_RINVBNDSTS });
            esme.enquire_link().await.expect("answered");
            esme.unbind().await.expect("answered");
        }
    }
    assert_eq!((smsc.stats().binds, smsc.stats().received["unbind"]), (9, 9));
}

#[tokio::test]
async fn a_password_table_keeps_strangers_out() {
    let passwords = Some([("hf6202".to_owned(), "secret".to_owned())].into());
    let smsc = smsc(Behaviour { passwords, ..Behaviour::default() }).await;
    for (system_id, password, refusal) in
        [("hf6202", "secret", None), ("hf6202", "x", Some(0x0E)), ("y", "", Some(0x0F))]
    {
        let bound = Esme::connect(smsc.local_addr(), BindType::Transceiver, system_id, password, 0x34).await;
        match (bound, refusal) {
            (Ok(_), None) => {}
            (Err(EsmeError::Refused(status)), Some(expected)) => assert_eq!(status, expected),
            (other, _) => panic!("{system_id}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn message_ids_differ_also_from_those_of_another_run() {
    let mut ids = HashSet::new();
    for id_format in [IdFormat::Decimal, IdFormat::Decimal, IdFormat::Hex] {
        let smsc = smsc(Behaviour { id_format, ..Behaviour::default() }).await;
        let mut esme = esme(&smsc, BindType::Transceiver).await;
        for number in 0..1000 {
            assert!(ids.insert(esme.submit(&message(number)).await.expect("answered").message_id));
        }
    }
}

#[tokio::test]
async fn a_receipt_tells_what_became_of_the_message_on_any_receiver_of_the_account() {
    let receipts = Some(Receipts { delay: Latency::fixed(Duration::from_millis(5)), undelivered: 0.0 });
    let smsc = smsc(Behaviour { receipts, ..Behaviour::default() }).await;
    let mut sender = esme(&smsc, BindType::Transmitter).await;
    let mut receiver = esme(&smsc, BindType::Receiver).await;
    sender.submit(&message(1)).await.expect("answered");
    let answer = sender.submit(&message(2).with_receipt()).await.expect("answered");
    let receipt = receiver.delivery().await.expect("a receipt");
    let text = String::from_utf8_lossy(&receipt);
    assert!(text.contains(&format!("id:{} sub:001 dlvrd:001 submit date:", answer.message_id)), "{text}");
    assert!(text.contains(" stat:DELIVRD err:000 text:") && text.contains("13855100002"), "{text}");
    assert!(receipt.windows(5).any(|tlv| tlv == [0x04, 0x27, 0, 1, 2]), "message_state");
    sender.enquire_link().await.expect("answered");
    assert_eq!(smsc.stats().receipts_sent, 1);
}

#[tokio::test]
async fn a_subscriber_s_message_reaches_a_receiver_and_is_acknowledged() {
    let smsc = smsc(Behaviour::default()).await;
    let spec = DeliverSpec::message("13855100001", "6202", "退订");
    assert!(!smsc.deliver("hf6202", spec.clone()));
    let mut receiver = esme(&smsc, BindType::Transceiver).await;
    assert!(smsc.deliver("hf6202", spec) && !smsc.deliver("other", DeliverSpec::message("1", "2", "")));
    assert_eq!(Header::read(&receiver.delivery().await.expect("came")).map(|header| header.command_id), Some(5));
    receiver.enquire_link().await.expect("answered");
    assert_eq!(smsc.stats().received["deliver_sm_resp"], 1);
}

#[tokio::test]
async fn the_error_mix_comes_out_as_asked_and_equal_seeds_give_equal_runs() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let errors = vec![(0x14, 0.05), (0x58, 0.10)];
        let smsc = smsc(Behaviour { errors, ..Behaviour::default() }).await;
        let mut esme = esme(&smsc, BindType::Transceiver).await;
        let specs: Vec<_> = (0..4000).map(message).collect();
        let answers = esme.submit_many(&specs, 100).await.expect("answered");
        let of = |status| answers.iter().filter(|answer| answer.status == status).count();
        assert!(of(0x14).abs_diff(200) < 60 && of(0x58).abs_diff(400) < 80, "{} {}", of(0x14), of(0x58));
        assert_eq!(smsc.stats().answered_with(0x14), of(0x14) as u64);
        runs.push(answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn answers_take_their_latency_and_may_overtake_each_other() {
    let latency = "20ms..60ms".parse().expect("a range");
    let smsc = smsc(Behaviour { latency, ..Behaviour::default() }).await;
    let mut esme = esme(&smsc, BindType::Transceiver).await;
    let specs: Vec<_> = (0..50).map(message).collect();
    let answers = esme.submit_many(&specs, 50).await.expect("answered");
    assert!(answers.iter().all(|answer| answer.latency >= Duration::from_millis(20) && answer.is_ok()));
    let order: Vec<u32> = smsc
        .entries()
        .iter()
        .filter(|entry| entry.direction == Direction::Out)
        .filter_map(|entry| Header::read(&entry.octets))
        .filter(|header| header.command_id == command::SUBMIT_SM_RESP)
        .map(|header| header.sequence)
        .collect();
    assert!(order.len() == 50 && !order.is_sorted());
}

#[tokio::test]
async fn whoever_is_served_twice_a_day_is_counted() {
    let smsc = smsc(Behaviour::default()).await;
    let mut esme = esme(&smsc, BindType::Transceiver).await;
    for spec in [message(1), message(2), message(1), message(3).at("991231090000032+"), message(3)] {
        esme.submit(&spec).await.expect("answered");
    }
    smsc.change(|behaviour| behaviour.errors = vec![(0x45, 1.0)]);
    for spec in [message(1), message(4)] {
        assert_eq!(esme.submit(&spec).await.expect("answered").status, 0x45);
    }
    let sequence = esme.next_sequence();
    smsc.change(|behaviour| behaviour.errors.clear());
    let multi = message(0).submit_multi(&["13855100001", "+8613855100009"], sequence);
    assert!(esme.request(sequence, &multi).await.expect("answered").is_ok());
    let stats = smsc.stats();
    assert_eq!((stats.distinct_recipients, stats.repeated_recipients, stats.taken_twice), (5, 3, 2));
}

#[tokio::test]
async fn the_journal_holds_every_pdu_of_both_directions() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    for _ in 0..2 {
        let settings = SmscSettings { journal: Some(path.clone()), ..SmscSettings::default() };
        let smsc = Smsc::bind(settings).await.expect("port 0 is free");
        let mut esme = esme(&smsc, BindType::Transceiver).await;
        esme.submit_many(&(0..300).map(message).collect::<Vec<_>>(), 30).await.expect("answered");
        smsc.shutdown().await;
    }
    let text = std::fs::read_to_string(path).expect("written");
    let entries: Vec<Entry> = text.lines().map(|line| line.parse().expect("a line")).collect();
    assert_eq!(entries.len(), 2 * 2 * 301);
    let sent = entries.iter().filter(|entry| entry.direction == Direction::In);
    let numbers: HashSet<_> = sent.filter_map(|entry| destination(&entry.octets)).collect();
    assert_eq!(numbers.len(), 300);
}

#[tokio::test]
async fn silence_duplicates_and_a_cut_connection_come_when_asked_for() {
    let smsc = smsc(Behaviour { duplicate: 1.0, ..Behaviour::default() }).await;
    let mut sender = esme(&smsc, BindType::Transceiver).await;
    let first = sender.submit(&message(1)).await.expect("answered");
    assert_eq!(sender.next_pdu().await.expect("again"), first.frame);
    smsc.change(|behaviour| *behaviour = Behaviour { silent: 1.0, ..Behaviour::default() });
    sender.set_patience(Duration::from_millis(50));
    assert!(matches!(sender.submit(&message(2)).await, Err(EsmeError::Timeout)));
    while smsc.stats().silent == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await; // it has not read it yet
    }
    sender.set_patience(Duration::from_secs(10));
    smsc.change(|behaviour| *behaviour = Behaviour { close_after: Some(3), ..Behaviour::default() });
    assert!(matches!(sender.submit(&message(3)).await, Err(EsmeError::Closed)));
    let mut cut = esme(&smsc, BindType::Transceiver).await;
    smsc.disconnect_all();
    assert!(matches!(cut.next_pdu().await, Err(EsmeError::Closed | EsmeError::Io(_))));
    assert_eq!((smsc.stats().taken, smsc.stats().silent), (3, 1));
    smsc.change(|behaviour| behaviour.mute = true);
    let mut mute = Esme::open(smsc.local_addr()).await.expect("connected");
    mute.set_patience(Duration::from_millis(50));
    assert!(matches!(mute.bind(BindType::Receiver, "a", "b", 0x34).await, Err(EsmeError::Timeout)));
}

#[tokio::test]
async fn a_stream_out_of_step_is_nacked_and_closed_and_an_unknown_command_is_nacked() {
    let smsc = smsc(Behaviour::default()).await;
    let mut esme = esme(&smsc, BindType::Transceiver).await;
    let unknown = Header { length: 16, command_id: 0x7777, status: 0, sequence: 9 }.octets();
    let answer = esme.request(9, &unknown).await.expect("answered");
    assert_eq!(answer.status, status::ESME_RINVCMDID);
    esme.send_raw(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
    let nack = Header::read(&esme.next_pdu().await.expect("answered")).expect("a header");
    assert_eq!((nack.command_id, nack.status), (command::GENERIC_NACK, status::ESME_RINVCMDLEN));
    assert!(matches!(esme.next_pdu().await, Err(EsmeError::Closed | EsmeError::Io(_))));
}

#[tokio::test]
async fn capacity_is_a_limit_over_all_connections() {
    let smsc = smsc(Behaviour { capacity: Some(100), congestion_state: Some(95), ..Behaviour::default() }).await;
    let mut esme = esme(&smsc, BindType::Transceiver).await;
    let began = std::time::Instant::now();
    let answers = esme.submit_many(&(0..500).map(message).collect::<Vec<_>>(), 100).await.expect("answered");
    let taken = answers.iter().filter(|answer| answer.is_ok()).count();
    let most = 100.0 * began.elapsed().as_secs_f64() + 11.0;
    assert!(taken >= 1 && (taken as f64) < most.max(100.0), "{taken}");
    assert!(answers.iter().all(|answer| answer.frame.ends_with(&[0, 0x04, 0x28, 0, 1, 95])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_run_counts_what_the_smsc_counts() {
    let smsc = smsc(Behaviour { errors: vec![(0x14, 0.1)], ..Behaviour::default() }).await;
    let mut settings = LoadSettings::new(smsc.local_addr(), "hf6202", "secret", vec![1_385_510, 1_385_511]);
    settings.count = Some(10_001);
    settings.traffic.mix = vec![(Kind::Repeat, 0.1)];
    let report = run_load(settings).await.expect("bound");
    let stats = smsc.shutdown().await;
    assert_eq!((report.sent, report.answered, stats.submissions()), (10_001, 10_001, 10_001));
    assert_eq!((report.taken, report.by_status[&0x14]), (stats.taken, stats.answered_with(0x14)));
    assert!(stats.taken_twice > 0 && report.latency.count == 10_001 && report.by_kind.contains_key("repeat"));
    assert_eq!((stats.binds, stats.received["unbind"], stats.connections_open), (8, 8, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_loop_keeps_its_rate_and_a_lost_peer_ends_a_run() {
    let smsc = smsc(Behaviour::default()).await;
    let mut settings = LoadSettings::new(smsc.local_addr(), "hf6202", "secret", vec![1_385_510]);
    (settings.rate, settings.duration) = (Some(2000.0), Some(Duration::from_millis(500)));
    let report = run_load(settings.clone()).await.expect("bound");
    // A stalled machine sends later, and fewer in the time given, but never faster.
    assert!((100..=1100).contains(&report.sent) && report.answered == report.sent, "{report:?}");
    smsc.change(|behaviour| behaviour.close_after = Some(20));
    let report = run_load(settings).await.expect("bound");
    assert_eq!((report.broken, report.sent), (8, report.answered + report.lost + report.unanswered));
}
