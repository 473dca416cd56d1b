//! Functions as processes, each called by the test alone.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use devstack::{
    Options, Stack,
    engine::Endpoint,
    lambda::{Failure, Instance, Launch},
    parameters::root,
    spec::FunctionSpec,
};
use serde_json::Value;

/// Where `cargo xtask build` puts the functions.
pub fn bootstraps() -> PathBuf {
    root().join("target/lambda")
}

/// A stack whose triggers stand still, and its AWS over HTTP.
pub struct Lambda {
    pub stack: Stack,
    pub aws: Endpoint,
}

impl Lambda {
    pub async fn start() -> Result<Self> {
        Self::with(Options::default()).await
    }

    /// The APIs are served by functions in this process; those under test are not.
    pub async fn with(options: Options) -> Result<Self> {
        let stack = Stack::start(Options { triggers: false, ..options }).await?;
        let aws = Endpoint::start(stack.engine()).await?;
        Ok(Self { stack, aws })
    }

    /// What the template says of a function, by its crate.
    pub fn spec(&self, function: &str) -> Result<&FunctionSpec> {
        let mut functions = self.stack.spec().functions.values();
        functions.find(|spec| spec.crate_name == function).context("a function of the template")
    }

    /// How a function is started.
    pub fn launch(&self, function: &FunctionSpec) -> Result<Launch> {
        Launch::new(function, &bootstraps(), &self.aws.url)
    }

    /// A running function.
    pub async fn function(&self, function: &str) -> Result<Instance> {
        Ok(Instance::start(&self.launch(self.spec(function)?)?).await?)
    }
}

/// Invokes with an event; the answer byte for byte.
pub async fn invoke(instance: &mut Instance, event: &Value) -> Result<String, Failure> {
    let answer = instance.invoke(Bytes::from(event.to_string())).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
