//! What the journal tells of messages: decided, answered, received, through a kill.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use smsluice::domain::{AccountClass, Day, Msisdn};
use smsluice::ledger::history::{Archive, Attempt, Fate, Span, To, Verdict};
use smsluice::policy::Reason;
use smsluice::sim::esme::Esme;
use smsluice::sim::pdu::{DeliverSpec, IdFormat};
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::bind::BindType;
use smsluice::smpp::receipt::State;

use crate::crash::journaling_smsc;
use crate::gateway::Site;
use crate::stand::{GOOD, OPEN, Setup, Stand, good, hefei, moment, until};

const DAY: &str = "2026-11-24";

pub(crate) fn subscriber(text: &str) -> Msisdn {
    Msisdn::parse(0, 0, text.as_bytes(), false).expect("a subscriber")
}

pub(crate) fn span() -> Span {
    let day = Day::parse(DAY).expect("valid");
    Span::of(day, day)
}

/// What the running gateway tells of a subscriber, as soon as it tells enough.
async fn traced(stand: &Stand, to: &str, enough: impl Fn(&[Attempt]) -> bool) -> Vec<Attempt> {
    let mut found = Vec::new();
    until("the records", || {
        found = stand.gateway.gateway().ledger().trace(subscriber(to), span()).expect("readable");
        enough(&found)
    })
    .await;
    found
}

fn reason(attempt: &Attempt) -> Option<Reason> {
    match attempt.verdict {
        Verdict::Refused { reason, .. } => Some(reason),
        Verdict::Forwarded => None,
    }
}

fn name(attempt: &Attempt) -> String {
    String::from_utf8_lossy(&attempt.outcome.as_ref().expect("it went on").message_id).into_owned()
}

#[tokio::test]
async fn every_message_is_told_with_what_became_of_it() {
    let stand = Stand::with_policy("[quota]\nusers = 2\n").await;
    let mut esme = stand.bind("hefei").await;
    let taken = esme.submit(&good(&hefei(1))).await.expect("answered");
    stand.smsc.change(|behaviour| behaviour.errors = vec![(0x14, 1.0)]);
    assert_eq!(esme.submit(&good(&hefei(2))).await.expect("answered").status, 0x14);
    stand.smsc.change(|behaviour| behaviour.errors.clear());
    assert_eq!(esme.submit(&good(&hefei(1))).await.expect("answered").status, 0x45, "a duplicate");
    let unsigned = SubmitSpec::new("6202", &hefei(3), "您好");
    assert_eq!(esme.submit(&unsigned).await.expect("answered").status, 0x45);

    let found = traced(&stand, &hefei(1), |found| found.len() == 2 && found[0].is_accepted()).await;
    let (first, second) = (&found[0], &found[1]);
    assert_eq!((first.verdict, name(first)), (Verdict::Forwarded, taken.message_id.clone()));
    let about = &first.about;
    assert_eq!((&*about.account, &*about.unit, about.class), ("hefei", "hefei", AccountClass::CityMoa));
    assert_eq!((about.command(), &*about.source.2), ("submit_sm", "62021"));
    assert_eq!((about.received, about.edt), (moment(OPEN), moment(OPEN)));
    assert_eq!(first.to, To::Subscriber(subscriber(&hefei(1))));
    let digest = about.digest.expect("of the text");
    assert_eq!((&digest.octets[..], digest.decoded), (&Sha256::digest(GOOD)[..16], true));
    assert_eq!((&about.text, about.policy.version), (&None, 1));
    assert_ne!(about.policy.digest, [0; 8]);
    assert_eq!(first.outcome.as_ref().and_then(|outcome| outcome.at), Some(moment(OPEN)));
    assert_eq!((reason(second), second.id, second.about.digest), (Some(Reason::Duplicate), None, Some(digest)));

    let refused =
        traced(&stand, &hefei(2), |found| found.first().is_some_and(|one| one.fate() != Some(Fate::Pending))).await;
    assert_eq!(refused[0].fate(), Some(Fate::Rejected(0x14)));
    let unsigned = traced(&stand, &hefei(3), |found| !found.is_empty()).await;
    assert_eq!(unsigned[0].verdict, Verdict::Refused { reason: Reason::NoSignature, status: 0x45 });
    assert_ne!(unsigned[0].about.digest, Some(digest));
}

