//! The states of a session, its numbers and its answers: what may come when, and that every request gets its own answer once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use smsluice::sim::esme::Esme;
use smsluice::sim::random::Random;
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::bind::BindType;
use smsluice::smpp::command::{
    BIND_RECEIVER, BIND_TRANSCEIVER, BIND_TRANSMITTER, BROADCAST_SM, CANCEL_SM, DATA_SM, DELIVER_SM, DELIVER_SM_RESP,
    ENQUIRE_LINK, GENERIC_NACK, QUERY_SM, REPLACE_SM, RESPONSE, SUBMIT_MULTI, SUBMIT_SM, SUBMIT_SM_RESP, UNBIND,
};

use crate::script::{self, Script, command_of, pdu, response, sequence_of, status_of};
use crate::stand::{GOOD, Setup, Stand, good, hefei, until, verdict};

/// A connection that is not bound.
async fn open(stand: &Stand) -> Esme {
    Esme::open(stand.gateway.smpp).await.expect("connected")
}

/// command_id, command_status and sequence_number of the next PDU.
async fn next(esme: &mut Esme) -> (u32, u32, u32) {
    let pdu = esme.next_pdu().await.expect("a PDU");
    (command_of(&pdu), status_of(&pdu), sequence_of(&pdu))
}

/// Nothing has come that was not asked for: the answer to an enquire_link is the next PDU.
async fn nothing_more(esme: &mut Esme) {
    const PROBE: u32 = 0x00AB_CDEF;
    esme.send_raw(&pdu(ENQUIRE_LINK, 0, PROBE, b"")).await.expect("sent");
    assert_eq!(next(esme).await, (ENQUIRE_LINK | RESPONSE, 0, PROBE));
}

fn bind(command_id: u32, system_id: &str, sequence: u32) -> Vec<u8> {
    pdu(command_id, 0, sequence, &[system_id.as_bytes(), b"\0secret\0\0\x34\0\0\0"].concat())
}

/// An SMSC that accepts every submission; the message's id is its number.
async fn accepting() -> Script {
    Script::new(|pdu| match command_of(pdu) {
        UNBIND_RESP | DELIVER_SM_RESP => Vec::new(),
        _ => vec![response(pdu, 0, &id(pdu))],
    })
    .await
}

const UNBIND_RESP: u32 = UNBIND | RESPONSE;

/// A message_id that says which request it answers.
fn id(pdu: &[u8]) -> Vec<u8> {
    match command_of(pdu) {
        SUBMIT_SM | DATA_SM | REPLACE_SM => format!("{}\0", sequence_of(pdu)).into_bytes(),
        SUBMIT_MULTI => format!("{}\0\0", sequence_of(pdu)).into_bytes(),
        _ => Vec::new(),
    }
}

async fn behind(script: &Script, policy: &str) -> Stand {
    Stand::new(Setup { smsc: Some(script.address), policy: policy.to_owned(), ..Setup::default() }).await
}

#[tokio::test]
async fn before_the_bind_every_request_is_refused_by_its_own_answer() {
    let stand = Stand::open().await;
    let known =
        [QUERY_SM, SUBMIT_SM, DELIVER_SM, REPLACE_SM, CANCEL_SM, ENQUIRE_LINK, SUBMIT_MULTI, DATA_SM, BROADCAST_SM];
    let own = known.map(|command_id| (command_id, (command_id | RESPONSE, 0x04, 7)));
    let unknown = [0x0B, 0x77, 0x0001_0004].map(|command_id| (command_id, (GENERIC_NACK, 0x03, 7)));
    for (command_id, expected) in own.into_iter().chain(unknown) {
        let mut esme = open(&stand).await;
        esme.send_raw(&pdu(command_id, 0, 7, b"")).await.expect("sent");
        assert_eq!(next(&mut esme).await, expected);
        esme.bind(BindType::Transceiver, "hefei", "secret", 0x34).await.expect("a bind is still taken");
        assert_eq!(verdict(&stand, &mut esme, "hefei", &good("1")).await.0, "bad_destination");
        esme.unbind().await.expect("unbound");
        until("it ends", || stand.gateway.gateway().bound() == 0).await;
    }
    let mut esme = open(&stand).await;
    for command_id in [SUBMIT_SM_RESP, BIND_TRANSCEIVER | RESPONSE, GENERIC_NACK, 0x8000_0077] {
        esme.send_raw(&pdu(command_id, 0, 1, b"")).await.expect("sent");
    }
    esme.send_raw(&pdu(UNBIND, 0, 2, b"")).await.expect("sent");
    assert_eq!(next(&mut esme).await, (UNBIND_RESP, 0, 2), "answers are not answered");
    assert!(esme.next_pdu().await.is_err(), "closed");
    assert_eq!(stand.smsc.stats().submissions(), 0);
}

