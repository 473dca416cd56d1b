//! What the AWS SDK and the in-process connector add to the engine: load and
//! commit pairs a second, in memory, on the engine directly and through the
//! SDK. `cargo run -p devstack --example connector [SECONDS] [CLIENTS]`

#![expect(clippy::disallowed_methods, reason = "a benchmark of the engine itself")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, Put, ReturnConsumedCapacity, TransactWriteItem,
};
use devstack::{
    engine::{Engine, open_database},
    spec::{Spec, TableSpec},
};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let clients: u64 = arguments.next().map_or(Ok(16), |text| text.parse())?;
    let time = Duration::from_secs(seconds);
    let (direct, direct_cpu) = measured(async { direct(time) }).await?;
    println!("engine directly, one thread: {direct:6.0} pairs/s, {direct_cpu:6.0} µs of CPU each");
    let (through, sdk_cpu) = measured(through_the_sdk(time, clients)).await?;
    println!(
        "engine by SDK, {clients:3} clients:  {through:6.0} pairs/s, {sdk_cpu:6.0} µs of CPU each"
    );
    println!("ratio of throughput: {:.2}", direct / through);
    Ok(())
}

/// Pairs a second and the process's CPU time for each, which tells more than
/// throughput while the machine is busy with something else.
async fn measured(run: impl Future<Output = anyhow::Result<f64>>) -> anyhow::Result<(f64, f64)> {
    let (started, before) = (Instant::now(), cpu_ticks()?);
    let rate = run.await?;
    let pairs = rate * started.elapsed().as_secs_f64();
    Ok((rate, f64::from(cpu_ticks()? - before) * 10_000.0 / pairs))
}

/// User and system time in hundredths of a second.
fn cpu_ticks() -> anyhow::Result<u32> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("needs Linux")?;
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok(fields[11].parse::<u32>()? + fields[12].parse::<u32>()?)
}

fn table() -> Value {
    json!({
        "TableName": "bench", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            { "AttributeName": "pk", "AttributeType": "S" }, { "AttributeName": "sk", "AttributeType": "S" }],
        "KeySchema": [
            { "AttributeName": "pk", "KeyType": "HASH" }, { "AttributeName": "sk", "KeyType": "RANGE" }],
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" },
    })
}

/// The three items that pair `n` of `client` writes: their sort keys.
fn sort_keys(n: u64) -> [String; 3] {
    ["STATE".to_owned(), format!("ENTRY#{n:016}"), format!("REQUEST#{n}")]
}

fn direct(time: Duration) -> anyhow::Result<f64> {
    let database = open_database(None)?;
    database.create_table(serde_json::from_value(table())?)?;
    let started = Instant::now();
    let mut pairs = 0_u32;
    while started.elapsed() < time {
        let pk = json!({ "S": format!("PLAYER#{}", pairs % 16) });
        let sort_keys = sort_keys(u64::from(pairs));
        let keys: Vec<_> =
            sort_keys.iter().map(|sk| json!({ "pk": pk, "sk": { "S": sk } })).collect();
        let puts: Vec<_> = sort_keys
            .iter()
            .map(|sk| {
                let item = json!({ "pk": pk, "sk": { "S": sk }, "v": { "N": pairs.to_string() }, "text": { "S": "x".repeat(300) } });
                json!({ "Put": { "TableName": "bench", "Item": item } })
            })
            .collect();
        let load = json!({ "RequestItems": { "bench": { "Keys": keys } }, "ReturnConsumedCapacity": "TOTAL" });
        let commit = json!({ "TransactItems": puts, "ReturnConsumedCapacity": "TOTAL" });
        database.batch_get_item(serde_json::from_value(load)?)?;
        database.transact_write_items(serde_json::from_value(commit)?)?;
        pairs += 1;
    }
    Ok(f64::from(pairs) / started.elapsed().as_secs_f64())
}

async fn through_the_sdk(time: Duration, clients: u64) -> anyhow::Result<f64> {
    let spec = Spec {
        tables: vec![TableSpec {
            logical_id: "T".to_owned(),
            name: "bench".to_owned(),
            create: table(),
            ttl_attribute: None,
        }],
        ..Spec::default()
    };
    let engine = Engine::open(None, &spec)?;
    let client = aws_sdk_dynamodb::Client::new(&engine.sdk_config());
    let pairs = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for player in 0..clients {
        let (client, pairs) = (client.clone(), pairs.clone());
        tasks.spawn(async move {
            for n in 0.. {
                if started.elapsed() >= time {
                    break;
                }
                pair(&client, player, n).await?;
                pairs.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    while let Some(joined) = tasks.join_next().await {
        joined.context("a client panicked")??;
    }
    let total = u32::try_from(pairs.load(Ordering::Relaxed))?;
    Ok(f64::from(total) / started.elapsed().as_secs_f64())
}

async fn pair(client: &aws_sdk_dynamodb::Client, player: u64, n: u64) -> anyhow::Result<()> {
    let text = |text: String| AttributeValue::S(text);
    let pk = text(format!("PLAYER#{player}"));
    let mut keys = KeysAndAttributes::builder();
    let mut commit = client.transact_write_items();
    for sk in sort_keys(n) {
        keys =
            keys.keys([("pk".to_owned(), pk.clone()), ("sk".to_owned(), text(sk.clone()))].into());
        let put = Put::builder()
            .table_name("bench")
            .item("pk", pk.clone())
            .item("sk", text(sk))
            .item("v", AttributeValue::N(n.to_string()))
            .item("text", text("x".repeat(300)));
        commit = commit.transact_items(TransactWriteItem::builder().put(put.build()?).build());
    }
    let load = client.batch_get_item().request_items("bench", keys.build()?);
    load.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await?;
    commit.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await?;
    Ok(())
}
