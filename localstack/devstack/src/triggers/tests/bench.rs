//! Scripted engines and functions, and a clock that never waits.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use anyhow::{Context, Result};
use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

use crate::{
    invoke::{InvokeError, Invoker},
    spec::{MappingSpec, QueueSpec, ScheduleSpec, Source, Spec},
    template::Pseudo,
    triggers::{
        Checkpoints, Content, Destination, Message, Parts, Queue, Record, ShardSource, Sources,
        Time, Triggers,
    },
};

pub type Answer = Result<Value, InvokeError>;
type Script = dyn Fn(Value) -> BoxFuture<'static, Answer> + Send + Sync;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

/// Virtual time: once all tasks wait, it jumps to the next deadline.
#[derive(Clone)]
pub struct TestTime(Arc<Mutex<Clock>>);

struct Clock {
    now: Timestamp,
    sleepers: Vec<(Timestamp, oneshot::Sender<()>)>,
}

impl TestTime {
    pub fn start(now: &str) -> Self {
        let time =
            Self(Arc::new(Mutex::new(Clock { now: now.parse().unwrap(), sleepers: vec![] })));
        let clock = Arc::downgrade(&time.0);
        tokio::spawn(async move {
            loop {
                for _ in 0..200 {
                    tokio::task::yield_now().await;
                }
                let Some(clock) = clock.upgrade() else { return };
                let mut clock = lock(&clock);
                clock.sleepers.retain(|(_, sleeper)| !sleeper.is_closed());
                clock.sleepers.sort_by_key(|(at, _)| *at);
                if !clock.sleepers.is_empty() {
                    let (at, sleeper) = clock.sleepers.remove(0);
                    clock.now = clock.now.max(at);
                    let _ = sleeper.send(());
                }
            }
        });
        time
    }
}

#[async_trait]
impl Time for TestTime {
    fn now(&self) -> Timestamp {
        lock(&self.0).now
    }

    async fn until(&self, deadline: Timestamp) {
        let (wake, woken) = oneshot::channel();
        {
            let mut clock = lock(&self.0);
            if deadline <= clock.now {
                return;
            }
            clock.sleepers.push((deadline, wake));
        }
        let _ = woken.await;
    }
}

#[derive(Default)]
pub struct FakeStream {
    pub shards: Mutex<BTreeMap<String, Vec<Record>>>,
    changed: watch::Sender<u64>,
}

impl FakeStream {
    /// Appends a Kinesis record; its sequence is its number in the shard.
    pub fn put(&self, shard: &str, key: &str, data: &Value, arrived: Timestamp) -> String {
        let mut shards = lock(&self.shards);
        let records = shards.entry(shard.into()).or_default();
        let sequence = format!("{:03}", records.len());
        let content = Content::Kinesis { partition_key: key.into(), data: data.to_string().into() };
        records.push(Record { sequence: sequence.clone(), arrived, content });
        drop(shards);
        self.changed.send_modify(|count| *count += 1);
        sequence
    }
}

#[async_trait]
impl ShardSource for FakeStream {
    async fn shards(&self) -> Result<Vec<String>> {
        Ok(lock(&self.shards).keys().cloned().collect())
    }

    async fn read(&self, shard: &str, after: Option<&str>, limit: usize) -> Result<Vec<Record>> {
        let shards = lock(&self.shards);
        let newer = shards[shard].iter().filter(|r| after.is_none_or(|a| r.sequence.as_str() > a));
        Ok(newer.take(limit).cloned().collect())
    }

