//! `cargo xtask sim`: the product under every fault that a seed can think of, and
//! an auditor that looks for what must not be. The same seed is the same run.

mod auditor;
mod clickhouse;
mod clients;
mod functions;
mod history;
mod plant;
mod planted;
mod provider;
mod replicas;
mod rng;
mod run;
mod search;
mod services;
mod shrink;
mod triggers;
mod wire;
mod world;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use sha2::{Digest, Sha256};

use crate::{
    auditor::{Finding, audit, excerpt},
    history::Evidence,
    plant::Plant,
    run::{Plan, run},
};

/// Simulates the product under faults, seed by seed, and audits every run.
#[derive(Parser)]
struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Commands of clients in each run, besides retries.
    #[arg(long, default_value_t = 80)]
    commands: usize,
    /// Plants a defect, and says within how many seeds it is found; `all` for each in turn.
    #[arg(long, value_name = "NAME")]
    planted: Option<String>,
    /// With `--planted all`: only a part of the defects, as `1/4`.
    #[arg(long, value_name = "K/N", value_parser = part)]
    part: Option<(usize, usize)>,
    /// With `--planted`: the seeds that have been enough for the defect before.
    #[arg(long)]
    known: bool,
    /// Does not stop at the first seed with anything wrong.
    #[arg(long)]
    keep_going: bool,
    /// Runs one seed, prints its whole history and what is wrong with it.
    #[arg(long, value_name = "SEED")]
    replay: Option<u64>,
    /// Nothing fails after so many steps of a run.
    #[arg(long, value_name = "STEPS")]
    storm: Option<usize>,
    /// Prints the hash of each seed's history.
    #[arg(long)]
    hashes: bool,
    /// Leaves the failing history as long as it is.
    #[arg(long)]
    no_shrink: bool,
    /// Runs at once [default: one a core].
    #[arg(long)]
    jobs: Option<usize>,
}

impl Args {
    fn plan(&self, seed: u64, plant: Option<Plant>) -> Plan {
        let stormy_steps = self.storm.unwrap_or(usize::MAX);
        Plan { seed, commands: self.commands, stormy_steps, plant }
    }
}

fn part(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    numbers.filter(|(k, n)| (1..=*n).contains(k)).ok_or_else(|| "not like 1/4".to_owned())
}

fn main() -> ExitCode {
    let args = Args::parse();
    // Panics of functions are findings; the auditor reports them.
    std::panic::set_hook(Box::new(|panic| {
        if std::thread::current().name() == Some("main") {
            eprintln!("{panic}");
        }
    }));
    let plants = match args.planted.as_deref() {
        None => vec![None],
        Some("all") => {
            let (nth, of) = args.part.unwrap_or((1, 1));
            let plants = Plant::value_variants().iter().skip(nth - 1).step_by(of);
            plants.copied().map(Some).collect()
        }
        Some(name) => match Plant::from_str(name, true) {
            Ok(plant) => vec![Some(plant)],
            Err(error) => {
                let names: Vec<_> = Plant::value_variants().iter().map(|p| p.name()).collect();
                eprintln!("{error}: one of all, {}", names.join(", "));
                return ExitCode::FAILURE;
            }
        },
    };
    if let Some(seed) = args.replay {
        return replay(args.plan(seed, plants[0]));
    }
    let good = match args.planted {
        None => search::search(&args),
        Some(_) => search::hunt(&args, &plants.into_iter().flatten().collect::<Vec<_>>()),
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One seed on a thread of its own, since jitter is a thread's.
fn one(plan: Plan) -> (Evidence, Vec<Finding>) {
    let evidence = run(plan);
    let findings = audit(&evidence);
    (evidence, findings)
}

/// The history's hash: two runs of a seed have the same.
fn hash(evidence: &Evidence) -> String {
    let mut hash = Sha256::new();
    for event in &evidence.history {
        hash.update(serde_json::to_vec(event).expect("events serialize"));
        hash.update(b"\n");
    }
    for item in &evidence.items {
        hash.update(item.to_string());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn replay(plan: Plan) -> ExitCode {
    let (evidence, findings) = one(plan);
    for (at, event) in evidence.history.iter().enumerate() {
        println!("{at:>6} {}", serde_json::to_string(event).expect("events serialize"));
    }
    println!("hash {}", hash(&evidence));
    for Finding { rule, what, .. } in &findings {
        println!("WRONG {rule}: {what}");
    }
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints what is wrong with a run by `rule`, as short as it can be had.
fn show(args: &Args, long: Plan, rule: &str) {
    println!("seed {} is wrong", long.seed);
    let plan = if args.no_shrink { long } else { shrink::shrink(long, rule) };
    let (evidence, mut findings) = one(plan);
    findings.sort_by_key(|finding| finding.rule != rule);
    for finding in findings.iter().take(5) {
        println!("\nWRONG {}: {}", finding.rule, finding.what);
    }
    if let Some(finding) = findings.first() {
        let lines = excerpt(&evidence.history, finding);
        println!("\nthe history of it, {} events of {}:", lines.len(), evidence.history.len());
        for line in lines {
            println!("{line}");
        }
    }
    if plan != long {
        let (before, after) = (one(long).0.history.len(), evidence.history.len());
        println!("\nshrunk from {before} events to {after}");
    }
    println!("hash {}", hash(&evidence));
    println!("\nreplay: cargo xtask sim {}", plan.replay());
}
