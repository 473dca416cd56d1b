//! The event store, for a function that is told of it.

use super::ClickHouse;
use crate::{
    Deps, MissingVariable,
    secrets::{Credentials, Rotating, SecretError},
};

/// A server, and who it knows the function as. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EventStore {
    server: ClickHouse,
    credentials: Rotating<Credentials>,
}

impl EventStore {
    /// The one that the function is told of, or what stands in for its server.
    ///
    /// # Errors
    /// `CLICKHOUSE_URL`, `CLICKHOUSE_DATABASE` or `CLICKHOUSE_SECRET` is not set.
    pub fn of(deps: &Deps) -> Result<Self, MissingVariable> {
        Ok(Self {
            server: ClickHouse::of(deps)?,
            credentials: deps.secret("CLICKHOUSE_SECRET", Credentials::from_json)?,
        })
    }

    /// The same; `None` where `CLICKHOUSE_URL` is not set, because nothing is loaded.
    ///
    /// # Errors
    /// It is set, and `CLICKHOUSE_DATABASE` or `CLICKHOUSE_SECRET` is not.
    pub fn if_any(deps: &Deps) -> Result<Option<Self>, MissingVariable> {
        deps.env.get("CLICKHOUSE_URL").map(|_| Self::of(deps)).transpose()
    }

    /// The server, signed in with the credentials as they are now.
    ///
    /// # Errors
    /// The credentials cannot be had or used.
    pub async fn connection(&self) -> Result<ClickHouse, SecretError> {
        Ok(self.server.signed_in(&*self.credentials.current().await?))
    }
}
