//! Accepted messages that a replace_sm may name (`replace.mode = "check"`).
//!
//! A replace_sm says neither whom its message goes to nor how the text is
//! written, so that has to be remembered, by account and by the SMSC's own
//! message_id. It is remembered in memory only: after a restart, and beyond
//! `replace.remember` messages of an account, a message is unknown and cannot be
//! replaced, which harms nobody and lets nothing pass. Nothing is remembered
//! while the switch is off.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use dashmap::DashMap;
use parking_lot::Mutex;

use crate::domain::Moment;
use crate::ledger::Reservation;
use crate::policy::decide::Replaced;
use crate::policy::rules::source;
use crate::policy::{Account, Permit};
use crate::smpp::replace::Replace;
use crate::smpp::udh::Parts;
use crate::smpp::{Address, Malformed, Operation, Submission};

/// The messages of all accounts, by the ledger's number of the account.
#[derive(Debug, Default)]
pub(super) struct Accepted(DashMap<u16, Known, foldhash::fast::RandomState>);

/// One account's, the oldest first.
#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<Box<[u8]>, Arc<Message>, foldhash::fast::RandomState>,
    order: VecDeque<Box<[u8]>>,
}

/// What a message was submitted with.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Original {
    source: Box<[u8]>,
    destination: (u8, u8, Box<[u8]>),
    /// data_coding of the text.
    pub(super) data_coding: u8,
    /// Its effective delivery time.
    pub(super) edt: Moment,
    /// Whether it counts for 7.1a.
    pub(super) counts: bool,
}

/// An accepted message.
#[derive(Debug)]
pub(super) struct Message {
    original: Original,
    standing: Mutex<Standing>,
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    edt: Moment,
    /// What it holds, and for which day.
    reservation: Reservation,
    counts: bool,
    /// A replacement of it is under way; another has to wait for its outcome.
    claimed: bool,
}

/// What is remembered of a message that a replace_sm names, for people who ask what would become of it.
#[derive(Clone, Debug)]
pub struct Remembered {
    original: Original,
    replaced: Replaced,
}

/// A message while one replacement of it is judged or under way. Free for the next when this is dropped.
#[derive(Debug)]
pub(super) struct Claimed(Arc<Message>);

impl Accepted {
    /// Remembers a message under the SMSC's name for it, and forgets the oldest above the limit.
    pub(super) fn remember(&self, account: u16, id: &[u8], original: Original, reservation: Reservation, limit: usize) {
        let standing = Mutex::new(Standing { edt: original.edt, reservation, counts: original.counts, claimed: false });
        let mut known = self.0.entry(account).or_default();
        // An id that the SMSC gives again is the newer message's; it keeps the older one's place in the order.
        if known.by_id.insert(id.into(), Arc::new(Message { original, standing })).is_none() {
            known.order.push_back(id.into());
        }
        while known.order.len() > limit.max(1) {
            let Some(oldest) = known.order.pop_front() else { return };
            known.by_id.remove(&oldest);
        }
    }

    /// A message of an account under one of its sources, unless a replacement of it is under way.
    pub(super) fn claim(&self, account: u16, id: &[u8], source: &[u8]) -> Option<Claimed> {
        let message = Arc::clone(self.0.get(&account)?.by_id.get(id)?);
        if *message.original.source != *source || std::mem::replace(&mut message.standing.lock().claimed, true) {
            return None;
        }
        Some(Claimed(message))
    }

    /// The same without a replacement in mind.
    pub(super) fn look(&self, account: u16, id: &[u8], source: &[u8]) -> Option<Remembered> {
        let message = Arc::clone(self.0.get(&account)?.by_id.get(id)?);
        let replaced = message.standing.lock().replaced();
        (*message.original.source == *source).then(|| Remembered { original: message.original.clone(), replaced })
    }
}

impl Standing {
    const fn replaced(&self) -> Replaced {
        Replaced { edt: self.edt, day: self.reservation.day(), counts: self.counts }
    }
}

impl Remembered {
    /// The submission that a replacement would make of it.
    pub fn with<'a>(&'a self, replace: &Replace<'a>) -> Result<Submission<'a>, Malformed> {
        replace.of(self.original.destination(), self.original.data_coding)
    }

    /// When it is delivered, and for which day it counts.
    pub const fn replaced(&self) -> Replaced {
        self.replaced
    }
}

impl Original {
    /// What to remember of a submission; `None` of one whose text a replacement cannot be held against:
    /// one with a user-data header, which the SMSC may keep, or one to several.
    pub(super) fn of(account: &Account, submission: &Submission<'_>, permit: &Permit) -> Option<Self> {
        let one = matches!(submission.operation, Operation::SubmitSm | Operation::DataSm);
        if !one || submission.esm_class & 0x40 != 0 || submission.user_data.parts != Parts::Whole {
            return None;
        }
        let Address { ton, npi, digits } = submission.destination;
        Some(Self {
            source: source::shown(account, submission.source).digits.into(),
            destination: (ton, npi, digits.into()),
            data_coding: submission.data_coding,
            edt: permit.edt(),
            counts: permit.counts(),
        })
    }

    /// Whom it goes to.
    pub(super) fn destination(&self) -> Address<'_> {
        Address { ton: self.destination.0, npi: self.destination.1, digits: &self.destination.2 }
    }
}

impl Claimed {
    /// What it was submitted with.
    pub(super) fn original(&self) -> &Original {
        &self.0.original
    }

    /// When it is delivered, and for which day it counts.
    pub(super) fn replaced(&self) -> Replaced {
        self.0.standing.lock().replaced()
    }

    /// The SMSC has taken the replacement. With a reservation of its own that is what the message holds from
    /// now on; the former one is returned, to be given back. With none it holds what it held.
    pub(super) fn moved(&self, edt: Moment, own: Option<(Reservation, bool)>) -> Option<Reservation> {
        let mut standing = self.0.standing.lock();
        standing.edt = edt;
        let (reservation, counts) = own?;
        standing.counts = counts;
        Some(std::mem::replace(&mut standing.reservation, reservation))
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.0.standing.lock().claimed = false;
    }
}

impl fmt::Debug for Original {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without whom it goes to (P14).
        write!(f, "Original(data_coding {:#04x}, {})", self.data_coding, self.edt)
    }
}
