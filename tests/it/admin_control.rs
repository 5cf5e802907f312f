//! What operators stop and open through the API: holds and drains.

use serde_json::{Value, json};
use smsluice::sim::esme::{Esme, EsmeError};
use smsluice::smpp::bind::BindType;

use crate::admin::{stand, token};
use crate::http::{Reply, call, raw, request};
use crate::stand::{Stand, good, hefei};

async fn ask(stand: &Stand, role: &str, method: &str, path: &str, body: Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    call(stand.gateway.admin, &token(role), method, path, &body).await
}

fn account(id: &str) -> Value {
    json!({ "scope": { "kind": "account", "id": id }, "reason": "a test" })
}

#[tokio::test]
async fn a_hold_stops_its_scope_until_its_owner_ends_it() {
    let stand = stand().await;
    let (mut held, mut free) = (stand.bind("hefei").await, stand.bind("hefei2").await);
    let placed = ask(&stand, "network", "POST", "/api/v1/holds", account("hefei")).await;
    assert_eq!(placed.status, 201, "{}", placed.body);
    let placed = placed.json();
    let id = placed["hold"]["id"].as_str().expect("an id").to_owned();
    assert_eq!((&placed["recorded"], &placed["hold"]["persisted"]), (&true.into(), &true.into()));
    assert_eq!((&placed["hold"]["owner"], &placed["hold"]["role"]), (&"test.2".into(), &"network".into()));
    assert_ne!(held.submit(&good(&hefei(1))).await.expect("answered").status, 0);
    assert_eq!(free.submit(&good(&hefei(2))).await.expect("answered").status, 0);
    assert_eq!(ask(&stand, "view", "GET", "/api/v1/accounts/hefei", Value::Null).await.json()["state"], "held");
    let listed = ask(&stand, "view", "GET", "/api/v1/holds", Value::Null).await.json();
    assert_eq!((&listed[0]["id"], &listed[0]["scope"]["id"]), (&id.clone().into(), &"hefei".into()));
    assert_eq!(ask(&stand, "view", "GET", "/api/v1/status", Value::Null).await.json()["holds"], 1);

    let path = format!("/api/v1/holds/{id}");
    let all = json!({ "reason": "over", "all_holders": true });
    assert_eq!(ask(&stand, "network", "DELETE", &path, all.clone()).await.status, 403, "it is asked for another role");
    assert_eq!(ask(&stand, "network", "DELETE", "/api/v1/holds/h_77", json!({ "reason": "over" })).await.status, 404);
    assert_eq!(
        ask(&stand, "network", "DELETE", "/api/v1/holds/nothing", json!({ "reason": "over" })).await.status,
        422
    );
    let second = ask(&stand, "admin", "POST", "/api/v1/holds", account("hefei")).await.json();
    assert_eq!(
        ask(
            &stand,
            "network",
            "DELETE",
            &format!("/api/v1/holds/{}", second["hold"]["id"].as_str().expect("an id")),
            json!({ "reason": "over" })
        )
        .await
        .status,
        403,
        "it is another's"
    );
    let ended = ask(&stand, "network", "DELETE", &path, json!({ "reason": "over" })).await;
    assert_eq!((ended.status, &ended.json()["still_held_by"]), (200, &json!([second["hold"]["id"]])));
    assert_ne!(held.submit(&good(&hefei(1))).await.expect("answered").status, 0);
    let ended = ask(&stand, "admin", "DELETE", "/api/v1/holds/account:hefei", all).await;
    assert_eq!((ended.status, &ended.json()["still_held_by"]), (200, &json!([])), "{}", ended.body);
    let acts = ask(&stand, "audit", "GET", "/api/v1/audit", Value::Null).await.json();
    let acts: Vec<_> =
        acts.as_array().expect("a list").iter().map(|act| (act["action"].clone(), act["result"].clone())).collect();
    assert_eq!(acts.iter().filter(|(action, _)| action == "hold.place").count(), 2);
    assert!(acts.iter().filter(|(action, result)| action == "hold.end" && result == "asked").count() >= 3, "{acts:?}");
    stand.assert_conserved();
}

