//! The engines as the triggers want them.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use async_trait::async_trait;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use dynoxide::actions::{
    get_records::GetRecordsRequest, get_shard_iterator::GetShardIteratorRequest,
};
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::{OnceCell, watch};

use crate::{
    engine::{Engine, queue_url},
    spec::{Source, Spec},
    triggers::{Checkpoints, Content, Destination, Message, Queue, Record, ShardSource, Sources},
};

/// Messages of one `ReceiveMessage` or `DeleteMessageBatch`.
const SQS_BATCH: usize = 10;

/// Between reads of a busy table stream: AWS takes a quarter of a second; frames
/// are to be on the socket sooner here.
const TABLE_PACE: Duration = Duration::from_millis(10);

/// Between reads of a busy Kinesis shard: AWS takes a second.
const KINESIS_PACE: Duration = Duration::from_millis(100);

/// One engine, as sources, destination and checkpoints.
pub struct Adapters {
    engine: Arc<Engine>,
    sqs: aws_sdk_sqs::Client,
    /// Kinesis stream of each mapping that reads one.
    kinesis_mappings: Vec<(String, String)>,
}

impl Adapters {
    pub fn new(engine: &Arc<Engine>, spec: &Spec) -> Self {
        let kinesis = spec.mappings.iter().filter_map(|mapping| match &mapping.source {
            Source::Kinesis { stream } => Some((mapping.name.clone(), stream.clone())),
            Source::TableStream { .. } | Source::Queue { .. } => None,
        });
        Self {
            engine: Arc::clone(engine),
            sqs: aws_sdk_sqs::Client::new(&engine.sdk_config_for("triggers")),
            kinesis_mappings: kinesis.collect(),
        }
    }
}

impl Sources for Adapters {
    fn stream(&self, source: &Source) -> Result<Arc<dyn ShardSource>> {
        let engine = Arc::clone(&self.engine);
        Ok(match source {
            Source::TableStream { table } => {
                Arc::new(TableStream { engine, table: table.clone(), arn: OnceCell::new() })
            }
            Source::Kinesis { stream } => {
                Arc::new(KinesisStream { engine, stream: stream.clone() })
            }
            Source::Queue { queue } => return Err(anyhow!("{queue} is a queue, not a stream")),
        })
    }

    fn queue(&self, name: &str) -> Result<Arc<dyn Queue>> {
        Ok(Arc::new(SqsQueue { sqs: self.sqs.clone(), url: queue_url(name) }))
    }
}

struct TableStream {
    engine: Arc<Engine>,
    table: String,
    arn: OnceCell<String>,
}

#[async_trait]
impl ShardSource for TableStream {
    async fn shards(&self) -> Result<Vec<String>> {
        Ok(vec![dynoxide::streams::shard_id(&self.table)])
    }

    async fn read(&self, shard: &str, after: Option<&str>, limit: usize) -> Result<Vec<Record>> {
        let request = |arn| GetShardIteratorRequest {
            stream_arn: arn,
            shard_id: shard.to_owned(),
            shard_iterator_type: match after {
                Some(_) => "AFTER_SEQUENCE_NUMBER".to_owned(),
                None => "TRIM_HORIZON".to_owned(),
            },
            sequence_number: after.map(str::to_owned),
        };
        let arn = self.arn.get_or_try_init(|| self.find_arn()).await?;
        let request = request(arn.clone());
        let records = self
            .engine
            .with_database(move |database| {
                let iterator = database.get_shard_iterator(request)?.shard_iterator;
                let shard_iterator = iterator.unwrap_or_default();
                database.get_records(GetRecordsRequest { shard_iterator, limit: Some(limit) })
            })
            .await
            .map_err(|error| anyhow!("{error}"))?
            .records;
        records.into_iter().map(table_record).collect()
    }

    async fn latest(&self, shard: &str) -> Result<Option<String>> {
        let mut after: Option<String> = None;
        loop {
            let read = self.read(shard, after.as_deref(), 1000).await?;
            match read.last() {
                Some(last) => after = Some(last.sequence.clone()),
                None => return Ok(after),
            }
        }
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.engine.changes(&Source::TableStream { table: self.table.clone() })
    }

    fn pace(&self) -> Duration {
        TABLE_PACE
    }
}

impl TableStream {
    async fn find_arn(&self) -> Result<String> {
        let request: dynoxide::actions::describe_table::DescribeTableRequest =
            serde_json::from_value(serde_json::json!({ "TableName": self.table }))?;
        let described = self
            .engine
            .with_database(move |database| database.describe_table(request))
            .await
            .map_err(|error| anyhow!("{error}"))?;
        serde_json::to_value(described)?["Table"]["LatestStreamArn"]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("table {} has no stream", self.table))
    }
}

