//! Binds and everything that is not a submission.

use std::time::Duration;

use smsluice::sim::esme::{Esme, EsmeError};
use smsluice::sim::journal::Direction;
use smsluice::sim::pdu::DeliverSpec;
use smsluice::sim::submit::SubmitSpec;
use smsluice::smpp::bind::BindType;

use crate::stand::{GOOD, Setup, Stand, good, hefei, until, verdict};

#[tokio::test]
async fn all_bind_types_and_versions_pass_with_their_octets() {
    let stand = Stand::open().await;
    for version in [0x33, 0x34, 0x50] {
        for kind in [BindType::Transmitter, BindType::Receiver, BindType::Transceiver] {
            let esme = Esme::connect(stand.gateway.smpp, kind, "hefei", "secret", version).await.expect("bound");
            esme.unbind().await.expect("unbound");
        }
    }
    until("all are closed", || stand.gateway.gateway().bound() == 0).await;
    assert_eq!(stand.metric(r#"smsluice_session_closes_total{cause="unbind",side="esme"}"#), 9);
    let binds = stand.smsc.entries().into_iter().filter(|entry| entry.direction == Direction::In);
    let with_secret = binds.filter(|entry| entry.octets.windows(6).any(|octets| octets == b"secret")).count();
    assert_eq!(with_secret, 9, "credentials go through untouched");
    assert_eq!(stand.metric(r#"smsluice_binds_total{account="hefei",result="accepted"}"#), 9);
}

async fn refused(stand: &Stand, system_id: &str) -> u32 {
    match Esme::connect(stand.gateway.smpp, BindType::Transceiver, system_id, "secret", 0x34).await {
        Err(EsmeError::Refused(status)) => status,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn unknown_accounts_wrong_networks_and_too_many_sessions_cannot_bind() {
    let stand = Stand::open().await;
    assert_eq!(refused(&stand, "nobody").await, 0x0D);
    assert_eq!(refused(&stand, "elsewhere").await, 0x0D);
    let first = stand.bind("slow").await;
    assert_eq!(refused(&stand, "slow").await, 0x0D);
    assert_eq!(stand.smsc.stats().binds, 1, "the SMSC sees nothing of refused binds");
    first.unbind().await.expect("unbound");
    for _ in 0..1000 {
        if Esme::connect(stand.gateway.smpp, BindType::Transceiver, "slow", "secret", 0x34).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the session's place was not given back");
}

#[tokio::test]
async fn the_smscs_own_refusal_of_a_bind_is_passed_on() {
    let stand = Stand::open().await;
    stand.smsc.change(|behaviour| behaviour.refuse_binds = Some(0x0E));
    assert_eq!(refused(&stand, "hefei").await, 0x0E);
}

#[tokio::test]
async fn without_an_smsc_a_bind_is_refused_for_now() {
    let stand =
        Stand::new(Setup { change: |plan| plan.proxy.smsc = vec!["127.0.0.1:1".to_owned()], ..Setup::default() }).await;
    assert_eq!(refused(&stand, "hefei").await, 0x08);
}

#[tokio::test]
async fn receipts_messages_and_enquire_link_go_end_to_end() {
    let stand = Stand::new(Setup::default()).await;
    stand.smsc.change(|behaviour| behaviour.receipts = Some(smsluice::sim::smsc::Receipts::default()));
    let mut esme = stand.bind("hefei").await;
    let answer = esme.submit(&good(&hefei(1)).with_receipt()).await.expect("answered");
    let receipt = esme.delivery().await.expect("a receipt");
    let needle = answer.message_id.as_bytes();
    assert!(receipt.windows(needle.len()).any(|octets| octets == needle), "the receipt names the SMSC's own id");
    assert!(stand.smsc.deliver("hefei", DeliverSpec::message(&hefei(1), "62021", "退订")));
    esme.delivery().await.expect("a subscriber's message");
    esme.enquire_link().await.expect("answered end to end");
    assert_eq!(stand.smsc.stats().received["enquire_link"], 1);
    assert_eq!(stand.smsc.stats().received.get("deliver_sm_resp").copied().unwrap_or(2), 2);
}

#[tokio::test]
async fn what_is_forwarded_is_what_was_sent() {
    let stand = Stand::open().await;
    let mut esme = stand.bind("hefei").await;
    let spec = good(&hefei(1)).with_tlv(0x1400, b"vendor").with_tlv(0x3FFF, b"").with_tlv(0x0204, &[0, 7]);
    let sequence = 0x7654_3210;
    let octets = spec.submit_sm(sequence);
    let answer = esme.request(sequence, &octets).await.expect("answered");
    assert_eq!(answer.status, 0);
    let seen = stand.smsc.entries().into_iter().any(|entry| entry.direction == Direction::In && entry.octets == octets);
    assert!(seen, "octet for octet, vendor TLVs and sequence number included");
    let tlvs = |class: &str| {
        stand.metric(&format!(r#"smsluice_unspecified_tlvs_total{{account="hefei",tag_class="{class}"}}"#))
    };
    assert_eq!((tlvs("vendor"), tlvs("unknown")), (2, 0));
    let unknown = SubmitSpec::new("62021", "", GOOD).with_tlv(0x0701, b"x").with_tlv(0x4000, b"").with_tlv(0x13FF, b"");
    let sequence = esme.next_sequence();
    assert_eq!(
        esme.request(sequence, &unknown.submit_multi(&[&hefei(2)], sequence)).await.expect("answered").status,
        0
    );
    assert_eq!((tlvs("vendor"), tlvs("unknown")), (2, 3));
}

#[tokio::test]
async fn a_receiver_may_not_submit_and_a_second_bind_is_refused() {
    let stand = Stand::open().await;
    let mut receiver =
        Esme::connect(stand.gateway.smpp, BindType::Receiver, "hefei", "secret", 0x34).await.expect("bound");
    let (found, answer) = verdict(&stand, &mut receiver, "hefei", &good(&hefei(1))).await;
    assert_eq!((found.as_str(), answer.status), ("operation_denied", 0x04));
    let mut bound = stand.bind("hefei").await;
    let again = bound.bind(BindType::Transceiver, "province", "secret", 0x34).await;
    assert!(matches!(again, Err(EsmeError::Refused(0x05))), "{again:?}");
    assert_eq!(stand.smsc.stats().binds, 2);
}

#[tokio::test]
async fn a_stop_waits_for_answers_and_takes_leave() {
    let stand = Stand::new(Setup::default()).await;
    stand.smsc.change(|behaviour| behaviour.latency = smsluice::sim::smsc::Latency::fixed(Duration::from_secs(1)));
    let mut esme = stand.bind("hefei").await;
    let spec = good(&hefei(1));
    let octets = spec.submit_sm(9);
    esme.send_raw(&octets).await.expect("sent");
    until("the SMSC has it", || stand.smsc.stats().submissions() == 1).await;
    let Stand { gateway, smsc, .. } = stand;
    let stopping = tokio::spawn(gateway.stop());
    let mut commands = Vec::new();
    while let Ok(pdu) = esme.next_pdu().await {
        commands.push(u32::from_be_bytes([pdu[4], pdu[5], pdu[6], pdu[7]]));
    }
    stopping.await.expect("stopped");
    assert_eq!(commands.first(), Some(&0x8000_0004), "the answer in flight arrives");
    assert!(commands.contains(&0x06), "then an unbind: {commands:x?}");
    assert_eq!(smsc.stats().received["unbind"], 1);
}

/// What sloppy senders do, each refused without its quirk and counted with it.
#[tokio::test]
async fn quirks_are_narrow_and_counted() {
    const LONG: &str = "a-system-id-of-more-than-15";
    let stand = Stand::new(Setup {
        accounts: vec![
            (
                "system_id = \"hefei2\"",
                "system_id = \"hefei2\"\nquirks = [\"trailing_zeros\", \"local_offset00\", \"international_source\"]",
            ),
            ("system_id = \"slow\"", "system_id = \"a-system-id-of-more-than-15\"\nquirks = [\"long_system_id\"]"),
        ],
        ..Setup::default()
    })
    .await;
    let (mut strict, mut sloppy) = (stand.bind("hefei").await, stand.bind("hefei2").await);
    let zeros = |n: u64, sequence: u32, octets: usize| {
        let mut frame = good(&hefei(n)).submit_sm(sequence);
        frame.extend(std::iter::repeat_n(0, octets));
        let length = frame.len() as u32;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        frame
    };
    assert_eq!(strict.request(50, &zeros(1, 50, 3)).await.expect("answered").status, 0xC0);
    assert_eq!(sloppy.request(50, &zeros(1, 50, 3)).await.expect("answered").status, 0);
    let scheduled = good(&hefei(3)).at("261124143000000+"); // 14:30 as meant, 22:30 by the book
    assert_eq!(strict.submit(&scheduled).await.expect("answered").status, 0x61);
    assert_eq!(sloppy.submit(&scheduled).await.expect("answered").status, 0);
    assert!(stand.smsc.entries().iter().any(|entry| entry.octets == zeros(1, 50, 3)), "octet for octet all the same");
    // Valid until 17:30 as meant, until 01:30 by the book.
    let valid = |n| SubmitSpec { validity: "261124173000000+".to_owned(), ..good(&hefei(n)).at("261124163000032+") };
    assert_eq!(sloppy.submit(&valid(4)).await.expect("answered").status, 0);
    let early = |n| SubmitSpec { validity: "261124080000000+".to_owned(), ..good(&hefei(n)) }; // 08:00, or 16:00
    assert_eq!(strict.submit(&early(5)).await.expect("answered").status, 0);
    assert_eq!(sloppy.submit(&early(6)).await.expect("answered").status, 0x62, "as it means it, it is over");
    let abroad = |n| SubmitSpec { source_ton_npi: (1, 1), ..good(&hefei(n)) };
    assert_eq!(strict.submit(&abroad(7)).await.expect("answered").status, 0x48);
    assert_eq!(sloppy.submit(&abroad(7)).await.expect("answered").status, 0);
    stand.bind(LONG).await;
    let counts = [
        ("hefei2", "trailing_zeros", 1),
        ("hefei2", "local_offset00", 3),
        ("hefei2", "international_source", 1),
        (LONG, "long_system_id", 1),
    ];
    for (account, quirk, count) in counts {
        let series = |account| format!(r#"smsluice_quirks_total{{account="{account}",quirk="{quirk}"}}"#);
        assert_eq!((stand.metric(&series(account)), stand.metric(&series("hefei"))), (count, 0), "{quirk}");
    }
}

#[tokio::test]
async fn connections_are_bounded_by_address_and_in_all() {
    let stand = Stand::new(Setup { change: |plan| plan.proxy.max_per_address = 2, ..Setup::default() }).await;
    let first = stand.bind("hefei").await;
    let _second = stand.bind("hefei2").await;
    let third = Esme::connect(stand.gateway.smpp, BindType::Transceiver, "fuyang", "x", 0x34).await;
    assert!(third.is_err(), "closed unanswered");
    first.unbind().await.expect("unbound");
    stand.bind_soon("fuyang").await;
}
