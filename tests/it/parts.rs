//! Messages in several parts: one slot, one of the quota, one token, judged as one text.

use std::time::Duration;

use smsluice::domain::LocalTime;
use smsluice::ledger::Side;
use smsluice::sim::esme::Esme;
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::command::status;

use crate::script::{self, Script};
use crate::stand::{OPEN, Setup, Stand, good, hefei, moment, subscriber, verdict};

const GROUP: &str = "[length]\nlimit = 160\nmultipart = \"group\"\n";
/// Its signature lies over a seam.
const TEXTS: [&str; 3] = ["合肥移动新营业厅开业,", "欢迎光临。合肥移", "动 询0551-1860"];

/// A part with an 8-bit reference.
fn part(to: &str, reference: u8, total: u8, index: u8, text: &str) -> SubmitSpec {
    with_udh(&[5, 0, 3, reference, total, index], SubmitSpec::new("62021", to, text))
}

/// A part with a 16-bit reference.
fn wide(to: &str, reference: u8, total: u8, index: u8, text: &str) -> SubmitSpec {
    with_udh(&[6, 8, 4, 0, reference, total, index], SubmitSpec::new("62021", to, text))
}

/// A part announced by the `sar_*` TLVs.
fn sar(to: &str, reference: u8, total: u8, index: u8, text: &str) -> SubmitSpec {
    let spec = SubmitSpec::new("62021", to, text).with_tlv(0x020C, &[0, reference]);
    spec.with_tlv(0x020E, &[total]).with_tlv(0x020F, &[index])
}

fn with_udh(udh: &[u8], mut spec: SubmitSpec) -> SubmitSpec {
    spec.esm_class |= 0x40;
    spec.short_message.splice(0..0, udh.iter().copied());
    spec
}

/// Part `index` of [`TEXTS`].
fn third(to: &str, reference: u8, index: u8) -> SubmitSpec {
    part(to, reference, 3, index, TEXTS[usize::from(index) - 1])
}

async fn told(stand: &Stand, esme: &mut Esme, spec: &SubmitSpec) -> String {
    verdict(stand, esme, "hefei", spec).await.0
}

fn users(stand: &Stand) -> u32 {
    let gateway = stand.gateway.gateway();
    let scope = gateway.site().sender("hefei").expect("there").scopes.unit;
    let book = gateway.ledger().book(LocalTime::of(moment(OPEN)).day).expect("today's book");
    book.counted(Side::Real, scope)
}

#[tokio::test]
async fn parts_come_in_any_order_over_any_session_and_count_as_one() {
    let stand = Stand::with_policy(&format!("{GROUP}[quota]\nusers = 2\n[spread]\nlimit = 2\n")).await;
    let mut sessions = [stand.bind("hefei").await, stand.bind("hefei").await];
    for (n, order) in [[1, 2, 3], [3, 1, 2]].iter().enumerate() {
        for (turn, index) in order.iter().enumerate() {
            let spec = third(&hefei(n as u64), 7, *index);
            assert_eq!(told(&stand, &mut sessions[turn % 2], &spec).await, "pass", "{index} of {order:?}");
        }
    }
    assert_eq!((users(&stand), stand.smsc.stats().taken), (2, 6));
    let [one, _] = &mut sessions;
    assert_eq!(told(&stand, one, &good(&hefei(0))).await, "duplicate");
    assert_eq!(told(&stand, one, &third(&hefei(3), 7, 1)).await, "quota");
    stand.assert_conserved();
}

#[tokio::test]
async fn parts_sent_at_once_over_many_sessions_are_one_message() {
    let stand = Stand::with_policy(GROUP).await;
    let (mut a, mut b, mut c) = (stand.bind("hefei").await, stand.bind("hefei").await, stand.bind("hefei").await);
    for n in 0..50 {
        let to = hefei(n);
        let (one, two, three) = (third(&to, 7, 1), third(&to, 7, 2), third(&to, 7, 3));
        let answers = tokio::join!(a.submit(&one), b.submit(&two), c.submit(&three));
        for answer in [answers.0, answers.1, answers.2] {
            assert_eq!(answer.expect("answered").status, 0);
        }
    }
    assert_eq!((users(&stand), stand.smsc.stats().taken), (50, 150));
}

