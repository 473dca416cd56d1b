//! Webhook queue → receivers. One message is one look at one delivery.
//!
//! The item in the table says what is to be done: claim an attempt and make it, come
//! back later, or nothing. As long as it is pending there is a message about it, so
//! whoever takes a message off sends the next one first.
//!
//! A slow receiver delays nobody else: the messages of a batch are worked on at once,
//! each with ten seconds for its request; those of one endpoint at most two at a time,
//! and what has not had its turn when the others must be done goes back to the queue
//! without an attempt counted. With the queue's concurrency that is also the most
//! connections one receiver ever gets.

use std::{collections::BTreeMap, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{
    WebhookEndpointId,
    webhook::{
        Backoff, Claim, Delivery, DeliveryId, Directory, Endpoint, Failure, LEASE, Outcome, Reach,
        Status, Target, signatures,
    },
};
use futures::{StreamExt as _, future::join_all, stream};
use jiff::Timestamp;
use runtime::{
    Clock, Deps, Function,
    egress::{Egress, Headers},
    metrics::{self, Stopwatch, WebhookDelivery},
    secrets::{Rotating, SecretError},
    webhooks::{Message, Queue, QueueError, backoff, reach},
};
use store::Store;

/// Requests at once to one endpoint, by one invocation.
const AT_ONCE: usize = 2;

/// Attempts begin within this time, so that the last one ends before the function does.
const TURNS_MS: f64 = 8_000.0;

/// When what has had no turn is looked at again.
const NEXT_TURN: Duration = Duration::from_secs(10);

/// How often a change of the endpoints is tried that others get in the way of.
const CHANGES: u32 = 5;

/// Builds the function.
///
/// # Errors
/// `STAGE`, `TABLE_NAME`, `WEBHOOK_QUEUE_URL`, `WEBHOOK_MASTER_KEY_SECRET` or
/// `WEBHOOK_FIRST_RETRY_SECONDS` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let reach = reach(&deps.env)?;
    let deliver = Deliver {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        queue: Queue::new(&deps)?,
        master: deps.webhook_master_key()?,
        backoff: backoff(&deps.env)?,
        stage: deps.env.require("STAGE")?.to_owned(),
        egress: Egress::new(reach),
        reach,
        clock: deps.clock,
    };
    Ok(Function::trigger(move |event: SqsEvent, _context| {
        let deliver = deliver.clone();
        async move { deliver.all(event.records).await.map_err(Into::into) }
    }))
}

#[derive(Clone)]
struct Deliver {
    store: Store,
    queue: Queue,
    master: Rotating<domain::webhook::WebhookMasterKey>,
    backoff: Backoff,
    stage: String,
    egress: Egress,
    reach: Reach,
    clock: Clock,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Its lease is longer than a function lives, so nobody can have come.
    #[error("somebody else has written the delivery during its attempt")]
    Overtaken,
}

impl Deliver {
    /// Works on the batch; what failed comes back by itself.
    ///
    /// # Errors
    /// The endpoints cannot be read: all of it comes back.
    async fn all(&self, records: Vec<SqsMessage>) -> Result<SqsBatchResponse, Error> {
        let started = Stopwatch::start();
        let directory = self.store.webhooks().await?;
        let mut answer = SqsBatchResponse::default();
        let mut lanes: BTreeMap<WebhookEndpointId, Vec<(String, DeliveryId)>> = BTreeMap::new();
        for record in records {
            let id = record.message_id.unwrap_or_default();
            match serde_json::from_str(record.body.as_deref().unwrap_or_default()) {
                Ok(Message { delivery }) => {
                    lanes.entry(delivery.endpoint).or_default().push((id, delivery));
                }
                // Received often enough, it is in the dead-letter queue.
                Err(error) => {
                    tracing::error!(message_id = id, %error, "not a message of the webhook queue");
                    answer.add_failure(id);
                }
            }
        }
        let lanes = lanes.into_iter().map(|(endpoint, lane)| {
            let endpoint = directory.find(endpoint);
            stream::iter(lane)
                .map(move |(id, delivery)| async move {
                    (id, self.take_turn(endpoint, delivery, started).await)
                })
                .buffer_unordered(AT_ONCE)
                .collect::<Vec<_>>()
        });
        for (id, done) in join_all(lanes).await.into_iter().flatten() {
            if let Err(error) = done {
                tracing::error!(message_id = id, %error, "a delivery comes back");
                answer.add_failure(id);
            }
        }
        Ok(answer)
    }

