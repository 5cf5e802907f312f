//! The admin API on the wire: who may do what, what is told, what is recorded, and what no input may do.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use smsluice::admin::api::ROUTES;
use smsluice::admin::auth::Access;
use smsluice::admin::route::Method;
use smsluice::app::Plan;
use smsluice::config::tokens::{self, Role};
use smsluice::domain::{Moment, hex};
use smsluice::sim::submit::SubmitSpec;

use crate::http::{self, call, local, raw, request};
use crate::schema;
use crate::stand::{GOOD, Setup, Stand, good, hefei, subscriber};

/// Every role, each with the token of its own name.
const ROLES: [&str; 14] = [
    "view",
    "unit:hefei",
    "network",
    "operate",
    "policy",
    "ledger",
    "records",
    "audit",
    "admin",
    "applicant:hefei",
    "applicant:province",
    "reviewer:group_data",
    "reviewer:marketing",
    "reviewer:customer_service",
];

/// A stand whose API knows a token for every role; the token is `token-` and the role.
pub(crate) async fn stand() -> Stand {
    Stand::new(Setup { change: with_tokens, ..Setup::default() }).await
}

/// Gives a gateway's API a token for every role.
pub(crate) fn with_tokens(plan: &mut Plan) {
    let file = plan.ledger.path.with_file_name("tokens.toml");
    let entry = |(index, role): (usize, &&str)| {
        let roles = BTreeSet::from([role.parse::<Role>().expect("a role")]);
        let digest = tokens::digest(&token(role));
        tokens::entry(&format!("test.{index}"), &roles, &digest, Moment::from_ms(0), None)
    };
    let text: Vec<String> = ROLES.iter().enumerate().map(entry).collect();
    std::fs::write(&file, text.join("\n")).expect("written");
    plan.surface.settings.tokens_file = Some(file);
    plan.surface.settings.hosts = vec!["gateway.example".to_owned()];
}

pub(crate) fn token(role: &str) -> String {
    format!("token-{role}")
}

async fn get(stand: &Stand, role: &str, path: &str) -> Value {
    let reply = call(stand.gateway.admin, &token(role), "GET", path, "").await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    reply.json()
}

/// A path with something in place of `{id}`.
fn path(template: &str) -> String {
    template.replace("{id}", if template.contains("accounts") { "hefei" } else { "999999" })
}

fn may(role: &str, access: Access) -> bool {
    match access {
        Access::Open => true,
        Access::ViewOwn => !role.starts_with("applicant:"),
        Access::View => role != "unit:hefei" && !role.starts_with("applicant:"),
        Access::SeeCampaigns => role != "unit:hefei",
        Access::WorkOnCampaigns => role == "admin" || role.starts_with("applicant:") || role.starts_with("reviewer:"),
        Access::Only(word) => role == word || role == "admin",
    }
}

