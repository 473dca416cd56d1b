//! The product in a process of its own: this test's executable, started again
//! with another role.

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result};
use devstack::{Options, Stack};
use tests::DEADLINE;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

const DATA: &str = "CRASH_PRODUCT_DATA";
const CLICKHOUSE_URL: &str = "CRASH_PRODUCT_CLICKHOUSE_URL";
/// What the line with the address begins with, among those of the test harness.
const READY: &str = "product at ";

/// What this process was started for, if not for the test.
pub struct Role {
    data: PathBuf,
    clickhouse_url: String,
}

/// The role that the process was started with.
#[expect(clippy::disallowed_methods, reason = "how a process is told its role")]
pub fn role() -> Option<Role> {
    let data = std::env::var_os(DATA)?.into();
    Some(Role { data, clickhouse_url: std::env::var(CLICKHOUSE_URL).ok()? })
}

/// Is the product, until killed or until the test is gone.
pub fn run(role: Role) -> Result<()> {
    let options = Options {
        data: Some(role.data),
        clickhouse_url: Some(role.clickhouse_url),
        ..Options::default()
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let stack = runtime.block_on(Stack::start(options))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{READY}{}", stack.base_url)?;
    out.flush()?;
    // Ends with the process that holds the other end.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// A running product.
pub struct Product {
    pub base_url: String,
    child: Child,
}

impl Product {
    /// Starts the product on `data`; `test` is the name of the test that asks
    /// for its role first.
    pub async fn start(test: &str, data: &Path, clickhouse_url: &str) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--exact", test, "--nocapture", "--include-ignored"])
            .env(DATA, data)
            .env(CLICKHOUSE_URL, clickhouse_url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("piped")?).lines();
        let address = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(base_url) = line.strip_prefix(READY) {
                    return Ok(base_url.to_owned());
                }
            }
            anyhow::bail!("the product ended before it was up")
        };
        let base_url = tokio::time::timeout(DEADLINE, address).await.context("too slow")??;
        Ok(Self { base_url, child })
    }

    /// `kill -9`
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}
