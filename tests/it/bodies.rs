//! What is run against arbitrary input: by `fuzz/` for hours, by `fuzz_smoke` for a moment.
//! Nothing may panic, and what one function accepts another must agree with.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use smsluice::admin::asked::Asked;
use smsluice::domain::{AccountClass, LocalTime, Moment, Msisdn, SourcePattern};
use smsluice::policy::case::{Author, Schedule};
use smsluice::policy::content::{Campaign, Content, Pattern, Standing};
use smsluice::policy::decide::{Replaced, decide_each, decide_replacement};
use smsluice::policy::joined::{Earlier, Passed, binds, join};
use smsluice::policy::matching::matching_text;
use smsluice::policy::numbers::{gives_any_number, gives_number};
use smsluice::policy::phrases::{Consultations, Zone, find_name};
use smsluice::policy::switches::{Multipart, ReplaceMode, Switches, ValidityMode, ZeroOffset};
use smsluice::policy::{Account, Mode, Modes, Permit, Rule, Ruleset, Scratch, decide};
use smsluice::smpp::answer::congestion_state;
use smsluice::smpp::bind::Bind;
use smsluice::smpp::coding::{self, Dc15, DefaultAlphabet, Encoding};
use smsluice::smpp::command::{REPLACE_SM, SUBMIT_MULTI, is_submission};
use smsluice::smpp::frame::{HEADER, MAX_PDU};
use smsluice::smpp::multi::{Multi, MultiResp};
use smsluice::smpp::replace::{Replace, message_id};
use smsluice::smpp::rewrite::Changes;
use smsluice::smpp::time::Time;
use smsluice::smpp::tlv::Tlvs;
use smsluice::smpp::udh::{Parts, UserData};
use smsluice::smpp::{Address, Cut, Header, Submission, manage};

use crate::reader::{self, Message};

/// What every city's account may send under, beside the shipped sources: the frames of the tests do.
const SOURCE: &str = "6202";

/// The shipped configuration.
static SHIPPED: LazyLock<Ruleset> = LazyLock::new(|| rules(|_| {}, None));

/// What is off by default is on: parts, replacements, fields that are written anew.
static OPENED: LazyLock<Ruleset> = LazyLock::new(|| {
    let open = |switches: &mut Switches| {
        switches.length.multipart = Multipart::Group;
        switches.replace.mode = ReplaceMode::Check;
        switches.validity.mode = ValidityMode::Cap;
        switches.schedule.zero_offset = ZeroOffset::Local;
        switches.dest.strict_ton = true;
    };
    rules(open, None)
});

/// Every rule only looks on, so that odd frames come further than any refusal lets them.
static OBSERVED: LazyLock<Ruleset> = LazyLock::new(|| {
    let open = |switches: &mut Switches| {
        switches.length.multipart = Multipart::Group;
        switches.replace.mode = ReplaceMode::Check;
        switches.encoding.dc15 = Dc15::Gbk;
    };
    rules(open, Some(Modes::all(Mode::Observe)))
});

thread_local! {
    /// What remembers the last text, from one input to the next.
    static LAST: RefCell<Scratch> = RefCell::default();
}

fn rules(change: impl FnOnce(&mut Switches), modes: Option<Modes>) -> Ruleset {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = [here.join("config"), here.join("../config")].into_iter().find(|folder| folder.exists());
    let loaded = smsluice::config::load_with_env(&folder.expect("config"), &BTreeMap::new(), now());
    let mut rules = loaded.unwrap_or_else(|problems| panic!("{problems}")).ruleset;
    change(&mut rules.switches);
    for account in &mut rules.accounts {
        let account = Arc::get_mut(account).expect("nobody else has it");
        if account.class.needs_city() {
            account.sources.push(SourcePattern::parse(&format!("{SOURCE}*")).expect("a pattern"));
        }
        account.modes = modes.unwrap_or(account.modes);
    }
    rules.with_registry(registered(), Arc::default())
}

