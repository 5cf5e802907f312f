//! What one gateway stops is stopped on all that share its ledger, and what one opens is open on all (P7). Judged at the
//! SMSC, by the octets that have come.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use serde_json::Value;
use smsluice::sim::submit::SubmitSpec;

use super::server::signal;
use super::{Server, Time, bind, command, policy, run, run_off, said, site, status};
use crate::barrier::{Glass, load, number};
use crate::crash::journaling_smsc;
use crate::gateway::{Gateway, Site};
use crate::history::LEDGER_UNAVAILABLE;
use crate::stand::{good, hefei};

const PAUSED: u32 = 0x58;
const LOADED: &str = "[pause]\nramp_seconds = 0\n[overload]\nmode = \"off\"\n";

/// Two gateways on one server, each with senders that never rest, and an SMSC that knows every octet that has come.
struct Pair {
    sites: [Site; 2],
    gateways: [Gateway; 2],
    glass: Arc<Glass>,
    senders: Vec<tokio::task::JoinHandle<()>>,
    _server: Server,
}

impl Pair {
    async fn under_load() -> Self {
        let (server, time) = (Server::start(), Time::open());
        let (glass, smsc) = Glass::listen().await;
        let mut sites = [0; 2].map(|_| site(&policy(100_000_000, LOADED), smsc, &server.url()));
        let [a, b] = &mut sites;
        let gateways = [run(a, time).await, run(b, time).await];
        let (numbers, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut senders = Vec::new();
        for gateway in gateways.iter().flat_map(|gateway| [gateway; 4]) {
            let mut esme = bind(gateway, "hefei").await;
            esme.set_patience(Duration::from_secs(60));
            senders.push(tokio::spawn(load(esme, Arc::clone(&numbers), Arc::clone(&answered))));
        }
        for gateway in &gateways {
            senders.push(tokio::spawn(adverts(bind(gateway, "market").await)));
        }
        let pair = Self { sites, gateways, glass, senders, _server: server };
        pair.settled();
        pair
    }

    /// Waits until nobody waits any more for what an earlier life of the server may have known.
    fn settled(&self) {
        loop {
            let placed = paused(&self.sites[0], &["all"]);
            resumed(&self.sites[0], "all");
            if placed["waited_ms"].as_f64().is_some_and(|waited| waited < 1_000.0) {
                return;
            }
        }
    }

    /// Waits until messages flow.
    async fn flows(&self) {
        let (before, deadline) = (self.glass.arrived(), Instant::now() + Duration::from_secs(30));
        while self.glass.arrived() < before + 20_000 {
            assert!(Instant::now() < deadline, "no load");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until both gateways have refused so many for the hold; not one octet may have come meanwhile.
    async fn stays_shut(&self, what: &str, which: &[usize]) {
        let arrived = self.glass.arrived();
        for at in which {
            let series = r#"smsluice_messages_refused_total{account="hefei",reason="paused"}"#;
            let (before, deadline) =
                (self.gateways[*at].metric(series).await, Instant::now() + Duration::from_secs(30));
            while self.gateways[*at].metric(series).await < before + 200 {
                assert!(Instant::now() < deadline, "{what}: nobody tries on {at}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        assert_eq!(self.glass.arrived(), arrived, "{what}: written after the call had returned");
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for sender in &self.senders {
            sender.abort();
        }
    }
}

/// Messages of the exempt platform, for which the server is not asked: only the lease stands in their way.
async fn adverts(mut esme: smsluice::sim::Esme) {
    let mut n = 0;
    loop {
        n += 1;
        if esme.submit(&SubmitSpec::new("10086", &hefei(n), "不受群发规则约束")).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn paused(site: &Site, arguments: &[&str]) -> Value {
    said(&command(site, &[&["pause"], arguments, &["--reason", "a test"]].concat()))
}

fn resumed(site: &Site, which: &str) -> Value {
    said(&command(site, &["resume", which, "--reason", "it is over"]))
}

fn holds(site: &Site) -> Vec<Value> {
    said(&command(site, &["holds", "ls"])).as_array().expect("a list").clone()
}

/// Waits until a gateway lists so many holds; they are as long in force there as it takes to list them.
async fn has(site: &Site, count: usize, what: &str) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let holds = holds(site);
        if holds.len() == count {
            return holds;
        }
        assert!(began.elapsed() < Duration::from_secs(15), "{what}: {holds:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_on_one_gateway_stops_both_and_a_resume_on_the_other_opens_both() {
    let (pair, pauses) = (Pair::under_load().await, number("SMSLUICE_PAUSES", 12));
    let mut took = Vec::new();
    for pause in 0..pauses {
        pair.flows().await;
        let scope = if pause % 3 == 0 { "account:hefei" } else { "all" };
        let (own, other) = (&pair.sites[pause % 2], &pair.sites[(pause + 1) % 2]);
        let placed = paused(own, &[scope]);
        took.push(placed["waited_ms"].as_f64().expect("a time"));
        assert_eq!(placed["acknowledged_by"].as_array().map(Vec::len), Some(1), "{placed}");
        assert_eq!((&placed["silent"], &placed["sessions_ended"]), (&serde_json::json!([]), &0.into()), "{placed}");
        if scope == "all" {
            pair.stays_shut(&format!("pause {pause}"), &[0, 1]).await;
        }
        let listed = has(other, 1, "on the other").await;
        assert_eq!(listed[0]["id"], placed["hold"]["id"], "one number on all gateways");
        for _ in 0..200 {
            // The list of who has it in force is a look every half a second.
            if holds(other)[0]["shared"]["in_force_on"].as_array().is_some_and(|on| on.len() == 2) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(holds(other)[0]["shared"]["not_yet_on"], serde_json::json!([]));
        resumed(other, placed["hold"]["id"].as_str().expect("an id"));
        has(own, 0, "opened on the other").await;
    }
    took.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    println!("two gateways, {pauses} pauses: p50 {} ms, p99 {} ms, max {} ms", at(50), at(99), at(100));
    assert!(at(100) < 2_000.0, "no call waits for a lease to end here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stands_still_while_a_pause_is_placed_writes_nothing_when_it_goes_on() {
    let (pair, rounds) = (Pair::under_load().await, number("SMSLUICE_FREEZES", 3));
    for round in 0..rounds {
        pair.flows().await;
        signal(pair.gateways[1].pid(), true);
        let began = Instant::now();
        let placed = paused(&pair.sites[0], &["all"]);
        let took = began.elapsed();
        assert_eq!(placed["silent"].as_array().map(Vec::len), Some(1), "{placed}");
        assert!((Duration::from_secs(3)..Duration::from_secs(6)).contains(&took), "as long as a lease lasts: {took:?}");
        let arrived = pair.glass.arrived();
        signal(pair.gateways[1].pid(), false);
        pair.stays_shut(&format!("round {round}"), &[0, 1]).await;
        assert_eq!(pair.glass.arrived(), arrived, "round {round}: written by the one that had stood still");
        resumed(&pair.sites[1], "all");
        has(&pair.sites[0], 0, "opened by it").await;
        println!("round {round}: the call took {took:?}");
    }
}

#[tokio::test]
async fn a_hold_outlives_both_gateways_and_the_server_and_stands_before_the_first_accept() {
    let (mut server, smsc, time) = (Server::start(), journaling_smsc(21).await, Time::open());
    let [mut a, mut b] = [0; 2].map(|_| site(&policy(100, LOADED), smsc.local_addr(), &server.url()));
    let (one, two) = (run(&mut a, time).await, run(&mut b, time).await);
    let placed = paused(&a, &["city:hefei"]);
    assert_eq!((&placed["hold"]["id"], &placed["not_shared"]), (&"h_01".into(), &Value::Null), "{placed}");
    assert_eq!(status(&mut bind(&two, "hefei").await, &good(&hefei(1))).await, PAUSED);
    one.kill();
    two.kill();
    server.kill();

    // A start without the server knows what it knew, and sends nothing either way.
    b.clock_start = Some(time.text(0));
    let two = b.run().await;
    assert_eq!(holds(&b).len(), 1);
    assert_eq!(
        status(&mut bind(&two, "market").await, &SubmitSpec::new("10086", &hefei(2), "x")).await,
        LEDGER_UNAVAILABLE
    );
    server.again();
    two.wait_ready(true, Duration::from_secs(10)).await;
    let one = run(&mut a, time).await;
    for gateway in [&one, &two] {
        assert_eq!(status(&mut bind(gateway, "hefei").await, &good(&hefei(1))).await, PAUSED);
    }
    // A third gateway, whose folder is empty.
    let mut c = site(&policy(100, LOADED), smsc.local_addr(), &server.url());
    let three = run(&mut c, time).await;
    assert_eq!(status(&mut bind(&three, "hefei").await, &good(&hefei(1))).await, PAUSED);
    assert_eq!(smsc.stats().taken, 0);
    resumed(&c, "h_01");
    for (gateway, site) in [(&one, &a), (&two, &b)] {
        has(site, 0, "opened by the third").await;
        gateway.wait_ready(true, Duration::from_secs(5)).await;
    }
    assert_eq!(status(&mut bind(&one, "hefei").await, &good(&hefei(1))).await, 0);
    assert_eq!(paused(&b, &["all"])["hold"]["id"], "h_02", "numbers go on");
}

#[tokio::test]
async fn a_hold_placed_without_the_server_says_so_and_spreads_when_it_is_back() {
    let (mut server, smsc, time) = (Server::start(), journaling_smsc(22).await, Time::open());
    let [mut a, mut b] = [0; 2].map(|_| site(&policy(100, LOADED), smsc.local_addr(), &server.url()));
    let (one, two) = (run(&mut a, time).await, run(&mut b, time).await);
    server.kill();
    let placed = paused(&a, &["all"]);
    assert!(placed["not_shared"].is_string() && placed["acknowledged_by"].is_null(), "{placed}");
    assert_eq!((&placed["hold"]["persisted"], &placed["hold"]["shared"]["told"]), (&true.into(), &false.into()));
    let id = placed["hold"]["id"].as_str().expect("an id").to_owned();
    one.kill();
    let one = a.run().await; // it outlives the gateway as well
    server.again();
    assert_eq!(has(&b, 1, "the other is told").await[0]["id"], *id, "by the number that people were told");
    one.wait_ready(true, Duration::from_secs(10)).await;
    for gateway in [&one, &two] {
        gateway.wait_ready(true, Duration::from_secs(10)).await;
        assert_eq!(status(&mut bind(gateway, "hefei").await, &good(&hefei(1))).await, PAUSED);
    }
    // A server that stands still may have it or not: nobody knows, and it is the same hold in the end.
    server.freeze(true);
    let placed = paused(&b, &["account:hefei"]);
    assert!(placed["not_shared"].is_string(), "{placed}");
    server.freeze(false);
    for site in [&a, &b] {
        let began = Instant::now();
        while !holds(site).iter().any(|hold| hold["id"] == placed["hold"]["id"] && hold["shared"]["told"] == true) {
            assert!(began.elapsed() < Duration::from_secs(15), "{:?}", holds(site));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(holds(site).len(), 2, "one hold, by the number that people were told");
    }
    // An end that the server is not told at once.
    server.kill();
    let ended = resumed(&a, &id);
    assert!(ended["not_shared"].is_string(), "{ended}");
    assert_eq!(holds(&b).len(), 2);
    server.again();
    has(&b, 1, "the end is told").await;
    resumed(&a, placed["hold"]["id"].as_str().expect("an id"));
    has(&b, 0, "the other's end as well").await;
    assert_eq!(smsc.stats().taken, 0);
}

#[tokio::test]
async fn a_hold_with_a_time_ends_for_all_at_once_by_the_servers_clock() {
    let (server, smsc, time) = (Server::start(), journaling_smsc(23).await, Time::open());
    let [mut a, mut b] = [0; 2].map(|_| site(&policy(100, LOADED), smsc.local_addr(), &server.url()));
    let (one, two) = (run(&mut a, time).await, run_off(&mut b, time, 3_000).await);
    let began = Instant::now();
    paused(&b, &["all", "--for", "4s"]);
    assert_eq!(holds(&a)[0]["until"], holds(&b)[0]["until"]);
    let ended = |site: &Site| holds(site).is_empty();
    let mut open = [None; 2];
    while open.iter().any(Option::is_none) {
        for (at, site) in [&a, &b].into_iter().enumerate() {
            if open[at].is_none() && ended(site) {
                open[at] = Some(began.elapsed());
            }
        }
        assert!(began.elapsed() < Duration::from_secs(15), "{open:?}");
    }
    let [first, second] = open.map(Option::unwrap_or_default);
    assert!(first > Duration::from_secs(3) && second > Duration::from_secs(3), "{open:?}");
    assert!(first.abs_diff(second) < Duration::from_secs(1), "clocks are three seconds apart, ends are not: {open:?}");
    for gateway in [&one, &two] {
        assert_eq!(gateway.event("hold_ended").expect("told")["by"], "clock");
    }
}

#[tokio::test]
async fn a_server_that_lost_its_holds_is_told_them_again_and_none_that_has_ended() {
    let (server, smsc, time) = (Server::start(), journaling_smsc(24).await, Time::open());
    let [mut a, mut b] = [0; 2].map(|_| site(&policy(100, LOADED), smsc.local_addr(), &server.url()));
    let (one, two) = (run(&mut a, time).await, run(&mut b, time).await);
    paused(&a, &["city:fuyang"]);
    paused(&b, &["city:hefei"]);
    resumed(&a, "city:fuyang");
    server.cli(&["flushall"]);
    for gateway in [&one, &two] {
        gateway.wait_ready(true, Duration::from_secs(15)).await;
    }
    let mut c = site(&policy(100, LOADED), smsc.local_addr(), &server.url());
    let three = run(&mut c, time).await;
    assert_eq!(has(&c, 1, "told by those who know").await[0]["scope"]["id"], "hefei");
    for gateway in [&one, &two, &three] {
        assert_eq!(status(&mut bind(gateway, "hefei").await, &good(&hefei(1))).await, PAUSED);
    }
    assert_eq!(smsc.stats().taken, 0);
}
