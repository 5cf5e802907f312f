//! The whole command but for the process around it.

use serde_json::Value;

use crate::sim::SubmitSpec;

use super::*;

const GOOD: &str = "新营业厅开业。合肥移动 询10086";
const HEFEI: &str = "13855100001";

#[derive(clap::Parser)]
struct Whole {
    #[command(flatten)]
    args: Args,
}

fn parse(config: &str, more: &[&str]) -> Args {
    let first = ["explain", "--config", config, "--now", "2026-11-24T09:30:00+08:00"];
    <Whole as clap::Parser>::parse_from(first.iter().chain(more)).args
}

/// What the command prints under the shipped configuration, half past nine of a working day.
fn run(more: &[&str], input: &str) -> Result<String, Failure> {
    let args = parse(concat!(env!("CARGO_MANIFEST_DIR"), "/config"), more);
    let chinese = args.lang.as_deref() == Some("zh");
    explained(&args, chinese, &mut input.as_bytes())
}

fn said(text: &str, more: &[&str]) -> String {
    let given = ["--account", "hf6202", "--from", "6202055101", "--to", HEFEI, "--text", text];
    run(&[&given, more].concat(), "").expect("explained")
}

fn json(text: &str, more: &[&str]) -> Value {
    serde_json::from_str(&said(text, &[&["--json"], more].concat())).expect("JSON")
}

#[test]
fn a_pass_is_told_in_english() {
    let text = said(GOOD, &["--lang", "en"]);
    let head: Vec<&str> = text.lines().take(6).collect();
    assert_eq!(
        head,
        [
            "verdict   permit (rules that need the ledger are asked at sending time)",
            "account   hf6202, city_moa",
            "number    138****0001 (Hefei, cmcc)",
            "length    18 characters",
            "delivery  2026-11-24T09:30:00+08:00",
            "policy    version 1",
        ]
    );
    assert!(text.contains("\nlength      4.1             enforce pass         18 of 65 characters"), "{text}");
    assert!(
        text.contains("\nonce        7.1a            enforce at_sending   asked of the ledger at sending time\n"),
        "{text}"
    );
    assert!(text.contains("\ncontact     5.1.3           off     skip"), "{text}");
    assert!(!text.contains(HEFEI), "numbers are masked");
}

#[test]
fn a_pass_is_told_in_chinese() {
    let text = said(GOOD, &["--lang", "zh"]);
    assert!(
        text.starts_with(
            "结论  通过(依赖账本的规则在发送时判断)\n账号  hf6202, city_moa\n号码  138****0001 (合肥, cmcc)\n"
        ),
        "{text}"
    );
    assert!(text.contains("发送时由账本判断"), "{text}");
}

#[test]
fn a_refusal_names_reason_clause_status_and_what_else() {
    let at_night = ["--at", "2026-11-24T23:00:00+08:00"];
    let text = said("请到就近的移动营业厅办理", &[&["--lang", "en"], &at_night[..]].concat());
    let expected = "verdict   refuse no_signature [clause 4.3] 0x45 ESME_RSUBMITFAIL, permanent: \
                    the signature has neither the name nor a local consultation number\nalso      night\n";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("\nhours       7.5             enforce refuse       night: "), "{text}");
    let text = said("请到就近的移动营业厅办理", &[&["--lang", "zh"], &at_night[..]].concat());
    assert!(text.starts_with("结论  拒绝 no_signature [条款 4.3] 0x45 ESME_RSUBMITFAIL, 永久: "), "{text}");
    assert!(text.contains("落款既无“移动”字样也无当地咨询电话\n另有  night\n"), "{text}");
}

#[test]
fn the_json_keeps_its_shape() {
    let refused = json(&"长".repeat(66), &[]);
    assert_eq!(refused["verdict"], "refuse");
    assert_eq!((&refused["reason"], &refused["code"]), (&"too_long".into(), &1.into()));
    assert_eq!((&refused["clause"], &refused["status"]), (&"4.1".into(), &"ESME_RINVMSGLEN".into()));
    assert_eq!((&refused["length"], &refused["city"]), (&66.into(), &"hefei".into()));
    assert_eq!((&refused["canonical"], &refused["also"][0]), (&"138****0001".into(), &"no_signature".into()));
    assert_eq!(refused["rules"].as_array().map(Vec::len), Some(19));
    let passed = json(GOOD, &[]);
    assert_eq!((&passed["verdict"], &passed["reason"]), (&"permit".into(), &Value::Null));
}

