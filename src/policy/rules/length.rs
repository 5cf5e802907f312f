//! At most 65 characters, and one short message (clause 4.1, policy reference 3.1).
//!
//! 控制在 65 个字以内: punctuation, each digit and each letter count one; 以内
//! includes the figure. A conforming text fits one message, so a message that
//! is announced as one of several parts, or would need several, is refused. With
//! `length.multipart = "group"` parts pass, and their text is counted together.

use unicode_segmentation::UnicodeSegmentation;

use crate::policy::case::{Author, Case, Finding, Text};
use crate::policy::reason::Reason;
use crate::policy::switches::LengthUnit;
use crate::smpp::coding::{ONE_MESSAGE, on_air_octets};
use crate::smpp::udh::Parts;

use super::signature;

/// Judges the rule. Of a part that is judged together with others, only what it shows by itself.
pub fn check(case: &Case<'_>) -> Finding {
    let joins = case.part().is_some();
    let part = !joins && matches!(case.submission.user_data.parts, Parts::Part(_));
    let announced = if part { Finding::refuse(Reason::Multipart) } else { Finding::PASS };
    let Some(text) = case.readable() else { return announced };
    if exceeds(case.author(), text, !joins) {
        return Finding::refuse(Reason::TooLong).and(announced);
    }
    if on_air(case, text) > ONE_MESSAGE {
        return Finding::refuse(Reason::Multipart);
    }
    announced
}

/// Whether a text has more characters than allowed. Where the signature does not
/// count, one that is not `whole` may yet get one, as long as two zones.
pub fn exceeds(author: Author<'_>, text: Text<'_>, whole: bool) -> bool {
    let switches = &author.rules.switches;
    let limit = switches.length.limit as usize;
    if whole || switches.length.count_signature {
        return counted(author, text) > limit;
    }
    all(author, text) > limit + 2 * switches.signature.zone as usize
}

/// Octets of user data on the air.
pub fn on_air(case: &Case<'_>, text: Text<'_>) -> usize {
    let data = &case.submission.user_data;
    on_air_octets(text.encoding, data.text, text.chars, data.header)
}

/// Characters that count.
pub fn counted(author: Author<'_>, text: Text<'_>) -> usize {
    let all = all(author, text);
    let signature = || signature::length(author, text);
    if author.rules.switches.length.count_signature { all } else { all.saturating_sub(signature()) }
}

/// Characters, the signature's included.
fn all(author: Author<'_>, text: Text<'_>) -> usize {
    match author.rules.switches.length.unit {
        LengthUnit::Scalar => text.chars.len(),
        LengthUnit::Utf16 => text.chars.iter().map(|ch| ch.len_utf16()).sum(),
        LengthUnit::Grapheme => text.chars.iter().collect::<String>().graphemes(true).count(),
    }
}
