//! deliver_sm (SMPP 3.4 section 4.6): what a subscriber answers. Looked at only for that; the frame goes on as it came.

use super::frame::HEADER;
use super::submission::{Address, Field, Fields};

/// esm_class of a message that a subscriber has written: no receipt, no acknowledgement. Other bits are of no matter.
const KINDS: u8 = 0x3C;

/// A subscriber's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deliver<'a> {
    /// Who has written it.
    pub source: Address<'a>,
    /// To which number.
    pub destination: Address<'a>,
    /// data_coding.
    pub data_coding: u8,
    /// short_message, without a user data header.
    pub text: &'a [u8],
}

impl<'a> Deliver<'a> {
    /// Reads a whole frame of the type deliver_sm; `None` if it cannot be read, is no message of a subscriber, or is longer
    /// than any answer that matters.
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let mut fields = Fields { rest: frame.get(HEADER..)? };
        fields.service_type().ok()?;
        let source = fields.address(21, Field::SourceAddr, 0).ok()?;
        let destination = fields.address(21, Field::DestinationAddr, 0).ok()?;
        let (&[esm_class, _protocol_id, _priority], rest) = fields.rest.split_first_chunk()?;
        fields.rest = rest;
        fields.string(17, Field::ScheduleDeliveryTime, 0).ok()?;
        fields.string(17, Field::ValidityPeriod, 0).ok()?;
        let (&[_receipt, _replace, data_coding, _default, length], rest) = fields.rest.split_first_chunk()?;
        let text = rest.get(..usize::from(length))?;
        if esm_class & KINDS != 0 {
            return None;
        }
        let has_header = esm_class & 0x40 != 0;
        let text = if has_header { text.get(usize::from(*text.first()?) + 1..)? } else { text };
        Some(Self { source, destination, data_coding, text })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::smpp::command;

    fn frame(esm_class: u8, data_coding: u8, text: &[u8]) -> Vec<u8> {
        let mut body = b"\0\x01\x018613856000001\0\x00\x0162021\0".to_vec();
        body.extend([esm_class, 0, 0, 0, 0, 0, 0, data_coding, 0, text.len() as u8]);
        body.extend(text);
        let mut frame = Vec::new();
        for word in [body.len() as u32 + 16, command::DELIVER_SM, 0, 7] {
            frame.extend(word.to_be_bytes());
        }
        [frame, body].concat()
    }

    #[test]
    fn a_subscribers_message_is_read_and_a_receipt_is_none() {
        let octets = frame(0, 8, &[0, b'T']);
        let read = Deliver::read(&octets).expect("readable");
        assert_eq!((read.source.digits, read.destination.digits), (&b"8613856000001"[..], &b"62021"[..]));
        assert_eq!((read.data_coding, read.text), (8, &[0, b'T'][..]));
        assert_eq!(
            Deliver::read(&frame(0x40, 0, &[2, 0x24, 0, b'T'])).map(|read| read.text.to_vec()),
            Some(b"T".to_vec())
        );
        for esm_class in [0x04, 0x08, 0x10, 0x18, 0x20] {
            assert_eq!(Deliver::read(&frame(esm_class, 0, b"T")), None, "{esm_class:#x}");
        }
        assert_eq!(Deliver::read(&octets[..octets.len() - 1]), None);
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..120), cut in 0..80_usize) {
            let _ = Deliver::read(&octets);
            let sound = frame(0x40, 8, &octets);
            let _ = Deliver::read(&sound[..cut.min(sound.len())]);
        }
    }
}
