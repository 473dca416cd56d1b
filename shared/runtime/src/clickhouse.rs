//! ClickHouse over HTTP: one client, every statement bounded in time, every
//! failure classified.

mod absent;
mod erased;
mod event_store;
mod rejected;

use std::{fmt, sync::Arc, time::Duration};

use aws_lambda_events::{kinesis::KinesisEvent, streams::KinesisEventResponse};
use clickhouse::{Client, Row, RowOwned, RowRead, RowWrite};
use futures::future::BoxFuture;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Serialize;
use serde_json::Value;

pub use absent::{ATTEMPTS, Turn, insert_absent};
pub use erased::{ERASED, erased, forget};
pub use event_store::EventStore;
pub use rejected::{Rejected, hex, set_aside};

use crate::{Deps, Env, chain, deps::MissingVariable, secrets::Credentials};

/// What the server may spend on one statement. It ends on the server before
/// the client gives up on it, so that no statement outlives its invocation.
const STATEMENT: Duration = Duration::from_secs(10);
/// What a caller waits for one statement.
pub const ANSWER: Duration = Duration::from_secs(12);
const CONNECT: Duration = Duration::from_secs(3);

/// Where the server is.
#[derive(Clone, Debug)]
pub struct Config {
    /// `http://host:8123` or `https://…`.
    pub url: String,
    pub database: String,
}

impl Config {
    /// Reads `CLICKHOUSE_URL` and `CLICKHOUSE_DATABASE`.
    ///
    /// # Errors
    /// One is missing.
    pub fn from_env(env: &Env) -> Result<Self, MissingVariable> {
        Ok(Self {
            url: env.require("CLICKHOUSE_URL")?.to_owned(),
            database: env.require("CLICKHOUSE_DATABASE")?.to_owned(),
        })
    }
}

/// A statement failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer, or half of one. Whether the statement took effect is unknown.
    #[error("ClickHouse cannot be reached")]
    Unreachable(#[source] clickhouse::error::Error),
    /// No answer in time. Whether the statement took effect is unknown.
    #[error("ClickHouse did not answer within {} s", ANSWER.as_secs())]
    TimedOut,
    /// The server refused or failed the statement.
    #[error("ClickHouse: {message}")]
    Server {
        /// ClickHouse's error code, 0 if the answer came from something else.
        code: u32,
        message: String,
    },
    /// What was sent or came back does not fit the table: the schema or this
    /// program is of another version.
    #[error("ClickHouse and this program disagree about the data")]
    Mismatch(#[source] clickhouse::error::Error),
    /// The server said yes to inserts and the rows are not there.
    #[error("{found} of {expected} rows are there after {ATTEMPTS} inserts")]
    Incomplete { expected: usize, found: usize },
    /// A row whose load token this program did not make.
    #[error("load token {0:?} is not one of ours")]
    Foreign(String),
}

impl Error {
    /// Whether the same statement can succeed later without anyone changing
    /// anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut | Self::Incomplete { .. } => true,
            Self::Mismatch(_) | Self::Foreign(_) => false,
            // A code we know to be about the statement, the schema or the
            // account stays as it is until somebody acts.
            Self::Server { code, .. } => !matches!(
                code,
                6 | 16
                    | 26
                    | 27
                    | 33
                    | 36
                    | 38
                    | 41
                    | 43
                    | 46
                    | 47
                    | 50
                    | 53
                    | 60
                    | 62
                    | 70
                    | 72
                    | 81
                    | 108
                    | 115
                    | 117
                    | 192
                    | 193
                    | 194
                    | 497
                    | 516
            ),
        }
    }
}