#[tokio::test]
async fn every_route_lets_in_the_roles_of_the_table_and_nobody_else() {
    let stand = stand().await;
    for route in ROUTES {
        for role in ROLES.iter().copied().chain(["nobody", ""]) {
            let token = if role.is_empty() { String::new() } else { token(role) };
            let reply = if route.id == "streamEvents" && may(role, route.access) && !matches!(role, "nobody" | "") {
                http::head(stand.gateway.admin, &token, &path(route.path)).await
            } else {
                let body = if route.body.is_some() { "{}" } else { "" };
                call(stand.gateway.admin, &token, route.method.word(), &path(route.path), body).await
            };
            let expected = match role {
                _ if route.access == Access::Open => None,
                "nobody" | "" => Some(401),
                role if may(role, route.access) => None,
                _ => Some(403),
            };
            let denied = matches!(reply.status, 401 | 403);
            assert_eq!(denied.then_some(reply.status), expected, "{route:?} as `{role}`: {}", reply.body);
            assert!(
                route.statuses().contains(&reply.status),
                "{route:?} as `{role}`: {} is undocumented",
                reply.status
            );
            assert!(reply.status < 500, "{route:?}: {}", reply.body);
        }
    }
    let failures = |kind: &str| stand.metric(&format!(r#"smsluice_admin_auth_failures_total{{kind="{kind}"}}"#));
    assert!(failures("missing") > 0 && failures("unknown") > 0 && failures("forbidden") > 0);
}

#[tokio::test]
async fn without_a_tokens_file_tcp_answers_probes_and_metrics_alone() {
    let stand = Stand::open().await;
    for route in ROUTES.iter().filter(|route| route.method == Method::Get) {
        let reply = call(stand.gateway.admin, "anything", "GET", &path(route.path), "").await;
        assert_eq!(reply.status, if route.access == Access::Open { 200 } else { 401 }, "{route:?}");
    }
    let socket = stand.gateway.admin_socket.clone().expect("a socket");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&socket).expect("there").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let reply = local(&socket, "GET", "/api/v1/status", "").await;
    assert_eq!((reply.status, &reply.json()["ready"]), (200, &true.into()));
    stand.gateway.stop().await;
    assert!(!socket.exists(), "a stop takes the socket away");
}

#[tokio::test]
async fn what_is_told_has_the_shape_that_is_described() {
    let stand = stand().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(esme.submit(&good(&hefei(1))).await.expect("answered").status, 0);
    assert_ne!(esme.submit(&good(&hefei(1))).await.expect("answered").status, 0);
    let mut broken = good(&hefei(2)).submit_sm(77);
    broken.extend([0x14, 0x00, 0x00, 0x09, 1]); // a TLV that says it is longer than the PDU
    let length = broken.len() as u32;
    broken[..4].copy_from_slice(&length.to_be_bytes());
    assert_ne!(esme.request(77, &broken).await.expect("answered").status, 0);
    let session = get(&stand, "view", "/api/v1/sessions").await[0]["id"].to_string();
    let draft = json!({ "form": { "unit": "hefei" } }).to_string();
    let draft = call(stand.gateway.admin, &token("applicant:hefei"), "POST", "/api/v1/campaigns", &draft).await;
    assert_eq!((draft.status, &draft.json()["number"]), (201, &1.into()));
    let reason = json!({ "spec": "debug", "for_s": 1, "reason": "a test" }).to_string();
    assert_eq!(call(stand.gateway.admin, &token("operate"), "PUT", "/api/v1/log-level", &reason).await.status, 409);
    let document = get(&stand, "view", "/api/v1/openapi.json").await;
    for route in ROUTES.iter().filter(|route| route.method == Method::Get) {
        let described = &document["paths"][route.path]["get"];
        assert_eq!(described["operationId"], route.id);
        let content = &described["responses"]["200"]["content"]["application/json"];
        if content.is_null() || route.id == "getOpenApi" {
            continue;
        }
        let path =
            if route.path.contains("sessions/") { format!("/api/v1/sessions/{session}") } else { path(route.path) };
        let path = path.replace("campaigns/999999", "campaigns/1");
        let answer = get(&stand, "admin", &path).await;
        let faults = schema::faults(&document, &content["schema"], &answer);
        assert!(faults.is_empty(), "{path}: {faults:?} in {answer}");
    }
    let problem = call(stand.gateway.admin, &token("view"), "GET", "/api/v1/accounts/nobody", "").await;
    assert_eq!(problem.status, 404);
    assert!(problem.head.contains("content-type: application/problem+json"), "{}", problem.head);
    let described = json!({ "$ref": "#/components/schemas/Problem" });
    assert_eq!(schema::faults(&document, &described, &problem.json()), Vec::<String>::new());
}

#[tokio::test]
async fn accounts_and_their_use_are_told() {
    let stand = stand().await;
    let mut esme = stand.bind("hefei").await;
    for (n, expected) in [(1, 0), (2, 0), (1, 0x45)] {
        assert_eq!(esme.submit(&good(&hefei(n))).await.expect("answered").status, expected);
    }
    let account = get(&stand, "view", "/api/v1/accounts/hefei").await;
    assert_eq!((&account["today"]["used"], &account["today"]["left"]), (&2.into(), &2998.into()));
    assert_eq!((&account["sessions"], &account["unit"]), (&1.into(), &"hefei".into()));
    assert!(!account.to_string().contains("62620001"), "a custodian's number is nobody's business here");
    let usage = get(&stand, "unit:hefei", "/api/v1/accounts/hefei/usage").await["since_start"].clone();
    assert_eq!((&usage["received"], &usage["forwarded"]), (&3.into(), &2.into()));
    assert_eq!((&usage["refused"]["duplicate"], &usage["accepted"]), (&1.into(), &2.into()));
    let all = get(&stand, "view", "/api/v1/accounts").await;
    let ids: Vec<&str> = all.as_array().expect("a list").iter().filter_map(|one| one["id"].as_str()).collect();
    assert!(ids.is_sorted() && ids.len() == 8, "{ids:?}");
    let page = get(&stand, "view", &format!("/api/v1/accounts?limit=2&cursor={}", ids[2])).await;
    assert_eq!((&page[0]["id"], page.as_array().map(Vec::len)), (&ids[3].into(), Some(2)));
}

#[tokio::test]
async fn a_units_token_sees_its_own_account_and_no_other() {
    let stand = stand().await;
    let (mut own, mut other) = (stand.bind("hefei").await, stand.bind("fuyang").await);
    for esme in [&mut own, &mut other] {
        assert_ne!(esme.submit(&SubmitSpec::new("62021", &hefei(1), "没有落款")).await.expect("answered").status, 0);
    }
    for (path, all) in [("accounts", 8), ("sessions", 2), ("refusals", 2)] {
        let path = format!("/api/v1/{path}");
        assert_eq!(get(&stand, "view", &path).await.as_array().map(Vec::len), Some(all), "{path}");
        assert_eq!(get(&stand, "unit:hefei", &path).await.as_array().map(Vec::len), Some(1), "{path}");
    }
    let foreign = get(&stand, "view", "/api/v1/sessions?account=fuyang").await[0]["id"].to_string();
    let ask =
        |path: String| async move { call(stand.gateway.admin, &token("unit:hefei"), "GET", &path, "").await.status };
    assert_eq!(ask("/api/v1/accounts/fuyang".to_owned()).await, 403);
    assert_eq!(ask("/api/v1/accounts/fuyang/usage".to_owned()).await, 403);
    assert_eq!(ask(format!("/api/v1/sessions/{foreign}")).await, 404);
}

#[tokio::test]
async fn refusals_and_faults_are_told_without_numbers_and_texts() {
    let stand = stand().await;
    let mut esme = stand.bind("hefei").await;
    let to = subscriber("wuhu", 3);
    assert_eq!(esme.submit(&good(&to)).await.expect("answered").status, 0x0B);
    let refusals = get(&stand, "view", "/api/v1/refusals?account=hefei&reason=other_city&since=1h").await;
    assert_eq!(
        (&refusals[0]["reason"], &refusals[0]["code"], &refusals[0]["verb"]),
        (&"other_city".into(), &11.into(), &"submit_sm".into())
    );
    assert_eq!(refusals[0]["to"], format!("{}****{}", &to[..3], &to[7..]));
    assert_eq!(get(&stand, "view", "/api/v1/refusals?reason=quota").await, json!([]));
    let mut broken = good(&to).submit_sm(78);
    broken.push(0x77);
    let length = broken.len() as u32;
    broken[..4].copy_from_slice(&length.to_be_bytes());
    assert_ne!(esme.request(78, &broken).await.expect("answered").status, 0);
    let faults = get(&stand, "view", "/api/v1/errors").await;
    assert_eq!(
        (&faults[0]["account"], &faults[0]["kind"], &faults[0]["length"]),
        (&"hefei".into(), &"Tlvs".into(), &length.into())
    );
    for told in [refusals.to_string(), faults.to_string()] {
        assert!(!told.contains(&to) && !told.contains("合肥"), "{told}");
        let digits = to.bytes().map(|octet| hex(&[octet])).collect::<Vec<_>>().join(" ");
        assert!(!told.contains(&digits), "{told}");
    }
}

#[tokio::test]
async fn a_flood_of_refusals_is_kept_in_part_and_counted_whole() {
    let stand = stand().await;
    let mut esme = stand.bind("hefei").await;
    for _ in 0..60 {
        assert_ne!(esme.submit(&SubmitSpec::new("62021", &hefei(1), "没有落款")).await.expect("answered").status, 0);
    }
    let kept = get(&stand, "view", "/api/v1/refusals?limit=1000").await.as_array().map(Vec::len);
    assert_eq!(kept, Some(20), "the clock of the stand stands");
    assert_eq!(get(&stand, "view", "/api/v1/status").await["totals"]["refused"], 60);
}

#[tokio::test]
async fn explain_says_what_the_wire_would_say() {
    let stand = stand().await;
    let ask = |body: Value, role: &'static str| {
        let address = stand.gateway.admin;
        async move { call(address, &token(role), "POST", "/api/v1/explain", &body.to_string()).await }
    };
    let question = json!({ "account": "hefei", "from": "62021", "to": hefei(1), "text": GOOD });
    let told = ask(question.clone(), "unit:hefei").await.json();
    assert_eq!((&told["verdict"], &told["account"]), (&"permit".into(), &"hefei".into()));
    let mut foreign = question.clone();
    foreign["to"] = subscriber("wuhu", 1).into();
    foreign["at"] = "2026-11-24T12:30:00+08:00".into();
    let told = ask(foreign, "view").await.json();
    assert_eq!((&told["reason"], &told["code"], &told["also"]), (&"other_city".into(), &11.into(), &json!(["busy"])));
    let hex = smsluice::domain::hex(&good(&hefei(1)).submit_sm(5));
    assert_eq!(ask(json!({ "account": "hefei", "pdu_hex": hex }), "view").await.json()["verdict"], "permit");
    let (one, two) = (hefei(1), subscriber("wuhu", 1));
    let hex = smsluice::domain::hex(&SubmitSpec::new("62021", "", GOOD).submit_multi(&[&one, &two], 6));
    let told = ask(json!({ "account": "hefei", "pdu_hex": hex }), "view").await.json();
    assert_eq!((&told["verdict"], &told["further"][0]["reason"]), (&"permit".into(), &"other_city".into()));
    for (body, status) in [
        (json!({ "account": "hefei" }), 422),
        (json!({ "account": "hefei", "pdu_hex": "00" }), 422),
        (json!({ "account": "hefei", "pdu_hex": "0g" }), 422),
        (json!({ "account": "hefei", "from": "x".repeat(30), "to": "1", "text": "" }), 422),
        (json!({ "account": "hefei", "from": "1", "to": "1", "text": "", "at": "now" }), 422),
        (json!({ "account": "nobody", "from": "1", "to": "1", "text": "" }), 404),
        (json!({ "account": "hefei", "to": 13_855_100_001_u64 }), 422),
    ] {
        let reply = ask(body.clone(), "view").await;
        assert_eq!(reply.status, status, "{body}: {}", reply.body);
        assert!(!reply.body.contains("13855100001"), "{}", reply.body);
    }
    assert_eq!(stand.smsc.stats().submissions(), 0);
}

