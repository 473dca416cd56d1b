//! The stream triggers of a deployment that somebody else runs: an emulator
//! whose own mappings lose records that a function failed to handle.
//!
//! The same [`Triggers`] as in the embedded stack, with AWS's protocols below
//! them: streams are read with `GetRecords`, functions called with `Invoke`.
//! Queues and schedules stay with the emulator.

mod parts;
mod streams;
mod wire;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use self::{parts::Remote, wire::Client};
use crate::{
    parameters::{self, Parameters},
    spec::Source,
    template::{self, Pseudo},
    triggers::{Parts, SystemTime, Triggers},
};

/// What `localstack/deploy.py` says about a deployment.
#[derive(Clone, Debug, Deserialize)]
pub struct Deployment {
    /// Where all services are, `http://host:port`.
    pub endpoint: String,
    pub region: String,
    /// Twelve digits.
    pub account: String,
    /// The stack's name.
    pub stack: String,
    /// The template parameters it was deployed with.
    pub parameters: Parameters,
    /// Names of the functions by their logical ids.
    pub functions: BTreeMap<String, String>,
}

impl Deployment {
    /// Reads what `deploy.py` wrote.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }
}

/// Starts the template's stream mappings on a deployment, from the oldest record
/// that their streams hold.
///
/// Positions are kept in memory: a restart delivers what was delivered before
/// once more, which every function has to bear anyway.
///
/// # Errors
/// The template cannot be read, or a stream is missing.
pub async fn start(deployment: &Deployment) -> Result<Triggers> {
    let pseudo = Pseudo {
        region: deployment.region.clone(),
        account_id: deployment.account.clone(),
        stack_name: deployment.stack.clone(),
        ..Pseudo::default()
    };
    let path = parameters::root().join("template.yaml");
    let mut spec = template::load(&path, &deployment.parameters, &pseudo)?;
    spec.schedules.clear();
    spec.mappings.retain(|mapping| !matches!(mapping.source, Source::Queue { .. }));
    let client = Client::new(&deployment.endpoint, &deployment.region)?;
    let remote = Arc::new(Remote::new(client, deployment.functions.clone()));
    let parts = Parts {
        invoker: remote.clone(),
        sources: remote.clone(),
        checkpoints: remote.clone(),
        destination: remote,
        time: Arc::new(SystemTime),
        pseudo,
    };
    Triggers::start(&spec, parts).await
}
