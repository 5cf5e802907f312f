//! What has to be done now and then for all sessions together: holds that end by themselves, and the SMSCs' overload.

use std::sync::Weak;
use std::time::Duration;

use super::gateway::Gateway;

/// How late a hold may end.
const INTERVAL: Duration = Duration::from_millis(100);
/// Intervals between two looks at the accounts and the disk.
const SELDOM: u32 = 10;

/// Works until the gateway is dropped.
pub(super) async fn run(gateway: Weak<Gateway>) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut round = 0_u32;
    loop {
        interval.tick().await;
        let Some(gateway) = gateway.upgrade() else { return };
        let tick = gateway.ticker.tick();
        gateway.tend_holds(tick, round == 0);
        if round == 0 {
            gateway.cancel_scheduled();
        }
        gateway.govern(tick).await;
        round = (round + 1) % SELDOM;
    }
}
