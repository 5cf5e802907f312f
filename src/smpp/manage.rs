//! query_sm and cancel_sm (SMPP 3.4 sections 4.8, 4.9): whose messages they are about, and a cancel_sm of the gateway's own.

use super::command;
use super::frame::{HEADER, Header};
use super::submission::{Address, Field, Fields};

/// Longest message_id with its NUL.
const MESSAGE_ID: usize = 65;

/// The source_addr that a query_sm or cancel_sm names; `None` if it cannot be read.
///
/// The SMSC matches it with the original's, so an account that may only name
/// its own sources can only reach its own messages.
pub fn source(frame: &[u8]) -> Option<Address<'_>> {
    let header = Header::read(frame)?;
    let mut fields = Fields { rest: frame.get(HEADER..)? };
    if header.command_id == command::CANCEL_SM {
        fields.service_type().ok()?;
    }
    fields.string(MESSAGE_ID, Field::Body, 0).ok()?;
    fields.address(21, Field::SourceAddr, 0).ok()
}

/// The message_id that a cancel_sm names; empty if it means several messages, `None` if it cannot be read.
pub fn message_id(frame: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields { rest: frame.get(HEADER..)? };
    fields.service_type().ok()?;
    fields.string(MESSAGE_ID, Field::Body, 0).ok()
}

/// Appends a cancel_sm of one message: by the SMSC's name for it and the source_addr it was submitted under.
pub fn write_cancel_sm(sequence: u32, message_id: &[u8], source: Address<'_>, out: &mut Vec<u8>) {
    let Address { ton, npi, digits } = source;
    let body = [b"\0", message_id, &[0, ton, npi], digits, &[0, 0, 0, 0]].concat(); // no service_type, no destination
    let length = (HEADER + body.len()) as u32;
    out.extend(Header { length, command_id: command::CANCEL_SM, status: 0, sequence }.octets());
    out.extend(body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusmpp_core::decode::borrowed::DecodeWithLength;
    use rusmpp_core::pdus::borrowed::CancelSm;

    #[test]
    fn an_own_cancel_sm_is_read_by_another_reader_and_by_this_one() {
        let mut frame = Vec::new();
        write_cancel_sm(7, b"7f", Address { ton: 5, npi: 0, digits: b"62021" }, &mut frame);
        let header = Header::read(&frame).expect("a header");
        assert_eq!((header.length as usize, header.command_id, header.sequence), (frame.len(), 8, 7));
        assert_eq!((message_id(&frame), source(&frame).map(|own| own.digits)), (Some(&b"7f"[..]), Some(&b"62021"[..])));
        let body = &frame[HEADER..];
        let (read, length) = CancelSm::decode(body, body.len()).expect("sound");
        assert_eq!(
            (length, read.message_id.bytes(), read.source_addr.bytes()),
            (body.len(), &b"7f\0"[..], &b"62021\0"[..])
        );
    }
}
