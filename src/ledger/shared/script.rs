//! The scripts that the server runs, each whole or not at all, and what is handed to them.

use redis::{Cmd, Value};

use super::super::record::Taken;
use super::Fault;

/// The key by which a cluster finds the node; all others carry its hash tag.
pub(super) const META: &str = "{smsluice}:meta";
/// The unknown outcomes of all gateways, by token.
pub(super) const UNKNOWN: &str = "{smsluice}:unknown";

const COMMON: &str = include_str!("lua/common.lua");
const HOLDS: &str = include_str!("lua/holds.lua");

/// A script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// A connection begins.
    Begin,
    /// One recipient's reservation.
    Take,
    /// What has come of a message in parts.
    Look,
    /// A reservation is given back.
    Give,
    /// A message is with the SMSC for certain.
    Sent,
    /// Nobody knows whether it is.
    Doubt,
    /// An operator releases it.
    Free,
    /// A gateway asks for leave to write.
    Lease,
    /// A hold is placed.
    Hold,
    /// A hold has ended.
    Unhold,
    /// A gateway has no lease any more.
    Forget,
}

impl Script {
    /// Every one, in the order of their hashes.
    pub(super) const ALL: [Self; 11] = [
        Self::Begin,
        Self::Take,
        Self::Look,
        Self::Give,
        Self::Sent,
        Self::Doubt,
        Self::Free,
        Self::Lease,
        Self::Hold,
        Self::Unhold,
        Self::Forget,
    ];

    /// What the server is to load.
    pub(super) fn text(self) -> String {
        let (common, own) = match self {
            Self::Begin => ("", include_str!("lua/begin.lua")),
            Self::Take => ("", include_str!("lua/take.lua")), // runs for every message: nothing that it does not need
            Self::Look => ("", include_str!("lua/look.lua")),
            Self::Give => (COMMON, include_str!("lua/give.lua")),
            Self::Sent => (COMMON, include_str!("lua/sent.lua")),
            Self::Doubt => (COMMON, include_str!("lua/doubt.lua")),
            Self::Free => (COMMON, include_str!("lua/free.lua")),
            Self::Lease => (HOLDS, include_str!("lua/lease.lua")),
            Self::Hold => (HOLDS, include_str!("lua/hold.lua")),
            Self::Unhold => (HOLDS, include_str!("lua/unhold.lua")),
            Self::Forget => (HOLDS, include_str!("lua/forget.lua")),
        };
        format!("{common}{own}")
    }
}

/// The hashes by which the server knows its scripts.
#[derive(Clone, Debug, Default)]
pub(super) struct Scripts(Vec<String>);

impl Scripts {
    /// From the server's answers to the loading of all.
    pub(super) fn loaded(answers: &[Value]) -> Result<Self, Fault> {
        let hashes = answers.iter().map(text).collect::<Result<Vec<_>, _>>()?;
        if hashes.len() == Script::ALL.len() { Ok(Self(hashes)) } else { Err(Fault::Answer) }
    }

    /// A call, whose arguments follow.
    pub(super) fn call(&self, script: Script) -> Cmd {
        let mut call = redis::cmd("EVALSHA");
        call.arg(self.0.get(script as usize).map_or("", String::as_str)).arg(1).arg(META);
        call
    }
}

/// What a message took, in words that mean the same on every gateway. Zero octets end the fields.
pub(super) fn what(taken: &Taken, names: &[String]) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    let mut field = |text: &str| {
        out.extend_from_slice(text.as_bytes());
        out.push(0);
    };
    field(&number(taken));
    field(&taken.day.number().to_string());
    field(&taken.effects.bits().to_string());
    field(scope(taken.slot_scope, names));
    field(scope(taken.quota_scope, names));
    field(scope(taken.account, names));
    field(&segment(taken));
    out
}

/// The subscriber's number, or nothing.
pub(super) fn number(taken: &Taken) -> String {
    taken.recipient.map(|number| number.get().to_string()).unwrap_or_default()
}

/// The number's segment of clause 7.7.
pub(super) fn segment(taken: &Taken) -> String {
    let digits = u32::from(taken.terms.spread_digits);
    taken.recipient.map(|number| number.prefix(digits).to_string()).unwrap_or_default()
}

/// The name of a scope: `0` for all senders together.
pub(super) fn scope(number: u16, names: &[String]) -> &str {
    if number == 0 { "0" } else { names.get(usize::from(number)).map_or("", String::as_str) }
}

/// A token as the scripts know it.
pub(super) const fn token(token: u64) -> [u8; 8] {
    token.to_be_bytes()
}

/// An answer that is a text.
pub(super) fn text(value: &Value) -> Result<String, Fault> {
    octets(value).and_then(|octets| String::from_utf8(octets.to_vec()).map_err(|_| Fault::Answer))
}

/// An answer that is octets.
pub(super) fn octets(value: &Value) -> Result<&[u8], Fault> {
    match value {
        Value::BulkString(octets) => Ok(octets),
        Value::SimpleString(text) => Ok(text.as_bytes()),
        Value::ServerError(error) => Err(Fault::Refused(error.code().to_owned())),
        _ => Err(Fault::Answer),
    }
}

/// An answer that is a number, or a text of one.
pub(super) fn int<T: TryFrom<i64>>(value: &Value) -> Result<T, Fault> {
    let number = match value {
        Value::Int(number) => *number,
        other => text(other)?.parse().map_err(|_| Fault::Answer)?,
    };
    T::try_from(number).map_err(|_| Fault::Answer)
}

/// An answer that is a list.
pub(super) fn list(value: &Value) -> Result<&[Value], Fault> {
    match value {
        Value::Array(values) => Ok(values),
        Value::ServerError(error) => Err(Fault::Refused(error.code().to_owned())),
        _ => Err(Fault::Answer),
    }
}
