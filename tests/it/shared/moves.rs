//! The server moves: to a replica that sentinels make the master, and to another node of a cluster.

use std::time::{Duration, Instant};

use smsluice::sim::smsc::Latency;

use super::{Server, Time, bind, command, policy, run, said, site, status};
use crate::crash::{journaling_smsc, recorder, seed, settled};
use crate::gateway::Gateway;
use crate::history::senders::{Script, play};
use crate::history::{Recorder, Terms};
use crate::stand::{good, hefei, until};

const USERS: u64 = 400;
const ON_DISK: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// Senders on both gateways, each with a part of the same subscribers.
fn senders(gateways: &[Gateway; 2], round: u64, recorder: &Recorder) -> Vec<tokio::task::JoinHandle<()>> {
    let mut senders = Vec::new();
    for (sender, gateway) in [(0, 0), (1, 1), (2, 0), (3, 1)] {
        let account = if sender < 2 { "hefei" } else { "hefei2" };
        let from = sender % 2 * 60;
        let seed = seed() ^ (round << 8) ^ sender;
        let script = Script { account, city: "hefei", subscribers: from..from + 120, window: 10, seed };
        let playing = play(gateways[gateway].smpp, script, recorder.clone());
        senders.push(tokio::spawn(async move { drop(playing.await) }));
    }
    senders
}

async fn back(gateways: &[Gateway; 2], within: Duration) {
    for gateway in gateways {
        let took = gateway.wait_ready(true, within).await;
        println!("ready after {took:?}");
    }
}

