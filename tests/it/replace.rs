//! replace_sm with `replace.mode = "check"`: held against the message that it replaces.

use serde_json::json;
use smsluice::sim::esme::Esme;
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::command::{REPLACE_SM, SUBMIT_SM};

use crate::admin::{token, with_tokens};
use crate::http::call;
use crate::script::{self, Script};
use crate::stand::{GOOD, OPEN, Setup, Stand, good, hefei, verdict};

const CHECK: &str = "[replace]\nmode = \"check\"\n";
/// Tomorrow at nine, within the 24 hours.
const TOMORROW: &str = "261125090000032+";

/// Submits and gives the SMSC's name for the message.
async fn accepted(esme: &mut Esme, spec: &SubmitSpec) -> String {
    let answer = esme.submit(spec).await.expect("answered");
    assert_eq!(answer.status, 0);
    answer.message_id
}

async fn replaced(esme: &mut Esme, id: &str, spec: &SubmitSpec) -> u32 {
    let sequence = esme.next_sequence();
    let answer = esme.request(sequence, &spec.replace_sm(id, sequence)).await.expect("answered");
    assert!(answer.status == 0 || answer.frame.len() == 16, "a refusal is a header only");
    answer.status
}

fn text(text: &str) -> SubmitSpec {
    SubmitSpec::new("62021", "", text)
}

#[tokio::test]
async fn a_new_text_is_judged_like_the_first() {
    let stand = Stand::with_policy(CHECK).await;
    let mut esme = stand.bind("hefei").await;
    let id = accepted(&mut esme, &good(&hefei(1))).await;
    for (spec, status) in [
        (text("没有落款"), 0x45),
        (text("开通。移动 询0558-1860"), 0x45),
        (text(&format!("{}移动", "字".repeat(64))), 0x01),
        (text("").octets(8, b"\x79\xFB\x52"), 0x45), // half a character in the coding of the original
        (text(""), 0x45),
        (SubmitSpec { default_msg_id: 1, ..text(GOOD) }, 0x63),
        (text(GOOD).with_tlv(0x0381, b"\0\x01\x01139"), 0xC1),
        (text(GOOD).at("261124120000032+"), 0x61),
        (text(GOOD).at("261124092959032+"), 0x61),
        (text(GOOD).at("261126120000032+"), 0x61),
        (SubmitSpec { source: "1258".to_owned(), ..text(GOOD) }, 0x13), // not the original's
        (SubmitSpec { source: "62022".to_owned(), ..text(GOOD) }, 0x13),
    ] {
        assert_eq!(replaced(&mut esme, &id, &spec).await, status, "{spec:?}");
    }
    assert_eq!(stand.smsc.stats().received.get("replace_sm").copied().unwrap_or(0), 0, "nothing of it went on");
    let sequence = esme.next_sequence();
    let frame = text("合肥移动营业厅改期开业。移动").replace_sm(&id, sequence);
    assert_eq!(esme.request(sequence, &frame).await.expect("answered").status, 0);
    assert!(stand.smsc.entries().iter().any(|entry| entry.octets == frame), "octet for octet");
    stand.at("2026-11-24T12:00:00");
    assert_eq!(replaced(&mut esme, &id, &text(GOOD)).await, 0x61, "a retry would be delivered now");
    stand.at("2026-11-24T15:00:00");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(1))).await.0, "duplicate");
    stand.assert_conserved();
}

#[tokio::test]
async fn only_a_message_of_the_account_that_is_remembered_is_replaced() {
    let stand = Stand::with_policy(&format!("{CHECK}remember = 2\n")).await;
    let (mut esme, mut other) = (stand.bind("hefei").await, stand.bind("hefei2").await);
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(accepted(&mut esme, &good(&hefei(n))).await);
    }
    let part = SubmitSpec { esm_class: 0x40, ..good(&hefei(5)) };
    let header = [&[5, 0, 3, 1, 1, 1][..], &part.short_message].concat();
    let with_header = accepted(&mut other, &SubmitSpec { short_message: header, ..part }).await;
    for id in [&*ids[2], &*with_header] {
        assert_eq!(replaced(&mut other, id, &text(GOOD)).await, 0x13, "{id}");
    }
    for id in [&*ids[0], "no-such-id", ""] {
        assert_eq!(replaced(&mut esme, id, &text(GOOD)).await, 0x13, "{id}");
    }
    for id in &ids[1..] {
        assert_eq!(replaced(&mut esme, id, &text(GOOD)).await, 0, "from any session, and again");
        assert_eq!(replaced(&mut esme, id, &text(GOOD)).await, 0);
    }
    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(replaced(&mut esme, &ids[2], &text(GOOD)).await, 0x13, "unknown after a restart");
    stand.assert_conserved();
}

