-- Rebuilds money_revenue_daily; the loader is paused meanwhile.
-- Money taken and given back, per day, product and currency, in the currency's smallest
-- unit. Read with sum() of each; what was earned is amount_minor - refunded_minor. A
-- refund counts on its own day.
CREATE TABLE IF NOT EXISTS money_revenue_daily
(
    day            Date,
    product_id     String,
    currency       LowCardinality(String),
    purchases      UInt64,
    refunds        UInt64,
    amount_minor   Int64,
    refunded_minor Int64
)
ENGINE = SummingMergeTree((purchases, refunds, amount_minor, refunded_minor))
PARTITION BY toYYYYMM(day)
ORDER BY (day, product_id, currency)
SETTINGS
    non_replicated_deduplication_window = 20000,
    replicated_deduplication_window = 20000,
    replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS money_revenue_daily_mv TO money_revenue_daily AS
SELECT
    toDate(ts) AS day,
    JSONExtractString(payload, 'product_id') AS product_id,
    JSONExtractString(payload, 'currency') AS currency,
    countIf(event_type = 'shop.purchase.succeeded') AS purchases,
    countIf(event_type = 'shop.purchase.refunded') AS refunds,
    sumIf(JSONExtractInt(payload, 'amount_minor'), event_type = 'shop.purchase.succeeded') AS amount_minor,
    sumIf(JSONExtractInt(payload, 'amount_minor'), event_type = 'shop.purchase.refunded') AS refunded_minor
FROM events_feed
WHERE event_type IN ('shop.purchase.succeeded', 'shop.purchase.refunded')
    AND JSONHas(payload, 'amount_minor')
GROUP BY day, product_id, currency;

