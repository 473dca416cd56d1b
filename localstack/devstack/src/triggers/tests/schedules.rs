use serde_json::{Value, json};

use super::bench::*;
use crate::spec::{FunctionSpec, ScheduleSpec, Spec};

fn nightly() -> ScheduleSpec {
    ScheduleSpec {
        name: "RepairFunction.Nightly".into(),
        function: "RepairFunction".into(),
        expression: "cron(5 0 * * ? *)".into(),
        enabled: true,
        input: None,
    }
}

/// Waits until the function was called this often.
async fn calls(bench: &Bench, count: usize) -> Vec<Value> {
    loop {
        let calls = bench.calls.lock().unwrap().clone();
        if calls.len() >= count {
            return calls;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn fires_on_time_with_eventbridge_s_event() {
    let bench = Bench::new(&[]);
    let triggers = bench.schedule(vec![nightly()], script([])).await;
    let calls = calls(&bench, 2).await;
    let id = calls[0]["id"].clone();
    assert_eq!(
        calls[0],
        json!({
            "version": "0",
            "id": id,
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "000000000000",
            "time": "2026-11-22T00:05:00Z",
            "region": "ap-northeast-2",
            "resources": ["arn:aws:events:ap-northeast-2:000000000000:rule/local-RepairFunctionNightly"],
            "detail": {},
        })
    );
    assert_eq!(calls[1]["time"], "2026-11-23T00:05:00Z");
    triggers.shutdown().await;
}

#[tokio::test]
async fn a_failed_run_is_retried_twice() {
    let bench = Bench::new(&[]);
    let triggers = bench.schedule(vec![nightly()], script([boom(), boom(), boom()])).await;
    let calls = calls(&bench, 4).await;
    assert_eq!((&calls[0]["id"], &calls[1]["id"]), (&calls[1]["id"], &calls[2]["id"]));
    assert_eq!(calls[3]["time"], "2026-11-23T00:05:00Z");
    triggers.shutdown().await;
}

#[tokio::test]
async fn what_fails_three_times_is_set_aside_whole() {
    let bench = Bench::new(&[]);
    let function = FunctionSpec {
        logical_id: "RepairFunction".into(),
        on_failure_queue: Some("failures".into()),
        ..FunctionSpec::default()
    };
    let spec = Spec {
        functions: [("RepairFunction".to_owned(), function)].into(),
        schedules: vec![nightly()],
        ..Spec::default()
    };
    let triggers = bench.start_spec(spec, script([boom(), boom(), boom()])).await;
    let calls = calls(&bench, 4).await;
    let sent = bench.failures.0.lock().unwrap().clone();
    let [(queue, document)] = sent.as_slice() else { panic!("one document: {sent:?}") };
    assert_eq!(queue, "failures");
    assert_eq!(document["requestPayload"], calls[0]);
    assert_eq!(document["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(document["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(document["responsePayload"]["errorMessage"], "Boom: no");
    triggers.shutdown().await;
}

#[tokio::test]
async fn runs_now_by_any_of_its_names() {
    let bench = Bench::new(&[]);
    let function = FunctionSpec {
        logical_id: "RepairFunction".into(),
        crate_name: "streak-repair".into(),
        ..FunctionSpec::default()
    };
    let spec = Spec {
        functions: [("RepairFunction".to_owned(), function)].into(),
        schedules: vec![ScheduleSpec {
            enabled: false,
            input: Some(json!({"at": "<aws.scheduler.scheduled-time>", "n": [1]})),
            ..nightly()
        }],
        ..Spec::default()
    };
    let triggers = bench.start_spec(spec, script([Ok(json!("done"))])).await;
    assert_eq!(triggers.run_now("RepairFunction.Nightly").await.unwrap(), "done");
    triggers.run_now("RepairFunction").await.unwrap();
    triggers.run_now("streak-repair").await.unwrap();
    assert!(triggers.run_now("nobody").await.is_err());
    assert_eq!(bench.calls.lock().unwrap()[0], json!({"at": NOON, "n": [1]}));
    assert!(triggers.idle().await);
}
