//! What is sent to on-failure destinations: of stream mappings, and of functions
//! that were invoked asynchronously.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    event::{Origin, iso},
    ports::Content,
    verdict::Batch,
};
use crate::invoke::InvokeError;

/// Why records were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    RetryAttemptsExhausted,
    MaximumRecordAgeExceeded,
}

/// The metadata document of a batch with at least one record. It names the
/// records by shard and sequence; they themselves are not in it, as on AWS.
pub(super) fn document(
    batch: &Batch,
    condition: Condition,
    function_failed: bool,
    origin: &Origin,
    now: Timestamp,
    request_id: &str,
) -> Value {
    let ends = batch.items.first().zip(batch.items.last());
    let (first, last) = ends.expect("only records are given up");
    let (first, last) = (&first.record, &last.record);
    let info = match first.content {
        Content::Table(_) => "DDBStreamBatchInfo",
        Content::Kinesis { .. } => "KinesisBatchInfo",
    };
    let mut document = json!({
        "requestContext": {
            "requestId": request_id,
            "functionArn": origin.function_arn,
            "condition": format!("{condition:?}"),
            "approximateInvokeCount": batch.invocations,
        },
        "version": "1.0",
        "timestamp": iso(now),
        info: {
            "shardId": origin.shard,
            "startSequenceNumber": first.sequence,
            "endSequenceNumber": last.sequence,
            "approximateArrivalOfFirstRecord": iso(first.arrived),
            "approximateArrivalOfLastRecord": iso(last.arrived),
            "batchSize": batch.items.len(),
            "streamArn": origin.source_arn,
        },
    });
    // Records that were too old before any try have no answer to describe.
    if batch.invocations > 0 {
        document["responseContext"] = json!({
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": function_failed.then_some("Unhandled"),
        });
    }
    document
}

/// The record of an asynchronous invocation whose every attempt failed. Unlike
/// that of a mapping it holds the event itself.
pub(super) fn of_invocation(
    payload: Value,
    error: &InvokeError,
    attempts: usize,
    function_arn: &str,
    now: Timestamp,
    request_id: &str,
) -> Value {
    json!({
        "version": "1.0",
        "timestamp": iso(now),
        "requestContext": {
            "requestId": request_id,
            "functionArn": format!("{function_arn}:$LATEST"),
            "condition": "RetriesExhausted",
            "approximateInvokeCount": attempts,
        },
        "requestPayload": payload,
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "responsePayload": { "errorMessage": error.to_string() },
    })
}
