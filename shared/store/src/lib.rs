//! The table: the only user of the DynamoDB SDK.
//!
//! [`Store::execute`] is how anything changes: load, decide, commit, with every
//! outcome of the transaction named. [`Store::open`] is how a screen reads: one
//! query, never older than the caller's last write.

mod activity;
mod attempts;
mod bookmark;
mod commit;
mod dead_letter;
mod email;
mod error;
mod execute;
mod fraud;
mod invite;
mod item;
mod keys;
mod limited;
mod login;
mod mail;
mod needs;
mod newest;
mod published;
mod purchase;
mod roster;
mod segment;
mod socket;
mod subject;
mod view;
mod webhook;

use std::{sync::Arc, time::Duration};

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::{
    Client,
    config::{AsyncSleep as _, SharedAsyncSleep},
};

pub use activity::SHARDS as ACTIVE_SHARDS;
/// On what other crates await: boxes the future. A plain one is compiled anew, with all
/// of the SDK below it, in every crate that awaits it: half a minute of each function's
/// release build. The allocation is lost beside the round trip.
pub use async_recursion::async_recursion as boxed;
pub use attempts::Guesser;
pub use bookmark::Bookmark;
pub use dead_letter::DeadLetterPage;
pub use email::Emails;
pub use error::{Error, Result};
pub use execute::{Decision, Receipt};
pub use fraud::{FraudFilter, FraudRules, Seen, Tried};
pub use item::{decode_entry, entry_key};
pub use login::Login;
pub use mail::{Claimed, MailClaim, MailProgress};
pub use needs::{Found, Needs};
pub use published::{Progress, Unpublished};
pub use purchase::{DUE_SHARDS, Due};
pub use roster::SHARDS as ROSTER_SHARDS;
pub use segment::Segmented;
pub use socket::{Connection, Ticket};
pub use subject::Subject;
pub use view::Opened;
pub use webhook::DeliveryPage;

/// Before the first retry of a call, doubling, with jitter. The SDK's own second
/// is a hundred times what the table takes to answer.
const BACKOFF: Duration = Duration::from_millis(25);

/// The table, through one client.
#[derive(Clone)]
pub struct Store {
    client: Client,
    table: Arc<str>,
    /// The clock that pauses go by: the client's own, if it was given one.
    timers: Option<SharedAsyncSleep>,
}

impl Store {
    /// The table `table` of the account that `config` names.
    ///
    /// One attempt may take a second and a call three, so that a handler learns
    /// of an unknown outcome while it still has time to look it up.
    #[must_use]
    pub fn new(config: &SdkConfig, table: &str) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(config)
            .retry_config(
                RetryConfig::standard().with_max_attempts(3).with_initial_backoff(BACKOFF),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(Duration::from_secs(1))
                    .operation_timeout(Duration::from_secs(3))
                    .build(),
            )
            .build();
        let timers = config.sleep_impl();
        Self { client: Client::from_conf(config), table: table.into(), timers }
    }

    /// Whether the table answers: one small read.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn ping(&self) -> Result<()> {
        self.get(&[keys::probe()]).await.map(drop)
    }

    /// Waits before something is tried again, by the clock of the table's client.
    #[expect(clippy::disallowed_methods, reason = "the one pause between two tries")]
    pub async fn pause(&self, time: Duration) {
        match &self.timers {
            Some(timers) => timers.sleep(time).await,
            None => tokio::time::sleep(time).await,
        }
    }
}
