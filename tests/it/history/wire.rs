//! The few fields of a PDU that the checker reads, with its own eyes: neither
//! the gateway's parser nor the simulators' is asked.

use std::ops::Range;

pub(super) const SUBMIT_SM: u32 = 4;
pub(super) const SUBMIT_MULTI: u32 = 0x21;
pub(super) const RESPONSE: u32 = 0x8000_0000;
pub(super) const GENERIC_NACK: u32 = 0x8000_0000;
pub(super) const HEADER: usize = 16;

const MESSAGE_PAYLOAD: u16 = 0x0424;
const SAR_REFERENCE: u16 = 0x020C;
const SAR_TOTAL: u16 = 0x020E;
const SAR_INDEX: u16 = 0x020F;

/// A submit_sm or a submit_multi.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read<'a> {
    /// Where each recipient stands, and its digits.
    pub(super) destinations: Vec<(Range<usize>, String)>,
    /// Where their number stands, in a submit_multi.
    count_at: Option<usize>,
    /// The text without its user data header.
    pub(super) text: &'a [u8],
    pub(super) part: Option<Part>,
}

/// What a part of a message says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Part {
    pub(super) kind: Kind,
    pub(super) reference: u16,
    pub(super) total: u8,
    pub(super) index: u8,
}

/// How parts are announced; each has references of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Udh8,
    Udh16,
    Sar,
}

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

pub(super) fn is_submission(frame: &[u8]) -> bool {
    matches!(command(frame), SUBMIT_SM | SUBMIT_MULTI)
}

pub(super) fn is_submission_resp(frame: &[u8]) -> bool {
    is_response(frame) && matches!(command(frame) & !RESPONSE, SUBMIT_SM | SUBMIT_MULTI)
}

/// Reads on from a place in a frame.
struct Cursor<'a> {
    frame: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn octet(&mut self) -> Option<u8> {
        self.at += 1;
        self.frame.get(self.at - 1).copied()
    }

    fn octets(&mut self, count: usize) -> Option<&'a [u8]> {
        self.at += count;
        self.frame.get(self.at - count..self.at)
    }

    fn string(&mut self) -> Option<String> {
        let rest = self.frame.get(self.at..)?;
        let end = rest.iter().position(|octet| *octet == 0)?;
        self.at += end + 1;
        String::from_utf8(rest[..end].to_vec()).ok()
    }

    /// TON, NPI, digits.
    fn address(&mut self) -> Option<String> {
        self.octets(2)?;
        self.string()
    }
}

/// Reads a submission.
pub(super) fn read(frame: &[u8]) -> Option<Read<'_>> {
    let mut cursor = Cursor { frame, at: HEADER };
    cursor.string()?; // service_type
    cursor.address()?;
    let mut destinations = Vec::new();
    let count_at = (command(frame) == SUBMIT_MULTI).then_some(cursor.at);
    let count = if count_at.is_some() { cursor.octet()? } else { 1 };
    for _ in 0..count {
        let start = cursor.at;
        if count_at.is_some() && cursor.octet()? != 1 {
            return None; // a distribution list
        }
        let digits = cursor.address()?;
        destinations.push((start..cursor.at, digits));
    }
    let esm_class = cursor.octet()?;
    cursor.octets(2)?;
    cursor.string()?; // schedule_delivery_time
    cursor.string()?; // validity_period
    cursor.octets(4)?;
    let length = usize::from(cursor.octet()?);
    let short = cursor.octets(length)?;
    let tlvs = tlvs(&mut cursor)?;
    let (part, text) = if esm_class & 0x40 != 0 { header_of_text(short)? } else { (sar(&tlvs), short) };
    let text = value(&tlvs, MESSAGE_PAYLOAD).unwrap_or(text);
    Some(Read { destinations, count_at, text, part })
}

fn tlvs<'a>(cursor: &mut Cursor<'a>) -> Option<Vec<(u16, &'a [u8])>> {
    let mut tlvs = Vec::new();
    while cursor.at < cursor.frame.len() {
        let head = cursor.octets(4)?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        tlvs.push((u16::from_be_bytes([head[0], head[1]]), cursor.octets(length)?));
    }
    Some(tlvs)
}

fn value<'a>(tlvs: &[(u16, &'a [u8])], tag: u16) -> Option<&'a [u8]> {
    tlvs.iter().find(|(own, _)| *own == tag).map(|(_, value)| *value)
}

