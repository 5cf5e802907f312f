//! Which program this is, and how it is spoken to.

use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome};
use crate::admin::openapi;

/// The program.
#[derive(Debug, Serialize, ToSchema)]
pub struct Build {
    /// Always `smsluice`.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// The minimum Rust version it is built with.
    rust_version: &'static str,
    /// The system it was built for.
    target: String,
}

impl Build {
    /// This program.
    pub fn own() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            rust_version: env!("CARGO_PKG_RUST_VERSION"),
            target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        }
    }
}

pub(super) async fn show(_: Call) -> Outcome {
    Answer::json(&Build::own())
}

pub(super) async fn openapi(_: Call) -> Outcome {
    Answer::json(&openapi::document())
}
