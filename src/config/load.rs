//! From a folder to a [`Configuration`], or to everything that is wrong with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::{Moment, Msisdn, hex};
use crate::policy::Ruleset;
use crate::policy::calendar::Calendar;
use crate::policy::regions::Regions;
use crate::policy::ruleset::Identity;
use crate::policy::switches::Switches;

use super::accounts::{self, Accounts, Context, Customers};
use super::catalogue::{Key, POLICY, SETTINGS, Values};
use super::digest::Digest;
use super::document::Document;
use super::environment::{self, Overrides};
use super::layer::{Layer, Origin};
use super::problem::{Problem, Problems};
use super::settings::Settings;
use super::table::{self, Columns};
use super::{holidays, regions, switches, tokens};

/// A folder that can be used.
#[derive(Debug)]
pub struct Configuration {
    /// The folder.
    pub dir: PathBuf,
    /// `smsluice.toml` under the environment.
    pub settings: Settings,
    /// Everything a decision depends on; version 1, for the owner to count up.
    pub ruleset: Ruleset,
    /// What somebody should look at.
    pub warnings: Vec<Problem>,
    /// Where every key of `smsluice.toml` and `policy.toml` was set, those left at their default excluded.
    pub origins: BTreeMap<String, Origin>,
    /// Rows of the overlay.
    pub overlay_rows: usize,
    /// SHA-256 of all files and variables it was read from, hexadecimal.
    pub sha256: String,
    /// Reads it again.
    pub source: Source,
}

impl Configuration {
    /// The same with paths below its folder as seen from there, so that two folders can be compared.
    #[must_use]
    pub fn seen_from_its_folder(mut self) -> Self {
        let Settings { ledger, admin, .. } = &mut self.settings;
        let paths = [Some(&mut ledger.path), admin.tokens_file.as_mut(), admin.socket.as_mut()];
        for path in paths.into_iter().flatten() {
            if let Ok(below) = path.strip_prefix(&self.dir) {
                *path = below.to_owned();
            }
        }
        self
    }
}

/// Where a configuration comes from; loads it again.
#[derive(Clone)]
pub struct Source {
    dir: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Source {
    /// Loads it. `now` says which years the calendar must cover.
    pub fn load(&self, now: Moment) -> Result<Configuration, Problems> {
        load_with_env(&self.dir, &self.environment, now)
    }
}

impl std::fmt::Debug for Source {
    /// Variables can hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// Loads a folder under the environment of this process. `now` says which years the calendar must cover.
pub fn load(dir: &Path, now: Moment) -> Result<Configuration, Problems> {
    load_with_env(dir, &environment::of_process(), now)
}

/// Loads a folder under an environment.
pub fn load_with_env(
    dir: &Path,
    environment: &BTreeMap<String, String>,
    now: Moment,
) -> Result<Configuration, Problems> {
    let mut problems = Vec::new();
    let mut overrides = Overrides::select(environment, &mut problems);
    let mut loading = Loading { dir, now, problems, origins: BTreeMap::new(), digest: Digest::default() };
    for (name, value) in environment {
        loading.digest.read(&format!("${name}"), value);
    }
    let settings = loading.settings(&mut overrides);
    loading.tokens(&settings);
    let switches = loading.switches(&mut overrides);
    let (regions, overlay_rows) = loading.regions(&switches);
    let calendar = loading.calendar(&switches);
    let accounts = loading.accounts(&switches, &regions);
    let mut problems = Problems(loading.problems);
    problems.sort();
    if problems.errors() > 0 {
        return Err(problems);
    }
    let Accounts { list: accounts, by_system_id, units } = accounts;
    let identity = Identity::unique();
    let whole = loading.digest.finish();
    let digest = std::array::from_fn(|index| whole[index]);
    let ruleset = Ruleset {
        identity,
        version: 1,
        digest,
        switches,
        accounts,
        by_system_id: Arc::new(by_system_id),
        units: Arc::new(units),
        regions: Arc::new(regions),
        calendar: Arc::new(calendar),
        content: Arc::default(),
        opted_out: Arc::default(),
    };
    let (warnings, origins, sha256) = (problems.0, loading.origins, hex(&whole));
    let source = Source { dir: dir.to_owned(), environment: environment.clone() };
    Ok(Configuration { dir: dir.to_owned(), settings, ruleset, warnings, origins, overlay_rows, sha256, source })
}

/// Loads `smsluice.toml` alone under the environment of this process: for whoever looks for a running gateway.
pub fn load_settings(dir: &Path) -> Result<Settings, Problems> {
    let mut problems = Vec::new();
    let mut overrides = Overrides::select(&environment::of_process(), &mut problems);
    let mut loading =
        Loading { dir, now: Moment::from_ms(0), problems, origins: BTreeMap::new(), digest: Digest::default() };
    let settings = loading.settings(&mut overrides);
    let problems = Problems(loading.problems);
    if problems.errors() > 0 { Err(problems) } else { Ok(settings) }
}

struct Loading<'a> {
    dir: &'a Path,
    now: Moment,
    problems: Vec<Problem>,
    origins: BTreeMap<String, Origin>,
    digest: Digest,
}

impl Loading<'_> {
    /// A file's name for people, and its text; what cannot be read is reported.
    fn text(&mut self, name: &str) -> (String, Option<String>) {
        text(self.dir, name, &self.digest, &mut self.problems)
    }

