//! What goes wrong, as a problem document (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::mask::without_numbers;

/// Every kind of problem: the last part of its `type`, its status and its title.
const KINDS: &[(&str, u16, &str)] = &[
    ("bad_request", 400, "the request cannot be understood"),
    ("token_in_url", 400, "a token does not belong into a URL"),
    ("unauthorised", 401, "a bearer token is needed"),
    ("forbidden", 403, "the token's roles do not allow this"),
    ("cross_site", 403, "the request comes from another web site"),
    ("wrong_host", 403, "the API is not called by this name"),
    ("not_found", 404, "there is no such thing"),
    ("method_not_allowed", 405, "the resource does not know this method"),
    ("timeout", 408, "the request took too long to arrive"),
    ("conflict", 409, "the state does not allow this"),
    ("version_mismatch", 412, "somebody was faster"),
    ("too_large", 413, "the body is too large"),
    ("not_json", 415, "the body must be application/json"),
    ("invalid", 422, "a value is not acceptable"),
    ("internal", 500, "the gateway is at fault"),
    ("unavailable", 503, "not possible at the moment"),
];

/// A refusal of the API.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Its kind, `urn:smsluice:problem:` and a word.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// What is wrong with which value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
}

/// One value that is not acceptable.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Fault {
    /// The member of the body, or the query's parameter.
    path: String,
    /// What is wrong with it.
    message: String,
}

impl Problem {
    /// A problem of a kind of the table; one that is not there is an internal one. What is wrong may be a number: whatever is
    /// said of it is masked.
    pub fn new(kind: &str, detail: impl Into<String>) -> Self {
        let internal = ("internal", 500, "the gateway is at fault");
        let (kind, status, title) = KINDS.iter().find(|own| own.0 == kind).copied().unwrap_or(internal);
        Self {
            kind: format!("urn:smsluice:problem:{kind}"),
            title,
            status,
            detail: without_numbers(&detail.into()),
            errors: Vec::new(),
        }
    }

    /// A value that is not acceptable.
    pub fn invalid(path: &str, message: impl Into<String>) -> Self {
        let message = without_numbers(&message.into());
        let fault = Fault { path: path.to_owned(), message: message.clone() };
        Self { errors: vec![fault], ..Self::new("invalid", format!("{path}: {message}")) }
    }

    /// Several values that are not acceptable, each with its place.
    pub fn several(detail: &str, faults: impl Iterator<Item = (String, String)>) -> Self {
        let errors = faults.map(|(path, message)| Fault { path, message: without_numbers(&message) }).collect();
        Self { errors, ..Self::new("invalid", detail) }
    }

    /// Something that is not there.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new("not_found", format!("{what} does not exist"))
    }

    /// What is wrong.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The word of its kind.
    pub fn word(&self) -> &str {
        self.kind.rsplit(':').next().unwrap_or_default()
    }

    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let how = HeaderValue::from_static("Bearer realm=\"smsluice\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart_by_their_word() {
        for (index, (kind, status, _)) in KINDS.iter().enumerate() {
            assert_eq!(KINDS.iter().position(|other| other.0 == *kind), Some(index));
            assert_eq!(Problem::new(kind, "").status(), *status);
        }
        let json = serde_json::to_value(Problem::invalid("to", "too long")).expect("serialises");
        assert_eq!(json["type"], "urn:smsluice:problem:invalid");
        assert_eq!((&json["status"], &json["errors"][0]["path"]), (&422.into(), &"to".into()));
    }
}
