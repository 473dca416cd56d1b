//! Records that are not what their stream is for, kept where the others go.

use std::collections::HashSet;

use aws_lambda_events::kinesis::KinesisEventRecord;
use base64::{Engine, prelude::BASE64_STANDARD};
use clickhouse::Row;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ClickHouse, Error, insert_absent};

/// A row of `events_rejected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Row)]
pub struct Rejected {
    pub shard_id: String,
    pub sequence_number: String,
    pub digest: String,
    pub partition_key: String,
    pub reason: String,
    pub data_base64: String,
}

impl Rejected {
    /// The record, and why nothing can be made of it.
    #[must_use]
    pub fn of(record: &KinesisEventRecord, reason: String) -> Self {
        let data = &record.kinesis.data.0;
        // `shardId-000000000000:49590…`
        let id = record.event_id.as_deref().and_then(|id| id.split_once(':'));
        Self {
            shard_id: id.map_or("", |(shard, _)| shard).to_owned(),
            sequence_number: record.kinesis.sequence_number.clone(),
            digest: hex(&Sha256::digest(data)),
            partition_key: record.kinesis.partition_key.clone(),
            reason,
            data_base64: BASE64_STANDARD.encode(data),
        }
    }

    fn key(&self) -> Key {
        (self.shard_id.clone(), self.sequence_number.clone(), self.digest.clone())
    }

    /// The place of all blocks that begin with the record.
    fn place(&self) -> String {
        format!("{}:{}:{}", self.shard_id, self.sequence_number, self.digest)
    }
}

/// Shard, sequence number and digest.
type Key = (String, String, String);

#[derive(Deserialize, Row)]
struct Known {
    shard_id: String,
    sequence_number: String,
    digest: String,
}

/// Writes the records that are not there yet to `events_rejected`, and says so.
///
/// # Errors
/// Some may have been written; calling again writes only the others.
pub async fn set_aside(server: &ClickHouse, records: &[Rejected]) -> Result<(), Error> {
    if records.is_empty() {
        return Ok(());
    }
    insert_absent(
        records,
        || known(server, records),
        |known, record| known.contains(&record.key()),
        Rejected::place,
        |new, turn| async move {
            let new: Vec<_> = new.into_iter().cloned().collect();
            server.insert("events_rejected", &new, &turn.token).await
        },
    )
    .await?;
    for Rejected { shard_id, sequence_number, reason, .. } in records {
        tracing::error!(shard_id, sequence_number, reason, "set a record aside");
    }
    Ok(())
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

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String does not fail");
        text
    })
}
