//! A TOML file with the place of every key and value, decoded strictly: what
//! does not fit is reported and cut out, so that one mistake hides no other.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Excerpt, Problem};
use super::{catalogue, suggest};

/// Mistakes of one file that are reported; a file with more is not a slip but another file.
const MISTAKES_MAX: usize = 64;

/// A TOML file as read.
pub(super) struct Document<'t> {
    file: String,
    text: &'t str,
    /// What is left after everything unfit was cut out.
    root: Spanned<DeTable<'t>>,
    /// Whether something could not be read.
    broken: bool,
    /// What was cut out, by path.
    removed: Vec<String>,
}

impl<'t> Document<'t> {
    /// Reads the syntax; all errors are reported.
    pub(super) fn parse(file: &str, text: &'t str, problems: &mut Vec<Problem>) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let document = Self { file: file.to_owned(), text, root, broken: !errors.is_empty(), removed: Vec::new() };
        for error in errors.iter().take(MISTAKES_MAX) {
            let span = error.span().unwrap_or(0..0);
            problems.push(document.problem_in(span, "syntax", error.message()));
        }
        document
    }

    /// Decodes strictly. Whatever is unknown or of the wrong kind is reported and left at its default.
    pub(super) fn decode<T: DeserializeOwned + Default>(&mut self, problems: &mut Vec<Problem>) -> T {
        // What stands around a syntax error is a guess; its keys would be reported at random.
        let mistakes_max = if self.broken { 0 } else { MISTAKES_MAX };
        for _ in 0..mistakes_max {
            let error = match T::deserialize(toml::Deserializer::from(self.root.clone())) {
                Ok(value) => return value,
                Err(error) => error,
            };
            self.broken = true;
            let span = error.span().unwrap_or(0..0);
            let mut path = Vec::new();
            let removed = cut(self.root.get_mut(), &span, &mut path);
            let key = if path.is_empty() { "file".to_owned() } else { without_indices(&path.join(".")) };
            self.removed.push(path.join("."));
            problems.push(self.explained(span, key, error.message()));
            if !removed {
                break;
            }
        }
        T::default()
    }

    /// Whether something could not be read.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether something was cut out of a table, so that a key missing there proves nothing: it may be misspelt.
    pub(super) fn is_cut(&self, table: &str) -> bool {
        let inside = |path: &String| path.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'));
        self.removed.iter().any(inside)
    }

    /// Whether the file holds the key; `account.0.city` reaches into lists.
    pub(super) fn has(&self, path: &str) -> bool {
        self.span(path).is_some()
    }

    /// An error at a key's value, or at the nearest table around it that exists.
    pub(super) fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        let mut around = path;
        let span = loop {
            if let Some(span) = self.span(around) {
                break Some(span);
            }
            match around.rsplit_once('.') {
                Some((outer, _)) => around = outer,
                None => break None,
            }
        };
        let key = without_indices(path);
        match span {
            Some(span) => self.problem_in(span, key, message),
            None => Problem::error(&self.file, key, message),
        }
    }

    fn problem_in(&self, span: Range<usize>, key: impl Into<String>, message: impl Into<String>) -> Problem {
        let start = floor(self.text, span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |index| index + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |index| start + index);
        let end = floor(self.text, span.end).clamp(start, line_end);
        let mut problem = Problem::error(&self.file, key, message);
        problem.line = Some(self.text[..start].matches('\n').count() as u32 + 1);
        problem.column = Some(self.text[line_start..start].chars().count() as u32 + 1);
        problem.excerpt = Some(Box::new(Excerpt {
            text: self.text[line_start..line_end].trim_end().to_owned(),
            width: self.text[start..end].chars().count(),
        }));
        problem
    }

    /// The reader's words as ours.
    fn explained(&self, span: Range<usize>, key: String, message: &str) -> Problem {
        let (message, hint) = explain(message);
        let hint = hint.or_else(|| catalogue::expectation(&key));
        self.problem_in(span, key, message).maybe_hint(hint)
    }

    fn span(&self, path: &str) -> Option<Range<usize>> {
        let mut steps = path.split('.');
        let mut at = self.root.get_ref().get(steps.next()?)?;
        for step in steps {
            at = match (at.get_ref(), step.parse::<usize>()) {
                (DeValue::Array(list), Ok(index)) => list.get(index)?,
                (DeValue::Table(table), _) => table.get(step)?,
                _ => return None,
            };
        }
        Some(at.span())
    }
}

