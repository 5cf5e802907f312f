//! Timers and bounds of connections and sessions: who is silent, slow or too many is ended or held back, and nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use smsluice::sim::esme::Esme;
use smsluice::sim::pdu::DeliverSpec;
use smsluice::sim::smsc::Latency;
use smsluice::smpp::bind::BindType;
use smsluice::smpp::command::{BIND_TRANSCEIVER, ENQUIRE_LINK, RESPONSE, SUBMIT_SM};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tracing::field::{Field, Visit};

use crate::script::{self, Script, command_of, pdu, response};
use crate::stand::{Setup, Stand, good, hefei, until, verdict};

/// What one peer may write at most when the other does not read.
const BOUND: usize = 64 << 20;

/// Sessions that ended so; the series is there once one has.
fn closes(stand: &Stand, side: &str, cause: &str) -> u64 {
    let series = format!(r#"smsluice_session_closes_total{{cause="{cause}",side="{side}"}}"#);
    let is_there = stand.gateway.gateway().metrics().render().contains(&series);
    if is_there { stand.metric(&series) } else { 0 }
}

/// Writes what comes next again and again until nothing is taken for a while; what was left over.
async fn fill(stream: &mut TcpStream, mut next: impl FnMut() -> Vec<u8>) -> Vec<u8> {
    let (mut octets, mut written) = (next(), 0);
    loop {
        match tokio::time::timeout(Duration::from_secs(1), stream.write(&octets)).await {
            Err(_) => return octets,
            Ok(done) => drop(octets.drain(..done.expect("written"))),
        }
        if octets.is_empty() {
            octets = next();
            written += octets.len();
            assert!(written < BOUND, "what nobody reads must not be taken without end");
        }
    }
}

/// The next whole PDU of what has been read.
fn cut(octets: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = u32::from_be_bytes(*octets.first_chunk()?) as usize;
    (octets.len() >= length).then(|| octets.drain(..length).collect())
}

#[tokio::test]
async fn a_bind_that_drips_in_is_bounded_from_its_first_octet() {
    let stand = Stand::new(Setup {
        change: |plan| plan.proxy.session_init_timeout = Duration::from_millis(600),
        ..Setup::default()
    })
    .await;
    let began = std::time::Instant::now();
    let mut stream = TcpStream::connect(stand.gateway.smpp).await.expect("connected");
    let octets = pdu(BIND_TRANSCEIVER, 0, 1, &[b'a'; 200]);
    let mut gone = false;
    for octet in octets.chunks(1) {
        let mut answer = [0; 1];
        let read = tokio::time::timeout(Duration::from_millis(100), stream.read(&mut answer)).await;
        if read.is_ok() || stream.write_all(octet).await.is_err() {
            gone = true;
            break;
        }
    }
    assert!(gone && began.elapsed() < Duration::from_secs(10), "closed after {:?}", began.elapsed());
}

#[tokio::test]
async fn an_smsc_that_does_not_answer_a_bind_is_not_waited_for_without_end() {
    let stand = Stand::new(Setup {
        change: |plan| plan.proxy.response_timeout = Duration::from_millis(400),
        ..Setup::default()
    })
    .await;
    stand.smsc.change(|behaviour| behaviour.mute = true);
    let mut esme = Esme::open(stand.gateway.smpp).await.expect("connected");
    let bound = esme.bind(BindType::Transceiver, "hefei", "secret", 0x34).await;
    assert!(matches!(bound, Err(smsluice::sim::esme::EsmeError::Refused(0x08))), "{bound:?}");
    stand.smsc.change(|behaviour| behaviour.mute = false);
    esme.bind(BindType::Transceiver, "hefei", "secret", 0x34).await.expect("the place was given back");
}

#[tokio::test]
async fn a_silent_sender_is_ended_and_one_that_asks_lives_on() {
    let stand = Stand::new(Setup {
        change: |plan| plan.proxy.inactivity_timeout = Duration::from_secs(300),
        ..Setup::default()
    })
    .await;
    let (mut silent, mut lively) = (stand.bind("hefei").await, stand.bind("hefei2").await);
    for _ in 0..2 {
        stand.advance(Duration::from_secs(140));
        tokio::time::sleep(Duration::from_millis(250)).await; // the sweeper looks
        lively.enquire_link().await.expect("alive");
    }
    assert_eq!(stand.gateway.gateway().bound(), 2, "280 s");
    stand.advance(Duration::from_secs(30));
    assert!(silent.next_pdu().await.is_err(), "310 s");
    lively.enquire_link().await.expect("alive");
    until("it ends", || closes(&stand, "esme", "inactivity") == 1).await;
    assert_eq!(stand.gateway.gateway().bound(), 1);
}

#[tokio::test]
async fn an_smsc_that_has_fallen_silent_ends_its_session() {
    let script = Script::new(|_| Vec::new()).await;
    let stand = Stand::new(Setup {
        change: |plan| plan.proxy.inactivity_timeout = Duration::from_secs(300),
        smsc: Some(script.address),
        ..Setup::default()
    })
    .await;
    let mut esme = stand.bind("hefei").await;
    for n in 1..=2 {
        stand.advance(Duration::from_secs(160));
        esme.send_raw(&pdu(ENQUIRE_LINK, 0, n, b"")).await.ok(); // the sender is not to blame
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert!(esme.next_pdu().await.is_err(), "closed");
    until("it ends", || closes(&stand, "smsc", "inactivity") == 1).await;
}

/// Each octet is heard, and yet the PDU has its time from the first one.
#[tokio::test]
async fn a_pdu_that_drips_in_is_bounded_from_its_first_octet() {
    let stand = Stand::new(Setup {
        change: |plan| plan.proxy.session_init_timeout = Duration::from_secs(10),
        ..Setup::default()
    })
    .await;
    let (mut slow, mut other) = (stand.bind("hefei").await, stand.bind("hefei2").await);
    let octets = good(&hefei(1)).submit_sm(1);
    for octet in octets[..3].chunks(1) {
        slow.send_raw(octet).await.expect("sent");
        tokio::time::sleep(Duration::from_millis(250)).await; // read, and looked at
        stand.advance(Duration::from_secs(4));
    }
    assert!(slow.next_pdu().await.is_err(), "12 s from the first octet, 4 s from the last");
    until("it ends", || closes(&stand, "esme", "partial_pdu") == 1).await;
    assert_eq!(verdict(&stand, &mut other, "hefei2", &good(&hefei(1))).await.0, "pass");
    assert_eq!(stand.smsc.stats().submissions(), 1);
}

#[tokio::test]
async fn connections_are_bounded_in_all_bound_or_not() {
    let stand = Stand::new(Setup { change: |plan| plan.proxy.max_connections = 2, ..Setup::default() }).await;
    let idle = TcpStream::connect(stand.gateway.smpp).await.expect("connected");
    let _bound = stand.bind("hefei").await;
    let mut third = TcpStream::connect(stand.gateway.smpp).await.expect("the system accepts it");
    let read = tokio::time::timeout(Duration::from_secs(30), third.read(&mut [0; 1])).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "closed unanswered: {read:?}");
    drop(idle);
    stand.bind_soon("hefei2").await;
}

/// A full window holds the sender's socket back, and what was held back goes on as soon as there are answers.
#[tokio::test]
async fn what_a_full_window_holds_back_is_sent_when_there_is_room() {
    const MESSAGES: u32 = 300;
    let stand = Stand::new(Setup { change: |plan| plan.proxy.max_in_flight = 5, ..Setup::default() }).await;
    stand.smsc.change(|behaviour| behaviour.latency = Latency::fixed(Duration::from_millis(20)));
    let mut esme = stand.bind("hefei").await;
    for n in 1..=MESSAGES {
        esme.send_raw(&good(&hefei(n.into())).submit_sm(n)).await.expect("sent");
        tokio::task::yield_now().await;
    }
    let mut answered = BTreeSet::new();
    for _ in 0..MESSAGES {
        let answer = esme.next_pdu().await.expect("answered");
        assert!(script::status_of(&answer) == 0 && answered.insert(script::sequence_of(&answer)));
    }
    assert_eq!(stand.smsc.stats().taken, u64::from(MESSAGES));
    stand.assert_conserved();
}

/// Numbers of submissions.
type Got = Arc<Mutex<BTreeSet<u32>>>;

/// An SMSC whose first connection reads nothing behind the bind until it is told to; then, and on its other connections, it
/// takes everything. Tells the numbers of the submissions that it has got on the first one.
async fn deaf_at_first(hears: Arc<Notify>) -> (std::net::SocketAddr, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let address = listener.local_addr().expect("bound");
    let (got, mut first) = (Got::default(), true);
    let noted = Arc::clone(&got);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let deaf = std::mem::take(&mut first).then(|| (Arc::clone(&hears), Arc::clone(&noted)));
            tokio::spawn(hear(stream, deaf));
        }
    });
    (address, got)
}

