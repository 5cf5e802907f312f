//! A message in several parts: what only its parts together can show.
//!
//! Each part passes [`decide`](super::decide::decide) by itself. Then it is held
//! against what has come of its message before: the same number of parts, the
//! same coding, the same day, a number that is still open, and the text joined
//! in the order of the numbers. That text must stay within the limit with every
//! part; signature, contact, category and campaign are judged on the part that completes it,
//! so a message that breaks a rule can never be completed.
//!
//! What has come before is handed in as data; who keeps it is no matter of the policy.

use std::fmt;

use crate::domain::{AccountClass, Day, LocalTime, Moment, Msisdn};
use crate::smpp::Address;
use crate::smpp::coding::Encoding;
use crate::smpp::command::status;
use crate::smpp::udh::Part;

use super::case::{Author, Case, Finding, Text};
use super::content::fold;
use super::decide::{Refusal, Tally};
use super::matching;
use super::mode::{Mode, Rule};
use super::reason::{Reason, Reasons};
use super::rules::{category, contact, content, length, signature, source};
use super::ruleset::Account;

/// Characters kept of one message's text, whatever `length.limit` is and whether it is enforced.
pub const TEXT_MAX: usize = 4000; // above every limit (1000) and two zones (1000 each)

/// The rules that look at the text as a whole.
const OF_TEXT: [Rule; 5] = [Rule::Length, Rule::Signature, Rule::Contact, Rule::Category, Rule::Content];

/// One part of a message, as far as the others need to know it.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece {
    /// Which message, and which part of it.
    pub part: Part,
    /// Whom it goes to.
    pub to: Recipient,
    /// Under which source address, as a hash of it with its type: handsets join parts of one source only.
    pub from: u64,
    /// data_coding.
    pub data_coding: u8,
    /// Its text; empty if no rule of the account looks at it.
    pub text: Box<str>,
}

/// Whom the parts of one message go to. Prints masked.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// A subscriber.
    Subscriber(Msisdn),
    /// Another address, by the hash of its digits; only for accounts that may send to such.
    Other(u64),
}

/// What has come of a message before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier<'a> {
    /// Parts in all.
    pub total: u8,
    /// data_coding of its parts.
    pub data_coding: u8,
    /// The day that the message counts for.
    pub day: Day,
    /// The parts under way or taken.
    pub passed: Passed<'a>,
    /// Its assembly time ended before it was whole. What has come of it may still lie on the
    /// handset, and a part of another message would complete it there.
    pub over: bool,
}

/// The parts of a message that are under way or taken.
#[derive(Clone, PartialEq, Eq)]
pub enum Passed<'a> {
    /// All of them, for good.
    All,
    /// These, in the order of their numbers, each with its text.
    Some(Vec<(u8, &'a str)>),
}

/// How a part stands to what has come before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// It belongs to the message. If not, it is a message of its own: its account's
    /// modes let pass what contradicts the others.
    pub belongs: bool,
    /// Its text is needed when further parts come.
    pub keep_text: bool,
    /// What would have refused, had its rule been enforced.
    pub observed: Reasons,
}

impl Piece {
    /// What others need to know of a case, if it is a part that is judged together with others.
    pub(super) fn of(case: &Case<'_>) -> Option<Box<Self>> {
        let part = case.part()?;
        let looked_at = OF_TEXT.into_iter().any(|rule| case.account.modes.judges(rule));
        let text = case.readable().filter(|_| looked_at).map_or_else(Box::default, |text| text.chars.iter().collect());
        let to =
            case.recipient.map_or_else(|_| Recipient::other(case.submission.destination.digits), Recipient::Subscriber);
        let from = source_key(source::shown(case.account, case.submission.source));
        Some(Box::new(Self { part, to, from, data_coding: case.submission.data_coding, text }))
    }
}

impl Recipient {
    /// An address that is no subscriber's.
    fn other(digits: &[u8]) -> Self {
        Self::Other(fnv(digits.iter().copied()))
    }
}

