#![expect(clippy::disallowed_methods, reason = "the engine is tested as the SDK uses it")]

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata as _,
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem,
    },
};
use aws_sdk_kinesis::{primitives::Blob, types::ShardIteratorType};
use aws_sdk_sqs::types::MessageSystemAttributeName;
use serde_json::json;

use super::{Call, Engine, Fault, Verdict, queue_arn, queue_url};
use crate::spec::{MappingSpec, QueueSpec, Source, Spec, StreamSpec, TableSpec};

const FIFO: &str = "push.fifo";
const PLAIN: &str = "work";
const DEAD: &str = "dead";
const STREAM: &str = "events";
const MAPPING: &str = "Projections.Events";

fn queue(name: &str, attributes: &[(&str, String)]) -> QueueSpec {
    QueueSpec {
        logical_id: name.to_owned(),
        name: name.to_owned(),
        attributes: attributes.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
    }
}

fn spec() -> Spec {
    let redrive = json!({ "deadLetterTargetArn": queue_arn(DEAD), "maxReceiveCount": 1 });
    Spec {
        tables: vec![TableSpec {
            logical_id: "Table".to_owned(),
            name: "game".to_owned(),
            create: json!({
                "TableName": "game", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
                "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
                "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" },
            }),
            ttl_attribute: Some("expires_at".to_owned()),
        }],
        streams: vec![StreamSpec {
            logical_id: "Events".to_owned(),
            name: STREAM.to_owned(),
            shards: 2,
        }],
        queues: vec![
            queue(PLAIN, &[("RedrivePolicy", redrive.to_string())]),
            queue(FIFO, &[("FifoQueue", "true".to_owned())]),
            queue(DEAD, &[]),
        ],
        mappings: vec![MappingSpec {
            name: MAPPING.to_owned(),
            function: "Projections".to_owned(),
            source: Source::Kinesis { stream: STREAM.to_owned() },
            enabled: true,
            batch_size: 100,
            batch_window: Duration::ZERO,
            filters: Vec::new(),
            report_batch_item_failures: true,
            bisect: false,
            max_retries: None,
            max_record_age: None,
            parallelization_factor: 1,
            from_start: true,
            on_failure_queue: None,
            max_concurrency: None,
        }],
        ..Spec::default()
    }
}

fn memory() -> Arc<Engine> {
    Engine::open(None, &spec()).expect("opens")
}

fn on_disk(directory: &Path) -> Arc<Engine> {
    Engine::open(Some(directory), &spec()).expect("opens")
}

fn put(pk: &str, value: u32) -> TransactWriteItem {
    let put = Put::builder()
        .table_name("game")
        .item("pk", AttributeValue::S(pk.to_owned()))
        .item("v", AttributeValue::N(value.to_string()))
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    TransactWriteItem::builder().put(put.build().expect("complete")).build()
}

async fn write(engine: &Arc<Engine>, pk: &str) -> Result<(), TransactWriteItemsError> {
    let client = aws_sdk_dynamodb::Client::new(&engine.sdk_config_for("Spin"));
    let call = client
        .transact_write_items()
        .transact_items(put(pk, 1))
        .transact_items(put(&format!("{pk}-entry"), 1))
        .return_consumed_capacity(ReturnConsumedCapacity::Total);
    call.send().await.map(drop).map_err(aws_sdk_dynamodb::error::SdkError::into_service_error)
}

#[tokio::test]
async fn the_meter_knows_calls_and_units_of_each_caller() {
    let engine = memory();
    let before = engine.meter().snapshot();
    write(&engine, "a").await.expect("written");
    let used = engine.meter().since(&before);
    assert_eq!(
        used.of("Spin").calls,
        BTreeMap::from([("dynamodb:TransactWriteItems".to_owned(), 1)])
    );
    assert!((used.of("Spin").units.write - 4.0).abs() < f64::EPSILON);
    assert_eq!(used.total(), used.of("Spin"));
    assert_eq!(engine.meter().since(&engine.meter().snapshot()).total().calls, BTreeMap::new());
}

