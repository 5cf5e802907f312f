//! One message that somebody asks about: the octets that would arrive, and what would be said to them.
//! Nothing is sent and nothing is counted.

use crate::domain::{LocalTime, Moment};
use crate::policy::report::Report;
use crate::policy::switches::ReplaceMode;
use crate::policy::{self, Account, Ruleset};
use crate::proxy::Remembered;
use crate::sim::SubmitSpec;
use crate::smpp::command::{self, status};
use crate::smpp::frame::{Cut, MAX_PDU};
use crate::smpp::multi::Multi;
use crate::smpp::replace::Replace;
use crate::smpp::submission::{Field, Malformed};
use crate::smpp::{Address, Header, Submission};

/// UCS-2 characters that a `message_payload` holds.
const TEXT_MAX: usize = 32_767;

/// A member of the question that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// `from`, `to`, `text` or `pdu`.
    pub member: &'static str,
    /// Why.
    pub why: String,
}

/// Who sends under which rules, and when.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The rules.
    pub rules: &'a Ruleset,
    /// The sender.
    pub account: &'a Account,
    /// When the message is submitted.
    pub at: Moment,
}

/// The same two steps as on the wire: the frame is read, what was read is judged.
impl Asked<'_> {
    /// One report, or for a submit_multi one for each recipient.
    pub fn about(&self, frame: &[u8]) -> Vec<Report> {
        if is_multi(frame) { self.about_many(frame) } else { vec![self.about_one(frame)] }
    }

    /// The report of a replace_sm, held against what is remembered of the message that it names.
    pub fn about_replacement(&self, frame: &[u8], known: impl FnOnce(&Replace<'_>) -> Option<Remembered>) -> Report {
        let unknown = Malformed { field: Field::Operation, status: status::ESME_RREPLACEFAIL };
        let replace = match Replace::read(frame) {
            Ok(replace) => replace,
            Err(fault) => return self.malformed(fault),
        };
        let Some(remembered) = known(&replace) else { return self.malformed(unknown) };
        remembered.with(&replace).map_or_else(
            |fault| self.malformed(fault),
            |submission| {
                let (rules, account) = (self.rules, self.account);
                let told = policy::explain_replacement(rules, account, &submission, remembered.replaced(), self.at);
                Report::of(rules, account, &told)
            },
        )
    }

    fn about_one(&self, frame: &[u8]) -> Report {
        Submission::read(frame).map_or_else(|fault| self.malformed(fault), |submission| self.judged(&submission))
    }

    fn about_many(&self, frame: &[u8]) -> Vec<Report> {
        let multi = match Multi::read(frame) {
            Ok(multi) => multi,
            Err(fault) => return vec![self.malformed(fault)],
        };
        let list = Malformed { field: Field::Operation, status: status::ESME_RCNTSUBDL };
        let recipients = multi.destinations.iter().map(|destination| destination.address);
        let report = |to: Option<Address<'_>>| to.map_or_else(|| self.malformed(list), |to| self.judged(&multi.to(to)));
        recipients.map(report).collect()
    }

    fn judged(&self, submission: &Submission<'_>) -> Report {
        Report::of(self.rules, self.account, &policy::explain(self.rules, self.account, submission, self.at))
    }

    fn malformed(&self, fault: Malformed) -> Report {
        let verdict = policy::decide::malformed(self.account, fault, self.at);
        Report::malformed(self.rules, self.account, &verdict, fault)
    }
}

/// Whether a frame is a replace_sm that is judged like a submission.
pub fn is_checked_replacement(rules: &Ruleset, frame: &[u8]) -> bool {
    rules.switches.replace.mode == ReplaceMode::Check
        && Header::read(frame).is_some_and(|header| header.command_id == command::REPLACE_SM)
}

/// Whether a frame is a submit_multi, of which each recipient has a report.
pub fn is_multi(frame: &[u8]) -> bool {
    Header::read(frame).is_some_and(|header| header.command_id == command::SUBMIT_MULTI)
}

/// The submit_sm that a sender would send; the text travels in UCS-2.
pub fn submit_sm(from: &str, to: &str, text: &str, schedule: &str) -> Result<Vec<u8>, Unusable> {
    for (member, value) in [("from", from), ("to", to)] {
        if value.len() > 20 || value.contains('\0') {
            return Err(Unusable { member, why: "an address has at most 20 characters".to_owned() });
        }
    }
    if schedule.contains('\0') {
        return Err(Unusable { member: "schedule", why: "a time has no NUL".to_owned() });
    }
    if text.encode_utf16().count() > TEXT_MAX {
        return Err(Unusable { member: "text", why: "no PDU holds that many characters".to_owned() });
    }
    let schedule = Moment::parse(schedule).map_or_else(|| schedule.to_owned(), absolute);
    let mut spec = SubmitSpec::new(from, to, text).at(&schedule);
    spec.destination_ton_npi = (0, 1);
    whole(spec.submit_sm(1))
}

/// The frame that hexadecimal digits stand for.
pub fn pdu(hex: &str) -> Result<Vec<u8>, Unusable> {
    let digits: Option<Vec<u8>> =
        hex.chars().filter(|ch| !ch.is_whitespace()).map(|ch| ch.to_digit(16).map(|digit| digit as u8)).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => whole(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()),
        _ => Err(unusable("expected pairs of hexadecimal digits".to_owned())),
    }
}

/// A frame that the gateway would cut from the stream and judge.
fn whole(octets: Vec<u8>) -> Result<Vec<u8>, Unusable> {
    match Cut::at(&octets, MAX_PDU) {
        Cut::Whole(length) if length == octets.len() => {}
        Cut::Whole(length) | Cut::Partial(length) => {
            let given = octets.len();
            return Err(unusable(format!("the PDU says it has {length} octets, but {given} are given")));
        }
        Cut::Bad(length) => {
            return Err(unusable(format!("no PDU has {length} octets: the gateway would close the connection")));
        }
    }
    let command_id = Header::read(&octets).map_or(0, |header| header.command_id);
    if command::is_submission(command_id) {
        return Ok(octets);
    }
    let name = command::name(command_id);
    Err(unusable(format!("command_id {command_id:#010x} ({name}) is no submission and is not judged")))
}

fn unusable(why: String) -> Unusable {
    Unusable { member: "pdu", why }
}

/// `schedule_delivery_time` of a moment, in local time with its offset.
fn absolute(moment: Moment) -> String {
    let LocalTime { day, second } = LocalTime::of(moment);
    let date = day.to_string().replace('-', "");
    format!("{}{:02}{:02}{:02}032+", &date[2..], second / 3600, second / 60 % 60, second % 60)
}
