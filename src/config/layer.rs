//! A file and the environment over it: decoding, and where a key was set.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::catalogue::{Key, Values};
use super::document::Document;
use super::environment::Overrides;
use super::problem::Problem;

/// Where a key's value comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Nobody set it.
    #[default]
    Default,
    /// The file.
    File,
    /// A variable of the environment.
    Environment,
}

/// A file and the variables that name keys of it.
pub(super) struct Layer<'t> {
    document: Document<'t>,
    overrides: &'t mut Overrides,
    keys: &'static [Key],
}

impl<'t> Layer<'t> {
    /// A file of these keys under the variables.
    pub(super) fn new(document: Document<'t>, overrides: &'t mut Overrides, keys: &'static [Key]) -> Self {
        Self { document, overrides, keys }
    }

    /// The value of both.
    pub(super) fn decode<T>(&mut self, problems: &mut Vec<Problem>) -> T
    where
        T: Serialize + DeserializeOwned + Default,
    {
        let file = self.document.decode(problems);
        self.overrides.lay_over(file, self.keys, problems)
    }

    /// An error at the variable, line or table that set the key.
    pub(super) fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        // `hours.night.0` is an item of what `hours.night` set.
        let item = path.rsplit_once('.').filter(|(_, last)| last.parse::<usize>().is_ok());
        let own = item.map_or(path, |(list, _)| list);
        let message = message.into();
        self.overrides.problem(own, message.clone()).unwrap_or_else(|| self.document.problem(path, message))
    }

    /// Where the key was set.
    pub(super) fn origin(&self, path: &str) -> Origin {
        if self.overrides.has(path) {
            Origin::Environment
        } else if self.document.has(path) {
            Origin::File
        } else {
            Origin::Default
        }
    }

    /// Checks every key that must be a number of a range.
    pub(super) fn check_ranges(&self, value: &impl Serialize, problems: &mut Vec<Problem>) {
        let whole = serde_json::to_value(value).unwrap_or_default();
        for key in self.keys {
            let Values::Range(from, to) = key.values else { continue };
            let pointer = format!("/{}", key.path.replace('.', "/"));
            let number = whole.pointer(&pointer).and_then(serde_json::Value::as_u64);
            if let Some(number) = number.filter(|number| !(from..=to).contains(number)) {
                let message = format!("{number} is out of range");
                problems.push(self.problem(key.path, message).hint(format!("expected {}", key.values)));
            }
        }
    }
}
