//! The failure queue of the outbox: who writes to it, and what its messages say.

use std::error::Error;

use domain::dead_letter::RecordKey;
use jiff::{SignedDuration, Timestamp};
use runtime::{Deps, MissingVariable, chain};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::boxed;

/// Journal records that nobody could read, for `outbox-retry`.
#[derive(Clone)]
pub struct FailureQueue {
    sqs: aws_sdk_sqs::Client,
    url: String,
}

/// A message of the queue: a record that is no journal entry, and why.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SetAside {
    reason: String,
    /// As the table's stream has it, or so much of that as says which it is.
    record: Value,
}

/// Why a record was not set aside.
#[derive(Debug, thiserror::Error)]
#[error("a record was not set aside")]
pub struct NotSetAside(#[source] Box<dyn Error + Send + Sync>);

impl FailureQueue {
    /// The queue of `FAILURE_QUEUE_URL`.
    ///
    /// # Errors
    /// The variable is not set.
    pub fn new(deps: &Deps) -> Result<Self, MissingVariable> {
        Ok(Self {
            sqs: aws_sdk_sqs::Client::new(deps.aws()),
            url: deps.env.require("FAILURE_QUEUE_URL")?.to_owned(),
        })
    }

    /// Sets a record aside, so that it holds up nothing and is not lost.
    ///
    /// # Errors
    /// The queue does not take it.
    ///
    /// # Panics
    /// When the message does not serialize, which is a defect.
    #[boxed]
    pub async fn set_aside(&self, message: &SetAside) -> Result<(), NotSetAside> {
        let body = serde_json::to_string(message).expect("messages serialize");
        let sent = self.sqs.send_message().queue_url(&self.url).message_body(body).send().await;
        sent.map(drop).map_err(|error| NotSetAside(Box::new(error)))
    }
}

impl SetAside {
    /// A record of the table's stream, as it came.
    ///
    /// # Panics
    /// When the record does not serialize, which is a defect.
    #[must_use]
    pub fn of_record(record: &impl Serialize, reason: &store::Error) -> Self {
        let record = serde_json::to_value(record).expect("records serialize");
        Self { reason: chain(reason), record }
    }

    /// A record that the stream did not deliver, by its key.
    #[must_use]
    pub fn of_key(key: &RecordKey, reason: &store::Error) -> Self {
        let keys = json!({ "pk": { "S": key.pk }, "sk": { "S": key.sk } });
        Self { reason: chain(reason), record: json!({ "dynamodb": { "Keys": keys } }) }
    }

    /// The message with this body; of another body, one that names no record.
    #[must_use]
    pub fn read(body: &str) -> Self {
        serde_json::from_str(body).unwrap_or_default()
    }

    /// Which record it is about, if it says so.
    #[must_use]
    pub fn record_key(&self) -> Option<RecordKey> {
        let text =
            |pointer| self.record.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Some(RecordKey { pk: text("/dynamodb/Keys/pk/S")?, sk: text("/dynamodb/Keys/sk/S")? })
    }

    /// When the record was written: the same in every message about it.
    #[must_use]
    pub fn written_at(&self) -> Option<Timestamp> {
        let seconds = self.record.pointer("/dynamodb/ApproximateCreationDateTime")?.as_f64()?;
        Timestamp::from_duration(SignedDuration::try_from_secs_f64(seconds).ok()?).ok()
    }
}
