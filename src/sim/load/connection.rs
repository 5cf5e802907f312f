//! One connection of a load run: a task that writes and reads by turns and
//! never waits for the one while the other could go on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};

use super::report::LoadReport;
use super::traffic::{Kind, Messages};
use super::{LoadSettings, Progress};
use crate::sim::esme::{Esme, EsmeError};
use crate::sim::pdu;
use crate::smpp::bind::BindType;
use crate::smpp::command::{self, RESPONSE};
use crate::smpp::frame::{Cut, Header, MAX_PDU};

/// The read buffer: answers of a whole window fit, and any single PDU does.
const BUFFER: usize = 128 * 1024;
/// Ticks: messages fall due in the first, the second looks for answers that do not come.
const OPEN_TICK: Duration = Duration::from_millis(1);
const CLOSED_TICK: Duration = Duration::from_millis(20);
/// Pause before a broken connection is made again.
const RECONNECT: Duration = Duration::from_millis(200);
/// How long the answer to an unbind is waited for.
const FAREWELL: Duration = Duration::from_secs(1);

/// A bound connection and what it counts.
pub(super) struct Connection {
    settings: Arc<LoadSettings>,
    progress: Arc<Progress>,
    messages: Messages,
    stream: TcpStream,
    report: LoadReport,
    flight: Flight,
    out: Vec<u8>,
    written: usize,
    buffer: Vec<u8>,
    filled: usize,
    /// Messages this connection has left to send.
    left: u64,
    /// Messages a second of this connection, and how many of them were sent.
    rate: Option<f64>,
    paced: u64,
    /// Whether messages were due and could not be sent.
    blocked: bool,
    started: Instant,
}

/// What is in flight, by sequence number, in a ring.
struct Flight {
    slots: Vec<Option<(Instant, Kind)>>,
    oldest: u32,
    next: u32,
    count: usize,
}

impl Connection {
    pub(super) async fn open(
        settings: &Arc<LoadSettings>,
        progress: &Arc<Progress>,
        number: usize,
    ) -> Result<Self, EsmeError> {
        let (stream, early) = bound(settings).await?;
        let (number_64, connections) = (number as u64, settings.connections as u64);
        let share = |count: u64| count / connections + u64::from(number_64 < count % connections);
        #[expect(clippy::cast_precision_loss, reason = "a few thousand connections at most")]
        let rate = settings.rate.map(|rate| rate / connections as f64);
        Ok(Self {
            settings: Arc::clone(settings),
            progress: Arc::clone(progress),
            messages: Messages::new(&settings.traffic, number, settings.connections),
            stream,
            report: LoadReport::default(),
            flight: Flight::new(settings.window),
            out: Vec::with_capacity(settings.window.min(1024) * 256),
            written: 0,
            filled: early.len(),
            buffer: with_room(early),
            left: settings.count.map_or(u64::MAX, share),
            rate,
            paced: 0,
            blocked: false,
            started: Instant::now(),
        })
    }

    /// Sends and reads until all is sent and answered.
    pub(super) async fn run(mut self, started: Instant) -> LoadReport {
        self.started = started;
        while self.transfer().await.is_err() {
            self.report.broken += 1;
            self.report.lost += self.flight.count as u64;
            if !self.settings.reconnect || !self.reconnect().await {
                return self.report;
            }
        }
        self.farewell().await;
        self.report
    }

