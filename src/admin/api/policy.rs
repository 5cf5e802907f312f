//! The switches in force.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome};
use crate::config::{Origin, Setting};

/// The policy in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PolicyView {
    /// Its version.
    version: u64,
    /// Every switch.
    switches: Vec<SwitchView>,
}

/// One switch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SwitchView {
    /// `section.key`.
    key: String,
    /// Its value.
    value: Value,
    /// `default`, `file` or `environment`.
    source: &'static str,
    /// The clause it serves.
    clause: &'static str,
}

pub(super) async fn show(call: Call) -> Outcome {
    let version = call.gateway().site().rules.version;
    let switches = call.surface.policy.iter().map(SwitchView::of).collect();
    Answer::json(&PolicyView { version, switches })
}

impl SwitchView {
    fn of(setting: &Setting) -> Self {
        Self {
            key: setting.key.clone(),
            value: setting.value.clone(),
            source: match setting.origin {
                Origin::Default => "default",
                Origin::File => "file",
                Origin::Environment => "environment",
            },
            clause: setting.clause,
        }
    }
}
