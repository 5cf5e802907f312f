//! What is recorded of messages, and for how long (section 6).

use serde::{Deserialize, Serialize};

/// The records of messages.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSwitches {
    /// Whether the text itself is recorded beside its digest.
    pub text: bool,
    /// Days that records are kept, 1..=3660.
    pub retention_days: u32,
}

impl Default for AuditSwitches {
    fn default() -> Self {
        Self { text: false, retention_days: 180 }
    }
}
