//! A simulated ESME, for tests and demonstrations: it submits, answers what the
//! SMSC sends it, and can write and read raw octets to behave badly.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::pdu;
use super::submit::SubmitSpec;
use crate::smpp::bind::BindType;
use crate::smpp::command::{self, RESPONSE};
use crate::smpp::frame::{Cut, HEADER, Header, MAX_PDU};

/// Deliveries kept until they are asked for; older ones make room.
const DELIVERIES_MAX: usize = 65_536;
/// How long an answer is waited for unless set otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// A bound session.
#[derive(Debug)]
pub struct Esme {
    stream: TcpStream,
    buffer: Vec<u8>,
    sequence: u32,
    patience: Duration,
    deliveries: VecDeque<Vec<u8>>,
    bind_resp: Vec<u8>,
}

/// The answer to a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `command_status`.
    pub status: u32,
    /// `message_id`; empty when there is none.
    pub message_id: String,
    /// Time from writing the request to reading the answer.
    pub latency: Duration,
    /// The whole PDU.
    pub frame: Vec<u8>,
}

/// Why an ESME could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EsmeError {
    /// The connection could not be made, or broke.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    /// The bind was answered with that `command_status`.
    #[error("bind refused with {0:#04x}")]
    Refused(u32),
    /// The other side closed the connection.
    #[error("connection closed by the peer")]
    Closed,
    /// Nothing came in time.
    #[error("no answer in time")]
    Timeout,
    /// What came has a length no PDU can have.
    #[error("stream out of step: command_length {0}")]
    OutOfStep(u32),
}

impl Esme {
    /// Connects and binds. `version` is `interface_version`: 0x33, 0x34 or 0x50.
    pub async fn connect(
        addr: SocketAddr,
        bind_type: BindType,
        system_id: &str,
        password: &str,
        version: u8,
    ) -> Result<Self, EsmeError> {
        let mut esme = Self::open(addr).await?;
        esme.bind(bind_type, system_id, password, version).await?;
        Ok(esme)
    }

