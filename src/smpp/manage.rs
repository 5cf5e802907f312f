//! query_sm and cancel_sm (SMPP 3.4 sections 4.8, 4.9): whose messages they are about.

use super::command;
use super::frame::{HEADER, Header};
use super::submission::{Address, Field, Fields};

/// The source_addr that a query_sm or cancel_sm names; `None` if it cannot be read.
///
/// The SMSC matches it with the original's, so an account that may only name
/// its own sources can only reach its own messages.
pub fn source(frame: &[u8]) -> Option<Address<'_>> {
    let header = Header::read(frame)?;
    let mut fields = Fields { rest: frame.get(HEADER..)? };
    if header.command_id == command::CANCEL_SM {
        fields.service_type().ok()?;
    }
    fields.string(65, Field::Body, 0).ok()?;
    fields.address(21, Field::SourceAddr, 0).ok()
}
