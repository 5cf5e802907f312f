//! Floor 4: settings. A configuration is a folder; loading it gives everything
//! the gateway needs, or every problem it has with file, line, key and advice.
//! A folder with a single error is refused as a whole (promise P10).

mod accounts;
pub mod catalogue;
pub mod diff;
mod digest;
mod document;
mod effective;
mod environment;
mod holidays;
mod layer;
pub mod live;
mod load;
mod modes;
mod problem;
pub mod reference;
mod regions;
pub mod reload;
pub mod settings;
mod sources;
mod suggest;
mod switches;
mod table;
#[cfg(test)]
mod tests;
pub mod tokens;

pub use effective::{AccountLine, Setting, accounts, effective, settings_in_force, switches_in_force, switches_of};
pub use environment::PREFIX as ENVIRONMENT_PREFIX;
pub use layer::Origin;
pub use load::{Configuration, Source, load, load_settings, load_with_env};
pub use problem::{Excerpt, Problem, Problems, Severity};
pub use reload::{AnotherVersion, Attempt, InForce, Reloaded, Reloader};
pub use settings::Settings;
