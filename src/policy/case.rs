//! The case: what the rules judge, read once from a submission.

use crate::domain::{AccountClass, LocalTime, Moment, Msisdn, msisdn::MsisdnError};
use crate::smpp::coding::{self, CodingError, Encoding};
use crate::smpp::time::{Time, TimeError};
use crate::smpp::udh::{Part, Parts};
use crate::smpp::{Operation, Submission};

use super::content::{Campaign, fold};
use super::matching;
use super::mode::{Mode, Rule};
use super::passed::Passed;
use super::reason::{Reason, Reasons};
use super::regions::Place;
use super::rules::content;
use super::ruleset::{Account, Ruleset};
use super::switches::{Multipart, ZeroOffset};

/// What one decision after another uses: buffers, so that none allocates, and what has passed last.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) buffers: Buffers,
    pub(super) passed: Passed,
}

impl Scratch {
    /// Which message [`super::decide::decide_repeated`] knows again; another number with every other one.
    pub const fn known(&self) -> u64 {
        self.passed.serial()
    }
}

/// Where a text is decoded.
#[derive(Debug, Default)]
pub struct Buffers {
    text: Vec<char>,
    matching: Vec<char>,
    content: Vec<char>,
    found: Vec<u32>,
}

/// One submission with everything that more than one rule looks at.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The policy in force.
    pub rules: &'a Ruleset,
    /// Who sends.
    pub account: &'a Account,
    /// What is sent.
    pub submission: &'a Submission<'a>,
    /// When it is judged.
    pub now: Moment,
    /// What its schedule_delivery_time says.
    pub schedule: Schedule,
    /// Effective delivery time: the schedule, otherwise now.
    pub edt: Moment,
    /// The same as local time; its day is the day of 7.1.
    pub local: LocalTime,
    /// The recipient.
    pub recipient: Result<Msisdn, MsisdnError>,
    /// Where the tables place the recipient.
    pub place: Option<Place>,
    /// The text; `None` if no rule of this account looks at it.
    pub text: Option<Result<Text<'a>, CodingError>>,
    /// The registered texts that it is, for [`super::content::Content::of`]; `None` if it is not held against them.
    pub found: Option<&'a [u32]>,
}

/// Under whose rules a text is judged: what the rules about nothing but the text look at.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// The policy in force.
    pub rules: &'a Ruleset,
    /// Who sends.
    pub account: &'a Account,
    /// Whether it is sent for a city: by its account, or by its campaign (F1).
    pub for_city: bool,
}

/// A decoded text.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// As it is counted.
    pub chars: &'a [char],
    /// As it is compared; empty if no rule of this account compares it.
    pub matching: &'a [char],
    /// As it is held against the registered ones; empty if it is not.
    pub content: &'a [char],
    /// How it was written.
    pub encoding: Encoding,
}

/// What a schedule_delivery_time says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Nothing: deliver now.
    Immediate,
    /// One moment.
    At(Moment),
    /// Offset 00: UTC by the book, local time to many clients.
    Either {
        /// By the book.
        utc: Moment,
        /// As many clients mean it.
        local: Moment,
    },
    /// No time that exists.
    Unreadable,
}

/// What a rule finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// Why it would refuse.
    pub refused: Reasons,
    /// What it passes but wants counted.
    pub noted: Reasons,
    /// The command_status that names the case better than the reason's own.
    pub status: Option<u32>,
}

impl<'a> Case<'a> {
    /// Reads what the account's rules need and no more.
    pub fn read(
        rules: &'a Ruleset,
        account: &'a Account,
        submission: &'a Submission<'a>,
        now: Moment,
        buffers: &'a mut Buffers,
    ) -> Self {
        let Buffers { text, matching, content, found } = buffers;
        let text = Text::read(rules, account, submission, [text, matching, content]);
        let case = Self { text, ..Self::without_text(rules, account, submission, now) };
        let author = Author::new(rules, account);
        match case.readable().filter(|_| author.compares_content() && case.part().is_none()) {
            Some(text) => {
                rules.content.find(text.content, content::unit(author), found);
                Self { found: Some(found), ..case }
            }
            None => case,
        }
    }