/// Texts that many arbitrary ones are: of the 1258 account's unit, one of them a city's.
fn registered() -> Arc<Content> {
    let campaign = |number, city: Option<&str>, text: &str| Campaign {
        number,
        unit: "province".into(),
        city: city.map(Into::into),
        category: None,
        standing: Standing::Approved,
        window: None,
        pattern: Arc::new(Pattern::parse(text).expect("a template")),
    };
    let all = vec![
        campaign(1, None, "{a}安徽移动{b}询1860{c}"),
        campaign(2, Some("hefei"), "{a}{b}动{c}{d}"),
        campaign(3, None, "安徽移动 询1860"),
    ];
    Arc::new(Content::new(1, all))
}

/// A Tuesday morning in an open window.
fn now() -> Moment {
    Moment::parse("2026-11-24T09:30:00+08:00").expect("a time")
}

/// Frames cut from a stream; the first octet says where the stream is read in two pieces.
pub(crate) fn frame_stream(input: &[u8]) {
    let Some((first, stream)) = input.split_first() else { return };
    let whole = cut_all(stream);
    let early = &stream[..stream.len() * usize::from(*first) / 255];
    let begun = cut_all(early);
    assert!(whole.starts_with(&begun), "a stream read in part gives the same frames");
    for frame in whole {
        let header = Header::read(frame).expect("a frame that was cut has a header");
        assert_eq!(header.length as usize, frame.len());
        assert_eq!(header.octets(), frame[..HEADER]);
        judge(&SHIPPED, frame);
        beside(header, frame);
    }
}

/// What is read of PDUs that are no submissions, or of submissions for people.
fn beside(header: Header, frame: &[u8]) {
    if let Some(resp) = MultiResp::read(frame) {
        assert_eq!(resp.with(frame, &[]), frame, "an answer to which nothing is added");
        assert!(resp.unsuccess.iter().all(|one| one.names(one)));
        let more = resp.with(frame, &resp.unsuccess);
        let again = MultiResp::read(&more).expect("an answer to which something is added");
        assert_eq!(again.unsuccess.len(), (2 * resp.unsuccess.len()).min(255));
    }
    if let Some(source) = manage::source(frame) {
        assert!(source.digits.len() <= 20 && source.digits.is_ascii());
    }
    if let Some(bind) = Bind::read(frame) {
        let end = [bind.system_id.as_bytes(), b"\0"].concat();
        assert!((1..=63).contains(&bind.system_id.len()) && frame[HEADER..].starts_with(&end));
    }
    if let Some(id) = message_id(frame) {
        assert!((1..=64).contains(&id.len()) && frame[HEADER..].starts_with(id));
    }
    congestion_state(header, frame);
    if is_submission(header.command_id) {
        let account = &SHIPPED.accounts[header.sequence as usize % SHIPPED.accounts.len()];
        Asked { rules: &SHIPPED, account, at: now() }.about(frame);
    }
}

fn cut_all(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    loop {
        match Cut::at(stream, MAX_PDU) {
            Cut::Whole(length) => {
                assert!((HEADER..=MAX_PDU).contains(&length));
                let (frame, rest) = stream.split_at(length);
                frames.push(frame);
                stream = rest;
            }
            Cut::Partial(length) => {
                assert!(length > stream.len() && length <= MAX_PDU);
                return frames;
            }
            Cut::Bad(length) => {
                assert!(!(HEADER..=MAX_PDU).contains(&(length as usize)));
                return frames;
            }
        }
    }
}

/// One submission: the first octet chooses the operation and the rules, the rest is its body. Read and judged for
/// every account.
pub(crate) fn submission(input: &[u8]) {
    let Some((first, body)) = input.split_first() else { return };
    let command_id = [0x04, 0x07, 0x103, 0x21][usize::from(first & 3)];
    let rules: &Ruleset = [&SHIPPED, &OPENED, &OBSERVED][usize::from(first >> 2) % 3];
    let length = (HEADER + body.len()) as u32;
    let header = Header { length, command_id, status: 0, sequence: u32::from(*first) };
    judge(rules, &[&header.octets(), body].concat());
}

