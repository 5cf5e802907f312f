//! The decision: a pure function of ruleset, account, submission and instant.

use crate::domain::{Day, LocalTime, Moment, Msisdn};
use crate::smpp::submission::{Field, Malformed};
use crate::smpp::{Address, Submission};

use super::case::{Case, Finding, Schedule};
use super::joined::Piece;
use super::mode::{Mode, Rule};
use super::reason::{Reason, Reasons};
use super::regions::Place;
use super::rules::schedule::{self, Cap};
use super::rules::{ASKED_AGAIN, Check, OF_ALL_RECIPIENTS, OF_THE_RECIPIENT, STATELESS};
use super::ruleset::{Account, Ruleset};

pub use super::case::Scratch;

/// What has passed every rule that a submission alone decides. Only this module makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a permit is what a reservation is made from"]
pub struct Permit {
    recipient: Option<Msisdn>,
    place: Option<Place>,
    edt: Moment,
    observed: Reasons,
    piece: Option<Box<Piece>>,
    cap: Cap,
    campaign: Option<u32>,
    counts: bool,
}

/// What has not, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The first reason, in order of precedence.
    pub reason: Reason,
    /// The command_status of the answer.
    pub status: u32,
    /// The other reasons.
    pub also: Reasons,
    /// What would have refused, had its rule been enforced, and what is counted only.
    pub observed: Reasons,
}

/// Judges one submission at one instant.
pub fn decide(
    rules: &Ruleset,
    account: &Account,
    submission: &Submission<'_>,
    now: Moment,
    scratch: &mut Scratch,
) -> Result<Permit, Refusal> {
    let Scratch { buffers, passed } = scratch;
    if passed.is_again(rules, account, submission) {
        let case = Case { found: passed.found(), ..Case::without_text(rules, account, submission, now) };
        let observed = judged(&case, &ASKED_AGAIN)?;
        return Ok(Permit::of(&case, observed));
    }
    let case = Case::read(rules, account, submission, now, buffers);
    let observed = judged(&case, &STATELESS)?;
    let permit = Permit::of(&case, observed);
    if observed.is_empty() && permit.piece.is_none() {
        passed.note(rules, account, submission, case.found);
    }
    Ok(permit)
}

/// Judges a frame that repeats the one that passed last, to another subscriber, at one instant; `None` if it does not, or
/// if more of it is of interest than its recipient. The frame need not be read for that.
pub fn decide_repeated(
    rules: &Ruleset,
    account: &Account,
    frame: &[u8],
    now: Moment,
    scratch: &mut Scratch,
) -> Option<Result<Permit, Refusal>> {
    let passed = &mut scratch.passed;
    let submission = Submission::to(passed.recipient(rules, account, frame)?);
    let case = Case { found: passed.found(), ..Case::without_text(rules, account, &submission, now) };
    if passed.is_timely(now) {
        return Some(judged(&case, &OF_THE_RECIPIENT).map(|observed| Permit::bare(&case, observed)));
    }
    let verdict = judged(&case, &ASKED_AGAIN).map(|observed| Permit::bare(&case, observed));
    if verdict.as_ref().is_ok_and(|permit| permit.observed.is_empty()) {
        passed.note_timely(now);
    }
    Some(verdict)
}

/// Judges one text to several recipients. What is not a recipient's own is read and judged once, however
/// many there are (P13); a fault of it refuses the whole.
pub fn decide_each<'a>(
    rules: &Ruleset,
    account: &Account,
    common: &Submission<'a>,
    to: impl IntoIterator<Item = Address<'a>>,
    now: Moment,
    scratch: &mut Scratch,
) -> Result<Vec<Result<Permit, Refusal>>, Refusal> {
    let case = Case::read(rules, account, common, now, &mut scratch.buffers);
    let observed = judged(&case, &OF_ALL_RECIPIENTS)?;
    let each = |address| {
        let submission = Submission { destination: address, ..*common };
        let case = case.to(&submission);
        let own = judged(&case, &OF_THE_RECIPIENT)?;
        Ok(Permit::of(&case, observed.union(own)))
    };
    Ok(to.into_iter().map(each).collect())
}

