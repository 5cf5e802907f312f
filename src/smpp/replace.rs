//! replace_sm (SMPP 3.4 section 4.10): another text, and perhaps another time, for an accepted message.
//!
//! It names its message by the SMSC's message_id and has neither recipient nor
//! data_coding; what is read here becomes a [`Submission`] with those of the original.

use rusmpp_core::decode::borrowed::DecodeWithLength;
use rusmpp_core::pdus::borrowed::ReplaceSm;

use super::command::status;
use super::frame::{HEADER, Header};
use super::submission::{Address, Field, Fields, Malformed, Operation, Submission, TextFields, agree};

/// Longest message_id with its NUL.
const MESSAGE_ID: usize = 65;

/// One replace_sm.
#[derive(Clone, Copy, Debug)]
pub struct Replace<'a> {
    /// The message that it replaces, as the SMSC named it.
    pub message_id: &'a [u8],
    /// The source_addr, which must be that message's.
    pub source: Address<'a>,
    header: Header,
    text: TextFields<'a>,
    tlvs: &'a [u8],
}

impl<'a> Replace<'a> {
    /// Reads one whole frame.
    pub fn read(frame: &'a [u8]) -> Result<Self, Malformed> {
        let header = Header::read(frame).ok_or(Malformed::new(Field::Body, status::ESME_RINVCMDLEN))?;
        let body = &frame[HEADER..];
        let mut fields = Fields { rest: body };
        let message_id = fields.string(MESSAGE_ID, Field::Operation, status::ESME_RREPLACEFAIL)?;
        let source = fields.address(21, Field::SourceAddr, status::ESME_RINVSRCADR)?;
        let text = fields.replacement()?;
        let mandatory = &body[..body.len() - fields.rest.len()];
        agree(mandatory, ReplaceSm::decode(mandatory, mandatory.len()).ok().map(|(_, length)| length))?;
        Ok(Self { message_id, source, header, text, tlvs: fields.rest })
    }

    /// The submission that it makes of a message to that recipient, written in that coding.
    pub fn of(&self, destination: Address<'a>, data_coding: u8) -> Result<Submission<'a>, Malformed> {
        let text = self.text.written_in(data_coding);
        text.finish(self.header, Operation::ReplaceSm, b"", self.source, destination, self.tlvs)
    }
}

/// The message_id of a submit_sm_resp or data_sm_resp; `None` if it has none.
pub fn message_id(frame: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields { rest: frame.get(HEADER..)? };
    fields.string(MESSAGE_ID, Field::Body, 0).ok().filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::submit::SubmitSpec;

    #[test]
    fn it_becomes_a_submission_with_what_the_original_had() {
        let spec = SubmitSpec::new("6202", "", "改期。移动").at("261124140000032+").with_tlv(0x1400, b"x");
        let frame = spec.replace_sm("7f", 5);
        let replace = Replace::read(&frame).expect("sound");
        assert_eq!((replace.message_id, replace.source.digits), (&b"7f"[..], &b"6202"[..]));
        let destination = Address { ton: 1, npi: 1, digits: b"13800000000" };
        let submission = replace.of(destination, 8).expect("sound");
        assert_eq!((submission.operation, submission.sequence), (Operation::ReplaceSm, 5));
        assert_eq!((submission.destination, submission.data_coding), (destination, 8));
        assert_eq!((submission.schedule, submission.tlvs.unknown), (&b"261124140000032+"[..], 1));
        assert_eq!(submission.user_data.text, &spec.short_message[..]);
        for cut in HEADER..frame.len() - 5 {
            assert!(Replace::read(&frame[..cut]).is_err(), "cut at {cut}");
        }
        let stray = Replace::read(&frame[..frame.len() - 1]).expect("its mandatory part is whole");
        assert_eq!(stray.of(destination, 8).map(|_| ()).map_err(|fault| fault.field), Err(Field::Tlvs));
    }

    #[test]
    fn an_answer_names_the_message() {
        let answer = |body: &[u8]| [&[0; HEADER][..], body].concat();
        assert_eq!(message_id(&answer(b"7f\0")), Some(&b"7f"[..]));
        for body in [&b""[..], b"\0", b"7f", &[b'1'; 65]] {
            assert_eq!(message_id(&answer(body)), None, "{body:?}");
        }
    }
}
