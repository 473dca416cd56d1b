//! Event stream → `ClickHouse`: each event one row, once.
//!
//! A batch is acknowledged only when all of it is in `events_log`, in every
//! view or, if it is no event, in `events_rejected`. Anything short of that and
//! the whole batch comes back; loading it again changes nothing that is there.

mod decode;
mod load;

use aws_lambda_events::kinesis::KinesisEvent;
use runtime::{
    Deps, Function,
    clickhouse::{ClickHouse, ERASED, Error, EventStore, forget, set_aside, taken},
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
            Ok(taken(&event, load_batch(&server, &event).await))
        }
    }))
}

async fn load_batch(server: &ClickHouse, event: &KinesisEvent) -> Result<(), Error> {
    let batch = decode::batch(&event.records);
    set_aside(server, &batch.rejected).await?;
    let erased = batch.events.iter().filter(|event| event.event_type == ERASED);
    let erased: Vec<Uuid> = erased.map(|event| event.user_id).collect();
    let loaded = load::events(server, batch.events).await?;
    // After the event is there: who loads telemetry meanwhile finds it, and forgets too.
    forget(server, &erased).await?;
    tracing::info!(
        records = event.records.len(),
        rejected = batch.rejected.len(),
        inserted = loaded.inserted,
        present = loaded.present,
        "loaded a batch"
    );
    Ok(())
}
