//! The barrier of a pause call (P7), judged at the SMSC: when the call has
//! returned, the octets that will ever arrive are those the system has already.
//!
//! `SMSLUICE_PAUSES=100 cargo test --release --test it barrier -- --nocapture`
//! is the long run; it prints how long the calls took.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use smsluice::app::Plan;
use smsluice::domain::Clock;
use smsluice::ledger::Durability;
use smsluice::policy::Reason;
use smsluice::sim::Esme;
use smsluice::sim::pdu::{self, SubmitAnswer};
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::Cut;
use smsluice::smpp::command;
use smsluice::smpp::frame::Header;
use smsluice::traffic::{Scope, Which};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::holds::hold;
use crate::stand::{GOOD, OPEN, Setup, Stand, good, hefei, moment};

/// Messages that a sender has under way at a time.
const WINDOW: usize = 10;

/// An SMSC that can be stopped between two reads, and then knows every octet that has come.
#[derive(Default)]
pub(crate) struct Glass {
    legs: Mutex<Vec<Arc<Mutex<Leg>>>>,
    deaf: AtomicBool,
    mute: AtomicBool,
}

struct Leg {
    stream: TcpStream,
    /// Octets read so far.
    read: usize,
    buffer: Vec<u8>,
}

impl Glass {
    pub(crate) async fn listen() -> (Arc<Self>, std::net::SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let address = listener.local_addr().expect("bound");
        socket2::SockRef::from(&listener).set_recv_buffer_size(16_384).expect("set"); // so that it can be stalled
        let glass = Arc::new(Self::default());
        let own = Arc::clone(&glass);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let leg = Arc::new(Mutex::new(Leg { stream, read: 0, buffer: Vec::new() }));
                own.legs.lock().push(Arc::clone(&leg));
                tokio::spawn(serve(Arc::clone(&own), leg));
            }
        });
        (glass, address)
    }

    /// Every octet that has come, whether it has been read or not.
    pub(crate) fn arrived(&self) -> usize {
        let legs: Vec<_> = self.legs.lock().iter().cloned().collect();
        let stopped: Vec<_> = legs.iter().map(|leg| leg.lock()).collect(); // nobody reads now
        let mut room = vec![std::mem::MaybeUninit::uninit(); 65_536];
        let mut unread = |leg: &Leg| socket2::SockRef::from(&leg.stream).peek(&mut room).unwrap_or_default();
        stopped.iter().map(|leg| leg.read + unread(leg)).sum()
    }
}

/// Reads, and answers everything with 0.
async fn serve(glass: Arc<Glass>, leg: Arc<Mutex<Leg>>) {
    loop {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut out = Vec::new();
        if glass.deaf.load(Ordering::Relaxed) {
            continue;
        }
        {
            let mut leg = leg.lock();
            let Leg { stream, read, buffer } = &mut *leg;
            let mut room = vec![0; 16_384];
            match stream.try_read(&mut room) {
                Ok(0) => return,
                Ok(octets) => {
                    *read += octets;
                    buffer.extend(&room[..octets]);
                }
                Err(_) => continue,
            }
            while let Cut::Whole(length) = Cut::at(buffer, 1 << 20) {
                answer(&buffer[..length], &mut out);
                buffer.drain(..length);
            }
            // A few hundred octets into an empty buffer.
            if glass.mute.load(Ordering::Relaxed) || stream.try_write(&out).is_ok_and(|written| written == out.len()) {
                continue;
            }
        }
        return;
    }
}

fn answer(frame: &[u8], out: &mut Vec<u8>) {
    let header = Header::read(frame).expect("whole");
    match header.command_id {
        id if command::is_bind(id) => pdu::bind_resp(out, header, "GLASS", 0x34),
        command::SUBMIT_SM => {
            SubmitAnswer { command_id: header.command_id, sequence: header.sequence, status: 0, id: 1 }.write(
                out,
                pdu::IdFormat::default(),
                None,
            );
        }
        id => pdu::bare(out, id | command::RESPONSE, 0, header.sequence),
    }
}

fn many_sessions(plan: &mut Plan) {
    plan.clock = Clock::starting_at(moment(OPEN)); // rates need a clock that runs
    plan.ledger.durability = Durability::Process;
    plan.proxy.max_connections = 4096;
    plan.proxy.max_per_address = 4096;
}

async fn stand_before(smsc: std::net::SocketAddr, change: fn(&mut Plan)) -> Stand {
    let policy =
        "[quota]\nusers = 100000000\n[spread]\nlimit = 10000\n[pause]\nramp_seconds = 0\n[overload]\nmode = \"off\"\n";
    let accounts = vec![("sessions = 4", "sessions = 2000")];
    let setup = Setup { policy: policy.to_owned(), accounts, change, smsc: Some(smsc), ..Setup::default() };
    Stand::new(setup).await
}

