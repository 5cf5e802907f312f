//! A registered text as it is compared (policy reference, 3.7): literal characters, and variables `{…}` that match up
//! to 20 characters each, none of them a line break.
//!
//! Whether a text fits is found in one pass over the pattern: of each literal all places are kept that it can stand at,
//! as bits, and the next one is looked for from all of them at once. So nothing is tried twice, whatever the text.

use super::fold::{self, BREAK};

/// Characters that one variable matches at most.
pub const VARIABLE_MAX: usize = 20;
/// Characters of a template at most, the variables' names included.
pub const TEMPLATE_MAX: usize = 1000;
/// Variables of a template at most.
pub const VARIABLES_MAX: usize = 32;
/// Positions in the longest text that can fit: behind each of its characters, and before the first.
const PLACES: usize = TEMPLATE_MAX + VARIABLES_MAX * VARIABLE_MAX + 1;

/// A text that was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What the text begins with.
    head: Box<[char]>,
    /// What follows, each behind a gap of variables; only the last may be empty.
    rest: Box<[Piece]>,
    /// Characters of a text that fits.
    shortest: u32,
    longest: u32,
}

/// Some variables and the literal behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    /// Characters that the variables take at most.
    gap: u32,
    literal: Box<[char]>,
}

/// Why a text cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// There is nothing in it.
    #[error("the content is empty")]
    Empty,
    /// More than [`TEMPLATE_MAX`] characters.
    #[error("the content has more than {TEMPLATE_MAX} characters")]
    TooLong,
    /// More than [`VARIABLES_MAX`] variables.
    #[error("the content has more than {VARIABLES_MAX} variables")]
    TooManyVariables,
    /// A brace without its other, or one within another.
    #[error("the braces of the variables do not pair: write {{name}}")]
    Braces,
    /// Nothing but variables: it would fit every short text.
    #[error("the content has nothing but variables")]
    OnlyVariables,
}

/// A template on its way to a pattern.
#[derive(Default)]
struct Reading {
    head: Option<Vec<char>>,
    rest: Vec<Piece>,
    /// What has been read since the last variable.
    literal: Vec<char>,
    /// What the variables before it take.
    gap: u32,
    variables: usize,
}

impl Reading {
    fn variable(&mut self) {
        self.variables += 1;
        if self.head.is_none() {
            self.head = Some(std::mem::take(&mut self.literal));
        } else if !self.literal.is_empty() {
            self.rest.push(Piece { gap: self.gap, literal: std::mem::take(&mut self.literal).into() });
            self.gap = 0;
        }
        self.gap += VARIABLE_MAX as u32;
    }

    fn finish(mut self) -> (Box<[char]>, Box<[Piece]>) {
        match self.head {
            None => (self.literal.into(), Box::default()),
            Some(head) => {
                self.rest.push(Piece { gap: self.gap, literal: self.literal.into() });
                (head.into(), self.rest.into())
            }
        }
    }
}

impl Pattern {
    /// Reads a registered text. It is folded first, so full-width braces are braces too.
    pub fn parse(template: &str) -> Result<Self, PatternError> {
        let chars: Vec<char> = template.chars().take(4 * TEMPLATE_MAX).collect();
        let mut folded = Vec::new();
        fold::content_text(&chars, &mut folded);
        fold::without_breaks(&mut folded);
        if folded.is_empty() {
            return Err(PatternError::Empty);
        }
        if folded.len() > TEMPLATE_MAX {
            return Err(PatternError::TooLong);
        }
        let mut reading = Reading::default();
        let mut chars = folded.into_iter();
        while let Some(ch) = chars.next() {
            match ch {
                '{' => {
                    // What a variable is called matters to people only.
                    if chars.find(|ch| matches!(ch, '{' | '}')) != Some('}') {
                        return Err(PatternError::Braces);
                    }
                    reading.variable();
                }
                '}' => return Err(PatternError::Braces),
                ch => reading.literal.push(ch),
            }
        }
        if reading.variables > VARIABLES_MAX {
            return Err(PatternError::TooManyVariables);
        }
        let (head, rest) = reading.finish();
        Self::of(head, rest)
    }

    fn of(head: Box<[char]>, rest: Box<[Piece]>) -> Result<Self, PatternError> {
        let literals = || std::iter::once(&head).chain(rest.iter().map(|piece| &piece.literal));
        if literals().all(|literal| literal.iter().all(|ch| *ch == ' ')) {
            return Err(PatternError::OnlyVariables);
        }
        let shortest = literals().map(|literal| literal.len() as u32).sum();
        let longest = shortest + rest.iter().map(|piece| piece.gap).sum::<u32>();
        Ok(Self { head, rest, shortest, longest })
    }

    /// Whether it has no variables, so that a text fits if and only if it is the same.
    pub fn is_exact(&self) -> bool {
        self.rest.is_empty()
    }

