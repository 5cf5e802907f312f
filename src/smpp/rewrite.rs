//! The fields that the gateway itself writes: an empty source_addr, and a validity that reaches too far.

use super::command;
use super::frame::{HEADER, Header};
use super::submission::{Field, Fields, Malformed};
use super::tlv::tag;

/// What is written into a frame; everything else stays, octet for octet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes<'a> {
    /// source_addr.
    pub source: Option<&'a str>,
    /// validity_period.
    pub validity: Option<[u8; 16]>,
    /// qos_time_to_live, seconds. Added where it is absent.
    pub time_to_live: Option<u32>,
}

impl Changes<'_> {
    /// Whether the frame stays as it is.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The frame with the changes; `None` if it is no submission that can be read.
    pub fn write(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let mut writing = Writing { frame, fields: Fields { rest: frame.get(HEADER..)? }, out: Vec::new(), copied: 0 };
        self.walk(&mut writing, Header::read(frame)?.command_id).ok()?;
        Some(writing.finish())
    }

    /// Goes through the fields in their order and puts in what is to be written.
    fn walk(&self, writing: &mut Writing<'_>, command_id: u32) -> Result<(), Malformed> {
        let first = if command_id == command::REPLACE_SM { 65 } else { 6 }; // message_id or service_type
        writing.fields.string(first, Field::Body, 0)?;
        writing.fields.octets::<2>()?;
        writing.string(21, self.source.map(str::as_bytes))?;
        match command_id {
            command::SUBMIT_SM => drop(writing.fields.address(21, Field::Body, 0)?),
            command::SUBMIT_MULTI => writing.destinations()?,
            command::REPLACE_SM => {}
            _ => {
                writing.fields.address(21, Field::Body, 0)?;
                writing.fields.octets::<3>()?;
                return writing.time_to_live(self.time_to_live);
            }
        }
        if command_id != command::REPLACE_SM {
            writing.fields.octets::<3>()?; // esm_class, protocol_id, priority_flag
        }
        writing.fields.string(17, Field::Body, 0)?;
        writing.string(17, self.validity.as_ref().map(|field| &field[..]))?;
        if command_id == command::REPLACE_SM {
            writing.fields.octets::<2>()?; // registered_delivery, sm_default_msg_id
        } else {
            writing.fields.octets::<4>()?;
        }
        let [length] = writing.fields.octets()?;
        writing.fields.take(usize::from(length))?;
        writing.time_to_live(self.time_to_live)
    }
}

/// A frame that is copied while its fields are read.
struct Writing<'a> {
    frame: &'a [u8],
    fields: Fields<'a>,
    out: Vec<u8>,
    /// Octets of the frame that are in `out`, or left out of it.
    copied: usize,
}

