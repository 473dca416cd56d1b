//! Secrets that functions are configured with.

use base64::{Engine, prelude::BASE64_STANDARD};
use domain::fairness::MasterKey;

use crate::{Env, MissingVariable};

/// `FAIRNESS_MASTER_KEY` cannot be used. Never shows it.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error(transparent)]
    Missing(#[from] MissingVariable),
    #[error("FAIRNESS_MASTER_KEY is not the base64 of 32 bytes")]
    Shape,
}

/// The key all server seeds are derived from: base64 of 32 bytes in
/// `FAIRNESS_MASTER_KEY`.
///
/// # Errors
/// When it is missing or not that.
pub fn master_key(env: &Env) -> Result<MasterKey, MasterKeyError> {
    let text = env.require("FAIRNESS_MASTER_KEY")?;
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| MasterKeyError::Shape)?;
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| MasterKeyError::Shape)?;
    Ok(MasterKey::new(bytes))
}
