//! Batches as rows of `telemetry_events`.

use std::collections::HashSet;

use clickhouse::Row;
use domain::telemetry::Batch;
use runtime::clickhouse::{ClickHouse, Error, Turn};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What tells one batch from all others: player and batch.
pub type Key = (Uuid, Uuid);

/// The batch's identity.
pub fn key(batch: &Batch) -> Key {
    (batch.user_id.uuid(), batch.batch_id.uuid())
}

/// The place of all blocks that begin with the batch.
pub fn place(batch: &Batch) -> String {
    format!("{}:{}", batch.user_id, batch.batch_id)
}

#[derive(Deserialize, Row)]
struct Found {
    #[serde(with = "clickhouse::serde::uuid")]
    user_id: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    batch_id: Uuid,
}

/// Which of the batches are in the table, received whenever.
pub async fn look_up(server: &ClickHouse, batches: &[Batch]) -> Result<HashSet<Key>, Error> {
    // UUIDs need no escaping.
    let keys: Vec<_> =
        batches.iter().map(|batch| format!("('{}','{}')", batch.user_id, batch.batch_id)).collect();
    let sql = format!(
        "SELECT DISTINCT user_id, batch_id FROM telemetry_events \
         WHERE (user_id, batch_id) IN ({})",
        keys.join(",")
    );
    let found = server.fetch::<Found>(&sql).await?;
    Ok(found.into_iter().map(|Found { user_id, batch_id }| (user_id, batch_id)).collect())
}

/// A row, less what the table computes.
#[derive(Serialize, Row)]
struct TelemetryRow {
    #[serde(with = "clickhouse::serde::uuid")]
    user_id: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    batch_id: Uuid,
    n: u8,
    name: String,
    /// Milliseconds since 1970.
    client_ts: i64,
    received_at: i64,
    meta: String,
    weight: u8,
    trace_id: String,
}

/// Inserts the batches as one block.
pub async fn insert(server: &ClickHouse, batches: Vec<&Batch>, turn: Turn) -> Result<(), Error> {
    let rows: Vec<_> = batches
        .iter()
        .flat_map(|batch| {
            batch.events.iter().map(|event| TelemetryRow {
                user_id: batch.user_id.uuid(),
                batch_id: batch.batch_id.uuid(),
                n: event.n,
                name: event.name.clone(),
                client_ts: event.client_ts.as_millisecond(),
                received_at: batch.received_at.as_millisecond(),
                meta: event.meta.as_ref().map_or_else(String::new, |meta| {
                    serde_json::to_string(meta).expect("JSON serializes")
                }),
                weight: event.weight,
                trace_id: batch.trace_id.clone(),
            })
        })
        .collect();
    server.insert("telemetry_events", &rows, &turn.token).await
}
