//! Event source mappings and schedules with Lambda's semantics.
//!
//! Every shard of a stream, every queue and every schedule has one task, which
//! sleeps until its source's counter moves or a deadline passes. [`ports`]
//! says what the engines below have to provide.
//!
//! Not modelled: resharding while running, tumbling windows, the 6 MB limit of
//! a payload, and discarding records because the stream's retention is over.

mod event;
mod failure;
mod filter;
mod lanes;
mod ports;
mod queue;
mod schedule;
mod scheduler;
mod shard;
mod state;
#[cfg(test)]
mod tests;
mod time;
mod verdict;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet};

use self::{
    event::Origin,
    scheduler::Scheduler,
    state::{Activity, Backing, State},
};
pub use self::{
    filter::Filter,
    ports::{Checkpoints, Content, Destination, Message, Queue, Record, ShardSource, Sources},
    schedule::Schedule,
    state::MappingStatus,
    time::{SystemTime, Time},
};
use crate::{
    invoke::{InvokeError, Invoker},
    spec::{MappingSpec, Source, Spec},
    template::Pseudo,
};

/// What the triggers work with.
#[derive(Clone)]
pub struct Parts {
    pub invoker: Arc<dyn Invoker>,
    pub sources: Arc<dyn Sources>,
    pub checkpoints: Arc<dyn Checkpoints>,
    pub destination: Arc<dyn Destination>,
    pub time: Arc<dyn Time>,
    /// For the ARNs in events.
    pub pseudo: Pseudo,
}

impl Parts {
    /// Invokes in a task of its own: batches run in parallel, and a panic is
    /// the function's failure and not the poller's.
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, InvokeError> {
        let (invoker, function) = (Arc::clone(&self.invoker), function.to_owned());
        let call = tokio::spawn(async move { invoker.invoke(&function, payload).await });
        call.await.unwrap_or_else(|panic| {
            Err(InvokeError::Function {
                error_type: "Runtime.Panic".into(),
                message: panic.to_string(),
            })
        })
    }

