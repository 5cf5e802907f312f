//! Messages that wait inside the SMSC for their time: what no hold reaches. Numbers go out masked; the SMSC's
//! operators find a message by its id.

use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::call::{Answer, Call, Outcome};
use crate::admin::problem::Problem;
use crate::ledger::waiting::{Cancel, Entry, Place};
use crate::proxy::Inside;
use crate::traffic::Scope;

/// A message that waits inside the SMSC.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScheduledView {
    /// Where it stands in the list; the cursor of the next page.
    cursor: String,
    account: String,
    /// The SMSC that has it.
    smsc: String,
    /// The SMSC's name for it.
    message_id: String,
    /// When it is to be delivered.
    due: String,
    /// Its `source_addr`.
    from: String,
    /// The subscriber, masked; none of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// How many subscribers it goes to.
    recipients: u8,
    /// Whether the SMSC was asked to cancel it: `no`, `asked`, `done`, `refused`.
    cancel: &'static str,
    /// What the SMSC refused that with.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_status: Option<u32>,
}

/// How many messages wait inside the SMSC.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InsideView {
    count: usize,
    /// When the first of them is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_due: Option<String>,
    /// How many of all messages were too many to be listed, since the start.
    #[serde(skip_serializing_if = "is_zero")]
    unlisted: u64,
}

pub(super) async fn list(call: Call) -> Outcome {
    let scope = match call.text("scope") {
        None => Scope::All,
        Some(text) => text.parse().map_err(|error| Problem::invalid("scope", format!("{error}")))?,
    };
    let behind = match call.text("cursor") {
        None => (i64::MIN, 0),
        Some(text) => place(text).ok_or_else(|| Problem::invalid("cursor", "not a place of this list".to_owned()))?,
    };
    let found = call.gateway().scheduled(&scope, behind, call.limit());
    Answer::json(&found.into_iter().map(|(account, entry)| ScheduledView::of(&account, &entry)).collect::<Vec<_>>())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn place(text: &str) -> Option<Place> {
    let (due, number) = text.split_once('.')?;
    Some((due.parse().ok()?, number.parse().ok()?))
}

impl ScheduledView {
    fn of(account: &str, entry: &Entry) -> Self {
        let (message, (due, number)) = (entry.message(), entry.place());
        let (cancel, cancel_status) = match entry.cancel() {
            Cancel::No => ("no", None),
            Cancel::Asked => ("asked", None),
            Cancel::Done => ("done", None),
            Cancel::Refused(status) => ("refused", Some(status)),
        };
        Self {
            cursor: format!("{due}.{number}"),
            account: account.to_owned(),
            smsc: message.smsc.to_string(),
            message_id: String::from_utf8_lossy(&message.message_id).into_owned(),
            due: message.due.to_string(),
            from: String::from_utf8_lossy(&message.source.2).into_owned(),
            to: message.recipient.map(|to| to.to_string()),
            recipients: message.recipients,
            cancel,
            cancel_status,
        }
    }
}

impl From<Inside> for InsideView {
    fn from(inside: Inside) -> Self {
        Self { count: inside.count, first_due: inside.first_due.map(|due| due.to_string()), unlisted: inside.unlisted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_place_of_the_list() {
        assert_eq!(place("1795000000000.17"), Some((1_795_000_000_000, 17)));
        for wrong in ["", "1", ".", "a.1", "1.a", "1.-1", "1.2.3"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
