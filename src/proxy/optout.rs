//! A subscriber answers T, TD or 退订: nothing is sent to them any more.
//!
//! The answer goes on to the sender as it came, and at once. It is looked at on the way, and whoever it is from goes into
//! a queue; a task of its own writes down what the queue has, and what is on disk counts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::domain::Msisdn;
use crate::policy::switches::OptOutScope;
use crate::registry::optout;
use crate::registry::store::OptOut;
use crate::smpp::coding;
use crate::smpp::deliver::Deliver;

use super::gateway::Gateway;
use super::session::Session;

/// Answers that wait for the disk.
const QUEUE: usize = 10_000;
/// Answers written together.
const TOGETHER: usize = 1000;
/// Between two writings, so that a flood of answers is no flood of changes.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two tries of a disk that fails.
const RETRY: Duration = Duration::from_secs(1);

/// Those who have answered and are not on disk yet.
#[derive(Debug)]
pub(super) struct Answers {
    sender: mpsc::Sender<OptOut>,
    receiver: parking_lot::Mutex<Option<mpsc::Receiver<OptOut>>>,
    /// Those in the queue and those that are being written.
    waiting: AtomicUsize,
}

impl Default for Answers {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        Self { sender, receiver: parking_lot::Mutex::new(Some(receiver)), waiting: AtomicUsize::new(0) }
    }
}

/// Looks at a deliver_sm on its way to the sender.
pub(super) fn heard(gateway: &Gateway, session: &Session, frame: &[u8]) {
    let site = gateway.site.load();
    let switches = &site.rules.switches;
    let account = &session.sender.account;
    let of_account = match switches.optout.scope {
        OptOutScope::Off => return,
        OptOutScope::All => None,
        OptOutScope::Account => Some(account.system_id.to_string()),
    };
    let Some(message) = Deliver::read(frame) else { return };
    let from = message.source;
    let Ok(number) = Msisdn::parse(from.ton, from.npi, from.digits, false) else { return };
    let mut text = Vec::new();
    let read = coding::decode(message.data_coding, message.text, account.dc0, switches.encoding.dc15, &mut text);
    if read.is_err() || !optout::says(&text, &switches.optout.words) {
        return;
    }
    let (at, via) = (gateway.ticker.tick().wall, "message".to_owned());
    let entry = OptOut { number, account: of_account, at, via };
    gateway.answers.waiting.fetch_add(1, Ordering::SeqCst);
    if gateway.answers.sender.try_send(entry).is_err() {
        gateway.answers.waiting.fetch_sub(1, Ordering::SeqCst);
        gateway.metrics.campaigns.lost.inc();
        let account = &*account.system_id;
        tracing::error!(event = "optout_lost", account, count = 1, why = "the queue to the disk is full", "not kept");
    }
}

/// Writes down what the queue has until the gateway is dropped.
pub(super) async fn run(gateway: Weak<Gateway>) {
    let receiver = gateway.upgrade().and_then(|own| own.answers.receiver.lock().take());
    let Some(mut receiver) = receiver else { return };
    let mut entries = Vec::new();
    while receiver.recv_many(&mut entries, TOGETHER).await > 0 {
        let Some(own) = gateway.upgrade() else { return };
        let count = entries.len();
        keep(&own, std::mem::take(&mut entries)).await;
        own.answers.waiting.fetch_sub(count, Ordering::SeqCst);
        drop(own);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Tries until the disk takes them, or the gateway stops.
async fn keep(gateway: &Arc<Gateway>, entries: Vec<OptOut>) {
    let entries = Arc::new(entries);
    let mut told = false;
    loop {
        let (own, batch) = (Arc::clone(gateway), Arc::clone(&entries));
        let written = tokio::task::spawn_blocking(move || {
            own.registry.opt_out(&batch, &|snapshot| own.publish(snapshot)).map_err(|error| error.to_string())
        });
        let why = match written.await {
            Ok(Ok(_)) => {
                gateway.metrics.campaigns.asked.inc_by(entries.len() as u64);
                return;
            }
            Ok(Err(why)) => why,
            Err(error) => error.to_string(),
        };
        if gateway.is_stopping() {
            let count = entries.len();
            gateway.metrics.campaigns.lost.inc_by(count as u64);
            tracing::error!(event = "optout_lost", account = "-", count, why, "not kept: the gateway stops");
            return;
        }
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(
                event = "optout_waits",
                count = entries.len(),
                why,
                "subscribers who opted out wait for the disk"
            );
        }
        tokio::time::sleep(RETRY).await;
    }
}

impl Gateway {
    /// Waits until those who have opted out by message are on disk, for so long at most.
    pub async fn keep_answers(&self, patience: Duration) {
        let kept = async {
            while self.answers.waiting.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(patience, kept).await; // what is left is told as lost
    }
}
