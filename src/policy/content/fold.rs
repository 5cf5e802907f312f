//! How a text is folded before it is held against the registered ones: as the matching text of a signature
//! ([`crate::policy::matching`]), but white space with a line break in it becomes [`BREAK`], because no
//! variable may hold one. Format characters are never removed: a text with hidden characters is another text.

use unicode_normalization::UnicodeNormalization;

use crate::policy::matching;

/// White space that has a line break in it.
pub const BREAK: char = '\n';

/// Whether a character ends a line.
pub const fn is_break(ch: char) -> bool {
    matches!(ch, '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether the matching text will do as it is: it was made without removing anything, and nothing in it ends a line.
pub fn is_as_matching(text: &[char], strips: bool) -> bool {
    !strips && !text.iter().any(|ch| is_break(*ch))
}

/// Writes the folded text into `out`, which is emptied first.
pub fn content_text(text: &[char], out: &mut Vec<char>) {
    if is_as_matching(text, false) {
        matching::matching_text(text, false, out);
        return;
    }
    out.clear();
    text.iter().copied().nfkc().for_each(|ch| push(ch, out));
    if matches!(out.last().copied(), Some(' ' | BREAK)) {
        out.pop();
    }
}

/// A registered text's line breaks are white space: how its lines are broken is not part of it.
pub fn without_breaks(text: &mut [char]) {
    for ch in text.iter_mut().filter(|ch| **ch == BREAK) {
        *ch = ' ';
    }
}

fn push(ch: char, out: &mut Vec<char>) {
    match out.last_mut() {
        _ if !ch.is_whitespace() => out.push(ch),
        None => {}
        Some(last) if matches!(*last, ' ' | BREAK) => *last = if is_break(ch) { BREAK } else { *last },
        Some(_) => out.push(if is_break(ch) { BREAK } else { ' ' }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_matching_text_but_for_line_breaks(text in "[ab字 \t\u{3000}\n\r\u{2028}Ａ①\u{200b}]{0,30}") {
            let chars: Vec<char> = text.chars().collect();
            let (mut own, mut matching) = (Vec::new(), Vec::new());
            content_text(&chars, &mut own);
            matching::matching_text(&chars, false, &mut matching);
            // A run has a line break in it exactly when the text has.
            let runs = text.split(|ch: char| !ch.is_whitespace()).filter(|run| !run.is_empty());
            let broken = text.trim().split(|ch: char| !ch.is_whitespace()).filter(|run| run.contains(is_break)).count();
            prop_assert_eq!(own.iter().filter(|ch| **ch == BREAK).count(), broken);
            prop_assert!(runs.count() >= broken);
            without_breaks(&mut own);
            prop_assert_eq!(own, matching);
        }
    }
}