    /// A UUID that no other event of this process has.
    fn request_id(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut tail = [0; 10];
        tail[2..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let millis = self.time.now().as_millisecond().unsigned_abs();
        uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid().to_string()
    }
}

/// Whether the triggers were told to stop.
#[derive(Clone, Debug)]
struct Stop(watch::Receiver<bool>);

impl Stop {
    fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    async fn stopped(&mut self) {
        // Without a sender nobody is left to run for.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// The running triggers of one stack. Dropping them aborts their tasks without
/// finishing what is in flight; [`Triggers::shutdown`] finishes it.
pub struct Triggers {
    states: Vec<Arc<State>>,
    scheduler: Arc<Scheduler>,
    activity: Activity,
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

impl Triggers {
    /// Starts every enabled mapping and schedule of the template. Mappings
    /// have their starting positions when this returns.
    ///
    /// # Errors
    /// If a source is missing or cannot be read, or a pattern or schedule
    /// expression is not valid.
    pub async fn start(spec: &Spec, parts: Parts) -> Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let activity = Activity::new();
        let scheduler = Arc::new(Scheduler::new(spec, parts.clone(), activity.clone())?);
        let mut triggers =
            Self { states: Vec::new(), scheduler, activity, stop, tasks: Mutex::default() };
        for mapping in spec.mappings.iter().filter(|mapping| mapping.enabled) {
            triggers
                .start_mapping(mapping, spec, &parts, &Stop(stopped.clone()))
                .await
                .with_context(|| format!("the trigger {}", mapping.name))?;
        }
        for task in Scheduler::tasks(&triggers.scheduler, &Stop(stopped)) {
            triggers.tasks().spawn(task);
        }
        Ok(triggers)
    }

    async fn start_mapping(
        &mut self,
        mapping: &MappingSpec,
        spec: &Spec,
        parts: &Parts,
        stop: &Stop,
    ) -> Result<()> {
        let filters = mapping.filters.iter().map(Filter::parse).collect::<Result<Vec<_>>>()?;
        let pseudo = &parts.pseudo;
        let source_arn = match &mapping.source {
            Source::TableStream { table } => pseudo.table_stream_arn(table),
            Source::Kinesis { stream } => pseudo.kinesis_arn(stream),
            Source::Queue { queue } => pseudo.queue_arn(queue),
        };
        let origin = Origin {
            region: pseudo.region.clone(),
            source_arn,
            function_arn: pseudo.function_arn(&mapping.function),
            role_arn: pseudo.role_arn(&mapping.function),
            shard: String::new(),
        };
        if let Source::Queue { queue: name } = &mapping.source {
            let queue = parts.sources.queue(name)?;
            let backing = Backing::Queue(Arc::clone(&queue));
            let state = Arc::new(State::new(mapping.name.clone(), backing, &[]));
            self.states.push(Arc::clone(&state));
            let consumer = queue::Consumer {
                mapping: mapping.clone(),
                filters,
                queue,
                visibility_timeout: visibility_timeout(spec, name)?,
                origin,
                parts: parts.clone(),
                state,
                activity: self.activity.clone(),
            };
            self.tasks().spawn(consumer.run(stop.clone()));
            return Ok(());
        }
        let source = parts.sources.stream(&mapping.source)?;
        let shards = source.shards().await?;
        let backing = Backing::Stream(Arc::clone(&source));
        let state = Arc::new(State::new(mapping.name.clone(), backing, &shards));
        self.states.push(Arc::clone(&state));
        for id in shards {
            let shard = shard::Shard {
                mapping: mapping.clone(),
                filters: filters.clone(),
                source: Arc::clone(&source),
                origin: Origin { shard: id, ..origin.clone() },
                parts: parts.clone(),
                state: Arc::clone(&state),
                activity: self.activity.clone(),
            };
            let reading = shard::start(shard, stop.clone()).await?;
            self.tasks().spawn(reading);
        }
        Ok(())
    }

    /// Where every running mapping is.
    pub async fn status(&self) -> Vec<MappingStatus> {
        futures::future::join_all(self.states.iter().map(|state| state.status())).await
    }

    /// Whether, at one moment, nothing was in flight and nothing left to read
    /// in any mapping, and no scheduled run was going on.
    pub async fn idle(&self) -> bool {
        // One mapping feeds another. Two equal looks at all of them mean that
        // nothing happened in between.
        match self.marks().await {
            Some(first) => self.marks().await == Some(first),
            None => false,
        }
    }

    async fn marks(&self) -> Option<Vec<(u64, u64)>> {
        let mut marks = vec![(self.scheduler.idle_mark()?, 0)];
        for state in &self.states {
            marks.push(state.idle_mark().await?);
        }
        Some(marks)
    }

    /// Returns once everything that was written is delivered.
    ///
    /// # Errors
    /// After `within` (of real time): where the mappings are that lag behind.
    pub async fn settled(&self, within: Duration) -> Result<(), Vec<MappingStatus>> {
        let mut activity = self.activity.listen();
        let settled = async {
            loop {
                activity.borrow_and_update();
                if self.idle().await {
                    return;
                }
                if activity.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        };
        if tokio::time::timeout(within, settled).await.is_ok() {
            return Ok(());
        }
        let lagging = self.status().await.into_iter().filter(|status| !status.caught_up);
        Err(lagging.collect())
    }

    /// Runs a schedule now, once and without retries, and returns the
    /// function's answer. `name` is the schedule's name, its function's logical
    /// id, or the name of the function's crate.
    ///
    /// # Errors
    /// If no enabled or disabled schedule has the name, or the function fails.
    pub async fn run_now(&self, name: &str) -> Result<Value> {
        self.scheduler.run_now(name).await
    }

    /// Stops after what is in flight.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        let mut tasks = std::mem::take(&mut *self.tasks());
        while tasks.join_next().await.is_some() {}
    }

    /// Stops at once, in the middle of whatever is in flight, as a crash would.
    pub fn abort(&self) {
        self.tasks().abort_all();
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As the template says, or 30 seconds.
fn visibility_timeout(spec: &Spec, queue: &str) -> Result<Duration> {
    let declared = spec.queues.iter().find(|declared| declared.name == queue);
    let timeout = declared.and_then(|queue| queue.attributes.get("VisibilityTimeout"));
    let seconds = timeout.map_or(Ok(30), |text| text.parse()).context("VisibilityTimeout")?;
    Ok(Duration::from_secs(seconds))
}