impl Writing<'_> {
    const fn at(&self) -> usize {
        self.frame.len() - self.fields.rest.len()
    }

    /// Puts octets in the place of `length` octets at `at`.
    fn put(&mut self, at: usize, length: usize, octets: &[u8]) {
        self.out.extend_from_slice(&self.frame[self.copied..at]);
        self.out.extend_from_slice(octets);
        self.copied = at + length;
    }

    /// Reads a C-octet string, and puts another in its place if there is one.
    fn string(&mut self, max: usize, other: Option<&[u8]>) -> Result<(), Malformed> {
        let at = self.at();
        let length = self.fields.string(max, Field::Body, 0)?.len();
        if let Some(other) = other {
            self.put(at, length, other);
        }
        Ok(())
    }

    fn destinations(&mut self) -> Result<(), Malformed> {
        let [count] = self.fields.octets()?;
        for _ in 0..count {
            let [flag] = self.fields.octets()?;
            if flag == 1 {
                self.fields.octets::<2>()?;
            }
            self.fields.string(21, Field::Body, 0)?;
        }
        Ok(())
    }

    /// Reads the TLVs as far as there are any; a careless client's zero octets stay behind them.
    fn time_to_live(&mut self, seconds: Option<u32>) -> Result<(), Malformed> {
        let Some(seconds) = seconds else { return Ok(()) };
        // Counted once, or a PDU of zero octets with one other at its end would cost their square (P13).
        let zeros = self.fields.rest.iter().rev().take_while(|octet| **octet == 0).count();
        loop {
            let at = self.at();
            if self.fields.rest.len() <= zeros {
                let [high, low] = tag::QOS_TIME_TO_LIVE.to_be_bytes();
                self.put(at, 0, &[high, low, 0, 4]);
                self.put(at, 0, &seconds.to_be_bytes());
                return Ok(());
            }
            let [high, low, long, short] = self.fields.octets()?;
            let length = usize::from(u16::from_be_bytes([long, short]));
            self.fields.take(length)?;
            if u16::from_be_bytes([high, low]) == tag::QOS_TIME_TO_LIVE {
                self.put(at + 4, length, &seconds.to_be_bytes());
                return Ok(());
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(&self.frame[self.copied..]);
        let length = self.out.len() as u32;
        self.out[..4].copy_from_slice(&length.to_be_bytes());
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::submit::SubmitSpec;

    const PERIOD: &str = "261124110000032+";

    fn changes() -> Changes<'static> {
        let validity = PERIOD.as_bytes().first_chunk().copied();
        Changes { source: Some("62020551"), validity, time_to_live: Some(5400) }
    }

    #[test]
    fn what_is_written_is_what_a_sender_would_have_written() {
        let bare = SubmitSpec::new("", "13856000001", "移动").at("261124100000032+").with_tlv(0x1400, b"x");
        let whole = SubmitSpec { source: "62020551".to_owned(), validity: PERIOD.to_owned(), ..bare.clone() };
        let to_live = whole.clone().with_tlv(tag::QOS_TIME_TO_LIVE, &5400_u32.to_be_bytes());
        let longer = bare.clone().with_tlv(tag::QOS_TIME_TO_LIVE, &[0xFF; 4]);
        for from in [&bare, &longer] {
            assert_eq!(changes().write(&from.submit_sm(7)), Some(to_live.submit_sm(7)));
            assert_eq!(changes().write(&from.data_sm(7)), Some(to_live.data_sm(7)));
            assert_eq!(changes().write(&from.replace_sm("1", 7)), Some(to_live.replace_sm("1", 7)));
            let to = ["13856000001", "13856000002"];
            assert_eq!(changes().write(&from.submit_multi(&to, 7)), Some(to_live.submit_multi(&to, 7)));
        }
        let only = Changes { time_to_live: None, ..changes() };
        assert_eq!(only.write(&bare.submit_sm(7)), Some(whole.submit_sm(7)));
        assert_eq!(Changes::default().write(&bare.submit_sm(7)), Some(bare.submit_sm(7)));
        assert!(Changes::default().is_empty() && !only.is_empty());
    }

    #[test]
    fn a_longer_validity_is_replaced_and_zero_octets_stay_at_the_end() {
        let long = SubmitSpec { validity: "000100000000000R".to_owned(), ..SubmitSpec::new("6202", "138", "移动") };
        let short = SubmitSpec { validity: PERIOD.to_owned(), ..long.clone() };
        let zeros = |mut frame: Vec<u8>| {
            frame.extend([0; 5]);
            let length = frame.len() as u32;
            frame[..4].copy_from_slice(&length.to_be_bytes());
            frame
        };
        let cap = Changes { source: None, ..changes() };
        let expected = short.clone().with_tlv(tag::QOS_TIME_TO_LIVE, &5400_u32.to_be_bytes()).submit_sm(3);
        assert_eq!(cap.write(&zeros(long.submit_sm(3))), Some(zeros(expected)));
        let behind_zeros = |spec: &SubmitSpec, seconds: [u8; 4]| {
            spec.clone().with_tlv(0, b"").with_tlv(tag::QOS_TIME_TO_LIVE, &seconds).submit_sm(3)
        };
        let written = cap.write(&behind_zeros(&long, [0xFF; 4]));
        assert_eq!(written, Some(behind_zeros(&short, 5400_u32.to_be_bytes())), "not a second one in front");
        for cut in 0..40 {
            assert_eq!(cap.write(&long.submit_sm(3)[..cut]), None, "cut at {cut}");
        }
    }
}
