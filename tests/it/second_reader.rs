//! What the gateway accepts has one reading: a second reader, written from the
//! specification, accepts the same frames and sees the same fields; and what the
//! policy permits is one text to one subscriber, with nothing beside it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use smsluice::domain::{Moment, Msisdn};
use smsluice::policy::{Account, Ruleset, Scratch, decide};
use smsluice::sim::journal::Direction;
use smsluice::sim::submit::ucs2;
use smsluice::smpp::Submission;
use smsluice::smpp::multi::Multi;

use crate::reader::{self, Message};
use crate::stand::{self, OPEN, Stand};

/// Frames that each property looks at.
const CASES: u32 = 12_000;

// === frames, valid ones field by field and broken ones ===

/// A submission as octets that know nothing of the gateway's own builders.
#[derive(Clone, Debug)]
struct Draft {
    command_id: u32,
    message: Message,
}

impl Draft {
    fn octets(&self) -> Vec<u8> {
        let Message { service_type, source, destinations, .. } = &self.message;
        let message = &self.message;
        let mut body = service_type.clone();
        body.extend([0, source.0, source.1]);
        body.extend(source.2.iter().chain(&[0]));
        if self.command_id == 0x21 {
            body.push(destinations.len() as u8);
        }
        for (flag, ton, npi, address) in destinations {
            match (self.command_id, *flag) {
                (0x21, 1) => body.extend([1, *ton, *npi]),
                (0x21, flag) => body.push(flag),
                _ => body.extend([*ton, *npi]),
            }
            body.extend(address.iter().chain(&[0]));
        }
        if self.command_id == 0x103 {
            body.extend([message.esm_class, 0, message.data_coding]);
        } else {
            body.extend([message.esm_class, message.protocol_id, 0]);
            body.extend(message.schedule.iter().chain(&[0]).chain(&message.validity).chain(&[0]));
            body.extend([0, message.replace_if_present, message.data_coding, message.default_msg_id]);
            body.push(message.short_message.len() as u8);
            body.extend(&message.short_message);
        }
        for (tag, value) in &message.tlvs {
            body.extend(tag.to_be_bytes().into_iter().chain((value.len() as u16).to_be_bytes()));
            body.extend(value);
        }
        let words = [body.len() as u32 + 16, self.command_id, 0, message.sequence];
        words.into_iter().flat_map(u32::to_be_bytes).chain(body).collect()
    }
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[安-宝]{0,50}合肥移动".prop_map(|text| ucs2(&text)),
        2 => ".{0,30}".prop_map(|text| ucs2(&(text + "移动 询10086"))),
        1 => select(vec!["移\u{200b}动", "开业。移动营业厅", "移动 询0553-3120000", "安徽移动 询10086"]).prop_map(ucs2),
        1 => proptest::collection::vec(any::<u8>(), 0..160),
    ]
}

fn tlv() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let sized = select(vec![
        (0x0204u16, 2usize),
        (0x0201, 1),
        (0x020D, 1),
        (0x0426, 1),
        (0x020A, 2),
        (0x020B, 2),
        (0x0019, 1),
        (0x0017, 4),
        (0x020C, 2),
        (0x020E, 1),
        (0x020F, 1),
        (0x0381, 8),
        (0x0303, 4),
        (0x0202, 4),
        (0x1204, 1),
        (0x130C, 0),
        (0x0424, 20),
    ]);
    prop_oneof![
        3 => (0x1400u16..0x4000, proptest::collection::vec(any::<u8>(), 0..12)),
        4 => sized.prop_flat_map(|(tag, size)| (Just(tag), proptest::collection::vec(0u8..4, size))),
        1 => (any::<u16>(), proptest::collection::vec(any::<u8>(), 0..6)),
    ]
}

fn often<T: Clone + std::fmt::Debug + 'static>(usual: T, odd: impl Strategy<Value = T> + 'static) -> BoxedStrategy<T> {
    prop_oneof![6 => Just(usual), 1 => odd].boxed()
}