#[tokio::test]
async fn explain_says_what_would_become_of_a_replacement() {
    let stand = Stand::new(Setup { policy: CHECK.to_owned(), change: with_tokens, ..Setup::default() }).await;
    let mut esme = stand.bind("hefei").await;
    let id = accepted(&mut esme, &good(&hefei(1)).at("261124143000032+")).await;
    let told = async |id: &str, spec: SubmitSpec, at: &str| {
        let question =
            json!({ "account": "hefei", "pdu_hex": smsluice::domain::hex(&spec.replace_sm(id, 5)), "at": at });
        let reply = call(stand.gateway.admin, &token("view"), "POST", "/api/v1/explain", &question.to_string()).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    };
    let kept = told(&id, text(GOOD), "2026-11-24T12:00:00+08:00").await;
    assert_eq!((&kept["verdict"], &kept["edt"]), (&"permit".into(), &"2026-11-24T14:30:00+08:00".into()));
    assert_eq!((&kept["city"], &kept["length"]), (&"hefei".into(), &GOOD.chars().count().into()));
    let unsigned = told(&id, text("没有落款"), OPEN).await;
    assert_eq!((&unsigned["verdict"], &unsigned["reason"]), (&"refuse".into(), &"no_signature".into()));
    let busy = told(&id, text(GOOD).at("261124120000032+"), OPEN).await;
    assert_eq!(busy["reason"], "busy");
    let unknown = told("no-such-id", text(GOOD), OPEN).await;
    assert_eq!((&unknown["reason"], &unknown["code"]), (&"operation_denied".into(), &0x13.into()));
    assert_eq!(replaced(&mut esme, &id, &text(GOOD)).await, 0, "asking has taken nothing");
}

/// What replaces a message is its whole text, also where parts are judged together: nothing of it is judged later.
#[tokio::test]
async fn a_replacement_is_no_part_of_several() {
    let stand = Stand::with_policy(&format!("{CHECK}[length]\nmultipart = \"group\"\n")).await;
    let mut esme = stand.bind("hefei").await;
    let id = accepted(&mut esme, &good(&hefei(1))).await;
    for said in ["没有落款", GOOD] {
        let part = text(said).with_tlv(0x020C, &[0, 7]).with_tlv(0x020E, &[2]).with_tlv(0x020F, &[1]);
        assert_ne!(replaced(&mut esme, &id, &part).await, 0, "{said}");
    }
    let whole = text(GOOD).with_tlv(0x020C, &[0, 7]).with_tlv(0x020E, &[1]).with_tlv(0x020F, &[1]);
    assert_eq!(replaced(&mut esme, &id, &whole).await, 0, "one of one");
    stand.assert_conserved();
}

#[tokio::test]
async fn the_tolerances_that_a_replacement_uses_are_counted() {
    let with_quirks = "system_id = \"hefei\"\nquirks = [\"local_offset00\", \"international_source\"]";
    let stand = Stand::new(Setup {
        policy: CHECK.to_owned(),
        accounts: vec![("system_id = \"hefei\"", with_quirks)],
        ..Setup::default()
    })
    .await;
    let mut esme = stand.bind("hefei").await;
    let id = accepted(&mut esme, &good(&hefei(1))).await;
    let sloppy = SubmitSpec { source_ton_npi: (1, 1), ..text(GOOD).at("261124143000000+") };
    assert_eq!(replaced(&mut esme, &id, &sloppy).await, 0);
    for quirk in ["local_offset00", "international_source"] {
        let series = format!(r#"smsluice_quirks_total{{account="hefei",quirk="{quirk}"}}"#);
        assert_eq!(stand.metric(&series), 1, "{quirk}");
    }
}

#[tokio::test]
async fn a_time_on_another_day_moves_the_slot() {
    let stand = Stand::with_policy(CHECK).await;
    let mut esme = stand.bind("hefei").await;
    let (to, taken) = (hefei(1), hefei(2));
    let id = accepted(&mut esme, &good(&to)).await;
    let busy = accepted(&mut esme, &good(&taken)).await;
    accepted(&mut esme, &good(&taken).at(TOMORROW)).await;
    assert_eq!(replaced(&mut esme, &busy, &text(GOOD).at(TOMORROW)).await, 0x45, "tomorrow's slot is taken");
    assert_eq!(replaced(&mut esme, &id, &text(GOOD).at(TOMORROW)).await, 0);
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&to).at(TOMORROW)).await.0, "duplicate");
    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&to).at(TOMORROW)).await.0, "duplicate");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&to)).await.0, "pass", "today's is free again");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&taken)).await.0, "duplicate", "this one did not move");
}

