//! One connection to the simulated SMSC.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::post::INBOX;
use super::stats::Tally;
use super::{Behaviour, Shared};
use crate::domain::{Day, LocalTime};
use crate::sim::journal::{Direction, Notes};
use crate::sim::pdu::{self, BindRequest, DeliverSpec, ESM_RECEIPT, SubmitAnswer};
use crate::sim::random::Random;
use crate::sim::recipients::Taken;
use crate::smpp::bind::BindType;
use crate::smpp::command::{self, RESPONSE, status};
use crate::smpp::frame::{Cut, Header, MAX_PDU};

/// The read buffer begins small, so that idle connections cost little, and grows with what comes.
const BUFFER_MIN: usize = 4096;
const BUFFER_MAX: usize = 256 * 1024;
/// Answers that may wait for their time; with more the connection is not read.
const DEFERRED_MAX: usize = 1 << 18;
/// Deliveries taken from the inbox at a time.
const DELIVERIES: usize = 64;

/// A connection and all it remembers.
pub(super) struct Session<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) connection: u64,
    pub(super) random: Random,
    pub(super) tally: Tally,
    pub(super) bound: Option<Bound>,
    pub(super) ids: Range<u64>,
    pub(super) submissions: u64,
    pub(super) closing: bool,
    /// Today at the begin of the batch, and who took a message today.
    pub(super) now: LocalTime,
    pub(super) today: Option<(Day, Arc<Taken>)>,
    pub(super) at: Instant,
    /// When the message at hand will have been served, where that takes time.
    pub(super) served_at: Option<Instant>,
    out: Vec<u8>,
    notes: Notes,
    deferred: BinaryHeap<Reverse<Deferred>>,
    inbox: (mpsc::Sender<DeliverSpec>, mpsc::Receiver<DeliverSpec>),
    order: u64,
    sequence: u32,
}

/// Who a session is bound as.
pub(super) struct Bound {
    pub(super) bind_type: BindType,
    pub(super) system_id: Arc<str>,
    pub(super) version: u8,
}

/// An answer that waits for its time.
struct Deferred {
    due: Instant,
    order: u64,
    answer: SubmitAnswer,
}

