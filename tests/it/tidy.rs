//! What keeps the tree in order: floors, sizes, and documents that cannot drift.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use smsluice::domain::Moment;
use smsluice::policy::Reason;

/// No file is longer, so that each can be read in one sitting.
const LINES_MAX: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A source file of `src/`.
struct Source {
    /// Its path below the repository.
    path: String,
    text: String,
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                walk(&entry, found);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                found.push(entry);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("src"), &mut found);
    found.sort();
    let source = |path: PathBuf| Source {
        text: std::fs::read_to_string(&path).expect("UTF-8"),
        path: path.strip_prefix(root()).expect("below the root").display().to_string(),
    };
    found.into_iter().map(source).collect()
}

impl Source {
    /// `policy` for `src/policy/rules/hours.rs`, `app` for `src/app.rs`.
    fn module(&self) -> &str {
        let inside = self.path.trim_start_matches("src/");
        inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
    }

    /// What is not a test: everything before the file's own test module.
    fn code(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }

    /// Modules that exist in tests only, as prefixes of paths.
    fn test_modules(&self) -> impl Iterator<Item = String> {
        let folder = self.path.trim_end_matches("mod.rs").trim_end_matches(".rs").trim_end_matches('/');
        let after = self.text.split("#[cfg(test)]\n").skip(1);
        let names = after.filter_map(|rest| rest.lines().next()?.split_once("mod ")?.1.strip_suffix(';'));
        names.map(move |name| format!("{folder}/{name}"))
    }
}

/// The sources that are compiled into the product.
fn product() -> Vec<Source> {
    let sources = sources();
    let tests: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
    let is_test =
        |path: &str| tests.iter().any(|test| path == format!("{test}.rs") || path.starts_with(&format!("{test}/")));
    sources.into_iter().filter(|source| !is_test(&source.path)).collect()
}

/// Every module with its place, from the table of floors in `src/lib.rs`: lower floors come first,
/// and on one floor a module may use those named before it.
fn floors() -> BTreeMap<String, usize> {
    let text = read("src/lib.rs");
    let rows =
        text.lines().filter_map(|line| line.strip_prefix("//! | ")).filter(|row| row.starts_with(char::is_numeric));
    let modules = rows.flat_map(|row| row.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    modules.enumerate().map(|(place, module)| (module, place)).collect()
}

#[test]
fn imports_point_down_only() {
    let floors = floors();
    let mut wrong = Vec::new();
    for source in product().iter().filter(|source| !matches!(source.module(), "lib" | "main")) {
        let own = source.module();
        let Some(place) = floors.get(own) else { panic!("src/lib.rs has no floor for {own}") };
        for used in source.code().split("crate::").skip(1) {
            let end = used.find(|ch: char| !(ch.is_alphanumeric() || ch == '_')).unwrap_or(used.len());
            let used = &used[..end];
            match floors.get(used) {
                _ if used == own => {}
                Some(below) if below < place => {}
                Some(_) => wrong.push(format!("{}: {own} must not use {used}", source.path)),
                None => wrong.push(format!("{}: `crate::{used}` is no module of the floors", source.path)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_stands_on_one_floor() {
    let listed: BTreeSet<String> = floors().into_keys().collect();
    let text = read("src/lib.rs");
    let declared = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';').map(str::to_owned));
    assert_eq!(declared.collect::<BTreeSet<_>>(), listed);
}

#[test]
fn no_file_is_longer_than_one_sitting() {
    let long = sources().into_iter().map(|source| (source.text.lines().count(), source.path));
    let long: Vec<_> = long.filter(|(lines, _)| *lines > LINES_MAX).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn nothing_unwraps_outside_tests() {
    let unwraps = |source: &Source| source.code().contains(".unwrap()") || source.code().contains(".unwrap_err()");
    let found: Vec<_> = product().into_iter().filter(unwraps).map(|source| source.path).collect();
    assert!(found.is_empty(), "{found:?}: an `expect` that names the invariant, or an error");
}

#[test]
fn nothing_is_left_to_do() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let found = sources().into_iter().filter(|source| marks.iter().any(|mark| source.text.contains(mark)));
    let found: Vec<_> = found.map(|source| source.path).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_reason_has_a_row_in_the_documents() {
    let text = read("docs/reasons.md");
    for reason in Reason::ALL {
        let row = |start: String| text.lines().any(|line| line.starts_with(&start));
        assert!(row(format!("| <a id=\"{reason}\"></a>`{reason}` |")), "no row in English for {reason}");
        assert!(row(format!("| `{reason}` | {} | 0x", reason.clause())), "no row in Chinese for {reason}");
    }
}

#[test]
fn every_subcommand_stands_in_the_readmes() {
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_smsluice")).arg("--help").output().expect("runs");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let commands =
        help.split("Commands:").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a list of commands");
    let entries = commands.lines().filter_map(|line| line.strip_prefix("  ").filter(|entry| !entry.starts_with(' ')));
    let names: Vec<&str> = entries.filter_map(|entry| entry.split_whitespace().next()).collect();
    assert!(names.contains(&"serve") && names.contains(&"help"), "{names:?}");
    for readme in ["README.md", "README.zh.md"] {
        let text = read(readme);
        for name in names.iter().filter(|name| **name != "help") {
            assert!(text.contains(&format!("`smsluice {name}`")), "{readme} does not mention `smsluice {name}`");
        }
    }
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let mut documents = vec!["README.md".to_owned(), "README.zh.md".to_owned(), "ARCHITECTURE.md".to_owned()];
    let docs = std::fs::read_dir(root().join("docs")).expect("docs").map(|entry| entry.expect("an entry").file_name());
    documents.extend(docs.filter_map(|name| Some(format!("docs/{}.md", name.to_str()?.strip_suffix(".md")?))));
    for document in documents {
        let folder = Path::new(&document).parent().expect("a file").to_owned();
        for link in read(&document).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let outside = target.is_empty() || target.contains("://");
            assert!(outside || root().join(&folder).join(target).exists(), "{document}: {link}");
        }
    }
}

#[test]
fn the_shipped_configuration_loads_without_a_warning() {
    let now = Moment::parse("2026-11-24T09:30:00+08:00").expect("a time");
    let environment = BTreeMap::new();
    let configuration = smsluice::config::load_with_env(&root().join("config"), &environment, now);
    let configuration = configuration.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(configuration.warnings.is_empty(), "{:?}", configuration.warnings);
}