/// A path as people name it: `account.0.city` is `account.city`, the line says which.
fn without_indices(path: &str) -> String {
    path.split('.').filter(|step| step.parse::<usize>().is_err()).collect::<Vec<_>>().join(".")
}

/// Splits a serde message into what is wrong and what to do.
pub(super) fn explain(message: &str) -> (String, Option<String>) {
    let ticked: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if let [word, known @ ..] = &ticked[..] {
        if message.starts_with("unknown field") {
            return (format!("unknown key `{word}`"), Some(suggest::hint(word, known.iter().copied())));
        }
        if message.starts_with("unknown variant") {
            return (format!("`{word}` is not a value of this key"), Some(suggest::hint(word, known.iter().copied())));
        }
    }
    // Our own readers of windows, networks and durations end with how to write it.
    match message.split_once(": write ") {
        Some((what, how)) => (what.to_owned(), Some(format!("write {how}"))),
        None => (message.to_owned(), None),
    }
}

/// Cuts the innermost entry that covers the span out of a table; the way to it goes into `path`.
fn cut(table: &mut DeTable<'_>, span: &Range<usize>, path: &mut Vec<String>) -> bool {
    let hit = |place: Range<usize>| place.start <= span.start && span.end <= place.end;
    let own = table.keys().find(|key| hit(key.span())).map(|key| key.get_ref().to_string());
    if let Some(key) = own {
        table.remove(key.as_str());
        path.insert(0, key);
        return true;
    }
    // The place of a `[table]` is its header, not its content, so every table is entered.
    let keys: Vec<String> = table.keys().map(|key| key.get_ref().to_string()).collect();
    for key in keys {
        let Some(value) = table.get_mut(key.as_str()) else { continue };
        let covers = hit(value.span());
        if inside(value, span, path) {
            path.insert(0, key);
            return true;
        }
        if covers {
            table.remove(key.as_str());
            path.insert(0, key);
            return true;
        }
    }
    false
}

/// Cuts what covers the span out of a value's inside.
fn inside(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>, path: &mut Vec<String>) -> bool {
    match value.get_mut() {
        DeValue::Table(table) => cut(table, span, path),
        DeValue::Array(list) => {
            let hit = |place: Range<usize>| place.start <= span.start && span.end <= place.end;
            for index in 0..list.len() {
                let covers = hit(list[index].span());
                if list.get_mut(index).is_some_and(|item| inside(item, span, path)) {
                    path.insert(0, index.to_string());
                    return true;
                }
                if covers && !list[index].get_ref().is_table() {
                    *list =
                        list.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, item)| item.clone()).collect();
                    return true;
                }
            }
            false
        }
        _ => false,
    }
}

/// The character boundary at or before an offset.
fn floor(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Default, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct File {
        name: String,
        inner: Inner,
        row: Vec<Inner>,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        size: u8,
        list: Vec<u8>,
        map: BTreeMap<String, u8>,
    }

    fn places(text: &str) -> (File, Vec<(u32, String)>) {
        let mut problems = Vec::new();
        let mut document = Document::parse("file", text, &mut problems);
        let file = document.decode(&mut problems);
        (file, problems.into_iter().map(|problem| (problem.line.unwrap_or(0), problem.key)).collect())
    }

    #[test]
    fn every_mistake_is_reported_at_its_key_and_the_rest_is_read() {
        let text = "nam = 1\nname = \"ok\"\n[inner]\nsize = 300\nsiez = 3\nlist = [1, \"x\", 2, 900]\nmap.a = 1\n\
                    map.b = \"x\"\n[[row]]\nsize = 7\n[[row]]\nsize = true\nlist = [3]\n[outer]\na = 1\n";
        let (file, mut found) = places(text);
        found.sort();
        let found: Vec<(u32, &str)> = found.iter().map(|(line, key)| (*line, key.as_str())).collect();
        let expected = [
            (1, "nam"),
            (4, "inner.size"),
            (5, "inner.siez"),
            (6, "inner.list"),
            (6, "inner.list"),
            (8, "inner.map.b"),
            (12, "row.size"),
            (14, "outer"),
        ];
        assert_eq!(found, expected);
        assert_eq!((file.name.as_str(), file.inner.list, file.inner.size), ("ok", vec![1, 2], 0));
        assert_eq!((file.inner.map.len(), file.row.len(), file.row[0].size), (1, 2, 7));
        assert_eq!(file.row[1].list, [3]);
    }

    #[test]
    fn every_syntax_error_is_reported() {
        let (_, found) = places("name = \n[inner\nsize = 1\n");
        assert_eq!(found, [(2, "syntax".to_owned()), (1, "syntax".to_owned())]);
    }
}
