//! What one message asks of the server.

use redis::Cmd;

use crate::domain::{LocalTime, Moment};
use crate::policy::joined::{Piece, Recipient};
use crate::policy::switches::Avoid;
use crate::policy::{Mode, Permit, Reason, Reasons, Refusal, Rule};
use crate::smpp::udh::PartKind;

use super::super::record::{Effects, PartRecord, Taken, Terms};
use super::super::reserve::{self, Claim};
use super::link::Live;
use super::script::{self, Script};

/// Messages in parts that one account may have begun and not let run out; each keeps 4 000 characters at most.
const GROUPS_MAX: u32 = 65_536;

/// A message that waits for the server's word.
#[derive(Clone, Debug)]
pub(in crate::ledger) struct Ask {
    /// What it takes of what is enforced, if all of it is free.
    pub(super) taken: Taken,
    wants: Wants,
    /// What its permit noted.
    pub(super) observed: Reasons,
    /// The part it is, if it is one.
    pub(super) piece: Option<Box<Piece>>,
    /// Whether it has a token of the rate.
    pub(super) rated: bool,
    /// Its place among the batch's reservations, from 1 on.
    pub(super) place: u64,
    /// Its effective delivery time.
    pub(super) edt: Moment,
}

/// How the rules that consume look at it: 0 not at all, 1 they observe, 2 they bind.
#[derive(Clone, Copy, Debug, Default)]
struct Wants {
    once: u8,
    once_limit: u8,
    spread: u8,
    spread_limit: u32,
    window_ms: u32,
    quota: u8,
    quota_limit: u32,
    own_limit: u32,
}

/// The server's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It is taken, or it joins its message's other parts; what is observed, the effects, what the quota has counted.
    Taken { observed: Reasons, effects: u8, counted: Option<u32> },
    /// It is refused, and nothing was taken.
    Refused(Reason),
    /// What has come of its message has changed since it was looked at.
    Stale,
    /// Its account has begun as many messages in parts as it may.
    Full,
    /// The server does not know this connection any more.
    Fenced,
    /// The day was opened and what it held is gone.
    DayLost,
    /// There is a later version of the holds than the gateway has in force.
    Held,
}

/// How a part stands on the server: its group, the version that was looked at, and whether its text is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) group: &'a str,
    pub(super) version: &'a [u8],
    pub(super) keep_text: bool,
}

impl Ask {
    /// What a permit asks for; nothing if no rule looks at what it would take.
    pub(super) fn of(claim: &Claim<'_>, permit: &Permit) -> Option<Self> {
        let switches = &claim.rules.switches;
        let mut taken = Taken {
            recipient: permit.recipient(),
            day: permit.day(),
            effects: Effects::default(),
            account: claim.scopes.account,
            slot_scope: reserve::slot_scope(&switches.dedup, claim.scopes),
            quota_scope: reserve::quota_scope(switches.quota.scope, claim.scopes),
            spread_at_ms: claim.tick.steady_ms,
            terms: Terms::of(switches),
        };
        let piece = permit.piece().cloned().map(Box::new);
        let wants = permit.recipient().map(|_| Wants::of(claim, permit.counts(), &mut taken)).unwrap_or_default();
        if wants.once == 0 && wants.spread == 0 && wants.quota == 0 && piece.is_none() {
            return None;
        }
        Some(Self { taken, wants, observed: permit.observed(), piece, rated: false, place: 0, edt: permit.edt() })
    }

    /// What the journal is to know of it as a part, before the server is asked.
    pub(super) fn part_record(&self, names: &[String]) -> Option<PartRecord> {
        let piece = self.piece.as_ref().filter(|piece| matches!(piece.to, Recipient::Subscriber(_)))?;
        self.taken.recipient?;
        let serial = serial(piece, script::scope(self.taken.account, names));
        let piece = Piece { text: Box::default(), ..(**piece).clone() };
        Some(PartRecord { taken: self.taken, serial, piece })
    }

    /// The call that takes it, by a gateway that has a version of the holds in force.
    pub(super) fn call(
        &self,
        live: &Live,
        token: u64,
        claim: &Claim<'_>,
        names: &[String],
        at: Option<Place<'_>>,
        holds: u64,
    ) -> Cmd {
        let (own, wants) = (&self.taken, &self.wants);
        let mut numbers = [0; 55];
        {
            let mut rest = &mut numbers[..];
            let mut put = |octets: &[u8]| {
                let (place, after) = std::mem::take(&mut rest).split_at_mut(octets.len());
                place.copy_from_slice(octets);
                rest = after;
            };
            put(&live.run.to_be_bytes());
            put(&live.epoch.to_be_bytes());
            put(&claim.tick.wall.ms().to_be_bytes());
            put(&live.deadline_ms(claim.tick.wall).to_be_bytes());
            put(&LocalTime::of(claim.tick.wall).day.number().to_be_bytes());
            put(&[own.effects.bits(), wants.once, wants.once_limit, wants.spread]);
            put(&wants.spread_limit.to_be_bytes());
            put(&wants.window_ms.to_be_bytes());
            put(&[wants.quota]);
            put(&wants.quota_limit.to_be_bytes());
            put(&wants.own_limit.to_be_bytes());
            put(&holds.to_be_bytes());
        }
        let mut call = live.scripts.call(Script::Take);
        call.arg(&script::token(token))
            .arg(script::number(own))
            .arg(own.day.number())
            .arg(script::scope(own.slot_scope, names))
            .arg(script::scope(own.quota_scope, names))
            .arg(script::scope(own.account, names))
            .arg(script::segment(own))
            .arg(&numbers);
        if let (Some(Place { group, version, keep_text }), Some(piece)) = (at, &self.piece) {
            let assembly_ms = u64::from(claim.rules.switches.length.assembly_minutes) * 60_000;
            call.arg(group)
                .arg(version)
                .arg(key(piece))
                .arg(piece.part.total)
                .arg(piece.data_coding)
                .arg(piece.part.index)
                .arg(if keep_text { &*piece.text } else { "" })
                .arg(assembly_ms)
                .arg(GROUPS_MAX);
        }
        call
    }