async fn hear(mut stream: TcpStream, mut deaf: Option<(Arc<Notify>, Got)>) {
    let (mut octets, mut got) = (Vec::new(), None);
    while let Ok(1..) = stream.read_buf(&mut octets).await {
        let mut answers = Vec::new();
        while let Some(pdu) = cut(&mut octets) {
            answers.extend(response(&pdu, 0, if command_of(&pdu) == ENQUIRE_LINK { b"" } else { b"id\0" }));
            if let Some(got) = got.as_ref().filter(|_| command_of(&pdu) == SUBMIT_SM) {
                let got: &Got = got;
                got.lock().insert(script::sequence_of(&pdu));
            }
        }
        if stream.write_all(&answers).await.is_err() {
            return;
        }
        if let Some((hears, noted)) = deaf.take() {
            got = Some(noted);
            hears.notified().await;
        }
    }
}

#[tokio::test]
async fn an_smsc_that_does_not_read_holds_its_sender_back_and_nobody_else() {
    let (smsc, _) = deaf_at_first(Arc::default()).await;
    let stand = Stand::new(Setup { smsc: Some(smsc), ..Setup::default() }).await;
    let (mut eager, _) = stand.bind("hefei").await.into_parts();
    let mut other = stand.bind("hefei2").await;
    let links = pdu(ENQUIRE_LINK, 0, 1, b"").repeat(1000);
    fill(&mut eager, || links.clone()).await;
    assert_eq!(verdict(&stand, &mut other, "hefei2", &good(&hefei(2))).await.0, "pass");
}

