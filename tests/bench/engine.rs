//! The engine alone: the same load and the same transaction as a spin's, called
//! directly, without SDK, HTTP, handler or triggers.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use devstack::{Stack, engine::open_database};
use dynoxide::Database;
use serde_json::{Value, json};
use tests::Player;

use crate::report::{Row, cpu};

/// With the indexes that the embedded stack gives it.
pub const INDEXED: &str = "engine pairs, indexed";
/// As it is published: slower with every record of the table's stream.
pub const PUBLISHED: &str = "engine pairs, published";

/// What a spin loads and writes, as the table holds it.
pub struct Items {
    create: Value,
    table: String,
    state: Value,
    entry: Value,
    once: Value,
}

/// The three items of a real spin.
pub async fn items_of_a_spin(stack: &Stack, player: &Player) -> Result<Items> {
    let spun = player.spin(1, "0192f0c1-bench-0000-items").send().await.ok();
    let nonce = spun["fairness"]["nonce"].as_u64().context("a nonce")?;
    let table = stack.spec().tables.first().context("a table")?.clone();
    let pk = format!("PLAYER#{}", player.id);
    let once = format!("ONCE#KEY#{}#0192f0c1-bench-0000-items", player.id);
    let mut items = Vec::new();
    for (pk, sk) in [(&pk, "STATE"), (&pk, &*format!("ENTRY#{nonce:016}")), (&once, "ONCE")] {
        let request =
            json!({ "TableName": table.name, "Key": { "pk": { "S": pk }, "sk": { "S": sk } } });
        let request = serde_json::from_value(request)?;
        let found = stack
            .engine()
            .with_database(move |database| database.get_item(request))
            .await
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        items.push(serde_json::to_value(found)?["Item"].take());
    }
    let [state, entry, once] = items.try_into().map_err(|_| anyhow::anyhow!("three items"))?;
    Ok(Items { create: table.create, table: table.name, state, entry, once })
}

/// Pairs of load and commit, one after the other: the engine has one lock.
pub fn pairs(
    what: &'static str,
    items: &Items,
    data: Option<PathBuf>,
    players: usize,
    time: Duration,
) -> Result<Row> {
    if let Some(data) = &data {
        std::fs::create_dir_all(data)?;
    }
    let database = match &data {
        _ if what == INDEXED => open_database(data.as_deref())?,
        Some(data) => Database::new(&data.join("published.sqlite").to_string_lossy())?,
        None => Database::memory()?,
    };
    database.create_table(serde_json::from_value(items.create.clone())?)?;
    let (started, cpu_before) = (Instant::now(), cpu()?);
    let mut latencies = Vec::new();
    for number in 0_usize.. {
        if started.elapsed() >= time {
            break;
        }
        let asked = Instant::now();
        let (load, commit) = requests(items, number % players, number / players);
        database.batch_get_item(serde_json::from_str(&load)?)?;
        database.transact_write_items(serde_json::from_str(&commit)?)?;
        latencies.push(asked.elapsed());
    }
    let took = started.elapsed();
    latencies.sort_unstable();
    Ok(Row { what, count: latencies.len().try_into()?, took, latencies, cpu: cpu()? - cpu_before })
}

/// The bodies of both calls, as the SDK would send them.
fn requests(items: &Items, player: usize, version: usize) -> (String, String) {
    let (pk, once_pk) =
        (format!("PLAYER#{player:036}"), format!("ONCE#KEY#{player:036}#{version:036}"));
    let key = |pk: &str, sk: &str| json!({ "pk": { "S": pk }, "sk": { "S": sk } });
    let table = &items.table;
    let load = json!({
        "RequestItems": { table: { "Keys": [key(&pk, "STATE"), key(&once_pk, "ONCE")], "ConsistentRead": true } },
        "ReturnConsumedCapacity": "TOTAL",
    });
    let with = |item: &Value, pk: &str, sk: &str| {
        let mut item = item.clone();
        item["pk"] = json!({ "S": pk });
        item["sk"] = json!({ "S": sk });
        item
    };
    let mut state = with(&items.state, &pk, "STATE");
    state["version"] = json!({ "N": (version + 1).to_string() });
    let mut put_state = json!({ "TableName": table, "Item": state });
    if version == 0 {
        put_state["ConditionExpression"] = json!("attribute_not_exists(pk)");
    } else {
        put_state["ConditionExpression"] = json!("#version = :before");
        put_state["ExpressionAttributeNames"] = json!({ "#version": "version" });
        put_state["ExpressionAttributeValues"] = json!({ ":before": { "N": version.to_string() } });
    }
    let put_new = |item: Value| json!({ "Put": { "TableName": table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)" } });
    let entry = with(&items.entry, &pk, &format!("ENTRY#{:016}", version + 1));
    let once = with(&items.once, &once_pk, "ONCE");
    let commit = json!({
        "TransactItems": [{ "Put": put_state }, put_new(entry), put_new(once)],
        "ReturnConsumedCapacity": "TOTAL",
    });
    (load.to_string(), commit.to_string())
}
