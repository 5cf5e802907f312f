//! The registry on the wire: what is not approved is not sent, and an approval or its end is in force when it is answered.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use smsluice::sim::submit::SubmitSpec;

use crate::admin::{token, with_tokens};
use crate::http::{Reply, call};
use crate::stand::{Setup, Stand, hefei, subscriber, verdict};

pub(crate) const TEXT: &str = "语音信箱业务已全省开通。安徽移动 询1860";

/// A stand on which 1258 is held to the registry, and a campaign may be sent on the day that it is applied for.
pub(crate) async fn stand(policy: &str) -> Stand {
    let policy = format!("[registry]\nlead_days = 0\n{policy}");
    Stand::new(Setup { policy, accounts: vec![HELD], change: with_tokens, ..Setup::default() }).await
}

/// Takes away what spares 1258 the registry in other tests.
pub(crate) const HELD: (&str, &str) = ("modes = { content = \"off\" }\n", "");

/// A form that lacks nothing, for the stand's day.
pub(crate) fn form(unit: &str, text: &str) -> Value {
    json!({
        "unit": unit, "category": "new_business", "contact": "张三", "telephone": "0551-62620001",
        "target": "在网两年以上的客户", "content": text, "in_knowledge_base": true,
        "requested": { "from": "2026-11-24T09:00:00+08:00", "until": "2026-11-24T11:00:00+08:00" },
    })
}

async fn api(stand: &Stand, role: &str, method: &str, path: &str, body: &Value) -> Reply {
    call(stand.gateway.admin, &token(role), method, &format!("/api/v1/{path}"), &body.to_string()).await
}

async fn done(stand: &Stand, role: &str, path: &str, body: Value) -> Value {
    let reply = api(stand, role, "POST", path, &body).await;
    assert!(matches!(reply.status, 200 | 201), "{path}: {}", reply.body);
    reply.json()
}

/// An approved campaign's number.
pub(crate) async fn approved(stand: &Stand, unit: &str, text: &str) -> u64 {
    approved_as(stand, unit, text, "new_business").await
}

/// The same of a category that needs no other department's opinion.
pub(crate) async fn approved_as(stand: &Stand, unit: &str, text: &str, category: &str) -> u64 {
    let mut form = form(unit, text);
    form["category"] = category.into();
    let number = submitted(stand, unit, form).await;
    approve(stand, number).await;
    number
}

/// The number of an application that is handed in.
pub(crate) async fn submitted(stand: &Stand, unit: &str, form: Value) -> u64 {
    let applicant = format!("applicant:{unit}");
    let made = done(stand, &applicant, "campaigns", json!({ "form": form })).await;
    let number = made["number"].as_u64().expect("a number");
    done(stand, &applicant, &format!("campaigns/{number}/submit"), json!({ "name": "李四" })).await;
    number
}

/// Group Customer and Data approves it.
pub(crate) async fn approve(stand: &Stand, number: u64) {
    let answer = done(stand, "reviewer:group_data", &format!("campaigns/{number}/approve"), json!({})).await;
    assert_eq!((&answer["state"], &answer["recorded"]), (&"approved".into(), &true.into()));
}

#[tokio::test]
async fn what_is_not_approved_is_refused_and_every_change_is_in_force_at_once() {
    let stand = stand("").await;
    let mut esme = stand.bind("province").await;
    let mut next = 0;
    let mut told = async |text: &str| {
        next += 1;
        verdict(&stand, &mut esme, "province", &SubmitSpec::new("12581", &hefei(next), text)).await
    };
    let (reason, answer) = told(TEXT).await;
    assert_eq!((reason.as_str(), answer.status), ("not_approved", 0x45));

    let began = Instant::now();
    let number = approved(&stand, "province", TEXT).await;
    assert_eq!(told(TEXT).await.0, "pass");
    assert!(began.elapsed() < Duration::from_secs(20), "an approval took {:?}", began.elapsed());
    assert_eq!(told(TEXT).await.0, "pass", "again, as a message that comes again");
    assert_eq!(told(&TEXT.replace("全省", "全市")).await.0, "not_approved", "altered");
    assert_eq!(told(&format!("{TEXT} ")).await.0, "pass", "white space does not matter");
    approved(&stand, "hefei", "彩铃业务已全省开通。安徽移动 询1860").await;
    assert_eq!(told("彩铃业务已全省开通。安徽移动 询1860").await.0, "not_approved", "another unit's");
    approved(&stand, "province", "尊敬的{姓名},{业务}已开通。安徽移动 询1860").await;
    assert_eq!(told("尊敬的王先生,彩铃已开通。安徽移动 询1860").await.0, "pass");
    assert_eq!(told("尊敬的王先生,彩铃未开通。安徽移动 询1860").await.0, "not_approved");

    stand.at("2026-11-24T10:59:59+08:00");
    assert_eq!(told(TEXT).await.0, "pass");
    stand.at("2026-11-24T14:30:00+08:00");
    assert_eq!(told(TEXT).await.0, "campaign_time", "expired");
    stand.at("2026-11-24T10:00:00+08:00");
    assert_eq!(told(TEXT).await.0, "pass");
    stand.gateway.reloader().reload("test", "to see").await.expect("reloaded");
    assert_eq!(told(TEXT).await.0, "pass", "a configuration that is read anew forgets no approval");
    done(&stand, "reviewer:group_data", &format!("campaigns/{number}/reject"), json!({ "opinion": "内容不符" })).await;
    assert_eq!(told(TEXT).await.0, "not_approved", "withdrawn");
    stand.assert_conserved();
}

