//! The labelled texts of `tests/data/messages.csv` against the decision, for every class. They are labelled by what a
//! text shows by itself, so the registry is off (as `testing::account` has it).

use std::fmt::Write;

use crate::domain::AccountClass;
use crate::smpp::Submission;

use super::decide::{Permit, Refusal, Scratch, decide};
use super::reason::Reason;
use super::switches::{LengthUnit, Switches};
use super::testing::{Frame, WEEKDAY, account, at, with_switches};

/// A row: what the text is and what each class may expect.
struct Row {
    id: String,
    text: String,
    counts: [usize; 3],
    outcomes: [String; 3],
}

const CLASSES: [AccountClass; 3] = [AccountClass::Province1258, AccountClass::CityMoa, AccountClass::KeyAccount];

fn rows() -> Vec<Row> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/messages.csv");
    let mut reader = csv::Reader::from_path(file).unwrap();
    let rows = reader.records().map(|record| {
        let record = record.unwrap();
        let outcome = |column: usize| record[column].to_owned();
        Row {
            id: record[0].to_owned(),
            text: unescaped(&record[2]),
            counts: [3, 4, 5].map(|column| record[column].parse().unwrap()),
            outcomes: [outcome(6), outcome(7), outcome(8)],
        }
    });
    rows.collect()
}

/// `\n`, `\r`, `\\` and `\u{hex}`.
fn unescaped(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (kind, after) = after.split_at(1);
        rest = after;
        match kind {
            "n" => out.push('\n'),
            "r" => out.push('\r'),
            "\\" => out.push('\\'),
            "u" => {
                let (hex, after) = after.strip_prefix('{').unwrap().split_once('}').unwrap();
                out.push(char::from_u32(u32::from_str_radix(hex, 16).unwrap()).unwrap());
                rest = after;
            }
            other => panic!("`\\{other}` is no escape"),
        }
    }
    out + rest
}

fn outcome(verdict: &Result<Permit, Refusal>) -> String {
    match verdict {
        Ok(_) => "pass".to_owned(),
        Err(refusal) => refusal.reasons().iter().map(Reason::code).collect::<Vec<_>>().join("+"),
    }
}

fn judge(class: AccountClass, text: &str, switches: Switches) -> String {
    let mut rules = with_switches(switches);
    let account = rules.with(account(class));
    let source = if class.needs_city() { "6202" } else { "1258" };
    let octets = Frame::new(source, text).octets();
    let submission = Submission::read(&octets).unwrap();
    outcome(&decide(&rules, &account, &submission, at(WEEKDAY), &mut Scratch::default()))
}

#[test]
fn every_labelled_text_has_the_outcome_it_is_labelled_with() {
    let rows = rows();
    assert_eq!(rows.len(), 139);
    let mut wrong = String::new();
    for row in &rows {
        for (class, expected) in CLASSES.into_iter().zip(&row.outcomes) {
            let found = judge(class, &row.text, Switches::default());
            if found != *expected {
                writeln!(wrong, "{} {class}: expected {expected}, found {found}", row.id).unwrap();
            }
        }
        let exempt = judge(AccountClass::ExemptPlatform, &row.text, Switches::default());
        if exempt != "pass" {
            writeln!(wrong, "{} exempt: {exempt}", row.id).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_labelled_text_is_counted_in_the_unit_the_site_chose() {
    for row in rows() {
        for (unit, count) in [LengthUnit::Scalar, LengthUnit::Utf16, LengthUnit::Grapheme].into_iter().zip(row.counts) {
            let limited = |limit: usize| {
                let mut switches = Switches::default();
                switches.length.unit = unit;
                switches.length.limit = limit as u32;
                judge(AccountClass::Province1258, &row.text, switches).contains("too_long")
            };
            assert!(!limited(count), "{} {unit:?}", row.id);
            assert!(count == 0 || limited(count - 1), "{} {unit:?}", row.id);
        }
    }
}
