//! A second reader of submit_sm, data_sm, submit_multi and replace_sm, written from the specification
//! (SMPP 3.4 sections 4.4, 4.5, 4.7, 4.10 and 5.2, 5.3) and from nothing of the gateway's own.
//! It copies what it reads, walks by index, and takes nothing for granted.

/// A message as the specification lays it out. Fields that an operation does not have are empty or 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "short_message is what the specification calls it")]
pub(crate) struct Message {
    pub(crate) sequence: u32,
    /// What a replace_sm replaces.
    pub(crate) message_id: Vec<u8>,
    pub(crate) service_type: Vec<u8>,
    pub(crate) source: (u8, u8, Vec<u8>),
    /// One, or those of submit_multi: flag, TON, NPI, address; a distribution list has neither TON nor NPI.
    pub(crate) destinations: Vec<(u8, u8, u8, Vec<u8>)>,
    pub(crate) esm_class: u8,
    pub(crate) protocol_id: u8,
    pub(crate) schedule: Vec<u8>,
    pub(crate) validity: Vec<u8>,
    pub(crate) replace_if_present: u8,
    pub(crate) data_coding: u8,
    pub(crate) default_msg_id: u8,
    pub(crate) short_message: Vec<u8>,
    pub(crate) tlvs: Vec<(u16, Vec<u8>)>,
}

/// An element of a user-data header: its identifier and its octets.
type Element = (u8, Vec<u8>);

/// Sizes that the specifications give to tags, 3.4 section 5.3.2 and 5.0 section 4.8.4: least and most octets.
/// What is not listed may have any size.
const SIZES: &[(&[u16], usize, usize)] = &[
    (&[0x0005, 0x0006, 0x0007, 0x000D, 0x000E, 0x000F, 0x0019, 0x0030], 1, 1),
    (&[0x0201, 0x0205, 0x020D, 0x020E, 0x020F, 0x0210, 0x0302, 0x0304], 1, 1),
    (&[0x0420, 0x0421, 0x0422, 0x0425, 0x0426, 0x0427, 0x0428, 0x0501], 1, 1),
    (&[0x0600, 0x0603, 0x0608, 0x0611, 0x1201, 0x1380], 1, 1),
    (&[0x0008, 0x0010, 0x0204, 0x020A, 0x020B, 0x020C, 0x0604, 0x1203, 0x1383], 2, 2),
    (&[0x0423, 0x0601, 0x0605], 3, 3),
    (&[0x0017, 0x0607], 4, 4),
];

/// Tags of the specifications whose size varies.
const OTHERS: &[u16] = &[
    0x001D, 0x001E, 0x0202, 0x0203, 0x0303, 0x0381, 0x0424, 0x0602, 0x0606, 0x0609, 0x060A, 0x060B, 0x060D, 0x060E,
    0x060F, 0x0610, 0x0612, 0x0613, 0x1204, 0x130C,
];

/// Whether a specification names the tag.
pub(crate) fn is_named(tag: u16) -> bool {
    OTHERS.contains(&tag) || size(tag).is_some()
}

fn size(tag: u16) -> Option<(usize, usize)> {
    SIZES.iter().find(|(tags, ..)| tags.contains(&tag)).map(|(_, least, most)| (*least, *most))
}

/// Reads one frame; `None` where it is not wholly what the specification says.
pub(crate) fn read(frame: &[u8]) -> Option<Message> {
    let word = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?));
    if word(0)? as usize != frame.len() {
        return None;
    }
    let (mut at, replaces) = (16, word(4)? == 0x07);
    let mut message = Message { sequence: word(12)?, ..Message::default() };
    if replaces {
        message.message_id = string(frame, &mut at, 65)?;
    } else {
        message.service_type = string(frame, &mut at, 6)?;
    }
    message.source = (octet(frame, &mut at)?, octet(frame, &mut at)?, string(frame, &mut at, 21)?);
    match word(4)? {
        0x04 => {
            message.destinations.push(number(frame, &mut at, 1)?);
            rest(frame, &mut at, &mut message)?;
        }
        0x21 => {
            for _ in 0..octet(frame, &mut at)? {
                let flag = octet(frame, &mut at)?;
                message.destinations.push(match flag {
                    1 => number(frame, &mut at, flag)?,
                    2 => (flag, 0, 0, string(frame, &mut at, 21)?),
                    _ => return None,
                });
            }
            rest(frame, &mut at, &mut message)?;
        }
        0x103 => {
            message.destinations.push(number(frame, &mut at, 1)?);
            message.esm_class = octet(frame, &mut at)?;
            octet(frame, &mut at)?; // registered_delivery
            message.data_coding = octet(frame, &mut at)?;
        }
        0x07 => {
            message.schedule = time(frame, &mut at)?;
            message.validity = time(frame, &mut at)?;
            octet(frame, &mut at)?; // registered_delivery
            message.default_msg_id = octet(frame, &mut at)?;
            short_message(frame, &mut at, &mut message)?;
        }
        _ => return None,
    }
    message.tlvs = tlvs(frame.get(at..)?)?;
    Some(message)
}

