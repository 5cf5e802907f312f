//! Clause 7.6: what is stopped, what is not, and for how long (P7, P11).

use std::time::Duration;

use smsluice::policy::Reason;
use smsluice::sim::Esme;
use smsluice::sim::pdu::{DeliverSpec, bare};
use smsluice::sim::smsc::{Behaviour, Receipts};
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::command;
use smsluice::traffic::{HoldError, NewHold, Scope, Which};

use crate::stand::{Setup, Stand, good, hefei, moment, subscriber, verdict};

const THROTTLED: u32 = 0x58;

pub(crate) fn hold(scope: &str) -> NewHold {
    NewHold {
        scope: scope.parse().expect("a scope"),
        owner: "net.li".to_owned(),
        role: "network".to_owned(),
        reason: "SMSC queue 90 %".to_owned(),
        until: None,
    }
}

impl Stand {
    async fn hold(&self, scope: &str) -> smsluice::traffic::Hold {
        let placed = self.gateway.gateway().pause(hold(scope)).await.expect("placed");
        assert!(placed.hold.persisted && placed.not_persisted.is_none());
        placed.hold
    }

    async fn resume(&self, scope: &str) {
        let which = Which::parse(scope).expect("an id or a scope");
        self.gateway.gateway().resume(&which, "net.li", "it is over", false).await.expect("ended");
    }
}

async fn found(stand: &Stand, esme: &mut Esme, account: &str, spec: &SubmitSpec) -> String {
    verdict(stand, esme, account, spec).await.0
}

/// A message of the exempt platform, which no rule binds but 7.6.
fn advert() -> SubmitSpec {
    SubmitSpec::new("10086", &hefei(7), "不受群发规则约束")
}

#[tokio::test]
async fn every_kind_of_submission_stops_and_everything_else_goes_on() {
    let behaviour = Behaviour { receipts: Some(Receipts::default()), ..Behaviour::default() };
    let stand =
        Stand::new(Setup { policy: "[mode]\ndefault = \"observe\"\n".to_owned(), behaviour, ..Setup::default() }).await;
    let mut esme = stand.bind("hefei").await;
    stand.hold("all").await;
    let before = stand.smsc.stats();

    let spec = good(&hefei(1));
    let requests: [fn(&SubmitSpec, u32) -> Vec<u8>; 4] = [
        |spec, sequence| spec.submit_sm(sequence),
        |spec, sequence| spec.data_sm(sequence),
        |spec, sequence| spec.submit_multi(&[&hefei(1), &hefei(2)], sequence),
        |spec, sequence| spec.replace_sm("1", sequence),
    ];
    for request in requests {
        let sequence = esme.next_sequence();
        let answer = esme.request(sequence, &request(&spec, sequence)).await.expect("answered");
        assert_eq!((answer.status, answer.frame.len()), (THROTTLED, 16), "observing weakens no hold");
    }
    let mut broadcast = Vec::new();
    let sequence = esme.next_sequence();
    bare(&mut broadcast, command::BROADCAST_SM, 0, sequence);
    assert_eq!(esme.request(sequence, &broadcast).await.expect("answered").status, THROTTLED);

    esme.enquire_link().await.expect("answered");
    let sequence = esme.next_sequence();
    let cancel = spec.cancel_sm("1", sequence);
    assert_eq!(esme.request(sequence, &cancel).await.expect("answered").status, 0);
    stand.smsc.deliver("hefei", DeliverSpec::message(&hefei(1), "62021", "TD"));
    esme.delivery().await.expect("messages of subscribers go on");
    esme.unbind().await.expect("unbinds");

    let after = stand.smsc.stats();
    assert_eq!(after.submissions(), before.submissions());
    assert!(!after.received.contains_key("replace_sm") && !after.received.contains_key("broadcast_sm"));
    assert_eq!(after.received["cancel_sm"], 1);
    assert_eq!(stand.refused("hefei", Reason::Paused), 6);
    stand.assert_conserved();
}

