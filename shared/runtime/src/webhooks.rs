//! What the webhook functions share: their queue and their settings.

use std::time::Duration;

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain::webhook::{Backoff, DeliveryId, Reach};
use serde::{Deserialize, Serialize};

use crate::{Deps, Env, MissingVariable, boxed};

/// Messages of one `SendMessageBatch`.
const BATCH: usize = 10;

/// The longest that SQS hides a new message. A longer wait is a chain: whoever gets a
/// message early sends it on.
const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// How far webhooks reach: the public internet, unless `WEBHOOK_REACH` is `loopback`,
/// which counts in the stage `dev` only. The one place that decides it.
///
/// # Errors
/// `STAGE` is not set.
pub fn reach(env: &Env) -> Result<Reach, MissingVariable> {
    let development = env.require("STAGE")? == "dev";
    let loopback = env.get("WEBHOOK_REACH") == Some("loopback");
    Ok(if development && loopback { Reach::Loopback } else { Reach::Public })
}

/// The waits between attempts; the first is `WEBHOOK_FIRST_RETRY_SECONDS`.
///
/// # Errors
/// It is not set, or no number.
pub fn backoff(env: &Env) -> Result<Backoff, crate::Error> {
    let seconds = env.require("WEBHOOK_FIRST_RETRY_SECONDS")?.parse()?;
    Ok(Backoff { first: Duration::from_secs(seconds) })
}

/// A message of the webhook queue: "look at this delivery". What is to be done about it
/// stands in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub delivery: DeliveryId,
}

/// The webhook queue.
#[derive(Clone)]
pub struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
}

/// A message that did not get into the queue.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error("the webhook queue does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the webhook queue refused a message: {0}")]
    Refused(String),
}

impl Queue {
    /// The queue of `WEBHOOK_QUEUE_URL`.
    ///
    /// # Errors
    /// The variable is not set.
    pub fn new(deps: &Deps) -> Result<Self, MissingVariable> {
        Ok(Self {
            client: aws_sdk_sqs::Client::new(deps.aws()),
            url: deps.env.require("WEBHOOK_QUEUE_URL")?.to_owned(),
        })
    }

    /// Sends a message for each delivery, to be seen after `delay`, in whole seconds
    /// (upwards), or a quarter of an hour if that is less.
    ///
    /// # Errors
    /// The first failure; some may be in the queue. Sending them again does no harm.
    ///
    /// # Panics
    /// When a message does not serialize, which is a defect.
    #[boxed]
    pub async fn send(&self, deliveries: &[DeliveryId], delay: Duration) -> Result<(), QueueError> {
        for batch in deliveries.chunks(BATCH) {
            let entries = batch.iter().enumerate().map(|(index, &delivery)| {
                let message = Message { delivery };
                SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(serde_json::to_string(&message).expect("messages serialize"))
                    .delay_seconds(whole_seconds(delay))
                    .build()
                    .expect("id and body are set")
            });
            let answer = self
                .client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries.collect()))
                .send()
                .await
                .map_err(|error| QueueError::Unavailable(Box::new(error)))?;
            if let Some(failed) = answer.failed().first() {
                return Err(QueueError::Refused(failed.code().to_owned()));
            }
        }
        Ok(())
    }
}

/// Upwards: who comes early only comes again.
fn whole_seconds(delay: Duration) -> i32 {
    let delay = delay.min(LONGEST_DELAY);
    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_itself_is_in_reach_in_development_and_nowhere_else() {
        let env = |stage: &str, reach: &str| {
            let pairs = [("STAGE", stage), ("WEBHOOK_REACH", reach)];
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect()
        };
        for (stage, asked, expected) in [
            ("dev", "loopback", Reach::Loopback),
            ("dev", "public", Reach::Public),
            ("dev", "", Reach::Public),
            ("staging", "loopback", Reach::Public),
            ("prod", "loopback", Reach::Public),
        ] {
            let env: Env = env(stage, asked);
            assert_eq!(reach(&env).expect("a stage"), expected, "{stage} {asked}");
        }
        assert!(reach(&Env::default()).is_err(), "no stage is not dev");
    }

    #[test]
    fn a_delay_is_in_whole_seconds_and_a_quarter_of_an_hour_at_most() {
        for (millis, seconds) in
            [(0, 0), (1, 1), (1_000, 1), (1_001, 2), (900_000, 900), (3_600_000, 900)]
        {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds, "{millis}");
        }
    }
}
