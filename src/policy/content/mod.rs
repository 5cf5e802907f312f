//! The registered and approved texts (policy reference, 3.7; clauses 5.1.1, 5.2, 7.8), compiled for the path of a message.
//!
//! A text without variables is found by its hash. One with variables is found by four characters of it that stand in
//! few others ([`anchors`]), then compared ([`pattern`]). The whole is immutable and part of the ruleset: each change of
//! the registry makes another, which shares the patterns of the one before.

mod anchors;
mod category;
pub mod fold;
pub mod pattern;

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::Moment;

use self::anchors::Anchors;
pub use self::category::Category;
pub use self::pattern::{Pattern, PatternError};

/// What is known of the texts that may be sent.
#[derive(Debug, Default)]
pub struct Content {
    /// Counts up with every change of the registry; 0 where there has never been one.
    generation: u64,
    campaigns: Vec<Campaign>,
    /// Campaigns without variables by the hash of their text: a range of `exact`.
    by_hash: HashMap<u64, (u32, u32), foldhash::fast::RandomState>,
    exact: Vec<u32>,
    anchors: Anchors,
}

/// One registered text with what decides whether it may be sent.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Its number in the registry.
    pub number: u32,
    /// The applying unit (F1).
    pub unit: Arc<str>,
    /// The city of a city campaign, by its slug.
    pub city: Option<Arc<str>>,
    /// What it is for.
    pub category: Option<Category>,
    /// How far it has come.
    pub standing: Standing,
    /// When it may be sent (F13, else F7).
    pub window: Option<Period>,
    /// Its text (F8).
    pub pattern: Arc<Pattern>,
}

/// How far a registered text has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In the knowledge base (7.8), and no more.
    Registered,
    /// Approved (5.1.1, 5.2).
    Approved,
}

/// A span of time, the end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first moment.
    pub from: Moment,
    /// The first moment behind it.
    pub until: Moment,
}

impl Period {
    /// Whether a moment lies in it.
    pub fn contains(self, moment: Moment) -> bool {
        (self.from..self.until).contains(&moment)
    }
}

impl Content {
    /// Compiles the campaigns that may count. Not for the path of a message: tens of milliseconds for a hundred thousand.
    pub fn new(generation: u64, campaigns: Vec<Campaign>) -> Self {
        let mut exact: Vec<(u64, u32)> = Vec::new();
        let mut with_variables = Vec::new();
        for (index, campaign) in campaigns.iter().enumerate() {
            if campaign.pattern.is_exact() {
                let text = campaign.pattern.literals().next().unwrap_or_default();
                exact.push((hash(text), index as u32));
            } else {
                with_variables.push((index as u32, &*campaign.pattern));
            }
        }
        exact.sort_unstable();
        let mut by_hash = HashMap::with_capacity_and_hasher(exact.len(), foldhash::fast::RandomState::default());
        for (at, (hash, _)) in exact.iter().enumerate() {
            by_hash.entry(*hash).or_insert((at as u32, at as u32)).1 = at as u32 + 1;
        }
        let anchors = Anchors::new(&with_variables);
        let exact = exact.into_iter().map(|(_, index)| index).collect();
        Self { generation, campaigns, by_hash, exact, anchors }
    }

    /// Counts up with every change of the registry.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether there is nothing to hold a text against.
    pub const fn is_empty(&self) -> bool {
        self.campaigns.is_empty()
    }

    /// Campaigns that count.
    pub const fn len(&self) -> usize {
        self.campaigns.len()
    }

    /// The campaigns of a unit (of every unit, if none is named) whose text this is, into `found`, which is emptied
    /// first. The text is folded as [`fold::content_text`] does.
    pub fn find(&self, text: &[char], unit: Option<&str>, found: &mut Vec<u32>) {
        found.clear();
        if self.campaigns.is_empty() {
            return;
        }
        let mut fits = |index: u32| {
            let campaign = &self.campaigns[index as usize];
            if unit.is_none_or(|unit| *campaign.unit == *unit) && !found.contains(&index) && campaign.pattern.fits(text)
            {
                found.push(index);
            }
        };
        if let Some((from, to)) = self.by_hash.get(&hash(text)) {
            self.exact[*from as usize..*to as usize].iter().for_each(|index| fits(*index));
        }
        self.anchors.candidates(text, fits);
    }