/// A sender can let its SMSC wait, and with it what was judged already: that is not handed over in another hour.
#[tokio::test]
async fn what_was_judged_long_ago_is_not_begun_any_more() {
    let hears = Arc::<Notify>::default();
    let (smsc, got) = deaf_at_first(Arc::clone(&hears)).await;
    let policy = "[quota]\nusers = 100000\n".to_owned();
    let setup = Setup { smsc: Some(smsc), now: "2026-11-24T10:59:55+08:00", policy, ..Setup::default() };
    let stand = Stand::new(setup).await;
    let (mut stream, _) = stand.bind("hefei").await.into_parts();
    // As few as leave the window open, so that what is stuck ends within the last message of its batch most seldom.
    let links = pdu(ENQUIRE_LINK, 0, 0, b"").repeat(40);
    let mut sent = 0;
    let rest = fill(&mut stream, || {
        sent += 1;
        [good(&hefei(sent.into())).submit_sm(sent), links.clone()].concat()
    })
    .await;
    stand.at("2026-11-24T11:00:05+08:00");
    hears.notify_one();
    let (mut reading, mut writing) = stream.into_split();
    let writer = tokio::spawn(async move { writing.write_all(&rest).await.map(|()| writing) });
    let (mut octets, mut answers) = (Vec::new(), BTreeMap::new());
    while answers.len() < sent as usize {
        let read = tokio::time::timeout(Duration::from_secs(30), reading.read_buf(&mut octets)).await;
        assert_ne!(read.expect("answered in time").expect("read"), 0, "{} of {sent}", answers.len());
        while let Some(answer) = cut(&mut octets) {
            if command_of(&answer) == SUBMIT_SM | RESPONSE {
                let again = answers.insert(script::sequence_of(&answer), script::status_of(&answer));
                assert_eq!(again, None, "answered once");
            }
        }
    }
    drop(writer.await);
    let with = |status: u32| answers.iter().filter(move |(_, own)| **own == status).map(|(number, _)| *number);
    assert_eq!(with(0).collect::<BTreeSet<_>>(), *got.lock(), "the SMSC has what was answered so, and nothing else");
    assert!(with(0x08).count() > 0, "what the system had not taken before eleven: {answers:?}");
    assert_eq!(with(0).count() + with(0x08).count() + with(0x61).count(), answers.len(), "the others are too late");
    stand.assert_conserved();
}

