//! `cargo xtask run-now`: asks the running local stack to run a schedule.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use anyhow::{Context, bail};

/// Options of `cargo xtask run-now`.
#[derive(clap::Args)]
pub struct Args {
    /// A function (`streak-repair`) or one of its schedules
    /// (`StreakRepairFunction.Nightly`)
    schedule: String,
    /// Where `cargo up` listens
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
}

/// Runs the schedule and prints the function's answer.
///
/// # Errors
/// When no stack listens there, it has no such schedule, or the function fails.
pub fn run_now(args: &Args) -> anyhow::Result<()> {
    let path = format!("/_local/schedules/{}/run", args.schedule);
    let (status, body) = post(&args.url, &path)?;
    match serde_json::from_str::<serde_json::Value>(&body) {
        Ok(json) => println!("{json:#}"),
        Err(_) => println!("{body}"),
    }
    if !(200..300).contains(&status) {
        bail!("{path} answered {status}");
    }
    Ok(())
}

/// A bodiless POST over plain HTTP/1.0, which ends with the connection: too
/// little to be worth an HTTP client in the first thing a clone compiles.
fn post(url: &str, path: &str) -> anyhow::Result<(u16, String)> {
    let address = url
        .strip_prefix("http://")
        .with_context(|| format!("{url}: only http:// addresses, the local stack has no other"))?
        .trim_end_matches('/');
    let mut stream = TcpStream::connect(address)
        .with_context(|| format!("nothing listens at {address}; is `cargo up` running?"))?;
    write!(stream, "POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("not an HTTP answer")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, body.to_owned()))
}
