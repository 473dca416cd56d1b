-- Records that are not events: set aside with the reason and the original
-- bytes, so that they neither hold up their shard nor get lost. One row per
-- record; digest is there because a stream that is created again starts its
-- sequence numbers again.
CREATE TABLE IF NOT EXISTS events_rejected
(
    shard_id        String,
    sequence_number String,
    -- SHA-256 of the bytes, hexadecimal.
    digest          String,
    partition_key   String,
    reason          String,
    data_base64     String CODEC(ZSTD),
    rejected_at     DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (shard_id, sequence_number, digest)
SETTINGS
    non_replicated_deduplication_window = 20000,
    replicated_deduplication_window = 20000,
    replicated_deduplication_window_seconds = 604800;
