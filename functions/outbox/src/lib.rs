//! Table stream → event stream and push queue.
//!
//! At least once: what is not known to have arrived comes back from the entry that
//! failed on. What is no entry is set aside, for `outbox-retry`. How far each player's
//! journal is published is marked, for `outbox-sweep`.

use std::{collections::BTreeMap, ops::RangeInclusive};

use aws_lambda_events::{
    dynamodb::{Event, EventRecord},
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use domain::{Entry, PlayerId, outbox::runs};
use futures::{StreamExt, stream};
use publish::{FailureQueue, Publisher, SetAside, Stopped};
use runtime::{Clock, Deps, Function, chain, metrics};
use store::Store;

/// Marks written at once.
const CONCURRENCY: usize = 16;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `EVENT_STREAM`, `PUSH_QUEUE_URL`, `FAILURE_QUEUE_URL` or `STAGE` is not
/// set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let outbox = Outbox {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        publisher: Publisher::new(&deps)?,
        failures: FailureQueue::new(&deps)?,
        stage: deps.env.require("STAGE")?.to_owned(),
        clock: deps.clock,
    };
    Ok(Function::trigger(move |event: Event, _context| {
        let outbox = outbox.clone();
        async move { Ok(outbox.publish(event.records).await) }
    }))
}

#[derive(Clone)]
struct Outbox {
    store: Store,
    publisher: Publisher,
    failures: FailureQueue,
    stage: String,
    clock: Clock,
}

/// A batch, read: where each entry stood in it, and what is no entry.
#[derive(Default)]
struct Batch {
    /// Of each record whose entry it is, as far as its key says.
    keys: Vec<Option<(PlayerId, u64)>>,
    indices: Vec<usize>,
    entries: Vec<Entry>,
    poison: Vec<Poison>,
}

/// A record that no retry can make readable.
struct Poison {
    index: usize,
    message: SetAside,
}

impl Outbox {
    /// Publishes the batch up to the first record that fails; the answer names it, so
    /// that the stream comes back to it and everything after it, in order, for as long
    /// as it keeps them. A record counts only once every step took it. A poison record
    /// is set aside, so that it holds up nothing and is not lost.
    async fn publish(&self, records: Vec<EventRecord>) -> DynamoDbEventResponse {
        let sequence_numbers: Vec<_> =
            records.iter().map(|record| record.change.sequence_number.clone()).collect();
        let batch = Batch::read(records);
        let published = async {
            self.set_aside(&batch.poison).await?;
            let published = self.publisher.publish(&batch.entries).await;
            published
                .map_err(|Stopped { index, cause }| Stopped { index: batch.indices[index], cause })
        };

        let mut answer = DynamoDbEventResponse::default();
        let published = published.await;
        let settled =
            published.as_ref().map_or_else(|stopped| stopped.index, |()| batch.keys.len());
        self.mark(runs(batch.keys[..settled].iter().copied().flatten())).await;
        if let Err(Stopped { index, cause }) = published {
            tracing::error!(index, cause = chain(&*cause), "the batch comes back from here");
            let now = self.clock.now();
            metrics::record(metrics::PublishFailure::new(now, self.stage.clone()));
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = sequence_numbers[index].clone();
            answer.batch_item_failures.push(failure);
        } else {
            tracing::debug!(entries = batch.entries.len(), "published");
        }
        answer
    }

    /// A mark that is not written holds up nothing: who sweeps finds the player behind,
    /// publishes once more, and marks.
    async fn mark(&self, runs: BTreeMap<PlayerId, RangeInclusive<u64>>) {
        let mut marks =
            stream::iter(runs)
                .map(|(player, seqs)| async move {
                    (player, self.store.mark_published(player, seqs).await)
                })
                .buffer_unordered(CONCURRENCY);
        while let Some((player, marked)) = marks.next().await {
            if let Err(error) = marked {
                tracing::warn!(%player, error = chain(&error), "not marked as published");
            }
        }
    }

    async fn set_aside(&self, poison: &[Poison]) -> Result<(), Stopped> {
        for Poison { index, message } in poison {
            tracing::error!(index, "set a record aside: it is no journal entry");
            let aside = self.failures.set_aside(message).await;
            aside.map_err(|error| Stopped { index: 0, cause: Box::new(error) })?;
        }
        Ok(())
    }
}

impl Batch {
    fn read(records: Vec<EventRecord>) -> Self {
        let mut batch = Self::default();
        for (index, record) in records.into_iter().enumerate() {
            batch.keys.push(store::entry_key(record.change.keys.clone()));
            match store::decode_entry(record.change.new_image.clone()) {
                Ok(entry) => {
                    batch.indices.push(index);
                    batch.entries.push(entry);
                }
                Err(error) => {
                    let message = SetAside::of_record(&record, &error);
                    batch.poison.push(Poison { index, message });
                }
            }
        }
        batch
    }
}
