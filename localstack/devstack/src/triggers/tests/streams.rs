use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::bench::*;
use crate::{
    invoke::InvokeError,
    spec::MappingSpec,
    triggers::{SystemTime, Time},
};

fn seqs(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("{number:03}")).collect()
}

#[tokio::test]
async fn delivers_everything_in_order_and_remembers_it() {
    let bench = Bench::new(&["s"]);
    bench.fill(25);
    let triggers = bench.start(stream_mapping(), script([])).await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.batches().concat(), seqs(0..25));
    assert!(bench.batches().iter().all(|batch| batch.len() <= 10));
    assert_eq!(bench.position("s").as_deref(), Some("024"));
    bench.stream.put("s", "k", &json!(1), bench.time.now());
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.batches().last().unwrap(), &seqs(25..26));
    triggers.shutdown().await;
}

#[tokio::test]
async fn a_poison_record_is_isolated_and_reported() {
    let bench = Bench::new(&["s"]);
    bench.fill(10);
    let mapping = MappingSpec { bisect: true, ..stream_mapping() };
    let poison = at_once(|batch| match batch.contains(&"005".to_owned()) {
        true => boom(),
        false => Ok(Value::Null),
    });
    let triggers = bench.start(mapping, poison).await;
    triggers.settled(SOON).await.unwrap();
    let good = bench.batches().into_iter().filter(|batch| !batch.contains(&"005".to_owned()));
    let mut expected = seqs(0..10);
    expected.remove(5);
    assert_eq!(good.collect::<Vec<_>>().concat(), expected);

    let failures = bench.failures.0.lock().unwrap().clone();
    let [(queue, document)] = failures.as_slice() else { panic!("one failure: {failures:?}") };
    assert_eq!(queue, "failures");
    assert_eq!(document["requestContext"]["condition"], "RetryAttemptsExhausted");
    let info = &document["KinesisBatchInfo"];
    assert_eq!((&info["startSequenceNumber"], &info["batchSize"]), (&json!("005"), &json!(1)));
    assert_eq!(bench.batches().iter().filter(|batch| **batch == ["005"]).count(), 3);
    assert_eq!(bench.position("s").as_deref(), Some("009"));
}

#[tokio::test]
async fn without_bisect_the_whole_batch_is_given_up_after_the_retries() {
    let bench = Bench::new(&["s"]);
    bench.fill(4);
    let triggers = bench.start(stream_mapping(), at_once(|_| boom())).await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.batches(), vec![seqs(0..4); 3]);
    let failures = bench.failures.0.lock().unwrap();
    let document = &failures[0].1;
    let id = document["requestContext"]["requestId"].clone();
    let timestamp = document["timestamp"].clone();
    assert_eq!(
        *document,
        json!({
            "requestContext": {
                "requestId": id,
                "functionArn": "arn:aws:lambda:ap-northeast-2:000000000000:function:local-F",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 3,
            },
            "responseContext": {
                "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled",
            },
            "version": "1.0",
            "timestamp": timestamp,
            "KinesisBatchInfo": {
                "shardId": "s",
                "startSequenceNumber": "000",
                "endSequenceNumber": "003",
                "approximateArrivalOfFirstRecord": "2026-11-21T12:00:00.000Z",
                "approximateArrivalOfLastRecord": "2026-11-21T12:00:00.000Z",
                "batchSize": 4,
                "streamArn": "arn:aws:kinesis:ap-northeast-2:000000000000:stream/events",
            },
        })
    );
}

#[tokio::test]
async fn records_that_are_too_old_are_given_up_without_a_try() {
    let bench = Bench::new(&["s"]);
    bench.stream.put("s", "a", &json!(1), bench.ago(3_600));
    bench.stream.put("s", "b", &json!(2), bench.ago(5));
    let age = Some(Duration::from_secs(60));
    let triggers =
        bench.start(MappingSpec { max_record_age: age, ..stream_mapping() }, script([])).await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.batches(), [seqs(1..2)]);
    let failures = bench.failures.0.lock().unwrap();
    let context = &failures[0].1["requestContext"];
    assert_eq!(context["condition"], "MaximumRecordAgeExceeded");
    assert_eq!(context["approximateInvokeCount"], 0);
}

#[tokio::test]
async fn a_retry_that_takes_too_long_ends_with_the_record_s_age() {
    let bench = Bench::new(&["s"]);
    bench.fill(1);
    let mapping = MappingSpec {
        max_retries: None,
        max_record_age: Some(Duration::from_secs(60)),
        ..stream_mapping()
    };
    let triggers = bench.start(mapping, at_once(|_| boom())).await;
    triggers.settled(SOON).await.unwrap();
    let failures = bench.failures.0.lock().unwrap();
    let context = &failures[0].1["requestContext"];
    assert_eq!(context["condition"], "MaximumRecordAgeExceeded");
    assert_eq!(context["approximateInvokeCount"], bench.batches().len());
}