    async fn take_turn(
        &self,
        endpoint: Option<&Endpoint>,
        id: DeliveryId,
        started: Stopwatch,
    ) -> Result<(), Error> {
        if started.elapsed_ms() > TURNS_MS {
            return Ok(self.queue.send(&[id], NEXT_TURN).await?);
        }
        let Some(delivery) = self.store.delivery(id).await? else {
            tracing::warn!(delivery = %id, "a delivery is forgotten");
            return Ok(());
        };
        match delivery.claim(self.clock.now()) {
            Claim::Settled => Ok(()),
            Claim::Later(at) => Ok(self.queue.send(&[id], self.until(at)).await?),
            Claim::Exhausted(failed) => self.finish(&failed, 0.0).await,
            // Whoever claimed it may die: the message outlives the lease.
            Claim::Attempt(claimed) if !self.store.update_delivery(&claimed).await? => {
                Ok(self.queue.send(&[id], LEASE.unsigned_abs()).await?)
            }
            Claim::Attempt(claimed) => self.attempt(endpoint, claimed).await,
        }
    }

    async fn attempt(&self, endpoint: Option<&Endpoint>, claimed: Delivery) -> Result<(), Error> {
        let begun = Stopwatch::start();
        let outcome = match endpoint.filter(|endpoint| endpoint.active) {
            Some(endpoint) => match self.post(endpoint, &claimed).await? {
                Ok(status) => Outcome::Answered(status),
                Err(failure) => Outcome::Failed(failure),
            },
            None => Outcome::Failed(Failure::EndpointInactive),
        };
        let duration_ms = begun.elapsed_ms();
        if outcome == Outcome::Answered(410) {
            self.deactivate(claimed.id.endpoint).await?;
        }
        let settled = claimed.settled(outcome, self.clock.now(), self.backoff);
        self.finish(&settled, duration_ms).await
    }

    /// Signs and sends, to where the endpoint is now.
    async fn post(
        &self,
        endpoint: &Endpoint,
        delivery: &Delivery,
    ) -> Result<Result<u16, Failure>, Error> {
        let Ok(target) = Target::parse(&endpoint.url, self.reach) else {
            return Ok(Err(Failure::NotAllowed));
        };
        let now = self.clock.now();
        let (id, at) = (delivery.id.to_string(), now.as_second());
        let secrets = self.master.current().await?.signing(endpoint, now);
        let headers = Headers::new()
            .with("content-type", "application/json")
            .with("user-agent", "casino-club-webhooks/1")
            .with("webhook-id", &id)
            .with("webhook-timestamp", &at.to_string())
            .with("webhook-signature", &signatures(&secrets, &id, at, &delivery.body));
        Ok(self.egress.post(&target, headers, delivery.body.clone()).await)
    }

    /// Records how an attempt ended, and sends the next message if it is not the end.
    /// In this order: should this die in between, its own message comes back, finds when
    /// the next attempt is due, and sends it then.
    async fn finish(&self, settled: &Delivery, duration_ms: f64) -> Result<(), Error> {
        if !self.store.update_delivery(settled).await? {
            return Err(Error::Overtaken);
        }
        let result = match settled.status {
            Status::Delivered => "delivered",
            Status::Pending => "retried",
            Status::Failed => "failed",
        };
        let now = self.clock.now();
        metrics::record(WebhookDelivery::new(now, self.stage.clone(), result, duration_ms));
        let outcome = settled.last.map(|last| last.outcome.to_string());
        let Delivery { id, event_type, attempts, .. } = settled;
        tracing::info!(delivery = %id, event_type, attempts, outcome, result, "a webhook");
        if settled.status == Status::Pending {
            self.queue.send(&[*id], self.until(settled.due_at)).await?;
        }
        Ok(())
    }

    /// Ends what an endpoint gets that said it is gone.
    async fn deactivate(&self, endpoint: WebhookEndpointId) -> Result<(), Error> {
        for _ in 0..CHANGES {
            let directory: Directory = self.store.webhooks().await?;
            let Some(without) = directory.without_gone(endpoint) else { return Ok(()) };
            if self.store.save_webhooks(&without).await? {
                tracing::warn!(%endpoint, "deactivated a webhook endpoint that is gone");
                return Ok(());
            }
        }
        // The next 410 tries again.
        tracing::error!(%endpoint, "a webhook endpoint that is gone is still active");
        Ok(())
    }

    fn until(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.clock.now())).unwrap_or(Duration::ZERO)
    }
}
