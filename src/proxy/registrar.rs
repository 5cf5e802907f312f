//! What the registry changes is in force with the next batch: another site, which shares all but the registered texts and
//! those who opted out.

use std::sync::Arc;
use std::time::Duration;

use crate::registry::{Registry, Snapshot};

use super::gateway::{Gateway, Site};

impl Gateway {
    /// The registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Puts registered texts and those who opted out in force. To be called in the order of the changes.
    pub fn publish(&self, snapshot: Snapshot) {
        let _alone = self.swapping.lock();
        let before = self.site();
        let rules = before.rules.with_registry(snapshot.content, snapshot.opted_out);
        let (settings, senders) = (before.settings.clone(), before.senders.clone());
        let metrics = &self.metrics.campaigns;
        metrics.generation.set(rules.content.generation() as i64);
        metrics.texts.set(rules.content.len() as i64);
        metrics.opted_out.set(rules.opted_out.len() as i64);
        self.site.store(Arc::new(Site { rules, settings, senders }));
        retire(before);
    }
}

/// A site can be large, and whoever drops it last frees it: not a session that happens to end its batch. Outside of a
/// runtime there are no sessions.
pub fn retire(site: Arc<Site>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        while Arc::strong_count(&site) > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let _ = tokio::task::spawn_blocking(move || drop(site)).await; // a runtime that stops frees it all the same
    });
}
