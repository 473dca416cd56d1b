//! Tools that `cargo verify` needs beside the Rust toolchain, at fixed
//! versions, installed under `.local/` the first time they are asked for.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::process::{command, run, succeeds};

const CARGO_DENY: &str = "0.20.2";
const CARGO_NEXTEST: &str = "0.9.151";

/// `cargo deny`, of exactly the version whose configuration .cargo/deny.toml is.
///
/// # Errors
/// When it cannot be installed.
pub fn cargo_deny(root: &Path) -> anyhow::Result<Command> {
    let binary = tool(root, "cargo-deny", CARGO_DENY, &[])?;
    Ok(command(root, binary))
}

/// `cargo nextest`: the machine's own, else one installed here.
///
/// # Errors
/// When it cannot be installed.
pub fn cargo_nextest(root: &Path) -> anyhow::Result<Command> {
    if succeeds(command(root, "cargo").args(["nextest", "--version"])) {
        let mut nextest = command(root, "cargo");
        nextest.arg("nextest");
        return Ok(nextest);
    }
    // Without its self-update, a third less to build.
    let features = ["--no-default-features", "--features", "default-no-update"];
    let mut nextest = command(root, tool(root, "cargo-nextest", CARGO_NEXTEST, &features)?);
    nextest.arg("nextest");
    Ok(nextest)
}

/// Directory of the executables of `infra/requirements.txt`.
///
/// # Errors
/// When Python or the package index is missing.
pub fn python_tools(root: &Path) -> anyhow::Result<PathBuf> {
    let what = "SAM CLI, cargo-lambda and cfn-lint";
    environment(root, "infra/requirements.txt", ".local/venv-lint", what)
}

/// Directory of the executables of `localstack/ministack/requirements.txt`.
///
/// # Errors
/// When Python or the package index is missing.
pub fn ministack(root: &Path) -> anyhow::Result<PathBuf> {
    let requirements = "localstack/ministack/requirements.txt";
    environment(root, requirements, ".local/venv-ministack", "ministack")
}

/// Directory of the executables of `infra/requirements-fuzz.txt`.
///
/// # Errors
/// When Python or the package index is missing.
pub fn schemathesis(root: &Path) -> anyhow::Result<PathBuf> {
    environment(root, "infra/requirements-fuzz.txt", ".local/venv-fuzz", "schemathesis")
}

/// A Python environment with exactly these requirements.
fn environment(
    root: &Path,
    requirements: &str,
    directory: &str,
    what: &str,
) -> anyhow::Result<PathBuf> {
    let venv = root.join(directory);
    // Of several commands at once, one installs and the others wait.
    fs::create_dir_all(root.join(".local"))?;
    let lock = fs::File::create(venv.with_extension("lock"))?;
    lock.lock()?;
    // A copy of what was installed, written last: a broken-off or outdated
    // installation does not count.
    let installed = venv.join("requirements.txt");
    let wanted = fs::read(root.join(requirements)).with_context(|| requirements.to_owned())?;
    if fs::read(&installed).ok().as_ref() != Some(&wanted) {
        println!("    installing {what} into {directory} (about a minute, once)");
        run(command(root, "python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        run(command(root, venv.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "--no-input"])
            .arg("--requirement")
            .arg(root.join(requirements)))?;
        fs::write(&installed, &wanted)?;
    }
    Ok(venv.join("bin"))
}

/// Has the command find the executables of `directory` before others.
///
/// # Errors
/// When the path cannot be written as one.
#[expect(clippy::disallowed_methods, reason = "a child's path is this process's and more")]
pub fn on_path<'a>(command: &'a mut Command, directory: &Path) -> anyhow::Result<&'a mut Command> {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(directory.to_owned()).chain(std::env::split_paths(&own));
    Ok(command.env("PATH", std::env::join_paths(path)?))
}

/// Installs a crate's binary at this version, if it is not there yet.
fn tool(root: &Path, name: &str, version: &str, features: &[&str]) -> anyhow::Result<PathBuf> {
    let directory = root.join(".local/tools").join(format!("{name}-{version}"));
    let binary = directory.join("bin").join(name);
    if !binary.is_file() {
        println!("    building {name} {version} into .local/tools (minutes, once)");
        // Unoptimised: it runs for seconds, and optimising it takes minutes.
        run(command(root, "cargo")
            .args(["install", "--locked", "--debug", "--config", "profile.dev.debug=false"])
            .args(features)
            .arg("--root")
            .arg(&directory)
            .arg(format!("{name}@{version}")))?;
    }
    Ok(binary)
}
