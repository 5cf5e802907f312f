//! Hostile and odd frames, one file each, over the wire.

use std::collections::BTreeMap;

use smsluice::policy::Reason;
use smsluice::sim::Esme;
use smsluice::sim::esme::EsmeError;
use smsluice::sim::journal::Direction;
use smsluice::smpp::Header;
use smsluice::smpp::command::{ENQUIRE_LINK, RESPONSE};

use crate::hexfile::{self, Expected, HexFile};
use crate::stand::{OPEN, Stand};

/// Sequence numbers of the enquire_link behind a frame that is not answered, and behind all frames.
const BEHIND: u32 = 0x00FE_DCBA;
const LAST: u32 = 0x00AB_CDEF;

#[tokio::test]
async fn every_frame_gets_what_its_file_expects() {
    let stand = Stand::open().await;
    let files = hexfile::all();
    assert!(files.len() >= 60, "{} files", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        if let Err(found) = play(&stand, file).await {
            wrong.push(format!("{}: {found}", file.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(stand.smsc.stats().protocol_errors, 0, "the SMSC saw whole PDUs only");
    stand.assert_conserved();
}

/// Sends the frames of a file on a session of their own and compares what the SMSC has got.
async fn play(stand: &Stand, file: &HexFile) -> Result<(), String> {
    stand.at(OPEN);
    let before = stand.smsc.entries().len();
    let mut esme = stand.bind(&file.account).await;
    let (mut passed, mut closed) = (Vec::new(), false);
    for (at, (expected, octets)) in file.frames.iter().enumerate() {
        let found = send(stand, &mut esme, &file.account, octets, expected).await;
        let found = found.map_err(|error| format!("frame {at}: {error}"))?;
        if found != *expected {
            return Err(format!("frame {at}: expected {expected:?}, found {found:?}"));
        }
        match found {
            Expected::Pass { answered: true } => passed.push(octets.clone()),
            Expected::Pass { answered: false } => passed.extend([octets.clone(), probe(BEHIND)]),
            Expected::Silence => passed.push(probe(BEHIND)),
            Expected::Close => closed = true,
            _ => {}
        }
    }
    // Whatever came before it on this session has arrived when the SMSC has answered this.
    let probe = probe(LAST);
    if !closed {
        let answer = esme.request(LAST, &probe).await.map_err(|error| format!("afterwards: {error}"))?;
        if answer.status != 0 {
            return Err(format!("enquire_link is answered with {:#x}", answer.status));
        }
        passed.push(probe);
    }
    let arrived = stand.smsc.entries().split_off(before).into_iter();
    let arrived = arrived.filter(|entry| entry.direction == Direction::In).map(|entry| entry.octets);
    let arrived: Vec<_> = arrived.skip(1).filter(|octets| !is_unbind(octets)).collect(); // the bind went first
    if arrived == passed { Ok(()) } else { Err(format!("the SMSC has {arrived:02x?}, not {passed:02x?}")) }
}

async fn send(
    stand: &Stand,
    esme: &mut Esme,
    account: &str,
    octets: &[u8],
    expected: &Expected,
) -> Result<Expected, EsmeError> {
    let counts = || refusals(stand, account);
    let before = counts();
    // Where no answer is expected, that of an enquire_link behind it comes first.
    let unanswered = matches!(expected, Expected::Pass { answered: false } | Expected::Silence);
    let more = if unanswered { probe(BEHIND) } else { Vec::new() };
    esme.send_raw(&[octets, &more].concat()).await?;
    let pdu = match esme.next_pdu().await {
        Ok(pdu) => pdu,
        Err(EsmeError::Closed | EsmeError::Io(_)) => return Ok(Expected::Close),
        Err(error) => return Err(error),
    };
    let (answer, request) = (Header::read(&pdu).expect("whole"), Header::read(octets));
    if answer.command_id == RESPONSE && request.is_none_or(|request| request.sequence != answer.sequence) {
        // A stream out of step: a generic_nack without a sequence number, and the end.
        return match esme.next_pdu().await {
            Err(_) => Ok(Expected::Close),
            Ok(pdu) => panic!("{pdu:02x?} behind a generic_nack"),
        };
    }
    let request = request.expect("a header");
    if unanswered {
        assert_eq!(answer.sequence, BEHIND, "{pdu:02x?} is an answer that nobody expects");
        return Ok(expected.clone());
    }
    assert_eq!(answer.sequence, request.sequence);
    if answer.command_id == RESPONSE {
        assert_eq!(pdu.len(), 16, "a generic_nack is a header only");
        return Ok(Expected::Nack { status: answer.status });
    }
    assert_eq!(answer.command_id, request.command_id | RESPONSE);
    if answer.status == 0 {
        return Ok(Expected::Pass { answered: true });
    }
    assert_eq!(pdu.len(), 16, "a refusal is a header only");
    let Expected::Refuse { reason: Some(wanted), .. } = expected else {
        return Ok(Expected::Refuse { status: answer.status, reason: None });
    };
    for _ in 0..100 {
        let after = counts();
        let moved = Reason::ALL.into_iter().find(|reason| after.get(reason.code()) > before.get(reason.code()));
        if let Some(reason) = moved {
            return Ok(Expected::Refuse { status: answer.status, reason: Some(reason) });
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await; // counters follow the answer
    }
    panic!("no counter of a refusal moved; expected {wanted}")
}

/// The refusals of an account so far, by reason.
fn refusals(stand: &Stand, account: &str) -> BTreeMap<String, u64> {
    let text = stand.gateway.gateway().metrics().render();
    let series = format!("smsluice_messages_refused_total{{account=\"{account}\",reason=\"");
    let counter = |line: &str| {
        let (reason, value) = line.strip_prefix(&series)?.split_once("\"} ")?;
        Some((reason.to_owned(), value.parse().ok()?))
    };
    text.lines().filter_map(counter).collect()
}

fn probe(sequence: u32) -> Vec<u8> {
    Header { length: 16, command_id: ENQUIRE_LINK, status: 0, sequence }.octets().to_vec()
}

/// A session that is dropped may end with the gateway's own unbind.
fn is_unbind(octets: &[u8]) -> bool {
    octets[4..8] == [0, 0, 0, 6]
}
