use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::bench::*;
use crate::{invoke::InvokeError, spec::MappingSpec, triggers::Time};

#[tokio::test]
async fn deletes_what_succeeded() {
    let bench = Bench::new(&[]);
    for number in 0..25 {
        bench.queue.send(&number.to_string(), None);
    }
    let triggers = bench.start(queue_mapping(), script([])).await;
    triggers.settled(SOON).await.unwrap();
    let mut seen: Vec<u32> = bench.batches().concat().iter().map(|n| n.parse().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..25).collect::<Vec<_>>());
    triggers.shutdown().await;
}

#[tokio::test]
async fn sends_the_event_as_lambda_does() {
    let bench = Bench::new(&[]);
    bench.queue.send("hello", Some("g"));
    let triggers = bench.start(queue_mapping(), script([])).await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(
        bench.calls.lock().unwrap()[0],
        json!({"Records": [{
            "messageId": "id-hello",
            "receiptHandle": "id-hello#1",
            "body": "hello",
            "attributes": {
                "MessageGroupId": "g",
                "SequenceNumber": "00000000000000000001",
                "ApproximateReceiveCount": "1",
            },
            "messageAttributes": {},
            "md5OfBody": "md5",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:ap-northeast-2:000000000000:jobs",
            "awsRegion": "ap-northeast-2",
        }]})
    );
}

#[tokio::test]
async fn failed_messages_come_back_after_their_visibility_timeout() {
    let bench = Bench::new(&[]);
    let start = bench.time.now();
    for body in ["a", "b", "c"] {
        bench.queue.send(body, None);
    }
    let triggers = bench.start(queue_mapping(), script([failed(&["id-b"])])).await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.batches(), [vec!["a", "b", "c"], vec!["b"]]);
    let waited = bench.time.now().duration_since(start);
    assert_eq!(waited.as_secs(), VISIBILITY.as_secs().cast_signed());
}

#[tokio::test]
async fn a_failed_function_or_a_malformed_answer_returns_the_whole_batch() {
    for answer in [boom(), failed(&["unknown"]), failed(&[""]), Err(InvokeError::Timeout)] {
        let bench = Bench::new(&[]);
        bench.queue.send("a", None);
        bench.queue.send("b", None);
        let triggers = bench.start(queue_mapping(), script([answer])).await;
        triggers.settled(SOON).await.unwrap();
        assert_eq!(bench.batches(), [["a", "b"], ["a", "b"]]);
    }
}

#[tokio::test]
async fn a_throttled_batch_is_tried_again_at_once() {
    let bench = Bench::new(&[]);
    bench.queue.send("a", None);
    let triggers = bench.start(queue_mapping(), script([Err(InvokeError::Throttled)])).await;
    triggers.settled(SOON).await.unwrap();
    let calls = bench.calls.lock().unwrap();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[1]["Records"][0]["attributes"]["ApproximateReceiveCount"], "1");
}

#[tokio::test]
async fn a_group_keeps_its_order_through_a_failure() {
    let bench = Bench::new(&[]);
    for (body, group) in [("a1", "a"), ("b1", "b"), ("a2", "a"), ("b2", "b"), ("a3", "a")] {
        bench.queue.send(body, Some(group));
    }
    let triggers = bench.start(queue_mapping(), script([failed(&["id-a2"])])).await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.batches(), [vec!["a1", "b1", "a2", "b2", "a3"], vec!["a2", "a3"]]);
}

#[tokio::test]
async fn groups_are_handled_in_parallel() {
    let bench = Bench::new(&[]);
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let mapping = MappingSpec { batch_size: 1, ..queue_mapping() };
    bench.queue.send("a1", Some("a"));
    bench.queue.send("b1", Some("b"));
    let triggers = bench
        .start(mapping, move |_| {
            let both = Arc::clone(&both);
            Box::pin(async move {
                both.wait().await;
                Ok(Value::Null)
            })
        })
        .await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.batches().len(), 2);
}

#[tokio::test]
async fn no_more_batches_at_once_than_the_maximum_concurrency() {
    let bench = Bench::new(&[]);
    for number in 0..9 {
        bench.queue.send(&number.to_string(), None);
    }
    let (running, most) = (Arc::new(std::sync::Mutex::new((0, 0))), 2);
    let gauge = Arc::clone(&running);
    let mapping = MappingSpec { batch_size: 1, max_concurrency: Some(most), ..queue_mapping() };
    let triggers = bench
        .start(mapping, move |_| {
            let gauge = Arc::clone(&gauge);
            Box::pin(async move {
                {
                    let mut gauge = gauge.lock().unwrap();
                    gauge.0 += 1;
                    gauge.1 = gauge.1.max(gauge.0);
                }
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
                gauge.lock().unwrap().0 -= 1;
                Ok(Value::Null)
            })
        })
        .await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(running.lock().unwrap().1, most);
}

#[tokio::test]
async fn the_batching_window_collects_a_batch() {
    let bench = Bench::new(&[]);
    let mapping =
        MappingSpec { batch_size: 50, batch_window: Duration::from_secs(2), ..queue_mapping() };
    for number in 0..12 {
        bench.queue.send(&number.to_string(), None);
    }
    let triggers = bench.start(mapping, script([])).await;
    for number in 12..20 {
        bench.queue.send(&number.to_string(), None);
    }
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.batches().len(), 1);
    assert_eq!(bench.batches()[0].len(), 20);
}

#[tokio::test]
async fn filtered_messages_are_deleted_unseen() {
    let bench = Bench::new(&[]);
    bench.queue.send(r#"{"kind":"wanted"}"#, None);
    bench.queue.send(r#"{"kind":"other"}"#, None);
    bench.queue.send("text", None);
    let filters = vec![json!({"body": {"kind": ["wanted"]}})];
    let triggers = bench.start(MappingSpec { filters, ..queue_mapping() }, script([])).await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.batches(), [[r#"{"kind":"wanted"}"#]]);
}