/// The answer to a batch of records: taken as a whole, or coming again as a whole.
#[must_use]
pub fn taken(event: &KinesisEvent, loaded: Result<(), Error>) -> KinesisEventResponse {
    let mut answer = KinesisEventResponse::default();
    let Err(error) = loaded else { return answer };
    let records = event.records.len();
    if error.retryable() {
        tracing::warn!(records, error = chain(&error), "batch not loaded, it will come again");
    } else {
        let error = chain(&error);
        tracing::error!(records, error, "batch not loaded, and it will not be as things are");
    }
    // The first record: the batch comes back from its beginning.
    if let Some(first) = event.records.first() {
        answer.add_failure(&first.kinesis.sequence_number);
    }
    answer
}

impl From<clickhouse::error::Error> for Error {
    fn from(error: clickhouse::error::Error) -> Self {
        use clickhouse::error::Error as E;
        match error {
            E::BadResponse(message) => Self::Server { code: code_of(&message), message },
            E::TimedOut => Self::TimedOut,
            E::Network(_) | E::Other(_) => Self::Unreachable(error),
            _ => Self::Mismatch(error),
        }
    }
}

/// `Code: 60. DB::Exception: …` → 60.
fn code_of(message: &str) -> u32 {
    let digits = message.split_once("Code: ").map_or("", |(_, rest)| rest);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(0)
}

/// A statement on its way to something that stands in for the server.
#[derive(Clone, Debug, Serialize)]
pub struct Statement {
    pub sql: String,
    pub settings: Vec<(String, String)>,
    /// The rows of an insert that brings its own, as JSON objects.
    pub rows: Vec<Value>,
}

/// Stands in for a server and the way there, in tests that drive both.
pub trait Port: Send + Sync {
    /// Answers with the rows of a query, a JSON array of objects, within [`ANSWER`].
    fn run(&self, statement: Statement) -> BoxFuture<'static, clickhouse::error::Result<Vec<u8>>>;
}

/// A connection pool to one database. Cheap to clone.
#[derive(Clone)]
pub struct ClickHouse(Way);

#[derive(Clone)]
enum Way {
    Http(Box<Client>),
    Port(Arc<dyn Port>),
}

impl ClickHouse {
    /// The server that the function is told of, or what stands in for it.
    fn of(deps: &Deps) -> Result<Self, MissingVariable> {
        match &deps.clickhouse {
            Some(port) => Ok(Self(Way::Port(Arc::clone(port)))),
            None => Ok(Self::new(&Config::from_env(&deps.env)?)),
        }
    }

    /// Connects lazily: the first statement finds out whether anyone is there.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let client = transport(config.url.starts_with("https:"))
                .with_url(&config.url)
                .with_database(&config.database)
                .with_setting("max_execution_time", STATEMENT.as_secs().to_string())
                // The default since 26: acknowledged before anything is written,
                // in blocks of the server's own making.
                .with_setting("async_insert", "0");
        Self(Way::Http(Box::new(client)))
    }

    /// The same server and connections, as somebody it knows.
    fn signed_in(&self, credentials: &Credentials) -> Self {
        Self(match &self.0 {
            Way::Http(client) => {
                let client = Client::clone(client).with_user(&credentials.username);
                Way::Http(Box::new(client.with_password(credentials.password.expose())))
            }
            Way::Port(port) => Way::Port(Arc::clone(port)),
        })
    }

    /// Inserts the rows as one block. A second insert with the same `token`, of
    /// whatever rows, does nothing while the table's deduplication window remembers
    /// the first.
    ///
    /// # Errors
    /// After an error the rows may or may not be there.
    pub async fn insert<R>(&self, table: &str, rows: &[R], token: &str) -> Result<(), Error>
    where
        R: RowWrite + Serialize + for<'a> Row<Value<'a> = R>,
    {
        const TOKEN: &str = "insert_deduplication_token";
        let client = match &self.0 {
            Way::Http(client) => client,
            Way::Port(port) => {
                let statement = Statement {
                    sql: format!("INSERT INTO {table}"),
                    settings: vec![(TOKEN.to_owned(), token.to_owned())],
                    rows: rows.iter().map(json).collect::<Result<_, _>>()?,
                };
                return Ok(port.run(statement).await.map(drop)?);
            }
        };
        bounded(async {
            let mut insert = client.insert::<R>(table).await?.with_setting(TOKEN, token);
            for row in rows {
                insert.write(row).await?;
            }
            insert.end().await
        })
        .await
    }

    /// Runs a statement that answers nothing, with settings of its own.
    ///
    /// # Errors
    /// After an error it may or may not have taken effect.
    pub async fn execute(&self, sql: &str, settings: &[(&str, &str)]) -> Result<(), Error> {
        let client = match &self.0 {
            Way::Http(client) => client,
            Way::Port(port) => {
                let settings = settings.iter().map(|(name, value)| {
                    let (name, value) = (*name, *value);
                    (name.to_owned(), value.to_owned())
                });
                let settings = settings.collect();
                let statement = Statement { sql: sql.to_owned(), settings, rows: vec![] };
                return Ok(port.run(statement).await.map(drop)?);
            }
        };
        let query = settings
            .iter()
            .fold(client.query_raw(sql), |query, (name, value)| query.with_setting(*name, *value));
        bounded(query.execute()).await
    }

    /// All rows of a query. `sql` is sent as it is: everything in it must be
    /// trusted or escaped.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn fetch<R>(&self, sql: &str) -> Result<Vec<R>, Error>
    where
        R: RowOwned + RowRead,
    {
        match &self.0 {
            Way::Http(client) => bounded(client.query_raw(sql).fetch_all::<R>()).await,
            Way::Port(port) => {
                let statement = Statement { sql: sql.to_owned(), settings: vec![], rows: vec![] };
                let answer = port.run(statement).await?;
                Ok(serde_json::from_slice(&answer).map_err(disagreement)?)
            }
        }
    }
}

