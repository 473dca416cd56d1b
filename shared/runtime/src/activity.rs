//! How much is going on, as an instance counts it.

use contract::metrics::GlobalMetrics;
use domain::activity::Global;
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use store::{ACTIVE_SHARDS, Store};
use tokio::sync::Mutex;

use crate::Problem;

/// For how long an instance tells what it has counted.
const FRESH: SignedDuration = SignedDuration::from_secs(5);

/// Counts at most every five seconds, however often it is asked.
pub struct Counter {
    store: Store,
    counted: Mutex<Option<GlobalMetrics>>,
}

impl Counter {
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, counted: Mutex::default() }
    }

    /// What was counted within the last five seconds, or now.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn count(&self, now: Timestamp) -> Result<GlobalMetrics, Problem> {
        let mut counted = self.counted.lock().await;
        if let Some(counted) = counted.filter(|counted| is_fresh(counted, now)) {
            return Ok(counted);
        }
        let shards = try_join_all((0..ACTIVE_SHARDS).map(|shard| self.store.active(shard))).await?;
        let fresh = GlobalMetrics::of(Global::of(shards.iter().flatten(), now), now);
        *counted = Some(fresh);
        Ok(fresh)
    }
}

fn is_fresh(counted: &GlobalMetrics, now: Timestamp) -> bool {
    let age = now.duration_since(counted.generated_at);
    (SignedDuration::ZERO..FRESH).contains(&age)
}