/// The other way round: a sender that does not read holds back what comes for it.
#[tokio::test]
async fn deliveries_that_a_sender_does_not_read_are_held_back_at_the_smsc() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let smsc = listener.local_addr().expect("bound");
    let pushing = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("connected");
        let mut octets = vec![0; 4096];
        assert!(stream.read(&mut octets).await.expect("the bind") > 16);
        stream.write_all(&response(&octets, 0, b"push\0")).await.expect("bound");
        let mut delivery = Vec::new();
        DeliverSpec::message("8613856000001", "62021", &"退".repeat(60)).write(&mut delivery, 1, 0x34);
        let many = delivery.repeat(100);
        fill(&mut stream, || many.clone()).await
    });
    let stand = Stand::new(Setup { smsc: Some(smsc), ..Setup::default() }).await;
    let deaf = stand.bind("hefei").await;
    assert!(!pushing.await.expect("it ends").is_empty());
    drop(deaf);
}

/// Half a response of the SMSC is no answer, and its other half may come later.
#[tokio::test]
async fn an_answer_in_two_pieces_is_one_answer() {
    let script = Script::new(|pdu| match command_of(pdu) {
        SUBMIT_SM => vec![response(pdu, 0, b"a-long-message-id\0")[..20].to_vec()],
        ENQUIRE_LINK => vec![b"ng-message-id\0".to_vec(), response(pdu, 0, b"")],
        _ => Vec::new(),
    })
    .await;
    let stand = Stand::new(Setup { smsc: Some(script.address), ..Setup::default() }).await;
    let mut esme = stand.bind("hefei").await;
    esme.send_raw(&good(&hefei(1)).submit_sm(1)).await.expect("sent");
    script.until(SUBMIT_SM, 1).await;
    esme.send_raw(&pdu(ENQUIRE_LINK, 0, 2, b"")).await.expect("sent");
    let answer = esme.next_pdu().await.expect("answered");
    assert_eq!((script::sequence_of(&answer), &answer[16..]), (1, &b"a-long-message-id\0"[..]));
    assert_eq!(command_of(&esme.next_pdu().await.expect("answered")), ENQUIRE_LINK | RESPONSE);
}

/// A log that cannot be written: it fails at one kind of event.
struct FailingLog(&'static str);

/// Whether an event is of the kind.
struct Kind(&'static str, bool);

impl Visit for Kind {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.1 |= field.name() == "event" && format!("{value:?}").contains(self.0);
    }
}

impl tracing::Subscriber for FailingLog {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
        tracing::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut kind = Kind(self.0, false);
        event.record(&mut kind);
        assert!(!kind.1, "the log fails at {}", self.0);
    }

    fn enter(&self, _: &tracing::Id) {}

    fn exit(&self, _: &tracing::Id) {}
}

/// Either task of a session may fail at any place, here where it logs: its connections are closed, its place is free
/// again, what was in flight counts as sent, and the others go on.
#[tokio::test]
async fn a_panic_ends_its_own_session_and_nothing_else() {
    for (event, n) in [("message_refused", 1), ("protocol_error", 2)] {
        let script = Script::new(|pdu| match command_of(pdu) {
            SUBMIT_SM if script::sequence_of(pdu) == 7 => Vec::new(),
            ENQUIRE_LINK if script::sequence_of(pdu) == 8 => vec![vec![0; 16]], // no PDU has this length
            _ => vec![response(pdu, 0, b"id\0")],
        })
        .await;
        let stand = Stand::new(Setup { smsc: Some(script.address), ..Setup::default() }).await;
        let (mut esme, mut other) = (stand.bind("hefei").await, stand.bind("hefei2").await);
        esme.send_raw(&good(&hefei(1)).submit_sm(7)).await.expect("sent");
        script.until(SUBMIT_SM, 1).await;
        {
            let _failing = tracing::subscriber::set_default(FailingLog(event));
            let refused = if n == 1 { good("1").submit_sm(8) } else { pdu(ENQUIRE_LINK, 0, 8, b"") };
            esme.send_raw(&refused).await.expect("sent");
            while esme.next_pdu().await.is_ok() {}
            until("it ends", || stand.gateway.gateway().bound() == 1).await;
        }
        assert_eq!(closes(&stand, "gateway", "panic"), 1, "{event}");
        assert_eq!(stand.metric(r#"smsluice_sessions{account="hefei",bind="trx"}"#), 0);
        assert_eq!(stand.gateway.gateway().ledger().unknown(), 1);
        assert_eq!(verdict(&stand, &mut other, "hefei2", &good(&hefei(2))).await.0, "pass");
        assert_eq!(verdict(&stand, &mut other, "hefei2", &good(&hefei(1))).await.0, "duplicate");
        let mut again = Vec::new();
        for _ in 0..4 {
            again.push(stand.bind("hefei").await); // as many as the account may have
        }
    }
}
