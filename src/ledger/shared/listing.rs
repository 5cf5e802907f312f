//! What operators ask of the shared ledger.

use crate::domain::{Day, Moment, Msisdn};
use crate::ledger::operate::{Entry, EntryState, ReleaseError};

use super::runs::run_of;
use super::script::{self, Script, UNKNOWN};
use super::{Fault, Shared};

impl Shared {
    /// The unknown outcomes of all gateways, by token.
    pub(in crate::ledger) async fn unknown_outcomes(&self) -> Result<Vec<Entry>, String> {
        let mut all = redis::cmd("HGETALL");
        all.arg(UNKNOWN);
        let answer = self.one(all).await?;
        let fields = script::list(&answer).map_err(|fault| fault.to_string())?;
        let mut entries = Vec::new();
        for pair in fields.chunks_exact(2) {
            let entry = script::octets(&pair[0]).ok().and_then(|token| Some((token, script::octets(&pair[1]).ok()?)));
            entries.extend(entry.and_then(|(token, fields)| entry_of(token, fields)));
        }
        entries.sort_unstable_by_key(|entry| entry.id);
        Ok(entries)
    }

    /// Frees what a message of unknown outcome holds, whichever gateway sent it. The gateway that did finds out when
    /// the SMSC should say after all that it took it, and takes it again.
    pub(in crate::ledger) async fn release(&self, token: u64) -> Result<Entry, ReleaseError> {
        let live = self.link.live().ok_or(ReleaseError::Away)?;
        let mut free = live.scripts.call(Script::Free);
        free.arg(&script::token(token));
        let answers = self.link.ask(&live, vec![free], true).await.map_err(|_| ReleaseError::NotConfirmed)?;
        let answer = answers.first().and_then(|answer| script::octets(answer).ok()).unwrap_or_default();
        match answer {
            b"" => Err(ReleaseError::NotUnknown),
            b"part" => Err(ReleaseError::Part),
            fields => {
                let entry = entry_of(&script::token(token), fields).ok_or(ReleaseError::NotUnknown)?;
                Ok(Entry { state: EntryState::Free(0), ..entry })
            }
        }
    }

    /// Tokens that hold a subscriber's slot of all senders together on a day, this gateway's own left out.
    pub(in crate::ledger) async fn others(&self, recipient: Msisdn, day: Day) -> Result<Vec<Entry>, String> {
        let number = recipient.get().to_string();
        let (bucket, field) = number.split_at(9);
        let mut slot = redis::cmd("HGET");
        slot.arg(format!("{{smsluice}}:s:{}:0:{bucket}", day.number())).arg(field);
        let answer = self.one(slot).await?;
        let tokens = script::octets(&answer).unwrap_or_default();
        let tokens = tokens.chunks_exact(8).filter_map(|token| token.try_into().ok()).map(u64::from_be_bytes);
        let others = tokens.filter(|token| !self.runs.knows(run_of(*token)));
        Ok(others
            .map(|id| Entry {
                id,
                recipient: Some(recipient),
                day,
                at: day.start(),
                account: String::new(),
                state: EntryState::Elsewhere,
                part: None,
                gateway: Some(format!("run {}", run_of(id))),
            })
            .collect())
    }

    /// Subscribers counted for each of some scopes.
    pub(super) async fn counts(&self, day: Day, names: &[String]) -> Option<Vec<u32>> {
        let mut all = redis::cmd("MGET");
        for name in names {
            all.arg(format!("{{smsluice}}:q:{}:{name}", day.number()));
        }
        let answer = self.one(all).await.ok()?;
        Some(script::list(&answer).ok()?.iter().map(|count| script::int(count).unwrap_or_default()).collect())
    }

    async fn one(&self, call: redis::Cmd) -> Result<redis::Value, String> {
        let away = || "the shared ledger cannot be reached; try again when /readyz says that it can".to_owned();
        let live = self.link.live().ok_or_else(away)?;
        let mut answers = self.link.ask(&live, vec![call], false).await.map_err(|_: Fault| away())?;
        answers.pop().ok_or_else(away)
    }
}

/// Reads number, day, effects, scopes, account, segment, since, part and gateway.
fn entry_of(token: &[u8], fields: &[u8]) -> Option<Entry> {
    let id = u64::from_be_bytes(token.try_into().ok()?);
    let text = std::str::from_utf8(fields).ok()?;
    let fields: Vec<&str> = text.split_terminator('\0').collect();
    let [number, day, _, _, _, account, _, since, part, gateway] = fields.as_slice() else { return None };
    Some(Entry {
        id,
        recipient: number.parse().ok().and_then(Msisdn::from_number),
        day: Day::from_number(day.parse().ok()?),
        at: Moment::from_ms(since.parse().ok()?),
        account: account.strip_prefix("account:").unwrap_or(account).to_owned(),
        state: EntryState::Unknown,
        part: part.parse().ok().map(|index| (index, 0)),
        gateway: Some((*gateway).to_owned()),
    })
}