/// Judges a replacement of an accepted message. Where it names no time of its own, the message keeps the one it has.
pub fn decide_replacement(
    rules: &Ruleset,
    account: &Account,
    submission: &Submission<'_>,
    replaced: Replaced,
    now: Moment,
    scratch: &mut Scratch,
) -> Result<Permit, Refusal> {
    let case = Case::read(rules, account, submission, now, &mut scratch.buffers).replacing(replaced.edt);
    let observed = judged(&case, &STATELESS)?;
    let permit = Permit::of(&case, observed);
    // On the day that the message has a slot for already, it takes none; retries past midnight are no second send. One
    // that took none, because its category does not count, takes one with a text that does.
    let other_day = case.schedule != Schedule::Immediate && permit.day() != replaced.day;
    let moves = other_day || permit.counts && !replaced.counts;
    Ok(if moves { permit } else { Permit { recipient: None, ..permit } })
}

/// What a replacement needs to know of the message that it replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Its effective delivery time.
    pub edt: Moment,
    /// The day that it counts for.
    pub day: Day,
    /// Whether it counts for 7.1a.
    pub counts: bool,
}

/// Asks some of the stateless rules.
fn judged(case: &Case<'_>, rules: &[(Rule, Check)]) -> Result<Reasons, Refusal> {
    let mut tally = Tally::default();
    for (rule, check) in rules {
        match case.account.modes.get(*rule) {
            Mode::Off => {}
            mode => tally.add(mode, check(case)),
        }
    }
    tally.verdict(case.account)
}

/// Where nobody enforces the rule about schedules, one that is past or too far is
/// no day of its own: the SMSC may deliver at once, and days are not made on demand.
fn within_reach(edt: Moment, now: Moment, max_ahead_hours: u32) -> Moment {
    let last = now.plus(std::time::Duration::from_secs(u64::from(max_ahead_hours) * 3600));
    if (now..=last).contains(&edt) { edt } else { now }
}

/// Judges a frame that could not be read as a submission, or whose operation
/// names no recipient. Where the account's mode of [`Rule::Decode`] or
/// [`Rule::Operation`] is not `enforce`, it passes without a recipient.
pub fn malformed(account: &Account, fault: Malformed, now: Moment) -> Result<Permit, Refusal> {
    let reason = match fault.field {
        Field::Operation => Reason::OperationDenied,
        Field::SourceAddr => Reason::SourceNotAllowed,
        Field::DestinationAddr => Reason::BadDestination,
        Field::ScheduleDeliveryTime | Field::ValidityPeriod => Reason::ScheduleInvalid,
        Field::ServiceType | Field::ShortMessage | Field::Tlvs | Field::Body => Reason::DecodeFailed,
    };
    let mut tally = Tally::default();
    match account.modes.get(rule_of(fault)) {
        Mode::Off => {}
        mode => tally.add(mode, Finding::refuse_as(reason, fault.status)),
    }
    let observed = tally.verdict(account)?;
    let (recipient, place, piece, cap, campaign, counts) = (None, None, None, Cap::default(), None, true);
    Ok(Permit { recipient, place, edt: now, observed, piece, cap, campaign, counts })
}

/// The one rule that a frame meets which is no readable submission.
pub fn rule_of(fault: Malformed) -> Rule {
    if fault.field == Field::Operation { Rule::Operation } else { Rule::Decode }
}

/// What the rules have found so far.
#[derive(Default)]
pub(super) struct Tally {
    first: Option<(Reason, Option<u32>)>,
    also: Reasons,
    observed: Reasons,
}

impl Tally {
    pub(super) fn add(&mut self, mode: Mode, finding: Finding) {
        self.observed = self.observed.union(finding.noted);
        if finding.passes() {
            return;
        }
        if mode != Mode::Enforce {
            self.observed = self.observed.union(finding.refused);
            return;
        }
        for reason in finding.refused.iter() {
            match self.first {
                None => self.first = Some((reason, finding.status)),
                Some(_) => self.also.insert(reason),
            }
        }
    }

    /// Whether a rule that is enforced has refused.
    pub(super) const fn refuses(&self) -> bool {
        self.first.is_some()
    }

    /// What is observed only, or the refusal.
    pub(super) fn verdict(self, account: &Account) -> Result<Reasons, Refusal> {
        let Some((reason, own)) = self.first else { return Ok(self.observed) };
        let status = account.status_or(reason, own);
        Err(Refusal { reason, status, also: self.also, observed: self.observed })
    }
}

