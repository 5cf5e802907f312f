//! The one door of the API: every request passes these checks in this order,
//! and every answer leaves with its counters.
//!
//! url and site → caller → role → parameters → body → key → handler

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::auth::{Access, Caller, Denied};
use super::call::{self, Answer, Call, Outcome};
use super::guard;
use super::idempotency::{KEY_MAX, Known};
use super::problem::Problem;
use super::route::{Kind, Method, Parameter, Route};
use super::surface::Surface;

/// Octets of a body.
const BODY_MAX: usize = 64 * 1024;
/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// How long a handler may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    /// The local socket, and whose process it is.
    Local(Option<u32>),
    /// TCP.
    Remote(std::net::SocketAddr),
}

/// Lets one request through.
pub(super) async fn pass(surface: Arc<Surface>, route: &'static Route, id: String, request: Request) -> Response {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let response = match admitted(&surface, route, id, &parts, body).await {
        Ok(call) => handled(route, call, key(&parts.headers)).await,
        Err(problem) => problem.into_response(),
    };
    count(&surface, route.path, route.method.word(), &response, began);
    response
}

/// A request that no route takes.
pub(super) fn stray(surface: &Surface, known: bool, request: &Request) -> Response {
    let began = Instant::now();
    let problem = if known {
        Problem::new("method_not_allowed", "see /api/v1/openapi.json")
    } else {
        Problem::not_found("this path")
    };
    let method = match request.method().as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        _ => "other",
    };
    let response = problem.into_response();
    count(surface, "other", method, &response, began);
    response
}

fn count(surface: &Surface, route: &str, method: &str, response: &Response, began: Instant) {
    let metrics = surface.gateway.metrics();
    metrics.admin.requests.with_label_values(&[route, method, response.status().as_str()]).inc();
    metrics.admin.duration.with_label_values(&[route]).observe(began.elapsed().as_secs_f64());
}

/// All that is asked of a request before anything is done.
async fn admitted(
    surface: &Arc<Surface>,
    route: &Route,
    id: String,
    parts: &Parts,
    body: Body,
) -> Result<Call, Problem> {
    let peer = parts.extensions.get::<Peer>().cloned().unwrap_or(Peer::Remote(([0, 0, 0, 0], 0).into()));
    // Probes and metrics may be called by any name: they are asked by machines, and tell no one's secret.
    let is_api = route.path.starts_with("/api/");
    let hosts = matches!(peer, Peer::Remote(_)) && is_api;
    let failed = |problem: Problem, kind: &str| {
        surface.gateway.metrics().admin.auth_failures.with_label_values(&[kind]).inc();
        problem
    };
    guard::check(&parts.uri, &parts.headers, hosts.then_some(&surface.hosts[..])).map_err(|problem| {
        let kind = problem.word().to_owned();
        if matches!(&*kind, "token_in_url" | "cross_site" | "wrong_host") { failed(problem, &kind) } else { problem }
    })?;
    let caller = caller(surface, route.access, &peer, &parts.headers).map_err(|denied| {
        tracing::warn!(event = "auth_failure", kind = denied.code(), route = route.path, "not let in");
        failed(Problem::new("unauthorised", denied.detail(surface.tokens.exist())), denied.code())
    })?;
    if !caller.may(route.access) {
        tracing::warn!(event = "auth_failure", kind = "forbidden", who = caller.who, route = route.path, "not allowed");
        let detail = format!("needs the role: {}", route.access.word());
        return Err(failed(Problem::new("forbidden", detail), "forbidden"));
    }
    let query = parameters(route.query, parts.uri.query().unwrap_or_default())?;
    let body = if route.body.is_some() { read(&parts.headers, body).await? } else { Bytes::new() };
    let if_match = parts.headers.get(header::IF_MATCH).map(|value| value.to_str().unwrap_or_default());
    let if_match = if_match.map(|version| version.trim_matches('"').to_owned());
    Ok(Call { surface: Arc::clone(surface), caller, id, query, body, if_match })
}

fn caller(surface: &Surface, access: Access, peer: &Peer, headers: &HeaderMap) -> Result<Caller, Denied> {
    let from = match peer {
        Peer::Local(uid) => return Ok(Caller::local(*uid)),
        Peer::Remote(address) => address.to_string(),
    };
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let token = match (given.next(), given.next()) {
        (Some(one), None) => one.to_str().ok().and_then(bearer).ok_or(Denied::Unknown),
        (Some(_), Some(_)) => Err(Denied::Unknown),
        (None, _) => Err(Denied::Missing),
    };
    if access == Access::Open {
        return Ok(Caller { who: "anybody".to_owned(), roles: std::collections::BTreeSet::new(), from });
    }
    surface.tokens.find(token?, from, surface.gateway.now())
}

