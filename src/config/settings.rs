//! `smsluice.toml`: what the process needs before it knows any rule.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ledger::shared::ServerUrl;
use crate::ledger::{Durability, SharedSettings};

use super::layer::Layer;
use super::problem::Problem;

/// All settings. Every key is optional; an unknown key is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where senders connect, and how many.
    pub listen: ListenSettings,
    /// Where messages go.
    pub smsc: SmscSettings,
    /// Where slots are kept.
    pub ledger: LedgerSettings,
    /// Probes, metrics and the API.
    pub admin: AdminSettings,
    /// The log.
    pub log: LogSettings,
    /// Threads.
    pub runtime: RuntimeSettings,
}

/// `[listen]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenSettings {
    /// Address for senders.
    pub smpp: SocketAddr,
    /// Connections the kernel holds before they are accepted.
    pub backlog: u32,
    /// Connections at a time, all accounts together.
    pub max_connections: u32,
    /// Connections at a time from one address.
    pub max_per_address: u32,
    /// Time for a connection to bind (SMPP's `session_init_timer`).
    #[serde(with = "span")]
    pub session_init_timeout: Duration,
    /// Time without any PDU after which a session is closed (SMPP's `inactivity_timer`).
    #[serde(with = "span")]
    pub inactivity_timeout: Duration,
    /// Requests of a session that are passed on and not answered yet.
    pub max_in_flight: u32,
    /// Time for all sessions to take leave at a stop or a drain.
    #[serde(with = "span")]
    pub drain_timeout: Duration,
}

/// `[smsc]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmscSettings {
    /// `host:port`, tried in order.
    pub address: Vec<Endpoint>,
    /// Time for one address to accept.
    #[serde(with = "span")]
    pub connect_timeout: Duration,
    /// Time for the SMSC to answer a request; after it the outcome is unknown.
    #[serde(with = "span")]
    pub response_timeout: Duration,
}

/// `[ledger]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LedgerSettings {
    /// Which store.
    pub backend: Backend,
    /// The store's folder; a relative one is taken from the configuration folder. Loaded settings hold it resolved.
    pub path: PathBuf,
    /// When a slot counts as taken.
    pub durability: Durability,
    /// Address of the server that several gateways share. Not used while `backend` is `embedded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valkey_url: Option<String>,
    /// Replicas of that server that must have a reservation before its message leaves.
    pub valkey_wait_replicas: u32,
}

/// Which store the ledger uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Memory and a journal beside the process.
    Embedded,
    /// A Valkey or Redis server that several gateways share, and a journal beside each.
    Valkey,
}

/// `[admin]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSettings {
    /// Address of probes, metrics and the API.
    pub listen: SocketAddr,
    /// The local socket; `off` for none, `None` for `admin.sock` in the ledger's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// Permissions of the local socket, octal: whoever may write to it may administer.
    pub socket_mode: SocketMode,
    /// Who may use the API over TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_file: Option<PathBuf>,
    /// Whether the API is served over TCP; otherwise probes and metrics only.
    pub tcp_api: bool,
    /// Names by which the API may be called, beside addresses and `localhost`.
    pub hosts: Vec<String>,
}

/// Permissions of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(u32); // INVARIANT: read and write bits only, 0o600..=0o666.

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `info`, or a filter such as `info,smsluice::proxy=debug`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[runtime]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeSettings {
    /// Worker threads; 0 is one per core.
    pub workers: u32,
}

/// `host:port`; the host is a name or an address, IPv6 in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String); // INVARIANT: a host and a port from 1 to 65535.

// === defaults ===

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            smpp: loopback(2775),
            backlog: 1024,
            max_connections: 4096,
            max_per_address: 1024,
            session_init_timeout: Duration::from_secs(10),
            inactivity_timeout: Duration::from_secs(300),
            max_in_flight: 10_000,
            drain_timeout: super::live::DRAIN_TIMEOUT,
        }
    }
}

