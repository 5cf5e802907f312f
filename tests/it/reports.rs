//! A report says what the SMSC's own journal says, and what the counters say, to the unit; through a kill as well.
//!
//! `SMSLUICE_MESSAGES=1000000 cargo test --release --test it reports::a_report` is the long run.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use smsluice::domain::Clock;
use smsluice::report::{Figures, Report};
use smsluice::sim::esme::Esme;
use smsluice::sim::journal::{Direction, Entry};
use smsluice::sim::smsc::{Behaviour, Latency, Receipts, Smsc, SmscSettings};
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::bind::BindType;
use smsluice::smpp::command;

use crate::gateway::{Gateway, Site};
use crate::stand::{GOOD, OPEN, Stand, good, hefei, moment, subscriber, until};

const DAY: &str = "2026-11-24";
/// Who sends, where to, with what text, and whether receipts are asked for.
const CAST: [(&str, &str, &str, bool); 3] = [
    ("hefei", "hefei", GOOD, true),
    ("hefei2", "hefei", GOOD, false),
    ("fuyang", "fuyang", "阜阳移动新营业厅开业,欢迎光临。阜阳移动 询0558-1860", true),
];
/// Messages that are in memory at a time.
const CHUNK: u64 = 2000;

/// What the SMSC saw of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    taken: u64,
    accepted: u64,
    rejected: u64,
    silent: u64,
    delivered: u64,
    failed: u64,
}

/// The n-th message of a sender: most are good, some repeat one, some a rule refuses.
fn message(index: u64, n: u64) -> SubmitSpec {
    let (_, city, text, receipt) = CAST[index as usize];
    let own = |n: u64| subscriber(city, 3 * n + index);
    let other = if city == "hefei" { "fuyang" } else { "hefei" };
    let spec = match n % 20 {
        5 => SubmitSpec::new("62021", &own(n - 1), text),
        10 => SubmitSpec::new("62021", &own(n), "没有落款"),
        15 => SubmitSpec::new("62021", &subscriber(other, n), text),
        _ => SubmitSpec::new("62021", &own(n), text),
    };
    SubmitSpec { registered_delivery: u8::from(receipt), ..spec }
}

/// Sends a part of a sender's messages, and takes its receipts.
async fn play(smpp: std::net::SocketAddr, index: u64, part: std::ops::Range<u64>) {
    let (account, ..) = CAST[index as usize];
    let mut esme = Esme::connect(smpp, BindType::Transceiver, account, "secret", 0x34).await.expect("bound");
    esme.set_patience(Duration::from_secs(15));
    let mut n = part.start;
    while n < part.end {
        let end = part.end.min(n + CHUNK);
        let specs: Vec<_> = (n..end).map(|n| message(index, n)).collect();
        esme.submit_many(&specs, 100).await.expect("all are answered");
        n = end;
    }
    esme.set_patience(Duration::from_secs(1));
    while esme.delivery().await.is_ok() {}
}

async fn smsc(journal: &Path) -> Smsc {
    let behaviour = Behaviour {
        latency: Latency { from: Duration::ZERO, to: Duration::from_millis(2) },
        errors: vec![(0x14, 0.02), (0x0B, 0.02)],
        receipts: Some(Receipts {
            delay: Latency { from: Duration::ZERO, to: Duration::from_millis(20) },
            undelivered: 0.1,
        }),
        ..Behaviour::default()
    };
    let (clock, journal) = (Clock::starting_at(moment(OPEN)), Some(journal.to_owned()));
    Smsc::bind(SmscSettings { clock, journal, behaviour, ..SmscSettings::default() }).await.expect("it listens")
}