    /// Its refusal.
    pub(super) fn refusal(&self, claim: &Claim<'_>, reason: Reason) -> Refusal {
        Refusal { reason, status: claim.account.status(reason), also: Reasons::NONE, observed: self.observed }
    }
}

impl Wants {
    /// Notes in `taken` what is taken where all is free.
    fn of(claim: &Claim<'_>, counts: bool, taken: &mut Taken) -> Self {
        let (switches, modes) = (&claim.rules.switches, &claim.account.modes);
        let spread = match modes.get(Rule::Spread) {
            Mode::Enforce if switches.spread.action == Avoid::Warn => Mode::Observe,
            mode => mode,
        };
        let once = if counts { modes.get(Rule::Once) } else { Mode::Off };
        let quota = modes.get(Rule::Quota);
        let mut take = |mode, effect| {
            if mode == Mode::Enforce {
                taken.effects.insert(effect);
            }
        };
        take(once, Effects::SLOT);
        take(spread, Effects::SPREAD);
        take(quota, Effects::QUOTA);
        if once != Mode::Enforce || !reserve::slot_implies_user(switches) {
            take(quota, Effects::USER);
        }
        let own = claim.account.daily_users.filter(|_| taken.quota_scope != taken.account && quota == Mode::Enforce);
        if own.is_some() {
            taken.effects.insert(Effects::OWN_QUOTA);
        }
        Self {
            once: degree(once),
            once_limit: switches.dedup.limit,
            spread: degree(spread),
            spread_limit: switches.spread.limit,
            window_ms: switches.spread.window_seconds.saturating_mul(1000),
            quota: degree(quota),
            quota_limit: switches.quota.users,
            own_limit: own.unwrap_or_default(),
        }
    }
}

const fn degree(mode: Mode) -> u8 {
    match mode {
        Mode::Off => 0,
        Mode::Observe => 1,
        Mode::Enforce => 2,
    }
}

/// What the parts of one message have in common, beside their account. It is compared, never shown.
pub(super) fn key(piece: &Piece) -> String {
    let kind = match piece.part.kind {
        PartKind::Udh8 => 0,
        PartKind::Udh16 => 1,
        PartKind::Sar => 2,
    };
    let to = match piece.to {
        Recipient::Subscriber(number) => number.get(),
        Recipient::Other(hash) => hash,
    };
    format!("{to}:{:x}:{kind}:{}", piece.from, piece.part.reference)
}

/// By what the journal and the server find a message in parts: 62 bits of a hash of its key and account. The server
/// keeps the key itself beside it.
pub(super) fn serial(piece: &Piece, account: &str) -> u64 {
    use sha2::{Digest, Sha256};
    let hash = Sha256::new().chain_update(account).chain_update([0]).chain_update(key(piece)).finalize();
    let first: [u8; 8] = std::array::from_fn(|index| hash[index]);
    u64::from_be_bytes(first) >> 2
}

/// The server's key of a message in parts.
pub(super) fn group(serial: u64) -> String {
    format!("{{smsluice}}:g:{serial:016x}")
}

impl Word {
    /// Reads the answer to a call, and what the group's version is after it.
    pub(super) fn read(value: &redis::Value) -> Result<(Self, Vec<u8>), super::Fault> {
        let answer = script::list(value)?;
        let number = |at: usize| answer.get(at).map_or(Ok(0), script::int::<i64>);
        let word = match number(0)? {
            0 => {
                let mut observed = Reasons::NONE;
                for (bit, reason) in [(1, Reason::Duplicate), (2, Reason::Spread), (4, Reason::Quota)] {
                    if number(1)? & bit != 0 {
                        observed.insert(reason);
                    }
                }
                let effects = u8::try_from(number(3)?).map_err(|_| super::Fault::Answer)?;
                Self::Taken { observed, effects, counted: u32::try_from(number(2)?).ok() }
            }
            1 => Self::Refused(Reason::Duplicate),
            2 => Self::Refused(Reason::Spread),
            3 => Self::Refused(Reason::Quota),
            4 => Self::Refused(Reason::ClockUntrusted),
            5 => Self::Fenced,
            6 => Self::DayLost,
            7 => Self::Stale,
            8 => Self::Full,
            9 => Self::Held,
            10 => Self::Refused(Reason::LedgerUnavailable), // what stands in its way may have to be given back
            _ => return Err(super::Fault::Answer),
        };
        let version = answer.get(4).map_or(Ok(&[][..]), script::octets)?;
        Ok((word, version.to_vec()))
    }
}