impl Default for SmscSettings {
    fn default() -> Self {
        Self {
            address: vec![Endpoint("127.0.0.1:2776".to_owned())],
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(30),
        }
    }
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self {
            backend: Backend::Embedded,
            path: PathBuf::from("data"),
            durability: Durability::Power,
            valkey_url: None,
            valkey_wait_replicas: 0,
        }
    }
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self {
            listen: loopback(9775),
            socket: None,
            socket_mode: SocketMode(0o600),
            tokens_file: None,
            tcp_api: true,
            hosts: Vec::new(),
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port)
}

// === impl Settings ===

impl Settings {
    /// What the types cannot express.
    pub(super) fn check(&self, layer: &Layer<'_>, problems: &mut Vec<Problem>) {
        layer.check_ranges(self, problems);
        if self.smsc.address.is_empty() {
            let none = layer.problem("smsc.address", "no SMSC is named");
            problems.push(none.hint("address = [\"192.0.2.1:2775\"]"));
        }
        let own = self.listen.smpp.to_string();
        if self.smsc.address.iter().any(|address| address.as_str() == own) {
            let circle = layer.problem("smsc.address", format!("`{own}` is where senders connect (listen.smpp)"));
            problems.push(circle.hint("name the SMSC: messages would go in a circle"));
        }
        if self.admin.listen == self.listen.smpp && self.admin.listen.port() != 0 {
            let taken = layer.problem("admin.listen", format!("`{own}` is where senders connect (listen.smpp)"));
            problems.push(taken.hint("give each its own port"));
        }
        self.admin.check(layer, problems);
        if let Err(why) = self.ledger.shared("") {
            problems.push(layer.problem("ledger.valkey_url", why).hint(SHARED_HINT));
        }
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log.level) {
            let unreadable = layer.problem("log.level", format!("not a level or filter: {error}"));
            problems.push(unreadable.hint("`info`, or `info,smsluice::proxy=debug`"));
        }
    }
}

// === impl LedgerSettings ===

const SHARED_HINT: &str = "valkey_url = \"redis://192.0.2.1:6379\", or redis-sentinel://host,host/name, or \
                           redis-cluster://host,host; the environment can set it: SMSLUICE__LEDGER__VALKEY_URL";

impl LedgerSettings {
    /// The server that several gateways share, if the backend is one. `name` is what their operators see this one under.
    pub fn shared(&self, name: &str) -> Result<Option<SharedSettings>, String> {
        if self.backend == Backend::Embedded {
            return Ok(None);
        }
        let url = self.valkey_url.as_deref().ok_or("the backend is `valkey`, and its address is not set")?;
        let url = ServerUrl::parse(url)?;
        let power = self.durability == Durability::Power;
        Ok(Some(SharedSettings { url, wait_replicas: self.valkey_wait_replicas, name: name.to_owned(), power }))
    }
}

// === impl AdminSettings ===

/// What the local socket is called when it is not to be.
const OFF: &str = "off";
/// Octets of a socket's path that the system takes, with the zero behind it.
const SOCKET_PATH_MAX: usize = 108;

impl AdminSettings {
    fn check(&self, layer: &Layer<'_>, problems: &mut Vec<Problem>) {
        if self.tcp_api && self.tokens_file.is_none() && !self.listen.ip().is_loopback() {
            let open =
                layer.problem("admin.listen", format!("`{}` is not loopback, and the API has no tokens", self.listen));
            problems.push(
                open.hint(
                    "admin.tokens_file (smsluice token new), or admin.tcp_api = false for probes and metrics only",
                ),
            );
        }
        for host in &self.hosts {
            let name = |octet: u8| octet.is_ascii_alphanumeric() || b".-".contains(&octet);
            if host.is_empty() || host.len() > 253 || !host.bytes().all(name) {
                let wrong = layer.problem("admin.hosts", format!("`{host}` is no host name"));
                problems.push(wrong.hint("names without a port, such as gateway.example"));
            }
        }
    }

    /// Relative paths are taken from the configuration folder.
    pub(super) fn resolve(&mut self, dir: &Path) {
        for path in [&mut self.tokens_file, &mut self.socket].into_iter().flatten() {
            if path.as_path() != Path::new(OFF) {
                *path = dir.join(&*path);
            }
        }
    }

