//! What the embedded engine lacks: transactions that are in each other's way.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use devstack::engine::{Call, Fault, Verdict};
use serde_json::Value;

/// As in DynamoDB, of two transactions that touch the same item at the same time one is
/// cancelled: the later, for as long as the earlier takes.
#[derive(Debug)]
pub struct Contention {
    /// How long a transaction takes.
    takes: Duration,
    /// Until when each item is taken.
    taken: Mutex<HashMap<(String, String), Instant>>,
}

impl Contention {
    /// Transactions take so long. DynamoDB's own take about 10 ms.
    #[must_use]
    pub fn of(takes: Duration) -> Self {
        Self { takes, taken: Mutex::default() }
    }
}

impl Fault for Contention {
    #[expect(clippy::disallowed_methods, reason = "how long a transaction takes is the subject")]
    fn before(&self, call: &Call<'_>) -> Verdict {
        if call.operation != "TransactWriteItems" {
            return Verdict::Pass;
        }
        let items = items_of(call.body);
        let now = Instant::now();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|_, until| *until > now);
        if items.iter().any(|item| taken.contains_key(item)) {
            return Verdict::TransactionConflict;
        }
        taken.extend(items.into_iter().map(|item| (item, now + self.takes)));
        Verdict::Pass
    }
}

/// The keys that a transaction touches.
fn items_of(body: &[u8]) -> Vec<(String, String)> {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let parts = request["TransactItems"].as_array().cloned().unwrap_or_default();
    let keys = parts.iter().filter_map(|part| {
        let part = part.as_object()?.values().next()?;
        let key = part.get("Key").or_else(|| part.get("Item"))?;
        let half = |name: &str| key[name]["S"].as_str().map(str::to_owned);
        Some((half("pk")?, half("sk")?))
    });
    keys.collect()
}
