//! What two gateways on one ledger count together.

use std::time::Duration;

use smsluice::sim::smsc::Latency;
use smsluice::sim::submit::SubmitSpec;

use super::{Server, Time, bind, command, policy, run, run_off, said, site, status};
use crate::crash::journaling_smsc;
use crate::gateway::Gateway;
use crate::history::{CLOCK_UNTRUSTED, DUPLICATE, QUOTA};
use crate::stand::{good, hefei, until};

const NO_HOURS: &str = "[mode]\nhours = \"off\"\nholiday = \"off\"\n";

#[tokio::test]
async fn a_slot_taken_on_one_gateway_is_taken_on_the_other_and_free_again_when_the_smsc_refuses() {
    let (server, smsc, time) = (Server::start(), journaling_smsc(1).await, Time::open());
    let [mut a, mut b] = [0; 2].map(|_| site(&policy(100, ""), smsc.local_addr(), &server.url()));
    let (one, two) = (run(&mut a, time).await, run(&mut b, time).await);
    let (mut first, second) = (bind(&one, "hefei").await, bind(&two, "fuyang").await);
    let mut again = bind(&two, "hefei").await;
    assert_eq!(status(&mut first, &good(&hefei(1))).await, 0);
    assert_eq!(status(&mut again, &good(&hefei(1))).await, DUPLICATE);
    assert_eq!(status(&mut first, &good(&hefei(1))).await, DUPLICATE);
    smsc.change(|behaviour| behaviour.errors = vec![(0x14, 1.0)]);
    assert_eq!(status(&mut again, &good(&hefei(2))).await, 0x14);
    smsc.change(|behaviour| behaviour.errors.clear());
    assert_eq!(status(&mut first, &good(&hefei(2))).await, 0, "what the SMSC refused on one is free on the other");
    // Of a submit_multi only those go on who have had nothing, whichever gateway they had it from.
    let (taken, fresh) = (hefei(1), hefei(3));
    let multi = good("").submit_multi(&[&taken, &fresh], 77);
    again.send_raw(&multi).await.expect("sent");
    let answer = again.next_pdu().await.expect("answered");
    assert_eq!(answer[8..12], [0; 4]);
    assert!(answer.windows(taken.len()).any(|part| part == taken.as_bytes()), "it comes back as not sent to");
    assert!(!answer.windows(fresh.len()).any(|part| part == fresh.as_bytes()));
    assert_eq!(smsc.stats().distinct_recipients, 3);
    let listed = said(&command(&b, &["ledger", "lookup", &hefei(2)]));
    assert_eq!(listed.as_array().expect("a list").last().expect("an entry")["state"], "elsewhere", "{listed}");
    let _ = second.unbind().await;
}

