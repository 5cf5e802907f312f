//! `dedup.categories` on the wire: what is approved for a category that does not count neither takes the day's slot nor
//! is stopped by it; everything else of it is held to every rule.

use serde_json::json;
use smsluice::sim::esme::Esme;
use smsluice::sim::submit::SubmitSpec;

use crate::admin::{token, with_tokens};
use crate::crash::journaling_smsc;
use crate::gateway::{Gateway, Site};
use crate::history::{DUPLICATE, QUOTA, policy};
use crate::http::call;
use crate::registry::{HELD, TEXT, approved, approved_as};
use crate::shared::{self, Server, Time, command, said};
use crate::stand::{GOOD, Setup, Stand, hefei, verdict};

const SERVICE: &str = "您的{业务}已生效。安徽移动 询1860";
const MARKETING_COUNTS: &str = "[dedup]\ncategories = [\"new_business\", \"voice\", \"integrated_campaign\"]\n";
/// What a city's account sends: approved as new business, which does not count here.
const VOICE_COUNTS: &str = "[registry]\nlead_days = 0\n[dedup]\ncategories = [\"voice\"]\n";

async fn told(stand: &Stand, esme: &mut Esme, to: &str, text: &str) -> String {
    verdict(stand, esme, "province", &SubmitSpec::new("12581", to, text)).await.0
}

#[tokio::test]
async fn service_information_takes_no_slot_and_is_stopped_by_none() {
    let stand = crate::registry::stand(MARKETING_COUNTS).await;
    approved(&stand, "province", TEXT).await;
    let number = approved_as(&stand, "province", SERVICE, "service").await;
    let (both, served) = (hefei(1), hefei(2));
    let service = SERVICE.replace("{业务}", "套餐");
    let mut esme = stand.bind("province").await;
    for text in [&service, &service, TEXT, &service] {
        assert_eq!(told(&stand, &mut esme, &both, text).await, "pass", "{text}");
    }
    assert_eq!(told(&stand, &mut esme, &both, TEXT).await, "duplicate");
    assert_eq!(told(&stand, &mut esme, &served, &service).await, "pass", "the same again to another");
    let multi = SubmitSpec::new("12581", "", &service).submit_multi(&[&both, &served, &hefei(3)], 900);
    assert_eq!(esme.request(900, &multi).await.expect("answered").status, 0);
    let question = |text: &str| json!({ "account": "province", "from": "12581", "to": both, "text": text });
    let once = async |text: &str| {
        let asked = call(stand.gateway.admin, &token("view"), "POST", "/api/v1/explain", &question(text).to_string())
            .await
            .json();
        let rule = asked["rules"].as_array().expect("rules").iter().find(|line| line["rule"] == "once").cloned();
        (asked["campaign"].clone(), rule.expect("told"))
    };
    let (campaign, line) = once(&service).await;
    assert_eq!((&campaign, &line["result"]), (&number.into(), &"pass".into()));
    assert!(line["detail"]["english"].as_str().is_some_and(|told| told.contains("of category service")), "{line}");
    assert_eq!(once(TEXT).await.1["result"], "at_sending");

    let stand = stand.restart().await;
    let mut esme = stand.bind("province").await;
    for (to, text, expected) in [
        (&both, &*service, "pass"),
        (&both, TEXT, "duplicate"),
        (&served, &*service, "pass"),
        (&served, TEXT, "pass"),
        (&served, TEXT, "duplicate"),
    ] {
        assert_eq!(told(&stand, &mut esme, to, text).await, expected, "{text}");
    }
    let path = stand.config_folder().join("policy.toml");
    let all = std::fs::read_to_string(&path).expect("read").replace(MARKETING_COUNTS, "");
    std::fs::write(&path, all).expect("written");
    stand.gateway.reloader().reload("test", "all of it counts again").await.expect("reloaded");
    assert_eq!(told(&stand, &mut esme, &both, &service).await, "duplicate");
    assert_eq!(told(&stand, &mut esme, &hefei(3), &service).await, "pass", "it had taken nothing");
    assert_eq!(told(&stand, &mut esme, &hefei(3), &service).await, "duplicate");
    stand.assert_conserved();
}

#[tokio::test]
async fn a_subscriber_is_counted_once_for_the_quota_whatever_comes() {
    let policy = format!("{VOICE_COUNTS}[quota]\nusers = 2\n");
    let stand = Stand::new(Setup { policy, change: with_tokens, ..Setup::default() }).await;
    approved(&stand, "hefei", GOOD).await;
    let own = GOOD.replace("欢迎光临", "恭候光临");
    let mut esme = stand.bind("hefei").await;
    for (to, text, expected) in [
        (1, GOOD, "pass"),
        (1, GOOD, "pass"),
        (2, &*own, "pass"),
        (2, GOOD, "pass"),
        (2, &own, "duplicate"),
        (3, GOOD, "quota"),
        (3, &own, "quota"),
        (1, &own, "pass"), // nobody has approved it: it counts, and its subscriber is counted already
        (1, &own, "duplicate"),
    ] {
        let spec = SubmitSpec::new("62021", &hefei(to), text);
        assert_eq!(verdict(&stand, &mut esme, "hefei", &spec).await.0, expected, "{to} {text}");
    }
    let metrics = call(stand.gateway.admin, &token("view"), "GET", "/metrics", "").await.body;
    assert!(metrics.contains("smsluice_quota_used_recipients{account=\"hefei\"} 2\n"), "{metrics}");
    stand.assert_conserved();
}