impl fmt::Debug for ClickHouse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClickHouse").finish_non_exhaustive()
    }
}

fn json<R: Serialize>(row: &R) -> clickhouse::error::Result<Value> {
    serde_json::to_value(row).map_err(disagreement)
}

fn disagreement(error: serde_json::Error) -> clickhouse::error::Error {
    clickhouse::error::Error::DataFormat(error.into())
}

/// The crate's own transport leaves Nagle's algorithm on, which costs 40 ms per
/// insert, and has no TLS in this build; ours is the AWS clients' TLS stack.
///
/// # Panics
/// When there are no root certificates to tell whom to trust.
#[must_use]
pub fn transport(encrypted: bool) -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT));
    connector.enforce_http(!encrypted);
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    // ClickHouse closes idle connections after three seconds.
    builder.pool_idle_timeout(Duration::from_secs(2));
    if !encrypted {
        return Client::with_http_client(builder.build(connector));
    }
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
        .expect("the image has root certificates")
        .https_only()
        .enable_http1()
        .wrap_connector(connector);
    Client::with_http_client(builder.build(connector))
}

async fn bounded<T>(
    statement: impl Future<Output = clickhouse::error::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER, statement).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_is_worth_retrying() {
        let server = |text: &str| Error::from(clickhouse::error::Error::BadResponse(text.into()));
        assert!(!server("Code: 60. DB::Exception: no such table").retryable());
        assert!(!server("Code: 516. DB::Exception: default: Authentication failed").retryable());
        assert!(server("Code: 241. DB::Exception: memory limit exceeded").retryable());
        assert!(server("Code: 252. DB::Exception: too many parts").retryable());
        assert!(server("502 Bad Gateway").retryable());
        assert!(Error::TimedOut.retryable());
    }

    #[test]
    fn hides_the_password() {
        let config = Config { url: "http://localhost:8123".into(), database: "casino".into() };
        let json = r#"{"username":"olap","password":"hunter2"}"#;
        let credentials = Credentials::from_json(json).unwrap();
        let server = ClickHouse::new(&config).signed_in(&credentials);
        assert!(!format!("{config:?} {credentials:?} {server:?}").contains("hunter2"));
        assert!(!Credentials::from_json(r#"{"password":"hunter2"}"#).unwrap_err().contains("ter2"));
    }
}
