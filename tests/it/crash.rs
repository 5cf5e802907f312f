//! kill -9 under load, restart, everything sent again: the SMSC never takes a
//! subscriber twice on a day, and no quota is exceeded (P1, P2, P3).
//!
//! `SMSLUICE_KILLS=1000 cargo test --release --test it crash` is the long run.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use smsluice::sim::esme::Esme;
use smsluice::sim::smsc::{Latency, Smsc, SmscSettings};
use smsluice::smpp::bind::BindType;

use crate::stand::{OPEN, good, hefei, write_config};

/// Subscribers each sender tries, more than the unit's quota together.
const EACH: u64 = 300;
const QUOTA: u64 = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_makes_a_second_message_or_exceeds_a_quota() {
    let kills: u32 = std::env::var("SMSLUICE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    for durability in ["process", "power"] {
        campaign(durability, kills.div_ceil(2)).await;
    }
}

async fn campaign(durability: &str, kills: u32) {
    let folder = tempfile::tempdir().expect("a folder");
    write_config(folder.path(), &format!("[quota]\nusers = {QUOTA}\n"), &[]);
    let smsc = Smsc::bind(SmscSettings::default()).await.expect("the SMSC listens");
    smsc.change(|behaviour| {
        behaviour.latency = Latency { from: Duration::ZERO, to: Duration::from_millis(20) };
        behaviour.errors = vec![(0x14, 0.05)];
        behaviour.silent = 0.002;
    });
    let mut random = u64::from(std::process::id()) | 1;
    let mut confirmed: HashSet<String> = HashSet::new();
    for kill in 0..=kills {
        let last = kill == kills;
        if last {
            smsc.change(|behaviour| behaviour.silent = 0.0); // nobody has to wait for what never comes
        }
        let mut gateway = Gateway::start(folder.path(), smsc.local_addr(), durability).await;
        let patience = Duration::from_millis(if last { 20_000 } else { 200 });
        let account = |n| if n % 2 == 0 { "hefei" } else { "hefei2" };
        let senders: Vec<_> =
            (0..3).map(|n| tokio::spawn(send_all(gateway.smpp, account(n), n * EACH / 2, patience))).collect();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if !last {
            tokio::time::sleep(Duration::from_millis(30 + (random >> 33) % 500)).await;
            gateway.kill();
        }
        for sender in senders {
            confirmed.extend(sender.await.expect("no panic"));
        }
        gateway.kill();
        let stats = smsc.stats();
        assert_eq!(stats.taken_twice, 0, "{durability}, kill {kill}: a subscriber was taken twice");
        assert!(stats.distinct_recipients <= QUOTA, "{durability}, kill {kill}: {} users", stats.distinct_recipients);
    }
    let stats = smsc.stats();
    assert!(stats.distinct_recipients > QUOTA / 2, "the campaign must reach the quota's neighbourhood: {stats:?}");
    assert!(confirmed.len() as u64 <= stats.distinct_recipients, "more confirmed than taken");
}

/// Submits every subscriber of a range, a window at a time, until done or cut off; returns those answered 0.
async fn send_all(gateway: SocketAddr, account: &str, first: u64, patience: Duration) -> Vec<String> {
    let mut confirmed = Vec::new();
    let Ok(mut esme) = Esme::connect(gateway, BindType::Transceiver, account, "secret", 0x34).await else {
        return confirmed;
    };
    esme.set_patience(patience);
    let mut sequence = 0;
    for chunk in (first..first + EACH).collect::<Vec<_>>().chunks(40) {
        let mut octets = Vec::new();
        let mut waiting = std::collections::HashMap::new();
        for n in chunk {
            sequence += 1;
            good(&hefei(*n)).write(sequence, &mut octets);
            waiting.insert(sequence, hefei(*n));
        }
        if esme.send_raw(&octets).await.is_err() {
            return confirmed;
        }
        while !waiting.is_empty() {
            let Ok(pdu) = esme.next_pdu().await else { break };
            let word = |at: usize| u32::from_be_bytes([pdu[at], pdu[at + 1], pdu[at + 2], pdu[at + 3]]);
            if let Some(to) = waiting.remove(&word(12))
                && word(8) == 0
            {
                confirmed.push(to);
            }
        }
    }
    confirmed
}

/// A gateway in a process of its own.
struct Gateway {
    child: Child,
    smpp: SocketAddr,
}

impl Gateway {
    async fn start(folder: &Path, smsc: SocketAddr, durability: &str) -> Self {
        let (smpp, admin) = (free_port(), free_port());
        let child = Command::new(env!("CARGO_BIN_EXE_smsluice"))
            .args(["serve", "--clock-start", OPEN, "--allow-test-clock", "--config"])
            .arg(folder)
            .env("SMSLUICE__LISTEN__SMPP", smpp.to_string())
            .env("SMSLUICE__ADMIN__LISTEN", admin.to_string())
            .env("SMSLUICE__SMSC__ADDRESS", smsc.to_string())
            .env("SMSLUICE__LEDGER__DURABILITY", durability)
            .stderr(Stdio::null())
            .spawn()
            .expect("the gateway starts");
        let mut gateway = Self { child, smpp };
        for _ in 0..500 {
            if tokio::net::TcpStream::connect(smpp).await.is_ok() {
                return gateway;
            }
            assert!(gateway.child.try_wait().expect("waited").is_none(), "the gateway ended by itself");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the gateway does not listen");
    }

    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("bound")
}
