//! Every minute: purchases whose time is up are finished or called off, and what they
//! hold goes back.
//!
//! Each is asked about at the payment provider and moves as the provider's answer says,
//! by the same step as everywhere else; running twice, late, at once or only half comes
//! out the same. One that the provider has no answer for waits for the next minute.

use domain::Ctx;
use futures::{StreamExt, stream};
use runtime::{
    Clock, Deps, Entropy, Function,
    payments::{Desk, DeskError, Learned},
};
use serde::Serialize;
use serde_json::Value;
use store::{Bookmark, DUE_SHARDS, Due, Needs, Store};

/// Purchases looked at at once.
const CONCURRENCY: usize = 8;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or a variable of [`runtime::payments`] is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let store = Store::new(deps.aws(), deps.env.require("TABLE_NAME")?);
    let desk = Desk::new(store.clone(), deps.payments()?, "cleanup");
    let cleanup = Cleanup { store, desk, clock: deps.clock, entropy: deps.entropy };
    Ok(Function::trigger(move |_event: Value, context: runtime::Context| {
        let cleanup = cleanup.clone();
        async move { cleanup.run(&context.request_id).await }
    }))
}

#[derive(Clone)]
struct Cleanup {
    store: Store,
    desk: Desk,
    clock: Clock,
    entropy: Entropy,
}

/// What a run found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Report {
    /// Whose time was up.
    due: u64,
    /// Of those, how many are over now.
    finished: u64,
    /// How many are still open: the provider has not decided.
    waiting: u64,
    /// How many the provider or the table had no answer for.
    failed: u64,
}

impl Cleanup {
    async fn run(&self, trace_id: &str) -> Result<Report, runtime::Error> {
        let now = self.clock.now();
        let mut report = Report::default();
        for shard in 0..DUE_SHARDS {
            let mut bookmark = Bookmark::default();
            while let Some(due) = self.store.due(shard, now, &mut bookmark).await? {
                let mut done = stream::iter(due)
                    .map(|due| {
                        let seed = self.entropy.bytes();
                        self.finish(due, Ctx { now, seed, trace_id: trace_id.to_owned() })
                    })
                    .buffer_unordered(CONCURRENCY);
                while let Some((due, finished)) = done.next().await {
                    report.count(due, finished);
                }
            }
        }
        let Report { due, finished, waiting, failed } = report;
        tracing::info!(due, finished, waiting, failed, "purchases cleaned up");
        Ok(report)
    }

    async fn finish(&self, due: Due, ctx: Ctx) -> (Due, Result<Option<Learned>, DeskError>) {
        let needs = Needs::default().purchase(due.receipt);
        let finished = async {
            match self.store.find(due.player, &needs).await?.purchase {
                Some(purchase) => self.desk.give_up(&purchase, &ctx).await.map(Some),
                None => Ok(None),
            }
        };
        (due, finished.await)
    }
}

impl Report {
    fn count(&mut self, Due { receipt, .. }: Due, finished: Result<Option<Learned>, DeskError>) {
        self.due += 1;
        match finished {
            Ok(Some(learned)) if learned.purchase.status.is_open() => self.waiting += 1,
            Ok(Some(_)) => self.finished += 1,
            Ok(None) => {
                self.failed += 1;
                tracing::error!(%receipt, "a purchase that is due does not exist");
            }
            Err(error) => {
                self.failed += 1;
                let cause: &dyn std::error::Error = &error;
                tracing::warn!(%receipt, cause, "the purchase waits for the next run");
            }
        }
    }
}
