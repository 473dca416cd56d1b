//! `cargo up`: the product on this machine.

use std::{io::Write as _, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Parser;
use devstack::{
    Options, Stack, clickhouse,
    parameters::{Parameters, root},
    seed::{Account, Seeding},
};
use tokio::signal::unix::{SignalKind, signal};

/// Runs the whole product locally: HTTP API, WebSocket API, triggers, schedules.
#[derive(Parser)]
#[command(name = "cargo up")]
struct Args {
    /// The port of both APIs.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where state is kept [default: .local/data in the repository].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Begin with nothing: removes what an earlier run kept.
    #[arg(long)]
    fresh: bool,
    /// Load events into ClickHouse: the embedded engine, or the server at URL.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "embedded")]
    analytics: Option<String>,
    /// Run every function as the process it is on Lambda, from DIR/NAME/bootstrap
    /// [default: target/lambda, where `cargo xtask build` puts them].
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = default_bootstraps())]
    bootstraps: Option<PathBuf>,
    /// A template parameter other than the dev stage's; may be repeated. Of some there is a
    /// variable of the environment: BIG_WIN_THRESHOLD_GOLD, ENABLE_LEGACY_GAMES_WS and
    /// EVENT_PUBLISH_ENABLED.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a parameter is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn default_bootstraps() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/lambda")
}

/// Parameters that have a variable of the environment, too. Not all of them: a shell has a
/// `LOG_LEVEL` for other reasons.
const SWITCHES: [&str; 3] = ["BigWinThresholdGold", "EnableLegacyGamesWs", "EventPublishEnabled"];

/// The variable of a parameter: `EVENT_PUBLISH_ENABLED` of `EventPublishEnabled`.
fn variable_of(parameter: &str) -> String {
    let mut name = String::new();
    for letter in parameter.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    devstack::log_to_stderr();

    let stage = variable("STAGE").unwrap_or_else(|| "dev".to_owned());
    let seeding = Seeding::asked_for(variable("AUTO_SEED_BASIC").as_deref(), &stage)?;
    let data = args.data.unwrap_or_else(|| root().join(".local/data"));
    if args.fresh && data.exists() {
        std::fs::remove_dir_all(&data).with_context(|| data.display().to_string())?;
    }
    std::fs::create_dir_all(&data).with_context(|| data.display().to_string())?;
    let data = data.canonicalize()?;

    let analytics = match args.analytics.as_deref() {
        None => Analytics::Off,
        Some("embedded") => Analytics::embedded(&data).await?,
        Some(url) => Analytics::External(url.to_owned()),
    };
    if let Some(url) = analytics.url() {
        let account = clickhouse::Account {
            user: "default".to_owned(),
            password: String::new(),
            database: "casino_club".to_owned(),
        };
        // Nothing is loaded yet.
        clickhouse::migrate(url, &account, clickhouse::Loading::Paused).await?;
    }
    let options = Options {
        port: args.port,
        data: Some(data.clone()),
        clickhouse_url: analytics.url().map(str::to_owned),
        bootstraps: args.bootstraps,
        parameters: SWITCHES
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), variable(&variable_of(name))?)))
            .chain(args.parameters)
            .chain([("Stage".to_owned(), stage)])
            .collect::<Parameters>(),
        ..Options::default()
    };
    let (clock, entropy) = (options.clock.clone(), options.entropy.clone());
    let stack = Stack::start(options).await?;
    seeding.sow(&stack.store("seed"), &clock, &entropy).await?;
    banner(&stack, &data, &analytics, &seeding.accounts)?;

    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    tracing::info!("finishing what is in flight");
    stack.shutdown().await?;
    if let Err(error) = analytics.stop().await {
        // What it has not loaded is still in the stream.
        tracing::warn!("{error:#}");
    }
    tracing::info!("stopped; everything is kept in {}", data.display());
    Ok(())
}

/// Where events are loaded to.
enum Analytics {
    Off,
    Embedded(clickhouse::Server),
    External(String),
}

impl Analytics {
    async fn embedded(data: &std::path::Path) -> Result<Self> {
        let python = clickhouse::ensure_installed(&root().join(".local"), |line| {
            tracing::info!("{line}");
        })
        .await?;
        Ok(Self::Embedded(clickhouse::spawn(&python, Some(&data.join("clickhouse")), 0).await?))
    }

    fn url(&self) -> Option<&str> {
        match self {
            Self::Off => None,
            Self::Embedded(server) => Some(&server.url),
            Self::External(url) => Some(url),
        }
    }

    async fn stop(self) -> Result<()> {
        match self {
            Self::Embedded(server) => server.stop().await,
            Self::Off | Self::External(_) => Ok(()),
        }
    }
}

/// `STAGE` is the stage to run as, [`Seeding::asked_for`] says what `AUTO_SEED_BASIC`
/// is.
#[expect(clippy::disallowed_methods, reason = "switches of the local stack itself")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn banner(
    stack: &Stack,
    data: &std::path::Path,
    analytics: &Analytics,
    accounts: &[Account],
) -> Result<()> {
    let spec = stack.spec();
    let on = |count: usize, what: &str| format!("{count} {what}");
    let counts = [
        on(spec.functions.len(), "functions"),
        on(spec.http_routes.len(), "routes"),
        on(spec.mappings.iter().filter(|mapping| mapping.enabled).count(), "triggers"),
        on(spec.schedules.iter().filter(|schedule| schedule.enabled).count(), "schedules"),
    ];
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n  Casino-Club F2P is up: {}\n", counts.join(", "))?;
    writeln!(out, "  HTTP API     {}", stack.base_url)?;
    writeln!(out, "  socket       {}", stack.socket_url)?;
    writeln!(out, "  API document {}/openapi.json", stack.base_url)?;
    writeln!(out, "  triggers     {}/_local/status", stack.base_url)?;
    let payments = &stack.provider().url;
    writeln!(out, "  payments     {payments} (simulated; tokens tok_ok, tok_declined, …)")?;
    writeln!(out, "  mailbox      {}/_local/mailbox", stack.base_url)?;
    writeln!(out, "  data         {}", data.display())?;
    match analytics.url() {
        Some(url) => writeln!(out, "  ClickHouse   {url}, database casino_club")?,
        None => writeln!(out, "  ClickHouse   off (--analytics switches it on)")?,
    }
    writeln!(out, "  invite code  5858\n")?;
    for account in accounts {
        writeln!(
            out,
            "  account      {:<8} {:<17} {}",
            account.site_id,
            account.password,
            account.role.as_str()
        )?;
    }
    writeln!(out, "\n  Ctrl-C stops it.\n")?;
    Ok(out.flush()?)
}
