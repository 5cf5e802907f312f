//! Where the shared server is: one server, sentinels that know which one it is, or a cluster.

use std::fmt;

/// The port where none is written, of a server and of a sentinel.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

/// A shared server's address, from `ledger.valkey_url`. Prints without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// What the nodes are.
    pub(super) kind: Kind,
    /// `host`, `port`; one of a single server, tried in order otherwise.
    pub(super) nodes: Vec<(String, u16)>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// Number of the database; 0 in a cluster.
    pub(super) database: i64,
}

/// What the nodes of an address are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The server itself.
    Single,
    /// Sentinels, and what they call the server.
    Sentinel(String),
    /// Members of a cluster.
    Cluster,
}

impl ServerUrl {
    /// Reads `redis://[user[:password]@]host[:port][/database]`, `redis-sentinel://…host,host/name[/database]`
    /// or `redis-cluster://…host,host`; `valkey` stands for `redis` as well. What it says of a wrong one does not
    /// repeat it, for it can hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(wrong)?;
        let (access, rest) = rest.rsplit_once('@').map_or((None, rest), |(access, rest)| (Some(access), rest));
        let (nodes, path) = rest.split_once('/').unwrap_or((rest, ""));
        let kind = match scheme {
            "rediss" | "valkeys" => return Err("TLS to the shared server is not supported by this version".to_owned()),
            "redis" | "valkey" => Kind::Single,
            "redis-cluster" | "valkey-cluster" => Kind::Cluster,
            "redis-sentinel" | "valkey-sentinel" => Kind::Sentinel(String::new()),
            _ => return Err(wrong()),
        };
        let port = if matches!(kind, Kind::Sentinel(_)) { SENTINEL_PORT } else { PORT };
        let nodes = nodes.split(',').map(|text| node(text, port)).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
        let (kind, database) = match kind {
            Kind::Sentinel(_) => {
                let (name, database) = path.split_once('/').unwrap_or((path, ""));
                if name.is_empty() {
                    return Err("name what the sentinels call the server: redis-sentinel://host,host/name".to_owned());
                }
                (Kind::Sentinel(name.to_owned()), database)
            }
            other => (other, path),
        };
        if kind == Kind::Single && nodes.len() > 1 {
            return Err("several addresses are those of sentinels or of a cluster: \
                        write redis-sentinel://host,host/name or redis-cluster://host,host"
                .to_owned());
        }
        let database = if database.is_empty() { 0 } else { database.parse().map_err(|_| wrong())? };
        if database != 0 && kind == Kind::Cluster {
            return Err("a cluster has one database only".to_owned());
        }
        let (user, password) = match access.map(|access| access.split_once(':').unwrap_or((access, ""))) {
            None => (None, None),
            Some((user, password)) => (decoded(user)?, decoded(password)?),
        };
        Ok(Self { kind, nodes, user, password, database })
    }
}

fn wrong() -> String {
    "not the address of a shared server: write redis://host:6379, redis-sentinel://host,host/name \
     or redis-cluster://host,host"
        .to_owned()
}

fn node(text: &str, port: u16) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, _)) if text.starts_with('[') && !host.contains(']') => (text, port),
        Some((host, written)) => (host, written.parse().ok().filter(|port| *port != 0)?),
        None => (text, port),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let letter = |ch: char| ch.is_ascii_alphanumeric() || ".-_:".contains(ch);
    (!host.is_empty() && host.chars().all(letter)).then(|| (host.to_owned(), port))
}

/// Undoes `%40` and the like; nothing is `None`.
fn decoded(text: &str) -> Result<Option<String>, String> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            octets.push(*first);
            continue;
        }
        let (pair, after) = after.split_at_checked(2).ok_or_else(wrong)?;
        let pair = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        octets.push(pair.ok_or_else(wrong)?);
        rest = after;
    }
    let text = String::from_utf8(octets).map_err(|_| wrong())?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, path) = match &self.kind {
            Kind::Single => ("redis", String::new()),
            Kind::Sentinel(name) => ("redis-sentinel", format!("/{name}")),
            Kind::Cluster => ("redis-cluster", String::new()),
        };
        let nodes: Vec<String> = self.nodes.iter().map(|(host, port)| host_port(host, *port)).collect();
        write!(f, "{scheme}://{}{path}", nodes.join(","))?;
        if self.database == 0 { Ok(()) } else { write!(f, "/{}", self.database) }
    }
}

/// `host:port`, an IPv6 address in brackets.
pub(super) fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f) // without user and password (P14)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_print_without_their_password() {
        for (text, printed) in [
            ("redis://127.0.0.1:6380", "redis://127.0.0.1:6380"),
            ("valkey://ledger.example/2", "redis://ledger.example:6379/2"),
            ("redis://li:se%40cret@h:1", "redis://h:1"),
            ("redis://:secret@[::1]", "redis://[::1]:6379"),
            ("redis-sentinel://a,b:1/smsluice/3", "redis-sentinel://a:26379,b:1/smsluice/3"),
            ("valkey-cluster://a:1,b:2,[::1]:3", "redis-cluster://a:1,b:2,[::1]:3"),
        ] {
            assert_eq!(ServerUrl::parse(text).expect(text).to_string(), printed, "{text}");
        }
        let url = ServerUrl::parse("redis://li:se%40cret@h:1").expect("valid");
        assert_eq!((url.user.as_deref(), url.password.as_deref()), (Some("li"), Some("se@cret")));
        assert!(!format!("{url:?}").contains("secret"));
    }

    #[test]
    fn what_is_no_address_is_told_without_repeating_it() {
        for text in [
            "",
            "127.0.0.1:6379",
            "http://secret",
            "redis://",
            "redis://a:0",
            "redis://a,b",
            "redis://a/x",
            "redis-sentinel://a",
            "redis-cluster://a/1",
            "rediss://secret",
            "redis://u:%4@h",
            "redis://a b",
        ] {
            let told = ServerUrl::parse(text).expect_err(text);
            assert!(!told.contains("secret"), "{told}");
        }
    }
}