#[tokio::test]
async fn a_cancelled_transaction_says_why_and_shows_the_item() {
    let engine = memory();
    write(&engine, "a").await.expect("written");
    let Err(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        write(&engine, "a").await
    else {
        panic!("the second write must be cancelled");
    };
    let reason = &cancelled.cancellation_reasons()[0];
    assert_eq!(reason.code(), Some("ConditionalCheckFailed"));
    assert_eq!(reason.item().expect("asked for")["v"], AttributeValue::N("1".to_owned()));
}

#[tokio::test]
async fn a_write_moves_the_counter_of_its_source() {
    let engine = memory();
    let table = engine.changes(&Source::TableStream { table: "game".to_owned() });
    let stream = engine.changes(&Source::Kinesis { stream: STREAM.to_owned() });
    let queue = engine.changes(&Source::Queue { queue: PLAIN.to_owned() });
    write(&engine, "a").await.expect("written");
    assert!(table.has_changed().expect("open"));
    assert!(!stream.has_changed().expect("open") && !queue.has_changed().expect("open"));
    publish(&engine, &["a"]).await;
    send(&engine, PLAIN, "x", None).await;
    assert!(stream.has_changed().expect("open") && queue.has_changed().expect("open"));
}

#[derive(Debug)]
struct Once {
    verdict: Verdict,
    after: bool,
    seen: AtomicU32,
}

impl Once {
    fn hit(&self, call: &Call<'_>, now: bool) -> Verdict {
        let ours = call.operation == "TransactWriteItems" && now;
        if ours && self.seen.fetch_add(1, Ordering::Relaxed) == 0 {
            self.verdict
        } else {
            Verdict::Pass
        }
    }
}

impl Fault for Once {
    fn before(&self, call: &Call<'_>) -> Verdict {
        self.hit(call, !self.after)
    }

    fn after(&self, call: &Call<'_>, _: u16) -> Verdict {
        self.hit(call, self.after)
    }
}

async fn with_fault(
    verdict: Verdict,
    after: bool,
) -> (Arc<Once>, Result<(), TransactWriteItemsError>) {
    let engine = memory();
    let fault = Arc::new(Once { verdict, after, seen: AtomicU32::new(0) });
    engine.set_fault(Some(fault.clone()));
    let written = write(&engine, "a").await;
    (fault, written)
}

#[tokio::test]
async fn the_sdk_retries_what_had_no_effect_and_succeeds() {
    for verdict in
        [Verdict::Timeout, Verdict::Disconnect, Verdict::Throttle, Verdict::InternalError]
    {
        let (fault, written) = with_fault(verdict, false).await;
        written.expect("the retry is let through");
        assert_eq!(fault.seen.load(Ordering::Relaxed), 2, "{verdict:?}");
    }
}

#[tokio::test]
async fn an_effect_outlives_its_lost_answer() {
    // The SDK's own idempotency token makes the retry succeed.
    let (_, written) = with_fault(Verdict::Timeout, true).await;
    written.expect("the engine replays the transaction");
}

#[tokio::test]
async fn an_injected_conflict_reads_as_one() {
    let (_, written) = with_fault(Verdict::TransactionConflict, false).await;
    let error = written.expect_err("not retried by the SDK");
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = &error else {
        panic!("not {:?}", error.code());
    };
    let codes: Vec<_> = cancelled.cancellation_reasons().iter().map(|r| r.code()).collect();
    assert_eq!(codes, [Some("TransactionConflict"); 2]);
}

fn sqs(engine: &Arc<Engine>) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::new(&engine.sdk_config())
}

async fn send(engine: &Arc<Engine>, queue: &str, body: &str, fifo: Option<(&str, &str)>) -> String {
    let call = sqs(engine)
        .send_message()
        .queue_url(queue_url(queue))
        .message_body(body)
        .set_message_group_id(fifo.map(|(group, _)| group.to_owned()))
        .set_message_deduplication_id(fifo.map(|(_, dedup)| dedup.to_owned()));
    let sent = call.send().await.expect("sent");
    sent.message_id().expect("has one").to_owned()
}

async fn receive(engine: &Arc<Engine>, queue: &str, wait: i32) -> Vec<aws_sdk_sqs::types::Message> {
    let call = sqs(engine)
        .receive_message()
        .queue_url(queue_url(queue))
        .max_number_of_messages(10)
        .wait_time_seconds(wait)
        .message_system_attribute_names(MessageSystemAttributeName::All);
    call.send().await.expect("received").messages.unwrap_or_default()
}

async fn delete(engine: &Arc<Engine>, queue: &str, message: &aws_sdk_sqs::types::Message) {
    let call = sqs(engine)
        .delete_message()
        .queue_url(queue_url(queue))
        .receipt_handle(message.receipt_handle().expect("has one"));
    call.send().await.expect("deleted");
}

fn bodies(messages: &[aws_sdk_sqs::types::Message]) -> Vec<&str> {
    messages.iter().filter_map(|message| message.body()).collect()
}

#[tokio::test]
async fn a_fifo_queue_drops_duplicates_and_keeps_groups_in_order() {
    let engine = memory();
    let first = send(&engine, FIFO, "1", Some(("p", "p:1"))).await;
    let again = send(&engine, FIFO, "1", Some(("p", "p:1"))).await;
    assert_eq!(first, again);
    let got = receive(&engine, FIFO, 0).await;
    assert_eq!(bodies(&got), ["1"]);
    let group = MessageSystemAttributeName::MessageGroupId;
    assert_eq!(got[0].attributes().expect("asked for")[&group], "p");
    send(&engine, FIFO, "2", Some(("p", "p:2"))).await;
    send(&engine, FIFO, "other", Some(("q", "q:1"))).await;
    assert_eq!(bodies(&receive(&engine, FIFO, 0).await), ["other"]);
    let waiting = tokio::spawn({
        let engine = engine.clone();
        async move { receive(&engine, FIFO, 20).await }
    });
    delete(&engine, FIFO, &got[0]).await;
    assert_eq!(bodies(&waiting.await.expect("joins")), ["2"]);
}

