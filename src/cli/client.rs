//! How the command line talks to a running gateway: which one, as whom, and what an answer means for the exit code.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args as ClapArgs;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};

use crate::domain::mask::without_numbers;

use super::failure::{Failure, code};

/// Octets of an answer at most.
const ANSWER_MAX: usize = 64 * 1024 * 1024;
/// Where a packaged gateway has its socket.
const PACKAGED: &str = "/run/smsluice/admin.sock";

/// Which gateway is meant, and how it is spoken to.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Gateway")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(super) struct Reach {
    /// `unix:PATH` or `http://HOST:PORT`; the local socket of the configuration unless given
    #[arg(long, value_name = "WHERE", env = "SMSLUICE_ENDPOINT", global = true)]
    endpoint: Option<String>,
    /// Configuration folder of the gateway, to find its local socket
    #[arg(long, value_name = "DIR", env = "SMSLUICE_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// File that holds a token and nothing else; needed over TCP
    #[arg(long, value_name = "FILE", env = "SMSLUICE_TOKEN_FILE", global = true)]
    token_file: Option<PathBuf>,
    /// How long to wait for an answer
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = super::span, global = true)]
    timeout: Duration,
    /// Print JSON as the API answers it
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print tables as values with tabs between them, without heads: for scripts
    #[arg(long, conflicts_with = "json", global = true)]
    pub(super) plain: bool,
    /// Print nothing when all is well; the exit code tells
    #[arg(long, short, conflicts_with = "verbose", global = true)]
    pub(super) quiet: bool,
    /// Tell each request and how long its answer took, on standard error
    #[arg(long, short, global = true)]
    verbose: bool,
    /// Taken and not needed: these verbs ask nothing and wait for no key
    #[arg(long, global = true)]
    no_input: bool,
    /// Taken and not needed: these verbs use no colour
    #[arg(long, global = true)]
    no_color: bool,
    /// zh or en; from LANG by default
    #[arg(long, value_parser = ["zh", "en"], global = true)]
    lang: Option<String>,
}

/// A gateway that can be asked.
#[derive(Debug)]
pub(super) struct Client {
    place: Place,
    token: Option<String>,
    timeout: Duration,
    verbose: bool,
}

#[derive(Debug)]
enum Place {
    Local(PathBuf),
    Remote(String),
}

impl Reach {
    /// Whether to speak Chinese.
    pub(super) fn chinese(&self) -> bool {
        self.lang.as_deref().map_or_else(super::speaks_chinese, |lang| lang == "zh")
    }

    /// How long to wait.
    pub(super) fn patience(&self) -> Duration {
        self.timeout
    }

    /// The configuration folder that is meant, if there is one.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        let there = || Some(PathBuf::from("config")).filter(|folder| folder.join("smsluice.toml").exists());
        self.config.clone().or_else(there)
    }

    /// The gateway that is meant.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let place = self.place()?;
        let token = self.token_file.as_deref().map(token).transpose()?;
        Ok(Client { place, token, timeout: self.timeout, verbose: self.verbose })
    }

    fn place(&self) -> Result<Place, Failure> {
        if let Some(endpoint) = &self.endpoint {
            return Place::parse(endpoint);
        }
        if let Some(folder) = self.folder() {
            let settings = crate::config::load_settings(&folder);
            let settings = settings.map_err(|problems| Failure::new(code::INVALID, problems))?;
            let socket = settings.admin.socket_in(&settings.ledger.path);
            return socket.map(Place::Local).ok_or_else(|| {
                Failure::usage("the configuration has no local socket\nhint: name the gateway with --endpoint")
            });
        }
        if Path::new(PACKAGED).exists() {
            return Ok(Place::Local(PACKAGED.into()));
        }
        Err(Failure::usage(
            "which gateway?\nhint: --config DIR with its configuration folder, or --endpoint unix:PATH or http://HOST:PORT",
        ))
    }
}

/// The token in a file.
fn token(file: &Path) -> Result<String, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::usage(format!("--token-file {}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    let token = text.trim();
    let readable = !token.is_empty() && token.len() <= 256 && token.bytes().all(|octet| octet.is_ascii_graphic());
    if readable { Ok(token.to_owned()) } else { Err(failed(&"holds no token")) }
}

impl Place {
    fn parse(text: &str) -> Result<Self, Failure> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Local(path.trim_start_matches("//").into()));
        }
        let authority = text.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        match authority {
            Some(authority) if !authority.is_empty() && !authority.contains(['/', '@', '?', '#']) => {
                let port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
                Ok(Self::Remote(if port { authority.to_owned() } else { format!("{authority}:9775") }))
            }
            _ => Err(Failure::usage(format!("`{text}` is no endpoint: write unix:PATH or http://HOST:PORT"))),
        }
    }
}