    /// Connects and does not bind.
    pub async fn open(addr: SocketAddr) -> Result<Self, EsmeError> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let (buffer, deliveries, bind_resp) = (Vec::new(), VecDeque::new(), Vec::new());
        Ok(Self { stream, buffer, sequence: 0, patience: PATIENCE, deliveries, bind_resp })
    }

    /// Binds an open connection.
    pub async fn bind(&mut self, kind: BindType, id: &str, password: &str, version: u8) -> Result<(), EsmeError> {
        let sequence = self.next_sequence();
        let mut out = Vec::new();
        pdu::bind(&mut out, kind, id, password, version, sequence);
        self.send_raw(&out).await?;
        let frame = self.response(sequence).await?;
        match header(&frame).status {
            0 => self.bind_resp = frame,
            status => return Err(EsmeError::Refused(status)),
        }
        Ok(())
    }

    /// Waits that long for an answer, where nothing else is said 10 s.
    pub const fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The whole answer to the bind.
    pub fn bind_resp(&self) -> &[u8] {
        &self.bind_resp
    }

    /// The local end of the connection.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Submits one message and waits for its answer.
    pub async fn submit(&mut self, spec: &SubmitSpec) -> Result<Answer, EsmeError> {
        let sequence = self.next_sequence();
        self.request(sequence, &spec.submit_sm(sequence)).await
    }

    /// Sends any request that has this sequence number and waits for its answer.
    pub async fn request(&mut self, sequence: u32, octets: &[u8]) -> Result<Answer, EsmeError> {
        let sent = Instant::now();
        self.send_raw(octets).await?;
        let frame = self.response(sequence).await?;
        Ok(Answer::read(frame, sent.elapsed()))
    }

    /// Submits all, `window` at a time; the answers in the order of the messages.
    pub async fn submit_many(&mut self, specs: &[SubmitSpec], window: usize) -> Result<Vec<Answer>, EsmeError> {
        let mut answers: Vec<Option<Answer>> = specs.iter().map(|_| None).collect();
        let mut waiting: HashMap<u32, (usize, Instant)> = HashMap::new();
        let (mut next, mut out) = (0, Vec::new());
        while next < specs.len() || !waiting.is_empty() {
            out.clear();
            while next < specs.len() && waiting.len() < window.max(1) {
                let sequence = self.next_sequence();
                specs[next].write(sequence, &mut out);
                waiting.insert(sequence, (next, Instant::now()));
                next += 1;
            }
            self.send_raw(&out).await?;
            let frame = self.incoming().await?;
            if let Some((index, sent)) = waiting.remove(&header(&frame).sequence) {
                answers[index] = Some(Answer::read(frame, sent.elapsed()));
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Sends `enquire_link` and waits for its answer; how long that took.
    pub async fn enquire_link(&mut self) -> Result<Duration, EsmeError> {
        let sequence = self.next_sequence();
        let mut out = Vec::new();
        pdu::bare(&mut out, command::ENQUIRE_LINK, 0, sequence);
        Ok(self.request(sequence, &out).await?.latency)
    }

    /// The next `deliver_sm`, a receipt or a message of a subscriber. It has been answered.
    pub async fn delivery(&mut self) -> Result<Vec<u8>, EsmeError> {
        loop {
            if let Some(frame) = self.deliveries.pop_front() {
                return Ok(frame);
            }
            let frame = self.next_pdu().await?;
            self.attend(&frame).await?;
        }
    }

    /// Unbinds, waits for the answer and closes.
    pub async fn unbind(mut self) -> Result<(), EsmeError> {
        let sequence = self.next_sequence();
        let mut out = Vec::new();
        pdu::bare(&mut out, command::UNBIND, 0, sequence);
        self.request(sequence, &out).await.map(drop)
    }

    /// A sequence number for a PDU of one's own making.
    pub const fn next_sequence(&mut self) -> u32 {
        self.sequence = (self.sequence % 0x7FFF_FFFF) + 1;
        self.sequence
    }

    /// Writes octets as they are.
    pub async fn send_raw(&mut self, octets: &[u8]) -> Result<(), EsmeError> {
        Ok(self.stream.write_all(octets).await?)
    }

    /// The next PDU whatever it is; nothing is answered.
    pub async fn next_pdu(&mut self) -> Result<Vec<u8>, EsmeError> {
        timeout(self.patience, self.read_pdu()).await.map_err(|_| EsmeError::Timeout)?
    }

    /// Closes the sending half; the peer reads the end of the stream.
    pub async fn finish(&mut self) -> Result<(), EsmeError> {
        Ok(self.stream.shutdown().await?)
    }

    /// The bare connection, and the octets read from it that were not asked for yet.
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.buffer)
    }

    async fn read_pdu(&mut self) -> Result<Vec<u8>, EsmeError> {
        loop {
            match Cut::at(&self.buffer, MAX_PDU) {
                Cut::Whole(length) => return Ok(self.buffer.drain(..length).collect()),
                Cut::Bad(length) => return Err(EsmeError::OutOfStep(length)),
                Cut::Partial(_) => {}
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(EsmeError::Closed);
            }
        }
    }

    /// The next response; requests of the SMSC on the way are answered.
    async fn incoming(&mut self) -> Result<Vec<u8>, EsmeError> {
        loop {
            let frame = self.next_pdu().await?;
            if header(&frame).command_id & RESPONSE != 0 {
                return Ok(frame);
            }
            self.attend(&frame).await?;
        }
    }

    /// The response with that sequence number; others, late ones most likely, are passed over.
    async fn response(&mut self, sequence: u32) -> Result<Vec<u8>, EsmeError> {
        loop {
            let frame = self.incoming().await?;
            if header(&frame).sequence == sequence {
                return Ok(frame);
            }
        }
    }

    /// Answers a request of the SMSC as a sender does.
    async fn attend(&mut self, frame: &[u8]) -> Result<(), EsmeError> {
        let request = header(frame);
        let mut out = Vec::new();
        match request.command_id {
            command::DELIVER_SM => {
                if self.deliveries.len() == DELIVERIES_MAX {
                    self.deliveries.pop_front();
                }
                self.deliveries.push_back(frame.to_vec());
                pdu::deliver_sm_resp(&mut out, request.sequence);
            }
            command::ENQUIRE_LINK | command::UNBIND => {
                pdu::bare(&mut out, request.command_id | RESPONSE, 0, request.sequence);
            }
            _ => return Ok(()),
        }
        self.send_raw(&out).await
    }
}

impl Answer {
    /// Whether the message was taken.
    pub const fn is_ok(&self) -> bool {
        self.status == 0
    }

    fn read(frame: Vec<u8>, latency: Duration) -> Self {
        let message_id = pdu::first_string(&frame).map(|id| String::from_utf8_lossy(id).into_owned());
        Self { status: header(&frame).status, message_id: message_id.unwrap_or_default(), latency, frame }
    }
}

fn header(frame: &[u8]) -> Header {
    debug_assert!(frame.len() >= HEADER, "frames are cut at 16 octets or more");
    Header::read(frame).expect("a frame that was cut has a header")
}
