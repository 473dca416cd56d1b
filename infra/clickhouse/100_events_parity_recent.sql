-- The audit of yesterday and today, UTC, which is cheap enough to be asked for often: each
-- hour or day that a view has counted otherwise than the table holds, and nothing else.
-- While a load is under way (its rows are there, and events_loaded does not have it yet) its
-- hours may be here for a moment. See events_parity for what to do about one that stays.
CREATE VIEW IF NOT EXISTS events_parity_recent AS
WITH toDateTime(toDate(now('UTC')) - 1, 'UTC') AS first_day
SELECT view_name, since, sum(of_table) AS expected, sum(of_view) AS counted
FROM
(
    SELECT 'actions_hourly' AS view_name, toStartOfHour(ts) AS since, count() AS of_table, 0 AS of_view
    FROM events_log WHERE ts >= first_day AND event_date >= toDate(first_day) GROUP BY since
    UNION ALL
    SELECT 'actions_hourly', hour, 0, sum(actions)
    FROM actions_hourly WHERE hour >= first_day GROUP BY hour
    UNION ALL
    SELECT 'player_results_daily', toStartOfDay(ts), count(), 0
    FROM events_log
    WHERE event_type = 'game.round.settled' AND ts >= first_day AND event_date >= toDate(first_day)
    GROUP BY toStartOfDay(ts)
    UNION ALL
    SELECT 'player_results_daily', toDateTime(day, 'UTC'), 0, sum(bets)
    FROM player_results_daily WHERE day >= toDate(first_day) GROUP BY day
    UNION ALL
    SELECT 'shop_revenue_daily', toStartOfDay(ts), count(), 0
    FROM events_log
    WHERE event_type = 'shop.purchase.succeeded' AND ts >= first_day AND event_date >= toDate(first_day)
    GROUP BY toStartOfDay(ts)
    UNION ALL
    SELECT 'shop_revenue_daily', toDateTime(day, 'UTC'), 0, sum(purchases)
    FROM shop_revenue_daily WHERE day >= toDate(first_day) GROUP BY day
    UNION ALL
    SELECT 'active_players_daily', toStartOfDay(ts), uniqExact(user_id), 0
    FROM events_log WHERE ts >= first_day AND event_date >= toDate(first_day) GROUP BY toStartOfDay(ts)
    UNION ALL
    SELECT 'active_players_daily', toDateTime(day, 'UTC'), 0, uniqExactMerge(players)
    FROM active_players_daily WHERE day >= toDate(first_day) GROUP BY day
)
GROUP BY view_name, since
HAVING expected != counted;
