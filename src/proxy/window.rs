//! Requests passed to the SMSC and not yet answered, by the sender's own sequence numbers.

use std::collections::HashMap;

use crate::domain::Invariant;
use crate::ledger::Reservation;
use crate::smpp::command;
use crate::smpp::multi::Unsuccess;

use super::accepted::Original;
use super::replace::Replacing;
use super::scheduled::Later;

/// Requests without an answer that are remembered to absorb late ones. An SMSC that leaves more of them open is
/// not listened to any longer: forgetting one would let its late answer settle another that has its number.
pub(super) const EXPIRED_MAX: usize = 10_000;

/// What a request has reserved.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// For one recipient.
    One(Reservation),
    /// For one recipient, to be remembered by the SMSC's name for it if it accepts.
    Kept(Box<Kept>),
    /// For several recipients of one submit_multi.
    Many(Box<Many>),
    /// For another text or time of an accepted message.
    Replacing(Box<Replacing>),
}

/// A message of which something is remembered once it is accepted.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// What it has reserved.
    pub(super) reservation: Reservation,
    /// What a replace_sm is held against, and how many messages its account may have remembered for that.
    pub(super) replaceable: Option<(Original, usize)>,
    /// It has a time of its own.
    pub(super) later: Option<Box<Later>>,
}

/// The recipients of a submit_multi.
#[derive(Clone, Debug)]
pub(super) struct Many {
    /// Those it goes to, named as the SMSC would name one that it does not take.
    pub(super) taken: Vec<(Unsuccess, Reservation)>,
    /// Those the gateway refused; they join the SMSC's own in the answer.
    pub(super) refused: Vec<Unsuccess>,
    /// It has a time of its own.
    pub(super) later: Option<Box<Later>>,
}

/// One request under way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    /// What it has reserved.
    pub(super) held: Held,
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
    waiting: usize,
    /// No waiting request was handed over before this; the sweeper looks no further.
    oldest_ms: i64,
}

/// What an answer of the SMSC is an answer to.
#[derive(Clone, Debug)]
pub(super) enum Answered {
    /// A request that waits for it.
    Waiting(Flight),
    /// A request whose number a generic_nack names; its outcome is unknown.
    Nacked(Flight),
    /// A request that was answered in its stead.
    Late(Flight),
    /// A request of another type.
    WrongType,
    /// Nothing.
    Nothing,
}

impl Held {
    /// Every reservation.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Reservation> {
        let (one, many) = match self {
            Self::One(reservation) => (Some(reservation), None),
            Self::Kept(kept) => (Some(&kept.reservation), None),
            Self::Replacing(replacing) => (Some(&replacing.reservation), None),
            Self::Many(many) => (None, Some(many.taken.iter().map(|(_, reservation)| reservation))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Every reservation, to be given its id.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Reservation> {
        let (one, many) = match self {
            Self::One(reservation) => (Some(reservation), None),
            Self::Kept(kept) => (Some(&mut kept.reservation), None),
            Self::Replacing(replacing) => (Some(&mut replacing.reservation), None),
            Self::Many(many) => (None, Some(many.taken.iter_mut().map(|(_, reservation)| reservation))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Messages, one for each recipient.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(_) | Self::Kept(_) | Self::Replacing(_) => 1,
            Self::Many(many) => many.taken.len(),
        }
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { flights: HashMap::default(), expired: 0, waiting: 0, oldest_ms: i64::MAX }
    }
}

impl Window {
    /// Enters a request; `false` if its number is under way.
    pub(super) fn insert(&mut self, sequence: u32, flight: Flight) -> bool {
        match self.flights.entry(sequence) {
            std::collections::hash_map::Entry::Vacant(place) => {
                self.oldest_ms = self.oldest_ms.min(flight.sent_ms);
                self.waiting += flight.held.len();
                place.insert(flight);
                true
            }
            std::collections::hash_map::Entry::Occupied(_) => false,
        }
    }

    /// Takes the request that an answer belongs to. A generic_nack names a number and no operation, and numbers
    /// of relayed requests are not entered here: it ends the waiting, but says nothing about the message.
    pub(super) fn answer(&mut self, sequence: u32, command_id: u32) -> Answered {
        let Some(flight) = self.flights.get_mut(&sequence) else { return Answered::Nothing };
        if command_id == command::GENERIC_NACK {
            if flight.expired {
                return Answered::Nothing;
            }
            flight.expired = true;
            self.expired += 1;
            self.waiting = less(self.waiting, flight.held.len());
            return Answered::Nacked(flight.clone());
        }
        if command_id != flight.command_id | command::RESPONSE {
            return Answered::WrongType;
        }
        let Some(flight) = self.flights.remove(&sequence) else { return Answered::Nothing };
        if flight.expired {
            self.expired = less(self.expired, 1);
            return Answered::Late(flight);
        }
        self.waiting = less(self.waiting, flight.held.len());
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
                self.waiting = less(self.waiting, flight.held.len());
                due.push((*sequence, flight.clone()));
            } else {
                self.oldest_ms = self.oldest_ms.min(flight.sent_ms);
            }
        }
        self.expired += due.len();
        due
    }

    /// Takes one request out again that was not handed over after all; `None` if it is settled already.
    pub(super) fn withdraw(&mut self, sequence: u32) -> Option<Flight> {
        if self.flights.get(&sequence)?.expired {
            return None;
        }
        let flight = self.flights.remove(&sequence)?;
        self.waiting = less(self.waiting, flight.held.len());
        Some(flight)
    }

    /// Takes out all that waits.
    pub(super) fn drain(&mut self) -> Vec<Flight> {
        (self.expired, self.waiting) = (0, 0);
        self.flights.drain().map(|(_, flight)| flight).filter(|flight| !flight.expired).collect()
    }

    /// Whether the SMSC has left more requests open than can be remembered.
    pub(super) const fn is_forgotten(&self) -> bool {
        self.expired > EXPIRED_MAX
    }

    /// Requests that wait and were handed over before this.
    pub(super) fn waiting_since(&self, before_ms: i64) -> usize {
        if before_ms <= self.oldest_ms {
            return 0;
        }
        self.flights.values().filter(|flight| !flight.expired && flight.sent_ms < before_ms).count()
    }

    /// Messages that wait for an answer, one for each recipient.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// A time before which none of those that wait was handed over, steady milliseconds; at most a response timer
    /// earlier than the oldest. `None` if nothing waits.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        (self.waiting > 0).then_some(self.oldest_ms)
    }
}

/// A count after some of what it counts has left.
fn less(count: usize, left: usize) -> usize {
    count.checked_sub(left).unwrap_or_else(|| {
        Invariant::Window.broken();
        0
    })
}
