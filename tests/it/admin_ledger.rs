//! The ledger through the API: look-ups, unknown outcomes and their release, copies.

use std::time::Duration;

use serde_json::{Value, json};
use smsluice::app::Plan;
use smsluice::sim::smsc::Latency;
use smsluice::traffic::Holds;

use crate::admin::{self, token};
use crate::http::{Reply, call};
use crate::stand::{Setup, Stand, good, hefei, verdict};

async fn ask(stand: &Stand, role: &str, method: &str, path: &str, body: Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    call(stand.gateway.admin, &token(role), method, &format!("/api/v1/{path}"), &body).await
}

#[tokio::test]
async fn a_subscribers_messages_are_looked_up_by_a_number_in_the_body() {
    let stand = admin::stand().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
    let found = ask(&stand, "ledger", "POST", "ledger:lookup", json!({ "number": hefei(1) })).await;
    assert_eq!(found.status, 200, "{}", found.body);
    assert_eq!((&found.json()[0]["account"], &found.json()[0]["day"]), (&"hefei".into(), &"2026-11-24".into()));
    assert!(!found.body.contains(&hefei(1)), "{}", found.body);
    assert_eq!(
        ask(&stand, "ledger", "POST", "ledger:lookup", json!({ "number": hefei(2), "day": "2026-11-23" })).await.json(),
        json!([])
    );
    for body in [json!({ "number": "055162620000" }), json!({ "number": hefei(1), "day": "today" }), json!({})] {
        let refused = ask(&stand, "ledger", "POST", "ledger:lookup", body).await;
        assert!(refused.status == 422 && !refused.body.contains("055162620000"), "{}", refused.body);
    }
    assert_eq!(ask(&stand, "operate", "POST", "ledger:lookup", json!({ "number": hefei(1) })).await.status, 403);
    let stats = ask(&stand, "view", "GET", "ledger/stats", Value::Null).await.json();
    assert_eq!((&stats["today"], &stats["slots"]), (&"2026-11-24".into(), &1.into()));
    let checked = ask(&stand, "operate", "POST", "ledger:verify", json!({})).await.json();
    assert_eq!((&checked["ok"], &checked["reservations"]), (&true.into(), &1.into()));
}

#[tokio::test]
async fn an_unknown_outcome_is_released_once_and_on_record() {
    let change = |plan: &mut Plan| {
        admin::with_tokens(plan);
        plan.proxy.response_timeout = Duration::from_millis(300);
    };
    let stand = Stand::new(Setup { change, ..Setup::default() }).await;
    stand.smsc.change(|behaviour| behaviour.latency = Latency::fixed(Duration::from_secs(60)));
    let mut esme = stand.bind("hefei").await;
    esme.send_raw(&good(&hefei(1)).submit_sm(1)).await.expect("sent");
    for _ in 0..500 {
        if stand.smsc.stats().received.contains_key("submit_sm") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stand.advance(Duration::from_millis(500));
    esme.next_pdu().await.expect("an answer in the SMSC's stead");
    let listed = ask(&stand, "view", "GET", "ledger/unknown", Value::Null).await.json();
    assert_eq!((&listed[0]["state"], &listed[0]["account"]), (&"unknown".into(), &"hefei".into()));
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "duplicate");
    let body = json!({ "row": listed[0]["row"], "reason": "the SMSC has no such message" });
    assert_eq!(ask(&stand, "network", "POST", "ledger:release", body.clone()).await.status, 403);
    let released = ask(&stand, "ledger", "POST", "ledger:release", body.clone()).await;
    assert_eq!((released.status, &released.json()["entry"]["state"]), (200, &"free".into()), "{}", released.body);
    assert_eq!(ask(&stand, "ledger", "POST", "ledger:release", body).await.status, 404);
    assert_eq!(ask(&stand, "view", "GET", "ledger/unknown", Value::Null).await.json(), json!([]));
    let acts = ask(&stand, "audit", "GET", "audit?action=ledger.release", Value::Null).await.json();
    assert_eq!((&acts[0]["who"], &acts[0]["result"]), (&"test.5".into(), &"done".into()));
    assert_eq!((&acts[0]["before"]["state"], &acts[0]["after"]["state"]), (&"unknown".into(), &"free".into()));
    assert!(!acts.to_string().contains(&hefei(1)), "{acts}");
}

#[tokio::test]
async fn a_copy_is_made_beside_the_ledger_and_nowhere_else() {
    let stand = admin::stand().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "pass");
    let stopped = json!({ "scope": { "kind": "account", "id": "hefei2" }, "reason": "a test" });
    assert_eq!(ask(&stand, "network", "POST", "holds", stopped).await.status, 201);
    let copy = |name: &str| json!({ "name": name, "reason": "a test" });
    let made = ask(&stand, "operate", "POST", "ledger:backup", copy("first")).await;
    assert_eq!(made.status, 200, "{}", made.body);
    let holds = Holds::open(&stand.ledger_folder().join("backups/first"), stand.gateway.gateway().now());
    let held: Vec<_> = holds.expect("a copy").in_force().iter().map(|hold| hold.scope.to_string()).collect();
    assert_eq!(held, ["account:hefei2"], "holds are copied too");
    assert_eq!(ask(&stand, "operate", "POST", "ledger:backup", copy("first")).await.status, 409);
    for name in ["", "../x", "/tmp/x", "a b", "a.b", &"x".repeat(65)] {
        assert_eq!(ask(&stand, "operate", "POST", "ledger:backup", copy(name)).await.status, 422, "{name}");
    }
    let pruned =
        ask(&stand, "operate", "POST", "ledger:prune", json!({ "before": "2030-01-01", "reason": "old" })).await;
    assert_eq!((pruned.status, &pruned.json()["removed"]), (200, &json!([])), "today's files stay: {}", pruned.body);
}
