//! Several gateways on one shared ledger, which is a real redis-server in a process of its own.

mod faults;
mod holds;
mod moves;
mod rules;
mod server;

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use smsluice::domain::Moment;
use smsluice::sim::esme::Esme;
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::bind::BindType;

use crate::gateway::{Gateway, Site};
use crate::history;
use crate::stand::{OPEN, moment};

pub(crate) use server::Server;

/// The clock of all gateways of a test: it goes on while they are started again.
#[derive(Clone, Copy)]
pub(crate) struct Time {
    start: Moment,
    origin: Instant,
}

impl Time {
    pub(crate) fn starting_at(text: &str) -> Self {
        Self { start: moment(text), origin: Instant::now() }
    }

    pub(crate) fn open() -> Self {
        Self::starting_at(OPEN)
    }

    fn now(self) -> Moment {
        self.start.plus(self.origin.elapsed())
    }

    /// The present, some milliseconds off, as `--clock-start` takes it.
    fn text(self, off_ms: i64) -> &'static str {
        Box::leak(Moment::from_ms(self.now().ms() + off_ms).to_string().into_boxed_str())
    }
}

/// A gateway's folder, with a shared ledger.
pub(crate) fn site(policy: &str, smsc: SocketAddr, url: &str) -> Site {
    let mut site = Site::new(policy, smsc, "process");
    site.environment.push(("SMSLUICE__LEDGER__BACKEND", "valkey".to_owned()));
    site.environment.push(("SMSLUICE__LEDGER__VALKEY_URL", url.to_owned()));
    site
}

/// Starts it at the test's time, and waits until it takes submissions.
pub(crate) async fn run(site: &mut Site, time: Time) -> Gateway {
    run_off(site, time, 0).await
}

/// The same with a clock that is off.
pub(crate) async fn run_off(site: &mut Site, time: Time, off_ms: i64) -> Gateway {
    site.clock_start = Some(time.text(off_ms));
    let gateway = site.run().await;
    gateway.wait_ready(true, Duration::from_secs(20)).await;
    gateway
}

pub(crate) async fn bind(gateway: &Gateway, account: &str) -> Esme {
    let bound = Esme::connect(gateway.smpp, BindType::Transceiver, account, "secret", 0x34).await;
    bound.unwrap_or_else(|error| panic!("{account} cannot bind: {error}\n{}", gateway.log()))
}

pub(crate) async fn status(esme: &mut Esme, spec: &SubmitSpec) -> u32 {
    esme.submit(spec).await.expect("answered").status
}

/// Policies whose statuses tell their reasons.
pub(crate) fn policy(quota: u64, rest: &str) -> String {
    history::policy(quota, rest)
}

/// The command line against a gateway's local socket.
pub(crate) fn command(site: &Site, args: &[&str]) -> Output {
    let socket = format!("unix:{}", site.ledger().join("admin.sock").display());
    Command::new(env!("CARGO_BIN_EXE_smsluice"))
        .args(args)
        .args(["--endpoint", &socket, "--json"])
        .env("LANG", "C")
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

/// What a command that worked says.
pub(crate) fn said(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}
