//! The gate in front of every TLV view: a walk by declared length (SMPP 3.4
//! section 5.3, 5.0 4.8). An SMSC that reads by declared length and one that
//! reads by each tag's own size must see the same TLVs, or one of them can be
//! shown another message; so a fixed size that does not fit is refused.

use super::command::status;

/// Tags the gateway reads or names.
pub mod tag {
    /// qos_time_to_live.
    pub const QOS_TIME_TO_LIVE: u16 = 0x0017;
    /// payload_type.
    pub const PAYLOAD_TYPE: u16 = 0x0019;
    /// privacy_indicator.
    pub const PRIVACY_INDICATOR: u16 = 0x0201;
    /// user_message_reference.
    pub const USER_MESSAGE_REFERENCE: u16 = 0x0204;
    /// source_port.
    pub const SOURCE_PORT: u16 = 0x020A;
    /// sar_msg_ref_num.
    pub const SAR_MSG_REF_NUM: u16 = 0x020C;
    /// language_indicator.
    pub const LANGUAGE_INDICATOR: u16 = 0x020D;
    /// sar_total_segments.
    pub const SAR_TOTAL_SEGMENTS: u16 = 0x020E;
    /// sar_segment_seqnum.
    pub const SAR_SEGMENT_SEQNUM: u16 = 0x020F;
    /// message_payload.
    pub const MESSAGE_PAYLOAD: u16 = 0x0424;
    /// more_messages_to_send.
    pub const MORE_MESSAGES_TO_SEND: u16 = 0x0426;
}

/// Every tag of the specifications and the size of its value.
const KNOWN: [(u16, Size); 64] = [
    (0x0005, Size::Exact(1)),
    (0x0006, Size::Exact(1)),
    (0x0007, Size::Exact(1)),
    (0x0008, Size::Exact(2)),
    (0x000D, Size::Exact(1)),
    (0x000E, Size::Exact(1)),
    (0x000F, Size::Exact(1)),
    (0x0010, Size::Exact(2)),
    (0x0017, Size::Exact(4)),
    (0x0019, Size::Exact(1)),
    (0x001D, Size::Text),
    (0x001E, Size::Text),
    (0x0030, Size::Exact(1)),
    (0x0201, Size::Exact(1)),
    (0x0202, Size::Any),
    (0x0203, Size::Any),
    (0x0204, Size::Exact(2)),
    (0x0205, Size::Exact(1)),
    (0x020A, Size::Exact(2)),
    (0x020B, Size::Exact(2)),
    (0x020C, Size::Exact(2)),
    (0x020D, Size::Exact(1)),
    (0x020E, Size::Exact(1)),
    (0x020F, Size::Exact(1)),
    (0x0210, Size::Exact(1)),
    (0x0302, Size::Exact(1)),
    (0x0303, Size::Any),
    (0x0304, Size::Exact(1)),
    (0x0381, Size::Any),
    (0x0420, Size::Exact(1)),
    (0x0421, Size::Exact(1)),
    (0x0422, Size::Exact(1)),
    (0x0423, Size::Exact(3)),
    (0x0424, Size::Any),
    (0x0425, Size::Exact(1)),
    (0x0426, Size::Exact(1)),
    (0x0427, Size::Exact(1)),
    (0x0428, Size::Exact(1)),
    (0x0501, Size::Exact(1)),
    (0x0600, Size::Exact(1)),
    (0x0601, Size::Exact(3)),
    (0x0602, Size::Any),
    (0x0603, Size::Exact(1)),
    (0x0604, Size::Exact(2)),
    (0x0605, Size::Exact(3)),
    (0x0606, Size::Any),
    (0x0607, Size::Exact(4)),
    (0x0608, Size::Exact(1)),
    (0x0609, Size::Any),
    (0x060A, Size::Any),
    (0x060B, Size::Any),
    (0x060D, Size::Text),
    (0x060E, Size::Text),
    (0x060F, Size::Any),
    (0x0610, Size::Any),
    (0x0611, Size::Exact(1)),
    (0x0612, Size::Any),
    (0x0613, Size::Any),
    (0x1201, Size::Exact(1)),
    (0x1203, Size::Exact(2)),
    (0x1204, Size::OneOrFour),
    (0x130C, Size::Empty),
    (0x1380, Size::Exact(1)),
    (0x1383, Size::Exact(2)),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// That many octets.
    Exact(usize),
    /// ms_validity: one octet in 3.4, four in 5.0.
    OneOrFour,
    /// alert_on_message_delivery: no value in 3.4, one octet in 5.0.
    Empty,
    /// A string with exactly one NUL, at its end.
    Text,
    /// Whatever its length says.
    Any,
}

/// One TLV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The tag.
    pub tag: u16,
    /// The value, as long as declared.
    pub value: &'a [u8],
}

/// The TLVs of one PDU, walked and found sound.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tlvs<'a> {
    octets: &'a [u8],
    /// The first specified tag that was given twice.
    pub repeated: Option<u16>,
    /// How many TLVs the specifications do not name (vendor tags among them).
    pub unknown: u32,
}

