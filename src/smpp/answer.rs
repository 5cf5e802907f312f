//! The PDUs the gateway itself answers with. A refusal is the header of the
//! request's own response and nothing else: every client reads that shape,
//! and SMPP 3.4 section 4.4.2 prescribes it (protocol facts, section 1).

use super::command::{DATA_SM, GENERIC_NACK, RESPONSE, SUBMIT_SM};
use super::frame::{HEADER, Header};
use super::tlv::Tlvs;

/// Tag of congestion_state (SMPP 5.0, 4.8.4.18).
const CONGESTION_STATE: u16 = 0x0428;
/// Longest message_id, its NUL included.
const MESSAGE_ID_MAX: usize = 65;

/// The refusal of a request: its own response type, no body.
pub fn refusal(request: Header, status: u32) -> [u8; HEADER] {
    Header { length: HEADER as u32, command_id: request.command_id | RESPONSE, status, sequence: request.sequence }
        .octets()
}

/// generic_nack, for commands that are unknown and streams that are out of step.
pub fn generic_nack(sequence: u32, status: u32) -> [u8; HEADER] {
    Header { length: HEADER as u32, command_id: GENERIC_NACK, status, sequence }.octets()
}

/// How congested the SMSC says it is in the answer to a submit_sm or data_sm: 0 idle to 100 congested. `None` if it does not
/// say, or says it in a body that cannot be read.
pub fn congestion_state(header: Header, frame: &[u8]) -> Option<u8> {
    if !matches!(header.command_id & !RESPONSE, SUBMIT_SM | DATA_SM) {
        return None;
    }
    let body = frame.get(HEADER..)?;
    let end = memchr::memchr(0, body.get(..MESSAGE_ID_MAX).unwrap_or(body))?;
    let tlvs = body.get(end + 1..).filter(|rest| !rest.is_empty())?;
    Tlvs::read(tlvs).ok()?.get(CONGESTION_STATE)?.first().copied()
}

/// The message_id of a positive answer, whatever octets it is of: up to its NUL, 64 at most, or nothing.
pub fn message_id(frame: &[u8]) -> &[u8] {
    let body = frame.get(HEADER..).unwrap_or_default();
    let body = body.get(..MESSAGE_ID_MAX - 1).unwrap_or(body);
    &body[..memchr::memchr(0, body).unwrap_or(body.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smpp::command::SUBMIT_MULTI;

    fn resp(command_id: u32, body: &[u8]) -> Option<u8> {
        let header = Header { length: (HEADER + body.len()) as u32, command_id, status: 0, sequence: 1 };
        congestion_state(header, &[&header.octets()[..], body].concat())
    }

    #[test]
    fn a_message_id_ends_with_its_nul_or_with_what_there_is() {
        let answer = |body: &[u8]| message_id(&[&[0; HEADER][..], body].concat()).to_vec();
        assert_eq!(answer(b"7f\0\x04\x27"), b"7f");
        assert_eq!((answer(b""), answer(b"\0"), answer(b"\xFF\x01")), (vec![], vec![], b"\xFF\x01".to_vec()));
        assert_eq!(answer(&[b'7'; 80]).len(), 64);
        assert_eq!(message_id(&[0; 3]), b"");
    }

    #[test]
    fn congestion_state_is_read_where_it_is_and_nowhere_else() {
        let state = [b'7', 0, 0x04, 0x28, 0, 1, 95];
        assert_eq!(resp(SUBMIT_SM | RESPONSE, &state), Some(95));
        assert_eq!(resp(DATA_SM | RESPONSE, &[0, 0x04, 0x28, 0, 1, 100]), Some(100));
        assert_eq!(resp(SUBMIT_MULTI | RESPONSE, &state), None);
        for body in [&[][..], &[0], b"no end", &state[..6], &[0, 0x04, 0x28, 0, 2, 95, 95], &[0, 0x14, 0, 0, 0]] {
            assert_eq!(resp(SUBMIT_SM | RESPONSE, body), None, "{body:?}");
        }
    }
}
