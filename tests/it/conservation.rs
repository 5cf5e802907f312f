//! received = forwarded + refused (P15), for every account and operation, whatever happens to the links; and
//! both are what senders and SMSC saw. No system_id from the wire becomes a series.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use smsluice::domain::Invariant;
use smsluice::sim::esme::{Esme, EsmeError};
use smsluice::sim::journal::Direction;
use smsluice::sim::smsc::Latency;
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::bind::BindType;
use tokio::task::JoinSet;

use crate::stand::{GOOD, Setup, Stand, good, hefei, subscriber, until};

/// What an account's senders submit, one operation an account, so that its refusals are that operation's.
#[derive(Clone, Copy, Debug)]
enum Operation {
    SubmitSm,
    SubmitMulti,
    DataSm,
    ReplaceSm,
    BroadcastSm,
}

const CAST: [(&str, &str, Operation); 5] = [
    ("hefei", "submit_sm", Operation::SubmitSm),
    ("hefei2", "submit_multi", Operation::SubmitMulti),
    ("fuyang", "data_sm", Operation::DataSm),
    ("manager", "replace_sm", Operation::ReplaceSm),
    ("province", "broadcast_sm", Operation::BroadcastSm),
];

impl Operation {
    /// The n-th frame of a sender, and its recipients: good ones, repetitions, and those that a rule refuses.
    fn frame(self, n: u64, sequence: u32) -> (Vec<u8>, u64) {
        let to = match n % 5 {
            0 => hefei(n / 5),
            1 => subscriber("wuhu", n),
            2 => hefei(n / 10),
            _ => subscriber("fuyang", n),
        };
        let text = if n % 7 == 3 { "没有落款" } else { GOOD };
        let spec = SubmitSpec::new("62021", &to, text);
        match self {
            Self::SubmitSm => (spec.submit_sm(sequence), 1),
            Self::DataSm => (spec.data_sm(sequence), 1),
            Self::SubmitMulti => {
                let others = [to.as_str(), &hefei(1000 + n), &subscriber("wuhu", n)].map(str::to_owned);
                let all: Vec<&str> = others.iter().map(String::as_str).collect();
                (spec.submit_multi(&all, sequence), all.len() as u64)
            }
            Self::ReplaceSm => (of_another_command(spec.submit_sm(sequence), 0x07), 1),
            Self::BroadcastSm => (of_another_command(spec.submit_sm(sequence), 0x111), 1),
        }
    }
}

fn of_another_command(mut frame: Vec<u8>, command_id: u32) -> Vec<u8> {
    frame[4..8].copy_from_slice(&command_id.to_be_bytes());
    frame
}

/// Sends `count` messages in bursts, leaving the stream in the middle of a PDU at the end; what the whole ones were to.
async fn sender(stand: &Stand, account: &str, operation: Operation, first: u64, count: u64) -> u64 {
    let mut esme = stand.bind_soon(account).await;
    esme.set_patience(Duration::from_secs(20));
    let (mut sent, mut sequence) = (0, 0);
    for burst in (first..first + count).collect::<Vec<_>>().chunks(25) {
        let mut octets = Vec::new();
        for n in burst {
            sequence += 1;
            let (frame, recipients) = operation.frame(*n, sequence);
            octets.extend(frame);
            sent += recipients;
        }
        if esme.send_raw(&octets).await.is_err() {
            break;
        }
        // Wait for all but a few of the answers; what a silent SMSC owes never comes.
        for _ in 0..burst.len().saturating_sub(3) {
            if esme.next_pdu().await.is_err() {
                break;
            }
        }
    }
    let (cut, _) = operation.frame(first, sequence + 1);
    let _ = esme.send_raw(&cut[..cut.len() / 2]).await;
    sent
}

/// Every family's samples, by their labels as printed.
fn samples(stand: &Stand, family: &str) -> BTreeMap<String, u64> {
    let text = stand.gateway.gateway().metrics().render();
    let lines = text.lines().filter_map(|line| line.strip_prefix(family)?.strip_prefix('{'));
    let sample = |line: &str| {
        let (labels, value) = line.rsplit_once("} ").expect("a sample");
        (labels.to_owned(), value.parse().expect("a number"))
    };
    lines.map(sample).collect()
}

