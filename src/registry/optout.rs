//! Who answers what to opt out: a subscriber's message to an account's number.

use crate::policy::matching::matching_text;

/// Whether a subscriber's whole text is one of the words, capitals or not, white space around it or not.
pub fn says(text: &[char], words: &[String]) -> bool {
    let folded = |text: &[char]| {
        let mut out = Vec::new();
        matching_text(text, true, &mut out);
        out.into_iter().flat_map(char::to_lowercase).collect::<Vec<char>>()
    };
    // No word is longer; a long text is no answer.
    text.len() <= 64 && {
        let text = folded(text);
        words.iter().any(|word| folded(&word.chars().collect::<Vec<_>>()) == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_is_a_word() {
        let words = ["T", "TD", "退订"].map(str::to_owned);
        for (text, is_word) in [
            ("T", true),
            ("t", true),
            (" Td\r\n", true),
            ("ＴＤ", true),
            ("退订", true),
            ("退订!", false),
            ("不退订", false),
            ("TDT", false),
            ("", false),
        ] {
            assert_eq!(says(&text.chars().collect::<Vec<_>>(), &words), is_word, "{text}");
        }
        assert!(!says(&['T'; 65], &words) && !says(&['T'], &[]));
    }
}
