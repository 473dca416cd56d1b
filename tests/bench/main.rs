//! `cargo xtask bench`: spins a second through the whole product, beside what the
//! embedded engine alone can do with the same items, in the same run. With `--logins`,
//! logins a second beside password hashes alone; with `--sales`, sales of limited packages
//! a second; with `--sockets`, how long frames are on their way.

#![expect(clippy::disallowed_methods, reason = "durations are the subject here")]

mod client;
mod engine;
mod logins;
mod report;
mod sales;
mod sockets;

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use clap::Parser;
use devstack::{Options, Stack};
use tests::Player;

use crate::report::Row;

/// Measures spins through HTTP on the embedded stack against its engine.
#[derive(Parser)]
struct Args {
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Players who spin at the same time, each on a connection of their own.
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// How often engine and product take turns.
    #[arg(long, default_value_t = 2)]
    rounds: u32,
    /// Keep the table in memory instead of a file.
    #[arg(long)]
    memory: bool,
    /// Measure logins instead.
    #[arg(long)]
    logins: bool,
    /// Measure sales of limited packages instead.
    #[arg(long, conflicts_with = "logins")]
    sales: bool,
    /// Measure frames on sockets instead.
    #[arg(long, conflicts_with_all = ["logins", "sales"])]
    sockets: bool,
    /// Players, with `--sockets`.
    #[arg(long, default_value_t = 200)]
    players: usize,
    /// Open sockets, with `--sockets`.
    #[arg(long, default_value_t = 500)]
    devices: usize,
    /// Milliseconds from one spin of a player to the next, with `--sockets`.
    #[arg(long, default_value_t = 2000)]
    pause: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let time = Duration::from_secs(args.seconds);
    if args.logins {
        return logins::measure(args.clients, time).await;
    }
    if args.sales {
        return sales::measure(args.clients, time).await;
    }
    if args.sockets {
        let (players, devices) = (args.players, args.devices);
        let pause = Duration::from_millis(args.pause);
        return sockets::measure(&sockets::Scene { players, devices, time, pause }).await;
    }
    let directory = tempfile::tempdir()?;
    let data =
        |name: &str| -> Option<PathBuf> { (!args.memory).then(|| directory.path().join(name)) };
    println!(
        "{} clients, {} s a measurement, table in {}, {} build",
        args.clients,
        args.seconds,
        if args.memory { "memory" } else { "a file" },
        if cfg!(debug_assertions) { "dev" } else { "release" },
    );
    let mut rows: Vec<Row> = Vec::new();
    for round in 0..args.rounds {
        let stack =
            Stack::start(Options { data: data(&format!("stack-{round}")), ..Options::default() })
                .await?;
        let mut players = Vec::new();
        for _ in 0..args.clients {
            let player = Player::sign_up(&tests::Api::new(&stack.base_url)).await;
            // Enough gold for any number of losses.
            player.claim().await;
            players.push(player);
        }
        let items = engine::items_of_a_spin(&stack, &players[0]).await?;
        for what in [engine::PUBLISHED, engine::INDEXED] {
            let data = data(&format!("engine-{round}-{what}"));
            rows.push(engine::pairs(what, &items, data, args.clients, time)?);
        }
        rows.push(client::spins(&stack, &players, time).await?);
        stack.settled(tests::DEADLINE).await.map_err(|lag| anyhow::anyhow!("{lag:?}"))?;
        stack.shutdown().await?;
    }
    report::print(&rows);
    Ok(())
}
