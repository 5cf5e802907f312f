//! What is run against arbitrary input: by `fuzz/` for hours, by `fuzz_smoke` for a moment.
//! Nothing may panic, and what one function accepts another must agree with.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use smsluice::domain::{Moment, Msisdn};
use smsluice::policy::matching::matching_text;
use smsluice::policy::numbers::{gives_any_number, gives_number};
use smsluice::policy::phrases::{Consultations, Zone, find_name};
use smsluice::policy::switches::{Switches, ZeroOffset};
use smsluice::policy::{Ruleset, Scratch, case::Schedule, decide};
use smsluice::smpp::coding::{self, Dc15, DefaultAlphabet, Encoding};
use smsluice::smpp::frame::{HEADER, MAX_PDU};
use smsluice::smpp::multi::{Multi, MultiResp};
use smsluice::smpp::time::Time;
use smsluice::smpp::tlv::Tlvs;
use smsluice::smpp::udh::{Parts, UserData};
use smsluice::smpp::{Cut, Header, Submission, manage};

use crate::reader;

/// The shipped configuration.
static SHIPPED: LazyLock<Ruleset> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = [here.join("config"), here.join("../config")].into_iter().find(|folder| folder.exists());
    let loaded = smsluice::config::load_with_env(&folder.expect("config"), &BTreeMap::new(), now());
    loaded.unwrap_or_else(|problems| panic!("{problems}")).ruleset
});

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
        judge(frame);
        if let Some(resp) = MultiResp::read(frame) {
            let again = resp.with(frame, &[]);
            assert_eq!(again, frame, "an answer to which nothing is added");
        }
        manage::source(frame);
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

/// One submission: the first octet chooses the operation, the rest is its body. Read and judged for every account.
pub(crate) fn submission(input: &[u8]) {
    let Some((first, body)) = input.split_first() else { return };
    let command_id = [0x04, 0x04, 0x103, 0x21][usize::from(first & 3)];
    let length = (HEADER + body.len()) as u32;
    let header = Header { length, command_id, status: 0, sequence: u32::from(*first) };
    judge(&[&header.octets(), body].concat());
}

fn judge(frame: &[u8]) {
    match Multi::read(frame) {
        Ok(multi) if frame[4..8] == [0, 0, 0, 0x21] => {
            let second = reader::read(frame).expect("the second reader agrees");
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
            for destination in &multi.destinations {
                decide_for_all(&multi.to(destination.address.unwrap_or_default()), None);
            }
        }
        _ => {}
    }
    let Ok(submission) = Submission::read(frame) else { return };
    let second = reader::read(frame).expect("the second reader agrees");
    let tlvs: Vec<_> = submission.tlvs.iter().map(|tlv| (tlv.tag, tlv.value.to_vec())).collect();
    assert_eq!(tlvs, second.tlvs);
    assert_eq!(submission.source.digits, second.source.2);
    assert_eq!(submission.destination.digits, second.destinations[0].3);
    decide_for_all(&submission, Some(&second));
}

fn decide_for_all(submission: &Submission<'_>, second: Option<&reader::Message>) {
    let mut scratch = Scratch::default();
    for account in &SHIPPED.accounts {
        let verdict = decide(&SHIPPED, account, submission, now(), &mut scratch);
        let Some(message) = second.filter(|_| verdict.is_ok() && account.class.needs_city()) else { continue };
        assert_eq!(message.one_reading(), Ok(()), "{message:?}");
        let number = message.subscriber().and_then(|digits| digits.parse().ok());
        assert_eq!(verdict.ok().and_then(|permit| permit.recipient()).map(Msisdn::get), number);
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