#[tokio::test]
async fn a_connection_that_does_not_bind_has_eight_requests() {
    let stand = Stand::open().await;
    let mut esme = open(&stand).await;
    let wrong: Vec<u8> =
        (1..=4).flat_map(|n| [bind(BIND_TRANSCEIVER, "nobody", n), pdu(SUBMIT_SM, 0, n, b"")].concat()).collect();
    esme.send_raw(&[wrong, bind(BIND_TRANSCEIVER, "hefei", 9)].concat()).await.expect("sent");
    for n in 1..=4 {
        assert_eq!(next(&mut esme).await, (BIND_TRANSCEIVER | RESPONSE, 0x0D, n));
        assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0x04, n));
    }
    assert!(esme.next_pdu().await.is_err(), "closed before the ninth");
    assert_eq!(stand.smsc.stats().connections, 0, "the SMSC hears nothing of it");
}

#[tokio::test]
async fn submissions_behind_a_bind_in_one_write_are_judged_once_it_is_accepted() {
    let script = accepting().await;
    let stand = behind(&script, "").await;
    let submits = |from: u32| (from..from + 3).flat_map(|n| good(&hefei(n.into())).submit_sm(n)).collect::<Vec<u8>>();
    let mut esme = open(&stand).await;
    let mut octets = [bind(BIND_TRANSMITTER, "hefei", 1), submits(2), pdu(ENQUIRE_LINK, 0, 5, b"")].concat();
    let rest = octets.split_off(octets.len() - 30); // inside the last submission
    esme.send_raw(&octets).await.expect("sent");
    assert_eq!(next(&mut esme).await, (BIND_TRANSMITTER | RESPONSE, 0, 1));
    esme.send_raw(&rest).await.expect("sent");
    for n in 2..=4 {
        assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0, n));
    }
    assert_eq!(next(&mut esme).await, (ENQUIRE_LINK | RESPONSE, 0, 5));
    nothing_more(&mut esme).await;
    assert_eq!(script.seen(SUBMIT_SM), (2..5).map(|n| good(&hefei(n.into())).submit_sm(n)).collect::<Vec<_>>());

    let mut stranger = open(&stand).await;
    stranger.send_raw(&[bind(BIND_TRANSCEIVER, "nobody", 1), submits(12)].concat()).await.expect("sent");
    assert_eq!(next(&mut stranger).await, (BIND_TRANSCEIVER | RESPONSE, 0x0D, 1));
    for n in 12..15 {
        assert_eq!(next(&mut stranger).await, (SUBMIT_SM_RESP, 0x04, n), "and none of them passes");
    }
    assert_eq!(script.seen(SUBMIT_SM).len(), 3);
    stand.assert_conserved();
}

#[tokio::test]
async fn what_is_behind_a_bind_that_the_smsc_refuses_does_not_pass() {
    let stand = Stand::open().await;
    stand.smsc.change(|behaviour| behaviour.refuse_binds = Some(0x0E));
    let mut esme = open(&stand).await;
    let octets = [bind(BIND_TRANSCEIVER, "hefei", 1), good(&hefei(1)).submit_sm(2)].concat();
    esme.send_raw(&octets).await.expect("sent");
    assert_eq!(next(&mut esme).await, (BIND_TRANSCEIVER | RESPONSE, 0x0E, 1));
    assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0x04, 2));
    assert_eq!(stand.smsc.stats().submissions(), 0);
}

#[tokio::test]
async fn a_receiver_submits_nothing_of_any_kind_and_receives() {
    let stand = Stand::open().await;
    let connect = |kind| Esme::connect(stand.gateway.smpp, kind, "hefei", "secret", 0x50);
    let mut esme = connect(BindType::Receiver).await.expect("bound");
    let (spec, to) = (good(&hefei(1)), hefei(2));
    let submissions = [
        spec.submit_sm(1),
        spec.data_sm(2),
        spec.submit_multi(&[&to], 3),
        spec.replace_sm("1", 4),
        pdu(BROADCAST_SM, 0, 5, b""),
    ];
    for octets in &submissions {
        let answer = esme.request(sequence_of(octets), octets).await.expect("answered");
        assert_eq!((command_of(&answer.frame), answer.status), (command_of(octets) | RESPONSE, 0x04));
    }
    assert_eq!(stand.smsc.stats().submissions(), 0);
    let delivery = smsluice::sim::pdu::DeliverSpec::message(&hefei(1), "62021", "退订");
    assert!(stand.smsc.deliver("hefei", delivery));
    esme.delivery().await.expect("a subscriber's message");
    let mut transmitter = connect(BindType::Transmitter).await.expect("bound");
    assert_eq!(verdict(&stand, &mut transmitter, "hefei", &spec).await.0, "pass", "nothing was taken");
    stand.assert_conserved();
}