#[tokio::test]
async fn what_is_approved_outlives_the_process_and_every_act_is_on_record() {
    let stand = stand("").await;
    let number = approved(&stand, "province", TEXT).await;
    let shown =
        call(stand.gateway.admin, &token("view"), "GET", &format!("/api/v1/campaigns/{number}"), "").await.json();
    let acts: Vec<&str> =
        shown["steps"].as_array().expect("steps").iter().filter_map(|step| step["act"].as_str()).collect();
    assert_eq!(acts, ["new", "submit", "approve"]);
    assert_eq!((&shown["submitted"]["name"], &shown["form"]["telephone"]), (&"李四".into(), &"****-********".into()));
    let own = call(stand.gateway.admin, &token("applicant:province"), "GET", "/api/v1/campaigns", "").await.json();
    assert_eq!(own[0]["form"]["telephone"], "0551-62620001");
    let records =
        call(stand.gateway.admin, &token("audit"), "GET", "/api/v1/audit?action=campaign.approve", "").await.json();
    let of = |result: &str| {
        records.as_array().expect("acts").iter().find(|one| one["result"] == result).expect("recorded").clone()
    };
    assert_eq!(
        (&of("asked")["before"]["state"], &of("done")["after"]["state"]),
        (&"submitted".into(), &"approved".into())
    );
    assert!(!records.to_string().contains("语音信箱"), "no text in the record of acts");

    let stand = stand.restart().await;
    let mut esme = stand.bind("province").await;
    let found = verdict(&stand, &mut esme, "province", &SubmitSpec::new("12581", &hefei(1), TEXT)).await.0;
    assert_eq!(found, "pass");
}

#[tokio::test]
async fn a_step_is_for_whom_the_workflow_names() {
    let stand = stand("").await;
    let body = json!({ "form": form("hefei", TEXT) });
    assert_eq!(api(&stand, "applicant:province", "POST", "campaigns", &body).await.status, 403);
    let made = done(&stand, "applicant:hefei", "campaigns", body).await;
    let path = |verb: &str| format!("campaigns/{}/{verb}", made["number"]);
    let step = async |role: &str, verb: &str, body: Value| {
        let reply = api(&stand, role, "POST", &path(verb), &body).await;
        (reply.status, reply.json()["detail"].as_str().unwrap_or_default().to_owned())
    };
    let another = call(
        stand.gateway.admin,
        &token("applicant:province"),
        "GET",
        &format!("/api/v1/campaigns/{}", made["number"]),
        "",
    )
    .await;
    assert_eq!(another.status, 404, "another unit's application is none");
    assert_eq!(step("applicant:hefei", "submit", json!({})).await.0, 422, "unsigned");
    assert_eq!(step("applicant:hefei", "submit", json!({ "name": "李四", "revision": 7 })).await.0, 412);
    assert_eq!(step("applicant:hefei", "submit", json!({ "name": "李四" })).await.0, 200);
    let (status, detail) = step("applicant:hefei", "submit", json!({ "name": "李四" })).await;
    assert!(status == 409 && detail.contains("it is submitted"), "{detail}");
    let (status, detail) = step("reviewer:marketing", "approve", json!({})).await;
    assert!(status == 403 && detail.contains("only group_data"), "{detail}");
    let edit = json!({ "form": form("hefei", "别的") });
    let reply = api(&stand, "applicant:hefei", "PUT", &format!("campaigns/{}", made["number"]), &edit).await;
    assert!(reply.status == 409 && reply.body.contains("5.1.1"), "{}", reply.body);
    assert_eq!(step("reviewer:group_data", "approve", json!({})).await.0, 200);
    let edit = json!({ "form": form("hefei", "别的"), "withdraw": true });
    let reply = api(&stand, "applicant:hefei", "PUT", &format!("campaigns/{}", made["number"]), &edit).await;
    assert_eq!((reply.status, &reply.json()["state"]), (200, &"draft".into()));
    let bad = json!({ "form": { "unit": "hefei", "content": "{", "contact": "张三", "telephone": "1", "target": "x", "in_knowledge_base": true, "category": "voice" } });
    let made = done(&stand, "applicant:hefei", "campaigns", bad).await;
    let reply = api(
        &stand,
        "applicant:hefei",
        "POST",
        &format!("campaigns/{}/submit", made["number"]),
        &json!({ "name": "李四" }),
    )
    .await;
    assert_eq!((reply.status, &reply.json()["errors"][0]["path"]), (422, &"content".into()));
}