fn sum(samples: &BTreeMap<String, u64>, needles: &[&str]) -> u64 {
    samples.iter().filter(|(labels, _)| needles.iter().all(|one| labels.contains(one))).map(|(_, value)| value).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn received_is_forwarded_and_refused_for_every_account_and_operation() {
    let change = |plan: &mut smsluice::app::Plan| plan.proxy.response_timeout = Duration::from_secs(60);
    let stand = Arc::new(Stand::new(Setup { change, ..Setup::default() }).await);
    stand.smsc.change(|behaviour| {
        behaviour.latency = Latency { from: Duration::ZERO, to: Duration::from_millis(5) };
        behaviour.errors = vec![(0x14, 0.05), (0x58, 0.05)];
        behaviour.silent = 0.01;
    });
    let mut senders = JoinSet::new();
    for (account, _, operation) in CAST {
        for part in 0..2 {
            let stand = Arc::clone(&stand);
            senders.spawn(async move { (account, sender(&stand, account, operation, part * 500, 200).await) });
        }
    }
    let mut sent = BTreeMap::<&str, u64>::new();
    while let Some(done) = senders.join_next().await {
        let (account, messages) = done.expect("no panic");
        *sent.entry(account).or_default() += messages;
    }
    until("the sessions end", || stand.gateway.gateway().bound() == 0).await;

    let [received, forwarded, refused] =
        ["received", "forwarded", "refused"].map(|what| samples(&stand, &format!("smsluice_messages_{what}_total")));
    for (account, verb, _) in CAST {
        let (account_label, verb_label) = (format!("account=\"{account}\""), format!("verb=\"{verb}\""));
        let all = sum(&received, &[&account_label]);
        assert_eq!(all, sum(&received, &[&account_label, &verb_label]), "{account} sends {verb} only");
        let onward = sum(&forwarded, &[&account_label, &verb_label]);
        let back = sum(&refused, &[&account_label]);
        assert_eq!(all, onward + back, "{account}, {verb}: received = forwarded + refused");
        assert_eq!(all, sent[account], "{account}, {verb}: what its senders sent whole");
        assert!(back > 0, "{account} was refused something");
    }
    let to_smsc = sum(&samples(&stand, "smsluice_pdus_total"), &["leg=\"smsc\"", "direction=\"sent\"", "submit_sm\""]);
    let arrived = || {
        let entries = stand.smsc.entries().into_iter();
        entries.filter(|one| one.direction == Direction::In && one.octets[4..8] == [0, 0, 0, 4]).count()
    };
    until("the SMSC has read everything", || arrived() as u64 >= to_smsc).await;
    let arrived = arrived();
    assert_eq!(sum(&forwarded, &["verb=\"submit_sm\""]), arrived as u64, "what the SMSC read");
    assert_eq!(to_smsc, arrived as u64);
    for invariant in Invariant::ALL {
        assert_eq!(invariant.violations(), 0, "{}", invariant.code());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_break_lose_no_count() {
    let stand = Stand::open().await;
    for round in 0..6 {
        stand.smsc.change(|behaviour| behaviour.close_after = Some(5 + round));
        let mut esme = stand.bind_soon("hefei").await;
        let mut octets = Vec::new();
        for n in 0..60 {
            good(&hefei(round * 100 + n)).write(n as u32 + 1, &mut octets);
        }
        let _ = esme.send_raw(&octets).await;
        while esme.next_pdu().await.is_ok() {}
        until("the session ends", || stand.gateway.gateway().bound() == 0).await;
        stand.assert_conserved();
    }
    let outcomes = samples(&stand, "smsluice_messages_settled_total");
    let forwarded = sum(&samples(&stand, "smsluice_messages_forwarded_total"), &["hefei"]);
    assert_eq!(sum(&outcomes, &["account=\"hefei\""]), forwarded, "every forwarded message has one outcome");
    assert_eq!(stand.metric(r#"smsluice_messages_in_flight{account="hefei"}"#), 0);
}

/// `SMSLUICE_BINDS=100000 cargo test --test it system_ids` is the long run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binds_with_random_system_ids_add_no_series() {
    let binds: u64 = std::env::var("SMSLUICE_BINDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2000);
    let stand = Stand::open().await;
    let series = |stand: &Stand| {
        let text = stand.gateway.gateway().metrics().render();
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    let unknown = r#"smsluice_binds_total{account="unknown",result="unknown_account"}"#;
    let before = series(&stand);
    let mut random = 1_u64;
    for done in (0..binds).step_by(8) {
        // A connection may try eight times.
        let mut esme = Esme::open(stand.gateway.smpp).await.expect("connected");
        for _ in 0..8.min(binds - done) {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let name = format!("{:x}", random >> 8);
            let bound = esme.bind(BindType::Transceiver, &name[..name.len().min(15)], "secret", 0x34).await;
            assert!(matches!(bound, Err(EsmeError::Refused(0x0D))), "{bound:?}");
        }
    }
    assert_eq!(stand.metric(unknown), binds);
    assert_eq!(series(&stand), before, "no series more than before");
}