#[tokio::test]
async fn what_cannot_be_held_is_refused_and_a_key_places_one_hold() {
    let stand = stand().await;
    for (body, status) in [
        (json!({ "scope": { "kind": "account", "id": "nobody" }, "reason": "x" }), 404),
        (json!({ "scope": { "kind": "account" }, "reason": "x" }), 422),
        (json!({ "scope": { "kind": "planet", "id": "x" }, "reason": "x" }), 422),
        (json!({ "scope": { "kind": "all" } }), 422),
        (json!({ "scope": { "kind": "all" }, "reason": "" }), 422),
        (json!({ "scope": { "kind": "all" }, "reason": "x", "for_s": 0 }), 422),
        (json!({ "scope": { "kind": "all" }, "reason": "x", "for_s": 99_999_999 }), 422),
        (json!({ "scope": { "kind": "all" }, "reason": "x", "fors": 1 }), 422),
    ] {
        let reply = ask(&stand, "network", "POST", "/api/v1/holds", body.clone()).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.body);
    }
    let bearer = format!("Bearer {}", token("network"));
    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", "stop-1")];
    let ask_once = request("POST", "/api/v1/holds", &headers, &account("hefei").to_string());
    let (first, second) =
        (raw(stand.gateway.admin, ask_once.as_bytes()).await, raw(stand.gateway.admin, ask_once.as_bytes()).await);
    assert_eq!((first.status, first.body), (second.status, second.body));
    assert_eq!(ask(&stand, "view", "GET", "/api/v1/holds", Value::Null).await.json().as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_drain_unbinds_and_refuses_binds_until_it_is_ended() {
    let stand = stand().await;
    let mut esme = stand.bind("hefei").await;
    let body = json!({ "timeout_s": 30, "reason": "a move" });
    assert_eq!(ask(&stand, "network", "POST", "/api/v1/drain", body.clone()).await.status, 403);
    assert_eq!(
        ask(&stand, "operate", "POST", "/api/v1/drain", json!({ "timeout_s": 0, "reason": "x" })).await.status,
        422
    );
    let begun = ask(&stand, "operate", "POST", "/api/v1/drain", body).await;
    assert_eq!((begun.status, &begun.json()["draining"], &begun.json()["recorded"]), (200, &true.into(), &true.into()));
    let mut commands = Vec::new();
    while let Ok(pdu) = esme.next_pdu().await {
        commands.push(u32::from_be_bytes([pdu[4], pdu[5], pdu[6], pdu[7]]));
    }
    assert_eq!(commands, [0x06], "an unbind, then the end");
    let refused = Esme::connect(stand.gateway.smpp, BindType::Transceiver, "hefei", "secret", 0x34).await;
    assert!(matches!(refused, Err(EsmeError::Refused(_))), "{refused:?}");
    assert_eq!(ask(&stand, "view", "GET", "/api/v1/status", Value::Null).await.json()["draining"], true);
    let ended = ask(&stand, "operate", "DELETE", "/api/v1/drain", json!({ "reason": "moved" })).await;
    assert_eq!((ended.status, &ended.json()["draining"]), (200, &false.into()), "{}", ended.body);
    let _esme = stand.bind_soon("hefei").await;
}

#[tokio::test]
async fn a_reload_is_shown_before_and_done_whole_or_not_at_all() {
    let stand = stand().await;
    let policy = stand.config_folder().join("policy.toml");
    let reload = |body: Value| {
        let stand = &stand;
        async move { ask(stand, "policy", "POST", "/api/v1/policy:reload", body).await }
    };
    let version = ask(&stand, "view", "GET", "/api/v1/policy", Value::Null).await.json()["version"].clone();
    std::fs::write(&policy, "[lenght]\nlimit = 60\n").expect("written");
    let refused = reload(json!({ "reason": "a test" })).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(
        refused.json()["errors"][0]["path"].as_str().is_some_and(|path| path.contains("policy.toml:1")),
        "{}",
        refused.body
    );
    std::fs::write(&policy, "[length]\nlimit = 60\n").expect("written");
    let diff = ask(&stand, "view", "GET", "/api/v1/policy/diff", Value::Null).await.json();
    assert_eq!(
        (&diff["changed"][0]["key"], &diff["changed"][0]["effect"]),
        (&"length.limit".into(), &"tightens".into())
    );
    assert_eq!(ask(&stand, "network", "POST", "/api/v1/policy:reload", json!({ "reason": "x" })).await.status, 403);
    assert_eq!(reload(json!({ "reason": "x", "expect_version": 99 })).await.status, 412);
    let done = reload(json!({ "reason": "shorter", "expect_version": version })).await;
    assert_eq!(
        (done.status, &done.json()["tightened"], &done.json()["recorded"]),
        (200, &1.into(), &true.into()),
        "{}",
        done.body
    );
    let policy = ask(&stand, "view", "GET", "/api/v1/policy", Value::Null).await.json();
    assert_eq!(policy["version"], done.json()["version"]);
    let limit = policy["switches"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["key"] == "length.limit")
        .expect("a switch")
        .clone();
    assert_eq!(
        (&limit["value"], &limit["default"], &limit["source"], &limit["changeable"]),
        (&60.into(), &65.into(), &"file".into(), &"reload".into())
    );
    let versions = ask(&stand, "view", "GET", "/api/v1/policy/versions", Value::Null).await.json();
    assert_eq!(
        (&versions[0]["by"], &versions[0]["ok"], &versions[1]["ok"]),
        (&"test.4".into(), &true.into(), &false.into())
    );
    let acts = ask(&stand, "audit", "GET", "/api/v1/audit?action=policy.reload", Value::Null).await.json();
    assert_eq!((&acts[0]["reason"], &acts[0]["after"]["version"]), (&"shorter".into(), &policy["version"]));
}
