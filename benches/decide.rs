//! What one message costs before it touches any state: reading its `submit_sm`,
//! deciding on it, and both, with the shipped rules, every rule on.

use std::collections::BTreeMap;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use smsluice::config::load_with_env;
use smsluice::domain::Moment;
use smsluice::policy::{decide, decide::Scratch};
use smsluice::sim::load::DEFAULT_TEXT;
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::Submission;

const ACCOUNT: &str = "hf6202";
const SOURCE: &str = "62020551";
const OWN_CITY: &str = "8613855101234";
const OTHER_CITY: &str = "8613003011234";

/// Messages of 65 characters, and whether they pass.
fn variants() -> [(&'static str, SubmitSpec, bool); 5] {
    let good = SubmitSpec::new(SOURCE, OWN_CITY, DEFAULT_TEXT);
    let text = |text: &str| SubmitSpec::new(SOURCE, OWN_CITY, text);
    let tlvs = good
        .clone()
        .with_tlv(0x0204, &[0, 1]) // user_message_reference
        .with_tlv(0x020D, &[1]) // language_indicator
        .with_tlv(0x0426, &[0]) // more_messages_to_send
        .with_tlv(0x1400, b"vendor");
    [
        ("permitted", good, true),
        ("refused_other_city", SubmitSpec::new(SOURCE, OTHER_CITY, DEFAULT_TEXT), false),
        ("full_width_digits", text(&DEFAULT_TEXT.replace("账单", "１２")), true),
        ("needs_unicode_tables", text(&DEFAULT_TEXT.replace("账单", "①℃")), true),
        ("four_tlvs", tlvs, true),
    ]
}

fn bench(criterion: &mut Criterion) {
    let now = Moment::parse("2026-11-24T09:30:00+08:00").expect("valid");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let rules = load_with_env(&folder, &BTreeMap::new(), now).expect("the shipped configuration loads").ruleset;
    let account = rules.account(ACCOUNT).expect("shipped");
    let mut scratch = Scratch::default();
    for (name, spec, passes) in variants() {
        let frame = spec.submit_sm(1);
        let submission = Submission::read(&frame).expect("sound");
        let verdict = decide::decide(&rules, account, &submission, now, &mut scratch);
        assert_eq!(verdict.is_ok(), passes, "{name}: {verdict:?}");
        // What comes again is not judged again, so every other message differs in its priority_flag.
        let other = SubmitSpec { priority: 1, ..spec }.submit_sm(2);
        let frames = [&frame, &other];
        let mut turn = frames.iter().cycle();
        let mut group = criterion.benchmark_group(name);
        group.bench_function("read", |b| b.iter(|| Submission::read(&frame)));
        group.bench_function("both", |b| {
            b.iter(|| {
                let submission = Submission::read(turn.next().expect("endless")).expect("sound");
                decide::decide(&rules, account, &submission, now, &mut scratch)
            });
        });
        group.bench_function("again", |b| {
            let _ = decide::decide(&rules, account, &submission, now, &mut scratch);
            b.iter(|| decide::decide_repeated(&rules, account, &frame, now, &mut scratch));
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
