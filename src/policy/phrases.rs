//! Finds name phrases and consultation phrases in a matching text (policy
//! reference, 3.2). Every finder is linear in the text, whatever it holds.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

use super::matching::is_ideograph;
use super::numbers::{Number, number_at};
use super::switches::{SignaturePosition, SignatureSwitches};

/// Words of two characters that may stand between 询 and the number.
const TWO: [[char; 2]; 7] =
    [['电', '话'], ['热', '线'], ['客', '服'], ['请', '拨'], ['致', '电'], ['拨', '打'], ['可', '拨']];

/// The parts of a matching text in which a signature counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    head: usize,
    tail: usize,
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
    last_name(text, zone, || name.chars())
}

/// The same for a word of the configuration, which is folded like the text.
pub fn find_extra_name(text: &[char], zone: Zone, name: &str) -> Option<Range<usize>> {
    last_name(text, zone, || configured(name))
}

/// Whether a word of the configuration stands anywhere, whatever follows it.
pub fn says(text: &[char], word: &str) -> bool {
    let Some(first) = configured(word).next() else { return false };
    let mut starts = (0..text.len()).filter(|start| text[*start] == first);
    starts.any(|start| spelled_at(text, start, configured(word)).is_some())
}

// === the parts ===

fn last_name<I>(text: &[char], zone: Zone, name: impl Fn() -> I) -> Option<Range<usize>>
where
    I: Iterator<Item = char>,
{
    let first = name().next()?;
    // Before the tail only a head can hold a name.
    let from = if zone.head == 0 { zone.tail } else { 0 };
    let starts = (from..text.len()).rev().filter(|start| text[*start] == first);
    let mut spans = starts.filter_map(|start| Some(start..spelled_at(text, start, name())?));
    spans.find(|span| zone.holds(span) && stands_alone(&text[span.end..]))
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

/// A name directly before other ideographs is part of a longer word, as in 移动营业厅, except before these.
fn stands_alone(after: &[char]) -> bool {
    !after.first().is_some_and(|next| is_ideograph(*next))
        || matches!(
            after,
            ['询', ..]
                | ['咨' | '详', '询', ..]
                | ['客', '服', ..]
                | ['公', '司', ..]
                | ['分', '公', '司', ..]
                | ['通', '信', ..]
                | ['退', '订', ..]
                | ['敬', '上', ..]
        )
}

/// Skips whatever may stand between 询 and the number, longer words before their beginnings.
fn skip_separators(text: &[char], mut at: usize) -> usize {
    loop {
        at += match &text[at..] {
            [' ' | ':' | ',', ..] => 1,
            ['请', '拨', '打', ..] | ['请', '致', '电', ..] => 3,
            [first, second, ..] if TWO.contains(&[*first, *second]) => 2,
            _ => return at,
        };
    }
}

impl<'a> Consultations<'a> {
    /// The phrases of a matching text; `extra` are further words that introduce a number.
    pub const fn of(text: &'a [char], extra: &'a [String]) -> Self {
        Self { text, extra, at: 0 }
    }

    /// The next 询, or word of the configuration, and its end.
    fn introduction(&self) -> Option<Range<usize>> {
        if self.extra.is_empty() {
            let start = self.at + self.text[self.at..].iter().position(|ch| *ch == '询')?;
            return Some(start..start + 1);
        }
        (self.at..self.text.len()).find_map(|start| {
            if self.text[start] == '询' {
                return Some(start..start + 1);
            }
            let end = self.extra.iter().find_map(|word| spelled_at(self.text, start, configured(word)))?;
            Some(start..end)
        })
    }
}

impl Iterator for Consultations<'_> {
    type Item = Consultation;

    fn next(&mut self) -> Option<Consultation> {
        while let Some(Range { start, end }) = self.introduction() {
            let digits = skip_separators(self.text, end);
            // What was skipped is not read again: a word inside it would lead to the same number.
            self.at = digits;
            if let Some((number, end)) = number_at(self.text, digits) {
                self.at = end;
                return Some(Consultation { span: start..end, number });
            }
        }
        self.at = self.text.len();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::numbers::{gives_any_number, gives_number};

    const TAIL: Zone = Zone { head: 0, tail: 0 };

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn a_word_of_no_characters_stands_nowhere() {
        assert_eq!(spelled_at(&chars("移动"), 0, "".chars()), None);
        assert_eq!(spelled_at(&chars("移 动"), 0, "移动".chars()), Some(3));
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
