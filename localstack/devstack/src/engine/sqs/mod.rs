//! SQS: standard and FIFO queues as the JSON protocol shows them.
//!
//! Not here, because nothing local needs it: creating queues by API, policies,
//! tags, move tasks, and the MD5 of message attributes.

mod queue;
mod wire;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use self::{
    queue::{Delivery, Message, Queue},
    wire::{Batch, ByName, DeleteEntry, QueueOnly, Receive, SendEntry, VisibilityEntry},
};
use super::{
    answer::{Answer, ApiError},
    fresh_id, now_ms, queue_arn, queue_url,
    signals::Signals,
    spool::{Sent, Spool, StoredMessage},
};
use crate::spec::{QueueSpec, Source};

/// How long FIFO queues remember a deduplication id.
const DEDUP_MS: i64 = 5 * 60 * 1000;
const BATCH_MAX: usize = 10;
const LONG_POLL_MAX: u64 = 20;
const MESSAGE_MAX: &str = "1048576";

/// All queues of the stack.
#[derive(Debug)]
pub(super) struct Sqs {
    queues: HashMap<String, Named>,
    next: AtomicU64,
    spool: Arc<Spool>,
    signals: Arc<Signals>,
}

#[derive(Debug)]
struct Named {
    name: String,
    attributes: BTreeMap<String, String>,
    fifo: bool,
    dead_letters: Option<String>,
    state: Mutex<Contents>,
}

#[derive(Debug)]
struct Contents {
    queue: Queue,
    sent: HashMap<String, Sent>,
}

impl Sqs {
    /// Makes the queues and puts back what the spool holds for them. Messages
    /// of a queue that the template no longer has stay in the spool.
    pub(super) fn open(
        specs: &[QueueSpec],
        spool: Arc<Spool>,
        signals: Arc<Signals>,
    ) -> anyhow::Result<Self> {
        let mut queues = HashMap::new();
        for spec in specs {
            queues.insert(spec.name.clone(), Named::new(spec, &spool)?);
        }
        for named in queues.values() {
            if let Some(target) = &named.dead_letters {
                anyhow::ensure!(
                    queues.contains_key(target),
                    "queue {} redrives to {target}, which the template does not declare",
                    named.name
                );
            }
        }
        let next = AtomicU64::new(spool.high_water()?.0 + 1);
        let now = Instant::now();
        for stored in spool.messages()? {
            if let Some(named) = queues.get(&stored.queue) {
                let message = serde_json::from_str(&stored.content)?;
                let mut contents = named.lock();
                contents.queue.push(stored.seq, message, Duration::ZERO, now);
            }
        }
        Ok(Self { queues, next, spool, signals })
    }

    pub(super) async fn call(&self, operation: &str, body: &[u8]) -> Answer {
        match operation {
            "ReceiveMessage" => self.receive(body).await,
            other => self.at_once(other, body),
        }
        .into()
    }

    fn at_once(&self, operation: &str, body: &[u8]) -> Result<Value, ApiError> {
        match operation {
            "SendMessage" => {
                let (queue, entry) = self.addressed::<SendEntry>(body)?;
                self.send(queue, vec![entry])?.pop().expect("one in, one out")
            }
            "SendMessageBatch" => {
                self.batch(body, |queue, entries: Vec<SendEntry>| self.send(queue, entries))
            }
            "DeleteMessage" => {
                let (queue, entry) = self.addressed::<DeleteEntry>(body)?;
                self.delete(queue, &[entry])?.pop().expect("one in, one out")
            }
            "DeleteMessageBatch" => {
                self.batch(body, |queue, entries: Vec<DeleteEntry>| self.delete(queue, &entries))
            }
            "ChangeMessageVisibility" => {
                let (queue, entry) = self.addressed::<VisibilityEntry>(body)?;
                self.change_visibility(queue, &entry)
            }
            "ChangeMessageVisibilityBatch" => {
                self.batch(body, |queue, entries: Vec<VisibilityEntry>| {
                    Ok(entries.iter().map(|e| self.change_visibility(queue, e)).collect())
                })
            }
            "GetQueueUrl" => {
                let ByName { queue_name } = serde_json::from_slice(body)?;
                let named = self.queues.get(&queue_name).ok_or_else(no_queue)?;
                Ok(json!({ "QueueUrl": queue_url(&named.name) }))
            }
            "ListQueues" => {
                let urls: Vec<_> = self.queues.keys().map(|name| queue_url(name)).collect();
                Ok(json!({ "QueueUrls": urls }))
            }
            "GetQueueAttributes" => Ok(self.addressed::<QueueOnly>(body)?.0.describe()),
            "PurgeQueue" => {
                let (queue, QueueOnly {}) = self.addressed(body)?;
                let mut contents = queue.lock();
                self.spool.drop_messages(&contents.queue.purge())?;
                Ok(json!({}))
            }
            other => Err(ApiError::new(
                "InvalidAction",
                format!("The action {other} is not valid for this endpoint."),
            )),
        }
    }