    /// The campaigns that [`Content::find`] has found.
    pub fn of<'a>(&'a self, found: &'a [u32]) -> impl Iterator<Item = &'a Campaign> + Clone {
        found.iter().filter_map(|index| self.campaigns.get(*index as usize))
    }

    /// Of a unit's campaigns (or of all) the one that a text is most of, and how many characters of the text it is: for a
    /// hint to people. Looks at every campaign.
    pub fn nearest(&self, text: &[char], unit: Option<&str>) -> Option<(&Campaign, usize)> {
        let own = self.campaigns.iter().filter(|campaign| unit.is_none_or(|unit| *campaign.unit == *unit));
        let reached = own.map(|campaign| (campaign, campaign.pattern.reach(text)));
        reached
            .filter(|(_, reach)| *reach > 0)
            .max_by_key(|(campaign, reach)| (*reach, std::cmp::Reverse(campaign.number)))
    }
}

/// The hash of a text, its line breaks taken as spaces.
fn hash(text: &[char]) -> u64 {
    text.iter().fold(text.len() as u64, |hash, ch| {
        let ch = if *ch == fold::BREAK { ' ' } else { *ch };
        (hash.rotate_left(5) ^ u64::from(ch)).wrapping_mul(0x517C_C1B7_2722_0A95)
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An approved campaign of a unit at all times.
    pub(crate) fn approved(number: u32, unit: &str, text: &str) -> Campaign {
        let pattern = Arc::new(Pattern::parse(text).expect("a template"));
        let window = Some(Period { from: Moment::from_ms(i64::MIN), until: Moment::from_ms(i64::MAX) });
        let (city, category, standing) = (None, None, Standing::Approved);
        Campaign { number, unit: unit.into(), city, category, standing, window, pattern }
    }

    fn found(content: &Content, text: &str, unit: Option<&str>) -> Vec<u32> {
        let (mut folded, mut found) = (Vec::new(), Vec::new());
        fold::content_text(&text.chars().collect::<Vec<_>>(), &mut folded);
        content.find(&folded, unit, &mut found);
        let mut numbers: Vec<u32> = content.of(&found).map(|campaign| campaign.number).collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn a_text_is_found_by_unit_and_every_campaign_of_it_is() {
        let text = "新营业厅开业。合肥移动";
        let content = Content::new(
            3,
            vec![
                approved(1, "hefei", text),
                approved(2, "hefei", "{店名}营业厅开业。合肥移动"),
                approved(3, "wuhu", text),
                approved(4, "hefei", text),
                approved(5, "hefei", "{a}动"),
                approved(6, "hefei", "新{a}业{b}移{c}"),
            ],
        );
        assert_eq!(found(&content, text, Some("hefei")), [1, 2, 4, 5, 6]);
        assert_eq!(found(&content, text, Some("wuhu")), [3]);
        assert_eq!(found(&content, text, None), [1, 2, 3, 4, 5, 6]);
        assert_eq!(found(&content, "新营业厅开业。\n合肥移动", Some("hefei")), [0; 0]);
        assert!(found(&content, text, Some("bozhou")).is_empty());
        assert!(found(&Content::default(), text, None).is_empty());
        assert_eq!((content.len(), content.generation()), (6, 3));
        let nearest = |text: &str| {
            let chars: Vec<char> = text.chars().collect();
            content.nearest(&chars, Some("hefei")).map(|(campaign, reach)| (campaign.number, reach))
        };
        assert_eq!(nearest("新营业厅开张。合肥联通"), Some((1, 5)));
        assert_eq!(nearest("一二三"), None);
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_fits(
            templates in proptest::collection::vec("[ab甲]{0,3}(\\{v\\})?[ab甲乙 ]{1,6}(\\{v\\})?[ab甲]{0,5}", 1..12),
            text in "[ab甲乙 \n]{0,16}",
            own in 0..12usize,
        ) {
            let campaigns: Vec<Campaign> = templates
                .iter()
                .enumerate()
                .filter(|(_, template)| Pattern::parse(template).is_ok())
                .map(|(number, template)| approved(number as u32, "u", template))
                .collect();
            let text = templates.get(own).map_or(text, |template| template.replace("{v}", "乙乙"));
            let mut folded = Vec::new();
            fold::content_text(&text.chars().collect::<Vec<_>>(), &mut folded);
            let fitting: Vec<u32> =
                campaigns.iter().filter(|one| one.pattern.fits(&folded)).map(|one| one.number).collect();
            prop_assert_eq!(found(&Content::new(1, campaigns), &text, None), fitting);
        }
    }
}
