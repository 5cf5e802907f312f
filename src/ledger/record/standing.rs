//! What messages of one batch have in common, written once before them: a campaign sends one text to thousands.
//!
//! A context names account, scopes, time and policy; under it a matter names what is sent: sender shown, day,
//! text. Both hold until the next one of their kind, and every append that needs them begins with its own, so
//! that appends of several sessions may share a row.

use crate::domain::{AccountClass, Day, Moment};

use super::{CONTEXT, MATTER};

/// The policy that judged: its number in its process, and the first octets of the SHA-256 of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyName {
    /// Counts up with every load of one process.
    pub version: u32,
    /// Tells it from those of other processes.
    pub digest: [u8; 8],
}

/// What all messages of one batch have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    /// The ledger's number of the account.
    pub(crate) account: u16,
    /// That of its unit.
    pub(crate) unit: u16,
    /// Its class.
    pub(crate) class: AccountClass,
    /// The scope of 7.1a.
    pub(crate) slot_scope: u16,
    /// The scope of 7.1b.
    pub(crate) quota_scope: u16,
    /// When the batch was read.
    pub(crate) received: Moment,
    /// What it was judged by.
    pub(crate) policy: PolicyName,
}

/// The first half of the SHA-256 of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextDigest {
    /// The octets.
    pub octets: [u8; 16],
    /// Whether it is that of the decoded text in UTF-8; otherwise of the octets as they were received, which no
    /// coding explains.
    pub decoded: bool,
}

/// What messages to several subscribers have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matter<'a> {
    /// The last octet of the command_id.
    pub(crate) command: u8,
    /// The local day of delivery.
    pub(crate) day: Day,
    /// Effective delivery time; `None` at once.
    pub(crate) edt: Option<Moment>,
    /// source_addr as it is shown: type, plan, digits.
    pub(crate) source: (u8, u8, &'a [u8]),
    /// The campaign that the text belongs to.
    pub(crate) campaign: Option<u32>,
    /// Of the text, if there is any.
    pub(crate) digest: Option<TextDigest>,
    /// The text itself, where it is kept.
    pub(crate) text: Option<&'a str>,
}

/// What a reservation stands under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(super) context: Option<Context>,
    pub(super) day: Option<Day>,
}

impl Standing {
    /// Nothing.
    pub(super) const NONE: Self = Self { context: None, day: None };
}

const LATER: u8 = 1;
const CAMPAIGN: u8 = 2;
const DIGEST: u8 = 4;
const DECODED: u8 = 8;
const TEXT: u8 = 16;

/// A class's number in records, which are read for years.
const fn class_number(class: AccountClass) -> u8 {
    match class {
        AccountClass::Province1258 => 1,
        AccountClass::CityMoa => 2,
        AccountClass::KeyAccount => 3,
        AccountClass::ExemptPlatform => 4,
    }
}

impl Context {
    /// Appends it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(CONTEXT);
        for pair in [self.account, self.unit, self.slot_scope, self.quota_scope] {
            out.extend(pair.to_le_bytes());
        }
        out.push(class_number(self.class));
        out.extend(self.received.ms().to_le_bytes());
        out.extend(self.policy.version.to_le_bytes());
        out.extend(self.policy.digest);
    }

    /// Reads what stands behind the tag.
    pub(super) fn read(octets: &[u8]) -> Option<(Self, &[u8])> {
        let (numbers, rest) = octets.split_first_chunk::<8>()?;
        let (&class, rest) = rest.split_first()?;
        let (received, rest) = rest.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (digest, rest) = rest.split_first_chunk()?;
        let pair = |at: usize| u16::from_le_bytes([numbers[2 * at], numbers[2 * at + 1]]);
        let [account, unit, slot_scope, quota_scope] = [0, 1, 2, 3].map(pair);
        let class = AccountClass::ALL.into_iter().find(|own| class_number(*own) == class)?;
        let received = Moment::from_ms(i64::from_le_bytes(*received));
        let policy = PolicyName { version: u32::from_le_bytes(*version), digest: *digest };
        Some((Self { account, unit, class, slot_scope, quota_scope, received, policy }, rest))
    }
}

impl<'a> Matter<'a> {
    /// Appends it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let flags = flag(self.edt.is_some(), LATER)
            | flag(self.campaign.is_some(), CAMPAIGN)
            | flag(self.digest.is_some(), DIGEST)
            | flag(self.digest.is_some_and(|digest| digest.decoded), DECODED)
            | flag(self.text.is_some(), TEXT);
        let (ton, npi, digits) = self.source;
        let digits = &digits[..digits.len().min(255)]; // SMPP has 20
        let [low, high] = self.day.number().to_le_bytes();
        out.extend([MATTER, flags, self.command, low, high, ton, npi, digits.len() as u8]);
        out.extend_from_slice(digits);
        if let Some(edt) = self.edt {
            out.extend(edt.ms().to_le_bytes());
        }
        if let Some(campaign) = self.campaign {
            out.extend(campaign.to_le_bytes());
        }
        if let Some(digest) = self.digest {
            out.extend(digest.octets);
        }
        if let Some(text) = self.text {
            out.extend((text.len() as u32).to_le_bytes()); // a PDU's text is far shorter
            out.extend_from_slice(text.as_bytes());
        }
    }

    /// Reads what stands behind the tag.
    pub(super) fn read(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[flags, command, low, high, ton, npi, length], rest) = octets.split_first_chunk()?;
        let (digits, mut rest) = rest.split_at_checked(usize::from(length))?;
        let day = Day::from_number(u16::from_le_bytes([low, high]));
        let source = (ton, npi, digits);
        let mut matter = Self { command, day, source, edt: None, campaign: None, digest: None, text: None };
        if flags & LATER != 0 {
            let (edt, after) = rest.split_first_chunk()?;
            (matter.edt, rest) = (Some(Moment::from_ms(i64::from_le_bytes(*edt))), after);
        }
        if flags & CAMPAIGN != 0 {
            let (campaign, after) = rest.split_first_chunk()?;
            (matter.campaign, rest) = (Some(u32::from_le_bytes(*campaign)), after);
        }
        if flags & DIGEST != 0 {
            let (digest, after) = rest.split_first_chunk()?;
            (matter.digest, rest) = (Some(TextDigest { octets: *digest, decoded: flags & DECODED != 0 }), after);
        }
        if flags & TEXT != 0 {
            let (length, after) = rest.split_first_chunk()?;
            let (text, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            (matter.text, rest) = (Some(std::str::from_utf8(text).ok()?), after);
        }
        Some((matter, rest))
    }
}
