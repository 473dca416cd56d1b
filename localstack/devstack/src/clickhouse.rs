//! ClickHouse for the local stack: the embedded engine behind a small HTTP
//! front, installed on first use, or any server by URL.

mod schema;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
pub use schema::{Account, Loading, migrate, rebuild};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
};

/// How long a start may take. Another process on the same data directory is
/// waited for, and it may have a statement to finish.
const START: Duration = Duration::from_secs(60);

/// The interpreter that has the engine.
#[derive(Clone, Debug)]
pub struct Python(PathBuf);

/// Installs the engine into `<local>/venv` unless it is there already, telling
/// `progress` one line at a time. Safe to run in several processes at once: one
/// installs, the others wait.
///
/// # Errors
/// No Python 3 with `venv`, or the package index cannot be reached.
pub async fn ensure_installed(local: &Path, progress: impl FnMut(&str)) -> Result<Python> {
    let local = std::path::absolute(local)?;
    let script = root().join("localstack/clickhouse/install.py");
    run(Command::new("python3").arg(script).arg(&local), progress)
        .await
        .context("installing the embedded ClickHouse needs python3 with its venv module")?;
    Ok(Python(local.join("venv/bin/python")))
}

/// Runs a command, handing out its lines; its errors end up in the error.
async fn run(command: &mut Command, mut line: impl FnMut(&str)) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().expect("piped above")).lines();
    let mut stderr = child.stderr.take().expect("piped above");
    let mut errors = String::new();
    let (printed, read) = tokio::join!(
        async {
            while let Some(text) = lines.next_line().await? {
                line(&text);
            }
            anyhow::Ok(())
        },
        stderr.read_to_string(&mut errors)
    );
    printed?;
    read?;
    let status = child.wait().await?;
    ensure!(status.success(), "{status}: {}", errors.trim());
    Ok(())
}

/// A running engine. Dropping it kills the process; so does the end of this
/// process, whatever its manner.
#[derive(Debug)]
pub struct Server {
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    child: Child,
}

#[derive(Deserialize)]
struct Ready {
    port: u16,
}

/// Starts the engine.
///
/// `data` is the directory to keep; without one everything is in memory. A
/// directory that another process has open is waited for. `port` 0 is any free
/// one.
///
/// # Errors
/// The engine does not come up within a minute.
pub async fn spawn(python: &Python, data: Option<&Path>, port: u16) -> Result<Server> {
    let mut command = Command::new(&python.0);
    command.arg(root().join("localstack/clickhouse/server.py")).arg("--port").arg(port.to_string());
    if let Some(data) = data {
        command.arg("--data").arg(std::path::absolute(data)?);
    }
    let mut child = command
        .arg("--exit-with-stdin")
        // Loopback only, nobody to tell apart: no account.
        .env_remove("CLICKHOUSE_USER")
        .env_remove("CLICKHOUSE_PASSWORD")
        // The open end of this pipe is what keeps the engine running.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        // Ctrl-C in the terminal is for us; we stop it when nobody needs it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .context("starting the embedded ClickHouse")?;
    let mut stdout = BufReader::new(child.stdout.take().expect("piped above"));
    let mut line = String::new();
    tokio::time::timeout(START, stdout.read_line(&mut line))
        .await
        .context("the embedded ClickHouse did not come up in time")??;
    let ready: Ready = serde_json::from_str(&line)
        .with_context(|| format!("the embedded ClickHouse said {line:?} instead of its port"))?;
    Ok(Server { url: format!("http://127.0.0.1:{}", ready.port), child })
}

impl Server {
    /// The process id, for a test that kills it.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Stops the engine in an orderly way: a running statement is finished.
    ///
    /// # Errors
    /// It does not end; it is killed then.
    pub async fn stop(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        match tokio::time::timeout(START, self.child.wait()).await {
            Ok(status) => {
                let status = status?;
                ensure!(status.success(), "the embedded ClickHouse ended with {status}");
                Ok(())
            }
            Err(_) => bail!("the embedded ClickHouse did not stop in time"),
        }
    }

    /// Kills the engine as a crash would, and waits until it is gone.
    ///
    /// # Errors
    /// It cannot be killed.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// The repository this was built from: every member lies two levels below it.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
