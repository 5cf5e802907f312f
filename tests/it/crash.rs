//! The gateway is killed at any instant and at each of its steps, its power is
//! lost, and it is killed again while it recovers. Everything is sent again, and
//! the history of all of it keeps the promises (P1 to P6, P8, P9).
//!
//! `SMSLUICE_KILLS=1000 cargo test --release --test it crash` is the long run.

use std::sync::Arc;
use std::time::Duration;

use smsluice::domain::Clock;
use smsluice::sim::random::Random;
use smsluice::sim::smsc::{Latency, Smsc, SmscSettings};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::gateway::{Gateway, Site};
use crate::history::senders::{Noted, Script, play};
use crate::history::{Act, DUPLICATE, History, Recorder, Terms, policy};
use crate::power::lose_power;
use crate::stand::{OPEN, good, hefei, moment};

/// Subscribers each sender tries; more than the unit's quota together.
const EACH: u64 = 150;
const QUOTA: u64 = 220;

/// A simulated SMSC that keeps a journal, its clock where the gateways' clocks start.
pub(crate) async fn journaling_smsc(seed: u64) -> Smsc {
    let clock = Clock::starting_at(moment(OPEN));
    Smsc::bind(SmscSettings { seed, clock, memory: 1_000_000, ..SmscSettings::default() }).await.expect("it listens")
}

