//! Decisions as they stand in a row, with what they stand under.

use std::sync::Arc;

use crate::domain::Day;
use crate::domain::Moment;
use crate::ledger::names::Names;
use crate::ledger::record::{Context, Matter, ReceiptRecord, Record, RefusedTo, Settlement, number_of, read_row};
use crate::ledger::volume::{ReadError, Row};
use crate::smpp::command;

use super::{About, Attempt, Fate, Outcome, To, Verdict};

/// The names of accounts and units by their numbers.
#[derive(Debug)]
pub(super) struct Called(Vec<Arc<str>>);

impl Called {
    pub(super) fn of(names: &Names) -> Self {
        let bare = |name: &String| name.split_once(':').map_or(&**name, |(_, bare)| bare).into();
        Self(names.by_number().iter().map(bare).collect())
    }

    fn name(&self, number: u16) -> Arc<str> {
        self.0.get(usize::from(number)).cloned().unwrap_or_default()
    }

    /// The number of an account.
    pub(super) fn account(names: &Names, system_id: &str) -> Option<u16> {
        names.number(&format!("account:{system_id}"))
    }
}

/// What a row tells, one after the other.
pub(super) enum Told<'a> {
    /// A decision.
    Attempt(Attempt),
    /// What became of a reservation, and when.
    Settled(Settlement<'a>, Moment),
    /// A receipt, and when it came.
    Receipt(ReceiptRecord<'a>, Moment),
}

/// Which decisions of a row are wanted; the others are not made.
pub(super) trait Wanted {
    /// Whether any is, of this account.
    fn account(&self, account: u16) -> bool;
    /// Whether one to this subscriber is; 0 for none.
    fn number(&self, number: u64) -> bool;
}

/// All of them.
pub(super) struct All;

impl Wanted for All {
    fn account(&self, _: u16) -> bool {
        true
    }

    fn number(&self, _: u64) -> bool {
        true
    }
}

/// Reads a row.
pub(super) fn read(
    day: Day,
    row: &Row,
    called: &Called,
    wanted: &impl Wanted,
    each: &mut dyn FnMut(Told<'_>),
) -> Result<(), ReadError> {
    let mut reading =
        Reading { day, row, called, context: None, matter: None, about: None, id: row.first_id, at: row.at };
    for record in read_row(&row.records) {
        let record = record.map_err(|_| ReadError::Corrupt { day, row: row.number })?;
        reading.record(&record, wanted, each);
    }
    Ok(())
}

struct Reading<'a> {
    day: Day,
    row: &'a Row,
    called: &'a Called,
    context: Option<Context>,
    matter: Option<Matter<'a>>,
    about: Option<Arc<About>>,
    id: u64,
    at: Moment,
}

impl<'a> Reading<'a> {
    fn record(&mut self, record: &Record<'a>, wanted: &impl Wanted, each: &mut dyn FnMut(Told<'_>)) {
        match record {
            Record::Context(context) => {
                (self.context, self.matter, self.about) = (Some(*context), None, None);
            }
            Record::Matter(matter) => (self.matter, self.about) = (Some(*matter), None),
            Record::Time(at) => self.at = *at,
            Record::Reserved(taken) | Record::Passed(taken) => {
                self.sent(taken.account, taken.recipient, None, wanted, each);
            }
            Record::Part(part) => {
                let of = (part.piece.part.index, part.piece.part.total);
                self.sent(part.taken.account, part.taken.recipient, Some(of), wanted, each);
            }
            Record::Refused(refused) => {
                if !wanted.account(self.context.map_or(0, |context| context.account)) {
                    return;
                }
                let verdict = Verdict::Refused { reason: refused.reason, status: refused.status };
                match refused.to {
                    RefusedTo::Numbers(numbers) => {
                        for number in numbers.iter().map(|number| number_of(*number)) {
                            if wanted.number(number.map_or(0, crate::domain::Msisdn::get)) {
                                let to = number.map_or(To::Unnamed, To::Subscriber);
                                self.attempt(to, 1, None, verdict, each);
                            }
                        }
                    }
                    RefusedTo::Unreadable(ton, npi, digits) if wanted.number(0) => {
                        let digits = String::from_utf8_lossy(digits).into();
                        self.attempt(To::Address(ton, npi, digits), 1, None, verdict, each);
                    }
                    RefusedTo::Uncounted(count) if wanted.number(0) => {
                        self.attempt(To::Unnamed, count, None, verdict, each);
                    }
                    RefusedTo::Unreadable(..) | RefusedTo::Uncounted(_) => {}
                }
            }
            Record::Settled(settlement) => each(Told::Settled(*settlement, self.at)),
            Record::Receipt(receipt) => each(Told::Receipt(*receipt, self.at)),
            Record::TakenAgain(_) | Record::GivenUp(_) | Record::Scheduled(_) | Record::Cancelled(_) => {}
        }
        self.id += u64::from(record.has_an_id());
    }

    fn sent(
        &mut self,
        account: u16,
        recipient: Option<crate::domain::Msisdn>,
        part: Option<(u8, u8)>,
        wanted: &impl Wanted,
        each: &mut dyn FnMut(Told<'_>),
    ) {
        if wanted.account(account) && wanted.number(recipient.map_or(0, crate::domain::Msisdn::get)) {
            let to = recipient.map_or(To::Unnamed, To::Subscriber);
            self.attempt(to, 1, part, Verdict::Forwarded, each);
        }
    }

    fn attempt(
        &mut self,
        to: To,
        count: u32,
        part: Option<(u8, u8)>,
        verdict: Verdict,
        each: &mut dyn FnMut(Told<'_>),
    ) {
        let sent = verdict == Verdict::Forwarded;
        let pending = Outcome { fate: Fate::Pending, at: None, message_id: Box::default() };
        let Some(about) = self.about() else { return }; // nothing is written without what it stands under
        each(Told::Attempt(Attempt {
            day: self.day,
            row: self.row.number,
            id: sent.then_some(self.id),
            about,
            to,
            count,
            part,
            verdict,
            outcome: sent.then_some(pending),
            receipt: None,
        }));
    }

    fn about(&mut self) -> Option<Arc<About>> {
        if self.about.is_none() {
            let (context, matter) = (self.context?, self.matter?);
            let (ton, npi, digits) = matter.source;
            self.about = Some(Arc::new(About {
                received: context.received,
                edt: matter.edt.unwrap_or(context.received),
                account: self.called.name(context.account),
                class: context.class,
                unit: self.called.name(context.unit),
                command_id: command_of(matter.command),
                source: (ton, npi, String::from_utf8_lossy(digits).into()),
                campaign: matter.campaign,
                digest: matter.digest,
                text: matter.text.map(Into::into),
                policy: context.policy,
            }));
        }
        self.about.clone()
    }
}

/// The submission of a last octet; 0 of none.
fn command_of(octet: u8) -> u32 {
    const ALL: [u32; 5] =
        [command::SUBMIT_SM, command::SUBMIT_MULTI, command::DATA_SM, command::REPLACE_SM, command::BROADCAST_SM];
    ALL.into_iter().find(|id| *id as u8 == octet).unwrap_or_default()
}
