//! Journal entries → event stream and push queue: the one way out, for the records of
//! the table's stream, for those that were set aside, and for those that were given up.
//!
//! Every journal entry becomes one envelope and the frames of its player. At least
//! once: what is not known to have arrived is published again, and consumers know an
//! event by `(user_id, seq)`.

mod failures;

use std::collections::BTreeMap;

use aws_sdk_kinesis::{primitives::Blob, types::PutRecordsRequestEntry};
use domain::{Entry, PlayerId};
use runtime::{
    Deps, MissingVariable, in_turns,
    push::{Body, Message, Queue},
};
use store::boxed;

pub use failures::{FailureQueue, NotSetAside, SetAside};

/// Entries of one push message: far below what SQS takes.
const LONGEST_BURST: usize = 50;

/// Records of one `PutRecords`.
const RECORDS: usize = 500;

/// Publishes entries.
#[derive(Clone)]
pub struct Publisher {
    kinesis: aws_sdk_kinesis::Client,
    stream: String,
    push: Queue,
}

/// Why publishing stopped, and at which entry.
#[derive(Debug, thiserror::Error)]
#[error("entry {index} was not published")]
pub struct Stopped {
    /// Every entry before it counts as published.
    pub index: usize,
    #[source]
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

impl Publisher {
    /// To the stream of `EVENT_STREAM` and the queue of `PUSH_QUEUE_URL`.
    ///
    /// # Errors
    /// One of them is not set.
    pub fn new(deps: &Deps) -> Result<Self, MissingVariable> {
        Ok(Self {
            kinesis: aws_sdk_kinesis::Client::new(deps.aws()),
            stream: deps.env.require("EVENT_STREAM")?.to_owned(),
            push: Queue::new(deps)?,
        })
    }

    /// Publishes the entries, of each player in order, up to the first that fails.
    ///
    /// Frames go before events: what an event sets off, such as the statistics' frame,
    /// then cannot overtake the frames of its entry.
    ///
    /// # Errors
    /// Where it stopped.
    ///
    /// # Panics
    /// When an envelope does not serialize, which is a defect.
    #[boxed]
    pub async fn publish(&self, entries: &[Entry]) -> Result<(), Stopped> {
        // Of what is pushed nothing is in the event stream yet.
        let at_first = |error| Stopped { index: 0, cause: Box::new(error) };
        self.push.send(&messages(entries)).await.map_err(at_first)?;
        let mut published = vec![false; entries.len()];
        for turn in in_turns(entries, RECORDS, |entry| entry.player) {
            let put = self.put(turn.iter().map(|&entry| &entries[entry])).await;
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
                let index = published.iter().position(|published| !published).unwrap_or(0);
                return Err(Stopped { index, cause });
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
    let frames = burst.iter().flat_map(|entry| domain::frames(entry)).collect();
    let frames = domain::coalesced(frames);
    let ended = burst.iter().rfind(|entry| entry.fact.may_end_sessions());
    let part = ended.map(|entry| Message { player, body: Body::Part { seq: entry.seq } });
    std::iter::once(Message::frames(player, &frames)).chain(part).collect()
}