/// What the journal of an SMSC tells, by account.
fn seen(journal: &Path) -> BTreeMap<String, Seen> {
    let mut by_account = BTreeMap::<String, Seen>::new();
    let (mut whose, mut open) = (BTreeMap::new(), HashSet::new());
    let file = std::fs::File::open(journal).expect("a journal");
    for line in BufReader::new(file).lines() {
        let Entry { connection, direction, octets, .. } = line.expect("read").parse().expect("an entry");
        let word = |at: usize| u32::from_be_bytes(octets[at..at + 4].try_into().expect("four"));
        let (id, status, sequence) = (word(4), word(8), word(12));
        match (direction, id) {
            (Direction::In, command::BIND_TRANSCEIVER) => {
                let name = octets[16..].split(|octet| *octet == 0).next().expect("a name");
                whose.insert(connection, String::from_utf8_lossy(name).into_owned());
            }
            (Direction::In, command::SUBMIT_SM) => {
                let own = by_account.entry(whose[&connection].clone()).or_default();
                (own.taken, own.silent) = (own.taken + 1, own.silent + 1);
                open.insert((connection, sequence));
            }
            (Direction::Out, command::SUBMIT_SM_RESP) if open.remove(&(connection, sequence)) => {
                let own = by_account.entry(whose[&connection].clone()).or_default();
                own.silent -= 1;
                *if status == 0 { &mut own.accepted } else { &mut own.rejected } += 1;
            }
            (Direction::Out, command::DELIVER_SM) => {
                let own = by_account.entry(whose[&connection].clone()).or_default();
                let has = |word: &[u8]| octets.windows(word.len()).any(|octets| octets == word);
                *if has(b"stat:DELIVRD") { &mut own.delivered } else { &mut own.failed } += 1;
            }
            _ => {}
        }
    }
    by_account
}

/// The same of a report.
fn told(figures: &Figures) -> Seen {
    assert!(figures.add_up(), "{figures:?}");
    Seen {
        taken: figures.forwarded,
        accepted: figures.accepted,
        rejected: figures.rejected,
        silent: figures.unknown + figures.waiting,
        delivered: figures.delivered,
        failed: figures.failed,
    }
}

/// What the command line prints.
fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_smsluice")).arg("report").args(arguments).output().expect("it runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn report(arguments: &[&str]) -> Report {
    serde_json::from_str(&printed(&[&["day", DAY, "--json"], arguments].concat())).expect("a report")
}

/// The counters of a family by account and one more label, added to those of before.
async fn counted(gateway: &Gateway, sums: &mut BTreeMap<String, u64>) {
    let (_, page) = gateway.page("/metrics").await;
    for line in page.lines().filter(|line| line.starts_with("smsluice_messages_")) {
        let (series, value) = line.rsplit_once(' ').expect("a sample");
        *sums.entry(series.to_owned()).or_default() += value.parse::<u64>().expect("a whole number");
    }
}

