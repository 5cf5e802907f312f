//! Clause 7.6: when the SMSC's overload lowers the rate or stops it, and how it comes back.

use serde::{Deserialize, Serialize};

/// What follows a pause.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PauseSwitches {
    /// Seconds in which an account's rate grows to its whole when a hold on it ends; 0 is at once.
    pub ramp_seconds: u32,
    /// Whether the SMSC is asked to cancel what it is to deliver during a pause.
    pub cancel_scheduled: bool,
}

/// The overload governor, one for each SMSC.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OverloadSwitches {
    /// How far it may go.
    pub mode: OverloadMode,
    /// It looks on and changes nothing: neither the rate nor a hold.
    pub freeze: bool,
    /// Percent of answers that are RTHROTTLED, RMSGQFUL or RSYSERR, from which on the rate is lowered.
    pub lower_share_percent: u32,
    /// Milliseconds to the answer; more than a twentieth above it lowers the rate.
    pub lower_response_ms: u32,
    /// congestion_state from which on the rate is lowered; 101 never.
    pub lower_congestion: u32,
    /// Messages not answered yet, from which on the rate is lowered.
    pub lower_in_flight: u32,
    /// Percent below what the SMSC took, to which the rate is lowered.
    pub decrease_percent: u32,
    /// Percent of what the SMSC took, by which the rate grows a second.
    pub increase_percent: u32,
    /// The rate is not lowered below it, messages a second.
    pub least_per_second: u32,
    /// Percent of such answers in the window that place a hold.
    pub hold_share_percent: u32,
    /// Answers in the window, below which the share says nothing.
    pub hold_answers: u32,
    /// Milliseconds to the answer; more than a twentieth above it in the window places a hold.
    pub hold_response_ms: u32,
    /// congestion_state that places a hold when it is reached in answers that follow each other.
    pub hold_congestion: u32,
    /// How many such answers.
    pub hold_congestion_answers: u32,
    /// congestion_state that places a hold in one answer; 101 never.
    pub hold_congestion_at_once: u32,
    /// Seconds of the window.
    pub window_seconds: u32,
    /// Seconds without any ground for a hold, after which it ends.
    pub quiet_seconds: u32,
}

/// How far the governor may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OverloadMode {
    /// It lowers the rate, and places a hold when that does not help.
    Hold,
    /// It lowers the rate only.
    Lower,
    /// It does nothing.
    Off,
}

impl Default for PauseSwitches {
    fn default() -> Self {
        Self { ramp_seconds: 10, cancel_scheduled: false }
    }
}

impl Default for OverloadSwitches {
    fn default() -> Self {
        Self {
            mode: OverloadMode::Hold,
            freeze: false,
            lower_share_percent: 5,
            lower_response_ms: 2000,
            lower_congestion: 80,
            lower_in_flight: 10_000,
            decrease_percent: 10,
            increase_percent: 2,
            least_per_second: 10,
            hold_share_percent: 20,
            hold_answers: 50,
            hold_response_ms: 5000,
            hold_congestion: 90,
            hold_congestion_answers: 5,
            hold_congestion_at_once: 100,
            window_seconds: 30,
            quiet_seconds: 60,
        }
    }
}
