//! What stands between load and SMSC: nothing, the byte relay or the gateway.

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::site;

/// Environment of a command that is to be pinned to one core.
pub(crate) struct Pinning {
    /// The core of what is measured; `None` leaves it to the system.
    pub(crate) middle: Option<usize>,
}

/// One of the ways from load to SMSC.
pub(crate) struct Middle {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// Subscribers of the site that had their message of the day.
    pub(crate) served: u64,
    process: Option<Process>,
    /// The SMSC behind it and the `durability` of a gateway, which alone knows who had a message today.
    gateway: Option<(SocketAddr, &'static str)>,
    /// Its files, while it runs.
    _folder: Option<tempfile::TempDir>,
}

/// A process that ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

impl Middle {
    /// Straight to the SMSC.
    pub(crate) const fn direct(smsc: SocketAddr) -> Self {
        Self { name: "direct", address: smsc, served: 0, process: None, gateway: None, _folder: None }
    }

    /// The byte relay: this very program with another argument.
    pub(crate) fn byte_relay(smsc: SocketAddr, pinning: &Pinning) -> io::Result<Self> {
        let mut command = pinning.command(&std::env::current_exe()?);
        command.arg("--as-byte-relay").arg(smsc.to_string()).stdout(Stdio::piped());
        Self::printing("byte relay", command)
    }

    /// A proxy with node-smpp, which lies in this folder's `node_modules`.
    pub(crate) fn node(smsc: SocketAddr, folder: &Path, pinning: &Pinning) -> io::Result<Self> {
        let mut command = pinning.command(Path::new("node"));
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/relay/node_proxy.mjs"));
        command.arg(smsc.ip().to_string()).arg(smsc.port().to_string());
        command.env("NODE_PATH", folder.join("node_modules")).stdout(Stdio::piped());
        Self::printing("node-smpp", command)
    }

    /// A process that prints where it listens.
    fn printing(name: &'static str, mut command: Command) -> io::Result<Self> {
        let mut process = Process(command.spawn()?);
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().expect("piped")).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| io::Error::other(format!("{name} did not start")))?;
        Ok(Self { name, address, served: 0, process: Some(process), gateway: None, _folder: None })
    }

    /// HAProxy in TCP mode with one thread, where it is installed.
    pub(crate) fn haproxy(smsc: SocketAddr, pinning: &Pinning) -> io::Result<Option<Self>> {
        let installed = Command::new("haproxy").arg("-v").output().is_ok_and(|output| output.status.success());
        if !installed {
            return Ok(None);
        }
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?; // free, and left to it
        let settings = folder.path().join("haproxy.cfg");
        let text = format!(
            "global\n  nbthread 1\n  maxconn 1000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  \
             timeout server 60s\nlisten relay\n  bind {address}\n  server smsc {smsc}\n"
        );
        std::fs::write(&settings, text)?;
        let mut command = pinning.command(Path::new("haproxy"));
        command.arg("-db").arg("-f").arg(&settings).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process(command.spawn()?);
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                return Err(io::Error::other("HAProxy does not listen"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(Self {
            name: "HAProxy",
            address,
            served: 0,
            process: Some(process),
            gateway: None,
            _folder: Some(folder),
        }))
    }

    /// The gateway on a ledger of its own.
    pub(crate) fn gateway(
        name: &'static str,
        durability: &'static str,
        smsc: SocketAddr,
        pinning: &Pinning,
    ) -> io::Result<Self> {
        // Beside the build and not in /tmp, which may be no disk.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        site::write(folder.path())?;
        let mut command = pinning.command(Path::new(env!("CARGO_BIN_EXE_smsluice")));
        for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("SMSLUICE__")) {
            command.env_remove(variable);
        }
        command.envs(site::OVERRIDES);
        command.env("SMSLUICE__SMSC__ADDRESS", smsc.to_string()).env("SMSLUICE__LEDGER__DURABILITY", durability);
        command.args(["serve", "--allow-test-clock", "--clock-start", site::CLOCK, "--config"]).arg(folder.path());
        let mut process = Process(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?);
        let address = ready(process.0.stderr.take().expect("piped above"))?;
        Ok(Self {
            name,
            address,
            served: 0,
            process: Some(process),
            gateway: Some((smsc, durability)),
            _folder: Some(folder),
        })
    }

    /// Another gateway with an empty ledger in its place.
    pub(crate) fn renew(&mut self, pinning: &Pinning) -> io::Result<()> {
        if let Some((smsc, durability)) = self.gateway {
            self.process = None; // one at a time
            *self = Self::gateway(self.name, durability, smsc, pinning)?;
        }
        Ok(())
    }

    /// Leaves out these subscribers from now on; only the gateway knows who had a message today.
    pub(crate) const fn serve(&mut self, subscribers: u64) {
        if self.gateway.is_some() {
            self.served += subscribers;
        }
    }

    /// Processor seconds used so far.
    pub(crate) fn cpu_s(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()?)).ok()?;
        // Behind the name in brackets: state is field 3, utime 14, stime 15, in hundredths of a second.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(14 - 3);
        let mut next = || fields.next()?.parse::<f64>().ok();
        Some((next()? + next()?) / 100.0)
    }

    /// Resident memory in MiB.
    pub(crate) fn resident_mib(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?)).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
    }

    fn pid(&self) -> Option<u32> {
        Some(self.process.as_ref()?.0.id())
    }
}

/// Waits for the gateway's event `ready`; its further log is read and dropped.
fn ready(log: impl Read + Send + 'static) -> io::Result<SocketAddr> {
    let mut log = BufReader::new(log);
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        if log.read_line(&mut line)? == 0 {
            return Err(io::Error::other(format!("the gateway did not start:\n{seen}")));
        }
        let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if event["event"] == "ready" {
            std::thread::spawn(move || io::copy(&mut log, &mut io::sink()));
            return event["smpp"].as_str().unwrap_or_default().parse().map_err(io::Error::other);
        }
        seen += &line;
    }
}

impl Pinning {
    /// The last core for what is measured, the others for load and SMSC, where there is
    /// more than one and the command `taskset`.
    pub(crate) fn take(wanted: bool) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let rest = format!("0-{}", cores.saturating_sub(2));
        let own = Command::new("taskset").args(["-pc", &rest, &std::process::id().to_string()]).output();
        let pinned = wanted && cores > 1 && own.is_ok_and(|output| output.status.success());
        Self { middle: pinned.then_some(cores - 1) }
    }

    fn command(&self, program: &Path) -> Command {
        match self.middle {
            None => Command::new(program),
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string()]).arg(program);
                command
            }
        }
    }
}
