//! Finds name phrases, consultation phrases and numbers in a matching text
//! (policy reference, 3.2). Every finder is linear in the text, whatever it holds.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

use super::matching::is_ideograph;
use super::switches::{SignaturePosition, SignatureSwitches};

/// What may stand directly behind a name phrase: in 移动营业厅 the name is part of a longer word.
const FOLLOWERS: [&str; 9] = ["询", "咨询", "详询", "客服", "公司", "分公司", "通信", "退订", "敬上"];

/// What may stand between 询 and the number; longer words before their beginnings.
const SEPARATORS: [&str; 12] =
    [" ", ":", ",", "电话", "热线", "客服", "请拨打", "请拨", "请致电", "致电", "拨打", "可拨"];

/// The parts of a matching text in which a signature counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    head: usize,
    tail: usize,
}

/// A telephone number as a text gives it, reduced to its digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Number {
    digits: [u8; 12],
    length: u8, // INVARIANT: 3..=12.
}

/// 询 and a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consultation {
    /// Where it stands in the matching text.
    pub span: Range<usize>,
    /// Its number.
    pub number: Number,
}

/// All consultation phrases of a text, in order.
#[derive(Clone, Debug)]
pub struct Consultations<'a> {
    text: &'a [char],
    extra: &'a [String],
    at: usize,
}

impl Zone {
    /// The zone of a matching text of that many characters.
    pub fn of(length: usize, switches: &SignatureSwitches) -> Self {
        let zone = switches.zone as usize;
        let tail = length.saturating_sub(zone);
        match switches.position {
            SignaturePosition::Tail => Self { head: 0, tail },
            SignaturePosition::HeadOrTail => Self { head: zone.min(length), tail },
            SignaturePosition::Anywhere => Self { head: 0, tail: 0 },
        }
    }

    /// Whether a phrase lies wholly inside.
    pub const fn holds(&self, span: &Range<usize>) -> bool {
        span.start >= self.tail || span.end <= self.head
    }
}

/// The last place in the zone where the name phrase stands as a name.
pub fn find_name(text: &[char], zone: Zone, name: &str) -> Option<Range<usize>> {
    last_name(text, zone, |start| spelled_at(text, start, name.chars()))
}

/// The same for a word of the configuration, which is folded like the text.
pub fn find_extra_name(text: &[char], zone: Zone, name: &str) -> Option<Range<usize>> {
    last_name(text, zone, |start| spelled_at(text, start, configured(name)))
}