/// The account is that of the first bind, whatever comes later.
#[tokio::test]
async fn a_second_bind_changes_nothing() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    for (n, command_id) in [BIND_TRANSMITTER, BIND_RECEIVER, BIND_TRANSCEIVER].into_iter().enumerate() {
        let sequence = 100 + n as u32;
        let mut octets = bind(command_id, "market", sequence);
        let unsigned = SubmitSpec::new("10086", &hefei(1), "没有落款").submit_sm(sequence + 50);
        octets.extend(unsigned);
        esme.send_raw(&octets).await.expect("sent");
        assert_eq!(next(&mut esme).await, (command_id | RESPONSE, 0x05, sequence));
        assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0x0A, sequence + 50), "judged as before");
    }
    assert_eq!((stand.smsc.stats().binds, stand.smsc.stats().submissions()), (1, 0));
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
}

/// The SMSC answers what is in flight, then the unbind; what the sender submits behind its unbind does not pass.
#[tokio::test]
async fn an_unbind_with_work_in_flight_waits_for_it() {
    let held = Arc::<Mutex<Vec<Vec<u8>>>>::default();
    let script = Script::new(move |pdu| match command_of(pdu) {
        SUBMIT_SM => {
            held.lock().push(response(pdu, 0, &id(pdu)));
            Vec::new()
        }
        _ => [std::mem::take(&mut *held.lock()), vec![response(pdu, 0, b"")]].concat(),
    })
    .await;
    let stand = behind(&script, "").await;
    let mut esme = stand.bind("hefei").await;
    let submit = |n: u32| good(&hefei(n.into())).submit_sm(n);
    let octets = [submit(11), submit(12), pdu(UNBIND, 0, 13, b""), submit(14)].concat();
    esme.send_raw(&octets).await.expect("sent");
    let mut answers = BTreeMap::new();
    for _ in 0..4 {
        let (command_id, status, sequence) = next(&mut esme).await;
        assert!(answers.insert(sequence, (command_id, status)).is_none(), "{sequence} is answered once");
    }
    let taken = (SUBMIT_SM_RESP, 0);
    let expected = [(11, taken), (12, taken), (13, (UNBIND_RESP, 0)), (14, (SUBMIT_SM_RESP, 0x04))];
    assert_eq!(answers, expected.into());
    drop(esme);
    until("it ends", || stand.gateway.gateway().bound() == 0).await;
    assert_eq!((script.seen(SUBMIT_SM).len(), stand.gateway.gateway().ledger().unknown()), (2, 0));
    assert_eq!(stand.metric(r#"smsluice_session_closes_total{cause="unbind",side="esme"}"#), 1);
    let mut esme = stand.bind("hefei").await;
    esme.send_raw(&[submit(14), submit(12), pdu(ENQUIRE_LINK, 0, 15, b"")].concat()).await.expect("sent");
    let answers = [next(&mut esme).await, next(&mut esme).await, next(&mut esme).await];
    let answers: BTreeMap<_, _> = answers.into_iter().map(|(_, status, sequence)| (sequence, status)).collect();
    assert_eq!(answers, [(12, 0x45), (14, 0), (15, 0)].into(), "12 was taken, 14 was not");
    stand.assert_conserved();
}

#[tokio::test]
async fn an_unbind_of_the_smsc_leaves_its_answers_to_come() {
    let script = Script::new(|pdu| match command_of(pdu) {
        SUBMIT_SM => vec![script::pdu(UNBIND, 0, 900, b"")],
        UNBIND_RESP => vec![script::pdu(SUBMIT_SM_RESP, 0, 21, b"late\0")],
        _ => vec![response(pdu, 0, b"")],
    })
    .await;
    let stand = behind(&script, "").await;
    let mut esme = stand.bind("hefei").await;
    esme.send_raw(&good(&hefei(1)).submit_sm(21)).await.expect("sent");
    assert_eq!(next(&mut esme).await, (UNBIND, 0, 900));
    esme.send_raw(&pdu(UNBIND_RESP, 0, 900, b"")).await.expect("sent");
    assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0, 21));
    assert_eq!(script.seen(UNBIND_RESP).len(), 1);
    assert_eq!(stand.gateway.gateway().ledger().unknown(), 0);
}

