//! Runs what is scheduled. A run that was due while the stack was down is not
//! made up for, as on AWS.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Parts, Stop, failure,
    schedule::Schedule,
    state::Activity,
    time::{backoff, later},
};
use crate::{
    invoke::InvokeError,
    spec::{ScheduleSpec, Spec},
};

/// Lambda's pauses before the first and second retry of an asynchronous
/// invocation; after that the event goes to the function's failure destination.
const RETRIES: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];

pub(super) struct Scheduler {
    entries: Vec<Entry>,
    parts: Parts,
    activity: Activity,
    begun: AtomicU64,
    running: AtomicUsize,
}

struct Entry {
    spec: ScheduleSpec,
    schedule: Schedule,
    crate_name: String,
    on_failure_queue: Option<String>,
}

impl Scheduler {
    pub fn new(spec: &Spec, parts: Parts, activity: Activity) -> Result<Self> {
        let entries = spec.schedules.iter().map(|schedule| {
            let function = spec.functions.get(&schedule.function);
            Ok(Entry {
                schedule: schedule.expression.parse().with_context(|| schedule.name.clone())?,
                spec: schedule.clone(),
                crate_name: function.map(|f| f.crate_name.clone()).unwrap_or_default(),
                on_failure_queue: function.and_then(|f| f.on_failure_queue.clone()),
            })
        });
        Ok(Self {
            entries: entries.collect::<Result<_>>()?,
            parts,
            activity,
            begun: AtomicU64::new(0),
            running: AtomicUsize::new(0),
        })
    }

    /// One task for each enabled schedule.
    pub fn tasks(self: &Arc<Self>, stop: &Stop) -> Vec<BoxFuture<'static, ()>> {
        let enabled = self.entries.iter().enumerate().filter(|(_, entry)| entry.spec.enabled);
        enabled
            .map(|(index, _)| {
                let (scheduler, stop) = (Arc::clone(self), stop.clone());
                Box::pin(async move { scheduler.follow(index, stop).await })
                    as BoxFuture<'static, ()>
            })
            .collect()
    }

    async fn follow(&self, index: usize, mut stop: Stop) {
        let entry = &self.entries[index];
        let time = &self.parts.time;
        let mut runs = FuturesUnordered::new();
        let mut last = time.now();
        loop {
            let due = entry.schedule.next(last);
            tokio::select! {
                () = time.until(due.unwrap_or(Timestamp::MAX)), if due.is_some() => {
                    let due = due.unwrap_or(last);
                    runs.push(self.run(entry, due, stop.clone()));
                    // After a suspension, what was missed is missed.
                    let now = time.now();
                    last = if entry.schedule.next(due).is_some_and(|next| next < now) { now } else { due };
                }
                Some(()) = runs.next() => {}
                () = stop.stopped() => break,
            }
        }
        while runs.next().await.is_some() {}
    }

    /// One scheduled event, invoked asynchronously: with Lambda's retries.
    async fn run(&self, entry: &Entry, due: Timestamp, mut stop: Stop) {
        self.running(1);
        let payload = self.event(entry, due);
        let time = &self.parts.time;
        let (mut failures, mut throttles) = (0, 0);
        loop {
            let pause = match self.parts.invoke(&entry.spec.function, payload.clone()).await {
                Ok(_) => break,
                Err(InvokeError::Throttled) => {
                    throttles += 1;
                    backoff(throttles)
                }
                Err(error) => {
                    tracing::error!(schedule = entry.spec.name, %error, "a scheduled run failed");
                    let Some(pause) = RETRIES.get(failures) else {
                        self.give_up(entry, payload, &error).await;
                        break;
                    };
                    failures += 1;
                    *pause
                }
            };
            tokio::select! {
                () = time.until(later(time.now(), pause)) => {}
                () = stop.stopped() => break,
            }
        }
        self.running(-1);
    }

    /// Tells the function's failure destination, as Lambda does after the last retry.
    async fn give_up(&self, entry: &Entry, payload: Value, error: &InvokeError) {
        let Some(queue) = &entry.on_failure_queue else { return };
        let document = failure::of_invocation(
            payload,
            error,
            RETRIES.len() + 1,
            &self.parts.pseudo.function_arn(&entry.spec.function),
            self.parts.time.now(),
            &self.parts.request_id(),
        );
        if let Err(error) = self.parts.destination.send(queue, document.to_string()).await {
            tracing::error!(schedule = entry.spec.name, %error, "a failed run is not set aside");
        }
    }

    pub async fn run_now(&self, name: &str) -> Result<Value> {
        let named = |entry: &&Entry| {
            [&entry.spec.name, &entry.spec.function, &entry.crate_name].iter().any(|n| *n == name)
        };
        let entry =
            self.entries.iter().find(named).with_context(|| format!("no schedule is {name}"))?;
        self.running(1);
        let payload = self.event(entry, self.parts.time.now());
        let answer = self.parts.invoke(&entry.spec.function, payload).await;
        self.running(-1);
        answer.with_context(|| entry.spec.name.clone())
    }

    /// The number of runs so far; `None` while there is one.
    pub fn idle_mark(&self) -> Option<u64> {
        let idle = self.running.load(Ordering::SeqCst) == 0;
        idle.then(|| self.begun.load(Ordering::SeqCst))
    }

    fn running(&self, change: isize) {
        if change > 0 {
            self.begun.fetch_add(1, Ordering::SeqCst);
        }
        self.running.fetch_add(change.cast_unsigned(), Ordering::SeqCst);
        self.activity.tell();
    }

    /// The event as EventBridge sends it, or the schedule's own input.
    fn event(&self, entry: &Entry, due: Timestamp) -> Value {
        let pseudo = &self.parts.pseudo;
        let id = self.parts.request_id();
        let time = format!("{due:.0}");
        match &entry.spec.input {
            Some(input) => fill_in(
                input,
                &[
                    ("<aws.scheduler.execution-id>", &id),
                    ("<aws.scheduler.scheduled-time>", &time),
                    ("<aws.scheduler.attempt-number>", "1"),
                ],
            ),
            None => {
                let rule = pseudo.generated_name(&entry.spec.name.replace('.', ""));
                json!({
                    "version": "0",
                    "id": id,
                    "detail-type": "Scheduled Event",
                    "source": "aws.events",
                    "account": pseudo.account_id,
                    "time": time,
                    "region": pseudo.region,
                    "resources": [pseudo.arn("events", &format!("rule/{rule}"))],
                    "detail": {},
                })
            }
        }
    }
}

/// Replaces EventBridge Scheduler's placeholders.
fn fill_in(input: &Value, placeholders: &[(&str, &str)]) -> Value {
    match input {
        Value::String(text) => {
            let filled =
                placeholders.iter().fold(text.clone(), |text, (from, to)| text.replace(from, to));
            Value::String(filled)
        }
        Value::Array(items) => items.iter().map(|item| fill_in(item, placeholders)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), fill_in(value, placeholders))).collect()
        }
        other => other.clone(),
    }
}
