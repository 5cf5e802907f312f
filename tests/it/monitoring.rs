//! Rules, dashboards and runbook against the program: nothing names a metric that does not exist, every alert has a
//! section in the runbook, every event of the log a row in its document.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let found: Vec<_> = paths.filter(|path| path.extension().is_some_and(|own| own == extension)).collect();
    assert!(!found.is_empty(), "no {extension} in {folder}");
    found
}

/// The words of a text, where a word may hold `_` and `:`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|ch: char| !(ch.is_ascii_alphanumeric() || ch == '_' || ch == ':'))
}

/// The families that docs/metrics.md lists; a test of the library holds it against what is registered.
fn families() -> BTreeSet<String> {
    let text = read("docs/metrics.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `smsluice_")?.split('`').next().map(str::to_owned));
    let families: BTreeSet<_> = rows.map(|name| format!("smsluice_{name}")).collect();
    assert!(families.len() > 40, "{families:?}");
    families
}

/// Names of recording rules.
fn recorded() -> BTreeSet<String> {
    let text = read("deploy/prometheus/rules.yml");
    text.lines().filter_map(|line| line.trim().strip_prefix("- record: ").map(str::to_owned)).collect()
}

fn alerts() -> BTreeSet<String> {
    let text = read("deploy/prometheus/rules.yml");
    text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ").map(str::to_owned)).collect()
}

/// What a text names that does not exist.
fn unknown(text: &str) -> BTreeSet<String> {
    let (families, recorded) = (families(), recorded());
    let exists = |name: &str| {
        families.contains(name)
            || recorded.contains(name)
            || ["_bucket", "_sum", "_count"]
                .iter()
                .any(|end| name.strip_suffix(end).is_some_and(|own| families.contains(own)))
    };
    let named = words(text).filter(|word| word.starts_with("smsluice_") || word.contains(":smsluice_"));
    named.filter(|name| !exists(name)).map(str::to_owned).collect()
}

#[test]
fn rules_and_dashboards_name_only_metrics_that_exist() {
    let mut paths = files("deploy/prometheus", "yml");
    paths.extend(files("deploy/grafana/dashboards", "json"));
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        let missing = unknown(&text);
        assert!(missing.is_empty(), "{}: {missing:?}", path.display());
    }
    assert_eq!(unknown("rate(smsluice_no_such_total[5m])").len(), 1, "the test can fail");
}

#[test]
fn every_alert_has_a_section_in_the_runbook_and_a_test_each_way() {
    let (runbook, tests) = (read("docs/runbook.md"), read("deploy/prometheus/rules_test.yml"));
    let alerts = alerts();
    assert!(alerts.len() > 20, "{alerts:?}");
    for alert in &alerts {
        assert!(runbook.contains(&format!("<a id=\"{alert}\"></a>")), "no section in docs/runbook.md for {alert}");
        for kind in ["fires", "stays quiet"] {
            assert!(tests.contains(&format!("- name: {alert} {kind}\n")), "no test that {alert} {kind}");
        }
    }
    let sections = runbook.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let stray: Vec<_> = sections.filter(|section| !alerts.contains(*section)).collect();
    assert!(stray.is_empty(), "sections of no alert: {stray:?}");
}

#[test]
fn every_alert_says_what_where_and_what_to_do() {
    let text = read("deploy/prometheus/rules.yml");
    let dashboards: BTreeSet<_> = files("deploy/grafana/dashboards", "json")
        .iter()
        .map(|path| format!("/d/smsluice-{}", path.file_stem().expect("a name").to_string_lossy()))
        .collect();
    for block in text.split("- alert: ").skip(1) {
        let name = block.lines().next().unwrap_or_default();
        let value = |key: &str| block.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
        for key in ["summary", "summary_zh", "description"] {
            assert!(value(key).is_some_and(|text| text.len() > 10), "{name} has no {key}");
        }
        assert_eq!(value("runbook"), Some(format!("docs/runbook.md#{name}").as_str()), "{name}");
        assert!(value("dashboard").is_some_and(|path| dashboards.contains(path)), "{name} leads to no dashboard");
    }
}

/// Every `event = "…"` below a folder.
fn events(folder: &Path, found: &mut BTreeSet<String>) {
    for path in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            events(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("UTF-8");
            let names = text.split("event = \"").skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn the_events_of_the_log_are_those_of_the_document() {
    let mut logged = BTreeSet::new();
    events(&root().join("src"), &mut logged);
    let text = read("docs/events.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<_> = rows.map(str::to_owned).collect();
    assert_eq!(logged, documented, "src/ and docs/events.md must tell of the same events");
}

#[test]
fn the_evidence_names_tests_that_exist() {
    let text = read("docs/operations-evidence.md");
    let named = text.split('`').filter_map(|word| word.split_once("::"));
    let mut count = 0;
    for (file, name) in named.filter(|(file, _)| file.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_'))
    {
        let source = read(&format!("tests/it/{file}.rs"));
        assert!(source.contains(&format!("fn {name}()")), "{file}::{name}");
        count += 1;
    }
    assert!(count > 40, "{count}");
}
