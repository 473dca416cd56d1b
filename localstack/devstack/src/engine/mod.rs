//! AWS in this process: DynamoDB (dynoxide), SQS, Kinesis, Secrets Manager, SES and
//! the WebSocket API's `@connections`, behind the real AWS SDKs.
//!
//! A function gets an [`SdkConfig`](aws_config::SdkConfig) whose HTTP client
//! is the engine itself: requests are serialised, dispatched and answered as
//! the services do, without a socket in between.

mod answer;
mod connector;
mod database;
mod dynamo;
mod endpoint;
mod fault;
mod kinesis;
mod meter;
mod policy;
mod secrets;
mod ses;
mod signals;
mod spool;
mod sqs;

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::Context as _;
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_sdk_dynamodb::config::{
    Credentials, SharedCredentialsProvider, StalledStreamProtectionConfig,
};
use dynoxide::Database;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use self::policy::Connection;
pub(crate) use self::{answer::Answer, spool::StoredRecord};
pub use self::{
    database::{open_database, trim_streams},
    endpoint::Endpoint,
    fault::{Call, Fault, Service, Verdict},
    meter::{Meter, Snapshot, Units, Usage},
    policy::Policies,
    ses::Mail,
};
use crate::{
    gateway::Sockets,
    spec::{Source, Spec},
};

/// The account everything belongs to.
pub const ACCOUNT: &str = "000000000000";
/// The region everything is in.
pub const REGION: &str = "us-east-1";

/// The SDK's default of one second is for a network and would hide faults
/// behind waiting.
const RETRY_BACKOFF: Duration = Duration::from_millis(25);

/// ARN of a queue, as a redrive policy names it.
#[must_use]
pub fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

/// URL of a queue, as `Ref` gives it and the SDK takes it.
#[must_use]
pub fn queue_url(name: &str) -> String {
    format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}")
}

/// ARN of a Kinesis stream.
#[must_use]
pub fn stream_arn(name: &str) -> String {
    format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}")
}

/// The services of one stack and their state.
#[derive(Debug)]
pub struct Engine {
    dynamo: dynamo::Dynamo,
    sqs: sqs::Sqs,
    kinesis: kinesis::Kinesis,
    secrets: secrets::Secrets,
    ses: ses::Ses,
    sockets: Sockets,
    spool: Arc<spool::Spool>,
    signals: Arc<signals::Signals>,
    meter: Meter,
    policies: Policies,
    fault: RwLock<Option<Arc<dyn Fault>>>,
}

impl Engine {
    /// Opens the services that `spec` declares. With a directory, tables,
    /// unread messages and records, checkpoints and mails are kept in it; without
    /// one everything is in memory.
    ///
    /// # Errors
    /// If a file cannot be opened or read, or `spec` declares something that
    /// AWS would refuse.
    pub fn open(data: Option<&Path>, spec: &Spec) -> anyhow::Result<Arc<Self>> {
        let database = open_database(data)?;
        dynamo::create_tables(&database, &spec.tables)?;
        let spool = spool::Spool::open(data.map(|d| d.join("spool.sqlite")).as_deref());
        let spool = Arc::new(spool.context("opening the spool")?);
        let signals = Arc::new(signals::Signals::default());
        let sqs = sqs::Sqs::open(&spec.queues, spool.clone(), signals.clone())?;
        let kinesis =
            kinesis::Kinesis::open(&spec.streams, &spec.mappings, spool.clone(), signals.clone())?;
        let mailbox = data.map(|data| data.join("mailbox"));
        let ses = ses::Ses::open(mailbox.as_deref()).context("opening the mailbox")?;
        Ok(Arc::new(Self {
            dynamo: dynamo::Dynamo::start(database)?,
            sqs,
            kinesis,
            secrets: secrets::Secrets::default(),
            ses,
            sockets: Sockets::default(),
            spool,
            signals,
            meter: Meter::default(),
            policies: Policies::of(spec),
            fault: RwLock::new(None),
        }))
    }

    /// Configuration for AWS clients that this engine answers.
    #[must_use]
    pub fn sdk_config(self: &Arc<Self>) -> SdkConfig {
        self.sdk_config_for("")
    }