impl Permit {
    fn of(case: &Case<'_>, observed: Reasons) -> Self {
        let edt = within_reach(case.edt, case.now, case.rules.switches.schedule.max_ahead_hours);
        let (recipient, place, piece, cap) = (case.recipient.ok(), case.place, Piece::of(case), schedule::cap(case));
        let campaign = case.campaign().map(|campaign| campaign.number);
        Self { recipient, place, edt, observed, piece, cap, campaign, counts: case.counts() }
    }

    /// The number of the registered text that it is; `None` if it is none, or was not held against them.
    pub const fn campaign(&self) -> Option<u32> {
        self.campaign
    }

    /// Whether it counts for 7.1a: takes its subscriber's slot of the day, and is stopped where there is none.
    pub const fn counts(&self) -> bool {
        self.counts
    }

    /// Of a message that is delivered at once and is no part of another.
    fn bare(case: &Case<'_>, observed: Reasons) -> Self {
        let (recipient, place) = (case.recipient.ok(), case.place);
        let campaign = case.campaign().map(|campaign| campaign.number);
        let (piece, cap, counts) = (None, Cap::default(), case.counts());
        Self { recipient, place, edt: case.now, observed, piece, cap, campaign, counts }
    }

    /// What of its validity is shortened before it goes on.
    pub const fn cap(&self) -> Cap {
        self.cap
    }

    /// The recipient; `None` where nobody enforces that there is one.
    pub const fn recipient(&self) -> Option<Msisdn> {
        self.recipient
    }

    /// Where the tables place the recipient; its operator is reported.
    pub const fn place(&self) -> Option<Place> {
        self.place
    }

    /// The local day of delivery: the day of 7.1a and 7.1b.
    pub const fn day(&self) -> Day {
        LocalTime::of(self.edt).day
    }

    /// The effective delivery time.
    pub const fn edt(&self) -> Moment {
        self.edt
    }

    /// What the other parts of its message need to know of it, where it is one of several that are judged together.
    pub fn piece(&self) -> Option<&Piece> {
        self.piece.as_deref()
    }

    /// What would have refused, had its rule been enforced, and what is counted only.
    pub const fn observed(&self) -> Reasons {
        self.observed
    }
}

