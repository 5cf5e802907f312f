//! Messages that wait inside the SMSC (A-27): which they are is told when a hold is placed, also after a restart; and with
//! `pause.cancel_scheduled` the SMSC is asked to cancel them, through the sender's own session and unseen by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use smsluice::domain::Moment;
use smsluice::ledger::waiting::Cancel;
use smsluice::sim::esme::Esme;
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::command::{CANCEL_SM, ENQUIRE_LINK, GENERIC_NACK, SUBMIT_MULTI, SUBMIT_SM};
use smsluice::traffic::{NewHold, Scope, Which};

use crate::holds::hold;
use crate::script::{Script, command_of, pdu, response, sequence_of, status_of};
use crate::stand::{Setup, Stand, good, hefei, moment, until};

/// This afternoon, and tomorrow morning.
const AFTERNOON: &str = "261124150000032+";
const TOMORROW: &str = "261125090000032+";
const CANCELS: &str = "[pause]\ncancel_scheduled = true\nramp_seconds = 0\n";

fn scope(text: &str) -> Scope {
    text.parse().expect("a scope")
}

/// What waits inside the SMSC: each message's account, name there and how its cancellation stands.
fn inside(stand: &Stand, of: &str) -> Vec<(String, String, Cancel)> {
    let found = stand.gateway.gateway().scheduled(&scope(of), (i64::MIN, 0), 1000);
    let one = |(account, entry): (Box<str>, smsluice::ledger::waiting::Entry)| {
        let id = String::from_utf8_lossy(&entry.message().message_id).into_owned();
        (account.into(), id, entry.cancel())
    };
    found.into_iter().map(one).collect()
}

fn ids(stand: &Stand, of: &str) -> Vec<String> {
    inside(stand, of).into_iter().map(|(_, id, _)| id).collect()
}

async fn accepted(esme: &mut Esme, spec: &SubmitSpec) -> String {
    let answer = esme.submit(spec).await.expect("answered");
    assert_eq!(answer.status, 0);
    answer.message_id
}

#[tokio::test]
async fn a_hold_tells_what_waits_inside_the_smsc_and_so_does_the_next_start() {
    let stand = Stand::open().await;
    let (mut esme, mut other) = (stand.bind("hefei").await, stand.bind("market").await);
    accepted(&mut esme, &good(&hefei(1))).await; // for now: nothing waits of it
    let tomorrow = accepted(&mut esme, &good(&hefei(2)).at(TOMORROW)).await;
    let afternoon = accepted(&mut esme, &good(&hefei(3)).at(AFTERNOON)).await;
    let exempt = accepted(&mut other, &SubmitSpec::new("10086", &hefei(4), "通知").at(AFTERNOON)).await;
    stand.smsc.change(|behaviour| behaviour.errors = vec![(0x14, 1.0)]);
    assert_eq!(esme.submit(&good(&hefei(5)).at(AFTERNOON)).await.expect("answered").status, 0x14);
    stand.smsc.change(|behaviour| behaviour.errors.clear());

    assert_eq!(ids(&stand, "account:hefei"), [afternoon.clone(), tomorrow.clone()], "in the order of their time");
    assert_eq!(
        (ids(&stand, "all").len(), ids(&stand, "city:hefei").len(), ids(&stand, "account:slow").len()),
        (3, 2, 0)
    );
    assert_eq!(ids(&stand, "class:exempt_platform"), [exempt]);
    let placed = stand.gateway.gateway().pause(hold("account:hefei")).await.expect("placed");
    let due = |text: &str| Some(moment(text));
    assert_eq!((placed.inside.count, placed.inside.first_due), (2, due("2026-11-24T15:00:00+08:00")));
    assert!(!placed.cancelling, "the switch is off");
    assert_eq!(stand.smsc.stats().received.get("cancel_sm").copied().unwrap_or(0), 0);
    assert!(format!("{:?}", stand.gateway.gateway().scheduled(&Scope::All, (0, 0), 9)).contains("****"), "masked");

    drop((esme, other));
    let stand = stand.restart().await;
    assert_eq!(ids(&stand, "account:hefei"), [afternoon, tomorrow.clone()]);
    stand.at("2026-11-24T15:00:00+08:00");
    until("the first is delivered", || ids(&stand, "account:hefei") == [tomorrow.clone()]).await;
}

#[tokio::test]
async fn what_its_sender_cancels_waits_no_more() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    let one = accepted(&mut esme, &good(&hefei(1)).at(AFTERNOON)).await;
    let two = accepted(&mut esme, &good(&hefei(2)).at(AFTERNOON)).await;
    let sequence = esme.next_sequence();
    let cancel = SubmitSpec::new("62021", "", "").cancel_sm(&one, sequence);
    assert_eq!(esme.request(sequence, &cancel).await.expect("answered").status, 0);
    assert_eq!(ids(&stand, "all"), std::slice::from_ref(&two));
    drop(esme);
    let stand = stand.restart().await;
    assert_eq!(ids(&stand, "all"), [two], "after a restart too");
}

