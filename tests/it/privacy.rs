//! No number, no text and no password in anything that leaves the gateway beside the messages themselves (P14).
//!
//! A gateway in a process of its own carries every kind of traffic at every log level, in both formats; then its log, its
//! metrics and the answers of its operations listener are searched, and what `check` and `explain` say about what is wrong.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use smsluice::admin::api::ROUTES;
use smsluice::sim::esme::Esme;
use smsluice::sim::smsc::{Smsc, SmscSettings};
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::bind::BindType;

use crate::stand::{GOOD, OPEN, good, hefei, subscriber, write_config};

const PASSWORD: &str = "S3cr-t9z";
const WRONG_PASSWORD: &str = "Wr0ng-8q";
const TEXT: &str = "独一无二的秘密正文";
/// In configuration folders that cannot be used.
const NUMBERS_AT_FAULT: [&str; 2] = ["13912345678", "15098765432"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_number_text_or_password_is_in_a_log_a_metric_or_an_error() {
    for (level, format) in [("trace", "json"), ("debug", "text"), ("info", "json"), ("warn", "text"), ("error", "json")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        write_config(folder.path(), "", &[]);
        let smsc = Smsc::bind(SmscSettings::default()).await.expect("the SMSC listens");
        smsc.change(|behaviour| {
            let known = ["hefei", "market"].map(|id| (id.to_owned(), PASSWORD.to_owned()));
            behaviour.passwords = Some(known.into());
        });
        let gateway = Gateway::start(folder.path(), smsc.local_addr(), level, format);
        let socket = folder.path().join("data/admin.sock");
        let events = tokio::spawn(listen(socket.clone()));
        traffic(gateway.smpp, &smsc).await;
        let asked = tokio::task::spawn_blocking({
            let folder = folder.path().to_owned();
            move || verbs(&folder)
        });
        let (answers, verbs) = (every_route(&socket).await, asked.await.expect("no panic"));
        gateway.spoil(folder.path());
        let mut said = String::new();
        for path in ["/metrics", "/readyz", "/livez", &format!("/{}?q={}", hefei(1), PASSWORD), "/api/v1/status"] {
            said.push_str(&gateway.get(path));
        }
        let log = gateway.stop();
        assert!(level == "warn" || level == "error" || log.contains("bind_accepted"), "{level}: the log is empty");
        assert!(log.contains("reload_failed"), "{level}: no reload was tried: {log}");
        search(&format!("the log at {level}"), &log);
        search("an answer of operations", &said);
        search("an answer of the API", &answers);
        search("a verb's output", &verbs);
        let events = events.await.expect("no panic");
        assert!(events.contains("message_refused"), "the stream ends with the gateway: {events}");
        search("the stream of events", &events);
        search("the record of acts", &std::fs::read_to_string(folder.path().join("data/acts.jsonl")).expect("written"));
    }
}

#[test]
fn check_and_explain_repeat_no_number_text_or_password() {
    let folder = tempfile::tempdir().expect("a folder");
    write_config(folder.path(), "", &[]);
    let config = folder.path().display().to_string();
    let run = |args: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_smsluice")).args(args).output().expect("runs");
        String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
    };
    let number = hefei(1);
    let explain = |to: &str, account: &str| {
        run(&[
            "explain",
            "--now",
            OPEN,
            "--config",
            &config,
            "--account",
            account,
            "--from",
            "62021",
            "--to",
            to,
            "--text",
            TEXT,
        ])
    };
    search("explain", &explain(&number, "hefei"));
    search("explain", &explain(&number, "nobody"));
    search("explain", &explain(&format!("{number}{number}"), "hefei"));
    search("explain", &run(&["explain", "--config", &config, "--account", "hefei", "--pdu", &number]));
    spoil(folder.path());
    let checked = run(&["check", "--now", OPEN, "--config", &config]);
    assert!(checked.contains("not usable"), "{checked}");
    search("check", &checked);
}

/// The stream of events until the gateway ends it.
async fn listen(socket: PathBuf) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::UnixStream::connect(socket).await.expect("connected");
    let request = crate::http::request("GET", "/api/v1/events", &[], "");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut events = Vec::new();
    let _ = stream.read_to_end(&mut events).await;
    String::from_utf8_lossy(&events).into_owned()
}

