//! One frame to one [`Submission`]: what the policy needs to know of a message.
//!
//! Two readers must agree. Our own walk cuts the fields and gates the TLVs by
//! declared length; then rusmpp decodes the mandatory part of that frame alone.
//! A frame that either refuses, or of which they see different ends, is
//! [`Malformed`]: it gets an answer that names the field, and the session goes on.

use rusmpp_core::decode::borrowed::DecodeWithLength;
use rusmpp_core::pdus::borrowed::{DataSm, SubmitSm};

use super::command::{self, status};
use super::frame::{HEADER, Header};
use super::tlv::{Tlvs, tag};
use super::udh::{Parts, UserData};

/// The operations that carry a message towards subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// submit_sm.
    SubmitSm,
    /// submit_multi.
    SubmitMulti,
    /// data_sm.
    DataSm,
    /// replace_sm.
    ReplaceSm,
    /// broadcast_sm.
    BroadcastSm,
}

/// An address as it stands in the PDU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address<'a> {
    /// Type of number.
    pub ton: u8,
    /// Numbering plan indicator.
    pub npi: u8,
    /// The address without its NUL.
    pub digits: &'a [u8],
}

/// One message to one recipient, borrowed from its frame.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// Which operation carries it.
    pub operation: Operation,
    /// The request's sequence_number.
    pub sequence: u32,
    /// service_type, 0 to 5 characters.
    pub service_type: &'a [u8],
    /// Who is shown as the sender.
    pub source: Address<'a>,
    /// The recipient.
    pub destination: Address<'a>,
    /// esm_class.
    pub esm_class: u8,
    /// protocol_id.
    pub protocol_id: u8,
    /// schedule_delivery_time, 0 or 16 characters.
    pub schedule: &'a [u8],
    /// validity_period, 0 or 16 characters.
    pub validity: &'a [u8],
    /// replace_if_present_flag.
    pub replace_if_present: u8,
    /// data_coding.
    pub data_coding: u8,
    /// sm_default_msg_id.
    pub default_msg_id: u8,
    /// The text and what stands before it, from short_message or message_payload.
    pub user_data: UserData<'a>,
    /// Whether short_message and message_payload both hold something.
    pub two_texts: bool,
    /// Its TLVs.
    pub tlvs: Tlvs<'a>,
    /// Of a submit_sm all octets of the body in front of the recipient's digits and behind them: two with the same differ
    /// in nothing else that is read here but the sequence_number.
    pub around: Option<(&'a [u8], &'a [u8])>,
}

/// A field of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The operation itself.
    Operation,
    /// service_type.
    ServiceType,
    /// source_addr.
    SourceAddr,
    /// destination_addr.
    DestinationAddr,
    /// schedule_delivery_time.
    ScheduleDeliveryTime,
    /// validity_period.
    ValidityPeriod,
    /// sm_length and short_message.
    ShortMessage,
    /// The TLVs.
    Tlvs,
    /// Another field that the second reader refuses.
    Body,
}

/// Why a frame is no readable submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The field at fault.
    pub field: Field,
    /// The command_status that names it.
    pub status: u32,
}

/// The recipient of a submit_sm that differs from another in nothing but its digits and its sequence_number; `around` is
/// [`Submission::around`] of the other. `None` if it differs, or if its digits are none that need no closer look.
pub fn repeated<'a>(frame: &'a [u8], around: (&[u8], &[u8])) -> Option<Address<'a>> {
    let (header, body) = (Header::read(frame)?, frame.get(HEADER..)?);
    let (before, behind) = around;
    let [.., ton, npi] = *before else { return None };
    let digits = body.strip_prefix(before)?.strip_suffix(behind)?.strip_suffix(&[0])?;
    let plain = (1..=20).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    (header.command_id == command::SUBMIT_SM && plain).then_some(Address { ton, npi, digits })
}

impl<'a> Submission<'a> {
    /// A submit_sm of which nothing is known but to whom it goes.
    pub fn to(destination: Address<'a>) -> Self {
        Self {
            operation: Operation::SubmitSm,
            sequence: 0,
            service_type: &[],
            source: Address::default(),
            destination,
            esm_class: 0,
            protocol_id: 0,
            schedule: &[],
            validity: &[],
            replace_if_present: 0,
            data_coding: 0,
            default_msg_id: 0,
            user_data: UserData::read(&[], false, &Tlvs::default()),
            two_texts: false,
            tlvs: Tlvs::default(),
            around: None,
        }
    }