fn time() -> BoxedStrategy<Vec<u8>> {
    let odd = "26112[0-9]{7}000(32[+]|00[+]|36[-])|00000[01]0[0-9]{5}000R|[0-9R+-]{16}";
    often(Vec::new(), odd.prop_map(String::into_bytes))
}

fn spelling() -> BoxedStrategy<(u8, u8, u8, Vec<u8>)> {
    let usual = (1u8, 1u8, 1u8, b"8613856000001".to_vec());
    let odd = (0u8..4, 0u8..3, "(|[+]86|86|0086|0|[+]|00)1[2-9][0-9]{9}|[+]?[0-9]{0,20}");
    let odd = odd.prop_map(|(ton, npi, digits)| (1, ton, npi, digits.into_bytes()));
    let hefei = (0u8..3, 0u8..2, select(vec!["", "86", "+86", "0"]), 0u32..9999);
    let hefei = hefei.prop_map(|(ton, npi, before, n)| (1, ton, npi, format!("{before}1385600{n:04}").into_bytes()));
    prop_oneof![2 => Just(usual), 4 => hefei, 1 => odd].boxed()
}

fn draft() -> impl Strategy<Value = Draft> {
    let head = (
        select(vec![4u32, 4, 4, 0x103, 0x21]),
        often(Vec::new(), "[A-Z]{0,5}".prop_map(String::into_bytes)),
        often((0, 1, b"620205511".to_vec()), (any::<u8>(), any::<u8>(), "[0-9+a]{0,20}".prop_map(String::into_bytes))),
        proptest::collection::vec(spelling(), 1..4),
    );
    let flags = (
        often(0, select(vec![1, 2, 3, 4, 0x40, 0x43, 0x80, 0x20])),
        often(0, any::<u8>()),
        often(0, 1..=1u8),
        often(8, select(vec![0, 1, 3, 4, 0x0F, 0x18, 0x10, 0xF0, 0xF5, 0x48])),
        often(0, 1..=1u8),
    );
    let header =
        often(Vec::new(), select(vec![vec![5, 0, 3, 7, 1, 1], vec![5, 0, 3, 7, 2, 1], vec![6, 5, 4, 11, 132, 0, 0]]));
    let tlvs = often(Vec::new(), proptest::collection::vec(tlv(), 0..4));
    (head, flags, (time(), time()), (header, text()), tlvs, any::<u32>()).prop_map(
        |((command_id, service_type, source, mut destinations), flags, times, (header, text), mut tlvs, sequence)| {
            if command_id != 0x21 {
                destinations.truncate(1);
            }
            let octets = [header, text].concat();
            let short_message = if command_id == 0x103 || octets.len() > 254 {
                tlvs.insert(0, (0x0424, octets));
                Vec::new()
            } else {
                octets
            };
            let (esm_class, protocol_id, replace_if_present, data_coding, default_msg_id) = flags;
            let (schedule, validity) = times;
            let message = Message {
                message_id: Vec::new(),
                sequence,
                service_type,
                source,
                destinations,
                esm_class,
                protocol_id,
                schedule,
                validity,
                replace_if_present,
                data_coding,
                default_msg_id,
                short_message,
                tlvs,
            };
            Draft { command_id, message }
        },
    )
}

/// What is done to a sound frame.
#[derive(Clone, Debug)]
enum Blow {
    Flip(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Repeat(Index, u8),
    Swap(Index, Index),
    /// command_length is left as it was, although the octets are others.
    Lie,
}

fn blow() -> impl Strategy<Value = Blow> {
    let tlv =
        tlv().prop_map(|(tag, value)| [&tag.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), &value].concat());
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, octet)| Blow::Flip(at, octet)),
        1 => any::<Index>().prop_map(Blow::Cut),
        2 => (any::<Index>(), tlv).prop_map(|(at, octets)| Blow::Insert(at, octets)),
        1 => (any::<Index>(), 1..40u8).prop_map(|(at, length)| Blow::Repeat(at, length)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Blow::Swap(one, other)),
        1 => Just(Blow::Lie),
    ]
}

