//! Rows a second through the function into the embedded engine:
//! `cargo run -p tests --example olap_throughput`.

use std::time::Instant;

use anyhow::{Result, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use runtime::LambdaEvent;
use serde_json::{Value, json};
use tests::ClickHouse;

#[tokio::main]
async fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut server = ClickHouse::start(Some(&directory.path().join("engine"))).await?;
    let function = server.loader()?;

    let mut seq = 0;
    for (size, batches) in [(1, 100_u32), (100, 100), (1000, 50)] {
        let mut times = Vec::new();
        for _ in 0..batches {
            let records: Vec<_> = (0..size)
                .map(|_| {
                    seq += 1;
                    record(seq)
                })
                .collect();
            let event = json!({ "Records": records });
            #[expect(clippy::disallowed_methods, reason = "durations are the subject")]
            let started = Instant::now();
            let answer = function.call(LambdaEvent::new(event, runtime::Context::default())).await;
            times.push(started.elapsed());
            let answer = answer.map_err(|error| anyhow::anyhow!(error))?;
            ensure!(answer == json!({ "batchItemFailures": [] }), "{answer}");
        }
        times.sort();
        let total: std::time::Duration = times.iter().sum();
        println!(
            "batches of {size:>4}: {:>6.0} rows/s, p50 {:.1} ms, p95 {:.1} ms",
            f64::from(batches) * f64::from(size) / total.as_secs_f64(),
            times[times.len() / 2].as_secs_f64() * 1e3,
            times[times.len() * 95 / 100].as_secs_f64() * 1e3,
        );
    }
    server.stop().await
}

fn record(seq: u64) -> Value {
    let envelope = json!({
        "event_type": "game.round.settled",
        "user_id": format!("0199a0a0-0000-7000-8000-{:012}", seq % 500),
        "ts": format!("2026-11-21T{:02}:{:02}:{:02}.{:03}Z",
            seq / 3_600_000, seq / 60_000 % 60, seq / 1000 % 60, seq % 1000),
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "version": 1, "seq": seq,
        "payload": { "game": "slot", "bet_gold": 10, "win_gold": 20, "outcome": ["a", "b", "c"] },
    });
    json!({
        "eventID": format!("shardId-000000000000:{seq}"),
        "kinesis": {
            "kinesisSchemaVersion": "1.0", "partitionKey": "p", "sequenceNumber": seq.to_string(),
            "data": BASE64_STANDARD.encode(envelope.to_string()),
            "approximateArrivalTimestamp": 1_795_222_923.456,
        },
    })
}
