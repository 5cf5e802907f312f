//! What the types of `policy.toml` cannot express: numbers, dates, words of the catalogue.

use crate::domain::Day;
use crate::policy::switches::{CountedCategories, Switches};
use crate::policy::{Mode, Reason, Rule};

use super::layer::Layer;
use super::problem::Problem;
use super::suggest;

/// The statuses of vendors; no stock client knows them (policy reference, section 5).
const VENDOR_STATUSES: std::ops::RangeInclusive<u32> = 0x400..=0x4FF;

/// Checks the switches, and brings telephone numbers to bare digits.
pub(super) fn check(layer: &Layer<'_>, switches: &mut Switches, problems: &mut Vec<Problem>) {
    layer.check_ranges(switches, problems);
    modes(layer, switches, problems);
    for (code, status) in &switches.status {
        let path = format!("status.{code}");
        problems.extend(status_fault(code, *status).map(|(message, hint)| layer.problem(&path, message).hint(hint)));
    }
    for (index, number) in switches.signature.province_numbers.iter_mut().enumerate() {
        if let Some(digits) = bare_digits(number) {
            *number = digits;
        } else {
            let path = format!("signature.province_numbers.{index}");
            problems.push(layer.problem(&path, format!("`{number}` is not a telephone number")).hint(NUMBER_HINT));
        }
    }
    phrases(layer, "signature.extra_names", &switches.signature.extra_names, problems);
    phrases(layer, "signature.extra_consults", &switches.signature.extra_consults, problems);
    let keywords = &switches.category.keywords;
    phrases(layer, "category.keywords.corporate_image", &keywords.corporate_image, problems);
    phrases(layer, "category.keywords.third_party", &keywords.third_party, problems);
    phrases(layer, "category.keywords.single_sp", &keywords.single_sp, problems);
    phrases(layer, "optout.words", &switches.optout.words, problems);
    if switches.dedup.categories == CountedCategories::These(Vec::new()) {
        let problem = layer.problem("dedup.categories", "with an empty list no approved campaign counts");
        problems.push(problem.hint("name the categories that count, or set `once` under [mode]"));
    }
    for (index, date) in switches.holiday.extra.iter().enumerate().filter(|(_, date)| Day::parse(date).is_none()) {
        let path = format!("holiday.extra.{index}");
        problems.push(layer.problem(&path, format!("`{date}` is not a date")).hint("write it as \"2026-11-24\""));
    }
    for (index, code) in switches.exempt.rules.iter().enumerate().filter(|(_, code)| Rule::from_code(code).is_none()) {
        let path = format!("exempt.rules.{index}");
        problems.push(layer.problem(&path, format!("unknown rule `{code}`")).hint(rule_hint(code)));
    }
}

fn modes(layer: &Layer<'_>, switches: &mut Switches, problems: &mut Vec<Problem>) {
    for code in switches.mode.keys().filter(|code| *code != "default" && Rule::from_code(code).is_none()) {
        let known = Rule::ALL.into_iter().map(Rule::code).chain(["default"]);
        let problem = layer.problem(&format!("mode.{code}"), format!("unknown rule `{code}`"));
        problems.push(problem.hint(suggest::hint(code, known)));
    }
}

/// Such a phrase is looked for in the text, and nothing is found in every text.
fn phrases(layer: &Layer<'_>, path: &str, phrases: &[String], problems: &mut Vec<Problem>) {
    for (index, _) in phrases.iter().enumerate().filter(|(_, phrase)| phrase.trim().is_empty()) {
        let problem = layer.problem(&format!("{path}.{index}"), "an empty phrase would fit every text");
        problems.push(problem.hint("remove it"));
    }
}

/// What is wrong with a status for a reason, and what to do.
pub(super) fn status_fault(code: &str, status: u32) -> Option<(String, String)> {
    let hint = "take one of the specification's, such as 0x45 (ESME_RSUBMITFAIL) or 0x58 (ESME_RTHROTTLED)";
    if Reason::from_code(code).is_none() {
        let known = Reason::ALL.into_iter().map(Reason::code);
        return Some((format!("unknown reason `{code}`"), suggest::hint(code, known)));
    }
    if status == 0 {
        return Some(("0 tells the sender that the message was accepted".to_owned(), hint.to_owned()));
    }
    VENDOR_STATUSES.contains(&status).then(|| {
        (format!("{status:#x} is in the vendor range 0x400-0x4FF, which senders do not know"), hint.to_owned())
    })
}

/// The mode of every rule as the site sets it, before classes and accounts.
pub(super) fn site_mode(switches: &Switches, rule: Rule) -> Mode {
    let own = switches.mode.get(rule.code()).or_else(|| switches.mode.get("default"));
    own.copied().unwrap_or(Mode::Enforce)
}

/// "Did you mean" over the rules.
pub(super) fn rule_hint(code: &str) -> String {
    suggest::hint(code, Rule::ALL.into_iter().map(Rule::code))
}

/// How telephone numbers are written.
pub(super) const NUMBER_HINT: &str = "3 to 12 digits; hyphens, spaces and brackets may stand between them";

/// A telephone number as bare digits: `0551-1860` is `05511860`.
pub(super) fn bare_digits(text: &str) -> Option<String> {
    let between = |char: &char| matches!(char, '-' | ' ' | '(' | ')' | '\u{FF08}' | '\u{FF09}');
    let digits: String = text.chars().filter(|char| !between(char)).collect();
    let fits = (3..=12).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    fits.then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_bare_digits() {
        assert_eq!(bare_digits("0551-1860").as_deref(), Some("05511860"));
        assert_eq!(bare_digits("(0551) 6262 0000").as_deref(), Some("055162620000"));
        for text in ["", "18", "0551-186o", "+8655112345678", "1234567890123"] {
            assert_eq!(bare_digits(text), None, "{text}");
        }
    }
}
