//! Unknown outcomes that operators have released, from the record of acts.

use std::io;
use std::path::Path;

use serde_json::Value;

use crate::domain::{LocalTime, Moment};
use crate::record::acts;

use super::{Asked, Release};

/// Releases of a report; the latest.
const RELEASES_MAX: usize = 1000;

/// Those of the days that are asked about, the latest first, from the file of acts; none where there is no file.
pub fn releases(path: &Path, asked: &Asked) -> io::Result<Vec<Release>> {
    let of_these_days = |act: &Value| {
        let day = act["at"].as_str().and_then(Moment::parse).map(|at| LocalTime::of(at).day);
        day.is_some_and(|day| (asked.from..=asked.to).contains(&day))
    };
    let wanted = |act: &Value| {
        let done = act["result"] == "done" && act["after"]["failed"].is_null();
        act["action"] == "ledger.release" && done && of_these_days(act)
    };
    let found = match acts::latest(path, RELEASES_MAX, wanted) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        found => found?,
    };
    let text = |act: &Value, member: &str| act[member].as_str().unwrap_or_default().to_owned();
    let release = |act: &Value| Release {
        at: text(act, "at"),
        who: text(act, "who"),
        row: text(act, "target"),
        reason: text(act, "reason"),
    };
    Ok(found.iter().map(release).collect())
}
