//! The other operations: data_sm, submit_multi, replace_sm, cancel_sm, query_sm, broadcast_sm.

use smsluice::policy::Reason;
use smsluice::sim::esme::Esme;
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::bind::BindType;
use smsluice::smpp::multi::MultiResp;

use crate::script::{self, Script};
use crate::stand::{GOOD, Setup, Stand, good, hefei, subscriber};

fn sequence(octets: &[u8]) -> u32 {
    u32::from_be_bytes([octets[12], octets[13], octets[14], octets[15]])
}

/// Sends a frame and returns the whole answer.
async fn ask(esme: &mut Esme, octets: &[u8]) -> (u32, Vec<u8>) {
    let answer = esme.request(sequence(octets), octets).await.expect("answered");
    (answer.status, answer.frame)
}

fn multi(to: &[&str], sequence: u32) -> Vec<u8> {
    SubmitSpec::new("62021", "", GOOD).submit_multi(to, sequence)
}

/// What the SMSC refused or the gateway did, by number.
fn unsuccess(frame: &[u8]) -> Vec<(String, u32)> {
    let resp = MultiResp::read(frame).expect("a body");
    let digits = |one: &smsluice::smpp::multi::Unsuccess| String::from_utf8_lossy(one.address().digits).into_owned();
    resp.unsuccess.iter().map(|one| (digits(one), one.status)).collect()
}

#[tokio::test]
async fn data_sm_is_held_to_the_same_rules() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    let frame = good(&hefei(1)).data_sm(70);
    assert_eq!(ask(&mut esme, &frame).await.0, 0);
    assert!(stand.smsc.entries().iter().any(|entry| entry.octets == frame), "octet for octet");
    assert_eq!(ask(&mut esme, &good(&hefei(1)).data_sm(71)).await.0, 0x45, "a second message of the day");
    assert_eq!(ask(&mut esme, &good(&subscriber("wuhu", 1)).data_sm(72)).await.0, 0x0B);
    assert_eq!(ask(&mut esme, &SubmitSpec::new("62021", &hefei(2), "没有落款").data_sm(73)).await.0, 0x45);
    let mut bare = good(&hefei(3)).octets(8, b"").data_sm(74);
    let end = bare.len() - 4;
    if bare[end..] == [0x04, 0x24, 0, 0] {
        bare.truncate(end);
        let length = bare.len() as u32;
        bare[..4].copy_from_slice(&length.to_be_bytes());
    }
    assert_eq!(ask(&mut esme, &bare).await.0, 0xC3, "no payload");
    stand.assert_conserved();
}

#[tokio::test]
async fn refused_recipients_of_a_submit_multi_come_back_and_the_rest_goes_on() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(esme.submit(&good(&hefei(9))).await.expect("answered").status, 0);
    let (fresh, foreign, again) = (hefei(1), subscriber("wuhu", 1), hefei(9));
    let (status, frame) = ask(&mut esme, &multi(&[&fresh, &foreign, &again, &fresh], 80)).await;
    assert_eq!(status, 0);
    assert_eq!(unsuccess(&frame), [(foreign, 0x0B), (again, 0x45), (fresh.clone(), 0x45)]);
    let seen: Vec<_> = stand.smsc.entries().into_iter().filter(|entry| entry.octets[4..8] == [0, 0, 0, 0x21]).collect();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].octets, multi(&[&fresh], 80), "as if the others had never been named");
    for (reason, count) in [(Reason::OtherCity, 1), (Reason::Duplicate, 2)] {
        assert_eq!(stand.refused("hefei", reason), count);
    }
    assert_eq!(stand.smsc.stats().taken_twice, 0);
    stand.assert_conserved();
}

