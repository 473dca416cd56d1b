//! `cargo xtask bench --sales`: how fast a limited package sells, by the number of shards
//! that its stock is spread over, when transactions on one item are in each other's way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use devstack::{Options, Stack};
use domain::Role;
use runtime::Clock;
use serde_json::json;
use tests::{Contention, Maker, Player, shop};
use tokio::task::JoinSet;

/// What one transaction keeps an item from the others.
const TAKES: Duration = Duration::from_millis(10);

/// Sells for `time` to `clients` at once from 1, 2, 4 … shards.
pub async fn measure(clients: usize, time: Duration) -> Result<()> {
    let stack = Stack::start(Options::default()).await?;
    let maker = Maker::new(&stack, Clock::system()).await;
    let operator = maker.player(Role::Operator).await;
    println!("{clients} buyers at once, a transaction keeps its items for {TAKES:?}");
    println!("{:>6} {:>10} {:>16}", "shards", "sales/s", "asked to return");
    for shards in [1, 2, 4, 8, 16, 32] {
        let code = format!("box-{shards}");
        let mut package = shop::package(&code, 1_000_000, shards, 99);
        package["price"] = json!({ "gold": 1 });
        package["grants"] = json!({ "streak_protection": 1 });
        shop::offer(&operator, &package).await;
        let mut players = Vec::new();
        for _ in 0..clients {
            players.push(maker.player(Role::Standard).await);
        }
        stack.engine().set_fault(Some(Arc::new(Contention::of(TAKES))));
        let (sold, refused) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let started = Instant::now();
        let mut buyers = JoinSet::new();
        for player in players {
            let (sold, refused, code) = (sold.clone(), refused.clone(), code.clone());
            buyers.spawn(async move { buy(&player, &code, time, &sold, &refused).await });
        }
        while let Some(done) = buyers.join_next().await {
            done??;
        }
        stack.engine().set_fault(None);
        let rate = f64::from(sold.load(Ordering::Relaxed)) / started.elapsed().as_secs_f64();
        println!("{shards:>6} {rate:>10.1} {:>16}", refused.load(Ordering::Relaxed));
    }
    stack.shutdown().await
}

/// One purchase after the other, each until it is answered.
async fn buy(
    player: &Player,
    code: &str,
    time: Duration,
    sold: &AtomicU32,
    refused: &AtomicU32,
) -> Result<()> {
    let started = Instant::now();
    let body = json!({ "code": code, "quantity": 1 });
    // No more than a player may have.
    for number in 0..99 {
        loop {
            if started.elapsed() > time {
                return Ok(());
            }
            let call = player.api.post("/api/shop/limited/buy", &body);
            let answer = call.key(&format!("{code}-{number}")).try_send().await?;
            match answer.status.as_u16() {
                200 => break,
                503 | 429 => refused.fetch_add(1, Ordering::Relaxed),
                _ => bail!("{} {}", answer.status, answer.text),
            };
        }
        sold.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