#[tokio::test]
async fn every_sequence_number_is_the_senders_own() {
    let script = accepting().await;
    let stand = behind(&script, "").await;
    let mut esme = stand.bind("hefei").await;
    let numbers = [0, 1, 0x7FFF_FFFE, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF];
    let all: Vec<u8> =
        numbers.iter().enumerate().flat_map(|(n, number)| good(&hefei(n as u64)).submit_sm(*number)).collect();
    esme.send_raw(&all).await.expect("sent");
    for number in numbers {
        let answer = esme.next_pdu().await.expect("answered");
        assert_eq!((command_of(&answer), status_of(&answer), sequence_of(&answer)), (SUBMIT_SM_RESP, 0, number));
        assert_eq!(answer[16..], [number.to_string().as_bytes(), b"\0"].concat());
    }
    assert_eq!(script.seen(SUBMIT_SM).concat(), all);
    esme.send_raw(&all).await.expect("sent"); // each number is free again; each subscriber has had a message
    for number in numbers {
        assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0x45, number));
    }
    nothing_more(&mut esme).await;
}

/// Numbers of other requests are no business of a submission's, and an answer to one is none to the other.
#[tokio::test]
async fn a_number_of_two_operations_at_once_is_answered_twice() {
    let held = Arc::<Mutex<Option<Vec<u8>>>>::default();
    let script = Script::new(move |pdu| match command_of(pdu) {
        SUBMIT_SM => {
            *held.lock() = Some(response(pdu, 0, b"id\0"));
            Vec::new()
        }
        QUERY_SM => [vec![response(pdu, 0x67, b"")], held.lock().take().into_iter().collect()].concat(),
        _ => vec![response(pdu, 0, b"")],
    })
    .await;
    let stand = behind(&script, "").await;
    let mut esme = stand.bind("hefei").await;
    let query = pdu(QUERY_SM, 0, 8, b"1\0\0\x0162021\0");
    let octets = [good(&hefei(1)).submit_sm(8), pdu(ENQUIRE_LINK, 0, 8, b""), query].concat();
    esme.send_raw(&octets).await.expect("sent");
    assert_eq!(next(&mut esme).await, (ENQUIRE_LINK | RESPONSE, 0, 8));
    assert_eq!(next(&mut esme).await, (QUERY_SM | RESPONSE, 0x67, 8), "frees no slot");
    assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0, 8));
    nothing_more(&mut esme).await;
    esme.send_raw(&good(&hefei(1)).submit_sm(9)).await.expect("sent");
    assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0x45, 9));
}

/// In one write and in two: the second request with a number in flight is refused and costs nothing.
#[tokio::test]
async fn a_number_used_again_in_flight_is_refused_and_free_afterwards() {
    let held = Arc::<Mutex<Vec<Vec<u8>>>>::default();
    let script = Script::new(move |pdu| match command_of(pdu) {
        SUBMIT_SM | DATA_SM => {
            held.lock().push(response(pdu, 0, &id(pdu)));
            Vec::new()
        }
        _ => [std::mem::take(&mut *held.lock()), vec![response(pdu, 0, b"")]].concat(),
    })
    .await;
    let stand = behind(&script, "[quota]\nusers = 2\n").await;
    let mut esme = stand.bind("hefei").await;
    esme.send_raw(&[good(&hefei(1)).submit_sm(8), good(&hefei(2)).submit_sm(8)].concat()).await.expect("sent");
    assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0x08, 8));
    script.until(SUBMIT_SM, 1).await;
    esme.send_raw(&good(&hefei(2)).data_sm(8)).await.expect("sent");
    assert_eq!(next(&mut esme).await, (DATA_SM | RESPONSE, 0x08, 8), "another operation too");
    esme.send_raw(&pdu(ENQUIRE_LINK, 0, 9, b"")).await.expect("sent");
    assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0, 8), "the first one's answer");
    assert_eq!(next(&mut esme).await, (ENQUIRE_LINK | RESPONSE, 0, 9));
    esme.send_raw(&[good(&hefei(2)).submit_sm(8), pdu(ENQUIRE_LINK, 0, 10, b"")].concat()).await.expect("sent");
    assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0, 8), "neither slot nor quota was taken");
    assert_eq!(next(&mut esme).await, (ENQUIRE_LINK | RESPONSE, 0, 10));
    assert_eq!((script.seen(SUBMIT_SM).len(), script.seen(DATA_SM).len()), (2, 0));
    stand.assert_conserved();
}

