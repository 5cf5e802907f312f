//! submit_multi (SMPP 3.4 section 4.5): one text, several recipients. Each is
//! judged by itself; those that are refused are cut out of the octets and come
//! back in unsuccess_sme.

use std::ops::Range;

use bytes::BytesMut;
use rusmpp::decode::DecodeWithLength;
use rusmpp::pdus::SubmitMulti;

use crate::domain::Msisdn;

use super::command::{self, status};
use super::frame::{HEADER, Header};
use super::submission::{Address, Field, Fields, Malformed, Operation, Submission, agree};

/// One submit_multi.
#[derive(Debug)]
pub struct Multi<'a> {
    /// Everything but the recipient, which is empty here.
    pub common: Submission<'a>,
    /// The recipients, in order.
    pub destinations: Vec<Destination<'a>>,
    /// Where number_of_dests stands in the frame.
    count_at: usize,
}

/// One dest_address.
#[derive(Clone, Debug)]
pub struct Destination<'a> {
    /// The number; `None` for a distribution list, whose members nobody knows.
    pub address: Option<Address<'a>>,
    /// Where it stands in the frame, flag included.
    octets: Range<usize>,
}

/// One entry of unsuccess_sme: a recipient that was not sent to.
#[derive(Clone, PartialEq, Eq)]
pub struct Unsuccess {
    /// dest_addr_ton, dest_addr_npi, destination_addr with its NUL.
    address: Vec<u8>,
    /// error_status_code.
    pub status: u32,
}

impl<'a> Multi<'a> {
    /// Reads a whole submit_multi.
    pub fn read(frame: &'a [u8]) -> Result<Self, Malformed> {
        let header = Header::read(frame).ok_or(Malformed::new(Field::Body, status::ESME_RINVCMDLEN))?;
        let body = &frame[HEADER..];
        let mut fields = Fields { rest: body };
        let service_type = fields.service_type()?;
        let source = fields.address(21, Field::SourceAddr, status::ESME_RINVSRCADR)?;
        let count_at = frame.len() - fields.rest.len();
        let [count] = fields.octets()?;
        let mut destinations = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            destinations.push(destination(frame, &mut fields)?);
        }
        if destinations.is_empty() {
            return Err(Malformed::new(Field::DestinationAddr, status::ESME_RINVNUMDESTS));
        }
        let text = fields.text()?;
        let mandatory = &body[..body.len() - fields.rest.len()];
        let mut octets = BytesMut::from(mandatory);
        agree(mandatory, SubmitMulti::decode(&mut octets, mandatory.len()).ok().map(|(_, length)| length))?;
        let nobody = Address::default();
        let common = text.finish(header, Operation::SubmitMulti, service_type, source, nobody, fields.rest)?;
        Ok(Self { common, destinations, count_at })
    }

    /// The submission to one recipient.
    pub fn to(&self, address: Address<'a>) -> Submission<'a> {
        Submission { destination: address, ..self.common }
    }

    /// Appends the frame without the recipients at these positions (ascending).
    pub fn write_without(&self, frame: &[u8], refused: &[usize], out: &mut Vec<u8>) {
        let begin = out.len();
        let mut at = 0;
        for index in refused {
            let Some(gone) = self.destinations.get(*index) else { continue };
            out.extend_from_slice(&frame[at..gone.octets.start]);
            at = gone.octets.end;
        }
        out.extend_from_slice(&frame[at..]);
        let length = (out.len() - begin) as u32;
        out[begin..begin + 4].copy_from_slice(&length.to_be_bytes());
        out[begin + self.count_at] = (self.destinations.len() - refused.len()) as u8;
    }
}

fn destination<'a>(frame: &'a [u8], fields: &mut Fields<'a>) -> Result<Destination<'a>, Malformed> {
    let start = frame.len() - fields.rest.len();
    let [flag] = fields.octets()?;
    let address = match flag {
        1 => Some(fields.address(21, Field::DestinationAddr, status::ESME_RINVDSTADR)?),
        2 => {
            fields.string(21, Field::DestinationAddr, status::ESME_RINVDLNAME)?;
            None
        }
        _ => return Err(Malformed::new(Field::DestinationAddr, status::ESME_RINVDESTFLAG)),
    };
    Ok(Destination { address, octets: start..frame.len() - fields.rest.len() })
}

impl Unsuccess {
    /// A recipient the gateway refused.
    pub fn new(address: Address<'_>, status: u32) -> Self {
        let mut octets = vec![address.ton, address.npi];
        octets.extend_from_slice(address.digits);
        octets.push(0);
        Self { address: octets, status }
    }

    /// Whether both name one recipient, however each is spelled.
    pub fn names(&self, other: &Self) -> bool {
        let (own, their) = (self.address(), other.address());
        let number = |address: Address<'_>| Msisdn::parse(address.ton, address.npi, address.digits, false).ok();
        own.digits == their.digits || number(own).is_some_and(|own| number(their) == Some(own))
    }

    /// The address as `(ton, npi, digits)`.
    pub fn address(&self) -> Address<'_> {
        let digits = &self.address[2..self.address.len() - 1]; // INVARIANT of `new` and `read`: TON, NPI, digits, NUL
        Address { ton: self.address[0], npi: self.address[1], digits }
    }
}

