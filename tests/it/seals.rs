//! Records as evidence: who may look, closed days that are sealed, what was tampered with, what is kept and for how long.

use std::time::Duration;

use serde_json::{Value, json};
use smsluice::app::Plan;
use smsluice::domain::Day;
use smsluice::ledger::history::{Fate, Span};
use smsluice::ledger::seal::check::{Checked, check};
use smsluice::sim::smsc::Latency;

use crate::admin::{self, token};
use crate::http::{Reply, call};
use crate::records::subscriber;
use crate::stand::{Setup, Stand, good, hefei, until, verdict};

async fn ask(stand: &Stand, role: &str, path: &str, body: Value) -> Reply {
    call(stand.gateway.admin, &token(role), "POST", &format!("/api/v1/{path}"), &body.to_string()).await
}

fn day(text: &str) -> Day {
    Day::parse(text).expect("valid")
}

/// A stand at the end of a day on which nothing is forbidden.
async fn before_midnight(policy: &str) -> Stand {
    let policy = format!("[hours]\nnight = []\n{policy}");
    let change = |plan: &mut Plan| admin::with_tokens(plan);
    let stand = Stand::new(Setup { policy, change, ..Setup::default() }).await;
    stand.at("2026-11-24T23:59:58");
    stand
}

async fn sealed(stand: &Stand, text: &str) -> Checked {
    let mut checked = Checked::default();
    until("the day is sealed", || {
        checked = check(&stand.ledger_folder(), None).expect("readable");
        checked.days + checked.pruned > 0 && !checked.open.contains(&day(text))
    })
    .await;
    checked
}

#[tokio::test]
async fn a_day_that_is_over_is_sealed_and_what_is_done_to_it_later_is_named() {
    let stand = before_midnight("").await;
    let mut esme = stand.bind("hefei").await;
    for n in 1..=5 {
        assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(n))).await.0, "pass");
    }
    // Its answer comes on the next day, and leaves the day before as it is.
    stand.smsc.change(|behaviour| behaviour.latency = Latency::fixed(Duration::from_secs(1)));
    esme.send_raw(&good(&hefei(9)).submit_sm(999)).await.expect("sent");
    until("the SMSC has it", || stand.smsc.stats().submissions() == 6).await;
    stand.at("2026-11-25T00:00:01");
    esme.next_pdu().await.expect("answered");
    stand.smsc.change(|behaviour| behaviour.latency = Latency::default());
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass", "a new day");
    let checked = sealed(&stand, "2026-11-24").await;
    assert_eq!((checked.problems.len(), checked.days, checked.open.len()), (0, 1, 1), "{checked:?}");
    let span = Span::of(day("2026-11-24"), day("2026-11-24"));
    let found = stand.gateway.gateway().ledger().trace(subscriber(&hefei(9)), span).expect("read");
    assert_eq!(found.iter().map(smsluice::ledger::history::Attempt::fate).collect::<Vec<_>>(), [Some(Fate::Accepted)]);

    let answer = ask(&stand, "audit", "records:verify", json!({ "head": checked.head })).await;
    assert_eq!((answer.status, &answer.json()["ok"]), (200, &true.into()), "{}", answer.body);
    let other = ask(&stand, "audit", "records:verify", json!({ "head": "0".repeat(64) })).await.json();
    assert_eq!(other["ok"], false);
    assert_eq!(ask(&stand, "audit", "records:verify", json!({ "head": "0" })).await.status, 422);
    assert_eq!(ask(&stand, "records", "records:verify", json!({})).await.status, 403);

    until("nobody reads the day any more", || stand.ledger_folder().join("index-2026-11-24").exists()).await;
    let file = stand.ledger_folder().join("journal-2026-11-24.sqlite");
    let tamper = |sql: &str| {
        let connection = rusqlite::Connection::open(&file).expect("opened");
        assert!(connection.execute(sql, []).expect("changed") > 0);
    };
    tamper("UPDATE batch SET at_ms = at_ms + 1 WHERE row = 2");
    let told = ask(&stand, "audit", "records:verify", json!({})).await.json();
    assert_eq!(told["problems"], json!(["2026-11-24, row 2: is changed: its checksum is not its own"]));
    tamper("UPDATE batch SET at_ms = at_ms - 1 WHERE row = 2");
    assert_eq!(check(&stand.ledger_folder(), None).expect("read").problems, []);
    tamper("DELETE FROM batch WHERE row = 3");
    let told = check(&stand.ledger_folder(), None).expect("read").problems;
    assert_eq!(told.iter().map(ToString::to_string).collect::<Vec<_>>(), ["2026-11-24, row 3: is missing"]);
}