    /// The same for rules that do not look at the text.
    pub(super) fn without_text(
        rules: &'a Ruleset,
        account: &'a Account,
        submission: &'a Submission<'a>,
        now: Moment,
    ) -> Self {
        let schedule = Schedule::read(submission.schedule, now, account.zero_offset(&rules.switches));
        let edt = schedule.edt(now);
        let local = LocalTime::of(edt);
        let (recipient, place) = whereabouts(rules, submission, local);
        let (text, found) = (None, None);
        Self { rules, account, submission, now, schedule, edt, local, recipient, place, text, found }
    }

    /// The same case for one recipient of several.
    #[must_use]
    pub fn to<'b>(&self, submission: &'b Submission<'b>) -> Case<'b>
    where
        'a: 'b,
    {
        let (recipient, place) = whereabouts(self.rules, submission, self.local);
        Case { submission, recipient, place, ..*self }
    }

    /// The same case of what replaces a message that is delivered at `edt`: where it names no time of its own,
    /// the message keeps the one it has.
    #[must_use]
    pub fn replacing(self, edt: Moment) -> Self {
        if self.schedule != Schedule::Immediate {
            return self;
        }
        let edt = edt.max(self.now);
        let local = LocalTime::of(edt);
        let place = self.recipient.ok().and_then(|number| self.rules.regions.place(number, local.day));
        Self { edt, local, place, ..self }
    }

    /// The text, if a rule looks at it and it could be decoded.
    pub fn readable(&self) -> Option<Text<'a>> {
        self.text.and_then(Result::ok)
    }

    /// Under whose rules the text is judged.
    pub fn author(&self) -> Author<'a> {
        let own = Author::new(self.rules, self.account);
        Author { for_city: own.for_city || self.campaign().is_some_and(|campaign| campaign.city.is_some()), ..own }
    }

    /// The registered text that it is, if it was held against them.
    pub fn campaign(&self) -> Option<&'a Campaign> {
        let found = self.found.filter(|found| !found.is_empty())?;
        content::campaign(Author::new(self.rules, self.account), found, &self.moments())
    }

    /// Whether it counts for 7.1a.
    pub fn counts(&self) -> bool {
        let author = Author::new(self.rules, self.account);
        content::counts(author, self.found.unwrap_or_default(), &self.moments())
    }

    /// When it is delivered; two moments where its time can be read in two ways.
    pub const fn moments(&self) -> [Moment; 2] {
        match self.schedule {
            Schedule::Either { utc, local } => [utc, local],
            _ => [self.edt, self.edt],
        }
    }

    /// Which part of a message this is, where parts are judged together: what a
    /// text as a whole must keep is then judged by [`super::joined`]. What replaces a
    /// message is its whole text, whatever it says of parts.
    pub fn part(&self) -> Option<Part> {
        match self.submission.user_data.parts {
            Parts::Part(_) if self.submission.operation == Operation::ReplaceSm => None,
            Parts::Part(part) if self.author().joins_parts() => Some(part),
            _ => None,
        }
    }

    /// Whether the account's finding of a rule is a refusal.
    pub fn enforces(&self, rule: Rule) -> bool {
        self.account.modes.get(rule) == Mode::Enforce
    }
}

/// To whom a submission goes, and where the tables place them.
fn whereabouts(
    rules: &Ruleset,
    submission: &Submission<'_>,
    local: LocalTime,
) -> (Result<Msisdn, MsisdnError>, Option<Place>) {
    let to = submission.destination;
    let recipient = Msisdn::parse(to.ton, to.npi, to.digits, rules.switches.dest.strict_ton);
    (recipient, recipient.ok().and_then(|number| rules.regions.place(number, local.day)))
}

impl<'a> Author<'a> {
    /// An account under some rules, before anything is known of its campaign.
    pub const fn new(rules: &'a Ruleset, account: &'a Account) -> Self {
        Self { rules, account, for_city: account.city.is_some() }
    }

    /// Whether its texts are held against the registered ones. Where that would only be counted and none is
    /// registered, the site keeps no registry, and every message would count.
    pub fn compares_content(&self) -> bool {
        match self.account.modes.get(Rule::Content) {
            Mode::Off => false,
            Mode::Observe => !self.rules.content.is_empty(),
            Mode::Enforce => true,
        }
    }