#[tokio::test]
async fn a_restart_between_the_parts_changes_nothing() {
    let stand = Stand::with_policy(&format!("{GROUP}[dedup]\nlimit = 2\n")).await;
    let mut esme = stand.bind("hefei").await;
    let to = hefei(1);
    assert_eq!(told(&stand, &mut esme, &third(&to, 7, 3)).await, "pass");
    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 4, 1, "其他")).await, "operation_denied");
    assert_eq!(told(&stand, &mut esme, &third(&to, 7, 3)).await, "duplicate");
    assert_eq!(told(&stand, &mut esme, &third(&to, 7, 2)).await, "pass");
    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    let bare = part(&to, 7, 3, 1, &"长".repeat(67));
    let longer = part(&to, 7, 3, 1, &format!("{}询0558-1860", "长".repeat(50)));
    assert_eq!(told(&stand, &mut esme, &longer).await, "foreign_consult");
    assert_eq!(told(&stand, &mut esme, &bare).await, "pass", "the signature lies in the parts before the restarts");
    assert_eq!(users(&stand), 1);
    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(told(&stand, &mut esme, &third(&to, 7, 2)).await, "duplicate");
    assert_eq!(told(&stand, &mut esme, &good(&to)).await, "pass", "the second message of two");
    assert_eq!(told(&stand, &mut esme, &good(&to)).await, "duplicate");
}

#[tokio::test]
async fn a_contradicting_total_or_coding_is_refused() {
    let stand = Stand::with_policy(GROUP).await;
    let mut esme = stand.bind("hefei").await;
    let to = hefei(1);
    assert_eq!(told(&stand, &mut esme, &third(&to, 7, 1)).await, "pass");
    let (found, answer) = verdict(&stand, &mut esme, "hefei", &part(&to, 7, 2, 2, TEXTS[2])).await;
    assert_eq!((found.as_str(), answer.status), ("operation_denied", status::ESME_RINVESMCLASS));
    let latin = with_udh(&[5, 0, 3, 7, 3, 2], SubmitSpec::new("62021", &to, "").octets(3, b"abc"));
    assert_eq!(told(&stand, &mut esme, &latin).await, "operation_denied");
    let tomorrow = third(&to, 7, 2).at("261125090000032+");
    assert_eq!(told(&stand, &mut esme, &tomorrow).await, "schedule_invalid");
    assert_eq!(told(&stand, &mut esme, &third(&hefei(2), 7, 1)).await, "pass", "another subscriber's message");
    assert_eq!(told(&stand, &mut esme, &third(&to, 7, 2)).await, "pass");
    assert_eq!(told(&stand, &mut esme, &third(&to, 7, 3)).await, "pass");
}

#[tokio::test]
async fn a_reference_is_free_again_after_the_assembly_time() {
    let stand = Stand::with_policy(&format!("{GROUP}assembly_minutes = 5\n[dedup]\nlimit = 2\n")).await;
    let mut esme = stand.bind("hefei").await;
    let to = hefei(1);
    for index in 1..=3 {
        assert_eq!(told(&stand, &mut esme, &third(&to, 7, index)).await, "pass");
    }
    stand.advance(Duration::from_secs(299));
    for index in 1..=3 {
        assert_eq!(told(&stand, &mut esme, &third(&to, 7, index)).await, "duplicate");
    }
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 2, 1, "新")).await, "operation_denied");
    stand.advance(Duration::from_secs(1));
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 2, 1, "新")).await, "pass", "another message");
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 2, 2, TEXTS[2])).await, "pass");
    stand.at("2026-11-25T09:30:00+08:00");
    for index in 1..=3 {
        assert_eq!(told(&stand, &mut esme, &third(&to, 7, index)).await, "pass");
    }
}

