//! `GET /api/olap/health`: what an operator sees of the event store.

use anyhow::Result;
use devstack::Options;
use domain::Role;
use runtime::Clock;
use serde_json::{Value, json};
use tests::{ClickHouse, DEADLINE, Maker, Player, stack_with};

async fn health(operator: &Player) -> Value {
    operator.api.get("/api/olap/health").await.ok()
}

#[tokio::test]
async fn tells_what_came_what_differs_and_that_nobody_answers() -> Result<()> {
    let mut server = ClickHouse::start(None).await?;
    let options = Options { clickhouse_url: Some(server.url.clone()), ..Options::default() };
    let stack = stack_with(options).await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let operator = maker.player(Role::Operator).await;
    let player = maker.player(Role::Standard).await;
    for number in 1..=3 {
        player.spin(10, &format!("spin-{number}")).send().await.ok();
    }
    player.buy("neon_frame", 1, "buy").send().await.ok();
    stack.settled(DEADLINE).await.map_err(|lag| anyhow::anyhow!("{lag:?}"))?;

    let well = health(&operator).await;
    // Two signups, three rounds, a purchase.
    assert_eq!(well["status"], "ok", "{well}");
    assert_eq!(well["ingestion"]["events_last_5m"], 6, "{well}");
    assert_eq!(well["ingestion"]["loaded_last_5m"], 6, "{well}");
    assert!(well["ingestion"]["delay_p95_ms"].is_u64(), "{well}");
    let audit = json!({ "events": 6, "missing": 0, "loads_under_way": 0, "differences": [] });
    assert_eq!(well["parity"], audit);

    for (view, expected) in [
        ("actions_hourly", None),
        ("player_results_daily", Some(3)),
        ("shop_revenue_daily", Some(1)),
        ("active_players_daily", Some(2)),
        ("player_firsts", Some(2)),
    ] {
        server.sql(&format!("TRUNCATE TABLE {view}")).await?;
        let short = health(&operator).await;
        assert_eq!(short["status"], "differs", "{short}");
        let differences = short["parity"]["differences"].as_array().cloned().unwrap_or_default();
        // Around midnight there may be two.
        let sum = |what: &str| differences.iter().filter_map(|of| of[what].as_u64()).sum::<u64>();
        assert!(differences.iter().all(|of| of["view"] == view), "{short}");
        assert_eq!((sum("expected"), sum("counted")), (expected.unwrap_or(6), 0), "{short}");
        server.rebuild_views().await?;
        assert_eq!(health(&operator).await["status"], "ok");
    }

    // The second of the player's rounds.
    let lost = format!("user_id = '{}' AND seq = 3", player.id);
    server.sql(&format!("DELETE FROM events_log WHERE {lost}")).await?;
    server.rebuild_views().await?;
    let short = health(&operator).await;
    assert_eq!((&short["status"], &short["parity"]["missing"]), (&json!("differs"), &json!(1)));
    assert_eq!(short["parity"]["differences"], json!([]), "{short}");

    server.stop().await?;
    assert_eq!(health(&operator).await, json!({ "status": "down" }));
    Ok(())
}
