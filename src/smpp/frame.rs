//! Cutting PDUs from a stream by their length (SMPP 3.4 section 3.2, 5.0 3.1).

/// Octets of a PDU header.
pub const HEADER: usize = 16;
/// Longest PDU taken: a full `message_payload` with every other field fits.
pub const MAX_PDU: usize = 65_536 + 4096;

/// The four words in front of every PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// command_length, header included.
    pub length: u32,
    /// command_id.
    pub command_id: u32,
    /// command_status; zero in requests.
    pub status: u32,
    /// sequence_number.
    pub sequence: u32,
}

/// What the octets read so far begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A whole PDU of that many octets.
    Whole(usize),
    /// Part of a PDU; the whole has that many octets, or at least 16 while its length is unknown.
    Partial(usize),
    /// A length no PDU can have: the stream is out of step and cannot be read on.
    Bad(u32),
}

impl Cut {
    /// Looks at the front of `octets`. Lengths below 16 or above `max` are bad.
    pub fn at(octets: &[u8], max: usize) -> Self {
        let Some(length) = word(octets, 0) else { return Self::Partial(HEADER) };
        let whole = length as usize;
        if whole < HEADER || whole > max {
            return Self::Bad(length);
        }
        if octets.len() >= whole { Self::Whole(whole) } else { Self::Partial(whole) }
    }
}

impl Header {
    /// Reads the header of a PDU; `None` with fewer than 16 octets.
    pub fn read(octets: &[u8]) -> Option<Self> {
        let head: &[u8; HEADER] = octets.first_chunk()?;
        Some(Self {
            length: u32::from_be_bytes([head[0], head[1], head[2], head[3]]),
            command_id: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            status: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
            sequence: u32::from_be_bytes([head[12], head[13], head[14], head[15]]),
        })
    }

    /// The header's octets.
    pub fn octets(self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[0..4].copy_from_slice(&self.length.to_be_bytes());
        out[4..8].copy_from_slice(&self.command_id.to_be_bytes());
        out[8..12].copy_from_slice(&self.status.to_be_bytes());
        out[12..16].copy_from_slice(&self.sequence.to_be_bytes());
        out
    }
}

fn word(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*octets.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_below_a_header_or_above_the_limit_end_the_stream() {
        for length in 0..16u32 {
            assert_eq!(Cut::at(&length.to_be_bytes(), MAX_PDU), Cut::Bad(length));
        }
        assert_eq!(Cut::at(b"GET / HTTP/1.1\r\n", MAX_PDU), Cut::Bad(0x4745_5420));
        assert_eq!(Cut::at(&(MAX_PDU as u32 + 1).to_be_bytes(), MAX_PDU), Cut::Bad(MAX_PDU as u32 + 1));
    }

    #[test]
    fn a_pdu_is_cut_when_it_is_whole() {
        let header = Header { length: 16, command_id: 0x15, status: 0, sequence: 7 };
        let octets = header.octets();
        assert_eq!(Cut::at(&octets[..3], MAX_PDU), Cut::Partial(16));
        assert_eq!(Cut::at(&octets[..15], MAX_PDU), Cut::Partial(16));
        assert_eq!(Cut::at(&octets, MAX_PDU), Cut::Whole(16));
        assert_eq!(Header::read(&octets), Some(header));
    }
}