#[tokio::test]
async fn a_fault_of_the_content_refuses_a_submit_multi_as_a_whole() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    let (one, two) = (hefei(1), hefei(2));
    let unsigned = SubmitSpec::new("62021", "", "没有落款").submit_multi(&[&subscriber("wuhu", 1), &one], 81);
    let (status, frame) = ask(&mut esme, &unsigned).await;
    assert_eq!((status, frame.len()), (0x45, 16));
    stand.at("2026-11-24T11:30:00+08:00");
    assert_eq!(ask(&mut esme, &multi(&[&one, &two], 82)).await.0, 0x61);
    stand.at("2026-11-24T14:30:00+08:00");
    assert_eq!(ask(&mut esme, &multi(&[&subscriber("wuhu", 1), "055112345678"], 83)).await.0, 0x0B, "nobody is left");
    assert_eq!(ask(&mut esme, &multi(&[&one, &two], 84)).await.0, 0, "refusals cost nothing");
    assert_eq!(stand.smsc.stats().submissions(), 1);
    stand.assert_conserved();
}

#[tokio::test]
async fn reject_all_takes_a_submit_multi_whole_or_not_at_all() {
    let stand = Stand::with_policy("[multi]\nmode = \"reject_all\"\n").await;
    let mut esme = stand.bind("hefei").await;
    let (one, two, foreign) = (hefei(1), hefei(2), subscriber("wuhu", 1));
    assert_eq!(ask(&mut esme, &multi(&[&one, &two, &one], 85)).await.0, 0x45);
    assert_eq!(ask(&mut esme, &multi(&[&one, &foreign], 86)).await.0, 0x0B);
    assert_eq!(ask(&mut esme, &multi(&[&one, &two], 87)).await.0, 0, "the slots were given back");
    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(ask(&mut esme, &multi(&[&one, &two], 88)).await.0, 0x45);
    assert_eq!(ask(&mut esme, &multi(&[&hefei(3), &hefei(4)], 89)).await.0, 0);
}

#[tokio::test]
async fn the_smscs_refusal_of_a_submit_multi_frees_every_slot() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    stand.smsc.change(|behaviour| behaviour.errors = vec![(0x14, 1.0)]);
    let (one, two) = (hefei(1), hefei(2));
    assert_eq!(ask(&mut esme, &multi(&[&one, &two], 90)).await.0, 0x14);
    stand.smsc.change(|behaviour| behaviour.errors.clear());
    assert_eq!(ask(&mut esme, &multi(&[&one, &two], 91)).await.0, 0);
}

#[tokio::test]
async fn distribution_lists_replacements_and_broadcasts_are_refused() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    let mut list = multi(&[&hefei(1)], 92);
    let at = 16 + 1 + 2 + 6 + 1;
    list[at] = 2; // dest_flag; what was TON, NPI and number is the list's name now
    list[at + 1] = b'a';
    list[at + 2] = b'b';
    assert_eq!(ask(&mut esme, &list).await.0, 0x44);
    assert_eq!(ask(&mut esme, &good(&hefei(1)).replace_sm("1", 93)).await.0, 0x13);
    let broadcast = [&[0, 0, 0, 17, 0, 0, 1, 0x11, 0, 0, 0, 0, 0, 0, 0, 94, 0][..]].concat();
    let (status, frame) = ask(&mut esme, &broadcast).await;
    assert_eq!((status, &frame[4..8]), (0x03, &[0x80, 0, 0, 0][..]), "3.4 knows no broadcast_sm");
    let mut modern = Esme::connect(stand.gateway.smpp, BindType::Transceiver, "hefei", "x", 0x50).await.expect("bound");
    let (status, frame) = ask(&mut modern, &broadcast).await;
    assert_eq!((status, &frame[4..8]), (0x101, &[0x80, 0, 1, 0x11][..]));
    assert_eq!(stand.smsc.stats().submissions(), 0);
    stand.assert_conserved();
}

#[tokio::test]
async fn queries_and_cancellations_reach_own_messages_only() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(ask(&mut esme, &good(&hefei(1)).cancel_sm("1", 95)).await.0, 0);
    let mut other = good(&hefei(1));
    other.source = "1258".to_owned();
    assert_eq!(ask(&mut esme, &other.cancel_sm("1", 96)).await.0, 0x0A);
    let query = |source: &str, sequence: u8| {
        let body = [b"77\0\x01\x01", source.as_bytes(), b"\0"].concat();
        let head = [0, 0, 0, 16 + body.len() as u8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, sequence];
        [head.to_vec(), body].concat()
    };
    assert_eq!(ask(&mut esme, &query("62021", 97)).await.0, 0);
    assert_eq!(ask(&mut esme, &query("1258", 98)).await.0, 0x0A);
    assert_eq!(ask(&mut esme, &query("", 99)).await.0, 0x0A);
    let received = stand.smsc.stats().received;
    assert_eq!((received["query_sm"], received["cancel_sm"]), (1, 1));
}

