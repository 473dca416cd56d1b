//! What a function is given from outside: settings, time, randomness, AWS.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
};

use aws_config::SdkConfig;
use jiff::Timestamp;

use crate::{
    auth::Hasher,
    aws, boxed, clickhouse, payments,
    secrets::{SecretError, Secrets},
};

/// The function's environment variables.
///
/// A value, not the process's environment, so that one process can host many
/// functions with different settings. `Debug` shows names only: values may be
/// secrets.
#[derive(Clone, Default)]
pub struct Env(Arc<BTreeMap<String, String>>);

impl Env {
    /// The environment of this process.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_process() -> Self {
        std::env::vars().collect()
    }

    /// The variable's value, if it is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// The variable's value.
    ///
    /// # Errors
    /// When it is missing or empty: the function must not start.
    pub fn require(&self, name: &str) -> Result<&str, MissingVariable> {
        self.get(name).ok_or_else(|| MissingVariable(name.to_owned()))
    }

    /// Whether the variable is `true` or `1`.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }
}

impl FromIterator<(String, String)> for Env {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(Arc::new(pairs.into_iter().collect()))
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A required environment variable is missing.
#[derive(Debug, thiserror::Error)]
#[error("environment variable {0} is not set")]
pub struct MissingVariable(pub String);

/// Where "now" comes from. Sampled once per invocation.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    /// A clock that tests drive.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The current instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// The UTC day of an instant; every "day" of the product is one.
#[must_use]
pub fn utc_day(at: Timestamp) -> jiff::civil::Date {
    at.to_zoned(jiff::tz::TimeZone::UTC).date()
}

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

/// Where randomness comes from. Sampled once per invocation.
#[derive(Clone)]
pub struct Entropy(Arc<Fill>);

impl Entropy {
    /// The operating system's generator.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the OS generator")]
    pub fn system() -> Self {
        Self::new(|bytes| {
            getrandom::fill(bytes).expect("the operating system's generator does not fail");
        })
    }

    /// A generator that tests drive.
    pub fn new(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }
}

/// Everything a function is built from. Cheap to clone; clones share AWS and
/// secrets.
#[derive(Clone)]
pub struct Deps {
    pub env: Env,
    pub clock: Clock,
    pub entropy: Entropy,
    pub hasher: Hasher,
    pub(crate) aws: Arc<OnceLock<SdkConfig>>,
    pub(crate) clickhouse: Option<Arc<dyn clickhouse::Port>>,
    pub(crate) payments: Option<Arc<dyn payments::Provider>>,
    pub(crate) secrets: Arc<Secrets>,
}

impl Deps {
    #[must_use]
    pub fn new(env: Env, clock: Clock, entropy: Entropy) -> Self {
        let (aws, secrets) = (Arc::default(), Arc::default());
        let hasher = Hasher::default();
        Self { env, clock, entropy, hasher, aws, clickhouse: None, payments: None, secrets }
    }

    /// What a deployed function gets from its process.
    #[must_use]
    pub fn from_process() -> Self {
        Self::new(Env::from_process(), Clock::system(), Entropy::system())
    }

    /// The same with this AWS instead of the process's.
    #[must_use]
    pub fn with_aws(self, config: SdkConfig) -> Self {
        Self { aws: Arc::new(config.into()), ..self }
    }

    /// The same with passwords hashed at another cost: for tests only.
    #[must_use]
    pub fn with_hasher(self, hasher: Hasher) -> Self {
        Self { hasher, ..self }
    }

    /// The same with this in the place of a ClickHouse server.
    #[must_use]
    pub fn with_clickhouse(self, port: Arc<dyn clickhouse::Port>) -> Self {
        Self { clickhouse: Some(port), ..self }
    }

    /// The same with this in the place of a payment provider.
    #[must_use]
    pub fn with_payments(self, provider: Arc<dyn payments::Provider>) -> Self {
        Self { payments: Some(provider), ..self }
    }

    /// Region, credentials and HTTP client of every AWS client. Made when first
    /// asked for: a function that never asks neither waits for an SDK nor links one.
    #[must_use]
    pub fn aws(&self) -> &SdkConfig {
        self.aws.get_or_init(|| aws::config(&self.env))
    }

    /// Fetches every secret the function asked for, all at once. To be called once
    /// the function is built, before its first event.
    ///
    /// # Errors
    /// A secret cannot be had or used: the function must not start.
    #[boxed]
    pub async fn ready(&self) -> Result<(), SecretError> {
        self.secrets.fetch_all().await
    }
}