/// What every route answers: asked as it should be, with numbers where none belong, and with what it cannot read.
async fn every_route(socket: &Path) -> String {
    let (number, mut answers) = (hefei(1), String::new());
    let bodies = [
        String::from("{}"),
        format!("{{\"number\":\"{number}\",\"{number}\":\"{TEXT}\"}}"),
        format!("{{\"number\":\"{number}\"}}"),
        format!("{{\"reason\":\"for {number}\",\"row\":{number},\"name\":\"{number}\",\"spec\":\"{number}\"}}"),
        format!("{{\"reason\":\"for {number}\",\"scope\":{{\"kind\":\"account\",\"id\":\"{number}\"}}}}"),
        format!("{{\"reason\":\"for {number}\",\"scope\":{{\"kind\":\"{number}\"}}}}"),
        format!("{{\"reason\":\"for {number}\",\"scope\":{{\"kind\":\"account\",\"id\":\"fuyang\"}},\"for_s\":60}}"),
        format!("{{\"reason\":\"for {number}\",\"before\":\"{number}\"}}"),
        format!(
            "{{\"account\":\"hefei\",\"from\":\"62021\",\"to\":\"{number}\",\"text\":\"{TEXT}\",\"at\":\"{OPEN}\"}}"
        ),
        format!("{{\"account\":\"hefei\",\"pdu_hex\":\"{number}\"}}"),
        format!("{{\"account\":\"{number}\",\"from\":\"{number}\",\"to\":\"{TEXT}\",\"text\":\"{number}\"}}"),
        format!("{{\"to\": {TEXT}"),
    ];
    for route in ROUTES.iter().filter(|route| !matches!(route.id, "streamEvents" | "beginDrain" | "reloadPolicy")) {
        let method = route.method.word();
        for id in ["hefei", "1", &number, &format!("account:{number}")] {
            let path = route.path.replace("{id}", id);
            let asked = route.body.map_or(&[] as &[String], |_| &bodies);
            for body in asked.iter().map(String::as_str).chain([""]) {
                answers.push_str(&crate::http::local(socket, method, &path, body).await.body);
            }
            for query in [
                format!("account={number}&scope={number}"),
                format!("cursor={number}&since={number}"),
                format!("{number}={PASSWORD}"),
            ] {
                answers.push_str(&crate::http::local(socket, method, &format!("{path}?{query}"), "").await.body);
            }
            if id == route.path || !route.path.contains("{id}") {
                break; // there is nothing to put in
            }
        }
    }
    answers
}

/// What every verb prints, in words and as JSON.
fn verbs(folder: &Path) -> String {
    let number = hefei(1);
    let verbs: [&[&str]; 26] = [
        &["status"],
        &["top", "--rounds", "1", "--every", "1s"],
        &["accounts", "ls"],
        &["accounts", "show", &number],
        &["usage", "--account", "hefei"],
        &["sessions", "ls", "--account", &number],
        &["sessions", "kick", "9999", "--reason", &number],
        &["pause", &format!("account:{number}"), "--reason", &number],
        &["pause", &number, "--reason", "x"],
        &["resume", &number, "--reason", &number],
        &["holds", "ls"],
        &["scheduled", "all", "--csv"],
        &["scheduled", &number],
        &["ledger", "lookup", &number],
        &["ledger", "lookup", &format!("{number}x")],
        &["ledger", "unknown"],
        &["ledger", "release", &number, "--reason", &number],
        &["refusals", "--limit", "1000"],
        &["errors"],
        &["audit"],
        &["policy", "show"],
        &["policy", "versions"],
        &["reload", "--dry-run"],
        &["metrics", "ls"],
        &["report", "day"],
        &["report", "campaign", "7"],
    ];
    let mut said = String::new();
    for (verb, json) in verbs.iter().flat_map(|verb| [(verb, false), (verb, true)]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smsluice"));
        command.args(*verb).arg("--config").arg(folder).arg("-v");
        let done = command.args(json.then_some("--json").filter(|_| !verb.contains(&"--csv"))).output().expect("runs");
        for text in [done.stdout, done.stderr] {
            // What was typed on the command line is no secret to whoever typed it, and clap repeats it.
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(!text.starts_with("error: unexpected argument"), "{verb:?}: {text}");
            said.push_str(&text);
        }
    }
    assert!(said.contains("other_city") && said.contains("hold.place"), "the verbs have found something: {said}");
    said
}