pub(crate) fn recorder() -> Recorder {
    Recorder::new(Clock::starting_at(moment(OPEN)))
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A number of a run's own, printed when it fails; `SMSLUICE_SEED` repeats it.
pub(crate) fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    number("SMSLUICE_SEED", now.as_nanos() as u64 & 0xFFFF_FFFF)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_makes_a_second_message_or_exceeds_a_quota() {
    let (kills, seed) = (number("SMSLUICE_KILLS", 20), seed());
    println!("SMSLUICE_SEED={seed}");
    // A campaign fills its quota, so many kills are many campaigns.
    for campaign in 0..kills.div_ceil(20) {
        let own = kills.min(20);
        kill_at_random("process", own / 2, false, seed + 2 * campaign).await;
        kill_at_random("power", own - own / 2, campaign % 2 == 0, seed + 2 * campaign + 1).await;
    }
}

/// Kills while senders submit, restarts, has everything sent again. With `power` lost, what was not synced is lost as well.
async fn kill_at_random(durability: &'static str, kills: u64, power: bool, seed: u64) {
    let what = format!("{durability} power lost {power} seed {seed}");
    let mut random = Random::new(seed);
    let smsc = journaling_smsc(seed).await;
    smsc.change(|behaviour| {
        behaviour.latency = Latency { from: Duration::ZERO, to: Duration::from_millis(20) };
        behaviour.errors = vec![(0x14, 0.05)];
        behaviour.silent = 0.002;
    });
    let mut site = Site::new(&policy(QUOTA, ""), smsc.local_addr(), durability).with_faults();
    site.response_timeout = "3s";
    if power {
        let undo = site.undo_log();
        site.faults.as_mut().expect("faults").note_undo(undo);
    }
    let (recorder, mut terms) = (recorder(), Terms::new(QUOTA));
    // A slow sync makes a release late (docs/durability.md), and this machine's disk is anybody's.
    terms.sick_disk = durability == "power";
    for kill in 0..=kills {
        let gateway = site.run().await;
        recorder.note(Act::Listed { unknown: unknown(&gateway).await });
        let scripts = (0..3).map(|sender| Script {
            account: ["hefei", "hefei2", "fuyang"][sender as usize],
            city: ["hefei", "hefei", "fuyang"][sender as usize],
            subscribers: (sender % 2 * EACH / 2)..(sender % 2 * EACH / 2 + EACH),
            window: 40,
            seed: seed ^ (kill << 8) ^ sender,
        });
        let senders: Vec<_> =
            scripts.map(|script| tokio::spawn(play(gateway.smpp, script, recorder.clone()))).collect();
        if kill < kills {
            tokio::time::sleep(Duration::from_millis(20 + random.below(400))).await;
            gateway.kill();
            recorder.note(Act::Killed);
            if power {
                lose_power(&site.undo_log(), random.chance(0.5).then(|| random.number()));
            }
        }
        let mut tallies = Vec::new();
        for sender in senders {
            tallies.push(sender.await.expect("no panic"));
        }
        assert!(
            kill < kills || tallies.iter().all(|tally| tally.orderly),
            "{what}: the last run is whole: {tallies:?}"
        );
    }
    let history = settled(&smsc, &recorder, &terms).await;
    history.assert_kept(&what);
    let (cut, whole) = history.exercised();
    println!("{what}: {} acts, {cut} recipients cut out, {whole} messages in parts", history.acts.len());
    assert!(cut > 0 && whole > 0, "{what}: {cut} recipients cut out, {whole} messages in parts");
    let reached = smsc.stats().distinct_recipients;
    assert!(reached > QUOTA, "{what}: the campaign must reach the quota's neighbourhood, not {reached}");
}

/// The history when the SMSC has read what the dead connections still held.
pub(crate) async fn settled(smsc: &Smsc, recorder: &Recorder, terms: &Terms) -> History {
    for _ in 0..200 {
        if smsc.stats().connections_open == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    recorder.history(terms, smsc.entries())
}

async fn unknown(gateway: &Gateway) -> u64 {
    gateway.metric(r#"smsluice_ledger_rows{state="unknown"}"#).await
}

/// What one run does between two steps: a message that is taken, one that the SMSC refuses, a duplicate, and one more.
async fn steps(gateway: &Gateway, recorder: &Recorder, smsc: &Smsc) {
    let Some(mut noted) = Noted::bind(gateway.smpp, "hefei", recorder).await else { return };
    let ended = async {
        for (index, subscriber) in [1, 2, 1, 3].into_iter().enumerate() {
            smsc.change(|behaviour| behaviour.errors = if index == 1 { vec![(0x14, 1.0)] } else { Vec::new() });
            noted.one(&good(&hefei(subscriber))).await?;
        }
        Ok(())
    };
    let ended = ended.await;
    noted.close(ended).await;
}

/// Kills at the n-th call to the disk or to a socket, for every n there is.
async fn kill_at_each_step(durability: &'static str, half: bool, power: bool) {
    let steps = for_each_call(move |call| kill_at_step(durability, half, power, call)).await;
    println!("{durability}, half {half}, power lost {power}: about {steps} steps");
}

/// Runs for call 1, 2, 3 and so on until a run tells that it had no such call. How many there were at most.
pub(crate) async fn for_each_call<Run>(run: impl Fn(u64) -> Run) -> u64
where
    Run: Future<Output = bool> + Send + 'static,
{
    // A run waits more than it works, so several go side by side.
    let room = Arc::new(Semaphore::new(4));
    let mut running = JoinSet::new();
    for call in 1..5_000 {
        let place = Arc::clone(&room).acquire_owned().await.expect("open");
        let mut over = false;
        while let Some(ended) = running.try_join_next() {
            over |= ended.expect("kept");
        }
        if over {
            while let Some(ended) = running.join_next().await {
                ended.expect("kept");
            }
            return call - 1;
        }
        let run = run(call);
        running.spawn(async move {
            let over = run.await;
            drop(place);
            over
        });
    }
    panic!("no run has five thousand calls");
}

/// One run that ends at that call, an end while that is recovered from, and a third run; `true` if the first did not end.
async fn kill_at_step(durability: &'static str, half: bool, power: bool, call: u64) -> bool {
    let what = format!("{durability}, call {call}, half {half}, power lost {power}");
    let smsc = journaling_smsc(call).await;
    let mut site = Site::new(&policy(QUOTA, ""), smsc.local_addr(), durability).with_faults();
    if power {
        let undo = site.undo_log();
        site.faults.as_mut().expect("faults").note_undo(undo);
    }
    let (recorder, mut terms) = (recorder(), Terms::new(QUOTA));
    terms.sick_disk = durability == "power";
    site.faults().kill_at(call, half);
    // The end may come while it starts.
    let reached = match site.start().await {
        Err(_) => true,
        Ok(mut gateway) => {
            steps(&gateway, &recorder, &smsc).await;
            let ended = gateway.has_ended();
            gateway.kill();
            ended
        }
    };
    recorder.note(Act::Killed);
    if power {
        lose_power(&site.undo_log(), call.is_multiple_of(2).then_some(call));
    }
    // The second end comes while the first is recovered from, at a call that is another one each time.
    site.faults().reset();
    site.faults().kill_at(1 + call % 23, half);
    drop(site.start().await);
    if power {
        lose_power(&site.undo_log(), call.is_multiple_of(3).then_some(call));
    }
    site.faults().reset();
    let gateway = site.run().await;
    recorder.note(Act::Listed { unknown: unknown(&gateway).await });
    steps(&gateway, &recorder, &smsc).await;
    let mut noted = Noted::bind(gateway.smpp, "hefei", &recorder).await.expect("bound");
    for subscriber in 1..=3 {
        let status = noted.one(&good(&hefei(subscriber))).await.expect("answered");
        assert!(status == DUPLICATE || subscriber == 2, "{what}: {subscriber} is answered {status:#x}");
    }
    assert_eq!(noted.one(&good(&hefei(99))).await.expect("answered"), 0, "{what}: another subscriber's slot is free");
    noted.close(Ok(())).await;
    gateway.kill();
    settled(&smsc, &recorder, &terms).await.assert_kept(&what);
    !reached
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_at_each_step_of_process_keeps_the_promises() {
    kill_at_each_step("process", false, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_in_the_middle_of_each_write_of_process_keeps_the_promises() {
    kill_at_each_step("process", true, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_of_power_at_each_step_of_power_keeps_the_promises() {
    kill_at_each_step("power", false, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_of_power_in_the_middle_of_each_write_of_power_keeps_the_promises() {
    kill_at_each_step("power", true, true).await;
}
