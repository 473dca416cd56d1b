-- Gold burned in the shop, per day and product. Read with sum() of each.
-- price_gold of the event is the whole purchase, not one piece of it.
CREATE TABLE IF NOT EXISTS shop_revenue_daily
(
    day         Date,
    product_id  String,
    purchases   UInt64,
    quantity    UInt64,
    burned_gold Int64
)
ENGINE = SummingMergeTree((purchases, quantity, burned_gold))
PARTITION BY toYYYYMM(day)
ORDER BY (day, product_id)
SETTINGS
    non_replicated_deduplication_window = 20000,
    replicated_deduplication_window = 20000,
    replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS shop_revenue_daily_mv TO shop_revenue_daily AS
SELECT
    toDate(ts) AS day,
    JSONExtractString(payload, 'product_id') AS product_id,
    count() AS purchases,
    sum(JSONExtractUInt(payload, 'quantity')) AS quantity,
    sum(JSONExtractInt(payload, 'price_gold')) AS burned_gold
FROM events_feed
WHERE event_type = 'shop.purchase.succeeded'
GROUP BY day, product_id;
