//! The PDUs the gateway itself answers with. A refusal is the header of the
//! request's own response and nothing else: every client reads that shape,
//! and SMPP 3.4 section 4.4.2 prescribes it (protocol facts, section 1).

use super::command::{GENERIC_NACK, RESPONSE};
use super::frame::{HEADER, Header};

/// The refusal of a request: its own response type, no body.
pub fn refusal(request: Header, status: u32) -> [u8; HEADER] {
    Header { length: HEADER as u32, command_id: request.command_id | RESPONSE, status, sequence: request.sequence }
        .octets()
}

/// generic_nack, for commands that are unknown and streams that are out of step.
pub fn generic_nack(sequence: u32, status: u32) -> [u8; HEADER] {
    Header { length: HEADER as u32, command_id: GENERIC_NACK, status, sequence }.octets()
}
