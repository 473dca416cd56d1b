//! `cargo xtask deployed`: template.yaml and the binaries that are deployed, on
//! an emulator of AWS, under the same journeys as the embedded stack.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::{
    build,
    process::{command, run},
    tools,
};

/// The emulator's data and everybody's logs, of the last run.
const WORK: &str = ".local/ministack";

/// Options of `cargo xtask deployed`.
#[derive(clap::Args)]
pub struct Args {
    /// Take the binaries that are there instead of building them first
    #[arg(long)]
    built: bool,
    /// Run nothing; leave it up until Enter is pressed
    #[arg(long)]
    keep: bool,
}

/// Deploys and runs the journeys.
///
/// # Errors
/// When anything fails.
pub fn deployed(root: &Path, args: &Args) -> anyhow::Result<()> {
    if !args.built {
        build::build(root, &build::Args::for_this_machine())?;
    }
    if !args.keep {
        println!("\n{}", journeys(root)?);
        return Ok(());
    }
    let tier = Tier::start(root)?;
    println!("\n  HTTP API  {}\n  socket    {}", tier.text("base_url")?, tier.text("socket_url")?);
    println!("  AWS       {}\n  logs      {WORK}\n\n  Enter stops it.", tier.text("endpoint")?);
    std::io::stdin().read_line(&mut String::new())?;
    tier.stop()
}

/// Deploys the binaries of `cargo xtask build`, runs the journeys and the outage
/// against them, and says what ran where.
///
/// # Errors
/// When anything fails.
pub fn journeys(root: &Path) -> anyhow::Result<String> {
    let architecture = fs::read_to_string(root.join(build::BOOTSTRAPS).join("architecture"))
        .context("`cargo xtask build` comes first")?;
    let own = if std::env::consts::ARCH == "aarch64" { "arm64" } else { std::env::consts::ARCH };
    if architecture.trim() != own {
        bail!(
            "the binaries are for {architecture}; `cargo xtask build --architecture {own}` builds \
             some that run here"
        );
    }
    // Everything is compiled before the emulator is up.
    let journeys = ["--workspace", "--locked", "--test", "journeys"];
    run(tools::cargo_nextest(root)?.arg("run").args(journeys).arg("--no-run"))?;
    let tier = Tier::start(root)?;
    let notes = root.join(WORK).join("private.txt");
    run(tools::cargo_nextest(root)?
        .arg("run")
        .args(journeys)
        .args(["--profile", "deployed"])
        .env("BASE_URL", tier.text("base_url")?)
        .env("PRIVATE_NOTES", &notes))
    .with_context(|| format!("logs are in {WORK}"))?;
    run(command(root, tools::python_tools(root)?.join("python"))
        .arg("localstack/ministack/outage.py")
        .args([tier.work.join("deployment.json"), tier.work.join("poller.log")]))?;
    tier.stop()?;
    // Without a journey that needs no private stack there is no such file.
    Ok(summary(&fs::read_to_string(notes).unwrap_or_default()))
}

/// What did not run on the deployment, by the reason each test noted.
fn summary(notes: &str) -> String {
    let mut tests: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (test, what) in notes.lines().filter_map(|line| line.split_once(": ")) {
        let named = tests.entry(what).or_default();
        if !named.contains(&test) {
            named.push(test);
        }
    }
    if tests.is_empty() {
        return "every journey ran on the deployment".to_owned();
    }
    let notes: Vec<_> = tests
        .iter()
        .map(|(what, tests)| {
            println!("    {what}: {}", tests.join(", "));
            format!("{} × {what}", tests.len())
        })
        .collect();
    format!("not on the deployment: {}", notes.join("; "))
}

/// A running deployment. Dropping it stops everything.
struct Tier {
    child: Child,
    /// What `deploy.py` says about it.
    deployment: Value,
    work: PathBuf,
}

impl Tier {
    fn start(root: &Path) -> anyhow::Result<Self> {
        let (deployer, emulator) = (tools::python_tools(root)?, tools::ministack(root)?);
        // With the features that everything else here is compiled with.
        let beside = ["build", "--workspace", "--locked", "--bin", "stream-poller"];
        run(command(root, "cargo").args(beside).args(["--bin", "provider"]))?;
        let work = root.join(WORK);
        let mut child = command(root, emulator.join("python"))
            .arg("localstack/ministack/tier.py")
            .arg("--work")
            .arg(&work)
            .arg("--deployer")
            .arg(deployer.join("python"))
            .args(["--poller", "target/debug/stream-poller"])
            .args(["--provider", "target/debug/provider"])
            // All journeys log in from one address, some with wrong passwords.
            .args(["--parameter", "LoginsPerAddress=1000000"])
            .args(["--parameter", "LoginFailuresPerAddress=1000000"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start ministack")?;
        let mut line = String::new();
        let output = child.stdout.take().context("its output")?;
        BufReader::new(output).read_line(&mut line)?;
        // From here on it is stopped whatever happens.
        let mut tier = Self { child, deployment: Value::Null, work };
        if line.is_empty() {
            bail!("ministack is not up; logs are in {WORK}");
        }
        tier.deployment = serde_json::from_str(&line)?;
        Ok(tier)
    }

    fn text(&self, name: &str) -> anyhow::Result<&str> {
        self.deployment[name].as_str().with_context(|| format!("deploy.py says no {name}"))
    }

    /// Stops it; an emulator or poller that broke off before is an error.
    fn stop(mut self) -> anyhow::Result<()> {
        let status = self.end()?;
        if !status.success() {
            bail!("ministack did not last; logs are in {WORK}");
        }
        Ok(())
    }

    /// It stops at the end of its input.
    fn end(&mut self) -> std::io::Result<std::process::ExitStatus> {
        drop(self.child.stdin.take());
        self.child.wait()
    }
}

impl Drop for Tier {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("ministack: {error}");
        }
    }
}