#[tokio::test]
async fn a_replacement_moves_it_and_one_of_several_counts_them() {
    let stand = Stand::with_policy("[replace]\nmode = \"check\"\n").await;
    let mut esme = stand.bind("hefei").await;
    let one = accepted(&mut esme, &good(&hefei(1)).at(AFTERNOON)).await;
    let sequence = esme.next_sequence();
    let replace = SubmitSpec::new("62021", "", crate::stand::GOOD).at(TOMORROW).replace_sm(&one, sequence);
    assert_eq!(esme.request(sequence, &replace).await.expect("answered").status, 0);
    let sequence = esme.next_sequence();
    let multi = good("").at(AFTERNOON).submit_multi(&[&hefei(2), &hefei(3)], sequence);
    assert_eq!(esme.request(sequence, &multi).await.expect("answered").status, 0);
    let found = stand.gateway.gateway().scheduled(&Scope::All, (0, 0), 9);
    let told: Vec<(Moment, u8, bool)> = found
        .iter()
        .map(|(_, entry)| (entry.message().due, entry.message().recipients, entry.message().recipient.is_some()))
        .collect();
    let at = |text: &str| moment(text);
    assert_eq!(told, [(at("2026-11-24T15:00:00+08:00"), 2, false), (at("2026-11-25T09:00:00+08:00"), 1, true)]);
}

/// An SMSC that names its messages m1, m2, … and answers a cancel_sm as it is told.
async fn naming(status: Arc<AtomicU32>) -> Script {
    let mut count = 0;
    Script::new(move |request| match command_of(request) {
        SUBMIT_SM | SUBMIT_MULTI => {
            count += 1;
            vec![response(request, 0, format!("m{count}\0").as_bytes())]
        }
        CANCEL_SM => match status.load(Ordering::Relaxed) {
            u32::MAX => Vec::new(),
            0x7FFF_FFFF => vec![pdu(GENERIC_NACK, 3, sequence_of(request), b"")],
            status => vec![response(request, status, b"")],
        },
        _ => vec![response(request, 0, b"")],
    })
    .await
}

async fn cancelling(script: &Script) -> Stand {
    Stand::new(Setup { policy: CANCELS.to_owned(), smsc: Some(script.address), ..Setup::default() }).await
}

fn message_id(cancel_sm: &[u8]) -> String {
    let rest = &cancel_sm[17..]; // behind the empty service_type
    String::from_utf8_lossy(&rest[..rest.iter().position(|octet| *octet == 0).expect("a NUL")]).into_owned()
}

