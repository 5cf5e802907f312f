//! Delivery receipts, as the SMSC sends them: a deliver_sm or data_sm whose esm_class says so (SMPP 3.4 sections 5.2.12
//! and 5.3.2.35, appendix B).
//!
//! They are read for the records only; their octets travel as they came, whatever is found here. So this reader is
//! lenient where the one for submissions is strict: two TLVs name message and state, or else the text that SMSCs
//! have written since before there were TLVs, in octets or in UCS-2.

use super::Address;
use super::command::{DATA_SM, DELIVER_SM};
use super::frame::{HEADER, Header};

/// What became of a message, by the SMSC's word (message_state, SMPP 5.0 section 4.7.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// It waits for its time (0).
    Scheduled,
    /// It is on its way (1).
    Enroute,
    /// The handset has it (2).
    Delivered,
    /// Its validity is over (3).
    Expired,
    /// It was deleted (4).
    Deleted,
    /// It cannot be delivered (5).
    Undeliverable,
    /// A person has read it for the subscriber (6).
    Accepted,
    /// The SMSC does not know (7), or names a state that there is not.
    Unknown,
    /// The SMSC has rejected it after all (8).
    Rejected,
    /// It was passed over (9).
    Skipped,
}

/// A receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt<'a> {
    /// The message's name as the receipt writes it, 1 to 64 octets: often in another form than in the answer to
    /// the submission.
    pub message_id: &'a [u8],
    /// What became of it.
    pub state: State,
    /// The network's or the SMSC's error code; 0 for none.
    pub error: u32,
    /// Whose handset it speaks of.
    pub from: Address<'a>,
}

/// What a PDU of the SMSC is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// No receipt.
    Nothing,
    /// It says that it is one, and names no message or no state.
    Unreadable,
    /// A receipt.
    Receipt(Receipt<'a>),
}

const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
const NETWORK_ERROR_CODE: u16 = 0x0423;
const MESSAGE_PAYLOAD: u16 = 0x0424;
const MESSAGE_STATE: u16 = 0x0427;
/// Octets of a message_id without its NUL.
const MESSAGE_ID_MAX: usize = 64;

impl State {
    /// All, by their octets.
    pub const ALL: [Self; 10] = [
        Self::Scheduled,
        Self::Enroute,
        Self::Delivered,
        Self::Expired,
        Self::Deleted,
        Self::Undeliverable,
        Self::Accepted,
        Self::Unknown,
        Self::Rejected,
        Self::Skipped,
    ];

    /// The state of an octet; [`State::Unknown`] of one that names none.
    pub fn from_octet(octet: u8) -> Self {
        Self::ALL.get(usize::from(octet)).copied().unwrap_or(Self::Unknown)
    }

    /// Its octet.
    pub const fn octet(self) -> u8 {
        self as u8
    }

    /// The word for metrics, reports and answers.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Enroute => "enroute",
            Self::Delivered => "delivered",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
            Self::Undeliverable => "undeliverable",
            Self::Accepted => "accepted",
            Self::Unknown => "unknown",
            Self::Rejected => "rejected",
            Self::Skipped => "skipped",
        }
    }

    /// Whether no other state follows.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Scheduled | Self::Enroute | Self::Unknown)
    }

    /// The state of a receipt's `stat:`.
    fn of_text(word: &[u8]) -> Option<Self> {
        const WORDS: [(&[u8], State); 10] = [
            (b"DELIVRD", State::Delivered),
            (b"EXPIRED", State::Expired),
            (b"DELETED", State::Deleted),
            (b"UNDELIV", State::Undeliverable),
            (b"ACCEPTD", State::Accepted),
            (b"UNKNOWN", State::Unknown),
            (b"REJECTD", State::Rejected),
            (b"ENROUTE", State::Enroute),
            (b"SCHEDUL", State::Scheduled),
            (b"SKIPPED", State::Skipped),
        ];
        let found = WORDS.iter().find(|(text, _)| word.get(..7).is_some_and(|word| word.eq_ignore_ascii_case(text)));
        found.map(|(_, state)| *state)
    }
}

/// Looks whether a PDU of the SMSC is a receipt, and reads it. A text in UCS-2 is brought into `narrow` first.
pub fn read<'a>(header: Header, frame: &'a [u8], narrow: &'a mut Vec<u8>) -> Found<'a> {
    let body = frame.get(HEADER..).unwrap_or_default();
    let Some(body) = Body::read(header, body) else { return Found::Nothing };
    // Delivery receipt, or the intermediate notification of one that is on its way.
    if !matches!(body.esm_class & 0x3C, 0x04 | 0x20) {
        return Found::Nothing;
    }
    body.receipt(narrow).map_or(Found::Unreadable, Found::Receipt)
}

/// What of a deliver_sm or data_sm a receipt can be read from.
struct Body<'a> {
    from: Address<'a>,
    esm_class: u8,
    text: &'a [u8],
    tlvs: &'a [u8],
}

