//! Whatever is on the stream: each record is an event, a repeated one, or kept
//! whole among the rejected.

use aws_lambda_events::kinesis::KinesisEvent;
use base64::{Engine, prelude::BASE64_STANDARD};
use proptest::{collection, prelude::*, sample};
use runtime::clickhouse::hex;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::*;

fn records(data: &[Vec<u8>]) -> Vec<KinesisEventRecord> {
    let record = |(number, data): (usize, &Vec<u8>)| {
        json!({
            "eventID": format!("shardId-000000000003:{number}"),
            "kinesis": {
                "data": BASE64_STANDARD.encode(data), "partitionKey": "p",
                "sequenceNumber": number.to_string(), "kinesisSchemaVersion": "1.0",
                "approximateArrivalTimestamp": 1.5,
            },
        })
    };
    let records: Vec<_> = data.iter().enumerate().map(record).collect();
    let event: KinesisEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
    event.records
}

/// What stands where a member's value should.
fn member() -> impl Strategy<Value = String> {
    let nasty = [
        "null",
        "\"\"",
        "-1",
        "0",
        "255",
        "256",
        "1e400",
        "1.0",
        "18446744073709551616",
        "[]",
        "{}",
        "{\"a\":{\"\":[1e400]}}",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "\"nobody\"",
        "\"1969-12-31T23:59:59Z\"",
        "\"2100-01-01T00:00:00Z\"",
        "\"-009999-01-02T00:00:00Z\"",
        "\"9999-12-31T23:59:59Z\"",
        "\"2026-11-21T01:02:60Z\"",
        "\"a') OR ('1'='1\"",
        "\"A\"",
    ];
    prop_oneof![
        2 => sample::select(nasty.to_vec()).prop_map(str::to_owned),
        1 => any::<String>().prop_map(|text| json!(text).to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
    ]
}

/// An envelope in which one member, or none, is something else; or any bytes.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let names =
        ["event_type", "user_id", "ts", "trace_id", "idempotency_key", "version", "seq", "payload"];
    let odd = prop::option::of((sample::select(names.to_vec()), member()));
    let envelope = (odd, 0..3_u8).prop_map(move |(odd, seq)| {
        let mut members = vec![
            ("event_type", "\"user.login\"".to_owned()),
            ("user_id", "\"0199a0a0-0000-7000-8000-000000000001\"".to_owned()),
            ("ts", "\"2026-11-21T01:02:03.456Z\"".to_owned()),
            ("trace_id", "\"t\"".to_owned()),
            ("version", "1".to_owned()),
            ("seq", seq.to_string()),
            ("payload", "{\"a\":9007199254740993}".to_owned()),
        ];
        if let Some((name, value)) = odd {
            members.retain(|(other, _)| *other != name);
            members.push((name, value));
        }
        let members: Vec<_> =
            members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    });
    prop_oneof![5 => envelope, 1 => collection::vec(any::<u8>(), 0..80)]
}

proptest! {
    #[test]
    fn no_record_is_lost_and_no_event_is_half_one(data in collection::vec(data(), 0..12)) {
        let batch = batch(&records(&data));
        let mut left: Vec<&Vec<u8>> = data.iter().collect();
        for rejected in &batch.rejected {
            let kept = BASE64_STANDARD.decode(&rejected.data_base64).unwrap();
            let number: usize = rejected.sequence_number.parse().unwrap();
            prop_assert_eq!(&kept, &data[number]);
            prop_assert_eq!(&rejected.digest, &hex(&Sha256::digest(&kept)));
            prop_assert!(!rejected.reason.is_empty());
            left.remove(left.iter().position(|other| **other == kept).unwrap());
        }
        // The rest are events, each known by its key.
        for data in left {
            let event = decode(data).unwrap();
            prop_assert!(batch.events.contains(&event));
        }
        let mut keys: Vec<_> = batch.events.iter().map(Event::key).collect();
        keys.sort_unstable();
        keys.dedup();
        prop_assert_eq!(keys.len(), batch.events.len());
        for event in &batch.events {
            prop_assert!((FIRST_MS..END_MS).contains(&event.ts));
            prop_assert!(is_event_type(&event.event_type));
            let payload: Value = serde_json::from_str(&event.payload).unwrap();
            prop_assert!(payload.is_object());
        }
    }
}
