//! Kinesis: shards, records and iterators as the JSON protocol shows them.
//!
//! Not here, because nothing local needs it: creating and resharding streams
//! by API, enhanced fan-out, encryption, tags. Records stay readable for 24
//! hours, the default retention.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::{Answer, ApiError},
    now_ms,
    signals::Signals,
    spool::{Spool, StoredRecord},
    stream_arn,
};
use crate::spec::{MappingSpec, Source, StreamSpec};

const RETENTION_MS: i64 = 24 * 60 * 60 * 1000;
const RECORD_MAX_BYTES: usize = 1 << 20;
const RECORDS_MAX: usize = 500;
const READ_MAX: usize = 10_000;
const READ_MAX_BYTES: usize = 10 << 20;

/// All streams of the stack.
#[derive(Debug)]
pub(super) struct Kinesis {
    streams: HashMap<String, Stream>,
    next: AtomicU64,
    spool: Arc<Spool>,
    signals: Arc<Signals>,
}

#[derive(Debug)]
struct Stream {
    name: String,
    /// Mappings that must pass a record before the spool forgets it.
    consumers: Vec<String>,
    shards: Vec<Mutex<VecDeque<StoredRecord>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    data: String,
    partition_key: String,
    explicit_hash_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutMany {
    records: Vec<Put>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IteratorRequest {
    shard_id: String,
    shard_iterator_type: String,
    starting_sequence_number: Option<String>,
    timestamp: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetRecords {
    shard_iterator: String,
    limit: Option<usize>,
}

impl Kinesis {
    /// Makes the streams and puts back what the spool holds for them.
    pub(super) fn open(
        specs: &[StreamSpec],
        mappings: &[MappingSpec],
        spool: Arc<Spool>,
        signals: Arc<Signals>,
    ) -> anyhow::Result<Self> {
        let streams: HashMap<_, _> =
            specs.iter().map(|spec| (spec.name.clone(), Stream::new(spec, mappings))).collect();
        let next = AtomicU64::new(spool.high_water()?.1 + 1);
        let kinesis = Self { streams, next, spool, signals };
        kinesis.load()?;
        Ok(kinesis)
    }

    fn load(&self) -> anyhow::Result<()> {
        let mut moved = Vec::new();
        for record in self.spool.records()? {
            let Some(stream) = self.streams.get(&record.stream) else {
                continue;
            };
            let shard = stream.shard_for(&record.partition_key, None);
            if shard_id(shard) == record.shard {
                stream.lock(shard).push_back(record);
            } else {
                moved.push((stream, shard, record));
            }
        }
        // The template's shard count changed. Readers of the new shard may be
        // past these sequences already, so they get others.
        for (stream, shard, mut record) in moved {
            let stale = record.seq;
            record.seq = self.next.fetch_add(1, Ordering::Relaxed);
            record.shard = shard_id(shard);
            self.spool.replace_record(stale, &record)?;
            stream.lock(shard).push_back(record);
        }
        Ok(())
    }

    pub(super) fn call(&self, operation: &str, body: &[u8]) -> Answer {
        match operation {
            "PutRecord" => self.put_record(body),
            "PutRecords" => self.put_records(body),
            "GetShardIterator" => self.shard_iterator(body),
            "GetRecords" => self.get_records(body),
            "ListShards" => {
                self.addressed(body).map(|stream| json!({ "Shards": stream.describe_shards() }))
            }
            "DescribeStream" => {
                self.addressed(body).map(|stream| json!({ "StreamDescription": stream.describe() }))
            }
            "DescribeStreamSummary" => self.addressed(body).map(|stream| {
                let mut summary = stream.describe();
                summary["OpenShardCount"] = json!(stream.shards.len());
                json!({ "StreamDescriptionSummary": summary })
            }),
            other => Err(ApiError::new(
                "UnknownOperationException",
                format!("{other} is not served here"),
            )),
        }
        .into()
    }

    /// Forgets the spooled records of a shard that all consumers have passed.
    pub(super) fn prune(&self, stream: &str, shard: &str) -> rusqlite::Result<()> {
        let Some(stream) = self.streams.get(stream) else {
            return Ok(());
        };
        let passed = stream.consumers.iter().map(|mapping| {
            let sequence = self.spool.checkpoint(mapping, shard);
            sequence.and_then(|s| parse_sequence(&s)).unwrap_or_default()
        });
        match passed.min() {
            Some(seq) if seq > 0 => self.spool.drop_records(&stream.name, shard, seq),
            _ => Ok(()),
        }
    }

    fn addressed(&self, body: &[u8]) -> Result<&Stream, ApiError> {
        #[derive(Deserialize)]
        struct Addressed {
            #[serde(rename = "StreamName")]
            name: Option<String>,
            #[serde(rename = "StreamARN")]
            arn: Option<String>,
        }
        let Addressed { name, arn } = serde_json::from_slice(body)?;
        let name = name.or_else(|| Some(arn?.rsplit('/').next()?.to_owned()));
        let name = name.unwrap_or_default();
        self.streams.get(&name).ok_or_else(|| {
            ApiError::new(
                "ResourceNotFoundException",
                format!("Stream {name} under account {} not found.", super::ACCOUNT),
            )
        })
    }

    fn put_record(&self, body: &[u8]) -> Result<Value, ApiError> {
        let stream = self.addressed(body)?;
        let records = self.append(stream, vec![serde_json::from_slice(body)?])?;
        Ok(records.into_iter().next().expect("one in, one out"))
    }

    fn put_records(&self, body: &[u8]) -> Result<Value, ApiError> {
        let stream = self.addressed(body)?;
        let PutMany { records } = serde_json::from_slice(body)?;
        if records.is_empty() || records.len() > RECORDS_MAX {
            return Err(invalid(format!(
                "1 to {RECORDS_MAX} records can be put at once, not {}",
                records.len()
            )));
        }
        let records = self.append(stream, records)?;
        Ok(json!({ "FailedRecordCount": 0, "Records": records }))
    }

    /// Spools, then publishes. Sequences are given under the locks of all
    /// shards concerned, so that a reader never sees them out of order.
    fn append(&self, stream: &Stream, puts: Vec<Put>) -> Result<Vec<Value>, ApiError> {
        let arrived_ms = now_ms();
        let mut placed = Vec::with_capacity(puts.len());
        for put in puts {
            if put.data.len() / 4 * 3 > RECORD_MAX_BYTES {
                return Err(invalid(format!("a record is limited to {RECORD_MAX_BYTES} bytes")));
            }
            let shard = stream.shard_for(&put.partition_key, put.explicit_hash_key.as_deref());
            placed.push((shard, put));
        }
        let mut shards: Vec<_> = (0..stream.shards.len()).map(|n| stream.lock(n)).collect();
        let records: Vec<(usize, StoredRecord)> = placed
            .into_iter()
            .map(|(shard, put)| {
                let record = StoredRecord {
                    seq: self.next.fetch_add(1, Ordering::Relaxed),
                    stream: stream.name.clone(),
                    shard: shard_id(shard),
                    partition_key: put.partition_key,
                    data: put.data,
                    arrived_ms,
                };
                (shard, record)
            })
            .collect();
        if !stream.consumers.is_empty() {
            let kept: Vec<_> = records.iter().map(|(_, record)| record.clone()).collect();
            self.spool.keep_records(&kept)?;
        }
        let mut answers = Vec::with_capacity(records.len());
        for (shard, record) in records {
            answers.push(json!({
                "ShardId": record.shard, "SequenceNumber": sequence(record.seq),
            }));
            let shard = &mut shards[shard];
            while shard.front().is_some_and(|old| old.arrived_ms + RETENTION_MS < arrived_ms) {
                shard.pop_front();
            }
            shard.push_back(record);
        }
        drop(shards);
        self.signals.stream(&stream.name);
        Ok(answers)
    }

    fn shard_iterator(&self, body: &[u8]) -> Result<Value, ApiError> {
        let stream = self.addressed(body)?;
        let request: IteratorRequest = serde_json::from_slice(body)?;
        let shard = stream.shard(&request.shard_id)?;
        let given = || {
            let text = request.starting_sequence_number.as_deref();
            text.and_then(parse_sequence)
                .ok_or_else(|| invalid("StartingSequenceNumber is missing or invalid"))
        };
        // The iterator holds the first sequence it may give.
        let from = match request.shard_iterator_type.as_str() {
            "TRIM_HORIZON" => 0,
            "LATEST" => self.next.load(Ordering::Relaxed),
            "AT_SEQUENCE_NUMBER" => given()?,
            "AFTER_SEQUENCE_NUMBER" => given()? + 1,
            "AT_TIMESTAMP" => {
                #[allow(clippy::cast_possible_truncation, reason = "epoch milliseconds fit")]
                let at = (request.timestamp.unwrap_or_default() * 1000.0) as i64;
                let records = stream.lock(shard);
                let first = records.iter().find(|record| record.arrived_ms >= at);
                first.map_or_else(|| self.next.load(Ordering::Relaxed), |record| record.seq)
            }
            other => return Err(invalid(format!("no such ShardIteratorType: {other}"))),
        };
        Ok(json!({ "ShardIterator": iterator(&stream.name, shard, from) }))
    }

    fn get_records(&self, body: &[u8]) -> Result<Value, ApiError> {
        let request: GetRecords = serde_json::from_slice(body)?;
        let (stream, shard, from) = parse_iterator(&request.shard_iterator)
            .and_then(|(stream, shard, from)| Some((self.streams.get(&stream)?, shard, from)))
            .filter(|(stream, shard, _)| *shard < stream.shards.len())
            .ok_or_else(|| ApiError::new("InvalidArgumentException", "Invalid ShardIterator."))?;
        let limit = request.limit.unwrap_or(READ_MAX).min(READ_MAX);
        let records = stream.lock(shard);
        let start = records.partition_point(|record| record.seq < from);
        let mut bytes = 0;
        let batch: Vec<&StoredRecord> = records
            .range(start..)
            .take(limit)
            .take_while(|record| {
                bytes += record.data.len();
                bytes <= READ_MAX_BYTES
            })
            .collect();
        let next = batch.last().map_or(from, |last| last.seq + 1);
        let behind = records.get(start + batch.len()).map_or(0, |r| now_ms() - r.arrived_ms);
        let entries: Vec<_> = batch.iter().map(|record| describe_record(record)).collect();
        Ok(json!({
            "Records": entries,
            "NextShardIterator": iterator(&stream.name, shard, next),
            "MillisBehindLatest": behind,
        }))
    }
}

/// What the triggers read: the same records, without a detour through JSON.
impl Kinesis {
    pub(super) fn shard_ids(&self, stream: &str) -> Option<Vec<String>> {
        Some((0..self.streams.get(stream)?.shards.len()).map(shard_id).collect())
    }

    /// Up to `limit` records of a shard after the one with sequence `after`.
    pub(super) fn read(
        &self,
        stream: &str,
        shard: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Option<Vec<(String, StoredRecord)>> {
        let stream = self.streams.get(stream)?;
        let records = stream.lock(stream.shard(shard).ok()?);
        let after = after.and_then(parse_sequence).unwrap_or(0);
        let start = records.partition_point(|record| record.seq <= after);
        let read = records.range(start..).take(limit);
        Some(read.map(|record| (sequence(record.seq), record.clone())).collect())
    }

    /// The sequence that the newest record has, or may have had.
    pub(super) fn latest(&self) -> String {
        sequence(self.next.load(Ordering::Relaxed).saturating_sub(1))
    }
}

impl Stream {
    fn new(spec: &StreamSpec, mappings: &[MappingSpec]) -> Self {
        let source = Source::Kinesis { stream: spec.name.clone() };
        Self {
            name: spec.name.clone(),
            consumers: mappings
                .iter()
                .filter(|mapping| mapping.enabled && mapping.source == source)
                .map(|mapping| mapping.name.clone())
                .collect(),
            shards: (0..spec.shards.max(1)).map(|_| Mutex::default()).collect(),
        }
    }

    /// Locks are always taken in the order of shards.
    fn lock(&self, shard: usize) -> MutexGuard<'_, VecDeque<StoredRecord>> {
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As Kinesis does: the MD5 of the key, in equal ranges of 128 bits.
    fn shard_for(&self, partition_key: &str, explicit: Option<&str>) -> usize {
        let hash = explicit
            .and_then(|hash| hash.parse().ok())
            .unwrap_or_else(|| u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into()));
        let index = hash / self.range();
        usize::try_from(index).map_or(0, |index| index.min(self.shards.len() - 1))
    }

    fn range(&self) -> u128 {
        (u128::MAX / self.shards.len() as u128).saturating_add(u128::from(self.shards.len() > 1))
    }

    fn shard(&self, id: &str) -> Result<usize, ApiError> {
        (0..self.shards.len()).find(|n| shard_id(*n) == id).ok_or_else(|| {
            ApiError::new(
                "ResourceNotFoundException",
                format!("Shard {id} in stream {} does not exist", self.name),
            )
        })
    }

    fn describe_shards(&self) -> Vec<Value> {
        let last = self.shards.len() - 1;
        let shard = |n: usize| {
            let start = self.range() * n as u128;
            let end = if n == last { u128::MAX } else { start + self.range() - 1 };
            json!({
                "ShardId": shard_id(n),
                "HashKeyRange": { "StartingHashKey": start.to_string(), "EndingHashKey": end.to_string() },
                "SequenceNumberRange": { "StartingSequenceNumber": sequence(0) },
            })
        };
        (0..=last).map(shard).collect()
    }

    fn describe(&self) -> Value {
        json!({
            "StreamName": self.name, "StreamARN": stream_arn(&self.name), "StreamStatus": "ACTIVE",
            "StreamModeDetails": { "StreamMode": "PROVISIONED" }, "Shards": self.describe_shards(),
            "HasMoreShards": false, "RetentionPeriodHours": 24, "StreamCreationTimestamp": 0,
            "EnhancedMonitoring": [], "EncryptionType": "NONE",
        })
    }
}

#[allow(clippy::cast_precision_loss, reason = "epoch milliseconds fit")]
fn describe_record(record: &StoredRecord) -> Value {
    json!({
        "SequenceNumber": sequence(record.seq), "PartitionKey": record.partition_key,
        "Data": record.data, "ApproximateArrivalTimestamp": record.arrived_ms as f64 / 1000.0,
    })
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", message)
}

fn shard_id(index: usize) -> String {
    format!("shardId-{index:012}")
}

/// 56 digits as Kinesis has them: in order as numbers and as text.
fn sequence(seq: u64) -> String {
    format!("49{seq:054}")
}

fn parse_sequence(text: &str) -> Option<u64> {
    text.strip_prefix("49")?.parse().ok()
}

fn iterator(stream: &str, shard: usize, from: u64) -> String {
    BASE64.encode(format!("{stream}/{shard}/{from}"))
}

fn parse_iterator(text: &str) -> Option<(String, usize, u64)> {
    let text = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
    let mut parts = text.split('/');
    let stream = parts.next()?.to_owned();
    Some((stream, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