    /// The queue that a request names, and the rest of the request.
    fn addressed<T: DeserializeOwned>(&self, body: &[u8]) -> Result<(&Named, T), ApiError> {
        #[derive(serde::Deserialize)]
        struct Addressed<T> {
            #[serde(rename = "QueueUrl")]
            queue_url: String,
            #[serde(flatten)]
            rest: T,
        }
        let Addressed { queue_url, rest } = serde_json::from_slice(body)?;
        let name = queue_url.rsplit('/').next().unwrap_or_default();
        Ok((self.queues.get(name).ok_or_else(no_queue)?, rest))
    }

    fn batch<'s, T: DeserializeOwned + wire::Entry>(
        &'s self,
        body: &[u8],
        act: impl FnOnce(&'s Named, Vec<T>) -> Result<Vec<Result<Value, ApiError>>, ApiError>,
    ) -> Result<Value, ApiError> {
        let (queue, Batch { entries }) = self.addressed::<Batch<T>>(body)?;
        let ids = wire::entry_ids(&entries, BATCH_MAX)?;
        Ok(wire::batch_result(ids, act(queue, entries)?))
    }

    fn send(
        &self,
        named: &Named,
        entries: Vec<SendEntry>,
    ) -> Result<Vec<Result<Value, ApiError>>, ApiError> {
        let sent_ms = now_ms();
        let mut contents = named.lock();
        contents.sent.retain(|_, sent| sent.until_ms > sent_ms);
        let mut results = Vec::with_capacity(entries.len());
        let mut fresh = Vec::new();
        for entry in entries {
            results.push(match named.check(&entry) {
                Err(error) => Err(error),
                Ok(dedup) => {
                    let known = dedup.as_ref().and_then(|d| contents.sent.get(d)).cloned();
                    let sent = known.unwrap_or_else(|| {
                        let sent = Sent {
                            id: fresh_id().to_string(),
                            seq: self.next.fetch_add(1, Ordering::Relaxed),
                            until_ms: sent_ms + DEDUP_MS,
                            dedup: dedup.clone().unwrap_or_default(),
                        };
                        if dedup.is_some() {
                            contents.sent.insert(sent.dedup.clone(), sent.clone());
                        }
                        fresh.push((sent.clone(), dedup, entry.clone()));
                        sent
                    });
                    Ok(wire::sent(&sent, &entry.message_body, named.fifo))
                }
            });
        }
        if let Err(error) = self.enqueue(named, &mut contents, &fresh, sent_ms) {
            for (sent, ..) in &fresh {
                contents.sent.remove(&sent.dedup);
            }
            return Err(error);
        }
        drop(contents);
        if !fresh.is_empty() {
            self.signals.queue(&named.name);
        }
        Ok(results)
    }

