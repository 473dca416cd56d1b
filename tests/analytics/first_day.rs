//! What players do, as rows: every journal entry one, once, soon.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use devstack::{Options, Stack};
use domain::Entry;
use serde_json::json;
use tests::{Api, ClickHouse, DEADLINE, PASSWORD, Player, stack_with};

/// How soon a committed change can be queried, at the 95th percentile.
const PROMISE: Duration = Duration::from_secs(3);

/// A stack that loads into a server.
async fn start(data: Option<&Path>) -> Result<(ClickHouse, Stack)> {
    let server = ClickHouse::start(data).await?;
    let options = Options { clickhouse_url: Some(server.url.clone()), ..Options::default() };
    let stack = stack_with(options).await;
    Ok((server, stack))
}

pub async fn journal(stack: &Stack, players: &[Player]) -> Result<Vec<Entry>> {
    let store = stack.store("test");
    let mut journal = Vec::new();
    for player in players {
        journal.extend(store.entries_after(player.id.parse()?, 0, 1000).await?);
    }
    Ok(journal)
}

async fn settle(stack: &Stack) {
    // A loader that was refused for a while comes back after a while.
    if let Err(lagging) = stack.settled(3 * DEADLINE).await {
        panic!("not delivered in time: {lagging:?}");
    }
}

#[tokio::test]
async fn every_change_of_the_first_day_is_one_row() -> Result<()> {
    let (server, stack) = start(None).await?;
    let api = Api::new(&stack.base_url);
    let player = Player::sign_up(&api).await;
    let other = Player::sign_up(&api).await;
    let _ = player.claim().await.ok();
    for number in 1..=3 {
        let _ = player.spin(10, &format!("spin-{number}")).send().await.ok();
    }
    let _ = player.buy("neon_frame", 1, "buy-1").send().await.ok();
    let rotate = json!({ "client_seed": "mine" });
    let _ = player.api.post("/api/games/fairness/rotate", &rotate).key("r").send().await.ok();
    let login = json!({ "site_id": other.site_id, "password": PASSWORD });
    let _ = api.post("/api/auth/login", &login).send().await.ok();
    // Neither a repeated nor a refused command is a fact.
    let _ = player.spin(10, "spin-1").send().await.ok();
    other.spin(1_001, "too-much").send().await.is_problem(422, "insufficient_funds");
    settle(&stack).await;

    let journal = journal(&stack, &[player, other]).await?;
    server.holds_entries(journal.iter()).await?;
    let kinds = server.sql("SELECT event_type, count() FROM events_log GROUP BY 1 ORDER BY 1");
    assert_eq!(
        kinds.await?,
        "game.fairness.rotated\t1\ngame.round.settled\t3\nshop.purchase.succeeded\t1\n\
         streak.claim\t1\nuser.login\t1\nuser.signup\t2"
    );
    Ok(())
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is the subject")]
async fn a_change_can_be_queried_within_three_seconds() -> Result<()> {
    const SPINS: u64 = 150;
    let (server, stack) = start(None).await?;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let newest = format!("SELECT max(seq) FROM events_log WHERE user_id = '{}'", player.id);
    let mut committed = Vec::new();
    let mut took: Vec<Duration> = Vec::new();
    // Spins go on while earlier ones are on their way.
    while (took.len() as u64) < SPINS {
        if (committed.len() as u64) < SPINS {
            let key = format!("spin-{}", committed.len());
            let _ = player.spin(1, &key).send().await.ok();
            committed.push(Instant::now());
        }
        // Entry 1 is the signup; the n-th spin is entry n + 1.
        let newest: u64 = server.sql(&newest).await?.parse()?;
        while (took.len() as u64) + 1 < newest {
            took.push(committed[took.len()].elapsed());
        }
        assert!(committed[took.len().min(committed.len() - 1)].elapsed() < DEADLINE);
    }
    took.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    println!("committed to queryable: p50 {:?}, p95 {:?}, max {:?}", at(50), at(95), at(100));
    assert!(at(95) < PROMISE, "p95 {:?}", at(95));
    Ok(())
}

#[tokio::test]
async fn nothing_is_lost_while_the_server_is_away() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (mut server, stack) = start(Some(&directory.path().join("clickhouse"))).await?;
    let api = Api::new(&stack.base_url);
    let mut players = Vec::new();
    let spins = async |player: &Player, name: &str| {
        for number in 0..20 {
            let _ = player.spin(1, &format!("{name}-{number}")).send().await.ok();
        }
    };
    for _ in 0..3 {
        players.push(Player::sign_up(&api).await);
    }
    for player in &players {
        spins(player, "before").await;
    }
    settle(&stack).await;
    server.stop().await?;
    for player in &players {
        spins(player, "meanwhile").await;
    }
    // Everybody else goes on: statistics are as new as ever.
    let lagging = stack.settled(Duration::from_secs(3)).await.expect_err("the server is away");
    let lagging: Vec<_> = lagging.iter().map(|mapping| mapping.name.as_str()).collect();
    assert!(lagging.len() == 1 && lagging[0].starts_with("OlapLoad"), "{lagging:?}");
    server.resume().await?;
    for player in &players {
        spins(player, "after").await;
    }
    settle(&stack).await;
    server.holds_entries(journal(&stack, &players).await?.iter()).await
}
