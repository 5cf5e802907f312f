//! A log that nobody reads holds up no message (P11), and no stop.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use smsluice::sim::esme::Esme;
use smsluice::sim::smsc::{Smsc, SmscSettings};
use smsluice::smpp::bind::BindType;

use crate::privacy::free_port;
use crate::stand::{OPEN, good, hefei, write_config};

/// Binds that are refused and logged, each with a line of some hundred octets: more than a pipe and the queue hold.
const REFUSED: usize = 6000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_and_the_stop_wait_for_no_reader_of_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    write_config(folder.path(), "", &[]);
    let smsc = Smsc::bind(SmscSettings::default()).await.expect("the SMSC listens");
    let (smpp, admin) = (free_port(), free_port());
    let mut gateway = Command::new(env!("CARGO_BIN_EXE_smsluice"))
        .args(["serve", "--clock-start", OPEN, "--allow-test-clock", "--config"])
        .arg(folder.path())
        .env("SMSLUICE__LISTEN__SMPP", smpp.to_string())
        .env("SMSLUICE__ADMIN__LISTEN", admin.to_string())
        .env("SMSLUICE__SMSC__ADDRESS", smsc.local_addr().to_string())
        .stderr(Stdio::piped()) // nobody reads it
        .stdout(Stdio::null())
        .spawn()
        .expect("the gateway starts");
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(smpp).is_err() {
        assert!(Instant::now() < deadline, "the gateway does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut esme = Esme::connect(smpp, BindType::Transceiver, "hefei", "x", 0x34).await.expect("bound");
    for _ in 0..REFUSED {
        assert!(Esme::connect(smpp, BindType::Transceiver, "nobody", "x", 0x34).await.is_err());
    }
    let began = Instant::now();
    assert_eq!(esme.submit(&good(&hefei(1))).await.expect("answered").status, 0);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let page = crate::http::call(admin, "", "GET", "/metrics", "").await.body;
    let dropped = page.lines().find_map(|line| line.strip_prefix("smsluice_telemetry_dropped_total{sink=\"log\"} "));
    let dropped: u64 = dropped.expect("a figure").parse().expect("a number");
    assert!(dropped > 0, "the pipe and the queue have held everything: nothing was tried");
    let pid = gateway.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    let deadline = Instant::now() + Duration::from_secs(20);
    while gateway.try_wait().expect("waited").is_none() {
        if Instant::now() > deadline {
            let _ = gateway.kill();
            panic!("it does not stop");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