    /// Spools, then delivers: what is received has been kept.
    fn enqueue(
        &self,
        named: &Named,
        contents: &mut Contents,
        fresh: &[(Sent, Option<String>, SendEntry)],
        sent_ms: i64,
    ) -> Result<(), ApiError> {
        let mut kept = Vec::with_capacity(fresh.len());
        let mut queued = Vec::with_capacity(fresh.len());
        for (sent, dedup, entry) in fresh {
            let message = Message {
                id: sent.id.clone(),
                body: entry.message_body.clone(),
                group: entry.message_group_id.clone(),
                dedup: dedup.clone(),
                attributes: entry.message_attributes.clone(),
                sent_ms,
                first_received_ms: None,
                receive_count: 0,
            };
            let stored = StoredMessage {
                seq: sent.seq,
                queue: named.name.clone(),
                content: serde_json::to_string(&message)?,
            };
            kept.push((stored, dedup.is_some().then(|| sent.clone())));
            let delay = entry.delay_seconds.unwrap_or_else(|| named.number("DelaySeconds", 0));
            queued.push((sent.seq, message, Duration::from_secs(delay)));
        }
        self.spool.keep_messages(&kept)?;
        let now = Instant::now();
        for (seq, message, delay) in queued {
            contents.queue.push(seq, message, delay, now);
        }
        Ok(())
    }

