-- The audit: every pair must be equal. A view that is not is made anew while nothing is
-- loaded (disable olap-load's event source mapping; the stream waits):
--
--   cargo xtask clickhouse-migrate --url … --loader-paused --rebuild <its table>
--
-- Loads without a mark are left to the loader, which feeds them when they come again.
CREATE VIEW IF NOT EXISTS events_parity AS
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
    ) AS active_player_days_in_view;
