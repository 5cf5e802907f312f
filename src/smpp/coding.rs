//! From octets and data_coding to text (SMPP 3.4 section 5.2.19; protocol facts, section 5).
//!
//! Only what has one reading is decoded. Binary, compressed and unassigned
//! codings, octets outside their alphabet, lone surrogates and halves of a
//! character are errors: an SMSC might show such text as something else. So
//! are the classes that go to the SIM card or to other equipment, and the
//! characters at which some readers stop or begin to read otherwise.

use serde::{Deserialize, Serialize};

/// User data of one short message, in octets.
pub const ONE_MESSAGE: usize = 140;

/// What octets under data_coding 0 are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DefaultAlphabet {
    /// GSM 03.38, one octet a character, extension table by escape.
    Gsm7,
    /// ISO 8859-1.
    Latin1,
    /// GB18030.
    Gbk,
}

/// What data_coding 15 means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dc15 {
    /// GB18030, as in CMPP.
    Gbk,
    /// Nothing: refused.
    Refuse,
}

/// How a text was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// GSM 03.38, one octet a character.
    Gsm7,
    /// ASCII.
    Ascii,
    /// ISO 8859-1.
    Latin1,
    /// UTF-16, big endian.
    Ucs2,
    /// GB18030.
    Gb18030,
}

/// Why octets are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// The coding says that they are none.
    #[error("data_coding {0:#04x} is binary")]
    Binary(u8),
    /// The coding says that they are compressed.
    #[error("data_coding {0:#04x} is compressed")]
    Compressed(u8),
    /// The coding sends them to the SIM card or to equipment behind the handset.
    #[error("data_coding {0:#04x} is not for the display")]
    NotShown(u8),
    /// The coding is unassigned, or not one that China's networks use.
    #[error("data_coding {0:#04x} is not known")]
    Unknown(u8),
    /// They are not text in the coding that is named, or not the same text to every reader.
    #[error("the octets are not text in the encoding that data_coding names")]
    Malformed,
}

/// Decodes a text into `out`, which is emptied first.
///
/// # Errors
/// When the coding is not one of text, or the octets are not of the coding.
pub fn decode(
    data_coding: u8,
    octets: &[u8],
    dc0: DefaultAlphabet,
    dc15: Dc15,
    out: &mut Vec<char>,
) -> Result<Encoding, CodingError> {
    out.clear();
    let encoding = encoding(data_coding, dc0, dc15)?;
    match encoding {
        Encoding::Ucs2 => utf16_be(octets, out)?,
        Encoding::Gsm7 => gsm7(octets, out)?,
        Encoding::Ascii if !octets.is_ascii() => return Err(CodingError::Malformed),
        Encoding::Ascii | Encoding::Latin1 => out.extend(octets.iter().map(|octet| char::from(*octet))),
        Encoding::Gb18030 => gb18030(octets, out)?,
    }
    if reads_alike(out) { Ok(encoding) } else { Err(CodingError::Malformed) }
}

/// Whether every reader shows the same text. Careless clients leave a NUL at the end, behind which nothing is hidden.
fn reads_alike(text: &[char]) -> bool {
    // Wherever the usual text has its characters, every reader shows them; looked at without a jump, many at once.
    let usual = |ch: char| {
        let ch = u32::from(ch);
        (ch.wrapping_sub(0x20) < 0x2000) | (ch.wrapping_sub(0x2070) < 0xFFF9 - 0x2070)
    };
    if text.iter().fold(true, |all, ch| all & usual(*ch)) {
        return true;
    }
    let end = text.iter().rposition(|ch| *ch != '\0').map_or(0, |last| last + 1);
    text[..end].iter().all(|ch| is_read_alike(u32::from(*ch)))
}

/// Whether every reader shows it and what follows alike: some take U+0000 for the end and U+FFFE for a byte
/// order mark that turns all octets round, modems obey the other control characters, and some handsets obey
/// direction overrides and annotation marks, which show 移动 as 动移 or not at all.
const fn is_read_alike(ch: u32) -> bool {
    match ch {
        0x00..=0x1F => matches!(ch, 0x09 | 0x0A | 0x0C | 0x0D),
        0x202A..=0x202E | 0x2066..=0x2069 | 0xFFF9..=0xFFFB | 0xFFFE | 0xFFFF => false,
        _ => true,
    }
}