/// What has come of it may still lie on the handset, where a part of another message would complete it.
#[tokio::test]
async fn a_message_that_was_never_whole_is_not_completed_later() {
    let stand = Stand::with_policy(&format!("{GROUP}assembly_minutes = 5\n")).await;
    let mut esme = stand.bind("hefei").await;
    let to = hefei(1);
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 2, 1, "没有落款的一段")).await, "pass");
    stand.advance(Duration::from_secs(300));
    let late = part(&to, 7, 2, 2, "动 询0551-1860。移动");
    assert_eq!(told(&stand, &mut esme, &late).await, "operation_denied");
    stand.at("2026-11-25T09:30:00+08:00");
    assert_eq!(told(&stand, &mut esme, &late).await, "operation_denied", "nor on the next day");
    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(told(&stand, &mut esme, &late).await, "operation_denied", "nor after a restart");
    assert_eq!(told(&stand, &mut esme, &part(&to, 8, 2, 1, "开通。移")).await, "pass", "another reference");
    assert_eq!(told(&stand, &mut esme, &part(&to, 8, 2, 2, "动")).await, "pass");
    stand.at("2026-11-26T09:36:00+08:00");
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 2, 2, "动")).await, "pass", "after two days it is open again");
}

/// A handset joins parts of one source only.
#[tokio::test]
async fn parts_of_two_sources_are_two_messages() {
    let stand = Stand::with_policy(GROUP).await;
    let mut esme = stand.bind("hefei").await;
    let to = hefei(1);
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 2, 1, "没有落款")).await, "pass");
    let other = |spec: SubmitSpec| SubmitSpec { source: "62022".to_owned(), ..spec };
    assert_eq!(told(&stand, &mut esme, &other(part(&to, 7, 2, 2, "开通。移动"))).await, "duplicate");
    let national = SubmitSpec { source_ton_npi: (2, 1), ..part(&to, 7, 2, 2, "开通。移动") };
    assert_eq!(told(&stand, &mut esme, &national).await, "duplicate");
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 2, 2, "开通。移动")).await, "pass");
}

#[tokio::test]
async fn parts_are_counted_beside_the_messages() {
    let stand = Stand::with_policy(GROUP).await;
    let mut esme = stand.bind("hefei").await;
    let counted =
        |verdict: &str| stand.metric(&format!(r#"smsluice_segments_total{{account="hefei",verdict="{verdict}"}}"#));
    assert_eq!((counted("forwarded"), counted("refused")), (0, 0));
    let to = hefei(1);
    for (index, expected) in [(1, "pass"), (1, "duplicate"), (2, "pass")] {
        assert_eq!(told(&stand, &mut esme, &part(&to, 7, 2, index, "移动")).await, expected);
    }
    assert_eq!(told(&stand, &mut esme, &good(&hefei(2))).await, "pass", "no part");
    assert_eq!((counted("forwarded"), counted("refused")), (2, 1));
    stand.assert_conserved();
}

/// `unknown_outcome = "release"`: late answers to two parts take their message again once.
#[tokio::test]
async fn late_answers_to_parts_count_once() {
    let held: std::sync::Arc<parking_lot::Mutex<Vec<Vec<u8>>>> = std::sync::Arc::default();
    let kept = std::sync::Arc::clone(&held);
    let script = Script::new(move |pdu| match script::command_of(pdu) {
        4 if script::sequence_of(pdu) < 10 => {
            kept.lock().push(script::response(pdu, 0, b"id\0"));
            Vec::new()
        }
        0x15 => [std::mem::take(&mut *kept.lock()), vec![script::response(pdu, 0, b"")]].concat(),
        _ => vec![script::response(pdu, 0, b"id\0")],
    })
    .await;
    let stand = Stand::new(Setup {
        policy: format!("{GROUP}[dedup]\nlimit = 2\nunknown_outcome = \"release\"\n[quota]\nusers = 1\n"),
        change: |plan| plan.proxy.response_timeout = Duration::from_secs(10),
        smsc: Some(script.address),
        ..Setup::default()
    })
    .await;
    let mut esme = stand.bind("hefei").await;
    let to = hefei(1);
    for (sequence, index) in [(1, 1), (2, 2)] {
        esme.send_raw(&third(&to, 7, index).submit_sm(sequence)).await.expect("sent");
    }
    script.until(4, 2).await;
    stand.advance(Duration::from_secs(11));
    for _ in 0..2 {
        esme.next_pdu().await.expect("an answer in the SMSC's stead");
    }
    assert_eq!(users(&stand), 0, "given back");
    esme.enquire_link().await.expect("answered, behind the late ones");
    assert_eq!(stand.metric(r#"smsluice_anomalies_total{kind="late_accept"}"#), 2);
    assert_eq!(users(&stand), 1, "taken again");
    esme.set_patience(Duration::from_secs(5));
    let next = |sequence: u32| good(&to).submit_sm(sequence);
    assert_eq!(esme.request(20, &next(20)).await.expect("answered").status, 0, "the second message of two");
    assert_eq!(esme.request(21, &next(21)).await.expect("answered").status, 0x45, "not counted twice, nor too little");
    let stand = stand.restart().await;
    assert_eq!(users(&stand), 1);
    let mut esme = stand.bind("hefei").await;
    assert_eq!(esme.request(22, &next(22)).await.expect("answered").status, 0x45);
}

#[tokio::test]
async fn endless_parts_end_at_the_limit() {
    let stand = Stand::with_policy("[length]\nmultipart = \"group\"\n").await;
    let mut esme = stand.bind("hefei").await;
    let to = hefei(1);
    for index in 1..=65 {
        assert_eq!(told(&stand, &mut esme, &part(&to, 7, 255, index, "字")).await, "pass", "{index}");
    }
    for index in 66..=70 {
        assert_eq!(told(&stand, &mut esme, &part(&to, 7, 255, index, "字")).await, "too_long");
    }
    assert_eq!((users(&stand), stand.smsc.stats().taken), (1, 65));
    stand.advance(Duration::from_secs(600));
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 255, 66, "字")).await, "operation_denied", "nor later");
}

#[tokio::test]
async fn a_message_without_a_signature_cannot_be_completed() {
    let stand = Stand::with_policy(GROUP).await;
    let mut esme = stand.bind("hefei").await;
    let to = hefei(1);
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 2, 2, "没有落款")).await, "pass");
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 2, 1, "没有")).await, "no_signature");
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 2, 1, "【合肥移动】")).await, "pass", "in the last 24 characters");
    assert_eq!(told(&stand, &mut esme, &part(&hefei(2), 7, 2, 1, "移动。询05")).await, "pass");
    assert_eq!(told(&stand, &mut esme, &part(&hefei(2), 7, 2, 2, "58-1860")).await, "foreign_consult", "over a seam");
}