/// Submitted, refused by each reason, accepted, rejected, unknown: the report's and the counters'.
fn assert_counted(report: &Report, sums: &BTreeMap<String, u64>) {
    for sum in &report.accounts {
        let (account, figures) = (&sum.of, &sum.figures);
        let counter = |family: &str, label: &str| {
            let start = format!("smsluice_messages_{family}_total{{account=\"{account}\",");
            let wanted = sums.iter().filter(|(series, _)| series.starts_with(&start) && series.contains(label));
            wanted.map(|(_, value)| value).sum::<u64>()
        };
        assert_eq!(figures.submitted, counter("received", ""), "{account}");
        assert_eq!(figures.forwarded, counter("forwarded", ""), "{account}");
        assert_eq!(figures.refused, counter("refused", ""), "{account}");
        for one in &figures.refused_by {
            assert_eq!(one.count, counter("refused", &format!("reason=\"{}\"", one.reason)), "{account} {one:?}");
        }
        assert_eq!(figures.accepted, counter("settled", "outcome=\"accepted\""), "{account}");
        assert_eq!(figures.rejected, counter("settled", "outcome=\"rejected\""), "{account}");
        assert_eq!(figures.unknown, counter("settled", "outcome=\"unknown\""), "{account}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_says_what_the_smscs_journal_and_the_counters_say_through_a_kill() {
    let messages: u64 = std::env::var("SMSLUICE_MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(3000);
    let each = messages.div_ceil(CAST.len() as u64);
    let folder = tempfile::tempdir().expect("a folder");
    let journal: PathBuf = folder.path().join("smsc.journal");
    let smsc = smsc(&journal).await;
    let site = Site::new("[mode]\nspread = \"off\"\nquota = \"off\"\n", smsc.local_addr(), "process");
    let mut sums = BTreeMap::new();
    let mut told_by = Vec::new();
    for part in [0..each / 2, each / 2..each] {
        let gateway = site.run().await;
        let senders: Vec<_> =
            (0..CAST.len() as u64).map(|index| tokio::spawn(play(gateway.smpp, index, part.clone()))).collect();
        for sender in senders {
            sender.await.expect("no panic");
        }
        // Some are never answered; their senders leave before the patience of the gateway is over.
        smsc.change(|behaviour| behaviour.silent = 1.0);
        let (account, ..) = CAST[0];
        let mut esme =
            Esme::connect(gateway.smpp, BindType::Transceiver, account, "secret", 0x34).await.expect("bound");
        let silent: Vec<u8> =
            (0..7).flat_map(|n| good(&hefei(3 * (each + part.end + n))).submit_sm(n as u32 + 1)).collect();
        let before = smsc.stats().submissions();
        esme.send_raw(&silent).await.expect("sent");
        until("the SMSC has them", || smsc.stats().submissions() == before + 7).await;
        drop(esme);
        smsc.change(|behaviour| behaviour.silent = 0.0);
        until("the SMSC's sessions have ended", || smsc.stats().connections_open == 0).await;
        // What waits for no commit is in the next one, a tenth of a second later at most.
        tokio::time::sleep(Duration::from_secs(1)).await;
        counted(&gateway, &mut sums).await;
        let socket = format!("unix:{}", site.ledger().join("admin.sock").display());
        told_by.push(report(&["--endpoint", &socket, "--timeout", "10m"]));
        gateway.kill();
    }
    let ledger = site.ledger();
    told_by.push(report(&["--ledger", ledger.to_str().expect("UTF-8")]));
    let (running, at_rest) = (&told_by[1], &told_by[2]);
    assert_eq!(running.lines, at_rest.lines, "at work and at rest");
    let smscs = seen(&journal);
    assert_eq!(smscs.len(), CAST.len());
    for sum in &at_rest.accounts {
        assert_eq!(told(&sum.figures), smscs[&sum.of], "{}", sum.of);
        println!("{}: {:?} of {}", sum.of, smscs[&sum.of], sum.figures.submitted);
    }
    assert_counted(at_rest, &sums);
    assert_eq!(at_rest.total.submitted, each * CAST.len() as u64 + 14);
    let hefei = &at_rest.accounts[1].figures;
    assert!(hefei.delivered_of_accepted.is_some_and(|rate| (0.85..0.95).contains(&rate)), "{hefei:?}");
    let silent = &at_rest.accounts[2];
    assert_eq!((&*silent.of, silent.figures.delivered_of_accepted), ("hefei2", None), "unknown, not zero");
    let reasons: Vec<&str> = at_rest.total.refused_by.iter().map(|one| &*one.reason).collect();
    assert_eq!(reasons, ["other_city", "no_signature", "duplicate"]);
}

#[tokio::test]
async fn a_report_is_told_as_json_csv_and_a_page() {
    let stand = Stand::with_policy("[mode]\nspread = \"off\"\n").await;
    let mut esme = stand.bind("hefei").await;
    let specs: Vec<_> = (0..60).map(|n| good(&format!("1385510{n:04}"))).collect();
    let answers = esme.submit_many(&specs, 60).await.expect("answered");
    assert!(answers.iter().all(|answer| answer.status == 0));
    assert_ne!(esme.submit(&good("13855100001")).await.expect("answered").status, 0);
    let socket = stand.gateway.admin_socket.clone().expect("a socket");
    let get = |query: &'static str| {
        let (socket, path) = (socket.clone(), format!("/api/v1/reports{query}"));
        async move { crate::http::local(&socket, "GET", &path, "").await }
    };
    let mut steps = Vec::new();
    for _ in 0..500 {
        let reply = get("?from=2026-11-23&to=2026-11-24").await;
        assert!(reply.head.contains("application/x-ndjson"), "{}", reply.head);
        let lines = reply.body.lines().filter(|line| line.starts_with('{'));
        steps = lines.map(|line| serde_json::from_str::<Value>(line).expect("JSON")).collect();
        if steps[2]["report"]["total"]["accepted"] == 60 && steps[2]["report"]["total"]["refused"] == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((&steps[0]["done"], &steps[1]["done"]), (&"2026-11-23".into(), &DAY.into()));
    let report = &steps[2]["report"];
    let total = &report["total"];
    assert_eq!(
        (&total["submitted"], &total["accepted"], &total["refused"]),
        (&61.into(), &60.into(), &1.into()),
        "{total}"
    );
    assert_eq!(total["refused_by"], serde_json::json!([{ "reason": "duplicate", "clause": "7.1a", "count": 1 }]));
    assert_eq!((&report["runs"][0]["numbers"], &report["runs"][0]["segment"]), (&60.into(), &1_385_510.into()));
    let share = &report["campaigns"][0]["share"];
    assert_eq!((&share["cities"][0]["city"], &share["cities"][0]["touched"]), (&"hefei".into(), &1.into()), "{share}");
    assert!(!report.to_string().contains("13855100001"), "no number");
    let csv = get("?format=csv").await;
    assert!(csv.head.contains("text/csv") && csv.body.contains("拒绝 duplicate(7.1a)"), "{}", csv.body);
    assert!(csv.body.contains("2026-11-24,hefei,hefei,city_moa,,61,1,60,60,0"), "{}", csv.body);
    let page = get("?format=page").await;
    assert!(page.head.contains("text/html") && page.body.contains("短信群发情况汇总表"));
    for wrong in
        ["?from=x", "?from=2026-11-24&to=2026-11-23", "?from=2020-01-01&to=2026-11-24", "?format=pdf", "?campaign=0"]
    {
        assert_eq!(get(wrong).await.status, 422, "{wrong}");
    }
    let (endpoint, files) = (format!("unix:{}", socket.display()), tempfile::tempdir().expect("a folder"));
    let [csv, html] = ["r.csv", "r.html"].map(|name| files.path().join(name).display().to_string());
    let run = tokio::task::spawn_blocking(move || {
        let words = printed(&["day", DAY, "--endpoint", &endpoint, "--csv", &csv, "--html", &html, "--lang", "zh"]);
        (words, std::fs::read(csv).expect("written"), std::fs::read_to_string(html).expect("written"))
    });
    let (words, csv, html) = run.await.expect("no panic");
    assert!(words.contains("连续号码") && words.contains("duplicate") && words.contains("未知"), "{words}");
    assert!(csv.starts_with(b"\xEF\xBB\xBF") && html.contains("1385510"));
}

#[tokio::test]
async fn a_campaigns_form_is_filled_in_with_what_was_sent_for_it() {
    use crate::admin::token;
    use crate::registry::{TEXT, approved, stand};

    let stand = stand("").await;
    let number = approved(&stand, "province", TEXT).await;
    let mut esme = stand.bind("province").await;
    for n in 0..5 {
        let spec = SubmitSpec::new("12581", &hefei(n), TEXT);
        assert_eq!(esme.submit(&spec).await.expect("answered").status, 0);
    }
    let spec = SubmitSpec::new("12581", &hefei(1), TEXT);
    assert_ne!(esme.submit(&spec).await.expect("answered").status, 0, "a second one");
    let other = SubmitSpec::new("12581", &hefei(9), "彩铃业务已全省开通。安徽移动 询1860");
    assert_ne!(esme.submit(&other).await.expect("answered").status, 0, "another text is none of it");
    let get = |role: &'static str, path: String| {
        let admin = stand.gateway.admin;
        async move { crate::http::call(admin, &token(role), "GET", &path, "").await }
    };
    let form = format!("/api/v1/campaigns/{number}/form");
    let mut page = String::new();
    for _ in 0..500 {
        let reply = get("view", form.clone()).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        page = reply.body;
        if page.contains("5 条\n") && page.contains("duplicate(7.1a)1") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for part in [
        "5 条\n2026-11-24 09:30:00 至 2026-11-24 09:30:00",
        "送达/接收 0/5 = 未知;接收/提交 5/6 = 83.33%",
        "未知(送达/接收)",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(page.contains("在网两年以上的客户") && page.contains("李四") && !page.contains("62620001"), "{page}");
    assert_eq!(get("applicant:hefei", form).await.status, 404, "another unit's");
    assert_eq!(get("view", "/api/v1/campaigns/999/form".to_owned()).await.status, 404);
    let steps = get("records", format!("/api/v1/reports?campaign={number}")).await.body;
    let last = steps.lines().rfind(|line| line.starts_with("{\"report\"")).expect("a report");
    let report = &serde_json::from_str::<Value>(last).expect("JSON")["report"];
    assert_eq!(report["campaigns"][0]["of"], format!("#{number}"));
    assert_eq!((&report["total"]["submitted"], &report["total"]["accepted"]), (&6.into(), &5.into()));
    let registered = &report["registered"][0];
    assert_eq!((&registered["unit"], &registered["general_send"]), (&"province".into(), &false.into()));
    assert_eq!(report["late_reviews"], serde_json::json!([]));
}

#[tokio::test]
async fn late_reviews_and_what_operators_have_released_are_listed_at_work_and_at_rest() {
    use crate::admin::{token, with_tokens};
    use crate::registry::{TEXT, approve, form, submitted};
    use crate::stand::Setup;

    let change = |plan: &mut smsluice::app::Plan| {
        with_tokens(plan);
        plan.proxy.response_timeout = Duration::from_millis(300);
    };
    let stand =
        Stand::new(Setup { policy: "[registry]\nlead_days = 0\n".to_owned(), change, ..Setup::default() }).await;
    let post = async |role: &str, path: &str, body: Value| {
        crate::http::call(stand.gateway.admin, &token(role), "POST", path, &body.to_string()).await
    };
    // Handed in on a Tuesday: one is approved on the Wednesday, one on the Thursday, one waits still.
    let mut form = form("hefei", TEXT);
    form["requested"]["until"] = "2026-11-30T11:00:00+08:00".into();
    let mut numbers = Vec::new();
    for _ in 0..3 {
        numbers.push(submitted(&stand, "hefei", form.clone()).await);
    }
    let mut esme = stand.bind("hefei").await;
    stand.smsc.change(|behaviour| behaviour.silent = 1.0);
    esme.send_raw(&good(&hefei(1)).submit_sm(1)).await.expect("sent");
    until("the SMSC has it", || stand.smsc.stats().received.contains_key("submit_sm")).await;
    stand.advance(Duration::from_millis(500));
    esme.next_pdu().await.expect("an answer in the SMSC's stead");
    let unknown = stand.gateway.gateway().ledger().unknown_outcomes().await.expect("listed");
    let body = serde_json::json!({ "row": unknown[0].id, "reason": "the SMSC has no such message" });
    assert_eq!(post("ledger", "/api/v1/ledger:release", body).await.status, 200);
    stand.at("2026-11-25T23:59:59+08:00");
    approve(&stand, numbers[0]).await;
    stand.at("2026-11-26T09:00:00+08:00");
    approve(&stand, numbers[1]).await;

    let query = "/api/v1/reports?from=2026-11-24&to=2026-11-26";
    let get =
        async |query: &str| crate::http::call(stand.gateway.admin, &token("records"), "GET", query, "").await.body;
    let steps = get(query).await;
    let last = steps.lines().rfind(|line| line.starts_with("{\"report\"")).expect("a report");
    let report: Value = serde_json::from_str(last).expect("JSON");
    let late = report["report"]["late_reviews"].as_array().expect("a list").clone();
    assert_eq!(late.iter().map(|own| own["number"].as_u64()).collect::<Vec<_>>(), [Some(numbers[1]), Some(numbers[2])]);
    assert_eq!((&late[0]["unit"], &late[0]["due"]), (&"hefei".into(), &"2026-11-25".into()));
    assert_eq!((&late[0]["reviewed"], &late[1]["reviewed"]), (&"2026-11-26T09:00:00+08:00".into(), &Value::Null));
    let released = report["report"]["releases"].as_array().expect("a list").clone();
    assert_eq!((released.len(), &released[0]["row"]), (1, &unknown[0].id.to_string().into()));
    assert_eq!(released[0]["reason"], "the SMSC has no such message");
    assert_eq!(report["report"]["total"]["released"], 1);
    let page = get(&format!("{query}&format=page")).await;
    assert!(page.contains("2026-11-26T09:00:00") || page.contains("2026-11-26 09:00:00"), "{page}");
    assert!(page.contains("the SMSC has no such message"), "{page}");
    let others = get("/api/v1/reports?from=2026-11-25&to=2026-11-26").await;
    assert!(others.contains("\"late_reviews\":[]") && others.contains("\"releases\":[]"), "{others}");

    // A folder that no gateway has open tells the same, as a copy of it does.
    let (rest, copy) = (stand.ledger_folder(), tempfile::tempdir().expect("a folder"));
    let config = stand.config_folder().display().to_string();
    stand.gateway.stop().await;
    for entry in std::fs::read_dir(&rest).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_file() {
            std::fs::copy(&entry, copy.path().join(entry.file_name().expect("a name"))).expect("copied");
        }
    }
    for (folder, config) in [(&*rest, Some(&config)), (copy.path(), None)] {
        let folder = folder.display().to_string();
        let mut words = vec!["day", DAY, "--json", "--ledger", &folder];
        words.extend(config.iter().flat_map(|config| ["--config", config]));
        let report: Value = serde_json::from_str(&printed(&words)).expect("a report");
        assert!(report["late_reviews"].as_array().is_some_and(|own| own.contains(&late[0])), "{report}");
        assert_eq!(report["releases"], Value::from(released.clone()));
        words[2] = "--plain";
        let told = printed(&words);
        assert!(told.contains("the SMSC has no such message") && told.contains("2026-11-25"), "{told}");
    }
}