/// A number whose request was answered in the SMSC's stead stays taken until the late answer has come, or it would settle
/// the next request.
#[tokio::test]
async fn a_late_answer_settles_its_own_request_only() {
    let script = Script::new(|pdu| match command_of(pdu) {
        SUBMIT_SM => Vec::new(),
        ENQUIRE_LINK if sequence_of(pdu) == 9 => vec![script::pdu(SUBMIT_SM_RESP, 0x0B, 8, b""), response(pdu, 0, b"")],
        _ => vec![response(pdu, 0, b"")],
    })
    .await;
    let stand = Stand::new(Setup {
        smsc: Some(script.address),
        change: |plan| plan.proxy.response_timeout = Duration::from_secs(10),
        ..Setup::default()
    })
    .await;
    let mut esme = stand.bind("hefei").await;
    esme.send_raw(&good(&hefei(1)).submit_sm(8)).await.expect("sent");
    script.until(SUBMIT_SM, 1).await;
    stand.advance(Duration::from_secs(11));
    assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0x08, 8));
    esme.send_raw(&good(&hefei(2)).submit_sm(8)).await.expect("sent");
    assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0x08, 8), "still taken");
    esme.send_raw(&pdu(ENQUIRE_LINK, 0, 9, b"")).await.expect("sent");
    assert_eq!(next(&mut esme).await, (ENQUIRE_LINK | RESPONSE, 0, 9), "the late answer is absorbed");
    esme.send_raw(&good(&hefei(2)).submit_sm(8)).await.expect("sent");
    script.until(SUBMIT_SM, 2).await;
    esme.send_raw(&good(&hefei(1)).submit_sm(10)).await.expect("sent");
    assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0x45, 10), "told as unknown, it counts as sent");
}

