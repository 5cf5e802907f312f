//! Which source addresses an account may use (clause 2.4).

use std::fmt;

/// An exact source address, or a prefix written with a trailing `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourcePattern {
    /// The whole address.
    Exact(String),
    /// The address and whatever digits extend it.
    Prefix(String),
}

/// Why a text is no source pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourcePatternError {
    /// Nothing, or `*` alone: that would be a wildcard, which clause 2.4 excludes.
    #[error("a source must name an address; `*` alone would allow every sender")]
    Wildcard,
    /// `*` may only stand at the end.
    #[error("`*` may only stand at the end")]
    InnerStar,
    /// `source_addr` holds 20 octets.
    #[error("a source address has at most 20 characters")]
    TooLong,
    /// Only printable ASCII travels in `source_addr`.
    #[error("a source address is printable ASCII without spaces")]
    NotAscii,
}

impl SourcePattern {
    /// Reads `6202*` or `62021234`.
    pub fn parse(text: &str) -> Result<Self, SourcePatternError> {
        let (stem, prefix) = match text.strip_suffix('*') {
            Some(stem) => (stem, true),
            None => (text, false),
        };
        if stem.is_empty() {
            return Err(SourcePatternError::Wildcard);
        }
        if stem.contains('*') {
            return Err(SourcePatternError::InnerStar);
        }
        if stem.len() > 20 {
            return Err(SourcePatternError::TooLong);
        }
        if !stem.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(SourcePatternError::NotAscii);
        }
        Ok(if prefix { Self::Prefix(stem.to_owned()) } else { Self::Exact(stem.to_owned()) })
    }

    /// Whether the address of a PDU is this one or extends it by digits.
    pub fn matches(&self, address: &[u8]) -> bool {
        match self {
            Self::Exact(own) => own.as_bytes() == address,
            Self::Prefix(stem) => {
                address.strip_prefix(stem.as_bytes()).is_some_and(|rest| rest.iter().all(u8::is_ascii_digit))
            }
        }
    }
}

impl fmt::Display for SourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(own) => f.write_str(own),
            Self::Prefix(stem) => write!(f, "{stem}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_extended_by_digits_only() {
        let pattern = SourcePattern::parse("6202*").expect("valid");
        assert!(pattern.matches(b"6202") && pattern.matches(b"62020551"));
        assert!(!pattern.matches(b"6202a") && !pattern.matches(b"620") && !pattern.matches(b"16202"));
        assert!(SourcePattern::parse("1258").expect("valid").matches(b"1258"));
    }

    #[test]
    fn no_pattern_allows_everything() {
        assert_eq!(SourcePattern::parse("*"), Err(SourcePatternError::Wildcard));
        assert_eq!(SourcePattern::parse(""), Err(SourcePatternError::Wildcard));
        assert_eq!(SourcePattern::parse("62*02"), Err(SourcePatternError::InnerStar));
        assert_eq!(SourcePattern::parse("62 02"), Err(SourcePatternError::NotAscii));
    }
}
