//! Gateways that end or stand still, a server that does, and what a server can lose.

use std::time::{Duration, Instant};

use smsluice::sim::random::Random;
use smsluice::sim::smsc::Latency;

use super::server::signal;
use super::{Server, Time, bind, policy, run, site, status};
use crate::crash::{journaling_smsc, recorder, seed, settled};
use crate::history::senders::{Script, play};
use crate::history::{Act, DUPLICATE, LEDGER_UNAVAILABLE, Terms};
use crate::stand::{good, hefei, until};

/// Subscribers each sender tries; more than the unit's quota together.
const EACH: u64 = 120;
const USERS: u64 = 180;

/// What happens to one of the two gateways, or to the server, while both are under load.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Blow {
    Kill,
    Freeze,
    KillServer,
    FreezeServer,
    None,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_keep_the_promises_while_one_or_the_server_is_killed_or_stands_still() {
    let seed = seed();
    println!("SMSLUICE_SEED={seed}");
    let blows = [Blow::Freeze, Blow::Kill, Blow::KillServer, Blow::FreezeServer, Blow::Kill, Blow::None];
    let mut random = Random::new(seed);
    let (mut server, smsc, time) = (Server::start(), journaling_smsc(seed).await, Time::open());
    smsc.change(|behaviour| {
        behaviour.latency = Latency { from: Duration::ZERO, to: Duration::from_millis(20) };
        behaviour.errors = vec![(0x14, 0.05)];
        behaviour.silent = 0.002;
    });
    let mut sites = [0; 2].map(|_| site(&policy(USERS, ""), smsc.local_addr(), &server.url()));
    for site in &mut sites {
        site.response_timeout = "3s";
    }
    let (recorder, terms) = (recorder(), Terms::new(USERS));

    let [a, b] = &mut sites;
    let (mut one, mut two) = (run(a, time).await, run(b, time).await);
    for (round, blow) in blows.into_iter().enumerate() {
        let mut senders = Vec::new();
        for (sender, account, city, smpp) in [
            (0, "hefei", "hefei", one.smpp),
            (1, "hefei2", "hefei", two.smpp),
            (2, "fuyang", "fuyang", one.smpp),
            (3, "hefei", "hefei", two.smpp),
        ] {
            let from = sender % 2 * EACH / 2;
            let seed = seed ^ ((round as u64) << 8) ^ sender;
            let script = Script { account, city, subscribers: from..from + EACH, window: 30, seed };
            senders.push(tokio::spawn(play(smpp, script, recorder.clone())));
        }
        tokio::time::sleep(Duration::from_millis(50 + random.below(300))).await;
        match blow {
            Blow::Kill => {
                one.kill();
                recorder.note(Act::Killed);
                tokio::time::sleep(Duration::from_millis(random.below(500))).await;
                one = run(a, time).await;
            }
            Blow::Freeze => {
                signal(two.pid(), true);
                tokio::time::sleep(Duration::from_secs(3)).await;
                signal(two.pid(), false);
            }
            Blow::KillServer => {
                server.kill();
                recorder.note(Act::Killed);
                tokio::time::sleep(Duration::from_secs(1)).await;
                server.again();
                tokio::time::sleep(Duration::from_secs(1)).await; // each gives back what it was not told in time
                recorder.note(Act::Killed);
            }
            Blow::FreezeServer => {
                server.freeze(true);
                tokio::time::sleep(Duration::from_secs(4)).await;
                server.freeze(false);
                tokio::time::sleep(Duration::from_secs(1)).await;
                recorder.note(Act::Killed);
            }
            Blow::None => {}
        }
        for sender in senders {
            let tally = sender.await.expect("no panic");
            assert!(blow != Blow::None || tally.orderly, "the last round is whole: {tally:?}");
        }
        for gateway in [&one, &two] {
            let took = gateway.wait_ready(true, Duration::from_secs(10)).await;
            println!("{blow:?}: ready after {took:?}");
            let began = Instant::now();
            while gateway.metric("smsluice_ledger_shared_untold").await != 0 {
                assert!(began.elapsed() < Duration::from_secs(5), "{blow:?}: the server is not told all");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    let _ = &mut two;
    let history = settled(&smsc, &recorder, &terms).await;
    history.assert_kept(&format!("two gateways seed {seed}"));
    let reached = smsc.stats().distinct_recipients;
    assert!(reached > USERS, "the campaign must reach the quota's neighbourhood, not {reached}");
}

#[tokio::test]
async fn without_the_server_nothing_passes_and_what_was_settled_meanwhile_is_told_when_it_is_back() {
    let (mut server, smsc, time) = (Server::start(), journaling_smsc(11).await, Time::open());
    let [mut a, mut b] = [0; 2].map(|_| site(&policy(100, ""), smsc.local_addr(), &server.url()));
    let (one, two) = (run(&mut a, time).await, run(&mut b, time).await);
    let (mut first, mut second) = (bind(&one, "hefei").await, bind(&two, "hefei").await);
    assert_eq!(status(&mut first, &good(&hefei(1))).await, 0);
    // One message is under way when the server goes; the SMSC refuses it while the server is away.
    smsc.change(|behaviour| {
        behaviour.latency = Latency::fixed(Duration::from_secs(2));
        behaviour.errors = vec![(0x14, 1.0)];
    });
    first.send_raw(&good(&hefei(2)).submit_sm(5)).await.expect("sent");
    until("at the SMSC", || smsc.stats().received.get("submit_sm").is_some_and(|count| *count == 2)).await;
    server.kill();
    let refused = first.next_pdu().await.expect("answered");
    assert_eq!(refused[8..16], [0, 0, 0, 0x14, 0, 0, 0, 5], "answers flow without the server");
    smsc.change(|behaviour| {
        behaviour.latency = Latency::fixed(Duration::ZERO);
        behaviour.errors.clear();
    });
    let taken = smsc.stats().received.clone();
    assert_eq!(status(&mut first, &good(&hefei(3))).await, LEDGER_UNAVAILABLE);
    assert_eq!(status(&mut second, &good(&hefei(3))).await, LEDGER_UNAVAILABLE);
    assert_eq!(smsc.stats().received, taken, "no octet of a submission has left");
    for gateway in [&one, &two] {
        gateway.wait_ready(false, Duration::from_secs(5)).await;
        assert_eq!(gateway.metric("smsluice_ledger_shared_up").await, 0);
        let (_, body) = gateway.page("/readyz").await;
        assert!(body.contains("shared_ledger_unreachable"), "{body}");
    }
    assert_eq!(one.metric("smsluice_ledger_shared_untold").await, 1, "the release waits");
    one.kill(); // and outlives its gateway
    server.again();
    let one = run(&mut a, time).await;
    let took = two.wait_ready(true, Duration::from_secs(10)).await;
    println!("ready {took:?} after the server was back");
    let mut second = bind(&two, "hefei").await;
    let began = Instant::now();
    while status(&mut second, &good(&hefei(2))).await != 0 {
        assert!(began.elapsed() < Duration::from_secs(5), "the refused message's slot is not free again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut first = bind(&one, "hefei").await;
    assert_eq!(status(&mut first, &good(&hefei(1))).await, DUPLICATE, "what was confirmed outlived the server");
}

#[tokio::test]
async fn what_a_gateway_could_not_give_back_yet_is_no_duplicate_on_another() {
    let (mut server, smsc, time) = (Server::start(), journaling_smsc(17).await, Time::open());
    let [mut a, mut b] = [0; 2].map(|_| site(&policy(1, ""), smsc.local_addr(), &server.url()));
    let (one, two) = (run(&mut a, time).await, run(&mut b, time).await);
    let (mut first, mut second) = (bind(&one, "hefei").await, bind(&two, "hefei").await);
    smsc.change(|behaviour| {
        behaviour.latency = Latency::fixed(Duration::from_secs(1));
        behaviour.errors = vec![(0x14, 1.0)];
    });
    first.send_raw(&good(&hefei(1)).submit_sm(5)).await.expect("sent");
    until("at the SMSC", || smsc.stats().received.contains_key("submit_sm")).await;
    server.kill();
    let refused = first.next_pdu().await.expect("answered");
    assert_eq!(refused[8..12], [0, 0, 0, 0x14], "its sender knows that it was not sent");
    signal(one.pid(), true); // it cannot say so to the server, which has the slot and the quota's only place taken for it
    smsc.change(|behaviour| {
        behaviour.latency = Latency::fixed(Duration::ZERO);
        behaviour.errors.clear();
    });
    server.again();
    two.wait_ready(true, Duration::from_secs(10)).await;
    for n in [1, 2] {
        assert_eq!(
            status(&mut second, &good(&hefei(n))).await,
            LEDGER_UNAVAILABLE,
            "not a duplicate, and no full quota"
        );
    }
    signal(one.pid(), false);
    let began = Instant::now();
    while status(&mut second, &good(&hefei(1))).await != 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "what it has given back is free");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    one.wait_ready(true, Duration::from_secs(10)).await;
    assert_eq!(status(&mut second, &good(&hefei(1))).await, DUPLICATE, "what is its own it knows for certain");
}

#[tokio::test]
async fn a_gateway_starts_without_the_server_and_serves_when_it_comes() {
    let (mut server, smsc, time) = (Server::start(), journaling_smsc(12).await, Time::open());
    server.kill();
    let mut a = site(&policy(100, ""), smsc.local_addr(), &server.url());
    a.clock_start = Some(time.text(0));
    let one = a.run().await;
    let mut first = bind(&one, "hefei").await;
    assert_eq!(status(&mut first, &good(&hefei(1))).await, LEDGER_UNAVAILABLE);
    server.again();
    one.wait_ready(true, Duration::from_secs(10)).await;
    assert_eq!(status(&mut first, &good(&hefei(1))).await, 0);
}

#[tokio::test]
async fn a_server_that_lost_what_it_confirmed_is_told_anew() {
    let (server, smsc, time) = (Server::start(), journaling_smsc(13).await, Time::open());
    let mut a = site(&policy(2, ""), smsc.local_addr(), &server.url());
    let one = run(&mut a, time).await;
    let mut first = bind(&one, "hefei").await;
    smsc.change(|behaviour| behaviour.errors = vec![(0x14, 1.0)]);
    assert_eq!(status(&mut first, &good(&hefei(3))).await, 0x14);
    smsc.change(|behaviour| behaviour.errors.clear());
    assert_eq!(status(&mut first, &good(&hefei(1))).await, 0);
    server.cli(&["flushall"]);
    until("the loss is noticed", || one.event("shared_ledger_lost").is_some()).await;
    one.wait_ready(true, Duration::from_secs(10)).await;
    assert_eq!(status(&mut first, &good(&hefei(1))).await, DUPLICATE);
    assert_eq!(status(&mut first, &good(&hefei(2))).await, 0);
    assert_eq!(status(&mut first, &good(&hefei(3))).await, 0x15, "the quota counts what was told anew, and no more");
    one.kill();
    server.cli(&["flushall"]);
    let one = run(&mut a, time).await;
    let mut first = bind(&one, "hefei").await;
    for n in [1, 2] {
        assert_eq!(status(&mut first, &good(&hefei(n))).await, DUPLICATE, "told by the next start as well");
    }
    server.cli(&["script", "flush"]);
    assert_eq!(
        status(&mut first, &good(&hefei(4))).await,
        0x15,
        "a server that has forgotten the scripts gets them again"
    );
}

#[tokio::test]
async fn a_day_whose_slots_are_gone_is_not_opened_again() {
    let (server, smsc, time) = (Server::start(), journaling_smsc(14).await, Time::open());
    let mut a = site(&policy(100, ""), smsc.local_addr(), &server.url());
    let one = run(&mut a, time).await;
    let mut first = bind(&one, "hefei").await;
    assert_eq!(status(&mut first, &good(&hefei(1))).await, 0);
    // As if the server's clock had been ahead by days for a while: what expires is gone, what never does is not.
    for key in server.cli(&["--scan", "--pattern", "*"]).lines().filter(|key| !key.ends_with(":meta")) {
        server.cli(&["del", key]);
    }
    assert_eq!(status(&mut first, &good(&hefei(1))).await, LEDGER_UNAVAILABLE);
    one.wait_ready(false, Duration::from_secs(5)).await;
    let (_, body) = one.page("/readyz").await;
    assert!(body.contains("shared_ledger_lost_today"), "{body}");
}

#[tokio::test]
async fn with_replicas_waited_for_nothing_passes_before_they_have_it() {
    let (server, smsc, time) = (Server::start(), journaling_smsc(15).await, Time::open());
    let mut a = site(&policy(100, ""), smsc.local_addr(), &server.url());
    a.environment.push(("SMSLUICE__LEDGER__VALKEY_WAIT_REPLICAS", "1".to_owned()));
    a.clock_start = Some(time.text(0));
    let one = a.run().await;
    let mut first = bind(&one, "hefei").await;
    assert_eq!(status(&mut first, &good(&hefei(1))).await, LEDGER_UNAVAILABLE);
    let began = Instant::now();
    while !one.page("/readyz").await.1.contains("shared_ledger_replicas_late") {
        assert!(began.elapsed() < Duration::from_secs(10), "{}", one.page("/readyz").await.1);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(smsc.stats().distinct_recipients, 0);
    let replica = Server::with(&["--replicaof", "127.0.0.1", &server.port.to_string()]);
    until("the replica follows", || replica.cli(&["info", "replication"]).contains("master_link_status:up")).await;
    one.wait_ready(true, Duration::from_secs(10)).await;
    let began = Instant::now();
    while status(&mut first, &good(&hefei(1))).await != 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "with a replica it passes");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(replica.cli(&["--scan", "--pattern", "*:s:*"]).contains("smsluice"), "the replica has the slot");
}

#[tokio::test]
async fn a_cluster_of_three_keeps_the_ledger_on_one_node() {
    let nodes: Vec<Server> = (0..3)
        .map(|_| Server::with(&["--cluster-enabled", "yes", "--appendonly", "yes", "--appendfsync", "always"]))
        .collect();
    let names: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    let mut create = vec!["--cluster", "create"];
    create.extend(names.iter().map(String::as_str));
    create.extend(["--cluster-yes"]);
    println!("{}", nodes[0].cli(&create));
    for node in &nodes {
        until("the cluster stands", || node.cli(&["cluster", "info"]).contains("cluster_state:ok")).await;
    }
    let (smsc, time) = (journaling_smsc(16).await, Time::open());
    let url = format!("redis-cluster://{}", names.join(","));
    let [mut a, mut b] = [0; 2].map(|_| site(&policy(2, ""), smsc.local_addr(), &url));
    let (one, two) = (run(&mut a, time).await, run(&mut b, time).await);
    let (mut first, mut second) = (bind(&one, "hefei").await, bind(&two, "hefei").await);
    assert_eq!(status(&mut first, &good(&hefei(1))).await, 0);
    assert_eq!(status(&mut second, &good(&hefei(1))).await, DUPLICATE);
    assert_eq!(status(&mut second, &good(&hefei(2))).await, 0);
    assert_eq!(status(&mut first, &good(&hefei(3))).await, 0x15);
    let holding = nodes.iter().filter(|node| node.cli(&["dbsize"]).trim() != "0").count();
    assert_eq!(holding, 1, "every key carries one hash tag");
}