#[tokio::test]
async fn what_is_due_before_the_hold_ends_is_cancelled_unseen_by_the_sender() {
    let script = naming(Arc::default()).await;
    let stand = cancelling(&script).await;
    let mut esme = stand.bind("hefei").await;
    for n in 1..=25 {
        accepted(&mut esme, &good(&hefei(n)).at(AFTERNOON)).await;
    }
    accepted(&mut esme, &good(&hefei(26)).at(TOMORROW)).await;
    let until_evening = NewHold { until: Some(moment("2026-11-24T20:00:00+08:00")), ..hold("city:hefei") };
    let placed = stand.gateway.gateway().pause(until_evening).await.expect("placed");
    assert!(placed.cancelling && placed.inside.count == 26, "{placed:?}");
    let done = || inside(&stand, "all").iter().filter(|(.., cancel)| *cancel == Cancel::Done).count();
    until("all that are due are cancelled", || done() == 25).await;
    let cancels = script.seen(CANCEL_SM);
    let mut named: Vec<String> = cancels.iter().map(|frame| message_id(frame)).collect();
    named.sort();
    named.dedup();
    assert_eq!((cancels.len(), named.len()), (25, 25), "each once");
    assert!(cancels.iter().all(|frame| sequence_of(frame) >= 0x7FFF_0000), "far from the sender's numbers");
    assert!(cancels[0].windows(6).any(|window| window == b"62021\0"), "under the source it was sent with");
    assert_eq!(stand.gateway.gateway().inside(&Scope::All).count, 1);
    // The sender sees its own answers only.
    let sequence = esme.next_sequence();
    esme.send_raw(&pdu(ENQUIRE_LINK, 0, sequence, b"")).await.expect("sent");
    let answer = esme.next_pdu().await.expect("answered");
    assert_eq!((command_of(&answer), sequence_of(&answer)), (0x8000_0015, sequence));
    assert_eq!(stand.metric(r#"smsluice_scheduled_cancels_total{result="cancelled"}"#), 25);
    let which = Which::On(scope("city:hefei"));
    stand.gateway.gateway().resume(&which, "net.li", "it is over", false).await.expect("ended");
    assert_eq!(esme.submit(&good(&hefei(1))).await.expect("answered").status, 0x45, "no slot is given back");
}

#[tokio::test]
async fn a_refusal_is_remembered_and_a_busy_smsc_is_asked_again() {
    let status = Arc::new(AtomicU32::new(0x11));
    let script = naming(Arc::clone(&status)).await;
    let stand = cancelling(&script).await;
    let mut esme = stand.bind("hefei").await;
    accepted(&mut esme, &good(&hefei(1)).at(AFTERNOON)).await;
    stand.gateway.gateway().pause(hold("all")).await.expect("placed");
    until("it is refused", || inside(&stand, "all")[0].2 == Cancel::Refused(0x11)).await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(script.seen(CANCEL_SM).len(), 1, "it is not asked again");

    let which = Which::On(Scope::All);
    stand.gateway.gateway().resume(&which, "net.li", "it is over", false).await.expect("ended");
    status.store(0x58, Ordering::Relaxed);
    accepted(&mut esme, &good(&hefei(2)).at(AFTERNOON)).await;
    stand.gateway.gateway().pause(hold("all")).await.expect("placed");
    script.until(CANCEL_SM, 3).await;
    status.store(0, Ordering::Relaxed);
    until("the busy one has cancelled it", || inside(&stand, "all").iter().any(|(.., cancel)| *cancel == Cancel::Done))
        .await;
}

#[tokio::test]
async fn a_nack_is_the_gateways_and_a_number_in_use_is_not_the_senders() {
    let status = Arc::new(AtomicU32::new(u32::MAX));
    let script = naming(Arc::clone(&status)).await;
    let stand = cancelling(&script).await;
    let mut esme = stand.bind("hefei").await;
    accepted(&mut esme, &good(&hefei(1)).at(AFTERNOON)).await;
    stand.gateway.gateway().pause(hold("all")).await.expect("placed");
    script.until(CANCEL_SM, 1).await;
    let own = sequence_of(&script.seen(CANCEL_SM)[0]);
    let cancel = SubmitSpec::new("62021", "", "").cancel_sm("m9", own);
    esme.send_raw(&cancel).await.expect("sent");
    let answer = esme.next_pdu().await.expect("answered");
    assert_eq!((command_of(&answer), status_of(&answer), sequence_of(&answer)), (0x8000_0008, 0x08, own));
    assert_eq!(script.seen(CANCEL_SM).len(), 1, "it went no further");

    status.store(0x7FFF_FFFF, Ordering::Relaxed);
    let cancel = SubmitSpec::new("62021", "", "").cancel_sm("m9", 77);
    esme.send_raw(&cancel).await.expect("sent");
    let answer = esme.next_pdu().await.expect("answered");
    assert_eq!((command_of(&answer), sequence_of(&answer)), (GENERIC_NACK, 77), "the nack of its own is the sender's");
}

#[tokio::test]
async fn the_session_that_comes_later_carries_it_and_an_automatic_hold_cancels_nothing() {
    let script = naming(Arc::default()).await;
    let stand = cancelling(&script).await;
    let mut esme = stand.bind("hefei").await;
    accepted(&mut esme, &good(&hefei(1)).at(AFTERNOON)).await;
    let automatic = NewHold { owner: "overload governor".to_owned(), ..hold("all") };
    let placed = stand.gateway.gateway().pause(automatic).await.expect("placed");
    assert!(!placed.cancelling);
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(script.seen(CANCEL_SM).len(), 0);
    esme.unbind().await.expect("unbound");
    stand.gateway.gateway().pause(hold("account:hefei")).await.expect("placed");
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(script.seen(CANCEL_SM).len(), 0, "nobody can carry it");
    let _esme = stand.bind("hefei").await;
    script.until(CANCEL_SM, 1).await;
}

#[tokio::test]
async fn a_shorter_reach_and_a_restart_forget_no_slot() {
    let stand = Stand::with_policy("[schedule]\nmax_ahead_hours = 96\n").await;
    let mut esme = stand.bind("hefei").await;
    let id = accepted(&mut esme, &good(&hefei(1)).at("261127150000032+")).await;
    drop(esme);
    crate::stand::write_config(stand.config_folder(), "", &[]); // 24 hours
    stand.at("2026-11-27T09:30:00+08:00");
    let stand = stand.restart().await;
    assert_eq!(ids(&stand, "all"), [id]);
    let mut esme = stand.bind("hefei").await;
    assert_eq!(esme.submit(&good(&hefei(1))).await.expect("answered").status, 0x45, "its slot of the 27th is taken");
}
