//! Secrets Manager: values by name, as the JSON protocol shows them.
//!
//! Kept in memory: the stack puts its secrets in when it starts. A new value is
//! the current one at once; there are no stages, versions or rotation functions.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ACCOUNT, REGION, answer::Answer, answer::ApiError, fresh_id};

/// All secrets of the stack.
#[derive(Default)]
pub(super) struct Secrets(Mutex<HashMap<String, Version>>);

struct Version {
    id: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Get {
    secret_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    secret_id: String,
    secret_string: String,
}

impl Secrets {
    /// Creates the secret or gives it another value.
    pub(super) fn put(&self, name: &str, value: &str) {
        let version = Version { id: fresh_id().to_string(), value: value.to_owned() };
        self.all().insert(name.to_owned(), version);
    }

    pub(super) fn call(&self, operation: &str, body: &[u8]) -> Answer {
        let answer = match operation {
            "GetSecretValue" => self.get(body),
            "PutSecretValue" => self.put_value(body),
            _ => Err(ApiError::new("UnknownOperationException", operation)),
        };
        answer.into()
    }

    fn get(&self, body: &[u8]) -> Result<Value, ApiError> {
        let Get { secret_id } = serde_json::from_slice(body)?;
        let all = self.all();
        let version = all.get(&secret_id).ok_or_else(|| no_such(&secret_id))?;
        Ok(json!({
            "ARN": arn(&secret_id),
            "Name": secret_id,
            "SecretString": version.value,
            "VersionId": version.id,
            "VersionStages": ["AWSCURRENT"],
        }))
    }

    fn put_value(&self, body: &[u8]) -> Result<Value, ApiError> {
        let Put { secret_id, secret_string } = serde_json::from_slice(body)?;
        if !self.all().contains_key(&secret_id) {
            return Err(no_such(&secret_id));
        }
        self.put(&secret_id, &secret_string);
        Ok(json!({ "ARN": arn(&secret_id), "Name": secret_id, "VersionStages": ["AWSCURRENT"] }))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Version>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Secrets Manager adds six characters to the name.
pub(super) fn arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf")
}

fn no_such(name: &str) -> ApiError {
    ApiError::new(
        "ResourceNotFoundException",
        format!("Secrets Manager can't find the specified secret: {name}"),
    )
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.all().keys()).finish()
    }
}
