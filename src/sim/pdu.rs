//! The PDUs of the simulated peers: leniently read, as an SMSC must, and built
//! into a buffer that is reused.

use crate::domain::LocalTime;
use crate::smpp::bind::BindType;
use crate::smpp::command::{self, RESPONSE};
use crate::smpp::frame::{HEADER, Header};

use super::submit::{address, begin, end, string, tlv};

const SC_INTERFACE_VERSION: u16 = 0x0210;
const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
const MESSAGE_STATE: u16 = 0x0427;
const CONGESTION_STATE: u16 = 0x0428;
/// `esm_class` of a receipt.
pub const ESM_RECEIPT: u8 = 0x04;
/// `esm_class` bit of a user data header.
pub const ESM_UDHI: u8 = 0x40;

/// How message ids are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdFormat {
    /// Digits.
    #[default]
    Decimal,
    /// Hexadecimal, capital letters.
    Hex,
}

/// What the SMSC reads of a `submit_sm` or `data_sm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// `source_addr` with its type of number and numbering plan in front.
    pub source: &'a [u8],
    /// `destination_addr` with its type of number and numbering plan in front.
    pub destination: &'a [u8],
    /// `esm_class`.
    pub esm_class: u8,
    /// `schedule_delivery_time`.
    pub schedule: &'a [u8],
    /// `registered_delivery`.
    pub registered_delivery: u8,
    /// `short_message`.
    pub text: &'a [u8],
}

/// What the SMSC reads of a bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindRequest<'a> {
    /// Which of the three.
    pub bind_type: BindType,
    /// `system_id`.
    pub system_id: &'a [u8],
    /// password.
    pub password: &'a [u8],
    /// `interface_version`.
    pub version: u8,
}

/// A cursor over the mandatory part of a body.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn of(frame: &'a [u8]) -> Option<Self> {
        frame.get(HEADER..).map(Self)
    }

    fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn skip(&mut self, octets: usize) -> Option<()> {
        self.0 = self.0.get(octets..)?;
        Some(())
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|octet| *octet == 0)?;
        let (text, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        Some(text)
    }

    /// An address with the two octets in front of it.
    fn address(&mut self) -> Option<&'a [u8]> {
        let digits = self.0.get(2..)?;
        let end = 2 + digits.iter().position(|octet| *octet == 0)?;
        let (address, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        Some(address)
    }
}

impl<'a> Message<'a> {
    /// Reads a `submit_sm`.
    pub fn submit_sm(frame: &'a [u8]) -> Option<Self> {
        let mut body = Body::of(frame)?;
        body.string()?;
        let (source, destination, esm_class) = (body.address()?, body.address()?, body.octet()?);
        body.skip(2)?;
        let schedule = body.string()?;
        body.string()?;
        let registered_delivery = body.octet()?;
        body.skip(3)?;
        let length = usize::from(body.octet()?);
        let text = body.0.get(..length)?;
        Some(Self { source, destination, esm_class, schedule, registered_delivery, text })
    }

    /// Reads a `data_sm`.
    pub fn data_sm(frame: &'a [u8]) -> Option<Self> {
        let mut body = Body::of(frame)?;
        body.string()?;
        let (source, destination, esm_class) = (body.address()?, body.address()?, body.octet()?);
        let registered_delivery = body.octet()?;
        Some(Self { source, destination, esm_class, registered_delivery, ..Self::default() })
    }

    /// Reads a `submit_multi` up to its last number; each number is shown to `each`.
    pub fn submit_multi(frame: &'a [u8], mut each: impl FnMut(&'a [u8])) -> Option<()> {
        let mut body = Body::of(frame)?;
        body.string()?;
        body.address()?;
        for _ in 0..body.octet()? {
            match body.octet()? {
                1 => each(body.address()?),
                _ => drop(body.string()?),
            }
        }
        Some(())
    }

    /// Whether this is a part of a longer message other than the first: not another message to its subscriber.
    pub fn is_later_part(&self) -> bool {
        self.esm_class & ESM_UDHI != 0
            && match self.text {
                [5, 0, 3, _, _, index, ..] | [6, 8, 4, _, _, _, index, ..] => *index > 1,
                _ => false,
            }
    }
}

