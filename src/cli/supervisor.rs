//! The service manager that started the gateway, where there is one (systemd, `Type=notify`): it is told when the
//! gateway is ready, what it is up to, that it is alive, and that it stops. Without one nothing is done.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::JoinHandle;

use crate::admin::Health;
use crate::proxy::Gateway;

/// How often the status is renewed where no watchdog asks for more.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// The gateway as its service manager sees it.
#[derive(Debug)]
pub(super) struct Supervised {
    beat: JoinHandle<()>,
}

impl Supervised {
    /// The gateway listens. From now on a sign of life comes twice a watchdog's time, from a task beside those of
    /// the sessions: it stops when tasks do not get their turn any more.
    pub(super) fn ready(gateway: &Arc<Gateway>) -> Self {
        say(&[NotifyState::Ready, NotifyState::Status(&status(gateway))]);
        let every = sd_notify::watchdog_enabled().map_or(STATUS_EVERY, |watchdog| (watchdog / 2).min(STATUS_EVERY));
        let gateway = Arc::downgrade(gateway);
        let beat = tokio::spawn(async move {
            let mut interval = tokio::time::interval(every);
            loop {
                interval.tick().await;
                let Some(gateway) = gateway.upgrade() else { return };
                say(&[NotifyState::Watchdog, NotifyState::Status(&status(&gateway))]);
            }
        });
        Self { beat }
    }

    /// The gateway stops and will take its time; signs of life go on until it has stopped.
    pub(super) fn stopping() {
        say(&[NotifyState::Stopping, NotifyState::Status("stopping: waiting for what is in flight")]);
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.beat.abort();
    }
}

/// One line for `systemctl status`.
fn status(gateway: &Gateway) -> String {
    let health = Health::of(gateway);
    let sessions = gateway.bound();
    match health.components.iter().find_map(|(component, state)| state.why.map(|why| (component, why))) {
        Some((component, why)) => format!("not ready ({component}: {why}), {sessions} sessions"),
        None => format!("ready, {sessions} sessions"),
    }
}

fn say(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(event = "service_manager", %error, "the service manager cannot be told");
    }
}
