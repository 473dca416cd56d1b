//! What an execution environment is started with.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::{
    engine::{ACCOUNT, REGION, fresh_id},
    spec::FunctionSpec,
};

/// How to start the execution environments of one function.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The function's name, which is its crate's.
    pub name: String,
    /// How long one invocation may take.
    pub timeout: Duration,
    pub(super) bootstrap: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Launch {
    /// Of `function`, whose binary is `<bootstraps>/<name>/bootstrap`, with the
    /// AWS under `aws_url`. That AWS knows the function by its access key, which is
    /// its logical id.
    ///
    /// # Errors
    /// There is no such binary.
    pub fn new(function: &FunctionSpec, bootstraps: &Path, aws_url: &str) -> Result<Self> {
        let name = function.crate_name.clone();
        let bootstrap = bootstraps.join(&name).join("bootstrap");
        let bootstrap = bootstrap.canonicalize().with_context(|| {
            format!("{}: `cargo xtask build` builds every function", bootstrap.display())
        })?;
        let mut variables = sandbox(&name, function);
        variables.insert("AWS_ENDPOINT_URL".to_owned(), aws_url.to_owned());
        variables.extend(function.env.clone());
        Ok(Self { name, timeout: function.timeout, bootstrap, variables })
    }

    /// As Lambda names the function to itself.
    pub(super) fn arn(&self) -> String {
        format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", self.name)
    }

    /// The process, to be spawned: nothing of our own environment is in it, and it
    /// ends with whoever holds it.
    pub(super) fn command(&self, runtime_api: &str) -> Command {
        let mut command = Command::new(&self.bootstrap);
        command
            .env_clear()
            .envs(&self.variables)
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("[$LATEST]{}", fresh_id().simple()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in the terminal is for us; we end it when nobody needs it.
            .process_group(0)
            .kill_on_drop(true);
        if let Some(directory) = self.bootstrap.parent() {
            command.current_dir(directory);
        }
        command
    }
}

/// What Lambda sets for a function on `provided.al2023`, which the template's
/// variables may not change there, and do not here.
fn sandbox(name: &str, function: &FunctionSpec) -> BTreeMap<String, String> {
    let memory = function.memory_mb.to_string();
    let log_group = format!("/aws/lambda/{name}");
    let level = function.env.get("RUST_LOG").map_or("INFO", String::as_str);
    let variables = [
        ("_HANDLER", "bootstrap"),
        ("AWS_ACCESS_KEY_ID", &function.logical_id),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory),
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &log_group),
        ("AWS_LAMBDA_LOG_LEVEL", level),
        ("AWS_REGION", REGION),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_SESSION_TOKEN", "local"),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("TZ", ":UTC"),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