fn broken(draft: &Draft, blows: &[Blow]) -> Vec<u8> {
    let mut octets = draft.octets();
    let mut honest = true;
    for blow in blows {
        let room = octets.len() - 15; // the header stays whole, so that the frame can be cut at all
        let place = |at: &Index| 16 + at.index(room) - usize::from(at.index(room) == room - 1 && room > 1);
        match blow {
            Blow::Flip(at, octet) => {
                if let Some(hit) = octets.get_mut(place(at)) {
                    *hit = *octet;
                }
            }
            Blow::Cut(at) => octets.truncate(place(at)),
            Blow::Insert(at, more) => {
                let at = place(at).min(octets.len());
                octets.splice(at..at, more.iter().copied());
            }
            Blow::Repeat(at, length) => {
                let from = place(at).min(octets.len());
                let again = octets[from..(from + usize::from(*length)).min(octets.len())].to_vec();
                octets.splice(from..from, again);
            }
            Blow::Swap(one, other) => {
                let (one, other) = (place(one), place(other));
                if one.max(other) < octets.len() {
                    octets.swap(one, other);
                }
            }
            Blow::Lie => honest = false,
        }
    }
    if honest {
        let length = octets.len() as u32;
        octets[..4].copy_from_slice(&length.to_be_bytes());
    }
    octets
}

/// Sound frames and broken ones.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let broken = (draft(), proptest::collection::vec(blow(), 1..4)).prop_map(|(draft, blows)| broken(&draft, &blows));
    prop_oneof![1 => draft().prop_map(|draft| draft.octets()), 1 => broken]
}

/// The same cases in every run.
fn check<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, random).run(strategy, test).unwrap_or_else(|error| panic!("{error}"));
}

// === the properties ===

/// What was accepted, as the gateway sees it.
fn accepted(frame: &[u8]) -> Option<Vec<Submission<'_>>> {
    if frame[4..8] != [0, 0, 0, 0x21] {
        return Submission::read(frame).ok().map(|submission| vec![submission]);
    }
    let multi = Multi::read(frame).ok()?;
    Some(multi.destinations.iter().map(|to| multi.to(to.address.unwrap_or_default())).collect())
}

#[test]
fn the_second_reader_sees_what_the_gateway_accepts() {
    let seen = std::cell::Cell::new(0u32);
    check(CASES, &frames(), |frame| {
        if frame[..4] != (frame.len() as u32).to_be_bytes() {
            return Ok(()); // never cut from a stream as one frame
        }
        let Some(submissions) = accepted(&frame) else { return Ok(()) };
        seen.set(seen.get() + 1);
        let Some(second) = reader::read(&frame) else {
            return Err(TestCaseError::fail(format!("the second reader refuses {frame:02x?}")));
        };
        prop_assert_eq!(submissions.len(), second.destinations.len());
        for (submission, (flag, ton, npi, address)) in submissions.iter().zip(&second.destinations) {
            let (source, to) = (submission.source, submission.destination);
            prop_assert_eq!(
                (source.ton, source.npi, source.digits),
                (second.source.0, second.source.1, &*second.source.2)
            );
            let wanted = if *flag == 1 { (*ton, *npi, address.as_slice()) } else { (0, 0, &[][..]) };
            prop_assert_eq!((to.ton, to.npi, to.digits), wanted);
            prop_assert_eq!(submission.service_type, second.service_type.as_slice());
            prop_assert_eq!((submission.sequence, submission.esm_class), (second.sequence, second.esm_class));
            prop_assert_eq!((submission.protocol_id, submission.data_coding), (second.protocol_id, second.data_coding));
            prop_assert_eq!((submission.schedule, submission.validity), (&*second.schedule, &*second.validity));
            prop_assert_eq!(submission.replace_if_present, second.replace_if_present);
            prop_assert_eq!(submission.default_msg_id, second.default_msg_id);
            let tlvs: Vec<_> = submission.tlvs.iter().map(|tlv| (tlv.tag, tlv.value.to_vec())).collect();
            prop_assert_eq!(&tlvs, &second.tlvs);
            let text = second.texts().first().copied().unwrap_or_default();
            prop_assert!(text.ends_with(submission.user_data.text), "{:02x?}", text);
            prop_assert_eq!(text.len(), submission.user_data.text.len() + submission.user_data.header);
            prop_assert_eq!(
                submission.two_texts,
                !second.short_message.is_empty() && !second.values(0x0424).is_empty()
            );
        }
        Ok(())
    });
    assert!(seen.get() > CASES / 3, "only {} of {CASES} frames were accepted", seen.get());
}

