//! The matching text: what the signature rules compare (policy reference, 3.2).
//!
//! NFKC, then each run of white space becomes one space, then outer spaces go.
//! So full-width digits, no-break spaces and line breaks match, while another
//! character that merely looks alike does not. Counting (4.1) never uses it.

use unicode_normalization::UnicodeNormalization;

/// Writes the matching text of `text` into `out`, which is emptied first.
/// With `strip_format`, format characters (category Cf) are removed before.
pub fn matching_text(text: &[char], strip_format: bool, out: &mut Vec<char>) {
    out.clear();
    if fold_plain(text, out) {
        return;
    }
    if !fold_usual(text, out) {
        out.clear();
        let kept = text.iter().copied().filter(|ch| !(strip_format && is_format(*ch)));
        kept.nfkc().for_each(|ch| push(ch, out));
    }
    if out.last() == Some(&' ') {
        out.pop();
    }
}

/// Folds the plainest texts: ideographs, ASCII, full-width forms and the usual marks, with single spaces between. Looked at
/// without a jump, so that the compiler takes many characters at once; `false`, and nothing written, if there are others.
fn fold_plain(text: &[char], out: &mut Vec<char>) -> bool {
    const fn between(ch: u32, first: u32, last: u32) -> bool {
        ch.wrapping_sub(first) <= last - first
    }
    let plain = text.iter().fold(true, |all, ch| {
        let ch = u32::from(*ch);
        let ideograph = between(ch, 0x4E00, 0x9FFF);
        let mark = between(ch, 0x3001, 0x3029) | between(ch, 0xFF01, 0xFF5E) | between(ch, 0x201C, 0x201D);
        all & (ideograph | between(ch, 0x20, 0x7E) | mark)
    });
    let doubled = text.iter().zip(text.iter().skip(1)).filter(|pair| *pair == (&' ', &' ')).count() > 0;
    let edge = |ch: Option<&char>| ch == Some(&' ');
    if !plain || doubled || edge(text.first()) || edge(text.last()) {
        return false;
    }
    out.extend(text.iter().map(|ch| {
        let code = u32::from(*ch);
        let narrow = if between(code, 0xFF01, 0xFF5E) { code - 0xFEE0 } else { code };
        char::from_u32(narrow).unwrap_or(*ch) // always one: full-width forms map to ASCII
    }));
    true
}

/// Folds a text of usual characters without asking the Unicode tables; `false` if one is not usual.
fn fold_usual(text: &[char], out: &mut Vec<char>) -> bool {
    for ch in text {
        match *ch {
            // INVARIANT: each of these is a starter, stable under NFKC, and composes with nothing on this list.
            '\u{4E00}'..='\u{9FFF}' | '!'..='~' | '\u{3001}'..='\u{3029}' | '“' | '”' | '‘' | '’' | '—' | '·' =>
            {
                out.push(*ch);
            }
            '\0'..=' ' | '\u{7F}' => push(*ch, out),
            '\u{3000}' => push(' ', out),
            '\u{FF01}'..='\u{FF5E}' => {
                out.push(char::from_u32(u32::from(*ch) - 0xFEE0).expect("full-width forms map to ASCII"));
            }
            '…' => out.extend(['.'; 3]),
            _ => return false,
        }
    }
    true
}

fn push(ch: char, out: &mut Vec<char>) {
    if !ch.is_whitespace() {
        out.push(ch);
    } else if !matches!(out.last(), None | Some(' ')) {
        out.push(' ');
    }
}

/// Unicode general category Cf.
pub const fn is_format(ch: char) -> bool {
    matches!(ch,
        '\u{AD}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}' | '\u{890}'..='\u{891}' | '\u{8E2}'
        | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{110BD}' | '\u{110CD}'
        | '\u{13430}'..='\u{1343F}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0001}'
        | '\u{E0020}'..='\u{E007F}')
}

/// Whether a character is a Chinese ideograph (script Han).
pub const fn is_ideograph(ch: char) -> bool {
    matches!(ch,
        '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' | '\u{3005}' | '\u{3007}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str, strip: bool) -> String {
        let mut out = Vec::new();
        matching_text(&text.chars().collect::<Vec<_>>(), strip, &mut out);
        out.into_iter().collect()
    }

    fn by_the_book(text: &str) -> String {
        text.nfkc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn white_space_and_width_do_not_matter() {
        for (text, expected) in [
            ("安徽移动\r\n询\u{a0}１８６０", "安徽移动 询 1860"),
            ("  移\u{3000} 动 ", "移 动"),
            ("（０５５１）－１８６０", "(0551)-1860"),
            ("……", "......"),
            ("ﾊﾞ①", "バ1"),
            ("", ""),
            (" \t ", ""),
        ] {
            assert_eq!(folded(text, false), expected);
        }
    }

    #[test]
    fn format_characters_stay_unless_the_site_strips_them() {
        for hidden in ['\u{200b}', '\u{200d}', '\u{feff}', '\u{ad}'] {
            let text = format!("移{hidden}动");
            assert_eq!(folded(&text, false), text);
            assert_eq!(folded(&text, true), "移动");
        }
    }

    #[test]
    fn every_character_alone_folds_by_the_book() {
        for ch in ('\0'..='\u{ffff}').chain(('\u{10000}'..=char::MAX).step_by(31)) {
            let text = format!("移{ch}动");
            assert_eq!(folded(&text, false), by_the_book(&text), "{:04x}", u32::from(ch));
        }
    }

    proptest! {
        #[test]
        fn every_text_folds_by_the_book(text in "[ -~\u{4e00}-\u{4e20}\u{ff00}-\u{ff60}\u{3000}-\u{3030}\u{300}-\u{305}…éＡ\\s]{0,40}") {
            prop_assert_eq!(folded(&text, false), by_the_book(&text));
        }
    }
}
