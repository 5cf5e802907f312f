//! What passes over the two legs, all sessions together: octets, and PDUs by
//! command. Counted once a batch, in children resolved beforehand.

use prometheus::{IntCounter, IntCounterVec};

use crate::smpp::command::{self, RESPONSE};
use crate::smpp::frame::{Cut, HEADER, Header};

/// Commands with a label of their own, the frequent ones first; each has one for its response.
const COMMANDS: [u32; 13] = [
    command::SUBMIT_SM,
    command::DELIVER_SM,
    command::ENQUIRE_LINK,
    command::DATA_SM,
    command::SUBMIT_MULTI,
    command::QUERY_SM,
    command::CANCEL_SM,
    command::REPLACE_SM,
    command::BROADCAST_SM,
    command::BIND_TRANSCEIVER,
    command::BIND_TRANSMITTER,
    command::BIND_RECEIVER,
    command::UNBIND,
];
const GENERIC_NACK: usize = 2 * COMMANDS.len();
const OTHER: usize = GENERIC_NACK + 1;
const KINDS: usize = OTHER + 1;

/// One leg, both directions.
#[derive(Debug)]
pub struct LegMetrics {
    received: Flow,
    sent: Flow,
}

#[derive(Debug)]
struct Flow {
    octets: IntCounter,
    pdus: [IntCounter; KINDS],
}

impl LegMetrics {
    pub(super) fn new(leg: &'static str, pdus: &IntCounterVec, received: &IntCounterVec, sent: &IntCounterVec) -> Self {
        let flow = |direction: &str, octets: &IntCounterVec| Flow {
            octets: octets.with_label_values(&[leg]),
            pdus: std::array::from_fn(|kind| pdus.with_label_values(&[leg, direction, &label(kind)])),
        };
        Self { received: flow("received", received), sent: flow("sent", sent) }
    }

    /// That many octets were read from a socket.
    pub fn read(&self, octets: usize) {
        self.received.octets.inc_by(octets as u64);
    }

    /// Whole PDUs that were cut from what was read.
    pub fn received(&self, pdus: &[u8]) {
        self.received.count(std::iter::once(pdus), usize::MAX);
    }

    /// Runs of whole PDUs of which the system took the first `octets`.
    pub fn sent<'a>(&self, runs: impl Iterator<Item = &'a [u8]>, octets: usize) {
        let taken = self.sent.count(runs, octets);
        self.sent.octets.inc_by(taken as u64);
    }

    /// One run of whole PDUs that the system took.
    pub fn sent_all(&self, pdus: &[u8]) {
        self.sent(std::iter::once(pdus), usize::MAX);
    }
}

impl Flow {
    /// Counts the whole PDUs among the first `limit` octets; tells how many octets those are, parts of PDUs included.
    fn count<'a>(&self, runs: impl Iterator<Item = &'a [u8]>, limit: usize) -> usize {
        let mut numbers = [0_u32; KINDS];
        let mut octets = 0;
        for run in runs {
            let mut rest = &run[..run.len().min(limit - octets)];
            octets += rest.len();
            while let Cut::Whole(length) = Cut::at(rest, usize::MAX) {
                if let Some(header) = Header::read(rest) {
                    numbers[kind(header.command_id)] += 1;
                }
                rest = &rest[length.max(HEADER)..];
            }
        }
        for (counter, number) in self.pdus.iter().zip(numbers).filter(|(_, number)| *number > 0) {
            counter.inc_by(u64::from(number));
        }
        octets
    }
}

/// Where a command_id is counted.
fn kind(command_id: u32) -> usize {
    let place = COMMANDS.iter().position(|id| *id == command_id & !RESPONSE);
    match place {
        Some(place) if command_id & RESPONSE == 0 => place,
        Some(place) => COMMANDS.len() + place,
        None if command_id == command::GENERIC_NACK => GENERIC_NACK,
        None => OTHER,
    }
}

/// The label of a kind.
fn label(kind: usize) -> String {
    match kind {
        GENERIC_NACK => "generic_nack".to_owned(),
        OTHER => "other".to_owned(),
        request if request < COMMANDS.len() => command::name(COMMANDS[request]).to_owned(),
        response => format!("{}_resp", command::name(COMMANDS[response - COMMANDS.len()])),
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Opts;

    use super::*;

    fn leg() -> (LegMetrics, IntCounterVec) {
        let family = |name: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, "h"), labels).expect("valid");
        let pdus = family("pdus", &["leg", "direction", "command"]);
        let leg = LegMetrics::new("esme", &pdus, &family("received", &["leg"]), &family("sent", &["leg"]));
        (leg, pdus)
    }

    fn frame(command_id: u32, body: usize) -> Vec<u8> {
        let header = Header { length: (HEADER + body) as u32, command_id, status: 0, sequence: 1 };
        [&header.octets()[..], &vec![0; body]].concat()
    }

    #[test]
    fn every_kind_has_a_label_of_its_own() {
        let labels: std::collections::BTreeSet<_> = (0..KINDS).map(label).collect();
        assert_eq!(labels.len(), KINDS);
        assert_eq!(label(kind(command::SUBMIT_SM_RESP)), "submit_sm_resp");
        assert_eq!(label(kind(command::GENERIC_NACK)), "generic_nack");
        assert_eq!(label(kind(0x0102)), "other", "alert_notification");
        assert_eq!(label(kind(0x8000_0F00)), "other");
    }

    #[test]
    fn of_a_write_that_broke_only_what_left_is_counted() {
        let (leg, pdus) = leg();
        let (one, two) = ([frame(4, 10), frame(0x8000_0005, 1)].concat(), frame(4, 100));
        leg.sent([&one[..], &two[..]].into_iter(), one.len() + 20);
        assert_eq!(pdus.with_label_values(&["esme", "sent", "submit_sm"]).get(), 1);
        assert_eq!(pdus.with_label_values(&["esme", "sent", "deliver_sm_resp"]).get(), 1);
        assert_eq!(leg.sent.octets.get(), one.len() as u64 + 20);
        leg.sent_all(&two);
        assert_eq!(pdus.with_label_values(&["esme", "sent", "submit_sm"]).get(), 2);
        leg.received(&one);
        leg.read(one.len());
        assert_eq!(pdus.with_label_values(&["esme", "received", "submit_sm"]).get(), 1);
        assert_eq!(leg.received.octets.get(), one.len() as u64);
    }
}