static SHIPPED: LazyLock<Ruleset> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let loaded = smsluice::config::load_with_env(&folder, &BTreeMap::new(), now());
    loaded.unwrap_or_else(|problems| panic!("{problems}")).ruleset
});

fn now() -> Moment {
    stand::moment(OPEN)
}

/// A city's account, which is held to every rule.
fn governed() -> &'static Account {
    SHIPPED.account("hf6202").expect("Hefei's account is shipped")
}

#[test]
fn what_is_permitted_has_one_reading() {
    let (seen, rules) = (std::cell::Cell::new(0u32), &*SHIPPED);
    check(CASES, &frames(), |frame| {
        if frame[..4] != (frame.len() as u32).to_be_bytes() || frame[4..8] == [0, 0, 0, 0x21] {
            return Ok(());
        }
        let Ok(submission) = Submission::read(&frame) else { return Ok(()) };
        let Ok(permit) = decide(rules, governed(), &submission, now(), &mut Scratch::default()) else { return Ok(()) };
        seen.set(seen.get() + 1);
        let message = reader::read(&frame).expect("the second reader agrees");
        prop_assert_eq!(message.one_reading("62020551"), Ok(()), "{:?}", message);
        let number = message.subscriber().and_then(|digits| digits.parse().ok());
        prop_assert_eq!(permit.recipient().map(Msisdn::get), number);
        Ok(())
    });
    assert!(seen.get() > CASES / 20, "only {} of {CASES} frames were permitted", seen.get());
}

// === over the wire ===

