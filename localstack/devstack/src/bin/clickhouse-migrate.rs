//! Applies `infra/clickhouse` to a server, each migration once.

use anyhow::Result;
use clap::Parser;
use devstack::clickhouse::{Account, Loading, migrate, rebuild};

/// Applies the migrations of infra/clickhouse that a database has not had yet.
#[derive(Parser)]
#[command(name = "cargo xtask clickhouse-migrate")]
struct Args {
    /// `http://host:8123` or `https://…`
    #[arg(long)]
    url: String,
    #[arg(long, default_value = "casino_club")]
    database: String,
    #[arg(long, env = "CLICKHOUSE_USER", default_value = "default")]
    user: String,
    /// Better by the environment, which other processes do not see
    #[arg(long, env = "CLICKHOUSE_PASSWORD", default_value = "", hide_env_values = true)]
    password: String,
    /// The event source mapping of olap-load is off: what rebuilds a view may run
    #[arg(long)]
    loader_paused: bool,
    /// Afterwards fill this view's table anew from what was loaded; may be repeated
    #[arg(long, value_name = "TABLE", requires = "loader_paused")]
    rebuild: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let loading = if args.loader_paused { Loading::Paused } else { Loading::Perhaps };
    let Args { url, database, user, password, .. } = args;
    let account = Account { user, password, database };
    let applied = migrate(&url, &account, loading).await?;
    for name in &applied {
        println!("{name}");
    }
    println!("{} applied", applied.len());
    for table in &args.rebuild {
        rebuild(&url, &account, table).await?;
        println!("{table} rebuilt");
    }
    Ok(())
}
