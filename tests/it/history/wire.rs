//! The few fields of a PDU that the checker reads, with its own eyes: neither
//! the gateway's parser nor the simulators' is asked.

pub(super) const SUBMIT_SM: u32 = 4;
pub(super) const RESPONSE: u32 = 0x8000_0000;
pub(super) const GENERIC_NACK: u32 = 0x8000_0000;
pub(super) const HEADER: usize = 16;

fn word(frame: &[u8], at: usize) -> u32 {
    frame.get(at..at + 4).map_or(0, |four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

pub(super) fn command(frame: &[u8]) -> u32 {
    word(frame, 4)
}

pub(super) fn status(frame: &[u8]) -> u32 {
    word(frame, 8)
}

pub(super) fn sequence(frame: &[u8]) -> u32 {
    word(frame, 12)
}

pub(super) fn is_response(frame: &[u8]) -> bool {
    command(frame) & RESPONSE != 0
}

pub(super) fn is_submit_sm(frame: &[u8]) -> bool {
    command(frame) == SUBMIT_SM
}

pub(super) fn is_submit_sm_resp(frame: &[u8]) -> bool {
    command(frame) == SUBMIT_SM | RESPONSE
}

/// `destination_addr` of a submit_sm: the header, service_type, TON, NPI, source_addr, TON, NPI, and then it.
pub(super) fn destination(frame: &[u8]) -> Option<String> {
    let rest = frame.get(HEADER..)?;
    let rest = after_string(rest)?.get(2..)?;
    let rest = after_string(rest)?.get(2..)?;
    let end = rest.iter().position(|octet| *octet == 0)?;
    String::from_utf8(rest[..end].to_vec()).ok()
}

fn after_string(octets: &[u8]) -> Option<&[u8]> {
    let end = octets.iter().position(|octet| *octet == 0)?;
    octets.get(end + 1..)
}
