//! The template's parameters for the local stack: those of `samconfig.toml`'s
//! `dev` stage, and the secrets of this machine.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use runtime::Entropy;
use serde::Deserialize;

/// Parameters by name.
pub type Parameters = BTreeMap<String, String>;

/// The repository this was built from: every member lies two levels below it.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[derive(Deserialize)]
struct Stage {
    deploy: Deploy,
}

#[derive(Deserialize)]
struct Deploy {
    parameters: Overrides,
}

#[derive(Deserialize)]
struct Overrides {
    parameter_overrides: Vec<String>,
}

/// The `dev` stage's parameters. What refers to another service is left out.
///
/// # Errors
/// `samconfig.toml` cannot be read.
pub fn of_dev_stage() -> Result<Parameters> {
    let mut given = of_stage("dev")?;
    given.retain(|_, value| !value.contains("{{resolve:"));
    Ok(given)
}

/// The parameters of a stage, as they are written.
///
/// # Errors
/// `samconfig.toml` cannot be read, or has no such stage.
pub fn of_stage(stage: &str) -> Result<Parameters> {
    let path = root().join("samconfig.toml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut stages: BTreeMap<String, toml::Value> =
        toml::from_str(&text).context("samconfig.toml")?;
    let section = stages.remove(stage).with_context(|| format!("samconfig.toml has no {stage}"))?;
    let section: Stage = section.try_into().context("samconfig.toml")?;
    let given = section.deploy.parameters.parameter_overrides;
    Ok(given
        .iter()
        .filter_map(|parameter| parameter.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// The secrets of this machine, by what follows `casino-club/<stage>/` in their
/// names: made once and kept in `directory`, or made for this run only.
///
/// # Errors
/// The file cannot be read or written.
pub fn secrets(directory: Option<&Path>, entropy: &Entropy) -> Result<Parameters> {
    let Some(directory) = directory else { return Ok(make(entropy)) };
    let path = directory.join("secrets.json");
    // What is there stays; a secret that is newer than the file is added to it.
    let mut secrets = make(entropy);
    if let Ok(text) = std::fs::read_to_string(&path) {
        let kept: Parameters =
            serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        if secrets.keys().all(|name| kept.contains_key(name)) {
            return Ok(kept);
        }
        secrets.extend(kept);
        std::fs::remove_file(&path)?;
    }
    std::fs::create_dir_all(directory)?;
    write_private(&path, &serde_json::to_string_pretty(&secrets)?)
        .with_context(|| path.display().to_string())?;
    Ok(secrets)
}

fn make(entropy: &Entropy) -> Parameters {
    let secret = || BASE64_STANDARD.encode(entropy.bytes::<32>());
    let keys = serde_json::json!({
        "active": "local-1",
        "keys": [{ "kid": "local-1", "alg": "HS256", "secret": secret() }],
    });
    BTreeMap::from([
        ("jwt-keys".to_owned(), keys.to_string()),
        ("fairness-master-key".to_owned(), secret()),
        ("webhook-master-key".to_owned(), secret()),
        ("clickhouse".to_owned(), r#"{"username":"default","password":""}"#.to_owned()),
    ])
}

/// For the owner's eyes only.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
