//! Events as they happen.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use tokio::sync::broadcast::error::RecvError;

use crate::admin::call::{Answer, Call, Outcome};
use crate::record::logs::{Streamed, count_missed};

/// A stream of the events that are wanted. A listener that is too slow is told how many it missed.
pub(super) async fn stream(call: Call) -> Outcome {
    let listener = call.surface.logs.listen();
    let wanted = {
        let (account, name) = (call.text("account").map(str::to_owned), call.text("event").map(str::to_owned));
        move |event: &Streamed| {
            account.as_deref().is_none_or(|account| event.account.as_deref() == Some(account))
                && name.as_deref().is_none_or(|name| &*event.name == name)
        }
    };
    let events = futures_util::stream::unfold((listener, wanted), |(mut listener, wanted)| async move {
        loop {
            let event = match listener.recv().await {
                Ok(event) if !wanted(&event) => continue,
                Ok(event) => Event::default().event(&*event.name).data(&*event.json),
                Err(RecvError::Lagged(dropped)) => {
                    count_missed(dropped);
                    Event::default().event("dropped").data(format!(r#"{{"event":"dropped","count":{dropped}}}"#))
                }
                Err(RecvError::Closed) => return None,
            };
            return Some((Ok::<_, Infallible>(event), (listener, wanted)));
        }
    });
    let alive = KeepAlive::new().interval(Duration::from_secs(10));
    Ok(Answer::Other(Sse::new(events).keep_alive(alive).into_response()))
}
