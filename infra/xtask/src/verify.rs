//! `cargo verify`: everything that has to hold before a change is merged.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use crate::{
    api_fuzz, build, deployed,
    process::{command, run},
    tools,
};

/// Options of `cargo verify`.
#[derive(clap::Args)]
pub struct Args {
    /// Run this step only; may be repeated
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Run the remaining steps after one has failed
    #[arg(long)]
    keep_going: bool,
    /// Show the steps and stop
    #[arg(long)]
    list: bool,
}

struct Step {
    name: &'static str,
    about: &'static str,
    /// Answers with what the summary should mention.
    run: fn(&Path) -> anyhow::Result<String>,
}

/// Cheap steps first; the tests last, whose count closes the output.
const STEPS: &[Step] = &[
    Step { name: "fmt", about: "rustfmt has nothing to change", run: fmt },
    Step {
        name: "template",
        about: "template.yaml passes cfn-lint and sam validate",
        run: template,
    },
    Step { name: "deny", about: "licences, banned crates, sources, advisories", run: deny },
    Step { name: "clippy", about: "no lint anywhere, bans included", run: clippy },
    Step { name: "doctest", about: "examples in the documentation work", run: doctest },
    Step { name: "clickhouse", about: "its engine is there for the tests", run: clickhouse },
    Step { name: "bootstraps", about: "every function as it is deployed", run: bootstraps },
    Step {
        name: "api-fuzz",
        about: "schemathesis finds no answer that the API document does not promise",
        run: api_fuzz::api_fuzz,
    },
    Step { name: "test", about: "every test, none skipped", run: test },
    Step {
        name: "deployed",
        about: "the journeys against the template and those binaries on ministack",
        run: deployed,
    },
];

/// Where .config/nextest.toml has nextest leave the counts of each tier.
const REPORTS: [&str; 2] =
    ["target/nextest/default/junit.xml", "target/nextest/deployed/junit.xml"];

enum Outcome {
    Passed(String),
    Failed,
    NotReached,
}

