//! Every event is one row of `events_log` and counts once in every view,
//! whatever happens to batches, invocations and the server. On the real engine.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use aws_lambda_events::kinesis::KinesisEvent;
use base64::{Engine, prelude::BASE64_STANDARD};
use runtime::{Function, LambdaEvent};
use serde_json::{Value, json};
use tests::ClickHouse;

/// A server, and the function that loads into it.
struct Olap {
    server: ClickHouse,
    function: Function,
}

impl Olap {
    async fn start(data: Option<&Path>) -> Result<Self> {
        let server = ClickHouse::start(data).await?;
        server.apply_schema().await.context("a second time")?;
        let function = server.loader()?;
        Ok(Self { server, function })
    }

    async fn load(&self, batch: &[Value]) -> Result<Value> {
        load(&self.function, batch).await
    }

    async fn sql(&self, sql: &str) -> Result<String> {
        self.server.sql(sql).await
    }

    async fn holds(&self, events: &[Value]) -> Result<()> {
        self.server.holds(events).await
    }
}

pub async fn load(function: &Function, records: &[Value]) -> Result<Value> {
    let event = json!({ "Records": records });
    serde_json::from_value::<KinesisEvent>(event.clone())
        .context("not an event as AWS sends it")?;
    let answer = function.call(LambdaEvent::new(event, runtime::Context::default())).await;
    answer.map_err(|error| anyhow::anyhow!(error))
}

/// A player's n-th event, a different one for each n, some in another month.
fn event(n: u64) -> Value {
    let (kind, payload) = match n % 16 {
        0 | 8 => ("user.login", json!({})),
        4 => ("user.signup", json!({})),
        12 => ("streak.claim", json!({ "gold": 1000 })),
        1 | 9 => (
            "shop.purchase.succeeded",
            json!({ "product_id": "p", "quantity": 2, "price_gold": 10 + n }),
        ),
        5 => (
            "shop.purchase.succeeded",
            json!({ "product_id": "g", "quantity": 1, "amount_minor": 100 + n, "currency": "KRW" }),
        ),
        13 => (
            "shop.purchase.refunded",
            json!({ "product_id": "g", "quantity": 1, "amount_minor": 100 + n, "currency": "KRW" }),
        ),
        _ => (
            "game.round.settled",
            json!({ "game": "slot", "bet_gold": n, "win_gold": 3 * (n % 2) * n }),
        ),
    };
    json!({
        "event_type": kind,
        "user_id": format!("0199a0a0-0000-7000-8000-{:012}", n % 5),
        "ts": format!("2026-{:02}-30T23:{:02}:01.{:03}Z", 10 + n % 2, n / 1000 % 60, n % 1000),
        "trace_id": "t", "version": 1, "seq": n, "payload": payload,
    })
}

fn events(range: std::ops::Range<u64>) -> Vec<Value> {
    range.map(event).collect()
}

/// Records as the stream delivers them, numbered from `sequence`.
fn records(sequence: usize, events: &[Value]) -> Vec<Value> {
    let record = |(n, event): (usize, &Value)| raw(sequence + n, event.to_string().as_bytes());
    events.iter().enumerate().map(record).collect()
}

pub fn raw(sequence: usize, data: &[u8]) -> Value {
    json!({
        "eventID": format!("shardId-000000000000:{sequence}"),
        "eventName": "aws:kinesis:record",
        "eventSource": "aws:kinesis",
        "eventSourceARN": "arn:aws:kinesis:eu-central-1:000000000000:stream/events",
        "eventVersion": "1.0",
        "awsRegion": "eu-central-1",
        "invokeIdentityArn": "arn:aws:iam::000000000000:role/olap",
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "p",
            "sequenceNumber": sequence.to_string(),
            "data": BASE64_STANDARD.encode(data),
            "approximateArrivalTimestamp": 1_795_222_923.456,
        },
    })
}

pub fn all_loaded() -> Value {
    json!({ "batchItemFailures": [] })
}

pub fn comes_back_from(sequence: usize) -> Value {
    json!({ "batchItemFailures": [{ "itemIdentifier": sequence.to_string() }] })
}

#[tokio::test]
async fn counts_an_event_once_in_whatever_batches_it_comes() -> Result<()> {
    let olap = Olap::start(None).await?;
    let all = events(0..60);
    assert_eq!(olap.load(&records(0, &all[..30])).await?, all_loaded());
    assert_eq!(olap.load(&records(0, &all[..30])).await?, all_loaded());
    olap.holds(&all[..30]).await?;
    // Delivered again under other sequence numbers, and overlapping what is new.
    olap.load(&records(100, &all[..30])).await?;
    olap.load(&records(200, &all[20..50])).await?;
    olap.holds(&all[..50]).await?;
    let twice = [&all[10..60], &all[10..60]].concat();
    olap.load(&records(300, &twice)).await?;
    for event in &all {
        olap.load(&records(900, std::slice::from_ref(event))).await?;
    }
    olap.holds(&all).await?;
    assert_eq!(olap.load(&[]).await?, all_loaded());
    Ok(())
}