#[tokio::test]
async fn the_smsc_has_the_accepted_frames_octet_for_octet_and_in_their_order() {
    const FRAMES: usize = 1000;
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    let mut runner =
        TestRunner::new_with_rng(ProptestConfig::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let strategy = (draft(), prop_oneof![2 => Just(Vec::new()), 1 => proptest::collection::vec(blow(), 1..3)]);
    let mut sent: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    for n in 0..FRAMES {
        let (mut draft, blows) = strategy.new_tree(&mut runner).expect("a frame").current();
        draft.command_id = 4;
        draft.message.destinations = vec![(1, 1, 1, stand::hefei(n as u64).into_bytes())];
        let mut frame = broken(&draft, &blows);
        let length = frame.len() as u32;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        frame[4..8].copy_from_slice(&[0, 0, 0, 4]);
        frame[12..16].copy_from_slice(&(n as u32 + 1).to_be_bytes());
        sent.insert(n as u32 + 1, frame);
    }
    // In batches of all sizes, cut anywhere.
    let stream: Vec<u8> = sent.values().flatten().copied().collect();
    let mut taken = Vec::new();
    for (n, piece) in stream.chunks(4099).enumerate() {
        esme.send_raw(piece).await.expect("sent");
        if n % 5 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for _ in 0..FRAMES {
        let answer = esme.next_pdu().await.expect("one answer each");
        let sequence = u32::from_be_bytes([answer[12], answer[13], answer[14], answer[15]]);
        assert!(sent.contains_key(&sequence) && answer[4..8] == [0x80, 0, 0, 4], "{answer:02x?}");
        if answer[8..12] == [0; 4] {
            taken.push(sequence);
        }
    }
    taken.sort_unstable();
    assert!((FRAMES / 10..FRAMES).contains(&taken.len()), "{} of {FRAMES} were taken", taken.len());
    let wanted: Vec<_> = taken.iter().map(|sequence| sent[sequence].clone()).collect();
    let arrived = stand.smsc.entries().into_iter().filter(|entry| entry.direction == Direction::In).skip(1);
    assert_eq!(arrived.map(|entry| entry.octets).collect::<Vec<_>>(), wanted);
    stand.assert_conserved();
}

// === numbers ===

#[test]
fn every_spelling_of_a_number_is_one_subscriber() {
    let strategy = ("1[3-9][0-9]{9}", 0u8..2);
    check(3000, &strategy, |(national, npi)| {
        let key = Msisdn::from_national(national.as_bytes()).expect("eleven digits");
        prop_assert_eq!(key.get().to_string(), national.clone());
        for (before, tons) in
            [("", &[0u8, 1, 2][..]), ("86", &[0, 1, 2]), ("+86", &[0, 1, 2]), ("0086", &[0, 1]), ("0", &[0, 1, 2])]
        {
            for ton in tons {
                let spelling = format!("{before}{national}");
                prop_assert_eq!(
                    Msisdn::parse(*ton, npi, spelling.as_bytes(), false),
                    Ok(key),
                    "{} ton {}",
                    spelling,
                    ton
                );
            }
        }
        Ok(())
    });
}

#[test]
fn what_only_looks_like_a_number_is_none() {
    let strategy = ("1[3-9][0-9]{9}", any::<Index>(), "[^0-9\u{0}]", 0u8..3, 0u8..2);
    check(3000, &strategy, |(national, at, odd, ton, npi)| {
        let cut = at.index(11);
        for spelling in [
            format!("+{national}"),
            format!("+0{national}"),
            format!("+0086{national}"),
            format!("++86{national}"),
            format!("00{national}"),
            format!("000{national}"),
            format!("8686{national}"),
            format!("860{national}"),
            format!("12{national}"),
            format!("{national}0"),
            format!(" {national}"),
            format!("{national} "),
            format!("tel:{national}"),
            national[..10].to_owned(),
            format!("{}{odd}{}", &national[..cut], &national[cut..]),
            format!("{}{odd}{}", &national[..cut], &national[cut + 1..]),
            format!("12{}", &national[2..]),
            national
                .chars()
                .map(|digit| char::from_u32(u32::from(digit) - 0x30 + 0xFF10).expect("full width"))
                .collect(),
        ] {
            // A plus in front of the rest of `+86…` is the one odd character that belongs there.
            if Msisdn::parse(ton, npi, spelling.as_bytes(), false).is_ok() {
                return Err(TestCaseError::fail(format!("{spelling} with ton {ton} is taken for a number")));
            }
        }
        for (ton, npi) in [(3, 1), (4, 1), (5, 0), (6, 0), (255, 1), (1, 3), (0, 8), (1, 255)] {
            prop_assert!(Msisdn::parse(ton, npi, national.as_bytes(), false).is_err());
        }
        prop_assert!(Msisdn::parse(1, npi, national.as_bytes(), true).is_err(), "strict_ton");
        Ok(())
    });
}

#[test]
fn any_octets_give_at_most_the_number_that_stands_in_them() {
    let octets = proptest::collection::vec(select(b"0123456789+ 86".to_vec()), 0..21);
    let nearly = "([+]|00|0|86|000|0086|[+]86|860|8600){0,2}1[2-9][0-9]{9,10}".prop_map(String::into_bytes);
    let strategy = (any::<u8>(), any::<u8>(), prop_oneof![1 => octets, 3 => nearly]);
    let strategy = strategy.prop_map(|(ton, npi, address)| (ton % 4, npi % 3, address));
    check(20_000, &strategy, |(ton, npi, address)| {
        let own = Msisdn::parse(ton, npi, &address, false).ok().map(|number| number.get().to_string());
        let message = Message { destinations: vec![(1, ton, npi, address)], ..Message::default() };
        prop_assert_eq!(own, message.subscriber());
        Ok(())
    });
}
