//! Who asked not to be sent to is not sent to: by the API, by a subscriber's own answer, after a restart.

use serde_json::{Value, json};
use smsluice::sim::esme::Esme;
use smsluice::sim::pdu::DeliverSpec;

use crate::admin::{token, with_tokens};
use crate::http::call;
use crate::stand::{Setup, Stand, good, hefei, until, verdict};

async fn stand(policy: &str) -> Stand {
    Stand::new(Setup { policy: policy.to_owned(), change: with_tokens, ..Setup::default() }).await
}

async fn changed(stand: &Stand, verb: &str, numbers: &[String], account: Option<&str>) -> Value {
    let body = json!({ "numbers": numbers, "account": account, "reason": "a test" }).to_string();
    let reply = call(stand.gateway.admin, &token("ledger"), "POST", &format!("/api/v1/optouts:{verb}"), &body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

async fn told(stand: &Stand, esme: &mut Esme, account: &str, to: &str) -> String {
    verdict(stand, esme, account, &good(to)).await.0
}

#[tokio::test]
async fn an_entry_is_in_force_when_it_is_answered_and_outlives_the_process() {
    let stand = stand("[optout]\nscope = \"all\"\n").await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(told(&stand, &mut esme, "hefei", &hefei(9)).await, "pass", "a message that is remembered");
    let answer = changed(&stand, "add", &[hefei(1), hefei(2), hefei(1)], None).await;
    assert_eq!((&answer["changed"], &answer["entries"], &answer["in_force"]), (&2.into(), &2.into(), &true.into()));
    assert_eq!(told(&stand, &mut esme, "hefei", &hefei(1)).await, "opted_out");
    changed(&stand, "add", &[hefei(3)], Some("hefei2")).await;
    assert_eq!(told(&stand, &mut esme, "hefei", &hefei(3)).await, "pass", "of another account only");
    changed(&stand, "remove", &[hefei(2)], None).await;
    assert_eq!(told(&stand, &mut esme, "hefei", &hefei(2)).await, "pass");
    let listed = call(stand.gateway.admin, &token("ledger"), "GET", "/api/v1/optouts", "").await;
    let entries = listed.json();
    assert_eq!((entries.as_array().map(Vec::len), &entries[1]["account"]), (Some(2), &"hefei2".into()));
    assert!(
        !listed.body.contains(&hefei(1)) && entries[0]["number"].as_str().is_some_and(|number| number.contains("****"))
    );
    let question = json!({ "number": hefei(1) }).to_string();
    let found = call(stand.gateway.admin, &token("ledger"), "POST", "/api/v1/optouts:lookup", &question).await.json();
    assert_eq!(found.as_array().map(Vec::len), Some(1));
    let records = call(stand.gateway.admin, &token("audit"), "GET", "/api/v1/audit?action=optout.add", "").await.body;
    assert!(records.contains("optout.add") && !records.contains(&hefei(1)[3..]), "{records}");

    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(told(&stand, &mut esme, "hefei", &hefei(1)).await, "opted_out");
}

#[tokio::test]
async fn who_answers_with_the_word_is_not_sent_to_any_more() {
    let stand = stand("[optout]\nscope = \"account\"\n").await;
    let (mut esme, mut other) = (stand.bind("hefei").await, stand.bind("hefei2").await);
    let before = stand.metric("smsluice_registry_generation");
    for (to, text) in [(1, "td"), (2, "退订 "), (3, "退订吗"), (4, "好")] {
        assert!(stand.smsc.deliver("hefei", DeliverSpec::message(&hefei(to), "62021", text)), "it has the session");
        let heard = esme.delivery().await.expect("passed on as it came");
        assert!(!heard.is_empty());
    }
    until("the answers are on disk", || stand.metric(r#"smsluice_optout_messages_total{result="kept"}"#) == 2).await;
    assert_eq!(told(&stand, &mut esme, "hefei", &hefei(1)).await, "opted_out");
    assert_eq!(told(&stand, &mut esme, "hefei", &hefei(2)).await, "opted_out");
    assert_eq!(told(&stand, &mut esme, "hefei", &hefei(3)).await, "pass");
    assert_eq!(told(&stand, &mut esme, "hefei", &hefei(4)).await, "pass");
    assert_eq!(told(&stand, &mut other, "hefei2", &hefei(1)).await, "pass", "it was the other account's number");
    assert_eq!(stand.metric("smsluice_registry_generation"), before, "no campaign has changed");
    assert_eq!(stand.metric("smsluice_optout_entries"), 2);
}

#[tokio::test]
async fn nothing_is_kept_of_answers_until_the_site_says_whom_they_bind() {
    let stand = stand("").await;
    let mut esme = stand.bind("hefei").await;
    assert!(stand.smsc.deliver("hefei", DeliverSpec::message(&hefei(1), "62021", "T")), "it has the session");
    esme.delivery().await.expect("passed on");
    assert_eq!(told(&stand, &mut esme, "hefei", &hefei(1)).await, "pass");
    assert_eq!(stand.metric("smsluice_optout_entries"), 0);
}