#[tokio::test]
async fn a_move_that_the_smsc_refuses_is_undone() {
    let script = Script::new(|pdu| match script::command_of(pdu) {
        SUBMIT_SM => {
            vec![script::response(pdu, 0, &[&script::sequence_of(pdu).to_string().into_bytes()[..], b"\0"].concat())]
        }
        REPLACE_SM => vec![script::response(pdu, 0x13, b"")],
        _ => Vec::new(),
    })
    .await;
    let stand = Stand::new(Setup {
        policy: format!("{CHECK}[quota]\nusers = 1\n"),
        smsc: Some(script.address),
        ..Setup::default()
    })
    .await;
    let mut esme = stand.bind("hefei").await;
    let to = hefei(1);
    let id = accepted(&mut esme, &good(&to)).await;
    for _ in 0..2 {
        assert_eq!(replaced(&mut esme, &id, &text(GOOD).at(TOMORROW)).await, 0x13);
    }
    assert_eq!(script.seen(REPLACE_SM).len(), 2);
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&to)).await.0, "duplicate", "today's slot stays");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(2)).at(TOMORROW)).await.0, "pass", "the quota too");
    let stand = stand.restart().await;
    let mut esme = stand.bind("hefei").await;
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&to)).await.0, "duplicate");
    assert_eq!(verdict(&stand, &mut esme, "hefei", &good(&hefei(3)).at(TOMORROW)).await.0, "quota");
}

#[tokio::test]
async fn one_replacement_of_a_message_is_under_way_at_a_time() {
    let script = Script::new(|pdu| match script::command_of(pdu) {
        SUBMIT_SM => vec![script::response(pdu, 0, b"the-id\0")],
        _ => Vec::new(),
    })
    .await;
    let stand = Stand::new(Setup { policy: CHECK.to_owned(), smsc: Some(script.address), ..Setup::default() }).await;
    let mut esme = stand.bind("hefei").await;
    accepted(&mut esme, &good(&hefei(1))).await;
    let frames: Vec<u8> =
        (50..52).flat_map(|sequence| text(GOOD).at(TOMORROW).replace_sm("the-id", sequence)).collect();
    esme.send_raw(&frames).await.expect("sent");
    let second = esme.next_pdu().await.expect("the second is refused");
    assert_eq!((script::sequence_of(&second), script::status_of(&second)), (51, 0x13));
    script.until(REPLACE_SM, 1).await;
    stand.assert_conserved();
}

#[tokio::test]
async fn a_text_keeps_the_time_of_its_message() {
    let stand = Stand::with_policy(CHECK).await;
    let mut esme = stand.bind("hefei").await;
    let id = accepted(&mut esme, &good(&hefei(1)).at("261124143000032+")).await;
    stand.at("2026-11-24T11:30:00");
    assert_eq!(replaced(&mut esme, &id, &text(GOOD)).await, 0, "delivered at 14:30, not in the busy hour");
    assert_eq!(replaced(&mut esme, &id, &text(GOOD).at("261124180000032+")).await, 0);
    stand.at("2026-11-24T14:45:00");
    assert_eq!(replaced(&mut esme, &id, &text(GOOD)).await, 0);
    stand.at("2026-11-24T22:15:00");
    assert_eq!(replaced(&mut esme, &id, &text(GOOD)).await, 0x61, "18:00 is over: it would be delivered at night");
}
