//! What the commands of the simulated peers share: how their options are
//! written, a line that renews itself, and the names of statuses.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::domain::{Clock, Moment};
use crate::sim::load::Kind;
use crate::sim::smsc::parse_time;

/// A status as `0x58` or `88`.
pub(super) fn status(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "expected a command_status such as `0x58` or `88`".to_owned())
}

/// A share, 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a share from 0 to 1 such as `0.05`".to_owned())
}

/// `0x14=0.05`.
pub(super) fn status_share(text: &str) -> Result<(u32, f64), String> {
    let (left, right) = text.split_once('=').ok_or("expected `STATUS=SHARE` such as `0x14=0.05`")?;
    Ok((status(left)?, share(right)?))
}

/// `too_long=0.05`.
pub(super) fn kind_share(text: &str) -> Result<(Kind, f64), String> {
    let words = Kind::ALL.map(Kind::code).join(", ");
    let (left, right) = text.split_once('=').ok_or("expected `KIND=SHARE` such as `repeat=0.05`")?;
    let kind = Kind::from_code(left).ok_or_else(|| format!("`{left}` is none of {words}"))?;
    Ok((kind, share(right)?))
}

/// A time such as `500ms`, above 0.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let time = parse_time(text).map_err(|error| error.to_string())?;
    if time.is_zero() { Err("expected a time above 0".to_owned()) } else { Ok(time) }
}

/// A clock that starts at a time as `2026-11-24T09:30:00+08:00` and runs on.
pub(super) fn clock(text: &str) -> Result<Clock, String> {
    let start = Moment::parse(text).ok_or("expected a time such as `2026-11-24T09:30:00+08:00`")?;
    Ok(Clock::starting_at(start))
}

/// Fails when shares add up to more than everything.
pub(super) fn check_shares(shares: impl Iterator<Item = f64>) -> Result<(), String> {
    let sum: f64 = shares.sum();
    if sum > 1.0 + 1e-9 { Err(format!("the shares add up to {sum:.3}, more than 1")) } else { Ok(()) }
}

/// A line about what is going on, on standard error: renewed in place on a
/// terminal, one below the other elsewhere.
pub(super) struct LiveLine {
    terminal: bool,
    quiet: bool,
    width: usize,
}

impl LiveLine {
    pub(super) fn new(quiet: bool) -> Self {
        Self { terminal: io::stderr().is_terminal(), quiet, width: 0 }
    }

    pub(super) fn show(&mut self, line: &str) {
        if self.quiet {
            return;
        }
        // A standard error that is gone is no reason to stop.
        let _ = if self.terminal {
            write!(io::stderr(), "\r{line:<width$}", width = self.width)
        } else {
            writeln!(io::stderr(), "{line}")
        };
        self.width = line.chars().count();
    }
}

impl Drop for LiveLine {
    /// Leaves the last line where it is.
    fn drop(&mut self) {
        if self.terminal && self.width > 0 {
            let _ = writeln!(io::stderr());
        }
    }
}

/// Ctrl-C and SIGTERM.
pub(super) struct StopSignal(Signal, Signal);

impl StopSignal {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    }

    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}
