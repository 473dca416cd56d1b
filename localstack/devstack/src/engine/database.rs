//! Opening dynoxide so that it stays as quick as it starts.

use std::path::Path;

use anyhow::Context as _;
use dynoxide::Database;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use super::fresh_id;

/// For every write to a table with a stream the engine asks for the highest
/// sequence number, and for every read of the stream for those above one. It
/// has no index for either, so both would read the whole stream each time.
const INDEXES: &str = "
    CREATE INDEX IF NOT EXISTS devstack_stream_end
        ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
    CREATE INDEX IF NOT EXISTS devstack_stream_shard
        ON _stream_records (table_name, shard_id, CAST(sequence_number AS INTEGER));
";

const FILE: &str = "dynamodb.sqlite";

/// How long a table's stream keeps a record.
const RETENTION: SignedDuration = SignedDuration::from_hours(24);

/// All but the latest of each stream, from which the engine goes on counting.
const TRIM: &str = "
    DELETE FROM _stream_records AS record
    WHERE created_at < ?1 AND CAST(sequence_number AS INTEGER) < (
        SELECT MAX(CAST(sequence_number AS INTEGER)) FROM _stream_records AS latest
        WHERE latest.table_name = record.table_name
    )
";

/// Opens `dynamodb.sqlite` in `data`, or a database in memory.
///
/// # Errors
/// If the file cannot be made or is not a database of this engine.
pub fn open_database(data: Option<&Path>) -> anyhow::Result<Database> {
    let location = match data {
        // Named, so that a second connection can reach it to make the indexes.
        None => format!("file:devstack-{}?mode=memory&cache=shared", fresh_id()),
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("creating {}", directory.display()))?;
            let path = directory.join(FILE);
            path.to_str().context("the data directory is not UTF-8")?.to_owned()
        }
    };
    let database = Database::new(&location).context("opening the database")?;
    let connection = Connection::open(&location).context("opening the database again")?;
    connection.execute_batch(INDEXES).context("indexing the table streams")?;
    Ok(database)
}

/// Forgets what the streams of the database in `data` have kept for more than a day at
/// `now`, once it is open. In memory, and while a stack runs, nothing is forgotten.
///
/// # Errors
/// If the file is not a database of this engine.
pub fn trim_streams(data: &Path, now: Timestamp) -> anyhow::Result<()> {
    let connection = Connection::open(data.join(FILE)).context("opening the database again")?;
    let oldest = (now - RETENTION).as_second();
    connection.execute(TRIM, [oldest]).context("trimming the table streams")?;
    Ok(())
}
