//! Requests and answers of SQS's JSON protocol.

use std::collections::HashSet;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    super::answer::ApiError,
    queue::{Delivery, Message},
};
use crate::engine::{ACCOUNT, spool::Sent};

#[derive(Deserialize)]
pub(super) struct QueueOnly {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByName {
    pub(super) queue_name: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendEntry {
    id: Option<String>,
    pub(super) message_body: String,
    pub(super) delay_seconds: Option<u64>,
    pub(super) message_group_id: Option<String>,
    pub(super) message_deduplication_id: Option<String>,
    pub(super) message_attributes: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteEntry {
    id: Option<String>,
    pub(super) receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct VisibilityEntry {
    id: Option<String>,
    pub(super) receipt_handle: String,
    pub(super) visibility_timeout: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Receive {
    pub(super) max_number_of_messages: Option<usize>,
    pub(super) wait_time_seconds: Option<u64>,
    pub(super) visibility_timeout: Option<u64>,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Batch<T> {
    pub(super) entries: Vec<T>,
}

/// An entry of a batch request.
pub(super) trait Entry {
    fn id(&self) -> Option<&str>;
}

macro_rules! entry {
    ($($name:ty),*) => {$(
        impl Entry for $name {
            fn id(&self) -> Option<&str> {
                self.id.as_deref()
            }
        }
    )*};
}
entry!(SendEntry, DeleteEntry, VisibilityEntry);

/// The ids of a batch's entries, if the batch is one SQS would look at.
pub(super) fn entry_ids<T: Entry>(entries: &[T], max: usize) -> Result<Vec<String>, ApiError> {
    let ids: Vec<String> =
        entries.iter().map(|entry| entry.id().unwrap_or_default().to_owned()).collect();
    let refuse = |kind, message: &str| Err(ApiError::new(kind, message));
    if ids.is_empty() {
        return refuse(
            "com.amazonaws.sqs#EmptyBatchRequest",
            "There should be at least one entry in the request.",
        );
    }
    if ids.len() > max {
        return refuse(
            "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
            "Maximum number of entries per request are 10.",
        );
    }
    if ids.iter().collect::<HashSet<_>>().len() < ids.len() {
        return refuse(
            "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
            "Two or more batch entries in the request have the same Id.",
        );
    }
    Ok(ids)
}

/// The answer to a batch request: each entry by its id.
pub(super) fn batch_result(ids: Vec<String>, results: Vec<Result<Value, ApiError>>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, result) in ids.into_iter().zip(results) {
        match result {
            Ok(mut value) => {
                value["Id"] = Value::String(id);
                successful.push(value);
            }
            Err(error) => failed.push(json!({
                "Id": id, "SenderFault": error.status < 500,
                "Code": error.kind.rsplit('#').next(), "Message": error.message,
            })),
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}

/// The answer to one sent message.
pub(super) fn sent(sent: &Sent, body: &str, fifo: bool) -> Value {
    let mut answer = json!({ "MessageId": sent.id, "MD5OfMessageBody": md5(body) });
    if fifo {
        answer["SequenceNumber"] = Value::String(sequence(sent.seq));
    }
    answer
}

/// The answer to a receive.
pub(super) fn received(deliveries: &[Delivery], queue: &str, request: &Receive) -> Value {
    if deliveries.is_empty() {
        return json!({});
    }
    let messages: Vec<_> =
        deliveries.iter().map(|delivery| message(delivery, queue, request)).collect();
    json!({ "Messages": messages })
}

fn message(delivery: &Delivery, queue: &str, request: &Receive) -> Value {
    let message = &delivery.message;
    let asked = |names: &[String], name: &str| names.iter().any(|n| n == name || n == "All");
    let attributes: Map<String, Value> = system_attributes(delivery.seq, message)
        .into_iter()
        .filter(|(name, _)| {
            asked(&request.attribute_names, name)
                || asked(&request.message_system_attribute_names, name)
        })
        .filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?))))
        .collect();
    let mut answer = json!({
        "MessageId": message.id,
        "ReceiptHandle": BASE64.encode(format!("{queue}/{}/{}", delivery.seq, delivery.delivery)),
        "MD5OfBody": md5(&message.body),
        "Body": message.body,
    });
    if !attributes.is_empty() {
        answer["Attributes"] = Value::Object(attributes);
    }
    if let Some(Value::Object(given)) = &message.attributes {
        let wanted: Map<String, Value> = given
            .iter()
            .filter(|(name, _)| asked(&request.message_attribute_names, name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !wanted.is_empty() {
            answer["MessageAttributes"] = Value::Object(wanted);
        }
    }
    answer
}

fn system_attributes(seq: u64, message: &Message) -> [(&'static str, Option<String>); 7] {
    let fifo = message.dedup.is_some();
    [
        ("SenderId", Some(ACCOUNT.to_owned())),
        ("SentTimestamp", Some(message.sent_ms.to_string())),
        ("ApproximateReceiveCount", Some(message.receive_count.to_string())),
        ("ApproximateFirstReceiveTimestamp", message.first_received_ms.map(|ms| ms.to_string())),
        ("SequenceNumber", fifo.then(|| sequence(seq))),
        ("MessageGroupId", message.group.clone()),
        ("MessageDeduplicationId", message.dedup.clone()),
    ]
}

/// Which message and which delivery of it a receipt handle stands for.
pub(super) fn receipt(handle: &str) -> Result<(u64, u32), ApiError> {
    let parse = || {
        let text = String::from_utf8(BASE64.decode(handle).ok()?).ok()?;
        let mut parts = text.rsplit('/');
        let delivery = parts.next()?.parse().ok()?;
        Some((parts.next()?.parse().ok()?, delivery))
    };
    parse().ok_or_else(|| {
        ApiError::new(
            "com.amazonaws.sqs#ReceiptHandleIsInvalid",
            format!("The input receipt handle \"{handle}\" is not a valid receipt handle."),
        )
    })
}

pub(super) fn expired(handle: &str) -> ApiError {
    ApiError::new(
        "InvalidParameterValue",
        format!(
            "Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
        ),
    )
}

/// Name of the dead-letter queue and how often a message may be received.
pub(super) fn redrive_policy(policy: &str) -> anyhow::Result<(Option<String>, Option<u32>)> {
    let policy: Value = serde_json::from_str(policy).context("RedrivePolicy is not JSON")?;
    let target = policy["deadLetterTargetArn"]
        .as_str()
        .and_then(|arn| arn.rsplit(':').next())
        .context("RedrivePolicy has no deadLetterTargetArn")?;
    let max = &policy["maxReceiveCount"];
    let max = match max {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|n| u32::try_from(n).ok()),
    };
    let max = max.context("RedrivePolicy has no usable maxReceiveCount")?;
    Ok((Some(target.to_owned()), Some(max)))
}

/// As SQS writes them: 20 digits, in order as text too.
fn sequence(seq: u64) -> String {
    format!("188{seq:017}")
}

fn md5(body: &str) -> String {
    hex(&Md5::digest(body.as_bytes()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
