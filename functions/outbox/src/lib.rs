//! Table stream → event stream and push queue.
//!
//! Every journal entry becomes one envelope and the frames of its player. At
//! least once: what is not known to have arrived comes back from the entry that
//! failed on, and consumers know an event by `(user_id, seq)`.

use std::collections::BTreeMap;

use aws_lambda_events::{
    dynamodb::{Event, EventRecord},
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use aws_sdk_kinesis::{primitives::Blob, types::PutRecordsRequestEntry};
use domain::{Entry, PlayerId};
use runtime::{
    Deps, Function, in_turns,
    push::{Body, Message, Queue},
};

/// Entries of one push message: far below what SQS takes.
const LONGEST_BURST: usize = 50;

/// Records of one `PutRecords`.
const RECORDS: usize = 500;

/// Builds the function.
///
/// # Errors
/// `EVENT_STREAM`, `PUSH_QUEUE_URL` or `FAILURE_QUEUE_URL` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let outbox = Outbox {
        kinesis: aws_sdk_kinesis::Client::new(deps.aws()),
        stream: deps.env.require("EVENT_STREAM")?.to_owned(),
        push: Queue::new(&deps)?,
        sqs: aws_sdk_sqs::Client::new(deps.aws()),
        failures: deps.env.require("FAILURE_QUEUE_URL")?.to_owned(),
    };
    Ok(Function::trigger(move |event: Event, _context| {
        let outbox = outbox.clone();
        async move { Ok(outbox.publish(event.records).await) }
    }))
}

#[derive(Clone)]
struct Outbox {
    kinesis: aws_sdk_kinesis::Client,
    stream: String,
    push: Queue,
    sqs: aws_sdk_sqs::Client,
    failures: String,
}

/// Why publishing stopped, and at which record of the batch.
#[derive(Debug, thiserror::Error)]
#[error("record {index} of the batch was not published")]
struct Stopped {
    index: usize,
    #[source]
    cause: Box<dyn std::error::Error + Send + Sync>,
}

impl Stopped {
    /// The whole batch comes back: nothing of it is in the event stream yet, and
    /// all before the record that an answer names counts as published.
    fn at_first(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { index: 0, cause: Box::new(cause) }
    }
}

/// A batch, read: where each entry stood in it, and what is no entry.
#[derive(Default)]
struct Batch {
    indices: Vec<usize>,
    entries: Vec<Entry>,
    poison: Vec<Poison>,
}

/// A record that no retry can make readable.
struct Poison {
    index: usize,
    /// The record as it came, and why it is no entry.
    body: String,
}

impl Outbox {
    /// Publishes the batch up to the first record that fails; the answer names it,
    /// so that the stream comes back to it and everything after it, in order, for
    /// as long as it keeps them. A record counts only once every step took it. A poison record is set aside, so that it holds up
    /// nothing and is not lost.
    ///
    /// Frames go before events: what an event sets off, such as the statistics'
    /// frame, then cannot overtake the frames of its entry.
    async fn publish(&self, records: Vec<EventRecord>) -> DynamoDbEventResponse {
        let sequence_numbers: Vec<_> =
            records.iter().map(|record| record.change.sequence_number.clone()).collect();
        let batch = Batch::read(records);
        let published = async {
            self.set_aside(&batch.poison).await?;
            self.push(&batch).await?;
            self.stream(&batch).await
        };

        let mut answer = DynamoDbEventResponse::default();
        if let Err(Stopped { index, cause }) = published.await {
            tracing::error!(index, cause = %chain(&*cause), "the batch comes back from here");
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = sequence_numbers[index].clone();
            answer.batch_item_failures.push(failure);
        } else {
            tracing::debug!(entries = batch.entries.len(), "published");
        }
        answer
    }