#[tokio::test]
async fn the_part_that_exceeds_is_refused_and_each_fits_one_message() {
    let stand = Stand::with_policy(GROUP).await;
    let mut esme = stand.bind("hefei").await;
    let to = hefei(1);
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 3, 1, &"字".repeat(68))).await, "multipart", "142 octets");
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 3, 1, &"字".repeat(67))).await, "pass");
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 3, 2, &"字".repeat(67))).await, "pass");
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 3, 3, &format!("{}移动", "字".repeat(25)))).await, "too_long");
    assert_eq!(told(&stand, &mut esme, &part(&to, 7, 3, 3, &format!("{}移动", "字".repeat(24)))).await, "pass");
}

#[tokio::test]
async fn what_the_smsc_refused_may_come_again_and_the_slot_follows() {
    let stand = Stand::with_policy(GROUP).await;
    let mut esme = stand.bind("hefei").await;
    let to = hefei(1);
    let refuse = |on: bool| stand.smsc.change(|smsc| smsc.errors = if on { vec![(0x14, 1.0)] } else { Vec::new() });
    refuse(true);
    for index in [1, 2, 2] {
        assert_eq!(esme.submit(&third(&to, 7, index)).await.expect("answered").status, 0x14);
    }
    assert_eq!(users(&stand), 0, "nothing of it is left");
    refuse(false);
    assert_eq!(told(&stand, &mut esme, &third(&to, 7, 1)).await, "pass");
    refuse(true);
    assert_eq!(esme.submit(&third(&to, 7, 2)).await.expect("answered").status, 0x14);
    refuse(false);
    assert_eq!(users(&stand), 1);
    assert_eq!(told(&stand, &mut esme, &good(&to)).await, "duplicate", "the slot stays");
    assert_eq!(told(&stand, &mut esme, &third(&to, 7, 1)).await, "duplicate");
    assert_eq!(told(&stand, &mut esme, &third(&to, 7, 2)).await, "pass");
    assert_eq!(told(&stand, &mut esme, &third(&to, 7, 3)).await, "pass");
    refuse(true);
    assert_eq!(esme.submit(&third(&hefei(2), 7, 3)).await.expect("answered").status, 0x14);
    refuse(false);
    drop(esme);
    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(told(&stand, &mut esme, &good(&to)).await, "duplicate");
    assert_eq!(told(&stand, &mut esme, &good(&hefei(2))).await, "pass", "free after a restart too");
}