#[tokio::test]
async fn requests_that_only_an_smsc_makes_are_not_passed() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    for (command, number) in [(5u8, 100u8), (0x0B, 101), (0x77, 102)] {
        let frame = [0, 0, 0, 16, 0, 0, 0, command, 0, 0, 0, 0, 0, 0, 0, number];
        let (status, answer) = ask(&mut esme, &frame).await;
        assert_eq!((status, &answer[4..8]), (0x03, &[0x80, 0, 0, 0][..]), "command {command:#x}");
    }
    assert_eq!(stand.smsc.stats().received.values().sum::<u64>(), 1, "the bind");
}

#[tokio::test]
async fn an_exempt_platform_sends_several_at_once() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("market").await;
    let frame = SubmitSpec::new("10086", "", "没有落款").submit_multi(&["13300000000", "13300000000"], 103);
    assert_eq!(ask(&mut esme, &frame).await.0, 0);
    assert!(stand.smsc.entries().iter().any(|entry| entry.octets == frame));
}

/// `validity.mode = "cap"`: at 09:30 the next forbidden window begins at 11:00.
#[tokio::test]
async fn a_validity_is_shortened_in_the_octets() {
    let stand = Stand::new(Setup {
        policy: "[validity]\nmode = \"cap\"\n".to_owned(),
        accounts: vec![("system_id = \"hefei2\"", "system_id = \"hefei2\"\nsource_default = \"62020551\"")],
        ..Setup::default()
    })
    .await;
    let mut esme = stand.bind("hefei").await;
    let (short, capped) = ("261124110000032+", |spec: &SubmitSpec| SubmitSpec {
        validity: "261124110000032+".to_owned(),
        ..spec.clone()
    });
    let (one, two) = (hefei(1), hefei(2));
    let within = SubmitSpec { validity: short.to_owned(), ..good(&hefei(3)) };
    let long = SubmitSpec { validity: "000002000000000R".to_owned(), ..good(&hefei(4)) };
    let to_live = |spec: &SubmitSpec, seconds: u32| spec.clone().with_tlv(0x0017, &seconds.to_be_bytes());
    let to_all = SubmitSpec::new("62021", "", GOOD);
    for (sent, expected) in [
        (within.submit_sm(201), within.submit_sm(201)),
        (long.submit_sm(202), capped(&long).submit_sm(202)),
        (good(&hefei(5)).submit_sm(203), capped(&good(&hefei(5))).submit_sm(203)),
        (to_live(&within, 90_000).submit_sm(204), vec![]), // the day's second message to this subscriber
        (to_live(&good(&hefei(6)), 90_000).submit_sm(205), to_live(&capped(&good(&hefei(6))), 5400).submit_sm(205)),
        (good(&hefei(7)).data_sm(206), to_live(&good(&hefei(7)), 5400).data_sm(206)),
        (to_all.submit_multi(&[&one, "0", &two], 207), capped(&to_all).submit_multi(&[&one, &two], 207)),
    ] {
        let status = ask(&mut esme, &sent).await.0;
        assert_eq!(status == 0, !expected.is_empty(), "{status:#x}");
        let arrived = stand.smsc.entries().into_iter().any(|entry| entry.octets == expected);
        assert_eq!(arrived, !expected.is_empty(), "{sent:02x?}");
    }
    let mut bare = stand.bind("hefei2").await;
    let empty = SubmitSpec { source: String::new(), ..good(&hefei(8)) };
    assert_eq!(ask(&mut bare, &empty.submit_sm(208)).await.0, 0);
    let both = SubmitSpec { source: "62020551".to_owned(), ..capped(&empty) }.submit_sm(208);
    assert!(stand.smsc.entries().iter().any(|entry| entry.octets == both), "both changes in one copy");
    stand.assert_conserved();
}