#[tokio::test]
async fn a_partial_failure_retries_from_the_lowest_failed_record() {
    let bench = Bench::new(&["s"]);
    bench.fill(6);
    let triggers = bench.start(stream_mapping(), script([failed(&["004", "002"])])).await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.batches(), [seqs(0..6), seqs(2..6)]);
    assert!(bench.failures.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn throttling_never_uses_up_retries() {
    let bench = Bench::new(&["s"]);
    bench.fill(1);
    let throttled = std::iter::repeat_n(Err(InvokeError::Throttled), 20);
    let triggers = bench.start(stream_mapping(), script(throttled)).await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.batches().len(), 21);
    assert!(bench.failures.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_restart_resumes_at_the_first_unfinished_record() {
    let bench = Bench::new(&["s"]);
    bench.fill(6);
    let mapping = MappingSpec { max_retries: None, ..stream_mapping() };
    let stuck = at_once(|batch| match batch.contains(&"003".to_owned()) {
        true => failed(&["003"]),
        false => Ok(Value::Null),
    });
    let triggers = bench.start(mapping.clone(), stuck).await;
    let lagging = triggers.settled(Duration::from_millis(200)).await.unwrap_err();
    assert_eq!((lagging[0].name.as_str(), lagging[0].behind), ("F.Stream", Some(3)));
    triggers.shutdown().await;
    assert_eq!(bench.position("s").as_deref(), Some("002"));

    bench.calls.lock().unwrap().clear();
    let triggers = bench.start(mapping, script([])).await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.batches(), [seqs(3..6)]);
}

#[tokio::test]
async fn shutdown_finishes_the_batch_in_flight() {
    let bench = Bench::new(&["s"]);
    bench.fill(3);
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let gates = (Arc::clone(&entered), Arc::clone(&release));
    let triggers = bench
        .start(stream_mapping(), move |_| {
            let (entered, release) = gates.clone();
            Box::pin(async move {
                entered.notify_one();
                release.notified().await;
                Ok(Value::Null)
            })
        })
        .await;
    entered.notified().await;
    assert!(!triggers.idle().await);
    let stopping = tokio::spawn(async move { triggers.shutdown().await });
    tokio::task::yield_now().await;
    assert!(!stopping.is_finished());
    release.notify_one();
    stopping.await.unwrap();
    assert_eq!(bench.position("s").as_deref(), Some("002"));
}

#[tokio::test]
async fn a_blocked_shard_does_not_hold_up_another() {
    let bench = Bench::new(&["a", "b"]);
    bench.stream.put("a", "x", &json!("stuck"), bench.time.now());
    bench.stream.put("b", "y", &json!("fine"), bench.time.now());
    let triggers = bench
        .start(stream_mapping(), |event: Value| {
            let stuck = event["Records"][0]["kinesis"]["partitionKey"] == "x";
            Box::pin(async move {
                if stuck {
                    std::future::pending::<()>().await;
                }
                Ok(Value::Null)
            })
        })
        .await;
    while bench.position("b").as_deref() != Some("000") {
        tokio::task::yield_now().await;
    }
    let status = triggers.status().await;
    assert_eq!((status[0].in_flight, status[0].behind, status[0].caught_up), (1, Some(1), false));
}

#[tokio::test]
async fn latest_skips_the_past_once_and_nothing_after_a_restart() {
    let bench = Bench::new(&["s"]);
    bench.fill(2);
    let mapping = MappingSpec { from_start: false, ..stream_mapping() };
    bench.start(mapping.clone(), script([])).await.shutdown().await;
    bench.fill(1);
    let triggers = bench.start(mapping, script([])).await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.batches(), [seqs(2..3)]);

    let empty = Bench::new(&["s"]);
    let mapping = MappingSpec { from_start: false, ..stream_mapping() };
    empty.start(mapping.clone(), script([])).await.shutdown().await;
    empty.fill(1);
    let triggers = empty.start(mapping, script([])).await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(empty.batches(), [seqs(0..1)]);
}

#[tokio::test]
async fn a_batch_waits_for_its_window_unless_it_is_full() {
    let bench = Bench::new(&["s"]);
    let start = bench.time.now();
    bench.fill(12);
    let window = Duration::from_secs(5);
    let triggers =
        bench.start(MappingSpec { batch_window: window, ..stream_mapping() }, script([])).await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.batches(), [seqs(0..10), seqs(10..12)]);
    let waited = bench.time.now().duration_since(start);
    assert_eq!(waited.as_secs(), 5);
}

#[tokio::test]
async fn filtered_records_count_as_processed() {
    let bench = Bench::new(&["s"]);
    for number in 0..6 {
        let kind = if number % 2 == 0 { "wanted" } else { "other" };
        bench.stream.put("s", "k", &json!({ "kind": kind }), bench.time.now());
    }
    let filters = vec![json!({"data": {"kind": ["wanted"]}})];
    let triggers = bench.start(MappingSpec { filters, ..stream_mapping() }, script([])).await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.batches(), [["000", "002", "004"]]);
    assert_eq!(bench.position("s").as_deref(), Some("005"));
}

#[tokio::test]
async fn lanes_of_one_shard_work_in_parallel() {
    let bench = Bench::new(&["s"]);
    bench.fill(20);
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let mapping = MappingSpec { parallelization_factor: 2, batch_size: 100, ..stream_mapping() };
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
    assert_eq!(bench.position("s").as_deref(), Some("019"));
}

#[tokio::test]
async fn a_panic_is_the_function_s_failure() {
    let bench = Bench::new(&["s"]);
    bench.fill(1);
    let triggers = bench.start(stream_mapping(), |_| Box::pin(async { panic!("oh") })).await;
    triggers.settled(SOON).await.unwrap();
    assert_eq!(bench.failures.0.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_machine_s_clock_reaches_its_deadlines() {
    let start = SystemTime.now();
    SystemTime.until(start + Duration::from_millis(5)).await;
    assert!(SystemTime.now() >= start + Duration::from_millis(5));
}
