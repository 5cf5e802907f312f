//! The bind requests (SMPP 3.4 section 4.1, 5.0 4.1.1). Read leniently: the
//! SMSC authenticates; the gateway needs the system_id alone.

use super::command;
use super::frame::{HEADER, Header};

/// Longest system_id read. SMPP 3.4 section 4.1.1 allows 15 characters; an account's quirk may allow more.
pub const SYSTEM_ID_MAX: usize = 63;

/// Which way a session may carry messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindType {
    /// bind_transmitter: towards subscribers.
    Transmitter,
    /// bind_receiver: from the SMSC only.
    Receiver,
    /// bind_transceiver: both.
    Transceiver,
}

/// What the gateway reads of a bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Which of the three.
    pub bind_type: BindType,
    /// Who binds.
    pub system_id: String,
    /// interface_version; 0x33 where it cannot be read.
    pub version: u8,
}

impl Bind {
    /// Reads a whole frame; `None` if it is no bind or its system_id is no printable ASCII of 1 to 63 characters.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let bind_type = BindType::of(Header::read(frame)?.command_id)?;
        let body = frame.get(HEADER..)?;
        let window = &body[..body.len().min(SYSTEM_ID_MAX + 1)];
        let end = window.iter().position(|octet| *octet == 0).filter(|end| *end > 0)?;
        let system_id = &window[..end];
        let printable = system_id.iter().all(|octet| octet.is_ascii_graphic() || *octet == b' ');
        let system_id = printable.then(|| String::from_utf8_lossy(system_id).into_owned())?;
        // Behind system_id: password, system_type, interface_version.
        let version = body.split(|octet| *octet == 0).take(3).map(|text| text.len() + 1).sum::<usize>();
        Some(Self { bind_type, system_id, version: body.get(version).copied().unwrap_or(0x33) })
    }
}

impl BindType {
    /// The type a command_id asks for.
    pub const fn of(command_id: u32) -> Option<Self> {
        match command_id {
            command::BIND_TRANSMITTER => Some(Self::Transmitter),
            command::BIND_RECEIVER => Some(Self::Receiver),
            command::BIND_TRANSCEIVER => Some(Self::Transceiver),
            _ => None,
        }
    }

    /// Whether messages may be submitted.
    pub const fn submits(self) -> bool {
        !matches!(self, Self::Receiver)
    }

    /// The word for labels and logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Transmitter => "tx",
            Self::Receiver => "rx",
            Self::Transceiver => "trx",
        }
    }
}
