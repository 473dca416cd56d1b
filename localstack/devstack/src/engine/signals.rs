//! Wake-ups for pollers: a counter per source, bumped after each write to it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::spec::Source;

/// One counter per source, made when first asked for or first bumped.
#[derive(Debug, Default)]
pub(super) struct Signals {
    counters: Mutex<HashMap<Key, watch::Sender<u64>>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Table(String),
    Stream(String),
    Queue(String),
}

impl From<&Source> for Key {
    fn from(source: &Source) -> Self {
        match source {
            Source::TableStream { table } => Self::Table(table.clone()),
            Source::Kinesis { stream } => Self::Stream(stream.clone()),
            Source::Queue { queue } => Self::Queue(queue.clone()),
        }
    }
}

impl Signals {
    /// A receiver that changes after every write to `source`.
    pub(super) fn subscribe(&self, source: &Source) -> watch::Receiver<u64> {
        self.with(source.into(), watch::Sender::subscribe)
    }

    /// Says that `table` was written to.
    pub(super) fn table(&self, table: String) {
        self.with(Key::Table(table), bump);
    }

    /// Says that records were put on `stream`.
    pub(super) fn stream(&self, stream: &str) {
        self.with(Key::Stream(stream.to_owned()), bump);
    }

    /// Says that `queue` has messages it did not have to give before.
    pub(super) fn queue(&self, queue: &str) {
        self.with(Key::Queue(queue.to_owned()), bump);
    }

    fn with<T>(&self, key: Key, act: impl FnOnce(&watch::Sender<u64>) -> T) -> T {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        act(counters.entry(key).or_insert_with(|| watch::Sender::new(0)))
    }
}

fn bump(counter: &watch::Sender<u64>) {
    counter.send_modify(|count| *count += 1);
}
