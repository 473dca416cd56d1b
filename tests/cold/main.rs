//! `cargo xtask cold`: what every function costs to start and to call, as the
//! process it is on Lambda, beside two functions that do as little as can be done.

#![expect(clippy::disallowed_methods, reason = "durations are the subject here")]

mod probe;
mod report;
mod subject;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use clap::Parser;
use devstack::{Options, Stack, engine::Endpoint, parameters::root};
use tests::{Api, ClickHouse, Events, Player, unlimited_logins};

use crate::{
    report::{Report, Row},
    subject::Subject,
};

/// Primes above the number of functions: each round visits all of them, every time
/// in another order, so that nobody always comes after the same neighbour.
const STRIDES: [usize; 8] = [101, 103, 107, 109, 113, 127, 131, 137];

/// Players that a schedule finds.
const PLAYERS_AT_NIGHT: usize = 10;

/// Measures cold start, warm calls, memory and size of every function.
#[derive(Parser)]
struct Args {
    /// Where the functions are [default: target/lambda].
    #[arg(long, value_name = "DIR")]
    bootstraps: Option<PathBuf>,
    /// Where the floors are [default: where the functions are].
    #[arg(long, value_name = "DIR")]
    floors: Option<PathBuf>,
    /// How often each is started; all take turns.
    #[arg(long, default_value_t = 15)]
    starts: usize,
    /// Warm calls whose CPU time is measured, as far as two seconds allow.
    #[arg(long, default_value_t = 500)]
    calls: usize,
    /// Only functions whose name contains this, and the floors.
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,
    /// Leave out what needs ClickHouse.
    #[arg(long)]
    without_clickhouse: bool,
    /// Where the results go as JSON [default: target/cold.json].
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let bootstraps = args.bootstraps.unwrap_or_else(|| root().join("target/lambda"));
    let floors = args.floors.unwrap_or_else(|| bootstraps.clone());
    let clickhouse =
        if args.without_clickhouse { None } else { Some(ClickHouse::start(None).await?) };
    // The functions that prepare the events run in this process: the ones that are
    // measured have the AWS endpoint for themselves.
    let stack = Stack::start(Options {
        clickhouse_url: clickhouse.as_ref().map(|server| server.url.clone()),
        ..quiet()
    })
    .await?;
    let endpoint = Endpoint::start(stack.engine()).await?;
    let events = Events::prepare(&stack).await?;
    // What looks at every player gets a table where their number stays the same.
    let (night, night_endpoint) = night().await?;

    let mut subjects = Subject::floors(&stack, &floors, &endpoint)?;
    for function in stack.spec().buffered_functions() {
        let wanted = function.crate_name.contains(&args.only)
            && (clickhouse.is_some() || !function.env.contains_key("CLICKHOUSE_URL"));
        if wanted {
            let nightly = night.spec().schedules.iter().any(|s| s.function == function.logical_id);
            let aws = if nightly { &night_endpoint } else { &endpoint };
            subjects.push(Subject::function(stack.spec(), function, &bootstraps, aws)?);
        }
    }

    let mut rows: Vec<_> = subjects.into_iter().map(Row::new).collect();
    for start in 1..=args.starts {
        eprint!("\rstart {start} of {}", args.starts);
        // Before anything is measured: to prepare an event may be hard work.
        let mut first = Vec::new();
        for row in &rows {
            first.push(probe::payload(&row.subject, &events).await?);
        }
        let stride = STRIDES[start % STRIDES.len()];
        for turn in 0..rows.len() {
            let turn = turn * stride % rows.len();
            let (row, first) = (&mut rows[turn], first[turn].clone());
            let sample = probe::start(&row.subject, &events, first).await;
            row.starts.push(sample.with_context(|| row.subject.name.clone())?);
        }
    }
    eprintln!();
    for row in &mut rows {
        let calls = probe::calls(&row.subject, &events, args.calls, Duration::from_secs(2)).await;
        row.calls = Some(calls.with_context(|| row.subject.name.clone())?);
    }

    let report = Report::new(&rows)?;
    report.print()?;
    let json = args.json.unwrap_or_else(|| root().join("target/cold.json"));
    report.write(&json).with_context(|| json.display().to_string())?;
    Ok(())
}

/// Without triggers, which would invoke functions beside those that are measured,
/// with the log level that is deployed, and with logins enough for one address.
fn quiet() -> Options {
    let mut parameters: BTreeMap<_, _> = unlimited_logins().into();
    parameters.insert("LogLevel".to_owned(), "INFO".to_owned());
    Options { triggers: false, parameters, ..Options::default() }
}

/// A stack with a few players who did nothing since.
async fn night() -> Result<(Stack, Endpoint)> {
    let stack = Stack::start(quiet()).await?;
    let endpoint = Endpoint::start(stack.engine()).await?;
    for _ in 0..PLAYERS_AT_NIGHT {
        Player::sign_up(&Api::new(&stack.base_url)).await;
    }
    Ok((stack, endpoint))
}