fn judge(rules: &Ruleset, frame: &[u8]) {
    match Header::read(frame).map(|header| header.command_id) {
        Some(SUBMIT_MULTI) => several(rules, frame),
        Some(REPLACE_SM) => replacement(rules, frame),
        _ => one(rules, frame),
    }
}

/// submit_sm and data_sm.
fn one(rules: &Ruleset, frame: &[u8]) {
    let Ok(submission) = Submission::read(frame) else { return };
    let second = reader::read(frame).expect("the second reader agrees");
    agree(&submission, &second);
    assert_eq!(submission.destination.digits, second.destinations[0].3);
    rewritten(frame, &second);
    let mut scratch = Scratch::default();
    if let Some(account) = rules.accounts.get(1) {
        let again = LAST.with_borrow_mut(|last| decide(rules, account, &submission, now(), last));
        assert_eq!(again, decide(rules, account, &submission, now(), &mut scratch), "whatever was judged before");
    }
    for account in &rules.accounts {
        let Ok(permit) = decide(rules, account, &submission, now(), &mut scratch) else { continue };
        if std::ptr::eq(rules, &raw const *SHIPPED) && account.class.needs_city() {
            assert_eq!(second.one_reading(SOURCE), Ok(()), "{second:?}");
            let number = second.subscriber().and_then(|digits| digits.parse().ok());
            assert_eq!(permit.recipient().map(Msisdn::get), number);
        }
        in_parts(rules, account, &permit);
    }
}

/// Both readers see the same fields.
fn agree(submission: &Submission<'_>, second: &Message) {
    let tlvs: Vec<_> = submission.tlvs.iter().map(|tlv| (tlv.tag, tlv.value.to_vec())).collect();
    assert_eq!(tlvs, second.tlvs);
    assert_eq!(submission.source.digits, second.source.2);
    assert_eq!((submission.schedule, submission.validity), (&*second.schedule, &*second.validity));
    assert_eq!(submission.default_msg_id, second.default_msg_id);
    assert_eq!((submission.esm_class, submission.protocol_id), (second.esm_class, second.protocol_id));
    assert_eq!(submission.two_texts, !(second.values(0x0424).is_empty() || second.short_message.is_empty()));
}

/// submit_multi: each recipient is judged as if it were the only one.
fn several(rules: &Ruleset, frame: &[u8]) {
    let Ok(multi) = Multi::read(frame) else { return };
    let second = reader::read(frame).expect("the second reader agrees");
    agree(&multi.common, &second);
    assert_eq!(multi.destinations.len(), second.destinations.len());
    let mut out = Vec::new();
    multi.write_without(frame, &[], &mut out);
    assert_eq!(out, frame, "nobody is cut out");
    if multi.destinations.len() > 1 {
        out.clear();
        multi.write_without(frame, &[0], &mut out);
        let shorter = reader::read(&out).expect("one is cut out");
        assert_eq!((&shorter.destinations[..], &shorter.tlvs), (&second.destinations[1..], &second.tlvs));
    }
    rewritten(frame, &second);
    let to: Vec<_> = multi.destinations.iter().take(3).map(|one| one.address.unwrap_or_default()).collect();
    let (mut scratch, mut other) = (Scratch::default(), Scratch::default());
    for account in &rules.accounts {
        let mut alone = |address| decide(rules, account, &multi.to(address), now(), &mut other);
        let each = decide_each(rules, account, &multi.common, to.iter().copied(), now(), &mut scratch);
        let Ok(each) = each else {
            assert!(to.iter().all(|address| alone(*address).is_err()), "what refuses all refuses each");
            continue;
        };
        for (address, verdict) in to.iter().zip(each) {
            match (verdict, alone(*address)) {
                (Ok(permit), Ok(other)) => assert_eq!(permit, other),
                (Err(refusal), Err(other)) => assert_eq!((refusal.reason, refusal.also), (other.reason, other.also)),
                (verdict, other) => panic!("{verdict:?} is not {other:?}"),
            }
        }
    }
}

