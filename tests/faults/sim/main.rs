//! `cargo xtask sim`: the product under every fault that a seed can think of, and
//! an auditor that looks for what must not be. The same seed is the same run.

mod auditor;
mod clients;
mod functions;
mod history;
mod plant;
mod planted;
mod rng;
mod run;
mod services;
mod shrink;
mod triggers;
mod wire;
mod world;

use std::{
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

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
    /// Runs one seed, prints its whole history and what is wrong with it.
    #[arg(long, value_name = "SEED")]
    replay: Option<u64>,
    /// With `--replay`: nothing fails after so many steps.
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
        Some("all") => Plant::value_variants().iter().copied().map(Some).collect(),
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
    let mut good = true;
    for plant in plants {
        good &= match plant {
            None => search(&args),
            Some(plant) => hunt(&args, plant),
        };
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::disallowed_methods, reason = "how long a search took is what is shown")]
fn now() -> Instant {
    Instant::now()
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

/// Runs `seeds`, several at once, until `see` says stop; answers with how many.
fn each(
    args: &Args,
    plant: Option<Plant>,
    see: impl Fn(u64, Evidence, Vec<Finding>) -> bool + Sync,
) -> u64 {
    let next = AtomicU64::new(args.from);
    let done = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let jobs = args
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= args.from + args.seeds {
                        return;
                    }
                    let (evidence, findings) = one(args.plan(seed, plant));
                    done.fetch_add(1, Ordering::SeqCst);
                    if see(seed, evidence, findings) {
                        stop.store(true, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    done.into_inner()
}

/// Looks for a seed with anything wrong.
fn search(args: &Args) -> bool {
    let started = now();
    let failed: Mutex<Option<u64>> = Mutex::new(None);
    let events = AtomicU64::new(0);
    let entries = AtomicU64::new(0);
    let shown = Mutex::new(started);
    let done = AtomicU64::new(0);
    let hashes = Mutex::new(std::collections::BTreeMap::new());
    let seeds = each(args, None, |seed, evidence, findings| {
        events.fetch_add(evidence.history.len() as u64, Ordering::Relaxed);
        let journal = evidence.items.iter().filter(|item| item["entity"]["S"] == "entry").count();
        entries.fetch_add(journal as u64, Ordering::Relaxed);
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if args.hashes {
            hashes.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, hash(&evidence));
        }
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.elapsed() > Duration::from_secs(5) {
            *shown = now();
            progress(done, args.seeds, started.elapsed());
        }
        if findings.is_empty() {
            return false;
        }
        *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(seed);
        true
    });
    let took = started.elapsed();
    for (seed, hash) in hashes.into_inner().unwrap_or_else(PoisonError::into_inner) {
        println!("seed {seed} {hash}");
    }
    let per_minute = rate(seeds, took);
    println!(
        "{seeds} seeds in {:.1} s, {per_minute} a minute; {} entries committed, {} events looked at",
        took.as_secs_f64(),
        entries.into_inner(),
        events.into_inner(),
    );
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        None => {
            println!("nothing found");
            true
        }
        Some(seed) => {
            show(args, args.plan(seed, None));
            false
        }
    }
}

fn rate(seeds: u64, took: Duration) -> u64 {
    seeds * 60_000 / u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn progress(done: u64, of: u64, took: Duration) {
    let filled = usize::try_from(done * 30 / of.max(1)).unwrap_or(30);
    let bar = "#".repeat(filled) + &".".repeat(30 - filled.min(30));
    eprintln!("[{bar}] {done}/{of}, {} a minute", rate(done, took));
}

/// Looks for a planted defect; it must be found.
fn hunt(args: &Args, plant: Plant) -> bool {
    let started = now();
    let first: Mutex<Option<(u64, Finding)>> = Mutex::new(None);
    each(args, Some(plant), |seed, _, findings| {
        let Some(finding) = findings.into_iter().next() else { return false };
        let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|(earlier, _)| seed < *earlier) {
            *first = Some((seed, finding));
        }
        true
    });
    let took = started.elapsed().as_secs_f64();
    match first.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((seed, finding)) => {
            let within = seed - args.from + 1;
            println!(
                "{:<26} found within {within:>4} seeds, {took:>5.1} s: {}",
                plant.name(),
                finding.rule
            );
            true
        }
        None => {
            println!("{:<26} NOT FOUND in {} seeds, {took:.1} s", plant.name(), args.seeds);
            false
        }
    }
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

/// Prints what is wrong with a seed, as short as it can be had.
fn show(args: &Args, plan: Plan) {
    println!("seed {} is wrong", plan.seed);
    let plan = if args.no_shrink { plan } else { shrink::shrink(plan) };
    let (evidence, findings) = one(plan);
    for finding in findings.iter().take(5) {
        println!("\nWRONG {}: {}", finding.rule, finding.what);
    }
    if let Some(finding) = findings.first() {
        println!(
            "\nthe history of it, {} events of {}:",
            excerpt(&evidence.history, finding).len(),
            evidence.history.len()
        );
        for line in excerpt(&evidence.history, finding) {
            println!("{line}");
        }
    }
    let storm = match plan.stormy_steps {
        usize::MAX => String::new(),
        steps => format!(" --storm {steps}"),
    };
    println!(
        "\nreplay: cargo xtask sim --replay {} --commands {}{storm}",
        plan.seed, plan.commands
    );
}
