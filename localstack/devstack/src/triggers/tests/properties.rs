//! Whatever the function does, every key's records are processed in order and
//! none is lost.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::bench::*;
use crate::{
    invoke::InvokeError,
    spec::MappingSpec,
    triggers::{
        Time,
        verdict::{Outcome, outcome},
    },
};

/// What the function does with a batch.
#[derive(Clone, Copy, Debug)]
enum Behaviour {
    Succeeds,
    FailsWhole,
    FailsFrom(usize),
    IsThrottled,
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        2 => Just(Behaviour::Succeeds),
        1 => Just(Behaviour::FailsWhole),
        2 => (0..6_usize).prop_map(Behaviour::FailsFrom),
        1 => Just(Behaviour::IsThrottled),
    ]
}

type Processed = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// Notes what it has processed; then fails as it is told.
fn function(
    behaviours: Vec<Behaviour>,
    processed: Processed,
) -> impl Fn(Value) -> futures::future::BoxFuture<'static, Answer> + Send + Sync + 'static {
    let behaviours = Mutex::new(behaviours.into_iter());
    move |event| {
        let behaviour = behaviours.lock().unwrap().next().unwrap_or(Behaviour::Succeeds);
        let records = event["Records"].as_array().unwrap();
        let good = match behaviour {
            Behaviour::Succeeds => records.len(),
            Behaviour::FailsFrom(first) => first.min(records.len()),
            Behaviour::FailsWhole | Behaviour::IsThrottled => 0,
        };
        for record in &records[..good] {
            let record = &record["kinesis"];
            let key = record["partitionKey"].as_str().unwrap().to_owned();
            let sequence = record["sequenceNumber"].as_str().unwrap().to_owned();
            processed.lock().unwrap().entry(key).or_default().push(sequence);
        }
        let answer = match behaviour {
            Behaviour::FailsWhole => boom(),
            Behaviour::IsThrottled => Err(InvokeError::Throttled),
            _ => match records.get(good) {
                Some(record) => failed(&[record["kinesis"]["sequenceNumber"].as_str().unwrap()]),
                None => Ok(Value::Null),
            },
        };
        Box::pin(async move {
            tokio::task::yield_now().await;
            answer
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_key_keeps_its_order_and_nothing_is_lost(
        keys in prop::collection::vec(0..5_u8, 1..40),
        behaviours in prop::collection::vec(behaviour(), 0..30),
        parallelization_factor in 1..4_usize,
        batch_size in 1..8_usize,
        bisect: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new(&["s"]);
            let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for key in &keys {
                let key = format!("k{key}");
                let sequence = bench.stream.put("s", &key, &json!(0), bench.time.now());
                expected.entry(key).or_default().push(sequence);
            }
            let mapping = MappingSpec {
                parallelization_factor, batch_size, bisect, max_retries: None, ..stream_mapping()
            };
            let processed = Processed::default();
            let function = function(behaviours, Arc::clone(&processed));
            let triggers = bench.start(mapping, function).await;
            triggers.settled(SOON).await.unwrap();
            prop_assert_eq!(&*processed.lock().unwrap(), &expected);
            prop_assert_eq!(bench.position("s"), Some(format!("{:03}", keys.len() - 1)));
            Ok(())
        })?;
    }
}

#[test]
fn reads_answers_as_lambda_does() {
    let some = |positions: &[usize]| Outcome::SomeFailed(positions.iter().copied().collect());
    for (answer, reports, expected) in [
        (Ok(Value::Null), true, Outcome::Succeeded),
        (Ok(json!({})), true, Outcome::Succeeded),
        (Ok(json!({"batchItemFailures": null})), true, Outcome::Succeeded),
        (Ok(json!({"batchItemFailures": []})), true, Outcome::Succeeded),
        (failed(&["b"]), true, some(&[1])),
        (failed(&["c", "b", "c"]), true, some(&[1, 2])),
        (failed(&["b"]), false, Outcome::Succeeded),
        (failed(&["x"]), true, Outcome::AllFailed),
        (failed(&["b", "x"]), true, Outcome::AllFailed),
        (failed(&[""]), true, Outcome::AllFailed),
        (Ok(json!({"batchItemFailures": [{"itemIdentifier": null}]})), true, Outcome::AllFailed),
        (Ok(json!({"batchItemFailures": [{"id": "b"}]})), true, Outcome::AllFailed),
        (Ok(json!({"batchItemFailures": "b"})), true, Outcome::AllFailed),
        (Ok(json!("fine")), true, Outcome::AllFailed),
        (Ok(json!("fine")), false, Outcome::Succeeded),
        (boom(), true, Outcome::AllFailed),
        (Err(InvokeError::Timeout), false, Outcome::AllFailed),
        (Err(InvokeError::Throttled), true, Outcome::Throttled),
    ] {
        assert_eq!(outcome(&answer, reports, &["a", "b", "c"]), expected, "{answer:?}");
    }
}
