-- One row per committed change of a player. (user_id, seq) identifies the
-- event for ever; event_type and ts follow from it, so a redelivered event
-- always lands on the same sorting key and is found again by its primary key.
--
-- Exactly once: the loader looks the batch's keys up here, inserts only those
-- that are absent, as one block for one partition (so the write is one part:
-- all or nothing), and looks again. insert_deduplication_token settles the one
-- race left, two inserts at once, or one that takes effect after its invocation
-- has gone: it is of the first event that is absent, so all blocks that begin
-- there have one token, however the batches are cut, and one of them is written.
-- The window is therefore never relied on for longer than one insert.
-- ReplacingMergeTree is the backstop behind that, not the mechanism: a plain
-- SELECT count() is exact.
CREATE TABLE IF NOT EXISTS events_log
(
    event_id        String ALIAS concat(toString(user_id), ':', toString(seq)),
    event_type      LowCardinality(String),
    event_date      Date DEFAULT toDate(ts),
    ts              DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    user_id         UUID,
    seq             UInt64,
    trace_id        String,
    idempotency_key Nullable(String),
    version         UInt8,
    -- JSON text, as published.
    payload         String CODEC(ZSTD),
    -- The load that wrote the row; see events_loaded.
    load_token      String CODEC(ZSTD),
    loaded_at       DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(event_date)
ORDER BY (event_type, ts, user_id, seq)
SETTINGS
    non_replicated_deduplication_window = 20000,
    -- The same where the engine is replicated (ClickHouse Cloud, a cluster).
    replicated_deduplication_window = 20000,
    replicated_deduplication_window_seconds = 604800;
