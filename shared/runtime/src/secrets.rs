//! Secrets: fetched from Secrets Manager when a function starts, kept, and
//! fetched anew after a while, so that rotating one takes no deployment.

use std::{
    any::type_name,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
};

use aws_sdk_secretsmanager::{
    Client,
    error::{DisplayErrorContext, SdkError},
    operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use contract::Secret;
use domain::{fairness::MasterKey, webhook::WebhookMasterKey};
use futures::future::{BoxFuture, try_join_all};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::{
    Clock, Deps, MissingVariable,
    auth::{JwtKeys, KeyError},
    boxed,
};

/// How long a value is used before it is asked for again.
const KEPT: SignedDuration = SignedDuration::from_mins(5);

/// A secret cannot be had or used. Never shows its value.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SecretError {
    #[error("secret {id} cannot be fetched: {cause}")]
    Unavailable { id: Arc<str>, cause: Arc<str> },
    #[error("secret {id} cannot be used: {cause}")]
    Unusable { id: Arc<str>, cause: Arc<str> },
}

/// A secret of type `T` that may rotate while the function lives.
pub struct Rotating<T>(Arc<Inner<T>>);

struct Inner<T> {
    id: Arc<str>,
    vault: Vault,
    clock: Clock,
    parse: fn(&str) -> Result<T, String>,
    kept: RwLock<Option<Kept<T>>>,
    /// Held by whoever fetches, so that a burst of requests fetches once.
    fetching: tokio::sync::Mutex<()>,
}

struct Kept<T> {
    value: Arc<T>,
    fetched_at: Timestamp,
}

/// Where secrets lie.
#[derive(Clone)]
enum Vault {
    Manager(Client),
    /// For tests of single functions.
    Given(Arc<BTreeMap<String, Secret>>),
}

/// The secrets of one function.
#[derive(Default)]
pub(crate) struct Secrets {
    vault: OnceLock<Vault>,
    fetches: Mutex<Vec<Fetch>>,
}

type Fetch = Box<dyn Fn() -> BoxFuture<'static, Result<(), SecretError>> + Send + Sync>;

impl Secrets {
    pub(crate) async fn fetch_all(&self) -> Result<(), SecretError> {
        let fetches: Vec<_> = {
            let fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
            fetches.iter().map(|fetch| fetch()).collect()
        };
        try_join_all(fetches).await.map(drop)
    }
}

impl Deps {
    /// The same with these secrets, by id, instead of Secrets Manager's.
    #[must_use]
    pub fn with_secrets<const N: usize>(self, secrets: [(&str, &str); N]) -> Self {
        let secrets = secrets.map(|(id, value)| (id.to_owned(), value.to_owned().into()));
        let vault = Vault::Given(Arc::new(secrets.into()));
        Self { secrets: Arc::new(Secrets { vault: vault.into(), ..Secrets::default() }), ..self }
    }

    /// The secret whose id the environment variable holds. It is fetched by
    /// [`Deps::ready`].
    ///
    /// # Errors
    /// The variable is not set.
    pub fn secret<T: Send + Sync + 'static>(
        &self,
        variable: &str,
        parse: fn(&str) -> Result<T, String>,
    ) -> Result<Rotating<T>, MissingVariable> {
        let vault = self.secrets.vault.get_or_init(|| Vault::Manager(Client::new(self.aws())));
        let secret = Rotating(Arc::new(Inner {
            id: self.env.require(variable)?.into(),
            vault: vault.clone(),
            clock: self.clock.clone(),
            parse,
            kept: RwLock::default(),
            fetching: tokio::sync::Mutex::default(),
        }));
        let fetched = secret.clone();
        self.secrets.fetches.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(
            move || {
                let secret = fetched.clone();
                Box::pin(async move { secret.current().await.map(drop) })
            },
        ));
        Ok(secret)
    }

    /// The access token keys: the secret that `JWT_KEYS_SECRET` names, as
    /// [`JwtKeys::from_json`] reads it.
    ///
    /// # Errors
    /// The variable is not set.
    pub fn jwt_keys(&self) -> Result<Rotating<JwtKeys>, MissingVariable> {
        self.secret("JWT_KEYS_SECRET", |json| {
            JwtKeys::from_json(json).map_err(|error: KeyError| error.to_string())
        })
    }

    /// The key all server seeds are derived from: the secret that
    /// `FAIRNESS_MASTER_KEY_SECRET` names, base64 of 32 bytes.
    ///
    /// It must stay as it is for ever: every committed epoch is derived from it.
    ///
    /// # Errors
    /// The variable is not set.
    pub fn master_key(&self) -> Result<Rotating<MasterKey>, MissingVariable> {
        self.secret("FAIRNESS_MASTER_KEY_SECRET", |text| key_of_32_bytes(text).map(MasterKey::new))
    }
}

