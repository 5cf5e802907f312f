//! The labelled texts over the wire: four classes, 139 texts, each with the
//! first reason its label names.

use smsluice::policy::Reason;
use smsluice::sim::submit::SubmitSpec;

use crate::stand::{Setup, Stand, hefei, verdict};

#[tokio::test]
async fn every_labelled_text_gets_its_verdict_over_the_wire() {
    let stand = Stand::new(Setup::default()).await;
    let rows = rows();
    assert_eq!(rows.len(), 139);
    let mut next = 0;
    for (column, account, source) in [
        ("province_1258", "province", "12581"), // the registry is off for it: a label says what a text shows by itself
        ("city_moa", "hefei", "62021"),
        ("key_account", "manager", "62021"),
        ("", "market", "10086"),
    ] {
        let mut esme = stand.bind(account).await;
        for row in &rows {
            next += 1;
            let expected = if column.is_empty() { "pass" } else { &row[column] };
            let expected = expected.split('+').next().unwrap_or_default();
            let spec = SubmitSpec::new(source, &hefei(next), &unescape(&row["text"]));
            let (found, answer) = verdict(&stand, &mut esme, account, &spec).await;
            assert_eq!(found, expected, "{} for {account}: {}", row["id"], row["text"]);
            let status = Reason::from_code(expected).map_or(0, Reason::status);
            assert_eq!(answer.status, status, "{} for {account}", row["id"]);
        }
    }
    stand.assert_conserved();
}

fn rows() -> Vec<std::collections::HashMap<String, String>> {
    let mut reader = csv::Reader::from_reader(include_str!("../data/messages.csv").as_bytes());
    let headers = reader.headers().expect("a header").clone();
    reader
        .records()
        .map(|row| {
            let row = row.expect("a row");
            headers.iter().zip(&row).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        })
        .collect()
}

/// `\n`, `\r`, `\\`, `\u{hex}`.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        if next != '\\' {
            out.push(next);
            continue;
        }
        match rest.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('u') => {
                let hex: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                let scalar = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
                out.push(scalar.expect("a scalar value"));
            }
            other => out.extend(other),
        }
    }
    out
}
