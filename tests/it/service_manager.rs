//! What a service manager is told (`Type=notify`, `WatchdogSec=`), by a real process over a real socket.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::stand::{OPEN, write_config};

struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The messages up to the first that holds `word`.
fn heard_until(socket: &UnixDatagram, word: &str) -> Vec<String> {
    let mut heard = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        let mut buffer = [0; 4096];
        if let Ok(octets) = socket.recv(&mut buffer) {
            heard.push(String::from_utf8_lossy(&buffer[..octets]).into_owned());
            if heard.last().is_some_and(|last| last.contains(word)) {
                return heard;
            }
        }
    }
    panic!("no {word} in time: {heard:?}");
}

#[test]
fn the_service_manager_hears_ready_signs_of_life_and_stopping() {
    let folder = tempfile::tempdir().expect("a folder");
    write_config(folder.path(), "", &[]);
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("bound");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
    let child = Command::new(env!("CARGO_BIN_EXE_smsluice"))
        .args(["serve", "--clock-start", OPEN, "--allow-test-clock", "--config"])
        .arg(folder.path())
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000")
        .env("SMSLUICE__LISTEN__SMPP", "127.0.0.1:0")
        .env("SMSLUICE__ADMIN__LISTEN", "127.0.0.1:0")
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut served = Served(child);
    let first = heard_until(&socket, "READY=1");
    assert_eq!(first.len(), 1, "nothing before it is ready: {first:?}");
    assert!(first[0].contains("STATUS=ready, 0 sessions"), "{first:?}");
    for _ in 0..3 {
        heard_until(&socket, "WATCHDOG=1");
    }
    // SIGTERM through the shell: the standard library has no signals but SIGKILL.
    let stopped = Command::new("sh").args(["-c", &format!("kill {}", served.0.id())]).status().expect("runs");
    assert!(stopped.success());
    heard_until(&socket, "STOPPING=1");
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if let Some(status) = served.0.try_wait().expect("waited") {
            assert_eq!(status.code(), Some(0));
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the gateway does not stop");
}
