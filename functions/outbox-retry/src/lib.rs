//! Failure queue of the outbox → event stream and push queue, or the dead letters.
//!
//! A record that `outbox` could not read is tried again as its item lies in the journal
//! now: a newer build may read it, or somebody has mended it. After ten tries it is kept
//! as a dead letter, for operators to see and to replay. What even that fails with stays
//! in the queue, and goes to its dead-letter queue in the end.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{
    DeadLetterId,
    dead_letter::{DeadLetter, RecordKey, wait},
};
use jiff::Timestamp;
use publish::{Publisher, SetAside, Stopped};
use runtime::{Clock, Deps, Function, chain, metrics, received};
use store::Store;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `EVENT_STREAM`, `PUSH_QUEUE_URL`, `FAILURE_QUEUE_URL` or
/// `LONGEST_WAIT_SECONDS` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let retry = Retry {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        publisher: Publisher::new(&deps)?,
        sqs: aws_sdk_sqs::Client::new(deps.aws()),
        queue: deps.env.require("FAILURE_QUEUE_URL")?.to_owned(),
        longest_wait: Duration::from_secs(deps.env.require("LONGEST_WAIT_SECONDS")?.parse()?),
        stage: deps.env.require("STAGE")?.to_owned(),
        clock: deps.clock,
    };
    Ok(Function::trigger(move |event: SqsEvent, _context| {
        let retry = retry.clone();
        async move { Ok(retry.all(event.records).await) }
    }))
}

#[derive(Clone)]
struct Retry {
    store: Store,
    publisher: Publisher,
    sqs: aws_sdk_sqs::Client,
    queue: String,
    longest_wait: Duration,
    stage: String,
    clock: Clock,
}

/// Why a record is not published this time.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the message names no record")]
    NoRecord,
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Retry {
    /// Tries each message once, in the order they were received.
    async fn all(&self, messages: Vec<SqsMessage>) -> SqsBatchResponse {
        let mut answer = SqsBatchResponse::default();
        for message in messages {
            let aside = SetAside::read(message.body.as_deref().unwrap_or_default());
            let record = aside.record_key();
            let Err(failure) = self.publish(record.as_ref()).await else {
                tracing::info!(?record, "published what had been set aside");
                continue;
            };
            let reason = chain(&failure);
            let tries = received(&message);
            let comes_back = if let Some(wait) = wait(tries, self.longest_wait) {
                tracing::warn!(?record, tries, reason, "still not published");
                self.hide(&message, wait).await;
                true
            } else {
                self.give_up(&message, &aside, record, reason).await.is_err()
            };
            if comes_back {
                answer.add_failure(message.message_id.unwrap_or_default());
            }
        }
        answer
    }

    async fn publish(&self, record: Option<&RecordKey>) -> Result<(), Failure> {
        let entry = self.store.recorded(record.ok_or(Failure::NoRecord)?).await?;
        Ok(self.publisher.publish(&[entry]).await?)
    }

    /// Has the message come back after `wait`. Where that fails, it comes back when the
    /// queue's own time is over.
    async fn hide(&self, message: &SqsMessage, wait: Duration) {
        let hidden = self
            .sqs
            .change_message_visibility()
            .queue_url(&self.queue)
            .receipt_handle(message.receipt_handle.as_deref().unwrap_or_default())
            .visibility_timeout(i32::try_from(wait.as_secs()).unwrap_or(i32::MAX))
            .send()
            .await;
        if let Err(error) = hidden {
            tracing::warn!(error = chain(&error), "the queue's own time decides");
        }
    }

    async fn give_up(
        &self,
        message: &SqsMessage,
        aside: &SetAside,
        record: Option<RecordKey>,
        reason: String,
    ) -> store::Result<()> {
        let payload = message.body.clone().unwrap_or_default();
        let at = aside.written_at().or_else(|| sent(message)).unwrap_or_default();
        let letter = DeadLetter {
            id: DeadLetterId::of(&payload, at),
            record,
            reason,
            tries: received(message),
            given_up_at: self.clock.now(),
            payload,
        };
        let DeadLetter { id, record, reason, .. } = &letter;
        let kept = self.store.add_dead_letter(&letter).await;
        match &kept {
            Ok(()) => {
                tracing::error!(dead_letter = %id, ?record, reason, "gave a record up");
                metrics::record(metrics::DeadLetter::new(letter.given_up_at, self.stage.clone()));
            }
            Err(error) => {
                tracing::error!(?record, reason, error = chain(error), "cannot give a record up");
            }
        }
        kept
    }
}

fn sent(message: &SqsMessage) -> Option<Timestamp> {
    let millis = message.attributes.get("SentTimestamp")?.parse().ok()?;
    Timestamp::from_millisecond(millis).ok()
}