/// Octets of user data that a text takes on the air, its header of `header` octets included;
/// `octets` are the text's as received, `text` the same decoded.
///
/// UCS-2 travels as it is. The rest is rewritten by the SMSC: into packed
/// 7-bit characters if the GSM alphabet has them all, otherwise into UCS-2.
pub fn on_air_octets(encoding: Encoding, octets: &[u8], text: &[char], header: usize) -> usize {
    if encoding == Encoding::Ucs2 {
        return header + octets.len();
    }
    match text.iter().try_fold(0, |sum, ch| Some(sum + septets(*ch)?)) {
        // The text begins at the first whole septet behind the header.
        Some(septets) => (((header * 8).div_ceil(7) + septets) * 7).div_ceil(8),
        None => header + 2 * text.iter().map(|ch| ch.len_utf16()).sum::<usize>(),
    }
}

fn encoding(data_coding: u8, dc0: DefaultAlphabet, dc15: Dc15) -> Result<Encoding, CodingError> {
    Ok(match data_coding {
        0x00 => match dc0 {
            DefaultAlphabet::Gsm7 => Encoding::Gsm7,
            DefaultAlphabet::Latin1 => Encoding::Latin1,
            DefaultAlphabet::Gbk => Encoding::Gb18030,
        },
        0x01 => Encoding::Ascii,
        0x03 => Encoding::Latin1,
        0x08 | 0x18 | 0x19 => Encoding::Ucs2,
        0x0F if dc15 == Dc15::Gbk => Encoding::Gb18030,
        // The message-class groups name the GSM alphabet itself, whatever the SMSC's default is.
        0x10 | 0x11 | 0xF0 | 0xF1 => Encoding::Gsm7,
        // Classes 2 and 3: stored on the SIM card, or handed on to what is connected.
        0x12 | 0x13 | 0x1A | 0x1B | 0xF2 | 0xF3 => return Err(CodingError::NotShown(data_coding)),
        0x02 | 0x04 | 0x14..=0x17 | 0xF4..=0xF7 => return Err(CodingError::Binary(data_coding)),
        0x20..=0x3F => return Err(CodingError::Compressed(data_coding)),
        _ => return Err(CodingError::Unknown(data_coding)),
    })
}

/// U+FEFF is a character like any other: a reader that took it for a byte order mark would count one less.
fn utf16_be(octets: &[u8], out: &mut Vec<char>) -> Result<(), CodingError> {
    let (units, half) = octets.as_chunks::<2>();
    if !half.is_empty() {
        return Err(CodingError::Malformed);
    }
    // Without a jump in it, so that the compiler looks at many units at once. The usual text has no pair.
    let halves_of_pairs = units.iter().filter(|[high, _]| high & 0xF8 == 0xD8).count();
    if halves_of_pairs == 0 {
        let whole = |unit: &[u8; 2]| char::from_u32(u32::from(u16::from_be_bytes(*unit)));
        out.extend(units.iter().map(|unit| whole(unit).unwrap_or(char::REPLACEMENT_CHARACTER)));
        return Ok(());
    }
    for unit in char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit))) {
        out.push(unit.map_err(|_| CodingError::Malformed)?);
    }
    Ok(())
}

fn gb18030(octets: &[u8], out: &mut Vec<char>) -> Result<(), CodingError> {
    use encoding_rs::DecoderResult;

    let mut decoder = encoding_rs::GB18030.new_decoder_without_bom_handling();
    let (mut rest, mut units) = (octets, [0u16; 128]);
    loop {
        let (result, read, written) = decoder.decode_to_utf16_without_replacement(rest, &mut units, true);
        // The decoder never splits a surrogate pair over two calls.
        for unit in char::decode_utf16(units[..written].iter().copied()) {
            out.push(unit.map_err(|_| CodingError::Malformed)?);
        }
        rest = &rest[read..];
        match result {
            DecoderResult::InputEmpty => return Ok(()),
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => return Err(CodingError::Malformed),
        }
    }
}

// === GSM 03.38 ===

const ESCAPE: u8 = 0x1B;

