//! `cargo xtask cost`: dollars per million of each call and per thousand daily
//! players, from what the budgets assert, what the template declares and what
//! `cargo xtask cold` measured.

mod assumed;
mod fixed;
mod prices;
mod usage;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use devstack::{
    parameters::{self, root},
    spec::Spec,
    template,
};
use tests::budgets::{A_PING, A_SOCKET, ROWS, Row, name_of};

use crate::usage::{Dollars, Functions, float};

/// Computes what AWS would ask for.
#[derive(Parser)]
struct Args {
    /// Where the durations are [default: target/cold.json].
    #[arg(long, value_name = "FILE")]
    measured: Option<PathBuf>,
    /// The stage whose fixed costs are shown.
    #[arg(long, default_value = "prod")]
    stage: String,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let root = root();
    let given = parameters::of_dev_stage()?;
    let spec = template::load(&root.join("template.yaml"), &given, &template::Pseudo::default())?;
    let measured = args.measured.unwrap_or_else(|| root.join("target/cold.json"));
    let functions = Functions::read(&spec, &measured)?;
    assumed::print();
    prices::print();
    per_million(&spec, &functions)?;
    per_thousand_players(&spec, &functions)?;
    fixed::print(&root, &args.stage)
}

/// What answers a route.
fn function_of<'s>(spec: &'s Spec, row: &Row) -> Result<&'s str> {
    let route = spec.http_routes.iter().find(|route| name_of(route) == row.route);
    Ok(&route.with_context(|| format!("the template has no {}", row.route))?.function)
}

/// A call with all that follows from it.
fn whole(spec: &Spec, functions: &Functions, row: &Row) -> Result<(Dollars, Dollars)> {
    let call = functions.call(row, function_of(spec, row)?);
    Ok((call, functions.behind_an_entry() * float(row.entries())))
}

fn per_million(spec: &Spec, functions: &Functions) -> Result<()> {
    println!(
        "\nDollars per million\n{:<34}{:<16}{:>6}{:>6}{:>8}{:>8}{:>8}{:>8}{:>8}{:>9}",
        "", "", "MB", "ms", "gateway", "lambda", "table", "logs", "behind", "total"
    );
    for row in ROWS {
        let function = function_of(spec, row)?;
        let (call, behind) = whole(spec, functions, row)?;
        let waits = row.calls.iter().map(|(_, count)| float(*count)).sum();
        println!(
            "{:<34}{:<16}{:>6.0}{:>6.0}{:>8.2}{:>8.2}{:>8.2}{:>8.2}{:>8.2}{:>9.2}",
            row.route,
            row.note,
            functions.memory_mb(function),
            functions.milliseconds(function, waits),
            call.gateway * MILLION,
            call.lambda * MILLION,
            call.table * MILLION,
            call.logs * MILLION,
            behind.total() * MILLION,
            (call + behind).total() * MILLION,
        );
    }
    println!(
        "\n{:<34}{:>8}{:>8}{:>8}{:>10}{:>8}{:>9}",
        "", "gateway", "lambda", "table", "transport", "logs", "total"
    );
    for (what, dollars) in others(functions) {
        println!(
            "{what:<34}{:>8.2}{:>8.2}{:>8.2}{:>10.2}{:>8.2}{:>9.2}",
            dollars.gateway * MILLION,
            dollars.lambda * MILLION,
            dollars.table * MILLION,
            dollars.transport * MILLION,
            dollars.logs * MILLION,
            dollars.total() * MILLION,
        );
    }
    Ok(())
}

const MILLION: f64 = 1e6;
const PLAYERS: f64 = 1000.0;

/// What is no call of the HTTP API.
fn others(functions: &Functions) -> [(&'static str, Dollars); 4] {
    let ping = Dollars { gateway: prices::SOCKET_MESSAGE.of(1.0), ..Dollars::default() };
    let minute = Dollars { gateway: prices::SOCKET_MINUTE.of(1.0), ..Dollars::default() };
    [
        ("behind one journal entry", functions.behind_an_entry()),
        ("a socket opened and closed", functions.parts(A_SOCKET)),
        ("a ping and its pong", functions.parts(A_PING) + ping),
        ("a minute with a socket open", minute),
    ]
}

fn per_thousand_players(spec: &Spec, functions: &Functions) -> Result<()> {
    println!("\nA thousand daily players{:>19}{:>13}{:>11}", "times a day", "$ a day", "$ a month");
    let mut day = Vec::new();
    for (route, times) in assumed::CALLS {
        let (call, behind) = whole(spec, functions, Row::of(route))?;
        day.push((*route, *times, call + behind));
    }
    let [_, socket, ping, minute] = others(functions);
    let rest =
        [(socket, assumed::SOCKETS), (ping, assumed::PINGS), (minute, assumed::SOCKET_MINUTES)];
    day.extend(rest.into_iter().map(|((what, dollars), times)| (what, times, dollars)));
    let mut total = 0.0;
    for (what, times, dollars) in day {
        let dollars = dollars.total() * times * PLAYERS;
        total += dollars;
        println!("  {what:<30}{times:>11.2}{dollars:>13.4}{:>11.2}", dollars * assumed::DAYS);
    }
    println!("  {:<30}{:>11}{total:>13.4}{:>11.2}", "in all", "", total * assumed::DAYS);
    Ok(())
}