/// Submits without end, `WINDOW` at a time, and takes every answer as it comes.
pub(crate) async fn load(mut esme: Esme, numbers: Arc<AtomicU64>, answered: Arc<AtomicU64>) {
    let mut sequence = 0;
    loop {
        let mut octets = Vec::new();
        for _ in 0..WINDOW {
            sequence += 1;
            good(&hefei(numbers.fetch_add(1, Ordering::Relaxed))).write(sequence, &mut octets);
        }
        if esme.send_raw(&octets).await.is_err() {
            return;
        }
        for _ in 0..WINDOW {
            if esme.next_pdu().await.is_err() {
                return;
            }
            answered.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(5)).await; // so that a thousand of them leave the machine some air
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_call_has_returned_nothing_new_is_written_for_a_thousand_sessions() {
    let (sessions, pauses) = (1000, number("SMSLUICE_PAUSES", 6));
    let (glass, smsc) = Glass::listen().await;
    let stand = stand_before(smsc, many_sessions).await;
    let (numbers, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut bound = Vec::new();
    for _ in 0..sessions {
        let mut esme = stand.bind("hefei").await;
        esme.set_patience(Duration::from_secs(60));
        bound.push(esme);
    }
    let begin = |esme| tokio::spawn(load(esme, Arc::clone(&numbers), Arc::clone(&answered)));
    let senders: Vec<_> = bound.into_iter().map(begin).collect(); // a thousand binds beside the load would take minutes
    let gateway = stand.gateway.gateway();
    let mut took = Vec::new();
    for pause in 0..pauses {
        let before = glass.arrived();
        let deadline = Instant::now() + Duration::from_secs(30);
        while glass.arrived() < before + 20_000 {
            assert!(Instant::now() < deadline, "pause {pause}: no load");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let scope = if pause % 2 == 0 { "all" } else { "account:hefei" };
        let placed = gateway.pause(hold(scope)).await.expect("placed");
        let arrived = glass.arrived();
        took.push(placed.waited);
        assert_eq!(placed.sessions_ended, 0);
        let (refused, deadline) = (stand.refused("hefei", Reason::Paused), Instant::now() + Duration::from_secs(30));
        while stand.refused("hefei", Reason::Paused) < refused + 1000 {
            assert!(Instant::now() < deadline, "pause {pause}: nobody tries");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(glass.arrived(), arrived, "pause {pause}: written after the call had returned");
        let which = Which::On(scope.parse::<Scope>().expect("a scope"));
        gateway.resume(&which, "net.li", "it is over", false).await.expect("ended");
    }
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    let most = at(100);
    println!(
        "{sessions} sessions, {pauses} pauses: p50 {:?}, p90 {:?}, p99 {:?}, max {most:?}, {answered:?} answers",
        at(50),
        at(90),
        at(99)
    );
    assert!(most < Duration::from_secs(2), "{most:?}: no call waits for a stalled peer here");
    for sender in senders {
        sender.abort();
    }
}

#[tokio::test]
async fn a_message_half_written_to_a_stalled_smsc_is_not_finished_behind_the_call() {
    let (glass, smsc) = Glass::listen().await;
    let stand = stand_before(smsc, many_sessions).await;
    let stalled = stand.bind("hefei").await;
    glass.deaf.store(true, Ordering::Relaxed);
    glass.mute.store(true, Ordering::Relaxed); // an answer to a closed connection would lose what is still to be read
    // More than the system takes for a peer that does not read; each frame is long enough to be cut in the middle.
    let mut octets = Vec::new();
    for sequence in 1..=200_u32 {
        let long = SubmitSpec::new("62021", &hefei(u64::from(sequence)), GOOD);
        long.with_tlv(0x1500, &vec![7; 40_000]).write(sequence, &mut octets);
    }
    let writing = tokio::spawn(async move {
        let (mut stream, _) = stalled.into_parts();
        let _ = stream.write_all(&octets).await; // ends with the session
        stream
    });
    let deadline = Instant::now() + Duration::from_secs(30);
    let (mut before, mut same) = (0, 0);
    while same < 4 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let now = stand.metric("smsluice_messages_in_flight{account=\"hefei\"}");
        same = if now == before && now > 0 { same + 1 } else { 0 };
        before = now;
        assert!(Instant::now() < deadline, "it does not get stuck");
    }
    assert!(before < 200, "the system has taken everything: nothing is stuck");
    let placed = stand.gateway.gateway().pause(hold("all")).await.expect("placed");
    assert!(placed.waited < Duration::from_secs(10), "{:?}", placed.waited);
    assert!(placed.sessions_ended <= 1);
    // Either what was begun could not be completed and its session has ended, or nothing was begun.
    let sent = octets_sent(&stand).await;
    glass.deaf.store(false, Ordering::Relaxed);
    let deadline = Instant::now() + Duration::from_secs(30);
    while (glass.arrived() as u64) < sent {
        assert!(Instant::now() < deadline, "{} of {sent} octets", glass.arrived());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(glass.arrived() as u64, sent, "what the system had when the call returned, and not one octet more");
    assert_eq!(octets_sent(&stand).await, sent);
    stand.assert_conserved();
    drop(writing.await);
}

/// Octets handed to the system for the SMSC, once the counters have settled.
async fn octets_sent(stand: &Stand) -> u64 {
    tokio::time::sleep(Duration::from_millis(200)).await;
    stand.metric("smsluice_sent_bytes_total{leg=\"smsc\"}")
}

pub(crate) fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