#[tokio::test]
async fn the_quota_of_a_unit_is_exact_over_two_gateways() {
    const USERS: u64 = 150;
    let (server, smsc, time) = (Server::start(), journaling_smsc(2).await, Time::open());
    let [mut a, mut b] = [0; 2].map(|_| site(&policy(USERS, ""), smsc.local_addr(), &server.url()));
    let gateways = [run(&mut a, time).await, run(&mut b, time).await];
    let send = async |gateway: &Gateway, account: &str, from: u64| {
        let mut esme = bind(gateway, account).await;
        let (mut passed, mut full) = (0, 0);
        for n in from..from + 60 {
            match status(&mut esme, &good(&hefei(n))).await {
                0 => passed += 1,
                QUOTA => full += 1,
                DUPLICATE => {}
                other => panic!("{other:#x}"),
            }
        }
        (passed, full)
    };
    // Each of 180 subscribers is tried once; the two accounts are of one unit.
    let (one, two, three) = tokio::join!(
        send(&gateways[0], "hefei", 0),
        send(&gateways[1], "hefei", 60),
        send(&gateways[1], "hefei2", 120),
    );
    assert_eq!((one.0 + two.0 + three.0, one.1 + two.1 + three.1), (USERS, 180 - USERS));
    assert_eq!(smsc.stats().distinct_recipients, USERS);
    for gateway in &gateways {
        let used = gateway.metric(r#"smsluice_quota_used_recipients{account="hefei"}"#).await;
        assert_eq!(used, USERS, "each shows what all have counted");
    }
}

#[tokio::test]
async fn a_segments_window_is_one_for_all_gateways() {
    let (server, smsc, time) = (Server::start(), journaling_smsc(3).await, Time::open());
    let policy = policy(100, "").replace("limit = 10000", "limit = 3\nwindow_seconds = 600");
    let [mut a, mut b] = [0; 2].map(|_| site(&policy, smsc.local_addr(), &server.url()));
    let (one, two) = (run(&mut a, time).await, run(&mut b, time).await);
    let (mut first, mut second) = (bind(&one, "hefei").await, bind(&two, "hefei").await);
    let segment = &hefei(0)[..7];
    let to = |n: u64| good(&format!("{segment}{n:04}"));
    assert_eq!([status(&mut first, &to(1)).await, status(&mut second, &to(2)).await], [0, 0]);
    assert_eq!(status(&mut first, &to(3)).await, 0);
    assert_ne!(status(&mut second, &to(4)).await, 0, "the fourth of a segment within ten minutes");
    assert_ne!(status(&mut first, &to(5)).await, 0);
    assert_eq!(smsc.stats().distinct_recipients, 3);
}

fn part(to: &str, reference: u8, total: u8, index: u8, text: &str) -> SubmitSpec {
    let mut spec = SubmitSpec::new("62021", to, text);
    spec.esm_class |= 0x40;
    spec.short_message.splice(0..0, [5, 0, 3, reference, total, index]);
    spec
}

#[tokio::test]
async fn the_parts_of_a_message_come_over_two_gateways_and_are_one_message() {
    const TEXTS: [&str; 3] = ["合肥移动新营业厅开业,", "欢迎光临。合肥移", "动 询0551-1860"];
    let (server, smsc, time) = (Server::start(), journaling_smsc(4).await, Time::open());
    let policy = policy(2, ""); // with `length.multipart = "group"`
    let [mut a, mut b] = [0; 2].map(|_| site(&policy, smsc.local_addr(), &server.url()));
    let (one, two) = (run(&mut a, time).await, run(&mut b, time).await);
    let (mut first, mut second) = (bind(&one, "hefei").await, bind(&two, "hefei").await);
    let third = |n: u64, index: u8| part(&hefei(n), 7, 3, index, TEXTS[usize::from(index) - 1]);
    assert_eq!(status(&mut first, &third(1, 1)).await, 0);
    assert_eq!(status(&mut second, &third(1, 3)).await, 0);
    assert_eq!(status(&mut second, &third(1, 1)).await, DUPLICATE, "the other gateway has had this part");
    assert_eq!(status(&mut first, &third(1, 2)).await, 0);
    assert_eq!(status(&mut second, &third(1, 2)).await, DUPLICATE);
    assert_eq!(status(&mut second, &good(&hefei(1))).await, DUPLICATE);
    // All parts of one message in one write, while the other gateway sends parts of another to the quota's last.
    let mut all = Vec::new();
    for index in [1, 2, 3] {
        third(2, index).write(u32::from(index), &mut all);
    }
    second.send_raw(&all).await.expect("sent");
    for _ in 0..3 {
        assert_eq!(second.next_pdu().await.expect("answered")[8..12], [0; 4]);
    }
    assert_eq!(status(&mut first, &third(3, 1)).await, QUOTA, "two messages of three parts are two");
    // A text that breaks a rule cannot be completed on another gateway.
    assert_eq!(smsc.stats().taken, 6);
    // What is refused of a message is free: its only part was refused by the SMSC on one, the other sends it anew.
    let text = "没有落款的第二段";
    assert_ne!(status(&mut first, &part(&hefei(2), 9, 2, 2, text)).await, 0);
}

#[tokio::test]
async fn an_unknown_outcome_is_listed_everywhere_and_released_on_another_gateway() {
    let (server, smsc, time) = (Server::start(), journaling_smsc(5).await, Time::open());
    let [mut a, mut b] = [0; 2].map(|_| site(&policy(1, ""), smsc.local_addr(), &server.url()));
    a.response_timeout = "500ms";
    let (one, two) = (run(&mut a, time).await, run(&mut b, time).await);
    let (mut first, mut second) = (bind(&one, "hefei").await, bind(&two, "hefei").await);
    smsc.change(|behaviour| behaviour.latency = Latency::fixed(Duration::from_secs(6)));
    assert_ne!(status(&mut first, &good(&hefei(1))).await, 0, "answered in the SMSC's stead");
    smsc.change(|behaviour| behaviour.latency = Latency::fixed(Duration::ZERO));
    let unknown = || said(&command(&b, &["ledger", "unknown"]));
    until("the other gateway lists it", || unknown().as_array().is_some_and(|list| list.len() == 1)).await;
    let listed = unknown();
    assert_eq!((&listed[0]["account"], &listed[0]["state"]), (&"hefei".into(), &"unknown".into()));
    assert_eq!(status(&mut second, &good(&hefei(1))).await, DUPLICATE);
    assert_eq!(status(&mut second, &good(&hefei(2))).await, QUOTA);
    let row = listed[0]["row"].to_string();
    said(&command(&b, &["ledger", "release", &row, "--reason", "the SMSC has no such message"]));
    assert!(!command(&b, &["ledger", "release", &row, "--reason", "once more"]).status.success());
    assert_eq!(unknown(), serde_json::json!([]));
    // The SMSC took it all the same, and says so late: the subscriber has had today's message.
    for _ in 0..1000 {
        if one.metric(r#"smsluice_anomalies_total{kind="late_accept"}"#).await == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(status(&mut second, &good(&hefei(1))).await, DUPLICATE, "taken again");
    assert_eq!(status(&mut second, &good(&hefei(2))).await, QUOTA);
}

#[tokio::test]
async fn a_released_outcome_is_free_for_all_gateways() {
    let (server, smsc, time) = (Server::start(), journaling_smsc(6).await, Time::open());
    let [mut a, mut b] = [0; 2].map(|_| site(&policy(1, ""), smsc.local_addr(), &server.url()));
    let (one, two) = (run(&mut a, time).await, run(&mut b, time).await);
    let mut first = bind(&one, "hefei").await;
    smsc.change(|behaviour| behaviour.silent = 1.0);
    first.send_raw(&good(&hefei(1)).submit_sm(1)).await.expect("sent");
    until("at the SMSC", || smsc.stats().received.contains_key("submit_sm")).await;
    one.kill(); // under way when its gateway ends: unknown at the next start
    smsc.change(|behaviour| behaviour.silent = 0.0);
    let one = run(&mut a, time).await;
    let unknown = || said(&command(&b, &["ledger", "unknown"]));
    until("listed", || unknown().as_array().is_some_and(|list| list.len() == 1)).await;
    let row = unknown()[0]["row"].to_string();
    said(&command(&b, &["ledger", "release", &row, "--reason", "the SMSC has no such message"]));
    let mut second = bind(&two, "hefei").await;
    assert_eq!(status(&mut second, &good(&hefei(1))).await, 0);
    let mut first = bind(&one, "hefei").await;
    assert_eq!(status(&mut first, &good(&hefei(1))).await, DUPLICATE);
    assert_eq!(status(&mut first, &good(&hefei(2))).await, QUOTA);
}

#[tokio::test]
async fn two_clocks_do_not_open_two_days() {
    let (server, smsc) = (Server::start(), journaling_smsc(7).await);
    let time = Time::starting_at("2026-11-24T23:59:53+08:00");
    let [mut a, mut b] = [0; 2].map(|_| site(&policy(100, NO_HOURS), smsc.local_addr(), &server.url()));
    let one = run(&mut a, time).await;
    let mut first = bind(&one, "hefei").await;
    assert_eq!(status(&mut first, &good(&hefei(1))).await, 0);
    // The second gateway is three seconds ahead: for it the next day comes while the server's is still the old one.
    let two = run_off(&mut b, time, 3_000).await;
    let mut second = bind(&two, "hefei").await;
    let (mut old, mut doubted) = (0, 0);
    let began = std::time::Instant::now();
    loop {
        match status(&mut second, &good(&hefei(1))).await {
            DUPLICATE => old += 1,
            CLOCK_UNTRUSTED => doubted += 1,
            0 => break,
            other => panic!("{other:#x}"),
        }
        assert!(began.elapsed() < Duration::from_secs(30), "the next day does not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(time.text(0) >= "2026-11-25T00:00:00", "the new day is the server's: {}", time.text(0));
    assert!(doubted > 10, "for three seconds the days differ: {old} duplicates, {doubted} doubted");
    assert_eq!(status(&mut first, &good(&hefei(1))).await, DUPLICATE, "the new day is the same for both");
    assert_eq!(smsc.stats().taken, 2);
    // A clock that is further away takes nothing at all, and says so.
    let mut c = site(&policy(100, NO_HOURS), smsc.local_addr(), &server.url());
    c.clock_start = Some(time.text(60_000));
    let three = c.run().await;
    three.wait_ready(false, Duration::from_secs(5)).await;
    until("the reason is told", || three.log().contains("shared_ledger_clock_differs")).await;
    let mut third = bind(&three, "hefei").await;
    assert_eq!(status(&mut third, &good(&hefei(9))).await, CLOCK_UNTRUSTED);
}