/// `reject_all`: what is refused as a whole has spent nothing of the rate.
#[tokio::test]
async fn a_submit_multi_that_is_refused_spends_no_tokens() {
    let stand = Stand::with_policy("[multi]\nmode = \"reject_all\"\n").await;
    let mut esme = stand.bind("slow").await; // three at once, two a second; the clock stands
    let to: Vec<String> = (0..4).map(|n| subscriber("wuhu", n)).collect();
    let spec = SubmitSpec::new("62021", "", "开通。移动");
    assert_eq!(ask(&mut esme, &spec.submit_multi(&[&to[0], &to[1], &to[0]], 301)).await.0, 0x45, "one twice");
    let all: Vec<&str> = to.iter().map(String::as_str).collect();
    assert_eq!(ask(&mut esme, &spec.submit_multi(&all, 302)).await.0, 0x58, "four at once");
    assert_eq!(ask(&mut esme, &spec.submit_multi(&all[..3], 303)).await.0, 0, "all three tokens are there still");
    assert_eq!(ask(&mut esme, &spec.submit_multi(&all[3..], 304)).await.0, 0x58, "and none is left");
    assert_eq!(stand.refused("slow", Reason::Rate), 5);
    stand.assert_conserved();
}

/// An entry of unsuccess_sme speaks for one recipient, also where a number stands twice.
#[tokio::test]
async fn the_smsc_refuses_one_of_two_to_the_same_number() {
    let (to, again) = (hefei(1), hefei(1));
    let digits = to.clone();
    let mut first = true;
    let script = Script::new(move |pdu| match script::command_of(pdu) {
        0x21 if std::mem::take(&mut first) => {
            let entry = [b"\x01\x01", digits.as_bytes(), b"\0\0\0\0\x0B"].concat();
            vec![script::response(pdu, 0, &[b"id\0\x01", &entry[..]].concat())]
        }
        _ => vec![script::response(pdu, 0, b"id\0\0")],
    })
    .await;
    let stand =
        Stand::new(Setup { policy: "[dedup]\nlimit = 2\n".to_owned(), smsc: Some(script.address), ..Setup::default() })
            .await;
    let mut esme = stand.bind("hefei").await;
    let (status, frame) = ask(&mut esme, &multi(&[&to, &again], 401)).await;
    assert_eq!((status, unsuccess(&frame)), (0, vec![(to.clone(), 0x0B)]));
    let (status, frame) = ask(&mut esme, &multi(&[&to, &again], 402)).await;
    assert_eq!((status, unsuccess(&frame)), (0, vec![(to, 0x45)]), "one place was free, not two");
}

/// The answer names those that the SMSC did not take and those that the gateway did not pass on.
#[tokio::test]
async fn the_smscs_and_the_gateways_refusals_come_back_together() {
    let unwanted = hefei(2);
    let entry = [b"\x01\x01", unwanted.as_bytes(), b"\0\0\0\0\x0B"].concat();
    let body = [b"id\0\x01", &entry[..], b"\x14\0\0\x01x"].concat();
    let script = Script::new(move |pdu| match script::command_of(pdu) {
        0x21 => vec![script::response(pdu, 0, &body)],
        _ => vec![script::response(pdu, 0, b"id\0")],
    })
    .await;
    let stand = Stand::new(Setup { smsc: Some(script.address), ..Setup::default() }).await;
    let mut esme = stand.bind("hefei").await;
    let (taken, unwanted, foreign) = (hefei(1), hefei(2), subscriber("wuhu", 1));
    let (status, frame) = ask(&mut esme, &multi(&[&foreign, &taken, &unwanted], 501)).await;
    assert_eq!((status, unsuccess(&frame)), (0, vec![(unwanted.clone(), 0x0B), (foreign, 0x0B)]));
    assert!(frame.ends_with(b"\x14\0\0\x01x") && frame[16..].starts_with(b"id\0\x02"), "and the rest as it was");
    assert_eq!(ask(&mut esme, &good(&taken).submit_sm(502)).await.0, 0x45);
    assert_eq!(ask(&mut esme, &good(&unwanted).submit_sm(503)).await.0, 0, "its slot was given back");
    stand.assert_conserved();
}