    async fn receive(&self, body: &[u8]) -> Result<Value, ApiError> {
        let (named, request) = self.addressed::<Receive>(body)?;
        let max = request.max_number_of_messages.unwrap_or(1);
        if !(1..=BATCH_MAX).contains(&max) {
            return Err(ApiError::new(
                "InvalidParameterValue",
                format!(
                    "Value {max} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."
                ),
            ));
        }
        let wait = request
            .wait_time_seconds
            .unwrap_or_else(|| named.number("ReceiveMessageWaitTimeSeconds", 0))
            .min(LONG_POLL_MAX);
        let visibility = Duration::from_secs(
            request.visibility_timeout.unwrap_or_else(|| named.number("VisibilityTimeout", 30)),
        );
        let deadline = Instant::now() + Duration::from_secs(wait);
        let mut changes = self.signals.subscribe(&Source::Queue { queue: named.name.clone() });
        loop {
            changes.mark_unchanged();
            let (deliveries, timer) = self.take(named, max, visibility)?;
            let now = Instant::now();
            if !deliveries.is_empty() || now >= deadline {
                return Ok(wire::received(&deliveries, &named.name, &request));
            }
            let until = timer.map_or(deadline, |timer| timer.min(deadline));
            tokio::select! {
                changed = changes.changed() => changed.expect("the engine outlives its calls"),
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    fn take(
        &self,
        named: &Named,
        max: usize,
        visibility: Duration,
    ) -> Result<(Vec<Delivery>, Option<Instant>), ApiError> {
        let now = Instant::now();
        let (received, timer) = {
            let mut contents = named.lock();
            let received = contents.queue.receive(max, visibility, now, now_ms());
            (received, contents.queue.next_timer())
        };
        if let (false, Some(target)) = (received.dead.is_empty(), &named.dead_letters) {
            self.redrive(received.dead, target, now)?;
        }
        Ok((received.messages, timer))
    }

    fn redrive(&self, dead: Vec<(u64, Message)>, to: &str, now: Instant) -> Result<(), ApiError> {
        let target = &self.queues[to];
        let sequences: Vec<u64> = dead.iter().map(|(seq, _)| *seq).collect();
        tracing::warn!(queue = to, messages = sequences.len(), "moved to the dead-letter queue");
        let moved = self.spool.move_messages(&sequences, to);
        let mut contents = target.lock();
        for (seq, mut message) in dead {
            message.receive_count = 0;
            message.first_received_ms = None;
            contents.queue.push(seq, message, Duration::ZERO, now);
        }
        drop(contents);
        self.signals.queue(to);
        Ok(moved?)
    }

    fn delete(
        &self,
        named: &Named,
        entries: &[DeleteEntry],
    ) -> Result<Vec<Result<Value, ApiError>>, ApiError> {
        let mut gone = Vec::new();
        let mut results = Vec::with_capacity(entries.len());
        {
            let mut contents = named.lock();
            for entry in entries {
                results.push(wire::receipt(&entry.receipt_handle).and_then(|(seq, delivery)| {
                    let deleted = contents.queue.delete(seq, delivery, Instant::now());
                    if deleted.map_err(|_| wire::expired(&entry.receipt_handle))? {
                        gone.push(seq);
                    }
                    Ok(json!({}))
                }));
            }
        }
        self.spool.drop_messages(&gone)?;
        if named.fifo && !gone.is_empty() {
            // The rest of the group may be received now.
            self.signals.queue(&named.name);
        }
        Ok(results)
    }

    fn change_visibility(&self, named: &Named, entry: &VisibilityEntry) -> Result<Value, ApiError> {
        let (seq, delivery) = wire::receipt(&entry.receipt_handle)?;
        let timeout = Duration::from_secs(entry.visibility_timeout);
        let changed = named.lock().queue.change_visibility(seq, delivery, timeout, Instant::now());
        changed.map_err(|_| wire::expired(&entry.receipt_handle))?;
        self.signals.queue(&named.name);
        Ok(json!({}))
    }
}

impl Named {
    fn new(spec: &QueueSpec, spool: &Spool) -> anyhow::Result<Self> {
        let fifo = spec.name.ends_with(".fifo");
        let (dead_letters, max) = match spec.attributes.get("RedrivePolicy") {
            None => (None, None),
            Some(policy) => wire::redrive_policy(policy)?,
        };
        let sent = spool
            .sent(&spec.name, now_ms())?
            .into_iter()
            .map(|sent| (sent.dedup.clone(), sent))
            .collect();
        Ok(Self {
            name: spec.name.clone(),
            attributes: spec.attributes.clone(),
            fifo,
            dead_letters,
            state: Mutex::new(Contents { queue: Queue::new(fifo, max), sent }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self, attribute: &str, default: u64) -> u64 {
        let given = self.attributes.get(attribute);
        given.and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    /// Whether `entry` may be sent here, and its deduplication id.
    fn check(&self, entry: &SendEntry) -> Result<Option<String>, ApiError> {
        let limit = self.attributes.get("MaximumMessageSize").map_or(MESSAGE_MAX, String::as_str);
        let limit: usize = limit.parse().unwrap_or(usize::MAX);
        if entry.message_body.is_empty() || entry.message_body.len() > limit {
            return Err(ApiError::new(
                "InvalidParameterValue",
                format!(
                    "One or more parameters are invalid. Reason: Message must be longer than 0 and shorter than {limit} bytes."
                ),
            ));
        }
        if !self.fifo {
            return Ok(None);
        }
        if entry.message_group_id.is_none() {
            return Err(ApiError::new(
                "MissingParameter",
                "The request must contain the parameter MessageGroupId.",
            ));
        }
        let by_content = self.attributes.get("ContentBasedDeduplication");
        match &entry.message_deduplication_id {
            Some(id) => Ok(Some(id.clone())),
            None if by_content.is_some_and(|v| v == "true") => {
                let hash = Sha256::digest(entry.message_body.as_bytes());
                Ok(Some(wire::hex(&hash)))
            }
            None => Err(ApiError::new(
                "InvalidParameterValue",
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
            )),
        }
    }

    fn describe(&self) -> Value {
        let counts = self.lock().queue.counts(Instant::now());
        let mut all = self.attributes.clone();
        let mut set = |name: &str, value: String| {
            all.entry(name.to_owned()).or_insert(value);
        };
        set("QueueArn", queue_arn(&self.name));
        set("ApproximateNumberOfMessages", counts.visible.to_string());
        set("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string());
        set("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string());
        set("VisibilityTimeout", "30".to_owned());
        set("MaximumMessageSize", MESSAGE_MAX.to_owned());
        json!({ "Attributes": all })
    }
}

fn no_queue() -> ApiError {
    ApiError::new("com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
}
