//! The user-data header (3GPP TS 23.040 section 9.2.3.24) and the SAR TLVs:
//! is this one message, or a part of several?

use super::tlv::{Tlvs, tag};

/// What the user data and TLVs say about parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// One whole message.
    Whole,
    /// Part `index` of `total`, `total > 1`.
    Part(Part),
    /// A header that contradicts itself.
    Malformed,
}

/// One part of a concatenated message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// How the parts are announced; references of different kinds do not mix.
    pub kind: PartKind,
    /// Which message.
    pub reference: u16,
    /// Parts in all, 2..=255.
    pub total: u8,
    /// This part, 1..=total.
    pub index: u8,
}

/// How parts are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartKind {
    /// UDH element 0x00, 8-bit reference.
    Udh8,
    /// UDH element 0x08, 16-bit reference.
    Udh16,
    /// The three `sar_*` TLVs.
    Sar,
}

/// The user data behind its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserData<'a> {
    /// The text's octets.
    pub text: &'a [u8],
    /// Octets of the header, its length octet included.
    pub header: usize,
    /// What header and TLVs say about parts.
    pub parts: Parts,
    /// Whether the header holds elements other than concatenation.
    pub other_elements: bool,
}

impl<'a> UserData<'a> {
    /// Splits user data. `indicated`: esm_class announces a header.
    pub fn read(octets: &'a [u8], indicated: bool, tlvs: &Tlvs<'_>) -> Self {
        let sar = sar(tlvs);
        if !indicated {
            return Self { text: octets, header: 0, parts: sar, other_elements: false };
        }
        let Some((elements, text)) = octets.split_first().and_then(|(length, rest)| {
            rest.split_at_checked(usize::from(*length)).filter(|(elements, _)| !elements.is_empty())
        }) else {
            return Self { text: octets, header: 0, parts: Parts::Malformed, other_elements: false };
        };
        let (header, other_elements) = walk(elements);
        let parts = match (header, sar) {
            (parts, Parts::Whole) | (Parts::Whole, parts) => parts,
            _ => Parts::Malformed, // announced twice: readers differ in which they follow
        };
        Self { text, header: elements.len() + 1, parts, other_elements }
    }
}

fn walk(mut elements: &[u8]) -> (Parts, bool) {
    let (mut parts, mut announced, mut other) = (Parts::Whole, false, false);
    while let Some((head, rest)) = elements.split_first_chunk::<2>() {
        let Some((value, after)) = rest.split_at_checked(usize::from(head[1])) else {
            return (Parts::Malformed, other);
        };
        let found = match (head[0], value) {
            (0x00, &[reference, total, index]) => Some(part(PartKind::Udh8, u16::from(reference), total, index)),
            (0x08, &[high, low, total, index]) => {
                Some(part(PartKind::Udh16, u16::from_be_bytes([high, low]), total, index))
            }
            (0x00 | 0x08, _) => return (Parts::Malformed, other),
            _ => None,
        };
        match found {
            Some(_) if announced => return (Parts::Malformed, other),
            Some(found) => (parts, announced) = (found, true),
            None => other = true,
        }
        elements = after;
    }
    if elements.is_empty() { (parts, other) } else { (Parts::Malformed, other) }
}

fn sar(tlvs: &Tlvs<'_>) -> Parts {
    if tlvs.is_empty() {
        return Parts::Whole;
    }
    let values = (tlvs.get(tag::SAR_MSG_REF_NUM), tlvs.get(tag::SAR_TOTAL_SEGMENTS), tlvs.get(tag::SAR_SEGMENT_SEQNUM));
    match values {
        (None, None, None) => Parts::Whole,
        (Some(&[high, low]), Some(&[total]), Some(&[index])) => {
            part(PartKind::Sar, u16::from_be_bytes([high, low]), total, index)
        }
        _ => Parts::Malformed,
    }
}

const fn part(kind: PartKind, reference: u16, total: u8, index: u8) -> Parts {
    match (total, index) {
        (0, _) | (_, 0) => Parts::Malformed,
        (total, index) if index > total => Parts::Malformed,
        (1, _) => Parts::Whole,
        _ => Parts::Part(Part { kind, reference, total, index }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> (Parts, bool, usize) {
        let data = UserData::read(octets, true, &Tlvs::default());
        (data.parts, data.other_elements, data.text.len())
    }

    #[test]
    fn concatenation_is_found_among_other_elements() {
        let part = Part { kind: PartKind::Udh8, reference: 7, total: 2, index: 1 };
        assert_eq!(read(&[5, 0, 3, 7, 2, 1, b'x']), (Parts::Part(part), false, 1));
        assert_eq!(read(&[9, 0x05, 2, 0, 0, 0, 3, 7, 2, 1, b'x']), (Parts::Part(part), true, 1));
        let wide = Part { kind: PartKind::Udh16, reference: 0x0102, total: 3, index: 3 };
        assert_eq!(read(&[6, 8, 4, 1, 2, 3, 3]), (Parts::Part(wide), false, 0));
        assert_eq!(read(&[5, 0, 3, 7, 1, 1, b'x']), (Parts::Whole, false, 1));
    }

    #[test]
    fn headers_that_contradict_themselves_are_malformed() {
        for octets in [
            &[][..],
            &[0],
            &[5, 0, 3, 7, 2],
            &[5, 0, 3, 7, 0, 1],
            &[5, 0, 3, 7, 2, 0],
            &[5, 0, 3, 7, 2, 3],
            &[4, 0, 2, 7, 2],
            &[1, 0],
            &[10, 0, 3, 7, 2, 1, 0, 3, 7, 2, 1],
            &[6, 0, 3, 7, 2, 1, 9],
        ] {
            assert_eq!(read(octets).0, Parts::Malformed, "{octets:?}");
        }
    }

    #[test]
    fn sar_needs_all_three_fields_and_no_udh_beside_it() {
        let whole = [0x02, 0x0C, 0, 2, 0, 9, 0x02, 0x0E, 0, 1, 2, 0x02, 0x0F, 0, 1, 1];
        let tlvs = Tlvs::read(&whole).expect("sound");
        let part = Part { kind: PartKind::Sar, reference: 9, total: 2, index: 1 };
        assert_eq!(UserData::read(b"x", false, &tlvs).parts, Parts::Part(part));
        assert_eq!(UserData::read(&[5, 0, 3, 7, 2, 1], true, &tlvs).parts, Parts::Malformed);
        let some = Tlvs::read(&whole[..11]).expect("sound");
        assert_eq!(UserData::read(b"x", false, &some).parts, Parts::Malformed);
    }
}
