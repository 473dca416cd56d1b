//! The whole product on its processes, while one of the services is away:
//! changes go on, and nothing is lost.

use std::time::Duration;

use anyhow::{Context as _, Result};
use devstack::{Options, Stack, engine::Service};
use serde_json::json;
use tests::{
    Api, ClickHouse, DEADLINE, Events, Player, Socket, books, everything, stack_with, until_seen,
};

use crate::support::bootstraps;

/// Spins in each outage.
const SPINS: u64 = 10;

async fn product(clickhouse: Option<&ClickHouse>) -> Stack {
    stack_with(Options {
        bootstraps: Some(bootstraps()),
        clickhouse_url: clickhouse.map(|server| server.url.clone()),
        ..Options::default()
    })
    .await
}

/// A player who watches, and whose signup has gone all ways.
async fn watched(stack: &Stack) -> (Player, Socket) {
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let mut socket = player.socket().await;
    socket.until("initial_state").await;
    stack.settled(DEADLINE).await.expect("settles");
    (player, socket)
}

/// Every round is answered as ever.
async fn spins(player: &Player, name: &str) {
    for number in 0..SPINS {
        let answer = player.spin(1, &format!("{name}-{number}")).send().await;
        assert_eq!((answer.status.as_u16(), answer.is_replayed()), (200, false), "{}", answer.text);
    }
}

/// What a function answers to its typical event while it cannot do its work.
async fn fails(stack: &Stack, function: &str, events: &Events<'_>) -> Result<()> {
    let mut functions = stack.spec().functions.values();
    let id = functions.find(|spec| spec.crate_name == function).context("a function")?;
    let event = events.event(function, "typical").await?;
    let answer = stack.invoke(&id.logical_id, event.clone()).await?;
    assert_eq!(answer.to_string(), crate::events::failures(&event, &[0]), "{function}");
    Ok(())
}

/// Takes `service` away from every function; changes go on, and `function` says
/// that it failed. Once it is back, every frame and every view is.
async fn nothing_is_lost_without(service: Service, function: &str) -> Result<()> {
    let stack = product(None).await;
    let (player, mut socket) = watched(&stack).await;
    let events = Events::prepare(&stack).await?;
    stack.settled(DEADLINE).await.expect("settles");
    let aws = stack.endpoint().context("functions are processes")?;

    aws.take_down(service);
    spins(&player, "meanwhile").await;
    fails(&stack, function, &events).await?;
    let waiting = stack.settled(Duration::from_secs(1)).await.expect_err("the records wait");
    assert!(waiting.iter().any(|mapping| mapping.name.starts_with("Outbox")), "{waiting:?}");
    aws.bring_back(service);
    spins(&player, "after").await;

    let last = 1 + 2 * SPINS;
    stack.settled(3 * DEADLINE).await.expect("settles after the outage");
    until_seen(&mut socket, &everything(last)).await;
    let opened = stack.store("test").open(store::Subject::system(player.id.parse()?)).await?;
    assert_eq!((opened.stored_seq, opened.stats.total().plays), (last, 2 * SPINS));
    assert_eq!(books(&stack, &player).await.len() as u64, last);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_stream_changes_go_on_and_nothing_is_lost() -> Result<()> {
    nothing_is_lost_without(Service::Kinesis, "outbox").await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_queue_changes_go_on_and_nothing_is_lost() -> Result<()> {
    nothing_is_lost_without(Service::Sqs, "outbox").await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_clickhouse_changes_go_on_and_nothing_is_lost() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut server = ClickHouse::start(Some(&directory.path().join("clickhouse"))).await?;
    let stack = product(Some(&server)).await;
    let (player, mut socket) = watched(&stack).await;
    let events = Events::prepare(&stack).await?;
    stack.settled(DEADLINE).await.expect("settles");

    server.stop().await?;
    spins(&player, "meanwhile").await;
    fails(&stack, "olap-load", &events).await?;
    // Frames and statistics are as new as ever.
    until_seen(&mut socket, &everything(1 + SPINS)).await;
    server.resume().await?;
    spins(&player, "after").await;

    stack.settled(3 * DEADLINE).await.expect("settles after the outage");
    let mut journal = books(&stack, &player).await;
    assert_eq!(journal.len() as u64, 1 + 2 * SPINS);
    let store = stack.store("test");
    for other in [&events.player, &events.other] {
        journal.extend(store.entries_after(other.id.parse()?, 0, 100).await?);
    }
    server.holds_entries(journal.iter()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_table_every_call_says_when_to_come_back() -> Result<()> {
    let stack = product(None).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    player.spin(1, "before").send().await.ok();
    let aws = stack.endpoint().context("functions are processes")?;
    aws.take_down(Service::DynamoDb);
    let answer = player.spin(1, "meanwhile").send().await;
    answer.is_problem(503, "service_unavailable");
    let catalog = player.api.get("/api/shop/catalog").await.ok();
    assert_ne!(catalog, json!(null), "what needs no table goes on");
    aws.bring_back(Service::DynamoDb);
    player.spin(1, "meanwhile").send().await.ok();
    Ok(())
}