/// Each has met the change at work.
fn broke(gateways: &[Gateway; 2]) {
    assert!(gateways.iter().all(|gateway| gateway.event("shared_ledger_fault").is_some()), "nobody noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_make_a_replica_the_master_and_nothing_is_doubled() {
    let mut master = Server::start();
    let follow = master.port.to_string();
    let mut arguments = ON_DISK.to_vec();
    arguments.extend(["--replicaof", "127.0.0.1", &follow]);
    let replicas = [0; 2].map(|_| Server::with(&arguments));
    for replica in &replicas {
        until("a replica follows", || replica.cli(&["info", "replication"]).contains("master_link_status:up")).await;
    }
    let sentinels = [0; 3].map(|_| Server::sentinel(master.port));
    let knows = |sentinel: &Server, what: &str| sentinel.cli(&["sentinel", "master", "smsluice"]).contains(what);
    for sentinel in &sentinels {
        until("the sentinels know all", || {
            knows(sentinel, "num-slaves\n2\n") && knows(sentinel, "num-other-sentinels\n2\n")
        })
        .await;
    }
    let (smsc, time) = (journaling_smsc(31).await, Time::open());
    smsc.change(|behaviour| behaviour.latency = Latency { from: Duration::ZERO, to: Duration::from_millis(10) });
    let [one, two, three] = sentinels.each_ref().map(|sentinel| sentinel.port);
    let url = format!("redis-sentinel://127.0.0.1:{one},127.0.0.1:{two},127.0.0.1:{three}/smsluice");
    let mut sites = [0; 2].map(|_| site(&policy(USERS, ""), smsc.local_addr(), &url));
    for site in &mut sites {
        site.environment.push(("SMSLUICE__LEDGER__VALKEY_WAIT_REPLICAS", "1".to_owned()));
        site.response_timeout = "3s";
    }
    let [a, b] = &mut sites;
    let gateways = [run(a, time).await, run(b, time).await];
    let mut first = bind(&gateways[0], "hefei2").await;
    let recorder = recorder();
    let playing = senders(&gateways, 0, &recorder);
    tokio::time::sleep(Duration::from_millis(150)).await;
    master.kill();
    let killed = Instant::now();
    for playing in playing {
        playing.await.expect("no panic");
    }
    let new = || sentinels[0].cli(&["sentinel", "get-master-addr-by-name", "smsluice"]);
    until("another is the master", || !new().contains(&follow)).await;
    back(&gateways, Duration::from_secs(20)).await;
    broke(&gateways);
    println!("back {:?} after the master was killed", killed.elapsed());
    for playing in senders(&gateways, 1, &recorder) {
        playing.await.expect("no panic");
    }
    let listed = said(&command(&sites[0], &["pause", "all", "--reason", "a test"]));
    assert_eq!(listed["acknowledged_by"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(status(&mut first, &good(&hefei(1))).await, 0x58);
    let history = settled(&smsc, &recorder, &Terms::new(USERS)).await;
    history.assert_kept("a fail-over by sentinels");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_slot_moves_to_another_node_of_the_cluster_under_load() {
    let mut arguments = ON_DISK.to_vec();
    arguments.extend(["--cluster-enabled", "yes"]);
    let nodes = [0; 3].map(|_| Server::with(&arguments));
    let names = nodes.each_ref().map(|node| format!("127.0.0.1:{}", node.port));
    let mut create = vec!["--cluster", "create"];
    create.extend(names.iter().map(String::as_str));
    create.push("--cluster-yes");
    println!("{}", nodes[0].cli(&create));
    for node in &nodes {
        until("the cluster stands", || node.cli(&["cluster", "info"]).contains("cluster_state:ok")).await;
    }
    let (smsc, time) = (journaling_smsc(32).await, Time::open());
    smsc.change(|behaviour| behaviour.latency = Latency { from: Duration::ZERO, to: Duration::from_millis(10) });
    let url = format!("redis-cluster://{}", names.join(","));
    let [mut a, mut b] = [0; 2].map(|_| site(&policy(USERS, ""), smsc.local_addr(), &url));
    let gateways = [run(&mut a, time).await, run(&mut b, time).await];
    let held = said(&command(&a, &["pause", "city:fuyang", "--reason", "a test"]));
    let recorder = recorder();
    let playing = senders(&gateways, 0, &recorder);
    tokio::time::sleep(Duration::from_millis(100)).await;

    let slot = nodes[0].cli(&["cluster", "keyslot", "{smsluice}:meta"]).trim().to_owned();
    let from = nodes.iter().position(|node| node.cli(&["dbsize"]).trim() != "0").expect("one has the ledger");
    let to = (from + 1) % 3;
    let id = |at: usize| nodes[at].cli(&["cluster", "myid"]).trim().to_owned();
    nodes[to].cli(&["cluster", "setslot", &slot, "importing", &id(from)]);
    nodes[from].cli(&["cluster", "setslot", &slot, "migrating", &id(to)]);
    let port = nodes[to].port.to_string();
    let began = Instant::now();
    loop {
        let keys = nodes[from].cli(&["cluster", "getkeysinslot", &slot, "20"]);
        let keys: Vec<&str> = keys.lines().filter(|key| !key.is_empty()).collect();
        if keys.is_empty() {
            break;
        }
        let mut call = vec!["migrate", "127.0.0.1", &port, "", "0", "5000", "keys"];
        call.extend(keys);
        nodes[from].cli(&call);
        tokio::time::sleep(Duration::from_millis(10)).await; // the ledger is on both for a while
        assert!(began.elapsed() < Duration::from_secs(20), "the slot does not move");
    }
    for at in [to, from, (from + 2) % 3] {
        nodes[at].cli(&["cluster", "setslot", &slot, "node", &id(to)]);
    }
    for playing in playing {
        playing.await.expect("no panic");
    }
    back(&gateways, Duration::from_secs(15)).await;
    broke(&gateways);
    println!("back {:?} after the move had begun", began.elapsed());
    for playing in senders(&gateways, 1, &recorder) {
        playing.await.expect("no panic");
    }
    assert_eq!(nodes[from].cli(&["dbsize"]).trim(), "0", "all of it has moved");
    let listed = said(&command(&b, &["holds", "ls"]));
    assert_eq!(listed[0]["id"], held["hold"]["id"], "holds have moved as well");
    let history = settled(&smsc, &recorder, &Terms::new(USERS)).await;
    history.assert_kept("a slot that moved");
}
