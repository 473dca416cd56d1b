//! Keeps what queues and streams accepted across a `kill -9`.
//!
//! Messages and records live in memory; the spool is the log they are loaded
//! from. It holds every accepted message until it is deleted and every
//! accepted record until all consumers have passed it, and the consumers'
//! checkpoints. Writes reach the operating system before the SDK gets its
//! answer, which survives the process and not the machine.
//!
//! Without a directory nothing is written and only checkpoints are kept.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, PoisonError},
};

use rusqlite::{Connection, Result, params};

/// Ids are never used twice, not even when the highest was deleted
/// (`AUTOINCREMENT`): a checkpoint must not outrun records that follow it.
const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = OFF;
    CREATE TABLE IF NOT EXISTS message (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, content TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS sent (
        queue TEXT NOT NULL, dedup TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL,
        until_ms INTEGER NOT NULL, PRIMARY KEY (queue, dedup)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS record (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, shard TEXT NOT NULL,
        partition_key TEXT NOT NULL, data TEXT NOT NULL, arrived_ms INTEGER NOT NULL);
    CREATE INDEX IF NOT EXISTS record_by_shard ON record (stream, shard, seq);
    CREATE TABLE IF NOT EXISTS checkpoint (
        mapping TEXT NOT NULL, shard TEXT NOT NULL, sequence TEXT NOT NULL,
        PRIMARY KEY (mapping, shard)) WITHOUT ROWID;
";

/// The file, or nothing in memory mode.
#[derive(Debug)]
pub(super) struct Spool {
    file: Option<Mutex<Connection>>,
    checkpoints: Checkpoints,
}

/// How far each mapping has read each shard: (mapping, shard) → sequence.
type Checkpoints = Mutex<HashMap<(String, String), String>>;

/// A message as the spool keeps it.
#[derive(Debug)]
pub(super) struct StoredMessage {
    pub(super) seq: u64,
    pub(super) queue: String,
    /// The queue's own JSON form.
    pub(super) content: String,
}

/// That a deduplication id was seen.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) dedup: String,
    pub(super) id: String,
    pub(super) seq: u64,
    /// Epoch milliseconds after which the id may be used again.
    pub(super) until_ms: i64,
}

/// A stream record as the spool keeps it.
#[derive(Clone, Debug)]
pub(crate) struct StoredRecord {
    pub(crate) seq: u64,
    pub(crate) stream: String,
    pub(crate) shard: String,
    pub(crate) partition_key: String,
    /// Base64, as it came and will be given out.
    pub(crate) data: String,
    pub(crate) arrived_ms: i64,
}

impl Spool {
    /// Opens `path`, or a spool that keeps checkpoints in memory only.
    pub(super) fn open(path: Option<&Path>) -> Result<Self> {
        let mut checkpoints = HashMap::new();
        let file = match path {
            None => None,
            Some(path) => {
                let connection = Connection::open(path)?;
                connection.execute_batch(SCHEMA)?;
                checkpoints = connection
                    .prepare("SELECT mapping, shard, sequence FROM checkpoint")?
                    .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?
                    .collect::<Result<_>>()?;
                Some(Mutex::new(connection))
            }
        };
        Ok(Self { file, checkpoints: Mutex::new(checkpoints) })
    }

    /// The highest ids ever given to a message and to a record.
    pub(super) fn high_water(&self) -> Result<(u64, u64)> {
        self.read((0, 0), |connection| {
            let of = |table: &str| -> Result<u64> {
                connection.query_row(
                    "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?",
                    [table],
                    |row| row.get(0),
                )
            };
            Ok((of("message")?, of("record")?))
        })
    }

    /// Every message not yet deleted, oldest first.
    pub(super) fn messages(&self) -> Result<Vec<StoredMessage>> {
        self.read(Vec::new(), |connection| {
            connection
                .prepare("SELECT seq, queue, content FROM message ORDER BY seq")?
                .query_map([], |row| {
                    Ok(StoredMessage { seq: row.get(0)?, queue: row.get(1)?, content: row.get(2)? })
                })?
                .collect()
        })
    }

    /// Deduplication ids of `queue` still remembered at `now_ms`; forgets the
    /// others.
    pub(super) fn sent(&self, queue: &str, now_ms: i64) -> Result<Vec<Sent>> {
        self.read(Vec::new(), |connection| {
            connection.execute("DELETE FROM sent WHERE until_ms <= ?", [now_ms])?;
            connection
                .prepare("SELECT dedup, id, seq, until_ms FROM sent WHERE queue = ?")?
                .query_map([queue], |row| {
                    Ok(Sent {
                        dedup: row.get(0)?,
                        id: row.get(1)?,
                        seq: row.get(2)?,
                        until_ms: row.get(3)?,
                    })
                })?
                .collect()
        })
    }

    /// Keeps messages, each with its deduplication id if it has one; all or
    /// nothing.
    pub(super) fn keep_messages(&self, batch: &[(StoredMessage, Option<Sent>)]) -> Result<()> {
        self.write(|transaction| {
            let mut message = transaction
                .prepare_cached("INSERT INTO message (seq, queue, content) VALUES (?, ?, ?)")?;
            let mut sent = transaction.prepare_cached(
                "INSERT OR REPLACE INTO sent (queue, dedup, id, seq, until_ms) VALUES (?, ?, ?, ?, ?)",
            )?;
            for (stored, dedup) in batch {
                message.execute(params![stored.seq, stored.queue, stored.content])?;
                if let Some(s) = dedup {
                    sent.execute(params![stored.queue, s.dedup, s.id, s.seq, s.until_ms])?;
                }
            }
            Ok(())
        })
    }

    /// Forgets deleted messages.
    pub(super) fn drop_messages(&self, sequences: &[u64]) -> Result<()> {
        self.write(|transaction| {
            let mut delete = transaction.prepare_cached("DELETE FROM message WHERE seq = ?")?;
            for seq in sequences {
                delete.execute([seq])?;
            }
            Ok(())
        })
    }

    /// Moves messages to another queue, as a redrive policy does.
    pub(super) fn move_messages(&self, sequences: &[u64], queue: &str) -> Result<()> {
        self.write(|transaction| {
            let mut update =
                transaction.prepare_cached("UPDATE message SET queue = ? WHERE seq = ?")?;
            for seq in sequences {
                update.execute(params![queue, seq])?;
            }
            Ok(())
        })
    }

    /// Every record that some consumer has not passed, oldest first.
    pub(super) fn records(&self) -> Result<Vec<StoredRecord>> {
        self.read(Vec::new(), |connection| {
            connection
                .prepare("SELECT seq, stream, shard, partition_key, data, arrived_ms FROM record ORDER BY seq")?
                .query_map([], |row| {
                    Ok(StoredRecord {
                        seq: row.get(0)?,
                        stream: row.get(1)?,
                        shard: row.get(2)?,
                        partition_key: row.get(3)?,
                        data: row.get(4)?,
                        arrived_ms: row.get(5)?,
                    })
                })?
                .collect()
        })
    }

    /// Keeps records; all or nothing.
    pub(super) fn keep_records(&self, records: &[StoredRecord]) -> Result<()> {
        self.write(|transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO record (seq, stream, shard, partition_key, data, arrived_ms) VALUES (?, ?, ?, ?, ?, ?)",
            )?;
            for r in records {
                insert.execute(params![r.seq, r.stream, r.shard, r.partition_key, r.data, r.arrived_ms])?;
            }
            Ok(())
        })
    }

    /// Keeps `record` in place of the one with sequence `stale`.
    pub(super) fn replace_record(&self, stale: u64, record: &StoredRecord) -> Result<()> {
        self.keep_records(std::slice::from_ref(record))?;
        self.write(|transaction| {
            transaction.execute("DELETE FROM record WHERE seq = ?", [stale])?;
            Ok(())
        })
    }

    /// Forgets records of a shard up to and including `seq`.
    pub(super) fn drop_records(&self, stream: &str, shard: &str, seq: u64) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached("DELETE FROM record WHERE stream = ? AND shard = ? AND seq <= ?")?
                .execute(params![stream, shard, seq])?;
            Ok(())
        })
    }

    /// How far `mapping` has read `shard`.
    pub(super) fn checkpoint(&self, mapping: &str, shard: &str) -> Option<String> {
        let key = (mapping.to_owned(), shard.to_owned());
        lock(&self.checkpoints).get(&key).cloned()
    }

    /// Remembers how far `mapping` has read `shard`.
    pub(super) fn set_checkpoint(&self, mapping: &str, shard: &str, sequence: &str) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO checkpoint (mapping, shard, sequence) VALUES (?, ?, ?)",
                )?
                .execute([mapping, shard, sequence])?;
            Ok(())
        })?;
        let key = (mapping.to_owned(), shard.to_owned());
        lock(&self.checkpoints).insert(key, sequence.to_owned());
        Ok(())
    }

    fn read<T>(&self, absent: T, act: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        match &self.file {
            None => Ok(absent),
            Some(connection) => act(&lock(connection)),
        }
    }

    fn write(&self, act: impl FnOnce(&Connection) -> Result<()>) -> Result<()> {
        let Some(connection) = &self.file else {
            return Ok(());
        };
        let mut connection = lock(connection);
        let transaction = connection.transaction()?;
        act(&transaction)?;
        transaction.commit()
    }
}

/// A panic elsewhere leaves data that is still whole: SQLite rolled back.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