/// Why a region holds no sound TLVs; the command_status says which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlvError {
    /// The region ends inside a TLV, or stray octets follow.
    Stream,
    /// A specified tag with a length it cannot have.
    Length(u16),
}

impl TlvError {
    /// The command_status that names the fault.
    pub const fn status(self) -> u32 {
        match self {
            Self::Stream => status::ESME_RINVOPTPARSTREAM,
            Self::Length(_) => status::ESME_RINVPARLEN,
        }
    }
}

impl<'a> Tlvs<'a> {
    /// Walks the region by declared lengths to its last octet.
    pub fn read(octets: &'a [u8]) -> Result<Self, TlvError> {
        let (mut seen, mut repeated, mut unknown) = (0u64, None, 0);
        let mut rest = octets;
        while !rest.is_empty() {
            let (tlv, after) = split(rest).ok_or(TlvError::Stream)?;
            rest = after;
            match KNOWN.binary_search_by_key(&tlv.tag, |(tag, _)| *tag) {
                Ok(index) => {
                    if !KNOWN[index].1.fits(tlv.value) {
                        return Err(TlvError::Length(tlv.tag));
                    }
                    if seen & 1 << index != 0 {
                        repeated = repeated.or(Some(tlv.tag));
                    }
                    seen |= 1 << index;
                }
                Err(_) => unknown += 1,
            }
        }
        Ok(Self { octets, repeated, unknown })
    }

    /// The TLVs in their order.
    pub fn iter(&self) -> impl Iterator<Item = Tlv<'a>> {
        let mut rest = self.octets;
        std::iter::from_fn(move || {
            let (tlv, after) = split(rest)?;
            rest = after;
            Some(tlv)
        })
    }

    /// The first value of a tag.
    pub fn get(&self, tag: u16) -> Option<&'a [u8]> {
        if self.octets.is_empty() {
            return None;
        }
        self.iter().find(|tlv| tlv.tag == tag).map(|tlv| tlv.value)
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }
}

/// Whether the specifications name the tag.
pub fn is_specified(tag: u16) -> bool {
    KNOWN.binary_search_by_key(&tag, |(known, _)| *known).is_ok()
}

/// Whether the tag is one of those that the specifications leave to vendors (3.4 section 5.3.1).
pub const fn is_vendors(tag: u16) -> bool {
    matches!(tag, 0x1400..=0x3FFF)
}

impl Size {
    fn fits(self, value: &[u8]) -> bool {
        match self {
            Self::Exact(size) => value.len() == size,
            Self::OneOrFour => matches!(value.len(), 1 | 4),
            Self::Empty => value.len() <= 1,
            Self::Text => value.iter().position(|octet| *octet == 0) == value.len().checked_sub(1),
            Self::Any => true,
        }
    }
}

fn split(octets: &[u8]) -> Option<(Tlv<'_>, &[u8])> {
    let (head, rest) = octets.split_first_chunk::<4>()?;
    let tag = u16::from_be_bytes([head[0], head[1]]);
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let (value, after) = rest.split_at_checked(length)?;
    Some((Tlv { tag, value }, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_fits_the_set_of_seen_tags() {
        assert!(KNOWN.is_sorted_by_key(|(tag, _)| *tag) && KNOWN.len() <= 64);
    }

    #[test]
    fn the_known_tags_are_those_of_rusmpp() {
        use rusmpp::tlvs::TlvTag;
        for tag in 0..=u16::MAX {
            let other = matches!(TlvTag::from(tag), TlvTag::Other(_));
            assert_eq!(is_specified(tag), !other, "{tag:#06x}");
        }
    }

    #[test]
    fn a_length_that_hides_a_payload_is_refused() {
        // By declared lengths a payload follows; by the tag's own size a vendor TLV does.
        let smuggled = [0x02, 0x0B, 0, 6, 0, 1, 0x14, 0, 0, 8, 0x04, 0x24, 0, 4, b'S', b'P', b'A', b'M'];
        assert_eq!(Tlvs::read(&smuggled).map(|_| ()), Err(TlvError::Length(0x020B)));
    }

    #[test]
    fn stray_octets_and_overlong_values_are_refused() {
        for octets in [&[0u8][..], &[0x14, 0, 0], &[0x14, 0, 0, 1], &[0x14, 0, 0, 0, 7]] {
            assert_eq!(Tlvs::read(octets).map(|_| ()), Err(TlvError::Stream), "{octets:?}");
        }
    }

    #[test]
    fn repeated_tags_are_named_and_vendor_tags_counted() {
        let octets = [0x02, 0x04, 0, 2, 0, 1, 0x14, 0, 0, 0, 0x14, 0, 0, 0, 0x02, 0x04, 0, 2, 0, 2];
        let tlvs = Tlvs::read(&octets).expect("sound");
        assert_eq!((tlvs.repeated, tlvs.unknown), (Some(0x0204), 2));
        assert_eq!(tlvs.get(0x0204), Some(&[0, 1][..]));
    }
}