/// From esm_class to short_message.
fn rest(frame: &[u8], at: &mut usize, message: &mut Message) -> Option<()> {
    message.esm_class = octet(frame, at)?;
    message.protocol_id = octet(frame, at)?;
    octet(frame, at)?; // priority_flag
    message.schedule = time(frame, at)?;
    message.validity = time(frame, at)?;
    octet(frame, at)?; // registered_delivery
    message.replace_if_present = octet(frame, at)?;
    message.data_coding = octet(frame, at)?;
    message.default_msg_id = octet(frame, at)?;
    short_message(frame, at, message)
}

fn short_message(frame: &[u8], at: &mut usize, message: &mut Message) -> Option<()> {
    let length = usize::from(octet(frame, at)?);
    message.short_message = frame.get(*at..*at + length)?.to_vec();
    *at += length;
    Some(())
}

fn number(frame: &[u8], at: &mut usize, flag: u8) -> Option<(u8, u8, u8, Vec<u8>)> {
    Some((flag, octet(frame, at)?, octet(frame, at)?, string(frame, at, 21)?))
}

fn octet(frame: &[u8], at: &mut usize) -> Option<u8> {
    *at += 1;
    frame.get(*at - 1).copied()
}

/// A C-octet string of at most `most` octets, NUL included, in ASCII.
fn string(frame: &[u8], at: &mut usize, most: usize) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    loop {
        match octet(frame, at)? {
            0 => return Some(text),
            octet if octet >= 0x80 || text.len() + 1 == most => return None,
            octet => text.push(octet),
        }
    }
}

/// Empty, or exactly sixteen characters.
fn time(frame: &[u8], at: &mut usize) -> Option<Vec<u8>> {
    string(frame, at, 17).filter(|text| matches!(text.len(), 0 | 16))
}

/// Walks by declared lengths and, beside it, by the sizes of the tags: both must see the same.
pub(crate) fn tlvs(octets: &[u8]) -> Option<Vec<(u16, Vec<u8>)>> {
    let by_length = walk(octets, |_, declared| declared)?;
    let by_size = walk(octets, |tag, declared| size(tag).map_or(declared, |(least, _)| least))?;
    (by_length == by_size).then_some(by_length)
}

fn walk(octets: &[u8], length: impl Fn(u16, usize) -> usize) -> Option<Vec<(u16, Vec<u8>)>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < octets.len() {
        let head = octets.get(at..at + 4)?;
        let (tag, declared) = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
        let length = length(tag, usize::from(declared));
        found.push((tag, octets.get(at + 4..at + 4 + length)?.to_vec()));
        at += 4 + length;
    }
    Some(found)
}

// === what a handset makes of it ===

impl Message {
    /// The values of a tag, all of them.
    pub(crate) fn values(&self, tag: u16) -> Vec<&[u8]> {
        self.tlvs.iter().filter(|(own, _)| *own == tag).map(|(_, value)| value.as_slice()).collect()
    }

    /// Everything that some reader could show as the text.
    pub(crate) fn texts(&self) -> Vec<&[u8]> {
        let short = Some(self.short_message.as_slice()).filter(|text| !text.is_empty());
        short.into_iter().chain(self.values(0x0424)).collect()
    }

    /// The elements of the user-data header and the octets behind it; `None` if they do not fit.
    pub(crate) fn header_and_text(&self) -> Option<(Vec<Element>, &[u8])> {
        let octets = self.texts().first().copied().unwrap_or_default();
        if self.esm_class & 0x40 == 0 {
            return Some((Vec::new(), octets));
        }
        let header = octets.get(1..1 + usize::from(*octets.first()?))?;
        let (mut elements, mut at) = (Vec::new(), 0);
        while at < header.len() {
            let length = usize::from(*header.get(at + 1)?);
            elements.push((header[at], header.get(at + 2..at + 2 + length)?.to_vec()));
            at += 2 + length;
        }
        Some((elements, octets.get(1 + header.len()..)?))
    }