    async fn transfer(&mut self) -> io::Result<()> {
        let mut tick = ticks(self.rate);
        loop {
            let now = Instant::now();
            self.flush()?;
            self.fill(now);
            self.flush()?;
            if self.flight.count == 0 && self.out.is_empty() && self.is_over(now) {
                return Ok(());
            }
            let interest =
                if self.out.is_empty() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
            tokio::select! {
                ready = self.stream.ready(interest) => if ready?.is_readable() { self.read()? },
                _ = tick.tick() => self.give_up_late(Instant::now()),
            }
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        let over = self.settings.duration.is_some_and(|duration| now >= self.started + duration);
        over || self.left == 0 || self.progress.is_stopped()
    }

    /// Builds what may be sent now, all of it for one write.
    fn fill(&mut self, now: Instant) {
        if self.is_over(now) {
            return;
        }
        let (due, room) = (self.due(now), self.flight.room(self.settings.window));
        // What waits in the socket waits for the peer: nothing is added behind it.
        let count = if self.out.is_empty() { due.min(room).min(self.left) } else { 0 };
        for _ in 0..count {
            let stamp = self.stamp(now);
            let kind = self.messages.write(&mut self.out, self.flight.next);
            self.flight.add(stamp, kind);
            self.paced += 1;
        }
        self.blocked = self.rate.is_some() && due > count;
        self.left -= count;
        self.report.sent += count;
        self.progress.sent.fetch_add(count, Ordering::Relaxed);
    }

    /// How many messages the rate allows by now.
    #[expect(clippy::cast_sign_loss, reason = "times since the start are not negative")]
    fn due(&self, now: Instant) -> u64 {
        let Some(rate) = self.rate else { return u64::MAX };
        let due = (now.duration_since(self.started).as_secs_f64() * rate) as u64;
        due.saturating_sub(self.paced)
    }

    /// From when a message is timed: now, or when it was due if it had to wait for the peer.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    fn stamp(&self, now: Instant) -> Instant {
        match self.rate {
            Some(rate) if self.blocked => self.started + Duration::from_secs_f64(self.paced as f64 / rate),
            _ => now,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.written < self.out.len() {
            match self.stream.try_write(&self.out[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    fn read(&mut self) -> io::Result<()> {
        match self.stream.try_read(&mut self.buffer[self.filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        let (now, before) = (Instant::now(), (self.report.answered, self.report.taken));
        let mut done = 0;
        loop {
            match Cut::at(&self.buffer[done..self.filled], MAX_PDU) {
                Cut::Whole(length) => {
                    let header = Header::read(&self.buffer[done..]);
                    self.receive(header.expect("a whole PDU has a header"), now);
                    done += length;
                }
                Cut::Partial(_) => break,
                Cut::Bad(_) => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        self.buffer.copy_within(done..self.filled, 0);
        self.filled -= done;
        self.progress.answered.fetch_add(self.report.answered - before.0, Ordering::Relaxed);
        self.progress.taken.fetch_add(self.report.taken - before.1, Ordering::Relaxed);
        Ok(())
    }

    fn receive(&mut self, header: Header, now: Instant) {
        match header.command_id {
            command::DELIVER_SM => {
                self.report.deliveries += 1;
                pdu::deliver_sm_resp(&mut self.out, header.sequence);
            }
            command::ENQUIRE_LINK | command::UNBIND => {
                pdu::bare(&mut self.out, header.command_id | RESPONSE, 0, header.sequence);
            }
            id if id & RESPONSE != 0 => self.answer(header, now),
            _ => pdu::bare(&mut self.out, command::GENERIC_NACK, command::status::ESME_RINVCMDID, header.sequence),
        }
    }

    fn answer(&mut self, header: Header, now: Instant) {
        let Some((stamp, kind)) = self.flight.remove(header.sequence) else {
            self.report.unmatched += 1;
            return;
        };
        self.report.answered += 1;
        self.report.taken += u64::from(header.status == 0);
        self.report.tally.answer(kind, header.status, 1);
        self.report.tally.latency.record(now.duration_since(stamp).as_nanos() as u64);
        self.report.tally.last_answer = Some(now);
    }

    fn give_up_late(&mut self, now: Instant) {
        self.report.unanswered += self.flight.expire(now, self.settings.response_timeout);
    }

    /// Makes a broken connection again, for as long as there is something to send.
    async fn reconnect(&mut self) -> bool {
        self.flight.clear();
        self.out.clear();
        self.written = 0;
        while !self.is_over(Instant::now()) {
            if let Ok((stream, early)) = bound(&self.settings).await {
                self.stream = stream;
                self.filled = early.len();
                self.buffer = with_room(early);
                return true;
            }
            sleep(RECONNECT).await;
        }
        false
    }

    /// Unbinds; what comes in the meantime is of no interest any more.
    async fn farewell(&mut self) {
        pdu::bare(&mut self.out, command::UNBIND, 0, self.flight.next);
        let closed = async {
            while self.flush().is_ok() && self.stream.readable().await.is_ok() {
                match self.stream.try_read(&mut self.buffer) {
                    Ok(0) => return,
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                    _ => {}
                }
            }
        };
        // A peer that does not close is left.
        let _ = timeout(FAREWELL, closed).await;
    }
}

/// A bound connection, and what came on it behind the answer to the bind.
async fn bound(settings: &LoadSettings) -> Result<(TcpStream, Vec<u8>), EsmeError> {
    let LoadSettings { target, system_id, password, version, .. } = settings;
    let esme = Esme::connect(*target, BindType::Transceiver, system_id, password, *version).await?;
    Ok(esme.into_parts())
}

/// The read buffer with what was read already in front.
fn with_room(mut early: Vec<u8>) -> Vec<u8> {
    let room = BUFFER.max(early.len() + MAX_PDU);
    early.resize(room, 0);
    early
}

fn ticks(rate: Option<f64>) -> Interval {
    let mut tick = interval(if rate.is_some() { OPEN_TICK } else { CLOSED_TICK });
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    tick
}

// === impl Flight ===

impl Flight {
    /// Room for four windows: an answer that never comes does not stop the others at once.
    fn new(window: usize) -> Self {
        let size = (window * 4).max(1024).next_power_of_two();
        Self { slots: vec![None; size], oldest: 1, next: 1, count: 0 }
    }

    fn room(&self, window: usize) -> u64 {
        let ring = self.slots.len() - self.next.wrapping_sub(self.oldest) as usize;
        window.saturating_sub(self.count).min(ring) as u64
    }

    fn place(&self, sequence: u32) -> usize {
        sequence as usize & (self.slots.len() - 1)
    }

    fn add(&mut self, stamp: Instant, kind: Kind) {
        let place = self.place(self.next);
        self.slots[place] = Some((stamp, kind));
        self.next += 1; // 2^31 messages on one connection are hours of any peer
        self.count += 1;
    }

    fn remove(&mut self, sequence: u32) -> Option<(Instant, Kind)> {
        if sequence.wrapping_sub(self.oldest) >= self.next.wrapping_sub(self.oldest) {
            return None;
        }
        let place = self.place(sequence);
        let found = self.slots[place].take()?;
        self.count -= 1;
        self.skip_free();
        Some(found)
    }

    /// Moves `oldest` to the oldest that is in flight.
    fn skip_free(&mut self) {
        while self.oldest != self.next && self.slots[self.place(self.oldest)].is_none() {
            self.oldest += 1;
        }
    }

    fn expire(&mut self, now: Instant, patience: Duration) -> u64 {
        let mut expired = 0;
        while self.oldest != self.next {
            let place = self.place(self.oldest);
            match self.slots[place] {
                Some((stamp, _)) if now.duration_since(stamp) < patience => break,
                Some(_) => expired += 1,
                None => {}
            }
            self.slots[place] = None;
            self.oldest += 1;
        }
        self.count -= expired as usize;
        expired
    }

    fn clear(&mut self) {
        self.slots.fill(None);
        self.oldest = self.next;
        self.count = 0;
    }
}
