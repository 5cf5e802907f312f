//! Messages that wait inside the SMSC for their time: what has to be kept of one until the SMSC names it, and
//! which of them a scope reaches. A hold cannot stop them; people must be told of them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::{Moment, Msisdn, Tick};
use crate::ledger::waiting::{Entry, Place, Scheduled};
use crate::policy::rules::source;
use crate::smpp::{Address, Submission};
use crate::traffic::Scope;

use super::gateway::{Gateway, Sender};
use super::session::{Session, Turn};

/// A message with a time of its own, before the SMSC has named it.
#[derive(Clone, Debug)]
pub(super) struct Later {
    due: Moment,
    source: (u8, u8, Box<[u8]>),
    recipient: Option<Msisdn>,
}

/// What of a scope waits inside the SMSC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// How many messages.
    pub count: usize,
    /// When the first of them is due.
    pub first_due: Option<Moment>,
    /// How many of all messages were too many to be listed, since the start.
    pub unlisted: u64,
}

impl Later {
    /// What to keep of a submission; `None` of one that is due now.
    pub(super) fn of(session: &Turn<'_>, tick: Tick, submission: &Submission<'_>, due: Moment) -> Option<Box<Self>> {
        if due <= tick.wall {
            return None;
        }
        let Address { ton, npi, digits } = source::shown(&session.sender.account, submission.source);
        let to = submission.destination;
        let recipient = Msisdn::parse(to.ton, to.npi, to.digits, session.site.rules.switches.dest.strict_ton).ok();
        Some(Box::new(Self { due, source: (ton, npi, digits.into()), recipient }))
    }

    /// The message under the SMSC's name for it, to so many recipients.
    pub(super) fn named(&self, session: &Session, message_id: &[u8], recipients: usize) -> Scheduled {
        let Self { due, source, recipient } = self;
        Scheduled {
            account: session.sender.scopes.account,
            smsc: session.smsc_metrics.address.as_ref().into(),
            message_id: message_id.into(),
            due: *due,
            source: source.clone(),
            recipient: recipient.filter(|_| recipients == 1),
            recipients: recipients.min(255) as u8, // one octet counts them in the PDU
        }
    }
}

/// Whose entries they are: the accounts of the site by the ledger's numbers.
struct Owners<'a> {
    gateway: &'a Gateway,
    site: Arc<super::gateway::Site>,
}

impl Owners<'_> {
    fn by_number(&self) -> HashMap<u16, &Arc<Sender>> {
        self.site.senders.iter().map(|sender| (sender.scopes.account, sender)).collect()
    }

    /// The groups of a scope, with the account's name. An account that is gone is reached by `all`, by its name and its SMSC.
    fn groups(&self, scope: &Scope) -> Vec<(u16, Box<str>, Box<str>, Inside)> {
        let groups = self.gateway.ledger.waiting().groups();
        if groups.is_empty() {
            return Vec::new();
        }
        let (by_number, names) = (self.by_number(), self.gateway.ledger.account_names());
        let within = |(account, smsc, count, first_due): (u16, Box<str>, usize, Option<Moment>)| {
            let own = by_number.get(&account);
            let name = own.map(|sender| &*sender.account.system_id).or_else(|| names.get(&account).map(|name| &**name));
            let name = name.unwrap_or_default();
            let covers = match (own, scope) {
                (Some(sender), _) => scope.covers(&sender.party(&smsc)),
                (None, Scope::All) => true,
                (None, Scope::Account(id)) => **id == *name,
                (None, Scope::Smsc(id)) => *id == smsc,
                (None, Scope::Class(_) | Scope::Unit(_) | Scope::City(_)) => false,
            };
            covers.then(|| (account, smsc, name.into(), Inside { count, first_due, unlisted: 0 }))
        };
        groups.into_iter().filter_map(within).collect()
    }
}

impl Gateway {
    /// How many messages of a scope wait inside the SMSC, and when the first is due.
    pub fn inside(&self, scope: &Scope) -> Inside {
        let owners = Owners { gateway: self, site: self.site() };
        let none = Inside { unlisted: self.ledger.waiting().unlisted(), ..Inside::default() };
        owners.groups(scope).into_iter().fold(none, |sum, (.., own)| Inside {
            count: sum.count + own.count,
            first_due: sum.first_due.into_iter().chain(own.first_due).min(),
            ..sum
        })
    }

    /// Messages of a scope that wait inside the SMSC, or that it cancelled during a pause, with their accounts, in the order
    /// of their time, from behind a place on.
    pub fn scheduled(&self, scope: &Scope, behind: Place, most: usize) -> Vec<(Box<str>, Entry)> {
        let owners = Owners { gateway: self, site: self.site() };
        let mut found: Vec<(Box<str>, Entry)> = Vec::new();
        for (account, smsc, name, _) in owners.groups(scope) {
            let own = self.ledger.waiting().of(account, &smsc, behind, most);
            found.extend(own.into_iter().map(|entry| (name.clone(), entry)));
        }
        found.sort_by_key(|(_, entry)| entry.place());
        found.truncate(most);
        found
    }
}