fn table_record(record: dynoxide::actions::get_records::Record) -> Result<Record> {
    let content = serde_json::to_value(record)?;
    let sequence = content["dynamodb"]["SequenceNumber"].as_str().context("a record's sequence")?;
    #[expect(clippy::cast_possible_truncation, reason = "epoch seconds fit")]
    let seconds =
        content["dynamodb"]["ApproximateCreationDateTime"].as_f64().unwrap_or_default() as i64;
    Ok(Record {
        sequence: sequence.to_owned(),
        arrived: Timestamp::from_second(seconds)?,
        content: Content::Table(content),
    })
}

struct KinesisStream {
    engine: Arc<Engine>,
    stream: String,
}

#[async_trait]
impl ShardSource for KinesisStream {
    async fn shards(&self) -> Result<Vec<String>> {
        self.engine.kinesis_shards(&self.stream).context("there is no such stream")
    }

    async fn read(&self, shard: &str, after: Option<&str>, limit: usize) -> Result<Vec<Record>> {
        let records = self.engine.kinesis_read(&self.stream, shard, after, limit);
        let records = records.context("there is no such shard")?;
        records
            .into_iter()
            .map(|(sequence, record)| {
                Ok(Record {
                    sequence,
                    arrived: Timestamp::from_millisecond(record.arrived_ms)?,
                    content: Content::Kinesis {
                        data: BASE64_STANDARD.decode(&record.data)?,
                        partition_key: record.partition_key,
                    },
                })
            })
            .collect()
    }

    async fn latest(&self, _shard: &str) -> Result<Option<String>> {
        Ok(Some(self.engine.kinesis_latest()))
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.engine.changes(&Source::Kinesis { stream: self.stream.clone() })
    }

    fn pace(&self) -> Duration {
        KINESIS_PACE
    }
}

struct SqsQueue {
    sqs: aws_sdk_sqs::Client,
    url: String,
}

#[async_trait]
impl Queue for SqsQueue {
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        while messages.len() < max {
            let most = (max - messages.len()).min(SQS_BATCH);
            // Only the first call waits: what is there is taken at once.
            let seconds = if messages.is_empty() { whole_seconds(wait) } else { 0 };
            let received = self
                .sqs
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(i32::try_from(most)?)
                .wait_time_seconds(seconds)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .message_attribute_names("All")
                .send()
                .await?;
            let received = received.messages.unwrap_or_default();
            let few = received.len() < most;
            messages.extend(received.into_iter().map(message));
            if few {
                break;
            }
        }
        Ok(messages)
    }

    async fn delete(&self, receipt_handles: &[String]) -> Result<()> {
        for chunk in receipt_handles.chunks(SQS_BATCH) {
            let entries = chunk.iter().enumerate().map(|(index, handle)| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(handle)
                    .build()
            });
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            self.sqs
                .delete_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries))
                .send()
                .await?;
        }
        Ok(())
    }

    async fn backlog(&self) -> Result<usize> {
        let counted = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let answer = self
            .sqs
            .get_queue_attributes()
            .queue_url(&self.url)
            .set_attribute_names(Some(counted.to_vec()))
            .send()
            .await?;
        let attributes = answer.attributes.unwrap_or_default();
        let count = |name| attributes.get(name).and_then(|count| count.parse::<usize>().ok());
        Ok(counted.iter().filter_map(count).sum())
    }
}

/// Up, never down: an early nothing would be asked again at once.
fn whole_seconds(wait: Duration) -> i32 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    i32::try_from(seconds.min(20)).unwrap_or(20)
}

fn message(message: aws_sdk_sqs::types::Message) -> Message {
    let attributes = message.attributes.unwrap_or_default().into_iter();
    let text = |text: Option<String>| text.unwrap_or_default();
    Message {
        id: text(message.message_id),
        receipt_handle: text(message.receipt_handle),
        body: text(message.body),
        md5_of_body: text(message.md5_of_body),
        attributes: attributes
            .map(|(name, value)| (name.as_str().to_owned(), Value::String(value)))
            .collect(),
        // The product's messages have none.
        message_attributes: Value::Object(Map::new()),
    }
}

#[async_trait]
impl Destination for Adapters {
    async fn send(&self, queue: &str, body: String) -> Result<()> {
        self.sqs.send_message().queue_url(queue_url(queue)).message_body(body).send().await?;
        Ok(())
    }
}

#[async_trait]
impl Checkpoints for Adapters {
    async fn get(&self, mapping: &str, shard: &str) -> Result<Option<String>> {
        Ok(self.engine.checkpoint(mapping, shard))
    }

    async fn set(&self, mapping: &str, shard: &str, position: &str) -> Result<()> {
        match self.kinesis_mappings.iter().find(|(name, _)| name == mapping) {
            Some((_, stream)) => self.engine.kinesis_passed(stream, shard, mapping, position),
            None => self.engine.set_checkpoint(mapping, shard, position),
        }
    }
}
