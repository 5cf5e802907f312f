//! The command line against a gateway in a process of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use smsluice::sim::esme::Esme;
use smsluice::sim::smsc::{Smsc, SmscSettings};
use smsluice::smpp::bind::BindType;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::http::request;
use crate::stand::{OPEN, good, hefei, write_config};

const PROGRAM: &str = env!("CARGO_BIN_EXE_smsluice");

/// A gateway in a process of its own, its configuration and its SMSC.
pub(crate) struct Served {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) smpp: SocketAddr,
    admin: SocketAddr,
    _smsc: Smsc,
}

impl Served {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write_config(folder.path(), "", &[]);
        let smsc = Smsc::bind(SmscSettings::default()).await.expect("the SMSC listens");
        let (smpp, admin) = (free_port(), free_port());
        let settings = format!(
            "[listen]\nsmpp = \"{smpp}\"\n[smsc]\naddress = [\"{}\"]\n[ledger]\ndurability = \"process\"\n\
             [admin]\nlisten = \"{admin}\"\ntokens_file = \"tokens.toml\"\n[log]\nformat = \"json\"\n",
            smsc.local_addr()
        );
        std::fs::write(folder.path().join("smsluice.toml"), settings).expect("written");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file");
        let path = folder.path().display().to_string();
        for (role, name) in [("view", "viewer"), ("operate", "desk")] {
            let file = folder.path().join("tokens.toml").display().to_string();
            let made = run(&["token", "new", "--role", role, "--name", name, "--file", &file]);
            std::fs::write(folder.path().join(name), said(&made)).expect("written");
        }
        let child = Command::new(PROGRAM)
            .args(["serve", "--clock-start", OPEN, "--allow-test-clock", "--config", &path])
            .stderr(log)
            .spawn()
            .expect("the gateway starts");
        let mut served = Self { child, folder, smpp, admin, _smsc: smsc };
        served.wait_until_ready();
        served
    }

    fn wait_until_ready(&mut self) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            if self.run(&["health"]).status.success() {
                return;
            }
            assert!(self.child.try_wait().expect("waited").is_none(), "{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("not ready: {}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A verb on the local socket.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        run(&[args, &["--config", &self.folder.path().display().to_string()]].concat())
    }

    /// A verb over TCP with a token.
    pub(crate) fn over_tcp(&self, token: &str, args: &[&str]) -> Output {
        let (endpoint, token) = (format!("http://{}", self.admin), self.path(token).display().to_string());
        run(&[args, &["--endpoint", &endpoint, "--token-file", &token]].concat())
    }

    /// What a verb answers as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let text = said(&self.run(&[args, &["--json"]].concat()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(args)
        .env_remove("SMSLUICE_ENDPOINT")
        .env_remove("SMSLUICE_CONFIG")
        .env_remove("SMSLUICE_TOKEN_FILE")
        .env("LANG", "C")
        .env_remove("LC_ALL")
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

/// What a command that worked says.
pub(crate) fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