#[tokio::test]
async fn what_was_refused_while_held_has_taken_nothing() {
    let stand = Stand::with_policy("[quota]\nusers = 2\n").await;
    let mut esme = stand.bind("hefei").await;
    stand.hold("unit:hefei").await;
    for n in 0..5 {
        assert_eq!(found(&stand, &mut esme, "hefei", &good(&hefei(n))).await, "paused");
    }
    let foreign = good(&subscriber("wuhu", 1));
    assert_eq!(found(&stand, &mut esme, "hefei", &foreign).await, "other_city", "what can never pass is told so");
    stand.resume("unit:hefei").await;
    for n in 0..2 {
        assert_eq!(found(&stand, &mut esme, "hefei", &good(&hefei(n))).await, "pass");
    }
    assert_eq!(found(&stand, &mut esme, "hefei", &good(&hefei(3))).await, "quota");
    stand.assert_conserved();
}

#[tokio::test]
async fn each_scope_stops_its_own() {
    let stand = Stand::open().await;
    let (mut esme, mut other, mut exempt) =
        (stand.bind("hefei").await, stand.bind("fuyang").await, stand.bind("market").await);
    let smsc = format!("smsc:{}", stand.smsc.local_addr());
    let held = [("all", 7), ("class:city_moa", 3), ("class:exempt_platform", 4), ("unit:hefei", 1), ("city:fuyang", 2)];
    let held = held.into_iter().chain([("account:market", 4), (&*smsc, 7)]);
    for (n, (scope, expected)) in held.enumerate() {
        let n = n as u64;
        stand.hold(scope).await;
        let mut found = 0;
        for (bit, (esme, account, spec)) in [
            (&mut esme, "hefei", good(&hefei(n))),
            (&mut other, "fuyang", good(&subscriber("fuyang", n))),
            (&mut exempt, "market", advert()),
        ]
        .into_iter()
        .enumerate()
        {
            let spec = if account == "fuyang" { SubmitSpec::new("62021", &spec.destination, FUYANG) } else { spec };
            let verdict = verdict(&stand, esme, account, &spec).await.0;
            assert!(matches!(&*verdict, "pass" | "paused"), "{scope}, {account}: {verdict}");
            found |= u8::from(verdict == "paused") << bit;
            let metric = stand.metric(&format!("smsluice_account_held{{account=\"{account}\"}}"));
            assert_eq!(metric == 1, verdict == "paused", "{scope}, {account}");
        }
        assert_eq!(found, expected, "{scope}");
        assert_eq!(stand.metric(&format!("smsluice_holds{{scope_kind=\"{}\"}}", scope.split(':').next().unwrap())), 1);
        stand.resume(scope).await;
    }
    assert_eq!(stand.metric("smsluice_hold_oldest_timestamp_seconds"), 0);
    for scope in ["account:nobody", "unit:nowhere", "city:nowhere", "smsc:192.0.2.1:1"] {
        let placed = stand.gateway.gateway().pause(hold(scope)).await;
        assert!(matches!(placed, Err(HoldError::Unknown(_))), "{scope}");
    }
}

const FUYANG: &str = "阜阳移动新营业厅开业,欢迎光临。阜阳移动 询0558-1860";

#[tokio::test]
async fn a_scope_is_open_when_the_last_of_its_holders_has_let_go() {
    let stand = Stand::open().await;
    let gateway = stand.gateway.gateway();
    let mut esme = stand.bind("hefei").await;
    let mine = stand.hold("account:hefei").await;
    let theirs = NewHold { owner: "net.wang".to_owned(), ..hold("account:hefei") };
    gateway.pause(theirs).await.expect("placed");
    stand.hold("class:city_moa").await;
    assert_eq!(gateway.holds().len(), 3);

    let ended = gateway.resume(&Which::Number(mine.number), "net.li", "it is over", false).await.expect("mine");
    assert_eq!(ended.still_held_by.iter().map(smsluice::traffic::Hold::id).collect::<Vec<_>>(), ["h_02", "h_03"]);
    assert_eq!(found(&stand, &mut esme, "hefei", &good(&hefei(1))).await, "paused");
    let account = Which::On(Scope::Account("hefei".into()));
    let refused = gateway.resume(&account, "net.li", "it is over", false).await;
    assert_eq!(refused.map(|_| ()), Err(HoldError::NotYours { owner: "net.wang".to_owned() }));
    gateway.resume(&account, "net.li", "told to", true).await.expect("all holders'");
    assert_eq!(found(&stand, &mut esme, "hefei", &good(&hefei(1))).await, "paused");
    stand.resume("class:city_moa").await;
    assert_eq!(found(&stand, &mut esme, "hefei", &good(&hefei(1))).await, "pass");
    assert_eq!(gateway.past_holds().len(), 3);
}

