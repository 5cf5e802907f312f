//! What a simulated ESME submits, turned into octets without a library in between.

use crate::smpp::command;
use crate::smpp::frame::{HEADER, Header};

/// One message to submit. Every field can be set to what no library would write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmitSpec {
    /// `service_type`.
    pub service_type: String,
    /// `source_addr`.
    pub source: String,
    /// Type of number and numbering plan of the source.
    pub source_ton_npi: (u8, u8),
    /// `destination_addr`.
    pub destination: String,
    /// Type of number and numbering plan of the destination.
    pub destination_ton_npi: (u8, u8),
    /// `esm_class`.
    pub esm_class: u8,
    /// `protocol_id`.
    pub protocol_id: u8,
    /// `priority_flag`.
    pub priority: u8,
    /// `schedule_delivery_time` as written; empty for at once.
    pub schedule: String,
    /// `validity_period` as written.
    pub validity: String,
    /// `registered_delivery`; 1 asks for a receipt.
    pub registered_delivery: u8,
    /// `replace_if_present_flag`.
    pub replace_if_present: u8,
    /// `data_coding`.
    pub data_coding: u8,
    /// `sm_default_msg_id`.
    pub default_msg_id: u8,
    /// `short_message` as octets; more than 254 travel as `message_payload`.
    pub short_message: Vec<u8>,
    /// Optional parameters, in this order.
    pub tlvs: Vec<(u16, Vec<u8>)>,
}

/// Tag of `message_payload`.
const MESSAGE_PAYLOAD: u16 = 0x0424;
/// Longest `short_message` of SMPP 3.4.
const SHORT_MESSAGE_MAX: usize = 254;

impl SubmitSpec {
    /// A message in UCS-2, as a Chinese sender would submit it.
    pub fn new(source: &str, destination: &str, text: &str) -> Self {
        Self {
            service_type: String::new(),
            source: source.to_owned(),
            source_ton_npi: (0, 1),
            destination: destination.to_owned(),
            destination_ton_npi: (1, 1),
            esm_class: 0,
            protocol_id: 0,
            priority: 0,
            schedule: String::new(),
            validity: String::new(),
            registered_delivery: 0,
            replace_if_present: 0,
            data_coding: 8,
            default_msg_id: 0,
            short_message: ucs2(text),
            tlvs: Vec::new(),
        }
    }

    /// The same with raw octets and their `data_coding` in place of the text.
    #[must_use]
    pub fn octets(mut self, data_coding: u8, octets: &[u8]) -> Self {
        self.data_coding = data_coding;
        self.short_message = octets.to_vec();
        self
    }

    /// The same with a `schedule_delivery_time`.
    #[must_use]
    pub fn at(mut self, schedule: &str) -> Self {
        schedule.clone_into(&mut self.schedule);
        self
    }

    /// The same, asking for a receipt.
    #[must_use]
    pub fn with_receipt(mut self) -> Self {
        self.registered_delivery = 1;
        self
    }

    /// The same with another `esm_class`.
    #[must_use]
    pub fn with_esm_class(mut self, esm_class: u8) -> Self {
        self.esm_class = esm_class;
        self
    }

    /// The same with one more optional parameter.
    #[must_use]
    pub fn with_tlv(mut self, tag: u16, value: &[u8]) -> Self {
        self.tlvs.push((tag, value.to_vec()));
        self
    }

    /// The octets of a `submit_sm`.
    pub fn submit_sm(&self, sequence: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(320);
        self.write(sequence, &mut out);
        out
    }

    /// Appends the octets of a `submit_sm`.
    pub fn write(&self, sequence: u32, out: &mut Vec<u8>) {
        let start = begin(out);
        string(out, &self.service_type);
        address(out, self.source_ton_npi, &self.source);
        address(out, self.destination_ton_npi, &self.destination);
        self.write_rest(out);
        end(out, start, command::SUBMIT_SM, 0, sequence);
    }

    /// The octets of a `data_sm` with the text in `message_payload`. It carries neither times nor a priority.
    pub fn data_sm(&self, sequence: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(320);
        let start = begin(&mut out);
        string(&mut out, &self.service_type);
        address(&mut out, self.source_ton_npi, &self.source);
        address(&mut out, self.destination_ton_npi, &self.destination);
        out.extend([self.esm_class, self.registered_delivery, self.data_coding]);
        tlv(&mut out, MESSAGE_PAYLOAD, &self.short_message);
        self.write_tlvs(&mut out);
        end(&mut out, start, command::DATA_SM, 0, sequence);
        out
    }