    /// The literals, in their order.
    pub fn literals(&self) -> impl Iterator<Item = &[char]> {
        std::iter::once(&*self.head).chain(self.rest.iter().map(|piece| &*piece.literal))
    }

    /// Whether a text fits. It is folded as [`fold::content_text`] does.
    pub fn fits(&self, text: &[char]) -> bool {
        if !(self.shortest as usize..=self.longest as usize).contains(&text.len()) || !begins(text, &self.head) {
            return false;
        }
        if self.rest.is_empty() {
            return true; // its only length
        }
        let mut ends = Places::default();
        ends.insert(self.head.len());
        self.rest.iter().all(|piece| ends.step(text, piece)) && ends.has(text.len())
    }

    /// How many characters of a text fit at most before it departs from the pattern: for a hint to people.
    pub fn reach(&self, text: &[char]) -> usize {
        let common = |from: usize, literal: &[char]| {
            text.get(from..)
                .unwrap_or_default()
                .iter()
                .zip(literal)
                .take_while(|(own, other)| same(**own, **other))
                .count()
        };
        let within = text.len().min(PLACES - 1);
        let mut reach = common(0, &self.head);
        if reach < self.head.len() || within < text.len() {
            return reach;
        }
        let mut ends = Places::default();
        ends.insert(self.head.len());
        for piece in &self.rest {
            let starts = ends.behind(text, piece.gap);
            let ends_at = |at: usize| match common(at, &piece.literal) {
                0 if !piece.literal.is_empty() => None,
                more => Some(at + more),
            };
            reach = starts.iter(within).filter_map(ends_at).fold(reach, usize::max);
            if !ends.step(text, piece) {
                break;
            }
        }
        reach
    }
}

/// Whether a text begins with a literal.
fn begins(text: &[char], literal: &[char]) -> bool {
    text.len() >= literal.len() && text.iter().zip(literal).all(|(own, other)| same(*own, *other))
}

/// A line break is white space like any other, where it is not in a variable.
fn same(of_text: char, of_literal: char) -> bool {
    of_text == of_literal || of_text == BREAK && of_literal == ' '
}

/// Positions in a text.
struct Places([u64; PLACES.div_ceil(64)]);

impl Default for Places {
    fn default() -> Self {
        Self([0; PLACES.div_ceil(64)])
    }
}

