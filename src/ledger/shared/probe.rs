//! A look at a shared ledger's server from outside, before a gateway starts on it. It writes nothing.

use redis::Pipeline;

use crate::domain::{Clock, ClockWatch, Ticker};

use super::link::{Link, answers};
use super::{Fault, SharedSettings, script};

/// What a server says of itself: fit for a ledger, or why not.
pub async fn probe(settings: SharedSettings) -> Result<String, String> {
    let address = settings.url.to_string();
    let link = Link::new(settings, Ticker::new(Clock::System));
    let told = async {
        let mut connection = link.find().await?;
        let mut asked = Pipeline::new();
        asked.cmd("TIME");
        let all = answers(&mut connection, &asked).await?;
        let [seconds, micros] = script::list(all.first().ok_or(Fault::Answer)?)? else { return Err(Fault::Answer) };
        let now_ms = script::int::<i64>(seconds)? * 1000 + script::int::<i64>(micros)? / 1000;
        Ok((now_ms - Clock::System.now().ms(), Link::promises(connection).await))
    };
    let (apart_ms, promises) = told.await.map_err(|fault: Fault| format!("{address}: {fault}"))?;
    if apart_ms.abs() > ClockWatch::BOUND_MS {
        return Err(format!("{address}: its clock is {apart_ms} ms from this one"));
    }
    match link.weakness(&promises) {
        Some(why) => Err(format!("{address}: {why}")),
        None => Ok(format!("{address} answers, its clock {apart_ms} ms from this one")),
    }
}
