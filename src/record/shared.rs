//! The families of a ledger that several gateways share.

use prometheus::{Gauge, IntGauge};

use super::metrics::Families;
use super::reference::{Family, family};

/// How the shared ledger stands.
#[derive(Debug)]
pub struct SharedMetrics {
    /// 1 where the ledger is one that several gateways share.
    pub used: IntGauge,
    /// 1 while it takes reservations.
    pub up: IntGauge,
    /// Its clock minus the gateway's, seconds.
    pub skew: Gauge,
    /// Outcomes that it has not been told yet.
    pub untold: IntGauge,
    /// Gateways that may write.
    pub gateways: IntGauge,
    /// Holds, and ends of holds, that it has not been told yet.
    pub holds_untold: IntGauge,
}

impl SharedMetrics {
    pub(super) fn new(r: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            used: r.gauge("ledger_shared", "1 where the ledger is shared by several gateways")?,
            up: r.gauge("ledger_shared_up", "1 while the shared ledger takes reservations")?,
            skew: r.float_gauge("ledger_shared_clock_skew_seconds", "The server's clock minus the gateway's")?,
            untold: r.gauge("ledger_shared_untold", "Outcomes that the shared ledger has not been told yet")?,
            gateways: r.gauge("ledger_shared_gateways", "Gateways that may send on the shared ledger")?,
            holds_untold: r.gauge("holds_untold", "Holds and ends of holds the other gateways do not know yet")?,
        })
    }
}

/// What the document says of them.
pub(super) const FAMILIES: &[Family] = &[
    family(
        "ledger_shared",
        "gauge",
        "",
        "1 where the ledger is a server that several gateways share",
        "账本为多网关共用",
    ),
    family(
        "ledger_shared_up",
        "gauge",
        "",
        "1 while the shared ledger takes reservations; 0 where there is none",
        "共享账本可用",
    ),
    family(
        "ledger_shared_clock_skew_seconds",
        "gauge",
        "",
        "the shared server's clock minus the gateway's; beyond 5 s either way submissions are refused",
        "共享账本服务器与网关的时钟差",
    ),
    family(
        "ledger_shared_untold",
        "gauge",
        "",
        "outcomes that the shared ledger has not been told yet; they are in the journal",
        "尚未告知共享账本的结果数",
    ),
    family(
        "ledger_shared_gateways",
        "gauge",
        "",
        "gateways on the shared ledger that have been seen in the last seconds with all holds in force, this one included",
        "共享账本上有权发送的网关数",
    ),
    family(
        "holds_untold",
        "gauge",
        "",
        "holds, and ends of holds, that the other gateways on a shared ledger do not know yet; they are told when its server is back",
        "尚未告知其他网关的暂停及其结束数",
    ),
];
