//! A local stack for who tests the product from outside.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use anyhow::{Context as _, bail};

use crate::process::{command, run};

/// What a stack keeps, in its directory.
const DATA: &str = "data";

/// A local stack on a free port, with its own data. Dropping it ends it.
pub struct Stack {
    child: Child,
    pub base_url: String,
}

impl Stack {
    /// Builds it and waits until it is up. Its data and its log are in `work`.
    ///
    /// # Errors
    /// When it does not build, or does not come up.
    pub fn start(root: &Path, work: &Path) -> anyhow::Result<Self> {
        // With the features that everything else here is compiled with.
        let build = ["build", "--workspace", "--locked", "--bin", "devstack"];
        run(command(root, "cargo").args(build))?;
        fs::create_dir_all(work)?;
        let log = fs::File::create(work.join("stack.log"))?;
        let child = command(root, beside_this_program("devstack")?)
            .args(["--port", "0", "--fresh", "--data"])
            .arg(work.join(DATA))
            // All calls come from one address, and their passwords are mostly wrong.
            .args(["--parameter", "LoginsPerAddress=1000000"])
            .args(["--parameter", "LoginFailuresPerAddress=1000000"])
            // Without a domain no answer is a stream, for which its reader waits a minute.
            .args(["--parameter", "ApiDomainName="])
            .env("AUTO_SEED_BASIC", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start the stack")?;
        // From here on it is ended whatever happens.
        let mut stack = Self { child, base_url: String::new() };
        let banner = BufReader::new(stack.child.stdout.take().context("its output")?);
        for line in banner.lines() {
            let line = line?;
            if let Some(url) = line.trim().strip_prefix("HTTP API") {
                url.trim().clone_into(&mut stack.base_url);
            }
            // The last line: everything is up, accounts included.
            if line.contains("Ctrl-C") {
                return Ok(stack);
            }
        }
        bail!("the stack does not start; its log is in {}", work.display());
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("the stack: {error}");
        }
    }
}

/// What cargo has built into the directory that this program is in.
fn beside_this_program(name: &str) -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}
