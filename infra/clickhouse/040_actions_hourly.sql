-- Actions per hour and type. Read with sum(actions).
CREATE TABLE IF NOT EXISTS actions_hourly
(
    hour       DateTime('UTC'),
    event_type LowCardinality(String),
    actions    UInt64
)
ENGINE = SummingMergeTree(actions)
PARTITION BY toYYYYMM(hour)
ORDER BY (event_type, hour)
SETTINGS
    non_replicated_deduplication_window = 20000,
    replicated_deduplication_window = 20000,
    replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS actions_hourly_mv TO actions_hourly AS
SELECT toStartOfHour(ts) AS hour, event_type, count() AS actions
FROM events_feed
GROUP BY hour, event_type;
