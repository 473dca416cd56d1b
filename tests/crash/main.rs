//! `kill -9` of the whole product, again and again, under load.

mod audit;
mod clients;
mod product;
mod witness;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use devstack::{Options, Stack};
use tests::{
    Api, ClickHouse, Player,
    script::{Dice, script},
};

use crate::{clients::Run, product::Product, witness::Witness};

const PLAYERS: usize = 8;
const COMMANDS: usize = 1_000;
const CLIENTS: usize = 16;
const KILLS: usize = 3;

/// How long the last start may take to deliver everything that is still owed.
const CATCH_UP: Duration = Duration::from_secs(60);

/// `CRASH_SEED` replays a failed run's commands and moments.
#[expect(clippy::disallowed_methods, reason = "how a test run is told its seed")]
fn seed() -> u64 {
    std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2026)
}

#[test]
fn applies_every_command_exactly_once_however_often_it_is_killed() -> Result<()> {
    if let Some(role) = product::role() {
        return product::run(role);
    }
    let test = "applies_every_command_exactly_once_however_often_it_is_killed";
    tokio::runtime::Runtime::new()?.block_on(killed_and_retried(test))
}

async fn killed_and_retried(test: &str) -> Result<()> {
    let seed = seed();
    println!("CRASH_SEED={seed}");
    let mut dice = Dice::new(seed);
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");
    let mut clickhouse = ClickHouse::start(Some(&directory.path().join("clickhouse"))).await?;
    let mut product = Product::start(test, &data, &clickhouse.url).await?;

    let api = Api::new(&product.base_url);
    let mut players = Vec::new();
    for _ in 0..PLAYERS {
        players.push(Player::sign_up(&api).await);
    }
    let run = Arc::new(Run::new(script(&mut dice, PLAYERS, COMMANDS)));
    let mut witnesses: Vec<_> = (0..PLAYERS).map(|_| Witness::default()).collect();

    for kill in 0..KILLS {
        let moment = COMMANDS * (kill + 1) / (KILLS + 1) - 50 + dice.below(100);
        let players = at(&players, &product.base_url);
        let watching = witness::watch_all(&players, witnesses).await;
        let clients = clients::start(&run, &players, &run.unanswered(), CLIENTS);
        // ClickHouse dies in the second life of the product, and comes back in
        // the third.
        run.answered(moment - 60).await;
        match kill {
            1 => clickhouse.kill().await?,
            2 => clickhouse.resume().await?,
            _ => {}
        }
        run.answered(moment).await;
        product.kill().await?;
        clients.join_all().await;
        let in_the_air = run.interrupted();
        assert!(in_the_air > 0, "the kill came when nothing was going on");
        println!("killed after {} answers, {in_the_air} commands in the air", run.count());
        witnesses = watching.join_all().await;
        product = Product::start(test, &data, &clickhouse.url).await?;
    }
    product.kill().await?;

    // The last life is in this process, so that the auditor can look inside.
    let options = Options {
        data: Some(data.clone()),
        clickhouse_url: Some(clickhouse.url.clone()),
        ..Options::default()
    };
    let stack = Stack::start(options).await?;
    let players = at(&players, &stack.base_url);
    let all = dice.shuffled(COMMANDS);
    let first = run.begin_retries();
    let watching = witness::watch_all(&players, witnesses).await;
    clients::start(&run, &players, &all, CLIENTS).join_all().await;
    if let Err(lagging) = stack.settled(CATCH_UP).await {
        panic!("still owed: {lagging:?}");
    }
    let retried = run.begin_retries();
    let journals = audit::journals(&stack, &players).await?;
    let witnesses = watching.up_to_the_last(&journals).await;
    audit::answers(&run.commands, &first, &retried, &journals);
    let entries: usize = journals.iter().map(|journal| journal.entries.len()).sum();
    let skipped: usize = witnesses.iter().map(Witness::skipped).sum();
    println!("{skipped} of {entries} entries in gaps too long to be told");
    for (journal, witness) in journals.iter().zip(witnesses) {
        audit::books(journal);
        audit::statistics(&stack, journal).await?;
        witness.completes(journal, &players).await;
    }
    clickhouse.holds_entries(journals.iter().flat_map(|journal| &journal.entries)).await?;
    println!("{}", audit::summary(&run.commands, &first, &retried, &journals));
    stack.shutdown().await
}

/// The same players where the product is now.
fn at(players: &[Player], base_url: &str) -> Vec<Player> {
    players.iter().map(|player| Player { api: player.api.at(base_url), ..player.clone() }).collect()
}