    /// Whether it is a part of several, as far as it says so and does not contradict itself.
    pub const fn is_part(&self) -> bool {
        matches!(self.user_data.parts, Parts::Part(_))
    }

    /// Reads one whole frame that carries a message to one recipient: submit_sm, data_sm.
    /// (submit_multi: [`super::multi`].)
    pub fn read(frame: &'a [u8]) -> Result<Self, Malformed> {
        let header = Header::read(frame).ok_or(Malformed::new(Field::Body, status::ESME_RINVCMDLEN))?;
        match header.command_id {
            command::SUBMIT_SM => Self::submit_sm(header, &frame[HEADER..]),
            command::DATA_SM => Self::data_sm(header, &frame[HEADER..]),
            command::REPLACE_SM => Err(Malformed::new(Field::Operation, status::ESME_RREPLACEFAIL)),
            command::BROADCAST_SM => Err(Malformed::new(Field::Operation, status::ESME_RPROHIBITED)),
            _ => Err(Malformed::new(Field::Operation, status::ESME_RINVCMDID)),
        }
    }

    fn submit_sm(header: Header, body: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields { rest: body };
        let service_type = fields.service_type()?;
        let source = fields.address(21, Field::SourceAddr, status::ESME_RINVSRCADR)?;
        let destination = fields.address(21, Field::DestinationAddr, status::ESME_RINVDSTADR)?;
        let behind = fields.rest;
        let text = fields.text()?;
        let mandatory = &body[..body.len() - fields.rest.len()];
        agree(mandatory, SubmitSm::<'_, 0>::decode(mandatory, mandatory.len()).ok().map(|(_, length)| length))?;
        let submission = text.finish(header, Operation::SubmitSm, service_type, source, destination, fields.rest)?;
        let before = &body[..body.len() - behind.len() - 1 - destination.digits.len()];
        Ok(Submission { around: Some((before, behind)), ..submission })
    }

    fn data_sm(header: Header, body: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields { rest: body };
        let service_type = fields.service_type()?;
        // Both are longer in data_sm (SMPP 3.4 section 4.7.1); no address that may be used is.
        let source = fields.address(21, Field::SourceAddr, status::ESME_RINVSRCADR)?;
        let destination = fields.address(21, Field::DestinationAddr, status::ESME_RINVDSTADR)?;
        let [esm_class, _registered, data_coding] = fields.octets()?;
        let mandatory = &body[..body.len() - fields.rest.len()];
        agree(mandatory, DataSm::<'_, 0>::decode(mandatory, mandatory.len()).ok().map(|(_, length)| length))?;
        let text = TextFields { esm_class, data_coding, ..TextFields::default() };
        let submission = text.finish(header, Operation::DataSm, service_type, source, destination, fields.rest)?;
        match submission.tlvs.get(tag::MESSAGE_PAYLOAD) {
            Some(_) => Ok(submission),
            None => Err(Malformed::new(Field::Tlvs, status::ESME_RMISSINGOPTPARAM)),
        }
    }
}

/// What submit_sm and submit_multi have in common behind their addresses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TextFields<'a> {
    esm_class: u8,
    protocol_id: u8,
    schedule: &'a [u8],
    validity: &'a [u8],
    replace_if_present: u8,
    data_coding: u8,
    default_msg_id: u8,
    short_message: &'a [u8],
}

impl<'a> TextFields<'a> {
    /// The same in a coding that the PDU itself does not name.
    pub(super) const fn written_in(self, data_coding: u8) -> Self {
        Self { data_coding, ..self }
    }

    /// The whole submission, with the TLVs that follow.
    pub(super) fn finish(
        self,
        header: Header,
        operation: Operation,
        service_type: &'a [u8],
        source: Address<'a>,
        destination: Address<'a>,
        tlvs: &'a [u8],
    ) -> Result<Submission<'a>, Malformed> {
        let tlvs = Tlvs::read(tlvs).map_err(|error| Malformed::new(Field::Tlvs, error.status()))?;
        let payload = tlvs.get(tag::MESSAGE_PAYLOAD);
        let octets = if self.short_message.is_empty() { payload.unwrap_or_default() } else { self.short_message };
        Ok(Submission {
            operation,
            sequence: header.sequence,
            service_type,
            source,
            destination,
            esm_class: self.esm_class,
            protocol_id: self.protocol_id,
            schedule: self.schedule,
            validity: self.validity,
            replace_if_present: self.replace_if_present,
            data_coding: self.data_coding,
            default_msg_id: self.default_msg_id,
            user_data: UserData::read(octets, self.esm_class & 0x40 != 0, &tlvs),
            two_texts: payload.is_some() && !self.short_message.is_empty(),
            tlvs,
            around: None,
        })
    }
}

