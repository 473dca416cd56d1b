//! Records that are not events, set aside.

use std::collections::HashSet;

use clickhouse::Row;
use runtime::clickhouse::ClickHouse;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    decode::{Rejected, hex},
    load::{ATTEMPTS, Error},
};

#[derive(Deserialize, Row)]
struct Known {
    shard_id: String,
    sequence_number: String,
    digest: String,
}

/// Writes the records that are not there yet to `events_rejected`.
///
/// # Errors
/// Some may have been written; calling again writes only the others.
pub async fn set_aside(server: &ClickHouse, records: &[Rejected]) -> Result<(), Error> {
    for attempt in 0..ATTEMPTS {
        let known = known(server, records).await?;
        let new: Vec<_> = records
            .iter()
            .filter(|r| {
                !known.contains(&(r.shard_id.clone(), r.sequence_number.clone(), r.digest.clone()))
            })
            .cloned()
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        server.insert("events_rejected", &new, &token(&new, attempt)).await?;
    }
    match known(server, records).await?.len() {
        n if n == records.len() => Ok(()),
        found => Err(Error::Incomplete { expected: records.len(), found }),
    }
}

async fn known(
    server: &ClickHouse,
    records: &[Rejected],
) -> Result<HashSet<(String, String, String)>, Error> {
    // Digests are hexadecimal and need no escaping, which is why they are what
    // is asked for.
    let digests: Vec<_> = records.iter().map(|record| format!("'{}'", record.digest)).collect();
    let known = server
        .fetch::<Known>(&format!(
            "SELECT shard_id, sequence_number, digest FROM events_rejected WHERE digest IN ({})",
            digests.join(",")
        ))
        .await?;
    Ok(known.into_iter().map(|k| (k.shard_id, k.sequence_number, k.digest)).collect())
}

fn token(records: &[Rejected], attempt: u8) -> String {
    let mut hash = Sha256::new();
    hash.update([attempt]);
    for record in records {
        for part in [&record.shard_id, &record.sequence_number, &record.digest] {
            hash.update(part);
            hash.update([0]);
        }
    }
    hex(&hash.finalize())
}