    async fn set_aside(&self, poison: &[Poison]) -> Result<(), Stopped> {
        for Poison { index, body } in poison {
            tracing::error!(index, "set a record aside: it is no journal entry");
            self.sqs
                .send_message()
                .queue_url(&self.failures)
                .message_body(body)
                .send()
                .await
                .map_err(Stopped::at_first)?;
        }
        Ok(())
    }

    async fn push(&self, batch: &Batch) -> Result<(), Stopped> {
        self.push.send(&messages(&batch.entries)).await.map_err(Stopped::at_first)
    }

    async fn stream(&self, batch: &Batch) -> Result<(), Stopped> {
        let mut published = vec![false; batch.entries.len()];
        for turn in in_turns(&batch.entries, RECORDS, |entry| entry.player) {
            let put = self.put(turn.iter().map(|&entry| &batch.entries[entry])).await;
            let failure = match put {
                Err(error) => Some(error),
                Ok(refusals) => {
                    for (&entry, refusal) in turn.iter().zip(&refusals) {
                        published[entry] = refusal.is_none();
                    }
                    refusals.into_iter().flatten().next().map(Into::into)
                }
            };
            if let Some(cause) = failure {
                let first = published.iter().position(|published| !published).unwrap_or(0);
                return Err(Stopped { index: batch.indices[first], cause });
            }
        }
        Ok(())
    }

    /// One call; for each entry why it was refused, if it was.
    async fn put(
        &self,
        entries: impl Iterator<Item = &Entry>,
    ) -> Result<Vec<Option<String>>, Box<dyn std::error::Error + Send + Sync>> {
        let records = entries.map(|entry| {
            let envelope =
                serde_json::to_vec(&domain::envelope(entry)).expect("envelopes serialize");
            PutRecordsRequestEntry::builder()
                .partition_key(entry.player.to_string())
                .data(Blob::new(envelope))
                .build()
                .expect("partition key and data are set")
        });
        let answer = self
            .kinesis
            .put_records()
            .stream_name(&self.stream)
            .set_records(Some(records.collect()))
            .send()
            .await?;
        Ok(answer.records().iter().map(|of| of.error_code().map(str::to_owned)).collect())
    }
}

impl Batch {
    fn read(records: Vec<EventRecord>) -> Self {
        let mut batch = Self::default();
        for (index, record) in records.into_iter().enumerate() {
            match store::decode_entry(record.change.new_image.clone()) {
                Ok(entry) => {
                    batch.indices.push(index);
                    batch.entries.push(entry);
                }
                Err(error) => {
                    let body = serde_json::json!({ "reason": chain(&error), "record": record });
                    batch.poison.push(Poison { index, body: body.to_string() });
                }
            }
        }
        batch
    }
}

/// A burst of one player's entries travels as one message, so that a busy player
/// costs no more than a quiet one.
fn messages(entries: &[Entry]) -> Vec<Message> {
    let mut bursts: Vec<Vec<&Entry>> = Vec::new();
    let mut open: BTreeMap<PlayerId, usize> = BTreeMap::new();
    for entry in entries {
        let burst = open.get(&entry.player).copied().filter(|&at| bursts[at].len() < LONGEST_BURST);
        if let Some(at) = burst {
            bursts[at].push(entry);
        } else {
            open.insert(entry.player, bursts.len());
            bursts.push(vec![entry]);
        }
    }
    bursts.iter().flat_map(|burst| messages_of(burst)).collect()
}

/// The frames of a burst, and after them, that sockets are to part. Who is sent away has
/// heard why, unless an earlier login's message finds the later logout done already.
fn messages_of(burst: &[&Entry]) -> Vec<Message> {
    let player = burst[0].player;
    let frames: Vec<_> = burst.iter().flat_map(|entry| domain::frames(entry)).collect();
    let ended = burst.iter().rfind(|entry| entry.fact.may_end_sessions());
    let part = ended.map(|entry| Message { player, body: Body::Part { seq: entry.seq } });
    std::iter::once(Message::frames(player, &frames)).chain(part).collect()
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