impl<'a> Session<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, connection: u64) -> Self {
        Self {
            shared,
            connection,
            random: Random::stream(shared.seed, connection),
            tally: Tally::default(),
            bound: None,
            ids: 0..0,
            submissions: 0,
            closing: false,
            now: LocalTime::of(shared.clock.now()),
            today: None,
            at: Instant::now(),
            served_at: None,
            out: Vec::new(),
            notes: Notes::default(),
            deferred: BinaryHeap::new(),
            inbox: mpsc::channel(INBOX),
            order: 0,
            sequence: 0,
        }
    }

    /// Serves until the ESME goes, or is made to go.
    pub(super) async fn run(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER_MIN];
        let mut filled = 0;
        while !self.closing {
            let due = self.deferred.peek().map(|Reverse(first)| first.due);
            let room = self.deferred.len() < DEFERRED_MAX;
            tokio::select! {
                readable = stream.readable(), if room => {
                    readable?;
                    match stream.try_read(&mut buffer[filled..]) {
                        Ok(0) => return Ok(()),
                        Ok(read) => filled += read,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                        Err(error) => return Err(error),
                    }
                    filled = self.batch(&mut buffer, filled);
                }
                () = sleep_until(due.unwrap_or(self.at)), if due.is_some() => self.release(Instant::now()),
                Some(first) = self.inbox.1.recv() => self.send_deliveries(&first),
            }
            self.write(stream).await?;
        }
        Ok(())
    }

    /// Answers every whole PDU read so far and keeps what is left.
    fn batch(&mut self, buffer: &mut Vec<u8>, filled: usize) -> usize {
        self.at = Instant::now();
        self.now = LocalTime::of(self.shared.clock.now());
        let behaviour = self.shared.behaviour.load();
        let mut done = 0;
        while !self.closing {
            match Cut::at(&buffer[done..filled], MAX_PDU) {
                Cut::Whole(length) => {
                    self.receive(&behaviour, &buffer[done..done + length]);
                    done += length;
                }
                Cut::Partial(_) => break,
                Cut::Bad(_) => self.out_of_step(&behaviour, &buffer[done..filled]),
            }
        }
        self.tally.received_octets += done as u64;
        buffer.copy_within(done..filled, 0);
        if filled == buffer.len() && buffer.len() < BUFFER_MAX {
            buffer.resize(buffer.len() * 4, 0);
        }
        filled - done
    }

    fn receive(&mut self, behaviour: &Behaviour, frame: &[u8]) {
        let Some(header) = Header::read(frame) else { return };
        self.note(Direction::In, frame);
        self.tally.receive(header.command_id);
        if behaviour.mute || header.command_id & RESPONSE != 0 {
            return;
        }
        match header.command_id {
            command::SUBMIT_SM | command::DATA_SM | command::SUBMIT_MULTI => self.submission(behaviour, header, frame),
            command::ENQUIRE_LINK => pdu::bare(&mut self.out, command::ENQUIRE_LINK_RESP, 0, header.sequence),
            id if command::is_bind(id) => self.bind(behaviour, header, frame),
            command::UNBIND => self.unbind(header),
            command::QUERY_SM => {
                pdu::query_sm_resp(&mut self.out, header, pdu::first_string(frame).unwrap_or_default());
            }
            command::CANCEL_SM | command::REPLACE_SM => {
                pdu::bare(&mut self.out, header.command_id | RESPONSE, 0, header.sequence);
            }
            _ => pdu::bare(&mut self.out, command::GENERIC_NACK, status::ESME_RINVCMDID, header.sequence),
        }
    }

    fn bind(&mut self, behaviour: &Behaviour, header: Header, frame: &[u8]) {
        let refusal = match BindRequest::read(frame) {
            None => status::ESME_RBINDFAIL,
            Some(_) if self.bound.is_some() => status::ESME_RALYBND,
            Some(request) => match bind_refusal(behaviour, &request) {
                Some(status) => status,
                None => return self.bound_as(header, &request),
            },
        };
        self.tally.binds_refused += 1;
        pdu::bare(&mut self.out, header.command_id | RESPONSE, refusal, header.sequence);
    }

    fn bound_as(&mut self, header: Header, request: &BindRequest<'_>) {
        let system_id: Arc<str> = String::from_utf8_lossy(request.system_id).into();
        if request.bind_type != BindType::Transmitter {
            self.shared.receivers.add(self.connection, &system_id, self.inbox.0.clone());
        }
        pdu::bind_resp(&mut self.out, header, &self.shared.system_id, request.version);
        self.tally.binds += 1;
        self.bound = Some(Bound { bind_type: request.bind_type, system_id, version: request.version });
    }

    /// What was taken is answered before the end.
    fn unbind(&mut self, header: Header) {
        while let Some(Reverse(first)) = self.deferred.pop() {
            self.send(first.answer);
        }
        pdu::bare(&mut self.out, command::UNBIND_RESP, 0, header.sequence);
        self.closing = true;
    }

    fn out_of_step(&mut self, behaviour: &Behaviour, rest: &[u8]) {
        self.note(Direction::In, rest);
        self.tally.protocol_errors += 1;
        if !behaviour.mute {
            let sequence = Header::read(rest).map_or(0, |header| header.sequence);
            pdu::bare(&mut self.out, command::GENERIC_NACK, status::ESME_RINVCMDLEN, sequence);
        }
        self.closing = true;
    }

    /// Answers a submission after the latency of the settings.
    pub(super) fn answer(&mut self, behaviour: &Behaviour, answer: SubmitAnswer) {
        let served_at = self.served_at.take();
        if behaviour.latency.is_zero() && served_at.is_none() {
            return self.send_with(behaviour, answer);
        }
        let due = served_at.unwrap_or(self.at) + behaviour.latency.draw(&mut self.random);
        self.order += 1;
        self.deferred.push(Reverse(Deferred { due, order: self.order, answer }));
    }

    /// Answers a submission now, with the faults of the settings.
    pub(super) fn send_with(&mut self, behaviour: &Behaviour, answer: SubmitAnswer) {
        let twice = self.random.chance(behaviour.duplicate);
        for _ in 0..=u8::from(twice) {
            answer.write(&mut self.out, behaviour.id_format, behaviour.congestion_state);
            self.tally.answer(answer.status, 1);
        }
        if self.random.chance(behaviour.garbage) {
            let length = 1 + self.random.below(64);
            self.out.extend((0..length).map(|_| self.random.number() as u8));
        }
    }

    fn send(&mut self, answer: SubmitAnswer) {
        let behaviour = Arc::clone(&self.shared.behaviour.load());
        self.send_with(&behaviour, answer);
    }

    fn release(&mut self, now: Instant) {
        self.at = now;
        while self.deferred.peek().is_some_and(|Reverse(first)| first.due <= now) {
            let Some(Reverse(first)) = self.deferred.pop() else { return };
            self.send(first.answer);
        }
    }

    fn send_deliveries(&mut self, first: &DeliverSpec) {
        self.send_delivery(first);
        for _ in 1..DELIVERIES {
            let Ok(next) = self.inbox.1.try_recv() else { return };
            self.send_delivery(&next);
        }
    }

    fn send_delivery(&mut self, spec: &DeliverSpec) {
        let version = self.bound.as_ref().map_or(0x34, |bound| bound.version);
        self.sequence = (self.sequence % 0x7FFF_FFFF) + 1;
        spec.write(&mut self.out, self.sequence, version);
        match spec.esm_class & ESM_RECEIPT {
            0 => self.tally.incoming_sent += 1,
            _ => self.tally.receipts_sent += 1,
        }
    }

    /// Journal first, then the counts, then the wire: who sees an answer finds it in both.
    async fn write(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        self.tally.sent_octets += self.out.len() as u64;
        self.note_out();
        if self.shared.journal.flush(&mut self.notes).is_err() {
            self.tally.journal_errors += 1;
        }
        self.shared.totals.add(&mut self.tally);
        stream.write_all(&self.out).await?;
        self.out.clear();
        Ok(())
    }

    fn note(&mut self, direction: Direction, octets: &[u8]) {
        if !self.shared.journal.is_off() {
            let at_ms = self.shared.clock.now().ms();
            self.shared.journal.note(&mut self.notes, at_ms, self.connection, direction, octets);
        }
    }

    fn note_out(&mut self) {
        if self.shared.journal.is_off() {
            return;
        }
        let out = std::mem::take(&mut self.out);
        let mut rest = &out[..];
        while !rest.is_empty() {
            let length = match Cut::at(rest, MAX_PDU) {
                Cut::Whole(length) => length,
                Cut::Partial(_) | Cut::Bad(_) => rest.len(), // garbage: all the rest on one line
            };
            self.note(Direction::Out, &rest[..length]);
            rest = &rest[length..];
        }
        self.out = out;
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.shared.receivers.remove(self.connection);
        self.shared.totals.add(&mut self.tally);
    }
}

fn bind_refusal(behaviour: &Behaviour, request: &BindRequest<'_>) -> Option<u32> {
    const ESME_RINVPASWD: u32 = 0x0E;
    const ESME_RINVSYSID: u32 = 0x0F;
    let Some(passwords) = &behaviour.passwords else { return behaviour.refuse_binds };
    let account = std::str::from_utf8(request.system_id).ok().and_then(|system_id| passwords.get(system_id));
    behaviour.refuse_binds.or(match account {
        None => Some(ESME_RINVSYSID),
        Some(password) if password.as_bytes() != request.password => Some(ESME_RINVPASWD),
        Some(_) => None,
    })
}

// === impl Deferred ===

impl PartialEq for Deferred {
    fn eq(&self, other: &Self) -> bool {
        (self.due, self.order) == (other.due, other.order)
    }
}

impl Eq for Deferred {}

impl PartialOrd for Deferred {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Deferred {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}