/// By what [`Piece::from`] knows a source address.
pub fn source_key(Address { ton, npi, digits }: Address<'_>) -> u64 {
    fnv([ton, npi].into_iter().chain(digits.iter().copied()))
}

/// FNV-1a: the same in the next life of the process, which finds it in the journal.
fn fnv(octets: impl Iterator<Item = u8>) -> u64 {
    let step = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01B3);
    octets.fold(0xCBF2_9CE4_8422_2325, step)
}

/// Whether a rule that wants to see a message as a whole is enforced for an account.
pub fn binds(account: &Account) -> bool {
    let enforced = |rule| account.modes.get(rule) == Mode::Enforce;
    enforced(Rule::Once) || OF_TEXT.into_iter().any(enforced)
}

/// Holds a part against what has come of its message before. `edt` is its own effective delivery time.
pub fn join(author: Author<'_>, piece: &Piece, edt: Moment, earlier: Option<&Earlier<'_>>) -> Result<Joined, Refusal> {
    let day = LocalTime::of(edt).day;
    let mut tally = Tally::default();
    let mut belongs = true;
    if let Some((rule, finding)) = earlier.and_then(|earlier| contradiction(piece, day, earlier)) {
        belongs = false;
        add(author, &mut tally, rule, finding);
    }
    let mut keep_text = false;
    if !tally.refuses() {
        let others = earlier.filter(|_| belongs).map_or(&[][..], |earlier| earlier.passed.texts());
        keep_text = text(author, piece, edt, (others, !belongs), &mut tally);
    }
    let observed = tally.verdict(author.account)?;
    Ok(Joined { belongs, keep_text, observed })
}

/// Why a part cannot be one more of its message.
fn contradiction(piece: &Piece, day: Day, earlier: &Earlier<'_>) -> Option<(Rule, Finding)> {
    let denied = Finding::refuse_as(Reason::OperationDenied, status::ESME_RINVESMCLASS);
    if earlier.over || piece.part.total != earlier.total || piece.data_coding != earlier.data_coding {
        return Some((Rule::Operation, denied));
    }
    if day != earlier.day {
        return Some((Rule::Schedule, Finding::refuse(Reason::ScheduleInvalid)));
    }
    earlier.passed.has(piece.part.index).then(|| (Rule::Once, Finding::refuse(Reason::Duplicate)))
}

/// Judges the text as far as it has come; tells whether this part of it is worth keeping.
fn text(
    author: Author<'_>,
    piece: &Piece,
    edt: Moment,
    (others, alone): (&[(u8, &str)], bool),
    tally: &mut Tally,
) -> bool {
    if !OF_TEXT.into_iter().any(|rule| author.account.modes.judges(rule)) {
        return false;
    }
    let chars = in_order(piece, others);
    if chars.len() > TEXT_MAX {
        let enforced = OF_TEXT.into_iter().any(|rule| author.account.modes.get(rule) == Mode::Enforce);
        let mode = if enforced { Mode::Enforce } else { Mode::Observe };
        tally.add(mode, Finding::refuse(Reason::TooLong));
        return false;
    }
    let whole = alone || others.len() + 1 == usize::from(piece.part.total);
    let mut folded = Vec::new();
    if whole {
        matching::matching_text(&chars, author.rules.switches.signature.strip_format_chars, &mut folded);
    }
    let text = Text { chars: &chars, matching: &folded, content: &[], encoding: Encoding::Ucs2 };
    if length::exceeds(author, text, whole) {
        add(author, tally, Rule::Length, Finding::refuse(Reason::TooLong));
    }
    if whole {
        let for_city = campaign(author, piece, &chars, edt, tally);
        let author = Author { for_city: author.for_city || for_city, ..author };
        add(author, tally, Rule::Signature, signature::judge(author, text));
        add(author, tally, Rule::Contact, contact::judge(author, text));
        add(author, tally, Rule::Category, category::judge(&author.rules.switches.category.keywords, text));
    }
    true
}

