//! The repository's own commands: `cargo verify`, `cargo xtask …`.

mod api_fuzz;
mod build;
mod deployed;
mod edit;
mod process;
mod run_now;
mod scaffold;
mod stack;
mod template;
mod tools;
mod verify;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// The repository's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Proves the tree: format, template, dependencies, lints, every test
    Verify(verify::Args),
    /// Builds every function as the binary that is deployed, and shows the sizes
    Build(build::Args),
    /// Deploys template.yaml and those binaries to an emulator, and runs the journeys
    Deployed(deployed::Args),
    /// Adds an HTTP endpoint: crate, template entry, registration, test
    NewEndpoint(scaffold::Args),
    /// Runs a schedule of the running local stack now
    RunNow(run_now::Args),
    /// Logs in and prints every frame of the player's socket
    Watch(Passed),
    /// Round trips and capacity units of every route, measured
    Budgets,
    /// Spins a second through the whole product, beside its engine alone
    Bench(Passed),
    /// Starts and calls every function as a process: time, memory, size
    Cold(Passed),
    /// Dollars at AWS, by call and by player
    Cost(Passed),
    /// Brings a ClickHouse to the schema of infra/clickhouse, or a view of it up to date
    ClickhouseMigrate(Passed),
    /// The product under faults, seed by seed, and an auditor that looks for what must not be
    Sim(Passed),
}

/// Arguments handed on to the program that does the work; `--help` shows its own.
#[derive(Default, clap::Args)]
#[command(disable_help_flag = true)]
struct Passed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs a program of the `tests` package.
fn program(root: &Path, build: &[&str], name: &str, passed: &Passed) -> anyhow::Result<ExitCode> {
    program_of(root, "tests", build, name, passed)
}

fn program_of(
    root: &Path,
    package: &str,
    build: &[&str],
    name: &str,
    passed: &Passed,
) -> anyhow::Result<ExitCode> {
    let mut cargo = process::command(root, "cargo");
    cargo.args(["run", "--locked"]).args(build).args(["-p", package, "--bin", name, "--"]);
    process::run(cargo.args(&passed.arguments))?;
    Ok(ExitCode::SUCCESS)
}

fn main() -> ExitCode {
    let root = repository();
    let done = match Cli::parse().command {
        Command::Verify(args) => verify::verify(&root, &args),
        Command::Build(args) => build::build(&root, &args).map(|()| ExitCode::SUCCESS),
        Command::Deployed(args) => deployed::deployed(&root, &args).map(|()| ExitCode::SUCCESS),
        Command::NewEndpoint(args) => {
            scaffold::new_endpoint(&root, &args).map(|()| ExitCode::SUCCESS)
        }
        Command::Watch(passed) => program(&root, &["--quiet"], "watch", &passed),
        Command::Budgets => program(&root, &["--quiet"], "budget-table", &Passed::default()),
        Command::Bench(passed) => program(&root, &["--release"], "bench", &passed),
        Command::Cold(passed) => program(&root, &["--quiet"], "cold", &passed),
        Command::Cost(passed) => program(&root, &["--quiet"], "cost", &passed),
        Command::ClickhouseMigrate(passed) => {
            program_of(&root, "devstack", &["--quiet"], "clickhouse-migrate", &passed)
        }
        Command::Sim(passed) => program(&root, &["--profile", "search"], "sim", &passed),
        Command::RunNow(args) => run_now::run_now(&args).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Where the repository is, wherever the command was started.
fn repository() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root.pop();
    root
}