impl<'a> Body<'a> {
    fn read(header: Header, body: &'a [u8]) -> Option<Self> {
        let (_service_type, rest) = string(body)?;
        let (from, rest) = address(rest)?;
        let (_to, rest) = address(rest)?;
        match header.command_id {
            DELIVER_SM => {
                let (&[esm_class, _protocol, _priority], rest) = rest.split_first_chunk()?;
                let (_schedule, rest) = string(rest)?;
                let (_validity, rest) = string(rest)?;
                let (&[_registered, _replace, _coding, _default, length], rest) = rest.split_first_chunk()?;
                let (text, tlvs) = rest.split_at_checked(usize::from(length))?;
                Some(Self { from, esm_class, text, tlvs })
            }
            DATA_SM => {
                let (&[esm_class, _registered, _coding], tlvs) = rest.split_first_chunk()?;
                Some(Self { from, esm_class, text: &[], tlvs })
            }
            _ => None,
        }
    }

    fn receipt(&self, narrow: &'a mut Vec<u8>) -> Option<Receipt<'a>> {
        let (mut message_id, mut state, mut error, mut text) = (None, None, None, self.text);
        for (tag, value) in tlvs(self.tlvs) {
            match (tag, value) {
                (RECEIPTED_MESSAGE_ID, value) => message_id = Some(value.strip_suffix(&[0]).unwrap_or(value)),
                (MESSAGE_STATE, [octet]) => state = Some(State::from_octet(*octet)),
                (NETWORK_ERROR_CODE, [_network, high, low]) => {
                    error = Some(u32::from(u16::from_be_bytes([*high, *low])));
                }
                (MESSAGE_PAYLOAD, value) if text.is_empty() => text = value,
                _ => {}
            }
        }
        let text = if is_wide(text) { narrowed(text, narrow) } else { text };
        let message_id = message_id.filter(|id| !id.is_empty()).or_else(|| field(text, b"id:"))?;
        let state = state.or_else(|| State::of_text(field(text, b"stat:")?))?;
        let error = error.or_else(|| number(field(text, b"err:")?)).unwrap_or_default();
        Some(Receipt { message_id: &message_id[..message_id.len().min(MESSAGE_ID_MAX)], state, error, from: self.from })
    }
}

fn string(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, octets)?;
    Some((&octets[..end], &octets[end + 1..]))
}

fn address(octets: &[u8]) -> Option<(Address<'_>, &[u8])> {
    let (&[ton, npi], rest) = octets.split_first_chunk()?;
    let (digits, rest) = string(rest)?;
    Some((Address { ton, npi, digits }, rest))
}

/// The TLVs up to the first that does not fit.
fn tlvs(mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (&[a, b, c, d], rest) = octets.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([c, d])))?;
        octets = rest;
        Some((u16::from_be_bytes([a, b]), value))
    })
}

/// Whether a text is in UCS-2, whatever its data_coding says: some SMSCs write the one of the message there. The keys of a
/// receipt are of the Latin letters, whose first octet is 0 there and nowhere else; a byte order mark may stand before them.
fn is_wide(text: &[u8]) -> bool {
    matches!(text, [0, 1..=0x7F, ..] | [0xFE, 0xFF, ..])
}

/// A text in UCS-2 in one octet a character; what has no octet there stands for nothing.
fn narrowed<'a>(text: &[u8], narrow: &'a mut Vec<u8>) -> &'a [u8] {
    narrow.clear();
    let pairs = text.strip_prefix(&[0xFE, 0xFF]).unwrap_or(text).chunks_exact(2);
    narrow.extend(pairs.map(|pair| if pair[0] == 0 && pair[1].is_ascii() { pair[1] } else { b'?' }));
    narrow
}