pub(crate) fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("bound")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_verbs_tell_what_the_gateway_knows() {
    let served = Served::start().await;
    let mut esme = Esme::connect(served.smpp, BindType::Transceiver, "hefei", "secret", 0x34).await.expect("bound");
    assert_eq!(esme.submit(&good(&hefei(1))).await.expect("answered").status, 0);
    assert_eq!(esme.submit(&good(&hefei(1))).await.expect("answered").status, 0x45);

    let status = said(&served.run(&["status"]));
    assert!(status.starts_with("state     ready\n") && status.contains("sessions  1 (tx 0, rx 0, trx 1)"), "{status}");
    assert!(said(&served.run(&["status", "--lang", "zh"])).starts_with("状态  就绪"));
    assert_eq!(served.json(&["status"])["sessions"]["trx"], 1);
    assert_eq!(served.json(&["accounts", "show", "hefei"])["today"]["used"], 1);
    assert!(said(&served.run(&["accounts", "ls"])).contains("\nhefei2 "));
    assert_eq!(served.json(&["usage", "--account", "hefei"])["since_start"]["refused"]["duplicate"], 1);
    assert_eq!(served.json(&["sessions", "ls"])[0]["account"], "hefei");
    assert_eq!(served.json(&["smscs"])[0]["responses"]["ok"], 1);
    assert!(said(&served.run(&["refusals", "--account", "hefei"])).contains("duplicate"));
    assert_eq!(served.json(&["errors"]), serde_json::json!([]));
    assert!(said(&served.run(&["policy", "show"])).contains("quota.users"));
    let changed = served.json(&["policy", "show", "--changed"]);
    assert_eq!(changed["switches"], serde_json::json!([]), "policy.toml is empty");
    assert!(said(&served.run(&["metrics", "ls", "--type", "histogram"])).contains("smsluice_added_latency_seconds"));
    assert!(said(&served.run(&["top", "--rounds", "1", "--every", "1s"])).contains("hefei2"));
    assert!(said(&served.run(&["health", "--live"])).contains("ok"));

    let id = served.json(&["sessions", "ls"])[0]["id"].to_string();
    let kick = ["sessions", "kick", &id, "--reason", "a test"];
    assert_eq!(code(&served.run(&["sessions", "kick", &id])), Some(2), "an act needs a reason");
    assert_eq!(code(&served.over_tcp("viewer", &kick)), Some(4));
    assert!(said(&served.over_tcp("desk", &kick)).contains("of hefei ends"));
    assert_eq!(code(&served.over_tcp("viewer", &["audit"])), Some(4));
    let acts = served.json(&["audit"]);
    assert_eq!((&acts[0]["who"], &acts[0]["action"]), (&"desk".into(), &"session.kick".into()));
    assert!(said(&served.run(&["audit", "--verify"])).contains("true"));
    let text = std::fs::read_to_string(served.path("data/acts.jsonl")).expect("the record");
    std::fs::write(served.path("data/acts.jsonl"), text.replacen("desk", "task", 1)).expect("spoilt");
    assert_eq!(code(&served.run(&["audit", "--verify"])), Some(9));
    assert!(!served.log().contains("secret") && !served.log().contains(&hefei(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_codes_say_what_went_wrong() {
    let mut served = Served::start().await;
    assert_eq!(code(&served.run(&["accounts", "show", "nobody"])), Some(5));
    assert_eq!(code(&served.run(&["refusals", "--reason", "none"])), Some(2));
    assert_eq!(code(&served.over_tcp("log", &["status"])), Some(2), "no token is in that file");
    std::fs::write(served.path("wrong"), "smsluice_wrong\n").expect("written");
    assert_eq!(code(&served.over_tcp("wrong", &["status"])), Some(4));
    let endpoint = format!("http://{}", served.admin);
    assert_eq!(code(&run(&["status", "--endpoint", &endpoint])), Some(4), "no token");
    assert_eq!(code(&run(&["health", "--endpoint", &endpoint])), Some(0), "a probe needs none");
    assert_eq!(code(&run(&["status", "--endpoint", "ftp://x"])), Some(2));
    assert_eq!(code(&run(&["status", "--config", "/nonexistent"])), Some(7));
    served.child.kill().expect("killed");
    served.child.wait().expect("gone");
    assert_eq!(code(&served.run(&["status"])), Some(3));
    assert_eq!(code(&served.over_tcp("viewer", &["health", "--live"])), Some(3));
    assert_eq!(code(&served.run(&["doctor", "--wait", "1s"])), Some(8));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_level_is_set_for_a_while_and_events_are_streamed() {
    let served = Served::start().await;
    let token = std::fs::read_to_string(served.path("viewer")).expect("a token");
    let mut stream = tokio::net::TcpStream::connect(served.admin).await.expect("connected");
    let bearer = format!("Bearer {}", token.trim());
    let ask = request("GET", "/api/v1/events?event=bind_accepted", &[("Authorization", &bearer)], "");
    stream.write_all(ask.as_bytes()).await.expect("sent");
    let mut seen = String::new();
    let mut until = async |word: &str| {
        let mut octets = vec![0; 4096];
        while !seen.contains(word) {
            let read = tokio::time::timeout(Duration::from_secs(30), stream.read(&mut octets)).await;
            let read = read.unwrap_or_else(|_| panic!("no `{word}`")).expect("read");
            assert_ne!(read, 0, "the stream ended");
            seen.push_str(&String::from_utf8_lossy(&octets[..read]));
        }
        seen.clone()
    };
    assert!(until("\r\n\r\n").await.contains("text/event-stream"));
    let quiet = ["log-level", "error", "--for", "3s", "--reason", "a test"];
    assert!(said(&served.run(&quiet)).contains("error"));
    let _esme = Esme::connect(served.smpp, BindType::Transceiver, "hefei", "secret", 0x34).await.expect("bound");
    let event = until("bind_accepted\n").await;
    assert!(until("\"account\":\"hefei\"").await.contains("event: bind_accepted"), "{event}");
    assert!(!served.log().contains("bind_accepted"), "the log shows errors only");
    let began = Instant::now();
    while served.json(&["log-level"])["spec"] != "info" {
        assert!(began.elapsed() < Duration::from_secs(30), "it does not fall back");
        std::thread::sleep(Duration::from_millis(200));
    }
    let _second = Esme::connect(served.smpp, BindType::Transceiver, "hefei", "secret", 0x34).await.expect("bound");
    let began = Instant::now();
    while !served.log().contains("bind_accepted") {
        assert!(began.elapsed() < Duration::from_secs(10), "the log is back at info");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn completions_and_manual_pages_are_made_of_the_same_definition() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(said(&run(&["completions", shell])).contains("smsluice"));
    }
    let folder = tempfile::tempdir().expect("a folder");
    said(&run(&["man", &folder.path().display().to_string()]));
    let pages = std::fs::read_dir(folder.path()).expect("pages").count();
    assert!(pages > 20, "{pages}");
    let version: Value = serde_json::from_str(&said(&run(&["version", "--json"]))).expect("JSON");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn every_verb_has_help_that_teaches() {
    let help = said(&run(&["--help"]));
    let commands = help.split("Commands:").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("commands");
    let names = commands.lines().filter_map(|line| line.strip_prefix("  ").filter(|entry| !entry.starts_with(' ')));
    for name in names.filter_map(|entry| entry.split_whitespace().next()).filter(|name| *name != "help") {
        let text = said(&run(&[name, "--help"]));
        assert!(text.contains("Usage:") && text.lines().next().is_some_and(|line| line.len() > 20), "{name}: {text}");
    }
}

#[test]
fn doctor_checks_a_folder_before_the_first_start() {
    let folder = tempfile::tempdir().expect("a folder");
    write_config(folder.path(), "", &[]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
    let smsc = listener.local_addr().expect("bound").to_string();
    let doctor = |smsc: &str, folder: &Path| {
        let mut command = Command::new(PROGRAM);
        command.args(["doctor", "--offline", "--json", "--config"]).arg(folder);
        command.env("SMSLUICE__SMSC__ADDRESS", smsc).env("SMSLUICE__LEDGER__DURABILITY", "process");
        command.output().expect("it runs")
    };
    let well = doctor(&smsc, folder.path());
    let found: Value = serde_json::from_slice(&well.stdout).unwrap_or_else(|error| panic!("{error}: {well:?}"));
    let checks: Vec<_> = found.as_array().expect("a list").iter().map(|one| one["check"].clone()).collect();
    assert_eq!(
        (code(&well), checks),
        (Some(0), vec!["config".into(), "calendar".into(), "disk".into(), "smsc".into()])
    );
    drop(listener);
    assert_eq!(code(&doctor(&smsc, folder.path())), Some(9), "nobody listens there any more");
    assert_eq!(std::fs::read_dir(folder.path()).expect("there").count(), 7, "it leaves nothing behind");
}