#[tokio::test]
async fn a_citys_campaign_on_1258_goes_to_that_city_only() {
    let stand = stand("unit = \"every\"\n").await;
    approved(&stand, "hefei", TEXT).await;
    let mut esme = stand.bind("province").await;
    let mut to =
        async |number: &str| verdict(&stand, &mut esme, "province", &SubmitSpec::new("12581", number, TEXT)).await.0;
    assert_eq!(to(&hefei(1)).await, "pass");
    assert_eq!(to(&subscriber("wuhu", 1)).await, "other_city");
    assert_eq!(to(&hefei(2)).await, "pass");
}

#[tokio::test]
async fn a_file_of_applications_comes_back_as_it_went() {
    let stand = stand("").await;
    let head =
        "unit,category,contact,telephone,target,requested_from,requested_until,content,remarks,in_knowledge_base";
    let rows = [
        "hefei,voice,张三,0551-1,客户,2026-11-24T09:00:00,2026-11-24T11:00:00,\"您好,{姓名}。移动\",'=1+1,yes",
        "hefei,,,,,,,,,",
    ];
    let file = format!("\u{feff}{head}\r\n{}\r\n", rows.join("\r\n"));
    let made = done(&stand, "applicant:hefei", "campaigns:import", json!({ "csv": file })).await;
    assert_eq!(made["numbers"], json!([1, 2]));
    let text = call(stand.gateway.admin, &token("admin"), "GET", "/api/v1/campaigns:export", "").await;
    assert!(text.status == 200 && text.head.contains("text/csv") && text.body.starts_with('\u{feff}'));
    let forms = smsluice::registry::csv::forms(&text.body).expect("read back");
    assert_eq!(
        (forms.len(), forms[0].1.remarks.as_str(), forms[0].1.content.as_str()),
        (2, "=1+1", "您好,{姓名}。移动")
    );
    assert!(text.body.contains("'=1+1"), "a spreadsheet sees no formula");
    let wrong = json!({ "csv": format!("{head}\n{}\nwuhu,,,,,,,,,\n", rows[1]) });
    let reply = api(&stand, "applicant:hefei", "POST", "campaigns:import", &wrong).await;
    assert_eq!(reply.status, 422, "{}", reply.body);
    let reply = api(&stand, "applicant:hefei", "POST", "campaigns:import", &json!({ "csv": "unit\nhefei\n\"" })).await;
    assert!(matches!(reply.status, 201 | 422));
    let left = call(stand.gateway.admin, &token("view"), "GET", "/api/v1/campaigns?unit=wuhu", "").await.json();
    assert_eq!(left, json!([]), "none of a file with a fault");
}

#[tokio::test]
async fn a_message_in_parts_is_held_to_the_registry_as_a_whole() {
    let stand = stand("unit = \"every\"\n[length]\nmultipart = \"group\"\n").await;
    approved(&stand, "hefei", TEXT).await;
    let mut esme = stand.bind("province").await;
    let (first, second) = TEXT.split_at("语音信箱业务".len());
    let mut part = async |to: &str, reference: u8, index: u8, text: &str| {
        let mut spec = SubmitSpec::new("12581", to, text);
        spec.esm_class |= 0x40;
        spec.short_message.splice(0..0, [5, 0, 3, reference, 2, index]);
        verdict(&stand, &mut esme, "province", &spec).await.0
    };
    assert_eq!(part(&hefei(1), 1, 1, first).await, "pass");
    assert_eq!(part(&hefei(1), 1, 2, second).await, "pass");
    assert_eq!(part(&hefei(2), 2, 2, second).await, "pass");
    assert_eq!(part(&hefei(2), 2, 1, "彩铃业务").await, "not_approved", "it would complete another text");
    assert_eq!(part(&hefei(2), 2, 1, first).await, "pass");
    let wuhu = subscriber("wuhu", 1);
    assert_eq!(part(&wuhu, 3, 1, first).await, "pass");
    assert_eq!(part(&wuhu, 3, 2, second).await, "other_city", "the whole is a campaign of Hefei");
}