    async fn latest(&self, shard: &str) -> Result<Option<String>> {
        Ok(lock(&self.shards)[shard].last().map(|record| record.sequence.clone()))
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

/// A queue with visibility timeouts and group locks in virtual time.
pub struct FakeQueue {
    messages: Mutex<Vec<Held>>,
    changed: watch::Sender<u64>,
    time: TestTime,
}

struct Held {
    message: Message,
    visible: Timestamp,
    received: u32,
}

pub const VISIBILITY: Duration = Duration::from_secs(30);

impl FakeQueue {
    pub fn send(&self, body: &str, group: Option<&str>) {
        let mut messages = lock(&self.messages);
        let number = messages.len() + 1;
        let mut attributes = serde_json::Map::new();
        if let Some(group) = group {
            attributes.insert("MessageGroupId".into(), group.into());
            attributes.insert("SequenceNumber".into(), format!("{number:020}").into());
        }
        messages.push(Held {
            message: Message {
                id: format!("id-{body}"),
                receipt_handle: String::new(),
                body: body.into(),
                md5_of_body: "md5".into(),
                attributes,
                message_attributes: json!({}),
            },
            visible: Timestamp::MIN,
            received: 0,
        });
        drop(messages);
        self.changed.send_modify(|count| *count += 1);
    }

    fn take(&self, max: usize) -> Vec<Message> {
        let now = self.time.now();
        let mut messages = lock(&self.messages);
        let group = |held: &Held| held.message.attributes.get("MessageGroupId").cloned();
        let locked: Vec<_> =
            messages.iter().filter(|held| held.visible > now).filter_map(group).collect();
        let mut taken = Vec::new();
        for held in messages.iter_mut().filter(|held| held.visible <= now) {
            if taken.len() < max && group(held).is_none_or(|group| !locked.contains(&group)) {
                held.received += 1;
                held.visible = now.saturating_add(VISIBILITY).unwrap();
                held.message.receipt_handle = format!("{}#{}", held.message.id, held.received);
                held.message
                    .attributes
                    .insert("ApproximateReceiveCount".into(), held.received.to_string().into());
                taken.push(held.message.clone());
            }
        }
        taken
    }
}

#[async_trait]
impl Queue for FakeQueue {
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Message>> {
        let mut changed = self.changed.subscribe();
        let deadline = self.time.now().saturating_add(wait)?;
        loop {
            changed.borrow_and_update();
            let taken = self.take(max);
            let now = self.time.now();
            if !taken.is_empty() || now >= deadline {
                return Ok(taken);
            }
            let hidden = lock(&self.messages).iter().map(|h| h.visible).filter(|v| *v > now).min();
            tokio::select! {
                _ = changed.changed() => {}
                () = self.time.until(hidden.map_or(deadline, |hidden| hidden.min(deadline))) => {}
            }
        }
    }

    async fn delete(&self, receipt_handles: &[String]) -> Result<()> {
        lock(&self.messages).retain(|held| !receipt_handles.contains(&held.message.receipt_handle));
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    async fn backlog(&self) -> Result<usize> {
        Ok(lock(&self.messages).len())
    }
}

#[derive(Default)]
pub struct Positions(pub Mutex<HashMap<String, String>>);

#[async_trait]
impl Checkpoints for Positions {
    async fn get(&self, mapping: &str, shard: &str) -> Result<Option<String>> {
        Ok(lock(&self.0).get(&format!("{mapping}/{shard}")).cloned())
    }

    async fn set(&self, mapping: &str, shard: &str, position: &str) -> Result<()> {
        lock(&self.0).insert(format!("{mapping}/{shard}"), position.into());
        Ok(())
    }
}

#[derive(Default)]
pub struct Failures(pub Mutex<Vec<(String, Value)>>);

#[async_trait]
impl Destination for Failures {
    async fn send(&self, queue: &str, body: String) -> Result<()> {
        lock(&self.0).push((queue.into(), serde_json::from_str(&body)?));
        Ok(())
    }
}

struct Function {
    script: Box<Script>,
    calls: Arc<Mutex<Vec<Value>>>,
}

#[async_trait]
impl Invoker for Function {
    async fn invoke(&self, _: &str, payload: Value) -> Answer {
        lock(&self.calls).push(payload.clone());
        (self.script)(payload).await
    }
}

struct Only(Arc<FakeStream>, Arc<FakeQueue>);

impl Sources for Only {
    fn stream(&self, _: &Source) -> Result<Arc<dyn ShardSource>> {
        Ok(Arc::clone(&self.0) as _)
    }

    fn queue(&self, name: &str) -> Result<Arc<dyn Queue>> {
        (name == "jobs").then(|| Arc::clone(&self.1) as _).context("no such queue")
    }
}

/// A stack of one stream, one queue and one function.
pub struct Bench {
    pub stream: Arc<FakeStream>,
    pub queue: Arc<FakeQueue>,
    pub checkpoints: Arc<Positions>,
    pub failures: Arc<Failures>,
    pub calls: Arc<Mutex<Vec<Value>>>,
    pub time: TestTime,
}

pub const NOON: &str = "2026-11-21T12:00:00Z";

impl Bench {
    pub fn new(shards: &[&str]) -> Self {
        let time = TestTime::start(NOON);
        let stream = FakeStream::default();
        for shard in shards {
            lock(&stream.shards).insert((*shard).into(), vec![]);
        }
        Self {
            stream: Arc::new(stream),
            queue: Arc::new(FakeQueue {
                messages: Mutex::default(),
                changed: watch::Sender::new(0),
                time: time.clone(),
            }),
            checkpoints: Arc::default(),
            failures: Arc::default(),
            calls: Arc::default(),
            time,
        }
    }

    /// Puts `count` records into shard `s`, each of a key of its own.
    pub fn fill(&self, count: usize) {
        for number in 0..count {
            self.stream.put("s", &format!("k{number}"), &json!({ "n": number }), self.time.now());
        }
    }

    pub async fn start<F>(&self, mapping: MappingSpec, script: F) -> Triggers
    where
        F: Fn(Value) -> BoxFuture<'static, Answer> + Send + Sync + 'static,
    {
        self.start_spec(Spec { mappings: vec![mapping], ..Spec::default() }, script).await
    }

    pub async fn schedule<F>(&self, schedules: Vec<ScheduleSpec>, script: F) -> Triggers
    where
        F: Fn(Value) -> BoxFuture<'static, Answer> + Send + Sync + 'static,
    {
        self.start_spec(Spec { schedules, ..Spec::default() }, script).await
    }

    pub async fn start_spec<F>(&self, mut spec: Spec, script: F) -> Triggers
    where
        F: Fn(Value) -> BoxFuture<'static, Answer> + Send + Sync + 'static,
    {
        spec.queues.push(QueueSpec {
            logical_id: "Jobs".into(),
            name: "jobs".into(),
            attributes: BTreeMap::from([("VisibilityTimeout".into(), "30".into())]),
        });
        let parts = Parts {
            invoker: Arc::new(Function {
                script: Box::new(script),
                calls: Arc::clone(&self.calls),
            }),
            sources: Arc::new(Only(Arc::clone(&self.stream), Arc::clone(&self.queue))),
            checkpoints: Arc::clone(&self.checkpoints) as _,
            destination: Arc::clone(&self.failures) as _,
            time: Arc::new(self.time.clone()),
            pseudo: Pseudo { region: "ap-northeast-2".into(), ..Pseudo::default() },
        };
        Triggers::start(&spec, parts).await.unwrap()
    }

    /// The sequences (or message bodies) of every call so far.
    pub fn batches(&self) -> Vec<Vec<String>> {
        lock(&self.calls).iter().map(names).collect()
    }

    pub fn position(&self, shard: &str) -> Option<String> {
        lock(&self.checkpoints.0).get(&format!("F.Stream/{shard}")).cloned()
    }

    pub fn ago(&self, seconds: i64) -> Timestamp {
        self.time.now() - SignedDuration::from_secs(seconds)
    }
}

/// The sequences or bodies of an event's records.
pub fn names(event: &Value) -> Vec<String> {
    let records = event["Records"].as_array().unwrap().iter();
    let name = |r: &Value| {
        r["kinesis"]["sequenceNumber"].as_str().or(r["body"].as_str()).map(str::to_owned)
    };
    records.map(|record| name(record).unwrap()).collect()
}

/// A function that answers at once.
pub fn at_once(
    answer: impl Fn(&[String]) -> Answer + Send + Sync + 'static,
) -> impl Fn(Value) -> BoxFuture<'static, Answer> + Send + Sync + 'static {
    move |event| {
        let answer = answer(&names(&event));
        Box::pin(async move { answer })
    }
}

/// A function that gives these answers and then succeeds.
pub fn script(
    answers: impl IntoIterator<Item = Answer>,
) -> impl Fn(Value) -> BoxFuture<'static, Answer> + Send + Sync + 'static {
    let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
    move |_| {
        let answer = lock(&answers).pop_front().unwrap_or(Ok(Value::Null));
        Box::pin(async move { answer })
    }
}

pub fn boom() -> Answer {
    Err(InvokeError::Function { error_type: "Boom".into(), message: "no".into() })
}

pub fn failed(ids: &[&str]) -> Answer {
    let failures = ids.iter().map(|id| json!({ "itemIdentifier": id })).collect::<Vec<_>>();
    Ok(json!({ "batchItemFailures": failures }))
}

pub fn stream_mapping() -> MappingSpec {
    MappingSpec {
        name: "F.Stream".into(),
        function: "F".into(),
        source: Source::Kinesis { stream: "events".into() },
        enabled: true,
        batch_size: 10,
        batch_window: Duration::ZERO,
        filters: vec![],
        report_batch_item_failures: true,
        bisect: false,
        max_retries: Some(2),
        max_record_age: None,
        parallelization_factor: 1,
        from_start: true,
        on_failure_queue: Some("failures".into()),
        max_concurrency: None,
    }
}

pub fn queue_mapping() -> MappingSpec {
    MappingSpec {
        name: "F.Queue".into(),
        source: Source::Queue { queue: "jobs".into() },
        max_retries: None,
        on_failure_queue: None,
        ..stream_mapping()
    }
}

pub const SOON: Duration = Duration::from_secs(20);
