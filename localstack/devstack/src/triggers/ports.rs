//! What the triggers need from the engines below them and the functions above.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use crate::spec::Source;

/// A record of a table's change stream or of a Kinesis stream.
#[derive(Clone, Debug)]
pub struct Record {
    /// Unique in its shard and ascending in it. Opaque to the triggers.
    pub sequence: String,
    /// When the source accepted it.
    pub arrived: Timestamp,
    pub content: Content,
}

/// What a [`Record`] carries.
#[derive(Clone, Debug)]
pub enum Content {
    /// As `GetRecords` of DynamoDB Streams gives it: `eventID`, `eventName`,
    /// `dynamodb` with `Keys`, images, `SequenceNumber` and so on.
    Table(Value),
    /// A Kinesis record.
    Kinesis { partition_key: String, data: Vec<u8> },
}

/// A stream of ordered shards: a table's changes or a Kinesis stream.
#[async_trait]
pub trait ShardSource: Send + Sync {
    /// All shards. Asked once, when a mapping starts.
    async fn shards(&self) -> Result<Vec<String>>;

    /// Up to `limit` records after the one with sequence `after`, in order;
    /// from the oldest if `None`.
    async fn read(&self, shard: &str, after: Option<&str>, limit: usize) -> Result<Vec<Record>>;

    /// The sequence of the newest record, where `LATEST` begins.
    async fn latest(&self, shard: &str) -> Result<Option<String>>;

    /// A counter that moves after each write, once the record can be read.
    fn changed(&self) -> watch::Receiver<u64>;

    /// The least time between a read that found something and the next. AWS polls
    /// a table's stream four times a second and a Kinesis stream once; under load
    /// a pause is what lets batches form.
    fn pace(&self) -> Duration {
        Duration::ZERO
    }
}

/// A message as `ReceiveMessage` gives it, with all of its attributes.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    pub receipt_handle: String,
    pub body: String,
    pub md5_of_body: String,
    /// System attributes by AWS's names: `ApproximateReceiveCount`,
    /// `SentTimestamp`, `MessageGroupId`, `SequenceNumber`, …
    pub attributes: serde_json::Map<String, Value>,
    /// In the form of a Lambda event: `{"name": {"dataType", "stringValue", …}}`.
    pub message_attributes: Value,
}

/// An SQS queue. Visibility timeouts and redrive are the queue's business, and
/// so is that a FIFO group with a message in flight gives no further one.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Up to `max` messages as soon as there is one, nothing after `wait`,
    /// which may be rounded up but never down: an early nothing is asked again.
    /// `max` may be over 10. Dropping the future must not lose a message for
    /// longer than its visibility timeout.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Message>>;

    /// Deletes by receipt handle. A handle that is no longer good is no error.
    async fn delete(&self, receipt_handles: &[String]) -> Result<()>;

    /// Messages not yet deleted: visible, in flight and delayed.
    async fn backlog(&self) -> Result<usize>;
}

/// The engines by source. A source that does not exist is an error.
pub trait Sources: Send + Sync {
    /// The stream behind [`Source::TableStream`] or [`Source::Kinesis`].
    ///
    /// # Errors
    /// If there is no such stream.
    fn stream(&self, source: &Source) -> Result<Arc<dyn ShardSource>>;

    /// # Errors
    /// If there is no such queue.
    fn queue(&self, name: &str) -> Result<Arc<dyn Queue>>;
}

/// Where a stream mapping reports what it gave up.
#[async_trait]
pub trait Destination: Send + Sync {
    /// Sends one message to the named queue.
    async fn send(&self, queue: &str, body: String) -> Result<()>;
}

/// How far a mapping got in a shard. Must survive a crash of the process:
/// everything up to the stored position has been handled.
#[async_trait]
pub trait Checkpoints: Send + Sync {
    async fn get(&self, mapping: &str, shard: &str) -> Result<Option<String>>;

    async fn set(&self, mapping: &str, shard: &str, position: &str) -> Result<()>;
}