/// rusmpp has read the mandatory part by itself and must have ended where we ended.
pub(super) fn agree(mandatory: &[u8], theirs: Option<usize>) -> Result<(), Malformed> {
    if theirs == Some(mandatory.len()) {
        return Ok(());
    }
    Err(Malformed::new(Field::Body, status::ESME_RSUBMITFAIL))
}

impl Operation {
    /// Its command_id.
    pub const fn command(self) -> u32 {
        match self {
            Self::SubmitSm => command::SUBMIT_SM,
            Self::SubmitMulti => command::SUBMIT_MULTI,
            Self::DataSm => command::DATA_SM,
            Self::ReplaceSm => command::REPLACE_SM,
            Self::BroadcastSm => command::BROADCAST_SM,
        }
    }

    /// The operation's name in SMPP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SubmitSm => "submit_sm",
            Self::SubmitMulti => "submit_multi",
            Self::DataSm => "data_sm",
            Self::ReplaceSm => "replace_sm",
            Self::BroadcastSm => "broadcast_sm",
        }
    }
}

impl Malformed {
    pub(super) const fn new(field: Field, status: u32) -> Self {
        Self { field, status }
    }
}

/// What has not been read yet of a body.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or(Malformed::new(Field::ShortMessage, status::ESME_RINVMSGLEN))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn octets<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) =
            self.rest.split_first_chunk().ok_or(Malformed::new(Field::Body, status::ESME_RINVCMDLEN))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A C-octet string of at most `max` octets with its NUL, printable or not but ASCII.
    pub(super) fn string(&mut self, max: usize, field: Field, status: u32) -> Result<&'a [u8], Malformed> {
        let window = &self.rest[..self.rest.len().min(max)];
        let end = window.iter().position(|octet| *octet == 0).ok_or(Malformed::new(field, status))?;
        let text = &window[..end];
        if !text.is_ascii() {
            return Err(Malformed::new(field, status));
        }
        self.rest = &self.rest[end + 1..];
        Ok(text)
    }

    pub(super) fn service_type(&mut self) -> Result<&'a [u8], Malformed> {
        self.string(6, Field::ServiceType, status::ESME_RINVSERTYP)
    }

    pub(super) fn address(&mut self, max: usize, field: Field, status: u32) -> Result<Address<'a>, Malformed> {
        let [ton, npi] = self.octets()?;
        Ok(Address { ton, npi, digits: self.string(max, field, status)? })
    }

    fn time(&mut self, field: Field, status: u32) -> Result<&'a [u8], Malformed> {
        let text = self.string(17, field, status)?;
        if text.is_empty() || text.len() == 16 { Ok(text) } else { Err(Malformed::new(field, status)) }
    }

    /// What replace_sm has behind its address.
    pub(super) fn replacement(&mut self) -> Result<TextFields<'a>, Malformed> {
        let schedule = self.time(Field::ScheduleDeliveryTime, status::ESME_RINVSCHED)?;
        let validity = self.time(Field::ValidityPeriod, status::ESME_RINVEXPIRY)?;
        let [_registered, default_msg_id, sm_length] = self.octets()?;
        let short_message = self.take(usize::from(sm_length))?;
        Ok(TextFields { schedule, validity, default_msg_id, short_message, ..TextFields::default() })
    }

    /// From esm_class to short_message.
    pub(super) fn text(&mut self) -> Result<TextFields<'a>, Malformed> {
        let [esm_class, protocol_id, _priority] = self.octets()?;
        let schedule = self.time(Field::ScheduleDeliveryTime, status::ESME_RINVSCHED)?;
        let validity = self.time(Field::ValidityPeriod, status::ESME_RINVEXPIRY)?;
        let [_registered, replace_if_present, data_coding, default_msg_id, sm_length] = self.octets()?;
        let short_message = self.take(usize::from(sm_length))?;
        Ok(TextFields {
            esm_class,
            protocol_id,
            schedule,
            validity,
            replace_if_present,
            data_coding,
            default_msg_id,
            short_message,
        })
    }
}