    fn settings(&mut self, overrides: &mut Overrides) -> Settings {
        let (file, text) = self.text("smsluice.toml");
        let text = text.unwrap_or_default();
        let document = Document::parse(&file, &text, &mut self.problems);
        let mut layer = Layer::new(document, overrides, SETTINGS);
        let mut settings: Settings = layer.decode(&mut self.problems);
        settings.check(&layer, &mut self.problems);
        settings.ledger.path = self.dir.join(&settings.ledger.path);
        settings.admin.resolve(self.dir);
        settings.admin.check_socket(&layer, &mut self.problems);
        self.origins(&layer, SETTINGS, &[]);
        settings
    }

    /// The tokens are read anew by whoever serves the API; a file that cannot be used is a problem from the start.
    fn tokens(&mut self, settings: &Settings) {
        if let Some(file) = &settings.admin.tokens_file
            && let Err(problems) = tokens::load(file)
        {
            self.problems.extend(problems.0);
        }
    }

    fn switches(&mut self, overrides: &mut Overrides) -> Switches {
        let (file, text) = self.text("policy.toml");
        let text = text.unwrap_or_default();
        let document = Document::parse(&file, &text, &mut self.problems);
        let mut layer = Layer::new(document, overrides, POLICY);
        let mut switches: Switches = layer.decode(&mut self.problems);
        switches::check(&layer, &mut switches, &mut self.problems);
        let modes = switches.mode.keys().map(|code| ("mode", code));
        let entries = modes.chain(switches.status.keys().map(|code| ("status", code)));
        let entries: Vec<String> = entries.map(|(table, code)| format!("{table}.{code}")).collect();
        self.origins(&layer, POLICY, &entries);
        switches
    }

    fn origins(&mut self, layer: &Layer<'_>, keys: &[Key], entries: &[String]) {
        let whole = keys.iter().filter(|key| !matches!(key.values, Values::Table(..))).map(|key| key.path);
        for path in whole.chain(entries.iter().map(String::as_str)) {
            let origin = layer.origin(path);
            if origin != Origin::Default {
                self.origins.insert(path.to_owned(), origin);
            }
        }
    }

    fn regions(&mut self, switches: &Switches) -> (Regions, usize) {
        let (file, text) = self.text("cities.csv");
        let cities = text.map(|text| regions::cities(&file, &text, &mut self.problems)).unwrap_or_default();
        let mut regions = Regions::new(cities);
        // Without cities every row of the other tables would be a problem of its own.
        if regions.cities().is_empty() {
            return (regions, 0);
        }
        if let (file, Some(text)) = self.text("segments.csv") {
            regions::segments(&file, &text, &mut regions, &mut self.problems);
        }
        let mut rows = 0;
        if let Some(name) = &switches.region.overlay
            && let (file, Some(text)) = self.text(name)
        {
            rows = regions::overlay(&file, &text, &mut regions, &mut self.problems);
        }
        (regions, rows)
    }

    fn calendar(&mut self, switches: &Switches) -> Calendar {
        let (file, text) = self.text("holidays.csv");
        let Some(text) = text else { return Calendar::default() };
        holidays::calendar(&file, &text, &switches.holiday, self.now, &mut self.problems)
    }

    fn accounts(&mut self, switches: &Switches, regions: &Regions) -> Accounts {
        let (file, text) = self.text("accounts.toml");
        let Some(text) = text else { return Accounts::default() };
        let mut document = Document::parse(&file, &text, &mut self.problems);
        let customers = |name: &str, problems: &mut Vec<Problem>| customers(self.dir, name, &self.digest, problems);
        let context = Context { switches, regions, customers: &customers };
        accounts::read(&mut document, &context, &mut self.problems)
    }
}

/// A file's name for people, and its text; what cannot be read is reported.
fn text(dir: &Path, name: &str, digest: &Digest, problems: &mut Vec<Problem>) -> (String, Option<String>) {
    let path = dir.join(name);
    let file = path.display().to_string();
    let failed = match std::fs::read(&path).map(String::from_utf8) {
        // Spreadsheets begin their CSV files with a byte order mark.
        Ok(Ok(text)) => {
            digest.read(name, &text);
            return (file, Some(text.trim_start_matches('\u{FEFF}').to_owned()));
        }
        Ok(Err(_)) => Problem::error(&file, "file", "is not UTF-8").hint("save it as UTF-8"),
        Err(error) => Problem::error(&file, "file", format!("cannot be read: {error}"))
            .hint("a configuration is a folder of smsluice.toml, policy.toml, accounts.toml and CSV tables"),
    };
    problems.push(failed);
    (file, None)
}

/// A manager's customers; the numbers themselves never reach a message.
fn customers(dir: &Path, name: &str, digest: &Digest, problems: &mut Vec<Problem>) -> Option<Customers> {
    let (file, text) = text(dir, name, digest, problems);
    let mut customers = Customers::default();
    let before = problems.len();
    let columns = Columns { required: &["number"], optional: &["name", "note"] };
    table::read(&file, &text?, &columns, problems, |row| {
        let number = Msisdn::parse(0, 0, row.get("number").as_bytes(), false);
        customers.insert(number.map_err(|error| row.problem("number", error.to_string()))?);
        Ok(())
    });
    if customers.is_empty() && problems.len() == before {
        problems.push(
            Problem::error(&file, "rows", "the list holds no customer")
                .hint("remove `customers` to allow all of the city"),
        );
    }
    Some(customers)
}
