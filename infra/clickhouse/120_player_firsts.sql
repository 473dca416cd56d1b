-- Rebuilds player_firsts; the loader is paused meanwhile.
-- When each player first did what the funnel counts; NULL is not yet. Read with min() of
-- each. A minimum, so feeding a load twice changes nothing.
CREATE TABLE IF NOT EXISTS player_firsts
(
    user_id   UUID,
    signed_up SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))),
    claimed   SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))),
    played    SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))),
    bought    SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))),
    paid      SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC')))
)
ENGINE = AggregatingMergeTree
ORDER BY user_id
SETTINGS
    non_replicated_deduplication_window = 20000,
    replicated_deduplication_window = 20000,
    replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS player_firsts_mv TO player_firsts AS
SELECT
    user_id,
    minOrNullIf(ts, event_type = 'user.signup') AS signed_up,
    minOrNullIf(ts, event_type = 'streak.claim') AS claimed,
    minOrNullIf(ts, event_type = 'game.round.settled') AS played,
    minOrNullIf(ts, event_type = 'shop.purchase.succeeded') AS bought,
    minOrNullIf(ts, event_type = 'shop.purchase.succeeded' AND JSONHas(payload, 'amount_minor')) AS paid
FROM events_feed
WHERE event_type IN ('user.signup', 'streak.claim', 'game.round.settled', 'shop.purchase.succeeded')
GROUP BY user_id;

-- Of those who signed up on a day, UTC, how many have done each until now. Steps are
-- counted by themselves: who buys with gold need not have played.
CREATE VIEW IF NOT EXISTS funnel_daily AS
SELECT
    toDate(first_signed_up) AS day,
    count() AS signed_up,
    count(first_claimed) AS claimed,
    count(first_played) AS played,
    count(first_bought) AS bought,
    count(first_paid) AS paid
FROM
(
    SELECT
        min(signed_up) AS first_signed_up,
        min(claimed) AS first_claimed,
        min(played) AS first_played,
        min(bought) AS first_bought,
        min(paid) AS first_paid
    FROM player_firsts
    GROUP BY user_id
)
WHERE first_signed_up IS NOT NULL
GROUP BY day;
