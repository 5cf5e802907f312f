//! What the API answers, as tables for people.

use std::cell::Cell;

use serde_json::Value;

/// A column: English head, Chinese head, and where its value stands in a row.
pub(super) type Column = (&'static str, &'static str, &'static str);

thread_local! {
    static PLAIN: Cell<bool> = const { Cell::new(false) };
}

/// What is said, with its tables as tabs between values and without heads, if that is wanted.
pub(super) fn plainly(plain: bool, words: impl FnOnce() -> String) -> String {
    PLAIN.set(plain);
    let text = words();
    PLAIN.set(false);
    text
}

/// The rows of a list as a table with aligned columns.
pub(super) fn table(rows: &Value, columns: &[Column], chinese: bool) -> String {
    let head = columns.iter().map(|(english, zh, _)| (if chinese { *zh } else { *english }).to_owned()).collect();
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let cell = |row: &Value, pointer: &str| shown(row.pointer(pointer).unwrap_or(&Value::Null));
    let cells = rows.iter().map(|row| columns.iter().map(|(.., pointer)| cell(row, pointer)).collect());
    let head = std::iter::once(head).filter(|_| !PLAIN.get());
    aligned(&head.chain(cells).collect::<Vec<_>>())
}

/// The members of an object, one a line; members of members are named `outer.inner`.
pub(super) fn fields(object: &Value) -> String {
    fn walk(name: &str, value: &Value, lines: &mut Vec<Vec<String>>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(inner, value)| {
                let name = if name.is_empty() { inner.clone() } else { format!("{name}.{inner}") };
                walk(&name, value, lines);
            }),
            other => lines.push(vec![name.to_owned(), shown(other)]),
        }
    }
    let mut lines = Vec::new();
    walk("", object, &mut lines);
    aligned(&lines)
}

/// A value in few characters.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.chars().map(|ch| if ch.is_control() { ' ' } else { ch }).collect(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(","),
        Value::Object(members) if members.is_empty() => "-".to_owned(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// Lines of cells, each column as wide as its widest.
pub(super) fn aligned(lines: &[Vec<String>]) -> String {
    if PLAIN.get() {
        return lines.iter().map(|line| line.join("\t") + "\n").collect();
    }
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cells(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for line in lines {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cells(cell))));
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Cells of a terminal; East Asian characters take two.
fn cells(text: &str) -> usize {
    text.chars().map(|ch| if ch >= '\u{2E80}' { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_aligned_in_both_languages() {
        let rows = json!([{ "id": 1, "name": "合肥" }, { "id": 12, "list": ["a", "b"] }]);
        let columns: &[Column] = &[("id", "编号", "/id"), ("name", "名称", "/name"), ("list", "列表", "/list")];
        assert_eq!(table(&rows, columns, false), "id  name  list\n1   合肥  -\n12  -     a,b\n");
        assert_eq!(table(&rows, columns, true), "编号  名称  列表\n1     合肥  -\n12    -     a,b\n");
        assert_eq!(plainly(true, || table(&rows, columns, false)), "1\t合肥\t-\n12\t-\ta,b\n");
        assert_eq!(fields(&json!({ "a": { "b": null }, "c": "x\ny" })), "a.b  -\nc    x y\n");
    }
}
