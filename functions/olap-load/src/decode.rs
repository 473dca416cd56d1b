//! Records → rows. What is no event is told apart here, record by record.

use std::collections::HashMap;

use aws_lambda_events::kinesis::KinesisEventRecord;
use jiff::Timestamp;
use runtime::clickhouse::Rejected;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

/// A row of `events_log`, less what the table computes and the load's token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub event_type: String,
    /// Milliseconds since 1970.
    pub ts: i64,
    pub user_id: Uuid,
    pub seq: u64,
    pub trace_id: String,
    pub idempotency_key: Option<String>,
    pub version: u8,
    pub payload: String,
}

/// What tells one event from all others.
pub type Key = (Uuid, u64);

impl Event {
    /// The event's identity.
    pub const fn key(&self) -> Key {
        (self.user_id, self.seq)
    }
}

/// What a batch of records holds.
#[derive(Debug, Default)]
pub struct Batch {
    /// Each key once, in the order of the records.
    pub events: Vec<Event>,
    pub rejected: Vec<Rejected>,
}

/// Sorts a batch of records into events and the rest.
pub fn batch(records: &[KinesisEventRecord]) -> Batch {
    let mut batch = Batch::default();
    let mut seen: HashMap<Key, usize> = HashMap::with_capacity(records.len());
    for record in records {
        let reason = match decode(&record.kinesis.data.0) {
            Err(reason) => reason,
            Ok(event) => match seen.get(&event.key()) {
                None => {
                    seen.insert(event.key(), batch.events.len());
                    batch.events.push(event);
                    continue;
                }
                // The stream delivers at least once; also within a batch.
                Some(&first) if batch.events[first] == event => continue,
                Some(_) => "another event has the same user_id and seq".to_owned(),
            },
        };
        batch.rejected.push(Rejected::of(record, reason));
    }
    batch
}

/// The envelope as it is on the stream. Unknown fields are allowed: a newer
/// publisher may add some.
#[derive(Deserialize)]
struct Envelope {
    event_type: String,
    user_id: Uuid,
    ts: Timestamp,
    trace_id: String,
    #[serde(default)]
    idempotency_key: Option<String>,
    version: u8,
    seq: u64,
    payload: Map<String, Value>,
}

/// The years that `Date` can hold, with a margin on both sides.
const FIRST_MS: i64 = 0;
const END_MS: i64 = 4_102_444_800_000; // 2100-01-01

fn decode(data: &[u8]) -> Result<Event, String> {
    let envelope: Envelope =
        serde_json::from_slice(data).map_err(|error| format!("not an envelope: {error}"))?;
    let ts = envelope.ts.as_millisecond();
    if !(FIRST_MS..END_MS).contains(&ts) {
        return Err(format!("ts {} is not between 1970 and 2100", envelope.ts));
    }
    if !is_event_type(&envelope.event_type) {
        return Err("event_type is not 1 to 64 of a-z 0-9 . _ -".to_owned());
    }
    Ok(Event {
        event_type: envelope.event_type,
        ts,
        user_id: envelope.user_id,
        seq: envelope.seq,
        trace_id: envelope.trace_id,
        idempotency_key: envelope.idempotency_key,
        version: envelope.version,
        payload: Value::Object(envelope.payload).to_string(),
    })
}

fn is_event_type(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use serde_json::json;

    use super::*;

    fn envelope() -> Value {
        json!({
            "event_type": "game.round.settled",
            "user_id": "0199a0a0-0000-7000-8000-000000000001",
            "ts": "2026-11-21T01:02:03.456Z",
            "trace_id": "t-1",
            "version": 1,
            "seq": 7,
            "payload": { "bet_gold": 9_007_199_254_740_993_i64 },
        })
    }

    fn with(pointer: &str, value: Value) -> Vec<u8> {
        let mut envelope = envelope();
        envelope[pointer] = value;
        envelope.to_string().into_bytes()
    }

    fn records(data: &[&[u8]]) -> Vec<KinesisEventRecord> {
        let event = json!({ "Records": data.iter().enumerate().map(|(n, data)| json!({
            "eventID": format!("shardId-000000000003:{n}"),
            "kinesis": {
                "data": BASE64_STANDARD.encode(data),
                "partitionKey": "p", "sequenceNumber": n.to_string(),
                "kinesisSchemaVersion": "1.0", "approximateArrivalTimestamp": 1.5,
            },
        })).collect::<Vec<_>>() });
        let event: aws_lambda_events::kinesis::KinesisEvent =
            serde_json::from_value(event).unwrap();
        event.records
    }

    #[test]
    fn decodes_an_envelope_without_losing_a_digit() {
        let event = decode(envelope().to_string().as_bytes()).unwrap();
        assert_eq!(event.ts, 1_795_222_923_456);
        assert_eq!(event.seq, 7);
        assert_eq!(event.idempotency_key, None);
        assert_eq!(event.payload, r#"{"bet_gold":9007199254740993}"#);
    }

    #[test]
    fn tolerates_fields_of_a_newer_publisher() {
        assert!(decode(&with("hint", json!("new"))).is_ok());
    }

    #[test]
    fn refuses_what_is_not_an_event() {
        let cases: &[(&str, Value)] = &[
            ("user_id", json!("nobody")),
            ("seq", json!(-1)),
            ("ts", json!("yesterday")),
            ("ts", json!("1969-12-31T23:59:59Z")),
            ("ts", json!("2100-01-01T00:00:00Z")),
            ("version", json!(256)),
            ("payload", json!([])),
            ("event_type", json!("")),
            ("event_type", json!("a') OR ('1'='1")),
            ("event_type", json!("x".repeat(65))),
        ];
        for (pointer, value) in cases {
            assert!(decode(&with(pointer, value.clone())).is_err(), "{pointer} {value}");
        }
        assert!(decode(b"\xff\xfe").is_err());
        assert!(decode(b"").is_err());
    }

    #[test]
    fn sets_a_poison_record_aside_and_keeps_the_rest() {
        let good = envelope().to_string();
        let batch = batch(&records(&[b"\x00not json", good.as_bytes()]));
        assert_eq!(batch.events.len(), 1);
        let [rejected] = &batch.rejected[..] else { panic!("{:?}", batch.rejected) };
        assert_eq!(rejected.shard_id, "shardId-000000000003");
        assert_eq!(rejected.sequence_number, "0");
        assert_eq!(BASE64_STANDARD.decode(&rejected.data_base64).unwrap(), b"\x00not json");
    }

    #[test]
    fn takes_an_event_delivered_twice_once_and_an_impostor_never() {
        let good = envelope().to_string();
        let batch =
            batch(&records(&[good.as_bytes(), good.as_bytes(), &with("trace_id", json!("other"))]));
        assert_eq!(batch.events.len(), 1);
        assert_eq!(batch.rejected.len(), 1);
    }
}