/// The token of `Bearer TOKEN`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The query's parameters: each known, once, and of its kind.
fn parameters(known: &[Parameter], query: &str) -> Result<BTreeMap<&'static str, String>, Problem> {
    let mut found = BTreeMap::new();
    if query.is_empty() {
        return Ok(found);
    }
    let uri = format!("/?{query}").parse().map_err(|_| Problem::new("bad_request", "the query cannot be read"))?;
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri)
        .map_err(|_| Problem::new("bad_request", "the query cannot be read"))?;
    for (name, value) in pairs.0 {
        let Some(parameter) = known.iter().find(|own| own.name == name) else {
            let names: Vec<&str> = known.iter().map(|own| own.name).collect();
            let names = if names.is_empty() { "none is known here".to_owned() } else { names.join(", ") };
            return Err(Problem::new("bad_request", format!("an unknown parameter; known: {names}")));
        };
        let readable = match parameter.kind {
            Kind::Text => (1..=200).contains(&value.chars().count()),
            Kind::Number(from, to) => {
                value.bytes().all(|octet| octet.is_ascii_digit())
                    && value.parse().is_ok_and(|number: u64| (from..=to).contains(&number))
            }
            Kind::Span => call::span(&value).is_some(),
            Kind::OneOf(words) => words.contains(&value.as_str()),
        };
        if !readable {
            return Err(Problem::invalid(parameter.name, format!("expected {}", parameter.kind)));
        }
        if found.insert(parameter.name, value).is_some() {
            return Err(Problem::new("bad_request", format!("`{}` is given twice", parameter.name)));
        }
    }
    Ok(found)
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // A form of another site cannot have this type.
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::new("not_json", "set Content-Type: application/json"));
    }
    let reading = Limited::new(body, BODY_MAX).collect();
    match tokio::time::timeout(BODY_PATIENCE, reading).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(Problem::new("too_large", format!("at most {BODY_MAX} octets")))
        }
        Ok(Err(_)) => Err(Problem::new("bad_request", "the body did not arrive whole")),
        Err(_) => Err(Problem::new("timeout", "the body did not arrive in time")),
    }
}

fn key(headers: &HeaderMap) -> Option<Result<String, Problem>> {
    let key = headers.get("idempotency-key")?.to_str().unwrap_or_default();
    let readable = (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|octet| octet.is_ascii_graphic());
    Some(if readable {
        Ok(key.to_owned())
    } else {
        Err(Problem::new("bad_request", format!("Idempotency-Key: 1 to {KEY_MAX} printable characters")))
    })
}

/// Runs the handler. What changes something runs to its end, also when the caller has gone.
async fn handled(route: &'static Route, call: Call, key: Option<Result<String, Problem>>) -> Response {
    if !route.method.changes() {
        return match tokio::time::timeout(PATIENCE, (route.run)(call)).await {
            Ok(outcome) => finished(outcome),
            Err(_) => Problem::new("internal", "it took too long").into_response(),
        };
    }
    let key = match key.filter(|_| route.method == Method::Post).transpose() {
        Ok(key) => key,
        Err(problem) => return problem.into_response(),
    };
    let doing = tokio::spawn(async move {
        match key {
            None => (route.run)(call).await,
            Some(key) => once(route, call, &key).await,
        }
    });
    match tokio::time::timeout(PATIENCE, doing).await {
        Ok(Ok(outcome)) => finished(outcome),
        Ok(Err(_)) => Problem::new("internal", "the handler failed").into_response(),
        Err(_) => Problem::new("unavailable", "it is still under way").into_response(),
    }
}

fn finished(outcome: Outcome) -> Response {
    outcome.map_or_else(IntoResponse::into_response, IntoResponse::into_response)
}

/// Runs the handler unless it has run for this key.
async fn once(route: &'static Route, call: Call, key: &str) -> Outcome {
    let name = format!("{} {} {} {key}", call.caller.who, route.path, call.id);
    let surface = Arc::clone(&call.surface);
    match surface.remembered.enter(&name, &call.body) {
        Known::New => {}
        Known::Answered(status, body) => return Ok(Answer::Json(status, body)),
        Known::UnderWay => return Err(Problem::new("conflict", "a request of this key is under way")),
        Known::Other => return Err(Problem::invalid("Idempotency-Key", "was used for another request")),
    }
    let outcome = (route.run)(call).await;
    match &outcome {
        Ok(Answer::Json(status, body)) => surface.remembered.answered(&name, *status, body),
        _ => surface.remembered.answered(&name, 500, &Bytes::new()), // a refusal has changed nothing and is judged anew
    }
    outcome
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text => f.write_str("1 to 200 characters"),
            Self::Number(from, to) => write!(f, "a whole number from {from} to {to}"),
            Self::Span => f.write_str("a span of time such as 90s, 30m, 12h, 7d"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
        }
    }
}

impl Denied {
    fn detail(self, tokens_exist: bool) -> &'static str {
        match self {
            _ if !tokens_exist => {
                "nobody may use the API over TCP here: use the local socket, or set admin.tokens_file and admin.tcp_api"
            }
            Self::Missing => "send `Authorization: Bearer TOKEN`",
            Self::Unknown => "the token is not known",
            Self::Expired => "the token's time is over",
        }
    }
}