/// Holds a whole text against the registered ones; tells whether its campaign is a city's, to whose subscribers it is
/// then bound (7.3).
fn campaign(author: Author<'_>, piece: &Piece, chars: &[char], edt: Moment, tally: &mut Tally) -> bool {
    if !author.compares_content() {
        return false;
    }
    let (mut folded, mut found) = (Vec::new(), Vec::new());
    fold::content_text(chars, &mut folded);
    author.rules.content.find(&folded, content::unit(author), &mut found);
    add(author, tally, Rule::Content, content::judge(author, &found, &[edt]));
    let of_city = content::campaign(author, &found, &[edt]).and_then(|campaign| campaign.city.as_deref());
    if let (Some(slug), Recipient::Subscriber(number)) = (of_city, piece.to)
        && author.account.class == AccountClass::Province1258
    {
        let place = author.rules.regions.place(number, LocalTime::of(edt).day);
        let own = place.and_then(|place| author.rules.regions.city_of(place.city?)).is_some_and(|own| own.slug == slug);
        if !own {
            add(author, tally, Rule::Region, Finding::refuse(Reason::OtherCity));
        }
    }
    of_city.is_some()
}

fn add(author: Author<'_>, tally: &mut Tally, rule: Rule, finding: Finding) {
    match author.account.modes.get(rule) {
        Mode::Off => {}
        mode => tally.add(mode, finding),
    }
}

/// The text of the parts, this one in its place among the others.
fn in_order(piece: &Piece, others: &[(u8, &str)]) -> Vec<char> {
    let place = others.partition_point(|(index, _)| *index < piece.part.index);
    let (before, after) = others.split_at(place);
    let texts = before.iter().map(|(_, text)| *text).chain([&*piece.text]).chain(after.iter().map(|(_, text)| *text));
    texts.flat_map(str::chars).collect()
}

impl Passed<'_> {
    fn has(&self, index: u8) -> bool {
        match self {
            Self::All => true,
            Self::Some(parts) => parts.iter().any(|(own, _)| *own == index),
        }
    }

    fn texts(&self) -> &[(u8, &str)] {
        match self {
            Self::All => &[],
            Self::Some(parts) => parts,
        }
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the text nor whom it goes to (P14).
        write!(f, "Piece({} of {})", self.part.index, self.part.total)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscriber(number) => write!(f, "{number}"),
            Self::Other(_) => f.write_str("****"),
        }
    }
}

