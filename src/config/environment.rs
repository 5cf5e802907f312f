//! The environment over the files: `SMSLUICE__SMSC__ADDRESS` is `smsc.address`.
//! Values are laid over the file's by the `config` crate; lists are separated
//! by commas. Accounts cannot be set this way.

use std::collections::BTreeMap;

use config::FileFormat;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::catalogue::{self, POLICY, SETTINGS, Values};
use super::document::explain;
use super::problem::Problem;
use super::suggest;

/// What every variable begins with.
pub const PREFIX: &str = "SMSLUICE__";
/// Where problems with variables are reported.
const PLACE: &str = "environment";

/// The variables of one process that name a key: key to variable and value.
#[derive(Clone, Debug, Default)]
pub(super) struct Overrides(BTreeMap<String, (String, String)>);

impl Overrides {
    /// Picks the variables of ours out of an environment; those that name no key are reported.
    pub(super) fn select(environment: &BTreeMap<String, String>, problems: &mut Vec<Problem>) -> Self {
        let mut selected = BTreeMap::new();
        for (variable, value) in environment {
            let Some(rest) = variable.strip_prefix(PREFIX) else { continue };
            let path = rest.to_ascii_lowercase().replace("__", ".");
            match catalogue::find(&path) {
                Some(key) if key.path == path && matches!(key.values, Values::Table(..)) => {
                    let message = format!("`{path}` is a table");
                    let hint = format!("name one entry: {variable}__DEFAULT");
                    problems.push(Problem::error(PLACE, variable, message).hint(hint));
                }
                Some(_) => {
                    selected.insert(path, (variable.clone(), value.clone()));
                }
                None => problems.push(unknown(variable, &path)),
            }
        }
        Self(selected)
    }

    /// Whether a variable sets the key.
    pub(super) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// An error in the variable that sets a key.
    pub(super) fn problem(&self, path: &str, message: impl Into<String>) -> Option<Problem> {
        self.0.get(path).map(|(variable, _)| Problem::error(PLACE, variable, message))
    }

    /// Lays the variables of these keys over what the file says. A variable that does not fit is reported and left out.
    pub(super) fn lay_over<T>(&mut self, base: T, keys: &[catalogue::Key], problems: &mut Vec<Problem>) -> T
    where
        T: Serialize + DeserializeOwned,
    {
        let mut layered = base;
        let owned = |path: &str| catalogue::find(path).is_some_and(|key| keys.iter().any(|own| own.path == key.path));
        let paths: Vec<String> = self.0.keys().filter(|path| owned(path)).cloned().collect();
        for path in paths {
            match self.lay_one(&layered, &path) {
                Ok(value) => layered = value,
                Err(message) => {
                    let (message, hint) = explain(&message);
                    let hint = hint.or_else(|| catalogue::expectation(&path));
                    problems.extend(self.problem(&path, message).map(|problem| problem.maybe_hint(hint)));
                    self.0.remove(&path);
                }
            }
        }
        layered
    }

    fn lay_one<T: Serialize + DeserializeOwned>(&self, base: &T, path: &str) -> Result<T, String> {
        let file = toml::to_string(base).map_err(|error| error.to_string())?;
        let builder = config::Config::builder().add_source(config::File::from_str(&file, FileFormat::Toml));
        let text = self.0.get(path).map_or("", |(_, value)| value.trim());
        let list =
            matches!(catalogue::find(path).map(|key| key.values), Some(Values::List(_) | Values::WordOrList(..)));
        let builder = if list {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned);
            builder.set_override(path, items.collect::<Vec<String>>())
        } else {
            builder.set_override(path, text)
        };
        let whole = builder
            .and_then(config::ConfigBuilder::<config::builder::DefaultState>::build)
            .map_err(|error| error.to_string())?;
        whole.try_deserialize().map_err(|error| plain(&error))
    }
}

/// The variables of this process that begin with [`PREFIX`]; one that is not Unicode cannot be ours.
pub(super) fn of_process() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with(PREFIX)).collect()
}

fn unknown(variable: &str, path: &str) -> Problem {
    if path.starts_with("account") {
        return Problem::error(PLACE, variable, "accounts cannot be set by the environment")
            .hint("write them in accounts.toml");
    }
    let names: Vec<String> = SETTINGS
        .iter()
        .chain(POLICY)
        .map(|key| format!("{PREFIX}{}", key.path.to_ascii_uppercase().replace('.', "__")))
        .collect();
    let hint = suggest::near(variable, names.iter().map(String::as_str))
        .unwrap_or_else(|| "every key is listed in docs/configuration.md".to_owned());
    Problem::error(PLACE, variable, format!("no key `{path}` exists")).hint(hint)
}

/// The message without the key and origin that `config` adds to it.
fn plain(error: &config::ConfigError) -> String {
    match error {
        config::ConfigError::Type { unexpected, expected, .. } => {
            format!("invalid value: {unexpected}, expected {expected}")
        }
        config::ConfigError::At { error, .. } => plain(error),
        config::ConfigError::Message(message) => match message.split_once("does not have variant constructor ") {
            Some((_, word)) => format!("`{word}` is not a value of this key"),
            None => message.clone(),
        },
        other => other.to_string(),
    }
}
