//! A plain HTTP client for the tests of the admin API: it sends what it is told, also what no library would.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

/// Longest that any answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// A request as it goes over the wire.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    let has = |name: &str| headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    if !has("host") {
        text.push_str("Host: 127.0.0.1\r\n");
    }
    if !body.is_empty() && !has("content-type") {
        text.push_str("Content-Type: application/json\r\n");
    }
    for (name, value) in headers {
        text.push_str(&[name, ": ", value, "\r\n"].concat());
    }
    text + &format!("Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// Sends octets and reads the answer to its end.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, octets: &[u8]) -> Reply {
    let _ = stream.write_all(octets).await; // who refuses early may have closed
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer in time");
    parsed(&answer)
}

fn parsed(answer: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Reply { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

pub(crate) async fn raw(address: SocketAddr, octets: &[u8]) -> Reply {
    exchange(TcpStream::connect(address).await.expect("connected"), octets).await
}

/// A request with a token over TCP.
pub(crate) async fn call(address: SocketAddr, token: &str, method: &str, path: &str, body: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers: &[(&str, &str)] = if token.is_empty() { &[] } else { &[("Authorization", &bearer)] };
    raw(address, request(method, path, headers, body).as_bytes()).await
}

/// A request on the local socket.
pub(crate) async fn local(socket: &Path, method: &str, path: &str, body: &str) -> Reply {
    let stream = UnixStream::connect(socket).await.expect("connected");
    exchange(stream, request(method, path, &[], body).as_bytes()).await
}

/// The head of an answer that does not end.
pub(crate) async fn head(address: SocketAddr, token: &str, path: &str) -> Reply {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let bearer = format!("Bearer {token}");
    stream.write_all(request("GET", path, &[("Authorization", &bearer)], "").as_bytes()).await.expect("sent");
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await.expect("in time").expect("read");
    parsed(&answer[..read])
}
