//! What a simulated SMSC has seen and done. Sessions count for themselves and
//! add up once a batch, before its answers go out: who reads an answer can rely
//! on the figures to contain it.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde::Serialize;

use crate::smpp::command;

/// Names of the commands counted apart, in the order of [`place`].
const NAMES: [&str; 17] = [
    "submit_sm",
    "deliver_sm_resp",
    "enquire_link",
    "enquire_link_resp",
    "submit_multi",
    "data_sm",
    "query_sm",
    "cancel_sm",
    "replace_sm",
    "bind_receiver",
    "bind_transmitter",
    "bind_transceiver",
    "unbind",
    "unbind_resp",
    "generic_nack",
    "broadcast_sm",
    "other",
];

/// Counts of one session since it last added them up, or of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    received: [u64; NAMES.len()],
    answered: Vec<(u32, u64)>,
    pub(super) connections: u64,
    pub(super) closed: u64,
    pub(super) binds: u64,
    pub(super) binds_refused: u64,
    pub(super) taken: u64,
    pub(super) silent: u64,
    pub(super) distinct: u64,
    pub(super) repeated: u64,
    pub(super) taken_twice: u64,
    pub(super) receipts_sent: u64,
    pub(super) receipts_dropped: u64,
    pub(super) incoming_sent: u64,
    pub(super) protocol_errors: u64,
    pub(super) journal_errors: u64,
    pub(super) received_octets: u64,
    pub(super) sent_octets: u64,
}

/// All counts at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SmscStats {
    /// PDUs received, by command.
    pub received: BTreeMap<&'static str, u64>,
    /// Submissions answered, by `command_status`.
    #[serde(serialize_with = "by_status")]
    pub answered: BTreeMap<u32, u64>,
    /// Connections accepted so far.
    pub connections: u64,
    /// Connections open now.
    pub connections_open: u64,
    /// Binds that worked.
    pub binds: u64,
    /// Binds that were refused.
    pub binds_refused: u64,
    /// Messages taken, answered 0 or not at all.
    pub taken: u64,
    /// Messages never answered.
    pub silent: u64,
    /// Subscribers that took a message, counted once a delivery day.
    pub distinct_recipients: u64,
    /// Messages to a subscriber that had taken one for the same delivery day, whatever their answer.
    pub repeated_recipients: u64,
    /// Those of them that were taken too. Above 0, a rule of one message a day was broken.
    pub taken_twice: u64,
    /// Receipts sent.
    pub receipts_sent: u64,
    /// Receipts given up, because no receiver bound in time or too many waited.
    pub receipts_dropped: u64,
    /// Messages of subscribers sent.
    pub incoming_sent: u64,
    /// Streams out of step and PDUs that could not be read.
    pub protocol_errors: u64,
    /// Batches the journal could not write.
    pub journal_errors: u64,
    /// Octets received.
    pub received_octets: u64,
    /// Octets sent.
    pub sent_octets: u64,
}

/// The sum over all sessions.
#[derive(Debug, Default)]
pub(super) struct Totals(Mutex<Tally>);

impl Tally {
    pub(super) fn receive(&mut self, command_id: u32) {
        self.received[place(command_id)] += 1;
    }

    pub(super) fn answer(&mut self, status: u32, count: u64) {
        match self.answered.iter_mut().find(|(known, _)| *known == status) {
            Some((_, known)) => *known += count,
            None => self.answered.push((status, count)), // bounded by the statuses the settings name
        }
    }

    fn add(&mut self, other: &Self) {
        for (own, theirs) in self.received.iter_mut().zip(&other.received) {
            *own += theirs;
        }
        for (status, count) in &other.answered {
            self.answer(*status, *count);
        }
        self.connections += other.connections;
        self.closed += other.closed;
        self.binds += other.binds;
        self.binds_refused += other.binds_refused;
        self.taken += other.taken;
        self.silent += other.silent;
        self.distinct += other.distinct;
        self.repeated += other.repeated;
        self.taken_twice += other.taken_twice;
        self.receipts_sent += other.receipts_sent;
        self.receipts_dropped += other.receipts_dropped;
        self.incoming_sent += other.incoming_sent;
        self.protocol_errors += other.protocol_errors;
        self.journal_errors += other.journal_errors;
        self.received_octets += other.received_octets;
        self.sent_octets += other.sent_octets;
    }

    fn clear(&mut self) {
        let mut answered = std::mem::take(&mut self.answered);
        for (_, count) in &mut answered {
            *count = 0;
        }
        *self = Self { answered, ..Self::default() };
    }
}

impl Totals {
    /// Adds a session's counts and clears them.
    pub(super) fn add(&self, tally: &mut Tally) {
        self.0.lock().add(tally);
        tally.clear();
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.0.lock());
    }

    pub(super) fn snapshot(&self) -> SmscStats {
        let tally = self.0.lock().clone();
        let received = NAMES.into_iter().zip(tally.received).filter(|(_, count)| *count > 0).collect();
        SmscStats {
            received,
            answered: tally.answered.into_iter().filter(|(_, count)| *count > 0).collect(),
            connections: tally.connections,
            connections_open: tally.connections - tally.closed,
            binds: tally.binds,
            binds_refused: tally.binds_refused,
            taken: tally.taken,
            silent: tally.silent,
            distinct_recipients: tally.distinct,
            repeated_recipients: tally.repeated,
            taken_twice: tally.taken_twice,
            receipts_sent: tally.receipts_sent,
            receipts_dropped: tally.receipts_dropped,
            incoming_sent: tally.incoming_sent,
            protocol_errors: tally.protocol_errors,
            journal_errors: tally.journal_errors,
            received_octets: tally.received_octets,
            sent_octets: tally.sent_octets,
        }
    }
}

impl SmscStats {
    /// Submissions received: `submit_sm`, `submit_multi` and `data_sm`.
    pub fn submissions(&self) -> u64 {
        let of = |name| self.received.get(name).copied().unwrap_or_default();
        of("submit_sm") + of("submit_multi") + of("data_sm")
    }

    /// Submissions answered with that `command_status`.
    pub fn answered_with(&self, status: u32) -> u64 {
        self.answered.get(&status).copied().unwrap_or_default()
    }
}

fn place(command_id: u32) -> usize {
    match command_id {
        command::SUBMIT_SM => 0,
        command::DELIVER_SM_RESP => 1,
        command::ENQUIRE_LINK => 2,
        command::ENQUIRE_LINK_RESP => 3,
        command::SUBMIT_MULTI => 4,
        command::DATA_SM => 5,
        command::QUERY_SM => 6,
        command::CANCEL_SM => 7,
        command::REPLACE_SM => 8,
        command::BIND_RECEIVER => 9,
        command::BIND_TRANSMITTER => 10,
        command::BIND_TRANSCEIVER => 11,
        command::UNBIND => 12,
        command::UNBIND_RESP => 13,
        command::GENERIC_NACK => 14,
        command::BROADCAST_SM => 15,
        _ => 16,
    }
}

/// Writes a table of statuses with hexadecimal keys, as everybody writes them.
pub(crate) fn by_status<S: serde::Serializer>(table: &BTreeMap<u32, u64>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(table.iter().map(|(status, count)| (format!("{status:#04x}"), count)))
}