#[tokio::test]
async fn what_replaces_a_message_that_took_no_slot_takes_one_if_it_counts() {
    let policy = format!("[registry]\nlead_days = 0\n{MARKETING_COUNTS}[replace]\nmode = \"check\"\n");
    let setup = Setup { policy, accounts: vec![HELD], change: with_tokens, ..Setup::default() };
    let stand = Stand::new(setup).await;
    approved(&stand, "province", TEXT).await;
    approved_as(&stand, "province", SERVICE, "service").await;
    let service = SERVICE.replace("{业务}", "套餐");
    let mut esme = stand.bind("province").await;
    let mut sent = async |text: &str, to: &str| {
        let answer = esme.submit(&SubmitSpec::new("12581", to, text)).await.expect("answered");
        (answer.status, answer.message_id)
    };
    let (full, free) = (hefei(1), hefei(2));
    assert_eq!(sent(TEXT, &full).await.0, 0);
    let (first, second) = (sent(&service, &full).await.1, sent(&service, &free).await.1);
    let replaced = async |id: &str, text: &str| {
        let mut other = stand.bind("province").await;
        let frame = SubmitSpec::new("12581", "", text).replace_sm(id, 7);
        other.request(7, &frame).await.expect("answered").status
    };
    assert_eq!(replaced(&first, &service).await, 0, "still service");
    assert_eq!(replaced(&first, TEXT).await, 0x45, "the day's message has been sent");
    assert_eq!(replaced(&second, TEXT).await, 0);
    assert_eq!(sent(TEXT, &free).await.0, 0x45, "it has the slot now");
    assert_eq!(replaced(&second, TEXT).await, 0, "and needs no other");
    assert_eq!(replaced(&second, &service).await, 0, "what has been sent is not unsent");
    assert_eq!(sent(TEXT, &free).await.0, 0x45);
    stand.assert_conserved();
}

/// Registers and approves a text of the unit hefei on a gateway in a process of its own.
fn approve(site: &Site, text: &str) {
    let new = [
        ["campaign", "new", "--unit", "hefei", "--category", "new_business", "--contact", "张三"],
        [
            "--telephone",
            "0551-62620001",
            "--target",
            "老客户",
            "--from",
            "2026-11-24T09:00",
            "--until",
            "2026-11-24T21:00",
        ],
    ]
    .concat();
    said(&command(site, &[&new[..], &["--in-knowledge-base", "--content", text]].concat()));
    said(&command(site, &["campaign", "submit", "1", "--leader", "李四"]));
    said(&command(site, &["campaign", "approve", "1", "--name", "赵六"]));
}

async fn status(esme: &mut Esme, to: u64, text: &str) -> u32 {
    shared::status(esme, &SubmitSpec::new("62021", &hefei(to), text)).await
}

#[tokio::test]
async fn a_kill_leaves_the_slots_of_what_counts_and_no_others() {
    let smsc = journaling_smsc(21).await;
    let site = Site::new(&policy(2, VOICE_COUNTS), smsc.local_addr(), "process");
    let own = GOOD.replace("欢迎光临", "恭候光临");
    let bind = async |gateway: &Gateway| shared::bind(gateway, "hefei").await;
    let gateway = site.run().await;
    approve(&site, GOOD);
    let mut esme = bind(&gateway).await;
    for (to, text) in [(1, GOOD), (1, GOOD), (2, &*own), (2, GOOD)] {
        assert_eq!(status(&mut esme, to, text).await, 0);
    }
    gateway.kill();
    let gateway = site.run().await;
    let mut esme = bind(&gateway).await;
    for (to, text, expected) in
        [(1, GOOD, 0), (2, GOOD, 0), (2, &*own, DUPLICATE), (3, GOOD, QUOTA), (1, &own, 0), (1, &own, DUPLICATE)]
    {
        assert_eq!(status(&mut esme, to, text).await, expected, "{to} {text}");
    }
}

#[tokio::test]
async fn two_gateways_on_one_ledger_agree_on_what_counts() {
    let (server, smsc, time) = (Server::start(), journaling_smsc(22).await, Time::open());
    let policy = policy(2, VOICE_COUNTS);
    let [mut a, mut b] = [0; 2].map(|_| shared::site(&policy, smsc.local_addr(), &server.url()));
    let gateways = (shared::run(&mut a, time).await, shared::run(&mut b, time).await);
    approve(&a, GOOD);
    approve(&b, GOOD);
    let own = GOOD.replace("欢迎光临", "恭候光临");
    let mut one = shared::bind(&gateways.0, "hefei").await;
    let mut two = shared::bind(&gateways.1, "hefei").await;
    assert_eq!(status(&mut one, 1, GOOD).await, 0);
    assert_eq!(status(&mut two, 1, GOOD).await, 0);
    assert_eq!(status(&mut two, 1, &own).await, 0, "neither had taken the slot");
    assert_eq!(status(&mut one, 1, &own).await, DUPLICATE);
    assert_eq!(status(&mut one, 1, GOOD).await, 0);
    assert_eq!(status(&mut one, 2, &own).await, 0);
    assert_eq!(status(&mut two, 2, GOOD).await, 0);
    assert_eq!(status(&mut two, 3, GOOD).await, QUOTA, "two subscribers, however many messages");
}