    /// Whether the parts of one message are judged together. The exempt class's always are.
    pub fn joins_parts(&self) -> bool {
        self.rules.switches.length.multipart == Multipart::Group || self.account.class == AccountClass::ExemptPlatform
    }
}

impl<'a> Text<'a> {
    fn read(
        rules: &Ruleset,
        account: &Account,
        submission: &Submission<'_>,
        [chars, matching, content]: [&'a mut Vec<char>; 3],
    ) -> Option<Result<Self, CodingError>> {
        let judged = |rule| account.modes.judges(rule);
        let compared = judged(Rule::Signature)
            || judged(Rule::Contact)
            || judged(Rule::Category) && rules.switches.category.keywords.words().next().is_some()
            || judged(Rule::Length) && !rules.switches.length.count_signature;
        let registered = Author::new(rules, account).compares_content();
        if !(compared || registered || judged(Rule::Decode) || judged(Rule::Length)) {
            return None;
        }
        let octets = submission.user_data.text;
        let dc15 = rules.switches.encoding.dc15;
        let encoding = match coding::decode(submission.data_coding, octets, account.dc0, dc15, chars) {
            Ok(encoding) => encoding,
            Err(error) => return Some(Err(error)),
        };
        matching.clear();
        if compared {
            matching::matching_text(chars, rules.switches.signature.strip_format_chars, matching);
        }
        if !registered {
            return Some(Ok(Self { chars, matching, content: &[], encoding }));
        }
        let strips = rules.switches.signature.strip_format_chars;
        if compared && fold::is_as_matching(chars, strips) {
            return Some(Ok(Self { chars, matching, content: matching, encoding }));
        }
        fold::content_text(chars, content);
        Some(Ok(Self { chars, matching, content, encoding }))
    }
}

impl Schedule {
    /// Reads schedule_delivery_time.
    pub fn read(field: &[u8], now: Moment, zero_offset: ZeroOffset) -> Self {
        match Time::parse(field) {
            Ok(None) => Self::Immediate,
            Ok(Some(Time::Relative(period))) if period.is_ordinary() => Self::At(period.after(now)),
            Ok(Some(Time::Relative(_))) | Err(TimeError) => Self::Unreadable,
            Ok(Some(Time::Absolute(time))) => match zero_offset {
                _ if !time.has_zero_offset() => Self::At(time.moment()),
                ZeroOffset::Utc => Self::At(time.moment()),
                ZeroOffset::Local => Self::At(time.as_local()),
                ZeroOffset::Both => Self::Either { utc: time.moment(), local: time.as_local() },
            },
        }
    }

    /// The effective delivery time. Of two readings that both pass it is the book's.
    pub const fn edt(self, now: Moment) -> Moment {
        match self {
            Self::Immediate | Self::Unreadable => now,
            Self::At(moment) | Self::Either { utc: moment, .. } => moment,
        }
    }
}

impl Finding {
    /// Nothing to say.
    pub const PASS: Self = Self { refused: Reasons::NONE, noted: Reasons::NONE, status: None };

    /// A refusal.
    pub const fn refuse(reason: Reason) -> Self {
        let mut refused = Reasons::NONE;
        refused.insert(reason);
        Self { refused, ..Self::PASS }
    }

    /// A refusal whose case has a command_status of its own.
    pub const fn refuse_as(reason: Reason, status: u32) -> Self {
        Self { status: Some(status), ..Self::refuse(reason) }
    }

    /// Passed and counted.
    pub const fn note(reason: Reason) -> Self {
        let mut noted = Reasons::NONE;
        noted.insert(reason);
        Self { noted, ..Self::PASS }
    }

    /// Both findings; the status is the first's.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        let status = match self.status {
            None => other.status,
            some => some,
        };
        Self { refused: self.refused.union(other.refused), noted: self.noted.union(other.noted), status }
    }

    /// Whether the rule has nothing against the submission.
    pub const fn passes(&self) -> bool {
        self.refused.is_empty()
    }
}
