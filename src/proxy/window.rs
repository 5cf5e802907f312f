//! Requests passed to the SMSC and not yet answered, by the sender's own sequence numbers.

use std::collections::HashMap;

use crate::ledger::Reservation;
use crate::smpp::command;

/// Expired requests that are remembered to absorb their late answers.
const EXPIRED_MAX: usize = 10_000;

/// One request under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    /// What it took.
    pub(super) reservation: Reservation,
    /// Its command_id.
    pub(super) command_id: u32,
    /// When it was handed over, steady milliseconds.
    pub(super) sent_ms: i64,
    /// The sender has been answered in the SMSC's stead.
    pub(super) expired: bool,
}

/// The requests of one session.
#[derive(Debug)]
pub(super) struct Window {
    flights: HashMap<u32, Flight, foldhash::fast::RandomState>,
    expired: usize,
    /// No waiting request was handed over before this; the sweeper looks no further.
    oldest_ms: i64,
}

/// What an answer of the SMSC is an answer to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answered {
    /// A request that waits for it.
    Waiting(Flight),
    /// A request that was answered in its stead.
    Late(Flight),
    /// A request of another type.
    WrongType,
    /// Nothing.
    Nothing,
}

impl Default for Window {
    fn default() -> Self {
        Self { flights: HashMap::default(), expired: 0, oldest_ms: i64::MAX }
    }
}

impl Window {
    /// Enters a request; `false` if its number is under way.
    pub(super) fn insert(&mut self, sequence: u32, flight: Flight) -> bool {
        match self.flights.entry(sequence) {
            std::collections::hash_map::Entry::Vacant(place) => {
                self.oldest_ms = self.oldest_ms.min(flight.sent_ms);
                place.insert(flight);
                true
            }
            std::collections::hash_map::Entry::Occupied(_) => false,
        }
    }

    /// Takes the request that an answer belongs to. generic_nack answers any request.
    pub(super) fn answer(&mut self, sequence: u32, command_id: u32) -> Answered {
        let Some(flight) = self.flights.get(&sequence) else { return Answered::Nothing };
        if command_id != command::GENERIC_NACK && command_id != flight.command_id | command::RESPONSE {
            return Answered::WrongType;
        }
        let Some(flight) = self.flights.remove(&sequence) else { return Answered::Nothing };
        if flight.expired {
            self.expired -= 1;
            return Answered::Late(flight);
        }
        Answered::Waiting(flight)
    }

    /// Marks the requests that were handed over before `before_ms`; returns them with their numbers.
    pub(super) fn expire(&mut self, before_ms: i64) -> Vec<(u32, Flight)> {
        let mut due = Vec::new();
        if before_ms <= self.oldest_ms {
            return due;
        }
        self.oldest_ms = i64::MAX;
        for (sequence, flight) in &mut self.flights {
            if flight.expired {
                continue;
            }
            if flight.sent_ms < before_ms {
                flight.expired = true;
                due.push((*sequence, *flight));
            } else {
                self.oldest_ms = self.oldest_ms.min(flight.sent_ms);
            }
        }
        self.expired += due.len();
        if self.expired > EXPIRED_MAX {
            self.flights.retain(|_, flight| !flight.expired);
            self.expired = 0;
        }
        due
    }

    /// Takes one request out again that was not handed over after all.
    pub(super) fn withdraw(&mut self, sequence: u32) -> Option<Flight> {
        self.flights.remove(&sequence)
    }

    /// Takes out all that waits.
    pub(super) fn drain(&mut self) -> Vec<Flight> {
        self.expired = 0;
        self.flights.drain().map(|(_, flight)| flight).filter(|flight| !flight.expired).collect()
    }

    /// Requests that wait for an answer.
    pub(super) fn waiting(&self) -> usize {
        self.flights.len() - self.expired
    }
}
