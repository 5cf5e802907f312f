//! A sick disk: submissions fail closed, everything else flows, it is seen at once
//! where operations look, and service is back by itself when the disk is well
//! (P11, P12, P17).

use std::time::{Duration, Instant};

use smsluice::sim::pdu::DeliverSpec;
use smsluice::sim::smsc::Smsc;

use crate::crash::{for_each_call, journaling_smsc, recorder, settled};
use crate::gateway::{EIO, ENOSPC, EROFS, Gateway, Site};
use crate::history::senders::Noted;
use crate::history::{Act, DUPLICATE, LEDGER_UNAVAILABLE, Recorder, Terms, policy};
use crate::stand::{good, hefei};

/// What a fault may take to be seen (issue: 5 s) on a machine that others use too.
const SEEN: Duration = Duration::from_secs(5);
/// P17.
const BACK: Duration = Duration::from_secs(10);
const QUOTA: u64 = 1000;

fn site(smsc: &Smsc, durability: &'static str) -> Site {
    Site::new(&policy(QUOTA, ""), smsc.local_addr(), durability).with_faults()
}

fn terms() -> Terms {
    Terms { sick_disk: true, ..Terms::new(QUOTA) }
}

async fn bind(gateway: &Gateway, recorder: &Recorder) -> Noted {
    Noted::bind(gateway.smpp, "hefei", recorder).await.expect("bound")
}

/// Receipts, messages and link checks pass whatever the disk does (P11).
pub(crate) async fn the_rest_flows(noted: &mut Noted, smsc: &Smsc) {
    let before = noted.tally.deliveries;
    assert!(smsc.deliver("hefei", DeliverSpec::message("13855100001", "62021", "退订")), "a receiving session");
    let deadline = Instant::now() + SEEN;
    while noted.tally.deliveries == before {
        let mut out = Vec::new();
        noted.enquire(&mut out);
        noted.exchange(&out).await.expect("the link is alive");
        assert!(Instant::now() < deadline, "an incoming message does not pass");
    }
}