/// What follows a key of the text, up to the next blank. The text of the message itself comes last, so a key that
/// it holds is not the first.
fn field<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let is_key = |at: &usize| {
        let behind_a_blank = at.checked_sub(1).is_none_or(|before| text[before].is_ascii_whitespace());
        behind_a_blank && text[*at..].get(..key.len()).is_some_and(|own| own.eq_ignore_ascii_case(key))
    };
    let at = (0..text.len()).find(is_key)?;
    let value = &text[at + key.len()..];
    let end = value.iter().position(|octet| octet.is_ascii_whitespace() || *octet == 0).unwrap_or(value.len());
    (end > 0).then(|| &value[..end])
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn deliver(esm_class: u8, text: &[u8], tlvs: &[u8]) -> Vec<u8> {
        let mut body = b"\0\x01\x0113855100001\0\0\x0162021\0".to_vec();
        body.extend([esm_class, 0, 0, 0, 0, 0, 0, 0, 0, text.len() as u8]);
        body.extend(text);
        body.extend(tlvs);
        let header = Header { length: (HEADER + body.len()) as u32, command_id: DELIVER_SM, status: 0, sequence: 1 };
        [&header.octets()[..], &body].concat()
    }

    fn found(frame: &[u8]) -> Found<'_> {
        read(Header::read(frame).expect("a header"), frame, Box::leak(Box::default()))
    }

    fn receipt(frame: &[u8]) -> (&[u8], State, u32) {
        match found(frame) {
            Found::Receipt(receipt) => {
                assert_eq!(receipt.from.digits, b"13855100001");
                (receipt.message_id, receipt.state, receipt.error)
            }
            other => panic!("{other:?}"),
        }
    }

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    const TEXT: &[u8] = b"id:0123456789 sub:001 dlvrd:001 submit date:2611241200 done date:2611241201 stat:DELIVRD err:000 text:stat:EXPIRED";

    #[test]
    fn a_receipt_is_read_from_its_text_or_from_its_tlvs() {
        assert_eq!(receipt(&deliver(0x04, TEXT, &[])), (&b"0123456789"[..], State::Delivered, 0));
        let undelivered = b"ID:a1f SUB:001 STAT:UNDELIV ERR:012 ";
        assert_eq!(receipt(&deliver(0x04, undelivered, &[])), (&b"a1f"[..], State::Undeliverable, 12));
        let tlvs = [0, 0x1E, 0, 3, b'7', b'f', 0, 0x04, 0x27, 0, 1, 3, 0x04, 0x23, 0, 3, 3, 1, 2];
        assert_eq!(receipt(&deliver(0x04, b"", &tlvs)), (&b"7f"[..], State::Expired, 258));
        assert_eq!(receipt(&deliver(0x44, TEXT, &tlvs)), (&b"7f"[..], State::Expired, 258), "the TLVs come first");
        assert_eq!(receipt(&deliver(0x20, TEXT, &[])).1, State::Delivered, "an intermediate notification");
        let payload = [&[0x04, 0x24, 0, TEXT.len() as u8][..], TEXT].concat();
        assert_eq!(receipt(&deliver(0x04, b"", &payload)).0, b"0123456789");
        let data = b"\0\x01\x0113855100001\0\0\x0162021\0\x04\0\0";
        let header = Header { length: 0, command_id: DATA_SM, status: 0, sequence: 1 };
        assert_eq!(receipt(&[&header.octets()[..], data, &payload].concat()).1, State::Delivered);
    }

    #[test]
    fn a_text_in_ucs_2_is_read_as_well() {
        let text = "id:a1f stat:UNDELIV err:012 text:尊敬的客户 stat:DELIVRD";
        let expected = (&b"a1f"[..], State::Undeliverable, 12);
        for text in [wide(text), wide(&format!("\u{feff}{text}"))] {
            assert_eq!(receipt(&deliver(0x04, &text, &[])), expected);
            let payload = [&[0x04, 0x24, 0, text.len() as u8][..], &text].concat();
            assert_eq!(receipt(&deliver(0x04, b"", &payload)), expected);
            assert_eq!(receipt(&deliver(0x04, &text[..text.len() - 1], &[])), expected, "half a character");
        }
        assert_eq!(found(&deliver(0x04, &wide("已送达"), &[])), Found::Unreadable);
        let swapped: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(found(&deliver(0x04, &swapped, &[])), Found::Unreadable, "the order of octets is the standard's");
    }

    #[test]
    fn what_is_no_receipt_or_a_broken_one_is_told_apart() {
        assert_eq!(found(&deliver(0, TEXT, &[])), Found::Nothing, "a message of a subscriber");
        assert_eq!(found(&deliver(0x08, TEXT, &[])), Found::Nothing, "the subscriber's own acknowledgement");
        for text in [&b""[..], b"id: stat:DELIVRD", b"id:7", b"id:7 stat:LOST", b"xid:7 stat:DELIVRD"] {
            assert_eq!(found(&deliver(0x04, text, &[])), Found::Unreadable, "{text:?}");
        }
        let long = [&b"id:"[..], &[b'7'; 100], b" stat:EXPIRED"].concat();
        assert_eq!(receipt(&deliver(0x04, &long, &[])).0.len(), MESSAGE_ID_MAX);
    }

    #[test]
    fn every_state_has_an_octet_and_a_word() {
        for (octet, state) in State::ALL.into_iter().enumerate() {
            assert_eq!((State::from_octet(state.octet()), usize::from(state.octet())), (state, octet));
        }
        assert_eq!((State::from_octet(10), State::from_octet(255)), (State::Unknown, State::Unknown));
    }

    proptest! {
        #[test]
        fn no_pdu_makes_the_reader_panic(
            body in proptest::collection::vec(any::<u8>(), 0..120),
            command_id in prop_oneof![Just(DELIVER_SM), Just(DATA_SM), any::<u32>()],
            text in "(id|stat|err|text|:| |[A-Z0-9]{0,8})*",
        ) {
            let header = Header { length: 0, command_id, status: 0, sequence: 1 };
            let _ = read(header, &[&header.octets()[..], &body].concat(), &mut Vec::new());
            let _ = found(&deliver(0x04, &wide(&text)[..(2 * text.len()).min(201)], &body));
            let text = &text.as_bytes()[..text.len().min(200)];
            let _ = found(&deliver(0x04, text, &body));
        }
    }
}
