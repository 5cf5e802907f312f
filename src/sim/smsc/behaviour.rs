//! How a simulated SMSC behaves, changeable while it runs.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::sim::pdu::IdFormat;
use crate::sim::random::Random;

/// What the SMSC does with binds and messages. The default answers all of them with 0 at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Behaviour {
    /// Accounts and their passwords; `None` lets everybody in.
    pub passwords: Option<BTreeMap<String, String>>,
    /// `command_status` every bind is refused with.
    pub refuse_binds: Option<u32>,
    /// Connections are closed as soon as they are accepted.
    pub refuse_connections: bool,
    /// Nothing is ever answered, not even a bind.
    pub mute: bool,
    /// Time from a message to its answer; above zero in steps of a millisecond.
    pub latency: Latency,
    /// Shares of messages answered with an error: status and probability.
    pub errors: Vec<(u32, f64)>,
    /// Share of messages that are taken and never answered.
    pub silent: f64,
    /// Share of answers sent twice.
    pub duplicate: f64,
    /// Share of answers followed by octets that are no PDU.
    pub garbage: f64,
    /// Messages a second over all connections; those above are answered `ESME_RTHROTTLED`.
    pub capacity: Option<u32>,
    /// Messages are served one after another, and wait for it in a queue.
    pub service: Option<Service>,
    /// `congestion_state` sent with every answer to a message.
    pub congestion_state: Option<u8>,
    /// Receipts for messages that ask for them.
    pub receipts: Option<Receipts>,
    /// A connection closes when it has taken that many messages, the last one without an answer.
    pub close_after: Option<u64>,
    /// How message ids are written.
    pub id_format: IdFormat,
}

/// A time from a range, each value equally likely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// The shortest.
    pub from: Duration,
    /// The longest.
    pub to: Duration,
}

/// A service that saturates: what it takes is answered when it has been served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Messages served a second, over all connections.
    pub per_second: u32,
    /// Messages that may wait; those that find the queue full are answered with `full` at once.
    pub queue: u32,
    /// The `command_status` of a full queue, RTHROTTLED or RMSGQFUL.
    pub full: u32,
}

/// How receipts come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Receipts {
    /// Time from the answer to the receipt.
    pub delay: Latency,
    /// Share of messages that do not arrive.
    pub undelivered: f64,
}

impl Behaviour {
    /// The status of the next message by the error mix; 0 for most.
    pub fn draw_status(&self, random: &mut Random) -> u32 {
        if self.errors.is_empty() {
            return 0;
        }
        let mut left = random.fraction();
        for (status, share) in &self.errors {
            if left < *share {
                return *status;
            }
            left -= share;
        }
        0
    }
}

// === impl Latency ===

impl Latency {
    /// Always the same time.
    pub const fn fixed(time: Duration) -> Self {
        Self { from: time, to: time }
    }

    /// Whether it is always zero.
    pub const fn is_zero(self) -> bool {
        self.to.is_zero()
    }

    /// A time from the range.
    pub fn draw(self, random: &mut Random) -> Duration {
        let spread = self.to.saturating_sub(self.from).as_micros() as u64;
        self.from + Duration::from_micros(random.below(spread + 1))
    }
}

/// The text is no duration or range of durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a time such as `500us`, `20ms`, `2s` or `1m`, or a range such as `5ms..20ms`")]
pub struct NotATime;

impl FromStr for Latency {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let (from, to) = (parse_time(from)?, parse_time(to)?);
        if from <= to { Ok(Self { from, to }) } else { Err(NotATime) }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to { write!(f, "{:?}", self.from) } else { write!(f, "{:?}..{:?}", self.from, self.to) }
    }
}

/// Reads `500us`, `20ms`, `1.5s`, `1m` or `0`.
pub fn parse_time(text: &str) -> Result<Duration, NotATime> {
    let digits = text.find(|letter: char| letter != '.' && !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| NotATime)?;
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "" if number == 0.0 => 0.0,
        _ => return Err(NotATime),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|_| NotATime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ranges_read_as_written() {
        let range: Latency = "5ms..20ms".parse().expect("a range");
        assert_eq!((range.from, range.to), (Duration::from_millis(5), Duration::from_millis(20)));
        assert_eq!("2s".parse(), Ok(Latency::fixed(Duration::from_secs(2))));
        assert_eq!(parse_time("500us"), Ok(Duration::from_micros(500)));
        for wrong in ["", "5", "ms", "20ms..5ms", "5 ms", "-1s", "5ms..."] {
            assert_eq!(wrong.parse::<Latency>(), Err(NotATime), "{wrong}");
        }
        let mut random = Random::new(1);
        assert!((0..1000).map(|_| range.draw(&mut random)).all(|time| time >= range.from && time <= range.to));
    }
}
