//! Telemetry stream → `ClickHouse`: each batch once, and nothing of erased players.
//!
//! As `olap-load`: looked up, inserted where it is absent, looked up again; what cannot
//! be read is kept in `events_rejected`; short of that the whole batch of records comes
//! back. A client's batch is part of one block of one month, so it is there as a whole or
//! not at all.

mod rows;

use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::kinesis::KinesisEvent;
use domain::telemetry::Batch;
use jiff::tz::TimeZone;
use runtime::{
    Deps, Function,
    clickhouse::{
        ClickHouse, Error, EventStore, Rejected, erased, forget, insert_absent, set_aside, taken,
    },
};
use uuid::Uuid;

/// Builds the function.
///
/// # Errors
/// `CLICKHOUSE_URL`, `CLICKHOUSE_DATABASE` or `CLICKHOUSE_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let event_store = EventStore::of(&deps)?;
    Ok(Function::trigger(move |event: KinesisEvent, _context| {
        let event_store = event_store.clone();
        async move {
            let server = event_store.connection().await?;
            Ok(taken(&event, load(&server, &event).await))
        }
    }))
}

async fn load(server: &ClickHouse, event: &KinesisEvent) -> Result<(), Error> {
    let Read { months, rejected } = Read::of(event);
    set_aside(server, &rejected).await?;
    let mut players = BTreeSet::new();
    let (mut batches, mut inserted) = (0, 0);
    for month in months.values() {
        batches += month.len();
        inserted += load_month(server, month).await?;
        players.extend(month.iter().map(|batch| batch.user_id.uuid()));
    }
    // After the rows are there: who loads an erasure meanwhile finds them, and forgets too.
    let players: Vec<Uuid> = players.into_iter().collect();
    forget(server, &erased(server, &players).await?).await?;
    let (records, rejected) = (event.records.len(), rejected.len());
    tracing::info!(records, rejected, batches, inserted, "loaded telemetry");
    Ok(())
}

/// Records, read.
#[derive(Debug, Default)]
struct Read {
    /// Each batch once, by the month it was received in.
    months: BTreeMap<(i16, i8), Vec<Batch>>,
    rejected: Vec<Rejected>,
}

impl Read {
    fn of(event: &KinesisEvent) -> Self {
        let mut read = Self::default();
        let mut seen = BTreeSet::new();
        for record in &event.records {
            match serde_json::from_slice::<Batch>(&record.kinesis.data.0) {
                Ok(batch) => {
                    // A client that tries again brings it again.
                    if seen.insert(rows::key(&batch)) {
                        let received = batch.received_at.to_zoned(TimeZone::UTC);
                        let month = (received.year(), received.month());
                        read.months.entry(month).or_default().push(batch);
                    }
                }
                Err(error) => {
                    let reason = format!("not a telemetry batch: {error}");
                    read.rejected.push(Rejected::of(record, reason));
                }
            }
        }
        read
    }
}

async fn load_month(server: &ClickHouse, batches: &[Batch]) -> Result<usize, Error> {
    let (_, inserted) = insert_absent(
        batches,
        || rows::look_up(server, batches),
        |found, batch| found.contains(&rows::key(batch)),
        rows::place,
        |absent, turn| rows::insert(server, absent, turn),
    )
    .await?;
    Ok(inserted)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use serde_json::{Value, json};

    use super::*;

    fn event(data: &[Vec<u8>]) -> KinesisEvent {
        let record = |(n, data): (usize, &Vec<u8>)| {
            json!({
                "eventID": format!("shardId-000000000003:{n}"),
                "kinesis": {
                    "data": BASE64_STANDARD.encode(data),
                    "partitionKey": "p", "sequenceNumber": n.to_string(),
                    "kinesisSchemaVersion": "1.0", "approximateArrivalTimestamp": 1.5,
                },
            })
        };
        let records: Vec<Value> = data.iter().enumerate().map(record).collect();
        serde_json::from_value(json!({ "Records": records })).unwrap()
    }

    fn batch(id: u8, received_at: &str) -> Vec<u8> {
        let id = Uuid::from_bytes([id; 16]);
        let event = json!({ "n": 0, "name": "page.view", "client_ts": received_at, "weight": 1 });
        json!({ "batch_id": id, "user_id": id, "received_at": received_at, "trace_id": "t",
                "events": [event] })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_batch_counts_once_in_its_month_and_poison_is_set_aside() {
        let read = Read::of(&event(&[
            batch(1, "2026-11-30T23:59:59.999Z"),
            b"{}".to_vec(),
            batch(1, "2026-12-01T00:00:00Z"),
            batch(2, "2026-12-01T00:00:00Z"),
        ]));
        let months: Vec<_> = read.months.iter().map(|(month, of)| (*month, of.len())).collect();
        assert_eq!(months, [((2026, 11), 1), ((2026, 12), 1)]);
        let [rejected] = &read.rejected[..] else { panic!("{:?}", read.rejected) };
        assert_eq!(rejected.sequence_number, "1");
        assert!(rejected.reason.starts_with("not a telemetry batch"), "{}", rejected.reason);
    }
}
