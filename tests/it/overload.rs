//! Clause 7.6 by itself: an SMSC that saturates, and the governor in front of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use smsluice::app::Plan;
use smsluice::domain::Clock;
use smsluice::sim::Esme;
use smsluice::sim::smsc::{Behaviour, Service};
use tokio::io::AsyncWriteExt;

use crate::stand::{OPEN, Setup, Stand, good, hefei, moment};

const CAPACITY: u32 = 400;

fn running_clock(plan: &mut Plan) {
    plan.clock = Clock::starting_at(moment(OPEN));
}

/// Submits fresh subscribers for as long as it may, `window` at a time.
async fn load(mut esme: Esme, numbers: Arc<AtomicU64>, stop: Arc<AtomicBool>, window: usize) {
    let mut sequence = 0;
    let mut waiting = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut octets = Vec::new();
        while waiting < window {
            sequence += 1;
            waiting += 1;
            good(&hefei(numbers.fetch_add(1, Ordering::Relaxed))).write(sequence, &mut octets);
        }
        if esme.send_raw(&octets).await.is_err() {
            return;
        }
        let Ok(answer) = esme.next_pdu().await else { return };
        waiting -= 1;
        if answer[8..12] != [0; 4] {
            tokio::time::sleep(Duration::from_millis(4)).await; // a sender that is throttled slows down a little
        }
    }
}

/// Submits so many fresh subscribers a second, whatever becomes of them.
async fn pour(esme: Esme, numbers: Arc<AtomicU64>, per_second: u64) {
    let (stream, _) = esme.into_parts();
    let (mut from, mut to) = stream.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from, &mut tokio::io::sink()).await });
    let mut every = tokio::time::interval(Duration::from_millis(20));
    let mut sequence = 0;
    loop {
        every.tick().await;
        let mut octets = Vec::new();
        for _ in 0..per_second / 50 {
            sequence += 1;
            good(&hefei(numbers.fetch_add(1, Ordering::Relaxed))).write(sequence, &mut octets);
        }
        if to.write_all(&octets).await.is_err() {
            return;
        }
    }
}

async fn saturated(service: Service, policy: &str) -> Stand {
    let policy = format!("[quota]\nusers = 10000000\n[spread]\nlimit = 10000\n{policy}");
    let behaviour = Behaviour { service: Some(service), ..Behaviour::default() };
    Stand::new(Setup { policy, behaviour, change: running_clock, ..Setup::default() }).await
}

/// What the SMSC takes a second, once the governor has found its rate.
async fn goodput(stand: &Stand) -> f64 {
    tokio::time::sleep(Duration::from_secs(7)).await;
    let (before, at) = (stand.smsc.stats().taken, Instant::now());
    tokio::time::sleep(Duration::from_secs(8)).await;
    (stand.smsc.stats().taken - before) as f64 / at.elapsed().as_secs_f64()
}

fn steps(stand: &Stand, step: &str) -> u64 {
    let smsc = stand.smsc.local_addr();
    stand.metric(&format!("smsluice_overload_steps_total{{smsc=\"{smsc}\",step=\"{step}\"}}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_lowers_the_rate_and_the_smsc_is_used_to_its_capacity() {
    for full in [0x58, 0x14] {
        let stand = saturated(Service { per_second: CAPACITY, queue: 400, full }, "").await;
        let (numbers, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        for account in ["hefei", "hefei", "hefei", "hefei2", "hefei2", "hefei2"] {
            let esme = stand.bind(account).await;
            tokio::spawn(load(esme, Arc::clone(&numbers), Arc::clone(&stop), 400));
        }
        let taken = goodput(&stand).await;
        stop.store(true, Ordering::Relaxed);
        let stats = stand.smsc.stats();
        let busy = stats.answered_with(full) as f64 / stats.submissions() as f64;
        println!("capacity {CAPACITY}, taken {taken:.0} a second, {:.0} % of what it got in vain", busy * 100.0);
        assert!((0.9..=1.1).contains(&(taken / f64::from(CAPACITY))), "{full:#x}: {taken:.0} of {CAPACITY} a second");
        assert!(busy < 0.5, "{full:#x}: {busy:.2} of what the SMSC got was in vain");
        assert!(stand.smsc.longest_queue() <= 400);
        assert!(steps(&stand, "lower") > 0 && steps(&stand, "hold") == 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_without_end_does_not_grow_without_end() {
    let service = Service { per_second: CAPACITY, queue: u32::MAX, full: 0x14 };
    let policy = "[overload]\nlower_response_ms = 500\ndecrease_percent = 30\nincrease_percent = 4\n";
    let stand = saturated(service, policy).await;
    let numbers = Arc::new(AtomicU64::new(0));
    for account in ["hefei", "hefei2"] {
        let esme = stand.bind(account).await;
        tokio::spawn(pour(esme, Arc::clone(&numbers), u64::from(CAPACITY)));
    }
    // Twice the capacity: without the governor 6000 messages wait in the end.
    let taken = goodput(&stand).await;
    let longest = stand.smsc.longest_queue();
    println!("capacity {CAPACITY}, taken {taken:.0} a second, longest queue {longest}");
    assert!(taken > f64::from(CAPACITY) * 0.5, "{taken:.0} of {CAPACITY} a second");
    assert!(longest < CAPACITY * 6, "{longest} messages wait");
    assert!(steps(&stand, "lower") > 0);
}

#[tokio::test]
async fn congestion_stops_an_smsc_by_itself_and_it_comes_back_when_it_is_quiet() {
    let policy = "[overload]\nquiet_seconds = 2\n[pause]\nramp_seconds = 1\n".to_owned();
    let behaviour = Behaviour { congestion_state: Some(100), ..Behaviour::default() };
    let stand = Stand::new(Setup { policy, behaviour, change: running_clock, ..Setup::default() }).await;
    let gateway = stand.gateway.gateway();
    let mut esme = stand.bind("hefei").await;
    assert!(esme.submit(&good(&hefei(1))).await.expect("answered").is_ok());
    let until = |held: bool| async move {
        for _ in 0..1500 {
            if gateway.holds().is_empty() != held {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("held: {}", !held);
    };
    until(true).await;
    let hold = gateway.holds().remove(0);
    assert_eq!(hold.scope.to_string(), format!("smsc:{}", stand.smsc.local_addr()));
    assert_eq!(hold.reason, "the SMSC is overloaded: congestion_state");
    assert_eq!(esme.submit(&good(&hefei(2))).await.expect("answered").status, 0x58);
    stand.smsc.change(|behaviour| behaviour.congestion_state = Some(10));
    until(false).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while !esme.submit(&good(&hefei(3))).await.expect("answered").is_ok() {
        assert!(Instant::now() < deadline, "it does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((steps(&stand, "hold"), steps(&stand, "end")), (1, 1));
    assert_eq!(gateway.past_holds()[0].why, "the SMSC shows no overload");
}