impl<'a> BindRequest<'a> {
    /// Reads one of the three binds.
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let bind_type = BindType::of(Header::read(frame)?.command_id)?;
        let mut body = Body::of(frame)?;
        let (system_id, password) = (body.string()?, body.string()?);
        body.string()?;
        Some(Self { bind_type, system_id, password, version: body.octet()? })
    }
}

/// The `message_id` of a query, cancel or replace: its first field.
pub fn first_string(frame: &[u8]) -> Option<&[u8]> {
    Body::of(frame)?.string()
}

/// The destination of a `submit_sm` or `data_sm`, digits as written; for the journals of tests.
pub fn destination(frame: &[u8]) -> Option<&[u8]> {
    let message = match Header::read(frame)?.command_id {
        command::SUBMIT_SM => Message::submit_sm(frame)?,
        command::DATA_SM => Message::data_sm(frame)?,
        _ => return None,
    };
    message.destination.get(2..)
}

/// Appends a PDU without a body.
pub fn bare(out: &mut Vec<u8>, command_id: u32, status: u32, sequence: u32) {
    out.extend(Header { length: HEADER as u32, command_id, status, sequence }.octets());
}

/// Appends a bind request.
pub fn bind(out: &mut Vec<u8>, bind_type: BindType, system_id: &str, password: &str, version: u8, sequence: u32) {
    let command_id = match bind_type {
        BindType::Transmitter => command::BIND_TRANSMITTER,
        BindType::Receiver => command::BIND_RECEIVER,
        BindType::Transceiver => command::BIND_TRANSCEIVER,
    };
    let start = begin(out);
    string(out, system_id);
    string(out, password);
    string(out, "");
    out.extend([version, 0, 0]);
    string(out, "");
    end(out, start, command_id, 0, sequence);
}

/// Appends the answer to a bind that worked. Versions before 3.4 know no optional parameters.
pub fn bind_resp(out: &mut Vec<u8>, request: Header, system_id: &str, version: u8) {
    let start = begin(out);
    string(out, system_id);
    if version >= 0x34 {
        tlv(out, SC_INTERFACE_VERSION, &[version.min(0x50)]);
    }
    end(out, start, request.command_id | RESPONSE, 0, request.sequence);
}

/// The answer to a submission.
#[derive(Clone, Copy, Debug)]
pub struct SubmitAnswer {
    /// `command_id` of the request.
    pub command_id: u32,
    /// `sequence_number` of the request.
    pub sequence: u32,
    /// `command_status`.
    pub status: u32,
    /// `message_id`, when the status is 0.
    pub id: u64,
}

impl SubmitAnswer {
    /// Appends the answer. With a `congestion_state` it has a `message_id` even when it refuses.
    pub fn write(&self, out: &mut Vec<u8>, format: IdFormat, congestion_state: Option<u8>) {
        let start = begin(out);
        if self.status == 0 {
            message_id(out, self.id, format);
            out.push(0);
            if self.command_id == command::SUBMIT_MULTI {
                out.push(0); // no_unsuccess
            }
        }
        if let Some(state) = congestion_state {
            if self.status != 0 {
                out.push(0);
            }
            tlv(out, CONGESTION_STATE, &[state]);
        }
        end(out, start, self.command_id | RESPONSE, self.status, self.sequence);
    }
}