impl fmt::Debug for Passed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("All"),
            Self::Some(parts) => f.debug_list().entries(parts.iter().map(|(index, _)| index)).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::AccountClass;
    use crate::policy::content::tests::approved;
    use crate::policy::content::{Campaign, Content};
    use crate::policy::decide::{Scratch, decide};
    use crate::policy::switches::{Multipart, Switches};
    use crate::policy::testing::{Frame, WEEKDAY, account, at, ucs2, with_switches};
    use crate::smpp::Submission;
    use crate::smpp::udh::PartKind;

    const TODAY: Day = Day::from_number(20_781);
    const NOON: Moment = TODAY.start();

    fn piece(total: u8, index: u8, text: &str) -> Piece {
        let part = Part { kind: PartKind::Udh8, reference: 7, total, index };
        Piece { part, to: Recipient::other(b"1"), from: 0, data_coding: 8, text: text.into() }
    }

    fn earlier<'a>(total: u8, parts: &[(u8, &'a str)]) -> Earlier<'a> {
        Earlier { total, data_coding: 8, day: TODAY, passed: Passed::Some(parts.to_vec()), over: false }
    }

    fn judged(account: &Account, piece: &Piece, before: Option<&Earlier<'_>>) -> Result<Joined, Refusal> {
        let mut switches = Switches::default();
        switches.length.multipart = Multipart::Group;
        let rules = with_switches(switches);
        join(Author::new(&rules, account), piece, NOON, before)
    }

    fn reason(account: &Account, piece: &Piece, before: Option<&Earlier<'_>>) -> Option<Reason> {
        judged(account, piece, before).err().map(|refusal| refusal.reason)
    }

    #[test]
    fn a_permit_carries_the_part_that_it_is_for_only_where_parts_are_judged_together() {
        let part = Frame {
            esm_class: 0x40,
            short_message: [vec![5, 0, 3, 9, 2, 1], ucs2("今起")].concat(),
            ..Frame::new("6202", "")
        };
        let mut switches = Switches::default();
        switches.length.multipart = Multipart::Group;
        let (rules, city) = (with_switches(switches), account(AccountClass::CityMoa));
        let permitted = |octets: &[u8]| {
            let submission = Submission::read(octets).unwrap();
            decide(&rules, &city, &submission, at(WEEKDAY), &mut Scratch::default()).unwrap()
        };
        let permit = permitted(&part.octets());
        let piece = permit.piece().expect("a part");
        assert_eq!((piece.part.reference, piece.part.total, piece.part.index), (9, 2, 1));
        assert_eq!((&*piece.text, piece.data_coding), ("今起", 8));
        assert_eq!(piece.to, Recipient::Subscriber(permit.recipient().unwrap()));
        let whole = Frame::new("6202", "开通。移动").octets();
        assert_eq!(permitted(&whole).piece(), None);
    }

    #[test]
    fn the_text_is_judged_when_it_is_whole() {
        let city = account(AccountClass::CityMoa);
        assert_eq!(reason(&city, &piece(2, 1, "没有落款"), None), None);
        assert_eq!(
            reason(&city, &piece(2, 2, "没有落款"), Some(&earlier(2, &[(1, "开通")]))),
            Some(Reason::NoSignature)
        );
        assert_eq!(reason(&city, &piece(2, 2, "动"), Some(&earlier(2, &[(1, "开通。移")]))), None, "over a seam");
        assert_eq!(reason(&city, &piece(2, 1, "开通。移"), Some(&earlier(2, &[(2, "动")]))), None, "in any order");
        let foreign = piece(2, 2, "53-1860。移动");
        assert_eq!(reason(&city, &foreign, Some(&earlier(2, &[(1, "询05")]))), Some(Reason::ForeignConsult));
        let manager = account(AccountClass::KeyAccount);
        let known = earlier(2, &[(1, "经理138001")]);
        assert_eq!(reason(&manager, &piece(2, 2, "38000。移动"), Some(&known)), None);
        assert_eq!(reason(&manager, &piece(2, 2, "38001。移动"), Some(&known)), Some(Reason::NoContact));
    }

    #[test]
    fn the_part_that_exceeds_the_limit_is_refused() {
        let city = account(AccountClass::CityMoa);
        let (half, more) = ("字".repeat(33), "字".repeat(32));
        assert_eq!(reason(&city, &piece(3, 2, &more), Some(&earlier(3, &[(1, &half)]))), None);
        assert_eq!(reason(&city, &piece(3, 2, &half), Some(&earlier(3, &[(1, &half)]))), Some(Reason::TooLong));
        assert_eq!(reason(&city, &piece(3, 2, &"字".repeat(66)), None), Some(Reason::TooLong));
    }

    #[test]
    fn what_contradicts_the_earlier_parts_is_refused() {
        let city = account(AccountClass::CityMoa);
        let before = earlier(3, &[(1, "甲")]);
        let refusal = judged(&city, &piece(4, 2, "乙"), Some(&before)).unwrap_err();
        assert_eq!((refusal.reason, refusal.status), (Reason::OperationDenied, status::ESME_RINVESMCLASS));
        let other_coding = Piece { data_coding: 0, ..piece(3, 2, "b") };
        assert_eq!(reason(&city, &other_coding, Some(&before)), Some(Reason::OperationDenied));
        assert_eq!(reason(&city, &piece(3, 1, "甲"), Some(&before)), Some(Reason::Duplicate));
        let over = Earlier { over: true, ..before.clone() };
        assert_eq!(reason(&city, &piece(3, 2, "乙"), Some(&over)), Some(Reason::OperationDenied));
        let done = Earlier { passed: Passed::All, ..before.clone() };
        assert_eq!(reason(&city, &piece(3, 2, "乙"), Some(&done)), Some(Reason::Duplicate));
        let yesterday = Earlier { day: Day::from_number(20_780), ..before };
        assert_eq!(reason(&city, &piece(3, 2, "乙"), Some(&yesterday)), Some(Reason::ScheduleInvalid));
    }

    #[test]
    fn where_a_contradiction_passes_the_part_is_judged_as_a_message_of_its_own() {
        let mut city = account(AccountClass::CityMoa);
        city.modes.set(Rule::Operation, Mode::Observe);
        let before = earlier(3, &[(1, "甲")]);
        let own = judged(&city, &piece(2, 2, "乙。移动"), Some(&before)).unwrap();
        assert!(!own.belongs && own.observed.contains(Reason::OperationDenied));
        assert_eq!(reason(&city, &piece(2, 2, "乙"), Some(&before)), Some(Reason::NoSignature));
    }

    #[test]
    fn an_account_without_rules_about_the_text_has_none_kept_and_others_a_bounded_one() {
        let exempt = account(AccountClass::ExemptPlatform);
        let joined = judged(&exempt, &piece(2, 1, "x"), None).unwrap();
        assert_eq!(joined, Joined { belongs: true, keep_text: false, observed: Reasons::NONE });
        let mut city = account(AccountClass::CityMoa);
        let long = piece(2, 1, &"字".repeat(TEXT_MAX + 1));
        city.modes.set(Rule::Length, Mode::Off);
        assert_eq!(reason(&city, &long, None), Some(Reason::TooLong));
        city.modes = crate::policy::Modes::all(Mode::Observe);
        assert!(!judged(&city, &long, None).unwrap().keep_text);
    }

    #[test]
    fn the_whole_text_of_a_citys_campaign_goes_to_that_citys_subscribers() {
        let mut province = account(AccountClass::Province1258);
        province.modes = crate::policy::Modes::all(Mode::Off);
        for rule in [Rule::Content, Rule::Region] {
            province.modes.set(rule, Mode::Enforce);
        }
        let campaign = Campaign { city: Some("wuhu".into()), ..approved(1, "hefei", "新营业厅开业。移动") };
        let rules =
            with_switches(Switches::default()).with_registry(Arc::new(Content::new(1, vec![campaign])), Arc::default());
        let sent = |to, text: &str| {
            let piece = Piece { to, ..piece(2, 2, text) };
            let joined = join(Author::new(&rules, &province), &piece, NOON, Some(&earlier(2, &[(1, "新营业厅")])));
            joined.err().map(|refusal| refusal.reason)
        };
        let subscriber = |number| Recipient::Subscriber(Msisdn::from_number(number).unwrap());
        assert_eq!(sent(subscriber(13_470_730_001), "开业。移动"), None);
        assert_eq!(sent(subscriber(13_856_000_001), "开业。移动"), Some(Reason::OtherCity));
        assert_eq!(sent(subscriber(13_470_730_001), "开张。移动"), Some(Reason::NotApproved));
    }

    #[test]
    fn what_a_source_is_known_by_is_the_same_in_the_next_life_and_another_for_another_type() {
        assert_eq!(fnv(b"foobar".iter().copied()), 0x8594_4171_F739_67E8, "FNV-1a, as published");
        let key = |ton, npi, digits| source_key(Address { ton, npi, digits });
        let keys = [key(0, 1, &b"6202"[..]), key(1, 1, b"6202"), key(0, 0, b"6202"), key(0, 1, b"6203")];
        assert!((1..4).all(|at| !keys[..at].contains(&keys[at])), "{keys:?}");
    }

    #[test]
    fn nothing_prints_a_text_or_a_number() {
        let before = earlier(2, &[(1, "机密")]);
        let shown = format!("{:?} {before:?} {:?}", piece(2, 2, "机密"), Recipient::other(b"13800138000"));
        assert!(!shown.contains("机密") && !shown.contains("138"), "{shown}");
    }
}