/// Submits until one passes; every refusal on the way is `ledger_unavailable`.
async fn passes_again(noted: &mut Noted, subscriber: u64, patience: Duration, what: &str) {
    let began = Instant::now();
    loop {
        match noted.one(&good(&hefei(subscriber))).await.expect("answered") {
            0 => return,
            LEDGER_UNAVAILABLE => {
                assert!(began.elapsed() < patience, "{what}: no service {patience:?} after the fault");
            }
            other => panic!("{what}: {other:#x}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Everything fails for a while, in each way in which a disk fails.
async fn a_disk_that_fails_for_a_while(durability: &'static str, errno: u64, kind: &str) {
    let what = format!("{durability}, errno {errno}");
    let smsc = journaling_smsc(errno).await;
    let site = site(&smsc, durability);
    let recorder = recorder();
    let gateway = site.run().await;
    let mut noted = bind(&gateway, &recorder).await;
    assert_eq!(noted.one(&good(&hefei(1))).await.expect("answered"), 0);

    site.faults().fail_all(Some(errno));
    assert_eq!(noted.one(&good(&hefei(2))).await.expect("answered"), LEDGER_UNAVAILABLE, "{what}: fails closed");
    assert_eq!(noted.one(&good(&hefei(1))).await.expect("answered"), DUPLICATE, "{what}: what is known stays known");
    the_rest_flows(&mut noted, &smsc).await;
    gateway.wait_ready(false, SEEN).await;
    let (_, body) = gateway.page("/readyz").await;
    assert!(body.contains(r#""ledger":{"ok":false"#) && body.contains(r#""submits":{"ok":false"#), "{what}: {body}");
    assert_eq!(gateway.metric("smsluice_ledger_trusted").await, 0, "{what}");
    assert!(gateway.metric(&format!(r#"smsluice_ledger_errors_total{{kind="{kind}"}}"#)).await > 0, "{what}");
    let event = gateway.event("ledger_error").unwrap_or_else(|| panic!("{what}: no event in\n{}", gateway.log()));
    assert_eq!(event["kind"], kind, "{what}");
    assert_eq!(noted.one(&good(&hefei(3))).await.expect("answered"), LEDGER_UNAVAILABLE, "{what}: still");

    site.faults().fail_all(None);
    let back = gateway.wait_ready(true, BACK).await;
    passes_again(&mut noted, 2, BACK.saturating_sub(back), &what).await;
    passes_again(&mut noted, 3, BACK, &what).await;
    assert_eq!(gateway.metric("smsluice_ledger_trusted").await, 1, "{what}");
    noted.close(Ok(())).await;
    gateway.kill();
    recorder.note(Act::Killed);

    let gateway = site.run().await;
    let mut noted = bind(&gateway, &recorder).await;
    for subscriber in 1..=3 {
        assert_eq!(noted.one(&good(&hefei(subscriber))).await.expect("answered"), DUPLICATE, "{what}");
    }
    noted.close(Ok(())).await;
    drop(gateway);
    settled(&smsc, &recorder, &terms()).await.assert_kept(&what);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_with_errors_stops_submissions_only_and_is_seen() {
    a_disk_that_fails_for_a_while("process", EIO, "io").await;
    a_disk_that_fails_for_a_while("power", EIO, "io").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_submissions_only_and_is_seen() {
    a_disk_that_fails_for_a_while("process", ENOSPC, "full").await;
    a_disk_that_fails_for_a_while("power", ENOSPC, "full").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_becomes_read_only_stops_submissions_only_and_is_seen() {
    a_disk_that_fails_for_a_while("power", EROFS, "io").await;
}

/// The n-th call to the disk fails, for every n there is.
async fn each_call_fails_once(durability: &'static str) {
    let calls = for_each_call(move |call| one_call_fails(durability, call)).await;
    println!("{durability}: about {calls} calls");
}

/// One run with a fault at that call; `true` if the run has no such call.
async fn one_call_fails(durability: &'static str, call: u64) -> bool {
    let errno = [EIO, ENOSPC, EROFS][(call % 3) as usize];
    let what = format!("{durability}, call {call}, errno {errno}");
    let smsc = journaling_smsc(call).await;
    let site = site(&smsc, durability);
    let recorder = recorder();
    site.faults().fail_at(call, errno);
    let mut reached = true;
    match site.start().await {
        Err(failed) => {
            let code = failed.status.code().unwrap_or_else(|| panic!("{what}: ended by a signal\n{}", failed.log));
            assert!(matches!(code, 1 | 75), "{what}: exit status {code}\n{}", failed.log);
            assert!(failed.log.contains("start_failed"), "{what}: says nothing\n{}", failed.log);
        }
        Ok(gateway) => {
            let mut noted = bind(&gateway, &recorder).await;
            let mut passed = Vec::new();
            for subscriber in 1..=4 {
                // The SMSC refuses the third: its release is written too.
                smsc.change(|b| b.errors = if subscriber == 3 { vec![(0x14, 1.0)] } else { Vec::new() });
                match noted.one(&good(&hefei(subscriber))).await.expect("answered") {
                    0 => passed.push(subscriber),
                    0x14 | LEDGER_UNAVAILABLE => {}
                    other => panic!("{what}: {other:#x}"),
                }
            }
            smsc.change(|b| b.errors.clear());
            the_rest_flows(&mut noted, &smsc).await;
            for subscriber in (1..=4).filter(|subscriber| !passed.contains(subscriber)) {
                passes_again(&mut noted, subscriber, BACK, &what).await;
            }
            noted.close(Ok(())).await;
            assert!(gateway.stop().await.success(), "{what}: stops cleanly");
            reached = site.faults().failed() > 0;
        }
    }
    site.faults().reset();
    let gateway = site.run().await;
    let mut noted = bind(&gateway, &recorder).await;
    for subscriber in 1..=4 {
        let status = noted.one(&good(&hefei(subscriber))).await.expect("answered");
        assert!(status == DUPLICATE || status == 0 && reached, "{what}: {subscriber} is answered {status:#x}");
    }
    noted.close(Ok(())).await;
    drop(gateway);
    settled(&smsc, &recorder, &terms()).await.assert_kept(&what);
    !reached
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_to_the_disk_may_fail_under_process() {
    each_call_fails_once("process").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_to_the_disk_may_fail_under_power() {
    each_call_fails_once("power").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_sync_delays_submissions_and_nothing_else() {
    let smsc = journaling_smsc(1).await;
    let site = site(&smsc, "power");
    let recorder = recorder();
    let gateway = site.run().await;
    let mut noted = bind(&gateway, &recorder).await;
    let mut other = bind(&gateway, &recorder).await;
    site.faults().slow_syncs(Duration::from_millis(1500));
    let slow = tokio::spawn(async move {
        let began = Instant::now();
        let status = noted.one(&good(&hefei(1))).await.expect("answered");
        (status, began.elapsed(), noted)
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut out = Vec::new();
    other.enquire(&mut out);
    other.exchange(&out).await.expect("answered");
    assert!(!slow.is_finished(), "a link check waits for no disk");
    let (status, took, noted) = slow.await.expect("no panic");
    assert_eq!(status, 0);
    assert!(took >= Duration::from_millis(1400), "the message waited for its sync: {took:?}");
    site.faults().slow_syncs(Duration::ZERO);
    noted.close(Ok(())).await;
    other.close(Ok(())).await;
    drop(gateway);
    settled(&smsc, &recorder, &terms()).await.assert_kept("slow sync");
}

/// A disk whose calls do not return, for longer than anybody waits.
async fn a_disk_that_hangs(durability: &'static str) {
    let smsc = journaling_smsc(1).await;
    let site = site(&smsc, durability);
    let recorder = recorder();
    let gateway = site.run().await;
    let mut stuck = bind(&gateway, &recorder).await;
    assert_eq!(stuck.one(&good(&hefei(1))).await.expect("answered"), 0);
    site.faults().hang(true);
    let waiting = tokio::spawn(async move {
        let status = stuck.one(&good(&hefei(2))).await.expect("answered");
        (status, stuck)
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    // Others are bound, and only what needs the disk waits.
    let mut noted = Noted::bind(gateway.smpp, "hefei2", &recorder).await.expect("bound");
    let began = Instant::now();
    let mut out = Vec::new();
    noted.enquire(&mut out);
    noted.exchange(&out).await.expect("answered");
    assert!(smsc.deliver("hefei2", DeliverSpec::message("13855100001", "62021", "退订")), "a receiving session");
    while noted.tally.deliveries == 0 {
        let mut out = Vec::new();
        noted.enquire(&mut out);
        noted.exchange(&out).await.expect("the link is alive");
    }
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{durability}: the rest waits for no disk: {:?}",
        began.elapsed()
    );
    gateway.wait_ready(false, SEEN).await;
    let (_, body) = gateway.page("/readyz").await;
    assert!(body.contains(r#""ledger":{"ok":false,"why":"ledger_disk_stalled"}"#), "{durability}: {body}");
    assert_eq!(gateway.metric("smsluice_ledger_trusted").await, 0, "{durability}");
    let deadline = Instant::now() + SEEN;
    while gateway.event("ledger_stalled").is_none() {
        assert!(Instant::now() < deadline, "{durability}: {}", gateway.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let began = Instant::now();
    assert_eq!(noted.one(&good(&hefei(3))).await.expect("answered"), LEDGER_UNAVAILABLE, "{durability}");
    assert!(began.elapsed() < Duration::from_secs(1), "{durability}: refused at once: {:?}", began.elapsed());
    let began = Instant::now();
    let paused = admin(&site, &["pause", "account:fuyang", "--reason", "a disk that hangs"]).await;
    assert!(began.elapsed() < Duration::from_secs(6), "{durability}: a stop waits for no disk: {:?}", began.elapsed());
    assert!(gateway.event("hold_placed").is_some(), "{durability}: {paused}");

    site.faults().hang(false);
    gateway.wait_ready(true, BACK).await;
    let (status, stuck) = waiting.await.expect("no panic");
    assert!([0, LEDGER_UNAVAILABLE].contains(&status), "{durability}: {status:#x}");
    admin(&site, &["resume", "account:fuyang", "--reason", "a disk that answers"]).await;
    passes_again(&mut noted, 3, BACK, durability).await;
    for session in [stuck, noted] {
        session.close(Ok(())).await;
    }
    gateway.kill();
    // A refusal of a commit that came all the same has left nothing behind.
    let gateway = site.run().await;
    let mut noted = bind(&gateway, &recorder).await;
    let again = noted.one(&good(&hefei(2))).await.expect("answered");
    assert_eq!(again, if status == 0 { DUPLICATE } else { 0 }, "{durability}");
    noted.close(Ok(())).await;
    drop(gateway);
    settled(&smsc, &recorder, &terms()).await.assert_kept(durability);
}

/// A verb on the gateway's local socket; what it said.
async fn admin(site: &Site, verb: &[&str]) -> String {
    let socket = format!("unix:{}", site.ledger().join("admin.sock").display());
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_smsluice"));
    command.args(verb).args(["--endpoint", &socket]);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
    let output = ran.expect("it runs");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_stops_submissions_only_and_is_seen() {
    a_disk_that_hangs("process").await;
    a_disk_that_hangs("power").await;
}
