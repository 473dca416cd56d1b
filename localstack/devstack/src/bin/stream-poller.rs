//! Runs the stream triggers of a deployment until told to stop; see
//! [`devstack::remote`].

use std::{io::IsTerminal as _, path::PathBuf};

use anyhow::Result;
use clap::Parser;
use devstack::remote::{self, Deployment};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Runs the template's stream triggers on a deployment.
#[derive(Parser)]
struct Args {
    /// What `localstack/deploy.py` wrote about it.
    deployment: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
    let triggers = remote::start(&Deployment::read(&args.deployment)?).await?;
    let names: Vec<_> = triggers.status().await.into_iter().map(|mapping| mapping.name).collect();
    tracing::info!(triggers = names.join(", "), "polling");
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    triggers.shutdown().await;
    Ok(())
}
