//! Event stream → `ClickHouse`: each event one row, once.
//!
//! A batch is acknowledged only when all of it is in `events_log`, in every
//! view or, if it is no event, in `events_rejected`. Anything short of that and
//! the whole batch comes back; loading it again changes nothing that is there.

mod decode;
mod load;
mod reject;

use aws_lambda_events::{kinesis::KinesisEvent, streams::KinesisEventResponse};
use runtime::{Deps, Function, clickhouse::ClickHouse, secrets::Credentials};

/// Builds the function.
///
/// # Errors
/// `CLICKHOUSE_URL`, `CLICKHOUSE_DATABASE` or `CLICKHOUSE_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let server = ClickHouse::of(&deps)?;
    let credentials = deps.secret("CLICKHOUSE_SECRET", Credentials::from_json)?;
    Ok(Function::trigger(move |event: KinesisEvent, _context| {
        let (server, credentials) = (server.clone(), credentials.clone());
        async move {
            let server = server.signed_in(&*credentials.current().await?);
            Ok(handle(&server, &event).await)
        }
    }))
}

async fn handle(server: &ClickHouse, event: &KinesisEvent) -> KinesisEventResponse {
    let mut answer = KinesisEventResponse::default();
    if let Err(error) = load_batch(server, event).await {
        report(&error, event.records.len());
        // The first record: the batch comes back from its beginning.
        if let Some(first) = event.records.first() {
            answer.add_failure(&first.kinesis.sequence_number);
        }
    }
    answer
}

async fn load_batch(server: &ClickHouse, event: &KinesisEvent) -> Result<(), load::Error> {
    let batch = decode::batch(&event.records);
    if !batch.rejected.is_empty() {
        reject::set_aside(server, &batch.rejected).await?;
        for rejected in &batch.rejected {
            tracing::error!(
                shard = rejected.shard_id,
                sequence = rejected.sequence_number,
                reason = rejected.reason,
                "set a record aside: it is not an event"
            );
        }
    }
    let loaded = load::events(server, batch.events).await?;
    tracing::info!(
        records = event.records.len(),
        rejected = batch.rejected.len(),
        inserted = loaded.inserted,
        present = loaded.present,
        "loaded a batch"
    );
    Ok(())
}

fn report(error: &load::Error, records: usize) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    if error.retryable() {
        tracing::warn!(records, %error, source, "batch not loaded, it will come again");
    } else {
        tracing::error!(records, %error, source, "batch not loaded, and it will not be as things are");
    }
}
