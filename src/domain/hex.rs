//! Octets as people write them.

use std::fmt::Write as _;

/// Octets in hexadecimal, two digits each, nothing between.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02x}"); // writing to a String cannot fail
        text
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_octet_is_two_digits() {
        assert_eq!(super::hex(&[0, 0x0f, 0xa0]), "000fa0");
    }
}