#[tokio::test]
async fn a_kicked_session_is_unbound_and_the_act_is_on_record() {
    let stand = stand().await;
    let mut esme = stand.bind("hefei").await;
    let id = get(&stand, "view", "/api/v1/sessions").await[0]["id"].to_string();
    let kick = |role: &'static str, body: &'static str| {
        let (address, path) = (stand.gateway.admin, format!("/api/v1/sessions/{id}"));
        async move { call(address, &token(role), "DELETE", &path, body).await }
    };
    assert_eq!(kick("operate", "{}").await.status, 422, "an act needs a reason");
    assert_eq!(kick("operate", r#"{"reason": "  "}"#).await.status, 422);
    let reply = kick("operate", r#"{"reason": "口令泄露,来电 13855100001"}"#).await;
    assert_eq!((reply.status, &reply.json()["recorded"]), (200, &true.into()), "{}", reply.body);
    let mut commands = Vec::new();
    while let Ok(pdu) = esme.next_pdu().await {
        commands.push(u32::from_be_bytes([pdu[4], pdu[5], pdu[6], pdu[7]]));
    }
    assert_eq!(commands, [0x06], "an unbind, then the end");
    for _ in 0..500 {
        if stand.gateway.gateway().bound() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(stand.metric(r#"smsluice_session_closes_total{cause="kick",side="gateway"}"#), 1);
    assert_eq!(kick("operate", r#"{"reason": "again"}"#).await.status, 404);
    let acts = get(&stand, "audit", "/api/v1/audit?action=session.kick").await;
    let results: Vec<_> = acts.as_array().expect("a list").iter().map(|act| act["result"].clone()).collect();
    assert_eq!(results, ["done", "asked"], "newest first");
    let act = &acts[0];
    assert_eq!((&act["who"], &act["role"], &act["target"]), (&"test.3".into(), &"operate".into(), &id.into()));
    assert_eq!((&act["before"]["bound"], &act["after"]["bound"]), (&true.into(), &false.into()));
    assert_eq!(act["reason"], "口令泄露,来电 138****0001");
    let verified = get(&stand, "audit", "/api/v1/audit:verify").await;
    assert_eq!((&verified["ok"], &verified["lines"], &verified["head"]), (&true.into(), &2.into(), &act["hash"]));
    assert_eq!(stand.metric(r#"smsluice_audit_events_total{action="session.kick"}"#), 2);
    spoil(&stand.ledger_folder().join("acts.jsonl"));
    let verified = get(&stand, "audit", "/api/v1/audit:verify").await;
    assert_eq!((&verified["ok"], &verified["broken_at"]), (&false.into(), &1.into()));
}

/// Changes one word of a file in place.
fn spoil(path: &Path) {
    let text = std::fs::read_to_string(path).expect("read");
    std::fs::write(path, text.replacen("operate", "0perate", 1)).expect("written");
}

#[tokio::test]
async fn a_request_of_one_key_is_done_once() {
    let stand = stand().await;
    let ask = |key: &'static str, body: String| {
        let address = stand.gateway.admin;
        async move {
            let bearer = format!("Bearer {}", token("view"));
            let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key)];
            raw(address, request("POST", "/api/v1/explain", &headers, &body).as_bytes()).await
        }
    };
    let question =
        |at: &str| json!({ "account": "hefei", "from": "62021", "to": hefei(1), "text": GOOD, "at": at }).to_string();
    let body = question("2026-11-24T09:30:00+08:00");
    let first = ask("k-1", body.clone()).await;
    stand.at("2026-11-24T23:30:00+08:00");
    assert_eq!((first.status, ask("k-1", body.clone()).await.body), (200, first.body));
    assert_eq!(ask("k-1", question("2026-11-24T10:30:00+08:00")).await.status, 422);
    assert_eq!(ask("k-2", question("2026-11-24T10:30:00+08:00")).await.status, 200);
    assert_eq!(ask("a key", body).await.status, 400);
}

#[tokio::test]
async fn another_web_site_and_another_name_are_refused() {
    let stand = stand().await;
    let bearer = format!("Bearer {}", token("admin"));
    let ask = |headers: Vec<(&'static str, &'static str)>, path: &'static str| {
        let (address, bearer) = (stand.gateway.admin, bearer.clone());
        async move {
            let mut all = vec![("Authorization", bearer.as_str())];
            all.extend(headers);
            raw(address, request("PUT", path, &all, r#"{"spec":"debug","for_s":1,"reason":"x"}"#).as_bytes())
                .await
                .status
        }
    };
    let path = "/api/v1/log-level";
    for (headers, expected) in [
        (vec![], 409), // let in; the log of a test is not the gateway's own
        (vec![("Host", "gateway.example:9775")], 409),
        (vec![("Host", "evil.example")], 403),
        (vec![("Host", "evil.example:9775")], 403),
        (vec![("Origin", "http://evil.example")], 403),
        (vec![("Origin", "null")], 403),
        (vec![("Origin", "http://127.0.0.1")], 409),
        (vec![("Sec-Fetch-Site", "cross-site")], 403),
        (vec![("Sec-Fetch-Site", "same-origin")], 409),
        (vec![("Content-Type", "application/x-www-form-urlencoded")], 415),
        (vec![("Content-Type", "text/plain")], 415),
        (vec![("Content-Type", "multipart/form-data; boundary=x")], 415),
        (vec![("Content-Type", "application/json; charset=utf-8")], 409),
        (vec![("Authorization", "Bearer token-view")], 401),
    ] {
        assert_eq!(ask(headers.clone(), path).await, expected, "{headers:?}");
    }
    for query in ["token=x", "access_token=token-admin", "a=1&Token=x"] {
        let reply = call(stand.gateway.admin, "", "GET", &format!("/api/v1/status?{query}"), "").await;
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.body.contains("token_in_url") && !reply.body.contains("token-admin"), "{}", reply.body);
    }
    // A preflight is not answered, so that no browser sends what follows it.
    let preflight =
        request("OPTIONS", path, &[("Origin", "http://evil.example"), ("Access-Control-Request-Method", "PUT")], "");
    let reply = raw(stand.gateway.admin, preflight.as_bytes()).await;
    assert!(reply.status == 405 && !reply.head.contains("access-control-allow"), "{}", reply.head);
}

#[tokio::test]
async fn nothing_is_changed_by_a_get() {
    let stand = stand().await;
    let _esme = stand.bind("hefei").await;
    for route in ROUTES.iter().filter(|route| route.id != "streamEvents") {
        let mut path = path(route.path);
        if route.path == "/api/v1/sessions/{id}" {
            path = format!("/api/v1/sessions/{}", get(&stand, "view", "/api/v1/sessions").await[0]["id"]);
        }
        let reply = call(stand.gateway.admin, &token("admin"), "GET", &path, "").await;
        let known = ROUTES.iter().any(|other| other.path == route.path && other.method == Method::Get);
        assert_eq!(reply.status == 405, !known, "{route:?}: {}", reply.status);
    }
    assert_eq!(get(&stand, "audit", "/api/v1/audit").await, json!([]), "no act is on record");
    assert_eq!(stand.gateway.gateway().bound(), 1);
}

#[tokio::test]
async fn no_input_makes_a_fault_of_the_gateway() {
    let stand = stand().await;
    let address = stand.gateway.admin;
    let bearer = format!("Bearer {}", token("admin"));
    let deep = "[".repeat(20_000);
    let long = format!("{{\"account\":\"{}\"}}", "a".repeat(70_000));
    let bodies = [
        "",
        "{",
        "null",
        "[]",
        "\"\"",
        "1e999",
        "{\"account\":1}",
        "{\"account\":\"\\ud800\"}",
        &deep,
        &long,
        "\0\u{1}",
    ];
    for route in ROUTES.iter().filter(|route| route.body.is_some()) {
        for body in bodies {
            let reply = call(address, &token("admin"), route.method.word(), &path(route.path), body).await;
            assert!((400..500).contains(&reply.status), "{route:?} {}: {}", &body[..body.len().min(20)], reply.status);
            assert!(route.statuses().contains(&reply.status), "{route:?}: {} is undocumented", reply.status);
        }
    }
    for target in [
        "/api/v1/accounts/%00",
        "/api/v1/accounts/%ff%fe",
        "/api/v1/accounts/..%2f..%2fetc%2fpasswd",
        "/api/v1/accounts/",
        "/api/v1/sessions/-1",
        "/api/v1/sessions/99999999999999999999999",
        "/api/v1/refusals?limit=0",
        "/api/v1/refusals?limit=1001",
        "/api/v1/refusals?limit=1&limit=2",
        "/api/v1/refusals?since=1w",
        "/api/v1/refusals?since=99999999999999999999s",
        "/api/v1/refusals?reason=none",
        "/api/v1/refusals?%ff=1",
        "/api/v1/refusals?unknown=1",
        "/api/v1/audit?limit=abc",
        "/api/v2/status",
        "/api/v1/%2e%2e/status",
    ] {
        let reply = call(address, &token("admin"), "GET", target, "").await;
        assert!((400..500).contains(&reply.status), "{target}: {}", reply.status);
    }
    let many = "X-Filler: x\r\n".repeat(200);
    for octets in [
        &b"\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"\0\0\0\x10\0\0\0\x15\0\0\0\0\0\0\0\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        format!("GET /api/v1/status HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes(),
        format!("GET /{} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "a".repeat(70_000)).as_bytes(),
        format!("PUT /api/v1/log-level HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {bearer}\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\nConnection: close\r\n\r\n{}", "x".repeat(70_000)).as_bytes(),
        format!("POST /api/v1/explain HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {bearer}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: close\r\n\r\nZZ\r\n").as_bytes(),
        b"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \xff\xfe\r\nConnection: close\r\n\r\n",
    ] {
        let reply = raw(address, octets).await;
        assert!(reply.status < 500, "{}: {}", String::from_utf8_lossy(&octets[..octets.len().min(40)]), reply.status);
    }
    assert_eq!(call(address, "", "GET", "/livez", "").await.status, 200, "it is still there");
    assert!(!stand.gateway.gateway().metrics().render().contains("evil"), "nothing of the wire becomes a label");
}
