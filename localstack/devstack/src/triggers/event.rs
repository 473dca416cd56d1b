//! Events exactly as Lambda sends them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ports::{Content, Message, Record};

/// Where a record comes from, and whose event it becomes.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub region: String,
    pub source_arn: String,
    pub function_arn: String,
    pub role_arn: String,
    pub shard: String,
}

/// An element of `Records` of a stream event.
pub(super) fn stream_record(record: &Record, origin: &Origin) -> Value {
    match &record.content {
        Content::Table(change) => {
            let mut event = change.clone();
            event["eventVersion"] = "1.1".into();
            event["eventSource"] = "aws:dynamodb".into();
            event["awsRegion"] = origin.region.clone().into();
            event["eventSourceARN"] = origin.source_arn.clone().into();
            event
        }
        Content::Kinesis { partition_key, data } => json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": partition_key,
                "sequenceNumber": record.sequence,
                "data": STANDARD.encode(data),
                "approximateArrivalTimestamp": seconds(record.arrived),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("{}:{}", origin.shard, record.sequence),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": origin.role_arn,
            "awsRegion": origin.region,
            "eventSourceARN": origin.source_arn,
        }),
    }
}

/// What a stream mapping's filter looks at: a table's record as it is, a
/// Kinesis record's metadata with the data decoded under `data`. `None` if the
/// data is not JSON, which no filter matches.
pub(super) fn stream_view(record: &Record) -> Option<Value> {
    match &record.content {
        Content::Table(change) => Some(change.clone()),
        Content::Kinesis { partition_key, data } => Some(json!({
            "kinesisSchemaVersion": "1.0",
            "partitionKey": partition_key,
            "sequenceNumber": record.sequence,
            "data": serde_json::from_slice::<Value>(data).ok()?,
            "approximateArrivalTimestamp": seconds(record.arrived),
        })),
    }
}

/// What decides which records keep their order under a parallelization factor.
pub(super) fn order_key(record: &Record) -> String {
    match &record.content {
        Content::Table(change) => change["dynamodb"]["Keys"].to_string(),
        Content::Kinesis { partition_key, .. } => partition_key.clone(),
    }
}

/// An element of `Records` of a queue event.
pub(super) fn queue_record(message: &Message, origin: &Origin) -> Value {
    json!({
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": message.attributes,
        "messageAttributes": message.message_attributes,
        "md5OfBody": message.md5_of_body,
        "eventSource": "aws:sqs",
        "eventSourceARN": origin.source_arn,
        "awsRegion": origin.region,
    })
}

/// What a queue mapping's filter looks at: the body as JSON, or else as text.
pub(super) fn queue_view(message: &Message, origin: &Origin) -> Value {
    let mut view = queue_record(message, origin);
    if let Ok(body) = serde_json::from_str(&message.body) {
        view["body"] = body;
    }
    view
}

/// Epoch seconds with milliseconds, as Kinesis writes them.
fn seconds(at: Timestamp) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this era fit 53 bits")]
    let seconds = at.as_millisecond() as f64 / 1_000.0;
    seconds.into()
}

/// `2026-11-21T01:02:03.456Z`.
pub(super) fn iso(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(source_arn: &str) -> Origin {
        Origin {
            region: "ap-northeast-2".into(),
            source_arn: source_arn.into(),
            function_arn: "arn:function".into(),
            role_arn: "arn:role".into(),
            shard: "shardId-000000000001".into(),
        }
    }

    #[test]
    fn a_table_record_is_what_get_records_gives_and_its_stream() {
        let change = json!({
            "eventID": "e1",
            "eventName": "INSERT",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_795_222_923,
                "Keys": {"pk": {"S": "a"}},
                "NewImage": {"pk": {"S": "a"}, "n": {"N": "1"}},
                "SequenceNumber": "100",
                "SizeBytes": 9,
                "StreamViewType": "NEW_IMAGE",
            },
        });
        let record = Record {
            sequence: "100".into(),
            arrived: Timestamp::UNIX_EPOCH,
            content: Content::Table(change.clone()),
        };
        let mut expected = change;
        expected["eventVersion"] = json!("1.1");
        expected["eventSource"] = json!("aws:dynamodb");
        expected["awsRegion"] = json!("ap-northeast-2");
        expected["eventSourceARN"] = json!("arn:table");
        assert_eq!(stream_record(&record, &origin("arn:table")), expected);
        assert_eq!(order_key(&record), r#"{"pk":{"S":"a"}}"#);
    }

    #[test]
    fn a_kinesis_record_has_its_data_in_base64() {
        let content = Content::Kinesis { partition_key: "p".into(), data: b"{\"a\":1}".to_vec() };
        let arrived = Timestamp::from_millisecond(1_795_222_923_456).unwrap();
        let record = Record { sequence: "495".into(), arrived, content };
        assert_eq!(
            stream_record(&record, &origin("arn:stream")),
            json!({
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "p",
                    "sequenceNumber": "495",
                    "data": "eyJhIjoxfQ==",
                    "approximateArrivalTimestamp": 1_795_222_923.456,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": "shardId-000000000001:495",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:role",
                "awsRegion": "ap-northeast-2",
                "eventSourceARN": "arn:stream",
            })
        );
        assert_eq!(stream_view(&record).unwrap()["data"], json!({"a": 1}));
    }
}