    /// The same, for a caller that the meter and faults know by `caller`. The
    /// logical id of a function may do what the function's policy allows.
    #[must_use]
    pub fn sdk_config_for(self: &Arc<Self>, caller: &str) -> SdkConfig {
        let credentials = Credentials::new("local", "local", None, None, "devstack");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(connector::InProcess::new(Arc::downgrade(self), caller))
            .retry_config(RetryConfig::standard().with_initial_backoff(RETRY_BACKOFF))
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build()
    }

    /// Creates a secret or gives it another value.
    pub fn put_secret(&self, name: &str, value: &str) {
        self.secrets.put(name, value);
    }

    /// The mails that SES has accepted, the newest first.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.ses.mails()
    }

    /// What was called and consumed so far.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// What functions may do, and which of it they have done so far.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Installs or removes the fault injector.
    pub fn set_fault(&self, fault: Option<Arc<dyn Fault>>) {
        *self.fault.write().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// A counter that moves after each write to `source`. For a queue also
    /// when messages become receivable because others were deleted.
    #[must_use]
    pub fn changes(&self, source: &Source) -> watch::Receiver<u64> {
        self.signals.subscribe(source)
    }

    /// Runs `act` with the database, in turn with all calls. This is the way
    /// to the table streams (`describe_stream`, `get_records`) and to
    /// `sweep_ttl`.
    pub async fn with_database<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Database) -> T + Send + 'static,
    ) -> T {
        self.dynamo.with(act).await
    }

    /// The open sockets, shared by the gateway and `@connections`.
    #[must_use]
    pub fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// How far `mapping` has read `shard`, as last set.
    #[must_use]
    pub fn checkpoint(&self, mapping: &str, shard: &str) -> Option<String> {
        self.spool.checkpoint(mapping, shard)
    }

    /// Remembers durably that `mapping` is done with `shard` up to and
    /// including `sequence`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn set_checkpoint(&self, mapping: &str, shard: &str, sequence: &str) -> anyhow::Result<()> {
        Ok(self.spool.set_checkpoint(mapping, shard, sequence)?)
    }

    /// [`set_checkpoint`](Self::set_checkpoint) for a Kinesis mapping: records
    /// that every enabled mapping of `stream` has passed are not kept for the
    /// next start any more.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn kinesis_passed(
        &self,
        stream: &str,
        shard: &str,
        mapping: &str,
        sequence: &str,
    ) -> anyhow::Result<()> {
        self.spool.set_checkpoint(mapping, shard, sequence)?;
        Ok(self.kinesis.prune(stream, shard)?)
    }

    pub(crate) fn kinesis_shards(&self, stream: &str) -> Option<Vec<String>> {
        self.kinesis.shard_ids(stream)
    }

    pub(crate) fn kinesis_read(
        &self,
        stream: &str,
        shard: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Option<Vec<(String, StoredRecord)>> {
        self.kinesis.read(stream, shard, after, limit)
    }

    pub(crate) fn kinesis_latest(&self) -> String {
        self.kinesis.latest()
    }

    fn fault(&self) -> Option<Arc<dyn Fault>> {
        self.fault.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn serve(&self, call: &Call<'_>, connection: Connection<'_>) -> Answer {
        if let Some(refusal) = self.policies.refusal(call, connection) {
            return refusal;
        }
        match call.service {
            Service::DynamoDb => {
                let outcome = self.dynamo.call(call.operation, call.body).await;
                if let Some(units) = outcome.units {
                    self.meter.consumed(call.caller, units);
                }
                for table in outcome.written {
                    self.signals.table(table);
                }
                outcome.answer
            }
            Service::Kinesis => self.kinesis.call(call.operation, call.body),
            Service::Sqs => self.sqs.call(call.operation, call.body).await,
            Service::SecretsManager => self.secrets.call(call.operation, call.body),
            Service::Ses => self.ses.call(call.operation, call.body),
            Service::Connections => self.sockets.manage(call.operation, connection.id, call.body),
        }
    }
}

/// Now, by the clock of the emulated services. AWS has its own, too: what a
/// function sees of it comes in events and answers.
#[expect(clippy::disallowed_methods, reason = "the services' clock, not a function's")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// An id as the services make them.
#[expect(clippy::disallowed_methods, reason = "the services' dice, not a function's")]
pub(crate) fn fresh_id() -> Uuid {
    Uuid::now_v7()
}

fn now_ms() -> i64 {
    now().as_millisecond()
}

#[cfg(test)]
mod tests;