/// Appends a message id as it goes over the wire, without the NUL.
pub fn message_id(out: &mut Vec<u8>, id: u64, format: IdFormat) {
    let (radix, mut rest, mut text, mut at) = (format.radix(), id, [0u8; 20], 20);
    loop {
        at -= 1;
        text[at] = b"0123456789ABCDEF"[(rest % radix) as usize];
        rest /= radix;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
}

/// Appends a `query_sm_resp`: delivered, for whatever was asked.
pub fn query_sm_resp(out: &mut Vec<u8>, request: Header, message_id: &[u8]) {
    let start = begin(out);
    out.extend(message_id);
    out.extend([0, 0, 2, 0]); // its NUL, no final_date, DELIVERED, no error
    end(out, start, request.command_id | RESPONSE, 0, request.sequence);
}

/// Appends the answer to a `deliver_sm`: an empty `message_id`, as 3.4 wants it.
pub fn deliver_sm_resp(out: &mut Vec<u8>, sequence: u32) {
    let start = begin(out);
    out.push(0);
    end(out, start, command::DELIVER_SM_RESP, 0, sequence);
}

/// A message from a subscriber, or a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverSpec {
    /// `source_addr`: the subscriber.
    pub source: String,
    /// `destination_addr`: the sender's number.
    pub destination: String,
    /// `esm_class`.
    pub esm_class: u8,
    /// `data_coding`.
    pub data_coding: u8,
    /// `short_message`.
    pub text: Vec<u8>,
    /// Optional parameters.
    pub tlvs: Vec<(u16, Vec<u8>)>,
}

impl DeliverSpec {
    /// A message of a subscriber in UCS-2.
    pub fn message(source: &str, destination: &str, text: &str) -> Self {
        Self {
            source: source.to_owned(),
            destination: destination.to_owned(),
            esm_class: 0,
            data_coding: 8,
            text: super::submit::ucs2(text),
            tlvs: Vec::new(),
        }
    }

    /// The receipt of a message; with its optional parameters when the session's version knows them.
    pub fn receipt(receipt: &Receipt, done: LocalTime, format: IdFormat) -> Self {
        let mut id = Vec::new();
        message_id(&mut id, receipt.id, format);
        let id_text = String::from_utf8_lossy(&id);
        let (state, stat, dlvrd, err) = if receipt.delivered { (2, "DELIVRD", 1, 0) } else { (5, "UNDELIV", 0, 1) };
        let (submit, done) = (minute(receipt.submitted), minute(done));
        let text = format!(
            "id:{id_text} sub:001 dlvrd:{dlvrd:03} submit date:{submit} done date:{done} stat:{stat} err:{err:03} text:"
        );
        id.push(0);
        let tlvs = vec![(RECEIPTED_MESSAGE_ID, id), (MESSAGE_STATE, vec![state])];
        Self {
            source: receipt.destination.clone(),
            destination: receipt.source.clone(),
            esm_class: ESM_RECEIPT,
            data_coding: 0,
            text: text.into_bytes(),
            tlvs,
        }
    }

    /// Appends the `deliver_sm`.
    pub fn write(&self, out: &mut Vec<u8>, sequence: u32, version: u8) {
        let start = begin(out);
        string(out, "");
        address(out, (1, 1), &self.source);
        address(out, (0, 1), &self.destination);
        out.extend([self.esm_class, 0, 0, 0, 0, 0, 0, self.data_coding, 0]);
        let text = &self.text[..self.text.len().min(254)];
        out.push(text.len() as u8);
        out.extend(text);
        for (tag, value) in self.tlvs.iter().filter(|_| version >= 0x34) {
            tlv(out, *tag, value);
        }
        end(out, start, command::DELIVER_SM, 0, sequence);
    }
}

/// What a receipt tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The message.
    pub id: u64,
    /// Who sent it.
    pub source: String,
    /// Who got it.
    pub destination: String,
    /// When it was taken.
    pub submitted: LocalTime,
    /// Whether it arrived.
    pub delivered: bool,
}

/// `YYMMDDhhmm`, as receipts write times.
fn minute(time: LocalTime) -> String {
    let date = time.day.to_civil();
    let (hour, minute) = (time.second / 3600, time.second / 60 % 60);
    format!("{:02}{:02}{:02}{hour:02}{minute:02}", date.year() % 100, date.month(), date.day())
}

// === impl IdFormat ===

impl IdFormat {
    const fn radix(self) -> u64 {
        match self {
            Self::Decimal => 10,
            Self::Hex => 16,
        }
    }
}
