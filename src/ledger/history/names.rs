//! Whether a receipt speaks of a message. SMSCs write one message_id in two forms: hexadecimal in the answer and
//! decimal in the receipt, or the other way round; with zeros before it or without; in letters of either case.

/// A name in the forms by which it can be known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forms<'a> {
    /// Without the zeros before it.
    text: &'a [u8],
    decimal: Option<u128>,
    hexadecimal: Option<u128>,
}

impl<'a> Forms<'a> {
    fn of(name: &'a [u8]) -> Self {
        let name = name.trim_ascii();
        let zeros = name.iter().take_while(|octet| **octet == b'0').count();
        let text = &name[zeros..];
        let number = |radix| {
            let digits = std::str::from_utf8(name).ok()?;
            let plain = digits.bytes().all(|octet| octet.is_ascii_alphanumeric()); // no sign, which the reader would take
            plain.then(|| u128::from_str_radix(digits, radix).ok()).flatten()
        };
        Self { text, decimal: number(10), hexadecimal: number(16) }
    }
}

/// How two names are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// One in hexadecimal, the other in decimal.
    Number,
    /// As they are written.
    Text,
}

/// Whether two names of one account's messages to one subscriber can be one name: the SMSC's answer and its receipt.
pub fn is_same_message(answer: &[u8], receipt: &[u8]) -> bool {
    likeness(answer, receipt).is_some()
}

/// How they are the same, if they are.
pub(super) fn likeness(answer: &[u8], receipt: &[u8]) -> Option<Likeness> {
    if answer.is_empty() || receipt.is_empty() {
        return None;
    }
    let (answer, receipt) = (Forms::of(answer), Forms::of(receipt));
    let crossed = |one: Option<u128>, other: Option<u128>| one.is_some() && one == other;
    if answer.text.eq_ignore_ascii_case(receipt.text) {
        return Some(Likeness::Text);
    }
    let number = crossed(answer.hexadecimal, receipt.decimal) || crossed(answer.decimal, receipt.hexadecimal);
    number.then_some(Likeness::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_known_in_every_form_that_smscs_write() {
        for (answer, receipt) in [
            ("0123456789", "0123456789"),
            ("7f", "7F"),
            ("7F", "127"),
            ("0000007f", "127"),
            ("7F", "0000000127"),
            ("127", "7F"),
            ("127", "0000007f"),
            ("00127", "127"),
            ("a1-b2_c3", "A1-B2_C3"),
            ("FFFFFFFFFFFFFFFF", "18446744073709551615"),
        ] {
            assert!(is_same_message(answer.as_bytes(), receipt.as_bytes()), "{answer} {receipt}");
        }
    }

    #[test]
    fn names_that_differ_are_two_messages() {
        for (answer, receipt) in [
            ("7f", "128"),
            ("127", "128"),
            ("127", "0x7f"),
            ("+127", "127"),
            ("a1", "a2"),
            ("", ""),
            ("", "0"),
            ("z1", "1"),
        ] {
            assert!(!is_same_message(answer.as_bytes(), receipt.as_bytes()), "{answer} {receipt}");
        }
        assert!(is_same_message(&[0xFF, 1], &[0xFF, 1]) && !is_same_message(&[0xFF, 1], &[0xFF, 2]));
    }
}
