//! Runs the stream triggers of a deployment until told to stop; see
//! [`devstack::remote`].

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use devstack::remote::{self, Deployment};
use tokio::signal::unix::{SignalKind, signal};

/// Runs the template's stream triggers on a deployment.
#[derive(Parser)]
struct Args {
    /// What `localstack/deploy.py` wrote about it.
    deployment: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    devstack::log_to_stderr();
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