#[tokio::test]
async fn loads_a_batch_once_when_invocations_race() -> Result<()> {
    let olap = Olap::start(None).await?;
    let all = events(0..300);
    for round in 0..6 {
        let batch = records(round * 50, &all[round * 50..][..50]);
        let calls = (0..12).map(|_| {
            let (function, batch) = (olap.function.clone(), batch.clone());
            tokio::spawn(async move { load(&function, &batch).await })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await??, all_loaded());
        }
    }
    olap.holds(&all).await
}

/// A batch that comes again, cut otherwise, while an insert of the first time is
/// still under way.
#[tokio::test]
async fn loads_an_event_once_when_batches_that_race_are_cut_otherwise() -> Result<()> {
    let olap = Olap::start(None).await?;
    let all = events(0..300);
    for round in 0..6_usize {
        let first = round * 50;
        let calls = (0..12).map(|n| {
            // From what was acknowledged, or further back, to anywhere.
            let start = first.saturating_sub(n % 3 * 7);
            let end = first + [50, 7, 23, 41][n % 4];
            let (function, batch) = (olap.function.clone(), records(start, &all[start..end]));
            tokio::spawn(async move { load(&function, &batch).await })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await??, all_loaded());
        }
    }
    olap.holds(&all).await
}

#[tokio::test]
async fn sets_poison_aside_once_and_loads_what_is_around_it() -> Result<()> {
    let olap = Olap::start(None).await?;
    let good = events(0..10);
    let mut batch = records(0, &good);
    batch.insert(3, raw(70, b"\x00\xff not an event"));
    batch.push(raw(71, br#"{"event_type":"user.login"}"#));
    for _ in 0..3 {
        assert_eq!(olap.load(&batch).await?, all_loaded());
    }
    olap.holds(&good).await?;
    let kept = "SELECT sequence_number, shard_id, data_base64 FROM events_rejected ORDER BY 1";
    let expected = format!(
        "70\tshardId-000000000000\t{}\n71\tshardId-000000000000\t{}",
        BASE64_STANDARD.encode(b"\x00\xff not an event"),
        BASE64_STANDARD.encode(br#"{"event_type":"user.login"}"#)
    );
    assert_eq!(olap.sql(kept).await?, expected);
    Ok(())
}

#[tokio::test]
async fn completes_the_views_of_an_interrupted_load_however_the_batch_is_cut_next() -> Result<()> {
    // A view that fails, once sorted before the others by name and once after.
    for name in ["aaa_broken", "zzz_broken"] {
        let olap = Olap::start(None).await?;
        let all = events(0..80);
        olap.load(&records(0, &all[..20])).await?;
        olap.sql(&format!(
            "CREATE MATERIALIZED VIEW {name} ENGINE = MergeTree ORDER BY tuple() \
             AS SELECT throwIf(seq >= 20) AS failed FROM events_feed"
        ))
        .await?;
        let interrupted = records(20, &all[20..60]);
        assert_eq!(olap.load(&interrupted).await?, comes_back_from(20));
        assert_eq!(olap.load(&interrupted).await?, comes_back_from(20));
        let in_table: usize = olap.sql("SELECT count() FROM events_log").await?.parse()?;
        assert!(in_table > 20, "the table was written before the view failed");
        olap.sql(&format!("DROP TABLE {name}")).await?;
        // Not the batch that failed, but others that cover it.
        olap.load(&records(500, &all[..25])).await?;
        olap.load(&records(600, &all[25..45])).await?;
        olap.load(&records(700, &all[40..])).await?;
        olap.holds(&all).await?;
    }
    Ok(())
}

#[tokio::test]
async fn completes_the_views_that_miss_a_load_and_no_other() -> Result<()> {
    let olap = Olap::start(None).await?;
    let all = events(0..80);
    // Every view gets the load; the mark that says so cannot be written.
    olap.sql("ALTER TABLE events_loaded ADD CONSTRAINT broken CHECK rows = 0").await?;
    assert_eq!(olap.load(&records(0, &all[..40])).await?, comes_back_from(0));
    assert_eq!(olap.load(&records(0, &all[..40])).await?, comes_back_from(0));
    // As if the feed had been cut off before this one of the views.
    olap.sql("TRUNCATE TABLE shop_revenue_daily").await?;
    olap.sql("ALTER TABLE events_loaded DROP CONSTRAINT broken").await?;
    olap.load(&records(0, &all[..25])).await?;
    olap.load(&records(25, &all[25..])).await?;
    olap.holds(&all).await
}

#[tokio::test]
async fn acknowledges_nothing_while_the_server_is_away() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("engine");
    let mut olap = Olap::start(Some(&data)).await?;
    let all = events(0..40);
    olap.load(&records(0, &all[..20])).await?;
    olap.server.stop().await?;
    assert_eq!(olap.load(&records(20, &all[20..])).await?, comes_back_from(20));
    olap.server.resume().await?;
    olap.holds(&all[..20]).await?;
    assert_eq!(olap.load(&records(20, &all[20..])).await?, all_loaded());
    olap.holds(&all).await
}

#[tokio::test]
async fn survives_the_server_being_killed_at_any_moment() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("engine");
    let all = events(0..2_000);
    let mut olap = Olap::start(Some(&data)).await?;
    for round in 0..5_usize {
        let function = olap.function.clone();
        // Batches are cut differently each time, and begin at the beginning.
        let size = 37 + 11 * round;
        let batches: Vec<_> =
            all.chunks(size).enumerate().map(|(n, b)| records(n * size, b)).collect();
        let (acknowledged, mut seen) = tokio::sync::watch::channel(0);
        let loading = tokio::spawn(async move {
            for (n, batch) in batches.iter().enumerate() {
                if load(&function, batch).await? != all_loaded() {
                    break;
                }
                acknowledged.send_replace(n + 1);
            }
            anyhow::Ok(())
        });
        // Somewhere within the next batch: further on each time.
        seen.wait_for(|batches| *batches == 2 + 2 * round).await?;
        #[expect(clippy::disallowed_methods, reason = "the moment of the kill is the subject")]
        tokio::time::sleep(Duration::from_millis(23 * round as u64)).await;
        olap.server.kill().await?;
        loading.await??;
        olap.server.resume().await?;
    }
    for (n, batch) in all.chunks(500).enumerate() {
        assert_eq!(olap.load(&records(n * 500, batch)).await?, all_loaded());
    }
    // Where the kill fell between a block's token and its rows (see `events_feed`).
    if olap.server.views_fell_short().await? {
        olap.server.rebuild_views().await?;
    }
    olap.holds(&all).await
}

#[tokio::test]
async fn a_view_that_fell_short_shows_and_is_made_anew() -> Result<()> {
    let olap = Olap::start(None).await?;
    let all = events(0..200);
    olap.load(&records(0, &all[..120])).await?;
    assert!(!olap.server.views_fell_short().await?);
    for view in
        ["actions_hourly", "player_results_daily", "shop_revenue_daily", "active_players_daily"]
    {
        olap.sql(&format!("TRUNCATE TABLE {view}")).await?;
        assert!(olap.server.views_fell_short().await?, "{view}");
        olap.server.rebuild_views().await?;
        olap.holds(&all[..120]).await?;
    }
    // A load that was interrupted before all this is fed when it comes again.
    olap.sql("ALTER TABLE events_loaded ADD CONSTRAINT broken CHECK rows = 0").await?;
    assert_eq!(olap.load(&records(120, &all[120..])).await?, comes_back_from(120));
    olap.server.rebuild_views().await?;
    olap.sql("ALTER TABLE events_loaded DROP CONSTRAINT broken").await?;
    assert!(olap.server.views_fell_short().await?);
    olap.load(&records(0, &all)).await?;
    olap.holds(&all).await
}

#[tokio::test]
async fn an_older_schema_is_brought_up_to_date_with_what_it_has() -> Result<()> {
    const LATER: [&str; 4] = ["110_", "120_", "130_", "140_"];
    let olap = Olap::start(None).await?;
    let forget = |since: &str| format!("DELETE FROM schema_migrations WHERE name >= '{since}'");
    for gone in [
        "VIEW telemetry_hourly",
        "TABLE telemetry_events",
        "VIEW funnel_daily",
        "VIEW player_firsts_mv",
        "TABLE player_firsts",
        "VIEW money_revenue_daily_mv",
        "TABLE money_revenue_daily",
    ] {
        olap.sql(&format!("DROP {gone}")).await?;
    }
    olap.sql(&forget(LATER[0])).await?;
    let all = events(0..100);
    assert_eq!(olap.load(&records(0, &all[..60])).await?, all_loaded());

    let applied = olap.server.apply_schema().await?;
    assert!(applied.iter().zip(LATER).all(|(name, of)| name.starts_with(of)), "{applied:?}");
    assert_eq!(applied.len(), LATER.len());
    olap.holds(&all[..60]).await?;
    assert_eq!(olap.load(&records(60, &all[60..])).await?, all_loaded());
    olap.holds(&all).await?;

    // One that broke off runs again, and a database of before there was a history has all.
    olap.sql(&forget(LATER[1])).await?;
    assert_eq!(olap.server.apply_schema().await?.len(), LATER.len() - 1);
    olap.holds(&all).await?;
    olap.sql("DROP TABLE schema_migrations").await?;
    let everything = olap.server.apply_schema().await?;
    assert!(everything.len() > 10 && everything.is_sorted(), "{everything:?}");
    olap.holds(&all).await?;
    assert!(olap.server.apply_schema().await?.is_empty());
    Ok(())
}
