-- Daily active players: whoever did anything at all on a day, UTC.
-- Read with uniqExactMerge(players) GROUP BY day. The state is a set, so this
-- one could not be doubled even by feeding it twice.
CREATE TABLE IF NOT EXISTS active_players_daily
(
    day     Date,
    players AggregateFunction(uniqExact, UUID)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY day
SETTINGS
    non_replicated_deduplication_window = 20000,
    replicated_deduplication_window = 20000,
    replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS active_players_daily_mv TO active_players_daily AS
SELECT toDate(ts) AS day, uniqExactState(user_id) AS players
FROM events_feed
GROUP BY day;
