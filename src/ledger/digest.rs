//! By what a record names a text without keeping it: half of the SHA-256 of the text in UTF-8. Whoever has the
//! registered text can tell whether it was sent; nobody can read it from the records.

use sha2::{Digest as _, Sha256};

use crate::smpp::coding::{self, Dc15, DefaultAlphabet};

use super::record::TextDigest;

/// The text that was looked at last, in case it comes again to another subscriber.
#[derive(Debug, Default)]
pub(super) struct LastText {
    coding: Option<(u8, DefaultAlphabet, Dc15, bool)>,
    octets: Vec<u8>,
    digest: Option<TextDigest>,
    chars: Vec<char>,
    text: String,
}

impl LastText {
    /// The digest of a text; `None` of an empty one. With `keep` the text itself stays for [`LastText::text_of`].
    pub(super) fn digest(
        &mut self,
        data_coding: u8,
        octets: &[u8],
        dc0: DefaultAlphabet,
        dc15: Dc15,
        keep: bool,
    ) -> Option<TextDigest> {
        let coding = Some((data_coding, dc0, dc15, keep));
        if self.coding == coding && self.octets == octets {
            return self.digest;
        }
        self.coding = coding;
        self.octets.clear();
        self.octets.extend_from_slice(octets);
        self.text.clear();
        let decoded = coding::decode(data_coding, octets, dc0, dc15, &mut self.chars).is_ok();
        self.text.extend(self.chars.iter().filter(|_| decoded));
        let of = if decoded { self.text.as_bytes() } else { octets };
        let hash = Sha256::digest(of);
        let octets = std::array::from_fn(|index| hash[index]);
        self.digest = (!of.is_empty()).then_some(TextDigest { octets, decoded });
        if !(keep && decoded) {
            self.text.clear();
        }
        self.digest
    }

    /// The text of a digest, if it is the last one's and was to be kept.
    pub(super) fn text_of(&self, digest: TextDigest) -> Option<&str> {
        (self.digest == Some(digest) && !self.text.is_empty()).then_some(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(last: &mut LastText, data_coding: u8, octets: &[u8], keep: bool) -> Option<TextDigest> {
        last.digest(data_coding, octets, DefaultAlphabet::Gsm7, Dc15::Gbk, keep)
    }

    #[test]
    fn one_text_has_one_digest_in_whatever_coding_it_is_written() {
        let mut last = LastText::default();
        let text = "您好。移动";
        let ucs2: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let gbk = encoding_rs::GB18030.encode(text).0;
        let expected = Sha256::digest(text.as_bytes());
        for (data_coding, octets) in [(8, &ucs2[..]), (15, &gbk[..]), (8, &ucs2[..])] {
            let found = digest(&mut last, data_coding, octets, false).expect("a text");
            assert_eq!((found.decoded, &found.octets[..]), (true, &expected[..16]), "data_coding {data_coding}");
            assert_eq!(last.text_of(found), None, "it is not kept");
        }
        let other = digest(&mut last, 15, b"other", true).expect("a text");
        assert_ne!(&other.octets[..], &expected[..16]);
        assert_eq!(last.text_of(other), Some("other"));
        assert_eq!(digest(&mut last, 8, &[], true), None);
        assert_eq!(last.text_of(other), None);
    }

    #[test]
    fn what_no_coding_explains_has_the_digest_of_its_octets() {
        let mut last = LastText::default();
        let found = digest(&mut last, 8, &[0xD8, 0x00], true).expect("octets");
        let expected = Sha256::digest([0xD8, 0x00]);
        assert_eq!((found.decoded, &found.octets[..]), (false, &expected[..16]));
        assert_eq!(last.text_of(found), None);
    }
}