/// replace_sm, as it would be read beside the message that it replaces.
fn replacement(rules: &Ruleset, frame: &[u8]) {
    let Ok(replace) = Replace::read(frame) else { return };
    assert!(replace.message_id.len() <= 64);
    let to = Address { ton: 1, npi: 1, digits: b"8613856000001" };
    let mut scratch = Scratch::default();
    for data_coding in [8, 0] {
        let Ok(submission) = replace.of(to, data_coding) else { return };
        let mut second = reader::read(frame).expect("the second reader agrees");
        assert_eq!(replace.message_id, second.message_id);
        agree(&submission, &second);
        rewritten(frame, &second);
        second.data_coding = data_coding;
        second.destinations = vec![(1, 1, 1, to.digits.to_vec())];
        for account in &rules.accounts {
            for edt in [now(), Moment::from_ms(now().ms() + 3_600_000)] {
                let replaced = Replaced { edt, day: LocalTime::of(edt).day, counts: true };
                let verdict = decide_replacement(rules, account, &submission, replaced, now(), &mut scratch);
                let Ok(permit) = verdict else { continue };
                let moves = permit.recipient().is_some();
                assert_eq!(moves, permit.day() != replaced.day && !second.schedule.is_empty());
                if account.class.needs_city() && account.modes.get(Rule::Operation) == Mode::Enforce {
                    assert_eq!(rules.switches.replace.mode, ReplaceMode::Check);
                    assert_eq!(second.one_reading(SOURCE), Ok(()), "{second:?}");
                }
            }
        }
    }
}

/// A frame in which the gateway writes what it may write reads the same otherwise.
fn rewritten(frame: &[u8], second: &Message) {
    let (source, validity, seconds) = ("62020551", *b"261124110000032+", 5400_u32);
    let changes = Changes { source: Some(source), validity: Some(validity), time_to_live: Some(seconds) };
    let octets = changes.write(frame).expect("a frame that was read");
    let again = reader::read(&octets).expect("it can be read again");
    let mut expected = second.clone();
    source.as_bytes().clone_into(&mut expected.source.2);
    if frame[4..8] != [0, 0, 1, 3] {
        expected.validity = validity.to_vec();
    }
    let live = (0x0017, seconds.to_be_bytes().to_vec());
    if let Some(place) = expected.tlvs.iter().position(|(tag, _)| *tag == 0x0017) {
        expected.tlvs[place] = live;
    } else {
        // Zero octets at the end may be a careless client's: they stay there.
        let zeros = expected.tlvs.iter().rev().take_while(|(tag, value)| *tag == 0 && value.is_empty()).count();
        expected.tlvs.insert(expected.tlvs.len() - zeros, live);
    }
    assert_eq!(again, expected);
}

/// One part of several, held against what may have come of its message before.
fn in_parts(rules: &Ruleset, account: &Account, permit: &Permit) {
    let Some(piece) = permit.piece() else { return };
    let author = Author::new(rules, account);
    let other = if piece.part.index == 1 { 2 } else { 1 };
    let text = "开通。移";
    let some = || Passed::Some(vec![(other, text)]);
    for (passed, over) in [(Passed::All, false), (Passed::Some(Vec::new()), true), (some(), false)] {
        let earlier =
            Earlier { total: piece.part.total, data_coding: piece.data_coding, day: permit.day(), passed, over };
        let found = join(author, piece, permit.edt(), Some(&earlier));
        let enforced = binds(account) && account.modes.get(Rule::Operation) == Mode::Enforce;
        if enforced && (over || earlier.passed == Passed::All) {
            assert!(found.is_err(), "a part of a message that takes none");
        } else if enforced && found.is_ok() && account.class != AccountClass::ExemptPlatform {
            let whole = piece.part.total == 2;
            let joined = if other == 1 { format!("{text}{}", piece.text) } else { format!("{}{text}", piece.text) };
            assert!(joined.chars().count() <= rules.switches.length.limit as usize);
            assert!(!whole || joined.contains('动') || joined.contains('询'), "whole, and unsigned: {joined}");
        }
    }
}

