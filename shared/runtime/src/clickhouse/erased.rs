//! Players who were erased.
//!
//! `events_log` names nobody but by a random id, and outlives a wish to be forgotten as
//! the journal does. What a client has told about itself does not.

use clickhouse::Row;
/// The type of the event of an erasure.
pub use domain::event_type::ERASED;
use serde::Deserialize;
use uuid::Uuid;

use super::{ClickHouse, Error};

/// Deletes what the players' clients have told.
///
/// # Errors
/// Some may be deleted; calling again deletes the rest.
pub async fn forget(server: &ClickHouse, players: &[Uuid]) -> Result<(), Error> {
    if players.is_empty() {
        return Ok(());
    }
    let sql = format!("DELETE FROM telemetry_events WHERE user_id IN ({})", list(players));
    server.execute(&sql, &[]).await?;
    tracing::info!(players = players.len(), "forgot what was told of erased players");
    Ok(())
}

#[derive(Deserialize, Row)]
struct Erased {
    #[serde(with = "clickhouse::serde::uuid")]
    user_id: Uuid,
}

/// Those of the players whose erasure is in `events_log`.
///
/// # Errors
/// See [`Error`].
pub async fn erased(server: &ClickHouse, players: &[Uuid]) -> Result<Vec<Uuid>, Error> {
    if players.is_empty() {
        return Ok(vec![]);
    }
    let sql = format!(
        "SELECT DISTINCT user_id FROM events_log \
         WHERE event_type = '{ERASED}' AND user_id IN ({})",
        list(players)
    );
    let erased = server.fetch::<Erased>(&sql).await?;
    Ok(erased.into_iter().map(|Erased { user_id }| user_id).collect())
}

/// UUIDs need no escaping.
fn list(players: &[Uuid]) -> String {
    let quoted: Vec<_> = players.iter().map(|player| format!("'{player}'")).collect();
    quoted.join(",")
}
