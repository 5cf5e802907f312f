//! Keeps docs/no-bypass.md and what it refers to in step.

use std::collections::BTreeSet;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn names(folder: &str, ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(ending)).collect()
}

/// Whether a name is meant by a reference in which one `*` may stand for anything.
fn is_meant(name: &str, reference: &str) -> bool {
    match reference.split_once('*') {
        None => name == reference,
        Some((before, after)) => {
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_scenario_and_frame_is_referred_to() {
    let page = std::fs::read_to_string(root().join("docs/no-bypass.md")).expect("docs/no-bypass.md");
    let (frames, scenarios) = (names("tests/pdus", ".hex"), names("tests/scenarios", ".md"));
    let (mut missing, mut meant) = (Vec::new(), BTreeSet::new());
    for reference in page.split('`').skip(1).step_by(2) {
        let (file, place) = reference.split_once('#').unwrap_or((reference, ""));
        let ending = Path::new(file).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if ending == "hex" {
            let found: Vec<_> = frames.iter().filter(|name| is_meant(name, file)).cloned().collect();
            if found.is_empty() {
                missing.push(reference);
            }
            meant.extend(found);
        } else if matches!(ending, "md" | "rs") {
            let folder = if ending == "md" { "tests/scenarios" } else { "tests/it" };
            let text = std::fs::read_to_string(root().join(folder).join(file)).unwrap_or_default();
            // A row of a table, or a test, has the words that stand behind the `#`.
            let has = |line: &str| match folder {
                "tests/it" => line.contains(&format!("fn {place}(")),
                _ => line.starts_with('|') && line.contains(place),
            };
            if text.is_empty() || !(place.is_empty() || text.lines().any(has)) {
                missing.push(reference);
            }
            meant.insert(file.to_owned());
        }
    }
    assert!(missing.is_empty(), "docs/no-bypass.md names what is not there: {missing:#?}");
    let unnamed: Vec<_> = frames.union(&scenarios).filter(|name| !meant.contains(*name)).collect();
    assert!(unnamed.is_empty(), "docs/no-bypass.md does not name {unnamed:#?}");
}

#[test]
fn every_row_has_all_its_cells() {
    let page = std::fs::read_to_string(root().join("docs/no-bypass.md")).expect("docs/no-bypass.md");
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert!(cells.len() == 5 && cells.iter().all(|cell| !cell.is_empty()), "{row}");
    }
}
