//! Messages in parts that may come over several gateways: the server keeps what
//! has come of each, this judges it, and the server takes a part only if nothing
//! has changed since.

use redis::Value;

use crate::domain::Day;
use crate::policy::case::Author;
use crate::policy::joined::{self, Earlier, Joined, Passed};
use crate::policy::{Reason, Refusal};

use super::super::reserve::Claim;
use super::Fault;
use super::ask::{self, Ask};
use super::script;

/// What has come of one message, as the server had it.
#[derive(Clone)]
pub(super) struct View {
    pub(super) version: Vec<u8>,
    key: String,
    total: u8,
    data_coding: u8,
    day: Day,
    state: State,
    parts: Vec<(u8, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Nothing,
    Living,
    Done,
    Over,
}

impl View {
    /// Reads the server's answer to a look.
    pub(super) fn read(value: &Value) -> Result<Self, Fault> {
        let answer = script::list(value)?;
        let at = |index: usize| answer.get(index).ok_or(Fault::Answer);
        let state = match script::int(at(5)?)? {
            0_u8 => State::Nothing,
            1 => State::Living,
            2 => State::Done,
            3 => State::Over,
            _ => return Err(Fault::Answer),
        };
        let mut parts = Vec::new();
        for pair in answer.get(6..).unwrap_or_default().chunks_exact(2) {
            parts.push((script::int(&pair[0])?, script::text(&pair[1])?));
        }
        parts.sort_unstable_by_key(|(index, _)| *index);
        Ok(Self {
            version: script::octets(at(0)?)?.to_vec(),
            key: script::text(at(1)?)?,
            total: script::int(at(2)?)?,
            data_coding: script::int(at(3)?)?,
            day: Day::from_number(script::int(at(4)?)?),
            state,
            parts,
        })
    }

    /// Holds a part against it.
    pub(super) fn judge(&self, claim: &Claim<'_>, ask: &Ask) -> Result<Joined, Refusal> {
        let Some(piece) = &ask.piece else { return Err(ask.refusal(claim, Reason::OperationDenied)) };
        // A server that was away has no key of a message that was found sent when it came back.
        let other = self.state != State::Nothing && !self.key.is_empty() && self.key != ask::key(piece);
        if other {
            return Err(ask.refusal(claim, Reason::OperationDenied)); // two messages have one hash
        }
        let author = Author::new(claim.rules, claim.account);
        let texts = || self.parts.iter().map(|(index, text)| (*index, text.as_str())).collect();
        let passed = if self.state == State::Done { Passed::All } else { Passed::Some(texts()) };
        let over = self.state == State::Over;
        let earlier = Earlier { total: self.total, data_coding: self.data_coding, day: self.day, passed, over };
        let earlier = (self.state != State::Nothing).then_some(earlier);
        joined::join(author, piece, ask.edt, earlier.as_ref())
            .map_err(|refusal| Refusal { observed: refusal.observed.union(ask.observed), ..refusal })
    }

    /// The server has taken a part since.
    pub(super) fn join(&mut self, ask: &Ask, keep_text: bool, version: Vec<u8>) {
        let Some(piece) = &ask.piece else { return };
        if self.state == State::Nothing {
            *self = Self {
                version: Vec::new(),
                key: ask::key(piece),
                total: piece.part.total,
                data_coding: piece.data_coding,
                day: ask.taken.day,
                state: State::Living,
                parts: Vec::new(),
            };
        }
        self.version = version;
        let text = if keep_text { piece.text.to_string() } else { String::new() };
        let place = self.parts.partition_point(|(index, _)| *index < piece.part.index);
        self.parts.insert(place, (piece.part.index, text));
    }

    /// Whether nothing has come of it yet: its first part takes for all.
    pub(super) fn is_new(&self) -> bool {
        self.state == State::Nothing
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither texts nor the key, which holds a number (P14).
        write!(f, "View({} of {}, {:?})", self.parts.len(), self.total, self.state)
    }
}
