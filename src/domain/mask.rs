//! Numbers in free text: what an operator types, or a wrong line of a file, may hold a subscriber's (P14).

/// Digits of the shortest run that is masked: a mainland number's.
const DIGITS: usize = 11;

/// The text with stars in every run of eleven digits or more, all but its first three and last four.
pub fn without_numbers(text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let mut start = 0;
    while start < chars.len() {
        let end = chars[start..].iter().position(|ch| !ch.is_ascii_digit()).map_or(chars.len(), |run| start + run);
        if end - start >= DIGITS {
            chars[start + 3..end - 4].fill('*');
        }
        start = end + 1;
    }
    chars.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_of_digits_are_masked_and_nothing_else() {
        for (text, masked) in [
            ("of 13855100001, 8613855100001", "of 138****0001, 861******0001"),
            ("a = \"13800138000\", b = 1234567890", "a = \"138****8000\", b = 1234567890"),
            ("", ""),
            ("拥塞 90 %", "拥塞 90 %"),
            ("13855100001", "138****0001"),
        ] {
            assert_eq!(without_numbers(text), masked);
        }
    }
}
