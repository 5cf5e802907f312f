//! Only registered and approved texts (clauses 5.1.1, 5.2, 7.8; policy reference 3.7).
//!
//! 1258 sends what was applied for and approved, within its variables, in the time that was arranged for it. The cities
//! send by themselves, but what they send is to be in the 1860 centre's knowledge base before.

use crate::domain::{AccountClass, Moment};
use crate::policy::case::{Author, Case, Finding};
use crate::policy::content::{Campaign, Standing};
use crate::policy::reason::Reason;

/// Judges the rule. Of a message in parts the whole text is judged, elsewhere.
pub fn check(case: &Case<'_>) -> Finding {
    case.found.map_or(Finding::PASS, |found| judge(case.author(), found, &case.moments()))
}

/// Judges what was found of a text that is delivered at one of some moments.
pub fn judge(author: Author<'_>, found: &[u32], moments: &[Moment]) -> Finding {
    if author.account.class.needs_city() && !author.rules.switches.registry.moa_province_review {
        return if found.is_empty() { Finding::refuse(Reason::NotRegistered) } else { Finding::PASS };
    }
    let campaigns = author.rules.content.of(found);
    let mut approved = campaigns.filter(|campaign| campaign.standing == Standing::Approved).peekable();
    if approved.peek().is_none() {
        let registered = author.account.class.needs_city() && !found.is_empty();
        let missing = author.account.class.needs_city() && !registered;
        return Finding::refuse(if missing { Reason::NotRegistered } else { Reason::NotApproved });
    }
    if approved.any(|campaign| is_open(campaign, moments)) {
        return Finding::PASS;
    }
    Finding::refuse(Reason::CampaignTime)
}

/// The campaign that a message is sent for: of those found, one that may be sent at that time, else the first.
pub fn campaign<'a>(author: Author<'a>, found: &'a [u32], moments: &[Moment]) -> Option<&'a Campaign> {
    let campaigns = author.rules.content.of(found);
    campaigns.clone().find(|campaign| may_be_sent(campaign, moments)).or_else(|| campaigns.clone().next())
}

/// Whether a message counts for 7.1a. A category spares a text only if somebody has approved it for this time, and
/// if it is registered for nothing else that counts: what is not known for sure counts.
pub fn counts(author: Author<'_>, found: &[u32], moments: &[Moment]) -> bool {
    let categories = &author.rules.switches.dedup.categories;
    if categories.is_all() {
        return true;
    }
    let mut campaigns = author.rules.content.of(found);
    !campaigns.clone().any(|campaign| may_be_sent(campaign, moments))
        || campaigns.any(|campaign| categories.count(campaign.category))
}

/// Whose texts an account may send: its unit's, or every unit's where 1258 is operated for all (3.4).
pub fn unit(author: Author<'_>) -> Option<&str> {
    let own = author.rules.switches.registry.unit == crate::policy::switches::CampaignUnit::Own;
    let every = author.account.class == AccountClass::Province1258 && !own;
    (!every).then(|| author.rules.unit(author.account.unit))
}

fn may_be_sent(campaign: &Campaign, moments: &[Moment]) -> bool {
    campaign.standing == Standing::Approved && is_open(campaign, moments)
}

fn is_open(campaign: &Campaign, moments: &[Moment]) -> bool {
    campaign.window.is_none_or(|window| moments.iter().all(|moment| window.contains(*moment)))
}
