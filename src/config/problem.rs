//! What is wrong with a configuration, where, and what to do about it.

use std::fmt::{self, Write as _};

use crate::domain::mask::without_numbers;

/// Whether a problem keeps the configuration from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is used; somebody should look at it.
    Warning,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Whether it refuses the configuration.
    pub severity: Severity,
    /// The file, or `environment`.
    pub file: String,
    /// Line, from 1; `None` where the file as a whole is meant.
    pub line: Option<u32>,
    /// Column in characters, from 1.
    pub column: Option<u32>,
    /// The key, column or variable.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<Box<str>>,
    /// The line itself, left out where it could hold a subscriber's number.
    pub excerpt: Option<Box<Excerpt>>,
}

/// The line a problem stands in.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Excerpt {
    /// The whole line.
    pub text: String,
    /// How many characters the problem covers, from its column.
    pub width: usize,
}

/// Everything that is wrong with a configuration that cannot be used: at least one error, and the warnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

// === impl Problem ===

impl Problem {
    /// An error that concerns a file as a whole.
    pub fn error(file: impl Into<String>, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.into(),
            line: None,
            column: None,
            key: key.into(),
            message: message.into(),
            hint: None,
            excerpt: None,
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with advice, if there is any.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.map(Into::into).or(self.hint);
        self
    }

    /// The same as a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// The same at a line, for tables.
    #[must_use]
    pub fn at_line(mut self, line: u32) -> Self {
        self.line = Some(line);
        self
    }

    /// Whether it refuses the configuration.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    /// `file:line:column: error: key: message`, the line with a caret, the hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        let severity = if self.is_error() { "error" } else { "warning" };
        write!(f, ": {severity}: {}: {}", self.key, self.message)?;
        if let (Some(excerpt), Some(line), Some(column)) = (&self.excerpt, self.line, self.column) {
            let gutter = line.to_string().len();
            let (indent, marks) = excerpt.marks(column as usize);
            write!(f, "\n  {line} | {}\n  {:gutter$} | {indent}{marks}", excerpt.text, "")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl Excerpt {
    /// Blanks as wide as the text before the problem, and carets as wide as the problem.
    fn marks(&self, column: usize) -> (String, String) {
        let (mut indent, mut marks) = (String::new(), String::new());
        for (index, char) in self.text.chars().enumerate() {
            // East Asian characters take two cells of a terminal.
            let cells = if char >= '\u{2E80}' { 2 } else { 1 };
            if index + 1 < column {
                let blank = if char == '\t' { '\t' } else { ' ' };
                indent.extend(std::iter::repeat_n(blank, cells));
            } else if index + 1 < column + self.width {
                marks.extend(std::iter::repeat_n('^', cells));
            }
        }
        if marks.is_empty() {
            marks.push('^');
        }
        (indent, marks)
    }
}

// === impl Problems ===

impl Problems {
    /// Takes a problem in.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|problem| problem.is_error()).count()
    }

    /// The problems in the order in which one reads: by file and line, an error before a warning. Whole numbers are
    /// masked: a wrong line may hold a person's.
    pub(super) fn sort(&mut self) {
        for problem in &mut self.0 {
            problem.message = without_numbers(&problem.message);
            problem.hint = problem.hint.take().map(|hint| without_numbers(&hint).into());
            if let Some(excerpt) = &mut problem.excerpt {
                excerpt.text = without_numbers(&excerpt.text);
            }
        }
        self.0.sort_by(|a, b| (&a.file, a.line, a.column, a.severity).cmp(&(&b.file, b.line, b.column, b.severity)));
        self.0.dedup();
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for problem in &self.0 {
            writeln!(text, "{problem}")?;
        }
        f.write_str(text.trim_end())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_masked_wherever_a_problem_shows_them() {
        let mut problem = Problem::error("accounts.toml", "key", "`13800138000` is none").hint("not 8613800138000");
        problem.excerpt = Some(Box::new(Excerpt { text: "a = \"13800138000\", b = 1234567890".to_owned(), width: 1 }));
        let mut problems = Problems(vec![problem]);
        problems.sort();
        let [Problem { message, hint: Some(hint), excerpt: Some(excerpt), .. }] = &problems.0[..] else { panic!() };
        assert_eq!((message.as_str(), &**hint), ("`138****8000` is none", "not 861******8000"));
        assert_eq!(excerpt.text, "a = \"138****8000\", b = 1234567890");
    }

    #[test]
    fn a_problem_prints_with_its_line_and_a_caret_under_it() {
        let mut problem = Problem::error("accounts.toml", "account.city", "no such city").hint("did you mean `hefei`?");
        (problem.line, problem.column) = (Some(12), Some(9));
        problem.excerpt = Some(Box::new(Excerpt { text: "名 = \"hefie\"".to_owned(), width: 3 }));
        let printed = problem.to_string();
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines[0], "accounts.toml:12:9: error: account.city: no such city");
        assert_eq!(lines[1], "  12 | 名 = \"hefie\"");
        assert_eq!(lines[2], "     |          ^^^");
        assert_eq!(lines[3], "  hint: did you mean `hefei`?");
    }
}
