-- Settled rounds per player, day and game: how many, won (paid at least what was
-- bet), lost (paid less), gold bet, gold paid. Read with sum() of each.
CREATE TABLE IF NOT EXISTS player_results_daily
(
    day      Date,
    user_id  UUID,
    game     LowCardinality(String),
    bets     UInt64,
    wins     UInt64,
    losses   UInt64,
    bet_gold Int64,
    win_gold Int64
)
ENGINE = SummingMergeTree((bets, wins, losses, bet_gold, win_gold))
PARTITION BY toYYYYMM(day)
ORDER BY (user_id, day, game)
SETTINGS
    non_replicated_deduplication_window = 20000,
    replicated_deduplication_window = 20000,
    replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS player_results_daily_mv TO player_results_daily AS
SELECT
    toDate(ts) AS day,
    user_id,
    JSONExtractString(payload, 'game') AS game,
    count() AS bets,
    countIf(win >= bet) AS wins,
    countIf(win < bet) AS losses,
    sum(bet) AS bet_gold,
    sum(win) AS win_gold
FROM
(
    SELECT
        ts, user_id, payload,
        JSONExtractInt(payload, 'bet_gold') AS bet,
        JSONExtractInt(payload, 'win_gold') AS win
    FROM events_feed
    WHERE event_type = 'game.round.settled'
)
GROUP BY day, user_id, game;
