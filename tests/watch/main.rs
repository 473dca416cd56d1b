//! `cargo xtask watch`: logs in, opens the socket and prints every frame, a line
//! each, until it closes.

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use serde_json::json;
use tests::{Api, Socket};

/// Prints a player's frames as they arrive.
#[derive(Parser)]
struct Args {
    site_id: String,
    password: String,
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let api = Api::new(&args.url);
    let body = json!({ "site_id": args.site_id, "password": args.password });
    let login = api.post("/api/auth/login", &body).try_send().await?;
    ensure!(login.status.is_success(), "{}", login.text);
    let login = login.json();
    let api = api.with_token(login["access_token"].as_str().context("an access token")?);
    let ticket = api.post("/api/realtime/ticket", &json!({})).try_send().await?.json();
    let text = |name: &str| ticket[name].as_str().unwrap_or_default();
    let mut socket = Socket::open(text("url"), text("ticket")).await;
    while let Some(frame) = socket.next_or_end().await {
        println!("{frame}");
    }
    Ok(())
}
