//! Many seeds: until something is wrong, or until a planted defect is found.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use crate::{
    Args,
    auditor::{Finding, audit},
    hash,
    history::Evidence,
    plant::Plant,
    run::run,
    show,
};

/// How often a search says how far it is.
const NEWS: Duration = Duration::from_secs(5);

#[expect(clippy::disallowed_methods, reason = "how long a search took is what is shown")]
fn now() -> Instant {
    Instant::now()
}

/// Runs the seeds in turn, several at once, until `see` says stop.
fn each(
    args: &Args,
    seeds: Range<u64>,
    plant: Option<Plant>,
    see: impl Fn(u64, Evidence, Vec<Finding>) -> bool + Sync,
) {
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let jobs = args
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    let evidence = run(args.plan(seed, plant));
                    let findings = audit(&evidence);
                    if see(seed, evidence, findings) {
                        stop.store(true, Ordering::SeqCst);
                    }
                }
            });
        }
    });
}

/// What a search has seen.
#[derive(Default)]
struct Tally {
    hashes: BTreeMap<u64, String>,
    /// The first rule that each wrong seed broke, and what about it.
    wrong: BTreeMap<u64, Finding>,
    events: usize,
    /// Of the longest run.
    steps: usize,
    entries: usize,
}

impl Tally {
    /// One hash over those of all runs, in the order of their seeds.
    fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for (seed, hash) in &self.hashes {
            digest.update(format!("{seed} {hash}\n"));
        }
        digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Looks for a seed with anything wrong.
pub fn search(args: &Args) -> bool {
    let started = now();
    let told = Mutex::new(started);
    let tally = Mutex::new(Tally::default());
    each(args, args.from..args.from + args.seeds, None, |seed, evidence, findings| {
        let hash = hash(&evidence);
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.hashes.insert(seed, hash);
        tally.events += evidence.history.len();
        tally.steps = tally.steps.max(evidence.steps);
        tally.entries +=
            evidence.items.iter().filter(|item| item["entity"]["S"] == "entry").count();
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() > NEWS {
            *told = now();
            progress(&tally, args.seeds, started.elapsed());
        }
        let Some(finding) = findings.into_iter().next() else { return false };
        if args.keep_going {
            println!("seed {seed} WRONG {}: {}", finding.rule, finding.what);
        }
        tally.wrong.insert(seed, finding);
        !args.keep_going
    });
    let took = started.elapsed();
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    if args.hashes {
        for (seed, hash) in &tally.hashes {
            println!("seed {seed} {hash}");
        }
    }
    if let Some((seed, finding)) = tally.wrong.first_key_value() {
        show(args, args.plan(*seed, None), finding.rule);
    }
    println!(
        "{} entries committed, {} events looked at, {} steps at most",
        tally.entries, tally.events, tally.steps
    );
    let wrong = match tally.wrong.len() {
        0 => "nothing found".to_owned(),
        many => format!("{many} of them wrong"),
    };
    println!(
        "{} seeds from {} in {:.1} s, {} a minute, digest {}: {wrong}",
        tally.hashes.len(),
        args.from,
        took.as_secs_f64(),
        rate(tally.hashes.len() as u64, took),
        tally.digest(),
    );
    tally.wrong.is_empty()
}

fn rate(seeds: u64, took: Duration) -> u64 {
    seeds * 60_000 / u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn progress(tally: &Tally, of: u64, took: Duration) {
    let done = tally.hashes.len() as u64;
    let filled = usize::try_from(done * 30 / of.max(1)).unwrap_or(30);
    let bar = "#".repeat(filled) + &".".repeat(30 - filled.min(30));
    let (rate, wrong) = (rate(done, took), tally.wrong.len());
    eprintln!("[{bar}] {done}/{of}, {rate} a minute, {wrong} wrong");
}

/// What became of the hunt for a defect.
#[derive(Default)]
struct Bag {
    /// The first seed that broke the defect's own rule.
    first: Option<u64>,
    seeds: u64,
    /// Other rules that were broken on the way, and by how many seeds.
    others: BTreeMap<&'static str, u64>,
}

/// Looks for each planted defect; each must be found, by its own rule.
pub fn hunt(args: &Args, plants: &[Plant]) -> bool {
    println!(
        "{:<26} {:<42} {:>5} {:>6} {:>7}  other rules, seeds",
        "defect", "rule", "seed", "seeds", "s"
    );
    let mut missed = Vec::new();
    let mut last = None;
    for plant in plants {
        let seeds = if args.known { plant.seeds() } else { args.from..args.from + args.seeds };
        let started = now();
        let bag = Mutex::new(Bag::default());
        each(args, seeds, Some(*plant), |seed, _, findings| {
            let rules: std::collections::BTreeSet<_> = findings.iter().map(|f| f.rule).collect();
            let mut bag = bag.lock().unwrap_or_else(PoisonError::into_inner);
            bag.seeds += 1;
            for rule in rules.iter().filter(|rule| **rule != plant.rule()) {
                *bag.others.entry(rule).or_default() += 1;
            }
            let found = rules.contains(plant.rule());
            if found && bag.first.is_none_or(|first| seed < first) {
                bag.first = Some(seed);
            }
            found
        });
        let Bag { first, seeds, others } = bag.into_inner().unwrap_or_else(PoisonError::into_inner);
        let others: Vec<_> = others.iter().map(|(rule, seeds)| format!("{rule} {seeds}")).collect();
        let shown = first.map_or_else(|| "none".to_owned(), |seed| seed.to_string());
        println!(
            "{:<26} {:<42} {shown:>5} {seeds:>6} {:>7.1}  {}",
            plant.name(),
            plant.rule(),
            started.elapsed().as_secs_f64(),
            others.join(", "),
        );
        match first {
            Some(seed) => last = Some((seed, *plant)),
            None => missed.push(plant.name()),
        }
    }
    if let (Some((seed, plant)), [_]) = (last, plants)
        && !args.no_shrink
    {
        show(args, args.plan(seed, Some(plant)), plant.rule());
    }
    println!("{} of {} defects found", plants.len() - missed.len(), plants.len());
    if !missed.is_empty() {
        println!("not found: {}", missed.join(", "));
    }
    missed.is_empty()
}
