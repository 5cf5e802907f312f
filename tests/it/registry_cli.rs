//! The verbs of the registry against a gateway in a process of its own.

use smsluice::registry::csv;

use crate::cli::{Served, code, said};

const FORM: &[&str] = &[
    "--contact",
    "张三",
    "--telephone",
    "0551-62620001",
    "--target",
    "在网两年以上的客户",
    "--from",
    "2026-11-28T09:00",
    "--until",
    "2026-11-28T11:00",
    "--in-knowledge-base",
    "--content",
    "尊敬的{姓名},语音信箱业务已开通。安徽移动 询1860",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_goes_its_way_on_the_command_line() {
    let served = Served::start().await;
    let new = [&["campaign", "new", "--unit", "hefei", "--category", "voice"], FORM].concat();
    assert_eq!(said(&served.run(&new)), "campaign 1 is draft\n");
    assert_eq!(said(&served.run(&["campaign", "edit", "1", "--remarks", "=1+1"])), "campaign 1 is draft\n");
    assert_eq!(code(&served.run(&["campaign", "approve", "1"])), Some(6), "not before it is submitted");
    said(&served.run(&["campaign", "submit", "1", "--leader", "李四"]));
    let refused = served.run(&["campaign", "approve", "1", "--name", "赵六"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        code(&refused) == Some(6) && told.contains("the opinion of marketing is missing (clause 5.1.1, F11)"),
        "{told}"
    );
    said(&served.run(&["campaign", "review", "1", "--department", "marketing", "--name", "王五", "--opinion", "同意"]));
    let approved =
        ["campaign", "approve", "1", "--name", "赵六", "--from", "2026-11-28T09:30", "--until", "2026-11-28T10:30"];
    let told = said(&served.run(&approved));
    assert!(told.starts_with("campaign 1 is approved, to be sent from 2026-11-28T09:30:00"), "{told}");
    let shown = served.json(&["campaign", "show", "1"]);
    assert_eq!((&shown["department"]["name"], &shown["group_data"]["name"]), (&"王五".into(), &"赵六".into()));
    assert_eq!((&shown["form"]["city"], &shown["steps"][4]["act"]), (&"hefei".into(), &"approve".into()), "{shown}");
    assert!(said(&served.run(&["campaign", "ls", "--state", "approved"])).contains("hefei"));
    assert_eq!(code(&served.run(&["campaign", "show", "2"])), Some(5));
    assert_eq!(code(&served.over_tcp("viewer", &["campaign", "close", "1"])), Some(4), "who only sees");

    let file = served.path("campaigns.csv").display().to_string();
    said(&served.run(&["campaign", "export", "--out", &file]));
    let text = std::fs::read_to_string(&file).expect("written");
    assert!(text.starts_with(csv::BOM) && text.contains(",'=1+1,"), "{text}");
    assert_eq!(said(&served.run(&["campaign", "import", &file])), "1 drafts, 2 to 2\n");
    let copy = served.json(&["campaign", "show", "2"]);
    assert_eq!((&copy["state"], &copy["form"]), (&"draft".into(), &shown["form"]));
    std::fs::write(&file, text.replace(",voice,", ",noise,")).expect("written");
    let refused = served.run(&["campaign", "import", &file]);
    assert!(code(&refused) == Some(7) && String::from_utf8_lossy(&refused.stderr).contains("line 2, category"));
    let many = (0..600).map(|row| format!("hefei,{row},您好{row}。移动\n")).collect::<Vec<_>>().concat();
    std::fs::write(&file, format!("unit,remarks,content\n{many}")).expect("written");
    assert_eq!(said(&served.run(&["campaign", "import", &file])), "600 drafts, 3 to 602\n");
    assert_eq!(served.json(&["campaign", "ls", "--limit", "1000"]).as_array().map(Vec::len), Some(602));
    assert_eq!(said(&served.run(&["campaign", "close", "1"])), "campaign 1 is closed\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_names_the_campaign_or_the_nearest_one() {
    let served = Served::start().await;
    let accounts = served.path("accounts.toml");
    let held = std::fs::read_to_string(&accounts).expect("read").replace("modes = { content = \"off\" }\n", "");
    std::fs::write(&accounts, held).expect("written");
    let new = [&["campaign", "new", "--unit", "province", "--category", "voice"], FORM].concat();
    said(&served.run(&new));
    said(&served.run(&["campaign", "submit", "1", "--leader", "李四"]));
    said(&served.run(&["campaign", "approve", "1"]));
    let explain = |text: &str| {
        let args = ["--account", "province", "--from", "12581", "--to", "13855100001", "--text", text];
        let at = ["explain", "--at", "2026-11-28T09:30:00+08:00", "--now", "2026-11-24T09:30:00+08:00"];
        said(&served.run(&[&at[..], &args[..]].concat()))
    };
    let told = explain("尊敬的王先生,语音信箱业务已开通。安徽移动 询1860");
    assert!(
        told.starts_with("verdict   permit") && told.contains("campaign 1, approved, to be sent from 2026-11-28T09:00"),
        "{told}"
    );
    assert!(told.contains("version 1, registry 3"), "{told}");
    let told = explain("尊敬的王先生,彩铃业务已开通。安徽移动 询1860");
    assert!(
        told.contains("refuse not_approved") && told.contains("nearest is campaign 1, up to character 7"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_opt_out_on_the_command_line() {
    let served = Served::start().await;
    let told = said(&served.run(&["optout", "add", "13855100001", "--reason", "by telephone"]));
    assert_eq!(told, "1 of 1 changed the list; it has 1 and is NOT in force: set optout.scope\n");
    let file = served.path("refused.csv").display().to_string();
    std::fs::write(&file, "number,note\n13855100001,x\n+8613855100002,y\n").expect("written");
    let told = said(&served.run(&["optout", "import", &file, "--account", "hefei", "--reason", "list of November"]));
    assert!(told.starts_with("2 of 2 changed the list; it has 3"), "{told}");
    let listed = said(&served.run(&["optout", "ls"]));
    assert!(listed.contains("138****0001") && !listed.contains("13855100001"), "{listed}");
    assert_eq!(served.json(&["optout", "ls", "--of", "13855100001"]).as_array().map(Vec::len), Some(2));
    said(&served.run(&["optout", "remove", "13855100001", "--reason", "consents again"]));
    assert_eq!(served.json(&["optout", "count"])["entries"], 2);
    assert_eq!(code(&served.run(&["optout", "add", "123", "--reason", "x"])), Some(2));
    std::fs::write(&file, "13855100001\n1385\n").expect("written");
    assert_eq!(code(&served.run(&["optout", "import", &file, "--reason", "x"])), Some(7));
}
