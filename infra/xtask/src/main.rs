//! The repository's own commands: `cargo verify`, `cargo xtask …`.

mod edit;
mod process;
mod run_now;
mod scaffold;
mod template;
mod tools;
mod verify;

use std::{path::PathBuf, process::ExitCode};

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
    /// Adds an HTTP endpoint: crate, template entry, registration, test
    NewEndpoint(scaffold::Args),
    /// Runs a schedule of the running local stack now
    RunNow(run_now::Args),
}

fn main() -> ExitCode {
    let root = repository();
    let done = match Cli::parse().command {
        Command::Verify(args) => verify::verify(&root, &args),
        Command::NewEndpoint(args) => {
            scaffold::new_endpoint(&root, &args).map(|()| ExitCode::SUCCESS)
        }
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