    /// The octets of a `submit_multi` to these numbers in place of the one destination.
    pub fn submit_multi(&self, destinations: &[&str], sequence: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(320);
        let start = begin(&mut out);
        string(&mut out, &self.service_type);
        address(&mut out, self.source_ton_npi, &self.source);
        out.push(destinations.len() as u8);
        for destination in destinations {
            out.push(1);
            address(&mut out, self.destination_ton_npi, destination);
        }
        self.write_rest(&mut out);
        end(&mut out, start, command::SUBMIT_MULTI, 0, sequence);
        out
    }

    /// The octets of a `replace_sm` of that message. It carries no destination, `data_coding` or `esm_class`.
    pub fn replace_sm(&self, message_id: &str, sequence: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(320);
        let start = begin(&mut out);
        string(&mut out, message_id);
        address(&mut out, self.source_ton_npi, &self.source);
        string(&mut out, &self.schedule);
        string(&mut out, &self.validity);
        out.extend([self.registered_delivery, self.default_msg_id]);
        self.write_text(&mut out);
        self.write_tlvs(&mut out);
        end(&mut out, start, command::REPLACE_SM, 0, sequence);
        out
    }

    /// The octets of a `cancel_sm` of that message.
    pub fn cancel_sm(&self, message_id: &str, sequence: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let start = begin(&mut out);
        string(&mut out, &self.service_type);
        string(&mut out, message_id);
        address(&mut out, self.source_ton_npi, &self.source);
        address(&mut out, self.destination_ton_npi, &self.destination);
        end(&mut out, start, command::CANCEL_SM, 0, sequence);
        out
    }

    /// What follows the addresses in `submit_sm` and `submit_multi`.
    fn write_rest(&self, out: &mut Vec<u8>) {
        out.extend([self.esm_class, self.protocol_id, self.priority]);
        string(out, &self.schedule);
        string(out, &self.validity);
        out.extend([self.registered_delivery, self.replace_if_present, self.data_coding, self.default_msg_id]);
        self.write_text(out);
        self.write_tlvs(out);
    }

    /// The text with its length; a long one as `message_payload`.
    fn write_text(&self, out: &mut Vec<u8>) {
        let payload = self.short_message.len() > SHORT_MESSAGE_MAX;
        let short: &[u8] = if payload { &[] } else { &self.short_message };
        out.push(short.len() as u8);
        out.extend(short);
        if payload {
            tlv(out, MESSAGE_PAYLOAD, &self.short_message);
        }
    }

    fn write_tlvs(&self, out: &mut Vec<u8>) {
        for (tag, value) in &self.tlvs {
            tlv(out, *tag, value);
        }
    }
}

/// A text in UCS-2, big endian (`data_coding` 8).
pub fn ucs2(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// Leaves room for a header and returns where it begins.
pub fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend([0; HEADER]);
    start
}

/// Fills the header of the PDU that began at `start` and ends here.
pub fn end(out: &mut [u8], start: usize, command_id: u32, status: u32, sequence: u32) {
    let length = (out.len() - start) as u32;
    out[start..start + HEADER].copy_from_slice(&Header { length, command_id, status, sequence }.octets());
}

/// Appends a C-octet string.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.extend(text.as_bytes());
    out.push(0);
}

/// Appends type of number, numbering plan and address.
pub fn address(out: &mut Vec<u8>, (ton, npi): (u8, u8), digits: &str) {
    out.extend([ton, npi]);
    string(out, digits);
}

/// Appends an optional parameter.
pub fn tlv(out: &mut Vec<u8>, tag: u16, value: &[u8]) {
    out.extend(tag.to_be_bytes());
    out.extend((value.len() as u16).to_be_bytes());
    out.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smpp::Submission;

    #[test]
    fn what_is_built_is_what_the_gateway_reads() {
        let spec = SubmitSpec::new("6202", "13856000001", "您好。【移动】").at("261124140000032+").with_receipt();
        let read = spec.submit_sm(7);
        let read = Submission::read(&read).expect("sound");
        assert_eq!((read.sequence, read.source.digits, read.data_coding), (7, &b"6202"[..], 8));
        assert_eq!((read.destination.digits, read.schedule), (&b"13856000001"[..], &b"261124140000032+"[..]));
        let long = SubmitSpec::new("6202", "13856000001", &"长".repeat(200)).submit_sm(8);
        assert_eq!(Submission::read(&long).expect("sound").tlvs.get(MESSAGE_PAYLOAD).map(<[u8]>::len), Some(400));
        let data = spec.data_sm(9);
        let data = crate::sim::pdu::Message::data_sm(&data).expect("sound");
        assert_eq!((data.destination, data.registered_delivery), (&b"\x01\x0113856000001"[..], 1));
    }
}