/// What the SMSC answers without being asked, twice, or in another type settles nothing and reaches nobody.
#[tokio::test]
async fn answers_of_the_smsc_that_answer_nothing_are_absorbed() {
    let script = Script::new(|pdu| match command_of(pdu) {
        SUBMIT_SM => {
            let wrong = [DATA_SM, SUBMIT_MULTI, REPLACE_SM, BROADCAST_SM];
            let wrong = wrong.map(|command_id| script::pdu(command_id | RESPONSE, 0x0B, sequence_of(pdu), b""));
            let other = script::pdu(SUBMIT_SM_RESP, 0x0B, sequence_of(pdu) + 1000, b"");
            let own = response(pdu, 0, b"id\0");
            [&wrong[..], &[other, own.clone(), own, response(pdu, 0x0B, b"")]].concat()
        }
        _ => vec![response(pdu, 0, b"")],
    })
    .await;
    let stand = behind(&script, "").await;
    let mut esme = stand.bind("hefei").await;
    esme.send_raw(&good(&hefei(1)).submit_sm(31)).await.expect("sent");
    assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0, 31));
    nothing_more(&mut esme).await;
    let anomalies = |kind: &str| stand.metric(&format!(r#"smsluice_anomalies_total{{kind="{kind}"}}"#));
    assert_eq!((anomalies("wrong_answer_type"), anomalies("unknown_answer")), (4, 3));
    esme.send_raw(&good(&hefei(1)).submit_sm(32)).await.expect("sent");
    assert_eq!(next(&mut esme).await, (SUBMIT_SM_RESP, 0x45, 32), "the refusals freed nothing");
    assert_eq!(stand.metric(r#"smsluice_messages_settled_total{account="hefei",outcome="accepted"}"#), 1);
}

/// Three hundred requests of every kind, answered out of order, some refused, some twice: each gets its own answer once,
/// and each slot has its own outcome.
#[tokio::test]
async fn every_request_gets_its_own_answer_once_whatever_their_order() {
    const MESSAGES: u32 = 240;
    let held = Arc::<Mutex<Vec<Vec<u8>>>>::default();
    let mut random = Random::new(3);
    let script = Script::new(move |pdu| {
        let (command_id, sequence) = (command_of(pdu), sequence_of(pdu));
        if command_id == ENQUIRE_LINK && sequence == 0 {
            let mut all = std::mem::take(&mut *held.lock());
            for place in (1..all.len()).rev() {
                all.swap(place, random.below(place as u64 + 1) as usize);
            }
            return [all, vec![response(pdu, 0, b"")]].concat();
        }
        let status = if command_id != ENQUIRE_LINK && sequence.is_multiple_of(3) { 0x14 } else { 0 };
        let answer = response(pdu, status, if status == 0 { id(pdu) } else { Vec::new() }.as_slice());
        let copies = if command_id != ENQUIRE_LINK && sequence.is_multiple_of(7) { 2 } else { 1 };
        held.lock().extend(std::iter::repeat_n(answer, copies));
        Vec::new()
    })
    .await;
    let stand = behind(&script, "").await;
    let mut esme = stand.bind("hefei").await;
    let mut octets = Vec::new();
    for n in 1..=MESSAGES {
        let (to, spec) = (hefei(n.into()), good(&hefei(n.into())));
        octets.extend(match n % 4 {
            0 => spec.data_sm(n),
            1 => SubmitSpec::new("62021", "", GOOD).submit_multi(&[&to], n),
            _ => spec.submit_sm(n),
        });
        if n % 4 == 3 {
            octets.extend(pdu(ENQUIRE_LINK, 0, n, b""));
        }
    }
    octets.extend(pdu(ENQUIRE_LINK, 0, 0, b""));
    esme.send_raw(&octets).await.expect("sent");
    let mut seen = BTreeMap::new();
    for _ in 0..MESSAGES + MESSAGES / 4 {
        let answer = esme.next_pdu().await.expect("answered");
        let (sequence, status) = (sequence_of(&answer), status_of(&answer));
        let link = command_of(&answer) == ENQUIRE_LINK | RESPONSE;
        assert!(seen.insert((sequence, link), status).is_none(), "{sequence} is answered twice");
        let own = if status == 0 && !link { id(&response_to(&answer)) } else { Vec::new() };
        assert_eq!(answer[16..], own, "the answer to {sequence}");
        assert_eq!(status, if !link && sequence % 3 == 0 { 0x14 } else { 0 }, "the answer to {sequence}");
    }
    assert_eq!(next(&mut esme).await, (ENQUIRE_LINK | RESPONSE, 0, 0));
    let again: Vec<u8> = (1..=MESSAGES).flat_map(|n| good(&hefei(n.into())).submit_sm(n + 1000)).collect();
    esme.send_raw(&[again, pdu(ENQUIRE_LINK, 0, 0, b"")].concat()).await.expect("sent");
    let mut refused: Vec<u32> = Vec::new();
    loop {
        match next(&mut esme).await {
            (SUBMIT_SM_RESP, 0x45, sequence) => refused.push(sequence - 1000),
            (SUBMIT_SM_RESP, _, sequence) => {
                assert_eq!((sequence - 1000) % 3, 0, "the slot of {sequence} was given back");
            }
            other => break assert_eq!(other, (ENQUIRE_LINK | RESPONSE, 0, 0)),
        }
    }
    assert_eq!(refused, (1..=MESSAGES).filter(|n| n % 3 != 0).collect::<Vec<_>>(), "those that the SMSC has taken");
    stand.assert_conserved();
}

/// The request that an answer is to, as far as its id is concerned.
fn response_to(answer: &[u8]) -> Vec<u8> {
    pdu(command_of(answer) & !RESPONSE, 0, sequence_of(answer), b"")
}

/// However a stream is cut into writes, the same PDUs are in it.
#[tokio::test]
async fn a_stream_in_single_octets_is_the_same_stream() {
    let script = accepting().await;
    let stand = behind(&script, "").await;
    let mut esme = open(&stand).await;
    let octets =
        [bind(BIND_TRANSCEIVER, "hefei", 1), good(&hefei(1)).submit_sm(2), good(&hefei(1)).submit_sm(3)].concat();
    for octet in octets.chunks(1) {
        esme.send_raw(octet).await.expect("sent");
        tokio::task::yield_now().await;
    }
    assert_eq!(next(&mut esme).await, (BIND_TRANSCEIVER | RESPONSE, 0, 1));
    let answers =
        BTreeMap::from([next(&mut esme).await, next(&mut esme).await].map(|(_, status, number)| (number, status)));
    assert_eq!(answers, BTreeMap::from([(2, 0), (3, 0x45)]));
    assert_eq!(script.seen(SUBMIT_SM), [good(&hefei(1)).submit_sm(2)]);
}