    /// What is wrong with a resolved socket.
    pub(super) fn check_socket(&self, layer: &Layer<'_>, problems: &mut Vec<Problem>) {
        if let Some(path) = self.socket.as_deref().filter(|path| !fits(path)) {
            let long = layer.problem("admin.socket", format!("`{}` is too long for a socket", path.display()));
            problems.push(long.hint(format!("the system takes {} octets", SOCKET_PATH_MAX - 1)));
        }
    }

    /// Where the local socket is, if there is one: as set, or in the ledger's folder where the system can take that.
    pub fn socket_in(&self, ledger: &Path) -> Option<PathBuf> {
        match &self.socket {
            Some(off) if off == Path::new(OFF) => None,
            Some(path) => Some(path.clone()),
            None => Some(ledger.join("admin.sock")).filter(|path| fits(path)),
        }
    }
}

fn fits(path: &Path) -> bool {
    path.as_os_str().len() < SOCKET_PATH_MAX
}

// === impl SocketMode ===

impl SocketMode {
    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    fn parse(text: &str) -> Result<Self, String> {
        let bits = u32::from_str_radix(text, 8).ok().filter(|bits| bits & !0o666 == 0 && bits & 0o600 == 0o600);
        bits.map(Self)
            .ok_or_else(|| format!("`{text}` is no mode of a socket: \"0600\" for its owner, \"0660\" for its group"))
    }
}

impl<'de> Deserialize<'de> for SocketMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Serialize for SocketMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:04o}", self.0))
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// Reads `host:port`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not an address: write host:port, such as 192.0.2.1:2775 or [2001:db8::1]:2775");
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let readable = if bracketed {
            host[1..host.len() - 1].parse::<std::net::Ipv6Addr>().is_ok()
        } else {
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        };
        let port = port.parse::<u16>().ok().filter(|port| *port != 0);
        if !readable || port.is_none() {
            return Err(wrong());
        }
        Ok(Self(text.trim().to_owned()))
    }

    /// `host:port`, as `ToSocketAddrs` takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

// === impl Backend ===

impl<'de> Deserialize<'de> for Backend {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "embedded" => Ok(Self::Embedded),
            "valkey" => Ok(Self::Valkey),
            other => Err(serde::de::Error::custom(format!(
                "`{other}` is no ledger: write \"embedded\" for the gateway's own, or \"valkey\" for one that several share"
            ))),
        }
    }
}

/// Durations as `"500ms"`, `"30s"`, `"5m"`, `"2h"`.
mod span {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::parse_duration(&text).map_err(serde::de::Error::custom)
    }

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = duration.as_millis();
        if ms.is_multiple_of(1000) {
            serializer.collect_str(&format_args!("{}s", ms / 1000))
        } else {
            serializer.collect_str(&format_args!("{ms}ms"))
        }
    }
}

/// Reads a whole number with its unit, 1 ms to 24 h.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!("`{text}` is not a duration: write a whole number and its unit, \"500ms\", \"30s\", \"5m\" or \"2h\"")
    };
    let unit_at = text.find(|char: char| !char.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..unit_at].parse().map_err(|_| wrong())?;
    let unit_ms = match text[unit_at..].trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    let ms = number.checked_mul(unit_ms).ok_or_else(wrong)?;
    if !(1..=86_400_000).contains(&ms) {
        return Err(format!("`{text}` is out of range: write a duration from \"1ms\" to \"24h\""));
    }
    Ok(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_their_unit() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("1 s", 1000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "30", "s", "-1s", "1.5s", "0s", "25h", "1d", "99999999999999999999s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_endpoint_names_host_and_port() {
        for text in ["127.0.0.1:2775", "smsc-1.example:2775", "[::1]:1"] {
            assert!(Endpoint::parse(text).is_ok(), "{text}");
        }
        for text in ["127.0.0.1", ":2775", "host:0", "host:70000", "::1:2775", "[x]:1", "a b:1", "http://x:1"] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_empty_file_is_the_default_and_the_default_survives_writing() {
        assert_eq!(toml::from_str::<Settings>("").expect("valid"), Settings::default());
        let written = toml::to_string(&Settings::default()).expect("serialises");
        assert_eq!(toml::from_str::<Settings>(&written).expect("valid"), Settings::default());
    }
}
