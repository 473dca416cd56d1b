-- What clients tell about themselves. (user_id, batch_id) is one request, however often
-- it was sent and whenever it arrived; n is the event's place in it. Loaded as events_log
-- is: looked up by that key, inserted where it is absent, as one part of one month.
--
-- Of noisy names one event in five is here, and stands for five: sum(weight), not count().
-- Rows of erased players are deleted by whoever loads their erasure, or loads them late.
CREATE TABLE IF NOT EXISTS telemetry_events
(
    user_id       UUID,
    batch_id      UUID,
    n             UInt8,
    name          LowCardinality(String),
    -- The client's clock, which may be wrong.
    client_ts     DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    received_at   DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    received_date Date DEFAULT toDate(received_at),
    -- JSON text, or nothing.
    meta          String CODEC(ZSTD),
    weight        UInt8,
    trace_id      String CODEC(ZSTD),
    loaded_at     DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(received_date)
ORDER BY (user_id, batch_id, n)
TTL received_date + INTERVAL 90 DAY
SETTINGS
    non_replicated_deduplication_window = 20000,
    replicated_deduplication_window = 20000,
    replicated_deduplication_window_seconds = 604800;

-- How often what happened, hour by hour.
CREATE VIEW IF NOT EXISTS telemetry_hourly AS
SELECT
    toStartOfHour(received_at) AS hour,
    name,
    sum(weight) AS events,
    uniqExact(user_id) AS players
FROM telemetry_events
GROUP BY hour, name;