#[tokio::test]
async fn a_part_without_an_answer_keeps_the_slot() {
    let stand = Stand::with_policy(GROUP).await;
    stand.smsc.change(|behaviour| behaviour.silent = 1.0);
    let mut esme = stand.bind("hefei").await;
    esme.send_raw(&third(&hefei(1), 7, 1).submit_sm(5)).await.expect("sent");
    tokio::time::sleep(Duration::from_millis(100)).await;
    stand.smsc.disconnect_all();
    assert!(esme.next_pdu().await.is_err());
    stand.smsc.change(|behaviour| (behaviour.silent, behaviour.errors) = (0.0, vec![(0x0B, 1.0)]));
    let mut esme = stand.bind("hefei").await;
    assert_eq!(esme.submit(&third(&hefei(1), 7, 2)).await.expect("answered").status, 0x0B);
    let stand = stand.restart().await;
    stand.smsc.change(|behaviour| behaviour.errors.clear());
    let mut esme = stand.bind("hefei").await;
    assert_eq!(told(&stand, &mut esme, &good(&hefei(1))).await, "duplicate");
    assert_eq!(told(&stand, &mut esme, &third(&hefei(1), 7, 1)).await, "duplicate", "it may have arrived");
    assert_eq!(told(&stand, &mut esme, &third(&hefei(1), 7, 2)).await, "pass");
}

#[tokio::test]
async fn a_message_takes_one_token() {
    let stand = Stand::with_policy(GROUP).await;
    let mut esme = stand.bind("slow").await; // three at once
    for n in 0..4 {
        let expected = if n < 3 { "pass" } else { "rate" };
        let to = subscriber("wuhu", n);
        for (index, text) in [(2, "。移动"), (1, "开通")] {
            let (found, _) = verdict(&stand, &mut esme, "slow", &part(&to, 7, 2, index, text)).await;
            assert_eq!(found, expected, "part {index} of message {n}");
        }
    }
}

#[tokio::test]
async fn the_exempt_class_sends_parts_under_any_policy_and_pays_one_token() {
    let (usual, two) = ("rate = { per_second = 100000, burst = 100000 }", "rate = { per_second = 1, burst = 2 }");
    let stand = Stand::new(Setup { accounts: vec![(usual, two)], ..Setup::default() }).await;
    let mut esme = stand.bind("market").await;
    for (n, to) in ["13856000001", "10658"].iter().enumerate() {
        for index in [2, 1, 4, 3] {
            let spec = SubmitSpec { source: "10086".to_owned(), ..part(to, 7, 4, index, &"字".repeat(67)) };
            let (found, _) = verdict(&stand, &mut esme, "market", &spec).await;
            assert_eq!(found, "pass", "part {index} of message {n}");
        }
    }
    let third = SubmitSpec { source: "10086".to_owned(), ..part("13856000002", 7, 2, 1, "字") };
    assert_eq!(verdict(&stand, &mut esme, "market", &third).await.0, "rate");
}

#[tokio::test]
async fn kinds_of_reference_do_not_mix() {
    let stand = Stand::with_policy(GROUP).await;
    let mut esme = stand.bind("hefei").await;
    for (n, own) in [part, wide, sar].iter().enumerate() {
        let to = hefei(n as u64);
        assert_eq!(told(&stand, &mut esme, &own(&to, 7, 2, 1, "开通")).await, "pass");
        for other in [part, wide, sar].iter().enumerate().filter(|(m, _)| *m != n).map(|(_, other)| other) {
            assert_eq!(told(&stand, &mut esme, &other(&to, 7, 2, 2, "移动")).await, "duplicate", "another message");
        }
        assert_eq!(told(&stand, &mut esme, &own(&to, 7, 2, 2, "移动")).await, "pass");
    }
}

#[tokio::test]
async fn without_the_switch_parts_are_refused() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    for spec in [part, wide, sar].map(|own| own(&hefei(1), 7, 2, 1, "移动")) {
        assert_eq!(told(&stand, &mut esme, &spec).await, "multipart");
    }
    assert_eq!(told(&stand, &mut esme, &part(&hefei(1), 7, 1, 1, "移动")).await, "pass", "one of one is ordinary");
}