/// Whether a word of the configuration stands anywhere, whatever follows it.
pub fn says(text: &[char], word: &str) -> bool {
    (0..text.len()).any(|start| spelled_at(text, start, configured(word)).is_some())
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

fn last_name(text: &[char], zone: Zone, end: impl Fn(usize) -> Option<usize>) -> Option<Range<usize>> {
    let spans = (0..text.len()).rev().filter_map(|start| end(start).map(|end| start..end));
    spans.filter(|span| zone.holds(span)).find(|span| stands_alone(&text[span.end..]))
}

/// The end of a word that begins at `start`, its characters parted by one space or not.
fn spelled_at(text: &[char], start: usize, word: impl Iterator<Item = char>) -> Option<usize> {
    let mut at = start;
    for ch in word {
        if at > start && text.get(at) == Some(&' ') {
            at += 1;
        }
        if text.get(at) != Some(&ch) {
            return None;
        }
        at += 1;
    }
    (at > start).then_some(at)
}

fn configured(word: &str) -> impl Iterator<Item = char> {
    word.nfkc().filter(|ch| !ch.is_whitespace())
}

fn stands_alone(after: &[char]) -> bool {
    match after.first() {
        Some(next) if is_ideograph(*next) => FOLLOWERS.iter().any(|word| begins(after, word)),
        _ => true,
    }
}

fn begins(text: &[char], word: &str) -> bool {
    let mut chars = text.iter();
    word.chars().all(|ch| chars.next() == Some(&ch))
}

/// Skips whatever may stand between 询 and the number.
fn skip_separators(text: &[char], mut at: usize) -> usize {
    while let Some(word) = SEPARATORS.iter().find(|word| begins(&text[at..], word)) {
        at += word.chars().count();
    }
    at
}

/// The number at `at` and its end: with an area code first, otherwise 3 to 12 digits.
fn number_at(text: &[char], at: usize) -> Option<(Number, usize)> {
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

impl<'a> Consultations<'a> {
    /// The phrases of a matching text; `extra` are further words that introduce a number.
    pub const fn of(text: &'a [char], extra: &'a [String]) -> Self {
        Self { text, extra, at: 0 }
    }

    fn introduced_at(&self, at: usize) -> Option<usize> {
        if self.text[at] == '询' {
            return Some(at + 1);
        }
        self.extra.iter().find_map(|word| spelled_at(self.text, at, configured(word)))
    }
}

impl Iterator for Consultations<'_> {
    type Item = Consultation;

    fn next(&mut self) -> Option<Consultation> {
        while self.at < self.text.len() {
            let start = self.at;
            let Some(end) = self.introduced_at(start) else {
                self.at += 1;
                continue;
            };
            let digits = skip_separators(self.text, end);
            // What was skipped is not read again: a word inside it would lead to the same number.
            self.at = digits;
            if let Some((number, end)) = number_at(self.text, digits) {
                self.at = end;
                return Some(Consultation { span: start..end, number });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: Zone = Zone { head: 0, tail: 0 };

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    fn numbers(text: &str) -> Vec<String> {
        Consultations::of(&chars(text), &[]).map(|found| found.number.to_string()).collect()
    }

    #[test]
    fn a_name_is_no_part_of_a_longer_word() {
        for (text, found) in [
            ("合肥移动", true),
            ("移 动", true),
            ("移  动", false),
            ("移动公司", true),
            ("【移动】", true),
            ("移动详询1", true),
            ("移动敬上", true),
            ("移动 用户", true),
            ("移动营业厅", false),
            ("移动用户", false),
            ("移动网上营业厅,移动", true),
            ("移动服", false),
            ("移", false),
        ] {
            assert_eq!(find_name(&chars(text), TAIL, "移动").is_some(), found, "{text}");
            assert_eq!(find_extra_name(&chars(text), TAIL, "移 动").is_some(), found, "{text}");
        }
    }

    #[test]
    fn a_consultation_number_is_compared_as_digits() {
        for (text, found) in [
            ("询1860", &["1860"][..]),
            ("咨询电话:1860转8", &["1860"]),
            ("详询客服热线 1860。询0551 - 1860", &["1860", "05511860"]),
            ("询(0551)11111860", &["055111111860"]),
            ("询(0551-1860)", &["05511860"]),
            ("询010-12345678", &["01012345678"]),
            ("询请拨打请致电可拨13800138000", &["13800138000"]),
            ("询18", &[]),
            ("询1234567890123", &[]),
            ("询05511234567890", &[]),
            ("询0551-123456789", &["0551"]),
            ("询一八六零", &[]),
            ("询", &[]),
            ("1860", &[]),
            ("询询1860", &["1860"]),
        ] {
            assert_eq!(numbers(text), found, "{text}");
        }
    }

    #[test]
    fn other_words_can_introduce_a_number() {
        let extra = ["热线".to_owned(), "ＴＥＬ".to_owned()];
        let text = chars("热线:1860 TEL1861");
        let found: Vec<_> = Consultations::of(&text, &extra).map(|found| found.number.to_string()).collect();
        assert_eq!(found, ["1860", "1861"]);
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

    #[test]
    fn the_zone_holds_whole_phrases_only() {
        let mut switches = SignatureSwitches::default();
        let zone = Zone::of(30, &switches);
        assert!(zone.holds(&(6..10)) && !zone.holds(&(5..10)));
        switches.position = SignaturePosition::HeadOrTail;
        assert!(Zone::of(60, &switches).holds(&(20..24)) && !Zone::of(60, &switches).holds(&(21..25)));
        switches.position = SignaturePosition::Anywhere;
        assert!(Zone::of(60, &switches).holds(&(21..25)));
    }

    #[test]
    fn no_text_costs_more_than_its_length() {
        let extra = ["电话".to_owned()];
        for unit in ["询", "电话", "询电话", "1-", "(0", "0551-", "移 ", "询 ", "1"] {
            let text = chars(&unit.repeat(60_000 / unit.chars().count()));
            let started = std::time::Instant::now();
            assert!(Consultations::of(&text, &extra).count() <= text.len());
            gives_number(&text, "13800138000");
            gives_any_number(&text);
            find_name(&text, TAIL, "移动");
            assert!(started.elapsed().as_secs() < 2, "{unit}");
        }
    }
}