impl Client {
    /// Asks for a resource below `/api/v1/`.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, &format!("/api/v1/{path}"), None).await
    }

    /// Sends a body to a resource below `/api/v1/`.
    pub(super) async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(method, &format!("/api/v1/{path}"), Some(body)).await
    }

    /// A request and what its answer means.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let (status, text) = self.raw(method, path, body).await?;
        if (200..300).contains(&status) {
            return Ok(serde_json::from_slice(&text).unwrap_or_default());
        }
        Err(Self::refused(status, &text))
    }

    /// What an answer says that is no success.
    pub(super) fn refused(status: u16, text: &[u8]) -> Failure {
        let value: Value = serde_json::from_slice(text).unwrap_or_default();
        let told = value["detail"].as_str().or(value["title"].as_str()).unwrap_or("no detail");
        let code = match status {
            401 | 403 => code::NOT_AUTHORISED,
            404 => code::NOT_FOUND,
            409 | 412 => code::CONFLICT,
            400 | 413 | 415 | 422 => code::USAGE,
            _ => code::FAILED,
        };
        let several = value["errors"].as_array().filter(|errors| errors.len() > 1);
        let each = several.into_iter().flatten().map(|error| {
            let [path, message] = ["path", "message"].map(|member| super::table::shown(&error[member]));
            format!("\n  {path}: {message}")
        });
        Failure::new(code, format!("error: {told} (HTTP {status}){}", each.collect::<Vec<_>>().concat()))
    }

    /// A request and its answer as it came: status and body.
    pub(super) async fn raw(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Bytes), Failure> {
        let (began, name) = (std::time::Instant::now(), method.clone());
        let answer = tokio::time::timeout(self.timeout, self.exchange(method, path, body)).await;
        if self.verbose {
            let told = answer.as_ref().ok().and_then(|answer| answer.as_ref().ok());
            let told = told.map_or_else(|| "no answer".to_owned(), |(status, _)| format!("HTTP {status}"));
            let path = without_numbers(path); // standard error may go to a file
            eprintln!("{}: {name} {path}: {told} in {} ms", self.place, began.elapsed().as_millis());
        }
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(Failure::new(
                code::UNREACHABLE,
                format!(
                    "error: {}: {why}\nhint: no gateway is there; --endpoint or --config names another",
                    self.place
                ),
            )),
            Err(_) => Err(Failure::new(code::UNREACHABLE, format!("error: {}: no answer in time", self.place))),
        }
    }

    /// Asks below `/api/v1/` for lines of JSON, and hands each over as it comes. Waits for each as long as for an answer.
    pub(super) async fn lines(&self, path: &str, mut each: impl FnMut(Value)) -> Result<(), Failure> {
        let late = || Failure::new(code::UNREACHABLE, format!("error: {}: no answer in time", self.place));
        let broken = |why: String| Failure::new(code::UNREACHABLE, format!("error: {}: {why}", self.place));
        let path = format!("/api/v1/{path}");
        let asked = self.respond(Method::GET, &path, None);
        let response = tokio::time::timeout(self.timeout, asked).await.map_err(|_| late())?.map_err(broken)?;
        let status = response.status().as_u16();
        let mut body = Limited::new(response.into_body(), ANSWER_MAX);
        let mut octets = Vec::new();
        while let Some(frame) = tokio::time::timeout(self.timeout, body.frame()).await.map_err(|_| late())? {
            let Ok(data) = frame.map_err(|error| broken(error.to_string()))?.into_data() else { continue };
            octets.extend_from_slice(&data);
            if status == 200 && data.contains(&b'\n') {
                let end = octets.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
                let whole: Vec<u8> = octets.drain(..end).collect();
                whole
                    .split(|octet| *octet == b'\n')
                    .filter_map(|line| serde_json::from_slice(line).ok())
                    .for_each(&mut each);
            }
        }
        if status == 200 { Ok(()) } else { Err(Self::refused(status, &octets)) }
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Bytes), String> {
        let response = self.respond(method, path, body).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    }

    async fn respond(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response<Incoming>, String> {
        match &self.place {
            Place::Local(socket) => {
                let stream = UnixStream::connect(socket).await.map_err(|error| error.to_string())?;
                self.over(TokioIo::new(stream), "localhost", method, path, body).await
            }
            Place::Remote(authority) => {
                let stream = TcpStream::connect(authority).await.map_err(|error| error.to_string())?;
                self.over(TokioIo::new(stream), authority, method, path, body).await
            }
        }
    }

    async fn over<S>(
        &self,
        stream: S,
        host: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Incoming>, String>
    where
        S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let told = |error: hyper::Error| error.to_string();
        let (mut sender, connection) = http1::handshake(stream).await.map_err(told)?;
        tokio::spawn(connection); // it ends with the request
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, host);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let octets = body.map(ToString::to_string).unwrap_or_default();
        let request = request.body(Full::new(Bytes::from(octets))).map_err(|error| error.to_string())?;
        sender.send_request(request).await.map_err(told)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(path) => write!(f, "unix:{}", path.display()),
            Self::Remote(authority) => write!(f, "http://{authority}"),
        }
    }
}

/// A path or query of these parts, each escaped: `query("refusals", &[("account", Some("a"))])`.
pub(super) fn query(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let given = parameters.iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped(value.as_deref()?))));
    let given = given.collect::<Vec<_>>().join("&");
    if given.is_empty() { path.to_owned() } else { format!("{path}?{given}") }
}

/// A segment of a path.
pub(super) fn escaped(text: &str) -> String {
    let octet = |octet: u8| match octet {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(octet).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_socket_or_an_address() {
        let parsed = |text| Place::parse(text).map(|place| place.to_string()).map_err(|failure| failure.code);
        assert_eq!(parsed("unix:/run/x.sock"), Ok("unix:/run/x.sock".to_owned()));
        assert_eq!(parsed("unix:///run/x.sock"), Ok("unix:/run/x.sock".to_owned()));
        assert_eq!(parsed("http://127.0.0.1:1/"), Ok("http://127.0.0.1:1".to_owned()));
        assert_eq!(parsed("http://gateway"), Ok("http://gateway:9775".to_owned()));
        for wrong in ["", "127.0.0.1:9775", "https://x", "http://", "http://a@b", "http://a/b"] {
            assert_eq!(parsed(wrong), Err(code::USAGE), "{wrong}");
        }
    }

    #[test]
    fn what_stands_in_a_url_is_escaped() {
        let made = query("refusals", &[("account", Some("a b&c=d/ü".to_owned())), ("since", None)]);
        assert_eq!(made, "refusals?account=a%20b%26c%3Dd%2F%C3%BC");
        assert_eq!(query("x", &[("a", None)]), "x");
    }
}
