//! `cargo verify`: everything that has to hold before a change is merged.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use crate::{
    api_fuzz, build, deployed,
    process::{command, run},
    stack::Stack,
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
    /// Where .config/nextest.toml has nextest leave the step's counts.
    report: Option<&'static str>,
}

impl Step {
    const fn new(
        name: &'static str,
        about: &'static str,
        run: fn(&Path) -> anyhow::Result<String>,
    ) -> Self {
        Self { name, about, run, report: None }
    }
}

/// Cheap steps first; the tests last, whose count closes the output. One at a time: beside
/// another, a call of the generated ones may find the machine too busy to be answered.
const STEPS: &[Step] = &[
    Step::new("fmt", "rustfmt has nothing to change", fmt),
    Step::new("clippy", "no lint anywhere, bans included", clippy),
    Step::new("template", "template.yaml passes cfn-lint and sam validate", template),
    Step::new("deny", "licences, banned crates, sources, advisories", deny),
    Step::new("doctest", "examples in the documentation work", doctest),
    Step::new("clickhouse", "its engine is there for the tests", clickhouse),
    Step::new("bootstraps", "every function as it is deployed", bootstraps),
    Step::new("client", "the TypeScript client works against the product", client),
    Step {
        report: Some("target/nextest/default/junit.xml"),
        ..Step::new("test", "every test, none skipped", test)
    },
    Step::new(
        "api-fuzz",
        "schemathesis finds no answer that the API document does not promise",
        api_fuzz::api_fuzz,
    ),
    Step {
        report: Some("target/nextest/deployed/junit.xml"),
        ..Step::new(
            "deployed",
            "the journeys against the template and those binaries on ministack",
            deployed,
        )
    },
];

enum Outcome {
    Passed(String),
    Failed,
    NotReached,
}

type Done = (&'static Step, Outcome, Duration);

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
    for report in steps.iter().filter_map(|step| step.report) {
        let _ = fs::remove_file(root.join(report));
    }
    if args.only.is_empty() {
        install_meanwhile(root);
    }
    let (done, took) = timed(|| run_all(root, &steps, args.keep_going));
    summarise(&done, took);
    let failures: Vec<_> = done
        .iter()
        .filter(|(_, outcome, _)| matches!(outcome, Outcome::Failed))
        .map(|(step, ..)| step.name)
        .collect();
    if !failures.is_empty() {
        println!("verify failed at {}", failures.join(", "));
    }
    // Last of all the counts, which is what CI looks for.
    let counts: Vec<_> =
        steps.iter().filter_map(|step| Counts::read(&root.join(step.report?)).ok()).collect();
    if !counts.is_empty() {
        let passed: u64 = counts.iter().map(|counts| counts.passed).sum();
        let failed: u64 = counts.iter().map(|counts| counts.failed).sum();
        println!("{passed} passed, {failed} failed");
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_all(root: &Path, steps: &[&'static Step], keep_going: bool) -> Vec<Done> {
    let mut done: Vec<Done> = Vec::new();
    for (index, &step) in steps.iter().enumerate() {
        let failed = done.iter().any(|(_, outcome, _)| matches!(outcome, Outcome::Failed));
        if failed && !keep_going {
            done.push((step, Outcome::NotReached, Duration::ZERO));
            continue;
        }
        println!("\n=== {}/{} {}: {}", index + 1, steps.len(), step.name, step.about);
        let (result, took) = timed(|| (step.run)(root));
        let outcome = match result {
            Ok(note) => Outcome::Passed(note),
            Err(error) => {
                println!("!!! {} failed: {error:#}", step.name);
                Outcome::Failed
            }
        };
        done.push((step, outcome, took));
    }
    done
}

/// What downloads and unpacks does so while others compile. What fails here fails in
/// the step that needs it, which says so.
fn install_meanwhile(root: &Path) {
    let root = root.to_owned();
    thread::spawn(move || {
        let _ = tools::python_tools(&root);
        let _ = tools::schemathesis(&root);
        let _ = tools::ministack(&root);
    });
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

fn summarise(done: &[Done], took: Duration) {
    println!("\n{:<10} {:<12} {:>8}", "step", "result", "time");
    for (step, outcome, took) in done {
        let (result, note) = match outcome {
            Outcome::Passed(note) => ("passed", note.as_str()),
            Outcome::Failed => ("FAILED", ""),
            Outcome::NotReached => ("not reached", ""),
        };
        println!("{:<10} {result:<12} {:>7.1}s  {note}", step.name, took.as_secs_f64());
    }
    println!("{:<10} {:<12} {:>7.1}s\n", "total", "", took.as_secs_f64());
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

fn client(root: &Path) -> anyhow::Result<String> {
    let package = root.join("tests/client");
    run(command(&package, "npm").args(["ci", "--no-audit", "--no-fund"]))
        .context("Node.js 20 or newer, with npm")?;
    let stack = Stack::start(root, &root.join(".local/client"))?;
    run(command(&package, "npm").arg("test").env("BASE_URL", &stack.base_url))?;
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
