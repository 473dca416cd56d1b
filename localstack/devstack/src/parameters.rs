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

/// The `dev` stage's parameters. What refers to another service is left out, and there is a
/// domain of its own, to which the listener of the local stack answers.
///
/// # Errors
/// `samconfig.toml` cannot be read.
pub fn of_dev_stage() -> Result<Parameters> {
    let mut given = of_stage("dev")?;
    given.retain(|_, value| !value.contains("{{resolve:"));
    given.insert("ApiDomainName".to_owned(), "localhost".to_owned());
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
/// names: made once and kept in `directory`, or made for this run only. What an
/// older program did not know of is added to what it kept.
///
/// # Errors
/// The file cannot be read or written.
pub fn secrets(directory: Option<&Path>, entropy: &Entropy) -> Result<Parameters> {
    let Some(directory) = directory else { return Ok(make(entropy)) };
    let path = directory.join("secrets.json");
    let mut secrets = match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| path.display().to_string())?,
        Err(_) => Parameters::new(),
    };
    let kept = secrets.len();
    for (name, value) in make(entropy) {
        secrets.entry(name).or_insert(value);
    }
    if secrets.len() > kept {
        std::fs::create_dir_all(directory)?;
        write_private(&path, &serde_json::to_string_pretty(&secrets)?)
            .with_context(|| path.display().to_string())?;
    }
    Ok(secrets)
}

fn make(entropy: &Entropy) -> Parameters {
    let secret = || BASE64_STANDARD.encode(entropy.bytes::<32>());
    let keys = serde_json::json!({
        "active": "local-1",
        "keys": [{ "kid": "local-1", "alg": "HS256", "secret": secret() }],
    });
    let api_key = serde_json::json!({ "api_key": format!("local-{}", secret()) });
    let webhook_keys = serde_json::json!({
        "active": "local-1",
        "keys": [
            { "kid": "local-1", "secret": secret() },
            { "kid": "local-2", "secret": secret() },
        ],
    });
    BTreeMap::from([
        ("jwt-keys".to_owned(), keys.to_string()),
        ("payment-provider".to_owned(), api_key.to_string()),
        ("payment-webhook-keys".to_owned(), webhook_keys.to_string()),
        ("fairness-master-key".to_owned(), secret()),
        ("webhook-master-key".to_owned(), secret()),
        ("clickhouse".to_owned(), r#"{"username":"default","password":""}"#.to_owned()),
    ])
}

/// For the owner's eyes only, and all of it or none.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let unfinished = path.with_extension("unfinished");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_it_made_and_adds_what_is_new() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secrets.json");
        let entropy = Entropy::system();
        let made = secrets(Some(directory.path()), &entropy).unwrap();
        assert_eq!(secrets(Some(directory.path()), &entropy).unwrap(), made);

        let mut older = made.clone();
        older.remove("payment-webhook-keys").unwrap();
        std::fs::write(&path, serde_json::to_string(&older).unwrap()).unwrap();
        let newer = secrets(Some(directory.path()), &entropy).unwrap();
        assert_eq!(newer["jwt-keys"], made["jwt-keys"]);
        assert!(newer.contains_key("payment-webhook-keys"));
        assert_eq!(secrets(Some(directory.path()), &entropy).unwrap(), newer);
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