impl std::fmt::Debug for Unsuccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unsuccess({:#x})", self.status) // the address is a whole number (P14)
    }
}

/// A submit_multi_resp of the SMSC.
#[derive(Debug)]
pub struct MultiResp {
    /// The recipients it did not take.
    pub unsuccess: Vec<Unsuccess>,
    count_at: usize,
    entries_end: usize,
}

impl MultiResp {
    /// Reads a whole response with a body; `None` if it has none or it cannot be read.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let header = Header::read(frame)?;
        if header.command_id != command::SUBMIT_MULTI_RESP {
            return None;
        }
        let mut fields = Fields { rest: frame.get(HEADER..)? };
        fields.string(65, Field::Body, 0).ok()?;
        let count_at = frame.len() - fields.rest.len();
        let [count] = fields.octets().ok()?;
        let mut unsuccess = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let address = fields.address(21, Field::Body, 0).ok()?;
            let status = u32::from_be_bytes(fields.octets().ok()?);
            unsuccess.push(Unsuccess::new(address, status));
        }
        Some(Self { unsuccess, count_at, entries_end: frame.len() - fields.rest.len() })
    }

    /// A response to one that has no body the gateway can read: no message_id, these recipients.
    pub fn without_body(frame: &[u8], more: &[Unsuccess]) -> Vec<u8> {
        let bare = [&frame[..frame.len().min(HEADER)], &[0, 0]].concat();
        let end = bare.len();
        Self { unsuccess: Vec::new(), count_at: end - 1, entries_end: end }.with(&bare, more)
    }

    /// The response with further recipients that were not sent to.
    pub fn with(&self, frame: &[u8], more: &[Unsuccess]) -> Vec<u8> {
        let mut out = frame[..self.entries_end].to_vec();
        for entry in more {
            out.extend_from_slice(&entry.address);
            out.extend_from_slice(&entry.status.to_be_bytes());
        }
        out.extend_from_slice(&frame[self.entries_end..]);
        // submit_multi names at most 255 recipients, and each stands in one of the two lists.
        out[self.count_at] = (self.unsuccess.len() + more.len()).min(255) as u8;
        let length = out.len() as u32;
        out[..4].copy_from_slice(&length.to_be_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::submit::SubmitSpec;

    #[test]
    fn refused_recipients_are_cut_out_of_the_octets() {
        let spec = SubmitSpec::new("6202", "", "合肥移动").with_tlv(0x1400, b"x");
        let frame = spec.submit_multi(&["13800000001", "13800000002", "13800000003"], 9);
        let multi = Multi::read(&frame).expect("sound");
        assert_eq!(multi.destinations.len(), 3);
        for (refused, left) in [
            (vec![], vec!["13800000001", "13800000002", "13800000003"]),
            (vec![0], vec!["13800000002", "13800000003"]),
            (vec![1], vec!["13800000001", "13800000003"]),
            (vec![0, 2], vec!["13800000002"]),
        ] {
            let mut out = vec![7; 3];
            multi.write_without(&frame, &refused, &mut out);
            assert_eq!(out[3..], spec.submit_multi(&left, 9), "{refused:?}");
        }
    }

    #[test]
    fn what_is_malformed_is_named() {
        let spec = SubmitSpec::new("6202", "", "合肥移动");
        let frame = spec.submit_multi(&["13800000001"], 9);
        let at = HEADER + 1 + 2 + 5;
        let with = |index: usize, octet: u8| {
            let mut frame = frame.clone();
            frame[index] = octet;
            Multi::read(&frame).map(|_| ()).map_err(|fault| fault.status)
        };
        assert_eq!(with(at, 1), Ok(()));
        assert_eq!(with(at, 0), Err(status::ESME_RINVNUMDESTS));
        assert_eq!(with(at + 1, 3), Err(status::ESME_RINVDESTFLAG));
        assert!(with(at, 2).is_err());
    }

    #[test]
    fn the_gateways_refusals_join_the_smscs() {
        let header = Header { length: 0, command_id: command::SUBMIT_MULTI_RESP, status: 0, sequence: 3 };
        let mut frame = header.octets().to_vec();
        frame.extend(b"id\0\x01\x01\x01138\0\0\0\0\x0B\x14\0\0\0");
        let length = frame.len() as u32;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        let resp = MultiResp::read(&frame).expect("sound");
        assert_eq!((resp.unsuccess.len(), resp.unsuccess[0].status), (1, 11));
        assert_eq!(resp.unsuccess[0].address().digits, b"138");
        let more = Unsuccess::new(Address { ton: 1, npi: 1, digits: b"139" }, 0x45);
        let joined = resp.with(&frame, &[more]);
        let again = MultiResp::read(&joined).expect("sound");
        assert_eq!(again.unsuccess.iter().map(|one| one.status).collect::<Vec<_>>(), [11, 0x45]);
        assert_eq!(joined[joined.len() - 4..], [0x14, 0, 0, 0], "TLVs stay behind the entries");
        assert!(MultiResp::read(&frame[..16]).is_none());
    }
}