#[tokio::test]
async fn receipts_find_their_messages_in_whatever_form_their_names_come() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    // The answer's form, and the receipt's.
    let forms = [
        (IdFormat::Decimal, IdFormat::Decimal),
        (IdFormat::Hex, IdFormat::Decimal),
        (IdFormat::Decimal, IdFormat::Hex),
        (IdFormat::Hex, IdFormat::Hex),
    ];
    for (n, (answer, receipt)) in (1..).zip(forms) {
        stand.smsc.change(|behaviour| behaviour.id_format = answer);
        let named = esme.submit(&good(&hefei(n))).await.expect("answered").message_id;
        let radix = |format| if format == IdFormat::Hex { 16 } else { 10 };
        let id = u64::from_str_radix(&named, radix(answer)).expect("a number");
        let written = if receipt == IdFormat::Hex { format!("{id:08x}") } else { format!("{id:010}") };
        let text = format!(
            "id:{written} sub:001 dlvrd:001 submit date:2611240930 done date:2611240931 stat:DELIVRD err:000 text:"
        );
        let deliver = DeliverSpec {
            esm_class: 4,
            data_coding: 0,
            text: text.into_bytes(),
            ..DeliverSpec::message(&hefei(n), "6202", "")
        };
        assert!(stand.smsc.deliver("hefei", deliver), "a receiving session");
        esme.delivery().await.expect("it is passed on");
        let found = traced(&stand, &hefei(n), |found| found[0].receipt.is_some()).await;
        let receipt = found[0].receipt.as_ref().expect("a receipt");
        assert_eq!((receipt.state, receipt.error, found[0].is_delivered()), (State::Delivered, 0, true), "{written}");
    }
    assert_eq!(stand.metric(r#"smsluice_receipts_total{state="delivered"}"#), 4);
    // One for a message that nobody sent, and one that cannot be read: both go on.
    for text in ["id:999999999 stat:EXPIRED err:000", "stat:DELIVRD"] {
        let deliver = DeliverSpec {
            esm_class: 4,
            data_coding: 0,
            text: text.into(),
            ..DeliverSpec::message(&hefei(1), "6202", "")
        };
        assert!(stand.smsc.deliver("hefei", deliver));
        let passed = esme.delivery().await.expect("it is passed on");
        assert!(passed.windows(text.len()).any(|octets| octets == text.as_bytes()), "octet for octet");
    }
    assert_eq!(stand.metric(r#"smsluice_receipts_total{state="unreadable"}"#), 1);
    let found = traced(&stand, &hefei(1), |found| !found.is_empty()).await;
    assert_eq!(found[0].receipt.as_ref().map(|receipt| receipt.state), Some(State::Delivered), "another's receipt");
}

#[tokio::test]
async fn a_receipt_in_ucs_2_is_read_and_passed_on_as_it_came() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    for (n, state, word) in [(1, State::Delivered, "DELIVRD"), (2, State::Undeliverable, "UNDELIV")] {
        let id = esme.submit(&good(&hefei(n))).await.expect("answered").message_id;
        let text = format!(
            "id:{id} sub:001 dlvrd:001 submit date:2611240930 done date:2611240931 stat:{word} err:007 text:合"
        );
        let deliver = DeliverSpec { esm_class: 4, ..DeliverSpec::message(&hefei(n), "6202", &text) };
        let octets = deliver.text.clone();
        assert_eq!(deliver.data_coding, 8);
        assert!(stand.smsc.deliver("hefei", deliver), "a receiving session");
        let passed = esme.delivery().await.expect("it is passed on");
        assert!(passed.windows(octets.len()).any(|part| part == octets), "octet for octet");
        let found = traced(&stand, &hefei(n), |found| found[0].receipt.is_some()).await;
        let receipt = found[0].receipt.as_ref().expect("a receipt");
        assert_eq!((receipt.state, receipt.error), (state, 7));
    }
    assert_eq!(stand.metric(r#"smsluice_receipts_total{state="delivered"}"#), 1);
}

#[tokio::test]
async fn what_takes_no_slot_is_told_as_well() {
    let stand = Stand::with_policy("[mode]\ndefault = \"observe\"\n[audit]\ntext = true\n").await;
    let mut esme = stand.bind("hefei").await;
    for _ in 0..2 {
        assert_eq!(esme.submit(&SubmitSpec::new("6202", &hefei(1), "您好")).await.expect("answered").status, 0);
    }
    let found = traced(&stand, &hefei(1), |found| found.iter().filter(|one| one.is_accepted()).count() == 2).await;
    assert!(found.iter().all(|one| one.verdict == Verdict::Forwarded && !name(one).is_empty()));
    assert_eq!(found[0].about.text.as_deref(), Some("您好"), "audit.text keeps it");
    assert_eq!(stand.gateway.gateway().ledger().reserved(), 0);
    assert!(
        stand
            .gateway
            .gateway()
            .ledger()
            .lookup(subscriber(&hefei(1)), Day::parse(DAY).expect("valid"))
            .expect("read")
            .is_empty()
    );
}

#[tokio::test]
async fn recipients_of_one_request_are_told_one_by_one() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    let multi = good(&hefei(1)).submit_multi(&[&hefei(1), "13470730001", "447700900123", &hefei(1)], 7);
    esme.send_raw(&multi).await.expect("sent");
    esme.next_pdu().await.expect("answered");
    let mut all = Vec::new();
    until("all four", || {
        all.clear();
        stand.gateway.gateway().ledger().attempts(span(), |one| all.push(one)).expect("read");
        all.len() == 4 && all.iter().any(Attempt::is_accepted)
    })
    .await;
    let mut told: Vec<_> = all.iter().map(|one| (reason(one), one.to.clone())).collect();
    told.sort_by_key(|(reason, _)| *reason);
    let to = |number: &str| To::Subscriber(subscriber(number));
    assert_eq!(
        told,
        [
            (None, to(&hefei(1))),
            (Some(Reason::BadDestination), To::Address(1, 1, "447700900123".into())),
            (Some(Reason::OtherCity), to("13470730001")),
            (Some(Reason::Duplicate), to(&hefei(1))),
        ]
    );
    assert!(all.iter().all(|one| one.about.command() == "submit_multi"));
}

/// kill -9 at once behind the answers: what a sender has seen is on record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_on_record_after_a_kill() {
    let smsc = journaling_smsc(7).await;
    let site = Site::new("", smsc.local_addr(), "process");
    let gateway = site.run().await;
    let mut esme = Esme::connect(gateway.smpp, BindType::Transceiver, "hefei", "secret", 0x34).await.expect("bound");
    let named = esme.submit(&good(&hefei(1))).await.expect("answered").message_id;
    assert_eq!(esme.submit(&good(&hefei(1))).await.expect("answered").status, 0x45);
    smsc.change(|behaviour| behaviour.errors = vec![(0x0B, 1.0)]);
    assert_eq!(esme.submit(&good(&hefei(2))).await.expect("answered").status, 0x0B);
    smsc.change(|behaviour| (behaviour.errors, behaviour.silent) = (Vec::new(), 1.0));
    esme.send_raw(&good(&hefei(3)).submit_sm(99)).await.expect("sent");
    until("the SMSC has it", || smsc.stats().submissions() == 3).await;
    // Acceptances wait for no commit; the writer takes them ten times a second.
    tokio::time::sleep(Duration::from_millis(300)).await;
    gateway.kill();
    let gateway = site.run().await; // what was under way is unknown
    tokio::time::sleep(Duration::from_millis(300)).await;
    gateway.kill();
    let mut all = Vec::new();
    Archive::open(&site.ledger()).attempts(span(), |one| all.push(one)).expect("read");
    let told = |to: &str| -> Vec<_> {
        let own = all.iter().filter(|one| one.to == To::Subscriber(subscriber(to)));
        own.map(|one| (one.verdict, one.fate())).collect()
    };
    let duplicate = Verdict::Refused { reason: Reason::Duplicate, status: 0x45 };
    let mut first = told(&hefei(1));
    first.sort_by_key(|(_, fate)| fate.is_none());
    assert_eq!(first, [(Verdict::Forwarded, Some(Fate::Accepted)), (duplicate, None)]);
    assert_eq!(told(&hefei(2)), [(Verdict::Forwarded, Some(Fate::Rejected(0x0B)))]);
    assert_eq!(told(&hefei(3)), [(Verdict::Forwarded, Some(Fate::Unknown))]);
    let accepted = all.iter().find(|one| one.is_accepted()).expect("one");
    assert_eq!(name(accepted), named);
}

#[tokio::test]
async fn what_is_withdrawn_before_it_leaves_is_told_once_and_as_refused() {
    let stand = Stand::new(Setup::default()).await;
    let mut esme = stand.bind("hefei").await;
    stand.disk.fails(true);
    assert_eq!(esme.submit(&good(&hefei(1))).await.expect("answered").status, 0x08);
    stand.disk.fails(false);
    until("trusted", || stand.gateway.gateway().ledger().is_trusted()).await;
    let found = traced(&stand, &hefei(1), |found| !found.is_empty()).await;
    assert_eq!(found.iter().map(reason).collect::<Vec<_>>(), [Some(Reason::LedgerUnavailable)]);
    // A sequence number that is under way: reserved, durable, and taken back.
    stand.smsc.change(|behaviour| behaviour.silent = 1.0);
    let octets: Vec<u8> = [2, 3].into_iter().flat_map(|n| good(&hefei(n)).submit_sm(77)).collect();
    esme.send_raw(&octets).await.expect("sent");
    esme.next_pdu().await.expect("the second is refused");
    let found = traced(&stand, &hefei(3), |found| found.iter().any(|one| reason(one).is_some())).await;
    assert_eq!(found.iter().map(reason).collect::<Vec<_>>(), [Some(Reason::OperationDenied)]);
    let found = traced(&stand, &hefei(2), |found| !found.is_empty()).await;
    assert_eq!(found.iter().map(Attempt::fate).collect::<Vec<_>>(), [Some(Fate::Pending)]);
}

/// Whatever is sent, the records hold as many as were received (P15).
#[tokio::test]
async fn every_message_that_was_received_has_its_record() {
    let stand = Stand::with_policy("[quota]\nusers = 40\n[spread]\nlimit = 30\n").await;
    stand.smsc.change(|behaviour| behaviour.errors = vec![(0x14, 0.2)]);
    let mut esme = stand.bind("hefei").await;
    let mut octets = Vec::new();
    for n in 0..120_u32 {
        let to = hefei(u64::from(n) % 70);
        let spec = match n % 4 {
            0 => SubmitSpec::new("10086", &to, GOOD),
            1 => SubmitSpec::new("62021", "447700900123", GOOD),
            _ => good(&to),
        };
        octets.extend(match n % 10 {
            7 => spec.submit_multi(&[&to, "13470730001", &hefei(1000 + u64::from(n))], n + 1),
            8 => spec.data_sm(n + 1),
            9 => spec.replace_sm("7f", n + 1),
            _ => spec.submit_sm(n + 1),
        });
    }
    esme.send_raw(&octets).await.expect("sent");
    for _ in 0..120 {
        esme.next_pdu().await.expect("each is answered");
    }
    stand.assert_conserved();
    let total = |family: &str| -> u64 {
        let text = stand.gateway.gateway().metrics().render();
        let own = text.lines().filter(|line| line.starts_with(family));
        own.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    let (received, refused) = (total("smsluice_messages_received_total"), total("smsluice_messages_refused_total"));
    let mut counts = (0, 0, 0);
    until("all are on record", || {
        counts = (0, 0, 0);
        let ledger = stand.gateway.gateway().ledger();
        let told = ledger.attempts(span(), |one| {
            counts.0 += u64::from(one.count);
            counts.1 += if reason(&one).is_some() { u64::from(one.count) } else { 0 };
            counts.2 += u64::from(one.is_accepted());
        });
        told.expect("readable");
        counts == (received, refused, total(r#"smsluice_messages_settled_total{account="hefei",outcome="accepted"}"#))
    })
    .await;
    assert!(received > 120 && refused > 20 && counts.2 > 10, "{counts:?}");
}
