-- The audit of 090 and 100, with the views that came after them.
CREATE OR REPLACE VIEW events_parity AS
SELECT
    (SELECT count() FROM events_log) AS events,
    (SELECT uniqExact(user_id, seq) FROM events_log) AS distinct_events,
    (SELECT sum(actions) FROM actions_hourly) AS events_in_actions_hourly,
    (SELECT countIf(event_type = 'game.round.settled') FROM events_log) AS rounds,
    (SELECT sum(bets) FROM player_results_daily) AS rounds_in_player_results,
    (SELECT countIf(event_type = 'shop.purchase.succeeded') FROM events_log) AS purchases,
    (SELECT sum(purchases) FROM shop_revenue_daily) AS purchases_in_shop_revenue,
    (SELECT uniqExact(toDate(ts), user_id) FROM events_log) AS active_player_days,
    (
        SELECT sum(players)
        FROM (SELECT uniqExactMerge(players) AS players FROM active_players_daily GROUP BY day)
    ) AS active_player_days_in_view,
    (
        SELECT countIf(event_type IN ('shop.purchase.succeeded', 'shop.purchase.refunded')
            AND JSONHas(payload, 'amount_minor'))
        FROM events_log
    ) AS payments,
    (SELECT sum(purchases) + sum(refunds) FROM money_revenue_daily) AS payments_in_money_revenue,
    (
        SELECT uniqExactIf(user_id, event_type = 'user.signup')
            + uniqExactIf(user_id, event_type = 'streak.claim')
            + uniqExactIf(user_id, event_type = 'game.round.settled')
            + uniqExactIf(user_id, event_type = 'shop.purchase.succeeded')
            + uniqExactIf(user_id, event_type = 'shop.purchase.succeeded' AND JSONHas(payload, 'amount_minor'))
        FROM events_log
    ) AS firsts,
    (
        SELECT uniqExactIf(user_id, signed_up IS NOT NULL)
            + uniqExactIf(user_id, claimed IS NOT NULL)
            + uniqExactIf(user_id, played IS NOT NULL)
            + uniqExactIf(user_id, bought IS NOT NULL)
            + uniqExactIf(user_id, paid IS NOT NULL)
        FROM player_firsts
    ) AS firsts_in_player_firsts;

CREATE OR REPLACE VIEW events_parity_recent AS
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
    UNION ALL
    SELECT 'money_revenue_daily', toStartOfDay(ts), count(), 0
    FROM events_log
    WHERE event_type IN ('shop.purchase.succeeded', 'shop.purchase.refunded')
        AND JSONHas(payload, 'amount_minor') AND ts >= first_day AND event_date >= toDate(first_day)
    GROUP BY toStartOfDay(ts)
    UNION ALL
    SELECT 'money_revenue_daily', toDateTime(day, 'UTC'), 0, sum(purchases) + sum(refunds)
    FROM money_revenue_daily WHERE day >= toDate(first_day) GROUP BY day
    UNION ALL
    SELECT 'player_firsts', toStartOfDay(ts), uniqExact(user_id), 0
    FROM events_log
    WHERE event_type = 'user.signup' AND ts >= first_day AND event_date >= toDate(first_day)
    GROUP BY toStartOfDay(ts)
    UNION ALL
    SELECT 'player_firsts', toStartOfDay(assumeNotNull(signed_up)), 0, uniqExact(user_id)
    FROM player_firsts WHERE signed_up >= first_day GROUP BY toStartOfDay(assumeNotNull(signed_up))
)
GROUP BY view_name, since
HAVING expected != counted;