fn sar(tlvs: &[(u16, &[u8])]) -> Option<Part> {
    let reference = value(tlvs, SAR_REFERENCE)?.try_into().ok()?;
    let (total, index) = (*value(tlvs, SAR_TOTAL)?.first()?, *value(tlvs, SAR_INDEX)?.first()?);
    Some(Part { kind: Kind::Sar, reference: u16::from_be_bytes(reference), total, index })
}

/// The part that a user data header announces, and the text behind it.
fn header_of_text(short: &[u8]) -> Option<(Option<Part>, &[u8])> {
    let length = usize::from(*short.first()?);
    let (mut elements, text) = (short.get(1..=length)?, short.get(length + 1..)?);
    let mut part = None;
    while let [id, length, rest @ ..] = elements {
        let (own, next) = rest.split_at_checked(usize::from(*length))?;
        part = part.or(match (id, own) {
            (0, [reference, total, index]) => {
                Some(Part { kind: Kind::Udh8, reference: u16::from(*reference), total: *total, index: *index })
            }
            (8, [high, low, total, index]) => Some(Part {
                kind: Kind::Udh16,
                reference: u16::from_be_bytes([*high, *low]),
                total: *total,
                index: *index,
            }),
            _ => None,
        });
        elements = next;
    }
    Some((part, text))
}

/// A submit_multi with these of its recipients only.
pub(super) fn with_only(frame: &[u8], read: &Read<'_>, kept: &[usize]) -> Vec<u8> {
    let mut out = frame.to_vec();
    for (index, (octets, _)) in read.destinations.iter().enumerate().rev() {
        if !kept.contains(&index) {
            out.drain(octets.clone());
        }
    }
    if let Some(at) = read.count_at {
        out[at] = kept.len() as u8;
    }
    with_length(out)
}

fn with_length(mut frame: Vec<u8>) -> Vec<u8> {
    let length = (frame.len() as u32).to_be_bytes();
    frame[..4].copy_from_slice(&length);
    frame
}

/// The recipients that a submit_multi_resp names as not sent to: where, to whom, why.
pub(super) fn unsuccess(frame: &[u8]) -> Vec<(Range<usize>, String, u32)> {
    let mut found = Vec::new();
    let mut cursor = Cursor { frame, at: HEADER };
    if command(frame) != SUBMIT_MULTI | RESPONSE || cursor.string().is_none() {
        return found;
    }
    for _ in 0..cursor.octet().unwrap_or_default() {
        let start = cursor.at;
        let (Some(to), Some(_)) = (cursor.address(), cursor.octets(4)) else { break };
        found.push((start..cursor.at, to, word(frame, cursor.at - 4)));
    }
    found
}

/// A submit_multi_resp without the last of the recipients that it names.
pub(super) fn without_last(frame: &[u8], count: usize) -> Vec<u8> {
    let named = unsuccess(frame);
    let left = named.len().saturating_sub(count);
    let (Some((first, ..)), Some((last, ..))) = (named.get(left), named.last()) else { return frame.to_vec() };
    let mut out = frame.to_vec();
    out[named[0].0.start - 1] = left as u8;
    out.drain(first.start..last.end);
    with_length(out)
}

#[cfg(test)]
mod tests {
    use smsluice::sim::submit::{SubmitSpec, ucs2};

    use super::*;

    #[test]
    fn recipients_parts_and_texts_are_found() {
        let plain = SubmitSpec::new("6202", "138", "移动");
        let multi = plain.submit_multi(&["138", "139", "138"], 1);
        let found = read(&multi).expect("sound");
        assert_eq!(found.destinations.iter().map(|(_, to)| to.as_str()).collect::<Vec<_>>(), ["138", "139", "138"]);
        assert_eq!((found.text, found.part), (&ucs2("移动")[..], None));
        assert_eq!(with_only(&multi, &found, &[1]), plain.submit_multi(&["139"], 1));
        let part = |kind, reference, total, index| Some(Part { kind, reference, total, index });
        let mut udh = plain.clone().with_esm_class(0x40);
        udh.short_message.splice(0..0, [6, 8, 4, 1, 2, 3, 2]);
        let octets = udh.submit_sm(2);
        let found = read(&octets).expect("sound");
        assert_eq!((found.text, found.part), (&ucs2("移动")[..], part(Kind::Udh16, 0x102, 3, 2)));
        let sar = plain.with_tlv(SAR_REFERENCE, &[1, 2]).with_tlv(SAR_TOTAL, &[3]).with_tlv(SAR_INDEX, &[1]);
        assert_eq!(read(&sar.submit_sm(3)).expect("sound").part, part(Kind::Sar, 0x102, 3, 1));
    }
}