#[tokio::test]
async fn a_long_poll_ends_with_the_first_message() {
    let engine = memory();
    let started = Instant::now();
    let waiting = tokio::spawn({
        let engine = engine.clone();
        async move { receive(&engine, PLAIN, 20).await }
    });
    tokio::task::yield_now().await;
    send(&engine, PLAIN, "x", None).await;
    assert_eq!(bodies(&waiting.await.expect("joins")), ["x"]);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_unread_message_survives_and_a_deleted_one_does_not() {
    let directory = tempfile::tempdir().expect("made");
    let engine = on_disk(directory.path());
    for n in 1..=3 {
        send(&engine, FIFO, &n.to_string(), Some(("p", &n.to_string()))).await;
    }
    let got = receive(&engine, FIFO, 0).await;
    delete(&engine, FIFO, &got[0]).await;
    drop(engine);
    let engine = on_disk(directory.path());
    send(&engine, FIFO, "3", Some(("p", "3"))).await;
    assert_eq!(bodies(&receive(&engine, FIFO, 0).await), ["2", "3"]);
}

#[tokio::test]
async fn a_redriven_message_survives_in_the_dead_letter_queue() {
    let directory = tempfile::tempdir().expect("made");
    let engine = on_disk(directory.path());
    send(&engine, PLAIN, "poison", None).await;
    let got = receive(&engine, PLAIN, 0).await;
    let call = sqs(&engine)
        .change_message_visibility()
        .queue_url(queue_url(PLAIN))
        .receipt_handle(got[0].receipt_handle().expect("has one"))
        .visibility_timeout(0);
    call.send().await.expect("given back");
    assert!(receive(&engine, PLAIN, 0).await.is_empty());
    drop(engine);
    let engine = on_disk(directory.path());
    assert!(receive(&engine, PLAIN, 0).await.is_empty());
    assert_eq!(bodies(&receive(&engine, DEAD, 0).await), ["poison"]);
}

async fn publish(engine: &Arc<Engine>, keys: &[&str]) -> Vec<(String, String)> {
    let client = aws_sdk_kinesis::Client::new(&engine.sdk_config());
    let mut placed = Vec::new();
    for key in keys {
        let put = client
            .put_record()
            .stream_name(STREAM)
            .partition_key(*key)
            .data(Blob::new(format!("data of {key}")));
        let put = put.send().await.expect("put");
        placed.push((put.shard_id().to_owned(), put.sequence_number().to_owned()));
    }
    placed
}

async fn read(engine: &Arc<Engine>, shard: &str, after: Option<&str>) -> Vec<String> {
    let client = aws_sdk_kinesis::Client::new(&engine.sdk_config());
    let kind =
        after.map_or(ShardIteratorType::TrimHorizon, |_| ShardIteratorType::AfterSequenceNumber);
    let iterator = client
        .get_shard_iterator()
        .stream_name(STREAM)
        .shard_id(shard)
        .shard_iterator_type(kind)
        .set_starting_sequence_number(after.map(str::to_owned));
    let iterator = iterator.send().await.expect("made").shard_iterator;
    let records = client.get_records().set_shard_iterator(iterator).send().await.expect("read");
    let text = |record: &aws_sdk_kinesis::types::Record| {
        String::from_utf8(record.data().as_ref().to_vec()).expect("UTF-8")
    };
    records.records().iter().map(text).collect()
}

#[tokio::test]
async fn a_stream_gives_records_by_shard_in_order() {
    let engine = memory();
    // By MD5: "a" begins with 0x0c, "b" with 0x92, "c" with 0x4a.
    let placed = publish(&engine, &["a", "b", "c"]).await;
    let (left, right) = ("shardId-000000000000", "shardId-000000000001");
    let shards: Vec<_> = placed.iter().map(|(shard, _)| shard.as_str()).collect();
    assert_eq!(shards, [left, right, left]);
    assert_eq!(read(&engine, left, None).await, ["data of a", "data of c"]);
    assert_eq!(read(&engine, left, Some(&placed[0].1)).await, ["data of c"]);
    assert_eq!(read(&engine, right, None).await, ["data of b"]);
}

#[tokio::test]
async fn records_survive_until_every_consumer_has_passed_them() {
    let directory = tempfile::tempdir().expect("made");
    let engine = on_disk(directory.path());
    let placed = publish(&engine, &["a", "c"]).await;
    let (shard, first) = &placed[0];
    engine.kinesis_passed(STREAM, shard, MAPPING, first).expect("kept");
    drop(engine);
    let engine = on_disk(directory.path());
    assert_eq!(engine.checkpoint(MAPPING, shard).as_ref(), Some(first));
    assert_eq!(read(&engine, shard, None).await, ["data of c"]);
    engine.kinesis_passed(STREAM, shard, MAPPING, &placed[1].1).expect("kept");
    drop(engine);
    let engine = on_disk(directory.path());
    let later = publish(&engine, &["a"]).await;
    assert!(later[0].1 > placed[1].1, "a sequence is never given twice");
    assert_eq!(read(&engine, shard, Some(&placed[1].1)).await, ["data of a"]);
}