/// The default alphabet; the escape stands for itself.
const GSM: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', 'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω',
    'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1b}', 'Æ', 'æ', 'ß', 'É', ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+',
    ',', '-', '.', '/', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', '¡', 'A', 'B',
    'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y',
    'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p',
    'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The extension table, each behind an escape.
const EXTENSION: [(u8, char); 10] = [
    (0x0A, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2F, '\\'),
    (0x3C, '['),
    (0x3D, '~'),
    (0x3E, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

fn gsm7(octets: &[u8], out: &mut Vec<char>) -> Result<(), CodingError> {
    let mut octets = octets.iter().copied();
    while let Some(octet) = octets.next() {
        let ch = match octet {
            // Handsets show an escape without an entry as a space or as the letter behind it.
            ESCAPE => {
                octets.next().and_then(|next| EXTENSION.iter().find(|(code, _)| *code == next)).map(|(_, ch)| *ch)
            }
            _ => GSM.get(usize::from(octet)).copied(),
        };
        out.push(ch.ok_or(CodingError::Malformed)?);
    }
    Ok(())
}

/// 7-bit characters that one character takes; `None` if the alphabet lacks it.
fn septets(ch: char) -> Option<usize> {
    match ch {
        ' '..='#' | '%'..='?' | 'A'..='Z' | 'a'..='z' => Some(1),
        '\u{1b}' => None,
        _ if GSM.contains(&ch) => Some(1),
        _ if EXTENSION.iter().any(|(_, extended)| *extended == ch) => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(data_coding: u8, octets: &[u8]) -> Result<String, CodingError> {
        let mut out = Vec::new();
        decode(data_coding, octets, DefaultAlphabet::Gsm7, Dc15::Gbk, &mut out)?;
        Ok(out.into_iter().collect())
    }

    fn ucs2(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    #[test]
    fn utf16_is_read_as_it_stands() {
        for text in ["安徽移动 询1860", "\u{feff}移动", "😀移动\u{20bb7}", ""] {
            assert_eq!(read(0x08, &ucs2(text)).as_deref(), Ok(text));
            assert_eq!(read(0x18, &ucs2(text)).as_deref(), Ok(text));
            assert_eq!(read(0x19, &ucs2(text)).as_deref(), Ok(text));
        }
    }

    #[test]
    fn characters_that_end_a_text_or_turn_it_round_are_refused() {
        for text in [
            "\u{202e}移动",
            "\u{2067}移动",
            "a\u{fff9}b\u{fffa}移动\u{fffb}",
            "贷款\0移动",
            "\u{fffe}移动",
            "移动\u{ffff}",
            "a\u{1a}移动",
            "a\u{1b}移动",
            "\u{8}移动",
        ] {
            assert_eq!(read(0x08, &ucs2(text)), Err(CodingError::Malformed), "{text:?}");
            let (octets, _, lost) = encoding_rs::GB18030.encode(text);
            assert!(lost || read(0x0F, &octets) == Err(CodingError::Malformed), "{text:?}");
        }
        assert_eq!(read(0x01, b"a\0b"), Err(CodingError::Malformed));
        for text in [
            "a\tb\r\n移动",
            "\u{c}移动",
            "移\u{200b}动",
            "\u{200e}移动\u{200f}",
            "移动\0\0",
            "\0",
            "\u{fffd}",
            "\u{1fffe}",
        ] {
            assert_eq!(read(0x08, &ucs2(text)).as_deref(), Ok(text));
        }
    }

    #[test]
    fn the_quick_look_agrees_with_the_table() {
        for ch in (0..=0x1_0000).filter_map(char::from_u32) {
            assert_eq!(reads_alike(&['移', ch, '动']), is_read_alike(u32::from(ch)), "{:04x}", u32::from(ch));
        }
    }

    #[test]
    fn halves_of_a_character_are_refused() {
        for octets in [&[0xD8, 0x3D][..], &[0xDE, 0x00], &[0xD8, 0x3D, 0x00, 0x41], &[0x79], &[0, 65, 0]] {
            assert_eq!(read(0x08, octets), Err(CodingError::Malformed), "{octets:?}");
        }
        for octets in [&[0xD2][..], &[0x81, 0x30, 0x81], &[0xFF], &[0x41, 0xD2, 0x20]] {
            assert_eq!(read(0x0F, octets), Err(CodingError::Malformed), "{octets:?}");
        }
    }

    #[test]
    fn the_gsm_alphabet_has_an_escape() {
        assert_eq!(read(0x00, b"\x00\x02 5\x1b\x65").as_deref(), Ok("@$ 5€"));
        for octets in [&b"\x1b"[..], b"\x1bA", b"\x1b\x1b", b"\x80"] {
            assert_eq!(read(0x00, octets), Err(CodingError::Malformed), "{octets:?}");
        }
        assert_eq!(read(0x11, b"a").as_deref(), Ok("a"));
        assert_eq!(read(0xF1, b"a").as_deref(), Ok("a"));
    }

    #[test]
    fn gb18030_has_no_byte_order_mark_and_no_end_of_buffer() {
        let long = "移动".repeat(500);
        let (octets, _, _) = encoding_rs::GB18030.encode(&long);
        assert_eq!(read(0x0F, &octets).as_deref(), Ok(long.as_str()));
        assert_eq!(read(0x0F, &[0x84, 0x31, 0x95, 0x33]).as_deref(), Ok("\u{feff}"));
        let pairs = "😀".repeat(300);
        let (octets, _, _) = encoding_rs::GB18030.encode(&pairs);
        assert_eq!(read(0x0F, &octets).as_deref(), Ok(pairs.as_str()));
    }

    #[test]
    fn what_is_no_text_is_named() {
        let mut out = Vec::new();
        let mut with = |coding, dc15| decode(coding, b"x", DefaultAlphabet::Latin1, dc15, &mut out);
        for (coding, expected) in [
            (0x02, Err(CodingError::Binary(0x02))),
            (0x04, Err(CodingError::Binary(0x04))),
            (0xF5, Err(CodingError::Binary(0xF5))),
            (0x12, Err(CodingError::NotShown(0x12))),
            (0x1A, Err(CodingError::NotShown(0x1A))),
            (0xF3, Err(CodingError::NotShown(0xF3))),
            (0x20, Err(CodingError::Compressed(0x20))),
            (0x09, Err(CodingError::Unknown(0x09))),
            (0x0F, Err(CodingError::Unknown(0x0F))),
            (0x48, Err(CodingError::Unknown(0x48))),
            (0x00, Ok(Encoding::Latin1)),
            (0x01, Ok(Encoding::Ascii)),
        ] {
            assert_eq!(with(coding, Dc15::Refuse), expected, "{coding:#04x}");
        }
        assert_eq!(read(0x01, &[0xE9]), Err(CodingError::Malformed));
        assert_eq!(read(0x03, &[0xE9]).as_deref(), Ok("é"));
    }

    #[test]
    fn one_message_holds_160_latin_or_70_chinese_characters() {
        let size = |encoding, text: &str, header| {
            on_air_octets(encoding, &ucs2(text), &text.chars().collect::<Vec<_>>(), header)
        };
        assert_eq!(size(Encoding::Gsm7, &"a".repeat(160), 0), 140);
        assert_eq!(size(Encoding::Gsm7, &"a".repeat(161), 0), 141);
        assert_eq!(size(Encoding::Gsm7, &"€".repeat(80), 0), 140);
        assert_eq!(size(Encoding::Gsm7, &"a".repeat(153), 6), 140);
        assert_eq!(size(Encoding::Gsm7, &"a".repeat(154), 6), 141);
        assert_eq!(size(Encoding::Gb18030, &"移".repeat(70), 0), 140);
        assert_eq!(size(Encoding::Ucs2, &"a".repeat(70), 0), 140);
        assert_eq!(size(Encoding::Ucs2, "😀", 6), 10);
        assert_eq!(size(Encoding::Latin1, "ê", 0), 2);
    }

    #[test]
    fn every_character_of_the_alphabet_is_counted_as_it_is_written() {
        for ch in GSM.into_iter().filter(|ch| *ch != '\u{1b}') {
            assert_eq!(septets(ch), Some(1), "{ch:?}");
        }
        assert_eq!((septets('€'), septets('移'), septets('`'), septets('\u{1b}')), (Some(2), None, None, None));
    }
}
