//! A queue's mapping.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::Result;
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde_json::{Value, json};

use super::{
    Parts, Stop,
    event::{Origin, queue_record, queue_view},
    filter::Filter,
    ports::{Message, Queue},
    state::{Activity, State},
    time::{backoff, later},
    verdict::{Outcome, outcome},
};
use crate::spec::MappingSpec;

/// The longest that SQS lets a receive wait.
const LONG_POLL: Duration = Duration::from_secs(20);

/// Batches at once if the mapping has no `MaximumConcurrency`. Lambda starts
/// with five and goes on to more than a thousand.
const CONCURRENCY: usize = 10;

/// What a queue's batches share.
pub(super) struct Consumer {
    pub mapping: MappingSpec,
    pub filters: Vec<Filter>,
    pub queue: Arc<dyn Queue>,
    pub visibility_timeout: Duration,
    pub origin: Origin,
    pub parts: Parts,
    pub state: Arc<State>,
    pub activity: Activity,
}

type Receiving = BoxFuture<'static, Result<Vec<Message>>>;

impl Consumer {
    /// Polls until told to stop; batches in flight are finished first.
    pub async fn run(self, mut stop: Stop) {
        let consumer = Arc::new(self);
        let most = consumer.mapping.max_concurrency.unwrap_or(CONCURRENCY);
        let mut in_flight = FuturesUnordered::new();
        let mut receiving: Option<Receiving> = None;
        let mut failed_receives = 0;
        loop {
            consumer.state.queue_batches(in_flight.len());
            consumer.activity.tell();
            if stop.is_stopped() && in_flight.is_empty() {
                return;
            }
            if receiving.is_none() && in_flight.len() < most && !stop.is_stopped() {
                let consumer = Arc::clone(&consumer);
                receiving = Some(Box::pin(async move { consumer.receive(failed_receives).await }));
            }
            tokio::select! {
                biased;
                Some(()) = in_flight.next() => {}
                () = stop.stopped(), if !stop.is_stopped() => receiving = None,
                Some(received) = next(&mut receiving) => match received {
                    Ok(batch) => {
                        failed_receives = 0;
                        if !batch.is_empty() {
                            consumer.state.began(&consumer.activity);
                            let (consumer, stop) = (Arc::clone(&consumer), stop.clone());
                            in_flight.push(async move { consumer.handle(batch, stop).await });
                        }
                    }
                    Err(error) => {
                        failed_receives += 1;
                        tracing::error!(
                            mapping = consumer.mapping.name, error = format!("{error:#}"),
                            "the queue cannot be read",
                        );
                    }
                },
            }
        }
    }

    /// A full batch, or what came within the batching window of its first.
    async fn receive(&self, failed_before: u32) -> Result<Vec<Message>> {
        let time = &self.parts.time;
        if failed_before > 0 {
            time.until(later(time.now(), backoff(failed_before))).await;
        }
        let size = self.mapping.batch_size;
        let mut batch = self.queue.receive(size, LONG_POLL).await?;
        let deadline = later(time.now(), self.mapping.batch_window);
        while !batch.is_empty() && batch.len() < size {
            let left = Duration::try_from(deadline.duration_since(time.now())).unwrap_or_default();
            if left.is_zero() {
                break;
            }
            tokio::select! {
                more = self.queue.receive(size - batch.len(), left.min(LONG_POLL)) => {
                    batch.extend(more?);
                }
                () = time.until(deadline) => break,
            }
        }
        Ok(batch)
    }

    async fn handle(&self, mut batch: Vec<Message>, stop: Stop) {
        if !self.filters.is_empty() {
            let wanted = |message: &Message| {
                let view = queue_view(message, &self.origin);
                self.filters.iter().any(|filter| filter.matches(&view))
            };
            let (keep, drop): (Vec<_>, Vec<_>) = batch.into_iter().partition(wanted);
            self.delete(drop.iter()).await;
            batch = keep;
        }
        if batch.is_empty() {
            return;
        }
        let failed = match self.invoke(&batch, stop).await {
            Outcome::Succeeded => BTreeSet::new(),
            Outcome::SomeFailed(failed) => with_followers(&batch, &failed),
            Outcome::AllFailed | Outcome::Throttled => return,
        };
        let done = batch.iter().enumerate().filter(|(position, _)| !failed.contains(position));
        self.delete(done.map(|(_, message)| message)).await;
    }

    /// Invokes, and again while throttled, for as long as the messages are
    /// this batch's. Messages of a failed batch are not given back: they
    /// become visible when their visibility timeout is over.
    async fn invoke(&self, batch: &[Message], mut stop: Stop) -> Outcome {
        let time = &self.parts.time;
        let give_back = later(time.now(), self.visibility_timeout);
        let records: Vec<Value> = batch.iter().map(|m| queue_record(m, &self.origin)).collect();
        let ids: Vec<_> = batch.iter().map(|message| message.id.as_str()).collect();
        let mut attempts = 0;
        loop {
            let payload = json!({ "Records": records });
            let answer = self.parts.invoke(&self.mapping.function, payload).await;
            let outcome = outcome(&answer, self.mapping.report_batch_item_failures, &ids);
            if outcome != Outcome::Succeeded {
                tracing::warn!(
                    mapping = self.mapping.name,
                    messages = batch.len(),
                    ?outcome,
                    error = answer.err().map(|error| error.to_string()),
                    "a batch failed",
                );
            }
            attempts += 1;
            let again = later(time.now(), backoff(attempts));
            if outcome != Outcome::Throttled || again >= give_back {
                return outcome;
            }
            tokio::select! {
                () = time.until(again) => {}
                () = stop.stopped() => return outcome,
            }
        }
    }

    async fn delete(&self, messages: impl Iterator<Item = &Message> + Send) {
        let handles: Vec<_> = messages.map(|message| message.receipt_handle.clone()).collect();
        if handles.is_empty() {
            return;
        }
        if let Err(error) = self.queue.delete(&handles).await {
            tracing::error!(
                mapping = self.mapping.name,
                error = format!("{error:#}"),
                "handled messages could not be deleted and will come again",
            );
        }
    }
}

/// The failed, and what follows them in their message group: deleting that
/// would let it overtake the failed one.
fn with_followers(batch: &[Message], failed: &BTreeSet<usize>) -> BTreeSet<usize> {
    let group = |message: &Message| message.attributes.get("MessageGroupId").cloned();
    let mut blocked = BTreeSet::new();
    let mut kept = BTreeSet::new();
    for (position, message) in batch.iter().enumerate() {
        let group = group(message).filter(|_| message.attributes.contains_key("SequenceNumber"));
        let follows = group.as_ref().is_some_and(|group| blocked.contains(&group.to_string()));
        if follows || failed.contains(&position) {
            kept.insert(position);
            blocked.extend(group.map(|group| group.to_string()));
        }
    }
    kept
}

/// The receive in progress; `None` if there is none.
async fn next(receiving: &mut Option<Receiving>) -> Option<Result<Vec<Message>>> {
    let result = receiving.as_mut()?.await;
    *receiving = None;
    Some(result)
}