#[test]
fn a_schedule_moves_the_delivery() {
    for schedule in ["261124123000032+", "2026-11-24T12:30:00+08:00"] {
        let told = json(GOOD, &["--schedule", schedule]);
        assert_eq!(
            (&told["reason"], &told["edt"]),
            (&"busy".into(), &"2026-11-24T12:30:00+08:00".into()),
            "{schedule}"
        );
    }
    let told = json(GOOD, &["--schedule", "tomorrow"]);
    assert_eq!((&told["reason"], &told["rules"][0]["result"]), (&"schedule_invalid".into(), &"refuse".into()));
}

#[test]
fn a_number_and_a_pdu_may_come_from_standard_input() {
    let number = ["--account", "hf6202", "--from", "6202055101", "--to", "-", "--text", GOOD, "--lang", "en"];
    assert!(run(&number, "+8613855100001\n").expect("explained").contains("138****0001"));
    let pdu = SubmitSpec::new("6202055101", HEFEI, GOOD).submit_sm(7);
    let hex: Vec<String> = pdu.iter().map(|octet| format!("{octet:02x}")).collect();
    let text = run(&["--account", "hf6202", "--pdu", "-", "--lang", "en"], &hex.join(" ")).expect("explained");
    assert!(text.starts_with("verdict   permit"), "{text}");
}

#[test]
fn wrong_use_has_its_own_exit_codes() {
    let code = |more: &[&str]| run(more, "").expect_err("a failure").code;
    assert_eq!(code(&["--account", "nobody", "--pdu", "00"]), NOT_FOUND);
    for pdu in
        ["0", "zz", "00000010000000150000000000000001", "00000011", "00000001", "000000100000000400000000000000011"]
    {
        assert_eq!(code(&["--account", "hf6202", "--pdu", pdu]), USAGE, "{pdu}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    let args = parse(&path, &["--account", "hf6202", "--pdu", "00"]);
    assert_eq!(explained(&args, false, &mut std::io::empty()).map_err(|failure| failure.code), Err(INVALID));
}

#[test]
fn a_submit_multi_is_told_recipient_by_recipient() {
    let pdu = SubmitSpec::new("6202055101", HEFEI, GOOD).submit_multi(&[HEFEI, "13955300001"], 7);
    let hex: Vec<String> = pdu.iter().map(|octet| format!("{octet:02x}")).collect();
    let told = run(&["--account", "hf6202", "--pdu", "-", "--json"], &hex.join("")).expect("explained");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((&told[0]["verdict"], &told[1]["reason"]), (&"permit".into(), &"other_city".into()));
    let pdu = SubmitSpec::new("6202055101", HEFEI, GOOD).replace_sm("1", 7);
    let hex: Vec<String> = pdu.iter().map(|octet| format!("{octet:02x}")).collect();
    let text = run(&["--account", "hf6202", "--pdu", "-", "--lang", "en"], &hex.join("")).expect("explained");
    assert!(text.starts_with("verdict   refuse operation_denied [clause 2.4] 0x13 ESME_RREPLACEFAIL"), "{text}");
    assert!(text.contains("\noperation   2.4             enforce refuse"), "{text}");
}

#[test]
fn a_replacement_is_asked_of_the_gateway_that_knows_its_message() {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/config")).expect("the shipped folder") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
    }
    std::fs::write(folder.path().join("policy.toml"), "[replace]\nmode = \"check\"\n").expect("written");
    let hex = crate::domain::hex(&SubmitSpec::new("6202055101", HEFEI, GOOD).replace_sm("1", 7));
    let args = parse(&folder.path().display().to_string(), &["--account", "hf6202", "--pdu", &hex]);
    let failure = explained(&args, false, &mut std::io::empty()).expect_err("a failure");
    assert!(failure.code == USAGE && failure.message.contains("API"), "{failure:?}");
}
