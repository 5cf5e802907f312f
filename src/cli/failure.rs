//! Why a verb did not do what it was asked, and the exit code that says so.

use std::process::ExitCode;

use serde_json::Value;

use super::client::Reach;
use super::table::{Column, fields, table};

/// Exit codes of the verbs that talk to a gateway.
pub(super) mod code {
    /// It failed.
    pub(crate) const FAILED: u8 = 1;
    /// Wrong use of the command.
    pub(crate) const USAGE: u8 = 2;
    /// No gateway answers.
    pub(crate) const UNREACHABLE: u8 = 3;
    /// The token, or the socket's permissions, do not allow it.
    pub(crate) const NOT_AUTHORISED: u8 = 4;
    /// There is no such thing.
    pub(crate) const NOT_FOUND: u8 = 5;
    /// The state does not allow it, or somebody was faster.
    pub(crate) const CONFLICT: u8 = 6;
    /// Invalid configuration or input file.
    pub(crate) const INVALID: u8 = 7;
    /// A condition was not met in time.
    pub(crate) const NOT_IN_TIME: u8 = 8;
    /// A check found problems.
    pub(crate) const PROBLEMS: u8 = 9;
}

/// What every verb's help ends with.
pub(super) const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage, 3 no gateway answers, 4 not authorised, 5 not found, \
6 conflict, 7 invalid configuration.";

/// Why there is nothing to print.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The exit code.
    pub(super) code: u8,
    /// What standard error says, or standard output where it is what was asked for.
    pub(super) message: String,
    /// Whether it is what was asked for: the findings of a check that found something.
    is_answer: bool,
}

impl Failure {
    /// A failure with what it says.
    pub(super) fn new(code: u8, message: impl std::fmt::Display) -> Self {
        Self { code, message: message.to_string(), is_answer: false }
    }

    /// What a check found, when it is not well.
    pub(super) fn found(code: u8, message: impl std::fmt::Display) -> Self {
        Self { is_answer: true, ..Self::new(code, message) }
    }

    /// Wrong use of the command.
    pub(super) fn usage(message: impl std::fmt::Display) -> Self {
        Self::new(code::USAGE, format!("error: {message}"))
    }
}

/// What a verb has to say.
pub(super) type Told = Result<String, Failure>;

/// Prints what a verb has to say, or why not.
pub(super) fn finish(told: Told) -> ExitCode {
    match told {
        Ok(text) => {
            // A closed pipe (`status | head`) is no failure.
            let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(Failure { code, message, is_answer }) => {
            if is_answer {
                let _ = std::io::Write::write_all(&mut std::io::stdout(), message.as_bytes());
            } else {
                eprintln!("{}", message.trim_end());
            }
            ExitCode::from(code)
        }
    }
}

/// A list, as JSON or as a table.
pub(super) fn listed(reach: &Reach, list: &Value, columns: &[Column]) -> String {
    either(reach, list, || table(list, columns, reach.chinese()))
}

/// One thing, as JSON or with a line for each of its members.
pub(super) fn described(reach: &Reach, one: &Value) -> String {
    either(reach, one, || fields(one))
}

/// What an act has come to, as JSON or as `said` in Chinese or not, and whether it is on record.
pub(super) fn acted(reach: &Reach, answer: &Value, said: impl FnOnce(bool) -> String) -> String {
    let chinese = reach.chinese();
    either(reach, answer, || format!("{}{}\n", said(chinese), super::unrecorded(answer, chinese)))
}

/// An answer as JSON, or in words.
pub(super) fn either(reach: &Reach, answer: &Value, words: impl FnOnce() -> String) -> String {
    if reach.quiet {
        return String::new();
    }
    if !reach.json {
        return super::table::plainly(reach.plain, words);
    }
    serde_json::to_string_pretty(answer).map_or_else(|error| error.to_string(), |text| text + "\n")
}
