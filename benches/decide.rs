//! What one message costs before it touches any state: reading its `submit_sm`,
//! deciding on it, and both, with the shipped rules, every rule on. Then what it
//! costs to find a text among ten thousand registered ones.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use smsluice::config::load_with_env;
use smsluice::domain::Moment;
use smsluice::policy::content::{Campaign, Content, Pattern, Period, Standing};
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

/// Registered texts: half of them with variables, all with the same beginning and the same end.
const REGISTERED: u32 = 10_000;

fn registered(number: u32, text: &str) -> Campaign {
    let far = |text| Moment::parse(text).expect("valid");
    Campaign {
        number,
        unit: "province".into(),
        city: None,
        category: None,
        standing: Standing::Approved,
        window: Some(Period { from: far("2026-01-01T00:00:00+08:00"), until: far("2027-01-01T00:00:00+08:00") }),
        pattern: Arc::new(Pattern::parse(text).expect("a template")),
    }
}

/// Words of which a text is made, so that texts share most of what they have.
fn text(number: u32, name: &str) -> String {
    const WORDS: [&str; 12] =
        ["流量", "套餐", "话费", "宽带", "积分", "彩铃", "漫游", "亲情", "校园", "家庭", "商务", "充值"];
    let word = |shift: u32| WORDS[(number >> shift) as usize % WORDS.len()];
    let (a, b, c, d) = (word(0), word(3), word(6), word(9));
    format!("尊敬的{name}客户,{a}{b}优惠活动第{number}期今日开始,{c}{d}同享,详情请到营业厅。安徽移动 询1860")
}

/// The content rule by itself, and a decision that asks it, with ten thousand registered texts.
fn content(criterion: &mut Criterion) {
    let of = |number: u32| registered(number, &text(number, if number.is_multiple_of(2) { "{姓名}" } else { "" }));
    let content = Arc::new(Content::new(1, (1..=REGISTERED).map(of).collect()));
    let now = Moment::parse("2026-11-24T09:30:00+08:00").expect("valid");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let rules = load_with_env(&folder, &BTreeMap::new(), now).expect("the shipped configuration loads").ruleset;
    let rules = rules.with_registry(Arc::clone(&content), Arc::default());
    let account = rules.account("p1258").expect("shipped");
    let mut group = criterion.benchmark_group("content");
    for (name, text, passes) in [
        ("exact", text(4321, ""), true),
        ("with_a_variable", text(4322, "张三"), true),
        ("altered", text(4322, "张三").replace("今日", "明日"), false),
        ("other", DEFAULT_TEXT.to_owned(), false),
    ] {
        let chars: Vec<char> = text.chars().collect();
        let mut found = Vec::new();
        group.bench_function(format!("find_{name}"), |b| {
            b.iter(|| {
                content.find(std::hint::black_box(&chars), Some("province"), &mut found);
                found.len()
            });
        });
        assert_eq!(!found.is_empty(), passes, "{name}");
        // A different address each time, so that the message is not one that comes again.
        let frames = ["12581", "12582"].map(|source| SubmitSpec::new(source, OWN_CITY, &text).submit_sm(1));
        let both = frames.each_ref().map(|frame| Submission::read(frame).expect("sound"));
        let (mut scratch, mut turn) = (Scratch::default(), 0);
        group.bench_function(format!("decide_{name}"), |b| {
            b.iter(|| {
                turn ^= 1;
                decide::decide(&rules, account, &both[turn], now, &mut scratch)
            });
        });
    }
    group.bench_function("compile", |b| {
        let campaigns: Vec<Campaign> = (1..=REGISTERED).map(of).collect();
        b.iter(|| Content::new(1, campaigns.clone()));
    });
    group.finish();
}

criterion_group!(benches, bench, content);
criterion_main!(benches);
