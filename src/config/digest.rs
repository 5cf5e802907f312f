//! One name for the content of a folder and the environment over it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// What was read, by its name.
#[derive(Debug, Default)]
pub(super) struct Digest(RefCell<BTreeMap<String, [u8; 32]>>);

impl Digest {
    /// Something was read; the same name twice is the same thing.
    pub(super) fn read(&self, name: &str, content: &str) {
        self.0.borrow_mut().insert(name.to_owned(), Sha256::digest(content.as_bytes()).into());
    }

    /// SHA-256 over all that was read.
    pub(super) fn finish(&self) -> [u8; 32] {
        let mut all = Sha256::new();
        for (name, content) in self.0.borrow().iter() {
            all.update((name.len() as u64).to_be_bytes());
            all.update(name.as_bytes());
            all.update(content);
        }
        all.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hex;

    #[test]
    fn content_and_names_make_the_digest_and_the_order_does_not() {
        let of = |files: &[(&str, &str)]| {
            let digest = Digest::default();
            for (name, content) in files {
                digest.read(name, content);
            }
            hex(&digest.finish())
        };
        let whole = of(&[("a", "1"), ("b", "2")]);
        assert_eq!(whole, of(&[("b", "2"), ("a", "1")]));
        assert_eq!(whole.len(), 64);
        for other in
            [&[("a", "2"), ("b", "1")][..], &[("a", "1")], &[("a", "1"), ("c", "2")], &[("ab", "1"), ("", "2")]]
        {
            assert_ne!(whole, of(other));
        }
    }
}
