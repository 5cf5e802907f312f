//! At most 65 characters, and one short message (clause 4.1, policy reference 3.1).
//!
//! 控制在 65 个字以内: punctuation, each digit and each letter count one; 以内
//! includes the figure. A conforming text fits one message, so a message that
//! is announced as one of several parts, or would need several, is refused.

use unicode_segmentation::UnicodeSegmentation;

use crate::policy::case::{Case, Finding, Text};
use crate::policy::reason::Reason;
use crate::policy::switches::LengthUnit;
use crate::smpp::coding::{ONE_MESSAGE, on_air_octets};
use crate::smpp::udh::Parts;

use super::signature;

/// Judges the rule.
pub fn check(case: &Case<'_>) -> Finding {
    let part = matches!(case.submission.user_data.parts, Parts::Part(_));
    let announced = if part { Finding::refuse(Reason::Multipart) } else { Finding::PASS };
    let Some(text) = case.readable() else { return announced };
    if counted(case, text) > case.rules.switches.length.limit as usize {
        return Finding::refuse(Reason::TooLong).and(announced);
    }
    if on_air(case, text) > ONE_MESSAGE {
        return Finding::refuse(Reason::Multipart);
    }
    announced
}

/// Octets of user data on the air.
pub fn on_air(case: &Case<'_>, text: Text<'_>) -> usize {
    let data = &case.submission.user_data;
    on_air_octets(text.encoding, data.text, text.chars, data.header)
}

/// Characters that count.
pub fn counted(case: &Case<'_>, text: Text<'_>) -> usize {
    let switches = &case.rules.switches.length;
    let all = match switches.unit {
        LengthUnit::Scalar => text.chars.len(),
        LengthUnit::Utf16 => text.chars.iter().map(|ch| ch.len_utf16()).sum(),
        LengthUnit::Grapheme => text.chars.iter().collect::<String>().graphemes(true).count(),
    };
    if switches.count_signature { all } else { all.saturating_sub(signature::length(case, text)) }
}
