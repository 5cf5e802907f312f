//! A redis-server of a test's own, on a port and in a folder of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; killed when this is dropped.
pub(crate) struct Server {
    child: Option<Child>,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    arguments: Vec<String>,
    /// Whether it is a sentinel.
    sentinel: bool,
}

impl Server {
    /// One that has on its disk what it has confirmed.
    pub(crate) fn start() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    pub(crate) fn with(arguments: &[&str]) -> Self {
        let mut server = Self::new(arguments);
        server.again();
        server
    }

    /// A sentinel that calls a server `smsluice`; two of them agree that it is gone.
    pub(crate) fn sentinel(master: u16) -> Self {
        let mut server = Self::new(&[]);
        server.sentinel = true;
        let settings = format!(
            "sentinel monitor smsluice 127.0.0.1 {master} 2\nsentinel down-after-milliseconds smsluice 1000\n\
             sentinel failover-timeout smsluice 6000\n"
        );
        std::fs::write(server.folder.path().join("sentinel.conf"), settings).expect("written");
        server.again();
        server
    }

    fn new(arguments: &[&str]) -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Self { child: None, port, folder, arguments, sentinel: false }
    }

    /// Starts it on what its folder holds.
    pub(crate) fn again(&mut self) {
        let mut command = Command::new("redis-server");
        if self.sentinel {
            command.arg(self.folder.path().join("sentinel.conf")).arg("--sentinel");
        } else {
            command.args(["--save", ""]);
        }
        let child = command
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--dir"])
            .arg(self.folder.path())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap_or_else(|error| {
            panic!("these tests need redis-server (Debian: apt-get install redis-server): {error}")
        }));
        let began = Instant::now();
        while self.cli(&["ping"]).trim() != "PONG" {
            assert!(began.elapsed() < Duration::from_secs(30), "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killed");
            child.wait().expect("gone");
        }
    }

    /// Stops it in its steps, or lets it go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        let pid = self.child.as_ref().map_or(0, Child::id);
        signal(pid, frozen);
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What the server says to a command.
    pub(crate) fn cli(&self, args: &[&str]) -> String {
        let port = self.port.to_string();
        let told = Command::new("redis-cli").args(["-p", &port]).args(args).stdin(Stdio::null()).output();
        let told = told.unwrap_or_else(|error| panic!("these tests need redis-cli (Debian: redis-tools): {error}"));
        String::from_utf8_lossy(&told.stdout).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// SIGSTOP or SIGCONT.
pub(crate) fn signal(pid: u32, stop: bool) {
    let told = Command::new("kill").args([if stop { "-STOP" } else { "-CONT" }, &pid.to_string()]).status();
    assert!(told.expect("kill runs").success());
}