    /// The eleven digits of a mainland number, however it is spelled.
    pub(crate) fn subscriber(&self) -> Option<String> {
        let [(1, ton @ 0..=2, 0 | 1, address)] = self.destinations.as_slice() else { return None };
        let text = std::str::from_utf8(address).ok()?;
        let text = if let Some(text) = text.strip_prefix('+') {
            text.strip_prefix("86")?
        } else {
            let text = match text.strip_prefix("00").filter(|_| *ton != 2) {
                Some(abroad) => abroad.strip_prefix("86").filter(|rest| rest.len() == 11)?,
                None if text.len() == 13 => text.strip_prefix("86")?,
                None => text,
            };
            if text.len() == 12 { text.strip_prefix('0')? } else { text }
        };
        let digits = text.as_bytes();
        let good =
            digits.len() == 11 && digits[0] == b'1' && digits[1] >= b'3' && digits.iter().all(u8::is_ascii_digit);
        good.then(|| text.to_owned())
    }

    /// Everything that a permitted message of a city must be, looked at without the gateway's own rules.
    /// `own`: how the account's source addresses begin.
    pub(crate) fn one_reading(&self, own: &str) -> Result<(), &'static str> {
        const HARMLESS: [u16; 11] =
            [0x0017, 0x0019, 0x0201, 0x0204, 0x020A, 0x020C, 0x020D, 0x020E, 0x020F, 0x0424, 0x0426];
        let message = self;
        let ensure = |holds: bool, why| if holds { Ok(()) } else { Err(why) };
        ensure(message.texts().len() == 1, "one text")?;
        let named: Vec<u16> = message.tlvs.iter().map(|(tag, _)| *tag).filter(|tag| is_named(*tag)).collect();
        ensure(named.iter().all(|tag| named.iter().filter(|other| *other == tag).count() == 1), "a TLV given once")?;
        ensure(named.iter().all(|tag| HARMLESS.contains(tag)), "no TLV that says something else")?;
        ensure(message.values(0x020E).first().is_none_or(|total| *total == [1]), "no segment of several")?;
        ensure(matches!(message.esm_class & 0x3F, 0..=3), "an ordinary message")?;
        ensure(
            !matches!(message.protocol_id, 0x41..=0x47 | 0x5F) && message.replace_if_present == 0,
            "replaces nothing",
        )?;
        ensure(!matches!(message.protocol_id, 0x20..=0x3F | 0x7C..=0x7F), "ends on the display")?;
        ensure(!matches!(&*message.service_type, b"WAP" | b"USSD" | b"VMN" | b"VMA" | b"CBS"), "a short message")?;
        ensure(message.default_msg_id == 0, "no stored text")?;
        ensure(message.source.2.starts_with(own.as_bytes()), "its own source")?;
        ensure(matches!((message.source.0, message.source.1), (0 | 2..=6, 0 | 1 | 8 | 9)), "shown as it is written")?;
        let (elements, text) = message.header_and_text().ok_or("a header that fits")?;
        let one_part =
            |element: &(u8, Vec<u8>)| matches!((element.0, &*element.1), (0, &[_, 1, 1]) | (8, &[_, _, 1, 1]));
        ensure(elements.len() <= 1 && elements.iter().all(one_part), "a whole message")?;
        ensure(matches!(message.data_coding, 0x08 | 0x18 | 0x19), "Chinese can be written in UCS-2 only")?;
        let units: Vec<u16> =
            text.chunks(2).map(|unit| u16::from_be_bytes([unit[0], *unit.get(1).unwrap_or(&0)])).collect();
        let shown = String::from_utf16(&units).ok().filter(|_| text.len().is_multiple_of(2)).ok_or("UCS-2")?;
        ensure(shown.chars().count() <= 65 && text.len() <= 140, "65 characters")?;
        ensure(
            !shown.trim_end_matches('\0').contains(['\0', '\u{fffe}', '\u{202e}', '\u{2067}']),
            "the same text to every reader",
        )?;
        let folded: String = shown.chars().filter(|ch| !ch.is_whitespace()).collect();
        ensure(folded.contains('移') && folded.contains('动') || folded.contains('询'), "a signature")?;
        ensure(message.schedule.is_empty() || message.schedule.len() == 16, "a time")
    }
}
