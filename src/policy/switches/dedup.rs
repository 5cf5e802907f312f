//! The switches of one message per subscriber and day: clause 7.1a.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::policy::content::Category;

///
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DedupSwitches {
    /// Across which senders a subscriber gets one message.
    pub scope: DedupScope,
    /// Whether a send of unknown outcome counts.
    pub unknown_outcome: UnknownOutcome,
    /// Messages per subscriber and day, 1..=100.
    pub limit: u8,
    /// Messages of which categories count.
    pub categories: CountedCategories,
}

/// Across which senders a subscriber gets one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DedupScope {
    /// All governed accounts together.
    Global,
    /// Each unit's accounts together.
    Unit,
    /// Each account.
    Account,
}

/// Whether a send of unknown outcome counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownOutcome {
    /// It counts as sent.
    Consume,
    /// Its slot is free again.
    Release,
}

/// Messages of which categories count: `"all"`, or a list. What a message is for says the approved campaign that its
/// text is; one that is none counts whatever the list says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CountedCategories {
    /// Every message.
    All,
    /// Those of these categories, and those of none.
    These(Vec<Category>),
}

impl CountedCategories {
    /// The word for all.
    pub const ALL: &str = "all";

    /// Whether all of what an account sends counts, whatever it is for.
    pub const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Whether a campaign's messages count; one of no category does.
    pub fn count(&self, category: Option<Category>) -> bool {
        match self {
            Self::All => true,
            Self::These(counted) => category.is_none_or(|own| counted.contains(&own)),
        }
    }
}

impl Default for DedupSwitches {
    fn default() -> Self {
        Self {
            scope: DedupScope::Global,
            unknown_outcome: UnknownOutcome::Consume,
            limit: 1,
            categories: CountedCategories::All,
        }
    }
}

impl Serialize for CountedCategories {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str(Self::ALL),
            Self::These(counted) => counted.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for CountedCategories {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

/// Reads the word or the list. A list of the one word is the word: so the environment writes it.
struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = CountedCategories;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`all` or a list of categories")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        match Item::read(word)? {
            Item::All => Ok(CountedCategories::All),
            Item::One(_) => Err(E::custom(format!("`{word}` is no list: write [\"{word}\"], or \"all\""))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let (mut counted, mut all) = (Vec::new(), false);
        while let Some(item) = items.next_element()? {
            match item {
                Item::All => all = true,
                Item::One(category) => counted.push(category),
            }
        }
        match (all, counted.is_empty()) {
            (true, true) => Ok(CountedCategories::All),
            (true, false) => Err(A::Error::custom("`all` stands alone: write \"all\", or the categories that count")),
            (false, _) => Ok(CountedCategories::These(counted)),
        }
    }
}

/// One word of the list.
enum Item {
    All,
    One(Category),
}

impl Item {
    fn read<E: Error>(word: &str) -> Result<Self, E> {
        const KNOWN: &[&str] = &{
            let mut words = [CountedCategories::ALL; Category::ALL.len() + 1];
            let mut at = 0;
            while at < Category::ALL.len() {
                words[at] = Category::ALL[at].code();
                at += 1;
            }
            words
        };
        match word.parse() {
            Ok(category) => Ok(Self::One(category)),
            Err(_) if word == CountedCategories::ALL => Ok(Self::All),
            Err(_) => Err(E::unknown_variant(word, KNOWN)),
        }
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(deserializer)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_and_a_list_are_read_and_written() {
        let read = |text: &str| toml::from_str::<DedupSwitches>(text).map(|switches| switches.categories);
        let these = CountedCategories::These(vec![Category::NewBusiness, Category::Voice]);
        for (text, expected) in [
            ("", CountedCategories::All),
            ("categories = \"all\"", CountedCategories::All),
            ("categories = [\"all\"]", CountedCategories::All),
            ("categories = [\"new_business\", \"voice\"]", these),
        ] {
            let found = read(text).expect("readable");
            let written = DedupSwitches { categories: found.clone(), ..DedupSwitches::default() };
            assert_eq!(toml::from_str::<DedupSwitches>(&toml::to_string(&written).unwrap()).unwrap(), written);
            assert_eq!(found, expected, "{text}");
        }
        for text in ["\"voice\"", "[\"voise\"]", "\"al\"", "[\"all\", \"voice\"]", "1", "true", "[1]"] {
            assert!(read(&format!("categories = {text}")).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_of_no_category_counts() {
        let these = CountedCategories::These(vec![Category::Voice]);
        assert!(these.count(None) && these.count(Some(Category::Voice)) && !these.count(Some(Category::Service)));
        assert!(CountedCategories::All.count(Some(Category::Service)));
    }
}
