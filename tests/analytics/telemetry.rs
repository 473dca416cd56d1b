//! What clients tell about themselves is a row each, once, until they are forgotten.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use devstack::{Options, Stack};
use domain::telemetry::NoisyNames;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Api, ClickHouse, DEADLINE, Player, stack_with};

use crate::loader::{all_loaded, comes_back_from, load, raw};

const PATH: &str = "/api/telemetry/events";

async fn settle(stack: &Stack) -> Result<()> {
    stack.settled(DEADLINE).await.map_err(|lag| anyhow::anyhow!("not loaded in time: {lag:?}"))
}

#[tokio::test]
async fn what_is_told_is_there_once_and_until_its_player_is_erased() -> Result<()> {
    let server = ClickHouse::start(None).await?;
    let options = Options { clickhouse_url: Some(server.url.clone()), ..Options::default() };
    let stack = stack_with(options).await;
    let api = Api::new(&stack.base_url);
    let (player, other) = (Player::sign_up(&api).await, Player::sign_up(&api).await);

    let seen = json!({ "events": [
        { "ts": 1_795_222_923_456_i64, "name": "page.view", "meta": { "page": "/상점", "n": [1, 2.5] } },
        { "ts": "2026-11-21T01:02:04+00:00", "name": "socket.opened" },
    ]});
    for _ in ["first", "tried again"] {
        let told = player.api.post(PATH, &seen).key("once").send().await;
        assert_eq!(told.ok(), json!({ "accepted": 2, "sampled_out": 0 }));
    }
    // Fifty of a noisy name, of which the rule says beforehand what is kept.
    let times: Vec<i64> = (0..50).map(|n| 1_795_222_923_456 + n).collect();
    let noisy: Vec<_> = times.iter().map(|ts| json!({ "ts": ts, "name": "ui.scroll" })).collect();
    let told = other.api.post(PATH, &json!({ "events": noisy })).send().await.ok();
    let rule = NoisyNames::parse("ui.scroll");
    let id = other.id.parse()?;
    let is_kept = |ts: &&i64| {
        let at = jiff::Timestamp::from_millisecond(**ts).expect("an instant");
        rule.weight(id, "ui.scroll", at).is_some()
    };
    let kept = times.iter().filter(is_kept).count();
    assert_eq!(told, json!({ "accepted": kept, "sampled_out": 50 - kept }));
    settle(&stack).await?;

    let rows = "SELECT n, name, toUnixTimestamp64Milli(client_ts) AS ms, meta, weight \
                FROM telemetry_events WHERE weight = 1 ORDER BY n FORMAT JSONEachRow";
    let rows = server.sql(rows).await?;
    let rows: Vec<Value> =
        rows.lines().map(serde_json::from_str).collect::<Result<_, _>>().context(rows.clone())?;
    let meta = rows[0]["meta"].as_str().context("a text")?;
    assert_eq!(serde_json::from_str::<Value>(meta)?, seen["events"][0]["meta"]);
    assert_eq!(
        (&rows[0]["name"], &rows[1]["name"]),
        (&json!("page.view"), &json!("socket.opened"))
    );
    assert_eq!((&rows[1]["meta"], rows.len()), (&json!(""), 2));
    assert_eq!(rows[0]["ms"].to_string().trim_matches('"'), "1795222923456");
    let scrolled = "SELECT events, players FROM telemetry_hourly WHERE name = 'ui.scroll'";
    let scrolled = server.sql(scrolled).await?;
    assert_eq!(scrolled, if kept == 0 { String::new() } else { format!("{}\t1", 5 * kept) });

    player.api.call(Method::DELETE, "/api/auth/me").send().await.ok();
    settle(&stack).await?;
    let left = "SELECT count(), countIf(user_id = ";
    let left = format!("{left}'{}') FROM telemetry_events", player.id);
    assert_eq!(server.sql(&left).await?, format!("{kept}\t0"));
    // What was under way meanwhile.
    let late = batch(&player.id, 9, "2026-11-21T01:02:03Z");
    let loader = server.telemetry_loader()?;
    assert_eq!(load(&loader, &[raw(1, late.to_string().as_bytes())]).await?, all_loaded());
    assert_eq!(server.sql(&left).await?, format!("{kept}\t0"));
    Ok(())
}

fn batch(user: &str, id: u64, received_at: &str) -> Value {
    let event = |n| json!({ "n": n, "name": "page.view", "client_ts": received_at, "weight": 1 });
    json!({
        "batch_id": format!("0199a0a0-0000-7000-8000-{id:012}"), "user_id": user,
        "received_at": received_at, "trace_id": "t", "events": [event(0), event(1)],
    })
}

#[tokio::test]
async fn a_batch_counts_once_however_records_are_cut_and_the_server_comes_and_goes() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut server = ClickHouse::start(Some(&directory.path().join("clickhouse"))).await?;
    let loader = server.telemetry_loader()?;
    let user = "0199a0a0-0000-7000-8000-000000000001";
    // In two months, some of them received again in the other.
    let record = |n: usize| {
        let id = u64::try_from(n % 40).expect("a number");
        let month = if n.is_multiple_of(3) { "10-31" } else { "11-01" };
        let received_at = format!("2026-{month}T00:00:{:02}Z", n % 60);
        raw(n, batch(user, id, &received_at).to_string().as_bytes())
    };
    let mut records: Vec<_> = (0..60).map(record).collect();
    records[7] = raw(7, b"\x00poison");
    let ids: BTreeSet<_> = (0..60).filter(|n| *n != 7).map(|n| n % 40).collect();
    for (from, to) in [(0, 20), (10, 30), (10, 35), (30, 60), (0, 60)] {
        assert_eq!(load(&loader, &records[from..to]).await?, all_loaded(), "{from}..{to}");
    }
    let counts =
        "SELECT count(), uniqExact(batch_id), uniqExact(batch_id, n) FROM telemetry_events";
    let all = format!("{}\t{}\t{}", 2 * ids.len(), ids.len(), 2 * ids.len());
    assert_eq!(server.sql(counts).await?, all);
    assert_eq!(server.sql("SELECT count() FROM events_rejected").await?, "1");

    server.stop().await?;
    assert_eq!(load(&loader, &records[..5]).await?, comes_back_from(0));
    server.resume().await?;
    assert_eq!(load(&loader, &records[..5]).await?, all_loaded());
    assert_eq!(server.sql(counts).await?, all);
    Ok(())
}
