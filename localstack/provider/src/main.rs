//! The simulated payment provider as a process of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Parser;
use contract::Secret;
use provider::{Keys, Options, Provider};
use runtime::payments::WebhookKeys;
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};

/// Takes no money, and says that it did.
#[derive(Parser)]
#[command(name = "provider")]
struct Args {
    #[arg(long, default_value_t = 8090)]
    port: u16,
    /// Where notices go.
    #[arg(long, value_name = "URL")]
    webhook_url: String,
    /// The secret `payment-webhook-keys`: {"active", "keys": [{"kid", "secret"}]}.
    /// Read again on SIGHUP.
    #[arg(long, value_name = "FILE")]
    webhook_keys: PathBuf,
    /// The secret `payment-provider`: {"api_key"}.
    #[arg(long, value_name = "FILE")]
    api_key: PathBuf,
    /// Where the book is kept; without, it is forgotten.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    tracing_subscriber::fmt().with_target(false).with_writer(std::io::stderr).init();
    let keys = Keys::new(webhook_keys(&args.webhook_keys)?);
    let options = Options {
        port: args.port,
        data: args.data,
        ..Options::new(args.webhook_url, keys.clone(), api_key(&args.api_key)?)
    };
    let running = Provider::start(options).await?;
    tracing::info!("the simulated payment provider is at {}", running.url);
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => { interrupted?; break }
            _ = terminate.recv() => break,
            _ = hang_up.recv() => match webhook_keys(&args.webhook_keys) {
                Ok(rotated) => keys.rotate(rotated),
                Err(error) => tracing::error!("the older keys stay in use: {error:#}"),
            },
        }
    }
    running.shutdown().await;
    Ok(())
}

fn webhook_keys(path: &Path) -> Result<WebhookKeys> {
    WebhookKeys::from_json(&text(path)?).with_context(|| path.display().to_string())
}

fn api_key(path: &Path) -> Result<Secret> {
    #[derive(Deserialize)]
    struct Shape {
        api_key: Secret,
    }
    // Without serde's message, which may quote the value.
    let shape: Option<Shape> = serde_json::from_str(&text(path)?).ok();
    let shape = shape.with_context(|| format!("{} is not {{\"api_key\"}}", path.display()))?;
    Ok(shape.api_key)
}

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}