/// A TLV region and user data: the first octet says whether a header is announced and where the region ends.
pub(crate) fn tlv_udh(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let (region, data) = rest.split_at(rest.len() * usize::from(first >> 1) / 127);
    let second = reader::tlvs(region);
    let Ok(tlvs) = Tlvs::read(region) else { return };
    let own: Vec<_> = tlvs.iter().map(|tlv| (tlv.tag, tlv.value.to_vec())).collect();
    assert_eq!(Some(&own), second.as_ref());
    assert_eq!(own.iter().map(|(_, value)| value.len() + 4).sum::<usize>(), region.len());
    let named = |tag: u16| own.iter().filter(|(other, _)| *other == tag).count();
    assert_eq!(tlvs.repeated.is_some(), own.iter().any(|(tag, _)| reader::is_named(*tag) && named(*tag) > 1));
    let read = UserData::read(data, first & 1 != 0, &tlvs);
    assert!(data.ends_with(read.text));
    if read.parts != Parts::Malformed {
        assert_eq!(read.header + read.text.len(), data.len());
    }
    if let Parts::Part(part) = read.parts {
        assert!(part.total > 1 && (1..=part.total).contains(&part.index));
    }
}

/// A time field, with the present in front.
pub(crate) fn time(input: &[u8]) {
    let Some((present, field)) = input.split_first_chunk::<4>() else { return };
    let now = Moment::from_ms(i64::from(u32::from_be_bytes(*present)) * 1000);
    let read = Time::parse(field);
    if let Ok(Some(time)) = read {
        assert!(field.len() == 16 && field[..15].iter().all(u8::is_ascii_digit));
        if let Time::Relative(period) = time {
            assert!(period.after(now) >= now);
        }
    }
    for zero_offset in [ZeroOffset::Both, ZeroOffset::Utc, ZeroOffset::Local] {
        let schedule = Schedule::read(field, now, zero_offset);
        let _ = schedule.edt(now);
        assert_eq!(schedule == Schedule::Immediate, field.is_empty());
        assert!(read.is_ok() || schedule == Schedule::Unreadable);
    }
}

/// A text: the first octet is its data_coding.
pub(crate) fn text(input: &[u8]) {
    let Some((data_coding, octets)) = input.split_first() else { return };
    let (mut chars, mut folded, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for (dc0, dc15) in
        [(DefaultAlphabet::Gsm7, Dc15::Gbk), (DefaultAlphabet::Latin1, Dc15::Refuse), (DefaultAlphabet::Gbk, Dc15::Gbk)]
    {
        let Ok(encoding) = coding::decode(*data_coding, octets, dc0, dc15, &mut chars) else { continue };
        assert!(chars.len() <= octets.len());
        let shown = chars.iter().collect::<String>();
        assert!(!shown.trim_end_matches('\0').contains(['\0', '\u{fffe}', '\u{202e}']));
        if encoding == Encoding::Ucs2 {
            let back: Vec<u8> = shown.encode_utf16().flat_map(u16::to_be_bytes).collect();
            assert_eq!(back, octets);
        }
        coding::on_air_octets(encoding, octets, &chars, 0);
        for strip in [false, true] {
            matching_text(&chars, strip, &mut folded);
            matching_text(&folded, strip, &mut again);
            assert_eq!(folded, again, "folding twice is folding once");
            let zone = Zone::of(folded.len(), &SHIPPED.switches.signature);
            if let Some(name) = find_name(&folded, zone, "移动") {
                assert!(name.end <= folded.len() && zone.holds(&name));
                assert!(folded[name].iter().filter(|ch| **ch != ' ').eq(['移', '动'].iter()));
            }
            for found in Consultations::of(&folded, &["热线".to_owned()]) {
                assert!(found.span.end <= folded.len() && found.span.start < found.span.end);
                assert!(found.number.to_string().bytes().all(|digit| digit.is_ascii_digit()));
            }
            gives_any_number(&folded);
            gives_number(&folded, "13800138000");
        }
    }
}

/// A policy.toml. What is read can be written and read again.
pub(crate) fn policy_file(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(switches) = toml::from_str::<Switches>(text) else { return };
    let written = toml::to_string(&switches).expect("switches can be written");
    let again = toml::from_str::<Switches>(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!(switches, again);
}