impl Places {
    fn insert(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn has(&self, at: usize) -> bool {
        self.0[at / 64] & 1 << (at % 64) != 0
    }

    fn iter(&self, to: usize) -> impl Iterator<Item = usize> {
        (0..=to).filter(|at| self.has(*at))
    }

    /// From where one literal can end to where the next can; `false` if it can nowhere.
    fn step(&mut self, text: &[char], piece: &Piece) -> bool {
        let starts = self.behind(text, piece.gap);
        *self = Self::default();
        let mut any = false;
        for at in starts.iter(text.len().saturating_sub(piece.literal.len())) {
            if begins(&text[at..], &piece.literal) {
                self.insert(at + piece.literal.len());
                any = true;
            }
        }
        any
    }

    /// Every position that is reached from these over at most `gap` characters without a line break.
    fn behind(&self, text: &[char], gap: u32) -> Self {
        let mut reached = Self::default();
        let mut left = None;
        for at in 0..=text.len() {
            if self.has(at) {
                left = Some(gap);
            }
            let Some(more) = left else { continue };
            reached.insert(at);
            left = more.checked_sub(1).filter(|_| text.get(at) != Some(&BREAK));
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str) -> Vec<char> {
        let mut out = Vec::new();
        fold::content_text(&text.chars().collect::<Vec<_>>(), &mut out);
        out
    }

    fn fits(template: &str, text: &str) -> bool {
        Pattern::parse(template).expect("a template").fits(&folded(text))
    }

    #[test]
    fn a_text_fits_as_the_reference_says() {
        let twenty = "二十个字二十个字二十个字二十个字二十个字";
        for (template, text, expected) in [
            ("您好。安徽移动", "您好。安徽移动", true),
            ("您好。安徽移动", "您好。安徽移动!", false),
            ("您好 ,１０元", " 您好\u{3000}\u{a0},10元\n", true),
            ("您好 请", "您好\r\n请", true),
            ("{姓名}您好", "您好", true),
            ("{姓名}您好", "张三您好", true),
            ("｛姓名｝您好", "张三您好", true),
            ("{姓名}您好", &format!("{twenty}您好"), true),
            ("{姓名}您好", &format!("{twenty}一您好"), false),
            ("{a}{b}您好", &format!("{twenty}{twenty}您好"), true),
            ("{a}{b}您好", &format!("{twenty}{twenty}一您好"), false),
            ("请{a}收", "请张\n三收", false),
            ("请{a} 收", "请张三\n收", true),
            ("请{a}收", "请张 三收", true),
            ("请 {a} 收", "请 收", false),
            ("{a}于{b}到", "于于到", true),
            ("{a}于{b}到", "012345于0123456789012于01234567890到", true),
            ("移动", "移\u{200b}动", false),
        ] {
            assert_eq!(fits(template, text), expected, "{template} | {text}");
        }
    }

    #[test]
    fn what_cannot_be_registered_is_refused() {
        let many = "{a}一".repeat(VARIABLES_MAX + 1);
        for (template, error) in [
            ("", PatternError::Empty),
            (" \n", PatternError::Empty),
            ("{a}", PatternError::OnlyVariables),
            ("{a} {b}", PatternError::OnlyVariables),
            ("{a", PatternError::Braces),
            ("a}", PatternError::Braces),
            ("{a{b}}", PatternError::Braces),
            ("{a}}x", PatternError::Braces),
            (&"字".repeat(TEMPLATE_MAX + 1), PatternError::TooLong),
            (&many, PatternError::TooManyVariables),
        ] {
            assert_eq!(Pattern::parse(template), Err(error), "{template}");
        }
        assert!(Pattern::parse(&"字".repeat(TEMPLATE_MAX)).is_ok_and(|pattern| pattern.is_exact()));
        assert!(Pattern::parse(&"{a}一".repeat(VARIABLES_MAX)).is_ok());
    }

    #[test]
    fn the_longest_text_of_the_widest_template_has_a_place() {
        let template = format!("{}{}", "字".repeat(TEMPLATE_MAX - 3 * VARIABLES_MAX), "{a}".repeat(VARIABLES_MAX));
        let text = format!("{}{}", "字".repeat(TEMPLATE_MAX - 3 * VARIABLES_MAX), "变".repeat(20 * VARIABLES_MAX));
        assert!(fits(&template, &text) && !fits(&template, &(text.clone() + "变")));
        assert_eq!(Pattern::parse(&template).expect("a template").reach(&folded(&text)), text.chars().count());
        assert!(!fits("{a}字", &"字".repeat(40_000)));
        assert_eq!(Pattern::parse("{a}字").expect("a template").reach(&folded(&"字".repeat(40_000))), 0);
    }

    #[test]
    fn a_hint_says_how_far_a_text_is_the_registered_one() {
        let pattern = Pattern::parse("尊敬的{姓名},本月套餐{名}优惠。安徽移动").expect("a template");
        assert_eq!(pattern.reach(&folded("尊敬的张三,本月套餐流量优惠。安徽移动")), 19);
        assert_eq!(pattern.reach(&folded("尊敬的张三,本月资费流量")), 8);
        assert_eq!(pattern.reach(&folded("您好")), 0);
    }

    /// The definition, told once more and as slowly as it is meant: of the template's characters the first decides.
    fn by_the_definition(template: &[char], text: &[char]) -> bool {
        match template {
            [] => text.is_empty(),
            ['{', rest @ ..] => {
                let behind = &rest[rest.iter().position(|ch| *ch == '}').expect("a template") + 1..];
                (0..=text.len().min(20))
                    .take_while(|taken| !text[..*taken].contains(&'\n'))
                    .any(|taken| by_the_definition(behind, &text[taken..]))
            }
            [own, rest @ ..] => match text {
                [first, others @ ..] => {
                    (first == own || (*own == ' ' && *first == '\n')) && by_the_definition(rest, others)
                }
                [] => false,
            },
        }
    }

    /// Templates and texts of so few different characters that they often fit, and texts made from the template.
    fn pairs() -> impl Strategy<Value = (String, String)> {
        let piece = prop_oneof![3 => "[ab ]{1,3}".boxed(), 2 => Just("{v}".to_owned()).boxed()];
        let template = proptest::collection::vec(piece, 1..7).prop_map(|pieces| pieces.concat());
        (template, "[ab \n]{0,30}", proptest::collection::vec("[ab \n]{0,22}", 7)).prop_map(
            |(template, other, values)| {
                let mut values = values.into_iter();
                let mut text = template.clone();
                while text.contains("{v}") {
                    text = text.replacen("{v}", &values.next().unwrap_or_default(), 1);
                }
                (template, if other.len() % 3 == 0 { other } else { text })
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_text_fits_exactly_when_the_definition_says_so((template, text) in pairs()) {
            let Ok(pattern) = Pattern::parse(&template) else { return Ok(()) };
            let (text, mut plain) = (folded(&text), folded(&template));
            fold::without_breaks(&mut plain);
            prop_assert_eq!(pattern.fits(&text), by_the_definition(&plain, &text));
        }

        #[test]
        fn no_template_and_no_text_makes_it_panic(template in "[{}ab\n 字\u{fe5b}]{0,60}", text in "\\PC{0,80}") {
            if let Ok(pattern) = Pattern::parse(&template) {
                let text = folded(&text);
                prop_assert!(pattern.reach(&text) <= text.len());
                prop_assert!(!pattern.fits(&text) || pattern.reach(&text) <= text.len());
            }
        }
    }
}