#[tokio::test]
async fn what_was_held_comes_back_slowly() {
    let rate = ("rate = { per_second = 2, burst = 3 }", "rate = { per_second = 1000, burst = 1000 }");
    let stand = Stand::new(Setup { accounts: vec![rate], ..Setup::default() }).await;
    let mut esme = stand.bind("slow").await;
    stand.hold("unit:wuhu").await;
    stand.resume("unit:wuhu").await;
    let mut n = 0;
    let mut burst = async |esme: &mut Esme| {
        let specs: Vec<_> = (n..n + 400).map(|n| SubmitSpec::new("62021", &subscriber("wuhu", n), WUHU)).collect();
        n += 400;
        let answers = esme.submit_many(&specs, 100).await.expect("answered");
        assert!(answers.iter().all(|answer| answer.is_ok() || answer.status == THROTTLED));
        answers.iter().filter(|answer| answer.is_ok()).count()
    };
    // A tenth of the rate at first, and a tenth of a second of it at once.
    let about = |found: usize, expected: usize| assert!(found.abs_diff(expected) <= 1, "{found}, not about {expected}");
    about(burst(&mut esme).await, 11);
    stand.advance(Duration::from_secs(5));
    about(burst(&mut esme).await, 56);
    stand.advance(Duration::from_secs(5));
    assert_eq!(burst(&mut esme).await, 400);
}

const WUHU: &str = "芜湖移动新营业厅开业,欢迎光临。芜湖移动 询0553-1860";

#[tokio::test]
async fn a_hold_survives_a_restart_and_ends_at_its_time() {
    let stand = Stand::open().await;
    let until = Some(moment("2026-11-24T09:40:00+08:00"));
    stand.gateway.gateway().pause(NewHold { until, ..hold("all") }).await.expect("placed");
    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(found(&stand, &mut esme, "hefei", &good(&hefei(1))).await, "paused");

    stand.at("2026-11-24T09:40:00+08:00");
    for _ in 0..1000 {
        if stand.gateway.gateway().holds().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(found(&stand, &mut esme, "hefei", &good(&hefei(1))).await, "pass");
    assert_eq!(stand.gateway.gateway().past_holds()[0].by, "clock");
    let stand = stand.restart().await;
    assert!(stand.gateway.gateway().holds().is_empty(), "its end survives as well");
    assert_eq!(stand.gateway.gateway().past_holds().len(), 1);
}

/// A copy of the files at the moment a call returned is what a kill -9 at that moment leaves.
#[tokio::test]
async fn what_a_kill_leaves_behind_is_in_force_before_the_first_accept() {
    let stand = Stand::open().await;
    stand.hold("city:hefei").await;
    let left = tempfile::tempdir().expect("a folder");
    let entries = std::fs::read_dir(stand.ledger_folder()).expect("a folder").map(|entry| entry.expect("an entry"));
    for entry in entries.filter(|entry| entry.file_type().expect("known").is_file()) {
        std::fs::copy(entry.path(), left.path().join(entry.file_name())).expect("copied");
    }
    let next = Stand::new(Setup { folder: Some(left.path().to_owned()), ..Setup::default() }).await;
    let mut esme = next.bind("hefei").await;
    assert_eq!(found(&next, &mut esme, "hefei", &good(&hefei(1))).await, "paused");
    assert_eq!(next.gateway.gateway().holds()[0].owner, "net.li");
}

#[tokio::test]
async fn a_hold_that_cannot_be_written_stands_in_memory_and_the_call_says_so() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    let other = rusqlite::Connection::open(stand.ledger_folder().join("holds.db")).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let placed = stand.gateway.gateway().pause(hold("all")).await.expect("placed all the same");
    assert!(!placed.hold.persisted && placed.not_persisted.is_some());
    assert_eq!(found(&stand, &mut esme, "hefei", &good(&hefei(1))).await, "paused");
    other.execute_batch("ROLLBACK").expect("unlocked");
    for _ in 0..1500 {
        if stand.gateway.gateway().holds()[0].persisted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let stand = stand.restart().await;
    assert_eq!(stand.gateway.gateway().holds().len(), 1, "written as soon as it could be");
}