/// Runs the steps and prints a table of what became of them; a failed step is
/// a failure.
///
/// # Errors
/// When a step is unknown.
pub fn verify(root: &Path, args: &Args) -> anyhow::Result<ExitCode> {
    if args.list {
        for step in STEPS {
            println!("{:<10} {}", step.name, step.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let steps = chosen(&args.only)?;
    // A report of an earlier run must not pass for this one's.
    for report in REPORTS {
        let _ = fs::remove_file(root.join(report));
    }
    let mut outcomes = Vec::new();
    let mut failures = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        if !failures.is_empty() && !args.keep_going {
            outcomes.push((Outcome::NotReached, Duration::ZERO));
            continue;
        }
        println!("\n=== {}/{} {}: {}", index + 1, steps.len(), step.name, step.about);
        let (result, took) = timed(|| (step.run)(root));
        outcomes.push((
            match result {
                Ok(note) => Outcome::Passed(note),
                Err(error) => {
                    println!("!!! {} failed: {error:#}", step.name);
                    failures.push(step.name);
                    Outcome::Failed
                }
            },
            took,
        ));
    }
    summarise(&steps, &outcomes);
    if !failures.is_empty() {
        println!("verify failed at {}", failures.join(", "));
    }
    // Last of all the counts, which is what CI looks for.
    let counts: Vec<_> =
        REPORTS.iter().filter_map(|report| Counts::read(&root.join(report)).ok()).collect();
    if !counts.is_empty() {
        let passed: u64 = counts.iter().map(|counts| counts.passed).sum();
        let failed: u64 = counts.iter().map(|counts| counts.failed).sum();
        println!("{passed} passed, {failed} failed");
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen(only: &[String]) -> anyhow::Result<Vec<&'static Step>> {
    if let Some(unknown) = only.iter().find(|name| STEPS.iter().all(|step| step.name != *name)) {
        bail!("no step is called {unknown}; `cargo verify --list` shows them");
    }
    Ok(STEPS
        .iter()
        .filter(|step| only.is_empty() || only.iter().any(|name| name == step.name))
        .collect())
}

fn summarise(steps: &[&Step], outcomes: &[(Outcome, Duration)]) {
    println!("\n{:<10} {:<12} {:>8}", "step", "result", "time");
    for (step, (outcome, took)) in steps.iter().zip(outcomes) {
        let (result, note) = match outcome {
            Outcome::Passed(note) => ("passed", note.as_str()),
            Outcome::Failed => ("FAILED", ""),
            Outcome::NotReached => ("not reached", ""),
        };
        println!("{:<10} {result:<12} {:>7.1}s  {note}", step.name, took.as_secs_f64());
    }
    let total: Duration = outcomes.iter().map(|(_, took)| *took).sum();
    println!("{:<10} {:<12} {:>7.1}s\n", "total", "", total.as_secs_f64());
}

#[expect(clippy::disallowed_methods, reason = "how long a step takes is what is measured")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

fn fmt(root: &Path) -> anyhow::Result<String> {
    run(command(root, "cargo").args(["fmt", "--all", "--check"]))?;
    Ok(String::new())
}

fn template(root: &Path) -> anyhow::Result<String> {
    let bin = tools::python_tools(root)?;
    run(command(root, bin.join("cfn-lint")).arg("template.yaml"))?;
    // `sam validate` asks for a region and credentials, and uses neither.
    for lint in [&["validate"][..], &["validate", "--lint"]] {
        run(command(root, bin.join("sam"))
            .args(lint)
            .args(["--region", "us-east-1"])
            .env("AWS_ACCESS_KEY_ID", "none")
            .env("AWS_SECRET_ACCESS_KEY", "none")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("SAM_CLI_TELEMETRY", "0"))?;
    }
    Ok(String::new())
}

fn deny(root: &Path) -> anyhow::Result<String> {
    run(tools::cargo_deny(root)?.args(["--locked", "check", "bans", "licenses", "sources"]))?;
    let database = cargo_home()?.join("advisory-dbs");
    if !database.is_dir() {
        // Fetching it takes git access to GitHub, which not every machine has.
        let note = format!("advisories NOT RUN: no database in {}", database.display());
        println!("    {note}; `cargo deny fetch db` gets one");
        return Ok(note);
    }
    run(tools::cargo_deny(root)?.args(["--locked", "check", "--disable-fetch", "advisories"]))?;
    Ok(String::new())
}

#[expect(clippy::disallowed_methods, reason = "cargo itself is configured by the environment")]
fn cargo_home() -> anyhow::Result<PathBuf> {
    match std::env::var_os("CARGO_HOME") {
        Some(home) => Ok(home.into()),
        None => Ok(std::env::home_dir().context("no home directory")?.join(".cargo")),
    }
}

fn clippy(root: &Path) -> anyhow::Result<String> {
    run(command(root, "cargo").args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    Ok(String::new())
}

/// Of the whole workspace: a part of it would resolve other features, and
/// compile the SDKs once more.
fn doctest(root: &Path) -> anyhow::Result<String> {
    run(command(root, "cargo").args(["test", "--doc", "--workspace", "--locked"]))?;
    Ok(String::new())
}

/// A download of its own would count as a test's time.
fn clickhouse(root: &Path) -> anyhow::Result<String> {
    run(command(root, "python3").arg("localstack/clickhouse/install.py").arg(".local"))?;
    Ok(String::new())
}

fn bootstraps(root: &Path) -> anyhow::Result<String> {
    build::build(root, &build::Args::for_this_machine())?;
    Ok(String::new())
}

fn deployed(root: &Path) -> anyhow::Result<String> {
    deployed::journeys(root)
}

fn test(root: &Path) -> anyhow::Result<String> {
    // An ignored test counts as a failing one, so ignored ones run too.
    run(tools::cargo_nextest(root)?.args([
        "run",
        "--workspace",
        "--locked",
        "--run-ignored",
        "all",
    ]))?;
    Ok(String::new())
}

/// How many tests there were, from the report nextest leaves.
struct Counts {
    passed: u64,
    failed: u64,
}

impl Counts {
    fn read(report: &Path) -> anyhow::Result<Self> {
        let report = fs::read_to_string(report)?;
        let opening = report
            .split_once("<testsuites ")
            .and_then(|(_, rest)| rest.split_once('>'))
            .context("no testsuites")?
            .0;
        let count = |name: &str| -> anyhow::Result<u64> {
            let (_, rest) = opening.split_once(&format!(" {name}=\"")).context("no such count")?;
            Ok(rest.split_once('"').context("unclosed count")?.0.parse()?)
        };
        let failed = count("failures")? + count("errors")?;
        Ok(Self { passed: count("tests")? - failed, failed })
    }
}