impl Deps {
    /// The key all webhook secrets are derived from: the secret that
    /// `WEBHOOK_MASTER_KEY_SECRET` names, base64 of 32 bytes.
    ///
    /// It must stay as it is: another one changes every receiver's secret at once.
    ///
    /// # Errors
    /// The variable is not set.
    pub fn webhook_master_key(&self) -> Result<Rotating<WebhookMasterKey>, MissingVariable> {
        self.secret("WEBHOOK_MASTER_KEY_SECRET", |text| {
            key_of_32_bytes(text).map(WebhookMasterKey::new)
        })
    }
}

fn key_of_32_bytes(text: &str) -> Result<[u8; 32], String> {
    let bytes = BASE64_STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| "not the base64 of 32 bytes".to_owned())
}

/// Who a database knows us as: `{"username": …, "password": …}`, as Secrets
/// Manager keeps it for databases. `Debug` hides the password.
#[derive(Clone, Debug, Deserialize)]
pub struct Credentials {
    pub username: String,
    pub password: Secret,
}

impl Credentials {
    /// Reads that JSON.
    ///
    /// # Errors
    /// It is something else. Deliberately without serde's message, which may quote
    /// the value.
    pub fn from_json(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|_| "not {\"username\", \"password\"}".to_owned())
    }
}

impl<T> Rotating<T> {
    /// The value as it is now, or was a few minutes ago. An outage of the vault is
    /// not noticed while there is an older value.
    ///
    /// # Errors
    /// There is no value yet, and none can be had.
    pub async fn current(&self) -> Result<Arc<T>, SecretError> {
        if let Some(value) = self.fresh() {
            return Ok(value);
        }
        let _turn = self.0.fetching.lock().await;
        // Whoever had the turn before has fetched it.
        if let Some(value) = self.fresh() {
            return Ok(value);
        }
        let fetched = self.fetch().await;
        let mut kept = self.0.kept.write().unwrap_or_else(PoisonError::into_inner);
        let value = match (fetched, kept.take()) {
            (Ok(value), _) => Arc::new(value),
            (Err(error), Some(kept)) => {
                tracing::warn!(%error, "the older value stays in use");
                kept.value
            }
            (Err(error), None) => return Err(error),
        };
        *kept = Some(Kept { value: value.clone(), fetched_at: self.0.clock.now() });
        Ok(value)
    }

    fn fresh(&self) -> Option<Arc<T>> {
        let kept = self.0.kept.read().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_ref()?;
        let age = self.0.clock.now().duration_since(kept.fetched_at).abs();
        (age < KEPT).then(|| kept.value.clone())
    }

    async fn fetch(&self) -> Result<T, SecretError> {
        let id = &self.0.id;
        let unavailable =
            |cause: String| SecretError::Unavailable { id: id.clone(), cause: cause.into() };
        let text = match &self.0.vault {
            Vault::Manager(client) => {
                let answer = asked(client, id).await;
                let answer =
                    answer.map_err(|error| unavailable(DisplayErrorContext(error).to_string()))?;
                answer.secret_string.map(Secret::from)
            }
            Vault::Given(secrets) => secrets.get(&**id).cloned(),
        };
        let text = text.ok_or_else(|| unavailable("there is no such text".to_owned()))?;
        (self.0.parse)(text.expose())
            .map_err(|cause| SecretError::Unusable { id: id.clone(), cause: cause.into() })
    }
}

/// Apart from the secret's type, with which it would be compiled in every function.
#[boxed]
async fn asked(
    client: &Client,
    id: &str,
) -> Result<GetSecretValueOutput, SdkError<GetSecretValueError>> {
    client.get_secret_value().secret_id(id).send().await
}

impl<T> Clone for Rotating<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Rotating<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rotating<{}>({})", type_name::<T>(), self.0.id)
    }
}

#[cfg(test)]
mod tests;
