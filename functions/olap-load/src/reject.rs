//! Records that are not events, set aside.

use std::collections::HashSet;

use clickhouse::Row;
use runtime::clickhouse::ClickHouse;
use serde::Deserialize;

use crate::{
    decode::Rejected,
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
    // As in `load`: blocks that begin with the same record have one token.
    let (mut attempt, mut tried) = (0, None);
    loop {
        let known = known(server, records).await?;
        let new: Vec<_> =
            records.iter().filter(|record| !known.contains(&key(record))).cloned().collect();
        let Some(first) = new.first() else { return Ok(()) };
        attempt = if tried.as_ref() == Some(&key(first)) { attempt + 1 } else { 0 };
        if attempt == ATTEMPTS {
            let expected = records.len();
            return Err(Error::Incomplete { expected, found: expected - new.len() });
        }
        server.insert("events_rejected", &new, &place(first, attempt)).await?;
        tried = Some(key(first));
    }
}

/// Shard, sequence number and digest.
type Key = (String, String, String);

fn key(record: &Rejected) -> Key {
    (record.shard_id.clone(), record.sequence_number.clone(), record.digest.clone())
}

async fn known(server: &ClickHouse, records: &[Rejected]) -> Result<HashSet<Key>, Error> {
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

fn place(first: &Rejected, attempt: u8) -> String {
    let (shard_id, sequence_number, digest) = key(first);
    format!("{shard_id}:{sequence_number}:{digest}:{attempt}")
}
