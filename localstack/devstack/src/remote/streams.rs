//! DynamoDB Streams and Kinesis, read over the network.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{
    sync::{OnceCell, watch},
    task::AbortHandle,
};

use super::wire::{Client, Service};
use crate::triggers::{Content, Record, ShardSource};

/// Between two looks at a stream. AWS takes a quarter of a second for a table and
/// a second for Kinesis.
const LOOK: Duration = Duration::from_millis(100);

/// The most that `GetRecords` of DynamoDB Streams gives at once.
const PAGE: usize = 1_000;

/// Which stream.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The change stream of the named table.
    Table(String),
    /// The named Kinesis stream.
    Kinesis(String),
}

/// A stream of one mapping.
pub struct Stream {
    client: Client,
    kind: Kind,
    /// Of a table's stream, which has a label that nobody can know.
    arn: OnceCell<String>,
    /// By shard: the position an iterator stands behind, and the iterator.
    iterators: Mutex<HashMap<String, (Option<String>, String)>>,
    looks: watch::Receiver<u64>,
    looking: AbortHandle,
}

impl Stream {
    /// Nobody tells when something was written, so it is looked for again and
    /// again until this is dropped.
    #[expect(clippy::disallowed_methods, reason = "a period is what is waited for")]
    pub fn new(client: Client, kind: Kind) -> Self {
        let (look, looks) = watch::channel(0);
        let looking = tokio::spawn(async move {
            while !look.is_closed() {
                tokio::time::sleep(LOOK).await;
                look.send_modify(|count| *count += 1);
            }
        });
        let looking = looking.abort_handle();
        Self { client, kind, arn: OnceCell::new(), iterators: Mutex::default(), looks, looking }
    }

    fn service(&self) -> Service {
        match self.kind {
            Kind::Table(_) => Service::DynamoStreams,
            Kind::Kinesis(_) => Service::Kinesis,
        }
    }

    /// What names the stream in a request.
    async fn named(&self) -> Result<Value> {
        match &self.kind {
            Kind::Kinesis(stream) => Ok(json!({ "StreamName": stream })),
            Kind::Table(table) => {
                let arn = self.arn.get_or_try_init(|| self.find_arn(table)).await?;
                Ok(json!({ "StreamArn": arn }))
            }
        }
    }

    async fn find_arn(&self, table: &str) -> Result<String> {
        let named = json!({ "TableName": table });
        let described = self.client.call(Service::Dynamo, "DescribeTable", &named).await?;
        let arn = described["Table"]["LatestStreamArn"].as_str();
        Ok(arn.with_context(|| format!("table {table} has no stream"))?.to_owned())
    }

    /// An iterator that stands behind `after`.
    async fn iterator(&self, shard: &str, after: Option<&str>) -> Result<String> {
        // Taken, not copied: one that has failed is not used again.
        if let Some((stands, iterator)) = self.iterators().remove(shard)
            && stands.as_deref() == after
        {
            return Ok(iterator);
        }
        let mut asked = self.named().await?;
        asked["ShardId"] = shard.into();
        asked["ShardIteratorType"] = "TRIM_HORIZON".into();
        if let Some(after) = after {
            asked["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER".into();
            // Each service has its own name for it.
            let member = match self.kind {
                Kind::Table(_) => "SequenceNumber",
                Kind::Kinesis(_) => "StartingSequenceNumber",
            };
            asked[member] = after.into();
        }
        let answer = self.client.call(self.service(), "GetShardIterator", &asked).await?;
        Ok(answer["ShardIterator"].as_str().context("no ShardIterator")?.to_owned())
    }

    fn record(&self, record: &Value) -> Result<Record> {
        match self.kind {
            Kind::Table(_) => table_record(record),
            Kind::Kinesis(_) => kinesis_record(record),
        }
    }

    fn iterators(&self) -> MutexGuard<'_, HashMap<String, (Option<String>, String)>> {
        self.iterators.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

#[async_trait]
impl ShardSource for Stream {
    async fn shards(&self) -> Result<Vec<String>> {
        let named = self.named().await?;
        let shards = match self.kind {
            Kind::Kinesis(_) => self.client.call(Service::Kinesis, "ListShards", &named).await?,
            Kind::Table(_) => {
                let service = Service::DynamoStreams;
                let mut described = self.client.call(service, "DescribeStream", &named).await?;
                described["StreamDescription"].take()
            }
        };
        let shards = shards["Shards"].as_array().context("no Shards")?.iter();
        shards
            .map(|shard| Ok(shard["ShardId"].as_str().context("no ShardId")?.to_owned()))
            .collect()
    }

    async fn read(&self, shard: &str, after: Option<&str>, limit: usize) -> Result<Vec<Record>> {
        let iterator = self.iterator(shard, after).await?;
        let asked = json!({ "ShardIterator": iterator, "Limit": limit.min(PAGE) });
        let answer = self.client.call(self.service(), "GetRecords", &asked).await?;
        let records = answer["Records"].as_array().context("no Records")?.iter();
        let records = records.map(|record| self.record(record)).collect::<Result<Vec<_>>>()?;
        if let Some(next) = answer["NextShardIterator"].as_str() {
            let stands = records.last().map(|last| last.sequence.as_str()).or(after);
            let stands = stands.map(str::to_owned);
            self.iterators().insert(shard.to_owned(), (stands, next.to_owned()));
        }
        Ok(records)
    }

    async fn latest(&self, shard: &str) -> Result<Option<String>> {
        let mut after: Option<String> = None;
        while let Some(last) = self.read(shard, after.as_deref(), PAGE).await?.pop() {
            after = Some(last.sequence);
        }
        Ok(after)
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.looks.clone()
    }

    fn pace(&self) -> Duration {
        LOOK
    }
}

fn table_record(record: &Value) -> Result<Record> {
    let change = &record["dynamodb"];
    Ok(Record {
        sequence: change["SequenceNumber"].as_str().context("no SequenceNumber")?.to_owned(),
        arrived: instant(&change["ApproximateCreationDateTime"])?,
        content: Content::Table(record.clone()),
    })
}

fn kinesis_record(record: &Value) -> Result<Record> {
    let text = |name: &str| record[name].as_str().with_context(|| format!("no {name}"));
    Ok(Record {
        sequence: text("SequenceNumber")?.to_owned(),
        arrived: instant(&record["ApproximateArrivalTimestamp"])?,
        content: Content::Kinesis {
            partition_key: text("PartitionKey")?.to_owned(),
            data: BASE64_STANDARD.decode(text("Data")?)?,
        },
    })
}

/// From epoch seconds, whole or not.
fn instant(seconds: &Value) -> Result<Timestamp> {
    let seconds = seconds.as_f64().context("no time of arrival")?;
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of this era fit")]
    Ok(Timestamp::from_millisecond((seconds * 1_000.0) as i64)?)
}
