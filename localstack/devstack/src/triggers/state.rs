//! Where every mapping is, for [`super::Triggers::settled`] and the log.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::watch;

use super::ports::{Queue, ShardSource};

/// How far a mapping is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingStatus {
    /// As in [`crate::spec::MappingSpec`].
    pub name: String,
    /// Nothing in flight and nothing left to read, filtered records included.
    pub caught_up: bool,
    /// Batches being invoked, or waiting for their failure to be reported.
    pub in_flight: usize,
    /// Records or messages not yet done with; counting stops at 10,000 unread
    /// records per shard. `None` if the source could not be asked.
    pub behind: Option<usize>,
}

/// Moves whenever any mapping does something.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<watch::Sender<u64>>);

impl Activity {
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    pub fn tell(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    pub fn listen(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

/// What a mapping reads from.
#[derive(Clone)]
pub(super) enum Backing {
    Stream(Arc<dyn ShardSource>),
    Queue(Arc<dyn Queue>),
}

/// One mapping's progress.
pub(super) struct State {
    name: String,
    backing: Backing,
    shards: Mutex<BTreeMap<String, At>>,
    /// Batches begun so far.
    begun: AtomicU64,
    /// Of a queue; shards count their own.
    in_flight: AtomicUsize,
}

#[derive(Debug, Default)]
struct At {
    after: Option<String>,
    open: usize,
    in_flight: usize,
    /// The source's counter at a read that found nothing.
    caught_up: Option<u64>,
}

/// The last record the unread are counted to.
const COUNT_LIMIT: usize = 10_000;

impl State {
    pub fn new(name: String, backing: Backing, shards: &[String]) -> Self {
        Self {
            name,
            backing,
            shards: Mutex::new(shards.iter().map(|s| (s.clone(), At::default())).collect()),
            begun: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// A batch of a shard was begun.
    pub fn began(&self, activity: &Activity) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        activity.tell();
    }

    /// A read of a shard found nothing, at this value of the source's counter.
    pub fn caught_up(&self, shard: &str, version: u64) {
        self.with(|shards| shards.entry(shard.to_owned()).or_default().caught_up = Some(version));
    }

    pub fn at(&self, shard: &str, after: Option<String>, open: usize, in_flight: usize) {
        self.with(|shards| {
            let at = shards.entry(shard.to_owned()).or_default();
            (at.after, at.open, at.in_flight) = (after, open, in_flight);
        });
    }

    /// Batches of a queue in flight.
    pub fn queue_batches(&self, in_flight: usize) {
        self.in_flight.store(in_flight, Ordering::SeqCst);
    }

    /// What must not move between two looks for "idle" to be true of all
    /// mappings at one moment; `None` if this one is not idle.
    pub async fn idle_mark(&self) -> Option<(u64, u64)> {
        let begun = self.begun.load(Ordering::SeqCst);
        let version = match &self.backing {
            Backing::Queue(queue) => {
                let idle = self.in_flight.load(Ordering::SeqCst) == 0
                    && queue.backlog().await.is_ok_and(|left| left == 0);
                idle.then_some(0)?
            }
            Backing::Stream(source) => {
                let version = *source.changed().borrow();
                let idle = self.with(|shards| {
                    shards.values().all(|at| {
                        at.open == 0 && at.in_flight == 0 && at.caught_up == Some(version)
                    })
                });
                idle.then_some(version)?
            }
        };
        Some((begun, version))
    }

    pub async fn status(&self) -> MappingStatus {
        let caught_up = self.idle_mark().await.is_some();
        let (in_flight, behind) = match &self.backing {
            Backing::Queue(queue) => {
                (self.in_flight.load(Ordering::SeqCst), queue.backlog().await.ok())
            }
            Backing::Stream(source) => {
                let shards: Vec<_> = self.with(|shards| {
                    shards.iter().map(|(id, at)| (id.clone(), at.after.clone(), at.open)).collect()
                });
                let mut behind = Some(0);
                for (id, after, open) in shards {
                    let unread = source.read(&id, after.as_deref(), COUNT_LIMIT).await;
                    behind = behind.zip(unread.ok()).map(|(sum, unread)| sum + open + unread.len());
                }
                (self.with(|shards| shards.values().map(|at| at.in_flight).sum()), behind)
            }
        };
        MappingStatus { name: self.name.clone(), caught_up, in_flight, behind }
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, At>) -> T) -> T {
        act(&mut self.shards.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
