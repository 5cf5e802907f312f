//! Telephone numbers in a matching text (policy reference, 3.2): how they are
//! written there, and whether one of them is a registered one.

/// A telephone number as a text gives it, reduced to its digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Number {
    digits: [u8; 12],
    length: u8, // INVARIANT: 3..=12.
}

/// Whether the text gives a registered number, its digits parted by ` -()` or not.
pub fn gives_number(text: &[char], registered: &str) -> bool {
    let digits = || registered.bytes().filter(u8::is_ascii_digit);
    starts_of_numbers(text).any(|start| {
        let mut wanted = digits();
        parted_digits(&text[start..], |digit| wanted.next() == Some(digit), digits().count())
    })
}

/// Whether the text gives any mobile number or any number with an area code.
pub fn gives_any_number(text: &[char]) -> bool {
    starts_of_numbers(text).any(|start| {
        let mut place = 0;
        let mobile = |digit: u8| {
            place += 1;
            match place {
                1 => digit == b'1',
                2 => digit >= b'3',
                _ => true,
            }
        };
        parted_digits(&text[start..], mobile, 11) || area_number(text, start).is_some()
    })
}

// === the parts ===

/// The number at `at` and its end: with an area code first, otherwise 3 to 12 digits.
pub fn number_at(text: &[char], at: usize) -> Option<(Number, usize)> {
    area_number(text, at).or_else(|| {
        let length = digits_in_a_row(text, at);
        Some((Number::read(&[&text[at..at + length]])?, at + length))
    })
}

/// `0551-1860`, `(0551) 1860`, `05511860`: area code of 3 or 4 digits, then 3 to 8 digits.
fn area_number(text: &[char], start: usize) -> Option<(Number, usize)> {
    let start = start + usize::from(text.get(start) == Some(&'('));
    [4, 3].into_iter().find_map(|length| {
        let area = text.get(start..start + length)?;
        if area[0] != '0' || !area.iter().all(char::is_ascii_digit) {
            return None;
        }
        let mut at = start + length;
        at += usize::from(text.get(at) == Some(&')'));
        at += text[at..].iter().take_while(|ch| matches!(ch, ' ' | '-' | '\u{2010}')).count();
        let local = digits_in_a_row(text, at);
        if !(3..=8).contains(&local) {
            return None;
        }
        Some((Number::read(&[area, &text[at..at + local]])?, at + local))
    })
}

fn digits_in_a_row(text: &[char], at: usize) -> usize {
    text[at..].iter().take_while(|ch| ch.is_ascii_digit()).count()
}

/// Positions of digits that no digit precedes.
fn starts_of_numbers(text: &[char]) -> impl Iterator<Item = usize> {
    let after_digit = |start: usize| start > 0 && text[start - 1].is_ascii_digit();
    (0..text.len()).filter(move |start| text[*start].is_ascii_digit() && !after_digit(*start))
}

/// Whether exactly `count` digits, all of them `wanted`, come before a character that could not be part of a number.
fn parted_digits(text: &[char], mut wanted: impl FnMut(u8) -> bool, count: usize) -> bool {
    let mut found = 0;
    for ch in text {
        match ch {
            '0'..='9' if found < count => {
                if !wanted(*ch as u8) {
                    return false;
                }
                found += 1;
            }
            _ if found == count => return count > 0 && !ch.is_ascii_digit(),
            ' ' | '-' | '(' | ')' => {}
            _ => return false,
        }
    }
    count > 0 && found == count
}

impl Number {
    fn read(parts: &[&[char]]) -> Option<Self> {
        let (mut digits, mut length) = ([0; 12], 0);
        for ch in parts.iter().copied().flatten() {
            *digits.get_mut(length)? = *ch as u8;
            length += 1;
        }
        (length >= 3).then_some(Self { digits, length: length as u8 })
    }

    /// Its digits.
    pub fn digits(&self) -> &[u8] {
        &self.digits[..usize::from(self.length)]
    }

    /// Whether it is the configured number, whatever stands between the digits of that.
    pub fn is(&self, configured: &str) -> bool {
        self.digits().iter().copied().eq(configured.bytes().filter(u8::is_ascii_digit))
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.digits().iter().try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}

impl std::fmt::Debug for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn no_digits_at_all_are_no_number() {
        for text in ["", "x", "1"] {
            assert!(!parted_digits(&chars(text), |_| true, 0), "{text}");
        }
    }

    #[test]
    fn a_registered_number_may_be_parted_but_not_extended() {
        for (text, found) in [
            ("张三13800138000", true),
            ("138-0013-8000。", true),
            ("(138) 0013 8000", true),
            ("113800138000", false),
            ("138001380001", false),
            ("13800138001", false),
            ("1380013800", false),
            ("138、00138000", false),
            ("138001380 13800138000", true),
        ] {
            assert_eq!(gives_number(&chars(text), "138-00138000"), found, "{text}");
        }
        assert!(!gives_number(&chars("any"), ""));
    }

    #[test]
    fn any_mobile_or_area_number_is_found() {
        for (text, found) in [
            ("电话13900139000", true),
            ("139-0013-9000", true),
            ("0551-62620000", true),
            ("(0551)62620000", true),
            ("12900139000", false),
            ("询1860", false),
            ("139001390001", false),
            ("", false),
        ] {
            assert_eq!(gives_any_number(&chars(text)), found, "{text}");
        }
    }
}