#[tokio::test]
async fn a_copy_has_its_seals_and_days_whose_time_is_over_go() {
    let stand = before_midnight("[audit]\nretention_days = 1\n").await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
    stand.at("2026-11-25T09:30:00");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
    let head = sealed(&stand, "2026-11-24").await.head;
    let copy = stand.ledger_folder().join("copy");
    stand.gateway.gateway().ledger().backup(&copy).expect("copied");
    let checked = check(&copy, Some(&head)).expect("read");
    assert_eq!((checked.problems.len(), checked.days), (0, 1), "{checked:?}");

    // What a start still reads is not removed, however short the time that records are kept.
    assert!(stand.ledger_folder().join("journal-2026-11-24.sqlite").exists());
    stand.at("2026-11-28T09:30:00");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
    until("the oldest is removed", || !stand.ledger_folder().join("journal-2026-11-24.sqlite").exists()).await;
    let checked = sealed(&stand, "2026-11-25").await;
    assert_eq!(checked.problems, []);
    assert!(checked.pruned >= 1 && !checked.head.is_empty());
    assert_eq!(check(&stand.ledger_folder(), Some(&head)).expect("read").problems, [], "the chain goes on over it");
    assert!(!stand.ledger_folder().join("seal-2026-11-24.rows").exists());
}

#[tokio::test]
async fn a_subscriber_is_traced_by_who_may_and_on_record() {
    let stand = admin::stand().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "duplicate");
    let body = json!({ "number": hefei(1), "reason": "complaint 4711" });
    for role in ["view", "ledger", "audit", "operate", "unit:hefei"] {
        assert_eq!(ask(&stand, role, "records:trace", body.clone()).await.status, 403, "{role}");
    }
    let mut told = Value::Null;
    for _ in 0..100 {
        let answer = ask(&stand, "records", "records:trace", body.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(!answer.body.contains(&hefei(1)), "numbers go out masked: {}", answer.body);
        told = answer.json();
        if told["attempts"][0]["outcome"] == "accepted" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let [first, second] = &told["attempts"].as_array().expect("a list")[..] else { panic!("{told}") };
    assert_eq!(
        (&first["verdict"], &first["outcome"], &first["verb"]),
        (&"forwarded".into(), &"accepted".into(), &"submit_sm".into())
    );
    assert!(first["message_id"].as_str().is_some_and(|id| !id.is_empty()));
    assert_eq!(
        (&second["verdict"], &second["reason"], &second["clause"]),
        (&"refused".into(), &"duplicate".into(), &"7.1a".into())
    );
    assert_eq!((&second["code"], &second["digest"]), (&0x45.into(), &first["digest"]));
    assert_eq!(
        (&told["from"], &told["to"], &told["left_out"]),
        (&"2026-10-25".into(), &"2026-11-24".into(), &0.into())
    );
    for wrong in [
        json!({ "number": "055162620000", "reason": "x" }),
        json!({ "number": hefei(1) }),
        json!({ "number": hefei(1), "reason": " " }),
        json!({ "number": hefei(1), "reason": "x", "from": "2026-11-25", "to": "2026-11-24" }),
    ] {
        assert_eq!(ask(&stand, "records", "records:trace", wrong.clone()).await.status, 422, "{wrong}");
    }
    let acts = call(stand.gateway.admin, &token("audit"), "GET", "/api/v1/audit?action=records.trace", "").await;
    let latest = &acts.json()[0];
    assert_eq!((&latest["reason"], &latest["result"]), (&"complaint 4711".into(), &"done".into()), "{}", acts.body);
    assert!(!acts.body.contains(&hefei(1)), "{}", acts.body);
}
