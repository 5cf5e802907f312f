//! The last malformed PDU of each session, without what it says.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::domain::Moment;
use crate::smpp::frame::HEADER;

/// Sessions whose last fault is kept.
pub const KEPT_MAX: usize = 256;
/// Octets of a PDU that are shown.
const SHOWN: usize = 160;

/// A PDU that could not be read.
#[derive(Clone, Debug)]
pub struct Fault {
    /// When.
    pub at: Moment,
    /// On which session.
    pub session: u64,
    /// Whose.
    pub account: Box<str>,
    /// From which side: `esme` or `smsc`.
    pub leg: &'static str,
    /// The field at fault, or how the stream was broken.
    pub kind: String,
    /// command_length as the PDU states it.
    pub length: u32,
    /// The header, and the kind of every octet behind it (see [`masked`]).
    pub hex_masked: String,
}

/// The last fault of each of the latest sessions.
#[derive(Debug, Default)]
pub struct Faults {
    kept: Mutex<VecDeque<Fault>>,
}

impl Faults {
    /// Keeps a fault in place of the session's last one.
    pub fn keep(&self, fault: Fault) {
        let mut kept = self.kept.lock();
        kept.retain(|one| one.session != fault.session);
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(fault);
    }

    /// All that are kept, newest first.
    pub fn latest(&self) -> Vec<Fault> {
        self.kept.lock().iter().rev().cloned().collect()
    }
}

/// A PDU without numbers and texts: the header's octets in hexadecimal, then for each octet of the body its kind:
/// `00` a NUL, `..` a control octet, `dd` a decimal digit, `aa` other printable ASCII, `xx` an octet from 0x80 up.
pub fn masked(frame: &[u8]) -> String {
    let (header, body) = frame.split_at(frame.len().min(HEADER));
    let body = &body[..body.len().min(SHOWN)];
    let kind = |octet: &u8| match octet {
        0 => "00",
        b'0'..=b'9' => "dd",
        0x20..=0x7E => "aa",
        0x80.. => "xx",
        _ => "..",
    };
    let header = header.iter().map(|octet| format!("{octet:02x}"));
    header.chain(body.iter().map(|octet| kind(octet).to_owned())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(session: u64, length: u32) -> Fault {
        Fault {
            at: Moment::from_ms(0),
            session,
            account: "a".into(),
            leg: "esme",
            kind: "Tlvs".to_owned(),
            length,
            hex_masked: String::new(),
        }
    }

    #[test]
    fn each_session_has_its_last_fault_and_the_memory_is_bounded() {
        let faults = Faults::default();
        for session in 0..KEPT_MAX as u64 + 5 {
            faults.keep(fault(session, 1));
        }
        faults.keep(fault(200, 2));
        let latest = faults.latest();
        assert_eq!((latest.len(), latest[0].session, latest[0].length), (KEPT_MAX, 200, 2));
        assert_eq!(latest.iter().filter(|one| one.session == 200).count(), 1);
    }

    #[test]
    fn neither_a_number_nor_a_text_can_be_read_from_it() {
        let frame = [&[0, 0, 0, 40, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9][..], b"\0\x0113855100001\0ok\xE5"].concat();
        let text = masked(&frame);
        assert!(text.starts_with("00 00 00 28 00 00 00 04 00 00 00 00 00 00 00 09 00 .. dd dd"), "{text}");
        assert!(text.ends_with("dd 00 aa aa xx"), "{text}");
        assert_eq!(masked(&[1, 2]), "01 02");
    }
}