/// Everything a sender can do right or wrong.
async fn traffic(smpp: SocketAddr, smsc: &Smsc) {
    let connect =
        |id: &'static str, password: &'static str| Esme::connect(smpp, BindType::Transceiver, id, password, 0x34);
    assert!(connect("hefei", WRONG_PASSWORD).await.is_err());
    assert!(connect("nobody", PASSWORD).await.is_err());
    assert!(connect(WRONG_PASSWORD, PASSWORD).await.is_err());
    let mut esme = connect("hefei", PASSWORD).await.expect("bound");
    assert_eq!(esme.submit(&good(&hefei(1)).with_receipt()).await.expect("answered").status, 0);
    let mut refused = vec![
        good(&hefei(1)),
        good(&subscriber("wuhu", 1)),
        SubmitSpec::new("62021", &hefei(2), TEXT),
        SubmitSpec::new(&hefei(3), &hefei(4), GOOD),
        good(&format!("{}x", hefei(5))),
    ];
    refused.push(good(&hefei(6)).at("261124113000032+")); // the busy hours
    for spec in &refused {
        assert_ne!(esme.submit(spec).await.expect("answered").status, 0);
    }
    let multi = SubmitSpec::new("62021", "", TEXT).submit_multi(&[&hefei(7), &subscriber("wuhu", 2)], 90);
    assert_ne!(esme.request(90, &multi).await.expect("answered").status, 0);
    smsc.change(|behaviour| behaviour.errors = vec![(0x0B, 1.0)]);
    assert_eq!(esme.submit(&good(&hefei(8))).await.expect("answered").status, 0x0B);
    smsc.change(|behaviour| behaviour.errors.clear());
    let mut cut = good(&hefei(9)).submit_sm(91);
    let short = cut.len() - 7;
    cut.truncate(short);
    let short = short as u32;
    cut[..4].copy_from_slice(&short.to_be_bytes());
    let _ = esme.request(91, &cut).await;
    let mut second = connect("market", PASSWORD).await.expect("bound");
    let mut whole = SubmitSpec::new("10086", &hefei(10), TEXT).submit_sm(92);
    whole[..4].copy_from_slice(&[0xFF; 4]); // out of step, with a number and a text behind it
    let _ = second.send_raw(&whole).await;
    let _ = second.next_pdu().await;
    esme.unbind().await.expect("unbound");
}

/// Mistakes beside numbers and in them.
fn spoil(folder: &Path) {
    let accounts = std::fs::read_to_string(folder.join("accounts.toml")).expect("written");
    let numbers =
        format!("contact_numbers = [\"{}x\"]\ndaily_users = \"{}\"", NUMBERS_AT_FAULT[0], NUMBERS_AT_FAULT[1]);
    let accounts = accounts.replace("contact_numbers = [\"13800138000\"]", &numbers);
    std::fs::write(folder.join("accounts.toml"), accounts).expect("written");
}

/// Whether anything that nobody may read is in a text.
fn search(what: &str, text: &str) {
    let mut secrets: Vec<String> = (1..=10).map(hefei).collect();
    secrets.extend((1..=2).map(|n| subscriber("wuhu", n)));
    secrets.extend([PASSWORD, WRONG_PASSWORD, TEXT, GOOD].map(str::to_owned));
    secrets.extend(NUMBERS_AT_FAULT.map(str::to_owned));
    let octets = |text: &str| {
        text.encode_utf16().flat_map(u16::to_be_bytes).fold(String::new(), |mut hex, octet| {
            let _ = std::fmt::Write::write_fmt(&mut hex, format_args!("{octet:02x}"));
            hex
        })
    };
    secrets.extend([octets(TEXT), octets(GOOD)]);
    let lower = text.to_lowercase();
    for secret in secrets {
        let at = lower.find(&secret.to_lowercase());
        let around = at.map(|at| lower[..at].lines().last().unwrap_or_default().to_owned());
        assert!(at.is_none(), "{what} holds `{secret}` behind {around:?}");
    }
}

/// A gateway in a process of its own, with its log in a file.
struct Gateway {
    child: Child,
    smpp: SocketAddr,
    admin: SocketAddr,
    log: tempfile::NamedTempFile,
}

impl Gateway {
    fn start(folder: &Path, smsc: SocketAddr, level: &str, format: &str) -> Self {
        let log = tempfile::NamedTempFile::new().expect("a file");
        let (smpp, admin) = (free_port(), free_port());
        let child = Command::new(env!("CARGO_BIN_EXE_smsluice"))
            .args(["serve", "--clock-start", OPEN, "--allow-test-clock", "--config"])
            .arg(folder)
            .env("SMSLUICE__LISTEN__SMPP", smpp.to_string())
            .env("SMSLUICE__ADMIN__LISTEN", admin.to_string())
            .env("SMSLUICE__SMSC__ADDRESS", smsc.to_string())
            .env("SMSLUICE__LOG__LEVEL", level)
            .env("SMSLUICE__LOG__FORMAT", format)
            .stderr(log.reopen().expect("opened"))
            .stdout(Stdio::null())
            .spawn()
            .expect("the gateway starts");
        let mut gateway = Self { child, smpp, admin, log };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(smpp).is_err() {
            assert!(gateway.child.try_wait().expect("waited").is_none(), "ended by itself: {}", gateway.said());
            assert!(Instant::now() < deadline, "the gateway does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        gateway
    }

    /// Spoils the folder and has it read again.
    fn spoil(&self, folder: &Path) {
        spoil(folder);
        self.signal("-HUP");
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.said().contains("reload_failed") && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).expect("listening");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        answer
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }

    /// Stops it as a service manager would; returns its log.
    fn stop(mut self) -> String {
        self.signal("-TERM");
        assert!(self.child.wait().expect("waited").success());
        self.said()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("bound")
}
