//! One request that was let in, and what a handler makes of it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::{Day, Msisdn};
use crate::ledger::Ledger;
use crate::proxy::Gateway;

use super::auth::Caller;
use super::problem::Problem;
use super::surface::Surface;

/// A request: whose, and about what.
#[derive(Clone, Debug)]
pub struct Call {
    /// What the API works on.
    pub surface: Arc<Surface>,
    /// Who asks.
    pub caller: Caller,
    /// The `{id}` of the path.
    pub id: String,
    /// The query's parameters, checked against the route's.
    pub query: BTreeMap<&'static str, String>,
    /// The body; empty where the route takes none.
    pub body: Bytes,
    /// The version in If-Match, without its quotes.
    pub if_match: Option<String>,
}

/// What a handler answers with.
pub type Outcome = Result<Answer, Problem>;

/// An answer.
#[derive(Debug)]
pub enum Answer {
    /// JSON with a status.
    Json(u16, Bytes),
    /// Something else: text, a stream.
    Other(Response),
}

impl Call {
    /// The gateway.
    pub fn gateway(&self) -> &Gateway {
        &self.surface.gateway
    }

    /// What work on the gateway comes to, done away from the threads that serve sessions.
    pub async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Gateway) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let gateway = Arc::clone(&self.surface.gateway);
        let done = tokio::task::spawn_blocking(move || work(&gateway)).await;
        done.map_err(|error| Problem::new("unavailable", error.to_string()))
    }

    /// The same with the ledger, which is unavailable where that fails.
    pub async fn on_ledger<T: Send + 'static, E: Display + Send + 'static>(
        &self,
        work: impl FnOnce(&Ledger) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem> {
        let done = self.beside(move |gateway| work(gateway.ledger())).await?;
        done.map_err(|error| Problem::new("unavailable", error.to_string()))
    }

    /// The body, read strictly.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Problem::invalid("body", without_values(&error)),
            _ => Problem::new("bad_request", format!("the body is not JSON: line {}", error.line())),
        })
    }

    /// A parameter of the query.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A number of the query; the route has checked that it is one.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// A span of time of the query; the route has checked that it is one.
    pub fn span(&self, name: &str) -> Option<Duration> {
        span(self.text(name)?)
    }

    /// How many entries a list may have.
    pub fn limit(&self) -> usize {
        self.number("limit").unwrap_or(100) as usize
    }
}

/// A local day that a member names.
pub fn day(member: &str, text: &str) -> Result<Day, Problem> {
    Day::parse(text).ok_or_else(|| Problem::invalid(member, "expected a day such as 2026-11-24"))
}

/// A subscriber whom a member names.
pub fn subscriber(member: &str, text: &str) -> Result<Msisdn, Problem> {
    let wrong = |_| Problem::invalid(member, "expected a mainland mobile number of 11 digits");
    Msisdn::parse(0, 0, text.trim().as_bytes(), false).map_err(wrong)
}

impl Answer {
    /// 200 and JSON.
    pub fn json(value: &impl Serialize) -> Outcome {
        Self::with(200, value)
    }

    /// A status and JSON.
    pub fn with(status: u16, value: &impl Serialize) -> Outcome {
        match serde_json::to_vec(value) {
            Ok(text) => Ok(Self::Json(status, text.into())),
            Err(error) => Err(Problem::new("internal", error.to_string())),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Json(status, body) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                let json = HeaderValue::from_static("application/json");
                // What is told here is of this moment and of this caller.
                (
                    status,
                    [(header::CONTENT_TYPE, json), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
                    body,
                )
                    .into_response()
            }
            Self::Other(response) => response,
        }
    }
}

/// What a reader of JSON says, without the value it found: that could be a number or a text.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let known = ["unknown field", "missing field", "duplicate field", "unknown variant"];
    if known.iter().any(|start| text.starts_with(start)) && text.len() < 300 {
        let field = text.split(" at line ").next().unwrap_or_default().to_owned();
        return if text.starts_with("unknown variant") { expected(&field) } else { field };
    }
    format!("a value has the wrong type, line {} column {}", error.line(), error.column())
}

fn expected(text: &str) -> String {
    text.split_once("expected ").map_or_else(|| "no such word".to_owned(), |(_, words)| format!("expected {words}"))
}

/// Reads `90s`, `30m`, `12h`, `7d`; up to ten years.
pub fn span(text: &str) -> Option<Duration> {
    let at = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at))?;
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let number = number.bytes().all(|octet| octet.is_ascii_digit()).then(|| number.parse::<u64>().ok()).flatten()?;
    let seconds = number.checked_mul(seconds)?;
    (seconds <= 3653 * 86_400).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_carry_their_unit() {
        for (text, seconds) in [("90s", Some(90)), ("30m", Some(1800)), ("12h", Some(43_200)), ("7d", Some(604_800))] {
            assert_eq!(span(text).map(|span| span.as_secs()), seconds, "{text}");
        }
        for text in ["", "s", "1", "-1s", "1w", "99999999999999999999d", "3654d", "1é", "1.5h"] {
            assert_eq!(span(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_body_is_told_without_its_values() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code, reason = "only its reading is tested")]
        struct Body {
            to: u8,
        }
        for (text, told) in [
            (r#"{"to": "13855100001"}"#, "a value has the wrong type, line 1 column 20"),
            (r#"{"tu": 1}"#, "unknown field `tu`, expected `to`"),
            (r"{}", "missing field `to`"),
        ] {
            let error = serde_json::from_str::<Body>(text).expect_err("refused");
            assert_eq!(without_values(&error), told);
        }
    }
}
