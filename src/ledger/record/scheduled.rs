//! The records of messages that wait inside the SMSC.

use crate::domain::{Moment, Msisdn};

use super::super::waiting::Scheduled;
use super::{CANCELLED, SCHEDULED};

/// Which message was cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cancelled {
    /// The ledger's number of its account.
    pub(crate) account: u16,
    /// Whether the gateway asked for it, during a pause; otherwise its sender.
    pub(crate) by_gateway: bool,
    /// The SMSC's address.
    pub(crate) smsc: Box<str>,
    /// Its name there.
    pub(crate) message_id: Box<[u8]>,
}

/// Appends that a message waits inside the SMSC.
pub(crate) fn write_scheduled(scheduled: &Scheduled, out: &mut Vec<u8>) {
    let Scheduled { account, smsc, message_id, due, source: (ton, npi, digits), recipient, recipients } = scheduled;
    out.push(SCHEDULED);
    out.extend(account.to_le_bytes());
    out.extend(due.ms().to_le_bytes());
    out.extend(recipient.map_or(0, Msisdn::get).to_le_bytes());
    out.extend([*recipients, *ton, *npi]);
    for field in [digits, smsc.as_bytes(), message_id] {
        write_short(field, out);
    }
}

/// Appends that the SMSC has cancelled a message.
pub(crate) fn write_cancelled(cancelled: &Cancelled, out: &mut Vec<u8>) {
    let Cancelled { account, by_gateway, smsc, message_id } = cancelled;
    out.push(CANCELLED);
    out.extend(account.to_le_bytes());
    out.push(u8::from(*by_gateway));
    write_short(smsc.as_bytes(), out);
    write_short(message_id, out);
}

/// A field of at most 255 octets: the SMPP fields are shorter, and so is every address that a system resolves.
pub(super) fn write_short(field: &[u8], out: &mut Vec<u8>) {
    let field = &field[..field.len().min(255)];
    out.push(field.len() as u8);
    out.extend(field);
}

pub(super) fn read_short(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

pub(super) fn read_scheduled(octets: &[u8]) -> Option<(Scheduled, &[u8])> {
    let (account, rest) = octets.split_first_chunk()?;
    let (due, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (&[recipients, ton, npi], rest) = rest.split_first_chunk()?;
    let (digits, rest) = read_short(rest)?;
    let (smsc, rest) = read_short(rest)?;
    let (message_id, rest) = read_short(rest)?;
    let number = u64::from_le_bytes(*number);
    let scheduled = Scheduled {
        account: u16::from_le_bytes(*account),
        smsc: std::str::from_utf8(smsc).ok()?.into(),
        message_id: message_id.into(),
        due: Moment::from_ms(i64::from_le_bytes(*due)),
        source: (ton, npi, digits.into()),
        recipient: if number == 0 { None } else { Some(Msisdn::from_number(number)?) },
        recipients,
    };
    Some((scheduled, rest))
}

pub(super) fn read_cancelled(octets: &[u8]) -> Option<(Cancelled, &[u8])> {
    let (account, rest) = octets.split_first_chunk()?;
    let (by, rest) = rest.split_first()?;
    let (smsc, rest) = read_short(rest)?;
    let (message_id, rest) = read_short(rest)?;
    let cancelled = Cancelled {
        account: u16::from_le_bytes(*account),
        by_gateway: *by != 0,
        smsc: std::str::from_utf8(smsc).ok()?.into(),
        message_id: message_id.into(),
    };
    Some((cancelled, rest))
}
