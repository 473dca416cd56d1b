//! Tables, streams and queues.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use super::props::Props;
use crate::spec::{QueueSpec, StreamSpec, TableSpec};

pub(super) fn table(id: &str, props: &mut Props<'_>) -> Result<TableSpec> {
    let name = props.resolver().name(id)?;
    let mut create = Map::new();
    create.insert("TableName".into(), name.clone().into());
    for key in [
        "AttributeDefinitions",
        "BillingMode",
        "DeletionProtectionEnabled",
        "GlobalSecondaryIndexes",
        "KeySchema",
        "LocalSecondaryIndexes",
        "ProvisionedThroughput",
    ] {
        if let Some(value) = props.take(key)? {
            create.insert(key.into(), value);
        }
    }
    if let Some(mut stream) = props.take("StreamSpecification")? {
        // CloudFormation leaves out what CreateTable requires.
        stream["StreamEnabled"] = Value::Bool(true);
        create.insert("StreamSpecification".into(), stream);
    }
    let mut ttl_attribute = None;
    if let Some(mut ttl) = props.child("TimeToLiveSpecification")? {
        let attribute = ttl.required_text("AttributeName")?;
        ttl_attribute = ttl.flag("Enabled")?.unwrap_or(false).then_some(attribute);
        ttl.finish()?;
    }
    props.ignore(&[
        "ContributorInsightsSpecification",
        "OnDemandThroughput",
        "PointInTimeRecoverySpecification",
        "ResourcePolicy",
        "SSESpecification",
        "TableClass",
        "TableName",
        "Tags",
        "WarmThroughput",
    ]);
    Ok(TableSpec { logical_id: id.to_owned(), name, create: create.into(), ttl_attribute })
}

pub(super) fn stream(id: &str, props: &mut Props<'_>) -> Result<StreamSpec> {
    let name = props.resolver().name(id)?;
    let mut on_demand = false;
    if let Some(mut mode) = props.child("StreamModeDetails")? {
        on_demand = mode.required_text("StreamMode")? == "ON_DEMAND";
        mode.finish()?;
    }
    let given = props.number("ShardCount", 1..=10_000)?;
    // An on-demand stream starts with four shards on AWS.
    let shards = given.unwrap_or(if on_demand { 4 } else { 1 });
    props.ignore(&["Name", "RetentionPeriodHours", "StreamEncryption", "Tags"]);
    Ok(StreamSpec { logical_id: id.to_owned(), name, shards: u32::try_from(shards)? })
}

pub(super) fn queue(id: &str, props: &mut Props<'_>) -> Result<QueueSpec> {
    let name = props.resolver().name(id)?;
    let mut attributes = BTreeMap::new();
    for key in [
        "ContentBasedDeduplication",
        "DeduplicationScope",
        "DelaySeconds",
        "FifoQueue",
        "FifoThroughputLimit",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "ReceiveMessageWaitTimeSeconds",
        "RedriveAllowPolicy",
        "RedrivePolicy",
        "VisibilityTimeout",
    ] {
        match props.take(key)? {
            None => {}
            Some(policy @ Value::Object(_)) => {
                attributes.insert(key.to_owned(), policy.to_string());
            }
            Some(scalar) => {
                attributes.insert(key.to_owned(), super::intrinsics::scalar_text(&scalar)?);
            }
        }
    }
    // A standard queue is one that does not say `FifoQueue` at all.
    if attributes.get("FifoQueue").is_some_and(|fifo| fifo == "false") {
        attributes.remove("FifoQueue");
    }
    ensure!(
        attributes.contains_key("FifoQueue") == name.ends_with(".fifo"),
        "resource {id}: the name of a FIFO queue, and of no other, ends in .fifo"
    );
    props.ignore(&[
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "QueueName",
        "SqsManagedSseEnabled",
        "Tags",
    ]);
    Ok(QueueSpec { logical_id: id.to_owned(), name, attributes })
}

/// Puts every queue after its dead-letter queue, so that they can be created
/// in the order given.
pub(super) fn order_queues(queues: &mut Vec<QueueSpec>) -> Result<()> {
    let mut waiting = std::mem::take(queues);
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut blocked = Vec::new();
        for queue in waiting {
            let target = dead_letter_target(&queue)?;
            match target {
                Some(target) if !queues.iter().any(|placed| placed.name == target) => {
                    blocked.push(queue);
                }
                _ => queues.push(queue),
            }
        }
        ensure!(
            blocked.len() < before,
            "the dead-letter queue of {} is not in the template",
            blocked[0].logical_id
        );
        waiting = blocked;
    }
    Ok(())
}

fn dead_letter_target(queue: &QueueSpec) -> Result<Option<String>> {
    let Some(policy) = queue.attributes.get("RedrivePolicy") else { return Ok(None) };
    let policy: Value = serde_json::from_str(policy)?;
    let arn = policy["deadLetterTargetArn"].as_str().with_context(|| {
        format!("resource {}: RedrivePolicy has no deadLetterTargetArn", queue.logical_id)
    })?;
    Ok(arn.rsplit(':').next().map(str::to_owned))
}