impl Refusal {
    /// Every reason, the first included.
    pub fn reasons(&self) -> Reasons {
        self.also.union([self.reason].into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::sync::Arc;

    use super::*;
    use crate::domain::AccountClass;
    use crate::policy::content::tests::approved;
    use crate::policy::content::{Campaign, Category, Content, Period};
    use crate::policy::opted_out::OptedOut;
    use crate::policy::switches::{CountedCategories, OptOutScope, Switches, ValidityMode};
    use crate::policy::testing::{Frame, WEEKDAY, account, at, with_switches};
    use crate::smpp::command::status;

    fn judged(account: &Account, frame: &Frame) -> Result<Permit, Refusal> {
        let rules = with_switches(Switches::default());
        let octets = frame.octets();
        decide(&rules, account, &Submission::read(&octets).unwrap(), at(WEEKDAY), &mut Scratch::default())
    }

    fn faulty() -> Frame {
        let mut frame = Frame::new("10086", "开通。询0553-1860");
        frame.destination.2 = "13470730001".to_owned();
        frame.default_msg_id = 1;
        frame
    }

    #[test]
    fn the_first_reason_is_answered_and_the_others_are_kept() {
        let refusal = judged(&account(AccountClass::CityMoa), &faulty()).unwrap_err();
        assert_eq!((refusal.reason, refusal.status), (Reason::SourceNotAllowed, status::ESME_RINVSRCADR));
        let also = [Reason::OperationDenied, Reason::OtherCity, Reason::NoSignature, Reason::ForeignConsult];
        assert_eq!(refusal.also.iter().collect::<Vec<_>>(), also);
    }

    #[test]
    fn an_observed_rule_refuses_nothing_and_an_absent_one_is_not_judged() {
        let mut sender = account(AccountClass::CityMoa);
        sender.modes.set(Rule::Source, Mode::Observe);
        sender.modes.set(Rule::Operation, Mode::Off);
        sender.modes.set(Rule::Region, Mode::Observe);
        let refusal = judged(&sender, &faulty()).unwrap_err();
        assert_eq!(refusal.reason, Reason::NoSignature);
        assert_eq!(refusal.observed.iter().collect::<Vec<_>>(), [Reason::SourceNotAllowed, Reason::OtherCity]);
        sender.modes = crate::policy::Modes::all(Mode::Observe);
        let permit = judged(&sender, &faulty()).unwrap();
        assert!(permit.observed().contains(Reason::OperationDenied) && permit.recipient().is_some());
    }

    #[test]
    fn a_status_set_by_the_site_comes_before_the_status_of_the_case() {
        let mut sender = account(AccountClass::CityMoa);
        let frame = Frame { default_msg_id: 1, ..Frame::new("6202", "移动") };
        assert_eq!(judged(&sender, &frame).unwrap_err().status, status::ESME_RINVDFTMSGID);
        sender.statuses[Reason::OperationDenied.index()] = status::ESME_RPROHIBITED;
        assert_eq!(judged(&sender, &frame).unwrap_err().status, status::ESME_RPROHIBITED);
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_the_field_at_fault() {
        let mut sender = account(AccountClass::CityMoa);
        let fault = |field| Malformed { field, status: 0xC0 };
        for (field, reason) in [
            (Field::Tlvs, Reason::DecodeFailed),
            (Field::DestinationAddr, Reason::BadDestination),
            (Field::SourceAddr, Reason::SourceNotAllowed),
            (Field::ValidityPeriod, Reason::ScheduleInvalid),
            (Field::Operation, Reason::OperationDenied),
        ] {
            let refusal = malformed(&sender, fault(field), at(WEEKDAY)).unwrap_err();
            assert_eq!((refusal.reason, refusal.status), (reason, 0xC0));
        }
        sender.modes.set(Rule::Decode, Mode::Observe);
        let permit = malformed(&sender, fault(Field::Tlvs), at(WEEKDAY)).unwrap();
        assert_eq!((permit.recipient(), permit.observed().contains(Reason::DecodeFailed)), (None, true));
        assert_eq!(permit.day(), LocalTime::of(at(WEEKDAY)).day);
    }

    /// Messages of which many differ in nothing but the recipient, and some in what the rules find of the rest.
    fn campaign(text: usize, around: usize, to: usize) -> Frame {
        let text = ["您好。移动询0551-1860", "您好。移动询0553-1860", "您好"][text];
        let mut frame = Frame::new("6202", text);
        match around {
            1 => frame.data_coding = 0x18,
            2 => frame.data_coding = 0,
            3 => frame.tlvs = vec![(0x020C, vec![0, 1]), (0x020E, vec![2]), (0x020F, vec![1])],
            4 => {
                frame.esm_class = 0x40;
                frame.short_message.splice(..0, [4, 0x24, 2, 0, 0]);
            }
            5 => frame.short_message = frame.short_message.repeat(4),
            6 => frame.source.2 = "10086".to_owned(),
            7 => frame.schedule = "261124131500032+".to_owned(),
            8 => frame.tlvs = vec![(0x1501, vec![7])],
            _ => {}
        }
        frame.destination.2 =
            ["8613856000001", "13856000002", "13470730001", "1385600000", "13470730002"][to].to_owned();
        frame
    }

    #[test]
    fn a_frame_that_repeats_the_one_before_is_not_read() {
        let mut rules = with_switches(Switches::default());
        let sender = rules.with(account(AccountClass::CityMoa));
        let mut scratch = Scratch::default();
        let first = campaign(0, 0, 0).octets();
        let permit = decide(&rules, &sender, &Submission::read(&first).unwrap(), at(WEEKDAY), &mut scratch).unwrap();
        let mut repeated = |text, around, to: &str| {
            let mut frame = campaign(text, around, 0);
            frame.destination.2 = to.to_owned();
            decide_repeated(&rules, &sender, &frame.octets(), at(WEEKDAY), &mut scratch)
        };
        let other = repeated(0, 0, "13856000009").unwrap().unwrap();
        assert_ne!(other.recipient(), permit.recipient());
        assert_eq!(repeated(0, 0, "13470730001").unwrap().unwrap_err().reason, Reason::OtherCity);
        for (text, around, to) in [(1, 0, "13856000009"), (0, 7, "13856000009"), (0, 0, "1385600000x"), (0, 0, "")] {
            assert_eq!(repeated(text, around, to), None);
        }
        // What has a time of its own passes, and is read every time.
        let timed = Frame { schedule: "261124153000032+".to_owned(), ..campaign(0, 0, 0) }.octets();
        let _permit = decide(&rules, &sender, &Submission::read(&timed).unwrap(), at(WEEKDAY), &mut scratch).unwrap();
        assert_eq!(decide_repeated(&rules, &sender, &timed, at(WEEKDAY), &mut scratch), None);
        // Nor is what is to be written anew known by its octets.
        rules.switches.validity.mode = ValidityMode::Cap;
        let _permit = decide(&rules, &sender, &Submission::read(&first).unwrap(), at(WEEKDAY), &mut scratch).unwrap();
        assert_eq!(decide_repeated(&rules, &sender, &first, at(WEEKDAY), &mut scratch), None);
    }

    proptest! {
        #[test]
        fn what_comes_again_to_another_is_judged_as_if_it_were_new(
            changes in proptest::collection::vec((0..8usize, 0..12usize), 1..20),
        ) {
            let mut worlds = [(); 3].map(|()| with_switches(Switches::default()));
            worlds[1].switches.length.limit = 5;
            worlds[2].switches.dedup.categories = CountedCategories::These(vec![Category::Voice]);
            for (world, rules) in worlds.iter_mut().enumerate() {
                for class in AccountClass::ALL {
                    let mut own = account(class);
                    own.modes.set(Rule::Content, if class == AccountClass::ExemptPlatform { Mode::Off } else { Mode::Enforce });
                    drop(rules.with(own));
                }
                // What the first text is approved for ends before the last time: then it is refused, or counts.
                // One recipient has opted out.
                rules.switches.registry.moa_province_review = world != 2;
                rules.switches.optout.scope = OptOutScope::All;
                let window = Period { from: at(WEEKDAY), until: at("2026-11-24T20:00:00") };
                let approved = approved(7, "hefei", "{称呼}好。移动询0551-1860");
                let approved = Campaign { window: Some(window), category: Some(Category::Service), ..approved };
                let out = OptedOut::new([(Msisdn::from_number(13_856_000_002).unwrap(), None)]);
                *rules = rules.with_registry(Arc::new(Content::new(1, vec![approved])), Arc::new(out));
            }
            let (mut scratch, times) = (Scratch::default(), [WEEKDAY, "2026-11-24T22:00:00", "2026-12-25T09:30:00", "2026-11-24T20:30:00"]);
            let city = AccountClass::ALL.iter().position(|class| *class == AccountClass::CityMoa).unwrap();
            for (what, value) in changes {
                // A message that passes, in which one thing is changed.
                let or = |own, usual, values| if what == own { value % values } else { usual };
                let [text, around, to, world, time] = [(0, 3), (1, 9), (2, 5), (3, 3), (4, 4)].map(|(own, values)| or(own, 0, values));
                let class = or(5, city, 4);
                let (octets, rules) = (campaign(text, around, to).octets(), &worlds[world]);
                let submission = Submission::read(&octets).unwrap();
                let judged = |scratch| decide(rules, &rules.accounts[class], &submission, at(times[time]), scratch);
                let repeated = decide_repeated(rules, &rules.accounts[class], &octets, at(times[time]), &mut scratch);
                let (again, anew) = (judged(&mut scratch), judged(&mut Scratch::default()));
                prop_assert_eq!(&again, &anew);
                prop_assert!(repeated.is_none_or(|repeated| repeated == anew));
            }
        }

        #[test]
        fn no_frame_makes_a_rule_panic(
            text in proptest::collection::vec(any::<u8>(), 0..200),
            time in "[0-9]{12}(000R|[0-9]{3}[+-])|[0-9R+-]{16}|",
            fields in any::<[u8; 6]>(),
            now in -1_000_000_000_000_i64..8_000_000_000_000,
        ) {
            let rules = with_switches(Switches::default());
            let mut frame = Frame { short_message: text, schedule: time.clone(), validity: time, ..Frame::new("6202", "") };
            [frame.esm_class, frame.protocol_id, frame.data_coding, frame.destination.0, frame.destination.1, frame.replace_if_present] = fields;
            let octets = frame.octets();
            let Ok(submission) = Submission::read(&octets) else { return Ok(()) };
            for class in AccountClass::ALL {
                let verdict = decide(&rules, &account(class), &submission, Moment::from_ms(now), &mut Scratch::default());
                if let Err(refusal) = verdict {
                    prop_assert!(!refusal.also.contains(refusal.reason) && refusal.status != 0);
                }
            }
        }
    }
}
